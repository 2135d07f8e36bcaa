package hotsync

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ReasonNoToken is why a request to POST /login that nobody vouches for led to
// nothing; other reasons are codes of problems, and those of package claims.
const ReasonNoToken = string(CodeUnauthenticated)

// LoginRecord is the short trace of a login that led to nothing: to no event, by
// which somebody could see why. It is kept for a few days.
type LoginRecord struct {
	ID       string    `json:"id"` // as that of an event, so that records sort by time
	LoginID  string    `json:"login,omitempty"`
	At       time.Time `json:"at"`
	Trigger  Trigger   `json:"trigger"`
	Provider string    `json:"provider,omitempty"` // "" where none is configured for the issuer
	Reason   string    `json:"reason"`             // the one that says most
	Issuer   string    `json:"issuer,omitempty"`
	Subject  string    `json:"subject,omitempty"`

	// Verified says that issuer and subject were proven. In a refused token anybody
	// can write what they like.
	Verified bool         `json:"verified"`
	Claims   []LoginClaim `json:"claims"` // configured claims that were not used, and why
	Had      []string     `json:"had"`    // names of the claims that the login had, never their values

	EmailHash string `json:"-"` // SearchHash of the login's e-mail
}

// LoginClaim is a configured claim that a login could not use.
type LoginClaim struct {
	Claim  string `json:"claim"`
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"` // a sentence; never holds a value
}

// loginHints say what to do about the reasons that are no codes of problems.
var loginHints = map[string]string{
	"claim_missing": "Compare the name of the claim in the settings with the names that the login had, letter by " +
		"letter.",
	"claim_empty":      "The provider sends the claim without a value: give this customer one there.",
	"claim_not_used":   "Set service, issuer and type of the claim to zuora, zuora, account.",
	"claim_too_many":   "At most 25 accounts are taken from one claim.",
	"claim_unverified": "Let the provider verify the address, or choose a claim that nobody can type in.",
	ReasonNoMatch: "Put the login's value into the lookup field of the Zuora account, exactly as the provider " +
		"writes it; then let the customer sign in again.",
	ReasonDisabled: "Switch hot sync on in the settings.",
}

// LoginHint says what to do about a login that led to nothing for that reason.
func LoginHint(reason string) string {
	if hint, ok := loginHints[reason]; ok {
		return hint
	}
	return Code(reason).Hint()
}

// loginReasons are the reasons of claims by how much they say, the most first.
var loginReasons = []string{
	string(CodeClaimMalformed),
	string(CodeLookupField),
	string(CodeLookupValue),
	"claim_unverified",
	"claim_too_many",
	"claim_missing",
	"claim_empty",
	"claim_not_used",
}

// MainReason is the reason of several claims that says most.
func MainReason(claims []LoginClaim) string {
	best := ""
	for _, c := range claims {
		if best == "" || rank(c.Reason) < rank(best) {
			best = c.Reason
		}
	}
	return best
}

func rank(reason string) int {
	n := slices.Index(loginReasons, reason)
	if n < 0 {
		return -1 // an issuer that is not known, and the like: nothing says more
	}
	return n
}

// Bounds of a record, which is to stay short whatever a login holds.
const (
	maxHad       = 40
	maxHadName   = 120
	maxRecorded  = 30
	maxRecordKey = 255
)

// Bounded returns the record without what does not belong into one.
func (r LoginRecord) Bounded() LoginRecord {
	r.Issuer, r.Subject = shortText(r.Issuer, maxRecordKey), shortText(r.Subject, maxRecordKey)
	var had []string
	for _, name := range r.Had {
		if name = shortText(name, maxHadName); name != "" {
			had = append(had, name)
		}
	}
	slices.Sort(had)
	r.Had = had[:min(len(had), maxHad)]
	r.Claims = slices.Clone(r.Claims[:min(len(r.Claims), maxRecorded)])
	return r
}

// shortText returns a text that is no longer than n bytes and has no control
// characters, or nothing.
func shortText(text string, n int) string {
	if len(text) > n || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return ""
	}
	return text
}
