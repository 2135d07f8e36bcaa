package stack_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/cataloguestore"
	"hotsync/shared/hotsync"
)

func ids(events []hotsync.Event) []string {
	out := []string{}
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}

// TestSearch finds events by every kind of text and every filter.
func TestSearch(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	begun := time.Now().UTC()
	ada := s.Sync(s.PersonaToken("single"))[0]
	claire := s.Sync(s.PersonaToken("several"))
	jonas := s.Sync(s.PersonaToken("lookup"))[0]
	patrick := s.Sync(s.PersonaToken("ambiguous"))[0]
	stranger := s.Sync(s.Token("direct", doc{"sub": "direct|eve", "zuora_account_ids": "A09999999"}))[0]
	newestFirst := func(all ...hotsync.Event) []string {
		out := ids(all)
		slices.Sort(out)
		slices.Reverse(out)
		return out
	}
	all := newestFirst(append(slices.Clone(claire), ada, jonas, patrick, stranger)...)

	for _, tc := range []struct {
		name  string
		query url.Values
		want  []string
	}{
		{"everything", url.Values{}, all},
		{"q: event id", url.Values{"q": {ada.ID}}, []string{ada.ID}},
		{"q: account id", url.Values{"q": {ada.Account.ID}}, []string{ada.ID}},
		{"q: account number", url.Values{"q": {"A00000203"}}, []string{claire[2].ID}},
		{"q: subscription number", url.Values{"q": {"A-S00301001"}}, []string{jonas.ID}},
		{"q: e-mail of the login", url.Values{"q": {"Claire.Dubois@example.com"}}, newestFirst(claire...)},
		{"q: e-mail of the bill-to contact", url.Values{"q": {"compta@dubois.example.com"}}, []string{claire[2].ID}},
		{"q: subject", url.Values{"q": {"direct|ada"}}, []string{ada.ID}},
		{"q: nothing of ours", url.Values{"q": {"nobody@example.com"}}, []string{}},
		{"account", url.Values{"account": {"A00000101"}}, []string{ada.ID}},
		{"subject", url.Values{"subject": {"direct|claire"}}, newestFirst(claire...)},
		{"status", url.Values{"status": {"failed"}}, []string{stranger.ID}},
		{"two statuses", url.Values{"status": {"failed", "skipped"}}, newestFirst(stranger, patrick)},
		// ids of logins go by ten seconds,
		{"from", url.Values{"from": {begun.Add(-time.Minute).Format(time.RFC3339Nano)}}, all},
		{"to", url.Values{"to": {begun.Add(time.Hour).Format(time.RFC3339Nano)}}, all},
		{"from and to", url.Values{"from": {begun.Add(-time.Hour).Format(time.RFC3339)},
			"to": {begun.Add(-time.Minute).Format(time.RFC3339)}}, []string{}},
		{"everything at once", url.Values{"account": {"A00000201"}, "subject": {"direct|claire"}, "status": {"succeeded"},
			"q": {"claire.dubois@example.com"}, "from": {begun.Add(-time.Minute).Format(time.RFC3339)}},
			[]string{claire[0].ID}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ids(events(t, s.For(t), tc.query.Encode()))); diff != "" {
				t.Errorf("events mismatch (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("pages", func(t *testing.T) {
		var got []string
		cursor := ""
		for pages := 0; ; pages++ {
			var list struct {
				Events []hotsync.Event
				Cursor string
			}
			a := s.For(t).Do(http.MethodGet, s.URL+"/api/events?limit=3&cursor="+url.QueryEscape(cursor),
				s.PersonaToken("viewer"), nil)
			a.Decode(t, &list)
			if len(list.Events) > 3 || pages > len(all) {
				t.Fatalf("page %d has %d events", pages, len(list.Events))
			}
			got, cursor = append(got, ids(list.Events)...), list.Cursor
			if cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("pages mismatch (-want +got):\n%s", diff)
		}
	})
}

// TestAPIRefusals asks for what is not there, not allowed or makes no sense.
func TestAPIRefusals(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	done := s.Sync(s.PersonaToken("single"))[0]
	absent := "event-" + fmt.Sprintf("%032x", 7)
	for _, tc := range []struct {
		name, method, path, token string
		status                    int
		code                      hotsync.Code
	}{
		{"no token", "GET", "/api/events", "", 401, hotsync.CodeUnauthenticated},
		{"token of a customer", "GET", "/api/events", s.PersonaToken("single"), 401, hotsync.CodeTokenIssuer},
		{"no token, event", "GET", "/api/events/" + done.ID, "", 401, hotsync.CodeUnauthenticated},
		{"staff without a group", "GET", "/api/events", s.Token("staff", doc{"sub": "staff|new"}), 403,
			hotsync.CodeForbidden},
		{"viewer retries", "POST", "/api/events/" + done.ID + "/retry", s.PersonaToken("viewer"), 403, hotsync.CodeForbidden},
		{"absent event", "GET", "/api/events/" + absent, s.PersonaToken("viewer"), 404, hotsync.CodeNotFound},
		{"no event id", "GET", "/api/events/abc", s.PersonaToken("viewer"), 404, hotsync.CodeNotFound},
		{"retry of an absent event", "POST", "/api/events/" + absent + "/retry", s.PersonaToken("operator"), 404,
			hotsync.CodeNotFound},
		{"no such path", "GET", "/api/nothing", s.PersonaToken("admin"), 404, hotsync.CodeNotFound},
		{"no such status", "GET", "/api/events?status=great", s.PersonaToken("viewer"), 400, hotsync.CodeBadRequest},
		{"limit", "GET", "/api/events?limit=many", s.PersonaToken("viewer"), 400, hotsync.CodeBadRequest},
		{"limit too high", "GET", "/api/events?limit=100000", s.PersonaToken("viewer"), 400, hotsync.CodeBadRequest},
		{"cursor", "GET", "/api/events?cursor=x", s.PersonaToken("viewer"), 400, hotsync.CodeBadRequest},
		{"from", "GET", "/api/events?from=someday", s.PersonaToken("viewer"), 400, hotsync.CodeBadRequest},
		{"from after to", "GET", "/api/events?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", s.PersonaToken("viewer"),
			400, hotsync.CodeBadRequest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := s.For(t).Do(tc.method, s.URL+tc.path, tc.token, nil)
			if a.Status != tc.status {
				t.Errorf("status %d, want %d: %s", a.Status, tc.status, a.Body)
			}
			if code := a.Code(t); code != tc.code {
				t.Errorf("code %s, want %s", code, tc.code)
			}
		})
	}
}

// TestRetry retries a failed sync once its reason is gone.
func TestRetry(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{})
	p := find(t, "single")
	account := readV1(t, p.Accounts[0])
	failed := s.Sync(s.Token("direct", p.Claims))[0]
	wantEnd(t, failed, hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound))

	s.PutAccount(account.id(), account.body())
	queued := s.Retry(failed.ID)
	if queued.RetryOf != failed.ID || queued.Status != hotsync.StatusQueued || queued.RetriedBy == "" ||
		queued.ID == failed.ID {
		t.Errorf("answer %+v, want a queued event that retries %s and says who asked", queued, failed.ID)
	}
	e := s.Await(queued.ID)
	wantEnd(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
	if e.RetryOf != failed.ID || e.Trigger != hotsync.TriggerConsole || e.Subject != "direct|ada" {
		t.Errorf("event %+v, want one of the console for the login that failed", e)
	}
	want := expect(account, s.IDPURL+"/direct", "direct|ada", today())
	want.Logins = nil // only a sign-in links
	wantMirror(t, want, readLimio(t, s).mirror(account.id()))
	if !slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked }) {
		t.Errorf("findings %+v, want one that says the person does not see the account", e.Findings)
	}
	s.Sync(s.Token("direct", p.Claims))
	wantMirror(t, expect(account, s.IDPURL+"/direct", "direct|ada", today()), readLimio(t, s).mirror(account.id()))
	// A retry of the same event, again, is a sync of its own.
	wantEnd(t, s.Await(s.Retry(failed.ID).ID), hotsync.StatusSucceeded, hotsync.ReasonUnchanged)
	unchanged, _ := s.Event(failed.ID)
	if diff := cmp.Diff(failed, unchanged); diff != "" {
		t.Errorf("the failed event changed (-before +after):\n%s", diff)
	}
}

// TestCatalogue lists what syncs saw of rate plans, gaps first.
func TestCatalogue(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	s.Sync(s.PersonaToken("single"))
	s.Sync(s.PersonaToken("twooffers"))
	s.Sync(s.PersonaToken("unpublished"))
	list := func() (out []string) {
		var answer struct{ Plans []cataloguestore.Plan }
		s.Do(http.MethodGet, s.URL+"/api/catalogue", s.PersonaToken("viewer"), nil).Decode(t, &answer)
		for _, p := range answer.Plans {
			out = append(out, fmt.Sprintf("%s %s %s %d", p.RatePlan, p.Outcome, p.Path, p.Subscriptions))
		}
		return out
	}
	before := list()
	want := []string{"Puzzle Club unmatched  1", "Europe Monthly ambiguous /offers2/Europe 1",
		"Digital Monthly matched /offers2/Digital 1",
		"UK Monthly matched /offers2/Digital UK 1"}
	if diff := cmp.Diff(want, before); diff != "" {
		t.Errorf("plans (-want +got):\n%s", diff)
	}
	s.Sync(s.PersonaToken("single"))
	s.Sync(s.PersonaToken("unpublished"))
	if diff := cmp.Diff(before, list()); diff != "" {
		t.Errorf("a second login changed the list (-before +after):\n%s", diff)
	}
}
