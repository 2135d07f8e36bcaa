// Package idtoken verifies OpenID Connect ID tokens. It is the only package
// that knows jwx, so that another major version, or another library, is a change
// in here.
//
// The rules are those of OpenID Connect Core 3.1.3.7
// (https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation) and
// of RFC 8725, JSON Web Token Best Current Practices. A token is taken apart
// once, by this package; jwx reads the issuer's keys and checks the signature
// over exactly those bytes. Nothing in a token leads anywhere: the headers jku,
// x5u, jwk and x5c are not looked at.
package idtoken

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

// Accept says whether tokens of an issuer are taken, and for which audiences
// (client ids). It is asked before anything is read from the network.
type Accept func(issuer string) (audiences []string, ok bool)

// Token is what a verified ID token says.
type Token struct {
	Issuer    string
	Subject   string
	Audience  []string
	Email     string         // "" where the token has none; see the claim email_verified
	Claims    map[string]any // every claim; numbers are json.Number
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// leeway is by how much clocks may differ.
const leeway = time.Minute

// Config makes a Verifier. The zero value is ready for use.
type Config struct {
	HTTP *http.Client     // its redirects are refused; nil for a plain one
	Now  func() time.Time // nil for time.Now
}

// Verifier verifies ID tokens with the keys their issuers publish. It is safe
// for concurrent use and is meant to live as long as the process, since it keeps
// the keys.
type Verifier struct {
	http *http.Client
	now  func() time.Time

	mu      sync.Mutex
	issuers map[string]*issuer
}

// New makes a Verifier. It does not touch the network.
func New(c Config) *Verifier {
	v := &Verifier{now: c.Now, issuers: map[string]*issuer{}}
	if v.now == nil {
		v.now = time.Now
	}
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	v.http = &client
	return v
}

// Verify checks raw and gives what it says. Every error has one of the
// hotsync.CodeToken… codes, or hotsync.CodeJWKSUnavailable when the issuer's keys
// could not be read, so that nothing can be said about the token.
//
// The signature is checked last: a token that could not be accepted anyway does
// not cause a request to the issuer.
func (v *Verifier) Verify(ctx context.Context, raw string, accept Accept) (_ Token, err error) {
	defer hotsync.In(&err, "idtoken.Verify")

	u, err := parse(raw)
	if err != nil {
		return Token{}, err
	}
	audiences, ok := accept(u.Issuer)
	if !ok {
		return Token{}, hotsync.Errorf(hotsync.CodeTokenIssuer, "The token's issuer is not a configured identity provider.")
	}
	err = v.check(u, audiences)
	if err != nil {
		return Token{}, err
	}
	keys, err := v.issuer(u.Issuer).find(ctx, u.kid, u.alg)
	if err != nil {
		return Token{}, err
	}
	for _, k := range keys {
		if k.verify(u.alg, u.signed, u.signature) == nil {
			return u.Token, nil
		}
	}
	return Token{}, hotsync.Errorf(hotsync.CodeTokenSignature, "The token's signature does not fit its content and the issuer's key.")
}

// check holds the claims against what the caller accepts and the clock.
func (v *Verifier) check(u unverified, audiences []string) error {
	now := v.now()
	azp, hasParty := u.Claims["azp"]
	party, _ := azp.(string)
	switch {
	case !u.isIDToken():
		return hotsync.Errorf(hotsync.CodeTokenKind, "The token is not an ID token.")
	case !slices.ContainsFunc(u.Audience, func(a string) bool { return slices.Contains(audiences, a) }):
		return hotsync.Errorf(hotsync.CodeTokenAudience, "The token was issued for another application (aud).")
	case hasParty && !slices.Contains(audiences, party):
		return hotsync.Errorf(hotsync.CodeTokenAudience, "The token was issued to another application (azp).")
	case !now.Before(u.ExpiresAt.Add(leeway)):
		return hotsync.Errorf(hotsync.CodeTokenExpired, "The token has expired.")
	case now.Add(leeway).Before(u.notBefore):
		return hotsync.Errorf(hotsync.CodeTokenNotYet, "The token is not valid yet (nbf).")
	case now.Add(leeway).Before(u.IssuedAt):
		return hotsync.Errorf(hotsync.CodeTokenNotYet, "The token was issued in the future (iat).")
	}
	return nil
}

func (v *Verifier) issuer(name string) *issuer {
	v.mu.Lock()
	defer v.mu.Unlock()
	i, ok := v.issuers[name]
	if !ok {
		i = &issuer{name: name, http: v.http, now: v.now}
		v.issuers[name] = i
	}
	return i
}
