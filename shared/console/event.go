package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/console/staff"
	"hotsync/shared/hotsync"
)

type eventView struct {
	Event     hotsync.Event
	Now       time.Time
	CanRetry  bool
	Revealed  bool
	Who       string // who signed in, masked unless revealed
	Lookup    string // the lookup's value likewise
	Steps     []stepBar
	Tries     []tryBar
	Earlier   []earlierTry // attempts before the last, with their steps
	Lines     []changeLine
	MoreLines int // changes that are not among Lines
	Related   []related
	LastGood  *hotsync.Event  // the last successful sync before this one
	Differs   []difference    // from LastGood
	Others    []hotsync.Event // syncs of the account to compare with, the newest first
	Holds     *holding        // what the account has in Limio, as far as is known
	Sight     sight           // whether the login sees it
	Small     bool            // the event is small enough to be shown as JSON
	Later     *hotsync.Event  // a newer sync of the account, if there is one
	Resolved  *hotsync.Event  // a newer sync after which nothing is left to do for this login
	Findings  []hotsync.Finding
	Links     []link
	Request   hotsync.SyncRequest
	Missing   string // what could not be read, in words
	Live      bool
}

type link struct{ Text, Href string }

// stepBar is a step with its place on the line of time, in parts of 1000.
type stepBar struct {
	hotsync.Step
	X, Width float64
	After    time.Duration // from the begin of the attempt
}

// tryBar is an attempt with its place on the line from the request to the end.
type tryBar struct {
	hotsync.Attempt
	X, Width float64
	Took     time.Duration
	Waited   time.Duration // before it
	Open     bool          // still under way
}

// earlierTry is an attempt that another one followed.
type earlierTry struct {
	N     int
	Steps []stepBar
}

// holding is what a sync left in Limio.
type holding struct {
	Event hotsync.Event
	First []hotsync.Subscription // those shown at once
	Rest  []hotsync.Subscription
}

// sight says whether a login sees its account in Limio.
type sight struct {
	Answer string // Yes, No, Not yet, or "" where nobody signed in
	Tone   string // the status whose colours it has
	Why    string
	Hint   string
}

// What an event shows of much.
const (
	firstSubscriptions = 6
	firstLines         = 40
	fewLines           = 12       // up to which their fields are in the page
	smallEvent         = 12 << 10 // bytes of JSON
)

// groupFields is how many changes of a kind show their fields. They are of a dry run,
// which is kept nowhere, so that the others have no page to show theirs.
const groupFields = 6

// changeGroup is the changes of one kind of Limio object.
type changeGroup struct {
	Object  string
	Changes []hotsync.Change
}

type related struct {
	Why   string
	Event hotsync.Event
}

func (c *console) eventPage(w http.ResponseWriter, r *http.Request, m member) error {
	return c.showEvent(w, r, m, false)
}

func (c *console) showEvent(w http.ResponseWriter, r *http.Request, m member, revealed bool) error {
	e, err := c.event(r)
	if err != nil {
		return err
	}
	now := c.here(r)
	page := c.newEventView(e, now, m)
	page.Revealed, page.Who, page.Live = revealed, e.Subject, !e.Status.Final()
	if e.Request.Lookup != nil {
		page.Lookup = e.Request.Lookup.Value
	}
	page.Event, page.Findings = settled(e), attentionFirst(e.Findings)
	if !revealed {
		page.Event, page.Request = masked(page.Event)
		page.Who, page.Lookup = mask(page.Who), mask(page.Lookup)
	}
	c.fillRelated(r.Context(), &page, e)
	page.Links = c.links(r.Context(), e)
	part := "layout"
	if staff.IsLive(r) {
		part = "event"
	}
	return c.renderAs(
		w,
		r,
		m,
		http.StatusOK,
		"event",
		part,
		view{Title: "Sync of " + accountName(e), Nav: "events", Body: page},
	)
}

// newEventView is what the event itself says.
func (c *console) newEventView(e hotsync.Event, now time.Time, m member) eventView {
	page := eventView{
		Event:    e,
		Now:      now,
		CanRetry: m.Operator() && e.Retriable(),
		Request:  e.Request,
		Steps:    stepBars(e),
		Tries:    tryBars(e, now),
		Lines:    changeLines(e),
	}
	if n := len(page.Lines); n > fewLines {
		page.MoreLines = max(0, n-firstLines)
		page.Lines = slices.Clone(page.Lines[:min(n, firstLines)])
		for i := range page.Lines {
			page.Lines[i].Fields, page.Lines[i].Href = nil, fmt.Sprintf("/events/%s/changes?n=%d", e.ID, i+1)
		}
	}
	for _, a := range e.Attempts {
		if len(a.Steps) > 0 {
			before := e
			before.Steps = a.Steps
			page.Earlier = append(page.Earlier, earlierTry{a.N, stepBars(before)})
		}
	}
	raw, err := json.Marshal(e)
	page.Small = err == nil && len(raw) < smallEvent
	return page
}

// changesPage shows all changes of an event, or one of them with its fields.
func (c *console) changesPage(w http.ResponseWriter, r *http.Request, m member) error {
	e, err := c.event(r)
	if err != nil {
		return err
	}
	lines := changeLines(e)
	if s := get(r.URL.Query(), "n"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > len(lines) {
			return hotsync.Errorf(hotsync.CodeNotFound, "The sync has no such change.")
		}
		lines = lines[n-1 : n]
	} else {
		for i := range lines {
			lines[i].Fields, lines[i].Href = nil, fmt.Sprintf("/events/%s/changes?n=%d", e.ID, i+1)
		}
	}
	page := eventView{Event: e, Lines: lines}
	return c.render(w, r, m, "changes", view{Title: "Changes of a sync", Nav: "events", Body: page})
}

// eventJSON returns an event as the API does, for who is signed in here.
func (c *console) eventJSON(w http.ResponseWriter, r *http.Request, _ member) error {
	e, err := c.event(r)
	if err != nil {
		return err
	}
	shown, request := masked(settled(e))
	c.answer(r.Context(), w, http.StatusOK, struct {
		Event   hotsync.Event       `json:"event"`
		Request hotsync.SyncRequest `json:"request"`
	}{shown, request})
	return nil
}

// masked is an event and its request as they are shown to everybody.
func masked(e hotsync.Event) (hotsync.Event, hotsync.SyncRequest) {
	request := e.Request
	e.Subject, request.Identity.Subject = mask(e.Subject), mask(request.Identity.Subject)
	if request.Lookup != nil {
		request.Lookup = &hotsync.Lookup{Field: request.Lookup.Field, Value: mask(request.Lookup.Value)}
	}
	if request.EmailHash != "" {
		request.EmailHash = clip(request.EmailHash, 9)
	}
	return e, request
}

// accountName is what an event's account is called.
func accountName(e hotsync.Event) string {
	switch {
	case e.Account.Number != "":
		return e.Account.Number
	case e.Account.ID != "":
		return e.Account.ID
	default:
		return "a login without an account"
	}
}

// accountPath is the address of an event's account page, "" without an account.
func accountPath(e hotsync.Event) string {
	key := e.Account.ID
	if key == "" {
		key = e.Account.Number
	}
	if key == "" {
		return ""
	}
	if !isAccountKey(key) {
		return "" // it has no page
	}
	return accountAt(key)
}

// accountAt is the address of the account page of an id or number. What a
// template would leave of it, such as a slash, would lead elsewhere.
func accountAt(key string) string { return "/accounts/" + url.PathEscape(key) }

// around is what was found around an event.
type around struct {
	covered, retried    *hotsync.Event // the one that covers it, the one it retries
	good                *hotsync.Event // last success before it
	later, resolved     *hotsync.Event // as laterSyncs returns them
	latest              *hotsync.Event // last success of its login and account
	linked              bool           // latest linked the login
	siblings, ofAccount []hotsync.Event
}

// fillRelated reads the events around this one. Each that cannot be read leaves
// a note, not an error.
func (c *console) fillRelated(ctx context.Context, page *eventView, e hotsync.Event) {
	a, err := c.readAround(ctx, e)
	if err != nil {
		c.Log.WarnContext(ctx, "related events not read", "event_id", e.ID, "error", err)
		page.Missing = "Related events could not be read at the moment."
	}
	page.Others, page.LastGood, page.Later = othersOf(e, a.ofAccount), a.good, a.later
	if e.Status == hotsync.StatusFailed || e.Status == hotsync.StatusSkipped ||
		e.AttentionCount > 0 && e.Status.Final() {
		page.Resolved = a.resolved
	}
	if a.latest == nil && e.Status == hotsync.StatusSucceeded {
		a.latest = &e
	}
	page.Holds, page.Sight = newHolding(a.latest), sightOf(e, a.resolved, a.linked)
	if a.good != nil {
		page.Differs = differences(*a.good, e)
	}
	page.relate("Covered by", a.covered)
	page.relate("Retry of", a.retried)
	for _, s := range a.siblings {
		if s.ID != e.ID && s.LoginID == e.LoginID && s.ID != e.RetryOf {
			page.relate("Same login", &s)
		}
	}
	page.relate("Newest of the account", a.later)
	page.relate("Last success before", a.good)
}

// readAround reads side by side, and returns what could be read also with an error.
func (c *console) readAround(ctx context.Context, e hotsync.Event) (a around, err error) {
	var g errgroup.Group
	g.Go(func() (err error) {
		a.covered, err = c.eventIfAny(ctx, e.CoveredBy)
		return err
	})
	g.Go(func() (err error) {
		a.retried, err = c.eventIfAny(ctx, e.RetryOf)
		return err
	})
	// A sync that failed before its number was looked up knows its account by that alone.
	if key := cmp.Or(e.Account.ID, e.Account.Number); key != "" {
		g.Go(func() (err error) {
			found, err := c.search(ctx, filter{Account: key}, recentSyncs, "", true)
			if err != nil {
				return err
			}
			a.ofAccount = found.Events
			a.later, a.resolved = laterSyncs(e, found.Events)
			a.good = lastGoodBefore(e, found.Events)
			if a.good == nil && found.Cursor != "" {
				before := filter{Account: key, Statuses: []hotsync.Status{hotsync.StatusSucceeded}, To: e.RequestedAt}
				a.good, err = c.newest(ctx, before)
			}
			return err
		})
		g.Go(func() (err error) {
			a.latest, a.linked, err = c.latestOf(ctx, e)
			return err
		})
	}
	if e.LoginID != "" && e.Subject != "" {
		then := filter{
			Subject: e.Subject,
			From:    e.RequestedAt.Add(-time.Minute),
			To:      e.RequestedAt.Add(time.Minute),
		}
		g.Go(func() error {
			found, err := c.search(ctx, then, 0, "", false)
			a.siblings = found.Events
			return err
		})
	}
	err = g.Wait()
	return a, err
}

// eventIfAny returns an event; nil for no id, and where it is gone.
func (c *console) eventIfAny(ctx context.Context, id string) (*hotsync.Event, error) {
	if id == "" {
		return nil, nil
	}
	found, err := c.Events.Get(ctx, id)
	if err != nil {
		return nil, ignoreGone(err)
	}
	found = found.Counted()
	return &found, nil
}

// relate lists an event beside this one; none where there is none.
func (page *eventView) relate(why string, x *hotsync.Event) {
	if x != nil {
		page.Related = append(page.Related, related{why, *x})
	}
}

// latestOf returns the last sync of the event's account that succeeded, and whether the
// event's login is linked there; nil where nobody knows one.
func (c *console) latestOf(ctx context.Context, e hotsync.Event) (latest *hotsync.Event, linked bool, err error) {
	id, err := c.accountID(ctx, e)
	if err != nil || id == "" {
		return nil, false, err
	}
	state, err := c.Events.LoadAccount(ctx, id)
	if err != nil || state.LastSucceededEvent == "" {
		return nil, false, err
	}
	linked = state.Linked(e.Request.Identity)
	newest, err := c.eventByID(ctx, state.LastSucceededEvent)
	if err != nil {
		return nil, linked, ignoreGone(err)
	}
	return &newest, linked, nil
}

// comparedWith is how many syncs of the account are offered to compare with.
const comparedWith = 6

// newHolding is what a sync left in Limio, nil where nothing is known of it.
func newHolding(e *hotsync.Event) *holding {
	if e == nil || e.Status != hotsync.StatusSucceeded {
		return nil
	}
	n := min(len(e.Subscriptions), firstSubscriptions)
	if len(e.Subscriptions) == firstSubscriptions+1 {
		n++
	}
	return &holding{Event: *e, First: e.Subscriptions[:n], Rest: e.Subscriptions[n:]}
}

// sightOf says whether the event's login sees the account: by the event itself, by
// a later sync of the same login, or by what is remembered of the account.
func sightOf(e hotsync.Event, resolved *hotsync.Event, linked bool) sight {
	unseen := slices.IndexFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
	switch {
	case e.Request.Identity.IsZero() && e.Subject == "":
		return sight{
			Tone: "skipped",
			Why:  "Nobody signed in for this sync, so there is no login that could see the account.",
		}
	case resolved != nil:
		return sight{
			Answer: "Yes",
			Tone:   "succeeded",
			Why:    "A later sync of this login succeeded, and the login sees the account.",
		}
	case e.Status == hotsync.StatusSucceeded && unseen >= 0:
		return sight{Answer: "No", Tone: "failed", Why: e.Findings[unseen].Message, Hint: e.Findings[unseen].Hint}
	case e.Status == hotsync.StatusSucceeded:
		return sight{Answer: "Yes", Tone: "succeeded", Why: "The login is linked to the owner of the account in Limio."}
	case linked:
		return sight{
			Answer: "Yes",
			Tone:   "succeeded",
			Why:    "The login sees what earlier syncs brought; this one added nothing yet.",
		}
	case !e.Status.Final():
		return sight{Answer: "Not yet", Tone: "retrying", Why: "The sync has not ended."}
	default:
		return sight{Answer: "No", Tone: "failed", Why: "No sync of this login and account has succeeded."}
	}
}

func ignoreGone(err error) error {
	if err != nil && hotsync.AsError(err).Code == hotsync.CodeNotFound {
		return nil
	}
	return err
}

// recentSyncs is how many of the account's newest syncs are read for what stands around
// an event.
const recentSyncs = 20

// othersOf are those of the account's newest syncs, the newest first, that an event can be
// compared with.
func othersOf(e hotsync.Event, recent []hotsync.Event) []hotsync.Event {
	recent = slices.Clone(recent[:min(len(recent), comparedWith)])
	return slices.DeleteFunc(recent, func(x hotsync.Event) bool {
		return x.ID == e.ID || !x.Status.Final() || e.Account.ID == ""
	})
}

// laterSyncs finds the newest sync since the event, and the newest after which nothing
// is left to do about it; nil when there is none.
func laterSyncs(e hotsync.Event, recent []hotsync.Event) (later, resolved *hotsync.Event) {
	for _, x := range recent {
		if x.ID == e.ID || x.ID < hotsync.FirstEventID(e.RequestedAt) {
			continue
		}
		x = x.Counted()
		if later == nil {
			later = &x
		}
		if resolved == nil && resolves(x, e) {
			resolved = &x
		}
	}
	return later, resolved
}

// lastGoodBefore finds the newest success before the event; nil when there is none.
func lastGoodBefore(e hotsync.Event, recent []hotsync.Event) *hotsync.Event {
	for _, x := range recent {
		if x.Status == hotsync.StatusSucceeded && x.ID < hotsync.FirstEventID(e.RequestedAt) {
			x = x.Counted()
			return &x
		}
	}
	return nil
}

// accountID is the id of an event's account, "" where no sync has found it out.
func (c *console) accountID(ctx context.Context, e hotsync.Event) (string, error) {
	if e.Account.ID != "" || e.Account.Number == "" {
		return e.Account.ID, nil
	}
	found, err := c.search(ctx, filter{Account: e.Account.Number}, comparedWith, "", false)
	if err != nil {
		return "", err
	}
	for _, x := range found.Events {
		if x.Account.ID != "" {
			return x.Account.ID, nil
		}
	}
	return "", nil
}

// newest finds the newest event of a filter, whole; nil when there is none.
func (c *console) newest(ctx context.Context, f filter) (*hotsync.Event, error) {
	page, err := c.search(ctx, f, 1, "", true)
	if err != nil || len(page.Events) == 0 {
		return nil, err
	}
	e := page.Events[0].Counted()
	return &e, nil
}

// links lead to the account in Zuora and the customer in Limio, by the
// patterns of the settings.
func (c *console) links(ctx context.Context, e hotsync.Event) []link {
	var out []link
	if e.Account.ID == "" {
		return nil
	}
	s, err := c.Settings.Load(ctx)
	if err != nil {
		c.Log.WarnContext(ctx, "link patterns not read", "error", err)
		return nil
	}
	if href := fillPattern(s.ZuoraAccountURL, e.Account.ID); href != "" {
		out = append(out, link{"Account in Zuora", href})
	}
	if s.LimioCustomerURL == "" {
		return out
	}
	state, err := c.Events.LoadAccount(ctx, e.Account.ID)
	if err != nil {
		c.Log.WarnContext(ctx, "account state not read", "error", err)
		return out
	}
	if href := fillPattern(s.LimioCustomerURL, state.CustomerID); href != "" {
		out = append(out, link{"Customer in Limio", href})
	}
	return out
}

// fillPattern puts an id into an address of the settings, which must be one
// that a browser may be sent to.
func fillPattern(pattern, id string) string {
	if pattern == "" || id == "" || !webAddress(strings.ReplaceAll(pattern, "{id}", "id")) {
		return ""
	}
	return strings.ReplaceAll(pattern, "{id}", url.PathEscape(id))
}

// barUnits is the width of the line of time in a picture.
const barUnits = 1000

// place puts a span onto the line from begin on that is whole long. What is too
// short to be seen is made visible.
func place(begin time.Time, whole time.Duration, at time.Time, span time.Duration) (x, width float64) {
	if whole <= 0 {
		return 0, barUnits
	}
	const thinnest = 4
	x = barUnits * float64(at.Sub(begin)) / float64(whole)
	width = barUnits * float64(span) / float64(whole)
	x = min(max(x, 0), barUnits-thinnest)
	return x, min(max(width, thinnest), barUnits-x)
}

func stepBars(e hotsync.Event) []stepBar {
	if len(e.Steps) == 0 {
		return nil
	}
	begin, end := e.Steps[0].StartedAt, e.Steps[0].StartedAt
	for _, s := range e.Steps {
		if s.StartedAt.Before(begin) {
			begin = s.StartedAt
		}
		if stop := s.StartedAt.Add(time.Duration(s.MS) * time.Millisecond); stop.After(end) {
			end = stop
		}
	}
	out := make([]stepBar, 0, len(e.Steps))
	for _, s := range e.Steps {
		b := stepBar{Step: s, After: s.StartedAt.Sub(begin)}
		b.Detail = stepDetail(e, s)
		b.X, b.Width = place(begin, end.Sub(begin), s.StartedAt, time.Duration(s.MS)*time.Millisecond)
		out = append(out, b)
	}
	return out
}

// stepDetail is what a step says of itself, in words. What ran out of time beside a
// step that failed did not: it was given up because of that.
func stepDetail(e hotsync.Event, s hotsync.Step) string {
	code := hotsync.Code(s.Detail)
	if code == hotsync.CodeTimeout && slices.ContainsFunc(e.Steps, func(x hotsync.Step) bool {
		_, known := vocabulary[x.Detail]
		return known && x.Detail != s.Detail
	}) {
		return "given up: another step had failed"
	}
	if w, ok := vocabulary[s.Detail]; ok {
		return w.label
	}
	return s.Detail
}

func tryBars(e hotsync.Event, now time.Time) []tryBar {
	end := e.FinishedAt
	if end.IsZero() {
		end = now
	}
	before := e.RequestedAt
	var out []tryBar
	for _, a := range e.Attempts {
		stop, open := a.FinishedAt, a.FinishedAt.IsZero()
		if open {
			stop = end
		}
		b := tryBar{Attempt: a, Took: stop.Sub(a.StartedAt), Waited: a.StartedAt.Sub(before), Open: open}
		b.X, b.Width = place(e.RequestedAt, end.Sub(e.RequestedAt), a.StartedAt, b.Took)
		out = append(out, b)
		before = stop
	}
	return out
}

// Lines are the group's changes in a line each.
func (g changeGroup) Lines() []changeLine {
	lines := changeLines(hotsync.Event{Changes: g.Changes})
	for i := groupFields; i < len(lines); i++ {
		lines[i].Fields = nil
	}
	return lines
}

// Bare is how many of the changes are told of without their fields.
func (g changeGroup) Bare() int { return max(0, len(g.Changes)-groupFields) }

func groupChanges(changes []hotsync.Change) []changeGroup {
	var out []changeGroup
	at := map[string]int{}
	for _, ch := range changes {
		i, ok := at[ch.Object]
		if !ok {
			i = len(out)
			at[ch.Object] = i
			out = append(out, changeGroup{Object: ch.Object})
		}
		out[i].Changes = append(out[i].Changes, ch)
	}
	return out
}

// webAddress reports whether a browser may be sent there: https, or this
// computer.
func webAddress(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost")
}
