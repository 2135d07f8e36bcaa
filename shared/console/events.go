package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/console/staff"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// chip is a status one can filter by, with how many events it has.
type chip struct {
	Status hotsync.Status
	On     bool
	Href   string
	Total  eventstore.Total
	Known  bool // Total is
}

type eventsView struct {
	Filter    filter
	Problem   *hotsync.Problem // why there is no list, or not a whole one
	Events    []eventRow
	Chips     []chip
	Providers []string
	Views     []savedView
	ViewName  string // of the view that this is
	Triggers  []hotsync.Trigger
	Presets   []preset
	Zone      string // of the times one may write

	Suggestions []suggestion // for the search field
	Next        string       // address of the next page
	First       string       // address of the first page, when this is another
	Cut         bool         // the page is short though there is more
	Live        string       // address of what came in since, "" when the page is not live
	Newest      string
	Nothing     []loginEntry // logins that led to nothing and that the filter would find
	NothingAll  string       // address of all of them
	Bulk        string       // address of the bulk retry of this filter, "" when there is nothing to retry
}

// Narrowed reports whether a filter is set that has a control of its own.
func (v eventsView) Narrowed() bool {
	f := v.Filter
	return f.from != "" || f.to != "" || f.Provider != "" || f.Trigger != ""
}

// MaybeAccount reports whether the text could be an account that no sync is known
// of.
func (v eventsView) MaybeAccount() bool {
	return isAccountKey(v.Filter.Text) && !hotsync.IsEventID(v.Filter.Text)
}

// eventRow is a row of a list.
type eventRow struct {
	hotsync.Event
	Now      time.Time
	CanRetry bool
	Tick     bool // it can be ticked
	OOB      bool // replaces the row of the same id
}

type preset struct {
	Label, Href string
	On          bool
}

// chipLimit is how far the chips count: more is "99+". Counting is reading, so
// this bounds what a page costs.
const chipLimit = 99

func (c *console) eventsPage(w http.ResponseWriter, r *http.Request, m member) error {
	asked := r.URL.Query()
	f, err := parseFilter(timesInBox(parseBox(asked), c.here(r)), c.here(r))
	f.Provider = c.providerName(r.Context(), f.Provider)
	if err == nil && elsewhere(w, r, "/events", f.values()) {
		return nil
	}
	page := eventsView{Filter: f, Triggers: triggers}
	status := http.StatusOK
	if err == nil {
		err = c.fillEvents(r.Context(), &page, get(asked, "cursor"), m)
	}
	if err != nil {
		status, page.Problem = c.incomplete(r, "events", err)
	}
	page.Providers = c.providerNames(r.Context(), f.Provider)
	page.Views, page.Suggestions = savedViews(r), suggestions(page.Providers)
	for _, v := range page.Views {
		if v.Query == f.Encode() {
			page.ViewName = v.Name
		}
	}
	page.Presets, page.Zone = presets(f, "/events", c.Now()), zoneName(c.here(r))
	part := "layout"
	if staff.IsLive(r) {
		part = "list"
	}
	return c.renderAs(w, r, m, status, "events", part, view{Title: "Events", Nav: "events", Body: page})
}

// elsewhere leads a list that was asked for in other words to its one address: what was
// typed into the box, and what a form sends empty, is put in its place. It reports
// whether it did.
func elsewhere(w http.ResponseWriter, r *http.Request, path string, v url.Values) bool {
	asked := r.URL.Query()
	if cursor := get(asked, "cursor"); cursor != "" {
		v.Set("cursor", cursor)
	}
	if r.Header.Get("HX-Request") != "" || sameValues(v, asked) {
		return false
	}
	http.Redirect(w, r, withQuery(path, v), http.StatusSeeOther)
	return true
}

// incomplete returns what a list says that could not be read, and with which status.
func (c *console) incomplete(r *http.Request, page string, err error) (status int, problem *hotsync.Problem) {
	e := hotsync.AsError(err)
	if e.Code.HTTPStatus() >= http.StatusInternalServerError {
		c.Log.ErrorContext(r.Context(), page+" page incomplete", "error", err)
	}
	return e.Code.HTTPStatus(), e.Problem()
}

func sameValues(a, b map[string][]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, values := range a {
		if !slices.Equal(values, b[name]) {
			return false
		}
	}
	return true
}

func (c *console) fillEvents(ctx context.Context, page *eventsView, cursor string, m member) error {
	f := page.Filter
	q := f.query()
	q.Cursor = cursor
	fromRows := f.foundElsewhere() && len(f.Statuses) == 0 && cursor == ""
	if fromRows {
		q.Ahead = chipLimit + 1 - eventstore.DefaultLimit
	}
	var g errgroup.Group // all at once: it is the slowest that somebody waits for
	if cursor == "" {
		g.Go(func() error {
			page.Nothing, page.NothingAll = c.beside(ctx, f)
			return nil
		})
	}
	var totals statusTotals
	if !fromRows {
		g.Go(func() error {
			totals = c.statusTotals(ctx, f)
			return nil
		})
	}
	var found eventstore.Page
	g.Go(func() (err error) {
		found, err = c.Events.Search(ctx, q)
		return err
	})
	err := g.Wait()
	if err != nil {
		page.Nothing = nil
		return err
	}
	if fromRows {
		totals = totalsOf(slices.Concat(found.Events, found.Ahead), !found.Beyond)
	}
	page.Chips = chips(f, totals)
	page.Events = ticked(rows(found.Events, c.Now(), m))
	if found.Cursor != "" {
		v := f.values()
		v.Set("cursor", found.Cursor)
		page.Next = withQuery("/events", v)
		page.Cut = len(found.Events) < eventstore.DefaultLimit
	}
	if cursor != "" {
		page.First = f.Path()
	} else if f.To.IsZero() || f.To.After(c.Now()) {
		page.Live = f.Path()
	}
	if len(found.Events) > 0 {
		page.Newest = found.Events[0].ID
	}
	if m.Operator() && (len(f.Statuses) == 0 || f.Has(hotsync.StatusFailed) || f.Has(hotsync.StatusSkipped)) {
		meant := bulkStatuses(f)
		mayHave := func(r eventRow) bool { return r.CanRetry && slices.Contains(meant, r.Status) }
		if found.Cursor != "" || slices.ContainsFunc(page.Events, mayHave) {
			page.Bulk = f.At("/retry")
		}
	}
	return nil
}

func rows(events []hotsync.Event, now time.Time, m member) []eventRow {
	out := make([]eventRow, 0, len(events))
	for _, e := range events {
		out = append(out, eventRow{Event: e, Now: now, CanRetry: m.Operator() && e.Retriable()})
	}
	return out
}

// ticked lets the rows that can be retried be ticked.
func ticked(rows []eventRow) []eventRow {
	for i := range rows {
		rows[i].Tick = rows[i].CanRetry
	}
	return rows
}

// Ticks reports whether a row can be ticked.
func (v eventsView) Ticks() bool {
	return slices.ContainsFunc(v.Events, func(r eventRow) bool { return r.Tick })
}

// statusTotals is how many events each status has, as far as that is known.
type statusTotals map[hotsync.Status]eventstore.Total

// chips are the statuses one can filter by, with what each would show beside the rest
// of the filter. One that was not counted is shown without a number.
func chips(f filter, totals statusTotals) []chip {
	out := make([]chip, len(hotsync.Statuses))
	for i, s := range hotsync.Statuses {
		total, known := totals[s]
		out[i] = chip{Status: s, On: f.Has(s), Href: f.toggled(s).Path(), Total: total, Known: known}
	}
	return out
}

// totalsOf counts events by status, where these are all.
func totalsOf(events []hotsync.Event, all bool) statusTotals {
	if !all {
		return nil // a part of them says nothing about the whole
	}
	out := statusTotals{}
	for _, s := range hotsync.Statuses {
		out[s] = eventstore.Total{}
	}
	for _, e := range events {
		out[e.Status] = eventstore.Total{N: out[e.Status].N + 1}
	}
	return out
}

// foundElsewhere reports whether the store finds the filter's events by other indexes
// than that of statuses: counting each status would read the same events six times.
func (f filter) foundElsewhere() bool {
	return f.Text != "" || f.Account != "" || f.Subject != "" || f.Reason != "" || f.Open
}

// statusTotals counts by status. A number that is less than chipLimit and not all says
// nothing, so it is left out.
func (c *console) statusTotals(ctx context.Context, f filter) statusTotals {
	if f.foundElsewhere() {
		f.Statuses = nil
		page, err := c.search(ctx, f, chipLimit+1, "", false)
		if err != nil {
			c.Log.WarnContext(ctx, "statuses not counted", "error", err)
			return nil
		}
		return totalsOf(page.Events, page.Cursor == "")
	}
	out := statusTotals{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, s := range hotsync.Statuses {
		wg.Go(func() {
			one := f
			one.Statuses = []hotsync.Status{s}
			total, err := c.countMatching(ctx, one, chipLimit)
			if err != nil {
				c.Log.WarnContext(ctx, "status not counted", "status", s, "error", err)
				return
			}
			if total.AtLeast && total.N < chipLimit {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[s] = total
		})
	}
	wg.Wait()
	return out
}

// providerNames are the providers one can filter by: those of the settings, and
// the one that is filtered by, whatever it is.
func (c *console) providerNames(ctx context.Context, also string) []string {
	var out []string
	s, err := c.Settings.Load(ctx)
	if err != nil {
		c.Log.WarnContext(ctx, "providers not read", "error", err)
	}
	for _, p := range s.Providers {
		out = append(out, p.Name)
	}
	if also != "" && !slices.Contains(out, also) {
		out = append(out, also)
	}
	return out
}

// providerName is the name of a provider as the settings spell it, whatever its case;
// the store compares names exactly.
func (c *console) providerName(ctx context.Context, typed string) string {
	if typed == "" {
		return ""
	}
	for _, name := range c.providerNames(ctx, "") {
		if strings.EqualFold(name, typed) {
			return name
		}
	}
	return typed
}

// presets are ranges of time at one click, as absolute times, so that the
// address shows the same to whoever gets it.
func presets(f filter, path string, now time.Time) []preset {
	var out []preset
	for _, p := range [...]struct {
		label string
		back  time.Duration
	}{{"Last hour", time.Hour}, {"24 hours", 24 * time.Hour}, {"7 days", 7 * 24 * time.Hour}} {
		since := f
		since.From, since.to, since.To = now.Add(-p.back).UTC().Truncate(time.Minute), "", time.Time{}
		since.from = since.From.Format(time.RFC3339)
		out = append(out, preset{p.label, since.At(path), f.from == since.from && f.to == ""})
	}
	any := f
	any.from, any.to, any.From, any.To = "", "", time.Time{}, time.Time{}
	return append(out, preset{"Any time", any.At(path), f.from == "" && f.to == ""})
}

type newsView struct {
	Since   string
	New     int
	More    bool
	Href    string
	Rows    []eventRow
	Failure bool
}

// watched is how many rows of a list are kept up to date.
const watched = 50

// eventsNews tells a list on screen what has happened since: how many events
// came in, and the rows that still moved. It never moves a row.
func (c *console) eventsNews(w http.ResponseWriter, r *http.Request, m member) error {
	v := r.URL.Query()
	f, err := parseFilter(v, c.here(r))
	if err != nil {
		return err
	}
	news := newsView{Since: get(v, "since"), Href: f.Path()}
	if news.Since != "" && !hotsync.IsEventID(news.Since) {
		return hotsync.Errorf(hotsync.CodeBadRequest, "since must be an event id.")
	}
	recent := f
	if at := hotsync.EventTime(news.Since); at.After(f.From) {
		recent.From = at
	}
	page, err := c.search(r.Context(), recent, 0, "", false)
	if err != nil {
		return err
	}
	for _, e := range page.Events {
		if e.ID > news.Since {
			news.New++
		}
	}
	news.More = page.Cursor != ""
	for i, id := range strings.Split(get(v, "watch"), ",") {
		if i == watched || !hotsync.IsEventID(id) {
			break
		}
		e, err := c.Events.Get(r.Context(), id)
		if err != nil {
			continue // expired, or for the next time
		}
		e = e.Counted()
		row := ticked(rows([]hotsync.Event{e}, c.Now(), m))[0]
		row.OOB = true
		news.Rows = append(news.Rows, row)
	}
	return c.renderAs(w, r, m, http.StatusOK, "events", "news", view{Body: news})
}
