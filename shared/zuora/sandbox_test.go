package zuora_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/persona"
	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/spectest"
	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

var today = time.Date(2026, 3, 15, 9, 0, 0, 0, time.UTC)

// testBundle is a client of a sandbox with the accounts of all personas, both
// held to Zuora's OpenAPI file.
type testBundle struct {
	*zuora.Client
	t       *testing.T
	sandbox *zuorasandbox.Server
	url     string
}

func setup(t *testing.T, edit ...func(*zuora.Config)) *testBundle {
	t.Helper()
	b := startSandbox(t)
	b.Client = newClient(t, spectest.Transport(t, "zuora.openapi.yaml", "", nil),
		append([]func(*zuora.Config){b.at}, edit...)...)
	return b
}

// startSandbox returns a sandbox without a client, for tests whose answers no
// file describes.
func startSandbox(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{t: t,
		sandbox: zuorasandbox.New(zuorasandbox.Config{Now: func() time.Time { return today }, Personas: true})}
	server := httptest.NewServer(b.sandbox)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *testBundle) at(cfg *zuora.Config) {
	cfg.BaseURL = b.url
	cfg.Now = func() time.Time { return today }
	cfg.Credentials = zuorasandbox.Credentials
}

// control steers the sandbox.
func (b *testBundle) control(method, path, body string) {
	b.t.Helper()
	rec := httptest.NewRecorder()
	b.sandbox.ServeHTTP(rec,
		httptest.NewRequestWithContext(b.t.Context(), method, "/_sandbox/"+path, strings.NewReader(body)))
	if rec.Code >= 300 {
		b.t.Fatalf("%s /_sandbox/%s = %d %s", method, path, rec.Code, rec.Body)
	}
}

// TestPlansAgree: whichever way an account is read, it is the same account.
func TestPlansAgree(t *testing.T) {
	t.Parallel()

	b := setup(t)
	opt := zuora.ReadOptions{Plan: hotsync.PlanH, CustomFields: []string{persona.LookupField}, Preview: true,
		Today: "2026-03-15"}
	accounts, previewed := 0, 0
	for _, p := range persona.All(today) {
		for _, a := range p.Accounts {
			accounts++
			opt.Plan = hotsync.PlanH
			h, err := b.Read(t.Context(), a.ID, opt)
			if err != nil {
				t.Errorf("%s by plan H: %v", p.Name, err)
				continue
			}
			opt.Plan = hotsync.PlanV
			v, err := b.Read(t.Context(), a.ID, opt)
			if err != nil {
				t.Errorf("%s by plan V: %v", p.Name, err)
				continue
			}
			if diff := cmp.Diff(h, v); diff != "" {
				t.Errorf("%s: plans differ (-H +V):\n%s", p.Name, diff)
			}
			if h.Preview.Missing != "" {
				t.Errorf("%s: preview %s", p.Name, h.Preview.Missing)
			}
			previewed += len(h.Preview.Items)
			if len(h.Subscriptions) != len(a.Subscriptions) || h.Number != a.Number {
				t.Errorf("%s: account %s with %d subscriptions, want %s with %d", p.Name, h.Number, len(h.Subscriptions), a.Number,
					len(a.Subscriptions))
			}
			if text := fmt.Sprintf("%+v", h); strings.Contains(strings.ToLower(text), "canary") {
				t.Errorf("%s: something was read that never must be", p.Name)
			}
		}
	}
	if accounts < 10 || previewed < 10 {
		t.Errorf("only %d accounts and %d items of previews were read", accounts, previewed)
	}
}

// TestMethodsOfTheSandbox has one payment method of each kind; Object Query lists
// them under CRUD's words, v1 under its own.
func TestMethodsOfTheSandbox(t *testing.T) {
	t.Parallel()

	b := setup(t)
	const id = "8a9f00000000000000000000000000aa"
	b.control(http.MethodPut, "accounts/"+id,
		`{"account":{"success":true,"basicInfo":{"accountNumber":"M1","name":"n","status":"Active"},"billingAndPayment":{"currency":"GBP"}},
		"paymentMethods":{"banktransfer":[{"id":"1","type":"Bacs","bankTransferType":"DirectDebitUK","accountNumber":"****6789"},{"id":"2","type":"SEPA","IBAN":"DE89****3000"},
		{"id":"3","type":"Becs","accountNumber":"****0001"},{"id":"4","type":"Becsnz"}],
		"ach":[{"id":"6","type":"ACH","bankAccountNumber":"*****6789","bankName":"Example Bank"}],
		"paypal":[{"id":"7","type":"PayPalEC"},{"id":"8","type":"PayPalAdaptive"},{"id":"9","type":"PayPalCP"}],
		"debitcard":[{"id":"10","type":"CreditCard","creditCardType":"Visa","cardNumber":"************4242","expirationMonth":2,"expirationYear":2030}],
		"applepay":[{"id":"11","type":"ApplePay","appleCardNumber":"************4243"}]}}`)
	var got [2]billing.Account
	for i, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
		var err error
		got[i], err = b.Read(t.Context(), id, zuora.ReadOptions{Plan: plan})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("plans differ (-H +V):\n%s", diff)
	}
	var words []string
	for _, m := range got[0].PaymentMethods {
		words = append(words, strings.Join([]string{m.ID, m.Type, m.Kind, m.BankTransferType, strings.TrimLeft(m.Mask, "*")},
			" "))
	}
	want := []string{"1 BankTransfer Bacs DirectDebitUK 6789", "10 CreditCard CreditCard  4242",
		"11 ApplePay ApplePay  4243", "2 BankTransfer SEPA SEPA 3000",
		"3 BankTransfer Becs DirectEntryAU 0001", "4 BankTransfer Becsnz DirectDebitNZ ", "6 ACH ACH  6789",
		"7 PayPal PayPalEC  ", "8 PayPal PayPalAdaptive  ", "9 PayPal PayPalCP  "}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
}

func TestPersonas(t *testing.T) {
	t.Parallel()

	b := setup(t)
	read := func(name string) billing.Account {
		t.Helper()
		p, ok := persona.Find(name, today)
		if !ok {
			t.Fatalf("no persona %s", name)
		}
		a, err := b.Read(t.Context(), p.Accounts[0].ID, zuora.ReadOptions{CustomFields: []string{persona.LookupField}})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	single := read("single")
	if len(single.Subscriptions) != 1 || single.BillTo == nil || single.BillTo.WorkEmail == "" ||
		single.PaymentMethods[0].Mask != "************4242" {
		t.Errorf("single: %+v", single)
	}
	if got := read("lookup").CustomFields[persona.LookupField]; got == "" {
		t.Error("lookup: no external id")
	}
	sixty := read("sixty")
	if len(sixty.Subscriptions) != 60 ||
		!slices.IsSortedFunc(sixty.Subscriptions,
			func(a, b billing.Subscription) int { return strings.Compare(a.Number, b.Number) }) {
		t.Errorf("sixty: %d subscriptions, sorted by number", len(sixty.Subscriptions))
	}
	bare := read("bare")
	if bare.BillTo != nil || bare.PaymentMethods != nil || bare.Subscriptions != nil || bare.CustomFields != nil {
		t.Errorf("bare: %+v", bare)
	}
	statuses := map[string]bool{}
	for _, m := range read("wallet").PaymentMethods {
		statuses[m.Type+" "+m.Status] = true
	}
	want := map[string]bool{"CreditCard Closed": true, "CreditCard Active": true,
		"CreditCardReferenceTransaction Active": true,
		"ACH Active":                            true, "BankTransfer Active": true, "PayPal Active": true}
	if diff := cmp.Diff(want, statuses); diff != "" {
		t.Errorf("wallet (-want +got):\n%s", diff)
	}
}

// TestCallsOfAPlan counts what a read costs.
func TestCallsOfAPlan(t *testing.T) {
	t.Parallel()

	b := setup(t)
	p, _ := persona.Find("single", today)
	for plan, want := range map[hotsync.ZuoraPlan]int64{hotsync.PlanH: 2, hotsync.PlanV: 3} {
		_, err := b.Resolve(t.Context(), p.Accounts[0].Number) // for the token
		if err != nil {
			t.Fatal(err)
		}
		before := b.Budget()
		_, err = b.Read(t.Context(), p.Accounts[0].ID, zuora.ReadOptions{Plan: plan})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Budget().Calls - before.Calls; got != want {
			t.Errorf("plan %s made %d calls, want %d", plan, got, want)
		}
	}
	got := b.Budget()
	if got.Default.InFlight != 0 || got.ObjectQuery.InFlight != 0 || got.RateLimited != 0 {
		t.Errorf("afterwards %+v", got)
	}
	if got.RateRemaining <= 0 || got.Default.ConcurrencyRemaining <= 0 || got.ObjectQuery.ConcurrencyRemaining <= 0 {
		t.Errorf("nothing learnt of Zuora's limits: %+v", got)
	}
}

func TestFindPersonas(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for _, name := range []string{"lookup", "nobody", "ambiguous"} {
		p, _ := persona.Find(name, today)
		var want []string
		for _, a := range p.Accounts {
			want = append(want, a.Number)
		}
		slices.Sort(want)
		for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
			refs, err := b.Find(t.Context(), persona.LookupField, fmt.Sprint(p.Claims["sub"]), plan)
			if err != nil {
				t.Errorf("%s by plan %s: %v", name, plan, err)
			}
			var got []string
			for _, r := range refs {
				got = append(got, r.Number)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s by plan %s (-want +got):\n%s", name, plan, diff)
			}
		}
	}
}

// TestFindTraps puts values into the field that a careless search stumbles over.
func TestFindTraps(t *testing.T) {
	t.Parallel()

	b := setup(t)
	values := []string{"auth0|AbC", "auth0|abc", `O'Brien`, `back\slash`, `x\' or Id != '`, `say "hi"`, "a,b", "[a]",
		"a:b", "a.EQ:b",
		"100%", "a+b", "a b", "a&filter[]=status.EQ:Active", "é", "日本", "nul", "null ish", "'''", "x;y#z?"}
	for i, v := range values {
		b.put(fmt.Sprintf("8a9f00000000000000000000000000%02x", i), fmt.Sprintf("T%02d", i), v)
	}
	for i, v := range values {
		for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
			refs, err := b.Find(t.Context(), persona.LookupField, v, plan)
			if err != nil {
				t.Errorf("Find(%q) by plan %s: %v", v, plan, err)
				continue
			}
			want := []hotsync.AccountRef{{ID: fmt.Sprintf("8a9f00000000000000000000000000%02x", i),
				Number: fmt.Sprintf("T%02d", i)}}
			if diff := cmp.Diff(want, refs); diff != "" {
				t.Errorf("Find(%q) by plan %s (-want +got):\n%s", v, plan, diff)
			}
		}
	}
	for _, v := range []string{"AUTH0|ABC", "o'brien", "null", "NULL"} {
		for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
			refs, err := b.Find(t.Context(), persona.LookupField, v, plan)
			if len(refs) != 0 {
				t.Errorf("Find(%q) by plan %s found %v, %v", v, plan, refs, err)
			}
		}
	}
}

// put puts an account whose lookup field has that value.
func (b *testBundle) put(id, number, value string) {
	b.t.Helper()
	quoted, err := json.Marshal(value)
	if err != nil {
		b.t.Fatal(err)
	}
	b.control(http.MethodPut, "accounts/"+id,
		fmt.Sprintf(
			`{"account":{"success":true,"basicInfo":{"id":"%s","accountNumber":"%s","name":"n","status":"Active","%s":%s},
		"billingAndPayment":{"currency":"GBP"}}}`, id, number, persona.LookupField, quoted))
}

func TestLookupFieldOfTheSandbox(t *testing.T) {
	t.Parallel()

	b := startSandbox(t) // describe answers XML, which the file's validator does not read
	c := newClient(t, nil, b.at)
	b.control(http.MethodPut, "fields", `{"LimioExternalId__c":{"indexed":true},"Slow__c":{"indexed":false}}`)
	for field, want := range map[string][2]bool{"LimioExternalId__c": {true, true}, "Slow__c": {true, false},
		"Missing__c": {false, false}} {
		exists, indexed, err := c.LookupFieldStatus(t.Context(), field)
		if err != nil {
			t.Errorf("LookupFieldStatus(%q): %v", field, err)
		}
		if got := [2]bool{exists, indexed}; got != want {
			t.Errorf("LookupFieldStatus(%q) = %v, want %v", field, got, want)
		}
	}
	_, err := c.Find(t.Context(), "Slow__c", "x", hotsync.PlanH)
	wantCode(t, "Find by a field that is not indexed", err, hotsync.CodeLookupField)
	_, err = c.Find(t.Context(), "Slow__c", "x", hotsync.PlanV)
	wantCode(t, "the same by ZOQL", err, "")
	_, err = c.Find(t.Context(), "Missing__c", "x", hotsync.PlanV)
	wantCode(t, "Find by a field that is missing, by ZOQL", err, hotsync.CodeLookupField)
}

func TestResolveOfTheSandbox(t *testing.T) {
	t.Parallel()

	b := setup(t)
	p, _ := persona.Find("single", today)
	want := hotsync.AccountRef{ID: p.Accounts[0].ID, Number: p.Accounts[0].Number}
	got, err := b.Resolve(t.Context(), want.Number)
	if err != nil || got != want {
		t.Errorf("Resolve = %+v, %v, want %+v", got, err, want)
	}
	_, err = b.Resolve(t.Context(), "A99999999")
	wantCode(t, "Resolve of an unknown number", err, hotsync.CodeZuoraNotFound)
	_, err = b.Read(t.Context(), otherID, zuora.ReadOptions{Plan: hotsync.PlanH})
	wantCode(t, "Read of an unknown id by plan H", err, hotsync.CodeZuoraNotFound)
	_, err = b.Read(t.Context(), otherID, zuora.ReadOptions{Plan: hotsync.PlanV})
	wantCode(t, "Read of an unknown id by plan V", err, hotsync.CodeZuoraNotFound)

	account, err := b.Read(t.Context(), want.ID, zuora.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{account.Subscriptions[0].Number, account.Subscriptions[0].ID} {
		got, err = b.SubscriptionAccount(t.Context(), key)
		if err != nil || got != want {
			t.Errorf("SubscriptionAccount(%q) = %+v, %v, want %+v", key, got, err, want)
		}
	}
	_, err = b.SubscriptionAccount(t.Context(), "A-S99999999")
	wantCode(t, "SubscriptionAccount of an unknown number", err, hotsync.CodeZuoraNotFound)
}

func TestNextPageOfTheSandbox(t *testing.T) {
	t.Parallel()

	p, _ := persona.Find("sixty", today)
	for form, want := range map[string]hotsync.Code{"absolute": "", "relative": "", "foreign": "", "other": ""} {
		b := setup(t)
		b.control(http.MethodPut, "options", `{"nextPage":"`+form+`"}`)
		got, err := b.Read(t.Context(), p.Accounts[0].ID, zuora.ReadOptions{})
		wantCode(t, "Read with "+form+" links", err, want)
		if err == nil && len(got.Subscriptions) != 60 {
			t.Errorf("%s links: %d subscriptions", form, len(got.Subscriptions))
		}
	}
}

func TestExpiredTokens(t *testing.T) {
	t.Parallel()

	b := setup(t)
	p, _ := persona.Find("single", today)
	for range 3 {
		_, err := b.Read(t.Context(), p.Accounts[0].ID, zuora.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b.control(http.MethodPost, "expire-tokens", "")
	}
}

// TestFaults makes the sandbox misbehave.
func TestFaults(t *testing.T) {
	t.Parallel()

	p, _ := persona.Find("single", today)
	for _, tc := range []struct {
		name, fault string
		want        hotsync.Code
	}{
		{name: "drop", fault: `"drop":true`, want: hotsync.CodeZuoraUnavailable},
		{name: "truncate", fault: `"truncate":true`, want: hotsync.CodeZuoraUnavailable},
		{name: "hang", fault: `"hang":true`, want: hotsync.CodeZuoraUnavailable},
		{name: "text", fault: `"status":502,"body":"Bad Gateway"`, want: hotsync.CodeZuoraUnavailable},
		{name: "failure as 200",
			fault: `"status":200,"body":{"success":false,"reasons":[{"code":50000050,"message":"locked"}]}`,
			want:  hotsync.CodeZuoraBusy},
		{name: "wrong JSON", fault: `"status":200,"body":{"success":true,"subscriptions":{}}`, want: hotsync.CodeZuoraAnswer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := startSandbox(t)
			c := newClient(t, nil, b.at, func(cfg *zuora.Config) { cfg.Timeout = 2 * time.Second })
			b.control(http.MethodPut, "behaviour", `{"faults":[{"match":"GET /v1/subscriptions/**","times":1,`+tc.fault+`}]}`)
			_, err := c.Read(t.Context(), p.Accounts[0].ID, zuora.ReadOptions{})
			wantCode(t, "Read", err, tc.want)
			_, err = c.Read(t.Context(), p.Accounts[0].ID, zuora.ReadOptions{})
			wantCode(t, "Read after the fault", err, "")
		})
	}
}

func TestLimitsOfTheSandbox(t *testing.T) {
	t.Parallel()

	p, _ := persona.Find("single", today)
	for _, tc := range []struct {
		name, limits string
		want         hotsync.Code
	}{
		{name: "rate", limits: `{"perMinute":0}`, want: hotsync.CodeZuoraRateLimited},
		{name: "concurrency", limits: `{"concurrency":0}`, want: hotsync.CodeZuoraBusy},
		{name: "tokens", limits: `{"tokensPerMinute":0}`, want: hotsync.CodeZuoraRateLimited},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.control(http.MethodPut, "limits", tc.limits)
			_, err := b.Resolve(t.Context(), p.Accounts[0].Number)
			wantCode(t, "Resolve", err, tc.want)
			if wait := hotsync.AsError(err).RetryAfter; wait <= 0 || wait > 2*time.Minute {
				t.Errorf("RetryAfter = %s", wait)
			}
			if got := b.Budget(); got.RateLimited != 1 {
				t.Errorf("budget %+v", got)
			}
		})
	}
}

// TestManyAtOnce reads far more accounts at once than the pools allow.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()

	b := startSandbox(t)
	b.control(http.MethodPut, "behaviour", `{"latencyMs":5}`)
	c := newClient(t, nil, b.at)
	p, _ := persona.Find("several", today)
	var wg sync.WaitGroup
	for i := range 90 {
		wg.Go(func() {
			_, err := c.Read(t.Context(), p.Accounts[i%3].ID, zuora.ReadOptions{})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	rec := httptest.NewRecorder()
	b.sandbox.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/_sandbox/limits", nil))
	var got struct{ PeakConcurrency, PeakObjectQueryConcurrency, ConcurrencyLimited, RateLimited, Tokens int }
	err := json.Unmarshal(rec.Body.Bytes(), &got)
	if err != nil {
		t.Fatal(err)
	}
	if got.PeakConcurrency > zuora.DefaultConcurrency || got.PeakObjectQueryConcurrency > zuora.ObjectConcurrency ||
		got.ConcurrencyLimited+got.RateLimited > 0 || got.Tokens != 1 {
		t.Errorf("limits after 90 reads at once: %+v", got)
	}
	if got.PeakConcurrency < 2 || got.PeakObjectQueryConcurrency < 2 {
		t.Errorf("the pools were not used: %+v", got)
	}
}
