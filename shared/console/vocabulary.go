package console

import (
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// cause is what kind of trouble a code means: who can do something about it.
type cause string

const (
	causeNone     cause = ""         // no trouble
	causeOutage   cause = "outage"   // another system does not answer: waiting helps
	causeAccount  cause = "account"  // what Zuora or the claim says of this account
	causeSetup    cause = "setup"    // credentials, permissions, settings
	causeOurs     cause = "ours"     // hotsync itself
	causeNextSign cause = "signin"   // settled by the person's next sign-in
	causeRequest  cause = "request"  // what somebody asked for
	causeNothing  cause = "harmless" // ended without a sync, and nothing is to be done
)

// words is how the console speaks about a code or a reason.
type words struct {
	label string // a few words, as in a list or a filter
	cause cause
	why   string // why a sync was skipped, in a sentence; the event's own message comes before it
	waits string // what to do while it waits; "" is that it goes on by itself
	ended string // what to do once it has ended: nothing tries it again
	page  string // of docs/runbooks
}

const goesOn = "Nothing to do: it goes on by itself as soon as that works again."

// wordsFor returns the words for a code or a reason. What has none is called by
// its code.
func wordsFor(code string) words {
	if w, ok := vocabulary[code]; ok {
		return w
	}
	return words{
		label: spaced(code),
		cause: causeOurs,
		ended: "Retry; if it fails again, search the logs for the event id.",
		page:  "failing-syncs",
	}
}

func spaced(code string) string {
	out := []rune(code)
	for i, r := range out {
		if r == '_' {
			out[i] = ' '
		}
	}
	return string(out)
}

// vocabulary is the one table of the console's words: by error code, by reason
// and by trigger.
var vocabulary = map[string]words{
	hotsync.ReasonChanged:   {label: "changed"},
	hotsync.ReasonUnchanged: {label: "unchanged"},
	hotsync.ReasonCoalesced: {label: "covered by a later sync", cause: causeNothing,
		why: "Nothing to do: a sync that began later covers it."},
	hotsync.ReasonPaused: {label: "waits for Zuora or Limio", cause: causeOutage, page: "zuora-paused"},
	hotsync.ReasonDisabled: {label: "hot sync is off", cause: causeSetup,
		why:   "Hot sync was switched off when it came up.",
		ended: "Switch hot sync on in the settings, then retry."},
	hotsync.ReasonAmbiguous: {label: "several accounts match", cause: causeAccount,
		why:   "Several Zuora accounts match, so none was synced.",
		ended: "Clear the lookup field on all accounts but one, then retry."},
	hotsync.ReasonNoMatch: {
		label: "no account matches",
		cause: causeAccount,
		why:   "No Zuora account matches the login.",
		ended: "Put the login’s value into the lookup field of the account; then retry, or let the person sign in again.",
	},
	hotsync.ReasonStaleClaim: {label: "the claim is out of date", cause: causeAccount,
		why:   "The account no longer names this login.",
		ended: "Correct the claim at the identity provider, or the field in Zuora; then let the person sign in again."},
	eventstore.ReasonNotSeen: {label: "synced, but the login does not see it", cause: causeNextSign,
		ended: "Open one to see why. Most are settled by the person’s next sign-in."},

	string(hotsync.CodeZuoraUnavailable): {label: "Zuora does not answer", cause: causeOutage, page: "zuora-paused",
		ended: "Zuora was away for longer than a sync waits. Retry once it answers."},
	string(hotsync.CodeZuoraRateLimited): {
		label: "Zuora’s rate limit is used up",
		cause: causeOutage,
		page:  "zuora-paused",
		ended: "Zuora took no calls for longer than a sync waits. Retry, a few at a time.",
	},
	string(hotsync.CodeZuoraBusy): {label: "Zuora is busy", cause: causeOutage, page: "zuora-paused",
		ended: "Zuora was at its limit, or the record was locked, at every attempt. Retry."},
	string(hotsync.CodeZuoraPaused): {label: "calls to Zuora are paused", cause: causeOutage, page: "zuora-paused",
		ended: "Zuora was away for longer than a sync waits. Retry once it answers."},
	string(hotsync.CodeLimioUnavailable): {label: "Limio does not answer", cause: causeOutage, page: "limio-failing",
		ended: "Limio was away for longer than a sync waits. Retry once it answers."},
	string(hotsync.CodeLimioRateLimited): {
		label: "Limio’s rate limit is used up",
		cause: causeOutage,
		page:  "limio-failing",
		ended: "Limio took no calls for longer than a sync waits. Retry, a few at a time.",
	},
	string(hotsync.CodeLimioPaused): {label: "calls to Limio are paused", cause: causeOutage, page: "limio-failing",
		ended: "Limio was away for longer than a sync waits. Retry once it answers."},
	string(hotsync.CodeStoreUnavailable): {label: "DynamoDB does not answer", cause: causeOutage,
		ended: "Retry once AWS answers.", page: "failing-syncs"},
	string(hotsync.CodeStoreNewer): {label: "a newer version wrote it", cause: causeOutage,
		ended: "Deploy the version that wrote it, or a newer one, then retry.", page: "failing-syncs"},
	string(hotsync.CodeQueueUnavailable): {label: "SQS did not take it", cause: causeOutage,
		ended: "It was never queued. Retry once AWS answers, or let the person sign in again.", page: "failing-syncs"},
	string(hotsync.CodeJWKSUnavailable): {label: "the provider’s keys could not be read", cause: causeOutage,
		ended: "Check the issuer’s address and its status.", page: "login-errors"},

	string(hotsync.CodeZuoraNotFound): {
		label: "no such Zuora account",
		cause: causeAccount,
		page:  "failing-syncs",
		ended: "The claim names an account that this Zuora tenant does not have. Correct it at the identity provider, then " +
			"let the person sign in again.",
	},
	string(hotsync.CodeZuoraUnauthorized): {
		label: "Zuora refused the credentials",
		cause: causeSetup,
		page:  "failing-syncs",
		ended: "Put valid credentials into the Zuora secret, then retry.",
	},
	string(hotsync.CodeZuoraForbidden): {label: "Zuora denies a permission", cause: causeSetup, page: "failing-syncs",
		ended: "Give the OAuth client’s user read access to accounts, subscriptions and payment methods, then retry."},
	string(hotsync.CodeZuoraRefused): {label: "Zuora refused the request", cause: causeAccount, page: "failing-syncs",
		ended: "Search the log for this event’s Zuora request id, and ask Zuora about it."},
	string(hotsync.CodeZuoraAnswer): {label: "Zuora’s answer made no sense", cause: causeOurs, page: "failing-syncs",
		waits: "It is tried again; should it fail, compare Zuora’s release notes.",
		ended: "Retry once; if it fails again, compare Zuora’s release notes and report it."},
	string(hotsync.CodeZuoraHost): {label: "Zuora pointed elsewhere", cause: causeSetup, page: "failing-syncs",
		ended: "Check the Zuora data centre in the configuration, then retry."},

	string(hotsync.CodeLimioUnauthorized): {
		label: "Limio refused the credentials",
		cause: causeSetup,
		page:  "failing-syncs",
		ended: "Put valid credentials into the Limio secret, then retry.",
	},
	string(hotsync.CodeLimioForbidden): {label: "Limio denies a permission", cause: causeSetup, page: "failing-syncs",
		ended: "Ask Limio for full read and write for the OAuth client, then retry."},
	string(hotsync.CodeLimioRefused): {label: "Limio refused an object", cause: causeAccount, page: "failing-syncs",
		ended: "Correct the data that the message names, in Zuora or in the settings, then retry."},
	string(hotsync.CodeLimioNotFound): {label: "Limio does not know an object", cause: causeOurs, page: "limio-failing",
		waits: "It is tried again: Limio may just have made it.",
		ended: "Retry once; if it stays, compare what is assumed of Limio’s endpoints."},
	string(hotsync.CodeLimioAnswer): {label: "Limio’s answer made no sense", cause: causeOurs, page: "limio-failing",
		ended: "Retry once; if it fails again, report it with the event id."},
	string(hotsync.CodeLimioHost): {label: "Limio pointed elsewhere", cause: causeSetup, page: "failing-syncs",
		ended: "Check the address of Limio in the configuration, then retry."},
	string(hotsync.CodeLimioCreation): {label: "Limio refused to create", cause: causeSetup, page: "failing-syncs",
		ended: "Compare the creation strategy in the settings with what Limio allows, then retry."},

	string(hotsync.CodeOwnerBusy): {label: "another sync was deciding", cause: causeOurs, page: "failing-syncs",
		ended: "Another sync was deciding who sees the account, at every attempt. Retry."},
	string(hotsync.CodeTimeout): {label: "out of time", cause: causeOurs, page: "failing-syncs",
		ended: "Look for slow calls in the steps, then retry."},
	string(hotsync.CodeGaveUp): {label: "the process died", cause: causeOurs, page: "dead-letters",
		ended: "Look at the sync function’s log at this time, then retry."},
	string(hotsync.CodeInternal): {label: "internal error", cause: causeOurs, page: "failing-syncs",
		ended: "Retry once; if it fails again, search the logs for the event id and report it."},
	string(hotsync.CodeMessageMalformed): {label: "not a message of hotsync", cause: causeSetup, page: "dead-letters",
		ended: "Something else wrote to the queue. Check who may send to it."},
	string(hotsync.CodeSettingsInvalid): {label: "the settings are not valid", cause: causeSetup,
		ended: "Correct the settings named in the message, then retry."},
	string(hotsync.CodeSettingsMissing): {label: "there are no settings", cause: causeSetup,
		waits: "Save the settings in the console, or run the command that seeds them.",
		ended: "Save the settings in the console, or run the command that seeds them. Then retry."},
	string(hotsync.CodeSecretMissing): {label: "credentials are missing", cause: causeSetup,
		waits: "Store the credentials in the secret that the message names.",
		ended: "Store the credentials in the secret that the message names. Then retry."},

	string(hotsync.CodeLookupAmbiguous): {label: "several accounts match", cause: causeAccount,
		ended: "Clear the lookup field on all accounts but one, then retry."},
	string(hotsync.CodeLookupNoMatch): {
		label: "no account matches",
		cause: causeAccount,
		ended: "Put the login’s value into the lookup field of the account; then retry, or let the person sign in again.",
	},
	string(hotsync.CodeLookupValue): {label: "a value that cannot be looked up", cause: causeAccount,
		ended: "Check what the identity provider puts into the claim, then let the person sign in again."},
	string(hotsync.CodeLookupField): {
		label: "the lookup field is missing",
		cause: causeSetup,
		page:  "failing-syncs",
		ended: "Make the field exist on the Zuora Account object and be indexed, spelt as in the settings. Then retry.",
	},
	string(hotsync.CodeClaimMalformed): {label: "the claim cannot be read", cause: causeAccount, page: "login-errors",
		ended: "Let the claim hold Zuora account ids or numbers, as a list or with commas between them."},

	string(hotsync.CodeBadRequest): {
		label: "bad request",
		cause: causeRequest,
		ended: "Correct the request and send it again.",
	},
	string(hotsync.CodeUnauthenticated): {
		label: "nobody vouches for it",
		cause: causeRequest,
		ended: "Sign in, and send the ID token as a bearer token.",
	},
	string(hotsync.CodeForbidden): {
		label: "not allowed",
		cause: causeRequest,
		ended: "Ask an administrator for a role that may do this.",
	},
	string(hotsync.CodeNotFound): {
		label: "not found",
		cause: causeRequest,
		ended: "Check the id; events expire after some time.",
	},
	string(hotsync.CodeConflict): {
		label: "changed meanwhile",
		cause: causeRequest,
		ended: "Read it again and repeat.",
	},

	string(hotsync.CodeTokenMalformed): {label: "no ID token", cause: causeSetup, page: "login-errors",
		ended: "Send the ID token exactly as the identity provider issued it."},
	string(hotsync.CodeTokenAlgorithm): {label: "signed in another way", cause: causeSetup, page: "login-errors",
		ended: "Let the provider sign ID tokens with RS256, PS256 or ES256."},
	string(hotsync.CodeTokenSignature): {label: "the signature is wrong", cause: causeRequest, page: "login-errors",
		ended: "The token was changed, or signed by somebody else. Sign in again."},
	string(hotsync.CodeTokenKeyUnknown): {label: "signed with an unknown key", cause: causeSetup, page: "login-errors",
		ended: "Check the issuer’s key rotation, and sign in again."},
	string(hotsync.CodeTokenIssuer): {label: "unknown identity provider", cause: causeSetup, page: "login-errors",
		ended: "Add the issuer to the identity providers in the settings, spelt exactly as in the token."},
	string(hotsync.CodeTokenAudience): {label: "meant for another client", cause: causeSetup, page: "login-errors",
		ended: "Add the token’s client id to the provider’s audiences in the settings."},
	string(hotsync.CodeTokenExpired): {label: "the token has expired", cause: causeRequest, page: "login-errors",
		ended: "Sign in again for a fresh token."},
	string(hotsync.CodeTokenNotYet): {label: "the token is not valid yet", cause: causeSetup, page: "login-errors",
		ended: "Compare the clocks of issuer and caller."},
	string(hotsync.CodeTokenKind): {label: "not an ID token", cause: causeSetup, page: "login-errors",
		ended: "Send the ID token, not the access or refresh token."},

	// Why claims of a login that led to nothing were not used (package claims).
	"claim_missing": {label: "the claim is missing", cause: causeSetup, page: "login-errors",
		ended: "Compare the name of the claim in the settings with the names that the login had, letter by letter."},
	"claim_empty": {label: "the claim is empty", cause: causeAccount, page: "login-errors",
		ended: "The provider sends the claim without a value: give this customer one there."},
	"claim_not_used": {label: "the claim is not set up for syncs", cause: causeSetup, page: "login-errors",
		ended: "Set service, issuer and type of the claim to zuora, zuora, account."},
	"claim_too_many": {label: "too many accounts", cause: causeAccount, page: "login-errors",
		ended: "At most 25 accounts are taken from one claim."},
	"claim_unverified": {label: "the address is not verified", cause: causeAccount, page: "login-errors",
		ended: "Let the provider verify the address, or choose a claim that nobody can type in."},

	string(hotsync.TriggerPostAuthentication): {label: "Cognito sign-in"},
	string(hotsync.TriggerPostConfirmation):   {label: "Cognito sign-up"},
	string(hotsync.TriggerLogin):              {label: "login"},
	string(hotsync.TriggerCallout):            {label: "Zuora callout"},
	string(hotsync.TriggerAPI):                {label: "API"},
	string(hotsync.TriggerConsole):            {label: "console"},
	string(hotsync.TriggerBackfill):           {label: "backfill"},
	string(hotsync.TriggerReconcile):          {label: "reconcile"},
}
