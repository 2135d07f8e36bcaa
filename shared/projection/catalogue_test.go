package projection_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/projection/projectiontest"
)

// published is an item as Limio publishes it.
func published(path, kind, plan string, change ...func(data, attributes map[string]any)) catalogue.Item {
	attributes := map[string]any{
		"display_name__limio": "The " + plan, "display_price__limio": "10 a month", "payment_types__limio": []any{
			"zuora_card"},
		"label__limio": []any{"/digital"}, "term__limio": map[string]any{"length": 1, "type": "years"},
		"price__limio": []any{map[string]any{"currencyCode": "GBP", "value": "10.00", "type": "recurring"}},
	}
	data := map[string]any{
		"record_type": kind,
		"attributes":  attributes,
		"productBundles": []any{map[string]any{"product_path": "/products/other", "rate_plan": "Another"},
			map[string]any{"product_path": "/products/digital", "rate_plan": plan}},
		"products": []any{map[string]any{"path": "/products/other",
			"attributes": map[string]any{"product_code__limio": "SKU-9", "display_name__limio": "Other"}},
			map[string]any{"path": "/products/digital",
				"attributes": map[string]any{"product_code__limio": "SKU-1", "display_name__limio": ""}}},
	}
	for _, c := range change {
		c(data, attributes)
	}
	return catalogue.Item{Path: path, ID: "id-of-" + path, Name: "Name of " + plan, Version: "v1", Type: "item",
		RecordType: kind, Data: data}
}

func withCatalogue(s billing.Subscription, items []catalogue.Item, table map[string]string) projection.Result {
	return projection.Project(billing.Account{ID: "8a12", Currency: "GBP", Subscriptions: []billing.Subscription{s}},
		hotsync.Identity{},
		projection.Options{Today: factsDay, Tenant: "acme", Catalogue: catalogue.NewIndex(items), CatalogueMap: table})
}

// TestMatchedOffer is the copy of the published item that the pages read.
func TestMatchedOffer(t *testing.T) {
	t.Parallel()

	r := withCatalogue(sub(rp("Monthly", "Add", of(seg("2026-01-01", "", "10")))),
		[]catalogue.Item{published("/offers/a", "offer", "Monthly")}, nil)
	if len(r.Findings) != 0 {
		t.Errorf("findings %q", hotsync.Messages(r.Findings))
	}
	digital := map[string]any{"path": "/products/digital",
		"attributes": map[string]any{"product_code__limio": "SKU-1", "display_name__limio": "Digital"}}
	for _, kind := range []projection.Kind{projection.Subscription, projection.SubscriptionOffer} {
		data := object(t, r, kind).Data
		offer := data["offer"].(map[string]any)
		content := offer["data"].(map[string]any)
		got := map[string]any{"name": data["name"], "tracking": data["tracking"],
			"summary": data["price"].(map[string]any)["summary"],
			"bundle":  content["productBundles"].([]any)[0],
			"product": content["products"].([]any)[0], "products": data["products"].([]any)[0],
			"record_type": content["record_type"]}
		for name, value := range offer {
			if name != "data" {
				got["offer "+name] = value
			}
		}
		want := map[string]any{"name": "The Monthly", "tracking": map[string]any{"offers": []any{"/offers/a"}},
			"summary": map[string]any{"headline": "10 a month"}, "bundle": map[string]any{"product_path": "/products/digital",
				"rate_plan": "Monthly"},
			"product": digital, "products": digital, "record_type": "offer", "offer path": "/offers/a",
			"offer id":   "id-of-/offers/a",
			"offer name": "Name of Monthly", "offer version": "v1", "offer type": "item", "offer mode": "production",
			"offer service":     "limio",
			"offer record_type": "offer", "offer status": "active"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

// A product keeps the name that Limio shows for it; Zuora's stands in where there is none.
func TestProductKeepsItsName(t *testing.T) {
	t.Parallel()

	for shown, want := range map[string]string{"The paper, digitally": "The paper, digitally", "": "Digital"} {
		item := published("/offers/a", "offer", "Monthly", func(data, _ map[string]any) {
			data["products"].([]any)[1].(map[string]any)["attributes"].(map[string]any)["display_name__limio"] = shown
		})
		r := withCatalogue(sub(rp("Monthly", "Add", of(seg("2026-01-01", "", "10")))), []catalogue.Item{item}, nil)
		product := object(t, r, projection.Subscription).Data["products"].([]any)[0].(map[string]any)
		if got := product["attributes"].(map[string]any)["display_name__limio"]; got != want {
			t.Errorf("a product that Limio calls %q is shown as %q, want %q", shown, got, want)
		}
	}
}

// plans are the offers and add-ons of a result in words.
func plansOf(r projection.Result) []string {
	out := []string{}
	for _, o := range r.Objects {
		offer, _ := o.Data["offer"].(map[string]any)
		switch o.Kind {
		case projection.Subscription:
			out = append(out, fmt.Sprintf("subscription %v %v", o.Data["price"].(map[string]any)["amount"], offer["path"]))
		case projection.SubscriptionOffer:
			out = append(out, fmt.Sprintf("%v %v", o.Data["record_subtype"], offer["path"]))
		case projection.SubscriptionAddOn:
			out = append(out, fmt.Sprintf("add-on %v %v", offer["path"], o.Data["add_on"].(map[string]any)["id"]))
		}
	}
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s", f.Severity, f.Code))
	}
	return out
}

func TestPlansAndCatalogue(t *testing.T) {
	t.Parallel()

	base := rp("Monthly", "Add", of(seg("2026-01-01", "", "10")))
	seats := rp("Seats", "Add", of(seg("2026-01-01", "", "5")))
	credit := rp("Credit", "Add", of(seg("2026-01-01", "", "-2")))
	seats.ProductRatePlanID = "8a90000000000000000000000000000b"
	monthly, addOn := published("/offers/a", "offer", "Monthly"), published("/add-ons/seats", "add_on", "Seats",
		func(_, attributes map[string]any) {
			attributes["price__limio"].([]any)[0].(map[string]any)["use_external_price"] = true
		})
	bare := published("/offers/a", "offer", "Monthly",
		func(_, attributes map[string]any) { delete(attributes, "label__limio") })
	booked := sub(rp("Monthly", "Remove", of(seg("2026-01-01", "2026-12-01", "10"))),
		rp("Yearly", "Add", of(seg("2026-12-01", "", "99"))))
	for _, tc := range []struct {
		name  string
		in    billing.Subscription
		items []catalogue.Item
		table map[string]string
		want  []string
	}{
		{"an add-on, which the catalogue tells", sub(base, seats), []catalogue.Item{monthly, addOn}, nil,
			[]string{"subscription 15 /offers/a", "base /offers/a", "add-on /add-ons/seats add_on-id-of-/add-ons/seats"}},
		{"an add-on that is not published", sub(base, seats), []catalogue.Item{monthly}, nil,
			[]string{"subscription 15 /offers/a", "base /offers/a", "note plan_unmatched"}},
		{"no offer", sub(base), []catalogue.Item{addOn}, nil,
			[]string{"subscription 10 <nil>", "base <nil>", "attention plan_unmatched"}},
		{"nothing but an add-on", sub(seats), []catalogue.Item{addOn}, nil,
			[]string{"subscription 5 <nil>", "add-on /add-ons/seats add_on-id-of-/add-ons/seats", "attention no_base_plan"}},
		{"several offers", sub(base), []catalogue.Item{monthly, published("/offers/b", "offer", "Monthly")}, nil,
			[]string{"subscription 10 /offers/a", "base /offers/a", "note plan_ambiguous"}},
		{"the merchant's table", sub(seats), []catalogue.Item{addOn, published("/offers/b", "offer", "Else")},
			map[string]string{seats.ProductRatePlanID: "/offers/b"},
			[]string{"subscription 5 /offers/b", "base /offers/b", "note price_differs"}},
		{"the merchant's table is wrong", sub(seats), []catalogue.Item{published("/offers/b", "offer", "Seats")},
			map[string]string{seats.ProductRatePlanID: "/offers/gone"},
			[]string{"subscription 5 /offers/b", "base /offers/b", "note catalogue_map", "note price_differs"}},
		{"a credit", sub(base, credit), []catalogue.Item{monthly}, nil,
			[]string{"subscription 8 /offers/a", "discount <nil>", "base /offers/a", "note plan_unmatched"}},
		{"an offer that lacks a label", sub(base), []catalogue.Item{bare}, nil,
			[]string{"subscription 10 /offers/a", "base /offers/a", "note offer_unmanageable"}},
		{"a booked change to what is not published", booked, []catalogue.Item{monthly}, nil,
			[]string{"subscription 10 /offers/a", "base /offers/a", "base <nil>", "attention plan_unmatched"}},
		{"a booked change to what costs more",
			sub(rp("Monthly", "Remove", of(seg("2026-01-01", "2026-12-01", "10"))),
				rp("Yearly", "Add", of(seg("2026-12-01", "", "99")))),
			[]catalogue.Item{monthly, published("/offers/y", "offer", "Yearly", func(_, attributes map[string]any) {
				attributes["price__limio"].([]any)[0].(map[string]any)["value"] = "99"
			})}, nil, []string{"subscription 10 /offers/a", "base /offers/a", "base /offers/y"}},
		{"what is over concerns nobody",
			changed(sub(base), func(s *billing.Subscription) { s.Status, s.End = "Cancelled", "2026-06-01" }), nil, nil,
			[]string{"subscription 10 <nil>", "base <nil>"}},
	} {
		got := plansOf(withCatalogue(tc.in, tc.items, tc.table))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// The finding of an unmatched plan says what to publish.
func TestUnmatchedSaysWhatToPublish(t *testing.T) {
	t.Parallel()

	r := withCatalogue(sub(rp("Monthly", "Add", of(seg("2026-01-01", "", "10")))), nil, nil)
	want := []hotsync.Finding{{Code: hotsync.FindingPlanUnmatched, Severity: hotsync.SeverityAttention, Object: "A-S1",
		Message: `Subscription A-S1: Limio's catalogue has no offer for rate plan "Monthly" of product "Digital" (SKU "SKU-1") in GBP, so a stand-in is shown that cannot be managed.`,
		Hint: `Publish an offer in Limio whose product bundle has the rate plan "Monthly" and a product with the code "SKU-1", priced in GBP; ` +
			`or name an item for it in the settings (catalogueMap).`}}
	if diff := cmp.Diff(want, r.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if m := r.Matches; len(m) != 1 || m[0].Standing != catalogue.Unmatched || m[0].RatePlanName != "Monthly" {
		t.Errorf("matches %+v", m)
	}
}

// Booking a plan for a day to come changes nothing of today: neither the price
// nor the offer that is shown, nor anything that is there.
func TestFuturePlanChangesNothingToday(t *testing.T) {
	t.Parallel()

	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		a := projectiontest.Account(r)
		opt := projection.Options{Today: projectiontest.Today, Tenant: "acme", Catalogue: projectiontest.Catalogue(),
			Schedules: hotsync.SchedulesOff}
		before := projection.Project(a, hotsync.Identity{}, opt)
		later := projectiontest.Shuffle(r, a)
		for i := range later.Subscriptions {
			later.Subscriptions[i].RatePlans = append(later.Subscriptions[i].RatePlans,
				rp(fmt.Sprintf("0-%d", i), "Add", of(seg("2027-03-01", "", "1"))))
		}
		after := projection.Project(later, hotsync.Identity{}, opt)
		for _, o := range before.Objects {
			i := slices.IndexFunc(after.Objects, func(x projection.Object) bool { return x.Kind == o.Kind && x.Key == o.Key })
			switch {
			case o.Kind == projection.Subscription && !isPaid(a, o.Key) || !hasCurrent(before, o.ID):
				// Nothing is in force, so that what comes next is what there is.
			case i < 0:
				t.Errorf("seed %d: %s %s is gone", seed, o.Kind, o.Key)
			default:
				if diff := cmp.Diff(o, after.Objects[i]); diff != "" {
					t.Errorf("seed %d: %s %s changed (-before +after):\n%s", seed, o.Kind, o.Key, diff)
				}
			}
		}
	}
}

// isPaid reports whether a charge that is paid again and again is in force, of a
// plan that may be the customer's.
func isPaid(a billing.Account, number string) bool {
	i := slices.IndexFunc(a.Subscriptions, func(s billing.Subscription) bool { return s.Number == number })
	for _, plan := range a.Subscriptions[i].RatePlans {
		for _, c := range plan.Charges {
			for _, seg := range c.Segments {
				if c.Type == "Recurring" && (c.Model == "FlatFee" || c.Model == "PerUnit") && seg.Price.Decimal.Sign() > 0 &&
					seg.From <= projectiontest.Today && (seg.Until == "" || projectiontest.Today < seg.Until) {
					return true
				}
			}
		}
	}
	return false
}

// hasCurrent reports whether an offer of the subscription is in force that is no
// discount.
func hasCurrent(r projection.Result, subscription string) bool {
	return slices.ContainsFunc(r.Objects, func(o projection.Object) bool {
		start, _ := o.Data["start"].(string)
		end, _ := o.Data["end"].(string)
		return o.Kind == projection.SubscriptionOffer && o.Related == subscription &&
			o.Data["record_subtype"] != "discount" &&
			start != "" && start <= r.Today && (end == "" || r.Today < end)
	})
}
