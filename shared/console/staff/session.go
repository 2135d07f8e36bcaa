package staff

import (
	"errors"
	"net/http"
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
	ID      string    `json:"i"`
	Subject string    `json:"s"`
	Name    string    `json:"n,omitempty"`
	Role    Role      `json:"r"`
	Began   time.Time `json:"b"`
	Used    time.Time `json:"u"`
}

func (s session) alive(now time.Time) bool {
	return s.ID != "" && s.Role > Nobody && s.Role <= Admin && now.Sub(s.Used) < sessionIdle &&
		now.Sub(s.Began) < sessionLimit
}

func (s session) member() Member {
	return Member{subject: s.Subject, name: s.Name, role: s.Role, began: s.Began}
}

const sessionPurpose = "session"

// session returns the session of a request; ok is false without one that is
// still good. An error says that sessions cannot be read at all.
func (d *Door) session(r *http.Request) (_ session, ok bool, err error) {
	cookie, err := r.Cookie(d.cookieName(r, sessionPurpose))
	if err != nil {
		return session{}, false, nil //nolint:nilerror // no cookie, no session
	}
	var s session
	err = d.Sealer.Open(r.Context(), sessionPurpose, cookie.Value, &s)
	if errors.Is(err, ErrSeal) {
		return session{}, false, nil
	}
	if err != nil {
		return session{}, false, err
	}
	return s, s.alive(d.Now()), nil
}

// touch notes that the session was used. What a page asks for by itself does
// not count as use, or an open tab would never be signed out.
func (d *Door) touch(w http.ResponseWriter, r *http.Request, s session) {
	now := d.Now()
	if IsLive(r) || now.Sub(s.Used) < sessionTouch {
		return
	}
	s.Used = now
	err := d.setSealed(w, r, sessionPurpose, s, s.Began.Add(sessionLimit).Sub(now))
	if err != nil {
		d.Log.WarnContext(r.Context(), "session not renewed", "error", err)
	}
}

// cookieName gives a cookie the prefix that keeps other hosts from setting it,
// which browsers accept over https only:
// https://developer.mozilla.org/docs/Web/HTTP/Headers/Set-Cookie#cookie_prefixes
func (d *Door) cookieName(r *http.Request, purpose string) string {
	if d.HTTPS(r) {
		return "__Host-hotsync-" + purpose
	}
	return "hotsync-" + purpose
}

func (d *Door) setSealed(
	w http.ResponseWriter,
	r *http.Request,
	purpose string,
	v any,
	life time.Duration,
) (err error) {
	defer hotsync.In(&err, "staff.setSealed(%s)", purpose)
	text, err := d.Sealer.Seal(r.Context(), purpose, v)
	if err != nil {
		return err
	}
	d.setCookie(w, r, purpose, text, int(life.Seconds()))
	return nil
}

func (d *Door) dropCookie(w http.ResponseWriter, r *http.Request, purpose string) {
	d.setCookie(w, r, purpose, "", -1)
}

func (d *Door) setCookie(w http.ResponseWriter, r *http.Request, purpose, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: d.cookieName(r, purpose), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: d.HTTPS(r), SameSite: http.SameSiteLaxMode})
}
