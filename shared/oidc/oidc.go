// Package oidc reads what OpenID Connect providers publish and verifies their ID
// tokens: one discovery, one set of keys and one rule book, for the front door,
// the console's sign-in and the check of the settings. It is the only package that
// knows jwx, so that another major version, or another library, is a change in
// here.
//
// The rules are those of OpenID Connect Core 3.1.3.7
// (https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation) and
// of RFC 8725, JSON Web Token Best Current Practices. A token is taken apart
// once, by this package; jwx reads the issuer's keys and checks the signature
// over exactly those bytes. Nothing in a token leads anywhere: the headers jku,
// x5u, jwk and x5c are not looked at.
package oidc

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

// Accept says whether tokens of an issuer are taken, and by which rules. It is
// asked before anything is read from the network.
type Accept func(issuer string) (Rules, bool)

// Rules are what a provider's tokens are held to.
type Rules struct {
	Audiences  []string // client ids, of which the token's aud has to have one
	Algorithms []string // that it may be signed with; none for every one that is safe
	Issuers    []string // further names that the provider's discovery document may have for itself
	Discovery  string   // address of that document; "" where it is below the issuer

	// Scope makes the rules those of an access token, which a system sends and not a
	// person: it has to carry the scope.
	Scope string
}

// RulesOf returns the rules of a configured provider.
func RulesOf(p hotsync.Provider) Rules {
	return Rules{
		Audiences:  p.Audiences,
		Algorithms: p.Algorithms,
		Issuers:    append([]string{p.Issuer}, p.Issuers...),
		Discovery:  p.Discovery,
	}
}

// Accepting takes the tokens of the configured providers.
func Accepting(s hotsync.Settings) Accept {
	return func(issuer string) (Rules, bool) {
		p, ok := s.Provider(issuer)
		return RulesOf(p), ok
	}
}

// AcceptingSystems takes the access tokens by which systems of the configured
// providers may sync accounts.
func AcceptingSystems(s hotsync.Settings) Accept {
	return func(issuer string) (Rules, bool) {
		p, ok := s.Provider(issuer)
		rules := RulesOf(p)
		rules.Audiences, rules.Scope = p.SyncAudiences, p.SyncScope
		return rules, ok && p.SyncScope != ""
	}
}

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

// maxLife bounds the age of a token and what it has yet to live. Providers let an
// ID token live for minutes to a day, Auth0 for thirty days at most: what claims
// more was not made for a login of today.
const maxLife = 31 * 24 * time.Hour

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
// hotsync.CodeToken… codes; forbidden for a token without the scope; bad_request for a sub that can name nobody; or
// hotsync.CodeJWKSUnavailable when the issuer's keys could not be read, so that
// nothing can be said about the token.
//
// The signature is checked last: a token that could not be accepted anyway does
// not cause a request to the issuer.
func (v *Verifier) Verify(ctx context.Context, raw string, accept Accept) (_ Token, err error) {
	defer hotsync.In(&err, "oidc.Verify")

	u, err := parse(raw)
	if err != nil {
		return Token{}, err
	}
	rules, ok := accept(u.Issuer)
	if !ok {
		return Token{}, hotsync.Errorf(
			hotsync.CodeTokenIssuer,
			"The token's issuer is not a configured identity provider.",
		)
	}
	err = rules.check(u, v.now())
	if err != nil {
		return Token{}, err
	}
	keys, err := v.issuer(u.Issuer, rules).find(ctx, u.kid, u.alg)
	if err != nil {
		return Token{}, err
	}
	for _, k := range keys {
		if k.verify(u.alg, u.signed, u.signature) == nil {
			return u.Token, nil
		}
	}
	return Token{}, hotsync.Errorf(
		hotsync.CodeTokenSignature,
		"The token's signature does not fit its content and the issuer's key.",
	)
}

// check holds a token against the rules and the clock.
func (r Rules) check(u unverified, now time.Time) error {
	azp, hasParty := u.Claims["azp"]
	party, _ := azp.(string)
	foreign := func(audience string) bool { return !slices.Contains(r.Audiences, audience) }
	if r.Scope != "" {
		return r.checkAccess(u, now)
	}
	switch {
	case !u.isIDToken():
		return hotsync.Errorf(hotsync.CodeTokenKind, "The token is not an ID token.")
	case len(r.Algorithms) > 0 && !slices.Contains(r.Algorithms, u.alg.String()):
		return hotsync.Errorf(
			hotsync.CodeTokenAlgorithm,
			"The token's algorithm is not one that its provider is configured with.",
		)
	case !slices.ContainsFunc(u.Audience, func(a string) bool { return !foreign(a) }):
		return hotsync.Errorf(hotsync.CodeTokenAudience, "The token was issued for another application (aud).")
	case hasParty && foreign(party):
		return hotsync.Errorf(hotsync.CodeTokenAudience, "The token was issued to another application (azp).")
	case !hasParty && slices.ContainsFunc(u.Audience, foreign):
		return hotsync.Errorf(
			hotsync.CodeTokenAudience,
			"The token is for several applications and does not say which one it was issued to (azp).",
		)
	}
	return u.checkTimes(now)
}

// checkTimes holds a token against the clock.
func (u unverified) checkTimes(now time.Time) error {
	switch {
	case !now.Before(u.ExpiresAt.Add(leeway)):
		return hotsync.Errorf(hotsync.CodeTokenExpired, "The token has expired.")
	case now.Add(leeway).Before(u.notBefore):
		return hotsync.Errorf(hotsync.CodeTokenNotYet, "The token is not valid yet (nbf).")
	case now.Add(leeway).Before(u.IssuedAt):
		return hotsync.Errorf(hotsync.CodeTokenNotYet, "The token was issued in the future (iat).")
	}
	return u.CheckAge(now)
}

// CheckAge refuses a token that was made too long ago, or is to live for too long
// yet. Times that are not known are zero and not looked at.
func (t Token) CheckAge(now time.Time) error {
	switch {
	case !t.IssuedAt.IsZero() && now.Sub(t.IssuedAt) > maxLife:
		return hotsync.Errorf(hotsync.CodeTokenExpired, "The token was issued more than 31 days ago (iat).")
	case !t.ExpiresAt.IsZero() && t.ExpiresAt.Sub(now) > maxLife:
		return hotsync.Errorf(hotsync.CodeTokenMalformed, "The token would be valid for more than 31 days yet (exp).")
	}
	return nil
}

// checkAccess holds an access token against the rules and the clock (RFC 9068, 4).
// Cognito's have no aud, but the id of the client that they were issued to.
func (r Rules) checkAccess(u unverified, now time.Time) error {
	audiences := u.Audience
	if client, _ := u.Claims["client_id"].(string); len(audiences) == 0 && client != "" {
		audiences = []string{client}
	}
	own := func(audience string) bool { return slices.Contains(r.Audiences, audience) }
	use, hasUse := u.Claims["token_use"]
	_, isAnswer := u.Claims["nonce"]
	switch {
	case hasUse && use != "access", isAnswer:
		return hotsync.Errorf(hotsync.CodeTokenKind, "The token is not an access token.")
	case len(r.Algorithms) > 0 && !slices.Contains(r.Algorithms, u.alg.String()):
		return hotsync.Errorf(
			hotsync.CodeTokenAlgorithm,
			"The token's algorithm is not one that its provider is configured with.",
		)
	case !slices.ContainsFunc(audiences, own):
		return hotsync.Errorf(hotsync.CodeTokenAudience, "The token was issued for another API (aud).")
	case !slices.Contains(u.scopes(), r.Scope):
		return hotsync.Errorf(
			hotsync.CodeForbidden,
			"The token does not carry the scope that the settings ask of systems.",
		)
	}
	return u.checkTimes(now)
}

// scopes are what an access token allows: scope by RFC 9068, scp of Okta and Entra,
// and roles, which is where Entra has what an application was granted.
func (u unverified) scopes() (all []string) {
	for _, name := range []string{"scope", "scp", "roles"} {
		switch v := u.Claims[name].(type) {
		case string:
			all = append(all, strings.Fields(v)...)
		case []any:
			for _, x := range v {
				if s, ok := x.(string); ok {
					all = append(all, s)
				}
			}
		}
	}
	return all
}

// issuer returns the keys of an issuer, which are known by where they are read
// from, too: a changed discovery address begins anew.
func (v *Verifier) issuer(name string, rules Rules) *issuer {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := name + " " + rules.Discovery
	i, ok := v.issuers[at]
	if !ok {
		i = &issuer{
			source: source{
				name:      name,
				names:     append([]string{name}, rules.Issuers...),
				discovery: rules.Discovery,
				http:      v.http,
			},
			now: v.now,
		}
		v.issuers[at] = i
	}
	return i
}
