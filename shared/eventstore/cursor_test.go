package eventstore

import (
	"strings"
	"testing"
	"time"

	"hotsync/shared/hotsync"
)

// A cursor that is taken leads to the place it was made for, and to no other.
func FuzzDecodeCursor(f *testing.F) {
	at := time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)
	for _, before := range []string{hotsync.FirstEventID(at), hotsync.EventIDFor(at, "seed")} {
		cursor, err := encodeCursor(Query{Q: "A1"}, before)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("A1", cursor)
		f.Add("A2", cursor)
		f.Add("A1", cursor+"=")
	}
	f.Add("", "")
	f.Fuzz(func(t *testing.T, q, cursor string) {
		query := Query{Q: q}
		before, err := decodeCursor(query, cursor)
		if err != nil {
			if hotsync.AsError(err).Code != hotsync.CodeBadRequest {
				t.Fatalf("decodeCursor(%q) error = %v, want bad_request", cursor, err)
			}
			return
		}
		if cursor == "" {
			return
		}
		if !strings.HasPrefix(before, eventPrefix) || !bound.MatchString(before) {
			t.Fatalf("decodeCursor(%q) = %q, no bound of ids", cursor, before)
		}
		again, err := encodeCursor(query, before)
		if err != nil || again != cursor {
			t.Fatalf("encodeCursor(decodeCursor(%q)) = %q, %v", cursor, again, err)
		}
	})
}

func TestBelow(t *testing.T) {
	t.Parallel()

	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, hi := range []string{hotsync.FirstEventID(at), hotsync.EventIDFor(at, "x"),
		"event-0190000000a07000800000000000000" + "0", "event-01900000000a"} {
		b := below(hi)
		if b >= hi {
			t.Errorf("below(%q) = %q, not below", hi, b)
		}
		if before := hotsync.EventIDFor(at.Add(-time.Millisecond), "before"); before < hi && before > b {
			t.Errorf("below(%q) = %q leaves out %q", hi, b, before)
		}
	}
	// The very next id below, at each digit's edge.
	for _, pair := range [][2]string{
		{"event-01900000000070008000000000000fff", "event-01900000000070008000000000001000"},
		{"event-0190000000007000800000000000001f", "event-01900000000070008000000000000020"},
		{"event-01900000000070008000000000000009", "event-0190000000007000800000000000000a"},
		{"event-01900000000b7fffbfffffffffffffff", "event-01900000000c"},
		{"event-0190000000097fffbfffffffffffffff", "event-01900000000a"},
	} {
		if b := below(pair[1]); pair[0] > b || b >= pair[1] {
			t.Errorf("below(%q) = %q, want at least %q", pair[1], b, pair[0])
		}
	}
}
