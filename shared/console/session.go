package console

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"hotsync/shared/hotsync"
)

// How long a session lasts: without being used, and at most.
const (
	sessionIdle  = 30 * time.Minute
	sessionLimit = 8 * time.Hour
	// sessionTouch is how old the note of the last use may get, so that not every
	// answer sets a cookie.
	sessionTouch = time.Minute
)

// session is what the session cookie holds, sealed.
type session struct {
	Subject string    `json:"s"`
	Name    string    `json:"n,omitempty"`
	Role    Role      `json:"r"`
	Began   time.Time `json:"b"`
	Used    time.Time `json:"u"`
}

func (s session) alive(now time.Time) bool {
	return s.Role > Nobody && s.Role <= Admin && now.Sub(s.Used) < sessionIdle && now.Sub(s.Began) < sessionLimit
}

func (s session) member() member { return member{subject: s.Subject, name: s.Name, role: s.Role} }

const sessionPurpose = "session"

// signedIn gives the session of a request; ok is false without one that is
// still good. An error says that sessions cannot be read at all.
func (c *console) signedIn(r *http.Request) (_ session, ok bool, err error) {
	cookie, err := r.Cookie(c.cookieName(r, sessionPurpose))
	if err != nil {
		return session{}, false, nil //nolint:nilerror // no cookie, no session
	}
	var s session
	err = c.sealer.open(r.Context(), sessionPurpose, cookie.Value, &s)
	if errors.Is(err, errSeal) {
		return session{}, false, nil
	}
	if err != nil {
		return session{}, false, err
	}
	return s, s.alive(c.Now()), nil
}

// touch notes that the session was used. What a page asks for by itself does
// not count as use, or an open tab would never be signed out.
func (c *console) touch(w http.ResponseWriter, r *http.Request, s session) {
	now := c.Now()
	if isLive(r) || now.Sub(s.Used) < sessionTouch {
		return
	}
	s.Used = now
	err := c.setSealed(w, r, sessionPurpose, s, s.Began.Add(sessionLimit).Sub(now))
	if err != nil {
		c.Log.WarnContext(r.Context(), "session not renewed", "error", err)
	}
}

// isLive reports whether the page asked by itself and not its reader.
func isLive(r *http.Request) bool {
	return r.Header.Get("HX-Request") != "" && r.Header.Get("X-Live") != ""
}

// cookieName gives a cookie the prefix that keeps other hosts from setting it,
// which browsers accept over https only:
// https://developer.mozilla.org/docs/Web/HTTP/Headers/Set-Cookie#cookie_prefixes
func (c *console) cookieName(r *http.Request, purpose string) string {
	if c.https(r) {
		return "__Host-hotsync-" + purpose
	}
	return "hotsync-" + purpose
}

func (c *console) https(r *http.Request) bool { return strings.HasPrefix(c.origin(r), "https://") }

func (c *console) setSealed(w http.ResponseWriter, r *http.Request, purpose string, v any, life time.Duration) (err error) {
	defer hotsync.In(&err, "console.setSealed(%s)", purpose)
	text, err := c.sealer.seal(r.Context(), purpose, v)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: c.cookieName(r, purpose), Value: text, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, Secure: c.https(r), SameSite: http.SameSiteLaxMode})
	return nil
}

func (c *console) dropCookie(w http.ResponseWriter, r *http.Request, purpose string) {
	http.SetCookie(w, &http.Cookie{Name: c.cookieName(r, purpose), Path: "/", MaxAge: -1,
		HttpOnly: true, Secure: c.https(r), SameSite: http.SameSiteLaxMode})
}

// ownPath gives a path to go back to, if it is one of the console's own.
func ownPath(to string) string {
	// A second slash, or a backslash that browsers take for one, would name a host.
	if len(to) > 2000 || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") ||
		strings.HasPrefix(to, "/sign") {
		return "/"
	}
	return to
}
