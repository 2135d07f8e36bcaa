package oidc_test

import (
	"testing"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// TestVerifyAccess: the access tokens of systems, as each provider makes them, and
// what is none.
func TestVerifyAccess(t *testing.T) {
	t.Parallel()

	settings := hotsync.Settings{Providers: []hotsync.Provider{
		{Name: "erp", Issuer: issuerURL, Audiences: []string{audience}, SyncScope: "hotsync:sync",
			SyncAudiences: []string{"https://hotsync.example.com", "erp-client"}},
		{Name: "ec", Issuer: "https://ec.example.com", Algorithms: []string{"ES256"}, SyncScope: "s",
			SyncAudiences: []string{"api"}},
		{Name: "rsa", Issuer: "https://rsa.example.com", Algorithms: []string{"ES256", "RS256"}, SyncScope: "s",
			SyncAudiences: []string{"api"}},
		{Name: "shop", Issuer: "https://shop.example.com", Audiences: []string{audience}},
	}}
	access := func(pairs ...any) map[string]any {
		c := with(goodClaims(at),
			append([]any{"aud", "https://hotsync.example.com", "scope", "read hotsync:sync"}, pairs...)...)
		return c
	}
	without := func(c map[string]any, name string) map[string]any {
		delete(c, name)
		return c
	}
	for name, tc := range map[string]struct {
		header, claims map[string]any
		want           hotsync.Code
	}{
		"RFC 9068": {with(goodHeader(), "typ", "at+jwt"), access("client_id", "erp-client"), ""},
		"Auth0":    {goodHeader(), access("azp", "erp-client", "gty", "client-credentials"), ""},
		"Okta": {goodHeader(), without(access("scp", []string{"hotsync:sync"}, "cid", "erp"), "scope"),
			""},
		"Entra, application": {goodHeader(), without(access("roles", []string{"hotsync:sync"}), "scope"), ""},
		"Cognito": {goodHeader(), without(access("token_use", "access", "client_id", "erp-client"), "aud"),
			""},
		"Cognito, other client": {goodHeader(), without(access("token_use", "access", "client_id", "other"), "aud"),
			hotsync.CodeTokenAudience},
		"several audiences": {goodHeader(),
			access("aud", []string{"https://other.example.com", "https://hotsync.example.com"}), ""},
		"other audience": {goodHeader(), access("aud", "https://other.example.com"), hotsync.CodeTokenAudience},
		"other audience, our client": {goodHeader(), access("aud", "https://other.example.com", "client_id", "erp-client"),
			hotsync.CodeTokenAudience},
		"another algorithm": {goodHeader(), access("iss", "https://ec.example.com", "aud", "api", "scope", "s"),
			hotsync.CodeTokenAlgorithm},
		"one of two algorithms":   {goodHeader(), access("iss", "https://rsa.example.com", "aud", "api", "scope", "s"), ""},
		"the customers' audience": {goodHeader(), access("aud", audience), hotsync.CodeTokenAudience},
		"without scope":           {goodHeader(), without(access(), "scope"), hotsync.CodeForbidden},
		"part of the scope":       {goodHeader(), access("scope", "hotsync:sync:read hotsync"), hotsync.CodeForbidden},
		"scope as an object": {goodHeader(), access("scope", map[string]any{"hotsync:sync": true}),
			hotsync.CodeForbidden},
		"ID token of Cognito":      {goodHeader(), access("token_use", "id"), hotsync.CodeTokenKind},
		"ID token with a nonce":    {goodHeader(), access("nonce", "n"), hotsync.CodeTokenKind},
		"expired":                  {goodHeader(), access("exp", at.Add(-2*time.Minute).Unix()), hotsync.CodeTokenExpired},
		"for ever":                 {goodHeader(), access("exp", at.AddDate(1, 0, 0).Unix()), hotsync.CodeTokenMalformed},
		"provider without systems": {goodHeader(), access("iss", "https://shop.example.com"), hotsync.CodeTokenIssuer},
	} {
		p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, map[string]any{"alg": "RS256", "use": "sig"}))
		p.document = map[string]any{"issuer": tc.claims["iss"], "jwks_uri": issuerURL + "/keys"}
		_, err := verifier(p, func() time.Time { return at }).Verify(t.Context(), sign(tc.header, tc.claims, rsaKey()),
			oidc.AcceptingSystems(settings))
		if code(err) != tc.want {
			t.Errorf("%s: Verify = %v, want code %q", name, err, tc.want)
		}
	}
}

// TestAccessTokenIsNoLogin: the token of a system signs nobody in.
func TestAccessTokenIsNoLogin(t *testing.T) {
	t.Parallel()

	p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, map[string]any{"alg": "RS256", "use": "sig"}))
	for name, header := range map[string]map[string]any{"at+jwt": with(goodHeader(), "typ", "at+jwt"),
		"JWT": goodHeader()} {
		c := with(goodClaims(at), "aud", "https://hotsync.example.com", "scope", "hotsync:sync")
		_, err := verifier(p, func() time.Time { return at }).Verify(t.Context(), sign(header, c, rsaKey()), accept)
		if err == nil {
			t.Errorf("%s: an access token was taken for a login", name)
		}
	}
}
