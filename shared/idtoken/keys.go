package idtoken

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"golang.org/x/sync/singleflight"

	"hotsync/shared/hotsync"
)

// How often an issuer is asked for its keys. Tokens choose the kid, so whoever
// can send a token could otherwise make any number of requests.
const (
	maxAge       = time.Hour        // keys older than this are read again, and still used while that fails
	missInterval = 10 * time.Second // an unknown kid leads to a reading once in so long on average, …
	missBurst    = 3                // … and so many times at once, so that one stray token does not delay a key rotation
	failurePause = 2 * time.Second  // after a reading that failed

	readTimeout = 2 * time.Second // for the discovery document and the keys together
	maxDocument = 256 << 10
	minRSABits  = 2048 // RFC 7518, 3.3
	maxRSABits  = 8192
)

// issuer keeps the keys of one issuer.
type issuer struct {
	name string
	http *http.Client
	now  func() time.Time

	reading singleflight.Group

	mu      sync.Mutex
	jwksURI string
	keys    []key
	readAt  time.Time // of keys; zero before the first reading that succeeded
	retryAt time.Time // no reading before this time, because the last one failed
	misses  time.Time // the time until which misses have used up their interval (GCRA)
}

// key is a public key, with the algorithms it may be used for.
type key struct {
	id         string
	algorithms []jwa.SignatureAlgorithm
	public     any
}

func (k key) verify(alg jwa.SignatureAlgorithm, signed, signature []byte) error {
	v, err := jws.NewVerifier(alg)
	if err != nil {
		return err
	}
	return v.Verify(signed, signature, k.public)
}

// find gives the keys that a token with this kid and algorithm may be signed
// with: one, unless the issuer gave a kid to several. It reads the issuer's keys
// when there are none yet, when they are old, or when the kid is not among them.
func (i *issuer) find(ctx context.Context, kid string, alg jwa.SignatureAlgorithm) ([]key, error) {
	found, known, wait := i.cached(kid)
	if !wait {
		return choose(found, known, alg)
	}
	done := i.reading.DoChan("", func() (any, error) { return nil, i.read(context.WithoutCancel(ctx)) })
	var err error
	select {
	case r := <-done:
		err = r.Err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		found = match(i.keys, kid)
		if len(found) == 0 {
			i.misses = later(i.misses, i.now()).Add(missInterval)
		}
		return choose(found, true, alg)
	}
	if len(found) > 0 {
		return choose(found, true, alg) // old keys are better than a refused login
	}
	return nil, hotsync.Errorf(hotsync.CodeJWKSUnavailable, "The identity provider's keys could not be read.").Because(err)
}

// cached looks the kid up in what is known. read says that the issuer should,
// and may now, be asked; known that it has been asked at least once.
func (i *issuer) cached(kid string) (found []key, known, read bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	found, known = match(i.keys, kid), !i.readAt.IsZero()
	switch {
	case now.Before(i.retryAt):
		return found, known, false
	case !known, now.Sub(i.readAt) >= maxAge:
		return found, known, true
	case len(found) > 0:
		return found, known, false
	default:
		return found, known, i.misses.Sub(now) <= (missBurst-1)*missInterval
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// match gives the keys with this kid. A token without a kid can only mean an
// issuer's only key (OpenID Connect Core 10.1).
func match(keys []key, kid string) []key {
	if kid == "" {
		if len(keys) == 1 {
			return keys
		}
		return nil
	}
	var out []key
	for _, k := range keys {
		if k.id == kid {
			out = append(out, k)
		}
	}
	return out
}

func choose(found []key, known bool, alg jwa.SignatureAlgorithm) ([]key, error) {
	var fit []key
	for _, k := range found {
		if slices.Contains(k.algorithms, alg) {
			fit = append(fit, k)
		}
	}
	switch {
	case len(fit) > 0:
		return fit, nil
	case len(found) > 0:
		return nil, hotsync.Errorf(hotsync.CodeTokenAlgorithm, "The token's algorithm is not the one of its key.")
	case known:
		return nil, hotsync.Errorf(hotsync.CodeTokenKeyUnknown, "The token's key is not among the issuer's.")
	default:
		return nil, hotsync.Errorf(hotsync.CodeJWKSUnavailable, "The identity provider's keys could not be read a moment ago.")
	}
}

// read fetches the discovery document, unless it is known, and the keys. The
// other callers wait for it, so it goes on when its own caller has gone.
func (i *issuer) read(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while reading keys: %v", p) // would end the process: no caller is above
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		if err != nil {
			i.retryAt, i.jwksURI = i.now().Add(failurePause), ""
		}
	}()

	i.mu.Lock()
	uri := i.jwksURI
	if i.now().Sub(i.readAt) >= maxAge {
		uri = ""
	}
	i.mu.Unlock()
	if uri == "" {
		uri, err = i.discover(ctx)
		if err != nil {
			return err
		}
	}
	body, err := i.get(ctx, uri)
	if err != nil {
		return err
	}
	keys, err := parseKeys(body)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.jwksURI, i.keys, i.readAt, i.retryAt = uri, keys, i.now(), time.Time{}
	return nil
}

// discover finds where the issuer publishes its keys:
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (i *issuer) discover(ctx context.Context) (string, error) {
	loopback, err := checkAddress(i.name, true)
	if err != nil {
		return "", fmt.Errorf("issuer: %w", err)
	}
	body, err := i.get(ctx, strings.TrimSuffix(i.name, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return "", errors.New("the discovery document is not JSON")
	}
	if doc.Issuer != i.name {
		return "", errors.New("the discovery document is of another issuer")
	}
	_, err = checkAddress(doc.JWKSURI, loopback)
	if err != nil {
		return "", fmt.Errorf("jwks_uri: %w", err)
	}
	return doc.JWKSURI, nil
}

// checkAddress requires https, or plain http on this computer if allowed.
func checkAddress(address string, allowLoopback bool) (loopback bool, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false, errors.New("not a plain address")
	}
	ip := net.ParseIP(u.Hostname())
	loopback = u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case u.Scheme == "https":
		return loopback, nil
	case u.Scheme == "http" && loopback && allowLoopback:
		return true, nil
	default:
		return false, errors.New("not an https address")
	}
}

func (i *issuer) get(ctx context.Context, address string) (_ []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := i.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", address, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxDocument {
		return nil, fmt.Errorf("%s answered more than %d bytes", address, maxDocument)
	}
	return body, nil
}

// parseKeys reads a JWK set. A key that cannot verify ID tokens is left out.
func parseKeys(body []byte) ([]key, error) {
	set, err := jwk.Parse(body, jwk.WithIgnoreParseError(true))
	if err != nil {
		return nil, errors.New("the keys are not a JWK set") // jwx's text may quote the document
	}
	var out []key
	for n := range set.Len() {
		k, ok := set.Key(n)
		if !ok || k.KeyUsage() != "" && k.KeyUsage() != string(jwk.ForSignature) ||
			len(k.KeyOps()) > 0 && !slices.Contains(k.KeyOps(), jwk.KeyOpVerify) {
			continue
		}
		var public any
		if k.Raw(&public) != nil {
			continue
		}
		usable := usableFor(public)
		if own := k.Algorithm().String(); own != "" {
			usable = slices.DeleteFunc(usable, func(a jwa.SignatureAlgorithm) bool { return a.String() != own })
		}
		if len(usable) > 0 {
			out = append(out, key{id: k.KeyID(), algorithms: usable, public: public})
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the JWK set has no key that can verify ID tokens")
	}
	return out, nil
}

// usableFor gives the algorithms a public key can be used for, none for keys of
// another kind: symmetric, private, weak or on another curve.
func usableFor(public any) []jwa.SignatureAlgorithm {
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits >= minRSABits && bits <= maxRSABits {
			return []jwa.SignatureAlgorithm{jwa.RS256, jwa.PS256}
		}
	case *ecdsa.PublicKey:
		if p.Curve == elliptic.P256() {
			return []jwa.SignatureAlgorithm{jwa.ES256}
		}
	}
	return nil
}
