package syncer_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
	"hotsync/shared/zuora"
)

// TestStoreCalls holds what each kind of message asks of the store: one call more is paid a million times. They are
// compared sorted, since some go side by side.
func TestStoreCalls(t *testing.T) {
	t.Parallel()

	number := func(_ *testing.T, _ *testBundle, r *hotsync.SyncRequest) { r.Account = numberA }
	lookup := func(_ *testing.T, _ *testBundle, r *hotsync.SyncRequest) {
		r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada"}
	}
	job := func(_ *testing.T, b *testBundle, r *hotsync.SyncRequest) { b.asJob(r) }
	for _, tc := range []struct {
		name    string
		play    func(t *testing.T, b *testBundle, r *hotsync.SyncRequest)
		receive int // 1 when zero
		want    []string
	}{
		{name: "a first login",
			want: []string{"get", "hold turn", "look turn", "put", "save account", "save aliases", "tally"}},
		{name: "a login whose account Limio has as it should be",
			play: func(t *testing.T, b *testBundle, r *hotsync.SyncRequest) {
				b.sign(t, as("ada", accountID))
				time.Sleep(time.Minute)
				r.RequestedAt, r.Identity.Subject = time.Now(), "ada"
			},
			want: []string{"get", "look turn", "put", "save account", "save aliases", "tally"}},
		{name: "a login whose account Limio has otherwise",
			play: func(t *testing.T, b *testBundle, r *hotsync.SyncRequest) {
				b.sign(t, as("ada", accountID))
				time.Sleep(time.Minute)
				r.RequestedAt, r.Identity.Subject = time.Now(), "ada"
				a := b.zuora.accounts[accountID]
				a.Name = "Ada Writer"
				b.zuora.accounts[accountID] = a
			},
			want: []string{"get", "hold turn", "look turn", "put", "save account", "save aliases", "tally"}},
		{name: "a login that is covered",
			play: func(t *testing.T, b *testBundle, r *hotsync.SyncRequest) {
				time.Sleep(time.Minute)
				b.sign(t, as("ada", accountID))
				r.Identity.Subject = "ada"
			},
			want: []string{"get", "look turn", "put", "tally"}},
		{name: "a login that has ended",
			play: func(_ *testing.T, b *testBundle, r *hotsync.SyncRequest) {
				e := hotsync.NewEvent(*r)
				e.Status = hotsync.StatusSucceeded
				b.events.events[r.EventID] = e
			},
			want: []string{"get", "look turn"}},
		{name: "a login that Limio refuses",
			play: func(_ *testing.T, b *testBundle, _ *hotsync.SyncRequest) {
				b.limio.fail = []error{hotsync.Errorf(hotsync.CodeLimioForbidden, "403")}
			},
			want: []string{"get", "hold turn", "look turn", "put", "tally"}},
		{name: "a login's second try", receive: 2,
			want: []string{"get", "hold turn", "look turn", "put", "put", "save account", "save aliases", "tally"}},
		{name: "a slow login, which is shown as under way",
			play: func(_ *testing.T, b *testBundle, _ *hotsync.SyncRequest) {
				b.zuora.during = func() { time.Sleep(2 * time.Second) }
			},
			want: []string{"get", "hold turn", "look turn", "put", "put", "save account", "save aliases", "tally"}},
		{name: "a slow login that ends while this is written",
			play: func(t *testing.T, b *testBundle, r *hotsync.SyncRequest) {
				_, err := b.events.Put(t.Context(), hotsync.NewEvent(*r)) // as the front door does
				if err != nil {
					t.Fatal(err)
				}
				b.zuora.during = func() { time.Sleep(2 * time.Second) }
				b.events.slow = []time.Duration{time.Second}
			},
			want: []string{"get", "hold turn", "look turn", "put", "put", "save account", "save aliases", "tally"}},
		{name: "a slow login, and this could not be written",
			play: func(t *testing.T, b *testBundle, r *hotsync.SyncRequest) {
				_, err := b.events.Put(t.Context(), hotsync.NewEvent(*r)) // as the front door does
				if err != nil {
					t.Fatal(err)
				}
				b.zuora.during = func() { time.Sleep(2 * time.Second) }
				b.events.fail = []error{hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")}
			},
			want: []string{"get", "hold turn", "look turn", "put", "put", "save account", "save aliases", "tally"}},
		{name: "a number", play: number, want: nil},
		{name: "a number that comes again", play: number, receive: 2, want: []string{"get", "put"}},
		{name: "a look-up", play: lookup, want: []string{"put"}},
		{name: "a look-up that comes again", play: lookup, receive: 2, want: []string{"get", "put"}},
		{name: "a job's sync", play: job,
			want: []string{"get", "put", "save account", "save aliases", "take turn", "tally"}},
		{name: "a job's sync that fails",
			play: func(_ *testing.T, b *testBundle, r *hotsync.SyncRequest) {
				b.asJob(r)
				b.limio.fail = []error{hotsync.Errorf(hotsync.CodeLimioForbidden, "403")}
			},
			want: []string{"end turn", "get", "put", "take turn", "tally"}},
		{name: "a job's sync whose state is not saved",
			play: func(_ *testing.T, b *testBundle, r *hotsync.SyncRequest) {
				b.asJob(r)
				b.events.unsaved = hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")
			},
			want: []string{"end turn", "get", "put", "save account", "save aliases", "take turn", "tally"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				r := b.request()
				r.Named = []string{accountID}
				if tc.play != nil {
					tc.play(t, b, &r)
				}
				b.events.asked = nil
				b.handle(t, r, max(tc.receive, 1))
				time.Sleep(time.Minute) // nothing comes later
				slices.Sort(b.events.asked)
				if diff := cmp.Diff(tc.want, b.events.asked); diff != "" {
					t.Errorf("asked of the store (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// slowZuora answers when the sync's time is over.
type slowZuora struct{ *tenant }

func (z slowZuora) Read(ctx context.Context, _ string, _ zuora.ReadOptions) (billing.Account, error) {
	<-ctx.Done()
	return billing.Account{}, ctx.Err()
}

// TestCutOff: what the function's deadline cuts off is recorded within it.
func TestCutOff(t *testing.T) {
	t.Parallel()

	for deadline, want := range map[time.Duration]time.Duration{
		30 * time.Second: 28 * time.Second,
		9 * time.Second:  7 * time.Second,
		4 * time.Second:  3 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.syncer.Zuora = slowZuora{b.zuora}
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			r, began := b.request(), time.Now()
			out := b.syncer.Handle(ctx, syncqueue.Message{Request: r, ReceiveCount: 1, SentAt: r.RequestedAt, ID: "m"})
			wantStatus(t, b.events.events[r.EventID], hotsync.StatusRetrying, string(hotsync.CodeTimeout))
			if _, again := out.Delay(); !again || time.Since(began) != want {
				t.Errorf("of %s it was cut off after %s, want %s; comes again: %t", deadline, time.Since(began), want, again)
			}
		})
	}
}
