package console_test

import (
	"context"
	"fmt"
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

// TestRecordsFakes holds the fakes of acts and of logins that led to nothing, and the store
// on the local engine, to the same suites.
func TestRecordsFakes(t *testing.T) {
	t.Parallel()

	t.Run("fakes", func(t *testing.T) {
		t.Parallel()

		conformActs(t, &acts{})
		n := &nothings{emails: map[string]string{"ada@example.com": "ada"}}
		for i, r := range suiteLogins() {
			r.ID = hotsync.EventIDFor(r.At, fmt.Sprint(i))
			n.records = append(n.records, r)
		}
		conformLogins(t, n)
	})
	t.Run("engine", func(t *testing.T) {
		t.Parallel()

		client := enginetest.Start(t).DynamoDB()
		clock := func() time.Time { return start }
		s := eventstore.New(dynamo.Table{Client: client, Name: storetest.NewTable(t, client), Now: clock}, eventstore.Config{
			Now: clock, SearchKey: func(context.Context) ([]byte, error) { return searchKey, nil },
		})
		conformActs(t, s)
		for _, r := range suiteLogins() {
			kept, err := s.RecordLogin(t.Context(), r)
			if err != nil || !kept {
				t.Fatalf("RecordLogin = %t, %v", kept, err)
			}
		}
		conformLogins(t, s)
	})
}

var searchKey = []byte("a key of a suite")

// conformActs holds an empty audit log to what Audit says.
func conformActs(t *testing.T, s console.Audit) {
	t.Helper()
	day := start.Truncate(24 * time.Hour)
	at := []time.Time{day.Add(-time.Second), day, day.Add(time.Hour), day.Add(time.Hour)}
	for i, at := range at {
		err := s.Record(t.Context(),
			eventstore.Act{At: at, Actor: "ada", Role: "admin", Action: "retry", Note: fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name  string
		day   time.Time
		limit int
		want  []time.Time
	}{
		{"of a day, the newest first", day, 10, []time.Time{at[3], at[2], at[1]}},
		{"the newest two", day, 2, []time.Time{at[3], at[2]}},
		{"of the day before", day.AddDate(0, 0, -1), 10, []time.Time{at[0]}},
		{"of a day without any", day.AddDate(0, 0, -2), 10, nil},
	} {
		list, err := s.Acts(t.Context(), tc.day, tc.limit)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		var got []time.Time
		for _, a := range list {
			got = append(got, a.At)
			if a.Actor != "ada" || a.Role != "admin" || a.Action != "retry" || a.Note == "" {
				t.Errorf("%s: %+v is not what was recorded", tc.name, a)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// suiteLogins are of ada and bob, in no order, and one that is too old to be found.
func suiteLogins() []hotsync.LoginRecord {
	make1 := func(ago time.Duration, subject, provider, reason string) hotsync.LoginRecord {
		r := hotsync.LoginRecord{LoginID: fmt.Sprint("login-", subject, ago), At: start.Add(-ago),
			Trigger:  hotsync.TriggerLogin,
			Provider: provider, Reason: reason, Issuer: "https://id.example.com", Subject: subject, Verified: true}
		if subject == "ada" {
			r.EmailHash = hotsync.SearchHash(searchKey, "ada@example.com")
		}
		return r
	}
	return []hotsync.LoginRecord{
		make1(time.Minute, "ada", "direct", "claim_missing"),
		make1(3*time.Hour, "bob", "lookup", "no_match"),
		make1(2*time.Hour, "ada", "lookup", "claim_missing"),
		make1(50*time.Hour, "bob", "direct", "claim_missing"),
		make1((hotsync.LoginRecordDays+1)*24*time.Hour, "ada", "direct", "claim_missing"),
	}
}

// conformLogins holds records of logins, those of suiteLogins, to what Logins says.
func conformLogins(t *testing.T, s console.Logins) {
	t.Helper()
	const m, h = time.Minute, time.Hour
	for _, tc := range []struct {
		name  string
		query eventstore.LoginQuery
		want  []time.Duration // how long ago
	}{
		{"all, the newest first", eventstore.LoginQuery{}, []time.Duration{m, 2 * h, 3 * h, 50 * h}},
		{"one a page", eventstore.LoginQuery{Limit: 1}, []time.Duration{m, 2 * h, 3 * h, 50 * h}},
		{"a subject", eventstore.LoginQuery{Q: "bob"}, []time.Duration{3 * h, 50 * h}},
		{"a subject with blanks around", eventstore.LoginQuery{Q: " bob "}, []time.Duration{3 * h, 50 * h}},
		{"a part of a subject", eventstore.LoginQuery{Q: "bo"}, nil},
		{"an e-mail address", eventstore.LoginQuery{Q: "Ada@Example.com"}, []time.Duration{m, 2 * h}},
		{"another address", eventstore.LoginQuery{Q: "eve@example.com"}, nil},
		{"a provider", eventstore.LoginQuery{Provider: "lookup"}, []time.Duration{2 * h, 3 * h}},
		{"a reason", eventstore.LoginQuery{Reason: "no_match"}, []time.Duration{3 * h}},
		{"a provider and a reason", eventstore.LoginQuery{Provider: "lookup", Reason: "claim_missing"},
			[]time.Duration{2 * h}},
		{"from a time on", eventstore.LoginQuery{From: start.Add(-2 * h)}, []time.Duration{m, 2 * h}},
		{"before a time", eventstore.LoginQuery{To: start.Add(-2 * h)}, []time.Duration{3 * h, 50 * h}},
		{"of no time", eventstore.LoginQuery{From: start, To: start}, nil},
	} {
		var got []time.Duration
		for {
			page, err := s.Logins(t.Context(), tc.query)
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			for _, r := range page.Logins {
				got = append(got, start.Sub(r.At))
			}
			tc.query.Cursor = page.Cursor
			if page.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	for name, q := range map[string]eventstore.LoginQuery{
		"a limit too large": {Limit: eventstore.MaxLimit + 1},
		"a limit below one": {Limit: -1},
		"no cursor of ours": {Cursor: "next"},
	} {
		_, err := s.Logins(t.Context(), q)
		if got := hotsync.AsError(err).Code; err == nil || got != hotsync.CodeBadRequest {
			t.Errorf("%s: %v, want %s", name, err, hotsync.CodeBadRequest)
		}
	}
}
