package persona_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/persona"
)

var today = time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC) // a day that not every month has

// view is what the stories speak of.
type view struct {
	BasicInfo         struct{ ID, AccountNumber, CRMID, LimioExternalId__c string }
	BillingAndPayment struct{ DefaultPaymentMethodID string }
	BillToContact     *struct{ Country string }
	Methods           map[string][]struct {
		ID, Type, Status string
		IsDefault        bool
	} `json:"-"`
	Subscriptions []subscription `json:"-"`
}

type subscription struct {
	SubscriptionNumber, Status, TermType, SubscriptionStartDate, SubscriptionEndDate string
	TermStartDate, TermEndDate                                                       string
	RatePlans                                                                        []struct {
		LastChangeType  string
		RatePlanCharges []struct {
			Number, Model  string
			ChargeSegments []struct{ EffectiveStartDate string }
		}
	}
}

func open(t *testing.T, a persona.Account) view {
	t.Helper()
	var v view
	decode(t, a.Account, &v)
	if a.PaymentMethods != nil {
		var raw map[string]json.RawMessage
		decode(t, a.PaymentMethods, &raw)
		v.Methods = map[string][]struct {
			ID, Type, Status string
			IsDefault        bool
		}{}
		for key, list := range raw {
			if list[0] != '[' {
				continue
			}
			m := v.Methods[key]
			decode(t, list, &m)
			v.Methods[key] = m
		}
	}
	for _, raw := range a.Subscriptions {
		var s subscription
		decode(t, raw, &s)
		v.Subscriptions = append(v.Subscriptions, s)
	}
	return v
}

func decode(t *testing.T, raw json.RawMessage, v any) {
	t.Helper()
	err := json.Unmarshal(raw, v)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
}

func find(t *testing.T, name string) persona.Persona {
	t.Helper()
	p, ok := persona.Find(name, today)
	if !ok {
		t.Fatalf("no persona %s", name)
	}
	return p
}

func TestCast(t *testing.T) {
	t.Parallel()

	var names []string
	seen := map[string]string{}
	accountID, number := regexp.MustCompile(`^[0-9a-f]{32}$`), regexp.MustCompile(`^A[0-9]{8}$`)
	for _, p := range persona.All(today) {
		names = append(names, p.Name)
		for _, claim := range []string{"sub", "email", "name"} {
			text, ok := p.Claims[claim].(string)
			if !ok || text == "" {
				t.Errorf("%s: claim %s = %v", p.Name, claim, p.Claims[claim])
			}
		}
		if p.Story == "" || p.Issuer != persona.Direct && p.Issuer != persona.Lookup && p.Issuer != persona.Staff {
			t.Errorf("%s: story %q, issuer %q", p.Name, p.Story, p.Issuer)
		}
		for _, a := range p.Accounts {
			v := open(t, a)
			if !accountID.MatchString(a.ID) || !number.MatchString(a.Number) || v.BasicInfo.ID != a.ID ||
				v.BasicInfo.AccountNumber != a.Number {
				t.Errorf("%s: account %s %s holds %s %s", p.Name, a.ID, a.Number, v.BasicInfo.ID, v.BasicInfo.AccountNumber)
			}
			keys := []string{a.ID, a.Number}
			for _, s := range v.Subscriptions {
				keys = append(keys, s.SubscriptionNumber)
				for _, plan := range s.RatePlans {
					for _, c := range plan.RatePlanCharges {
						keys = append(keys, c.Number)
					}
				}
			}
			for _, list := range v.Methods {
				for _, m := range list {
					keys = append(keys, m.ID)
				}
			}
			for _, key := range keys {
				if seen[key] != "" {
					t.Errorf("%s: key %s is also in %s", p.Name, key, seen[key])
				}
				seen[key] = p.Name
			}
		}
	}
	want := []string{"single", "several", "lookup", "nobody", "ambiguous", "salesforce", "sixty", "mixed", "wallet",
		"bare",
		"upgraded", "scheduled", "credited", "bank", "unpublished", "twooffers", "annualprice", "sold", "viewer", "operator",
		"admin"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for _, name := range want {
		p, ok := persona.Find(name, today)
		if !ok || p.Name != name {
			t.Errorf("Find(%q) = the persona %q, %t", name, p.Name, ok)
		}
	}
	_, ok := persona.Find("stranger", today)
	if ok {
		t.Error("Find found a stranger")
	}
}

func TestStable(t *testing.T) {
	t.Parallel()

	ids := func(at time.Time) (out []string) {
		for _, p := range persona.All(at) {
			for _, a := range p.Accounts {
				out = append(out, a.ID+" "+a.Number)
				for _, s := range open(t, a).Subscriptions {
					out = append(out, s.SubscriptionNumber)
				}
			}
		}
		return out
	}
	if diff := cmp.Diff(ids(today), ids(today.AddDate(1, 2, 3))); diff != "" {
		t.Errorf("ids change with the day:\n%s", diff)
	}
	if !reflect.DeepEqual(persona.All(today), persona.All(today.Add(time.Hour))) { // cmp.Diff is slow on this much text
		t.Error("the hour matters")
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()

	several := find(t, "several")
	if diff := cmp.Diff([]string{several.Accounts[0].ID, several.Accounts[1].ID, several.Accounts[2].Number},
		several.Claims["zuora_account_ids"]); diff != "" {
		t.Errorf("several (-want +got):\n%s", diff)
	}
	for _, name := range []string{"single", "salesforce", "sixty", "mixed", "wallet", "bare"} {
		p := find(t, name)
		if diff := cmp.Diff([]string{p.Accounts[0].ID}, p.Claims["zuora_account_ids"]); diff != "" ||
			p.Issuer != persona.Direct {
			t.Errorf("%s at %s (-want +got):\n%s", name, p.Issuer, diff)
		}
	}
	for name, accounts := range map[string]int{"lookup": 1, "nobody": 0, "ambiguous": 2} {
		p := find(t, name)
		if p.Issuer != persona.Lookup || len(p.Accounts) != accounts {
			t.Errorf("%s: issuer %s, %d accounts", name, p.Issuer, len(p.Accounts))
		}
		for _, a := range p.Accounts {
			if v := open(t, a); v.BasicInfo.LimioExternalId__c != p.Claims["sub"] {
				t.Errorf("%s: the account holds %q, the claim is %v", name, v.BasicInfo.LimioExternalId__c, p.Claims["sub"])
			}
		}
	}
	for _, role := range []string{"viewer", "operator", "admin"} {
		p := find(t, role)
		if diff := cmp.Diff([]string{role}, p.Claims["groups"]); diff != "" || p.Issuer != persona.Staff ||
			len(p.Accounts) != 0 {
			t.Errorf("%s at %s (-want +got):\n%s", role, p.Issuer, diff)
		}
	}
}

func TestStories(t *testing.T) {
	t.Parallel()

	account := func(name string) view { return open(t, find(t, name).Accounts[0]) }
	if n := len(account("sixty").Subscriptions); n != 60 {
		t.Errorf("sixty has %d subscriptions", n)
	}
	if crm := account("salesforce").BasicInfo.CRMID; len(crm) != 15 {
		t.Errorf("salesforce has CRM ID %q", crm)
	}
	bare := find(t, "bare").Accounts[0]
	if v := open(t, bare); v.BillToContact != nil || bare.PaymentMethods != nil || bare.Subscriptions != nil {
		t.Errorf("bare has more than an account: %+v", v)
	}

	wallet := account("wallet")
	want := []string{"ach", "banktransfer", "creditcard", "creditcardreferencetransaction", "debitcard", "paypal"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(wallet.Methods))); diff != "" {
		t.Errorf("wallet (-want +got):\n%s", diff)
	}
	if d := wallet.Methods["creditcard"][0]; !d.IsDefault || d.Status != "Closed" ||
		d.ID != wallet.BillingAndPayment.DefaultPaymentMethodID {
		t.Errorf("wallet's default = %+v, want a closed one", d)
	}

	date := today.Format(time.DateOnly)
	has := map[string]bool{}
	for _, s := range account("mixed").Subscriptions {
		has[s.Status] = true
		has["future"] = has["future"] || s.Status == "Active" && s.SubscriptionStartDate > date
		has["evergreen"] = has["evergreen"] || s.TermType == "EVERGREEN" && s.SubscriptionEndDate == ""
		has["ended"] = has["ended"] || s.Status == "Cancelled" && s.SubscriptionEndDate < date
		has["term"] = has["term"] || s.TermStartDate <= date && date < s.TermEndDate
		for _, plan := range s.RatePlans {
			has[plan.LastChangeType] = true
			for _, c := range plan.RatePlanCharges {
				has[c.Model] = true
				has["price change"] = has["price change"] || len(c.ChargeSegments) == 2 &&
					c.ChargeSegments[1].EffectiveStartDate > date && c.ChargeSegments[1].EffectiveStartDate < s.SubscriptionEndDate
			}
		}
	}
	for _, part := range []string{"Active", "Cancelled", "Suspended", "Draft", "Pending Acceptance", "future", "evergreen",
		"ended", "term", "Add", "Update",
		"Remove", "FlatFee", "PerUnit", "Tiered", "Volume", "DiscountPercentage", "DiscountFixedAmount", "price change"} {
		if !has[part] {
			t.Errorf("mixed has no %s", part)
		}
	}
}
