package eventstore

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"hotsync/shared/hotsync"
)

// A cursor says before which id the next page begins: an event's id, or its
// first 12 digits, which are a time. With it goes a check over the id and the
// query, so that a cursor is refused where it was altered or is used with
// another query. It is base64url of version, check and the digits of the id.
const (
	cursorVersion = 1
	checkBytes    = 8
	eventPrefix   = "event-"
)

var bound = regexp.MustCompile(`^event-[0-9a-f]{12}(7[0-9a-f]{3}[89ab][0-9a-f]{15})?$`)

func encodeCursor(q Query, before string) (string, error) {
	digits, err := hex.DecodeString(strings.TrimPrefix(before, eventPrefix))
	if err != nil {
		return "", fmt.Errorf("cursor: %w", err)
	}
	check := q.check(before)
	raw := append([]byte{cursorVersion}, check[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, digits...)), nil
}

// decodeCursor returns the id a page begins before; it is "" for the first page.
func decodeCursor(q Query, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) < 1+checkBytes || raw[0] != cursorVersion {
		return "", badRequest("The cursor is not one of this service. Begin again at the first page.")
	}
	before := eventPrefix + hex.EncodeToString(raw[1+checkBytes:])
	if !bound.MatchString(before) || [checkBytes]byte(raw[1:]) != q.check(before) {
		return "", badRequest("The cursor does not belong to this search. Begin again at the first page.")
	}
	return before, nil
}

// check binds a position to what is searched for, not to how much is shown.
func (q Query) check(before string) [checkBytes]byte {
	said := fmt.Appendf(nil, "%q", []any{q.Account, q.Subject, q.Statuses, q.Q, q.Provider, q.Trigger, q.Reason,
		hotsync.FirstEventID(q.From), hotsync.FirstEventID(q.To), before})
	if q.Open {
		said = append(said, "open"...)
	}
	sum := sha256.Sum256(said)
	return [checkBytes]byte(sum[:])
}
