package syncer_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// Hot sync is about logins: what a person asks for is synced also while it is off.
func TestHotSyncOffStopsWhatNobodyAskedFor(t *testing.T) {
	t.Parallel()

	for trigger, want := range map[hotsync.Trigger]hotsync.Status{
		hotsync.TriggerLogin:              hotsync.StatusSkipped,
		hotsync.TriggerPostAuthentication: hotsync.StatusSkipped,
		hotsync.TriggerCallout:            hotsync.StatusSkipped,
		hotsync.TriggerAPI:                hotsync.StatusSkipped,
		hotsync.TriggerReconcile:          hotsync.StatusSkipped,
		hotsync.TriggerConsole:            hotsync.StatusSucceeded,
		hotsync.TriggerBackfill:           hotsync.StatusSucceeded,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.settings.HotSync = false
			r := b.request()
			r.Trigger = trigger
			_, e := b.handle(t, r, 1)
			if e.Status != want {
				t.Errorf("a sync by %s is %s (%s), want %s", trigger, e.Status, e.Reason, want)
			}
		})
	}
}

// What a day is the Zuora tenant's time zone says: which price is paid, and from when on Zuora looks ahead. Every
// bubble begins at midnight UTC, the first of January 2000.
func TestTodayIsTheTenants(t *testing.T) {
	t.Parallel()

	type day struct{ Asked, Price string }
	for zone, want := range map[string]day{
		"UTC":              {"2000-01-01", "12"},
		"America/New_York": {"1999-12-31", "10"},
		"Pacific/Auckland": {"2000-01-01", "12"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.settings.TimeZone = zone
			price := func(from, until, amount string) billing.Segment {
				return billing.Segment{From: from, Until: until, Price: decimal.NewNullDecimal(decimal.RequireFromString(amount))}
			}
			a := b.zuora.accounts[accountID]
			a.Currency = "USD"
			a.Subscriptions = []billing.Subscription{
				{Number: "A-S1", Status: "Active", Start: "1999-01-01", RatePlans: []billing.RatePlan{{
					Number: "P1", Name: "Monthly", Charges: []billing.Charge{
						{Number: "C1", Type: "Recurring", Model: "FlatFee", BillingPeriod: "Month",
							Segments: []billing.Segment{price("1999-01-01", "2000-01-01", "10"), price("2000-01-01", "", "12")}}}}}}}
			b.zuora.accounts[accountID] = a
			_, e := b.handle(t, b.request(), 1)
			wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
			got := day{Asked: b.zuora.today}
			for _, o := range b.limio.objects {
				if o.Kind == projection.Subscription {
					amount, _ := o.Data["price"].(map[string]any)["amount"].(json.Number)
					got.Price = amount.String()
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", zone, diff)
			}
		})
	}
}

// TestUnknownTimeZone: whoever does not know what a day is writes nothing.
func TestUnknownTimeZone(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.settings.TimeZone = "Nowhere/Land"
	_, e := b.handle(t, b.request(), 1)
	wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeSettingsInvalid))
	if b.limio.writes > 0 {
		t.Errorf("%d writes", b.limio.writes)
	}
}
