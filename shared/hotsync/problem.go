package hotsync

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code names a kind of failure. It is stable: people search by it and
// runbooks are named after it.
type Code string

// The codes. What each means for the outcome, and what to do, is in codes: each has a row there.
const (
	CodeBadRequest      Code = "bad_request"
	CodeUnauthenticated Code = "unauthenticated"
	CodeForbidden       Code = "forbidden"
	CodeNotFound        Code = "not_found"
	CodeConflict        Code = "conflict"
	CodeInternal        Code = "internal"
	CodeTimeout         Code = "timeout"
	CodeDisabled        Code = "disabled"
	CodeGaveUp          Code = "gave_up"

	CodeTokenMalformed  Code = "token_malformed"
	CodeTokenAlgorithm  Code = "token_algorithm"
	CodeTokenSignature  Code = "token_signature"
	CodeTokenKeyUnknown Code = "token_key_unknown"
	CodeTokenIssuer     Code = "token_issuer_unknown"
	CodeTokenAudience   Code = "token_audience"
	CodeTokenExpired    Code = "token_expired"
	CodeTokenNotYet     Code = "token_not_yet_valid"
	CodeTokenKind       Code = "token_not_id_token"
	CodeJWKSUnavailable Code = "jwks_unavailable"

	CodeClaimMalformed   Code = "claim_malformed"
	CodeMessageMalformed Code = "message_malformed"
	CodeSettingsInvalid  Code = "settings_invalid"
	CodeSettingsMissing  Code = "settings_missing"
	CodeSecretMissing    Code = "secret_missing"
	CodeQueueUnavailable Code = "queue_unavailable"
	CodeStoreUnavailable Code = "store_unavailable"
	CodeStoreNewer       Code = "store_newer"

	CodeLookupAmbiguous Code = "lookup_ambiguous"
	CodeLookupNoMatch   Code = "lookup_no_match"
	CodeLookupValue     Code = "lookup_value_refused"
	CodeLookupField     Code = "lookup_field_refused"
	CodeStaleClaim      Code = "stale_claim"

	CodeZuoraNotFound     Code = "zuora_account_not_found"
	CodeZuoraUnauthorized Code = "zuora_unauthorized"
	CodeZuoraForbidden    Code = "zuora_forbidden"
	CodeZuoraRefused      Code = "zuora_request_refused"
	CodeZuoraRateLimited  Code = "zuora_rate_limited"
	CodeZuoraBusy         Code = "zuora_busy"
	CodeZuoraUnavailable  Code = "zuora_unavailable"
	CodeZuoraAnswer       Code = "zuora_answer_invalid"
	CodeZuoraHost         Code = "zuora_host_refused"
	CodeZuoraPaused       Code = "zuora_paused"

	CodeLimioUnauthorized Code = "limio_unauthorized"
	CodeLimioForbidden    Code = "limio_forbidden"
	CodeLimioRefused      Code = "limio_request_refused"
	CodeLimioNotFound     Code = "limio_not_found"
	CodeLimioRateLimited  Code = "limio_rate_limited"
	CodeLimioPaused       Code = "limio_paused"
	CodeLimioUnavailable  Code = "limio_unavailable"
	CodeLimioAnswer       Code = "limio_answer_invalid"
	CodeLimioHost         Code = "limio_host_refused"
	CodeLimioCreation     Code = "limio_creation_refused"

	CodeOwnerBusy Code = "owner_busy"
)

type codeFacts struct {
	http int    // status of an HTTP answer with this code
	kind Kind   // whose matter it is, and so whether trying again can help
	hint string // what to do, in a sentence
}

// codes is the one place that says what a code means: for an HTTP answer, for
// what becomes of the sync, and for the person who reads the event.
var codes = map[Code]codeFacts{
	CodeBadRequest:      {400, KindRequest, "Correct the request and send it again."},
	CodeUnauthenticated: {401, KindRequest, "Sign in and send the ID token as a bearer token."},
	CodeForbidden:       {403, KindRequest, "Ask an administrator for a role that may do this."},
	CodeNotFound:        {404, KindRequest, "Check the id; events expire after the retention period."},
	CodeConflict:        {409, KindRequest, "Somebody else changed it meanwhile: read it again and repeat."},
	CodeInternal:        {500, KindProcess, "Search the logs for this event id and report it with them."},
	CodeTimeout: {
		504,
		KindProcess,
		"It is tried again by itself; if it keeps failing, look for slow calls in the steps.",
	},
	CodeDisabled: {409, KindRequest, "Switch hot sync on in the settings, then retry."},
	CodeGaveUp: {
		500,
		KindProcess,
		"The sync died several times without an answer. Look at the sync function's log at this time, then retry.",
	},

	CodeTokenMalformed: {401, KindRequest, "Send the ID token exactly as the identity provider issued it."},
	CodeTokenAlgorithm: {401, KindRequest, "Sign ID tokens with RS256, PS256 or ES256."},
	CodeTokenSignature: {401, KindRequest, "The token was changed or signed by somebody else. Sign in again."},
	CodeTokenKeyUnknown: {
		401,
		KindRequest,
		"The signing key is not among the issuer's keys (JWKS). Sign in again; check the issuer's key rotation.",
	},
	CodeTokenIssuer: {
		401,
		KindRequest,
		"Add the issuer as an identity provider in the settings, spelt exactly as in the token's iss.",
	},
	CodeTokenAudience: {401, KindRequest, "Add the token's client id (aud) to the provider's audiences in the settings."},
	CodeTokenExpired:  {401, KindRequest, "Sign in again for a fresh token."},
	CodeTokenNotYet:   {401, KindRequest, "The token is not valid yet: check the clocks of issuer and caller."},
	CodeTokenKind:     {401, KindRequest, "This is not an ID token. Send the ID token, not the access or refresh token."},
	CodeJWKSUnavailable: {
		503,
		KindProcess,
		"The identity provider's discovery document or keys could not be read. Check the issuer's address and its status.",
	},

	CodeClaimMalformed: {
		400,
		KindAccount,
		"Let the claim hold Zuora account ids or numbers, as a list or separated by commas.",
	},
	CodeMessageMalformed: {400, KindRequest, "Something other than hotsync wrote to the queue. Check who may send to it."},
	CodeSettingsInvalid:  {422, KindAccount, "Correct the settings named in the message."},
	CodeSettingsMissing:  {503, KindProcess, "Save the settings in the console, or run the command that seeds them."},
	CodeSecretMissing:    {503, KindProcess, "Store the credentials in the secret that the message names."},
	CodeQueueUnavailable: {503, KindProcess, "SQS did not take the request. Sign in again, or retry when SQS answers."},
	CodeStoreUnavailable: {503, KindProcess, "DynamoDB did not answer. It is tried again by itself."},
	CodeStoreNewer: {
		503,
		KindProcess,
		"Deploy the version that wrote it, or a newer one. It is tried again by itself.",
	},

	CodeLookupAmbiguous: {409, KindAccount, "Clear the field on all accounts but one, then retry."},
	CodeLookupNoMatch: {
		404,
		KindAccount,
		"Put the login's value into the lookup field of the account, then retry or sign in again.",
	},
	CodeLookupValue: {
		400,
		KindAccount,
		"The claim's value cannot be used to look an account up. Check what the identity provider puts into the claim.",
	},
	CodeLookupField: {
		422,
		KindAccount,
		"Make the lookup field exist on the Zuora Account object and be indexed (filterable), and spell it as in the " +
			"settings.",
	},
	CodeStaleClaim: {
		409,
		KindAccount,
		"The account no longer names this login. Correct the claim at the identity provider, or the field in Zuora.",
	},

	CodeZuoraNotFound: {
		404,
		KindAccount,
		"No Zuora account has this id or number. Check the claim's value and that the right Zuora tenant is configured.",
	},
	CodeZuoraUnauthorized: {
		502,
		KindAccount,
		"Zuora refused the OAuth client. Check client id, secret and data centre in the Zuora secret, then retry.",
	},
	CodeZuoraForbidden: {
		502,
		KindAccount,
		"The Zuora OAuth client's user lacks a permission. Grant it read access to accounts, subscriptions and payment " +
			"methods, then retry.",
	},
	CodeZuoraRefused: {
		502,
		KindAccount,
		"Zuora refused the request. Search Zuora's answer by the request id in the log.",
	},
	CodeZuoraRateLimited: {503, KindOutage, "Zuora's rate limit is used up. Syncs wait and go on by themselves."},
	CodeZuoraBusy: {
		503,
		KindProcess,
		"Zuora is at its concurrency limit or the record is locked. It is tried again by itself.",
	},
	CodeZuoraUnavailable: {
		503,
		KindOutage,
		"Zuora did not answer. Syncs wait and go on by themselves, for a day; see Zuora's status page if it lasts.",
	},
	CodeZuoraAnswer: {
		502,
		KindProcess,
		"Zuora's answer could not be read. It is tried again by itself; if it lasts, compare Zuora's release notes.",
	},
	CodeZuoraHost: {
		502,
		KindAccount,
		"An answer pointed to another host, so it was not followed. Check the Zuora data centre in the configuration.",
	},
	CodeZuoraPaused: {
		503,
		KindOutage,
		"Calls to Zuora are paused after its last answers. Syncs wait and go on by themselves.",
	},

	CodeLimioUnauthorized: {
		502,
		KindAccount,
		"Limio refused the OAuth client. Check client id and secret in the Limio secret, then retry.",
	},
	CodeLimioForbidden: {
		502,
		KindAccount,
		"The Limio OAuth client may not do this. Ask Limio for full read and write, then retry.",
	},
	CodeLimioRefused: {
		502,
		KindAccount,
		"Limio refused the object. The message has the members that its answer names; correct the data in Zuora or the " +
			"settings, then retry.",
	},
	CodeLimioNotFound: {
		502,
		KindProcess,
		"Limio does not know the object. It is tried again by itself; if it stays, check the assumptions about Limio's " +
			"endpoints.",
	}, // it has just named or made it
	CodeLimioRateLimited: {503, KindOutage, "Limio asked to slow down. Syncs wait and go on by themselves."},
	CodeLimioPaused: {
		503,
		KindOutage,
		"Calls to Limio are paused after its last answers. Syncs wait and go on by themselves.",
	},
	CodeLimioUnavailable: {
		503,
		KindOutage,
		"Limio did not answer. Syncs wait and go on by themselves, for a day; see Limio's status page if it lasts.",
	},
	CodeLimioAnswer: {502, KindProcess, "Limio's answer could not be read. It is tried again by itself."},
	CodeLimioHost: {
		502,
		KindAccount,
		"An answer pointed to another host, so it was not followed. Check the Limio host in the configuration.",
	},
	CodeLimioCreation: {
		502,
		KindAccount,
		"This Limio does not let hotsync create such an object. Choose the other creation strategy in the settings.",
	},

	CodeOwnerBusy: {
		503,
		KindProcess,
		"Another sync is deciding who sees the account. It goes on by itself within a minute.",
	},
}

// Codes lists every code, for documentation and tests.
func Codes() []Code {
	out := make([]Code, 0, len(codes))
	for c := range codes {
		out = append(out, c)
	}
	return out
}

// Kind says whose matter the failure is. A code that is in no table is the account's:
// it is not tried again.
func (c Code) Kind() Kind {
	f, ok := codes[c]
	if !ok {
		return KindAccount
	}
	return f.kind
}

// Transient reports whether trying again can help: against an outage, and against
// a process's own trouble but for what has been tried already.
func (c Code) Transient() bool {
	switch c.Kind() {
	case KindOutage:
		return true
	case KindProcess:
		return c != CodeGaveUp && c != CodeInternal
	default:
		return false
	}
}

// Hint says what to do, in a sentence.
func (c Code) Hint() string { return codes[c].hint }

// HTTPStatus is the status of an HTTP answer with this code.
func (c Code) HTTPStatus() int {
	f, ok := codes[c]
	if !ok {
		return 500
	}
	return f.http
}

// Error is a failure with a code. Message may be shown to operators; Cause is
// for the log only.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // not sooner than this; zero when the other side did not say
	Cause      error
}

// Errorf makes an Error without a cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Because returns the error with a cause, which is logged but not shown. e stays as it is.
func (e *Error) Because(cause error) *Error {
	with := *e
	with.Cause = cause
	return &with
}

// After returns the error with how long the other side asked to wait. e stays as it is.
func (e *Error) After(d time.Duration) *Error {
	with := *e
	with.RetryAfter = d
	return &with
}

// Error implements error.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// AsError finds the Error in err. A passed deadline is a timeout; whatever else
// has no code is internal, and its text stays in the log.
func AsError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Error{Code: CodeTimeout, Message: "The sync ran out of time.", Cause: err}
	default:
		return &Error{Code: CodeInternal, Message: "Internal error.", Cause: err}
	}
}

// Problem is what an event and an API answer show of the error.
func (e *Error) Problem() *Problem {
	return &Problem{Code: e.Code, Message: e.Message, Hint: e.Code.Hint()}
}

// In prefixes *err with the call it happened in; it does nothing when *err is
// nil. Never pass a secret or a personal value in args.
func In(err *error, call string, args ...any) {
	if err == nil || *err == nil {
		return
	}
	*err = fmt.Errorf(call+": %w", append(args, *err)...)
}
