package convergence_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

var ada = hotsync.Identity{Issuer: "https://login.example.com", Subject: "ada.reader"}

func project(account billing.Account, login hotsync.Identity) projection.Result {
	return projection.Project(account, login, projection.Options{Today: "2026-11-22", Tenant: "acme"})
}

// single is an account with one of everything; with changes it.
func single(with ...func(*billing.Account)) billing.Account {
	a := billing.Account{ID: "8a12", Number: "A1", Name: "Ada Reader", Currency: "GBP", CRMID: "0018d00000ABCDE",
		DefaultPaymentMethodID: "8a34",
		BillTo: &billing.Contact{FirstName: "Ada", LastName: "Reader", WorkEmail: "ada@example.com",
			PostalCode: "LS1 1AA", Country: "GB"},
		PaymentMethods: []billing.PaymentMethod{{ID: "8a34", Type: "CreditCard", Status: "Active", Mask: "************4242"}},
		Subscriptions: []billing.Subscription{{Number: "A-S1", Status: "Active", Start: "2026-01-01",
			RatePlans: []billing.RatePlan{{Number: "P1", Name: "Monthly"}}}}}
	for _, change := range with {
		change(&a)
	}
	return a
}

// found is what Limio has after a sync of account, with the login linked.
func found(account billing.Account, login hotsync.Identity, with ...func(o *projection.Object)) []projection.Object {
	objects := project(account, login).Objects
	for i := range objects {
		for _, change := range with {
			change(&objects[i])
		}
	}
	return objects
}

func only(kind projection.Kind, change func(o *projection.Object)) func(*projection.Object) {
	return func(o *projection.Object) {
		if o.Kind == kind {
			change(o)
		}
	}
}

// lines shows changes as "action kind field=after …".
func lines(plan convergence.Plan) []string {
	out := []string{}
	for _, c := range plan.Changes {
		line := fmt.Sprintf("%s %s", c.Action, c.Object.Kind)
		for _, f := range c.Fields {
			ties, isTies := f.After.([]any)
			if isTies && c.Action == hotsync.ActionEnd {
				line += fmt.Sprintf(" ties=%v", ties[0].(map[string]any)["status"])
				continue
			}
			line += fmt.Sprintf(" %s=%v", f.Field, f.After)
		}
		out = append(out, line)
	}
	return out
}

func TestDiff(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name     string
		account  billing.Account
		login    hotsync.Identity
		have     []projection.Object
		want     []string
		warnings int
	}{
		{name: "nothing to do", account: single(), login: ada, have: found(single(), ada), want: []string{}},
		{name: "a price", login: ada, have: found(single(), ada),
			account: single(func(a *billing.Account) { a.Subscriptions[0].AutoRenew = true }),
			want: []string{"update subscription attributes.autoRenew=true offer=Monthly",
				"update subscription_offer offer=Monthly"}},
		{name: "a status", login: ada, have: found(single(), ada),
			account: single(func(a *billing.Account) { a.Subscriptions[0].Status = "Suspended" }),
			want:    []string{"update subscription status=suspended"}},
		{name: "numbers by value, nil like absent, status in capitals", account: single(), login: ada,
			have: found(single(), ada, only(projection.Subscription, func(o *projection.Object) {
				o.Status = "Active"
				o.Data["quantity"] = json.Number("1.00")
				delete(o.Data, "termEndDate")
			})),
			want: []string{}},
		{name: "a number of another sort", account: single(), login: ada,
			have: found(single(), ada, only(projection.Subscription, func(o *projection.Object) { o.Data["quantity"] = "1" })),
			want: []string{"update subscription quantity=1"}},
		{name: "the status of a customer is Limio's", account: single(), login: ada,
			have: found(single(), ada, only(projection.Customer, func(o *projection.Object) { o.Status = "inactive" })),
			want: []string{}},
		{name: "a default that closed", login: ada, have: found(single(), ada),
			account: single(func(a *billing.Account) { a.PaymentMethods[0].Status = "Closed" }),
			want: []string{"update customer defaultPaymentMethodId=<nil>",
				"end payment_method status=inactive ties=inactive"}},
		{name: "one that Limio made and Zuora closed", login: ada,
			account: single(func(a *billing.Account) {
				a.PaymentMethods, a.DefaultPaymentMethodID = append(a.PaymentMethods,
					billing.PaymentMethod{ID: "8a35", Status: "Closed"}), "8a34"
			}),
			have: append(found(single(), ada),
				projection.Object{Kind: projection.PaymentMethod, ID: "pm-limio", Status: "active",
					Data: map[string]any{"zuora": map[string]any{"refId": "8a35"}}}),
			want: []string{"end payment_method status=inactive"}},
		{name: "a CRM ID that changed", login: ada, have: found(single(), ada),
			account: single(func(a *billing.Account) { a.CRMID = "0018d00000ABCDF" }),
			want: []string{
				"create identity status=active issuer=salesforce service=salesforce type=account value=0018d00000ABCDFAA5",
				"end identity status=inactive"}},
		{name: "a rate plan that was removed", login: ada, have: found(single(), ada),
			account: single(func(a *billing.Account) { a.Subscriptions[0].RatePlans[0].LastChangeType = "Remove" }),
			want:    []string{"end subscription_offer status=inactive end=2026-11-22"}},
		{name: "one that was removed before it began", login: ada,
			have: found(single(func(a *billing.Account) { a.Subscriptions[0].Start = "2027-01-01" }), ada),
			account: single(func(a *billing.Account) {
				a.Subscriptions[0].Start, a.Subscriptions[0].RatePlans = "2027-01-01", nil
			}),
			want: []string{"update subscription name=A-S1 offer=A-S1 products=/products/Subscription",
				"end subscription_offer status=inactive end=2026-11-22"}},
		{name: "a subscription that is gone", login: ada, have: found(single(), ada),
			account: single(func(a *billing.Account) { a.Subscriptions = nil }),
			want:    []string{"end subscription status=cancelled", "end subscription_offer status=inactive end=2026-11-22"}},
		{name: "a subscription of unknown status", login: ada, have: found(single(), ada), want: []string{},
			account: single(func(a *billing.Account) { a.Subscriptions[0].Status = "Dormant" })},
		{name: "a contact that is gone", login: ada, have: found(single(), ada),
			want:    []string{"end address status=inactive ties=inactive"},
			account: single(func(a *billing.Account) { a.BillTo = nil })},
		{name: "nobody signed in", account: single(), have: found(single(), ada), want: []string{}},
		{name: "somebody else signed in", account: single(), login: hotsync.Identity{Issuer: ada.Issuer, Subject: "eve"},
			have: found(single(), ada), warnings: 1,
			want: []string{"link identity iss=https://login.example.com sub=eve"}},
		{name: "the login was unlinked", account: single(), login: ada,
			have: found(single(), ada, func(o *projection.Object) {
				if o.Type == projection.TypeExternal {
					o.Status = "inactive"
				}
			}),
			want: []string{"link identity iss=https://login.example.com sub=ada.reader"}},
		{name: "the login belongs to another owner", account: single(), login: ada, warnings: 1,
			have: append(found(single(), hotsync.Identity{}),
				projection.Object{Kind: projection.Identity, ID: "identity-x", Type: projection.TypeExternal,
					Owner: "id-other", Data: map[string]any{"iss": ada.Issuer, "sub": ada.Subject}}),
			want: []string{}},
		{name: "an object of another owner", account: single(), login: ada, warnings: 1, want: []string{},
			have: found(single(), ada, only(projection.Subscription, func(o *projection.Object) { o.Owner = "id-other" }))},
		{name: "Limio does not list the owner", account: single(), login: ada, want: []string{},
			have: slices.DeleteFunc(found(single(), ada),
				func(o projection.Object) bool { return o.Type == projection.TypeOwner })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			slices.Reverse(tc.have)
			got := convergence.Diff(project(tc.account, tc.login), tc.have)
			if diff := cmp.Diff(tc.want, lines(got)); diff != "" {
				t.Errorf("Diff mismatch (-want +got):\n%s", diff)
			}
			if len(got.Findings) != tc.warnings ||
				strings.Contains(strings.Join(hotsync.Messages(got.Findings), ""), ada.Subject) {
				t.Errorf("warnings = %q, want %d", hotsync.Messages(got.Findings), tc.warnings)
			}
		})
	}
}

// TestDiffNew: a new account, in the order the event shows it.
func TestDiffNew(t *testing.T) {
	t.Parallel()

	got := convergence.Diff(project(single(func(a *billing.Account) { a.CRMID = "" }), ada), nil)
	var kinds []string
	for _, c := range got.Changes {
		kinds = append(kinds, fmt.Sprintf("%s %s", c.Action, c.Object.Kind))
		if raw, err := json.Marshal(c.Data); err != nil || strings.Contains(string(raw), "null") {
			t.Errorf("%s %s writes %s, %v", c.Action, c.Object.Kind, raw, err)
		}
		for _, f := range c.Fields {
			if f.Before != nil {
				t.Errorf("%s was %v before it was created", f.Field, f.Before)
			}
		}
	}
	want := []string{"create identity", "create customer", "create identity", "create payment_method",
		"create subscription",
		"create subscription_offer", "create address", "update customer", "update payment_method", "link identity"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("Diff mismatch (-want +got):\n%s", diff)
	}
	if _, ok := got.Changes[1].Object.Data["defaultPaymentMethodId"]; ok {
		t.Error("the customer is created with a default that is not there yet")
	}
}

// TestDiffKeepsOwner: what is new goes to the owner the customer has, and the
// login is linked to it.
func TestDiffKeepsOwner(t *testing.T) {
	t.Parallel()

	have := []projection.Object{
		{Kind: projection.Customer, ID: "cus-limio", Owner: "id-limio"},
		{Kind: projection.Subscription, ID: "sub-limio", Name: "A-S1", Owner: "id-older", Customer: "cus-limio"},
	}
	got := convergence.Diff(project(single(), ada), have)
	for _, c := range got.Changes {
		o := c.Object
		if o.Type == projection.TypeOwner {
			t.Error("another owner is created")
		}
		if o.Kind != projection.Customer &&
			(o.Owner != "id-limio" || o.Type != projection.TypeExternal && o.Customer != "cus-limio") {
			t.Errorf("%s %s goes to owner %q and customer %q", c.Action, o.Kind, o.Owner, o.Customer)
		}
		if o.Kind == projection.SubscriptionOffer && o.Related != "sub-limio" {
			t.Errorf("the offer hangs on %s", o.Related)
		}
		if o.Kind == projection.Address {
			tie := c.Data["relationships"].([]any)[0].(map[string]any)
			if tie["subscription"] != "sub-limio" {
				t.Errorf("the address is tied to %s", tie["subscription"])
			}
		}
	}
}

// TestDiffAdopts: an offer that Limio made itself is found by its name, but only
// when there can be no mistake.
func TestDiffAdopts(t *testing.T) {
	t.Parallel()

	limios := projection.Object{Kind: projection.SubscriptionOffer, ID: "subscription_offer-limio", Status: "active",
		Related: project(single(), ada).Objects[5].ID, Data: map[string]any{"name": "Monthly"}}
	withoutOffer := slices.DeleteFunc(found(single(), ada),
		func(o projection.Object) bool { return o.Kind == projection.SubscriptionOffer })

	got := convergence.Diff(project(single(), ada), append(slices.Clone(withoutOffer), limios))
	if len(got.Changes) != 1 || got.Changes[0].Action != hotsync.ActionUpdate || got.Changes[0].Object.ID != limios.ID {
		t.Errorf("Diff = %q, want an update of Limio's offer", lines(got))
	}
	twin := limios
	twin.ID += "2"
	got = convergence.Diff(project(single(), ada), append(slices.Clone(withoutOffer), limios, twin))
	if len(got.Changes) != 1 || got.Changes[0].Action != hotsync.ActionCreate {
		t.Errorf("Diff = %q, want a new offer, since two have its name", lines(got))
	}
	twice := single(func(a *billing.Account) {
		a.Subscriptions[0].RatePlans = append(a.Subscriptions[0].RatePlans, billing.RatePlan{Number: "P2", Name: "Monthly"})
	})
	got = convergence.Diff(project(twice, ada), append(slices.Clone(withoutOffer), limios))
	if len(got.Changes) != 2 || got.Changes[0].Action != hotsync.ActionCreate ||
		got.Changes[1].Action != hotsync.ActionCreate {
		t.Errorf("Diff = %q, want two new offers, since two plans have that name", lines(got))
	}
}

// TestDiffOtherCustomer: of an owner with two customers only the account's own is
// touched, whichever comes first.
func TestDiffOtherCustomer(t *testing.T) {
	t.Parallel()

	rename := func(o *projection.Object) {
		if o.Kind == projection.Customer {
			o.ID = "cus-limio"
		}
		if o.Customer != "" {
			o.Customer = "cus-limio"
		}
	}
	mine := found(single(), ada, rename)
	other := single(func(a *billing.Account) { a.ID, a.BillTo.FirstName = "8a13", "Grace" })
	others := found(other, ada)
	for name, have := range map[string][]projection.Object{"first": slices.Concat(mine, others),
		"last": slices.Concat(others, mine)} {
		if got := convergence.Diff(project(single(), ada), have); len(got.Changes) != 0 {
			t.Errorf("own customer %s: Diff = %q, want nothing", name, lines(got))
		}
	}
}

func TestDiffRelationships(t *testing.T) {
	t.Parallel()

	tie := func(id, typ, sub, start, status string) map[string]any {
		return map[string]any{"relationship_id": id, "relationship_type": typ, "subscription": sub, "start": start,
			"status": status}
	}
	want := project(single(), ada)
	sub := want.Objects[5].ID
	own := want.Objects[7].Data["relationships"].([]any)[0].(map[string]any)["relationship_id"].(string)
	foreign := tie("rel-3", "billing", "sub-other", "2020-01-01", "active")
	limios := tie("rel-1", "billing", sub, "2020-01-01", "active")
	limios["created"] = "2020-01-01T00:00:00Z"
	adopted := tie("rel-1", "billing", sub, "2026-01-01", "active")
	adopted["created"] = "2020-01-01T00:00:00Z"
	past := tie("rel-2", "billing", sub, "2019-01-01", "inactive")
	for _, tc := range []struct {
		name       string
		have, want []any // want nil: no change
	}{
		{"none", nil, []any{tie(own, "billing", sub, "2026-01-01", "active")}},
		{"as wanted", []any{tie(own, "billing", sub, "2026-01-01", "active")}, nil},
		{"Limio's own entry keeps its id and members", []any{limios}, []any{adopted}},
		{"entries of others stay, in their order", []any{foreign, past, limios}, []any{foreign, past, adopted}},
		{"as wanted among others", []any{foreign, past, adopted}, nil},
		{"a past one is not the current one", []any{past}, []any{past, tie(own, "billing", sub, "2026-01-01", "active")}},
		{"one that was ended under the very id that is wanted stands again",
			[]any{tie(own, "billing", sub, "2026-01-01", "inactive")},
			[]any{tie(own, "billing", sub, "2026-01-01", "active")}},
		{"which counts before another that is current", []any{limios, tie(own, "billing", sub, "2026-01-01", "inactive")},
			[]any{limios, tie(own, "billing", sub, "2026-01-01", "active")}},
		{"one of another kind is another", []any{tie("rel-4", "delivery", sub, "2020-01-01", "active")},
			[]any{tie("rel-4", "delivery", sub, "2020-01-01", "active"), tie(own, "billing", sub, "2026-01-01", "active")}},
		{"nonsense stays", []any{"text"}, []any{"text", tie(own, "billing", sub, "2026-01-01", "active")}},
	} {
		have := found(single(), ada,
			only(projection.Address, func(o *projection.Object) { o.Data["relationships"] = tc.have }))
		got := convergence.Diff(want, have)
		switch {
		case tc.want == nil && len(got.Changes) == 0:
		case tc.want == nil || len(got.Changes) != 1:
			t.Errorf("%s: Diff = %q", tc.name, lines(got))
		default:
			if diff := cmp.Diff(map[string]any{"relationships": tc.want}, got.Changes[0].Data); diff != "" {
				t.Errorf("%s: mismatch (-want +got):\n%s", tc.name, diff)
			}
		}
	}
}

// The pages take the newest tie of a payment method for the current one: when a tie begins stays as Limio has it.
func TestDiffMethodRelationships(t *testing.T) {
	t.Parallel()

	want := project(single(), ada)
	method := want.Objects[slices.IndexFunc(want.Objects,
		func(o projection.Object) bool { return o.Kind == projection.PaymentMethod })]
	wanted := method.Data["relationships"].([]any)[0].(map[string]any)
	tie := func(change func(map[string]any)) []any {
		out := maps.Clone(wanted)
		change(out)
		return []any{out}
	}
	for _, tc := range []struct {
		name       string
		have, want []any // want nil: no change
	}{
		{"as wanted", []any{wanted}, nil},
		{"begun earlier", tie(func(m map[string]any) { m["start"] = "2020-01-01" }), nil},
		{"without a beginning", tie(func(m map[string]any) { delete(m, "start") }), []any{wanted}},
		{"ended", tie(func(m map[string]any) { m["start"], m["status"] = "2020-01-01", "inactive" }),
			tie(func(m map[string]any) { m["start"] = "2020-01-01" })},
	} {
		have := found(single(), ada,
			only(projection.PaymentMethod, func(o *projection.Object) { o.Data["relationships"] = tc.have }))
		var got any
		for _, c := range convergence.Diff(want, have).Changes {
			got = c.Data["relationships"]
		}
		if diff := cmp.Diff(any(tc.want), got); tc.want == nil && got != nil || tc.want != nil && diff != "" {
			t.Errorf("%s: (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()

	before := found(single(), ada)
	after := single(func(a *billing.Account) {
		a.Name, a.PaymentMethods[0].Mask, a.PaymentMethods[0].Brand = "Grace Hopper", "************1881", "Visa"
		a.BillTo = &billing.Contact{FirstName: "Al", WorkEmail: "grace@navy.example", PostalCode: "", Country: "US"}
	})
	got := convergence.Masked(convergence.Diff(project(after, hotsync.Identity{Issuer: ada.Issuer, Subject: "grace"}),
		before).Changes)
	want := map[string][2]any{
		"customer email":       {"a•••@e•••", "g•••@n•••"},
		"customer firstName":   {"A•••", "•••"},
		"customer lastName":    {"R•••", ""},
		"customer name":        {"A•••", "G•••"},
		"payment_method last4": {"•••", "•••"},
		"payment_method brand": {nil, "Visa"},
		"payment_method zuora.result.CreditCardMaskNumber": {"•••", "•••"},
		"payment_method zuora.result.CreditCardType":       {nil, "Visa"},
		"address country":              {"GB", "US"},
		"address firstName":            {"A•••", "•••"},
		"address lastName":             {"R•••", ""},
		"address postalCode":           {"L•••", ""},
		"subscription purchaseCountry": {"GB", "US"},
		"identity iss":                 {nil, ada.Issuer},
		"identity sub":                 {nil, "g•••"},
	}
	all := map[string][2]any{}
	for _, c := range got {
		for _, f := range c.Fields {
			all[c.Object+" "+f.Field] = [2]any{f.Before, f.After}
		}
		if c.Action == hotsync.ActionLink && c.ID != before[0].ID {
			t.Errorf("the link shows %s, want the owner %s", c.ID, before[0].ID)
		}
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("Masked mismatch (-want +got):\n%s", diff)
	}
}

// TestDiffSeveral: of several objects of one key the one that hotsync made
// counts, then an active one, then the first by id. The others stay.
func TestDiffSeveral(t *testing.T) {
	t.Parallel()

	method := func(id, status string) projection.Object {
		return projection.Object{Kind: projection.PaymentMethod, ID: id, Status: status,
			Data: map[string]any{"zuora": map[string]any{"refId": "8a34"}}}
	}
	want := project(single(), ada)
	own := want.Objects[4].ID
	withoutMethod := slices.DeleteFunc(found(single(), ada),
		func(o projection.Object) bool { return o.Kind == projection.PaymentMethod })
	for _, tc := range []struct {
		name string
		have []projection.Object
		want string
	}{
		{"hotsync's own", []projection.Object{method("pm-1", "active"), method(own, "inactive"), method("pm-2", "active")},
			own},
		{"an active one", []projection.Object{method("pm-1", "inactive"), method("pm-2", "active"),
			method("pm-0", "Inactive")}, "pm-2"},
		{"the first", []projection.Object{method("pm-2", ""), method("pm-1", "active"), method("pm-3", "active")}, "pm-1"},
	} {
		got := convergence.Diff(want, append(slices.Clone(withoutMethod), tc.have...))
		var touched []string
		for _, c := range got.Changes {
			if c.Object.Kind == projection.PaymentMethod {
				touched = append(touched, c.Object.ID)
			}
		}
		if diff := cmp.Diff([]string{tc.want}, touched); diff != "" {
			t.Errorf("%s: touched (-want +got):\n%s", tc.name, diff)
		}
	}
}

// Whatever Limio has where hotsync wants a value, comparing it neither panics nor
// takes the memory that a number of a million digits needs.
func TestDiffOddValues(t *testing.T) {
	t.Parallel()

	for _, odd := range []any{json.Number("1e999999999"), json.Number("nonsense"), 1.5, map[string]any{"a": 1}, []any{1},
		true} {
		have := found(single(), ada, only(projection.Subscription, func(o *projection.Object) {
			o.Data["quantity"], o.Data["startDate"], o.Data["termEndDate"], o.Data["price"] = odd, odd, odd, odd
		}))
		got := convergence.Diff(project(single(), ada), have)
		want := []string{"update subscription price.currency=GBP quantity=1 startDate=2026-01-01 termEndDate=<nil>"}
		if diff := cmp.Diff(want, lines(got)); diff != "" {
			t.Errorf("%v: Diff mismatch (-want +got):\n%s", odd, diff)
		}
	}
}

// TestDiffOfDeepCopies: a copy of a catalogue item is compared once however deep it
// is. To look into each level from both sides would take 2⁴⁸ comparisons here.
func TestDiffOfDeepCopies(t *testing.T) {
	t.Parallel()

	nested := func(innermost map[string]any) (out map[string]any) {
		out = innermost
		for range 48 {
			out = map[string]any{"in": out}
		}
		return out
	}
	deep := func(innermost map[string]any) func(*projection.Object) {
		return only(projection.SubscriptionOffer, func(o *projection.Object) { o.Data["offer"] = nested(innermost) })
	}
	want := projection.Result{Objects: found(single(), ada, deep(map[string]any{"x": 1, "none": nil}))}
	for name, tc := range map[string]struct {
		have    map[string]any
		changes int
	}{
		"the same":    {map[string]any{"x": json.Number("1.0"), "none": nil}, 0},
		"empty more":  {map[string]any{"x": 1, "more": []any{}}, 0},
		"more":        {map[string]any{"x": 1, "more": "y"}, 1},
		"less":        {map[string]any{}, 1},
		"other value": {map[string]any{"x": 2}, 1},
	} {
		got := convergence.Diff(want, found(single(), ada, deep(tc.have)))
		if len(got.Changes) != tc.changes {
			t.Errorf("%s: Diff = %q, want %d changes", name, lines(got), tc.changes)
		}
	}
}
