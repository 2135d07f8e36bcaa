package oidc

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"hotsync/shared/hotsync"
)

// FuzzParse: whatever comes, parse gives either a token of an accepted
// algorithm with issuer and subject, whose signed bytes are its own, or an error
// with one of two codes that quotes nothing of the token.
func FuzzParse(f *testing.F) {
	enc := base64.RawURLEncoding.EncodeToString
	claims := enc([]byte(`{"iss":"https://i","sub":"s","aud":["a"],"exp":2000000000,"iat":1.5e9,"nbf":0}`))
	for _, header := range []string{`{"alg":"RS256","kid":"k"}`, `{"alg":"none"}`, `{"alg":"ES256","crit":[]}`, `[]`, ``} {
		f.Add(enc([]byte(header)) + "." + claims + ".c2ln")
	}
	f.Add("a.b.c.d.e")
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := parse(raw)
		if err != nil {
			var e *hotsync.Error
			if !errors.As(err, &e) || e.Code != hotsync.CodeTokenMalformed && e.Code != hotsync.CodeTokenAlgorithm {
				t.Fatalf("parse(%q) = %v, want a token code", raw, err)
			}
			return
		}
		if !slices.Contains(hotsync.SignatureAlgorithms, u.alg.String()) || u.Issuer == "" || u.Subject == "" ||
			len(u.Subject) > maxSubject || len(raw) > maxToken {
			t.Fatalf("parse(%q) let through %+v", raw, u)
		}
		if !strings.HasPrefix(raw, string(u.signed)+".") ||
			raw != string(u.signed)+"."+base64.RawURLEncoding.EncodeToString(u.signature) {
			t.Fatalf("parse(%q): signed %q, signature %x", raw, u.signed, u.signature)
		}
		if u.ExpiresAt.Year() > 9999 || u.IssuedAt.Year() > 9999 || u.notBefore.Year() > 9999 {
			t.Fatalf("parse(%q) gave times beyond the calendar", raw)
		}
	})
}

// FuzzParseKeys: a JWK set from outside gives only keys that can verify.
func FuzzParseKeys(f *testing.F) {
	f.Add(
		[]byte(
			`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"kty":"RSA"}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := parseKeys(body)
		if err == nil && len(keys) == 0 {
			t.Fatal("no key and no error")
		}
		for _, k := range keys {
			if len(usableFor(k.public)) == 0 || len(k.algorithms) == 0 {
				t.Fatalf("let through %+v", k)
			}
		}
	})
}
