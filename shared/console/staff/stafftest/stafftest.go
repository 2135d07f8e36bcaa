// Package stafftest is an identity provider that signs in whoever a test names.
package stafftest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// Tokens takes base64 JSON claims for an ID token: what makes a real one good
// is tested in package oidc.
type Tokens struct{}

// Verify returns the claims of a token that Token made.
func (Tokens) Verify(_ context.Context, raw string, accept oidc.Accept) (oidc.Token, error) {
	malformed := hotsync.Errorf(hotsync.CodeTokenMalformed, "The token is malformed.")
	plain, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil {
		return oidc.Token{}, malformed
	}
	claims := map[string]any{}
	err = json.Unmarshal(plain, &claims)
	if err != nil {
		return oidc.Token{}, malformed
	}
	iss, _ := claims["iss"].(string)
	if _, ok := accept(iss); !ok {
		return oidc.Token{}, hotsync.Errorf(hotsync.CodeTokenIssuer, "Not a known issuer.")
	}
	sub, _ := claims["sub"].(string)
	return oidc.Token{Issuer: iss, Subject: sub, Claims: claims}, nil
}

// Token returns what Tokens takes for an ID token with these claims.
func Token(claims map[string]any) string {
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err) // a test's claims are JSON
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Provider is an OpenID provider on this computer. It is safe for concurrent
// use.
type Provider struct {
	*httptest.Server

	// Secret, where it is set before the first sign-in, makes the client confidential;
	// InForm has it taken in the form only, instead of in the header only.
	Secret string
	InForm bool

	mu     sync.Mutex
	claims map[string]any
	nonces map[string]string
	asked  []url.Values
}

// Start starts a provider that signs in a viewer, and ends with the test.
func Start(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{nonces: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, map[string]string{
			"issuer":                 p.URL,
			"authorization_endpoint": p.URL + "/authorize",
			"token_endpoint":         p.URL + "/token",
			"jwks_uri":               p.URL + "/keys",
			"end_session_endpoint":   p.URL + "/logout",
		})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		p.mu.Lock()
		p.nonces["code-1"] = q.Get("nonce")
		p.mu.Unlock()
		http.Redirect(
			w,
			r,
			q.Get("redirect_uri")+"?code=code-1&state="+url.QueryEscape(q.Get("state")),
			http.StatusFound,
		)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		_, secret, inHeader := r.BasicAuth()
		if p.InForm {
			secret = r.PostForm.Get("client_secret")
		}
		if secret != p.Secret || inHeader && (p.InForm || p.Secret == "") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error": "invalid_client"}`))
			return
		}
		answer(t, w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": p.token(r.PostForm)})
	})
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("post_logout_redirect_uri"), http.StatusFound)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token is the ID token of the sign-in that a request for it ends.
func (p *Provider) token(asked url.Values) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, asked)
	claims := map[string]any{
		"iss":    p.URL,
		"sub":    "staff-1",
		"name":   "Vera Viewer",
		"groups": []any{"viewer"},
		"nonce":  p.nonces[asked.Get("code")],
	}
	for k, v := range p.claims {
		claims[k] = v
	}
	return Token(claims)
}

// Next sets claims of the sign-ins to come, over those of Vera Viewer.
func (p *Provider) Next(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = claims
}

// Asked returns the requests for tokens so far.
func (p *Provider) Asked() []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func answer(t testing.TB, w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	err := json.NewEncoder(w).Encode(v)
	if err != nil {
		t.Error(err)
	}
}

// Sessions keeps the ends of sessions in memory. It is safe for concurrent use.
type Sessions struct {
	mu    sync.Mutex
	ends  map[string][]eventstore.SessionEnd
	reads int
	fail  error
}

// EndSession keeps an end.
func (s *Sessions) EndSession(_ context.Context, member string, end eventstore.SessionEnd) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.ends == nil {
		s.ends = map[string][]eventstore.SessionEnd{}
	}
	s.ends[member] = append(s.ends[member], end)
	return nil
}

// SessionEnds returns what was kept of a member.
func (s *Sessions) SessionEnds(_ context.Context, member string) ([]eventstore.SessionEnd, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return slices.Clone(s.ends[member]), s.fail
}

// Fail makes every call fail with err, until it is nil.
func (s *Sessions) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// Reads returns how often ends were read.
func (s *Sessions) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}
