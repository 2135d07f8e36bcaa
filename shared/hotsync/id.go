package hotsync

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"strings"
	"time"
)

const eventPrefix = "event-"

var eventPattern = regexp.MustCompile(`^event-[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$`)

// NewEventID makes an event id: "event-" and the 32 hex digits of a UUIDv7
// (RFC 9562), so that ids sort by time. random supplies the 10 bytes that are
// not time; reading it must not fail (crypto/rand.Read does not).
func NewEventID(at time.Time, random func([]byte) (int, error)) string {
	var tail [10]byte
	_, err := random(tail[:])
	if err != nil {
		// The ids of one millisecond then differ by its nanoseconds only, which is
		// better than a login that fails for want of randomness.
		binary.BigEndian.PutUint64(tail[:8], uint64(at.UnixNano()))
	}
	return eventID(at, tail)
}

// EventIDFor makes the event id of a login that may be reported twice: the same
// time and names give the same id, so that the second report finds the first.
func EventIDFor(at time.Time, names ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return eventID(at, [10]byte(sum[:10]))
}

func eventID(at time.Time, tail [10]byte) string {
	var id [16]byte
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli()))
	copy(id[:6], ms[2:])
	copy(id[6:], tail[:])
	id[6] = 0x70 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	return eventPrefix + hex.EncodeToString(id[:])
}

// IsEventID reports whether id has the form of an event id.
func IsEventID(id string) bool { return eventPattern.MatchString(id) }

// EventTime is the time an event id was made at, in milliseconds; it is zero
// for what is no event id.
func EventTime(id string) time.Time {
	if !IsEventID(id) {
		return time.Time{}
	}
	raw, err := hex.DecodeString(id[len(eventPrefix) : len(eventPrefix)+12])
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(append([]byte{0, 0}, raw...)))).UTC()
}

// FirstEventID is the least id an event made at that time can have: the bound
// of a time range, since ids sort by time.
func FirstEventID(at time.Time) string {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(0, at.UnixMilli())))
	return eventPrefix + hex.EncodeToString(ms[2:])
}
