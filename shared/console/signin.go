package console

import (
	"net/http"
	"net/url"
	"strings"

	"hotsync/shared/console/staff"
	"hotsync/shared/hotsync"
)

func (c *console) routeSignIn(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin", c.open(c.signInPage))
	mux.HandleFunc("GET /signin/start", c.open(c.Staff.Start))
	mux.HandleFunc("GET /signin/callback", c.open(c.Staff.Finish))
	mux.HandleFunc("POST /signout", c.open(c.signOut))
	mux.HandleFunc("POST /look", c.open(c.look))
	mux.HandleFunc("GET /me", c.page(Viewer, c.mePage))
	mux.HandleFunc("POST /me/end", c.page(Admin, c.endSessions))
}

// open serves what needs no session.
func (c *console) open(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err != nil {
			c.fail(w, r, member{}, err)
		}
	}
}

type signInView struct {
	To    string
	Ended bool // there was a session

	Action string // where a form was posted without a session
	Sent   []sentValue
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request) error {
	page := signInView{To: staff.OwnPath(r.URL.Query().Get("to")), Ended: c.Staff.Ended(r)}
	return c.render(w, r, member{}, "signin", view{Title: "Sign in", Body: page})
}

type signedOutView struct {
	Provider   string // where to end the provider's session, too; "" when it has no such address
	Everywhere bool
	Problem    *hotsync.Problem // why the session could not be ended on the server
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) error {
	v := signedOutView{Everywhere: r.FormValue("everywhere") != ""}
	var err error
	v.Provider, err = c.Staff.SignOut(w, r, v.Everywhere)
	status := http.StatusOK
	switch {
	case err != nil:
		c.Log.ErrorContext(r.Context(), "session not ended", "error", err)
		e := hotsync.AsError(err)
		v.Problem, status = e.Problem(), e.Code.HTTPStatus()
	case v.Provider != "":
		// Not a redirect: browsers hold one that follows a form against the policy's
		// form-action, which names this host only.
		w.Header().Set("Refresh", "1; url="+v.Provider)
	}
	return c.renderAs(w, r, member{}, status, "signedout", "layout", view{Title: "Signed out", Body: v})
}

type meView struct {
	Of    string // subject of another member, whose sessions an administrator may end
	Ended bool   // that was just done
}

// mePage shows who is signed in and where to end sessions.
func (c *console) mePage(w http.ResponseWriter, r *http.Request, m member) error {
	page := meView{Of: strings.TrimSpace(r.URL.Query().Get("of"))}
	if page.Of != "" && !m.Admin() {
		return hotsync.Errorf(hotsync.CodeForbidden, "This needs the role %s; you are %s.", Admin, m.Role())
	}
	return c.render(w, r, m, "me", view{Title: "Sessions", Body: page})
}

// endSessions ends every session of a member of staff.
func (c *console) endSessions(w http.ResponseWriter, r *http.Request, m member) error {
	err := parseForm(w, r, maxPaste)
	if err != nil {
		return err
	}
	page := meView{Of: strings.TrimSpace(r.PostForm.Get("of")), Ended: true}
	if page.Of == "" || len(page.Of) > maxNote {
		return hotsync.Errorf(hotsync.CodeBadRequest, "Give the subject of the member, as the audit log has it.")
	}
	err = c.Staff.EndAll(r.Context(), page.Of)
	if err != nil {
		return err
	}
	c.record(r.Context(), m, act{Action: "end_sessions", Note: noteOf(r.PostForm.Get("note")), Result: page.Of})
	return c.render(w, r, m, "me", view{Title: "Sessions", Body: page})
}

// look keeps how the reader wants pages to look; it needs no session.
func (c *console) look(w http.ResponseWriter, r *http.Request) error {
	theme := r.FormValue("theme")
	if theme != "light" && theme != "dark" {
		theme = "auto"
	}
	http.SetCookie(w, &http.Cookie{Name: "theme", Value: theme, Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: c.Staff.HTTPS(r), SameSite: http.SameSiteLaxMode})
	to := "/"
	if u, err := url.Parse(r.Referer()); err == nil && u.Host == r.Host {
		to = u.RequestURI()
	}
	http.Redirect(w, r, staff.OwnPath(to), http.StatusSeeOther)
	return nil
}
