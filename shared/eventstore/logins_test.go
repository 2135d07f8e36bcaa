package eventstore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

func login(at time.Time, subject, reason string) hotsync.LoginRecord {
	return hotsync.LoginRecord{LoginID: "login-" + subject + at.String(), At: at, Trigger: hotsync.TriggerLogin,
		Provider: "customers", Reason: reason,
		Issuer: "https://id.example.com", Subject: subject, Verified: true, EmailHash: hotsync.SearchHash(searchKey,
			subject+"@example.com"),
		Claims: []hotsync.LoginClaim{{Claim: "zuora_acounts", Reason: reason}}, Had: []string{"sub", "zuora_accounts"}}
}

func (b *bundle) record(t testing.TB, r hotsync.LoginRecord) hotsync.LoginRecord {
	t.Helper()
	kept, err := b.RecordLogin(t.Context(), r)
	if err != nil || !kept {
		t.Fatalf("RecordLogin = %t, %v", kept, err)
	}
	return r
}

// found are the logins of all pages of a query, without the ids that the store gave.
func (b *bundle) found(t testing.TB, q eventstore.LoginQuery) (out []hotsync.LoginRecord) {
	t.Helper()
	for {
		page, err := b.Logins(t.Context(), q)
		if err != nil {
			t.Fatalf("Logins(%+v): %v", q, err)
		}
		for _, r := range page.Logins {
			if !hotsync.IsEventID(r.ID) {
				t.Errorf("id %q", r.ID)
			}
			r.ID = ""
			out = append(out, r)
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			return out
		}
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()

	b := open(t)
	ada := b.record(t, login(start, "ada", "claim_missing"))
	old := b.record(t, login(start.Add(-50*time.Hour), "ada", "token_audience"))
	bob := b.record(t, login(start.Add(-time.Second), "bob", "claim_missing"))
	other := login(start.Add(-2*time.Second), "eve", "no_match")
	other.Provider, other.EmailHash = "partners", ""
	b.record(t, other)
	b.put(t, hotsync.NewEvent(hotsync.SyncRequest{EventID: hotsync.EventIDFor(start, "x"), Trigger: hotsync.TriggerLogin,
		Identity: hotsync.Identity{Issuer: "i", Subject: "ada"}, Account: "A1", RequestedAt: start}))

	for name, tc := range map[string]struct {
		query eventstore.LoginQuery
		want  []hotsync.LoginRecord
	}{
		"all, a page each":   {eventstore.LoginQuery{Limit: 1}, []hotsync.LoginRecord{ada, bob, other, old}},
		"by subject":         {eventstore.LoginQuery{Q: " ada "}, []hotsync.LoginRecord{ada, old}},
		"by e-mail":          {eventstore.LoginQuery{Q: "BOB@example.com"}, []hotsync.LoginRecord{bob}},
		"by stranger":        {eventstore.LoginQuery{Q: "mallory"}, nil},
		"by reason":          {eventstore.LoginQuery{Reason: "claim_missing"}, []hotsync.LoginRecord{ada, bob}},
		"by provider":        {eventstore.LoginQuery{Provider: "partners"}, []hotsync.LoginRecord{other}},
		"reason of a person": {eventstore.LoginQuery{Q: "ada", Reason: "token_audience"}, []hotsync.LoginRecord{old}},
		"since":              {eventstore.LoginQuery{From: start.Add(-time.Second)}, []hotsync.LoginRecord{ada, bob}},
		"until":              {eventstore.LoginQuery{To: start.Add(-time.Hour)}, []hotsync.LoginRecord{old}},
		"no time at all":     {eventstore.LoginQuery{From: start, To: start.Add(-time.Hour)}, nil},
	} {
		if diff := cmp.Diff(tc.want, b.found(t, tc.query)); diff != "" {
			t.Errorf("%s mismatch (-want +got):\n%s", name, diff)
		}
	}
	if got := b.search(t, eventstore.Query{}); len(got) != 1 {
		t.Errorf("%d events beside the records, want the one event", len(got))
	}
	b.clock.set(start.AddDate(0, 0, hotsync.LoginRecordDays).Add(time.Minute))
	if got := b.found(t, eventstore.LoginQuery{}); len(got) != 0 {
		t.Errorf("records after a week: %+v", got)
	}
}

// TestLoginsASecond: however many processes record, a second has twenty places, and
// the next one has twenty of its own.
func TestLoginsASecond(t *testing.T) {
	t.Parallel()

	b := open(t)
	var mu sync.Mutex
	kept := 0
	var wg sync.WaitGroup
	for process := range 4 {
		wg.Go(func() {
			for n := range 40 {
				s := eventstore.New(b.at(b.table), eventstore.Config{Now: b.clock.now})
				ok, err := s.RecordLogin(t.Context(), login(start, fmt.Sprint(process, n), "token_issuer_unknown"))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if ok {
					kept++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got := len(b.found(t, eventstore.LoginQuery{})); got != kept || kept > eventstore.LoginsASecond ||
		kept < eventstore.LoginsASecond/2 {
		t.Errorf("%d found and %d kept of 160, want as many and 10 to 20", got, kept)
	}
	// A process that found no place asks DynamoDB no more in that second.
	for range 30 {
		_, err := b.RecordLogin(t.Context(), login(start, "more", "token_issuer_unknown"))
		if err != nil {
			t.Fatal(err)
		}
	}
	before := b.calls.count("PutItem")
	_, err := b.RecordLogin(t.Context(), login(start, "more", "token_issuer_unknown"))
	if err != nil || b.calls.count("PutItem") != before {
		t.Errorf("a full second was tried again (%v)", err)
	}
	b.record(t, login(start.Add(time.Second), "next", "claim_missing"))
}

func TestLoginsQueryRefused(t *testing.T) {
	t.Parallel()

	b := open(t)
	for name, q := range map[string]eventstore.LoginQuery{"limit": {Limit: 1000}, "cursor": {Cursor: "x"},
		"length": {Q: string(make([]byte, 5000))}} {
		_, err := b.Logins(t.Context(), q)
		if hotsync.AsError(err) == nil || hotsync.AsError(err).Code != hotsync.CodeBadRequest {
			t.Errorf("%s: %v, want bad_request", name, err)
		}
	}
}

func TestEraseLogins(t *testing.T) {
	t.Parallel()

	b := open(t)
	b.record(t, login(start, "ada", "claim_missing"))
	refused := login(start.Add(time.Second), "", "token_expired")
	refused.EmailHash = hotsync.SearchHash(searchKey, "ada@example.com")
	b.record(t, refused)
	bob := b.record(t, login(start, "bob", "claim_missing"))
	elsewhere := login(start, "ada", "claim_missing")
	elsewhere.Issuer, elsewhere.EmailHash = "https://other.example.com", ""
	b.record(t, elsewhere)

	got, err := b.Erase(t.Context(), hotsync.Identity{Issuer: "https://id.example.com", Subject: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (eventstore.Erased{Logins: 2}); got != want {
		t.Errorf("Erase = %+v, want %+v", got, want)
	}
	left := b.found(t, eventstore.LoginQuery{})
	if len(left) != 2 || !cmp.Equal(left, []hotsync.LoginRecord{bob, elsewhere}) &&
		!cmp.Equal(left, []hotsync.LoginRecord{elsewhere, bob}) {
		t.Errorf("records left %+v", left)
	}
}
