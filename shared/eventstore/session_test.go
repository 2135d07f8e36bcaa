package eventstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
)

func TestSessionEnds(t *testing.T) {
	t.Parallel()

	b := open(t)
	ends := func(member string) []eventstore.SessionEnd {
		t.Helper()
		got, err := b.SessionEnds(t.Context(), member)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := ends("olga"); len(got) != 0 {
		t.Fatalf("SessionEnds = %+v, want none", got)
	}
	all := eventstore.SessionEnd{At: start, Until: start.Add(8 * time.Hour)}
	one := eventstore.SessionEnd{Session: "S1", At: start, Until: start.Add(time.Hour)}
	for _, end := range []eventstore.SessionEnd{one, all, one} {
		err := b.EndSession(t.Context(), "olga", end)
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]eventstore.SessionEnd{all, one}, ends("olga")); diff != "" {
		t.Errorf("ends mismatch (-want +got):\n%s", diff)
	}
	if got := ends("vera"); len(got) != 0 {
		t.Errorf("SessionEnds of another member = %+v, want none", got)
	}
	b.clock.set(start.Add(2 * time.Hour))
	if diff := cmp.Diff([]eventstore.SessionEnd{all}, ends("olga")); diff != "" {
		t.Errorf("ends after the hour mismatch (-want +got):\n%s", diff)
	}
}
