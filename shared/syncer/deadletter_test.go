package syncer_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
)

// TestDeadLettersSayWhatIsKnown: of a try that died with its process nobody knows the end,
// and what failed last is worth knowing. What a retry needs is the request that came.
func TestDeadLettersSayWhatIsKnown(t *testing.T) {
	t.Parallel()

	problem := hotsync.Errorf(hotsync.CodeZuoraAnswer, "x").Problem()
	for _, tc := range []struct {
		name         string
		attempts     func(at time.Time) []hotsync.Attempt
		last         *hotsync.Problem // the event's
		wantAttempts int
		tries        int // that a sync has
		says         string
		open         bool // the last attempt has no end
	}{
		{"died", func(at time.Time) []hotsync.Attempt { return died(2, at) }, nil, 2, 2, "never came to an end.", true},
		{"died at its only try", func(at time.Time) []hotsync.Attempt { return died(1, at) }, nil, 1, 1,
			"never came to an end.", true},
		{"failed, and never came again", func(at time.Time) []hotsync.Attempt {
			return []hotsync.Attempt{{N: 1, StartedAt: at, FinishedAt: at, Error: problem}}
		}, problem, 2, 1, "never came to an end. The last failure was zuora_answer_invalid.", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			letters := &syncer.DeadLetters{MaxAttempts: tc.tries, Events: b.events, Queue: b.queue, Now: time.Now,
				Log: b.syncer.Log}
			r := b.request()
			e := hotsync.NewEvent(r)
			e.Status, e.Attempts, e.Error = hotsync.StatusRetrying, tc.attempts(r.RequestedAt), tc.last
			_, err := b.events.Put(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			r.Requeued, r.Note = 4, "as it came"
			wantOutcome(t, letters.Handle(t.Context(), syncqueue.Message{Request: r, ID: "m", SentAt: r.RequestedAt}),
				syncqueue.Done())
			e = b.events.events[r.EventID]
			wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeGaveUp))
			if !strings.HasSuffix(e.Error.Message, tc.says) {
				t.Errorf("the event says %q, want %q", e.Error.Message, tc.says)
			}
			if diff := cmp.Diff(r, e.Request); diff != "" {
				t.Errorf("request mismatch (-want +got):\n%s", diff)
			}
			if len(e.Attempts) != tc.wantAttempts {
				t.Fatalf("%d attempts, want %d", len(e.Attempts), tc.wantAttempts)
			}
			last := e.Attempts[len(e.Attempts)-1]
			if last.N != tc.wantAttempts || last.Error == nil || last.Error.Code != hotsync.CodeGaveUp ||
				last.FinishedAt.IsZero() != tc.open {
				t.Errorf("the last attempt is %+v, want one that was given up, without an end %t", last, tc.open)
			}
		})
	}
}

// resends notes what a job's dead letters are sent on by.
type resends struct{ sent []hotsync.SyncRequest }

func (q *resends) Resend(_ context.Context, r hotsync.SyncRequest) error {
	q.sent = append(q.sent, r)
	return nil
}

// TestDeadLettersOfJobs: what never ran goes back into the lane that it came from.
func TestDeadLettersOfJobs(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, job string
		lane      bool // the dead letters know the second lane
		jobs      int  // sent on by it
	}{
		{"a login", "", true, 0}, {"a job's", "job-1", true, 1}, {"a job's, without its lane", "job-1", false, 0},
	} {
		b := setup(t)
		lane := &resends{}
		letters := &syncer.DeadLetters{MaxAttempts: 5, Events: b.events, Queue: b.queue, Now: time.Now, Log: b.syncer.Log}
		if tc.lane {
			letters.Jobs = lane
		}
		r := b.request()
		r.Job = tc.job
		wantOutcome(t, letters.Handle(t.Context(), syncqueue.Message{Request: r, ID: "m", SentAt: r.RequestedAt}),
			syncqueue.Done())
		if len(lane.sent) != tc.jobs || len(b.queue.sent) != 1-tc.jobs {
			t.Errorf("%s: %d sent on by the jobs' lane and %d by the logins', want %d and %d", tc.name, len(lane.sent),
				len(b.queue.sent), tc.jobs, 1-tc.jobs)
		}
	}
}

// TestDeadLettersComeAgain: while the store is down nothing is recorded, and so nothing is
// acknowledged.
func TestDeadLettersComeAgain(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.events.down = true
	letters := &syncer.DeadLetters{MaxAttempts: 5, Events: b.events, Queue: b.queue, Now: time.Now, Log: b.syncer.Log}
	r := b.request()
	wantOutcome(t, letters.Handle(t.Context(), syncqueue.Message{Request: r, ID: "m", SentAt: r.RequestedAt}),
		syncqueue.Again(time.Minute))
}

// TestWithoutTheKey: whose login sees an account is told by a hash under the key. Without
// it nothing is decided, and nothing written.
func TestWithoutTheKey(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.syncer.SearchKey = func(context.Context) []byte { return nil }
		_, e := b.handle(t, b.request(), 1)
		wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeStoreUnavailable))
		if b.limio.writes != 0 {
			t.Errorf("%d writes", b.limio.writes)
		}
	})
}

// TestHalfAnIdentity: a sub without its issuer, or an issuer without a sub, is nobody.
func TestHalfAnIdentity(t *testing.T) {
	t.Parallel()

	for _, who := range []hotsync.Identity{{Subject: "auth0|ada"}, {Issuer: "https://idp.example.com"}} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			e := b.sign(t, func(r *hotsync.SyncRequest) { r.Identity, r.Named = who, []string{accountID} })
			if e.Status != hotsync.StatusSucceeded {
				t.Errorf("%+v: the sync ended as %s %s", who, e.Status, e.Reason)
			}
			r := b.request()
			r.Identity, r.Named = who, []string{accountID}
			would, err := b.syncer.DryRun(t.Context(), r)
			if err != nil || would.Link.State != syncer.LinkNobody {
				t.Errorf("%+v: the dry run says %+v, %v", who, would.Link, err)
			}
			for _, o := range b.limio.all() {
				if o.IsLogin() {
					t.Errorf("%+v: Limio has the login %s", who, o.ID)
				}
			}
		})
	}
}

// unset are settings that cannot be read.
type unset struct{}

func (unset) Load(context.Context) (hotsync.Settings, error) {
	return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "down")
}

func TestDryRunWithoutSettings(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.syncer.Settings = unset{}
	_, err := b.syncer.DryRun(t.Context(), hotsync.SyncRequest{Account: "A00000001"})
	if err == nil || hotsync.AsError(err).Code != hotsync.CodeStoreUnavailable {
		t.Errorf("DryRun = %v, want the settings missed", err)
	}
}
