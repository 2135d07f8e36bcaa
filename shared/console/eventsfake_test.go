package console_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/console"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/eventstore/storetest"
	"hotsync/shared/hotsync"
)

// TestEventsFake holds the fake that the console's pages are tested on, and the store on
// the local engine, to the same suite.
func TestEventsFake(t *testing.T) {
	t.Parallel()

	t.Run("fake", func(t *testing.T) {
		t.Parallel()

		m := newMemory(suiteEvents()...)
		m.nothings = &nothings{}
		m.slots = []eventstore.Slot{{At: start.Add(-time.Hour),
			Counts: eventstore.Counts{Outcomes: map[eventstore.Outcome]int{
				{Status: hotsync.StatusSucceeded, Reason: hotsync.ReasonUnchanged}: 3}}}}
		conformEvents(t, m)
	})
	t.Run("engine", func(t *testing.T) {
		t.Parallel()

		client := enginetest.Start(t).DynamoDB()
		clock := func() time.Time { return start }
		s := eventstore.New(
			dynamo.Table{Client: client, Name: storetest.NewTable(t, client), Now: clock},
			eventstore.Config{Now: clock},
		)
		for _, e := range suiteEvents() {
			_, err := s.Put(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			if e.Status.Final() {
				err = s.Tally(t.Context(), e)
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err = s.SaveAliases(t.Context(), eventstore.AccountState{AccountID: e.Account.ID, Number: e.Account.Number})
			if err != nil {
				t.Fatal(err)
			}
		}
		conformEvents(t, s)
	})
}

// suiteID is the id of the nth event of the suite, the later the greater; suiteAccount one
// of two accounts.
func suiteID(n int) string { return hotsync.EventIDFor(suiteTime(n), fmt.Sprint(n)) }

func suiteTime(n int) time.Time { return start.Add(-time.Hour + time.Duration(n)*time.Second) }

func suiteAccount(n int) hotsync.AccountRef {
	return hotsync.AccountRef{ID: fmt.Sprintf("8a0000000000000000000000000000%02d", n),
		Number: fmt.Sprintf("A0000000%d", n)}
}

// suiteEvents are of ada for account 1, and of bob for account 2: his first fails twice and
// is not settled, hers fails and succeeds later.
func suiteEvents() []hotsync.Event {
	make1 := func(n, account int, subject string, status hotsync.Status, reason string) hotsync.Event {
		at := suiteTime(n)
		e := hotsync.NewEvent(hotsync.SyncRequest{EventID: suiteID(n), LoginID: "l", Trigger: hotsync.TriggerLogin,
			Provider: "direct",
			Identity: hotsync.Identity{Issuer: "https://id.example.com", Subject: subject}, Account: suiteAccount(account).ID,
			RequestedAt: at})
		e.Account = suiteAccount(account)
		e.Status, e.Reason = status, reason
		if status == hotsync.StatusFailed {
			e.Error = hotsync.Errorf(hotsync.Code(reason), "It failed.").Problem()
		}
		if status.Final() {
			e.StartedAt, e.FinishedAt = at, at.Add(time.Second)
			e.Attempts = []hotsync.Attempt{{N: 1, StartedAt: at, FinishedAt: at.Add(time.Second)}}
			e.Steps = []hotsync.Step{{Name: "read zuora"}}
		}
		return e
	}
	lookup := make1(7, 2, "bob", hotsync.StatusSkipped, hotsync.ReasonCoalesced)
	lookup.Provider = "lookup"
	changed := make1(3, 1, "ada", hotsync.StatusSucceeded, hotsync.ReasonChanged)
	changed.Changes = []hotsync.Change{{Object: "subscription", Action: hotsync.ActionCreate}}
	changed.Findings = []hotsync.Finding{hotsync.Attention(hotsync.FindingNotLinked, "A1", "Look.", "It was not linked."),
		hotsync.Note("n", "", "A note.")}
	changed.Findings = changed.Findings[1:]
	retry := make1(8, 1, "ada", hotsync.StatusRetrying, hotsync.ReasonPaused)
	return []hotsync.Event{
		make1(0, 1, "ada", hotsync.StatusFailed, string(hotsync.CodeZuoraForbidden)),
		make1(1, 2, "bob", hotsync.StatusFailed, string(hotsync.CodeZuoraForbidden)),
		make1(2, 2, "bob", hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound)),
		changed,
		make1(4, 1, "ada", hotsync.StatusSucceeded, hotsync.ReasonUnchanged),
		make1(5, 1, "eve", hotsync.StatusSucceeded, hotsync.ReasonUnchanged),
		make1(6, 2, "bob", hotsync.StatusQueued, ""),
		lookup,
		retry,
	}
}

func conformEvents(t *testing.T, s console.Events) {
	t.Helper()
	ctx := t.Context()
	for _, tc := range []struct {
		name  string
		query eventstore.Query
		want  []int // numbers of the events, newest first
	}{
		{"all", eventstore.Query{}, []int{8, 7, 5, 4, 3, 2, 1, 0, 6}},
		{"an account's id", eventstore.Query{Account: suiteAccount(2).ID}, []int{7, 6, 2, 1}},
		{"an account's number, in small letters", eventstore.Query{Account: "a00000001"}, []int{8, 5, 4, 3, 0}},
		{"a subject", eventstore.Query{Subject: "bob"}, []int{7, 6, 2, 1}},
		{"a subject, otherwise written", eventstore.Query{Subject: "Bob"}, nil},
		{"an account and a subject", eventstore.Query{Account: suiteAccount(1).ID, Subject: "eve"}, []int{5}},
		{"a status", eventstore.Query{Statuses: []hotsync.Status{hotsync.StatusFailed}}, []int{2, 1, 0}},
		{"two statuses", eventstore.Query{Statuses: []hotsync.Status{hotsync.StatusQueued, hotsync.StatusRetrying}},
			[]int{8, 6}},
		{"a reason", eventstore.Query{Reason: string(hotsync.CodeZuoraForbidden)}, []int{1, 0}},
		{"the reason that most have", eventstore.Query{Reason: hotsync.ReasonUnchanged}, []int{5, 4}},
		{"a provider", eventstore.Query{Provider: "lookup"}, []int{7}},
		{"a trigger that none had", eventstore.Query{Trigger: hotsync.TriggerCallout}, nil},
		{"from one and before another", eventstore.Query{From: suiteTime(2), To: suiteTime(5)}, []int{4, 3, 2}},
		{"words: an event's id", eventstore.Query{Q: suiteID(3)}, []int{3}},
		{"words: an account's number", eventstore.Query{Q: "A00000002"}, []int{7, 6, 2, 1}},
		{"words: a subject", eventstore.Query{Q: "eve"}, []int{5}},
		{"words that nothing has", eventstore.Query{Q: "nobody"}, nil},
		{"what is open", eventstore.Query{Open: true}, []int{2}},
		{"what is open for a reason", eventstore.Query{Open: true, Reason: string(hotsync.CodeZuoraForbidden)}, nil},
	} {
		want := tc.want
		if tc.name == "all" { // in the order of their ids, in which a queued one has its place
			want = []int{8, 7, 6, 5, 4, 3, 2, 1, 0}
		}
		for _, limit := range []int{eventstore.DefaultLimit, 2} {
			var got []int
			q := tc.query
			q.Limit = limit
			for pages := 0; pages < 10; pages++ {
				page, err := s.Search(ctx, q)
				if err != nil {
					t.Fatalf("%s: %v", tc.name, err)
				}
				for _, e := range page.Events {
					got = append(got, slices.IndexFunc(suiteEvents(), func(x hotsync.Event) bool { return x.ID == e.ID }))
					if e.Changes != nil || e.Steps != nil || e.Attempts != nil || !e.Request.RequestedAt.IsZero() {
						t.Errorf("%s: a summary has the detail of %s", tc.name, e.ID)
					}
				}
				q.Cursor = page.Cursor
				if q.Cursor == "" {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %d a page (-want +got):\n%s", tc.name, limit, diff)
			}
		}
		total, err := s.CountMatching(ctx, tc.query, 100)
		if err != nil || total != (eventstore.Total{N: len(want)}) {
			t.Errorf("%s: CountMatching = %+v, %v, want %d", tc.name, total, err, len(want))
		}
	}
	total, err := s.CountMatching(ctx, eventstore.Query{Account: suiteAccount(1).ID}, 2)
	if err != nil || total != (eventstore.Total{N: 2, AtLeast: true}) {
		t.Errorf("CountMatching up to 2 = %+v, %v", total, err)
	}
	for name, q := range map[string]eventstore.Query{
		"a status that is none":    {Statuses: []hotsync.Status{"lost"}},
		"a page too large":         {Limit: eventstore.MaxLimit + 1},
		"a page of less than none": {Limit: -1},
		"a time that is empty":     {From: suiteTime(2), To: suiteTime(2)},
		"another list's cursor":    {Cursor: "x"},
	} {
		_, err := s.Search(ctx, q)
		if err == nil || hotsync.AsError(err).Code != hotsync.CodeBadRequest {
			t.Errorf("Search with %s = %v, want CodeBadRequest", name, err)
		}
	}
	conformWhole(t, s)
	conformOpen(t, s)
	conformErase(t, s)
}

// conformWhole is what the suite wants of single events and accounts.
func conformWhole(t *testing.T, s console.Events) {
	t.Helper()
	ctx := t.Context()
	page, err := s.Search(ctx, eventstore.Query{Q: suiteID(3), Full: true})
	if err != nil || len(page.Events) != 1 {
		t.Fatalf("Search = %d events, %v", len(page.Events), err)
	}
	e := page.Events[0]
	if len(e.Changes) != 1 || len(e.Steps) != 1 || e.Request.Identity.Subject != "ada" || e.ChangeCount != 1 ||
		e.FindingCount != 1 ||
		e.AttemptCount != 1 || e.AttentionCount != 0 {
		t.Errorf("a whole event = %+v", e)
	}
	page, err = s.Search(ctx, eventstore.Query{Q: suiteID(3)})
	if err != nil || len(page.Events) != 1 || page.Events[0].ChangeCount != 1 || page.Events[0].FindingCount != 1 {
		t.Errorf("a summary counts %+v, %v", page.Events, err)
	}
	_, err = s.Get(ctx, hotsync.EventIDFor(start, "there is none"))
	if !errors.Is(err, eventstore.ErrNotFound) {
		t.Errorf("Get of no event = %v, want ErrNotFound", err)
	}
	over := hotsync.NewEvent(hotsync.SyncRequest{EventID: suiteID(3), RequestedAt: suiteTime(3),
		Account: suiteAccount(1).ID})
	err = s.PutQueued(ctx, over)
	if err != nil {
		t.Errorf("PutQueued over an event = %v", err)
	}
	e, err = s.Get(ctx, suiteID(3))
	if err != nil || e.Status != hotsync.StatusSucceeded || len(e.Changes) != 1 {
		t.Errorf("the event is %s then, %v", e.Status, err)
	}
	oldest, ok, err := s.OldestUnfinished(ctx)
	if err != nil || !ok || oldest.ID != suiteID(6) {
		t.Errorf("OldestUnfinished = %s, %t, %v, want the queued one", oldest.ID, ok, err)
	}
	state, err := s.LoadAccount(ctx, "8a000000000000000000000000000099")
	if diff := cmp.Diff(eventstore.AccountState{AccountID: "8a000000000000000000000000000099"}, state); err != nil ||
		diff != "" {
		t.Errorf("LoadAccount of none: %v (-want +got):\n%s", err, diff)
	}
	slots, err := s.Count(ctx, start.Add(-2*time.Hour), start)
	if err != nil || len(slots) != 1 || slots[0].Status(hotsync.StatusSucceeded) != 3 {
		t.Errorf("Count = %+v, %v, want one slot of three that succeeded", slots, err)
	}
	slots, err = s.Count(ctx, start.Add(-5*time.Hour), start.Add(-4*time.Hour))
	if err != nil || len(slots) != 0 {
		t.Errorf("Count where nothing ended = %d slots, %v", len(slots), err)
	}
}

// conformOpen is what the suite wants of what is open: bob's account fails twice and is
// not settled.
func conformOpen(t *testing.T, s console.Events) {
	t.Helper()
	list, err := s.Open(t.Context())
	want := []eventstore.Open{{ID: suiteID(2), Status: hotsync.StatusFailed, Reason: string(hotsync.CodeZuoraNotFound),
		Provider: "direct",
		Trigger:  hotsync.TriggerLogin, Account: suiteAccount(2), First: suiteTime(1), Last: suiteTime(2), Failures: 2}}
	if diff := cmp.Diff(want, list.Events); err != nil || diff != "" || list.More {
		t.Errorf("Open: %v, more %t (-want +got):\n%s", err, list.More, diff)
	}
}

// conformErase is what the suite wants of an erasure; it changes what is there.
func conformErase(t *testing.T, s console.Events) {
	t.Helper()
	ctx := t.Context()
	done, err := s.Erase(ctx, hotsync.Identity{Issuer: "https://id.example.com", Subject: "bob"})
	if err != nil || done.Events != 3 || done.Pending != 1 {
		t.Errorf("Erase = %+v, %v, want 3 events and one pending", done, err)
	}
	page, err := s.Search(ctx, eventstore.Query{Subject: "bob"})
	if err != nil || len(page.Events) != 1 || page.Events[0].ID != suiteID(6) {
		t.Errorf("bob has %d events then, %v, want the one under way", len(page.Events), err)
	}
	e, err := s.Get(ctx, suiteID(2))
	if err != nil || e.Subject != "" || !e.Request.Identity.IsZero() || e.Account != suiteAccount(2) {
		t.Errorf("his event is of %q, %+v, account %+v, %v", e.Subject, e.Request.Identity, e.Account, err)
	}
	e, err = s.Get(ctx, suiteID(4))
	if err != nil || e.Subject != "ada" {
		t.Errorf("another person's event is of %q, %v", e.Subject, err)
	}
	done, err = s.Erase(ctx, hotsync.Identity{Issuer: "https://id.example.com", Subject: "bob"})
	if err != nil || done.Events != 0 || done.Pending != 1 {
		t.Errorf("Erase again = %+v, %v", done, err)
	}
}
