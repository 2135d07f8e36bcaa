package oidc_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// TestDiscover: a browser is sent to what the document says, so that nothing of it counts
// that is not an https address, but for an issuer on this computer.
func TestDiscover(t *testing.T) {
	t.Parallel()

	document := func(issuer, base string) map[string]any {
		return map[string]any{"issuer": issuer, "jwks_uri": base + "/keys", "authorization_endpoint": base + "/authorize",
			"token_endpoint": base + "/token", "end_session_endpoint": base + "/logout"}
	}
	whole := func(issuer, base string) oidc.Document {
		return oidc.Document{Issuer: issuer, JWKSURI: base + "/keys", Authorization: base + "/authorize", Token: base + "/token",
			EndSession: base + "/logout"}
	}
	const local = "http://127.0.0.1:8093/staff"
	for name, tc := range map[string]struct {
		issuer   string
		document map[string]any
		want     oidc.Document
		requests int
		wantErr  bool
	}{
		"all by https":            {issuerURL, document(issuerURL, issuerURL), whole(issuerURL, issuerURL), 1, false},
		"elsewhere by https":      {issuerURL, document(issuerURL, "https://id.example.com"), whole(issuerURL, "https://id.example.com"), 1, false},
		"this computer":           {local, document(local, local), whole(local, local), 1, false},
		"this computer, IPv6":     {"http://[::1]:8093", document("http://[::1]:8093", local), whole("http://[::1]:8093", local), 1, false},
		"this computer, https":    {"https://localhost", document("https://localhost", local), whole("https://localhost", local), 1, false},
		"the issuer in the clear": {"http://login.example.com", document("http://login.example.com", issuerURL), oidc.Document{}, 0, true},
		"another issuer":          {issuerURL, document(issuerURL+"/", issuerURL), oidc.Document{}, 1, true},
		"keys in the clear":       {issuerURL, with(document(issuerURL, issuerURL), "jwks_uri", "http://login.example.com/keys"), oidc.Document{}, 1, true},
		"authorization in the clear": {issuerURL, with(document(issuerURL, issuerURL), "authorization_endpoint", "http://login.example.com/authorize"),
			oidc.Document{Issuer: issuerURL, JWKSURI: issuerURL + "/keys", Token: issuerURL + "/token", EndSession: issuerURL + "/logout"}, 1, false},
		"a token endpoint on this computer": {issuerURL, with(document(issuerURL, issuerURL), "token_endpoint", local),
			oidc.Document{Issuer: issuerURL, JWKSURI: issuerURL + "/keys", Authorization: issuerURL + "/authorize", EndSession: issuerURL + "/logout"}, 1, false},
		"a script to sign out": {issuerURL, with(document(issuerURL, issuerURL), "end_session_endpoint", "javascript:alert(1)"),
			oidc.Document{Issuer: issuerURL, JWKSURI: issuerURL + "/keys", Authorization: issuerURL + "/authorize", Token: issuerURL + "/token"}, 1, false},
	} {
		p := newProvider()
		p.document = tc.document
		got, err := oidc.Discover(t.Context(), &http.Client{Transport: p}, tc.issuer)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: Discover mismatch (-want +got):\n%s", name, diff)
		}
		if (err != nil) != tc.wantErr || err != nil && code(err) != hotsync.CodeJWKSUnavailable {
			t.Errorf("%s: Discover = %v, want an error %t", name, err, tc.wantErr)
		}
		if p.count() != tc.requests {
			t.Errorf("%s: %d requests, want %d", name, p.count(), tc.requests)
		}
	}
}

// TestRedirectsAreNotFollowed: who can make an issuer redirect does not say what it
// publishes.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()

	for _, moved := range []string{"/.well-known/openid-configuration", "/keys"} {
		for name, read := range map[string]func(*provider) error{
			"Discover": func(p *provider) error {
				_, err := oidc.Discover(t.Context(), &http.Client{Transport: p}, issuerURL)
				return err
			},
			"Inspect": func(p *provider) error {
				_, err := oidc.Inspect(t.Context(), &http.Client{Transport: p}, issuerURL, oidc.Rules{})
				return err
			},
			"Verify": func(p *provider) error {
				now := func() time.Time { return at }
				_, err := verifier(p, now).Verify(t.Context(), sign(goodHeader(), goodClaims(at), rsaKey()), accept)
				return err
			},
		} {
			p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
			p.respond = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == moved {
					http.Redirect(w, r, issuerURL+"/moved"+moved, http.StatusFound)
					return
				}
				body := any(p.document)
				if strings.HasSuffix(r.URL.Path, "/keys") {
					body = map[string]any{"keys": p.keys}
				}
				_, _ = w.Write(must(json.Marshal(body)))
			}
			err := read(p)
			for _, address := range p.requests {
				if strings.Contains(address, "moved") {
					t.Errorf("%s followed a redirect of %s: %v", name, moved, err)
				}
			}
		}
	}
}
