package syncer_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/pause"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
)

// paused is an upstream's pause.
type paused struct {
	state pause.State
	asked atomic.Int32
}

func (p *paused) Current(context.Context) pause.State {
	p.asked.Add(1)
	return p.state
}

// lasting is a pause that began and ends so long before and after now.
func lasting(since, left time.Duration) *paused {
	return &paused{state: pause.State{Since: time.Now().Add(-since), Until: time.Now().Add(left)}}
}

// TestHeldBack: a message whose event says already that it waits is given back while the upstream that it needs is
// paused, without a look at anything; those who wait come back in the order of their requests.
func TestHeldBack(t *testing.T) {
	t.Parallel()

	const no = -1
	for _, tc := range []struct {
		name         string
		zuora, limio time.Duration // how much longer it is paused; 0 for not
		change       func(r *hotsync.SyncRequest)
		receive      int
		want         time.Duration // until it comes again; no for not held back
	}{
		{name: "Zuora", zuora: 10 * time.Second, receive: 2, want: 10 * time.Second},
		{name: "Limio", limio: 10 * time.Second, receive: 2, want: 10 * time.Second},
		{name: "Zuora for longer", zuora: 20 * time.Second, limio: 10 * time.Second, receive: 2, want: 20 * time.Second},
		{name: "Limio for longer", zuora: 10 * time.Second, limio: 20 * time.Second, receive: 2, want: 20 * time.Second},
		{name: "neither", receive: 2, want: no},
		{name: "a pause that is over", zuora: -time.Second, receive: 2, want: no},
		{name: "it comes for the first time", zuora: 10 * time.Second, receive: 1, want: no},
		{name: "it was sent on once, under its account", zuora: 10 * time.Second, receive: 1, want: no,
			change: func(r *hotsync.SyncRequest) { r.Requeued = 1 }},
		{name: "it was sent again", zuora: 10 * time.Second, receive: 1, want: 10 * time.Second,
			change: func(r *hotsync.SyncRequest) { r.Requeued = 2 }},
		{name: "it comes for the last time", zuora: 10 * time.Second, receive: 3, want: no},
		{name: "it has waited for a day", zuora: 10 * time.Second, receive: 2, want: no,
			change: func(r *hotsync.SyncRequest) { r.RequestedAt = r.RequestedAt.Add(-24 * time.Hour) }},
		{name: "it has waited for nearly a day", zuora: 10 * time.Second, receive: 2, want: 10 * time.Second,
			change: func(r *hotsync.SyncRequest) { r.RequestedAt = r.RequestedAt.Add(-24*time.Hour + time.Second) }},
		{name: "a number, of Zuora", zuora: 10 * time.Second, receive: 2, want: 10 * time.Second,
			change: func(r *hotsync.SyncRequest) { r.Account = numberA }},
		{name: "a number, of Limio", limio: 10 * time.Second, receive: 2, want: no,
			change: func(r *hotsync.SyncRequest) { r.Account = numberA }},
		{name: "a number that was found, of Limio", limio: 10 * time.Second, receive: 2, want: 10 * time.Second,
			change: func(r *hotsync.SyncRequest) { r.Account, r.AccountID = numberA, accountID }},

		// The pause has lasted for a minute then, and those of it come back within five seconds.
		{name: "asked when the pause began", zuora: 10 * time.Second, receive: 2, want: 10 * time.Second,
			change: func(r *hotsync.SyncRequest) { r.RequestedAt = r.RequestedAt.Add(-time.Minute) }},
		{name: "asked in the middle of the pause", zuora: 10 * time.Second, receive: 2, want: 12500 * time.Millisecond,
			change: func(r *hotsync.SyncRequest) { r.RequestedAt = r.RequestedAt.Add(-30 * time.Second) }},
		{name: "asked just now", zuora: 10 * time.Second, receive: 2, want: 15 * time.Second,
			change: func(r *hotsync.SyncRequest) {}},
		{name: "asked by a clock that is ahead", zuora: 10 * time.Second, receive: 2, want: 15 * time.Second,
			change: func(r *hotsync.SyncRequest) { r.RequestedAt = r.RequestedAt.Add(time.Minute) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				zuora, limio := lasting(time.Minute, tc.zuora), lasting(time.Minute, tc.limio)
				b.syncer.Pauses = syncer.Pauses{Zuora: zuora, Limio: limio}
				r := b.request()
				if tc.change == nil { // it came before the pause
					tc.change = func(r *hotsync.SyncRequest) { r.RequestedAt = r.RequestedAt.Add(-time.Hour) }
				}
				if strings.HasPrefix(tc.name, "it was sent") || strings.Contains(tc.name, "number") {
					r.RequestedAt = r.RequestedAt.Add(-time.Hour)
				}
				tc.change(&r)
				out, e := b.handle(t, r, tc.receive)
				after, again := out.Delay()
				if tc.want == no {
					if again || b.zuora.reads == 0 {
						t.Errorf("comes again after %s, %d reads of Zuora; want it gone on with", after, b.zuora.reads)
					}
					return
				}
				if !again || after != tc.want || e.ID != "" || len(b.events.asked) > 0 || b.zuora.reads > 0 {
					t.Errorf("comes again: %t, after %s, want %s; asked of the store %q, %d reads of Zuora", again, after, tc.want,
						b.events.asked, b.zuora.reads)
				}
			})
		})
	}
}

// TestNoPauses: a syncer without pauses holds nothing back, nor one with the pause of one side alone.
func TestNoPauses(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		for _, p := range []syncer.Pauses{{}, {Zuora: lasting(0, 0)}, {Limio: lasting(0, 0)}} {
			b := setup(t)
			b.syncer.Pauses = p
			_, e := b.handle(t, b.request(), 2)
			wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		}
	})
}

// TestPausesAreReadAhead: they are asked for before the first call that they hold back.
func TestPausesAreReadAhead(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		zuora, limio := lasting(time.Hour, 0), lasting(time.Hour, 0)
		b.syncer.Pauses = syncer.Pauses{Zuora: zuora, Limio: limio}
		b.handle(t, b.request(), 1)
		synctest.Wait()
		if zuora.asked.Load() != 1 || limio.asked.Load() != 1 {
			t.Errorf("Zuora's pause was asked for %d times and Limio's %d times, want once", zuora.asked.Load(),
				limio.asked.Load())
		}
	})
}

// TestHowLongASyncWaits: as long as the upstream asks, or its pause lasts, or else for a part of what it has waited.
func TestHowLongASyncWaits(t *testing.T) {
	t.Parallel()

	down := hotsync.Errorf(hotsync.CodeZuoraUnavailable, "503")
	for _, tc := range []struct {
		name  string
		e     *hotsync.Error
		since time.Duration
		left  time.Duration
		age   time.Duration // of the request
		want  time.Duration
	}{
		{name: "as long as it asks", e: down.After(7 * time.Second), want: 7 * time.Second},
		{name: "as long as the pause lasts", e: down, since: time.Minute, left: 9 * time.Second, age: time.Hour,
			want: 9 * time.Second},
		{name: "the longer of both, the pause", e: down.After(time.Second), since: time.Minute, left: 9 * time.Second,
			age: time.Hour, want: 9 * time.Second},
		{name: "the longer of both, what it asks", e: down.After(time.Minute), since: time.Minute, left: 9 * time.Second,
			age: time.Hour, want: time.Minute},
		{name: "and in its place among those who wait", e: down, since: time.Minute, left: 9 * time.Second, age: 0,
			want: 14 * time.Second},
		{name: "a pause of four seconds parts them by one", e: down, since: 4 * time.Second, left: 9 * time.Second, age: 0,
			want: 10 * time.Second},
		{name: "a pause that begins now", e: down, since: 0, left: 9 * time.Second, age: 0, want: 9 * time.Second},
		// Alone, and with dice that fall in the middle: three quarters.
		{name: "alone and new", e: down, age: 0, want: 1500 * time.Millisecond},
		{name: "alone for 16 s", e: down, age: 16 * time.Second, want: 1500 * time.Millisecond},
		{name: "alone for 24 s", e: down, age: 24 * time.Second, want: 2250 * time.Millisecond},
		{name: "alone for an hour", e: down, age: time.Hour, want: 45 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				if tc.left > 0 {
					b.syncer.Pauses.Zuora = lasting(tc.since, tc.left)
				}
				b.zuora.fail = []error{tc.e}
				r := b.request()
				r.RequestedAt = r.RequestedAt.Add(-tc.age)
				out, e := b.handle(t, r, 1)
				wantStatus(t, e, hotsync.StatusRetrying, hotsync.ReasonPaused)
				after, again := out.Delay()
				if !again || after != tc.want || time.Until(e.NextAttemptAt) != tc.want {
					t.Errorf("comes again: %t, after %s, as the event says in %s; want %s", again, after,
						time.Until(e.NextAttemptAt), tc.want)
				}
			})
		})
	}
}

// TestWhatWaits: an outage, or a limit that names a time, costs no try. What may be the account's or the process's own
// trouble does.
func TestWhatWaits(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		e    *hotsync.Error
		want string // the reason
	}{
		{hotsync.Errorf(hotsync.CodeZuoraUnavailable, "503"), hotsync.ReasonPaused},
		{hotsync.Errorf(hotsync.CodeZuoraRateLimited, "429"), hotsync.ReasonPaused},
		{hotsync.Errorf(hotsync.CodeZuoraPaused, "paused"), hotsync.ReasonPaused},
		{hotsync.Errorf(hotsync.CodeLimioUnavailable, "503"), hotsync.ReasonPaused},
		{hotsync.Errorf(hotsync.CodeLimioRateLimited, "429"), hotsync.ReasonPaused},
		{hotsync.Errorf(hotsync.CodeLimioPaused, "paused"), hotsync.ReasonPaused},
		{hotsync.Errorf(hotsync.CodeOwnerBusy, "busy"), hotsync.ReasonPaused},
		{hotsync.Errorf(hotsync.CodeZuoraBusy, "busy").After(time.Second), hotsync.ReasonPaused},
		{hotsync.Errorf(hotsync.CodeZuoraBusy, "locked"), string(hotsync.CodeZuoraBusy)},
		{hotsync.Errorf(hotsync.CodeTimeout, "slow").After(time.Second), string(hotsync.CodeTimeout)},
		{hotsync.Errorf(hotsync.CodeZuoraAnswer, "no JSON").After(time.Second), string(hotsync.CodeZuoraAnswer)},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.zuora.fail = []error{tc.e}
			_, e := b.handle(t, b.request(), 1)
			wantStatus(t, e, hotsync.StatusRetrying, tc.want)
			if (len(e.Attempts) == 0) != (tc.want == hotsync.ReasonPaused) {
				t.Errorf("%s: %d tries", tc.e.Code, len(e.Attempts))
			}
		})
	}
}

// TestWaitedTooLong: what waits longer than it may fails with what it waited for, and not with the pause.
func TestWaitedTooLong(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ code, want hotsync.Code }{
		{hotsync.CodeZuoraPaused, hotsync.CodeZuoraUnavailable},
		{hotsync.CodeLimioPaused, hotsync.CodeLimioUnavailable},
		{hotsync.CodeZuoraRateLimited, hotsync.CodeZuoraRateLimited},
		{hotsync.CodeOwnerBusy, hotsync.CodeOwnerBusy},
	} {
		for _, most := range []time.Duration{0, time.Hour} {
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprint(tc.code, most, late), func(t *testing.T) {
					t.Parallel()

					synctest.Test(t, func(t *testing.T) {
						b := setup(t)
						b.syncer.MaxWait = most
						b.zuora.fail = []error{hotsync.Errorf(tc.code, "the word").After(time.Second)}
						r := b.request()
						age := most
						if most == 0 {
							age = syncer.DefaultMaxWait
						}
						if !late {
							age -= time.Second
						}
						r.RequestedAt = r.RequestedAt.Add(-age)
						out, e := b.handle(t, r, 1)
						if !late {
							wantStatus(t, e, hotsync.StatusRetrying, hotsync.ReasonPaused)
							return
						}
						wantOutcome(t, out, syncqueue.Done())
						wantStatus(t, e, hotsync.StatusFailed, string(tc.want))
						if e.Error == nil || !strings.Contains(e.Error.Message, "the word") {
							t.Errorf("the event says %+v", e.Error)
						}
					})
				})
			}
		}
	}
}
