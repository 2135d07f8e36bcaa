package console

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// found is the logins that a name leads to. The name is an e-mail address, a
// subject, or an account, so that not all of them need be the same person's.
type found struct {
	Logins []foundLogin
	More   bool // there are events further back than were read
}

// foundLogin is a login as an administrator picks it.
type foundLogin struct {
	Sealed   string // the identity, for the form
	Provider string // its name, or the issuer
	Subject  string // masked
	Accounts []string
	Events   int
	Records  int // of logins that led to nothing
	Last     time.Time

	who hotsync.Identity
}

const (
	loginPurpose = "login to erase"
	personPages  = 5 // of events that are read to find a person's logins
)

// findPerson lists every login that the typed name leads to.
func (c *console) findPerson(w http.ResponseWriter, r *http.Request, m member) error {
	err := parseForm(w, r, maxPaste)
	if err != nil {
		return err
	}
	page := eraseView{
		Typed: strings.TrimSpace(r.PostForm.Get("who")),
		Note:  noteOf(r.PostForm.Get("note")),
	}
	if page.Typed == "" || len(page.Typed) > 2048 {
		err = hotsync.Errorf(hotsync.CodeBadRequest, "Give an e-mail address, a subject, or an account.")
	} else if page.Note == "" {
		err = errSayWhy
	}
	if err != nil {
		e := hotsync.AsError(err)
		page.Problem = e.Problem()
		return c.showErase(w, r, m, e.Code.HTTPStatus(), page)
	}
	page.Logins, err = c.loginsOf(r, page.Typed)
	if err != nil {
		return err
	}
	return c.showErase(w, r, m, http.StatusOK, page)
}

func (c *console) loginsOf(r *http.Request, name string) (*found, error) {
	ctx := r.Context()
	s, err := c.Settings.Load(ctx)
	if err != nil {
		c.Log.WarnContext(ctx, "providers not read", "error", err)
	}
	out := &found{}
	q := eventstore.Query{Q: name, Limit: eventstore.MaxLimit, Full: true}
	for range personPages {
		page, err := c.Events.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			out.add(e, s)
		}
		q.Cursor = page.Cursor
		if q.Cursor == "" {
			break
		}
	}
	out.More = q.Cursor != ""
	records, more, err := c.recordsOf(ctx, name)
	if err != nil {
		return nil, err
	}
	out.More = out.More || more
	for _, r := range records {
		out.addRecord(r, s)
	}
	for i, l := range out.Logins {
		out.Logins[i].Sealed, err = c.Staff.Sealer.Seal(ctx, loginPurpose, l.who)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// recordsOf are the logins that led to nothing and that a name finds.
func (c *console) recordsOf(ctx context.Context, name string) (records []hotsync.LoginRecord, more bool, err error) {
	if c.Logins == nil {
		return nil, false, nil
	}
	q := eventstore.LoginQuery{Q: name, Limit: eventstore.MaxLimit}
	for range personPages {
		page, err := c.Logins.Logins(ctx, q)
		if err != nil {
			return nil, false, err
		}
		records = append(records, page.Logins...)
		q.Cursor = page.Cursor
		if q.Cursor == "" {
			break
		}
	}
	return records, q.Cursor != "", nil
}

func (f *found) add(e hotsync.Event, s hotsync.Settings) {
	l := f.login(identityOf(e), e.Provider, e.RequestedAt, s)
	if l == nil {
		return
	}
	l.Events++
	if name := cmp.Or(e.Account.Number, e.Account.ID); name != "" && !slices.Contains(l.Accounts, name) {
		l.Accounts = append(l.Accounts, name)
	}
}

func (f *found) addRecord(r hotsync.LoginRecord, s hotsync.Settings) {
	l := f.login(hotsync.Identity{Issuer: r.Issuer, Subject: r.Subject}, r.Provider, r.At, s)
	if l != nil {
		l.Records++
	}
}

// login is the entry of a login, nil where nobody is named.
func (f *found) login(who hotsync.Identity, provider string, at time.Time, s hotsync.Settings) *foundLogin {
	if who.Subject == "" {
		return nil
	}
	i := slices.IndexFunc(f.Logins, func(l foundLogin) bool { return l.who == who })
	if i < 0 {
		p, _ := s.Provider(who.Issuer)
		i = len(f.Logins)
		f.Logins = append(
			f.Logins,
			foundLogin{who: who, Subject: mask(who.Subject), Provider: cmp.Or(p.Name, provider, who.Issuer)},
		)
	}
	l := &f.Logins[i]
	if at.After(l.Last) {
		l.Last = at
	}
	return l
}

// identityOf is who signed in with an event.
func identityOf(e hotsync.Event) hotsync.Identity {
	return hotsync.Identity{Issuer: e.Request.Identity.Issuer, Subject: cmp.Or(e.Subject, e.Request.Identity.Subject)}
}

// isOf reports whether a record is about that login; an empty issuer stands for any.
func isOf(r hotsync.LoginRecord, who hotsync.Identity) bool {
	return r.Subject == who.Subject && (who.Issuer == "" || r.Issuer == "" || r.Issuer == who.Issuer)
}

// told is everything that is held about a person, in the form it is handed out
// in.
type told struct {
	At        time.Time   `json:"at"`
	About     string      `json:"about"`
	Logins    []toldLogin `json:"logins"`
	Elsewhere []string    `json:"elsewhere"` // what hotsync does not answer for
}

type toldLogin struct {
	Identity  hotsync.Identity `json:"identity"`
	Events    []toldEvent      `json:"events"`
	Truncated bool             `json:"truncated"` // there is more than is listed

	Nothing []hotsync.LoginRecord `json:"loginsWithoutSync"` // logins that led to no event
}

// toldEvent is an event with what asked for it, unmasked.
type toldEvent struct {
	Event   hotsync.Event       `json:"event"`
	Request hotsync.SyncRequest `json:"request"`
}

var heldElsewhere = []string{
	"The customer's account, contacts and payment methods are in Zuora, and copies of them in Limio: ask there.",
	"The login itself is kept by the identity provider.",
	"Which logins see which account is kept under a keyed hash, which names nobody.",
	"E-mail addresses are kept as keyed hashes only (emailHash).",
}

// exportPerson hands out everything that is held about the chosen logins, as
// JSON: what a person may ask for. It is an act.
func (c *console) exportPerson(w http.ResponseWriter, r *http.Request, m member) error {
	page, err := c.erasePosted(w, r)
	if err != nil {
		return c.askAgain(w, r, m, page, err)
	}
	out := told{At: c.Now().UTC(), About: "What hotsync holds about these logins.", Elsewhere: heldElsewhere}
	n, nothing := 0, 0
	for _, who := range page.Whos {
		login := toldLogin{Identity: who, Events: []toldEvent{}, Nothing: []hotsync.LoginRecord{}}
		q := eventstore.Query{Subject: who.Subject, Limit: eventstore.MaxLimit, Full: true}
		for range personPages {
			events, err := c.Events.Search(r.Context(), q)
			if err != nil {
				return err
			}
			for _, e := range events.Events {
				if of := identityOf(e).Issuer; of == who.Issuer || who.Issuer == "" || of == "" {
					login.Events = append(login.Events, toldEvent{e, e.Request})
				}
			}
			q.Cursor = events.Cursor
			if q.Cursor == "" {
				break
			}
		}
		records, more, err := c.recordsOf(r.Context(), who.Subject)
		if err != nil {
			return err
		}
		for _, record := range records {
			if isOf(record, who) {
				login.Nothing = append(login.Nothing, record)
			}
		}
		login.Truncated = q.Cursor != "" || more
		n += len(login.Events)
		nothing += len(login.Nothing)
		out.Logins = append(out.Logins, login)
	}
	c.record(r.Context(), m, act{
		Action: "export_person",
		Event:  page.Event,
		Note:   page.Note,
		Result: plural(len(page.Whos), "login", "logins") + ", " + plural(n, "event", "events") + ", " +
			plural(nothing, "record of a login", "records of logins"),
	})
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="person.json"`)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	err = enc.Encode(out)
	if err != nil {
		c.Log.WarnContext(r.Context(), "answer not written", "error", err)
	}
	return nil
}
