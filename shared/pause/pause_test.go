package pause_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/pause"
)

func two() (a, b *pause.Gate) {
	store, log := &pause.Memory{}, slog.New(slog.DiscardHandler)
	return pause.New(pause.Zuora, store, time.Now, log), pause.New(pause.Zuora, store, time.Now, log)
}

var (
	down    = hotsync.Errorf(hotsync.CodeZuoraUnavailable, "down")
	limited = hotsync.Errorf(hotsync.CodeZuoraRateLimited, "limited")
)

func wantPaused(t *testing.T, b *pause.Gate, want bool) time.Duration {
	t.Helper()
	err := b.Allow(t.Context())
	if (err != nil) != want {
		t.Fatalf("Allow = %v, want paused %t", err, want)
	}
	if err == nil {
		return 0
	}
	e := hotsync.AsError(err)
	if e.Code != hotsync.CodeZuoraPaused || e.RetryAfter <= 0 {
		t.Fatalf("Allow = %v after %s, want zuora_paused with a time to wait", err, e.RetryAfter)
	}
	return e.RetryAfter
}

func TestRateLimitPausesEveryProcessForAsLongAsAsked(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, b := two()
		wantPaused(t, a, false)
		wantPaused(t, b, false)
		a.Report(t.Context(), 429, 30*time.Second, limited)
		if wait := wantPaused(t, a, true); wait != 30*time.Second {
			t.Errorf("wait = %s, want the 30s of Retry-After", wait)
		}
		time.Sleep(time.Second) // the other process hears of it within a second
		wantPaused(t, b, true)
		time.Sleep(29 * time.Second)
		wantPaused(t, b, false) // the probe
		wantPaused(t, a, true)  // only one
		b.Report(t.Context(), 200, 0, nil)
		time.Sleep(time.Second)
		wantPaused(t, a, false)
		wantPaused(t, b, false)
	})
}

func TestOutageEndsByItself(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, b := two()
		for range 4 {
			wantPaused(t, a, false)
			a.Report(t.Context(), 503, 0, down)
		}
		wantPaused(t, a, false) // four failures are no outage yet
		a.Report(t.Context(), 0, 0, down)
		wantPaused(t, a, true)

		outage := time.Now().Add(time.Minute)
		probes := 0
		for time.Now().Before(outage) {
			for _, p := range []*pause.Gate{a, b} {
				if p.Allow(t.Context()) == nil {
					probes++
					p.Report(t.Context(), 503, 0, down)
				}
			}
			time.Sleep(250 * time.Millisecond)
		}
		if probes < 5 || probes > 15 {
			t.Errorf("%d calls in a minute of outage, want a handful of probes", probes)
		}
		over := time.Now()
		for a.Allow(t.Context()) != nil {
			time.Sleep(100 * time.Millisecond)
		}
		a.Report(t.Context(), 200, 0, nil)
		if took := time.Since(over); took > 10*time.Second {
			t.Errorf("the pause outlived the outage by %s, want at most 10s", took)
		}
		wantPaused(t, a, false)
	})
}

func TestSuccessBetweenFailuresIsNoOutage(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, _ := two()
		for range 20 {
			wantPaused(t, a, false)
			a.Report(t.Context(), 503, 0, down)
			wantPaused(t, a, false)
			a.Report(t.Context(), 404, 0, hotsync.Errorf(hotsync.CodeZuoraNotFound, "no such account"))
		}
		wantPaused(t, a, false)
	})
}

func TestDeadProbeGivesWay(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, b := two()
		wantPaused(t, a, false)
		a.Report(t.Context(), 429, time.Second, limited)
		time.Sleep(2 * time.Second)
		wantPaused(t, a, false) // a takes the probe and dies without a report
		wantPaused(t, b, true)
		time.Sleep(21 * time.Second)
		wantPaused(t, b, false) // b probes in its place
	})
}

// A sync makes several calls at once. One of them is the probe; were the others
// refused meanwhile, their failure would cut the probe off, and no pause would
// ever end.
func TestCallsBesideTheProbeWaitForIt(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		report func(context.Context, *pause.Gate)
		paused bool
	}{
		{"it succeeds", func(ctx context.Context, b *pause.Gate) { b.Report(ctx, 200, 0, nil) }, false},
		{"it fails", func(ctx context.Context, b *pause.Gate) { b.Report(ctx, 503, 0, down) }, true},
		{"its caller gives up", func(ctx context.Context, b *pause.Gate) { b.Report(ctx, 0, 0, context.Canceled) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				a, _ := two()
				a.Report(t.Context(), 429, time.Second, limited)
				time.Sleep(2 * time.Second)
				wantPaused(t, a, false) // the probe
				beside := make(chan error)
				go func() { beside <- a.Allow(t.Context()) }()
				synctest.Wait()
				select {
				case err := <-beside:
					t.Fatalf("Allow = %v beside the probe, want it to wait", err)
				default:
				}
				tc.report(t.Context(), a)
				if err := <-beside; (err != nil) != tc.paused {
					t.Errorf("Allow = %v once the probe ended, want paused %t", err, tc.paused)
				}
			})
		})
	}
}

func TestWaitingForTheProbeEndsWithTheCaller(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, _ := two()
		a.Report(t.Context(), 429, time.Second, limited)
		time.Sleep(2 * time.Second)
		wantPaused(t, a, false) // the probe
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := a.Allow(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Allow = %v, want the caller's own end", err)
		}
	})
}

func TestNonsensicalRetryAfterIsBounded(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, _ := two()
		a.Report(t.Context(), 429, 1000*time.Hour, limited)
		if wait := wantPaused(t, a, true); wait > time.Hour {
			t.Errorf("wait = %s, want at most an hour", wait)
		}
	})
}

// What an answer says is decided by its code: the status of a gateway is an outage, and
// a 500 about one account is none.
func TestAnswersAreToldByTheirCode(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		status int
		asked  time.Duration
		err    error
		over   bool // it ends a pause that it probes
		opens  bool // one alone begins a pause
	}{
		{"408 of a gateway", 408, 0, down, false, false},
		{"503", 503, 0, down, false, false},
		{"503 that asks to wait", 503, time.Minute, down, false, true},
		{"404 of a gateway", 404, 0, down, false, false},
		{"no answer", 0, 0, down, false, false},
		{"429", 429, 0, limited, false, true},
		{"500 about the account", 500, 0, hotsync.Errorf(hotsync.CodeZuoraRefused, "no"), true, false},
		{"404", 404, 0, hotsync.Errorf(hotsync.CodeZuoraNotFound, "no"), true, false},
		{"200", 200, 0, nil, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				a, _ := two()
				a.Report(t.Context(), tc.status, tc.asked, tc.err)
				wantPaused(t, a, tc.opens)

				b, _ := two()
				b.Report(t.Context(), 429, time.Second, limited)
				time.Sleep(2 * time.Second)
				wantPaused(t, b, false) // the probe
				b.Report(t.Context(), tc.status, tc.asked, tc.err)
				wantPaused(t, b, !tc.over)
			})
		})
	}
}

// A long outage is probed less often than a short one, and never less than twice a
// minute: so soon is its end noticed.
func TestLongOutageIsProbedWithPatience(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, _ := two()
		for range 5 {
			a.Report(t.Context(), 503, 0, down)
		}
		begun := time.Now()
		longest := func(until time.Duration) (longest time.Duration) {
			for time.Since(begun) < until {
				err := a.Allow(t.Context())
				if err == nil {
					a.Report(t.Context(), 503, 0, down)
					continue
				}
				wait := hotsync.AsError(err).RetryAfter
				longest = max(longest, wait)
				time.Sleep(wait)
			}
			return longest
		}
		for _, tc := range []struct{ until, want time.Duration }{
			{5 * time.Minute, 8 * time.Second}, {10 * time.Minute, 15 * time.Second}, {24 * time.Hour, 30 * time.Second},
		} {
			if got := longest(tc.until); got > tc.want || got < tc.want-2*time.Second {
				t.Errorf("probed every %s after %s, want every %s", got, tc.until, tc.want)
			}
		}
		if since := time.Since(a.Current(t.Context()).Since); since < 24*time.Hour-time.Minute {
			t.Errorf("the pause says that it lasts for %s", since)
		}
	})
}
