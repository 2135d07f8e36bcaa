package cataloguestore

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
)

const (
	// ttl is how long a catalogue is used without asking for a newer one. Merchants
	// publish seldom, and nobody waits for it.
	ttl = 15 * time.Minute
	// maxAge is how old a catalogue may be while Limio does not give a newer one.
	maxAge = 24 * time.Hour
	// retryAfter is how soon a read that failed is tried again.
	retryAfter = time.Minute
	// storeLimit bounds a read of the copy, and readLimit one of Limio, which may
	// take many pages.
	storeLimit = 3 * time.Second
	readLimit  = 12 * time.Second
	// maxNotes is how many notes on the catalogue's items an event gets.
	maxNotes = 5
)

// Source reads the catalogue from Limio.
type Source interface {
	Catalogue(ctx context.Context) (*catalogue.Index, []hotsync.Finding, error)
}

// Copies keeps the copy that processes share.
type Copies interface {
	Load(ctx context.Context) (c Copy, ok bool, err error)
	Save(ctx context.Context, c Copy) error
}

// Cached is the catalogue of one process. It is safe for concurrent use, and
// reads once at a time however many wait.
type Cached struct {
	source Source
	copies Copies
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	have    Copy
	late    bool // Limio did not give a newer one when it was time
	due     time.Time
	loading *loading // nil when nobody reads
}

// loading is one read. err is set before done is closed.
type loading struct {
	done chan struct{}
	err  error
}

// NewCached makes an empty cache. A nil now is time.Now, a nil log
// slog.Default.
func NewCached(source Source, copies Copies, now func() time.Time, log *slog.Logger) *Cached {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.Default()
	}
	return &Cached{source: source, copies: copies, now: now, log: log}
}

// Load returns the catalogue: the one of this process, of the stored copy, or of
// Limio, whichever is young enough. When Limio does not give one, it returns the
// last one that is no older than a day, with a note, or Limio's error.
func (c *Cached) Load(ctx context.Context) (_ *catalogue.Index, notes []hotsync.Finding, err error) {
	defer hotsync.In(&err, "cataloguestore.Cached")
	c.mu.Lock()
	if c.usable(c.now()) && c.now().Before(c.due) {
		defer c.mu.Unlock()
		return c.have.Index, c.notes(), nil
	}
	if c.loading == nil {
		c.loading = &loading{done: make(chan struct{})}
		go c.refresh(context.WithoutCancel(ctx), c.loading)
	}
	l := c.loading
	c.mu.Unlock()

	select {
	case <-l.done:
	case <-ctx.Done():
		return nil, nil, hotsync.Errorf(hotsync.CodeTimeout, "The sync ran out of time while the catalogue was read.").
			Because(ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.usable(c.now()) {
		return nil, nil, l.err
	}
	return c.have.Index, c.notes(), nil
}

// usable reports whether there is a catalogue that is not too old.
func (c *Cached) usable(now time.Time) bool {
	return c.have.Index != nil && now.Sub(c.have.ReadAt) < maxAge
}

// notes are those on the catalogue's items, and on its age.
func (c *Cached) notes() []hotsync.Finding {
	all := slices.Concat(c.have.Notes, c.have.Index.Notes())
	out := slices.Clone(all[:min(len(all), maxNotes)])
	if c.late {
		out = append(out, hotsync.Note(hotsync.FindingCatalogueOld, "",
			"Limio did not give its catalogue; the copy of %s was used.", c.have.ReadAt.UTC().Format(time.RFC3339)))
	}
	return out
}

// refresh gets a catalogue that is young enough, for everybody who waits.
func (c *Cached) refresh(ctx context.Context, l *loading) {
	c.mu.Lock()
	best := c.have
	c.mu.Unlock()
	if stored, ok := c.stored(ctx); ok && (best.Index == nil || stored.ReadAt.After(best.ReadAt)) {
		best = stored
	}
	var err error
	late := false
	if best.Index == nil || c.now().Sub(best.ReadAt) >= ttl {
		var fresh Copy
		fresh, err = c.read(ctx)
		if err == nil {
			best = fresh
		}
		late = err != nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.have, c.late, l.err = best, late, err
	c.due = best.ReadAt.Add(ttl)
	if late {
		c.due = c.now().Add(retryAfter)
	}
	c.loading = nil
	close(l.done)
}

// stored returns the copy. That it cannot be read costs a read of Limio.
func (c *Cached) stored(ctx context.Context) (Copy, bool) {
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	stored, ok, err := c.copies.Load(ctx)
	if err != nil {
		c.log.WarnContext(ctx, "copy of the catalogue not read", "code", hotsync.AsError(err).Code, "error", err)
	}
	return stored, ok && err == nil
}

// read reads Limio and stores what it gives.
func (c *Cached) read(ctx context.Context) (Copy, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	at := c.now()
	index, notes, err := c.source.Catalogue(ctx)
	if err != nil {
		c.log.WarnContext(ctx, "catalogue not read", "code", hotsync.AsError(err).Code, "error", err)
		return Copy{}, err
	}
	fresh := Copy{Index: index, Notes: notes, ReadAt: at}
	err = c.copies.Save(context.WithoutCancel(ctx), fresh)
	if err != nil {
		c.log.WarnContext(ctx, "copy of the catalogue not stored", "code", hotsync.AsError(err).Code, "error", err)
	}
	return fresh, nil
}
