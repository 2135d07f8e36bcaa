package settingstore

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

const (
	// ttl is how long settings are used without asking for newer ones.
	ttl = 30 * time.Second
	// retryAfter is how soon a refresh that failed is tried again.
	retryAfter = 5 * time.Second
	// patience is how long somebody who could go on with the last settings waits
	// for newer ones. A login has 1.5 s for everything.
	patience = 250 * time.Millisecond
	// loadLimit ends a refresh that hangs.
	loadLimit = 3 * time.Second
)

// Loader reads the settings in force.
type Loader interface {
	Load(context.Context) (hotsync.Settings, error)
}

// Cached keeps the settings for a while, and the last ones that could be read
// for as long as newer ones cannot. It is safe for concurrent use, and asks for
// the settings once at a time however many wait for them.
type Cached struct {
	loader Loader
	log    *slog.Logger

	mu       sync.Mutex
	settings hotsync.Settings
	read     time.Time // when settings were read; zero before the first time
	due      time.Time // when they are to be read again
	loading  *loading  // nil when nobody asks
}

// loading is one refresh. err is set before done is closed.
type loading struct {
	done chan struct{}
	err  error
}

// NewCached makes an empty cache.
func NewCached(loader Loader, log *slog.Logger) *Cached { return &Cached{loader: loader, log: log} }

// Load returns the settings, which may be as old as the time to live, or older
// while newer ones cannot be read or are invalid: that is logged. It returns an
// error only when no settings were ever read. Callers share the settings and
// must not change them.
func (c *Cached) Load(ctx context.Context) (hotsync.Settings, error) {
	c.mu.Lock()
	if !c.read.IsZero() && time.Now().Before(c.due) {
		defer c.mu.Unlock()
		return c.settings, nil
	}
	if c.loading == nil {
		c.loading = &loading{done: make(chan struct{})}
		go c.refresh(context.WithoutCancel(ctx), c.loading)
	}
	l, stale, known := c.loading, c.settings, !c.read.IsZero()
	c.mu.Unlock()

	var late <-chan time.Time
	if known {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-l.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.read.IsZero() {
			return hotsync.Settings{}, l.err
		}
		return c.settings, nil
	case <-late:
		return stale, nil
	case <-ctx.Done():
		if known {
			return stale, nil
		}
		return hotsync.Settings{}, ctx.Err()
	}
}

// refresh reads the settings once, for everybody who waits.
func (c *Cached) refresh(ctx context.Context, l *loading) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	settings, err := c.loader.Load(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		c.settings, c.read, c.due = settings, now, now.Add(ttl)
	case !c.read.IsZero():
		c.due = now.Add(min(retryAfter, ttl))
		c.log.WarnContext(
			ctx,
			"settings could not be read; the last ones stay in use",
			"version",
			c.settings.Version,
			"age_s",
			int(now.Sub(c.read).Seconds()),
			"code",
			hotsync.AsError(err).Code,
			"error",
			err,
		)
	}
	l.err = err
	c.loading = nil
	close(l.done)
}
