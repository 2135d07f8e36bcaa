package eventstore_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// putAll writes many events at once.
func (b *bundle) putAll(t testing.TB, events []hotsync.Event) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for _, e := range events {
		g.Go(func() error {
			_, err := b.Put(ctx, e)
			return err
		})
	}
	err := g.Wait()
	if err != nil {
		t.Fatal(err)
	}
}

// seed writes many events as a front door does, with one call each: for tests of what is
// read, which need them in the table and nothing of what an end writes beside them.
func (b *bundle) seed(t testing.TB, events []hotsync.Event) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for _, e := range events {
		g.Go(func() error { return b.PutQueued(ctx, e) })
	}
	err := g.Wait()
	if err != nil {
		t.Fatal(err)
	}
}

// newestFirst orders events as a search does.
func newestFirst(events []hotsync.Event) []hotsync.Event {
	slices.SortFunc(events, func(a, b hotsync.Event) int { return cmp.Compare(b.ID, a.ID) })
	return events
}

// world is a store with some hundred events of a few people and accounts, and a
// plain reading of what each query means.
type world struct {
	*bundle
	events  []hotsync.Event
	numbers map[string]string // account id by number, for accounts that were resolved
	terms   map[string]string // account id by subscription number or e-mail
	emails  map[string]string // subject by e-mail
}

func newWorld(t *testing.T, random *rand.Rand, n int) *world {
	t.Helper()
	w := &world{bundle: open(t), numbers: map[string]string{}, terms: map[string]string{}, emails: map[string]string{}}
	for i := range 4 {
		state := eventstore.AccountState{AccountID: accountID("account " + sprint(i)), Number: "A" + sprint(i)}
		subscription, email := "A-S"+sprint(i), fmt.Sprintf("billing%d@example.com", i)
		w.numbers[state.Number], w.terms[subscription], w.terms[email] = state.AccountID, state.AccountID, state.AccountID
		state, err := w.SaveAliases(t.Context(), state, subscription, hotsync.SearchHash(searchKey, email))
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.SaveAccount(t.Context(), state)
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		at := start.Add(-time.Duration(random.Int64N(int64(85 * 24 * time.Hour)))).Truncate(time.Millisecond)
		if i%3 == 0 { // many in one millisecond, and on the edge of a month
			at = []time.Time{start, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
				time.Date(2026, 10, 31, 23, 59, 59, 999e6, time.UTC)}[random.IntN(3)]
		}
		e := eventAt(at)
		e.Status = hotsync.Statuses[random.IntN(len(hotsync.Statuses))]
		reasons := map[hotsync.Status][]string{
			hotsync.StatusSucceeded: {hotsync.ReasonChanged, hotsync.ReasonUnchanged},
			hotsync.StatusSkipped:   {hotsync.ReasonNoMatch, hotsync.ReasonCoalesced},
			hotsync.StatusFailed:    {string(hotsync.CodeZuoraNotFound), string(hotsync.CodeGaveUp)},
			hotsync.StatusRetrying:  {hotsync.ReasonPaused, string(hotsync.CodeZuoraAnswer)},
		}[e.Status]
		e.Reason = ""
		if len(reasons) > 0 {
			e.Reason = reasons[random.IntN(2)]
		}
		e.Provider = []string{"direct", "lookup"}[random.IntN(2)]
		e.Trigger = []hotsync.Trigger{hotsync.TriggerLogin, hotsync.TriggerCallout}[random.IntN(2)]
		account := random.IntN(6)
		switch {
		case account < 4 && random.IntN(4) > 0:
			e.Account = hotsync.AccountRef{ID: accountID("account " + sprint(account)), Number: "A" + sprint(account)}
		case account < 5: // never resolved, or not yet
			e.Account.Number = "A" + sprint(account)
		}
		if random.IntN(5) > 0 {
			person := random.IntN(4)
			e.Subject = fmt.Sprintf("auth0|%d", person)
			if person < 2 {
				email := fmt.Sprintf("person%d@example.com", person)
				e.Request.EmailHash = hotsync.SearchHash(searchKey, email)
				w.emails[email] = e.Subject
			}
		}
		w.events = append(w.events, e)
	}
	// Nobody can be found by e-mail before one event of theirs has ended.
	for email, subject := range w.emails {
		e := eventAt(start)
		e.Subject, e.Request.EmailHash = subject, hotsync.SearchHash(searchKey, email)
		w.events = append(w.events, e)
	}
	w.putAll(t, w.events)
	newestFirst(w.events)
	return w
}

func (w *world) ofAccount(e hotsync.Event, account string) bool {
	if id, ok := w.numbers[strings.ToUpper(account)]; ok && e.Account.ID == id {
		return true
	}
	for number, id := range w.numbers {
		if id == account && e.Account.ID == "" && e.Account.Number == number {
			return true
		}
	}
	return e.Account.ID == account || e.Account.ID == "" && strings.EqualFold(e.Account.Number, account)
}

func (w *world) matches(e hotsync.Event, q eventstore.Query) bool {
	at := hotsync.EventTime(e.ID)
	unmatched := e.Status == hotsync.StatusSkipped && e.Reason == hotsync.ReasonNoMatch
	means := func(q string) bool {
		email := strings.ToLower(q)
		return e.ID == q || e.Subject == q || w.ofAccount(e, q) ||
			w.terms[q] != "" && w.terms[q] == e.Account.ID || w.terms[email] != "" && w.terms[email] == e.Account.ID ||
			w.emails[email] != "" && w.emails[email] == e.Subject
	}
	return (q.Account == "" || w.ofAccount(e, q.Account)) &&
		(q.Subject == "" || e.Subject == q.Subject) &&
		(len(q.Statuses) == 0 || slices.Contains(q.Statuses, e.Status)) &&
		(q.Q == "" || means(q.Q)) &&
		(q.Provider == "" || e.Provider == q.Provider) &&
		(q.Trigger == "" || e.Trigger == q.Trigger) &&
		(q.Reason == "" || e.Reason == q.Reason) &&
		(q.From.IsZero() || !at.Before(q.From)) && (q.To.IsZero() || at.Before(q.To)) &&
		(!unmatched || w.clock.now().Before(at.Add(eventstore.UnmatchedRetention)))
}

func (w *world) want(q eventstore.Query) []hotsync.Event {
	return slices.DeleteFunc(slices.Clone(w.events), func(e hotsync.Event) bool { return !w.matches(e, q) })
}

func (w *world) randomQuery(random *rand.Rand) eventstore.Query {
	var q eventstore.Query
	some := func(values ...string) string { return values[random.IntN(len(values))] }
	accounts := []string{"A0000", "a0001", "A0004", "A0009", accountID("account 0002"), accountID("account 0003"),
		accountID("nobody")}
	if random.IntN(3) == 0 {
		q.Account = some(accounts...)
	}
	if random.IntN(4) == 0 {
		q.Subject = some("auth0|0", "auth0|3", "auth0|9")
	}
	if random.IntN(3) == 0 {
		q.Q = some(append(accounts, "A-S0000", "A-S0003", "A-S0009", "auth0|1", "billing1@example.com", "Person1@Example.com",
			"person0@example.com",
			"nobody@example.com", w.events[random.IntN(len(w.events))].ID, eventAt(start).ID, "nonsense \x00 \xff")...)
	}
	if random.IntN(2) == 0 {
		for range 1 + random.IntN(6) {
			q.Statuses = append(q.Statuses, hotsync.Statuses[random.IntN(len(hotsync.Statuses))])
		}
	}
	if random.IntN(4) == 0 {
		q.Provider = some("direct", "lookup", "other")
	}
	if random.IntN(4) == 0 {
		q.Trigger = hotsync.TriggerCallout
	}
	if random.IntN(3) == 0 {
		q.Reason = w.events[random.IntN(len(w.events))].Reason
	}
	if random.IntN(3) == 0 {
		q.From = start.Add(-time.Duration(random.IntN(80*24)) * time.Hour)
	}
	if random.IntN(3) == 0 {
		q.To = maxTime(q.From, start.Add(-time.Duration(random.IntN(80*24))*time.Hour)).Add(time.Hour)
	}
	if random.IntN(6) == 0 {
		q.From, q.To = time.Date(2026, 10, 31, 23, 59, 59, 999e6, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	}
	q.Limit = 1 + random.IntN(60)
	return q
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// queries is how many random queries TestSearchFindsExactlyWhatIsMeant asks. A fault that one
// query in forty meets is found in the quick form nine times in ten; make test-long asks 500.
var queries = flag.Int("queries", 90, "how many random queries the search test asks")

// Every query, page by page and however little a page may read, finds exactly
// what it means, newest first; and counting it gives as many.
func TestSearchFindsExactlyWhatIsMeant(t *testing.T) {
	t.Parallel()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, random, 200)
	found, tiny := 0, 0
	for n := range *queries {
		w.SetBounds([]int{3_000, 200}[random.IntN(2)], 1_000_000, []int{400, 30}[random.IntN(2)])
		q := w.randomQuery(random)
		if n%3 == 0 {
			// An event a page, three a read: what costs hundreds of calls in all that there is, which
			// is asked of now and then, mostly tells as much in sixty events.
			w.SetBounds([]int{1, 1, 200}[n/3%3], 1_000_000, 3)
			if n%15 > 0 {
				w.around(random, &q, 60)
			}
			tiny++
		}
		want := w.want(q)
		found += len(want)
		got := w.search(t, q)
		if diff := gocmp.Diff(ids(want), ids(got)); diff != "" {
			t.Fatalf("Search(%+v) mismatch (-want +got):\n%s", q, diff)
		}
		total, err := w.CountMatching(t.Context(), q, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if total.N != len(want) || total.AtLeast {
			t.Fatalf("CountMatching(%+v) = %+v, want exactly %d", q, total, len(want))
		}
	}
	t.Logf("%d calls, %d of %d queries with tiny reads, %d events found", w.calls.count("Query"), tiny, *queries, found)
	if found < 3**queries {
		t.Errorf("the queries found %d events in all: too few to show anything", found)
	}
}

// around narrows a query to a time in which so many events were, but for what happened in
// the same millisecond.
func (w *world) around(random *rand.Rand, q *eventstore.Query, n int) {
	first := random.IntN(len(w.events) - n)
	q.To = hotsync.EventTime(w.events[first].ID).Add(time.Millisecond)
	q.From = hotsync.EventTime(w.events[first+n].ID)
}

func TestSearchRowsAndWholeEvents(t *testing.T) {
	t.Parallel()

	b := open(t)
	whole := b.put(t, wholeEvent())[0]
	page, err := b.Search(t.Context(), eventstore.Query{Full: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]hotsync.Event{whole}, page.Events); diff != "" {
		t.Errorf("whole event mismatch (-want +got):\n%s", diff)
	}
	page, err = b.Search(t.Context(), eventstore.Query{})
	if err != nil {
		t.Fatal(err)
	}
	row := whole
	row.Attempts, row.Steps, row.Changes, row.Findings, row.Candidates, row.Request = nil, nil, nil, nil, nil,
		hotsync.SyncRequest{}
	if diff := gocmp.Diff([]hotsync.Event{row}, page.Events); diff != "" {
		t.Errorf("row mismatch (-want +got):\n%s", diff)
	}
}

func TestSearchWholeEventsKeepTheirOrder(t *testing.T) {
	t.Parallel()

	b := open(t)
	var events []hotsync.Event
	for i := range 130 {
		events = append(events, eventAt(start.Add(-time.Duration(i)*time.Minute)))
	}
	b.putAll(t, events)
	got := b.search(t, eventstore.Query{Full: true, Limit: eventstore.MaxLimit})
	if diff := gocmp.Diff(ids(events), ids(got)); diff != "" {
		t.Errorf("order mismatch (-want +got):\n%s", diff)
	}
}

func TestSearchLimits(t *testing.T) {
	t.Parallel()

	b := open(t)
	var events []hotsync.Event
	for range eventstore.DefaultLimit {
		events = append(events, eventAt(start))
	}
	b.putAll(t, events)
	page, err := b.Search(t.Context(), eventstore.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != eventstore.DefaultLimit || page.Cursor != "" {
		t.Errorf("%d events and cursor %q, want %d and none, since that was all", len(page.Events), page.Cursor,
			eventstore.DefaultLimit)
	}
	b.put(t, eventAt(start))
	page, err = b.Search(t.Context(), eventstore.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != eventstore.DefaultLimit || page.Cursor == "" {
		t.Errorf("%d events and cursor %q, want %d and one", len(page.Events), page.Cursor, eventstore.DefaultLimit)
	}
}

// While somebody pages, events come in: none that was there is lost or shown
// twice.
func TestSearchWhileEventsComeIn(t *testing.T) {
	t.Parallel()

	b := open(t)
	var before []hotsync.Event
	for i := range 90 {
		before = append(before, eventAt(start.Add(-time.Duration(i)*17*time.Hour)))
	}
	b.putAll(t, before)
	newestFirst(before)
	q := eventstore.Query{Limit: 7}
	var got []string
	for {
		page, err := b.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(page.Events)...)
		if page.Cursor == "" {
			break
		}
		q.Cursor = page.Cursor
		b.put(t, eventAt(start.Add(time.Second)), eventAt(start.Add(time.Minute)))
		moved, err := b.Get(t.Context(), before[len(got)].ID) // the next one changes its status
		if err != nil {
			t.Fatal(err)
		}
		moved.Status = hotsync.StatusFailed
		b.put(t, moved)
	}
	if diff := gocmp.Diff(ids(before), got); diff != "" {
		t.Errorf("pages mismatch (-want +got):\n%s", diff)
	}
}

// A filter that lets little through ends a page early, with a cursor; the work
// for a page stays bounded.
func TestSearchWorkIsBounded(t *testing.T) {
	t.Parallel()

	b := open(t)
	var events []hotsync.Event
	for i := range 270 {
		e := eventAt(start.Add(-time.Duration(i) * time.Second))
		e.Account.ID = accountID("busy")
		events = append(events, e)
	}
	events[269].Provider = "rare"
	b.seed(t, events)
	b.SetBounds(100, 100, 400)
	q := eventstore.Query{Account: accountID("busy"), Provider: "rare"}
	page, err := b.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != 0 || page.Cursor == "" {
		t.Fatalf("%d events and cursor %q, want an empty page with a cursor", len(page.Events), page.Cursor)
	}
	if n := b.calls.count("Query"); n > 3+4 { // four of what is queued
		t.Errorf("%d queries for a page of 100, want at most 7", n)
	}
	if diff := gocmp.Diff([]string{events[269].ID}, ids(b.search(t, q))); diff != "" {
		t.Errorf("all pages mismatch (-want +got):\n%s", diff)
	}
	total, err := b.CountMatching(t.Context(), eventstore.Query{Account: accountID("busy")}, 100)
	if err != nil {
		t.Fatal(err)
	}
	if want := (eventstore.Total{N: 100, AtLeast: true}); total != want {
		t.Errorf("CountMatching = %+v, want %+v", total, want)
	}
}

func TestSearchLeavesOutWhatExpired(t *testing.T) {
	t.Parallel()

	b := open(t)
	kept, unmatched := eventAt(start), eventAt(start)
	unmatched.Status, unmatched.Reason, unmatched.Subject = hotsync.StatusSkipped, hotsync.ReasonNoMatch, "auth0|1"
	b.put(t, kept, unmatched)
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{
		{after: eventstore.UnmatchedRetention - time.Second, want: 2},
		{after: eventstore.UnmatchedRetention, want: 1},
		{after: eventstore.DefaultRetention - time.Second, want: 1},
		{after: eventstore.DefaultRetention, want: 0},
	} {
		b.clock.set(start.Add(tc.after))
		if got := b.search(t, eventstore.Query{}); len(got) != tc.want {
			t.Errorf("after %v: %d events, want %d", tc.after, len(got), tc.want)
		}
		if got := b.search(t, eventstore.Query{Full: true}); len(got) != tc.want {
			t.Errorf("after %v: %d whole events, want %d", tc.after, len(got), tc.want)
		}
	}
}

func TestSearchRefusals(t *testing.T) {
	t.Parallel()

	b := open(t)
	for name, q := range map[string]eventstore.Query{
		"unknown status":  {Statuses: []hotsync.Status{"done"}},
		"negative limit":  {Limit: -1},
		"limit too large": {Limit: eventstore.MaxLimit + 1},
		"empty range":     {From: start, To: start},
		"endless search":  {Q: strings.Repeat("x", 3000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := b.Search(t.Context(), q)
			if code := hotsync.AsError(err).Code; code != hotsync.CodeBadRequest {
				t.Errorf("Search error = %v, want bad_request", err)
			}
		})
	}
}

func TestSearchRefusesCursors(t *testing.T) {
	t.Parallel()

	b := open(t)
	b.put(t, eventAt(start), eventAt(start), eventAt(start))
	page, err := b.Search(t.Context(), eventstore.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, q eventstore.Query) {
		_, err := b.Search(t.Context(), q)
		if e := hotsync.AsError(err); e == nil || e.Code != hotsync.CodeBadRequest {
			t.Errorf("%s: Search error = %v, want bad_request", name, err)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(page.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		altered := slices.Clone(raw)
		altered[i] ^= 1
		refused(fmt.Sprintf("byte %d altered", i), eventstore.Query{Cursor: base64.RawURLEncoding.EncodeToString(altered)})
	}
	refused("cut", eventstore.Query{Cursor: page.Cursor[:len(page.Cursor)-2]})
	refused("longer", eventstore.Query{Cursor: page.Cursor + "AA"})
	refused("nonsense", eventstore.Query{Cursor: "%%%"})
	refused("too short", eventstore.Query{Cursor: "AQ"})
	for name, q := range map[string]eventstore.Query{
		"account": {Account: "A1"}, "subject": {Subject: "x"}, "status": {Statuses: []hotsync.Status{"failed"}}, "q": {
			Q: "A1"},
		"provider": {Provider: "direct"}, "trigger": {Trigger: "login"}, "from": {From: start.Add(-time.Hour)}, "to": {
			To: start},
	} {
		q.Cursor = page.Cursor
		refused("with another "+name, q)
	}
	// How much is shown is no part of what is searched for.
	_, err = b.Search(t.Context(), eventstore.Query{Cursor: page.Cursor, Limit: 3, Full: true})
	if err != nil {
		t.Error(err)
	}
}

func TestSearchWithoutItsKey(t *testing.T) {
	t.Parallel()

	b := open(t)
	b.put(t, wholeEvent())
	keyless := eventstore.New(b.at(b.table), eventstore.Config{Now: b.clock.now})
	page, err := keyless.Search(t.Context(), eventstore.Query{Q: "ada@example.com"})
	if err != nil || len(page.Events) > 0 {
		t.Errorf("without a key: %d events, error %v; want none", len(page.Events), err)
	}
	failing := eventstore.New(b.at(b.table),
		eventstore.Config{Now: b.clock.now, SearchKey: func(context.Context) ([]byte, error) {
			return nil, hotsync.Errorf(hotsync.CodeSecretMissing, "The search key is missing.")
		}})
	_, err = failing.Search(t.Context(), eventstore.Query{Q: "ada@example.com"})
	if code := hotsync.AsError(err).Code; code != hotsync.CodeSecretMissing {
		t.Errorf("key that cannot be read: error %v, want secret_missing", err)
	}
	_, err = failing.Search(t.Context(), eventstore.Query{Q: "A00000001"})
	if err != nil {
		t.Errorf("the key was asked for without need: %v", err)
	}
}

func TestOldestUnfinished(t *testing.T) {
	t.Parallel()

	b := open(t)
	_, ok, err := b.OldestUnfinished(t.Context())
	if err != nil || ok {
		t.Fatalf("empty store: ok %t, error %v", ok, err)
	}
	var events []hotsync.Event
	for i, st := range []hotsync.Status{hotsync.StatusSucceeded, hotsync.StatusQueued, hotsync.StatusRunning,
		hotsync.StatusFailed, hotsync.StatusRetrying} {
		e := eventAt(start.Add(-time.Duration(i) * 10 * 24 * time.Hour))
		e.Status = st
		events = append(events, e)
	}
	events = b.put(t, events...)
	for _, want := range []int{4, 2, 1} { // as they end one after the other
		got, ok, err := b.OldestUnfinished(t.Context())
		if err != nil || !ok || got.ID != events[want].ID {
			t.Fatalf("OldestUnfinished = %s, %t, %v; want %s", got.ID, ok, err, events[want].ID)
		}
		events[want].Status = hotsync.StatusSkipped
		b.put(t, events[want])
	}
	_, ok, err = b.OldestUnfinished(t.Context())
	if err != nil || ok {
		t.Errorf("all ended: ok %t, error %v", ok, err)
	}
}

// A search that looks ahead shows its page, what follows it, and whether that is all; the
// next page begins after the page.
func TestSearchLooksAhead(t *testing.T) {
	t.Parallel()

	b := open(t)
	var events []hotsync.Event
	for i := range 7 {
		e := eventAt(start.Add(-time.Duration(i) * time.Hour))
		e.Subject = "auth0|7"
		if i < 6 {
			e.Status, e.Reason = hotsync.StatusFailed, "timeout"
			e.Account.ID = accountID(fmt.Sprint(i))
		}
		events = append(events, e)
	}
	b.putAll(t, events)
	for name, q := range map[string]eventstore.Query{
		"a subject":    {Subject: "auth0|7"},
		"all":          {},
		"what is open": {Open: true},
	} {
		n := 7
		if q.Open {
			n = 6
		}
		q.Limit = 3
		for ahead := range 6 {
			q.Ahead, q.Cursor = ahead, ""
			page, err := b.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			until := min(3+ahead, n)
			if diff := gocmp.Diff([][]string{ids(events[:3]), ids(events[3:until])},
				[][]string{ids(page.Events), ids(page.Ahead)}); diff != "" {
				t.Errorf("%s, looking %d ahead, mismatch (-want +got):\n%s", name, ahead, diff)
			}
			if page.Beyond != (until < n) {
				t.Errorf("%s, looking %d ahead: Beyond is %t with %d of %d events", name, ahead, page.Beyond, until, n)
			}
			q.Cursor = page.Cursor
			page, err = b.Search(t.Context(), q)
			if err != nil || len(page.Events) != 3 || page.Events[0].ID != events[3].ID {
				t.Errorf("%s, looking %d ahead: the next page is %q, %v", name, ahead, ids(page.Events), err)
			}
		}
	}
}

// What most events are is found, and counted, by reading little more than is wanted.
func TestSearchReadsLittleMoreThanItShows(t *testing.T) {
	t.Parallel()

	b := open(t)
	var events []hotsync.Event
	for i := range 1_100 {
		e := eventAt(start.Add(-time.Duration(i) * time.Minute))
		e.Account.ID, e.Subject = accountID("busy"), "auth0|7"
		events = append(events, e)
	}
	b.seed(t, events)
	read := 0
	b.calls.after = func(operation string, _ int, answer *http.Response) (*http.Response, error) {
		raw, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, err
		}
		answer.Body = io.NopCloser(bytes.NewReader(raw))
		var said struct{ ScannedCount int }
		if operation == "Query" {
			err = json.Unmarshal(raw, &said)
		}
		read += said.ScannedCount
		return answer, err
	}
	for name, q := range map[string]eventstore.Query{
		"those that succeeded": {Statuses: []hotsync.Status{hotsync.StatusSucceeded}},
		"a provider's":         {Provider: "direct"},
		"an account's":         {Account: accountID("busy"), Statuses: []hotsync.Status{hotsync.StatusSucceeded}},
		"a reason's":           {Reason: hotsync.ReasonChanged, Statuses: []hotsync.Status{hotsync.StatusSucceeded}},
	} {
		read = 0
		page, err := b.Search(t.Context(), q)
		if err != nil || len(page.Events) != eventstore.DefaultLimit {
			t.Fatalf("%s: %d events, %v", name, len(page.Events), err)
		}
		if read > 4*eventstore.DefaultLimit {
			t.Errorf("%s: %d events were read for a page of %d", name, read, eventstore.DefaultLimit)
		}
		read = 0
		total, err := b.CountMatching(t.Context(), q, 99)
		if err != nil || total != (eventstore.Total{N: 99, AtLeast: true}) {
			t.Fatalf("%s: counted %+v, %v", name, total, err)
		}
		if read > 4*99 {
			t.Errorf("%s: %d events were read to count 99", name, read)
		}
	}
	// And where a filter lets nearly nothing through, a count gives up.
	read = 0
	total, err := b.CountMatching(t.Context(), eventstore.Query{Provider: "rare"}, 5)
	if want := (eventstore.Total{AtLeast: true}); err != nil || total != want || read == len(events) {
		t.Errorf("counted %+v of a rare provider after %d events, %v", total, read, err)
	}
	// What is queued is not looked for among those that ended.
	before := b.calls.count("Query")
	_, err = b.Search(t.Context(),
		eventstore.Query{Subject: "auth0|7", Statuses: []hotsync.Status{hotsync.StatusSucceeded}})
	if err != nil {
		t.Fatal(err)
	}
	if n := b.calls.count("Query") - before; n != 1 {
		t.Errorf("%d queries for a subject's successes, want 1", n)
	}
}
