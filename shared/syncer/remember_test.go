package syncer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// TestWhatIsRemembered: the account's next request relies on it.
func TestWhatIsRemembered(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		a := b.zuora.accounts[accountID]
		a.Subscriptions = []billing.Subscription{
			{Number: "A-S1", Status: "Active", TermType: "EVERGREEN", Start: "2026-01-01"}}
		b.zuora.accounts[accountID] = a
		asked := time.Now()
		b.zuora.during = func() { time.Sleep(300 * time.Millisecond) }
		r := b.request()
		r.Named = []string{accountID}
		_, e := b.handle(t, r, 1)
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		got := b.events.states[accountID]
		want := eventstore.AccountState{AccountID: accountID, Number: "A00000001", CustomerID: got.CustomerID,
			OwnerID:           got.OwnerID,
			LastReadStartedAt: asked, LastSucceededAt: asked.Add(300 * time.Millisecond), LastSucceededEvent: e.ID,
			LastEventID: e.ID}
		if got.CustomerID == "" || got.OwnerID == "" || !got.LinkedNaming(r.Identity, r.Named) {
			t.Errorf("remembered is %+v, want customer, owner and the login", got)
		}
		type part struct {
			AccountID, Number, LastSucceededEvent, LastEventID string
			Read, Succeeded                                    time.Time
		}
		parts := func(s eventstore.AccountState) part {
			return part{s.AccountID, s.Number, s.LastSucceededEvent, s.LastEventID, s.LastReadStartedAt, s.LastSucceededAt}
		}
		if diff := cmp.Diff(parts(want), parts(got)); diff != "" {
			t.Errorf("remembered mismatch (-want +got):\n%s", diff)
		}
		if got.AliasHash != hotsync.Digest(b.events.terms[accountID]...) || got.AliasesUntil.IsZero() {
			t.Errorf("remembered of its names is %q until %s", got.AliasHash, got.AliasesUntil)
		}
		if n := b.events.named[0]; n.AccountID != accountID || n.Number != numberA {
			t.Errorf("the names are those of %q, number %q", n.AccountID, n.Number)
		}
		if len(e.Subscriptions) != 1 || e.Subscriptions[0].Number != "A-S1" {
			t.Errorf("the event has the subscriptions %+v", e.Subscriptions)
		}
		var steps []string
		for _, s := range e.Steps {
			steps = append(steps, s.Name)
		}
		for _, name := range []string{"read zuora", "read limio", "project", "diff", "apply"} {
			if n := count(steps, name); n != 1 {
				t.Errorf("the event has the step %q %d times, of %q", name, n, steps)
			}
		}
		if e.Account != (hotsync.AccountRef{ID: accountID, Number: "A00000001"}) || e.Request.AccountID != accountID {
			t.Errorf("the event is of %+v, its request of %q", e.Account, e.Request.AccountID)
		}
		// Its terms are found by support.
		if diff := cmp.Diff([]string{"A-S1", hotsync.SearchHash([]byte("k"), "ada@example.com")},
			present(b.events.terms[accountID])); diff != "" {
			t.Errorf("search terms mismatch (-want +got):\n%s", diff)
		}
	})
}

// TestNamesAreRemembered: the state says which names are saved, also while saving them takes long or fails.
func TestNamesAreRemembered(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.handle(t, b.request(), 1)
		first := b.events.states[accountID].AliasHash
		a := b.zuora.accounts[accountID]
		a.Subscriptions = []billing.Subscription{
			{Number: "A-S1", Status: "Active", TermType: "EVERGREEN", Start: "2026-01-01"}}
		b.zuora.accounts[accountID] = a
		b.events.aliases = []error{hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")}
		b.handle(t, b.request(), 1)
		if got := b.events.states[accountID].AliasHash; got != first {
			t.Errorf("names that are not saved are remembered as %q, want %q as before", got, first)
		}
		b.syncer.SearchKey = func(context.Context) []byte { // which the names wait for, when all else is done
			time.Sleep(time.Second)
			return []byte("k")
		}
		b.handle(t, b.request(), 1)
		if got := b.events.states[accountID].AliasHash; got == first || got != hotsync.Digest(b.events.terms[accountID]...) {
			t.Errorf("remembered of the names is %q", got)
		}
	})
}

func count(in []string, name string) (n int) {
	for _, s := range in {
		if s == name {
			n++
		}
	}
	return n
}

// present are the terms that are not empty.
func present(terms []string) (out []string) {
	for _, s := range terms {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// TestTheNumberIsKnownBefore: an event that ends without a look at Zuora has the number of
// its account all the same.
func TestTheNumberIsKnownBefore(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		old := b.request()
		time.Sleep(time.Minute)
		b.handle(t, b.request(), 1)
		_, e := b.handle(t, old, 1)
		wantStatus(t, e, hotsync.StatusSkipped, hotsync.ReasonCoalesced)
		if e.Account != (hotsync.AccountRef{ID: accountID, Number: "A00000001"}) {
			t.Errorf("the covered event is of %+v", e.Account)
		}
	})
}

// TestItsOwnSyncDoesNotCoverARequest: a message that is delivered again after its sync
// ended, and whose end was not written, is synced again.
func TestItsOwnSyncDoesNotCoverARequest(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		r := b.request()
		time.Sleep(time.Second)
		b.handle(t, r, 1)
		delete(b.events.events, r.EventID)
		_, e := b.handle(t, r, 2)
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonUnchanged)
	})
}
