package syncer

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

func TestCompare(t *testing.T) {
	t.Parallel()

	subscription := func(id, number, status, amount string) projection.Object {
		return projection.Object{Kind: projection.Subscription, ID: id, Key: number, Status: status, Data: map[string]any{
			"name":        "Digital",
			"price":       map[string]any{"amount": json.Number(amount), "currency": "GBP"},
			"termEndDate": "2027-01-01",
			"tracking":    map[string]any{"offers": []any{"/offers/Digital", 7}},
		}}
	}
	schedule := func(of, day string) projection.Object {
		return projection.Object{Kind: projection.Schedule, Related: of,
			Data: map[string]any{"schedule_date": day + "T00:00:00.000Z"}}
	}
	account := billing.Account{Subscriptions: []billing.Subscription{
		{Number: "S2", Status: "Draft"},
		{Number: "S1", Status: "Active",
			RatePlans: []billing.RatePlan{{Name: "Monthly"}, {Name: "Old", LastChangeType: "Remove"}}},
	}}
	want := []projection.Object{subscription("sub-w", "S1", "active", "9.99"), schedule("sub-w", "2027-01-01"),
		schedule("sub-w", "2026-12-01"), schedule("sub-w", "2027-02-01"), schedule("sub-w", "2026-11-01")}
	login := func(owner, sub string) projection.Object {
		return projection.Object{Kind: projection.Identity, Type: projection.TypeExternal, Owner: owner,
			Data: map[string]any{"iss": "https://i", "sub": sub}}
	}
	have := []projection.Object{{Kind: projection.Customer, ID: "cus", Owner: "own"},
		subscription("sub-h", "S1", "active", "9.99"), schedule("sub-h", "2026-12-01"),
		subscription("sub-x", "S3", "cancelled", "1"), login("own", "ada"), login("other", "bob"), login("", "eve"),
		{Kind: projection.Identity, Type: projection.TypeOwner, ID: "own", Owner: "own"}}

	digital := Side{Status: "active", Plan: "Digital", Amount: "9.99", Currency: "GBP", Until: "2027-01-01",
		Next: "2026-12-01"}
	gone := Side{Status: "cancelled", Plan: "Digital", Amount: "1", Currency: "GBP", Until: "2027-01-01"}
	got := compare(account, projection.Result{Today: "2026-11-22", Objects: want}, have)
	if diff := cmp.Diff(Sides{
		Customer: "cus",
		Owner:    "own",
		Subscriptions: []Compared{
			{Number: "S1", ID: "sub-h", Status: "Active", Plans: []string{"Monthly"}, Offers: []string{"/offers/Digital"},
				Zuora: &digital, Limio: &digital},
			{Number: "S2", Status: "Draft"},
			{Number: "S3", ID: "sub-x", Limio: &gone},
		},
		Logins:     []hotsync.Identity{{Issuer: "https://i", Subject: "ada"}},
		LoginCount: 1,
	}, got); diff != "" {
		t.Errorf("sides mismatch (-want +got):\n%s", diff)
	}
	if !got.Subscriptions[0].Same() || got.Subscriptions[1].Same() || got.Subscriptions[2].Same() {
		t.Error("only S1 is the same on both sides")
	}
}

// TestCompareAnAccountThatLimioLacks: nobody sees it, whoever is linked to no owner, and a payment of today is the
// next.
func TestCompareAnAccountThatLimioLacks(t *testing.T) {
	t.Parallel()

	want := projection.Result{Tenant: "acme", Today: "2026-11-22", Objects: []projection.Object{
		{Kind: projection.Subscription, ID: "sub-w", Key: "S1"},
		{Kind: projection.Schedule, Related: "sub-w", Data: map[string]any{"date": "2026-12-22"}},
		{Kind: projection.Schedule, Related: "sub-w", Data: map[string]any{"date": "2026-11-22"}}}}
	stray := projection.Object{Kind: projection.Identity, Type: projection.TypeExternal,
		Data: map[string]any{"iss": "https://i", "sub": "eve"}}
	got := compare(billing.Account{ID: "a"}, want, []projection.Object{stray})
	next := ""
	if len(got.Subscriptions) == 1 && got.Subscriptions[0].Zuora != nil {
		next = got.Subscriptions[0].Zuora.Next
	}
	if got.LoginCount != 0 || got.Customer != "" || next != "2026-11-22" {
		t.Errorf("sides = %+v, the next payment on %q", got, next)
	}
}
