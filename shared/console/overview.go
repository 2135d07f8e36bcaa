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
	"hotsync/shared/pause"
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
	Run      *jobs.Job        // the reconcile run that ended last
	Pauses   []pause.State    // of Zuora and Limio, that last, the older one first
	Paused   eventstore.Total // syncs that wait for them
	Open     openView
	Opened   bool    // Open is known
	Nothing  nothing // the logins that led to nothing in this time
	Noted    bool    // Nothing is known
	Head     verdict
	Now      time.Time
}

// tile is a number with its name, leading to the list it counts.
type tile struct {
	Status  hotsync.Status
	N       int
	AtLeast bool
	Href    string
}

// verdict is the overview in one headline.
type verdict struct {
	Tone  string // the status whose colours it has
	Text  string
	Since time.Time
	More  string // a sentence or two
	Href  string // what leads further, "" for nothing
	Link  string
}

// reason is why syncs did not succeed, and how often.
type reason struct {
	eventstore.Outcome
	N    int
	Href string
	Part float64 // of the most frequent one
}

func (c *console) overview(w http.ResponseWriter, r *http.Request, m member) error {
	page := overviewView{Span: spans[1], Now: c.here(r)}
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

// wait returns the names of what failed, sorted, once every reading has ended.
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
	c.fillWaiting(ctx, page, read)
	read("what is open", func() error {
		list, err := c.Events.Open(ctx)
		page.Open, page.Opened = newOpenView(list, c.Now(), m), err == nil
		return err
	})
	read("the logins that led to nothing", func() (err error) {
		if c.Logins == nil {
			return nil
		}
		page.Nothing, err = c.readNothing(ctx, loginsSince(page.From), page.From)
		page.Noted = err == nil
		return err
	})
	read("the settings", func() error {
		s, err := c.Settings.Load(ctx)
		page.HotSync, page.Settings = s.HotSync, err == nil
		return err
	})
	page.Missing = r.wait()
	page.fillCounts(slots)
	page.Head = page.verdict()
}

// fillWaiting reads what waits, and for what.
func (c *console) fillWaiting(ctx context.Context, page *overviewView, read func(what string, do func() error)) {
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
	unfinished := []hotsync.Status{hotsync.StatusQueued, hotsync.StatusRunning, hotsync.StatusRetrying}
	page.Waiting = make([]tile, len(unfinished))
	for i, s := range unfinished {
		page.Waiting[i] = tile{Status: s, Href: filter{Statuses: []hotsync.Status{s}}.Path()}
	}
	read("the oldest waiting login", func() error {
		e, ok, err := c.Events.OldestUnfinished(ctx)
		if err == nil && !ok {
			return nil // and there is nothing to count
		}
		if ok {
			page.Oldest = &e
		}
		for i, s := range unfinished {
			read("what is under way", func() error {
				total, err := c.countMatching(ctx, filter{Statuses: []hotsync.Status{s}}, 9999)
				page.Waiting[i].N, page.Waiting[i].AtLeast = total.N, total.AtLeast
				return err
			})
		}
		return err
	})
	read("what waits for Zuora or Limio", func() error {
		if c.Pauses == nil {
			return nil
		}
		all, err := c.Pauses(ctx)
		page.Pauses = lasting(all, c.Now())
		if err != nil || len(page.Pauses) == 0 {
			return err
		}
		page.Paused, err = c.Events.CountMatching(ctx, waiting.query(), 9999)
		return err
	})
}

// ZoneName is the zone of the chart's axis.
func (p overviewView) ZoneName() string { return zoneName(p.Now) }

// waiting finds the syncs that wait for Zuora or Limio.
var waiting = filter{Statuses: []hotsync.Status{hotsync.StatusRetrying}, Reason: hotsync.ReasonPaused}

// pauseShown is how long a pause is shown whose end nobody has found out: the next
// sync does, and those that wait come within seconds.
const pauseShown = time.Minute

// lasting returns the pauses that last, the oldest first.
func lasting(all map[string]pause.State, now time.Time) []pause.State {
	return slices.SortedFunc(
		func(yield func(pause.State) bool) {
			for _, s := range all {
				if now.Before(s.Until.Add(pauseShown)) && !yield(s) {
					return
				}
			}
		},
		func(a, b pause.State) int {
			return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Reason, b.Reason))
		},
	)
}

// waitWords says what a pause means for those who wait.
func (p *overviewView) waitWords() string {
	n := p.Paused.N
	more := "No login waits yet."
	if n > 0 {
		more = capital(plural(n, "login waits", "logins wait"))
		if p.Paused.AtLeast {
			more = "More than " + plural(n, "login waits", "logins wait")
		}
		more += "; nothing to do: " + plain(n, "it goes", "they go") + " on by " + plain(n, "itself", "themselves") + "."
	}
	if len(p.Pauses) > 1 {
		more = capital(waitsFor(p.Pauses[1].Reason)) + ", too. " + more
	}
	if p.Open.Logins > 0 {
		more += " Beside that, " + p.Open.Words() + "."
	}
	return more
}

// verdict says how things are in one headline: what matters most.
func (p *overviewView) verdict() verdict {
	switch {
	case p.Settings && !p.HotSync:
		return verdict{
			Tone: "retrying",
			Text: "Hot sync is off",
			More: "Logins are not synced; what is started in this console still is.",
			Href: "/settings",
			Link: "Settings",
		}
	case len(p.Pauses) > 0:
		return verdict{
			Tone:  "retrying",
			Text:  waitsFor(p.Pauses[0].Reason),
			Since: p.Pauses[0].Since,
			More:  p.waitWords(),
			Href:  waiting.Path(),
			Link:  "What waits",
		}
	case p.Dead != nil && p.Dead.Visible > 0:
		return verdict{
			Tone: "failed",
			Text: plural(p.Dead.Visible, "dead letter", "dead letters"),
			More: "The queue gave up on them; within minutes they become failed syncs, which can be retried.",
			Href: "/open",
			Link: "What is open",
		}
	case p.misset() > p.Open.Logins:
		return p.missetVerdict()
	case p.Opened && p.Open.Logins > 0:
		more := p.Open.Most()
		if p.misset() > 0 {
			more += " Beside that, " + p.Nothing.Misset().Words() + "."
		}
		return verdict{
			Tone: "failed",
			Text: capital(p.Open.Words()),
			More: more,
			Href: "/open",
			Link: "What is open, by cause",
		}
	case len(p.Missing) > 0:
		return verdict{
			Tone: "skipped",
			Text: "Not everything could be read",
			More: "What is shown is right; the rest comes back by itself.",
		}
	case p.Counts.Status(hotsync.StatusSucceeded) == 0:
		return verdict{
			Tone: "succeeded",
			Text: "All well",
			More: "Nobody waits, and nothing is open. No sync ended in this time.",
		}
	default:
		more := "Nobody waits for anything, and nothing is open."
		if p.Timed {
			more += " Half of the logins were synced within " + duration(p.P50) + "."
		}
		return verdict{Tone: "succeeded", Text: "All well", More: more}
	}
}

// fewMisset is how many logins may lead to nothing by what looks like a setting
// before they are the headline: some customers just have no such claim.
const fewMisset = 10

// misset is how many logins led to nothing as they do under a wrong setting, 0 while
// these are few beside logins that were synced.
func (p *overviewView) misset() int {
	n := p.Nothing.Misset().Logins
	if n < fewMisset && (!p.Counted || p.Counts.Status(hotsync.StatusSucceeded) > 0) {
		return 0
	}
	return n
}

func (p *overviewView) missetVerdict() verdict {
	bad := p.Nothing.Misset()
	since := bad.Groups[0].First
	for _, g := range bad.Groups {
		if g.First.Before(since) {
			since = g.First
		}
	}
	more := bad.Most()
	if p.Open.Logins > 0 {
		more += " Beside that, " + p.Open.Words() + "."
	}
	f := loginsSince(p.From)
	if len(bad.Groups) == 1 {
		f.Reason = bad.Groups[0].Reason
	}
	return verdict{
		Tone:  "retrying",
		Text:  capital(bad.Words()),
		Since: since,
		More:  more,
		Href:  f.Path(),
		Link:  "Which logins, and why",
	}
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
		if o.Status == hotsync.StatusFailed ||
			o.Status == hotsync.StatusSkipped && o.Reason != hotsync.ReasonCoalesced {
			f := since
			f.Statuses, f.Reason = []hotsync.Status{o.Status}, o.Reason
			p.Reasons = append(p.Reasons, reason{Outcome: o, N: n, Href: f.Path()})
		}
	}
	slices.SortFunc(
		p.Reasons,
		func(a, b reason) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason)) },
	)
	for i := range p.Reasons {
		p.Reasons[i].Part = 100 * float64(p.Reasons[i].N) / float64(p.Reasons[0].N)
	}
	p.Chart = newChart(slots, p.From, p.Span, p.Now.Location())
}
