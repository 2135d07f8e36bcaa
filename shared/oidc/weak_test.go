package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"
	"time"

	"hotsync/shared/hotsync"
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
		{"signed by the weak one", []map[string]any{good, rsaJWK("weak", &weak.PublicKey, nil)}, "weak", weak, hotsync.CodeTokenKeyUnknown},
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
