package syncer_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

func (s *ledger) now(id string) hotsync.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[id]
}

// TestSlowSyncIsShown: a first try is written when it takes long, and otherwise its end is
// the only write.
func TestSlowSyncIsShown(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name      string
		takes     time.Duration
		shown     hotsync.Status // 1.6 s after it began
		revisions int
	}{
		{"quick", 0, hotsync.StatusSucceeded, 1},
		{"just quick enough", 1400 * time.Millisecond, hotsync.StatusSucceeded, 1},
		{"slow", 2 * time.Second, hotsync.StatusRunning, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				b.zuora.during = func() { time.Sleep(tc.takes) }
				r := b.request()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					b.handle(t, r, 1)
				}()
				time.Sleep(1600 * time.Millisecond)
				e := b.events.now(r.EventID)
				wantStatus(t, e, tc.shown, e.Reason)
				if len(e.Attempts) != 1 || e.Attempts[0].FinishedAt.IsZero() == tc.shown.Final() {
					t.Errorf("attempts %+v while it is %s", e.Attempts, e.Status)
				}
				<-ended
				e = b.events.now(r.EventID)
				wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
				if e.Revision != tc.revisions || len(e.Attempts) != 1 {
					t.Errorf("%d writes of %d attempts, want %d of 1", e.Revision, len(e.Attempts), tc.revisions)
				}
			})
		})
	}
}

// TestLaterTriesAreShownAtOnce: the tries of a process that dies are counted, and how far
// the one before came stays to be seen.
func TestLaterTriesAreShownAtOnce(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.zuora.fail = []error{zuoraDown}
		r := b.request()
		_, first := b.handle(t, r, 1)
		wantStatus(t, first, hotsync.StatusRetrying, string(hotsync.CodeZuoraAnswer))
		if !slices.ContainsFunc(first.Steps, func(s hotsync.Step) bool {
			return s.Name == "read zuora" && s.Detail == string(hotsync.CodeZuoraAnswer)
		}) {
			t.Errorf("steps %+v, want that Zuora was read and why in vain", first.Steps)
		}
		first.Findings = []hotsync.Finding{hotsync.Note(hotsync.FindingOther, "", "of the first try")}
		b.events.events[r.EventID] = first
		time.Sleep(time.Minute)
		var during hotsync.Event
		b.zuora.during = func() { during = b.events.now(r.EventID) }
		_, last := b.handle(t, r, 2)
		wantStatus(t, during, hotsync.StatusRunning, "")
		if during.Error != nil || !during.NextAttemptAt.IsZero() || len(during.Steps)+len(during.Findings) > 0 {
			t.Errorf("the second try begins with what is left of the first: %+v", during)
		}
		if len(during.Attempts) != 2 || len(during.Attempts[0].Steps) == 0 || during.Attempts[1].N != 2 {
			t.Errorf("attempts %+v, want two, the first with its steps", during.Attempts)
		}
		if first.StartedAt.IsZero() || !last.StartedAt.Equal(first.StartedAt) || len(last.Findings) > 0 &&
			last.Findings[0] == first.Findings[0] {
			t.Errorf("the sync began at %v, want that of its first try, %v; findings %v", last.StartedAt, first.StartedAt,
				last.Findings)
		}
	})
}

// TestEveryMessageIsObserved: how each handled message stands is told once, and what has
// ended is counted once.
func TestEveryMessageIsObserved(t *testing.T) {
	t.Parallel()

	type seen struct {
		Status hotsync.Status
		Reason string
		Tries  int
	}
	for _, tc := range []struct {
		name    string
		play    func(b *testBundle, r hotsync.SyncRequest)
		want    seen
		tallied int
	}{
		{"succeeded", func(*testBundle, hotsync.SyncRequest) {}, seen{hotsync.StatusSucceeded, hotsync.ReasonChanged, 1}, 1},
		{"tried again", func(b *testBundle, _ hotsync.SyncRequest) { b.zuora.fail = []error{zuoraDown} },
			seen{hotsync.StatusRetrying, string(hotsync.CodeZuoraAnswer), 1}, 0},
		{"failed", func(b *testBundle, _ hotsync.SyncRequest) { b.zuora.accounts = nil },
			seen{hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound), 1}, 1},
		{"its queued event came late", func(b *testBundle, r hotsync.SyncRequest) {
			b.zuora.during = func() {
				b.events.mu.Lock()
				defer b.events.mu.Unlock()
				e := hotsync.NewEvent(r)
				e.Revision = 1
				b.events.events[r.EventID] = e
			}
		}, seen{hotsync.StatusSucceeded, hotsync.ReasonChanged, 1}, 1},
		{"its queued event came late, and it fails", func(b *testBundle, r hotsync.SyncRequest) {
			b.zuora.accounts = nil
			b.zuora.during = func() {
				b.events.mu.Lock()
				defer b.events.mu.Unlock()
				e := hotsync.NewEvent(r)
				e.Revision = 1
				b.events.events[r.EventID] = e
			}
		}, seen{hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound), 1}, 1},
		{"another delivery is under way, and this one ends", func(b *testBundle, r hotsync.SyncRequest) {
			b.zuora.during = func() {
				b.events.mu.Lock()
				defer b.events.mu.Unlock()
				e := hotsync.NewEvent(r)
				e.Status, e.Request.AccountID, e.Revision = hotsync.StatusRunning, accountID, 1
				b.events.events[r.EventID] = e
			}
		}, seen{hotsync.StatusSucceeded, hotsync.ReasonChanged, 1}, 1},
		{"another delivery ended it, and this one is to be tried again", func(b *testBundle, r hotsync.SyncRequest) {
			b.zuora.fail = []error{zuoraDown}
			b.zuora.during = func() { b.endElsewhere(r) }
		}, seen{hotsync.StatusSucceeded, hotsync.ReasonUnchanged, 0}, 0},
		{"another delivery ended it, and this one fails", func(b *testBundle, r hotsync.SyncRequest) {
			b.zuora.fail = []error{hotsync.Errorf(hotsync.CodeZuoraForbidden, "403")}
			b.zuora.during = func() { b.endElsewhere(r) }
		}, seen{hotsync.StatusSucceeded, hotsync.ReasonUnchanged, 0}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				var observed []seen
				b.syncer.Observe = func(e hotsync.Event) { observed = append(observed, seen{e.Status, e.Reason, len(e.Attempts)}) }
				r := b.request()
				tc.play(b, r)
				out, e := b.handle(t, r, 1)
				if e.Status.Final() {
					wantOutcome(t, out, syncqueue.Done())
				}
				if got := (seen{e.Status, e.Reason, len(e.Attempts)}); got != tc.want {
					t.Errorf("the event is %+v, want %+v", got, tc.want)
				}
				want := []seen{tc.want}
				if tc.want.Tries == 0 { // it was the other's
					want = nil
				}
				if diff := cmp.Diff(want, observed); diff != "" {
					t.Errorf("observed mismatch (-want +got):\n%s", diff)
				}
				if len(b.events.tallied) != tc.tallied {
					t.Errorf("counted %d times, want %d", len(b.events.tallied), tc.tallied)
				}
				if tc.want.Tries > 0 && (e.FinishedAt.IsZero() == e.Status.Final() || e.Attempts[0].FinishedAt.IsZero()) {
					t.Errorf("%s, and it ended at %v, its try at %v", e.Status, e.FinishedAt, e.Attempts[0].FinishedAt)
				}
				if e.Status == hotsync.StatusRetrying && e.NextAttemptAt.IsZero() || e.Status.Final() && !e.NextAttemptAt.IsZero() {
					t.Errorf("%s, and the next try is at %v", e.Status, e.NextAttemptAt)
				}
			})
		})
	}
}

// TestEveryWriteIsAChange: the event tells all that was written to Limio, by owners too.
func TestEveryWriteIsAChange(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		for n, sign := range []func(*hotsync.SyncRequest){
			as("ada", accountID), as("ada", accountID, otherID), as("ada", otherID, accountID), as("bob", otherID), as("ada",
				accountID),
		} {
			before := b.limio.writes
			e := b.sign(t, sign)
			if got := b.limio.writes - before; got != len(e.Changes) {
				t.Errorf("sign-in %d: %d writes, and %d changes are told", n+1, got, len(e.Changes))
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestWhatFailedIsNoChange: of an owner's note that Limio refused the event tells nothing; of one that it took, which
// accounts it names.
func TestWhatFailedIsNoChange(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.sign(t, as("ada", accountID, otherID))
		b.limio.fail = []error{hotsync.Errorf(hotsync.CodeLimioForbidden, "403")}
		e := b.sign(t, as("ada", otherID, accountID))
		wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeLimioForbidden))
		if len(e.Changes) > 0 {
			t.Errorf("nothing was written, and the event tells %+v", e.Changes)
		}
		b.limio.fail = nil
		e = b.sign(t, as("ada", otherID, accountID))
		i := slices.IndexFunc(e.Changes, func(c hotsync.Change) bool {
			return c.Object == "identity" && c.Action == hotsync.ActionUpdate
		})
		if i < 0 {
			t.Fatalf("changes %+v, want one of the owner", e.Changes)
		}
		want := []hotsync.FieldChange{{Field: "hotsync.accounts." + accountID, After: numberA},
			{Field: "hotsync.accounts." + otherID, After: numberB}}
		if diff := cmp.Diff(want, e.Changes[i].Fields); diff != "" {
			t.Errorf("what the note says (-want +got):\n%s", diff)
		}
	})
}

// TestShownAsItWas: a slow try that is shown as under way has no end yet, though it may have one by the time that this
// is written.
func TestShownAsItWas(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.zuora.during = func() { time.Sleep(1400 * time.Millisecond) }
		b.zuora.fail = []error{zuoraDown}
		r := b.request()
		var shown hotsync.Event
		b.syncer.Jitter = func() float64 { // the try has ended, and its end is not written yet
			time.Sleep(200 * time.Millisecond)
			shown = b.events.now(r.EventID)
			return 0.5
		}
		b.handle(t, r, 1)
		if shown.Status != hotsync.StatusRunning || len(shown.Attempts) != 1 || !shown.Attempts[0].FinishedAt.IsZero() {
			t.Errorf("shown is %s with %+v, want it under way", shown.Status, shown.Attempts)
		}
	})
}

// TestUnderWayNamesItsAccount: a sync that is shown as under way has the request that came, which names the account: by
// that another delivery of the message that was sent on knows to leave it alone.
func TestUnderWayNamesItsAccount(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		r := b.request()
		r.Account = numberA
		_, err := b.events.Put(t.Context(), hotsync.NewEvent(r))
		if err != nil {
			t.Fatal(err)
		}
		first := r
		r.AccountID, r.Requeued = accountID, 1
		var during hotsync.Event
		b.zuora.during = func() {
			time.Sleep(2 * time.Second)
			during = b.events.now(r.EventID)
		}
		b.handle(t, r, 1)
		wantStatus(t, during, hotsync.StatusRunning, "")
		if during.Request.AccountID != accountID {
			t.Errorf("the request of the event under way is %+v, want that which came", during.Request)
		}
		b.events.events[r.EventID] = during
		_, e := b.handle(t, first, 2)
		wantStatus(t, e, hotsync.StatusRunning, "")
	})
}

// endElsewhere is another delivery of a request that comes to its end.
func (b *testBundle) endElsewhere(r hotsync.SyncRequest) {
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	e := hotsync.NewEvent(r)
	e.Status, e.Reason, e.Revision = hotsync.StatusSucceeded, hotsync.ReasonUnchanged, 1
	b.events.events[r.EventID] = e
}
