// Package staff is the console's door: who comes in, as whom, and for how long.
//
// Members of staff sign in at their own identity provider (OpenID Connect's
// authorization code flow with PKCE); their groups give them a role, and a
// sealed cookie keeps both for the length of a session. What calls the API
// shows an ID token of the same provider instead. The package decides and sets
// cookies; pages are made by package console.
package staff

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/oidc"
)

// Tokens verifies ID tokens. Errors are *hotsync.Error.
type Tokens interface {
	Verify(ctx context.Context, raw string, accept oidc.Accept) (oidc.Token, error)
}

// Sessions keeps which sessions ended before their time. Errors are
// *hotsync.Error.
type Sessions interface {
	EndSession(ctx context.Context, member string, end eventstore.SessionEnd) error
	SessionEnds(ctx context.Context, member string) ([]eventstore.SessionEnd, error)
}

// Config is what a door is made of. All members are needed but those that say
// otherwise.
type Config struct {
	Issuer   string // of the identity provider of the staff
	ClientID string // of a client there, which PKCE protects
	// ClientSecret is of a confidential client; nil for a public one.
	ClientSecret func(context.Context) (string, error)
	GroupsClaim  string // the claim that lists a member's groups; a.b is b within a
	Groups       Groups // none: those of DefaultGroups
	Tokens       Tokens
	Sessions     Sessions
	SessionKey   func(context.Context) ([]byte, error) // secret, at least 16 random characters; seals cookies
	// scheme and host as browsers see the console; "" takes the request's
	PublicURL string
	Now       func() time.Time
	Log       *slog.Logger
}

// Door lets members of staff in. It is safe for concurrent use.
type Door struct {
	Config
	Sealer   Sealer // seals what the console lets a browser keep
	provider *provider
	ends     *ends
}

// New returns the door.
func New(cfg Config) *Door {
	if len(cfg.Groups) == 0 {
		cfg.Groups = DefaultGroups()
	}
	return &Door{Config: cfg, Sealer: Sealer{cfg.SessionKey}, provider: newProvider(cfg),
		ends: &ends{Sessions: cfg.Sessions, now: cfg.Now, known: map[string]knownEnds{}}}
}

// Member returns who is signed in in the browser that sends r, and renews the
// session; ok is false when nobody is, or no longer. An error says that
// sessions cannot be read at all.
func (d *Door) Member(w http.ResponseWriter, r *http.Request) (_ Member, ok bool, err error) {
	s, ok, err := d.session(r)
	if err != nil || !ok {
		return Member{}, false, err
	}
	// What changes something is held to what is known now.
	over, err := d.ends.over(r.Context(), s, r.Method != http.MethodGet && r.Method != http.MethodHead)
	if err != nil || over {
		return Member{}, false, err
	}
	d.touch(w, r, s)
	return s.member(), true, nil
}

// Ended reports whether r comes from a browser in which somebody was signed in.
func (d *Door) Ended(r *http.Request) bool {
	_, err := r.Cookie(d.cookieName(r, sessionPurpose))
	return !errors.Is(err, http.ErrNoCookie)
}

// Origin returns the scheme and host under which the browser reached the
// console. Without a configured one it is what the request says; plain http
// counts on this computer only.
func (d *Door) Origin(r *http.Request) string {
	if d.PublicURL != "" {
		return strings.TrimRight(d.PublicURL, "/")
	}
	host := r.Host
	name, _, _ := strings.Cut(host, ":")
	if name == "127.0.0.1" || name == "localhost" {
		return "http://" + host
	}
	return "https://" + host
}

// HTTPS reports whether browsers reach the console by https.
func (d *Door) HTTPS(r *http.Request) bool { return strings.HasPrefix(d.Origin(r), "https://") }

// IsLive reports whether the page asked by itself and not its reader.
func IsLive(r *http.Request) bool {
	return r.Header.Get("HX-Request") != "" && r.Header.Get("X-Live") != ""
}

// OwnPath returns a path to go back to, if it is one of the console's own, or
// else "/".
func OwnPath(to string) string {
	// A second slash, or a backslash that browsers take for one, would name a host.
	if len(to) > 2000 || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(to, "/sign") {
		return "/"
	}
	return to
}
