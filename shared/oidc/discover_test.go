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
	const local = "http://127.0.0.1:8093/staff"
	for name, tc := range map[string]struct {
		issuer, base  string // of the endpoints
		member, value string // that the document has instead
		dropped       string // the member that does not count then; "all" for the document
		requests      int
	}{
		"all by https":            {issuer: issuerURL, base: issuerURL, requests: 1},
		"elsewhere by https":      {issuer: issuerURL, base: "https://id.example.com", requests: 1},
		"this computer":           {issuer: local, base: local, requests: 1},
		"this computer, IPv6":     {issuer: "http://[::1]:8093", base: local, requests: 1},
		"this computer, https":    {issuer: "https://localhost", base: local, requests: 1},
		"the issuer in the clear": {issuer: "http://login.example.com", base: issuerURL, dropped: "all"},
		"in the clear, by number": {issuer: "http://192.0.2.1", base: issuerURL, dropped: "all"},
		"another issuer":          {issuerURL, issuerURL, "issuer", issuerURL + "/", "all", 1},
		"keys in the clear":       {issuerURL, issuerURL, "jwks_uri", "http://login.example.com/keys", "all", 1},
		"authorization in the clear": {issuerURL, issuerURL, "authorization_endpoint", "http://login.example.com/a",
			"authorization_endpoint", 1},
		"authorization, no host": {issuerURL, issuerURL, "authorization_endpoint", "https:///a", "authorization_endpoint",
			1},
		"authorization with a user": {issuerURL, issuerURL, "authorization_endpoint", "https://a@login.example.com/a",
			"authorization_endpoint", 1},
		"authorization, no address": {issuerURL, issuerURL, "authorization_endpoint", "https://[::1/a",
			"authorization_endpoint", 1},
		"tokens of this computer": {issuerURL, issuerURL, "token_endpoint", local, "token_endpoint", 1},
		"a script to sign out": {issuerURL, issuerURL, "end_session_endpoint", "javascript:alert(1)",
			"end_session_endpoint", 1},
	} {
		p := newProvider()
		p.document = with(document(tc.issuer, tc.base), tc.member, tc.value)
		var want oidc.Document
		if tc.dropped != "all" {
			err := json.Unmarshal(must(json.Marshal(with(p.document, tc.dropped, nil))), &want)
			if err != nil {
				t.Fatal(err)
			}
			p.document = with(p.document, tc.member, tc.value)
		}
		got, err := oidc.Discover(t.Context(), &http.Client{Transport: p}, tc.issuer)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: Discover mismatch (-want +got):\n%s", name, diff)
		}
		if (err != nil) != (tc.dropped == "all") || err != nil && code(err) != hotsync.CodeJWKSUnavailable {
			t.Errorf("%s: Discover = %v, want an error %t", name, err, tc.dropped == "all")
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

// TestDocumentsAreBounded: what an issuer publishes is asked for as JSON, and read up to
// 1 MB.
func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()

	for size, want := range map[int]hotsync.Code{1 << 20: "", 1<<20 + 1: hotsync.CodeJWKSUnavailable} {
		p := newProvider()
		p.respond = func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "application/json" {
				w.WriteHeader(http.StatusNotAcceptable)
			}
			body := must(json.Marshal(p.document))
			_, _ = w.Write(append(body, strings.Repeat(" ", size-len(body))...))
		}
		_, err := oidc.Discover(t.Context(), &http.Client{Transport: p}, issuerURL)
		if code(err) != want {
			t.Errorf("a document of %d bytes: %v, want code %q", size, err, want)
		}
	}
}
