package idp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"

	"hotsync/local/sandbox"
)

// key is a signing key; its id is its thumbprint (RFC 7638).
type key struct {
	id      string
	private *rsa.PrivateKey
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newKey() (key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return key{}, fmt.Errorf("make a signing key: %w", err)
	}
	n, e := numbers(&private.PublicKey)
	sum := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`))
	return key{id: encode(sum[:]), private: private}, nil
}

// numbers returns modulus and exponent as a JWK has them.
func numbers(k *rsa.PublicKey) (n, e string) {
	return encode(k.N.Bytes()), encode(big.NewInt(int64(k.E)).Bytes())
}

// sign makes a JWT (RFC 7519) signed with RS256. typ is its explicit type.
func (k key) sign(typ string, claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "RS256", "kid": k.id, "typ": typ})
	if err != nil {
		return "", err
	}
	content, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := encode(header) + "." + encode(content)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return signed + "." + encode(signature), nil
}

// idToken signs claims with the current key, after filling in what every ID
// token has. What is there stays, also when it is null: tests want wrong tokens.
func (i issuer) idToken(claims map[string]any) (string, error) {
	now := i.now()
	all := map[string]any{
		"iss": i.url(),
		"aud": ClientID,
		"iat": now.Unix(),
		"exp": now.Add(lifetime).Unix(),
		"jti": rand.Text(),
	}
	maps.Copy(all, claims)
	return i.current().sign("JWT", all)
}

func (s *Server) current() key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1]
}

// rotate signs with a new key from now on. The old ones stay published unless
// they are dropped.
func (s *Server) rotate(drop bool) (key, error) {
	k, err := newKey()
	if err != nil {
		return key{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if drop {
		s.keys = nil
	}
	s.keys = append(s.keys, k)
	return k, nil
}

// jwks publishes the keys (RFC 7517), the current one first.
func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := make([]map[string]string, 0, len(s.keys))
	for n := range s.keys {
		k := s.keys[len(s.keys)-1-n]
		modulus, exponent := numbers(&k.private.PublicKey)
		set = append(
			set,
			map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k.id, "n": modulus, "e": exponent},
		)
	}
	sandbox.Answer(w, http.StatusOK, map[string]any{"keys": set})
}
