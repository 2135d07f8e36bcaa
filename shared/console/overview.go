package console

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"hotsync/shared/console/staff"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/syncqueue"
)

// span is a range of time that the overview shows, and how finely.
type span struct {
	Name, Label string
	Back, Slot  time.Duration
}

var spans = []span{
	{"hour", "Last hour", time.Hour, eventstore.SlotLength},
	{"day", "Last 24 hours", 24 * time.Hour, time.Hour},
	{"week", "Last 7 days", 7 * 24 * time.Hour, 6 * time.Hour},
}

type overviewView struct {
	Span     span
	Spans    []preset
	From     time.Time
	Missing  []string // what could not be read, in words
	HotSync  bool
	Settings bool // HotSync is known
	Counted  bool
	Counts   eventstore.Counts
	Tiles    []tile
	Chart    chart
	Reasons  []reason
	P50, P95 time.Duration
	Timed    bool // P50 and P95 are known
	Rate     float64
	Rated    bool // Rate is known
	Depth    *syncqueue.Depth
	Dead     *syncqueue.Depth // of the dead-letter queue
	Waiting  []tile
	Oldest   *hotsync.Event
	Paused   int // syncs that wait because Zuora asked to
	PausedTo time.Time
	Recent   []eventRow
	Run      *jobs.Job // the reconcile run that ended last
	Now      time.Time
}

// tile is a number with its name, leading to the list it counts.
type tile struct {
	Status  hotsync.Status
	N       int
	AtLeast bool
	Href    string
}

// reason is why syncs did not succeed, and how often.
type reason struct {
	eventstore.Outcome
	N    int
	Href string
	Part float64 // of the most frequent one
}

func (c *console) overview(w http.ResponseWriter, r *http.Request, m member) error {
	page := overviewView{Span: spans[1], Now: c.Now()}
	if name := r.URL.Query().Get("span"); name != "" {
		i := slices.IndexFunc(spans, func(s span) bool { return s.Name == name })
		if i < 0 {
			return hotsync.Errorf(hotsync.CodeBadRequest, "span must be hour, day or week.")
		}
		page.Span = spans[i]
	}
	page.From = c.Now().UTC().Truncate(page.Span.Slot).Add(page.Span.Slot - page.Span.Back)
	for _, s := range spans {
		page.Spans = append(page.Spans, preset{s.Label, "/?span=" + s.Name, s == page.Span})
	}
	c.fillOverview(r.Context(), &page, m)
	part := "layout"
	if staff.IsLive(r) {
		part = "overview"
	}
	return c.renderAs(w, r, m, http.StatusOK, "overview", part, view{Title: "Overview", Nav: "overview", Body: page})
}

// readings are made at once; those that fail are named.
type readings struct {
	wg sync.WaitGroup

	mu     sync.Mutex
	failed []string
}

func (r *readings) add(ctx context.Context, log *slog.Logger, what string, read func() error) {
	r.wg.Go(func() {
		err := read()
		if err == nil {
			return
		}
		log.ErrorContext(ctx, "overview incomplete", "part", what, "error", err)
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.Contains(r.failed, what) {
			r.failed = append(r.failed, what)
		}
	})
}

// wait gives the names of what failed, sorted, once every reading has ended.
func (r *readings) wait() []string {
	r.wg.Wait()
	slices.Sort(r.failed)
	return r.failed
}

// fillOverview reads everything at once. What cannot be read is named, and the
// rest is shown.
func (c *console) fillOverview(ctx context.Context, page *overviewView, m member) {
	var r readings
	read := func(what string, do func() error) { r.add(ctx, c.Log, what, do) }
	read("the last reconcile run", func() error {
		run, ok, err := jobs.LastReconcile(ctx, c.Jobs)
		if ok {
			page.Run = &run
		}
		return err
	})
	var slots []eventstore.Slot
	read("the counts", func() (err error) {
		slots, err = c.Events.Count(ctx, page.From, c.Now().Add(time.Minute))
		page.Counted = err == nil
		return err
	})
	unfinished := []hotsync.Status{hotsync.StatusQueued, hotsync.StatusRunning, hotsync.StatusRetrying}
	page.Waiting = make([]tile, len(unfinished))
	for i, s := range unfinished {
		f := filter{Statuses: []hotsync.Status{s}}
		page.Waiting[i] = tile{Status: s, Href: f.Path()}
		read("what is under way", func() error {
			total, err := c.Events.CountMatching(ctx, f.query(), 9999)
			page.Waiting[i].N, page.Waiting[i].AtLeast = total.N, total.AtLeast
			return err
		})
	}
	read("the queue", func() error {
		d, err := c.Queue.Depth(ctx)
		if err == nil {
			page.Depth = &d
		}
		return err
	})
	read("the dead letters", func() error {
		if c.Dead == nil {
			return nil
		}
		d, err := c.Dead.Depth(ctx)
		if err == nil {
			page.Dead = &d
		}
		return err
	})
	read("the oldest waiting login", func() error {
		e, ok, err := c.Events.OldestUnfinished(ctx)
		if err == nil && ok {
			page.Oldest = &e
		}
		return err
	})
	read("whether Zuora asked to wait", func() error {
		found, err := c.search(ctx, filter{Statuses: []hotsync.Status{hotsync.StatusRetrying}, Reason: hotsync.ReasonPaused}, eventstore.MaxLimit, "", false)
		for _, e := range found.Events {
			page.Paused++
			if e.NextAttemptAt.After(page.PausedTo) {
				page.PausedTo = e.NextAttemptAt
			}
		}
		return err
	})
	read("the newest failures", func() error {
		found, err := c.search(ctx, filter{Statuses: []hotsync.Status{hotsync.StatusFailed}, From: page.From}, 5, "", false)
		page.Recent = rows(found.Events, c.Now(), m)
		return err
	})
	read("the settings", func() error {
		s, err := c.Settings.Load(ctx)
		page.HotSync, page.Settings = s.HotSync, err == nil
		return err
	})
	page.Missing = r.wait()
	page.fillCounts(slots)
}

// fillCounts makes figures and chart of what was counted.
func (p *overviewView) fillCounts(slots []eventstore.Slot) {
	p.Counts = eventstore.Sum(slots)
	since := filter{from: p.From.Format(time.RFC3339), From: p.From}
	for _, s := range []hotsync.Status{hotsync.StatusSucceeded, hotsync.StatusFailed, hotsync.StatusSkipped} {
		f := since
		f.Statuses = []hotsync.Status{s}
		p.Tiles = append(p.Tiles, tile{Status: s, N: p.Counts.Status(s), Href: f.Path()})
	}
	good, bad := p.Counts.Status(hotsync.StatusSucceeded), p.Counts.Status(hotsync.StatusFailed)
	if good+bad > 0 {
		p.Rate, p.Rated = 100*float64(good)/float64(good+bad), true
	}
	p.P50, p.Timed = p.Counts.Latency.Quantile(0.5)
	p.P95, _ = p.Counts.Latency.Quantile(0.95)
	for o, n := range p.Counts.Outcomes {
		if o.Status == hotsync.StatusFailed || o.Status == hotsync.StatusSkipped && o.Reason != hotsync.ReasonCoalesced {
			f := since
			f.Statuses, f.Reason = []hotsync.Status{o.Status}, o.Reason
			p.Reasons = append(p.Reasons, reason{Outcome: o, N: n, Href: f.Path()})
		}
	}
	slices.SortFunc(p.Reasons, func(a, b reason) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason)) })
	for i := range p.Reasons {
		p.Reasons[i].Part = 100 * float64(p.Reasons[i].N) / float64(p.Reasons[0].N)
	}
	p.Chart = newChart(slots, p.From, p.Span)
}
