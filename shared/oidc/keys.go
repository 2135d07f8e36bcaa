package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
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

	minRSABits = 2048 // RFC 7518, 3.3
	maxRSABits = 8192
)

// issuer keeps the keys of one issuer.
type issuer struct {
	source
	now func() time.Time

	reading singleflight.Group

	mu      sync.Mutex
	jwksURI string
	foundAt time.Time // of jwksURI
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

// find returns the keys that a token with this kid and algorithm may be signed
// with: one, unless the issuer gave a kid to several. It reads the issuer's keys
// when there are none yet, when they are old, or when the kid is not among them.
func (i *issuer) find(ctx context.Context, kid string, alg jwa.SignatureAlgorithm) ([]key, error) {
	found, known, wait, retry := i.cached(kid)
	if !wait {
		if known && len(found) == 0 {
			// Whoever sends unknown keys decides when the next reading is, not what is
			// said of a token whose key may just be new.
			return nil, hotsync.Errorf(hotsync.CodeJWKSUnavailable,
				"The token's key is not known, and the identity provider was asked for its keys a moment ago.").
				After(retry)
		}
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
		return choose(found, known, alg) // old keys are better than a refused login
	}
	return nil, hotsync.Errorf(hotsync.CodeJWKSUnavailable, "The identity provider's keys could not be read.").
		Because(err)
}

// cached looks the kid up in what is known. read says that the issuer should,
// and may now, be asked; known that it has been asked at least once; retry when
// it may be asked again for a key that is not among those known.
func (i *issuer) cached(kid string) (found []key, known, read bool, retry time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	found, known = match(i.keys, kid), !i.readAt.IsZero()
	switch {
	case now.Before(i.retryAt):
		return found, known, false, i.retryAt.Sub(now)
	case !known, now.Sub(i.readAt) >= maxAge:
		return found, known, true, 0
	case len(found) > 0:
		return found, known, false, 0
	default:
		used := i.misses.Sub(now)
		return found, known, used <= (missBurst-1)*missInterval, used - (missBurst-1)*missInterval
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// match returns the keys with this kid. A token without a kid can only mean a key
// without one, or an issuer's only key (OpenID Connect Core 10.1).
func match(keys []key, kid string) []key {
	var out []key
	for _, k := range keys {
		if k.id == kid {
			out = append(out, k)
		}
	}
	if len(out) == 0 && kid == "" && len(keys) == 1 {
		return keys
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
		return nil, hotsync.Errorf(
			hotsync.CodeJWKSUnavailable,
			"The identity provider's keys could not be read a moment ago.",
		)
	}
}

// read fetches the discovery document, unless it is known, and the keys. The
// other callers wait for it, so it goes on when its own caller has gone. What was
// found is kept when the keys cannot be read: a slow issuer gets on with every
// try.
func (i *issuer) read(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while reading keys: %v", p) // would end the process: no caller is above
		}
		if err != nil {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.retryAt = i.now().Add(failurePause)
		}
	}()

	i.mu.Lock()
	uri := i.jwksURI
	if i.now().Sub(i.foundAt) >= maxAge {
		uri = ""
	}
	i.mu.Unlock()
	if uri == "" {
		doc, err := i.discover(ctx)
		if err != nil {
			return err
		}
		uri = doc.JWKSURI
		i.mu.Lock()
		i.jwksURI, i.foundAt = uri, i.now()
		i.mu.Unlock()
	}
	keys, err := i.readKeys(ctx, uri)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.readAt, i.retryAt = keys, i.now(), time.Time{}
	return nil
}

// parseKeys reads a JWK set. A key that cannot verify ID tokens is left out.
func parseKeys(body []byte) ([]key, error) {
	set, err := jwk.Parse(withoutBOM(body), jwk.WithIgnoreParseError(true))
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

// usableFor returns the algorithms a public key can be used for, none for keys of
// another kind: symmetric, private, weak or on another curve.
func usableFor(public any) []jwa.SignatureAlgorithm {
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits >= minRSABits && bits <= maxRSABits {
			return []jwa.SignatureAlgorithm{jwa.RS256, jwa.RS384, jwa.RS512, jwa.PS256, jwa.PS384, jwa.PS512}
		}
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256():
			return []jwa.SignatureAlgorithm{jwa.ES256}
		case elliptic.P384():
			return []jwa.SignatureAlgorithm{jwa.ES384}
		case elliptic.P521():
			return []jwa.SignatureAlgorithm{jwa.ES512}
		}
	case ed25519.PublicKey:
		return []jwa.SignatureAlgorithm{jwa.EdDSA}
	}
	return nil
}
