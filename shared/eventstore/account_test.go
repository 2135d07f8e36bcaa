package eventstore_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

func TestAccountState(t *testing.T) {
	t.Parallel()

	t.Run("an unknown account has its id only", func(t *testing.T) {
		t.Parallel()

		got, err := open(t).LoadAccount(t.Context(), accountID("new"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(eventstore.AccountState{AccountID: accountID("new")}, got); diff != "" {
			t.Errorf("LoadAccount mismatch (-want +got):\n%s", diff)
		}
	})

	t.Run("a state comes back as it was saved", func(t *testing.T) {
		t.Parallel()

		b := open(t)
		state := eventstore.AccountState{AccountID: accountID("a"), Number: "A1", LastReadStartedAt: start,
			LastEventID: "event-1",
			LastSucceededAt: start.Add(
				time.Nanosecond), LastSucceededEvent: "event-2", CustomerID: "cus-1", LinkedSubjects: []string{"x"},
			AliasHash: "h", AliasesUntil: start.Add(time.Hour)}
		saved, err := b.SaveAccount(t.Context(), state)
		if err != nil {
			t.Fatal(err)
		}
		state.Revision, state.KnownSince = 1, state.LastSucceededAt
		if diff := gocmp.Diff(state, saved); diff != "" {
			t.Errorf("SaveAccount mismatch (-want +got):\n%s", diff)
		}
		got, err := b.LoadAccount(t.Context(), state.AccountID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(state, got); diff != "" {
			t.Errorf("LoadAccount mismatch (-want +got):\n%s", diff)
		}
		if got := b.search(t, eventstore.Query{}); len(got) > 0 {
			t.Error("a state shows up among the events")
		}
	})

	t.Run("one of many writers wins", func(t *testing.T) {
		t.Parallel()

		b := open(t)
		for revision := range 2 {
			var won atomic.Int64
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					_, err := b.SaveAccount(t.Context(), eventstore.AccountState{AccountID: accountID("a"), Revision: revision})
					if err == nil {
						won.Add(1)
					} else if !errors.Is(err, eventstore.ErrConflict) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("revision %d: %d winners, want 1", revision, won.Load())
			}
		}
	})

	t.Run("a state that nobody writes is forgotten", func(t *testing.T) {
		t.Parallel()

		b := open(t)
		_, err := b.SaveAccount(t.Context(), eventstore.AccountState{AccountID: accountID("a"), Number: "A1"})
		if err != nil {
			t.Fatal(err)
		}
		b.clock.set(start.Add(eventstore.DefaultRetention))
		got, err := b.LoadAccount(t.Context(), accountID("a"))
		if err != nil {
			t.Fatal(err)
		}
		if got.Revision != 0 || got.Number != "" {
			t.Errorf("LoadAccount = %+v, want nothing but the id", got)
		}
		_, err = b.SaveAccount(t.Context(), got)
		if err != nil {
			t.Error(err)
		}
	})

	t.Run("a state needs an id", func(t *testing.T) {
		t.Parallel()

		_, err := open(t).SaveAccount(t.Context(), eventstore.AccountState{})
		if code := hotsync.AsError(err).Code; code != hotsync.CodeBadRequest {
			t.Errorf("SaveAccount error = %v, want bad_request", err)
		}
	})
}

func TestLinkedSubjects(t *testing.T) {
	t.Parallel()

	ada, other := hotsync.Identity{Issuer: "https://a.example.com",
		Subject: "ada"}, hotsync.Identity{Issuer: "https://b.example.com", Subject: "ada"}
	var none eventstore.AccountState
	linked := none.WithLinked(ada, nil)
	if none.Linked(ada) || !linked.Linked(ada) || linked.Linked(other) {
		t.Errorf("Linked: none %t, ada %t, other %t; want false, true, false", none.Linked(ada), linked.Linked(ada),
			linked.Linked(other))
	}
	if diff := gocmp.Diff(linked, linked.WithLinked(ada, nil)); diff != "" {
		t.Errorf("linking again changed the state (-before +after):\n%s", diff)
	}
	many := linked
	for i := range 60 {
		many = many.WithLinked(hotsync.Identity{Subject: fmt.Sprint(i)}, nil)
	}
	if len(many.LinkedSubjects) != 50 || many.Linked(ada) || !many.Linked(hotsync.Identity{Subject: "59"}) {
		t.Errorf("%d linked, want the latest 50", len(many.LinkedSubjects))
	}
}

func TestSaveAliases(t *testing.T) {
	t.Parallel()

	b := open(t)
	id := accountID("a")
	e := eventAt(start)
	e.Account = hotsync.AccountRef{ID: id, Number: "A00000001"}
	b.put(t, e)
	finds := func(q string, want bool) {
		t.Helper()
		if got := len(b.search(t, eventstore.Query{Q: q})) == 1; got != want {
			t.Errorf("search for %q finds it: %t, want %t", q, got, want)
		}
	}
	finds("A00000001", false)
	save := func(state eventstore.AccountState, wantWrites int, terms ...string) eventstore.AccountState {
		t.Helper()
		before := b.calls.count("BatchWriteItem")
		state, err := b.SaveAliases(t.Context(), state, terms...)
		if err != nil {
			t.Fatal(err)
		}
		if n := b.calls.count("BatchWriteItem") - before; n != wantWrites {
			t.Errorf("SaveAliases(%q) wrote %d times, want %d", terms, n, wantWrites)
		}
		return state
	}
	state := save(eventstore.AccountState{AccountID: id, Number: "A00000001"}, 1, "A-S1", "A-S2", "", "A-S1")
	finds("A00000001", true)
	finds(" a00000001 ", true)
	finds("A-S2", true)
	finds("A-S3", false)
	state = save(state, 0, "A-S2", "A-S1") // the same names in another order
	state = save(state, 1, "A-S1", "A-S2", "A-S3")
	finds("A-S3", true)

	b.clock.set(start.Add(eventstore.DefaultRetention / 8))
	state = save(state, 0, "A-S1", "A-S2", "A-S3")
	b.clock.set(start.Add(eventstore.DefaultRetention/8 + time.Second)) // or an event of now would outlive its names
	state = save(state, 1, "A-S1", "A-S2", "A-S3")

	many := make([]string, 60)
	for i := range many {
		many[i] = fmt.Sprintf("A-S%d", i)
	}
	save(state, 3, many...)
	finds("A-S59", true)
}

// A login's e-mail finds its events also where the account was never read.
func TestLoginIsFoundByItsEmail(t *testing.T) {
	t.Parallel()

	b := open(t)
	e := eventAt(start)
	e.Status, e.Subject, e.Account.Number = hotsync.StatusQueued, "auth0|ada", "A1"
	e.Request.EmailHash = hotsync.SearchHash(searchKey, "ada@example.com")
	e = b.put(t, e)[0]
	for _, st := range []hotsync.Status{hotsync.StatusRunning, hotsync.StatusRetrying, hotsync.StatusFailed} {
		e.Status = st
		e = b.put(t, e)[0]
		found := len(b.search(t, eventstore.Query{Q: "Ada@Example.com"})) == 1
		if want := st != hotsync.StatusRunning; found != want {
			t.Errorf("%s: found %t, want %t", st, found, want)
		}
	}
	// 4 writes of the event, the failure that is open, and the name, which is not written again.
	if n := b.calls.count("PutItem"); n != 6 {
		t.Errorf("%d writes, want 4 of the event, 1 of the open failure and 1 of the name", n)
	}
	later := e
	later.ID, later.Revision = hotsync.EventIDFor(start.Add(eventstore.DefaultRetention/2), "later"), 0
	b.put(t, later)
	b.clock.set(start.Add(eventstore.DefaultRetention * 5 / 4)) // the first event has expired, its name would have
	if diff := gocmp.Diff([]string{later.ID}, ids(b.search(t, eventstore.Query{Q: "ada@example.com"}))); diff != "" {
		t.Errorf("search mismatch (-want +got):\n%s", diff)
	}
}
