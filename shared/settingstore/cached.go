package settingstore

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

// retryAfter is how soon settings that could not be read are tried again.
const retryAfter = 2 * time.Second

// Cached gives settings that are at most some time old. When they cannot be
// read, or are not valid, the last good ones stay in force: a login must not
// depend on the settings table being up.
type Cached struct {
	store *Store
	ttl   time.Duration
	log   *slog.Logger

	mu    sync.Mutex
	known hotsync.Settings
	good  bool
	next  time.Time // when to read again
}

// Cached makes a cache over the store.
func (s *Store) Cached(ttl time.Duration, log *slog.Logger) *Cached {
	return &Cached{store: s, ttl: ttl, log: log}
}

// Load gives the settings in force. It fails only when they were never read.
func (c *Cached) Load(ctx context.Context) (hotsync.Settings, error) {
	c.mu.Lock() // held while reading: one of many callers reads for all
	defer c.mu.Unlock()
	now := c.store.now()
	if c.good && now.Before(c.next) {
		return c.known, nil
	}
	settings, err := c.store.Load(ctx)
	switch {
	case err == nil:
		c.known, c.good, c.next = settings, true, now.Add(c.ttl)
		return settings, nil
	case c.good:
		c.log.WarnContext(ctx, "settings not read, the last ones stay in force", "version", c.known.Version, "error", err)
		c.next = now.Add(retryAfter)
		return c.known, nil
	default:
		return hotsync.Settings{}, err
	}
}
