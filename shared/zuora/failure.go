package zuora

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/apiclient"
	"hotsync/shared/hotsync"
)

// codeBadFilter is what Object Query says of a field that cannot be filtered by.
const codeBadFilter = "50000027"

// failure is what an answer says went wrong. It has Zuora's codes and not its
// messages, which can repeat what was asked for.
type failure struct {
	status int
	codes  []string // digits, or words such as SystemError
	said   bool     // the body has one of the shapes below
}

// Error implements error.
func (f *failure) Error() string {
	if len(f.codes) == 0 {
		return fmt.Sprintf("status %d without a code", f.status)
	}
	return fmt.Sprintf("status %d, %s", f.status, strings.Join(f.codes, " "))
}

func (f *failure) has(code string) bool {
	for _, c := range f.codes {
		if c == code {
			return true
		}
	}
	return false
}

// shape collects the members by which an answer reports a failure, whatever its
// status. There are four shapes:
//
//	{"success":false,"reasons":[{"code":50000040,"message":"…"}]}   v1; Object Query leaves success out
//	{"Success":false,"Errors":[{"Code":"…","Message":"…"}]}         CRUD
//	{"FaultCode":"INVALID_FIELD","FaultMessage":"…"}                actions
//	{"code":"ClientError","message":"…"}                            actions, gateway
//
// A code is an integer, digits in a string, or a word.
type shape struct {
	succeeded bool // success: true was there
	failed    bool
	codes     []string
}

// member takes a member of the answer's top level; it reports false, and reads
// nothing, for one that is no part of a failure shape.
func (s *shape) member(d decoder, name string) (bool, error) {
	var raw json.RawMessage
	switch name {
	case "success", "Success", "reasons", "Errors", "FaultCode", "FaultMessage", "code", "message":
		err := d.value(&raw)
		if err != nil || string(raw) == "null" {
			return true, err
		}
	default:
		return false, nil
	}
	switch name {
	case "success", "Success":
		s.succeeded = string(raw) == "true"
		s.failed = s.failed || string(raw) == "false"
	case "reasons", "Errors":
		s.reasons(raw)
	case "FaultCode", "code":
		s.failed = true
		s.codes = append(s.codes, codeOf(raw))
	case "FaultMessage", "message":
		s.failed = true
	}
	return true, nil
}

func (s *shape) reasons(raw json.RawMessage) {
	var reasons []struct {
		Code json.RawMessage `json:"code"` // matches Code too
	}
	err := json.Unmarshal(raw, &reasons)
	if err != nil {
		s.failed = true
		return
	}
	for _, r := range reasons {
		s.failed = true
		s.codes = append(s.codes, codeOf(r.Code))
	}
}

// codeOf returns digits or a word, and "?" for what is neither.
func codeOf(raw json.RawMessage) string {
	text := strings.Trim(string(raw), `"`)
	if text == "" || len(text) > 64 {
		return "?"
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && c != ':' && c != '.' {
			return "?"
		}
	}
	return text
}

// decodeFailure reads the body of an answer whose status is not 200.
func decodeFailure(status int, body []byte) *failure {
	f := &failure{status: status}
	var s shape
	err := newDecoder(strings.NewReader(string(body))).object(func(d decoder, name string) error {
		known, err := s.member(d, name)
		if known {
			return err
		}
		return d.skip()
	})
	if err == nil {
		f.said, f.codes = s.failed, s.codes
	}
	return f
}

// classify makes an error of a failure: whether trying again can help, and how
// long to wait before. It follows
// https://developer.zuora.com/docs/guides/error-handling
func classify(f *failure, h http.Header, now time.Time) *hotsync.Error {
	code := f.code()
	e := hotsync.Errorf(code, "%s (%s)", messages[code], f).Because(f)
	switch {
	case code == hotsync.CodeZuoraRateLimited:
		return e.After(apiclient.RetryAfter(now, h.Get("Retry-After"), h.Get("Ratelimit-Reset")))
	case code.Transient():
		// Ratelimit-Reset is on every answer and says nothing about this one.
		return e.After(apiclient.RetryAfter(now, h.Get("Retry-After")))
	}
	return e
}

var messages = map[hotsync.Code]string{
	hotsync.CodeZuoraUnauthorized: "Zuora refused the token",
	hotsync.CodeZuoraForbidden:    "Zuora does not permit the request",
	hotsync.CodeZuoraNotFound:     "Zuora knows no account by this key",
	hotsync.CodeZuoraRefused:      "Zuora refused the request",
	hotsync.CodeZuoraRateLimited:  "Zuora's rate limit is used up",
	hotsync.CodeZuoraBusy:         "Zuora is busy or the record is locked",
	hotsync.CodeZuoraUnavailable:  "Zuora could not carry out the request",
	hotsync.CodeZuoraAnswer:       "Zuora's answer could not be read",
}

func (f *failure) code() hotsync.Code {
	switch {
	case f.status == http.StatusUnauthorized:
		return hotsync.CodeZuoraUnauthorized
	case f.status == http.StatusForbidden:
		return hotsync.CodeZuoraForbidden
	case f.status == http.StatusNotFound && f.said:
		return hotsync.CodeZuoraNotFound
	case f.status == http.StatusNotFound: // a gateway's page: nobody looked for the record
		return hotsync.CodeZuoraUnavailable
	case f.status == http.StatusTooManyRequests:
		if f.has("50000070") { // concurrency; the rate limits say 70
			return hotsync.CodeZuoraBusy
		}
		return hotsync.CodeZuoraRateLimited
	case f.status >= 500:
		return f.verdict(hotsync.CodeZuoraUnavailable)
	case f.status == http.StatusRequestTimeout, f.status == http.StatusTooEarly:
		return hotsync.CodeZuoraUnavailable
	case f.status == http.StatusOK && len(f.codes) == 0:
		return hotsync.CodeZuoraAnswer
	default:
		return f.verdict(hotsync.CodeZuoraRefused)
	}
}

// verdict puts the codes together: transient only when every one is. fallback
// is what holds for an unknown code, and when there is none.
func (f *failure) verdict(fallback hotsync.Code) hotsync.Code {
	if len(f.codes) == 0 {
		return fallback
	}
	var found hotsync.Code
	for _, text := range f.codes {
		c, ok := meaning(text)
		if !ok {
			c = fallback
		}
		if !c.Transient() {
			return c
		}
		if found == "" || c == hotsync.CodeZuoraRateLimited || found == hotsync.CodeZuoraUnavailable {
			found = c
		}
	}
	return found
}

// meaning returns the code for one of Zuora's. The last two digits of a number are
// its category, whatever came before.
func meaning(text string) (hotsync.Code, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		_, word, found := strings.Cut(text, ":") // fns:INVALID_FIELD
		if !found {
			word = text
		}
		c, ok := words[word]
		return c, ok
	}
	if n == 70 {
		return hotsync.CodeZuoraRateLimited, true
	}
	c, ok := categories[n%100]
	return c, ok
}

var categories = map[uint64]hotsync.Code{
	10: hotsync.CodeZuoraForbidden,
	11: hotsync.CodeZuoraUnauthorized,
	20: hotsync.CodeZuoraRefused, // invalid value
	21: hotsync.CodeZuoraRefused, // unknown field
	22: hotsync.CodeZuoraRefused, // missing value
	23: hotsync.CodeZuoraRefused, // missing value
	27: hotsync.CodeZuoraRefused, // bad query parameter
	30: hotsync.CodeZuoraRefused, // rule violated
	40: hotsync.CodeZuoraNotFound,
	45: hotsync.CodeZuoraRefused, // method
	50: hotsync.CodeZuoraBusy,    // lock
	60: hotsync.CodeZuoraUnavailable,
	61: hotsync.CodeZuoraUnavailable,
	70: hotsync.CodeZuoraBusy,
	90: hotsync.CodeZuoraRefused, // bad JSON
	99: hotsync.CodeZuoraUnavailable,
}

// words are the codes of the action calls and of v1's 500.
var words = map[string]hotsync.Code{
	"SystemError":            hotsync.CodeZuoraUnavailable,
	"REQUEST_EXCEEDED_LIMIT": hotsync.CodeZuoraRateLimited,
	"REQUEST_EXCEEDED_RATE":  hotsync.CodeZuoraRateLimited,
	"LOCK_COMPETITION":       hotsync.CodeZuoraBusy,
	"SERVER_UNAVAILABLE":     hotsync.CodeZuoraUnavailable,
	"TEMPORARY_ERROR":        hotsync.CodeZuoraUnavailable,
	"UNKNOWN_ERROR":          hotsync.CodeZuoraUnavailable,
	"API_DISABLED":           hotsync.CodeZuoraUnavailable,
	"INVALID_SESSION":        hotsync.CodeZuoraUnauthorized,
	"INVALID_FIELD":          hotsync.CodeZuoraRefused,
	"INVALID_TYPE":           hotsync.CodeZuoraRefused,
	"INVALID_VALUE":          hotsync.CodeZuoraRefused,
	"MALFORMED_QUERY":        hotsync.CodeZuoraRefused,
}

// said returns the failure that err was made from, if any.
func said(err error) (*failure, bool) {
	var f *failure
	ok := errors.As(err, &f)
	return f, ok
}
