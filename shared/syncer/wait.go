package syncer

import (
	"context"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/pause"
	"hotsync/shared/syncqueue"
)

// Waiting for Zuora or Limio costs a sync time and no tries. Those who wait share the
// upstream's pause: while it lasts, a message whose event says already that it waits is
// given back without a look at anything, and when it is over they come back in the
// order of their requests, within seconds. A newer login of the same account then finds
// itself covered by the sync of an older one.
const (
	// DefaultMaxWait is how long a sync waits, unless the configuration says otherwise.
	// Zuora's longest rate limit renews itself within that time.
	DefaultMaxWait = 24 * time.Hour
	// maxSpread is how much later than the oldest the newest comes back.
	maxSpread = 5 * time.Second
	// One that waits alone, whose failures are no outage for others, comes back after a
	// part of the time that it has waited already.
	loneBase, loneCap, lonePart = 2 * time.Second, time.Minute, 8
)

// Pause tells how long calls to an upstream are held back, as a *pause.Gate does.
type Pause interface {
	Current(ctx context.Context) pause.State
}

// Pauses are those of the upstreams; nil for none.
type Pauses struct{ Zuora, Limio Pause }

// of returns the pause that holds a request back the longest: a look-up needs Zuora
// alone.
func (p Pauses) of(ctx context.Context, r hotsync.SyncRequest) (longest pause.State) {
	if p.Zuora != nil {
		longest = p.Zuora.Current(ctx)
	}
	resolved := r.AccountID != "" || hotsync.IsAccountID(r.Account)
	if p.Limio != nil && resolved {
		if limio := p.Limio.Current(ctx); limio.Until.After(longest.Until) {
			longest = limio
		}
	}
	return longest
}

// prefetch has the pauses read while other things are, so that the calls they hold back
// need not wait for it.
func (p Pauses) prefetch(ctx context.Context) {
	for _, of := range []Pause{p.Zuora, p.Limio} {
		if of != nil {
			go of.Current(ctx)
		}
	}
}

// heldBack reports whether a message has to wait for an upstream, and its event says
// so already: nothing then has to be read or written to give it back.
func (s *Syncer) heldBack(ctx context.Context, m syncqueue.Message) (after time.Duration, ok bool) {
	seen := m.ReceiveCount > 1 || m.Request.Requeued > 1
	if !seen || m.ReceiveCount >= s.MaxAttempts || s.waitedTooLong(m.Request) {
		return 0, false
	}
	p := s.Pauses.of(ctx, m.Request)
	left := p.Until.Sub(s.Now())
	if left <= 0 {
		return 0, false
	}
	return left + s.spread(p, m.Request), true
}

func (s *Syncer) waitedTooLong(r hotsync.SyncRequest) bool {
	most := s.MaxWait
	if most <= 0 {
		most = DefaultMaxWait
	}
	return s.Now().Sub(r.RequestedAt) >= most
}

// spread parts those who wait for the same pause, so that they do not all come at once
// and the oldest comes first.
func (s *Syncer) spread(p pause.State, r hotsync.SyncRequest) time.Duration {
	lasts := s.Now().Sub(p.Since)
	if p.Since.IsZero() || lasts <= 0 {
		return 0
	}
	place := float64(r.RequestedAt.Sub(p.Since)) / float64(lasts)
	return time.Duration(min(max(place, 0), 1) * float64(min(maxSpread, lasts/4)))
}

// wait is when a sync that waits for an upstream comes again.
func (j *job) wait(ctx context.Context, e *hotsync.Error) time.Duration {
	p := j.Pauses.of(ctx, j.request)
	if wait := max(e.RetryAfter, p.Until.Sub(j.Now())); wait > 0 {
		return wait + j.spread(p, j.request) // also of the one that has just probed
	}
	longest := min(max(loneBase, j.Now().Sub(j.record.RequestedAt)/lonePart), loneCap)
	return longest/2 + time.Duration(j.Jitter()*float64(longest/2))
}
