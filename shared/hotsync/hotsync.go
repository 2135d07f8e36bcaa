// Package hotsync is the vocabulary of the product: what a login is, what the
// settings say, what travels on the queue and what an event records.
//
// Everything else imports it; it imports only the standard library, does no
// input or output and reads no clock.
package hotsync

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Trigger names the front door a sync came through.
type Trigger string

// The front doors.
const (
	TriggerPostAuthentication Trigger = "PostAuthentication" // Cognito, every sign-in but a first federated one
	TriggerPostConfirmation   Trigger = "PostConfirmation"   // Cognito, sign-up and first federated sign-in
	TriggerLogin              Trigger = "login"              // POST /login with an ID token
	TriggerCallout            Trigger = "callout"            // Zuora callout
	TriggerAPI                Trigger = "api"                // POST /sync
	TriggerConsole            Trigger = "console"            // retry or "sync now" in the events console
	TriggerBackfill           Trigger = "backfill"           // a job over accounts that somebody listed
	TriggerReconcile          Trigger = "reconcile"          // a job over accounts known from logins
)

// ByHand reports whether a person asked for the sync, who wants it also while hot
// sync is switched off.
func (t Trigger) ByHand() bool { return t == TriggerConsole || t == TriggerBackfill }

// Identity is who signed in, as OpenID Connect names a person: the issuer and
// the subject within it.
type Identity struct {
	Issuer  string `json:"iss,omitempty"`
	Subject string `json:"sub,omitempty"`
}

// IsZero reports whether nobody signed in (a callout, a sync by API).
func (i Identity) IsZero() bool { return i == Identity{} }

// Login is one sign-in as a front door saw it.
type Login struct {
	ID       string // names this sign-in; the same for a trigger that Cognito calls again
	Trigger  Trigger
	Identity Identity
	UserPool string         // id of the user pool whose trigger was called; "" for a token
	Audience []string       // aud of the ID token; empty for a Cognito trigger, which carries no token
	Email    string         // personal: used for searching only, and only as SearchHash
	Claims   map[string]any // claims of the ID token, or the user attributes of the trigger
	At       time.Time
}

// Lookup says that an account is to be found by the value of a Zuora Account
// custom field (Option B).
type Lookup struct {
	Field string `json:"field"`           // API name of the custom field, such as LimioExternalId__c
	Value string `json:"value,omitempty"` // the claim's value: personal, never logged
}

// Target is what a claim, a callout or a person asks to sync: an account, or a
// lookup that is to find one.
type Target struct {
	Account string  // Zuora's id or number; "" for a lookup
	Lookup  *Lookup // nil for an account
}

// Key tells targets apart, from the claim to the queue and the event's id.
func (t Target) Key() string {
	if t.Lookup != nil {
		return "lookup\x00" + t.Lookup.Field + "\x00" + t.Lookup.Value
	}
	return "account\x00" + t.Account
}

// SyncRequest is one account, or one lookup, to sync. It is the body of a
// queue message and is kept in the event, so that a failed sync can be retried
// as it was asked for.
type SyncRequest struct {
	EventID     string    `json:"event"`
	LoginID     string    `json:"login,omitempty"`
	Trigger     Trigger   `json:"trigger"`
	Provider    string    `json:"provider,omitempty"`
	Identity    Identity  `json:"identity,omitzero"`
	EmailHash   string    `json:"emailHash,omitempty"` // SearchHash of the login's e-mail
	EmailMask   string    `json:"emailMask,omitempty"` // MaskEmail of it
	Claim       string    `json:"claim,omitempty"`
	Account     string    `json:"account,omitempty"`   // as the claim names it: an id or a number
	AccountID   string    `json:"accountId,omitempty"` // Zuora's id, once it is known
	Lookup      *Lookup   `json:"lookup,omitempty"`
	Named       []string  `json:"named,omitempty"` // every account the login names, this one included, as ids or numbers
	RequestedAt time.Time `json:"requestedAt"`
	RetryOf     string    `json:"retryOf,omitempty"`  // id of the event this retries
	Actor       string    `json:"actor,omitempty"`    // who retried or asked for it in the console
	Note        string    `json:"note,omitempty"`     // why, in the actor's words
	Job         string    `json:"job,omitempty"`      // the job it is part of, for a request of the second lane
	Requeued    int       `json:"requeued,omitempty"` // how many copies took each other's place in the queue
	// how many of those, since a delivery last came to an end, because the queue gave up on it
	SentOn int `json:"sentOn,omitempty"`
}

// Target returns what the request asks to sync, whether its account is known by
// now or not.
func (r SyncRequest) Target() Target { return Target{Account: r.Account, Lookup: r.Lookup} }

// IsAccountID reports whether key has the form of a Zuora id, 32 lower-case
// hex digits; anything else that names an account is an account number.
func IsAccountID(key string) bool {
	if len(key) != 32 {
		return false
	}
	for i := range len(key) {
		c := key[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// SearchHash is the keyed hash under which a personal value (an e-mail
// address) can be found again without being stored. Case and surrounding
// blanks do not matter. It is "" for an empty value or key.
func SearchHash(key []byte, value string) string {
	value = strings.ToLower(strings.TrimSpace(value))
	if value == "" || len(key) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(value))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// MaskEmail is what everybody may see of an e-mail address: enough to recognise
// one's own, too little to write to it. It is "" for what is no address.
func MaskEmail(address string) string {
	local, domain, ok := strings.Cut(strings.TrimSpace(address), "@")
	name, top, dotted := strings.Cut(domain, ".")
	if !ok || local == "" || name == "" || !dotted {
		return ""
	}
	if i := strings.LastIndexByte(top, '.'); i >= 0 {
		top = top[i+1:]
	}
	return maskWord(local) + "@" + maskWord(name) + "." + Clip(top, 12)
}

// addressInText is an e-mail address within a text, told by its sign alone.
var addressInText = regexp.MustCompile(`[^\s<>()",;:]+@[^\s<>()",;:]+`)

// MaskAddresses masks the e-mail addresses within a text that somebody wrote, as
// MaskEmail does.
func MaskAddresses(text string) string {
	return addressInText.ReplaceAllStringFunc(text, MaskEmail)
}

// maskWord is the first letter of a word; one so short that this would give it
// away is hidden whole.
func maskWord(word string) string {
	first, _ := utf8.DecodeRuneInString(word)
	if utf8.RuneCountInString(word) < 3 {
		return "•••"
	}
	return string(first) + "•••"
}

// Clip bounds a text from outside to limit characters; the last one says that
// more was there.
func Clip(text string, limit int) string {
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit-1]) + "…"
}
