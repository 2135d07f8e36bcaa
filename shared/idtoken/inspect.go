package idtoken

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"hotsync/shared/hotsync"
)

// Published is what an issuer publishes about itself.
type Published struct {
	Issuer     string   // as its discovery document has it; tokens verify only if it is exactly the issuer asked for
	Keys       int      // that can verify ID tokens
	Algorithms []string // that these keys are for, sorted
}

// Inspect reads an issuer's discovery document and keys anew, for a check of the
// settings. Every error has the code jwks_unavailable and says in its message
// which of the two is wrong; what was read before that is given with it.
// The client decides which addresses may be reached; its redirects are refused.
func Inspect(ctx context.Context, client *http.Client, name string) (p Published, err error) {
	defer hotsync.In(&err, "idtoken.Inspect")

	ctx, cancel := context.WithTimeout(ctx, 2*readTimeout)
	defer cancel()
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	i := &issuer{name: name, http: &own, now: time.Now}

	loopback, err := checkAddress(name, true)
	if err != nil {
		return p, unavailable("The issuer must be an https address.", err)
	}
	body, err := i.get(ctx, strings.TrimSuffix(name, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return p, unavailable("The issuer's discovery document could not be read.", err)
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	err = json.Unmarshal(body, &doc)
	if err != nil {
		return p, unavailable("The issuer's discovery document is not JSON.", nil) // the cause would quote it
	}
	p.Issuer = doc.Issuer
	_, err = checkAddress(doc.JWKSURI, loopback)
	if err != nil {
		return p, unavailable("The discovery document's jwks_uri is not an https address.", err)
	}
	body, err = i.get(ctx, doc.JWKSURI)
	if err != nil {
		return p, unavailable("The issuer's keys (JWKS) could not be read.", err)
	}
	keys, err := parseKeys(body)
	if err != nil {
		return p, unavailable("The issuer's JWKS holds no key that can verify ID tokens signed with RS256, PS256 or ES256.", err)
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

func unavailable(sentence string, cause error) error {
	return hotsync.Errorf(hotsync.CodeJWKSUnavailable, "%s", sentence).Because(cause)
}
