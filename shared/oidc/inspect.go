package oidc

import (
	"context"
	"net/http"
	"slices"

	"hotsync/shared/hotsync"
)

// Published is what an issuer publishes about itself.
type Published struct {
	Issuer     string   // as its discovery document has it; tokens verify only if it is exactly the issuer asked for
	Keys       int      // that can verify ID tokens
	Algorithms []string // that these keys are for, sorted
}

// Inspect reads a provider's discovery document and keys anew, for a check of the
// settings, with the patience that a login has. Every error has the code
// jwks_unavailable and says in its message which of the two is wrong; what was
// read before that is given with it. The client decides which addresses may be
// reached; its redirects are refused.
func Inspect(ctx context.Context, client *http.Client, name string, rules Rules) (p Published, err error) {
	defer hotsync.In(&err, "oidc.Inspect")

	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := source{name: name, discovery: rules.Discovery, http: &own}
	doc, err := s.document(ctx)
	p.Issuer = doc.Issuer
	if err != nil {
		return p, err
	}
	err = doc.check(s.address())
	if err != nil {
		return p, unavailable("The discovery document's jwks_uri is not an https address.", err)
	}
	keys, err := s.readKeys(ctx, doc.JWKSURI)
	if err != nil {
		return p, err
	}
	p.Keys = len(keys)
	for _, k := range keys {
		for _, a := range k.algorithms {
			p.Algorithms = append(p.Algorithms, a.String())
		}
	}
	slices.Sort(p.Algorithms)
	p.Algorithms = slices.Compact(p.Algorithms)
	return p, nil
}
