package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"testing"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// A key that can be factored signs for everybody (RFC 7518, 3.3): it does not count, and does not spoil its neighbours.
func TestWeakKeys(t *testing.T) {
	t.Parallel()

	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	good := rsaJWK("k1", &rsaKey().PublicKey, nil)
	for _, tc := range []struct {
		name string
		keys []map[string]any
		kid  string
		key  *rsa.PrivateKey
		want hotsync.Code
	}{
		{"signed by the weak one", []map[string]any{good, rsaJWK("weak", &weak.PublicKey, nil)}, "weak", weak,
			hotsync.CodeTokenKeyUnknown},
		{"signed by its neighbour", []map[string]any{good, rsaJWK("weak", &weak.PublicKey, nil)}, "k1", rsaKey(), ""},
		{"no other key", []map[string]any{rsaJWK("weak", &weak.PublicKey, nil)}, "weak", weak, hotsync.CodeJWKSUnavailable},
	} {
		raw := sign(map[string]any{"alg": "RS256", "kid": tc.kid}, goodClaims(at), tc.key)
		_, err := verifier(newProvider(tc.keys...), func() time.Time { return at }).Verify(t.Context(), raw, accept)
		if code(err) != tc.want {
			t.Errorf("%s: %v, want code %q", tc.name, err, tc.want)
		}
	}
}

// TestKeySizes: keys of 2,048 to 8,192 bits count; a larger one is slow to verify with.
func TestKeySizes(t *testing.T) {
	t.Parallel()

	for bits, want := range map[uint]int{2047: 0, 2048: 1, 8192: 1, 8193: 0} {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		p := newProvider(rsaJWK("k1", &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}, nil))
		got, err := oidc.Inspect(t.Context(), &http.Client{Transport: p}, issuerURL, oidc.Rules{})
		if got.Keys != want || (err == nil) != (want > 0) {
			t.Errorf("%d bits: %d keys count, %v; want %d", bits, got.Keys, err, want)
		}
	}
}

// TestNoCookies: an issuer recognises nobody when it is asked for its keys.
func TestNoCookies(t *testing.T) {
	t.Parallel()

	p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
	p.respond = func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Errorf("%s is asked with cookies", r.URL)
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/"})
		body := any(map[string]any{"keys": p.keys})
		if r.URL.Path != "/keys" {
			body = p.document
		}
		_, _ = w.Write(must(json.Marshal(body)))
	}
	client := &http.Client{Transport: p, Jar: must(cookiejar.New(nil))}
	v := oidc.New(oidc.Config{HTTP: client, Now: func() time.Time { return at }})
	_, err := v.Verify(t.Context(), sign(goodHeader(), goodClaims(at), rsaKey()), accept)
	if err != nil {
		t.Errorf("Verify = %v", err)
	}
}
