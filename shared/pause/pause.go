// Package pause is a pause that all sync processes keep together when Zuora or Limio
// asks for one (429) or is down; each of the two has its own. While it lasts, no call
// is made and messages wait in SQS without using up their tries; when its time is
// over, one call of one process probes whether the upstream answers again, which
// costs its sync no try either, and the pause ends by itself.
//
// What an answer says of the upstream is decided by its code, not by its status: a
// 408 of a gateway is an outage, a 500 about one account is an answer.
//
// It is the gate of the clients of both. The pause is one item in DynamoDB, written
// only when something changes and read at most once a second by each process, so in
// good times it costs one small read a second.
package pause

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

const (
	// threshold is how many calls in a row must fail before all are paused: one
	// lost connection is no outage.
	threshold = 5
	// An outage's pause doubles from firstPause to longestPause: so long after the end
	// of an outage the first probe may come. Of one that lasts it grows on, to a part of
	// its age and to patientPause at most: those who wait come back as often, and each
	// time costs.
	firstPause   = time.Second
	longestPause = 8 * time.Second
	patientPause = 30 * time.Second
	patientPart  = 40
	// longestAsked bounds what a Retry-After can make everybody wait, as the clients do:
	// so often is it probed whether a nonsensical header was meant.
	longestAsked = time.Hour
	// probeTime is how long one process may probe before another one may.
	probeTime = 20 * time.Second
	// rereadAfter is how old a process's knowledge of the pause may be.
	rereadAfter = time.Second
	// storeTimeout bounds a read or write of the pause: a call to Zuora must not
	// wait for DynamoDB.
	storeTimeout = 2 * time.Second
)

// State is the state shared by all processes. The zero value is no pause.
type State struct {
	Until      time.Time // no call before
	Since      time.Time // when it began
	Step       int       // probes that failed so far
	ProbeUntil time.Time // a process probes until then
	Reason     hotsync.Code
}

// Store keeps the pause.
type Store interface {
	// Load returns the pause, the zero value when there is none.
	Load(ctx context.Context) (State, error)
	// Replace writes next if the pause still ends at old.Until and is probed until
	// old.ProbeUntil; otherwise it changes nothing and reports false.
	Replace(ctx context.Context, old, next State) (bool, error)
}

// Upstream is a system whose calls can be paused.
type Upstream struct {
	ID          string       // names it in logs and in the store
	Name        string       // as people say it
	Paused      hotsync.Code // of a call that was held back
	RateLimited hotsync.Code // of an answer that asks to slow down
	Unavailable hotsync.Code
}

// The upstreams.
var (
	Zuora = Upstream{ID: "zuora", Name: "Zuora", Paused: hotsync.CodeZuoraPaused,
		RateLimited: hotsync.CodeZuoraRateLimited, Unavailable: hotsync.CodeZuoraUnavailable}
	Limio = Upstream{ID: "limio", Name: "Limio", Paused: hotsync.CodeLimioPaused,
		RateLimited: hotsync.CodeLimioRateLimited, Unavailable: hotsync.CodeLimioUnavailable}
)

// Gate is one process's part of the pause. It is safe for concurrent use.
type Gate struct {
	of    Upstream
	store Store
	now   func() time.Time
	log   *slog.Logger

	mu       sync.Mutex
	known    State
	knownAt  time.Time
	failures int           // in a row
	probe    chan struct{} // closed when the probe of this process has ended; nil without one
}

// New makes a Gate of an upstream. The store keeps the pause of that one.
func New(of Upstream, store Store, now func() time.Time, log *slog.Logger) *Gate {
	return &Gate{of: of, store: store, now: now, log: log}
}

// Allow lets a call through, or fails with the upstream's code of a pause and the time to wait.
// While a call of this process probes, others wait for what it finds out: a sync
// makes several calls at once, and refusing one would cut off the probe beside
// it, so that no pause would ever end.
func (b *Gate) Allow(ctx context.Context) error {
	for {
		probe, lease, err := b.allow(ctx)
		if probe == nil {
			return err
		}
		select {
		case <-probe:
		case <-time.After(lease):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// allow is Allow, but for waiting: it gives the probe to wait for and how long
// that may take, or nil.
func (b *Gate) allow(ctx context.Context) (probe <-chan struct{}, lease time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh(ctx)
	now := b.now()
	switch {
	case b.known.Until.IsZero():
		return nil, 0, nil
	case now.Before(b.known.Until):
		return nil, 0, b.paused(b.known.Until.Sub(now))
	case now.Before(b.known.ProbeUntil) && b.probe != nil:
		return b.probe, b.known.ProbeUntil.Sub(now), nil
	case now.Before(b.known.ProbeUntil):
		return nil, 0, b.paused(time.Second)
	}
	next := b.known
	next.ProbeUntil = now.Add(probeTime)
	if !b.replace(ctx, next) {
		return nil, 0, b.paused(time.Second)
	}
	b.endProbe() // one that never reported
	b.probe = make(chan struct{})
	return nil, 0, nil
}

// endProbe wakes those who wait for the probe, and reports whether there was one.
func (b *Gate) endProbe() bool {
	if b.probe == nil {
		return false
	}
	close(b.probe)
	b.probe = nil
	return true
}

func (b *Gate) paused(wait time.Duration) error {
	return hotsync.Errorf(b.of.Paused, "Calls to %s are paused (%s).", b.of.Name, b.known.Reason).After(wait)
}

// Report learns from how an allowed call ended; see apiclient.Gate. Its code says all, the status nothing.
func (b *Gate) Report(ctx context.Context, _ int, retryAfter time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := hotsync.AsError(err)
	probed := b.endProbe()
	switch {
	case err != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		if probed { // it says nothing about the upstream: another call may probe
			next := b.known
			next.ProbeUntil = time.Time{}
			b.replace(ctx, next)
		}
	case e != nil && e.Code == b.of.RateLimited:
		step := b.nextStep(probed)
		b.pause(ctx, min(max(retryAfter, b.backoff(step)), longestAsked), step, e.Code)
	case e != nil && e.Code == b.of.Unavailable:
		b.failed(ctx, probed, min(retryAfter, longestAsked))
	default:
		b.failures = 0
		if probed && b.replace(ctx, State{}) {
			b.log.InfoContext(ctx, "the upstream answers again, the pause is over", "upstream", b.of.ID)
		}
	}
}

// nextStep counts the probes that failed.
func (b *Gate) nextStep(probed bool) int {
	if probed {
		return b.known.Step + 1
	}
	return 0
}

// failed counts an answer that says that the upstream is down; asked is how long it
// asked to wait, mostly zero.
func (b *Gate) failed(ctx context.Context, probed bool, asked time.Duration) {
	b.failures++
	if !probed && asked == 0 && b.failures < threshold {
		return
	}
	step := b.nextStep(probed)
	b.pause(ctx, max(asked, b.backoff(step)), step, b.of.Unavailable)
}

// backoff is how long a pause lasts at least after so many probes that failed, whatever
// time the upstream asked for: it did not mean it.
func (b *Gate) backoff(step int) time.Duration {
	longest := min(max(longestPause, b.now().Sub(b.known.Since)/patientPart), patientPause)
	return min(firstPause<<min(step, 8), longest)
}

// pause begins or prolongs the pause, never shortens it.
func (b *Gate) pause(ctx context.Context, d time.Duration, step int, code hotsync.Code) {
	now := b.now()
	until := now.Add(d)
	b.failures = 0
	if !until.After(b.known.Until) {
		return
	}
	next := State{Until: until, Since: b.known.Since, Step: step, Reason: code}
	if next.Since.IsZero() {
		next.Since = now
	}
	if b.replace(ctx, next) {
		b.log.WarnContext(ctx, "calls paused", "upstream", b.of.ID, "code", code, "ms", d.Milliseconds(),
			"since_s", int(now.Sub(next.Since).Seconds()))
	}
}

// replace changes the shared pause if nobody else did meanwhile. Without
// DynamoDB each process keeps the pause for itself.
func (b *Gate) replace(ctx context.Context, next State) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	won, err := b.store.Replace(ctx, b.known, next)
	if err != nil {
		b.log.WarnContext(ctx, "pause not shared", "error", err)
		won = true
	}
	if won {
		b.known, b.knownAt = next, b.now()
	} else {
		b.knownAt = time.Time{} // somebody else changed it: read it at the next call
	}
	return won
}

func (b *Gate) refresh(ctx context.Context) {
	now := b.now()
	if now.Sub(b.knownAt) < rereadAfter {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	p, err := b.store.Load(ctx)
	if err != nil {
		b.log.WarnContext(ctx, "pause not read", "error", err)
		b.knownAt = now
		return
	}
	b.known, b.knownAt = p, now
}

// Current returns the pause as this process knows it.
func (b *Gate) Current(ctx context.Context) State {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh(ctx)
	return b.known
}
