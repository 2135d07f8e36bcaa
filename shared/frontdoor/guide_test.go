package frontdoor_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// guideKey signs the tokens of every provider of the guide.
var guideKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// providerServer speaks as an OpenID Connect provider does: a discovery document at
// the one address where it has it, and keys. Whatever else is asked for is 404.
type providerServer struct {
	discovery, issuer string
	key               *rsa.PublicKey
}

func (p providerServer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	keys := "https://" + r.URL.Host + "/keys"
	var body any
	switch r.URL.String() {
	case p.discovery:
		body = map[string]any{"issuer": p.issuer, "jwks_uri": keys,
			"authorization_endpoint": "https://" + r.URL.Host + "/authorize"}
	case keys:
		n, e := base64.RawURLEncoding.EncodeToString(p.key.N.Bytes()), base64.RawURLEncoding.EncodeToString(
			big.NewInt(int64(p.key.E)).Bytes())
		body = map[string]any{"keys": []any{map[string]any{"kty": "RSA", "kid": "k1", "use": "sig", "n": n, "e": e}}}
	default:
		w.WriteHeader(http.StatusNotFound)
		return w.Result(), nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(raw)
	return w.Result(), err
}

func signedToken(t *testing.T, claims map[string]any) string {
	t.Helper()
	key, err := guideKey()
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k1","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

var jsonBlock = regexp.MustCompile("(?s)```json\n(.*?)```")

// guideProviders are the providers of docs/deploy.md, by name.
func guideProviders(t *testing.T) map[string]hotsync.Provider {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]hotsync.Provider{}
	for _, m := range jsonBlock.FindAllSubmatch(page, -1) {
		var p hotsync.Provider
		dec := json.NewDecoder(strings.NewReader(string(m[1])))
		dec.DisallowUnknownFields()
		if dec.Decode(&p) != nil || p.Issuer == "" || p.Name == "" {
			continue // a claim, or an answer
		}
		out[p.Name] = p
	}
	return out
}

// sub is a claim that looks the subject, or another, up: Option B of the guide.
func lookedUp(claim string) hotsync.IdentityClaim {
	c := account(claim)
	c.AccountLookup, c.AccountLookupField = true, "LimioExternalId__c"
	return c
}

// TestDeployGuide: every provider that docs/deploy.md tells how to set up, by Option
// A and by Option B, with tokens and triggers as that provider makes them.
func TestDeployGuide(t *testing.T) {
	t.Parallel()

	key, err := guideKey()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]any{"iat": at.Unix(), "exp": at.Add(time.Hour).Unix()}
	providers := guideProviders(t)
	rows := map[string]struct {
		claims map[string]any // of an ID token, beside iss, aud and times
		want   []string       // accounts of Option A, or the value looked up
		b      string         // claim of Option B, "" for sub
		found  string         // what is looked up by it
	}{
		"okta": {map[string]any{"sub": "00u1abcd", "ver": 1, "amr": []any{"pwd"}, "idp": "00o1", "auth_time": at.Unix(),
			"zuora_account_ids": []any{"A1", "A2"}},
			[]string{"A1", "A2"}, "", "00u1abcd"},
		"auth0": {map[string]any{"sub": "google-oauth2|1234", "sid": "x", "email": email, "email_verified": true,
			"https://acme.example.com/zuora_account_ids": []any{"A1"}},
			[]string{"A1"}, "", "google-oauth2|1234"},
		"entra": {map[string]any{"sub": "pairwise", "oid": "0b1e", "tid": "11111111-2222-3333-4444-555555555555",
			"ver": "2.0", "email": email, "zuora_account_ids": "A1,A2"},
			[]string{"A1", "A2"}, "oid", "0b1e"},
		"b2c": {map[string]any{"sub": "7c9e", "ver": "1.0", "tfp": "B2C_1_signin", "emails": []any{email}, "nbf": at.Unix(),
			"extension_zuora_account_ids": "A1"},
			[]string{"A1"}, "", "7c9e"},
		"cognito": {map[string]any{"sub": subject, "token_use": "id", "cognito:username": "ada", "email": email,
			"email_verified": true, "custom:zuora_accounts": "[A1, A2]"},
			[]string{"A1", "A2"}, "", subject},
		"cognito-newer": {map[string]any{"sub": subject, "token_use": "id", "cognito:username": "ada",
			"custom:zuora_accounts": "A1"},
			[]string{"A1"}, "", subject},
		"cognito-federated": {map[string]any{"sub": subject, "token_use": "id", "cognito:username": "okta_00u1abc",
			"identities": []any{map[string]any{"userId": "00u1abc"}}},
			nil, "cognito:username", "okta_00u1abc"},
	}
	for name := range providers {
		if _, ok := rows[name]; !ok {
			t.Errorf("docs/deploy.md has the provider %s, which nobody signs in with here", name)
		}
	}
	for name, row := range rows {
		p, ok := providers[name]
		if !ok {
			t.Errorf("docs/deploy.md has no provider %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			claims := map[string]any{"iss": p.Issuer, "aud": p.Audiences[0]}
			for _, m := range []map[string]any{ids, row.claims} {
				for k, v := range m {
					claims[k] = v
				}
			}
			discovery := p.Discovery
			if discovery == "" {
				discovery = strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration"
			}
			server := providerServer{discovery: discovery, issuer: p.Issuer, key: &key.PublicKey}
			login := func(p hotsync.Provider, claims map[string]any, raw func(token string) string) (*testBundle, string) {
				s := hotsync.DefaultSettings()
				s.HotSync, s.Providers = true, []hotsync.Provider{p}
				for _, f := range s.Validate() {
					// What hotsync cannot see, the guide says: that the attribute is read-only for app clients.
					if f.Warning && strings.HasPrefix(f.Message, "Customers of a user pool can write this attribute") {
						continue
					}
					t.Errorf("the guide's settings: %s %s", f.Path, f.Message)
				}
				b := newBundle()
				b.load = func(context.Context) (hotsync.Settings, error) { return s, nil }
				h := b.handler()
				h.Tokens = oidc.New(oidc.Config{HTTP: &http.Client{Transport: server}, Now: func() time.Time { return at }})
				got, err := h.Invoke(t.Context(), []byte(raw(signedToken(t, claims))))
				if err != nil {
					t.Fatal(err)
				}
				return b, string(got)
			}
			post := func(token string) string { return bearer(token) }

			// Option A, or what the guide has for this provider.
			b, got := login(p, claims, post)
			var accounts []string
			for _, r := range b.sent {
				if r.Lookup == nil {
					accounts = append(accounts, r.Account)
				}
			}
			if diff := cmp.Diff(row.want, accounts); diff != "" {
				t.Errorf("accounts mismatch (-want +got):\n%s\n%s", diff, got)
			}

			// Option B.
			lookup := p
			claim := row.b
			if claim == "" {
				claim = "sub"
			}
			lookup.Claims = []hotsync.IdentityClaim{lookedUp(claim)}
			b, got = login(lookup, claims, post)
			if len(b.sent) != 1 || b.sent[0].Lookup == nil || b.sent[0].Lookup.Value != row.found ||
				b.sent[0].Identity.Issuer != p.Issuer {
				t.Errorf("Option B sent %+v, answered %s", b.sent, got)
			}

			// E-mail addresses do not count where nobody says that they are verified.
			if mail, ok := claims["email"]; ok || claims["emails"] != nil {
				lookup.Claims = []hotsync.IdentityClaim{lookedUp("email")}
				if !ok {
					lookup.Claims[0].Claim = "emails"
				}
				b, got = login(lookup, claims, post)
				if verified := claims["email_verified"] == true; verified != (len(b.sent) == 1) {
					t.Errorf("by e-mail %v (verified %t): sent %+v, answered %s", mail, verified, b.sent, got)
				}
			}

			// What is nearly right is refused, and leaves a record that says why.
			for what, change := range map[string]func(c map[string]any){
				"token_issuer_unknown": func(c map[string]any) { c["iss"] = toggleSlash(p.Issuer) },
				"token_audience":       func(c map[string]any) { c["aud"] = "another application" },
			} {
				wrong := map[string]any{}
				for k, v := range claims {
					wrong[k] = v
				}
				change(wrong)
				b, got = login(p, wrong, post)
				if len(b.sent) > 0 || !strings.Contains(got, what) || len(b.logins) != 1 || b.logins[0].Reason != what {
					t.Errorf("%s: sent %+v, answered %s, records %+v", what, b.sent, got, b.logins)
				}
			}

			// Cognito's triggers have no token, and the same accounts.
			if p.UserPool == "" {
				return
			}
			attributes := map[string]any{"sub": subject}
			for k, v := range row.claims {
				if text, ok := v.(string); ok && (strings.HasPrefix(k, "custom:") || k == "email") {
					attributes[k] = text
				}
			}
			event, err := json.Marshal(map[string]any{"version": "1", "triggerSource": "PostConfirmation_ConfirmSignUp",
				"region": "eu-west-1", "userPoolId": p.UserPool,
				"userName": row.claims["cognito:username"], "request": map[string]any{"userAttributes": attributes},
				"response": map[string]any{}})
			if err != nil {
				t.Fatal(err)
			}
			b, got = login(p, claims, func(string) string { return string(event) })
			if got != string(event) || len(b.sent) == 0 ||
				b.sent[0].Identity != (hotsync.Identity{Issuer: p.Issuer, Subject: subject}) {
				t.Errorf("the trigger gave back %s and sent %+v", got, b.sent)
			}
		})
	}
}

func toggleSlash(issuer string) string {
	if strings.HasSuffix(issuer, "/") {
		return strings.TrimSuffix(issuer, "/")
	}
	return issuer + "/"
}
