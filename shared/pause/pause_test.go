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
		if got := b.Current(t.Context()).Reason; got != hotsync.CodeZuoraRateLimited {
			t.Errorf("the other process knows of a pause for %q", got)
		}
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
		for range 4 { // one less than an outage
			a.Report(t.Context(), 503, 0, down)
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

// A probe is over when the pause that it was made in is: who waits for it hears of the next one.
func TestOvertakenProbeKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, b := two()
		a.Report(t.Context(), 429, time.Second, limited)
		time.Sleep(time.Second)
		wantPaused(t, a, false) // the probe, which hangs
		begun, beside := time.Now(), make(chan error)
		go func() { beside <- a.Allow(t.Context()) }()
		wantPaused(t, b, true)
		b.Report(t.Context(), 429, 5*time.Second, limited) // of a call begun before
		time.Sleep(5 * time.Second)
		wantPaused(t, a, false) // the next probe
		a.Report(t.Context(), 200, 0, nil)
		err := <-beside
		if waited := time.Since(begun); err != nil || waited > 6*time.Second {
			t.Errorf("Allow = %v after %s, want what the second probe found out", err, waited)
		}
	})
}

// A call whose caller gave up says nothing: not of the upstream, and not of the probe beside it.
func TestGivingUpSaysNothing(t *testing.T) {
	t.Parallel()

	for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			a, b := two()
			a.Report(t.Context(), 429, time.Second, limited)
			time.Sleep(time.Second)
			wantPaused(t, a, false) // the probe
			wantPaused(t, b, true)
			b.Report(t.Context(), 0, 0, err)
			wantPaused(t, b, true)

			a.Report(t.Context(), 0, 0, err)
			wantPaused(t, a, false) // another probe, at once
			time.Sleep(time.Second)
			wantPaused(t, b, true)
		})
	}
}

// Calls that were under way when the pause began, and end later, neither shorten it nor
// begin the next one.
func TestLateAnswersShortenNothing(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, b := two()
		for range 5 {
			a.Report(t.Context(), 503, 0, down)
		}
		a.Report(t.Context(), 429, time.Minute, limited)
		a.Report(t.Context(), 429, time.Second, limited)
		if wait := wantPaused(t, a, true); wait != time.Minute {
			t.Errorf("paused for %s, want the minute that was asked for", wait)
		}
		time.Sleep(time.Minute)
		wantPaused(t, b, false) // the probe
		b.Report(t.Context(), 200, 0, nil)
		time.Sleep(time.Second)
		wantPaused(t, a, false)
		for range 4 { // too few alone, after the five of before
			a.Report(t.Context(), 503, 0, down)
		}
		wantPaused(t, a, false)
	})
}

// Each probe that fails doubles the pause, up to eight seconds.
func TestPauseDoubles(t *testing.T) {
	t.Parallel()

	for name, failure := range map[string]error{"down": down, "limited": limited} {
		synctest.Test(t, func(t *testing.T) {
			a, _ := two()
			for range 5 {
				if a.Allow(t.Context()) == nil {
					a.Report(t.Context(), 0, 0, failure)
				}
			}
			for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
				8 * time.Second} {
				if wait := wantPaused(t, a, true); wait != want {
					t.Errorf("%s: pause %d lasts %s, want %s", name, i, wait, want)
				}
				time.Sleep(want)
				wantPaused(t, a, false)
				a.Report(t.Context(), 0, 0, failure)
			}
		})
	}
}

// broken is a store that fails when it is told to, and counts how often it is read.
type broken struct {
	pause.Memory
	err   error
	reads int
}

func (s *broken) Load(ctx context.Context) (pause.State, error) {
	s.reads++
	if s.err != nil {
		return pause.State{}, s.err
	}
	return s.Memory.Load(ctx)
}

func (s *broken) Replace(ctx context.Context, old, next pause.State) (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	return s.Memory.Replace(ctx, old, next)
}

// Without DynamoDB each process keeps the pause for itself, and asks for it once a second.
func TestWithoutTheStore(t *testing.T) {
	t.Parallel()

	for _, err := range []error{nil, errors.New("away")} {
		synctest.Test(t, func(t *testing.T) {
			store := &broken{err: err}
			a := pause.New(pause.Zuora, store, time.Now, slog.New(slog.DiscardHandler))
			for range 5 {
				wantPaused(t, a, false)
			}
			if store.reads != 1 {
				t.Errorf("store error %v: read %d times at once, want once", err, store.reads)
			}
			a.Report(t.Context(), 429, 10*time.Second, limited)
			time.Sleep(2 * time.Second)
			wantPaused(t, a, true)
			time.Sleep(8 * time.Second)
			wantPaused(t, a, false) // the probe
			a.Report(t.Context(), 200, 0, nil)
			wantPaused(t, a, false)
			if store.reads != 3 {
				t.Errorf("store error %v: read %d times in two seconds and eight, want once each", err, store.reads)
			}
		})
	}
}

// Who finds that another process was faster looks at what that one wrote.
func TestWhoWasSlowerLooksAgain(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a, b := two()
		wantPaused(t, b, false)
		a.Report(t.Context(), 429, 30*time.Second, limited)
		b.Report(t.Context(), 429, 2*time.Second, limited)
		if wait := wantPaused(t, b, true); wait != 30*time.Second {
			t.Errorf("paused for %s, want the 30 s of the other process", wait)
		}
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
