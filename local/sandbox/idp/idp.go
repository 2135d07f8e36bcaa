// Package idp is the identity provider of the local system: OpenID Connect with
// discovery, keys, a sign-in page on which a persona is picked, and logout.
//
// It serves three issuers, one for each way hotsync is used, at the paths
// /direct, /lookup and /staff. The paths under /_sandbox/ make tokens of any
// content, change the keys, and let it misbehave.
//
// It is strict where a real provider is (authorization code with PKCE S256,
// exact redirect addresses, codes used once) and lets redirects go to loopback
// addresses only, so that nothing it issues leaves this computer.
package idp

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"hotsync/local/sandbox"
	"hotsync/local/sandbox/persona"
)

// The issuers, as paths below the base address.
const (
	Direct = persona.Direct
	Lookup = persona.Lookup
	Staff  = persona.Staff
)

// ClientID is the one registered client, and the audience of every token.
const ClientID = "hotsync-local"

// lifetime is how long tokens are valid.
const lifetime = time.Hour

// Config makes a Server.
type Config struct {
	BaseURL string           // such as http://127.0.0.1:8093; issuers and endpoints are below it
	Now     func() time.Time // nil for time.Now
}

// Server is the identity provider. It is safe for concurrent use.
type Server struct {
	base      string
	now       func() time.Time
	behaviour *sandbox.Behaviour
	handler   http.Handler

	mu    sync.Mutex
	keys  []key // the current one last
	codes map[string]grant
}

// firstKey is the one that every Server of this process begins with: to make one takes a tenth
// of a second, and tests start many.
var firstKey = sync.OnceValues(newKey)

// New makes a Server. What tells its tokens from those of another is their issuer, until it
// gets a key of its own by /_sandbox/rotate.
func New(c Config) (*Server, error) {
	s := &Server{base: strings.TrimSuffix(c.BaseURL, "/"), now: c.Now, codes: map[string]grant{}}
	if s.now == nil {
		s.now = time.Now
	}
	k, err := firstKey()
	if err != nil {
		return nil, err
	}
	s.keys = []key{k}
	s.behaviour = sandbox.New(s.now)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /assets/style.css", style)
	for _, name := range []string{Direct, Lookup, Staff} {
		i := issuer{s, name}
		mux.HandleFunc("GET /"+name+"/.well-known/openid-configuration", i.discovery)
		mux.HandleFunc("GET /"+name+"/jwks", s.jwks)
		mux.HandleFunc("GET /"+name+"/authorize", i.signInPage)
		mux.HandleFunc("POST /"+name+"/authorize", i.signIn)
		mux.HandleFunc("POST /"+name+"/token", i.token)
		mux.HandleFunc("GET /"+name+"/logout", s.logout)
	}
	s.control(mux)
	s.behaviour.Register(mux)
	s.handler = s.behaviour.Wrap(mux)
	return s, nil
}

// ServeHTTP serves the provider.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// issuer is one of the three.
type issuer struct {
	*Server
	name string
}

// url is the iss of its tokens.
func (i issuer) url() string { return i.base + "/" + i.name }

func (i issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	sandbox.Answer(w, http.StatusOK, map[string]any{
		"issuer":                                i.url(),
		"authorization_endpoint":                i.url() + "/authorize",
		"token_endpoint":                        i.url() + "/token",
		"end_session_endpoint":                  i.url() + "/logout",
		"jwks_uri":                              i.url() + "/jwks",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 []string{"authorization_code"},
		"subject_types_supported":               []string{"public"},
		"scopes_supported":                      []string{"openid", "email", "profile"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"none"},
		"code_challenge_methods_supported":      []string{"S256"},
		"claims_supported": []string{
			"iss",
			"sub",
			"aud",
			"exp",
			"iat",
			"nonce",
			"email",
			"email_verified",
			"name",
			"groups",
			"zuora_account_ids",
		},
	})
}

// personas are those who sign in at this issuer.
func (i issuer) personas() []persona.Persona {
	var out []persona.Persona
	for _, p := range persona.All(i.now()) {
		if p.Issuer == i.name {
			out = append(out, p)
		}
	}
	return out
}

func (i issuer) persona(name string) (persona.Persona, bool) {
	p, ok := persona.Find(name, i.now())
	return p, ok && p.Issuer == i.name
}
