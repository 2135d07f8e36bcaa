package syncer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

// noSettings is a settings store that is away.
type noSettings struct{}

func (noSettings) Load(context.Context) (hotsync.Settings, error) {
	return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "away")
}

// What becomes of the next delivery is not laid upon the try that a process left
// open when it died: it would seem to have lasted until then, beside another sync
// of the account perhaps.
func TestTryOfADeadProcessStaysOpen(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		change func(*testBundle)
		want   int // tries
	}{
		{"the next fails before it begins", func(b *testBundle) { b.syncer.Settings = noSettings{} }, 2},
		{"the next has to wait", func(b *testBundle) {
			b.zuora.fail = []error{hotsync.Errorf(hotsync.CodeZuoraPaused, "paused").After(time.Second)}
		}, 1},
		{"the next fails", func(b *testBundle) { b.zuora.fail = []error{hotsync.Errorf(hotsync.CodeZuoraAnswer, "no JSON")} },
			2},
		{"the next succeeds", func(*testBundle) {}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			tc.change(b)
			r := b.request()
			dead := hotsync.NewEvent(r)
			dead.Status, dead.Attempts = hotsync.StatusRunning, []hotsync.Attempt{
				{N: 1, StartedAt: time.Now().Add(-time.Minute)}}
			_, err := b.events.Put(t.Context(), dead)
			if err != nil {
				t.Fatal(err)
			}
			b.syncer.Handle(t.Context(), syncqueue.Message{Request: r, ReceiveCount: 2})
			got := b.events.events[r.EventID].Attempts
			if len(got) != tc.want || !got[0].FinishedAt.IsZero() {
				t.Errorf("tries = %+v, want %d with the first left open", got, tc.want)
			}
		})
	}
}

// TestWaitingDropsNoTryOfAnother: an outage that a request meets before a try began takes none back.
func TestWaitingDropsNoTryOfAnother(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		r := b.request()
		r.Account = numberA
		b.zuora.fail = []error{zuoraDown}
		_, e := b.handle(t, r, 2)
		wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeZuoraAnswer))
		time.Sleep(time.Minute)
		b.zuora.fail = []error{hotsync.Errorf(hotsync.CodeZuoraUnavailable, "503")}
		_, e = b.handle(t, r, 2)
		wantStatus(t, e, hotsync.StatusRetrying, hotsync.ReasonPaused)
		if len(e.Attempts) != 1 {
			t.Errorf("%d tries are left of one", len(e.Attempts))
		}
		if len(e.Steps) != 1 || e.Steps[0].Name != "resolve" {
			t.Errorf("steps %+v, want how far it came", e.Steps)
		}
		time.Sleep(time.Minute)
		b.syncer.Settings = noSettings{}
		_, e = b.handle(t, r, 2)
		wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeStoreUnavailable))
		if len(e.Steps) != 1 || len(e.Attempts) != 2 {
			t.Errorf("steps %+v after %d tries, want what is known, and two", e.Steps, len(e.Attempts))
		}
	})
}
