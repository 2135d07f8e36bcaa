package convergence_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// sold is an account with a subscription that Limio sold.
func sold(change ...func(*billing.Account)) billing.Account {
	a := single(func(a *billing.Account) {
		a.PaymentMethods[0].Brand = "Visa"
		s := &a.Subscriptions[0]
		s.TermType, s.TermStart, s.TermEnd, s.AutoRenew = "TERMED", "2026-01-01", "2027-01-01", true
		s.RatePlans = []billing.RatePlan{
			{Number: "P1", Name: "UK Monthly", ProductName: "Digital", ProductSKU: "SKU-1", Charges: []billing.Charge{{
				Number: "C-1", Type: "Recurring", Model: "FlatFee", BillingPeriod: "Month", Segments: []billing.Segment{
					{From: "2026-01-01",
						Price: decimal.NewNullDecimal(decimal.RequireFromString("17.5")), ChargedThrough: "2026-12-01"}}}}}}
		a.Preview.Missing = "off"
	})
	for _, c := range change {
		c(&a)
	}
	return a
}

// limioOffer is an offer as Limio makes it: no key, a time for a day, and the
// offer that was bought, whose name is not that of the rate plan.
func limioOffer(id, plan, sku string) projection.Object {
	offer := map[string]any{"path": "/offers/Monthly Offer", "id": "o1", "version": "v7", "record_type": "offer",
		"status": "active",
		"data": map[string]any{
			"productBundles": []any{map[string]any{"product_path": "/products/Digital Product", "rate_plan": plan}},
			"products": []any{map[string]any{"path": "/products/Digital Product",
				"attributes": map[string]any{"product_code__limio": sku}}}}}
	return projection.Object{Kind: projection.SubscriptionOffer, ID: id, Service: "limio", Status: "active",
		Owner: "id-limio", Customer: "cus-limio",
		Related: "sub-limio", Data: map[string]any{"name": "Monthly Offer", "start": "2026-01-01T09:00:00.210Z",
			"quantity":       json.Number("1"),
			"record_subtype": "base", "price": map[string]any{"currency": "GBP", "amount": json.Number("17.50"),
				"summary": map[string]any{"headline": "17.50"}},
			"offer": offer, "products": offer["data"].(map[string]any)["products"]}}
}

// limioSold is what Limio has of the subscription that it sold.
func limioSold(a billing.Account, change ...func(*projection.Object)) []projection.Object {
	of := func(o projection.Object) projection.Object {
		o.Service, o.Status, o.Owner, o.Customer = "limio", "active", "id-limio", "cus-limio"
		return o
	}
	offer := limioOffer("subscription_offer-limio", "UK Monthly", "SKU-1")
	contact := a.BillTo
	out := []projection.Object{
		{Kind: projection.Identity, Type: projection.TypeOwner, ID: "id-limio", Service: "limio", Status: "active"},
		{Kind: projection.Customer, ID: "cus-limio", Owner: "id-limio", Service: "limio", Status: "active",
			Data: map[string]any{"name": a.Name,
				"firstName": contact.FirstName, "lastName": contact.LastName, "email": contact.WorkEmail,
				"defaultPaymentMethodId": "pm-limio"}},
		of(projection.Object{Kind: projection.Subscription, ID: "sub-limio", Name: "A-S1", Reference: "A-S1",
			Data: map[string]any{
				"startDate": "2026-01-01T09:00:00.000Z", "termStartDate": "2026-01-01", "termEndDate": "2027-01-01",
				"quantity": json.Number("1"),
				"name":     "Monthly Offer", "price": map[string]any{"currency": "GBP", "amount": json.Number("17.5"),
					"summary": map[string]any{}},
				"attributes": map[string]any{"autoRenew": true, "gift": false, "external": false}, "purchaseCountry": "FR",
				"offer": offer.Data["offer"], "products": offer.Data["products"]}}),
		offer,
		of(projection.Object{Kind: projection.Address, ID: "address-limio", RelationshipType: "billing", Data: map[string]any{
			"firstName": contact.FirstName, "lastName": contact.LastName, "address1": "", "address2": "", "city": "",
			"state":      "",
			"postalCode": contact.PostalCode, "country": "GB"}}),
		of(projection.Object{Kind: projection.PaymentMethod, ID: "pm-limio", Type: "zuora",
			Data: map[string]any{"type": "zuora", "method": "CreditCard",
				"brand": "Visa", "last4": "4242", "zuora": map[string]any{
					"result": map[string]any{"Id": "8a34", "Type": "CreditCard", "CreditCardType": "Visa",
						"CreditCardMaskNumber": "************4242", "PaymentMethodStatus": "Active"}}}}),
		of(projection.Object{Kind: projection.Schedule, ID: "schedule-limio", Related: "sub-limio", Data: map[string]any{
			"date": "2026-12-01T06:00:00.000Z", "amount": "17.50", "process_key": "k"}}),
	}
	for i := range out {
		for _, c := range change {
			c(&out[i])
		}
		out[i].Key = projection.KeyOf(out[i])
	}
	return out
}

// TestLimioSold: a subscription that Limio sold gets no second offer, address or
// payment method, and what the customer agreed to stays; what Zuora says
// otherwise is written.
func TestLimioSold(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name    string
		account billing.Account
		have    []projection.Object
		want    []string // of the kinds that could be doubled
	}{
		{"as it was sold", sold(), limioSold(sold()),
			[]string{"update payment_method zuora.refId=8a34", "update subscription_offer zuora.refId=P1"}},
		{"another price", sold(func(a *billing.Account) {
			a.Subscriptions[0].RatePlans[0].Charges[0].Segments[0].Price = decimal.NewNullDecimal(decimal.NewFromInt(18))
		}), limioSold(sold()), []string{"update payment_method zuora.refId=8a34", "update subscription price.amount=18",
			"update subscription_offer price.amount=18 zuora.refId=P1"}},
		{"an end that is none", sold(), limioSold(sold(), func(o *projection.Object) {
			if o.Kind == projection.SubscriptionOffer {
				o.Data["end"] = "2027-01-01"
			}
		}), []string{"update payment_method zuora.refId=8a34", "update subscription_offer end=<nil> zuora.refId=P1"}},
		{"an offer of another plan, which Zuora lists as removed", sold(func(a *billing.Account) {
			old := a.Subscriptions[0].RatePlans[0]
			old.Number, old.Name, old.LastChangeType = "P0", "UK Weekly", "Remove"
			old.Charges = []billing.Charge{{Number: "C-0", Type: "Recurring", Model: "FlatFee", BillingPeriod: "Month",
				Segments: []billing.Segment{{From: "2025-01-01", Until: "2026-01-01"}}}}
			a.Subscriptions[0].RatePlans = append(a.Subscriptions[0].RatePlans, old)
		}), append(limioSold(sold()), limioOffer("subscription_offer-old", "UK Weekly", "SKU-1")),
			[]string{"update payment_method zuora.refId=8a34", "update subscription_offer zuora.refId=P1",
				"end subscription_offer status=inactive end=2026-01-01T09:00:00.210Z"}},
	} {
		got := []string{}
		for i, line := range lines(convergence.Diff(project(tc.account, hotsync.Identity{}), tc.have)) {
			c := convergence.Diff(project(tc.account, hotsync.Identity{}), tc.have).Changes[i]
			if c.Object.Kind != projection.Identity && c.Object.Kind != projection.Schedule {
				got = append(got, line)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestPayments: what was taken and what Limio planned stays, what no longer
// applies is cancelled, and only that.
func TestPayments(t *testing.T) {
	t.Parallel()

	account := sold()
	have := found(account, ada)
	for i := range have { // a payment of the past, which no sync wants any more, and one that fell away
		if have[i].Kind == projection.Schedule && have[i].Key == "A-S1/2026-12-01" {
			for _, day := range []string{"2026-08-01", "2026-11-15", "2026-12-24"} {
				o := have[i]
				o.Key = "A-S1/" + day
				o.ID = projection.ID("acme", projection.Schedule, "8a12", o.Key)
				o.Data = map[string]any{"date": day + "T00:00:00.000", "amount": "1.00", "zuora": map[string]any{"refId": o.Key}}
				have = append(have, o)
			}
			break
		}
	}
	for i := range have {
		if have[i].Key == "A-S1/2026-11-01" {
			have[i].Data["amount"] = "12.34" // what was taken
		}
	}
	got := []string{}
	for _, c := range convergence.Diff(project(account, ada), have).Changes {
		got = append(got, string(c.Action)+" "+c.Object.Key+" "+c.Status)
	}
	want := []string{"end A-S1/2026-11-15 cancelled", "end A-S1/2026-12-24 cancelled"}
	less := func(a, b string) bool { return a < b }
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(less)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// TestDefaultIsNewest: Limio's pages take the newest tie for the method that is
// paid by, so that the default's begins after all others.
func TestDefaultIsNewest(t *testing.T) {
	t.Parallel()

	two := sold(func(a *billing.Account) {
		a.PaymentMethods = append(a.PaymentMethods,
			billing.PaymentMethod{ID: "8a35", Type: "PayPal", Kind: "PayPalEC", Status: "Active"})
	})
	m := newMemory()
	for _, id := range []string{"8a34", "8a35", "8a34", "8a35"} {
		two.DefaultPaymentMethodID = id
		want := project(two, ada)
		_, err := m.sync(want)
		if err != nil {
			t.Fatal(err)
		}
		newest, start := "", ""
		for _, o := range m.objects {
			if o.Kind == projection.PaymentMethod {
				if s := o.Data["relationships"].([]any)[0].(map[string]any)["start"].(string); s > start {
					newest, start = projection.KeyOf(o), s
				}
			}
		}
		if newest != id {
			t.Errorf("the newest tie is that of %s, which begins %s, want %s", newest, start, id)
		}
		again, _ := m.sync(want)
		if len(again.Changes) != 0 {
			t.Errorf("a second sync changes %q", lines(again))
		}
	}
}

// TestClosedMethodIsNotShown: the pages take the newest tie whatever its status,
// so that a method which was closed must not have it, whoever made it and whether
// or not there is a default.
func TestClosedMethodIsNotShown(t *testing.T) {
	t.Parallel()

	two := sold(func(a *billing.Account) {
		a.PaymentMethods = append(a.PaymentMethods,
			billing.PaymentMethod{ID: "8a35", Type: "PayPal", Kind: "PayPalEC", Status: "Active"})
	})
	for _, closed := range []int{0, 1} {
		for _, byLimio := range []bool{false, true} {
			m := newMemory()
			a := two
			a.PaymentMethods = slices.Clone(two.PaymentMethods)
			a.DefaultPaymentMethodID = a.PaymentMethods[closed].ID
			_, err := m.sync(project(a, ada))
			if err != nil {
				t.Fatal(err)
			}
			for id, o := range m.objects {
				if byLimio && o.Kind == projection.PaymentMethod && projection.KeyOf(o) == a.DefaultPaymentMethodID {
					tie := o.Data["relationships"].([]any)[0].(map[string]any)
					tie["start"] = "2026-11-15T09:00:00.000Z"
					delete(m.objects, id)
					o.ID = "pm-limio"
					m.objects[o.ID] = o
				}
			}
			open := a.PaymentMethods[1-closed].ID
			a.PaymentMethods[closed].Status, a.DefaultPaymentMethodID = "Closed", ""
			want := project(a, ada)
			_, err = m.sync(want)
			if err != nil {
				t.Fatal(err)
			}
			newest, start := "", ""
			for _, o := range m.objects {
				if o.Kind != projection.PaymentMethod {
					continue
				}
				tie := o.Data["relationships"].([]any)[0].(map[string]any)
				if s := tie["start"].(string); s > start {
					newest, start = projection.KeyOf(o), s
				}
				if isOpen := projection.KeyOf(o) == open; (tie["status"] == "active") != isOpen {
					t.Errorf("the tie of method %s is %v", projection.KeyOf(o), tie["status"])
				}
			}
			if newest != open {
				t.Errorf("closed %d, made by Limio %t: the newest tie is that of %s, want %s", closed, byLimio, newest, open)
			}
			again, _ := m.sync(want)
			if len(again.Changes) != 0 {
				t.Errorf("a second sync changes %q", lines(again))
			}
		}
	}
}

// TestNumbersThatBegin: a tenant that begins to send the numbers of rate plans
// has the same offers as before.
func TestNumbersThatBegin(t *testing.T) {
	t.Parallel()

	without := sold(func(a *billing.Account) { a.Subscriptions[0].RatePlans[0].Number = "" })
	if got := lines(convergence.Diff(project(sold(), ada), found(without, ada))); len(got) != 0 {
		t.Errorf("Diff = %q, want nothing", got)
	}
	removed := sold(func(a *billing.Account) {
		plan := &a.Subscriptions[0].RatePlans[0]
		plan.LastChangeType, plan.Charges[0].Segments[0].Until = "Remove", "2026-06-01"
	})
	ended := 0
	for _, c := range convergence.Diff(project(removed, ada), found(without, ada)).Changes {
		if c.Action == hotsync.ActionEnd && c.Object.Kind == projection.SubscriptionOffer && c.Data["end"] == "2026-06-01" {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("%d offers end, want 1", ended)
	}
}

// TestOnlyWhatIsGoneEnds: an offer of Limio's own ends with the plan that it is an offer of, and with no other.
func TestOnlyWhatIsGoneEnds(t *testing.T) {
	t.Parallel()

	removed := sold(func(a *billing.Account) {
		old := a.Subscriptions[0].RatePlans[0]
		old.Number, old.Name, old.LastChangeType = "P0", "UK Weekly", "Remove"
		old.Charges = []billing.Charge{{Number: "C-0", Type: "Recurring", Model: "FlatFee", BillingPeriod: "Month",
			Segments: []billing.Segment{{From: "2025-01-01", Until: "2026-01-01"}}}}
		a.Subscriptions[0].RatePlans = append(a.Subscriptions[0].RatePlans, old)
	})
	for _, tc := range []struct {
		name, plan, key, related string
		ends                     bool
	}{
		{"of the plan, by its name", "UK Weekly", "", "sub-limio", true},
		{"of the plan, by its key", "UK Any", "P0", "sub-limio", true},
		{"of another plan", "UK Yearly", "", "sub-limio", false},
		{"of a plan of that name with another key", "UK Weekly", "P7", "sub-limio", false},
		{"of another plan with another key", "UK Yearly", "P7", "sub-limio", false},
		{"of another subscription", "UK Weekly", "", "sub-other", false},
	} {
		offer := limioOffer("subscription_offer-old", tc.plan, "SKU-1")
		offer.Related = tc.related
		if tc.key != "" {
			offer.Data["zuora"] = map[string]any{"refId": tc.key}
		}
		ends := false
		for _, c := range convergence.Diff(project(removed, hotsync.Identity{}), append(limioSold(sold()), offer)).Changes {
			ends = ends || c.Action == hotsync.ActionEnd && c.Object.ID == offer.ID
		}
		if ends != tc.ends {
			t.Errorf("an offer %s ends: %t, want %t", tc.name, ends, tc.ends)
		}
	}
}
