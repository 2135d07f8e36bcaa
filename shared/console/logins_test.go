package console_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/shared/console/internal/sample"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// nothings are records of logins that led to nothing, in memory.
type nothings struct {
	mu      sync.Mutex
	records []hotsync.LoginRecord
	emails  map[string]string // subject by e-mail
	fail    error
}

func (n *nothings) Logins(_ context.Context, q eventstore.LoginQuery) (eventstore.LoginPage, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return eventstore.LoginPage{}, n.fail
	}
	if q.Limit < 0 || q.Limit > eventstore.MaxLimit || q.Cursor != "" && !hotsync.IsEventID(q.Cursor) {
		return eventstore.LoginPage{}, hotsync.Errorf(hotsync.CodeBadRequest, "The limit or the cursor is none.")
	}
	q.Q = strings.TrimSpace(q.Q)
	if oldest := start.AddDate(0, 0, -hotsync.LoginRecordDays); q.From.Before(oldest) {
		q.From = oldest
	}
	all := slices.Clone(n.records)
	slices.SortFunc(all, func(a, b hotsync.LoginRecord) int { return cmp.Compare(b.ID, a.ID) })
	var out eventstore.LoginPage
	for _, r := range all {
		if q.Q != "" && r.Subject != cmp.Or(n.emails[strings.ToLower(q.Q)], q.Q) || q.Provider != "" &&
			r.Provider != q.Provider ||
			q.Reason != "" && r.Reason != q.Reason || r.At.Before(q.From) || !q.To.IsZero() && !r.At.Before(q.To) ||
			q.Cursor != "" && r.ID >= q.Cursor {
			continue
		}
		if len(out.Logins) == cmp.Or(q.Limit, eventstore.DefaultLimit) {
			out.Cursor = out.Logins[len(out.Logins)-1].ID
			break
		}
		out.Logins = append(out.Logins, r)
	}
	return out, nil
}

// forget deletes what is about a person, and says how many records that were.
func (n *nothings) forget(who hotsync.Identity) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	had := len(n.records)
	n.records = slices.DeleteFunc(n.records, func(r hotsync.LoginRecord) bool { return r.Subject == who.Subject })
	return had - len(n.records)
}

// misspelt are logins whose claim is called otherwise in the settings.
func misspelt(n int, provider string) []hotsync.LoginRecord {
	var out []hotsync.LoginRecord
	for i := range n {
		at := start.Add(-time.Duration(i+1) * time.Minute)
		out = append(out, hotsync.LoginRecord{ID: hotsync.EventIDFor(at, fmt.Sprint(provider, i)), At: at,
			Trigger: hotsync.TriggerLogin, Provider: provider,
			Reason: "claim_missing", Issuer: "https://id.example.com", Subject: fmt.Sprint("person-", provider, i),
			Verified: true, Had: []string{"accounts"}})
	}
	return out
}

// A login that led to nothing is found by whom it was of, and by when it was, beside
// the syncs that the same search finds.
func TestLoginsThatLedToNothingAreFound(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, events...)
	b.nothings.records = sample.Logins(start)
	lost := b.nothings.records[4]
	b.nothings.emails["jane@example.com"] = lost.Subject
	c := b.signIn("viewer")
	for _, tc := range []struct{ name, typed string }{
		{"e-mail", "jane@example.com"},
		{"pasted address", "Jane Doe <Jane@Example.com>"},
		{"subject", "subject:" + lost.Subject},
		{"only a time", lost.At.Format("15:04")},
	} {
		a := c.get("/events?q=" + url.QueryEscape(tc.typed))
		a.Sound()
		if got := a.Texts(".beside .nothing-head"); len(got) == 0 || !strings.HasPrefix(got[0], "The claim is empty") {
			t.Errorf("%s: the search shows %q", tc.name, got)
			continue
		}
		if strings.Contains(a.body, ">"+lost.Subject+"<") {
			t.Errorf("%s: the page names the person in full", tc.name)
		}
		all := c.get(a.Attrs(".beside > p a", "href")[0])
		all.Sound()
		if !slices.Contains(all.Attrs(".nothings > li", "id"), "login-"+lost.ID) {
			t.Errorf("%s: the link to all such logins leads to %s without it", tc.name, all.url)
		}
	}
	for _, path := range []string{"/events", "/events?status=failed", "/events?account=A00000042",
		"/events?q=" + events[0].ID} {
		if a := c.get(path); a.Count(".beside") > 0 {
			t.Errorf("%s shows logins that have nothing to do with it", path)
		}
	}
	b.nothings.fail = down
	a := c.get("/events?q=jane@example.com")
	a.wantStatus(t, 200)
	if a = c.get("/logins"); a.status != 503 || a.Count("[role=alert]") != 1 {
		t.Errorf("the list that cannot be read answers %d", a.status)
	}
}

// The list says why each login led to nothing, by reason and one by one, and every
// number leads to as many rows.
func TestLoginsPage(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.signIn("viewer")
	if a := c.get("/logins"); a.Count(".empty.calm") != 1 || a.Count(".tabs a[href='/logins'][aria-current]") != 1 {
		t.Error("an empty list is not calm, or its tab not marked")
	}
	b.nothings.records = append(sample.Logins(start), misspelt(60, "direct")...)
	a := c.get("/logins")
	a.Sound()
	got := a.Texts(".cause h2")
	want := []string{"The claim is missing", "The claim is empty", "No account matches", "Unknown identity provider",
		"Meant for another client"}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("reasons mismatch (-want +got):\n%s", diff)
	}
	if got := a.Texts(".cause p.dim")[0]; !strings.HasSuffix(got, "mostly by direct") {
		t.Errorf("the most frequent reason is told of as %q", got)
	}
	numbers := a.Texts(".cause-n b")
	for i, href := range a.Attrs(".cause h2 a", "href") {
		n := 0
		for next := []string{href}; len(next) > 0; {
			page := c.get(next[0])
			n += page.Count(".nothings > li")
			next = page.Attrs("a[rel=next]", "href")
		}
		if fmt.Sprint(n) != numbers[i] {
			t.Errorf("%s: %s says the list, and %d rows are there", href, numbers[i], n)
		}
	}
	if strings.Contains(a.body, sample.Hostile) {
		t.Error("text from a token is on the page as it came")
	}
	if a := c.get("/logins?from=someday"); a.status != 400 || a.Count("[role=alert]") != 1 {
		t.Errorf("a time that is none answers %d", a.status)
	}
}

// The search of such logins reads what that of the syncs reads: typed filters, reasons
// by their labels, times as people write them; one list has one address.
func TestLoginsAreSearchedAsSyncsAre(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.nothings.records = sample.Logins(start)
	b.nothings.emails["jane@example.com"] = b.nothings.records[4].Subject
	c := b.signIn("viewer")
	for _, tc := range []struct {
		q    string
		want string // the address that shows it
		rows int
	}{
		{`reason:"the claim is missing"`, "/logins?reason=claim_missing", 4},
		{`Provider: okta`, "/logins?provider=okta", 4},
		{"Jane <Jane@Example.com>", "/logins?q=Jane%40Example.com", 1},
		{"subject:person-4712", "/logins?q=person-4712", 1},
		{"11:54", "/logins?from=2026-11-22T11%3A49%3A00Z&to=2026-11-22T11%3A59%3A00Z", 1},
		{"from:yesterday okta", "/logins?from=2026-11-21T00%3A00%3A00Z&q=okta", 0},
	} {
		a := c.get("/logins?" + url.Values{"q": {tc.q}}.Encode())
		a.wantStatus(t, 200)
		if got := a.url.RequestURI(); got != tc.want {
			t.Errorf("%s leads to %s, want %s", tc.q, got, tc.want)
		}
		if got := a.Count(".nothings > li"); got != tc.rows {
			t.Errorf("%s finds %d logins, want %d", tc.q, got, tc.rows)
		}
	}
	for _, q := range []string{"account:A00000001", "status:failed", "is:open", "trigger:login"} {
		a := c.get("/logins?" + url.Values{"q": {q}}.Encode())
		if a.status != 400 || a.Count("[role=alert]") != 1 || a.Count(".nothings") != 0 {
			t.Errorf("%s, which says nothing about a login without a sync, answers %d", q, a.status)
		}
	}
	page := c.get("/logins")
	if got := page.Attrs("#suggestions option", "value"); !slices.Contains(got, "provider:direct") ||
		!slices.Contains(got, "reason:claim_missing") {
		t.Errorf("offered are %q", got)
	}
	if got := page.Count("input[data-pick]"); got != 2 {
		t.Errorf("%d times can be picked, want 2", got)
	}
	a := c.get("/suggest?for=logins&q=missing", "X-Live", "1")
	if got := a.Attrs("option", "value"); !slices.Contains(got, "reason:claim_missing") ||
		slices.Contains(got, "reason:limio_request_refused") {
		t.Errorf("for %q are offered %q", "missing", got)
	}
}

// The overview says when logins name no account, and does not take some customers
// without a claim for that.
func TestOverviewTellsOfLoginsThatLedToNothing(t *testing.T) {
	t.Parallel()

	good := eventstore.Slot{At: start.Add(-time.Hour),
		Counts: eventstore.Counts{
			Outcomes: map[eventstore.Outcome]int{{Status: hotsync.StatusSucceeded, Reason: hotsync.ReasonUnchanged}: 5}}}
	for _, tc := range []struct {
		name    string
		records []hotsync.LoginRecord
		slots   []eventstore.Slot
		want    string
		more    string
	}{
		{"none", nil, []eventstore.Slot{good}, "All well", "Nobody waits"},
		{"some, beside many that are well", misspelt(3, "okta"), []eventstore.Slot{good}, "All well", ""},
		{"all there are", misspelt(3, "okta"), nil, "3 logins named no account", "by provider okta"},
		{"many", append(misspelt(100, "okta"), misspelt(24, "direct")...), []eventstore.Slot{good},
			"124 logins named no account", "mostly by provider okta"},
		{"more than are read", misspelt(700, "okta"), []eventstore.Slot{good}, "More than 600 logins named no account",
			"by provider okta"},
	} {
		b := setup(t)
		b.nothings.records, b.events.slots = tc.records, tc.slots
		a := b.signIn("viewer").get("/")
		a.Sound()
		if got := a.Text(".verdict-head"); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: the headline is %q, want %q", tc.name, got, tc.want)
		}
		if got := a.Text(".verdict"); !strings.Contains(got, tc.more) {
			t.Errorf("%s: the overview says %q, want %q", tc.name, got, tc.more)
		}
		if len(tc.records) > 0 && a.Count(`.plainly a[href^="/logins?"]`) != 1 {
			t.Errorf("%s: the overview does not lead to the logins", tc.name)
		}
	}
}

// A person of whom only a login that led to nothing is known is found, told and
// erased like any other.
func TestErasePersonWithoutSync(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.nothings.records = sample.Logins(start)
	lost := b.nothings.records[4]
	b.nothings.emails["jane@example.com"] = lost.Subject
	c := b.signIn("admin")
	a := c.post("/erase/find", url.Values{"who": {"jane@example.com"}, "note": {"ticket 7"}})
	if got := a.Text("#h-logins"); got != "1 login found" {
		t.Fatalf("looking for the person says %q", got)
	}
	chosen := url.Values{"login": a.Attrs("input[name=login]", "value"), "note": {"ticket 7"}}
	var told struct {
		Logins []struct {
			Nothing []hotsync.LoginRecord `json:"loginsWithoutSync"`
		} `json:"logins"`
	}
	err := json.Unmarshal([]byte(c.post("/erase/export", chosen).body), &told)
	if err != nil || len(told.Logins) != 1 || len(told.Logins[0].Nothing) != 1 ||
		told.Logins[0].Nothing[0].Subject != lost.Subject {
		t.Errorf("what is held is told as %+v, %v", told, err)
	}
	a = c.post("/erase/confirm", chosen)
	if got := a.Text("main ul.plain"); !strings.Contains(got, "1 record of a login that led to nothing") {
		t.Errorf("what would be erased is %q", got)
	}
	chosen.Set("sure", "on")
	a = c.post("/erase", chosen)
	if got := a.Text(".note.good"); !strings.Contains(got, "1 record of logins that led to nothing deleted") {
		t.Errorf("erased is %q", got)
	}
	if got := b.acts.list[len(b.acts.list)-1]; got.Action != "erase" ||
		!strings.Contains(got.Result, "1 login that led to nothing") {
		t.Errorf("recorded is %+v", got)
	}
}
