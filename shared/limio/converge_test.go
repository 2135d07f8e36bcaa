package limio_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
	"hotsync/shared/projection"
)

var _ convergence.Writer = (*limio.Client)(nil)

func zuoraAccount() billing.Account {
	contact := &billing.Contact{ID: "8a56", FirstName: "Ada", LastName: "Reader", WorkEmail: "ada@example.com",
		Address1: "1 High St",
		City:     "Leeds", PostalCode: "LS1 1AA", Country: "United Kingdom"}
	amount := func(s string) decimal.NullDecimal { return decimal.NewNullDecimal(decimal.RequireFromString(s)) }
	subscription := func(number string) billing.Subscription {
		return billing.Subscription{ID: "8a9a", Number: number, Version: 1, Status: "Active", TermType: "TERMED",
			ContractEffective: "2026-01-01",
			Start:             "2026-01-01", TermStart: "2026-01-01", TermEnd: "2027-01-01", AutoRenew: true, Currency: "GBP",
			RatePlans: []billing.RatePlan{{ID: "8aaa", Number: "SRP-" + number, Name: "UK Monthly", LastChangeType: "Add",
				Charges: []billing.Charge{
					{Number: "C-1", Name: "Monthly", Type: "Recurring", Model: "FlatFee", Currency: "GBP", BillingPeriod: "Month",
						Segments: []billing.Segment{{From: "2026-01-01", Price: amount("17.50"), Quantity: amount("1")}}}}}}}
	}
	return billing.Account{ID: account, Number: "A00000001", Name: "Ada Reader", Status: "Active",
		CRMID: "0018d00000ABCDEAA2", Currency: "GBP",
		DefaultPaymentMethodID: "8a34", BillTo: contact, SoldTo: contact,
		PaymentMethods: []billing.PaymentMethod{
			{ID: "8a34", Type: "CreditCard", Status: "Active", Brand: "Visa", Mask: "************4242", ExpirationMonth: 12,
				ExpirationYear: 2030}},
		Subscriptions: []billing.Subscription{subscription("A-S00000001"), subscription("A-S00000002")}}
}

func TestConverges(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]func(*testing.T, *testBundle){
		"objects": convergeObjects, "plugin": convergePlugin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			test(t, setup(t))
		})
	}
}

// convergeObjects makes a whole sync and finds nothing left to do.
func convergeObjects(t *testing.T, b *testBundle) {
	t.Helper()
	want := projection.Project(zuoraAccount(), hotsync.Identity{Issuer: "https://idp.example.com", Subject: "auth0|abc"},
		projection.Options{Today: "2026-03-01", Tenant: "acme", SalesforceID: hotsync.SalesforceAccount})
	plan := convergence.Diff(want, b.account())
	done, err := convergence.Apply(t.Context(), b.client, plan.Changes, convergence.Options{})
	if err != nil || len(done) != len(plan.Changes) || len(done) == 0 {
		t.Fatalf("Apply made %d of %d changes, %v", len(done), len(plan.Changes), err)
	}
	left := convergence.Diff(want, b.account()).Changes
	if diff := cmp.Diff([]convergence.Change(nil), left); diff != "" {
		t.Errorf("changes left (-want +got):\n%s", diff)
	}
	if c := b.counts(); c.DuplicatesRefused != 0 || c.NamesChanged != 0 {
		t.Errorf("counts = %+v, want no duplicates and no changed names", c)
	}
}

// convergePlugin does so after Limio made subscriptions and customer itself.
func convergePlugin(t *testing.T, b *testBundle) {
	t.Helper()
	for _, s := range zuoraAccount().Subscriptions {
		_, _, err := b.client.SyncSubscription(t.Context(), s.Number)
		if err != nil {
			t.Fatalf("SyncSubscription(%s): %v", s.Number, err)
		}
	}
	convergeObjects(t, b)
	if n := b.counts().Creates["subscription"]; n != 0 {
		t.Errorf("%d subscriptions created by POST, want those of the plugin to be found", n)
	}
}
