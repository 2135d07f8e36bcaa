package syncer_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// TestThePluginMakesEverySubscription: the first one alone, since it makes the customer,
// and then the others; what Limio has is not asked for again.
func TestThePluginMakesEverySubscription(t *testing.T) {
	t.Parallel()

	customer := func() projection.Object {
		return projection.Object{Kind: projection.Customer, Key: "customer", ID: "cus-limio", Owner: "id-limio",
			Status: "active",
			Data:   map[string]any{}}
	}
	made := func(number string) projection.Object {
		return projection.Object{Kind: projection.Subscription, Key: number, Name: number, ID: "sub-" + number,
			Owner:    "id-limio",
			Customer: "cus-limio", Status: "active", Data: map[string]any{}}
	}
	for _, tc := range []struct {
		name    string
		numbers []string // that the account has in Zuora
		have    []string // that Limio has already, with the customer
		asked   []string
		status  hotsync.Status
		reason  string
	}{
		{"three", []string{"A-S1", "A-S2", "A-S3"}, nil, []string{"A-S1", "A-S2", "A-S3"}, hotsync.StatusSucceeded,
			hotsync.ReasonChanged},
		{"one is there", []string{"A-S1", "A-S2"}, []string{"A-S1"}, []string{"A-S2"}, hotsync.StatusSucceeded,
			hotsync.ReasonChanged},
		{"all are there", []string{"A-S1"}, []string{"A-S1"}, nil, hotsync.StatusSucceeded, hotsync.ReasonChanged},
		{"none, and no customer", nil, nil, nil, hotsync.StatusFailed, string(hotsync.CodeLimioCreation)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				b.limio.unfiltered = true
				b.settings.CreationStrategy = hotsync.CreatePlugin
				a := b.zuora.accounts[accountID]
				for _, number := range tc.numbers {
					a.Subscriptions = append(a.Subscriptions,
						billing.Subscription{Number: number, Status: "Active", TermType: "EVERGREEN", Start: "2026-01-01"})
				}
				b.zuora.accounts[accountID] = a
				if len(tc.have) > 0 {
					b.limio.objects = append(b.limio.objects, customer())
				}
				for _, number := range tc.have {
					b.limio.objects = append(b.limio.objects, made(number))
				}
				var asked []string
				b.limio.plugin = func(number string) []projection.Object {
					asked = append(asked, number)
					if len(asked) == 1 && len(tc.have) == 0 {
						if number != tc.numbers[0] {
							t.Errorf("%s is asked for first", number)
						}
						return []projection.Object{customer(), made(number)}
					}
					return []projection.Object{made(number)}
				}
				_, e := b.handle(t, b.request(), 1)
				wantStatus(t, e, tc.status, tc.reason)
				slices.Sort(asked)
				if diff := cmp.Diff(tc.asked, asked); diff != "" {
					t.Errorf("asked for mismatch (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestThePluginWaitsForTheTurn: while a job syncs the account, Limio is not asked to make anything of it.
func TestThePluginWaitsForTheTurn(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.settings.CreationStrategy = hotsync.CreatePlugin
		a := b.zuora.accounts[accountID]
		a.Subscriptions = []billing.Subscription{
			{Number: "A-S1", Status: "Active", TermType: "EVERGREEN", Start: "2026-01-01"}}
		b.zuora.accounts[accountID] = a
		asked := 0
		b.limio.plugin = func(string) []projection.Object {
			asked++
			return nil
		}
		b.zuora.during = func() {
			_, err := b.events.TakeTurn(t.Context(), accountID, eventstore.LaneJobs, time.Now().Add(time.Hour))
			if err != nil {
				t.Error(err)
			}
		}
		_, e := b.handle(t, b.request(), 1)
		wantStatus(t, e, hotsync.StatusRetrying, hotsync.ReasonPaused)
		if asked > 0 {
			t.Errorf("the plugin was asked %d times", asked)
		}
	})
}
