package projection

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/biter777/countries"
	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

func dec(t *testing.T, text string) decimal.Decimal {
	t.Helper()
	d, err := decimal.NewFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTiers(t *testing.T) {
	t.Parallel()

	tier := func(from, until, price string, flat bool) billing.Tier {
		out := billing.Tier{StartingUnit: dec(t, from), Price: dec(t, price), FlatFee: flat}
		if until != "" {
			out.EndingUnit = decimal.NewNullDecimal(dec(t, until))
		}
		return out
	}
	perUnit := []billing.Tier{tier("11", "20", "2", false), tier("0", "10", "3", false), tier("21", "", "1", false)}
	withFees := []billing.Tier{tier("0", "10", "5", true), tier("11", "", "2", false)}
	twoFees := []billing.Tier{tier("0", "10", "5", true), tier("11", "20", "7", true)}
	for _, tc := range []struct {
		name, units    string
		tiers          []billing.Tier
		tiered, volume string // "" when it cannot be read
	}{
		{"none", "1", nil, "", ""},
		{"nothing bought", "0", perUnit, "0", "0"},
		{"first tier", "4", perUnit, "12", "12"},
		{"its end", "10", perUnit, "30", "30"},
		{"between the bounds", "10.5", perUnit, "31", "21"},
		{"second tier", "15", perUnit, "40", "30"},
		{"open end", "25", perUnit, "55", "25"},
		{"flat fee", "1", withFees, "5", "5"},
		{"flat fee, then units", "12", withFees, "9", "24"},
		{"nothing bought of a flat fee", "0", twoFees, "0", "5"},
		{"a flat fee's end", "10", twoFees, "5", "5"},
		{"the next flat fee", "11", twoFees, "12", "7"},
		{"beyond the last", "30", []billing.Tier{tier("0", "10", "1", false)}, "10", "30"},
		{"unheard of number", "1", []billing.Tier{tier("0", "", "1e999999", false)}, "", ""},
	} {
		for model, want := range map[string]string{"Tiered": tc.tiered, "Volume": tc.volume} {
			seg := billing.Segment{Quantity: decimal.NewNullDecimal(dec(t, tc.units)), Tiers: tc.tiers}
			amount, ok := amountOf(line{billing.Charge{Model: model}, seg})
			got := ""
			if ok {
				got = amount.String()
			}
			if got != want {
				t.Errorf("%s: %s price of %s units = %q, want %q", tc.name, model, tc.units, got, want)
			}
		}
	}
}

func TestCurrent(t *testing.T) {
	t.Parallel()

	seg := func(from, until string) billing.Segment { return billing.Segment{From: from, Until: until} }
	for _, tc := range []struct {
		name    string
		charges [][]billing.Segment
		want    []string // From of what counts
	}{
		{"none", nil, nil},
		{"today begins", [][]billing.Segment{{seg("2026-01-01", "2026-11-22"), seg("2026-11-22", "")}},
			[]string{"2026-11-22"}},
		{"today ends", [][]billing.Segment{{seg("2026-01-01", "2026-11-23"), seg("2026-11-23", "")}}, []string{"2026-01-01"}},
		{"an ended charge gives way", [][]billing.Segment{{seg("2026-01-01", "2026-02-01")}, {seg("2026-02-01", "")}},
			[]string{"2026-02-01"}},
		{"a charge to come waits", [][]billing.Segment{{seg("2026-01-01", "")}, {seg("2027-01-01", "")}},
			[]string{"2026-01-01"}},
		{"all to come", [][]billing.Segment{{seg("2027-02-01", "")},
			{seg("2027-01-01", "2027-02-01"), seg("2027-02-01", "")}}, []string{"2027-01-01"}},
		{"a gap today", [][]billing.Segment{{seg("2026-01-01", "2026-02-01"), seg("2027-01-01", "")}},
			[]string{"2027-01-01"}},
		{"all over", [][]billing.Segment{{seg("2025-01-01", "2025-06-01"), seg("2025-06-01", "2026-01-01")},
			{seg("2025-01-01", "2026-01-01")}},
			[]string{"2025-06-01", "2025-01-01"}},
		{"never began", [][]billing.Segment{{seg("2026-01-01", "2026-01-01")}}, []string{"2026-01-01"}},
		{"no start yet", [][]billing.Segment{{seg("", "")}}, nil},
	} {
		var charges []billing.Charge
		for _, segments := range tc.charges {
			charges = append(charges, billing.Charge{Segments: segments})
		}
		var got []string
		for _, l := range current(charges, "2026-11-22") {
			got = append(got, l.segment.From)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: current mismatch (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestCountryCode(t *testing.T) {
	t.Parallel()

	for in, want := range map[string]string{
		"United Kingdom": "GB", "GB": "GB", "gbr": "GB", "UK": "GB", "England": "GB",
		"United States": "US", "U.S.A.": "US", "Germany": "DE", "The Netherlands": "NL",
		"Korea, Republic of": "KR", "Korea (Democratic People's Republic of)": "KP",
		"Congo (the Democratic Republic of the)": "CD", "Congo": "CG",
		"Virgin Islands (British)": "VG", "Virgin Islands (U.S.)": "VI",
		"Taiwan, Province of China": "TW", "Palestine, State of": "PS", "Venezuela, Bolivarian Republic of": "VE",
		"Venezuela (Bolivarian Republic of)": "VE", "Falkland Islands (Malvinas)": "FK",
		"Holy See (Vatican City State)": "VA",
		"Netherlands, Kingdom of the":   "NL", "Republic of Ireland": "IE", "Hong Kong SAR": "HK",
		"Côte d'Ivoire": "CI", "Türkiye": "TR", "Kosovo": "XK",
		"": "", "  ": "", "Atlantis": "", "XX": "", "None": "", "RA": "", "BAR": "", "Netherlands Antilles": "", "44": "",
	} {
		got, ok := countryCode(in)
		if got != want || ok != (want != "") {
			t.Errorf("countryCode(%q) = %q, %t, want %q", in, got, ok, want)
		}
	}
	for _, c := range countries.All() {
		want := c.Alpha2()
		if c == countries.ANT || c == countries.YUG {
			want = ""
		}
		for _, in := range []string{c.Alpha2(), c.Alpha3(), c.String()} {
			if got, _ := countryCode(in); got != want {
				t.Errorf("countryCode(%q) = %q, want %q", in, got, want)
			}
		}
	}
}

func FuzzCountryCode(f *testing.F) {
	f.Add("United Kingdom")
	f.Add("Korea (Republic of)")
	f.Add("Å(\xff")
	f.Fuzz(func(t *testing.T, in string) {
		code, ok := countryCode(in)
		if ok != (len(code) == 2) || strings.ToUpper(code) != code {
			t.Fatalf("countryCode(%q) = %q, %t", in, code, ok)
		}
		if again, _ := countryCode(code); ok && again != code {
			t.Fatalf("countryCode(%q) = %q, whose own code is %q", in, code, again)
		}
	})
}

func TestRemask(t *testing.T) {
	t.Parallel()

	for in, want := range map[string][2]string{
		"************4242":     {"************4242", "4242"},
		"4111111111114242":     {"************4242", "4242"},
		"XXXX-XXXX-XXXX-4242":  {"***************4242", "4242"},
		" ••••4242 ":           {"****4242", "4242"},
		"DE8937040044053201":   {"**************3201", "3201"},
		"4242":                 {"4242", "4242"},
		"GB29NWBK****6819":     {"************6819", "6819"},
		"NL**ABNA******4300":   {"**************4300", "4300"},
		"ABCD1984":             {},
		"":                     {},
		"*******":              {},
		"42":                   {},
		"someone1984":          {},
		"paypal2024@a.org":     {},
		"************424a":     {},
		"1111222233334444\n55": {},
	} {
		masked, last4 := remask(in)
		if got := [2]string{masked, last4}; got != want {
			t.Errorf("remask(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzRemask(f *testing.F) {
	f.Add("************4242")
	f.Add("4111 1111 1111 1111")
	f.Add("DE••4242")
	f.Fuzz(func(t *testing.T, in string) {
		masked, last4 := remask(in)
		if masked == "" && last4 == "" {
			return
		}
		hidden, ok := strings.CutSuffix(masked, last4)
		if !ok || len(last4) != 4 || strings.Trim(last4, "0123456789") != "" || strings.Trim(hidden, "*") != "" ||
			len(masked) > 23 {
			t.Fatalf("remask(%q) = %q, %q", in, masked, last4)
		}
	})
}

func TestSalesforceID(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		crm      string
		names    hotsync.SalesforceID
		want     string
		warnings int
	}{
		{"", hotsync.SalesforceAccount, "", 0},
		{"0018d00000ABCDE", hotsync.SalesforceAccount, "0018d00000ABCDEAA5", 0},
		{"0010000000abcde", hotsync.SalesforceAccount, "0010000000abcdeAAA", 0},
		{"0018d00000ABCDEAA5", hotsync.SalesforceAccount, "0018d00000ABCDEAA5", 0},
		{"0038d00000ABCDE", hotsync.SalesforceContact, "0038d00000ABCDEAA5", 0},
		{"0038d00000ABCDE", hotsync.SalesforceAccount, "", 1},
		{"ACMECORPORATION", hotsync.SalesforceAccount, "", 1},
		{"0018d00000ABCDEA", hotsync.SalesforceAccount, "", 1},
		{"0018d00000ABC'E", hotsync.SalesforceAccount, "", 1},
		{"0068d00000ABCDE", hotsync.SalesforceAccount, "", 1},
	} {
		p := &projector{account: billing.Account{CRMID: tc.crm}, opt: Options{SalesforceID: tc.names}}
		got, ok := p.salesforceID()
		if got != tc.want || ok != (tc.want != "") || len(p.findings) != tc.warnings {
			t.Errorf("salesforceID(%q as %s) = %q, %t, warnings %q, want %q", tc.crm, tc.names, got, ok, p.findings, tc.want)
		}
		if tc.crm != "" && strings.Contains(strings.Join(hotsync.Messages(p.findings), ""), tc.crm) {
			t.Errorf("the warning %q shows the free text", p.findings)
		}
	}
}

// The suffix of a0D30000001n7Pi is a published example.
func TestSalesforceSuffix(t *testing.T) {
	t.Parallel()

	if got := salesforceSuffix("a0D30000001n7Pi"); got != "EAI" {
		t.Errorf("salesforceSuffix = %q, want EAI", got)
	}
}

func TestOfferKeys(t *testing.T) {
	t.Parallel()

	p := &projector{offerKeys: map[string]bool{}}
	s := billing.Subscription{Number: "A-S1"}
	named := billing.RatePlan{Name: "Monthly", ProductName: "Digital", ProductSKU: "SKU-1"}
	charged := billing.RatePlan{Name: "Monthly", Charges: []billing.Charge{{Number: "C-9"}, {Number: ""}, {Number: "C-2"}}}
	for _, tc := range []struct {
		plan billing.RatePlan
		want string
	}{
		{billing.RatePlan{Number: "SRP-1", Charges: charged.Charges}, "SRP-1"},
		{charged, "C-2"},
		{named, "A-S1/SKU-1/Digital/Monthly"},
		{named, "A-S1/SKU-1/Digital/Monthly#2"},
		{named, "A-S1/SKU-1/Digital/Monthly#3"},
	} {
		if got := p.offerKey(s, tc.plan); got != tc.want {
			t.Errorf("offerKey = %q, want %q", got, tc.want)
		}
	}
}

func TestDefaultPaymentMethod(t *testing.T) {
	t.Parallel()

	methods := []billing.PaymentMethod{{ID: "pm1", Status: "Active"}, {ID: "pm2", Status: "Closed"}}
	for _, tc := range []struct {
		name, id string
		want     any
		warnings int
	}{
		{"none", "", nil, 0},
		{"active", "pm1", ID("", PaymentMethod, "", "pm1"), 0},
		{"closed", "pm2", nil, 1},
		{"missing", "pm3", nil, 1},
	} {
		p := &projector{account: billing.Account{DefaultPaymentMethodID: tc.id, PaymentMethods: methods}}
		if got := p.defaultPaymentMethod(); got != tc.want || len(p.findings) != tc.warnings {
			t.Errorf("%s: defaultPaymentMethod = %v, warnings %q, want %v", tc.name, got, p.findings, tc.want)
		}
	}
}

func TestDiscountPrice(t *testing.T) {
	t.Parallel()

	seg := func(amount, percentage string) []billing.Segment {
		out := billing.Segment{From: "2026-01-01"}
		if amount != "" {
			out.DiscountAmount = decimal.NewNullDecimal(dec(t, amount))
		}
		if percentage != "" {
			out.DiscountPercentage = decimal.NewNullDecimal(dec(t, percentage))
		}
		return []billing.Segment{out}
	}
	for _, tc := range []struct {
		name     string
		charges  []billing.Charge
		want     map[string]any
		warnings int
	}{
		{"fixed", []billing.Charge{{Model: "DiscountFixedAmount", Currency: "EUR", Segments: seg("2.50", "")}},
			map[string]any{"currency": "EUR", "amount": json.Number("-2.5"), "percentage": nil}, 0},
		{"several, one negative already",
			[]billing.Charge{{Model: "DiscountFixedAmount", Segments: seg("1", "")},
				{Model: "DiscountFixedAmount", Segments: seg("-2", "")}},
			map[string]any{"currency": "GBP", "amount": json.Number("-3"), "percentage": nil}, 0},
		{"in two currencies, of which the first counts",
			[]billing.Charge{{Model: "DiscountFixedAmount", Currency: "EUR", Segments: seg("1", "")},
				{Model: "DiscountFixedAmount", Currency: "USD", Segments: seg("1", "")}},
			map[string]any{"currency": "EUR", "amount": json.Number("-2"), "percentage": nil}, 0},
		{"percentage", []billing.Charge{{Model: "DiscountPercentage", Segments: seg("", "12.50")},
			{Model: "DiscountPercentage", Segments: seg("", "99")}},
			map[string]any{"currency": "GBP", "amount": nil, "percentage": json.Number("12.5")}, 0},
		{"unreadable", []billing.Charge{{Model: "DiscountPercentage", Segments: seg("", "")}},
			map[string]any{"currency": "GBP", "amount": nil, "percentage": nil}, 1},
	} {
		p := &projector{opt: Options{Today: "2026-11-22"}}
		got := p.discountPrice(billing.Subscription{Currency: "GBP"}, billing.RatePlan{Charges: tc.charges})
		if diff := cmp.Diff(tc.want, got); diff != "" || len(p.findings) != tc.warnings {
			t.Errorf("%s: warnings %q, mismatch (-want +got):\n%s", tc.name, p.findings, diff)
		}
	}
}

// A superseded version must not stand in for the current one, whatever its
// version number.
func TestCanonicalVersions(t *testing.T) {
	t.Parallel()

	a := canonical(billing.Account{Subscriptions: []billing.Subscription{
		{Number: "A-S2", Version: 1, Status: "Expired"},
		{Number: "A-S1", Version: 3, Status: "Expired"}, {Number: "A-S1", Version: 1, Status: "Suspended"}, {Number: "A-S1",
			Version: 2, Status: "Active"},
	}})
	var got []string
	for _, s := range a.Subscriptions {
		got = append(got, s.Number+" "+s.Status)
	}
	if diff := cmp.Diff([]string{"A-S1 Active", "A-S2 Expired"}, got); diff != "" {
		t.Errorf("canonical mismatch (-want +got):\n%s", diff)
	}
}
