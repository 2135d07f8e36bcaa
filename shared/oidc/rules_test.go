package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// TestAudiences: a token for several applications counts only when it says that it
// was issued to one of ours (OpenID Connect Core 3.1.3.7, 3 to 5).
func TestAudiences(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		aud, azp any
		want     hotsync.Code
	}{
		"ours":                           {audience, nil, ""},
		"ours alone in a list":           {[]string{audience}, nil, ""},
		"two of ours":                    {[]string{audience, "client-2"}, nil, ""},
		"a foreign one beside, no azp":   {[]string{audience, "foreign"}, nil, hotsync.CodeTokenAudience},
		"a foreign one first, no azp":    {[]string{"foreign", audience}, nil, hotsync.CodeTokenAudience},
		"a foreign one beside, ours":     {[]string{"foreign", audience}, audience, ""},
		"a foreign one beside, theirs":   {[]string{"foreign", audience}, "foreign", hotsync.CodeTokenAudience},
		"a foreign one beside, azp null": {[]string{"foreign", audience}, json.RawMessage("null"), hotsync.CodeTokenAudience},
		"ours, azp foreign":              {audience, "foreign", hotsync.CodeTokenAudience},
		"ours, azp list":                 {audience, []string{audience}, hotsync.CodeTokenAudience},
		"empty list":                     {[]string{}, nil, hotsync.CodeTokenAudience},
	} {
		p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
		_, err := verifier(p, func() time.Time { return at }).Verify(t.Context(),
			sign(goodHeader(), with(goodClaims(at), "aud", tc.aud, "azp", tc.azp), rsaKey()), accept)
		if code(err) != tc.want {
			t.Errorf("%s: Verify = %v, want code %q", name, err, tc.want)
		}
	}
}

// TestAges: neither a token of ten years ago nor one for the year 9000 was made for
// a login of today.
func TestAges(t *testing.T) {
	t.Parallel()

	day := 24 * time.Hour
	for name, tc := range map[string]struct {
		issued, expires time.Duration
		want            hotsync.Code
	}{
		"an hour":                    {0, time.Hour, ""},
		"Auth0's longest":            {0, 30 * day, ""},
		"issued a month ago":         {-30 * day, time.Hour, ""},
		"issued 31 days ago":         {-31 * day, time.Hour, ""},
		"31 days yet":                {0, 31 * day, ""},
		"issued 32 days ago":         {-32 * day, time.Hour, hotsync.CodeTokenExpired},
		"issued ten years ago":       {-3650 * day, time.Hour, hotsync.CodeTokenExpired},
		"32 days yet":                {0, 32 * day, hotsync.CodeTokenMalformed},
		"until the year 9000":        {0, 0, hotsync.CodeTokenMalformed},
		"expired within the leeway":  {-time.Hour, -50 * time.Second, ""},
		"expired beyond the leeway":  {-time.Hour, -61 * time.Second, hotsync.CodeTokenExpired},
		"issued a bit in the future": {50 * time.Second, time.Hour, ""},
		"issued in the future":       {2 * time.Minute, time.Hour, hotsync.CodeTokenNotYet},
	} {
		p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
		expires := at.Add(tc.expires)
		if name == "until the year 9000" {
			expires = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		c := with(goodClaims(at), "iat", at.Add(tc.issued).Unix(), "exp", expires.Unix())
		_, err := verifier(p, func() time.Time { return at }).Verify(t.Context(), sign(goodHeader(), c, rsaKey()), accept)
		if code(err) != tc.want {
			t.Errorf("%s: Verify = %v, want code %q", name, err, tc.want)
		}
	}
}

// signer makes signatures of one algorithm, and the key that verifies them.
type signer struct {
	alg  string
	jwk  map[string]any
	sign func(message []byte) []byte
}

func signers(t *testing.T) []signer {
	t.Helper()
	hashes := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}
	sum := func(alg string, message []byte) ([]byte, crypto.Hash) {
		h := hashes[alg[2:]]
		d := h.New()
		d.Write(message)
		return d.Sum(nil), h
	}
	var all []signer
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		all = append(all, signer{alg, rsaJWK("k1", &rsaKey().PublicKey, nil), func(message []byte) []byte {
			digest, h := sum(alg, message)
			if alg[0] == 'P' {
				return must(rsa.SignPSS(rand.Reader, rsaKey(), h, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
			}
			return must(rsa.SignPKCS1v15(rand.Reader, rsaKey(), h, digest))
		}})
	}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(),
		"ES512": elliptic.P521()} {
		k := must(ecdsa.GenerateKey(curve, rand.Reader))
		size := (curve.Params().BitSize + 7) / 8
		raw := must(k.PublicKey.Bytes())
		jwk := map[string]any{"kty": "EC", "crv": curve.Params().Name, "kid": "k1", "x": b64(raw[1 : 1+size]),
			"y": b64(raw[1+size:])}
		all = append(all, signer{alg, jwk, func(message []byte) []byte {
			digest, _ := sum(alg, message)
			r, s, err := ecdsa.Sign(rand.Reader, k, digest)
			if err != nil {
				t.Fatal(err)
			}
			return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}})
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return append(all, signer{"EdDSA", map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": b64(public)},
		func(message []byte) []byte { return ed25519.Sign(private, message) }})
}

func (s signer) token(claims map[string]any) string {
	signed := b64(must(json.Marshal(map[string]any{"alg": s.alg, "kid": "k1"}))) + "." + b64(must(json.Marshal(claims)))
	return signed + "." + b64(s.sign([]byte(signed)))
}

// TestAlgorithms: every safe algorithm counts that the key is for, and none that
// the key's own alg or the provider's setting leaves out.
func TestAlgorithms(t *testing.T) {
	t.Parallel()

	for _, s := range signers(t) {
		own := maps.Clone(s.jwk)
		own["alg"] = s.alg
		foreign := maps.Clone(s.jwk)
		foreign["alg"] = "RS256"
		if s.alg == "RS256" {
			foreign["alg"] = "PS256"
		}
		for name, tc := range map[string]struct {
			jwk   map[string]any
			rules []string
			want  hotsync.Code
		}{
			"any":                  {s.jwk, nil, ""},
			"the key's own":        {own, nil, ""},
			"configured":           {own, []string{"XX", s.alg}, ""},
			"the key is for other": {foreign, nil, hotsync.CodeTokenKeyUnknown},
			"not configured":       {own, []string{"none"}, hotsync.CodeTokenAlgorithm},
		} {
			rules := func(issuer string) (oidc.Rules, bool) {
				return oidc.Rules{Audiences: []string{audience}, Algorithms: tc.rules}, issuer == issuerURL
			}
			p := newProvider(tc.jwk, rsaJWK("other", &otherKey().PublicKey, nil))
			_, err := verifier(p, func() time.Time { return at }).Verify(t.Context(), s.token(goodClaims(at)), rules)
			got := code(err)
			if tc.want == hotsync.CodeTokenKeyUnknown && got == hotsync.CodeTokenAlgorithm {
				got = tc.want // a key of another kind is no key; one of the same kind has another algorithm
			}
			if got != tc.want {
				t.Errorf("%s, %s: Verify = %v, want code %q", s.alg, name, err, tc.want)
			}
		}
	}
}

// TestDocuments: sets of keys and discovery documents as servers really write them.
func TestDocuments(t *testing.T) {
	t.Parallel()

	const bom = "\xef\xbb\xbf"
	key := rsaJWK("k1", &rsaKey().PublicKey, map[string]any{"alg": "RS256", "use": "sig"})
	nameless := rsaJWK("", &rsaKey().PublicKey, nil)
	delete(nameless, "kid")
	other := rsaJWK("other", &otherKey().PublicKey, nil)
	large := []map[string]any{key}
	for n := range 120 { // with certificates, as Entra's
		large = append(large, rsaJWK(fmt.Sprint("k", n+2),
			&rsa.PublicKey{N: new(big.Int).Add(otherKey().N, big.NewInt(int64(2*n))), E: 65537},
			map[string]any{"x5c": []string{strings.Repeat("MIIC", 800)}}))
	}
	for name, tc := range map[string]struct {
		keys   []map[string]any
		header map[string]any
		before string
		want   hotsync.Code
	}{
		"byte order mark": {[]map[string]any{key}, goodHeader(), bom, ""},
		"large set":       {large, goodHeader(), "", ""},
		"key without kid beside others": {[]map[string]any{other, nameless}, map[string]any{"alg": "RS256"}, "",
			""},
		"kid that is not there beside a nameless": {[]map[string]any{other, nameless}, goodHeader(), "",
			hotsync.CodeTokenKeyUnknown},
		"a second key of the same kid": {[]map[string]any{rsaJWK("k1", &otherKey().PublicKey, nil), key}, goodHeader(), "",
			""},
	} {
		p := newProvider()
		p.respond = func(w http.ResponseWriter, r *http.Request) {
			body := map[string]any{"keys": tc.keys}
			if strings.Contains(r.URL.Path, "well-known") {
				body = p.document
			}
			_, _ = w.Write(append([]byte(tc.before), must(json.Marshal(body))...))
		}
		_, err := verifier(p, func() time.Time { return at }).Verify(t.Context(), sign(tc.header, goodClaims(at), rsaKey()),
			accept)
		if code(err) != tc.want {
			t.Errorf("%s: Verify = %v, want code %q", name, err, tc.want)
		}
	}
}

// TestFurtherIssuers: a provider whose document lies elsewhere and whose tokens have
// one of several names, as Azure B2C's and Cognito's.
func TestFurtherIssuers(t *testing.T) {
	t.Parallel()

	const (
		policy  = "https://acme.b2clogin.com/acme.onmicrosoft.com/B2C_1_signin/v2.0/.well-known/openid-configuration"
		other   = "https://acme.b2clogin.com/11111111-2222-3333-4444-555555555555/v2.0/"
		foreign = "https://other.b2clogin.com/11111111-2222-3333-4444-555555555555/v2.0/"
	)
	rules := oidc.Accepting(
		hotsync.Settings{Providers: []hotsync.Provider{
			{Name: "b2c", Issuer: issuerURL, Issuers: []string{other}, Discovery: policy, Audiences: []string{audience}}}})
	for name, tc := range map[string]struct {
		iss, document string
		want          hotsync.Code
	}{
		"its issuer":                           {issuerURL, issuerURL, ""},
		"the further issuer":                   {other, issuerURL, ""},
		"the document has the further issuer":  {issuerURL, other, ""},
		"a stranger's issuer":                  {foreign, issuerURL, hotsync.CodeTokenIssuer},
		"a document with a stranger's issuer":  {issuerURL, foreign, hotsync.CodeJWKSUnavailable},
		"the further issuer without its slash": {strings.TrimSuffix(other, "/"), issuerURL, hotsync.CodeTokenIssuer},
		"the discovery address as the issuer":  {policy, issuerURL, hotsync.CodeTokenIssuer},
	} {
		p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
		p.document["issuer"] = tc.document
		_, err := verifier(p, func() time.Time { return at }).Verify(t.Context(),
			sign(goodHeader(), with(goodClaims(at), "iss", tc.iss), rsaKey()), rules)
		if code(err) != tc.want {
			t.Errorf("%s: Verify = %v, want code %q", name, err, tc.want)
		}
		if p.count() > 0 && p.requests[0] != policy {
			t.Errorf("%s: the document was read at %s", name, p.requests[0])
		}
	}
}

// TestRotationDuringAFlood: whoever floods with unknown keys cannot keep a new key
// from being found, and what is said meanwhile is "later", with a time.
func TestRotationDuringAFlood(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
		v := verifier(p, time.Now)
		verify := func(kid string, key any) error {
			_, err := v.Verify(t.Context(), sign(map[string]any{"alg": "RS256", "kid": kid}, goodClaims(time.Now()), key),
				accept)
			return err
		}
		flood := func() {
			for n := range 100 {
				_ = verify(fmt.Sprint(time.Now().UnixNano(), n), nil) // refused before its signature is looked at
			}
		}
		flood()
		p.set(func(p *provider) { p.keys = append(p.keys, rsaJWK("k2", &otherKey().PublicKey, nil)) })
		err := verify("k2", otherKey())
		if code(err) != hotsync.CodeJWKSUnavailable || hotsync.AsError(err).RetryAfter <= 0 ||
			hotsync.AsError(err).RetryAfter > 10*time.Second {
			t.Fatalf("the new key in a flood: %v, want jwks_unavailable for up to ten seconds", err)
		}
		begun := time.Now()
		for err != nil {
			if time.Since(begun) > 15*time.Second {
				t.Fatalf("the new key was not found within 15 s: %v", err)
			}
			time.Sleep(time.Second)
			flood()
			err = verify("k2", otherKey())
		}
		if n := p.count(); n > 8 {
			t.Errorf("the flood caused %d requests", n)
		}
	})
}

// TestSlowIssuerGetsOn: what was read of a slow issuer is kept, so that the next try
// goes on from there and does not begin anew for ever.
func TestSlowIssuerGetsOn(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
		reads := map[string]int{}
		p.respond = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(1100 * time.Millisecond)
			reads[r.URL.Path]++
			body := any(map[string]any{"keys": p.keys})
			if strings.Contains(r.URL.Path, "well-known") {
				body = p.document
			}
			_, _ = w.Write(must(json.Marshal(body)))
		}
		v := verifier(p, time.Now)
		raw := sign(goodHeader(), goodClaims(time.Now()), rsaKey())
		_, err := v.Verify(t.Context(), raw, accept) // 2.2 s: longer than any one answer is waited for
		if err != nil {
			t.Errorf("an issuer that takes 1.1 s twice: %v", err)
		}
		_, err = oidc.Inspect(t.Context(), &http.Client{Transport: p}, issuerURL, oidc.Rules{})
		if err != nil {
			t.Errorf("Check disagrees: %v", err)
		}
	})
}

func TestSubjectProblem(t *testing.T) {
	t.Parallel()

	for sub, want := range map[string]string{
		"auth0|abc": "", "": "", strings.Repeat("s", 255): "", strings.Repeat("s", 256): "is longer than 255 bytes",
		"a\xffb": "is not UTF-8", "a\tb": "holds control characters", "a\u0085b": "holds control characters",
		"Ünal ben ق": "",
	} {
		if got := oidc.SubjectProblem(sub); got != want {
			t.Errorf("SubjectProblem(%q) = %q, want %q", sub, got, want)
		}
	}
}

// TestClaimed: what a refused token says of itself is read for its record, and nothing is
// taken for more than that.
func TestClaimed(t *testing.T) {
	t.Parallel()

	token := func(claims string) string { return "x." + b64([]byte(claims)) + ".x" }
	padded := func(size int) string { // a token of that size
		raw := token(`{"iss": "i"}`)
		return raw + strings.Repeat("x", size-len(raw))
	}
	whole := oidc.Token{Issuer: "https://a", Subject: "ada", Email: "ada@example.com"}
	for name, tc := range map[string]struct {
		raw  string
		want oidc.Token
	}{
		"whole":             {token(`{"iss": "https://a", "sub": "ada", "email": "ada@example.com", "exp": 1}`), whole},
		"nothing of it":     {token(`{}`), oidc.Token{}},
		"not text":          {token(`{"iss": 1, "sub": ["ada"], "email": {}}`), oidc.Token{}},
		"no object":         {token(`[]`), oidc.Token{}},
		"no JSON":           {token(`iss`), oidc.Token{}},
		"no base64":         {"x.$.x", oidc.Token{}},
		"two parts":         {"x." + b64([]byte(`{"iss": "i"}`)), oidc.Token{}},
		"four parts":        {token(`{"iss": "i"}`) + ".x", oidc.Token{}},
		"nothing":           {"", oidc.Token{}},
		"as long as it may": {padded(16 << 10), oidc.Token{Issuer: "i"}},
		"longer":            {padded(16<<10 + 1), oidc.Token{}},
	} {
		if diff := cmp.Diff(tc.want, oidc.Claimed(tc.raw)); diff != "" {
			t.Errorf("%s: Claimed mismatch (-want +got):\n%s", name, diff)
		}
	}
}
