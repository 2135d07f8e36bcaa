package syncqueue

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"hotsync/shared/hotsync"
)

// MaxMessage bounds a message, in bytes. It keeps ten of them within the 1 MiB
// that SQS takes at once:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
const MaxMessage = 64 << 10

const (
	// messageVersion is raised when an older reader would misunderstand a newer
	// message. A new field alone does not raise it: older readers pass over it.
	messageVersion = 1
	maxText        = 2048 // of each text in a message
	maxAccount     = 256
	// maxRequeued only tells nonsense: how long a request may wait is the syncer's
	// business, and a day of waiting takes some thousand copies.
	maxRequeued = 100_000
)

// wire is the body of a message.
type wire struct {
	V int `json:"v"`
	hotsync.SyncRequest
}

// Encode returns the body of a message. A request that Decode would refuse is
// refused with message_malformed.
func Encode(r hotsync.SyncRequest) (string, error) {
	if why := wrong(r); why != "" {
		return "", malformed(why)
	}
	body, err := json.Marshal(wire{V: messageVersion, SyncRequest: r})
	if err != nil {
		return "", malformed("it cannot be written down").Because(err)
	}
	if len(body) > MaxMessage {
		return "", malformed("it is too large")
	}
	return string(body), nil
}

// Decode reads the body of a message. What is not exactly one request that can
// be acted on is refused with message_malformed. Its error says what is wrong
// without repeating anything of the body.
func Decode(body string) (hotsync.SyncRequest, error) {
	if len(body) > MaxMessage {
		return hotsync.SyncRequest{}, malformed("it is too large")
	}
	if !utf8.ValidString(body) {
		return hotsync.SyncRequest{}, malformed("it is not UTF-8")
	}
	var w wire
	dec := json.NewDecoder(bytes.NewReader([]byte(body)))
	err := dec.Decode(&w)
	if err != nil {
		return hotsync.SyncRequest{}, malformed("it is not JSON of the expected form")
	}
	_, err = dec.Token()
	if !errors.Is(err, io.EOF) {
		return hotsync.SyncRequest{}, malformed("something follows its JSON")
	}
	if w.V != messageVersion {
		return hotsync.SyncRequest{}, malformed("its version is not known here")
	}
	w.RequestedAt = w.RequestedAt.UTC()
	if why := wrong(w.SyncRequest); why != "" {
		return hotsync.SyncRequest{}, malformed(why)
	}
	return w.SyncRequest, nil
}

func malformed(why string) *hotsync.Error {
	return hotsync.Errorf(hotsync.CodeMessageMalformed, "The queue message is not a sync request: %s.", why)
}

// wrong says why a request cannot be acted on, or "".
func wrong(r hotsync.SyncRequest) string {
	for name, text := range map[string]string{
		"login": r.LoginID, "provider": r.Provider, "iss": r.Identity.Issuer, "sub": r.Identity.Subject,
		"emailHash": r.EmailHash, "emailMask": r.EmailMask,
		"claim": r.Claim, "account": r.Account, "retryOf": r.RetryOf, "actor": r.Actor, "job": r.Job,
	} {
		if !plain(text) {
			return name + " is too long or has characters that do not belong there"
		}
	}
	if len(r.Note) > maxText || !utf8.ValidString(r.Note) {
		return "note is too long or not UTF-8"
	}
	switch r.Trigger {
	case hotsync.TriggerPostAuthentication,
		hotsync.TriggerPostConfirmation,
		hotsync.TriggerLogin,
		hotsync.TriggerCallout,
		hotsync.TriggerAPI,
		hotsync.TriggerConsole,
		hotsync.TriggerBackfill,
		hotsync.TriggerReconcile:
	default:
		return "its trigger is not known here"
	}
	for _, account := range r.Named {
		if len(account) > maxAccount || !plain(account) {
			return "named holds what is no account"
		}
	}
	year := r.RequestedAt.Year()
	switch {
	case !hotsync.IsEventID(r.EventID):
		return "event is not an event id"
	case r.AccountID != "" && !hotsync.IsAccountID(r.AccountID):
		return "accountId is not a Zuora id"
	case len(r.Account) > maxAccount:
		return "account is too long"
	case r.AccountID == "" && r.Lookup == nil && r.Account != "" && !hotsync.IsAccountKey(r.Account):
		return "account is no id or number of one"
	case r.Lookup != nil && !hotsync.IsLookupField(r.Lookup.Field):
		return "lookup has no custom field"
	case r.Lookup != nil && !plain(r.Lookup.Value):
		return "the value to look up is too long or has characters that do not belong there"
	case r.AccountID == "" && strings.TrimSpace(r.Account) == "" && (r.Lookup == nil || r.Lookup.Value == ""):
		return "it names no account and nothing to look up"
	case year < 2000 || year > 9000:
		return "requestedAt is missing or not of this age"
	case r.Requeued < 0 || r.Requeued > maxRequeued || r.SentOn < 0 || r.SentOn > r.Requeued:
		return "it was sent on too often"
	default:
		return ""
	}
}

// plain reports whether a text is short and has no control characters.
func plain(text string) bool {
	return len(text) <= maxText && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
