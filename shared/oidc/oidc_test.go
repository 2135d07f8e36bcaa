package oidc_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

const (
	issuerURL = "https://login.example.com"
	audience  = "client-1"
)

// Keys are made once: making them is what would make these tests slow.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaJWK(kid string, k *rsa.PublicKey, extra map[string]any) map[string]any {
	m := map[string]any{"kty": "RSA", "kid": kid, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	maps.Copy(m, extra)
	return m
}

func ecJWK(kid string, k *ecdsa.PublicKey) map[string]any {
	raw := must(k.Bytes())
	return map[string]any{"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig", "x": b64(raw[1:33]),
		"y": b64(raw[33:])}
}

// sign makes a token by hand, so that it may be as wrong as a test wants.
func sign(header, claims map[string]any, key any) string {
	signed := b64(must(json.Marshal(header))) + "." + b64(must(json.Marshal(claims)))
	sum := sha256.Sum256([]byte(signed))
	var sig []byte
	switch k := key.(type) {
	case nil:
	case *rsa.PrivateKey:
		if header["alg"] == "PS256" {
			sig = must(rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:],
				&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		} else {
			sig = must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:]))
		}
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			panic(err)
		}
		sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case []byte:
		mac := hmac.New(sha256.New, k)
		mac.Write([]byte(signed))
		sig = mac.Sum(nil)
	}
	return signed + "." + b64(sig)
}

// provider is an identity provider in this process.
type provider struct {
	mu       sync.Mutex
	keys     []map[string]any
	document map[string]any
	requests []string
	respond  http.HandlerFunc // answers instead, when set
}

func newProvider(keys ...map[string]any) *provider {
	return &provider{keys: keys, document: map[string]any{"issuer": issuerURL, "jwks_uri": issuerURL + "/keys"}}
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.requests = append(p.requests, r.URL.String())
	respond, document, keys := p.respond, p.document, map[string]any{"keys": slices.Clone(p.keys)}
	p.mu.Unlock()
	w := httptest.NewRecorder()
	switch {
	case respond != nil:
		respond(w, r)
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		_, _ = w.Write(must(json.Marshal(document)))
	default:
		_, _ = w.Write(must(json.Marshal(keys)))
	}
	if w.Code == http.StatusTeapot {
		return nil, errors.New("connection refused")
	}
	return w.Result(), nil
}

func (p *provider) set(f func(*provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

func down(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }

func accept(issuer string) (oidc.Rules, bool) {
	return oidc.Rules{Audiences: []string{audience, "client-2"}}, issuer == issuerURL
}

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func goodHeader() map[string]any {
	return map[string]any{"alg": "RS256", "kid": "k1", "typ": "JWT"}
}

func goodClaims(now time.Time) map[string]any {
	return map[string]any{"iss": issuerURL, "sub": "auth0|abc", "aud": audience, "iat": now.Unix(),
		"exp":   now.Add(time.Hour).Unix(),
		"email": "ada@example.com", "accounts": []string{"A1", "A2"}}
}

func with(m map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		} else {
			m[pairs[i].(string)] = pairs[i+1]
		}
	}
	return m
}

func verifier(p *provider, now func() time.Time) *oidc.Verifier {
	return oidc.New(oidc.Config{HTTP: &http.Client{Transport: p}, Now: now})
}

func code(err error) hotsync.Code {
	if err == nil {
		return ""
	}
	return hotsync.AsError(err).Code
}

func TestVerify(t *testing.T) {
	t.Parallel()

	p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, map[string]any{"alg": "RS256", "use": "sig"}))
	raw := sign(goodHeader(),
		with(goodClaims(at), "aud", []string{"other", audience}, "azp", "client-2", "token_use", "id"), rsaKey())
	got, err := verifier(p, func() time.Time { return at }).Verify(t.Context(), raw, accept)
	if err != nil {
		t.Fatal(err)
	}
	want := oidc.Token{
		Issuer: issuerURL, Subject: "auth0|abc", Audience: []string{"other", audience}, Email: "ada@example.com",
		IssuedAt: at, ExpiresAt: at.Add(time.Hour),
		Claims: map[string]any{"iss": issuerURL, "sub": "auth0|abc", "aud": []any{"other", audience}, "azp": "client-2",
			"token_use": "id",
			"iat":       json.Number(fmt.Sprint(at.Unix())), "exp": json.Number(fmt.Sprint(at.Add(time.Hour).Unix())),
			"email": "ada@example.com", "accounts": []any{"A1", "A2"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Verify mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{issuerURL + "/.well-known/openid-configuration", issuerURL + "/keys"},
		p.requests); diff != "" {
		t.Errorf("requests mismatch (-want +got):\n%s", diff)
	}
}

func TestVerifyAlgorithms(t *testing.T) {
	t.Parallel()

	p := newProvider(rsaJWK("any", &rsaKey().PublicKey, nil), ecJWK("ec", &ecKey().PublicKey))
	v := verifier(p, func() time.Time { return at })
	for alg, key := range map[string]any{"RS256": rsaKey(), "PS256": rsaKey(), "ES256": ecKey()} {
		kid := "any"
		if alg == "ES256" {
			kid = "ec"
		}
		_, err := v.Verify(t.Context(), sign(map[string]any{"alg": alg, "kid": kid}, goodClaims(at), key), accept)
		if err != nil {
			t.Errorf("Verify of %s = %v", alg, err)
		}
	}
}

// TestVerifyWithoutKid: an issuer with one key need not name it.
func TestVerifyWithoutKid(t *testing.T) {
	t.Parallel()

	raw := sign(map[string]any{"alg": "RS256"}, goodClaims(at), rsaKey())
	one := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
	two := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil), rsaJWK("k2", &otherKey().PublicKey, nil))
	for _, tc := range []struct {
		p    *provider
		want hotsync.Code
	}{{one, ""}, {two, hotsync.CodeTokenKeyUnknown}} {
		_, err := verifier(tc.p, func() time.Time { return at }).Verify(t.Context(), raw, accept)
		if code(err) != tc.want {
			t.Errorf("Verify with %d keys = %v, want code %q", len(tc.p.keys), err, tc.want)
		}
	}
}

// publicPEM is what an attacker would use as an HMAC secret: anything public.
func publicPEM() []byte { return rsaKey().N.Bytes() }

func TestAttacks(t *testing.T) {
	t.Parallel()

	secret := []byte("0123456789abcdef0123456789abcdef")
	good := func() string { return sign(goodHeader(), goodClaims(at), rsaKey()) }
	header := func(pairs ...any) string { return sign(with(goodHeader(), pairs...), goodClaims(at), rsaKey()) }
	claims := func(pairs ...any) string { return sign(goodHeader(), with(goodClaims(at), pairs...), rsaKey()) }
	parts := func(i int, with string) string {
		p := strings.Split(good(), ".")
		p[i] = with
		return strings.Join(p, ".")
	}
	for name, tc := range map[string]struct {
		raw  string
		want hotsync.Code
	}{
		"empty":          {"", hotsync.CodeTokenMalformed},
		"word":           {"token", hotsync.CodeTokenMalformed},
		"two parts":      {"a.b", hotsync.CodeTokenMalformed},
		"four parts":     {"a.b.c.d", hotsync.CodeTokenMalformed},
		"encrypted":      {"a.b.c.d.e", hotsync.CodeTokenMalformed},
		"very many dots": {strings.Repeat(".", 10_000), hotsync.CodeTokenMalformed},
		"empty parts":    {"..", hotsync.CodeTokenMalformed},
		"padding": {parts(0, base64.URLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"1"}`))),
			hotsync.CodeTokenMalformed},
		"line break":         {good()[:10] + "\n" + good()[10:], hotsync.CodeTokenMalformed},
		"huge":               {claims("pad", strings.Repeat("x", 16<<10)), hotsync.CodeTokenMalformed},
		"header no JSON":     {parts(0, b64([]byte("nope"))), hotsync.CodeTokenMalformed},
		"header null":        {parts(0, b64([]byte("null"))), hotsync.CodeTokenMalformed},
		"header list":        {parts(0, b64([]byte("[]"))), hotsync.CodeTokenMalformed},
		"header with a tail": {parts(0, b64([]byte(`{"alg":"RS256"}{}`))), hotsync.CodeTokenMalformed},
		"header invalid UTF-8": {parts(0, b64([]byte("{\"alg\":\"RS256\",\"kid\":\"\xff\"}"))),
			hotsync.CodeTokenMalformed},
		"claims no JSON":            {parts(1, b64([]byte("nope"))), hotsync.CodeTokenMalformed},
		"deep nesting":              {parts(1, b64([]byte(strings.Repeat("[", 11_000)))), hotsync.CodeTokenMalformed},
		"kid number":                {header("kid", 1), hotsync.CodeTokenMalformed},
		"kid huge":                  {header("kid", strings.Repeat("k", 1025)), hotsync.CodeTokenMalformed},
		"kid as long as may be":     {header("kid", strings.Repeat("k", 1024)), hotsync.CodeTokenKeyUnknown},
		"subject as long as may be": {claims("sub", strings.Repeat("s", 255)), ""},
		"crit":                      {header("crit", []string{"b64"}, "b64", false), hotsync.CodeTokenMalformed},
		"b64":                       {header("b64", false), hotsync.CodeTokenMalformed},
		"compressed":                {header("zip", "DEF"), hotsync.CodeTokenMalformed},
		"nested":                    {header("cty", "JWT"), hotsync.CodeTokenMalformed},
		"nested media type":         {header("cty", "application/jwt"), hotsync.CodeTokenMalformed},
		"cty number":                {header("cty", 1), hotsync.CodeTokenMalformed},
		"no issuer":                 {claims("iss", nil), hotsync.CodeTokenMalformed},
		"issuer list":               {claims("iss", []string{issuerURL}), hotsync.CodeTokenMalformed},
		"no subject":                {claims("sub", nil), hotsync.CodeTokenMalformed},
		"empty subject":             {claims("sub", ""), hotsync.CodeTokenMalformed},
		"subject number":            {claims("sub", 7), hotsync.CodeTokenMalformed},
		"control characters in sub": {claims("sub", "a\nb"), hotsync.CodeBadRequest},
		"long subject":              {claims("sub", strings.Repeat("s", 256)), hotsync.CodeTokenMalformed},
		"no audience":               {claims("aud", nil), hotsync.CodeTokenMalformed},
		"audience number":           {claims("aud", 1), hotsync.CodeTokenMalformed},
		"audience mixed":            {claims("aud", []any{audience, 1}), hotsync.CodeTokenMalformed},
		"no exp":                    {claims("exp", nil), hotsync.CodeTokenMalformed},
		"exp text":                  {claims("exp", "9999999999"), hotsync.CodeTokenMalformed},
		"exp beyond the calendar":   {claims("exp", json.Number("1e300")), hotsync.CodeTokenMalformed},
		"exp negative":              {claims("exp", -1), hotsync.CodeTokenMalformed},
		"no iat":                    {claims("iat", nil), hotsync.CodeTokenMalformed},
		"iat at the beginning":      {claims("iat", 0), hotsync.CodeTokenExpired},
		"iat in its first second":   {claims("iat", json.Number("0.5")), hotsync.CodeTokenExpired},
		"nbf text":                  {claims("nbf", "soon"), hotsync.CodeTokenMalformed},
		"alg none":                  {sign(map[string]any{"alg": "none"}, goodClaims(at), nil), hotsync.CodeTokenAlgorithm},
		"alg None": {sign(map[string]any{"alg": "None", "kid": "k1"}, goodClaims(at), nil),
			hotsync.CodeTokenAlgorithm},
		"alg absent":     {header("alg", nil), hotsync.CodeTokenAlgorithm},
		"alg lower case": {header("alg", "rs256"), hotsync.CodeTokenAlgorithm},
		"alg RS1":        {header("alg", "RS1"), hotsync.CodeTokenAlgorithm},
		"HS256 with the public key": {sign(with(goodHeader(), "alg", "HS256"), goodClaims(at), publicPEM()),
			hotsync.CodeTokenAlgorithm},
		"HS256 with an oct key": {sign(map[string]any{"alg": "HS256", "kid": "oct"}, goodClaims(at), secret),
			hotsync.CodeTokenAlgorithm},
		"RS256 with an oct key": {sign(map[string]any{"alg": "RS256", "kid": "oct"}, goodClaims(at), secret),
			hotsync.CodeTokenKeyUnknown},
		"another alg than the key": {header("alg", "PS256"), hotsync.CodeTokenAlgorithm},
		"another kty than the alg": {sign(map[string]any{"alg": "RS256", "kid": "ec"}, goodClaims(at), rsaKey()),
			hotsync.CodeTokenAlgorithm},
		"encryption key": {sign(map[string]any{"alg": "RS256", "kid": "enc"}, goodClaims(at), rsaKey()),
			hotsync.CodeTokenKeyUnknown},
		"key only for encrypting": {sign(map[string]any{"alg": "RS256", "kid": "ops"}, goodClaims(at), rsaKey()),
			hotsync.CodeTokenKeyUnknown},
		"weak key": {sign(map[string]any{"alg": "RS256", "kid": "weak"}, goodClaims(at), rsaKey()),
			hotsync.CodeTokenKeyUnknown},
		"kid path":                  {header("kid", "../../../../dev/null"), hotsync.CodeTokenKeyUnknown},
		"kid SQL":                   {header("kid", "' UNION SELECT 'key"), hotsync.CodeTokenKeyUnknown},
		"kid address":               {header("kid", "https://attacker.example/keys"), hotsync.CodeTokenKeyUnknown},
		"kid of other case":         {header("kid", "K1"), hotsync.CodeTokenKeyUnknown},
		"foreign key under our kid": {sign(goodHeader(), goodClaims(at), otherKey()), hotsync.CodeTokenSignature},
		"own key in the header": {
			sign(with(goodHeader(), "jwk", rsaJWK("k1", &otherKey().PublicKey, nil), "jku", "https://attacker.example/keys",
				"x5u", "https://attacker.example/x5u", "x5c", []string{"MII"}), goodClaims(at), otherKey()),
			hotsync.CodeTokenSignature},
		"no signature":  {parts(2, ""), hotsync.CodeTokenSignature},
		"cut signature": {good()[:len(good())-2], hotsync.CodeTokenSignature},
		"changed claims": {parts(1, b64(must(json.Marshal(with(goodClaims(at), "accounts", "A9"))))),
			hotsync.CodeTokenSignature},
		"changed header":             {parts(0, b64([]byte(`{"alg":"RS256","kid":"k1"}`))), hotsync.CodeTokenSignature},
		"unknown issuer":             {claims("iss", "https://attacker.example"), hotsync.CodeTokenIssuer},
		"issuer with a slash":        {claims("iss", issuerURL+"/"), hotsync.CodeTokenIssuer},
		"issuer of other case":       {claims("iss", "https://Login.example.com"), hotsync.CodeTokenIssuer},
		"other audience":             {claims("aud", "another-app"), hotsync.CodeTokenAudience},
		"audience as a part":         {claims("aud", audience+"0"), hotsync.CodeTokenAudience},
		"empty audiences":            {claims("aud", []string{}), hotsync.CodeTokenAudience},
		"other authorized party":     {claims("azp", "another-app"), hotsync.CodeTokenAudience},
		"authorized party no text":   {claims("azp", []string{audience}), hotsync.CodeTokenAudience},
		"expired":                    {claims("exp", at.Add(-61*time.Second).Unix()), hotsync.CodeTokenExpired},
		"expired at the very second": {claims("exp", at.Add(-60*time.Second).Unix()), hotsync.CodeTokenExpired},
		"not yet valid":              {claims("nbf", at.Add(61*time.Second).Unix()), hotsync.CodeTokenNotYet},
		"issued in the future":       {claims("iat", at.Add(61*time.Second).Unix()), hotsync.CodeTokenNotYet},
		"access token":               {claims("token_use", "access"), hotsync.CodeTokenKind},
		"token_use list":             {claims("token_use", []string{"id"}), hotsync.CodeTokenKind},
		"RFC 9068 access token":      {header("typ", "at+jwt"), hotsync.CodeTokenKind},
		"typed as a media type":      {header("typ", "application/AT+JWT"), hotsync.CodeTokenKind},
		"logout token": {claims("events",
			map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}), hotsync.CodeTokenKind},
		"Keycloak access token": {claims("typ", "Bearer"), hotsync.CodeTokenKind},
		"within leeway": {claims("exp", at.Add(-59*time.Second).Unix(), "iat", at.Add(59*time.Second).Unix(),
			"nbf", at.Add(59*time.Second).Unix()), ""},
		"fractional times":  {claims("exp", json.Number("1772366400.25"), "iat", json.Number("1.7723664e9")), ""},
		"Keycloak ID token": {claims("typ", "ID"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := newProvider(
				rsaJWK("k1", &rsaKey().PublicKey, map[string]any{"alg": "RS256", "use": "sig"}),
				rsaJWK("enc", &rsaKey().PublicKey, map[string]any{"use": "enc"}),
				rsaJWK("ops", &rsaKey().PublicKey, map[string]any{"key_ops": []string{"encrypt"}}),
				rsaJWK("weak", &rsa.PublicKey{N: new(big.Int).Rsh(rsaKey().N, 1100), E: 65537}, nil),
				ecJWK("ec", &ecKey().PublicKey),
				map[string]any{"kty": "oct", "kid": "oct", "k": b64(secret)},
				map[string]any{"kty": "nonsense"},
			)
			got, err := verifier(p, func() time.Time { return at }).Verify(t.Context(), tc.raw, accept)
			if code(err) != tc.want {
				t.Fatalf("Verify = %v, want code %q", err, tc.want)
			}
			if err != nil && !cmp.Equal(got, oidc.Token{}) {
				t.Errorf("Verify gave %+v with an error", got)
			}
			for _, u := range p.requests {
				if !strings.HasPrefix(u, issuerURL+"/") {
					t.Errorf("the token led to a request to %s", u)
				}
			}
			switch tc.want {
			case hotsync.CodeTokenSignature, hotsync.CodeTokenKeyUnknown, "":
			case hotsync.CodeTokenAlgorithm: // may be known from the key only
			default:
				if p.count() > 0 {
					t.Errorf("a token refused with %s caused %d requests", tc.want, p.count())
				}
			}
		})
	}
}

// TestLongestToken: a token of 16 KB is read.
func TestLongestToken(t *testing.T) {
	t.Parallel()

	const longest = 16 << 10
	raw := ""
	for n := 11_000; len(raw) != longest && n < 13_000; n++ {
		// Base64 has no text of every length: the header makes up for it.
		header := with(goodHeader(), "x", strings.Repeat("x", n%4))
		raw = sign(header, with(goodClaims(at), "pad", strings.Repeat("x", n)), nil)
		raw += b64(make([]byte, 256))
	}
	if len(raw) != longest {
		t.Fatalf("no token of %d bytes", longest)
	}
	_, err := verifier(newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil)),
		func() time.Time { return at }).Verify(t.Context(), raw, accept)
	if code(err) != hotsync.CodeTokenSignature {
		t.Errorf("Verify = %v, want the signature looked at", err)
	}
}

// TestMalformedTokensAreSaid: whoever configured a provider to encrypt learns that.
func TestMalformedTokensAreSaid(t *testing.T) {
	t.Parallel()

	for raw, want := range map[string]string{"a.b.c.d.e": "encrypted", "a.b.c.d": "three parts",
		"a.b.c.d.e.f": "three parts",
		b64(must(json.Marshal(goodHeader()))) + "." + b64([]byte("nope")) + ".": "content is not a JSON object"} {
		_, err := verifier(newProvider(), func() time.Time { return at }).Verify(t.Context(), raw, accept)
		if code(err) != hotsync.CodeTokenMalformed || !strings.Contains(hotsync.AsError(err).Message, want) {
			t.Errorf("Verify(%q) = %v, want malformed and %q", raw, err, want)
		}
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
		v := verifier(p, time.Now)
		verify := func(kid string, key any) hotsync.Code {
			_, err := v.Verify(t.Context(), sign(map[string]any{"alg": "RS256", "kid": kid}, goodClaims(time.Now()), key),
				accept)
			return code(err)
		}
		expect := func(what string, got, want hotsync.Code, requests int) {
			t.Helper()
			if got != want || p.count() != requests {
				t.Errorf("%s: code %q after %d requests, want %q after %d", what, got, p.count(), want, requests)
			}
		}
		expect("first", verify("k1", rsaKey()), "", 2)
		expect("again", verify("k1", rsaKey()), "", 2)
		p.set(func(p *provider) { p.keys = append(p.keys, rsaJWK("k2", &otherKey().PublicKey, nil)) })
		expect("rotated", verify("k2", otherKey()), "", 3)
		expect("old key", verify("k1", rsaKey()), "", 3)

		// Unknown kids: three readings at once, then one in ten seconds.
		// What comes between is no worse than a token whose key is new: try again.
		for n := range 50 {
			want := hotsync.CodeTokenKeyUnknown
			if n >= 3 {
				want = hotsync.CodeJWKSUnavailable
			}
			expect("garbage", verify(fmt.Sprint("garbage", n), rsaKey()), want, min(4+n, 6))
		}
		time.Sleep(9 * time.Second)
		expect("too soon", verify("garbage", rsaKey()), hotsync.CodeJWKSUnavailable, 6)
		time.Sleep(time.Second)
		expect("after the interval", verify("garbage", rsaKey()), hotsync.CodeTokenKeyUnknown, 7)
		expect("known keys do not suffer", verify("k2", otherKey()), "", 7)

		// A key that is gone is used until the keys are an hour old.
		p.set(func(p *provider) { p.keys = p.keys[1:] })
		time.Sleep(50 * time.Minute)
		expect("withdrawn", verify("k1", rsaKey()), "", 7)
		time.Sleep(10 * time.Minute)
		expect("withdrawn an hour ago", verify("k1", rsaKey()), hotsync.CodeTokenKeyUnknown, 9)
	})
}

func TestIssuerDown(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
		v := verifier(p, time.Now)
		verify := func(kid string) hotsync.Code {
			_, err := v.Verify(t.Context(), sign(map[string]any{"alg": "RS256", "kid": kid}, goodClaims(time.Now()), rsaKey()),
				accept)
			return code(err)
		}
		p.set(func(p *provider) { p.respond = down })
		for range 5 {
			if got := verify("k1"); got != hotsync.CodeJWKSUnavailable {
				t.Fatalf("without keys: code %q, want %q", got, hotsync.CodeJWKSUnavailable)
			}
		}
		if p.count() != 1 {
			t.Errorf("%d requests to an issuer that is down, want 1", p.count())
		}
		p.set(func(p *provider) { p.respond = nil })
		time.Sleep(2 * time.Second)
		if got := verify("k1"); got != "" {
			t.Fatalf("after the issuer came back: code %q", got)
		}
		p.set(func(p *provider) { p.respond = down })
		time.Sleep(24 * time.Hour)
		if got := verify("k1"); got != "" {
			t.Errorf("old keys while the issuer is down: code %q, want them used", got)
		}
		if got := verify("k1"); got != "" {
			t.Errorf("old keys a moment after the issuer was found to be down: code %q, want them used", got)
		}
		time.Sleep(time.Minute)
		if got := verify("k2"); got != hotsync.CodeJWKSUnavailable {
			t.Errorf("unknown kid while the issuer is down: code %q, want %q", got, hotsync.CodeJWKSUnavailable)
		}
	})
}

// TestHungIssuer: many logins wait for one reading, and none longer than its own
// deadline or the reading's.
func TestHungIssuer(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newProvider()
		p.respond = func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done(); w.WriteHeader(http.StatusTeapot) }
		v := verifier(p, time.Now)
		start := time.Now()
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n+1)*time.Second)
				defer cancel()
				_, err := v.Verify(ctx, sign(goodHeader(), goodClaims(start), rsaKey()), accept)
				if code(err) != hotsync.CodeJWKSUnavailable {
					t.Errorf("Verify = %v, want code %s", err, hotsync.CodeJWKSUnavailable)
				}
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("Verify took %v", took)
				}
			})
		}
		wg.Wait()
		if p.count() != 1 {
			t.Errorf("%d requests for 20 logins at once, want 1", p.count())
		}
	})
}

func TestDiscoveryRefusals(t *testing.T) {
	t.Parallel()

	keys := map[string]any{"keys": []any{rsaJWK("k1", &rsaKey().PublicKey, nil)}}
	write := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) }
	}
	document := func(issuer, uri string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "well-known") {
				write(map[string]any{"issuer": issuer, "jwks_uri": uri})(w, r)
				return
			}
			write(keys)(w, r)
		}
	}
	for name, respond := range map[string]http.HandlerFunc{
		"another issuer":   document(issuerURL+"/", issuerURL+"/keys"),
		"plain http":       document(issuerURL, "http://login.example.com/keys"),
		"loopback":         document(issuerURL, "http://127.0.0.1/keys"),
		"file":             document(issuerURL, "file:///etc/passwd"),
		"no jwks_uri":      document(issuerURL, ""),
		"user in jwks_uri": document(issuerURL, "https://a:b@login.example.com/keys"),
		"no JSON":          func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://attacker.example/", http.StatusFound)
		},
		"404":          http.NotFound,
		"keys instead": write(keys),
		"too big":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) },
		"only unusable keys": func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "well-known") {
				document(issuerURL, issuerURL+"/keys")(w, r)
				return
			}
			write(map[string]any{"keys": []any{map[string]any{"kty": "oct", "k": "AAAA"}}})(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := newProvider()
			p.respond = respond
			_, err := verifier(p, func() time.Time { return at }).Verify(t.Context(),
				sign(goodHeader(), goodClaims(at), rsaKey()), accept)
			if code(err) != hotsync.CodeJWKSUnavailable {
				t.Errorf("Verify = %v, want code %s", err, hotsync.CodeJWKSUnavailable)
			}
			for _, u := range p.requests {
				if !strings.HasPrefix(u, issuerURL+"/") {
					t.Errorf("a request went to %s", u)
				}
			}
		})
	}
}

// TestLoopback runs over a real socket: an issuer on this computer may use
// plain http, as the local stack does, and a trailing slash in the issuer is
// left out of the discovery address.
func TestLoopback(t *testing.T) {
	t.Parallel()

	for _, path := range []string{"/direct", "/"} {
		var base string
		mux := http.NewServeMux()
		mux.HandleFunc(strings.TrimSuffix(path, "/")+"/.well-known/openid-configuration",
			func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]any{"issuer": base + path, "jwks_uri": base + "/keys"})
			})
		mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{rsaJWK("k1", &rsaKey().PublicKey, nil)}})
		})
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		base = server.URL
		raw := sign(goodHeader(), with(goodClaims(time.Now()), "iss", base+path), rsaKey())
		_, err := oidc.New(oidc.Config{}).Verify(t.Context(), raw,
			func(string) (oidc.Rules, bool) { return oidc.Rules{Audiences: []string{audience}}, true })
		if err != nil {
			t.Errorf("Verify with issuer %s = %v", base+path, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	p := newProvider(rsaJWK("k1", &rsaKey().PublicKey, nil))
	v := verifier(p, func() time.Time { return at })
	raw := sign(goodHeader(), goodClaims(at), rsaKey())
	for b.Loop() {
		_, err := v.Verify(b.Context(), raw, accept)
		if err != nil {
			b.Fatal(err)
		}
	}
}
