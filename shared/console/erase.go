package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// eraseView is the pages that take a person out of events and state. The
// person's name never comes into an address, nor into what is recorded.
type eraseView struct {
	Event     string // the person is the one who signed in there
	Whos      []hotsync.Identity
	Who       hotsync.Identity // the first of them
	Shown     string           // the subjects as they are shown: masked when they were not typed
	Typed     string           // what the person is looked for by
	Logins    *found           // what that leads to
	Chosen    []string         // sealed, of those
	Note      string
	Providers []hotsync.Provider
	Problem   *hotsync.Problem
	Found     *erasable
	Done      *eventstore.Erased
	Nothing   bool // was held
}

// erasable is what would be removed.
type erasable struct {
	Ended    eventstore.Total
	Pending  eventstore.Total
	Records  int // of logins that led to nothing
	Accounts []string
	More     bool // accounts, in events further back
}

// eraseCount is how far events are counted before the confirmation.
const eraseCount = 999

func (c *console) routeErase(mux *http.ServeMux) {
	mux.HandleFunc("GET /erase", c.page(Admin, c.eraseForm))
	mux.HandleFunc("POST /erase/find", c.page(Admin, c.findPerson))
	mux.HandleFunc("POST /erase/export", c.page(Admin, c.exportPerson))
	mux.HandleFunc("POST /erase/confirm", c.page(Admin, c.eraseConfirm))
	mux.HandleFunc("POST /erase", c.page(Admin, c.erase))
}

func (c *console) showErase(w http.ResponseWriter, r *http.Request, m member, status int, page eraseView) error {
	s, err := c.Settings.Load(r.Context())
	if err != nil {
		c.Log.WarnContext(r.Context(), "providers not read", "error", err)
	}
	page.Providers = s.Providers
	page.Shown = page.Who.Subject
	if page.Event != "" || len(page.Chosen) > 0 {
		var shown []string
		for _, who := range page.Whos {
			shown = append(shown, mask(who.Subject))
		}
		page.Shown = strings.Join(shown, ", ")
	}
	return c.renderAs(w, r, m, status, "erase", "layout", view{Title: "Erase or tell", Nav: "settings", Body: page})
}

func (c *console) eraseForm(w http.ResponseWriter, r *http.Request, m member) error {
	page := eraseView{Event: r.URL.Query().Get("event")}
	err := c.eraseWho(r, &page)
	if page.Event != "" && err != nil {
		return err
	}
	return c.showErase(w, r, m, http.StatusOK, page)
}

var (
	errSayWhy = hotsync.Errorf(hotsync.CodeBadRequest, "Say why, for the record; without naming the person.")
	errTick   = hotsync.Errorf(hotsync.CodeBadRequest, "No login is ticked. Tick those that are this person’s.")
)

// eraseWho finds who is meant: by the event they signed in with, by the logins
// that were chosen, or by name.
func (c *console) eraseWho(r *http.Request, page *eraseView) error {
	switch chosen := r.PostForm["login"]; {
	case page.Event != "":
		e, err := c.Events.Get(r.Context(), page.Event)
		if err != nil {
			return err
		}
		page.Whos = []hotsync.Identity{identityOf(e)}
		if page.Whos[0].Subject == "" {
			return hotsync.Errorf(
				hotsync.CodeConflict,
				"Nobody is named in this event (any more), so there is nobody to erase.",
			)
		}
	case len(chosen) > 0:
		page.Chosen = chosen[:min(len(chosen), maxLogins)]
		for _, text := range page.Chosen {
			var who hotsync.Identity
			err := c.Staff.Sealer.Open(r.Context(), loginPurpose, text, &who)
			if err != nil {
				return hotsync.Errorf(hotsync.CodeBadRequest,
					"The logins were not chosen on this console. Look for the person again.").
					Because(err)
			}
			page.Whos = append(page.Whos, who)
		}
	default:
		who := hotsync.Identity{
			Issuer:  strings.TrimSpace(r.PostForm.Get("issuer")),
			Subject: strings.TrimSpace(r.PostForm.Get("subject")),
		}
		page.Who = who
		if who.Subject == "" && page.Typed != "" {
			return errTick
		}
		if who.Subject == "" {
			return hotsync.Errorf(
				hotsync.CodeBadRequest,
				"Choose whose logins are meant, or give the subject (sub) of the person.",
			)
		}
		if len(who.Subject) > 2048 {
			return hotsync.Errorf(hotsync.CodeBadRequest, "The subject is too long for one.")
		}
		page.Whos = []hotsync.Identity{who}
	}
	page.Who = page.Whos[0]
	return nil
}

// maxLogins bounds how many logins are erased or told of at once.
const maxLogins = 50

// erasePosted reads the person and the reason of a posted form, and wants both.
func (c *console) erasePosted(w http.ResponseWriter, r *http.Request) (page eraseView, err error) {
	err = parseForm(w, r, maxPaste)
	if err != nil {
		return page, err
	}
	page.Event, page.Note = r.PostForm.Get("event"), noteOf(r.PostForm.Get("note"))
	page.Typed = strings.TrimSpace(r.PostForm.Get("who"))
	err = c.eraseWho(r, &page)
	if err == nil && page.Note == "" {
		err = errSayWhy
	}
	return page, err
}

// askAgain shows the form that was sent once more, with what is wrong with it: the
// logins to choose from where none was ticked.
func (c *console) askAgain(w http.ResponseWriter, r *http.Request, m member, page eraseView, wrong error) error {
	e := hotsync.AsError(wrong)
	page.Problem = e.Problem()
	if errors.Is(wrong, errTick) {
		var err error
		page.Logins, err = c.loginsOf(r, page.Typed)
		if err != nil {
			return err
		}
	}
	return c.showErase(w, r, m, e.Code.HTTPStatus(), page)
}

// eraseConfirm shows what would be removed and asks once more.
func (c *console) eraseConfirm(w http.ResponseWriter, r *http.Request, m member) error {
	page, err := c.erasePosted(w, r)
	if err != nil {
		return c.askAgain(w, r, m, page, err)
	}
	var all erasable
	for _, who := range page.Whos {
		err := c.erasable(r, who, &all)
		if err != nil {
			return err
		}
	}
	page.Found = &all
	return c.showErase(w, r, m, http.StatusOK, page)
}

// erasable adds what would be removed of a login.
func (c *console) erasable(r *http.Request, who hotsync.Identity, out *erasable) error {
	ctx := r.Context()
	count := func(statuses ...hotsync.Status) (eventstore.Total, error) {
		return c.Events.CountMatching(ctx, eventstore.Query{Subject: who.Subject, Statuses: statuses}, eraseCount)
	}
	ended, err := count(hotsync.StatusSucceeded, hotsync.StatusFailed, hotsync.StatusSkipped)
	if err != nil {
		return err
	}
	pending, err := count(hotsync.StatusQueued, hotsync.StatusRunning, hotsync.StatusRetrying)
	if err != nil {
		return err
	}
	out.Ended = eventstore.Total{N: out.Ended.N + ended.N, AtLeast: out.Ended.AtLeast || ended.AtLeast}
	out.Pending = eventstore.Total{N: out.Pending.N + pending.N, AtLeast: out.Pending.AtLeast || pending.AtLeast}
	page, err := c.Events.Search(ctx, eventstore.Query{Subject: who.Subject})
	for _, e := range page.Events {
		if name := cmp.Or(e.Account.Number, e.Account.ID); name != "" && !slices.Contains(out.Accounts, name) {
			out.Accounts = append(out.Accounts, name)
		}
	}
	out.More = out.More || page.Cursor != ""
	if err != nil {
		return err
	}
	records, _, err := c.recordsOf(ctx, who.Subject)
	for _, r := range records {
		if isOf(r, who) {
			out.Records++
		}
	}
	return err
}

// erase takes the person out and says what was removed.
func (c *console) erase(w http.ResponseWriter, r *http.Request, m member) error {
	page, err := c.erasePosted(w, r)
	if err != nil || r.PostForm.Get("sure") != "on" {
		return c.eraseConfirm(w, r, m)
	}
	var done eventstore.Erased
	for _, who := range page.Whos {
		var one eventstore.Erased
		one, err = c.eraseLogin(r.Context(), who)
		done.Add(one)
		if err != nil {
			break
		}
	}
	if err == nil && done == (eventstore.Erased{}) {
		// Nothing was held, so nothing was done and nothing is recorded.
		page.Nothing = true
		return c.showErase(w, r, m, http.StatusOK, page)
	}
	result := erasedWords(done)
	if err != nil {
		result = "stopped halfway: " + result
	}
	// Who was erased is not recorded: that would undo it.
	c.record(r.Context(), m, act{Action: "erase", Event: page.Event, Note: page.Note, Result: result})
	if err != nil {
		return err
	}
	page.Done = &done
	return c.showErase(w, r, m, http.StatusOK, page)
}

// eraseLogin takes a login out of the jobs and the events: jobs first, which could
// otherwise make another event of it.
func (c *console) eraseLogin(ctx context.Context, who hotsync.Identity) (eventstore.Erased, error) {
	rows, pending := 0, 0
	var err error
	if c.Jobs != nil {
		rows, pending, err = jobs.Erase(ctx, c.Jobs, who)
	}
	if err != nil {
		return eventstore.Erased{Jobs: rows, Pending: pending}, err
	}
	done, err := c.Events.Erase(ctx, who)
	done.Jobs, done.Pending = rows, max(done.Pending, pending) // a sync of a job may have an event already
	return done, err
}

func erasedWords(done eventstore.Erased) string {
	return strings.Join(
		[]string{
			plural(done.Events, "event", "events"),
			plural(done.Aliases, "search name", "search names"),
			plural(done.Accounts, "account", "accounts"),
			plural(done.Logins, "login that led to nothing", "logins that led to nothing"),
			plural(done.Jobs, "account of a job", "accounts of jobs"),
			plural(done.Pending, "event still under way", "events still under way"),
		},
		", ",
	)
}
