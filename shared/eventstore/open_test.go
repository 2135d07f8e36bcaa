package eventstore_test

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// openNow is what is open as reason by account, in the order of the list.
func (b *bundle) openNow(t *testing.T) []string {
	t.Helper()
	list, err := b.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, o := range list.Events {
		out = append(out, o.Reason+" "+o.Account.Number)
	}
	return out
}

func (b *bundle) write(t *testing.T, e hotsync.Event) {
	t.Helper()
	_, err := b.Put(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
}

// ended is an event of a person's sync of an account, a minute after the other.
func ended(minute int, subject, number string, status hotsync.Status, reason string) hotsync.Event {
	e := eventAt(start.Add(time.Duration(minute-60) * time.Minute))
	e.Status, e.Reason, e.Subject = status, reason, subject
	e.Account = hotsync.AccountRef{ID: accountID(number), Number: number}
	e.Request.Account, e.Request.AccountID, e.Request.Lookup = number, "", nil
	e.Request.Identity = hotsync.Identity{Subject: subject}
	if subject != "" {
		e.Request.Identity.Issuer = "https://login.example.com/"
	}
	if status == hotsync.StatusFailed {
		e.Error = &hotsync.Problem{Code: hotsync.Code(reason), Message: "It failed."}
	}
	return e
}

func TestOpenUntilTheSameLoginSucceeds(t *testing.T) {
	t.Parallel()

	const ok, failed = hotsync.StatusSucceeded, hotsync.StatusFailed
	unknown := ended(1, "x", "A1", failed, "zuora_account_not_found")
	unknown.Account.ID = "" // it failed before the id was known
	unseen := ended(9, "x", "A1", ok, "changed")
	unseen.Findings = []hotsync.Finding{
		hotsync.Attention(hotsync.FindingNotLinked, "A1", "", "The login does not see the account.")}
	for name, tc := range map[string]struct {
		events []hotsync.Event
		want   []string
	}{
		"a failure": {[]hotsync.Event{
			ended(1, "x", "A1", failed, "timeout"),
		}, []string{"timeout A1"}},
		"settled": {[]hotsync.Event{
			ended(1, "x", "A1", failed, "timeout"),
			ended(2, "x", "A1", ok, "changed"),
		}, nil},
		"settled, its id unknown before": {[]hotsync.Event{
			unknown, ended(2, "x", "A1", ok, "changed"),
		}, nil},
		"another login's success": {[]hotsync.Event{
			ended(1, "x", "A1", failed, "timeout"),
			ended(2, "y", "A1", ok, "changed"),
		}, []string{"timeout A1"}},
		"another account's success": {[]hotsync.Event{
			ended(1, "x", "A1", failed, "timeout"),
			ended(2, "x", "A2", ok, "changed"),
		}, []string{"timeout A1"}},
		"nobody's failure, anyone's success": {[]hotsync.Event{
			ended(1, "", "A1", failed, "timeout"),
			ended(2, "y", "A1", ok, "changed"),
		}, nil},
		"an earlier success": {[]hotsync.Event{
			ended(5, "x", "A1", failed, "timeout"),
			ended(2, "x", "A1", ok, "changed"),
		}, []string{"timeout A1"}},
		"failed again": {[]hotsync.Event{
			ended(1, "x", "A1", failed, "timeout"),
			ended(2, "x", "A1", failed, "internal"),
		}, []string{"internal A1"}},
		"synced, and not seen": {[]hotsync.Event{
			ended(1, "x", "A1", failed, "timeout"),
			unseen,
		}, []string{"not_linked A1"}},
		"seen at last": {[]hotsync.Event{unseen, ended(10, "x", "A1", ok, "unchanged")}, nil},
		"several accounts": {[]hotsync.Event{
			ended(1, "x", "", hotsync.StatusSkipped, "ambiguous"),
		}, []string{"ambiguous "}},
		"covered": {[]hotsync.Event{ended(1, "x", "A1", hotsync.StatusSkipped, "coalesced")}, nil},
		"two people": {[]hotsync.Event{ended(1, "x", "A1", failed, "timeout"), ended(2, "y", "A1", failed, "internal")},
			[]string{"internal A1", "timeout A1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := open(t)
			for _, e := range tc.events {
				b.write(t, e)
			}
			if diff := gocmp.Diff(tc.want, b.openNow(t)); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenCountsARowOfFailures(t *testing.T) {
	t.Parallel()

	b := open(t)
	first := ended(1, "x", "A1", hotsync.StatusFailed, "timeout")
	second := ended(7, "x", "A1", hotsync.StatusFailed, "internal")
	b.write(t, first)
	b.write(t, second)
	second.Revision = 1
	b.write(t, second) // the same event, written again
	list, err := b.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []eventstore.Open{{ID: second.ID, Status: hotsync.StatusFailed, Reason: "internal",
		Provider: second.Provider, Trigger: second.Trigger, Account: second.Account, First: first.RequestedAt.UTC(),
		Last: second.RequestedAt.UTC(), Failures: 2}}
	if diff := gocmp.Diff(want, list.Events); diff != "" {
		t.Errorf("Open (-want +got):\n%s", diff)
	}
}

// A search of what is open pages, filters and counts like any other.
func TestSearchOpen(t *testing.T) {
	t.Parallel()

	b := open(t)
	var want []string
	for i, reason := range []string{"timeout", "internal", "timeout", "timeout"} {
		e := ended(i, "x", fmt.Sprint("A", i), hotsync.StatusFailed, reason)
		b.write(t, e)
		if reason == "timeout" {
			want = append([]string{e.ID}, want...)
		}
	}
	b.write(t, ended(9, "x", "A0", hotsync.StatusSucceeded, "changed"))
	want = want[:2]
	var got []string
	q := eventstore.Query{Open: true, Reason: "timeout", Limit: 1}
	for {
		page, err := b.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			got = append(got, e.ID)
		}
		if q.Cursor = page.Cursor; q.Cursor == "" {
			break
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("Search (-want +got):\n%s", diff)
	}
	for _, tc := range []struct {
		q    eventstore.Query
		want int
	}{
		{eventstore.Query{Open: true}, 3},
		{eventstore.Query{Open: true, Reason: "timeout"}, 2},
		{eventstore.Query{Open: true, Account: "a3"}, 1},
		{eventstore.Query{Open: true, Subject: "x"}, 3},
		{eventstore.Query{Open: true, Q: "A0"}, 0},
		{eventstore.Query{Open: true, Q: accountID("A1")}, 1},
	} {
		n, err := b.CountMatching(t.Context(), tc.q, 99)
		if err != nil || n.N != tc.want || n.AtLeast {
			t.Errorf("CountMatching(%+v) = %+v, %v, want %d", tc.q, n, err, tc.want)
		}
	}
}

func TestEraseClosesWhatIsOpen(t *testing.T) {
	t.Parallel()

	b := open(t)
	b.write(t, ended(1, "x", "A1", hotsync.StatusFailed, "timeout"))
	b.write(t, ended(2, "y", "A1", hotsync.StatusFailed, "internal"))
	_, err := b.Erase(t.Context(), hotsync.Identity{Subject: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]string{"internal A1"}, b.openNow(t)); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
}
