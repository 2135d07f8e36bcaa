package syncer_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// shelf is a catalogue that is read, or cannot be.
type shelf struct {
	notes []hotsync.Finding
	err   error
}

func (s *shelf) Load(context.Context) (*catalogue.Index, []hotsync.Finding, error) {
	if s.err != nil {
		return nil, nil, s.err
	}
	return catalogue.NewIndex(nil), s.notes, nil
}

// Without a catalogue every plan would look as if the merchant had not published
// it: nothing is written then, and the sync is tried again.
func TestUnreadableCatalogueWritesNothing(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		s := &shelf{err: hotsync.Errorf(hotsync.CodeLimioUnavailable, "502")}
		b.syncer.Catalogue = s
		r := b.request()
		_, event := b.handle(t, r, 1)
		if event.Status != hotsync.StatusRetrying || len(b.limio.objects) != 0 {
			t.Fatalf("event %s %+v with %d objects written", event.Status, event.Error, len(b.limio.objects))
		}
		_, err := b.syncer.DryRun(t.Context(), r)
		if err == nil {
			t.Error("a dry run without a catalogue shows what a sync would not do")
		}

		s.err, s.notes = nil, []hotsync.Finding{hotsync.Note(hotsync.FindingCatalogueOld, "", "an older copy")}
		_, event = b.handle(t, b.request(), 1)
		if event.Status != hotsync.StatusSucceeded || len(b.limio.objects) == 0 {
			t.Fatalf("event %s %+v", event.Status, event.Error)
		}
		if event.Findings[0].Code != hotsync.FindingCatalogueOld {
			t.Errorf("findings = %v, want that the catalogue is an older copy", event.Findings)
		}
	})
}

// notes keeps what is noted of rate plans.
type notes struct {
	matches []projection.PlanMatch
	calls   int
	err     error
}

func (n *notes) Note(_ context.Context, matches []projection.PlanMatch) error {
	n.calls++
	n.matches = append(n.matches, matches...)
	return n.err
}

// What the catalogue has for the rate plans that a sync saw is kept, and a sync
// does not fail when it cannot be.
func TestPlansAreNoted(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		n := &notes{}
		b.syncer.Catalogue, b.syncer.Plans = &shelf{}, n
		a := b.zuora.accounts[accountID]
		a.Subscriptions = []billing.Subscription{
			{Number: "A-S1", Status: "Active", TermType: "TERMED", Start: "1999-01-01", Currency: "GBP",
				RatePlans: []billing.RatePlan{{ID: "rp", Name: "Monthly", ProductRatePlanID: "prp"}}}}
		b.zuora.accounts[accountID] = a
		_, err := b.syncer.DryRun(t.Context(), b.request())
		if err != nil || len(n.matches) != 0 {
			t.Fatalf("a dry run noted %v, %v", n.matches, err)
		}
		n.err = hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")
		_, event := b.handle(t, b.request(), 1)
		if event.Status != hotsync.StatusSucceeded {
			t.Fatalf("event %s %+v", event.Status, event.Error)
		}
		if len(n.matches) != 1 || n.matches[0].ProductRatePlanID != "prp" || n.matches[0].Standing != catalogue.Unmatched ||
			!slices.Equal(n.matches[0].Subscriptions, []string{"A-S1"}) {
			t.Errorf("noted %+v", n.matches)
		}
		n.err = nil
		b.handle(t, b.request(), 1)
		none := b.request() // of an account that has none
		none.Account = otherID
		b.handle(t, none, 1)
		if n.calls != 2 {
			t.Errorf("plans are noted %d times, want once for each sync that saw some", n.calls)
		}
		b.syncer.Plans = nil
		_, event = b.handle(t, b.request(), 1)
		wantStatus(t, event, hotsync.StatusSucceeded, hotsync.ReasonUnchanged)
	})
}
