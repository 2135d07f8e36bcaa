package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// eraseView is the pages that take a person out of events and state. The
// person's name never comes into an address, nor into what is recorded.
type eraseView struct {
	Event     string // the person is the one who signed in there
	Who       hotsync.Identity
	Shown     string // the subject as it is shown: masked when it came from an event
	Note      string
	Providers []hotsync.Provider
	Problem   *hotsync.Problem
	Found     *erasable
	Done      *eventstore.Erased
}

// erasable is what would be removed.
type erasable struct {
	Ended    eventstore.Total
	Pending  eventstore.Total
	Accounts []string
	More     bool // accounts, in events further back
}

// eraseCount is how far events are counted before the confirmation.
const eraseCount = 999

func (c *console) routeErase(mux *http.ServeMux) {
	mux.HandleFunc("GET /erase", c.page(Admin, c.eraseForm))
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
	if page.Event != "" {
		page.Shown = mask(page.Who.Subject)
	}
	return c.renderAs(w, r, m, status, "erase", "layout", view{Title: "Erase a person", Nav: "settings", Body: page})
}

func (c *console) eraseForm(w http.ResponseWriter, r *http.Request, m member) error {
	page := eraseView{Event: r.URL.Query().Get("event")}
	err := c.eraseWho(r, &page)
	if page.Event != "" && err != nil {
		return err
	}
	return c.showErase(w, r, m, http.StatusOK, page)
}

// eraseWho finds who is meant: by the event they signed in with, or by name.
func (c *console) eraseWho(r *http.Request, page *eraseView) error {
	if page.Event != "" {
		e, err := c.Events.Get(r.Context(), page.Event)
		if err != nil {
			return err
		}
		page.Who = hotsync.Identity{Issuer: e.Request.Identity.Issuer, Subject: cmp.Or(e.Subject, e.Request.Identity.Subject)}
		if page.Who.Subject == "" {
			return hotsync.Errorf(hotsync.CodeConflict, "Nobody is named in this event (any more), so there is nobody to erase.")
		}
		return nil
	}
	page.Who = hotsync.Identity{Issuer: strings.TrimSpace(r.PostForm.Get("issuer")), Subject: strings.TrimSpace(r.PostForm.Get("subject"))}
	if page.Who.Subject == "" {
		return hotsync.Errorf(hotsync.CodeBadRequest, "Give the subject (sub) of the person.")
	}
	if len(page.Who.Subject) > 2048 {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The subject is too long for one.")
	}
	return nil
}

// erasePosted reads the person and the reason of a posted form.
func (c *console) erasePosted(w http.ResponseWriter, r *http.Request) (page eraseView, err error) {
	err = parseForm(w, r, maxPaste)
	if err != nil {
		return page, err
	}
	page.Event, page.Note = r.PostForm.Get("event"), clip(strings.TrimSpace(r.PostForm.Get("note")), maxNote)
	return page, c.eraseWho(r, &page)
}

// eraseConfirm shows what would be removed and asks once more.
func (c *console) eraseConfirm(w http.ResponseWriter, r *http.Request, m member) error {
	page, err := c.erasePosted(w, r)
	if err == nil && page.Note == "" {
		err = hotsync.Errorf(hotsync.CodeBadRequest, "Say why, for the record; without naming the person.")
	}
	if err != nil {
		e := hotsync.AsError(err)
		page.Problem = e.Problem()
		return c.showErase(w, r, m, e.Code.HTTPStatus(), page)
	}
	found, err := c.erasable(r, page.Who)
	if err != nil {
		return err
	}
	page.Found = &found
	return c.showErase(w, r, m, http.StatusOK, page)
}

func (c *console) erasable(r *http.Request, who hotsync.Identity) (out erasable, err error) {
	ctx := r.Context()
	out.Ended, err = c.Events.CountMatching(ctx, eventstore.Query{Subject: who.Subject, Statuses: []hotsync.Status{hotsync.StatusSucceeded, hotsync.StatusFailed, hotsync.StatusSkipped}}, eraseCount)
	if err != nil {
		return out, err
	}
	out.Pending, err = c.Events.CountMatching(ctx, eventstore.Query{Subject: who.Subject, Statuses: []hotsync.Status{hotsync.StatusQueued, hotsync.StatusRunning, hotsync.StatusRetrying}}, eraseCount)
	if err != nil {
		return out, err
	}
	page, err := c.Events.Search(ctx, eventstore.Query{Subject: who.Subject})
	for _, e := range page.Events {
		if name := cmp.Or(e.Account.Number, e.Account.ID); name != "" && !slices.Contains(out.Accounts, name) {
			out.Accounts = append(out.Accounts, name)
		}
	}
	out.More = page.Cursor != ""
	return out, err
}

// erase takes the person out and says what was removed.
func (c *console) erase(w http.ResponseWriter, r *http.Request, m member) error {
	page, err := c.erasePosted(w, r)
	if err != nil {
		return err
	}
	if r.PostForm.Get("sure") != "on" || page.Note == "" {
		return c.eraseConfirm(w, r, m)
	}
	done, err := c.Events.Erase(r.Context(), page.Who)
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

func erasedWords(done eventstore.Erased) string {
	return strings.Join([]string{plural(done.Events, "event", "events"), plural(done.Aliases, "search name", "search names"), plural(done.Accounts, "account", "accounts"),
		plural(done.Pending, "event still under way", "events still under way")}, ", ")
}
