package projection_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// What a customer sees of a subscription is a line with plan, price and the next
// payment.
func TestSeen(t *testing.T) {
	t.Parallel()

	archive, err := txtar.ParseFile("testdata/single.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var account billing.Account
	decode(t, archive.Files[0], &account)
	for _, day := range []string{"2026-12-01", "2026-04-01"} {
		account.Preview.Items = append(account.Preview.Items, billing.PreviewItem{SubscriptionNumber: "A-S00000001",
			ChargeName: "Fee", ProcessingType: "Charge", ServiceStart: day, ServiceEnd: "2027-12-31",
			Amount: decimal.RequireFromString("17.50")})
	}
	for _, tc := range []struct {
		today, period string
		want          hotsync.Subscription
	}{
		{"2026-11-22", "Month", hotsync.Subscription{Every: "monthly", NextDay: "2026-12-01", NextAmount: "17.50"}},
		{"2026-12-02", "Annual", hotsync.Subscription{Every: "yearly"}},
		{"2026-02-01", "Quarter", hotsync.Subscription{Every: "quarterly", NextDay: "2026-04-01", NextAmount: "17.50"}},
	} {
		charge := &account.Subscriptions[0].RatePlans[0].Charges[0]
		charge.BillingPeriod = tc.period
		tc.want.Number, tc.want.Plan, tc.want.Status = "A-S00000001", "UK Monthly", "active"
		tc.want.Amount, tc.want.Currency = "17.50", "GBP"
		opt := projection.Options{Today: tc.today, Tenant: "acme"}
		got := projection.Project(account, hotsync.Identity{}, opt).Seen
		if diff := cmp.Diff([]hotsync.Subscription{tc.want}, got); diff != "" {
			t.Errorf("%s on %s (-want +got):\n%s", tc.period, tc.today, diff)
		}
	}
}

// How often somebody pays is said for every period that Zuora has, and not guessed where it has no length.
func TestSeenPeriod(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		period string
		number int
		want   string
	}{
		{"Month", 0, "monthly"}, {"Quarter", 0, "quarterly"}, {"Semi-Annual", 0, "every 6 months"}, {"Annual", 0, "yearly"},
		{"Eighteen Months", 0, "every 18 months"}, {"Two Years", 0, "every 2 years"}, {"Specific_Months", 4,
			"every 4 months"},
		{"Specific_Months", 12, "yearly"}, {"Week", 0, "weekly"}, {"Specific_Weeks", 1, "weekly"}, {"Specific_Weeks", 2,
			"every 2 weeks"},
		{"Specific_Days", 10, ""}, {"Subscription_Term", 0, ""},
	} {
		c := charge(of(seg("2026-01-01", "", "10")), func(c *billing.Charge) {
			c.BillingPeriod, c.SpecificBillingPeriod = tc.period, tc.number
		})
		if got := projected(factsDay, sub(rp("A", "Add", c))).Seen[0].Every; got != tc.want {
			t.Errorf("%s %d: %q, want %q", tc.period, tc.number, got, tc.want)
		}
	}
}
