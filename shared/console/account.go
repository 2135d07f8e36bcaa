package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"hotsync/shared/claims"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncer"
)

type accountView struct {
	Key       string // as the address has it
	Account   hotsync.AccountRef
	State     eventstore.AccountState
	Known     bool // State could be read
	Days      []accountDay
	Older     string // address of the older events
	Objects   []limioKind
	Holds     *holding // what the account has in Limio, as far as is known
	Links     []link
	CanDryRun bool
	DryRun    *syncer.DryRun
	Sides     *sidesView    // read with the dry run
	Groups    []changeGroup // of the dry run
	Problem   *hotsync.Problem
	Now       time.Time
}

// accountDay is the events of one day, the newest first.
type accountDay struct {
	Day    time.Time
	Events []hotsync.Event
}

// limioKind is the objects of one kind that syncs of the account wrote, as far
// back as events are shown.
type limioKind struct {
	Kind    string
	Objects []limioObject
}

type limioObject struct {
	ID string
	At time.Time // of the latest write
}

// ObjectCount is how many objects the syncs wrote.
func (v accountView) ObjectCount() int {
	n := 0
	for _, k := range v.Objects {
		n += len(k.Objects)
	}
	return n
}

// accountKey reads the account that a path names: an id or a number, by the same
// rules as a claim's.
func accountKey(r *http.Request) (string, error) {
	key := strings.TrimSpace(r.PathValue("key"))
	if !isAccountKey(key) {
		return "", hotsync.Errorf(hotsync.CodeNotFound, "That is no account id or number.")
	}
	return key, nil
}

// isAccountKey reports whether the text is one account's id or number.
func isAccountKey(text string) bool {
	accounts, _ := claims.Parse([]any{text})
	return len(accounts) == 1 && accounts[0] == text
}

// sidesView is both sides of an account, read now.
type sidesView struct {
	At     time.Time
	Owner  string
	Rows   []syncer.Compared
	Logins []seenBy
	Linked int  // logins that hotsync knows to be linked to the owner, or about to be
	Known  bool // Linked could be read
}

// seenBy is a login to which Limio shows the account.
type seenBy struct {
	Provider string // its name, or the issuer
	Subject  string // masked
}

// sidesOf tells who sees an account by the names of the providers.
func (c *console) sidesOf(ctx context.Context, found syncer.DryRun) *sidesView {
	out := &sidesView{At: c.Now(), Owner: found.Sides.Owner, Rows: found.Sides.Subscriptions}
	s, err := c.Settings.Load(ctx)
	if err != nil {
		c.Log.WarnContext(ctx, "providers not read", "error", err)
	}
	for _, who := range found.Sides.Logins {
		p, _ := s.Provider(who.Issuer)
		out.Logins = append(out.Logins, seenBy{cmp.Or(p.Name, who.Issuer), mask(who.Subject)})
	}
	if c.Owners == nil || out.Owner == "" {
		return out
	}
	owner, err := c.Owners.Owner(ctx, out.Owner)
	if err != nil {
		c.Log.WarnContext(ctx, "owner not read", "error", err)
		return out
	}
	out.Known, out.Linked = true, len(owner.Logins)
	return out
}

func (c *console) accountPage(w http.ResponseWriter, r *http.Request, m member) error {
	key, err := accountKey(r)
	if err != nil {
		return err
	}
	page := accountView{Key: key}
	return c.showAccount(w, r, m, page)
}

func (c *console) showAccount(w http.ResponseWriter, r *http.Request, m member, page accountView) error {
	page.Now, page.CanDryRun = c.Now(), c.DryRunner != nil
	found, err := c.search(r.Context(), filter{Account: page.Key}, 0, get(r.URL.Query(), "cursor"), true)
	if err != nil {
		return err
	}
	for i, e := range found.Events {
		e = e.Counted()
		found.Events[i] = e
		if page.Account.ID == "" {
			page.Account.ID = e.Account.ID
		}
		page.Account.Number = cmp.Or(page.Account.Number, e.Account.Number)
	}
	if page.Account.ID == "" && hotsync.IsAccountID(page.Key) {
		page.Account.ID = page.Key
	}
	page.Days, page.Objects = byDay(found.Events, zoneOf(r)), objectsOf(found.Events)
	if found.Cursor != "" {
		page.Older = withQuery(r.URL.Path, map[string][]string{"cursor": {found.Cursor}})
	}
	c.fillState(r.Context(), &page)
	page.Holds = newHolding(c.lastGood(r.Context(), page.State, found.Events))
	title := "Account " + cmp.Or(page.Account.Number, page.Account.ID, page.Key)
	status := http.StatusOK
	if page.Problem != nil {
		status = page.Problem.Code.HTTPStatus()
	}
	return c.renderAs(w, r, m, status, "account", "layout", view{Title: title, Nav: "events", Body: page})
}

// fillState reads what is remembered of the account; the page does without.
func (c *console) fillState(ctx context.Context, page *accountView) {
	if page.Account.ID == "" {
		return
	}
	state, err := c.Events.LoadAccount(ctx, page.Account.ID)
	if err != nil {
		c.Log.WarnContext(ctx, "account state not read", "error", err)
		return
	}
	page.State, page.Known = state, true
	page.Account.Number = cmp.Or(page.Account.Number, state.Number)
	page.Links = c.links(ctx, hotsync.Event{Account: page.Account})
}

// lastGood is the last sync of an account that succeeded, nil where none is known.
func (c *console) lastGood(
	ctx context.Context,
	state eventstore.AccountState,
	events []hotsync.Event,
) *hotsync.Event {
	id := state.LastSucceededEvent
	for _, e := range events {
		if e.ID == id || id == "" && e.Status == hotsync.StatusSucceeded {
			return &e
		}
	}
	if id == "" {
		return nil
	}
	e, err := c.eventByID(ctx, id)
	if err != nil {
		c.Log.WarnContext(ctx, "last success of the account not read", "event_id", id, "error", err)
		return nil
	}
	return &e
}

// byDay puts events under the days of the reader's calendar.
func byDay(events []hotsync.Event, zone *time.Location) []accountDay {
	var out []accountDay
	for _, e := range events {
		at := e.RequestedAt.In(zone)
		day := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, zone)
		if len(out) == 0 || !out[len(out)-1].Day.Equal(day) {
			out = append(out, accountDay{Day: day})
		}
		out[len(out)-1].Events = append(out[len(out)-1].Events, e)
	}
	return out
}

// objectsOf lists the Limio objects that syncs wrote.
func objectsOf(events []hotsync.Event) []limioKind {
	var out []limioKind
	seen := map[string]bool{}
	for _, e := range events {
		for _, ch := range e.Changes {
			if seen[ch.ID] {
				continue
			}
			seen[ch.ID] = true
			kind := kindName(ch.Object)
			i := slices.IndexFunc(out, func(k limioKind) bool { return k.Kind == kind })
			if i < 0 {
				i = len(out)
				out = append(out, limioKind{Kind: kind})
			}
			out[i].Objects = append(out[i].Objects, limioObject{ch.ID, e.RequestedAt})
		}
	}
	slices.SortFunc(out, func(a, b limioKind) int { return cmp.Compare(a.Kind, b.Kind) })
	return out
}

// requestFor is a sync of the account as its last login asked for it, so that
// what is created belongs to the same person; without a login it is asked for
// by the account alone.
func (c *console) requestFor(ctx context.Context, key string) (hotsync.SyncRequest, error) {
	found, err := c.search(ctx, filter{Account: key}, 20, "", true)
	if err != nil {
		return hotsync.SyncRequest{}, err
	}
	request := hotsync.SyncRequest{Account: key}
	if hotsync.IsAccountID(key) {
		request.AccountID = key
	}
	for _, e := range found.Events {
		request.AccountID = cmp.Or(request.AccountID, e.Account.ID)
		if !e.Request.Identity.IsZero() {
			last := e.Request
			request.Identity, request.EmailHash, request.EmailMask = last.Identity, last.EmailHash, last.EmailMask
			request.Provider, request.Claim = last.Provider, last.Claim
			break
		}
	}
	request.Account = cmp.Or(request.AccountID, key)
	request.Trigger = hotsync.TriggerConsole
	return request, nil
}

// accountAct does what the last part of the path says to the account before it.
func (c *console) accountAct(w http.ResponseWriter, r *http.Request, m member) error {
	path := r.PathValue("act")
	i := max(strings.LastIndexByte(path, '/'), 0)
	r.SetPathValue("key", path[:i])
	switch path[i:] {
	case "/sync":
		return c.syncNow(w, r, m)
	case "/dryrun":
		return c.dryRun(w, r, m)
	default:
		return hotsync.Errorf(hotsync.CodeNotFound, "There is no such page.")
	}
}

// syncNow queues a sync of the account and shows its event.
func (c *console) syncNow(w http.ResponseWriter, r *http.Request, m member) error {
	key, err := accountKey(r)
	if err != nil {
		return err
	}
	request, err := c.requestFor(r.Context(), key)
	if err != nil {
		return err
	}
	now := c.Now().UTC()
	request.EventID, request.RequestedAt = c.NewEventID(now), now
	request.Actor, request.Note = m.Name(), noteOf(r.FormValue("note"))
	e, err := c.send(r.Context(), request)
	if err != nil {
		return err
	}
	c.record(r.Context(), m, act{Action: "sync", Account: request.Account, Note: request.Note, Result: e.ID})
	http.Redirect(w, r, "/events/"+e.ID, http.StatusSeeOther)
	return nil
}

// dryRun shows what a sync of the account would change.
func (c *console) dryRun(w http.ResponseWriter, r *http.Request, m member) error {
	key, err := accountKey(r)
	if err != nil {
		return err
	}
	if c.DryRunner == nil {
		return hotsync.Errorf(hotsync.CodeConflict, "Dry runs are not set up on this console.")
	}
	request, err := c.requestFor(r.Context(), key)
	if err != nil {
		return err
	}
	page := accountView{Key: key}
	found, err := c.DryRunner.DryRun(r.Context(), request)
	result := plural(len(found.Changes), "change", "changes")
	if err != nil {
		c.Log.WarnContext(r.Context(), "dry run failed", "account", request.Account, "error", err)
		page.Problem = hotsync.AsError(err).Problem()
		result = string(page.Problem.Code)
	} else {
		page.DryRun, page.Groups, page.Account = &found, groupChanges(found.Changes), found.Account
		page.Sides = c.sidesOf(r.Context(), found)
	}
	c.record(r.Context(), m, act{Action: "dry_run", Account: request.Account, Result: result})
	return c.showAccount(w, r, m, page)
}
