package limio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"hotsync/shared/apiclient"
	"hotsync/shared/hotsync"
)

// Bounds of what is looked at for member names: of a sent object, and of the answer.
const (
	maxSent     = 256 << 10
	maxAnswered = 8 << 10
)

// refusal is the cause of an error made from an HTTP status outside 2xx. Limio
// documents no body for one. What it says can repeat the object that was sent, so
// of its words only those are kept that are names of the object's own members.
type refusal struct {
	status  int
	members []string // of the object that was sent, which the answer names; sorted
	taken   bool     // it says that the object exists already
}

// Error implements error.
func (r *refusal) Error() string { return fmt.Sprintf("status %d", r.status) }

var alreadyExists = regexp.MustCompile(`(?i)\balready exist|\bexists already|\bduplicate`)

// refused makes an error of an answer outside 2xx. Limio documents 400, 401,
// 404 and 502; the others are treated by what HTTP says of them.
func (c *Client) refused(sent apiclient.Request, res *http.Response, body []byte) error {
	body = body[:min(len(body), maxAnswered)]
	r := &refusal{status: res.StatusCode, members: named(body, sent.Body), taken: alreadyExists.Match(body)}
	code, message := verdict(r.status)
	if code == hotsync.CodeLimioNotFound && apiclient.IsPage(body) {
		// Nobody looked for the object: taken for absent, it would be made again.
		return hotsync.Errorf(hotsync.CodeLimioUnavailable, "%d: a web page came in place of Limio's answer", r.status)
	}
	if len(r.members) > 0 {
		message += "; its answer names " + strings.Join(r.members, ", ")
	}
	return hotsync.Errorf(code, "%d: %s", r.status, message).Because(r).
		After(apiclient.RetryAfter(c.now(), res.Header.Get("Retry-After")))
}

// verdict says what a status means for the sync.
func verdict(status int) (hotsync.Code, string) {
	switch {
	case status == http.StatusUnauthorized:
		return hotsync.CodeLimioUnauthorized, "Limio refused the token"
	case status == http.StatusForbidden:
		return hotsync.CodeLimioForbidden, "Limio does not allow the request"
	case status == http.StatusNotFound, status == http.StatusGone:
		return hotsync.CodeLimioNotFound, "Limio does not know the object"
	case status == http.StatusTooManyRequests:
		return hotsync.CodeLimioRateLimited, "Limio asked to slow down"
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return hotsync.CodeLimioUnavailable, "Limio could not carry out the request"
	default:
		return hotsync.CodeLimioRefused, "Limio refused the request"
	}
}

var (
	word       = regexp.MustCompile(`[\pL\d_]+`)
	memberName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
)

// named returns the member names of the sent JSON that are words of an answer, in
// whatever shape it comes. An answer that repeats the object names all of its
// members, which says nothing: it is then as if it named none.
func named(answer, sent []byte) []string {
	if len(sent) > maxSent {
		return nil
	}
	var object any
	err := json.Unmarshal(sent, &object)
	if err != nil {
		return nil // a form, or nothing was sent
	}
	members := map[string]bool{}
	collect(object, members)
	var found []string
	for _, w := range word.FindAllString(string(answer), -1) {
		if members[w] && !slices.Contains(found, w) {
			found = append(found, w)
		}
	}
	if len(found) == len(members) && len(members) > 1 {
		return nil
	}
	slices.Sort(found)
	return found
}

// collect adds the names of all members of a JSON value.
func collect(v any, members map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			collect(item, members)
		}
	case map[string]any:
		for name, value := range v {
			if memberName.MatchString(name) {
				members[name] = true
			}
			collect(value, members)
		}
	}
}
