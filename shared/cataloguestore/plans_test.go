package cataloguestore_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/catalogue"
	"hotsync/shared/cataloguestore"
	"hotsync/shared/dynamo"
	"hotsync/shared/projection"
)

// seen is a match of a rate plan, of subscriptions of those numbers.
func seen(plan string, standing catalogue.Standing, path string, numbers ...string) projection.PlanMatch {
	return projection.PlanMatch{ProductRatePlanID: "id of " + plan, ProductName: "Product", ProductSKU: "SKU",
		RatePlanName: plan,
		Currency:     "GBP", Standing: standing, Path: path, Subscriptions: numbers}
}

// lines are the listed plans, a text each.
func lines(t *testing.T, store *cataloguestore.Store) []string {
	t.Helper()
	plans, err := store.Plans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, p := range plans {
		line := fmt.Sprintf("%s %s %s %d", p.RatePlan, p.Outcome, p.Path, p.Subscriptions)
		if p.More {
			line += "+"
		}
		out = append(out, line)
	}
	return out
}

func TestSeenPlans(t *testing.T) {
	t.Parallel()

	type syncs [][]projection.PlanMatch
	none, one, two, several := catalogue.Unmatched, catalogue.Matched, catalogue.Matched, catalogue.Ambiguous
	for _, tc := range []struct {
		name  string
		syncs syncs
		want  []string
	}{
		{"nothing", syncs{}, []string{}},
		{"gaps first",
			syncs{{seen("B", one, "/b", "S1"), seen("A", one, "/a", "S1"), seen("C", several, "/c", "S1"),
				seen("D", none, "", "S1")}},
			[]string{"D unmatched  1", "C ambiguous /c 1", "A matched /a 1", "B matched /b 1"}},
		{"subscriptions are counted once", syncs{{seen("A", one, "/a", "S1", "S2")}, {seen("A", one, "/a", "S2", "S3")}},
			[]string{"A matched /a 3"}},
		{"a plan of two prices",
			syncs{{seen("A", one, "/a1", "S1"), seen("A", two, "/a2", "S2")}, {seen("A", one, "/a1", "S1")}},
			[]string{"A matched /a1 1", "A matched /a2 1"}},
		{"one subscription has a plan twice",
			syncs{{seen("A", one, "/a1", "S1"), seen("A", two, "/a2", "S1")},
				{seen("A", one, "/a1", "S1"), seen("A", two, "/a2", "S1")}},
			[]string{"A matched /a1 1", "A matched /a2 1"}},
		{"the gap is filled, whoever signs in", syncs{{seen("A", none, "", "S1", "S2")}, {seen("A", one, "/a", "S2")}},
			[]string{"A matched /a 1"}},
		{"the item is not published any more",
			syncs{{seen("A", one, "/a1", "S1"), seen("A", two, "/a2", "S2")}, {seen("A", none, "", "S1")}},
			[]string{"A unmatched  1"}},
		{"the choice is made", syncs{{seen("A", several, "/a1", "S1", "S2")}, {seen("A", one, "/a2", "S1")},
			{seen("A", one, "/a2", "S2")}}, []string{"A matched /a2 2"}},
		{"the choice is made for one", syncs{{seen("A", several, "/a1", "S1", "S2")}, {seen("A", one, "/a2", "S1")}},
			[]string{"A ambiguous /a1 1", "A matched /a2 1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			store := cataloguestore.New(dynamo.Table{Client: &table{}, Name: "events"}, "acme")
			for _, matches := range tc.syncs {
				// Each sync in a process of its own, so that nothing rests on memory.
				err := cataloguestore.NewSeenPlans(store, nil).Note(t.Context(), matches)
				if err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.want, lines(t, store)); diff != "" {
				t.Errorf("plans (-want +got):\n%s", diff)
			}
			other := cataloguestore.New(dynamo.Table{Client: &table{}, Name: "events"}, "another")
			if got := lines(t, other); len(got) != 0 {
				t.Errorf("another tenant lists %q", got)
			}
		})
	}
}

// A login at which nothing is new costs neither a read nor a write, and a cold
// process one read.
func TestSeenPlansCostNothing(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		db := &table{}
		store := cataloguestore.New(dynamo.Table{Client: db, Name: "events"}, "acme")
		costs := func(n *cataloguestore.SeenPlans, what string, reads, writes int, matches ...projection.PlanMatch) {
			t.Helper()
			r, w := db.reads, db.writes
			err := n.Note(t.Context(), matches)
			if err != nil || db.reads-r != reads || db.writes-w != writes {
				t.Errorf("%s: %v, %d reads and %d writes, want %d and %d", what, err, db.reads-r, db.writes-w, reads, writes)
			}
		}
		a, b := cataloguestore.NewSeenPlans(store, nil), cataloguestore.NewSeenPlans(store, nil)
		ambiguous := func(number string, candidates ...string) projection.PlanMatch {
			m := seen("B", catalogue.Ambiguous, "/b1", number)
			m.Candidates = candidates
			return m
		}
		costs(a, "the first", 1, 1, seen("A", catalogue.Matched, "/a", "S1"))
		costs(a, "again", 0, 0, seen("A", catalogue.Matched, "/a", "S1"))
		costs(b, "a cold process", 1, 0, seen("A", catalogue.Matched, "/a", "S1"))
		costs(b, "nothing at all", 0, 0)
		costs(b, "another subscription", 1, 1, seen("A", catalogue.Matched, "/a", "S2"))
		costs(a, "what others have noted", 1, 0, seen("A", catalogue.Matched, "/a", "S2"))
		costs(a, "three to choose from", 1, 1, ambiguous("S3", "/b1", "/b2", "/b3"))
		costs(a, "two of them for another price", 0, 0, ambiguous("S3", "/b1", "/b2"))
		for n := range 60 {
			err := a.Note(t.Context(), []projection.PlanMatch{seen("A", catalogue.Matched, "/a", fmt.Sprint("T", n))})
			if err != nil {
				t.Fatal(err)
			}
		}
		costs(a, "one of many", 0, 0, seen("A", catalogue.Matched, "/a", "T999"))
		if diff := cmp.Diff([]string{"B ambiguous /b1 1", "A matched /a 50+"}, lines(t, store)); diff != "" {
			t.Errorf("plans (-want +got):\n%s", diff)
		}
		time.Sleep(25 * time.Hour)
		costs(a, "the next day", 1, 1, seen("A", catalogue.Matched, "/a", "S1"))
		costs(a, "and again", 0, 0, seen("A", catalogue.Matched, "/a", "S1"))
		time.Sleep(91 * 24 * time.Hour)
		costs(a, "a season later", 1, 1, seen("A", catalogue.Matched, "/a", "S1"))
		if diff := cmp.Diff([]string{"A matched /a 1"}, lines(t, store)); diff != "" {
			t.Errorf("plans (-want +got):\n%s", diff)
		}
	})
}

// Processes that note at once lose nothing of each other's, or leave it for the
// next sync.
func TestSeenPlansTogether(t *testing.T) {
	t.Parallel()

	store := cataloguestore.New(dynamo.Table{Client: &table{}, Name: "events"}, "acme")
	const processes = 8
	var all []*cataloguestore.SeenPlans
	for range processes {
		all = append(all, cataloguestore.NewSeenPlans(store, nil))
	}
	for len(lines(t, store)) < processes {
		var wg sync.WaitGroup
		for i, n := range all {
			wg.Go(func() {
				err := n.Note(t.Context(), []projection.PlanMatch{seen(fmt.Sprint("P", i), catalogue.Matched, "/p", "S1")})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func TestSeenPlansWithoutStore(t *testing.T) {
	t.Parallel()

	n := cataloguestore.NewSeenPlans(
		cataloguestore.New(dynamo.Table{Client: &table{err: errors.New("throttled")}, Name: "events"}, "acme"), nil)
	err := n.Note(t.Context(), []projection.PlanMatch{seen("A", catalogue.Matched, "/a", "S1")})
	if err == nil {
		t.Error("Note without a store reports nothing")
	}
}
