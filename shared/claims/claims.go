// Package claims turns the claims of a login into what is to be synced: the
// Zuora accounts they name (Option A) and the lookups to make (Option B).
//
// Claims come from outside, in whatever shape the front door got them, so
// nothing in here fails: what cannot be used is reported with the reason. The
// package is pure.
package claims

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"hotsync/shared/hotsync"
)

// The reasons for which a claim, or part of it, is not used. Where the table of
// codes has a fitting code the reason is that code.
const (
	ReasonIssuer      = string(hotsync.CodeTokenIssuer)    // no provider is configured for the login's issuer
	ReasonNotUsed     = "claim_not_used"                   // configured, but not as a Zuora account
	ReasonMissing     = "claim_missing"                    // the login has no such claim
	ReasonEmpty       = "claim_empty"                      // the claim is there and holds nothing
	ReasonMalformed   = string(hotsync.CodeClaimMalformed) // a value that cannot name an account
	ReasonTooMany     = "claim_too_many"                   // more values than a claim may have
	ReasonUnverified  = "claim_unverified"                 // the provider says that it did not verify the value
	ReasonLookupValue = string(hotsync.CodeLookupValue)    // a value that cannot be looked up
	ReasonLookupField = string(hotsync.CodeLookupField)    // the configured field cannot be a custom field
)

// maxLookupBytes bounds a lookup value: Zuora's text custom fields hold at most
// 255 characters, https://docs.zuora.com (Custom fields).
const maxLookupBytes = 255

// Wanted is one account, or one lookup, that a claim asks to sync.
type Wanted struct {
	Claim string
	hotsync.Target
}

// Ignored is a claim, or part of one, that is not used.
type Ignored struct {
	Claim  string `json:"claim"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"` // a sentence; never holds a value
}

// Result is what the claims of a login come to.
type Result struct {
	Provider string // name of the login's provider; "" when none is configured for its issuer
	Wanted   []Wanted
	Ignored  []Ignored
}

// Read finds what the login asks to sync, in the order of the configured claims
// and of the values within each. A target that several claims name is wanted
// once, for the first of them.
func Read(login hotsync.Login, settings hotsync.Settings) Result {
	provider, ok := settings.Provider(login.Identity.Issuer)
	if !ok {
		return Result{Ignored: []Ignored{{Reason: ReasonIssuer, Detail: unknown(login)}}}
	}
	r := reader{login: login, result: Result{Provider: provider.Name}, seen: map[string]bool{}}
	for _, c := range provider.Claims {
		r.read(c)
	}
	return r.result
}

// unknown says what no provider is configured for. Nothing in a trigger names an
// issuer: its user pool is what has to be configured.
func unknown(login hotsync.Login) string {
	if login.UserPool != "" {
		return "No identity provider is configured for the user pool " + shortID(login.UserPool) + "."
	}
	return "No identity provider is configured for the login's issuer."
}

// shortID is the id of a user pool, which is no longer than this
// (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolType.html).
func shortID(id string) string {
	const most = 55
	if len(id) > most {
		return strings.ToValidUTF8(id[:most], "") + "…"
	}
	return id
}

type reader struct {
	login  hotsync.Login
	result Result
	seen   map[string]bool
}

func (r *reader) ignore(claim, reason, format string, args ...any) {
	r.result.Ignored = append(
		r.result.Ignored,
		Ignored{Claim: claim, Reason: reason, Detail: fmt.Sprintf(format, args...)},
	)
}

func (r *reader) want(claim string, t hotsync.Target) {
	if !r.seen[t.Key()] {
		r.seen[t.Key()] = true
		r.result.Wanted = append(r.result.Wanted, Wanted{claim, t})
	}
}

func (r *reader) read(c hotsync.IdentityClaim) {
	if !c.NamesZuoraAccount() {
		r.ignore(
			c.Claim,
			ReasonNotUsed,
			"Service, issuer and type are %q, %q, %q; only %q, %q, %q names a Zuora account.",
			c.Service,
			c.Issuer,
			c.Type,
			hotsync.ServiceZuora,
			hotsync.IssuerZuora,
			hotsync.TypeAccount,
		)
		return
	}
	name, ok := find(r.login.Claims, c.Claim)
	value := r.login.Claims[name]
	switch {
	case !ok:
		r.ignore(c.Claim, ReasonMissing, "The login has no such claim.")
	case !c.AllowUnverified && !verified(r.login.Claims, name):
		r.ignore(
			c.Claim,
			ReasonUnverified,
			"The identity provider does not say that this value is verified (a claim such as email_verified), so it could be "+
				"somebody else's.",
		)
	case c.AccountLookup:
		r.readLookup(c, value)
	default:
		r.readAccounts(c, value)
	}
}

func (r *reader) readAccounts(c hotsync.IdentityClaim, value any) {
	accounts, refused := Parse(value)
	for _, account := range accounts {
		r.want(c.Claim, hotsync.Target{Account: account})
	}
	for _, x := range refused {
		r.ignore(c.Claim, x.Reason, "%s", x.Detail)
	}
	if len(accounts)+len(refused) == 0 {
		r.ignore(c.Claim, ReasonEmpty, "The claim holds no value.")
	}
}

func (r *reader) readLookup(c hotsync.IdentityClaim, value any) {
	if !hotsync.IsLookupField(c.AccountLookupField) {
		r.ignore(c.Claim, ReasonLookupField, "The lookup field cannot be a Zuora custom field.")
		return
	}
	text, problem := lookupValue(value)
	if problem != "" {
		r.ignore(c.Claim, ReasonLookupValue, "%s", problem)
		return
	}
	r.want(c.Claim, hotsync.Target{Lookup: &hotsync.Lookup{Field: c.AccountLookupField, Value: text}})
}

// customPrefix is what Cognito puts before the names of a user pool's own
// attributes, in triggers and in tokens:
// https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
const customPrefix = "custom:"

// find returns the name that a claim is there under: its own or, where that is
// absent, with Cognito's prefix put before it or taken off.
func find(claims map[string]any, name string) (_ string, ok bool) {
	_, ok = claims[name]
	if ok {
		return name, true
	}
	bare, prefixed := strings.CutPrefix(name, customPrefix)
	if !prefixed {
		bare = customPrefix + name
	}
	_, ok = claims[bare]
	return bare, ok
}

// lookupValue is the one text that a claim is looked up by; problem says why it
// has none. The text of a value is used exactly as it came: Zuora's answer is
// compared with it byte for byte. Only the brackets of a list are not part of it.
func lookupValue(value any) (text, problem string) {
	list, ok := asList(value)
	if ok {
		if len(list) != 1 {
			return "", fmt.Sprintf("The claim holds %d values; a lookup needs exactly one.", len(list))
		}
		value = list[0]
	}
	switch v := value.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case nil:
		return "", "The claim is null, which would match every account without the field."
	default:
		return "", "The claim is neither text nor a number."
	}
	switch {
	case strings.TrimSpace(text) == "":
		return "", "The claim is blank."
	case len(text) > maxLookupBytes:
		return "", fmt.Sprintf("The claim is longer than %d bytes.", maxLookupBytes)
	case !utf8.ValidString(text):
		return "", "The claim is not valid UTF-8."
	case strings.ContainsFunc(text, unicode.IsControl):
		return "", "The claim holds control characters."
	case isNull(text):
		// Zuora reads null, in any case, as "accounts without the field".
		return "", "The claim is the word null, which would match every account without the field."
	}
	return text, ""
}

func isNull(text string) bool { return strings.EqualFold(strings.TrimSpace(text), "null") }
