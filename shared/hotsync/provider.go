package hotsync

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Provider is an identity provider whose logins hotsync acts on.
type Provider struct {
	Name    string   `json:"name"`
	Issuer  string   `json:"issuer"`            // exactly the iss of its tokens
	Issuers []string `json:"issuers,omitempty"` // further values of iss that it signs tokens with
	// where its discovery document is, if not below the issuer; Azure B2C has one for each user flow
	Discovery string   `json:"discovery,omitempty"`
	Audiences []string `json:"audiences"` // client ids accepted as aud; a Cognito trigger carries none
	// that its tokens may be signed with; none for every one in SignatureAlgorithms
	Algorithms []string `json:"algorithms,omitempty"`

	// UserPool is the id of the Cognito user pool whose triggers are logins of this
	// provider. An event of a trigger names no issuer, and a pool may have one of
	// several
	// (https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html),
	// so Issuer says which.
	UserPool string          `json:"userPool,omitempty"`
	Claims   []IdentityClaim `json:"claims"`

	// SyncScope lets systems sync accounts by POST /sync: an access token of this
	// provider has to carry the scope, and be for one of SyncAudiences. Empty: no
	// system may.
	SyncScope     string   `json:"syncScope,omitempty"`
	SyncAudiences []string `json:"syncAudiences,omitempty"`
}

// SignatureAlgorithms are those that ID tokens may be signed with. All are
// asymmetric, so that a public key can never be taken for a shared secret.
var SignatureAlgorithms = []string{
	"RS256",
	"RS384",
	"RS512",
	"PS256",
	"PS384",
	"PS512",
	"ES256",
	"ES384",
	"ES512",
	"EdDSA",
}

// accepts reports whether the provider's tokens may have that iss. Issuers are
// compared exactly, as OpenID Connect Core 3.1.3.7 wants.
func (p Provider) accepts(issuer string) bool {
	return issuer != "" && (p.Issuer == issuer || slices.Contains(p.Issuers, issuer))
}

// Provider finds the provider of an issuer; ok is false when none is configured.
func (s Settings) Provider(issuer string) (_ Provider, ok bool) {
	for _, p := range s.Providers {
		if p.accepts(issuer) {
			return p, true
		}
	}
	return Provider{}, false
}

// PoolProvider finds the provider that the triggers of a Cognito user pool belong
// to: the one that names the pool, or else the one that has an issuer of the
// pool's. Settings older than Provider.UserPool have only the latter.
func (s Settings) PoolProvider(region, pool string) (_ Provider, ok bool) {
	if pool == "" {
		return Provider{}, false
	}
	for _, p := range s.Providers {
		if p.UserPool == pool {
			return p, true
		}
	}
	for _, p := range s.Providers {
		for _, issuer := range append([]string{p.Issuer}, p.Issuers...) {
			of, ok := userPoolOf(issuer)
			if ok && p.UserPool == "" && of == (userPoolName{region, pool}) {
				return p, true
			}
		}
	}
	return Provider{}, false
}

// userPool tells the issuers of Cognito user pools: the classic one and the one
// that AWS recommends since, each with the suffix of China's regions.
var userPool = regexp.MustCompile(`^https://(?:issuer-)?cognito-idp\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([\w-]+)$`)

type userPoolName struct{ region, pool string }

func userPoolOf(issuer string) (userPoolName, bool) {
	m := userPool.FindStringSubmatch(issuer)
	if m == nil {
		return userPoolName{}, false
	}
	return userPoolName{m[1], m[2]}, true
}

// poolID is the form of a user pool's id; emulators have ids of their own making.
var poolID = regexp.MustCompile(`^[\w-]{1,55}$`)

// UserPoolIssuer is the classic issuer of a Cognito user pool. Which one a pool
// really has is for its provider to say.
func UserPoolIssuer(region, pool string) string {
	suffix := ""
	if strings.HasPrefix(region, "cn-") {
		suffix = ".cn"
	}
	return "https://cognito-idp." + region + ".amazonaws.com" + suffix + "/" + pool
}

// validateProviders finds what is wrong or suspicious about the providers.
func validateProviders(providers []Provider, fail, warn func(path, format string, args ...any)) {
	issuers, names, pools := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, p := range providers {
		path := fmt.Sprintf("providers[%d]", i)
		if strings.TrimSpace(p.Name) == "" {
			fail(path+".name", "Give the provider a name.")
		} else if names[p.Name] {
			fail(path+".name", "The name %q is taken by another provider.", p.Name)
		}
		names[p.Name] = true
		for j, issuer := range append([]string{p.Issuer}, p.Issuers...) {
			path := path + ".issuer"
			if j > 0 {
				path = fmt.Sprintf("%ss[%d]", path, j-1)
			}
			if issuers[issuer] {
				fail(path, "This issuer is configured twice.")
			}
			issuers[issuer] = true
			if problem := issuerProblem(issuer); problem != "" {
				fail(path, "%s", problem)
			} else if doubt := issuerDoubt(issuer, p.Discovery); doubt != "" {
				warn(path, "%s", doubt)
			}
		}
		validateVerification(path, p, fail, warn)
		if p.UserPool != "" && pools[p.UserPool] {
			fail(path+".userPool", "This user pool is configured twice.")
		}
		pools[p.UserPool] = true
		validateClaims(path, p, fail, warn)
	}
	doubtIdentities(providers, warn)
}

// doubtIdentities says where a claim may not tell who somebody is: where two
// providers are trusted with one Zuora field, and where customers may write the
// claim themselves.
func doubtIdentities(providers []Provider, warn func(path, format string, args ...any)) {
	for i, p := range providers {
		for j, c := range p.Claims {
			path := fmt.Sprintf("providers[%d].claims[%d]", i, j)
			if !c.NamesZuoraAccount() {
				continue
			}
			for k, other := range providers {
				if c.AccountLookup && k != i && slices.ContainsFunc(other.Claims, func(o IdentityClaim) bool {
					return o.NamesZuoraAccount() && o.AccountLookup && o.AccountLookupField == c.AccountLookupField
				}) {
					warn(
						path+".accountLookupField",
						"%q looks up in this field, too: whoever gets somebody else's value at one of the two sees that "+
							"customer's account. Give each provider a field of its own, unless the same people have the same values at both.",
						other.Name,
					)
				}
			}
			if p.isUserPool() && isWritable(c.Claim) {
				warn(
					path+".claim",
					"Customers of a user pool can write this attribute themselves, and so name any account, "+
						"unless it is read-only for every app client of the pool.",
				)
			}
		}
	}
}

func (p Provider) isUserPool() bool { return p.UserPool != "" || isUserPool(p.Issuer) }

// isWritable reports whether a claim of a Cognito user pool is an attribute that an
// app client may let its users write. What Cognito itself says of a user is none, and
// an address counts only when the pool has verified it:
// https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
func isWritable(claim string) bool {
	switch claim {
	case "sub", "username", "email", "phone_number":
		return false
	}
	return !strings.HasPrefix(claim, "cognito:")
}

// validateVerification looks at what tokens are verified by.
func validateVerification(path string, p Provider, fail, warn func(path, format string, args ...any)) {
	of, isPool := userPoolOf(p.Issuer)
	if len(p.Audiences) == 0 && !isPool && p.UserPool == "" {
		fail(
			path+".audiences",
			"Name at least one client id (aud): without it a token issued for another application would count as a login.",
		)
	}
	for j, a := range p.Audiences {
		if strings.TrimSpace(a) == "" {
			fail(fmt.Sprintf("%s.audiences[%d]", path, j), "Remove the empty client id.")
		}
	}
	for j, a := range p.Algorithms {
		if !slices.Contains(SignatureAlgorithms, a) {
			fail(
				fmt.Sprintf("%s.algorithms[%d]", path, j),
				"%q is not one of %s.",
				a,
				strings.Join(SignatureAlgorithms, ", "),
			)
		}
	}
	switch {
	case p.Discovery == "":
	case webAddressProblem(p.Discovery) != "":
		fail(path+".discovery", "The discovery document must be at an https address.")
	case !strings.Contains(p.Discovery, wellKnown):
		warn(path+".discovery", "A discovery document is usually at an address with %s in it.", wellKnown)
	}
	switch {
	case p.SyncScope == "" && len(p.SyncAudiences) == 0:
	case !scopeToken.MatchString(p.SyncScope):
		fail(path+".syncScope", "Give one scope, such as hotsync:sync: printable characters without blanks.")
	case len(p.SyncAudiences) == 0:
		fail(
			path+".syncAudiences",
			"Name at least one audience (aud) of the access tokens: the API that they are for, or with Cognito the client id.",
		)
	}
	switch {
	case p.UserPool == "":
	case !poolID.MatchString(p.UserPool):
		fail(path+".userPool", "Give the id of the user pool, such as eu-west-1_AbCdEfGhI.")
	case isPool && of.pool != p.UserPool:
		warn(path+".userPool", "The issuer is that of another user pool.")
	}
}

// scopeToken is a scope by RFC 6749, 3.3.
var scopeToken = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,200}$`)

const wellKnown = "/.well-known/openid-configuration"

func issuerProblem(issuer string) string {
	switch {
	case issuer == "":
		return "Give the issuer, exactly as in the iss of its tokens."
	case strings.Contains(issuer, "/.well-known/"):
		return "This is the address of the discovery document. The issuer is the value of issuer in it."
	}
	return webAddressProblem(issuer)
}

// webAddressProblem requires an address that can be read safely.
func webAddressProblem(address string) string {
	u, err := url.Parse(address)
	isDocument := strings.Contains(address, wellKnown) // Azure B2C names the user flow in the query
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" && !isDocument || u.Fragment != "" || u.User != nil:
		return "The issuer must be a plain address such as https://login.example.com."
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1"):
		return "" // the local stack
	default:
		return "The issuer must be reached by https."
	}
}

var b2cHost = regexp.MustCompile(`\.b2clogin\.com$`)

// issuerDoubt says what is suspicious about an issuer, by what well-known
// providers put into iss. Each of them leads to tokens that are refused.
func issuerDoubt(issuer, discovery string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	host, path := u.Hostname(), u.Path
	switch {
	case strings.HasSuffix(host, ".auth0.com") && path != "/":
		return "The iss of Auth0's tokens ends with a slash and has nothing before it but the host: https://" + host + "/."
	case strings.HasSuffix(host, "-admin.okta.com"):
		return "This is the address of Okta's administration. The iss of its tokens has the host without -admin."
	case strings.HasSuffix(host, ".okta.com") && strings.HasSuffix(path, "/"):
		return "The iss of Okta's tokens does not end with a slash."
	case host == "login.microsoftonline.com" &&
		(strings.HasPrefix(path, "/common") || strings.HasPrefix(path, "/organizations")):
		return "The iss of Entra's tokens names a tenant by its id, never common or organizations."
	case host == "login.microsoftonline.com" && !strings.HasSuffix(path, "/v2.0"):
		return "The iss of Entra's tokens of version 2 ends with /v2.0."
	case b2cHost.MatchString(host) && discovery == "":
		return "Azure B2C has a discovery document for each user flow, which is not below the issuer: give its address."
	case userPoolLike.MatchString(host) && !isUserPool(issuer):
		return "The iss of a user pool is its host, a slash and the pool's id, and nothing after it."
	}
	return ""
}

var userPoolLike = regexp.MustCompile(`^(issuer-)?cognito-idp\..*\.amazonaws\.com(\.cn)?$`)

func isUserPool(issuer string) bool {
	_, ok := userPoolOf(issuer)
	return ok
}
