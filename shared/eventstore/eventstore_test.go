package eventstore_test

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/eventstore/storetest"
	"hotsync/shared/hotsync"
)

// bundle is a store of its own on the local engine, with a clock that stands
// still and a record of what was asked of DynamoDB.
type bundle struct {
	*eventstore.Store
	client *dynamodb.Client
	table  string
	calls  *calls
	clock  *clock
}

var start = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

var searchKey = []byte("a key of the tests")

func open(t testing.TB) *bundle {
	t.Helper()
	e := enginetest.Start(t)
	b := &bundle{calls: &calls{}, clock: &clock{}}
	b.clock.set(start)
	b.client = e.DynamoDB(func(o *dynamodb.Options) { o.HTTPClient = b.calls })
	b.table = storetest.NewTable(t, b.client)
	b.Store = eventstore.New(b.at(b.table), eventstore.Config{Now: b.clock.now,
		SearchKey: func(context.Context) ([]byte, error) { return searchKey, nil }})
	t.Cleanup(func() {
		if n := b.calls.count("Scan"); n > 0 {
			t.Errorf("the table was scanned %d times", n)
		}
	})
	return b
}

func (b *bundle) at(table string) dynamo.Table { return dynamo.Table{Client: b.client, Name: table} }

func (b *bundle) put(t testing.TB, events ...hotsync.Event) []hotsync.Event {
	t.Helper()
	out := make([]hotsync.Event, len(events))
	for i, e := range events {
		var err error
		out[i], err = b.Put(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// search reads all pages of a query.
func (b *bundle) search(t testing.TB, q eventstore.Query) []hotsync.Event {
	t.Helper()
	var all []hotsync.Event
	for range 1000 {
		page, err := b.Search(t.Context(), q)
		if err != nil {
			t.Fatalf("Search(%+v): %v", q, err)
		}
		all = append(all, page.Events...)
		if page.Cursor == "" {
			return all
		}
		q.Cursor = page.Cursor
	}
	t.Fatalf("Search(%+v) does not end", q)
	return nil
}

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time   { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) set(at time.Time) { c.at.Store(at.UnixNano()) }

// calls sends requests on and counts them by operation. after, where set, may
// replace the answer to one.
type calls struct {
	mu    sync.Mutex
	by    map[string]int
	after func(operation string, n int, answer *http.Response) (*http.Response, error)
}

func (c *calls) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	answer, err := http.DefaultClient.Do(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]int{}
	}
	c.by[operation]++
	if c.after != nil && err == nil {
		return c.after(operation, c.by[operation], answer)
	}
	return answer, err
}

func (c *calls) count(operation string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[operation]
}

func eventAt(at time.Time) hotsync.Event {
	return hotsync.Event{ID: hotsync.NewEventID(at, crand.Read), Status: hotsync.StatusSucceeded,
		Reason:  hotsync.ReasonChanged,
		Trigger: hotsync.TriggerLogin, Provider: "direct", RequestedAt: at}
}

// accountID makes a Zuora id from a few words.
func accountID(words string) string {
	return (hex.EncodeToString([]byte(words)) + strings.Repeat("0", 32))[:32]
}

// wholeEvent has every field set.
func wholeEvent() hotsync.Event {
	at := start.Add(-time.Minute)
	e := eventAt(at)
	e.Status, e.Reason = hotsync.StatusFailed, string(hotsync.CodeLimioRefused)
	e.Account = hotsync.AccountRef{ID: accountID("whole"), Number: "A00000001"}
	e.Subject, e.LoginID = "auth0|ada", "login-1"
	e.StartedAt, e.FinishedAt, e.NextAttemptAt = at.Add(1), at.Add(2*time.Second), at.Add(time.Hour)
	e.Error = &hotsync.Problem{Code: hotsync.CodeLimioRefused, Message: "Limio refused it.", Hint: "Correct it."}
	e.Attempts = []hotsync.Attempt{{N: 1, StartedAt: at, FinishedAt: at.Add(time.Second), Error: e.Error},
		{N: 2, StartedAt: at.Add(time.Second)}}
	e.Steps = []hotsync.Step{{Name: "read", StartedAt: at, MS: 120, Calls: 3, Detail: "plan H"}}
	e.Changes = []hotsync.Change{{Object: "customer", ID: "cus-1", Action: hotsync.ActionUpdate,
		Fields: []hotsync.FieldChange{{Field: "data.price", Before: nil, After: json.Number("12345678901234567890.12")},
			{Field: "data.name", Before: "A…", After: "B…"}}}}
	e.Findings = []hotsync.Finding{hotsync.Note(hotsync.FindingOther, "", "%s", "a draft was skipped")}
	e.Candidates = []string{"A00000001", "A00000002"}
	e.CoveredBy, e.RetryOf, e.RetriedBy = eventAt(at).ID, eventAt(at).ID, "sam"
	e.Request = hotsync.SyncRequest{EventID: e.ID, LoginID: e.LoginID, Trigger: e.Trigger, Provider: "direct",
		Claim: "zuora_account_ids",
		Identity: hotsync.Identity{Issuer: "https://id.example.com",
			Subject: e.Subject}, EmailHash: hotsync.SearchHash(searchKey, "ada@example.com"),
		Account: "A00000001", AccountID: e.Account.ID, Lookup: &hotsync.Lookup{Field: "LimioExternalId__c", Value: "ada"},
		RequestedAt: at, Note: "because"}
	return e
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()

	t.Run("an event comes back as it was written", func(t *testing.T) {
		t.Parallel()

		b := open(t)
		e := wholeEvent()
		written := b.put(t, e)[0]
		e.Revision, e.ChangeCount, e.AttemptCount, e.FindingCount = 1, 1, 2, 1
		if diff := cmp.Diff(e, written); diff != "" {
			t.Errorf("Put mismatch (-want +got):\n%s", diff)
		}
		read, err := b.Get(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, read); diff != "" {
			t.Errorf("Get mismatch (-want +got):\n%s", diff)
		}
	})

	t.Run("revision 0 must be absent and a conflict changes nothing", func(t *testing.T) {
		t.Parallel()

		b := open(t)
		first := b.put(t, eventAt(start))[0]
		again := first
		again.Revision, again.Reason = 0, hotsync.ReasonUnchanged
		_, err := b.Put(t.Context(), again)
		if !errors.Is(err, eventstore.ErrConflict) {
			t.Fatalf("Put error = %v, want ErrConflict", err)
		}
		if code := hotsync.AsError(err).Code; code != hotsync.CodeConflict {
			t.Errorf("code = %q, want conflict", code)
		}
		got, err := b.Get(t.Context(), first.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("the conflict changed the event (-want +got):\n%s", diff)
		}
	})

	t.Run("a revision that has passed is a conflict", func(t *testing.T) {
		t.Parallel()

		b := open(t)
		first := b.put(t, eventAt(start))[0]
		second := b.put(t, first)[0]
		if second.Revision != 2 {
			t.Errorf("revision = %d, want 2", second.Revision)
		}
		for _, stale := range []int{1, 3} {
			e := first
			e.Revision = stale
			_, err := b.Put(t.Context(), e)
			if !errors.Is(err, eventstore.ErrConflict) {
				t.Errorf("Put at revision %d: error = %v, want ErrConflict", stale, err)
			}
		}
	})

	t.Run("what is no event id is refused", func(t *testing.T) {
		t.Parallel()

		_, err := open(t).Put(t.Context(), hotsync.Event{ID: "event-1", Status: hotsync.StatusQueued})
		if code := hotsync.AsError(err).Code; code != hotsync.CodeBadRequest {
			t.Errorf("Put error = %v, want bad_request", err)
		}
	})

	t.Run("missing, malformed and expired events are not found", func(t *testing.T) {
		t.Parallel()

		b := open(t)
		old := b.put(t, eventAt(start))[0]
		b.clock.set(start.Add(eventstore.DefaultRetention))
		for _, id := range []string{eventAt(start).ID, "", "nope", "event-" + strings.Repeat("0", 32), old.ID} {
			_, err := b.Get(t.Context(), id)
			if !errors.Is(err, eventstore.ErrNotFound) || hotsync.AsError(err).Code != hotsync.CodeNotFound {
				t.Errorf("Get(%q) error = %v, want ErrNotFound", id, err)
			}
		}
		old.Revision = 0
		b.put(t, old) // as if it were absent
	})
}

func TestPutQueued(t *testing.T) {
	t.Parallel()

	b := open(t)
	r := hotsync.SyncRequest{EventID: eventAt(start).ID, Trigger: hotsync.TriggerLogin, Account: "A00000001",
		RequestedAt: start}
	queued := hotsync.NewEvent(r)
	err := b.PutQueued(t.Context(), queued)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Get(t.Context(), queued.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := queued
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("queued event mismatch (-want +got):\n%s", diff)
	}
	// A sync that looked before the event was there writes over it all the same.
	got.Status = hotsync.StatusRunning
	running := b.put(t, got)[0]
	_, err = b.Put(t.Context(), queued)
	if !errors.Is(err, eventstore.ErrConflict) {
		t.Errorf("a second write over the queued event: %v, want ErrConflict", err)
	}
	err = b.PutQueued(t.Context(), queued) // late: the sync has begun
	if err != nil {
		t.Fatal(err)
	}
	got, err = b.Get(t.Context(), queued.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(running, got); diff != "" {
		t.Errorf("PutQueued changed an event that was there (-want +got):\n%s", diff)
	}
}

func TestPutRaceHasOneWinner(t *testing.T) {
	t.Parallel()

	b := open(t)
	e := eventAt(start)
	for revision := range 3 {
		e.Revision = revision
		var won, lost atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, err := b.Put(t.Context(), e)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, eventstore.ErrConflict):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != 15 {
			t.Errorf("revision %d: %d winners and %d losers, want 1 and 15", revision, won.Load(), lost.Load())
		}
	}
}

// The answer to a write that was taken gets lost, and the SDK sends it again.
func TestPutSurvivesALostAnswer(t *testing.T) {
	t.Parallel()

	b := open(t)
	b.calls.after = func(operation string, n int, answer *http.Response) (*http.Response, error) {
		if operation == "PutItem" && n == 1 {
			answer.Body.Close()
			return nil, errors.New("connection reset by peer")
		}
		return answer, nil
	}
	e := b.put(t, eventAt(start))[0]
	if e.Revision != 1 || b.calls.count("PutItem") != 2 {
		t.Errorf("revision %d after %d writes, want 1 after 2", e.Revision, b.calls.count("PutItem"))
	}
}

func TestPutLargeEvents(t *testing.T) {
	t.Parallel()

	noise := func(n int) string { // does not compress below half
		raw := make([]byte, n/2)
		_, err := crand.Read(raw)
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(raw)
	}
	for _, tc := range []struct {
		name                   string
		change                 func(*hotsync.Event)
		fields, changes, warns int // kept of the first change, kept, and warnings
		changeCount            int
	}{
		{name: "large but compressible", fields: 1, changes: 3000, changeCount: 3000, change: func(e *hotsync.Event) {
			e.Changes = slicesRepeat(hotsync.Change{Object: "subscription", ID: "sub-1", Action: hotsync.ActionUpdate,
				Fields: []hotsync.FieldChange{{Field: "data.price", Before: "1", After: "2"}}}, 3000)
		}},
		{name: "fields that are too large", changes: 3, changeCount: 3, warns: 1, change: func(e *hotsync.Event) {
			e.Changes = slicesRepeat(hotsync.Change{Object: "subscription", ID: "sub-1",
				Fields: []hotsync.FieldChange{{Field: "x", After: noise(400 << 10)}}}, 3)
		}},
		{name: "lists that are too long", changes: 100, changeCount: 30_000, warns: 2, change: func(e *hotsync.Event) {
			for range 30_000 {
				e.Changes = append(e.Changes, hotsync.Change{Object: "subscription", ID: noise(64)})
			}
		}},
		{name: "a try after one whose fields were too large", changes: 2, changeCount: 2, warns: 1,
			change: func(e *hotsync.Event) {
				e.Changes = slicesRepeat(hotsync.Change{Object: "subscription", ID: "sub-1"}, 2)
				e.FieldsCut = true
			}},
		{name: "texts that are too long", warns: 100 + 1, change: func(e *hotsync.Event) {
			e.Error = &hotsync.Problem{Code: hotsync.CodeLimioRefused, Message: strings.Repeat("é", 300<<10)}
			for range 200 {
				e.Findings = append(e.Findings, hotsync.Note(hotsync.FindingOther, "", "%s", noise(4<<10)))
				e.Attempts = append(e.Attempts, hotsync.Attempt{Error: &hotsync.Problem{Message: noise(4 << 10)}})
				e.Steps = append(e.Steps, hotsync.Step{Detail: noise(4 << 10)})
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := open(t)
			e := eventAt(start)
			tc.change(&e)
			written := b.put(t, e)[0]
			got, err := b.Get(t.Context(), e.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(written, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("what Put returned is not what Get reads (-put +get):\n%.2000s", diff)
			}
			if len(got.Changes) != tc.changes || len(got.Findings) != tc.warns || got.ChangeCount != tc.changeCount {
				t.Errorf("%d changes of %d, %d warnings; want %d of %d, %d", len(got.Changes), got.ChangeCount, len(got.Findings),
					tc.changes, tc.changeCount, tc.warns)
			}
			if tc.changes > 0 && len(got.Changes[0].Fields) != tc.fields {
				t.Errorf("%d fields of the first change, want %d", len(got.Changes[0].Fields), tc.fields)
			}
			if len(b.search(t, eventstore.Query{})) != 1 {
				t.Error("the event is not in the list")
			}
		})
	}
}

// An event that was cut says how much there was, whatever is added to it afterwards and
// wherever it is read.
func TestCutEventsKeepTheirCounts(t *testing.T) {
	t.Parallel()

	b := open(t)
	e := wholeEvent()
	e.Status, e.Reason = hotsync.StatusRetrying, "zuora_unavailable"
	e.Changes, e.Attempts = nil, make([]hotsync.Attempt, 150)
	e.Findings = slicesRepeat(hotsync.Attention(hotsync.FindingPlanUnmatched, "", "", "x"), 120)
	for range 2345 {
		raw := make([]byte, 200) // does not compress
		_, err := crand.Read(raw)
		if err != nil {
			t.Fatal(err)
		}
		e.Changes = append(e.Changes, hotsync.Change{Object: "subscription", ID: hex.EncodeToString(raw)})
	}
	type counts struct{ Changes, Attempts, Findings, Attention, KeptChanges, KeptAttempts int }
	check := func(when string, want counts) hotsync.Event {
		t.Helper()
		got, err := b.Get(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		c := counts{got.ChangeCount, got.AttemptCount, got.FindingCount, got.AttentionCount,
			len(got.Changes), len(got.Attempts)}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("%s: counts of the event mismatch (-want +got):\n%s", when, diff)
		}
		want.KeptChanges, want.KeptAttempts = 0, 0
		for _, row := range b.search(t, eventstore.Query{}) {
			c := counts{row.ChangeCount, row.AttemptCount, row.FindingCount, row.AttentionCount, 0, 0}
			if diff := cmp.Diff(want, c); diff != "" {
				t.Errorf("%s: counts of the list's row mismatch (-want +got):\n%s", when, diff)
			}
		}
		if len(got.Findings) == 0 || !strings.Contains(got.Findings[0].Message, "too large") {
			t.Errorf("%s: nothing says that the event is not whole: %.300v", when, got.Findings)
		}
		return got
	}
	b.put(t, e)
	e = check("cut", counts{2345, 150, 122, 120, 100, 100})
	b.put(t, e)
	e = check("written again as it is", counts{2345, 150, 122, 120, 100, 100})

	// Another try: findings and steps are its own, its changes are added.
	e.Findings, e.Steps = nil, nil
	e.Changes = append(e.Changes, hotsync.Change{Object: "subscription", ID: "one"},
		hotsync.Change{Object: "subscription", ID: "two"})
	e.Attempts = append(e.Attempts, hotsync.Attempt{N: 151})
	b.put(t, e)
	e = check("tried again", counts{2347, 151, 2, 0, 102, 101})

	e.Status = hotsync.StatusSucceeded
	e.Attempts = e.Attempts[:100] // a try that is taken back
	b.put(t, e)
	check("a try taken back", counts{2347, 150, 2, 0, 102, 100})

	_, err := b.Erase(t.Context(), e.Request.Identity)
	if err != nil {
		t.Fatal(err)
	}
	check("its person erased", counts{2347, 150, 2, 0, 102, 100})
}

func slicesRepeat[T any](v T, n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestFailures(t *testing.T) {
	t.Parallel()

	b := open(t)
	broken := eventstore.New(b.at("there-is-no-such-table"), eventstore.Config{Now: b.clock.now})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func(context.Context, *eventstore.Store) error{
		"Put": func(ctx context.Context, s *eventstore.Store) error { _, err := s.Put(ctx, wholeEvent()); return err },
		"Get": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.Get(ctx, wholeEvent().ID)
			return err
		},
		"Search": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.Search(ctx, eventstore.Query{})
			return err
		},
		"PutQueued": func(ctx context.Context, s *eventstore.Store) error { return s.PutQueued(ctx, wholeEvent()) },
		"Tally":     func(ctx context.Context, s *eventstore.Store) error { return s.Tally(ctx, wholeEvent()) },
		"LoadAccount": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.LoadAccount(ctx, accountID("x"))
			return err
		},
		"SaveAliases": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.SaveAliases(ctx, eventstore.AccountState{AccountID: accountID("x"), Number: "A1"})
			return err
		},
		"Count": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.Count(ctx, start.Add(-time.Hour), start)
			return err
		},
		"CountMatching": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.CountMatching(ctx, eventstore.Query{Q: "x"}, 10)
			return err
		},
		"OldestUnfinished": func(ctx context.Context, s *eventstore.Store) error {
			_, _, err := s.OldestUnfinished(ctx)
			return err
		},
		"Erase": func(ctx context.Context, s *eventstore.Store) error {
			_, err := s.Erase(ctx, hotsync.Identity{Subject: "x"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if code := hotsync.AsError(call(context.Background(), broken)).Code; code != hotsync.CodeStoreUnavailable {
				t.Errorf("without a table: code %q, want store_unavailable", code)
			}
			if code := hotsync.AsError(call(cancelled, b.Store)).Code; code != hotsync.CodeTimeout {
				t.Errorf("cancelled: code %q, want timeout", code)
			}
		})
	}
}

func ids(events []hotsync.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.ID
	}
	return out
}

func sprint(n int) string { return fmt.Sprintf("%04d", n) }

// plain shows an attribute's value as text.
func plain(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return string(v.Value)
	default:
		return fmt.Sprint(v)
	}
}
