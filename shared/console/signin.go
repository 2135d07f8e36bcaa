package console

import (
	"net/http"
	"net/url"

	"hotsync/shared/console/staff"
)

func (c *console) routeSignIn(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin", c.open(c.signInPage))
	mux.HandleFunc("GET /signin/start", c.open(c.Staff.Start))
	mux.HandleFunc("GET /signin/callback", c.open(c.Staff.Finish))
	mux.HandleFunc("POST /signout", c.open(c.signOut))
	mux.HandleFunc("POST /look", c.open(c.look))
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
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request) error {
	page := signInView{To: staff.OwnPath(r.URL.Query().Get("to")), Ended: c.Staff.Ended(r)}
	return c.render(w, r, member{}, "signin", view{Title: "Sign in", Body: page})
}

type signedOutView struct {
	Provider string // where to end the provider's session, too; "" when it has no such address
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) error {
	v := signedOutView{Provider: c.Staff.SignOut(w, r)}
	if v.Provider != "" {
		// Not a redirect: browsers hold one that follows a form against the policy's
		// form-action, which names this host only.
		w.Header().Set("Refresh", "1; url="+v.Provider)
	}
	return c.render(w, r, member{}, "signedout", view{Title: "Signed out", Body: v})
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
