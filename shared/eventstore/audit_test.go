package eventstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
)

func TestActs(t *testing.T) {
	t.Parallel()

	b := open(t)
	record := func(a eventstore.Act) eventstore.Act {
		t.Helper()
		err := b.Record(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	yesterday := record(eventstore.Act{At: start.Add(-24 * time.Hour), Actor: "s1", Role: "operator", Action: "retry"})
	first := record(eventstore.Act{At: start, Actor: "s1", Name: "Olga", Role: "operator", Action: "bulk_retry",
		Filter: "status=failed", Note: "Zuora was down", Result: "begun"})
	second := record(eventstore.Act{At: start.Add(time.Second), Actor: "s2", Role: "admin", Action: "reveal", Event: "e",
		Account: "a"})
	same := record(second) // at the same moment: kept beside it

	acts := func(day time.Time, limit int) []eventstore.Act {
		t.Helper()
		got, err := b.Acts(t.Context(), day, limit)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if diff := cmp.Diff([]eventstore.Act{second, same, first}, acts(start, 100)); diff != "" {
		t.Errorf("acts of the day mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]eventstore.Act{second, same}, acts(start, 2)); diff != "" {
		t.Errorf("two acts mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]eventstore.Act{yesterday}, acts(yesterday.At, 100)); diff != "" {
		t.Errorf("acts of the day before mismatch (-want +got):\n%s", diff)
	}
	b.clock.set(start.Add(eventstore.DefaultRetention + time.Minute))
	if got := acts(start, 100); len(got) != 0 {
		t.Errorf("acts that expired are still there: %+v", got)
	}
}
