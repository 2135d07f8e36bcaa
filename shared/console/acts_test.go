package console_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console/internal/sample"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/syncer"
)

func TestAccountPage(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	b.events.accounts[sample.Account.ID] = eventstore.AccountState{AccountID: sample.Account.ID,
		Number: sample.Account.Number, CustomerID: "cus-1",
		LastSucceededEvent: by["succeeded, unchanged"].ID, LastSucceededAt: start.Add(-5 * time.Minute),
		LinkedSubjects: []string{"a", "b"}}
	want := 0
	for _, e := range events {
		if e.Account == sample.Account {
			want++
		}
	}
	c := b.signIn("viewer")
	for _, key := range []string{sample.Account.ID, sample.Account.Number} {
		a := c.get("/accounts/" + key)
		a.wantStatus(t, http.StatusOK)
		a.Sound()
		a.wantNoHTML(t)
		if got := a.Text("h1"); got != "Account A00000042" {
			t.Errorf("%s: h1 = %q", key, got)
		}
		if got := a.Count(".line > li:not(.day)"); got != want {
			t.Errorf("%s: %d events on the line, want %d", key, got, want)
		}
		if got := a.Texts(".tries li"); len(got) != 2 || !strings.Contains(got[0], "Zuora answered 503") {
			t.Errorf("%s: attempts = %q", key, got)
		}
		if a.Count("form[action$=sync]") != 0 {
			t.Error("a viewer may sync")
		}
		if !strings.Contains(a.Text(".about"), "cus-1") ||
			!slices.Contains(a.Texts(".id-list .mono"), "sub-0a1b2c3d4e5f60718293a4b5c6d7e8f9") {
			t.Errorf("%s: the Limio ids are missing", key)
		}
		if got := a.Texts(".subs tbody tr"); len(got) != 2 || !strings.Contains(got[0], "Digital Monthly") ||
			!strings.Contains(got[0], "9.99 GBP monthly") {
			t.Errorf("%s: in Limio now: %q", key, got)
		}
	}
	for path, status := range map[string]int{"/accounts/A-unknown": 200, "/accounts/" + url.PathEscape("<b>"): 404,
		"/accounts/" + strings.Repeat("x", 200): 404,
		"/accounts/" + strings.Repeat("0", 32):  200, "/accounts/A00000042?cursor=x": 400} {
		a := c.get(path)
		a.wantStatus(t, status)
		a.Sound()
	}
	b.events.fail["LoadAccount"] = down
	a := c.get("/accounts/" + sample.Account.ID)
	a.wantStatus(t, http.StatusOK)
	if !strings.Contains(a.Text(".about"), "could not be read") {
		t.Error("without its state the page does not say so")
	}
}

// The days of an account's line are those of the reader's calendar.
func TestAccountDaysAreTheReaders(t *testing.T) {
	t.Parallel()

	events := backlog(2)
	for i, at := range []string{"2026-11-21T16:00:00Z", "2026-11-21T14:00:00Z"} { // on either side of midnight in Tokyo
		events[i].RequestedAt, _ = time.Parse(time.RFC3339, at)
		events[i].ID, events[i].Account = hotsync.EventIDFor(events[i].RequestedAt, at), sample.Account
	}
	b := setup(t, events...)
	c := b.signIn("viewer")
	path := "/accounts/" + sample.Account.Number
	if diff := cmp.Diff([]string{"Saturday, 21 November 2026"}, c.get(path).Texts(".line .day")); diff != "" {
		t.Errorf("days in UTC (-want +got):\n%s", diff)
	}
	c.http.Jar.SetCookies(mustURL(t, b.server.URL), []*http.Cookie{{Name: "tz", Value: "Asia%2FTokyo"}})
	if diff := cmp.Diff([]string{"Sunday, 22 November 2026", "Saturday, 21 November 2026"},
		c.get(path).Texts(".line .day")); diff != "" {
		t.Errorf("days in Tokyo (-want +got):\n%s", diff)
	}
}

func TestSyncNow(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, events...)
	b.signIn("viewer").post("/accounts/A00000042/sync", nil).wantStatus(t, http.StatusForbidden)
	a := b.signIn("operator").post("/accounts/A00000042/sync", nil)
	a.wantStatus(t, http.StatusOK)
	if len(b.queue.sent) != 1 {
		t.Fatalf("%d requests queued, want 1", len(b.queue.sent))
	}
	got := b.queue.sent[0]
	want := hotsync.SyncRequest{EventID: got.EventID, Trigger: hotsync.TriggerConsole, Provider: "direct",
		Claim: "zuora_account_ids",
		Identity: hotsync.Identity{Issuer: "https://login.example.com/",
			Subject: "auth0|64c1d0aa91e24b5f7d1e22b9"}, EmailHash: "8f14e45fceea167a5a36dedd4bea2543",
		EmailMask: "j•••@e•••.com",
		Account:   sample.Account.ID, AccountID: sample.Account.ID, RequestedAt: start, Actor: "Member operator"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request mismatch (-want +got):\n%s", diff)
	}
	if a.url.Path != "/events/"+got.EventID {
		t.Errorf("afterwards at %s, want the event", a.url)
	}
	if len(b.acts.list) != 1 || b.acts.list[0].Action != "sync" {
		t.Errorf("recorded %+v", b.acts.list)
	}
	b.queue.fail = hotsync.Errorf(hotsync.CodeQueueUnavailable, "SQS did not take the request.")
	a = b.signIn("operator").post("/accounts/A00000042/sync", nil)
	a.wantStatus(t, http.StatusServiceUnavailable)
	a.Sound()
}

func TestDryRun(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	b.sides.would.Account, b.sides.would.Changes, b.sides.would.Findings = sample.Account,
		by["succeeded with changes"].Changes, []hotsync.Finding{hotsync.Note(hotsync.FindingOther, "", "%s", sample.Hostile)}
	c := b.signIn("operator")
	a := c.post("/accounts/A00000042/dryrun", nil)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	if got := a.Text("#h-dry"); got != "A sync now would make 4 changes" {
		t.Errorf("the dry run says %q", got)
	}
	if got := a.Texts(".before-after .after")[0]; got != "j•••@example.org" {
		t.Errorf("the first change is to %q", got)
	}
	if len(b.queue.sent) != 0 {
		t.Error("a dry run queued something")
	}
	b.sides.zuora = hotsync.Errorf(hotsync.CodeZuoraUnavailable, "Zuora answered 503.")
	a = c.post("/accounts/A00000042/dryrun", nil)
	a.wantStatus(t, http.StatusServiceUnavailable)
	if got := a.Text("[role=alert] b"); got != "Zuora and Limio could not be compared: Zuora answered 503." ||
		a.Count("ol.line") != 1 {
		t.Errorf("a failed dry run says %q", got)
	}
	if got := len(b.acts.list); got != 2 {
		t.Errorf("%d acts recorded, want 2", got)
	}
}

// backlog is n failed syncs of n accounts.
func backlog(n int) []hotsync.Event {
	var out []hotsync.Event
	for i := range n {
		at := start.Add(-time.Duration(i+1) * time.Minute)
		id := hotsync.EventIDFor(at, fmt.Sprint(i))
		account := fmt.Sprintf("%032x", i)
		out = append(out, hotsync.Event{ID: id, Status: hotsync.StatusFailed, Reason: string(hotsync.CodeZuoraUnavailable),
			RequestedAt: at, Subject: "s",
			Account: hotsync.AccountRef{ID: account},
			Request: hotsync.SyncRequest{EventID: id, Identity: hotsync.Identity{Subject: "s"}, Account: account,
				AccountID: account}})
	}
	return out
}

func TestBulkRetry(t *testing.T) {
	t.Parallel()

	events := backlog(25)
	newer := events[3] // a later success of the same account
	newer.ID, newer.RequestedAt, newer.Status, newer.Reason = hotsync.EventIDFor(start,
		"newer"), start, hotsync.StatusSucceeded, hotsync.ReasonChanged
	b := setup(t, append(events, newer)...)
	b.signIn("viewer").get("/retry").wantStatus(t, http.StatusForbidden)
	c := b.signIn("operator")

	a := c.get("/retry?from=24h")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text(".sheet h2"); !strings.HasPrefix(got, "25 syncs match") || a.Count(".events tbody tr") != 10 {
		t.Errorf("the first step says %q with %d samples", got, a.Count(".events tbody tr"))
	}
	next := a.Attrs(".sheet a.primary", "href")[0]
	a = c.get(next)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	form := url.Values{}
	for i, name := range a.Attrs("main form input", "name") {
		form.Set(name, a.Attrs("main form input", "value")[i])
	}
	b2 := c.post("/retry", form)
	b2.wantStatus(t, http.StatusBadRequest)
	b2.Sound()
	if len(b.queue.sent) != 0 {
		t.Fatal("retried without a reason")
	}
	form.Set("why", "Zuora was down")
	a = c.post("/retry", form)
	a.wantStatus(t, http.StatusOK) // the page of the job
	a.Sound()
	b.advance(t, 24)
	j := b.onlyJob(t)
	if j.Kind != jobs.Retry || j.Note != "Zuora was down" || j.Actor != "Member operator" || j.Status != jobs.Done {
		t.Errorf("the job is %+v", j)
	}
	if diff := cmp.Diff(jobs.Counts{jobs.Changed: 24, jobs.Passed: 1}, j.Counts()); diff != "" {
		t.Errorf("how the retries ended (-want +got):\n%s", diff)
	}
	a = c.get("/jobs/" + j.ID)
	a.Sound()
	if got := a.Text("#job .sheet h2"); !strings.HasPrefix(got, "25 of 25 accounts") {
		t.Errorf("at the end the page says %q", got)
	}
	if b.lane.sent[0].Note != "Zuora was down" || b.lane.sent[0].Actor != "Member operator" ||
		b.lane.sent[0].RetryOf == "" {
		t.Errorf("the first retry is %+v", b.lane.sent[0])
	}
	var results []string
	for _, act := range b.acts.list {
		results = append(results, act.Action+": "+act.Note+": "+strings.Split(act.Result, ",")[0])
	}
	if diff := cmp.Diff([]string{"bulk_retry: Zuora was down: begun"}, results); diff != "" {
		t.Errorf("acts mismatch (-want +got):\n%s", diff)
	}
}

// A job is stopped and resumed by whoever may retry, not only by who began it.
func TestJobIsSteeredByOthers(t *testing.T) {
	t.Parallel()

	b := setup(t, backlog(25)...)
	c := b.signIn("operator")
	c.post("/retry", url.Values{"why": {"because"}, "status": {"failed"}}).wantStatus(t, http.StatusOK)
	j := b.onlyJob(t)
	b.signIn("viewer").post("/jobs/"+j.ID+"/stop", nil).wantStatus(t, http.StatusForbidden)
	page := b.signIn("viewer").get("/jobs/" + j.ID)
	page.wantStatus(t, http.StatusOK)
	if page.Count("main form") != 0 {
		t.Error("a viewer is offered to steer")
	}
	other := b.signIn("admin")
	a := other.post("/jobs/"+j.ID+"/stop", nil)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if j = b.onlyJob(t); j.Status != jobs.Stopped || j.By != "Member admin" {
		t.Errorf("after the stop the job is %s by %s", j.Status, j.By)
	}
	b.advance(t, 0)
	if len(b.lane.sent) != 0 {
		t.Errorf("a stopped job sent %d syncs", len(b.lane.sent))
	}
	other.post("/jobs/"+j.ID+"/stop", nil).wantStatus(t, http.StatusConflict)
	other.post("/jobs/"+j.ID+"/rate", url.Values{"rate": {"0"}}).wantStatus(t, http.StatusBadRequest)
	other.post("/jobs/"+j.ID+"/rate", url.Values{"rate": {"1200"}}).wantStatus(t, http.StatusOK)
	other.post("/jobs/"+j.ID+"/resume", nil).wantStatus(t, http.StatusOK)
	b.advance(t, 25)
	if j = b.onlyJob(t); j.Status != jobs.Done || j.Rate != 1200 || j.Counts()[jobs.Changed] != 25 {
		t.Errorf("at the end the job is %s at %d with %s", j.Status, j.Rate, j.Counts())
	}
	list := c.get("/jobs")
	list.Sound()
	if list.Count(`main a[href="/jobs/`+j.ID+`"]`) != 1 {
		t.Error("the list does not have the job")
	}
	result := c.get("/jobs/" + j.ID + "/result.csv")
	if got := strings.Count(result.body, ",changed,,event-"); got != 25 {
		t.Errorf("the result has %d accounts:\n%s", got, result.body)
	}
	for _, id := range []string{"x", "job-000000000000000000000000", "job-%2e%2e"} {
		c.get("/jobs/"+id).wantStatus(t, http.StatusNotFound)
	}
}

func TestBackfillFromTheConsole(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.signIn("viewer").get("/jobs/new").wantStatus(t, http.StatusForbidden)
	c := b.signIn("operator")
	a := c.get("/jobs/new")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	form := func(kv ...string) url.Values {
		f := url.Values{"rate": {"300"}, "note": {"first wave"}}
		for i := 0; i < len(kv); i += 2 {
			f.Set(kv[i], kv[i+1])
		}
		return f
	}
	for name, bad := range map[string]url.Values{"nothing": form(),
		"two ways": form("accounts", "A1", "since", "2026-11-01"), "no reason": form("accounts", "A1", "note", ""),
		"a rate": form("accounts", "A1", "rate", "x"), "a day": form("since", "yesterday"),
		"another file": form("accounts", "name,email\nx,y")} {
		a := c.post("/jobs", bad)
		if a.status != http.StatusBadRequest || a.Count(".note.bad") != 1 {
			t.Errorf("%s: status %d", name, a.status)
		}
		a.Sound()
	}
	a = c.post("/jobs", form("accounts", "account;name\r\nA00000001;x\r\n;y\r\nA00000002;z\r\n"))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	b.advance(t, 2)
	j := b.onlyJob(t)
	if diff := cmp.Diff(jobs.Counts{jobs.Changed: 2, jobs.Refused: 1}, j.Counts()); diff != "" || j.Status != jobs.Done {
		t.Errorf("the job is %s (-want +got):\n%s", j.Status, diff)
	}
	a = c.get("/jobs/" + j.ID)
	a.Sound()
	if got := a.Text("main"); !strings.Contains(got, "line 3") || !strings.Contains(got, "has no account") {
		t.Errorf("the page does not tell the bad row: %q", got)
	}
	c.post("/jobs", form("zoql", "Status = 'Active'")).wantStatus(t, http.StatusOK)
}

// TestBackfillOfAFile uploads lists as a browser does. One that is too large is refused
// whole: cut off, it would leave accounts out, and end in the first half of a number.
func TestBackfillOfAFile(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.signIn("operator")
	typed := url.Values{"rate": {"300"}, "note": {"first wave"}, "accounts": {""}, "since": {""}, "zoql": {""}}
	a := c.upload("/jobs", typed, strings.Repeat("A00000001\n", 420_000))
	a.wantStatus(t, http.StatusBadRequest)
	a.Sound()
	if got := a.Text(".note.bad"); !strings.Contains(got, "at most 4 MB") {
		t.Errorf("a list of 4.2 MB: %q", got)
	}
	found, _, err := b.jobs.Jobs(t.Context(), 10, "")
	if err != nil || len(found) != 0 {
		t.Fatalf("%d jobs of a list that was refused, %v", len(found), err)
	}
	c.upload("/jobs", typed, "A00000001\nA00000002\n").wantStatus(t, http.StatusOK)
	if j := b.onlyJob(t); j.Expected != 2 {
		t.Errorf("%d accounts of a file of two", j.Expected)
	}
	c.post("/signout", nil)
	a = c.upload("/jobs", typed, "A00000003\n")
	a.wantStatus(t, http.StatusUnauthorized)
	if diff := cmp.Diff([]string{"first wave"}, a.hidden(t)["note"]); diff != "" {
		t.Errorf("what was typed, after the session ended (-want +got):\n%s", diff)
	}
}

func TestExport(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, append(events, backlog(230)...)...)
	c := b.signIn("viewer")
	a := c.get("/events.csv?status=failed,skipped,succeeded,queued")
	a.wantStatus(t, http.StatusOK)
	records, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := 1 + 230
	for _, e := range events {
		if slices.Contains([]string{"failed", "skipped", "succeeded", "queued"}, string(e.Status)) {
			want++
		}
	}
	if len(records) != want {
		t.Errorf("the export has %d lines, want %d", len(records), want)
	}
	for _, r := range records {
		for _, cell := range r {
			if cell != "" && strings.ContainsRune("=+-@|", rune(cell[0])) {
				t.Errorf("the cell %q begins a formula", cell)
			}
		}
	}
	if strings.Contains(a.body, "64c1d0aa91e24b5f7d1e22b9") {
		t.Error("the export shows a subject unmasked")
	}
	if got := a.header.Get("Content-Disposition"); got != `attachment; filename="hotsync-events-20261122T120000Z.csv"` {
		t.Errorf("Content-Disposition = %q", got)
	}
	a = c.get("/events.jsonl?reason=ambiguous")
	lines := bufio.NewScanner(strings.NewReader(a.body))
	var got []string
	for lines.Scan() {
		var e struct{ Status, Explanation string }
		err := json.Unmarshal(lines.Bytes(), &e)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Status+": "+e.Explanation)
	}
	if !cmp.Equal(got, []string{"skipped: 2 Zuora accounts share this value of LimioExternalId__c, so none was synced."}) {
		t.Errorf("export = %q", got)
	}
	c.get("/events.csv?from=x").wantStatus(t, http.StatusBadRequest)
	if got := len(b.acts.list); got != 2 {
		t.Errorf("%d acts recorded, want 2", got)
	}
}

func TestGallery(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.signIn("operator")
	a := c.get("/gallery")
	a.Sound()
	links := a.Attrs(".states a", "href")
	if len(links) != len(sample.Events(start)) {
		t.Errorf("the gallery has %d states, want %d", len(links), len(sample.Events(start)))
	}
	for _, href := range append(links, "/gallery/list") {
		a := c.get(href)
		a.wantStatus(t, http.StatusOK)
		a.Sound()
		a.wantNoHTML(t)
	}
	c.get("/gallery/nothing").wantStatus(t, http.StatusNotFound)
}

func TestWeight(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, append(events, backlog(60)...)...)
	c := b.signIn("operator")
	size := func(path string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip") // by hand, so that it stays packed
		resp, err := c.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		n, err := bufio.NewReader(resp.Body).WriteTo(discard{})
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	files := 0
	a := c.get("/")
	for _, file := range append(a.Attrs("script[src]", "src"), a.Attrs("head link[href]", "href")...) {
		files += size(file)
	}
	for _, path := range []string{"/", "/events", "/events/" + by["very many changes"].ID, "/accounts/A00000042",
		"/retry"} {
		n := size(path)
		t.Logf("%s: %d bytes, first load %d", path, n, n+files)
		if n > 60<<10 || n+files > 100<<10 {
			t.Errorf("%s weighs %d bytes, %d with its files; want at most 60 KiB and 100 KiB", path, n, n+files)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestAuditPage(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	b.signIn("operator").get("/audit").wantStatus(t, http.StatusForbidden)
	b.signIn("operator").post("/events/"+by["failed, Limio refused"].ID+"/retry", nil)
	b.signIn("operator").get("/events.csv?q=jane%40example.com&status=failed")
	c := b.signIn("admin")
	a := c.get("/audit")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Texts("tbody td:nth-child(3)"); !cmp.Equal(got, []string{"retry", "export"}) {
		t.Errorf("acts = %q", got)
	}
	if got := a.Text("tbody code"); got != "jane••••om status:failed" {
		t.Errorf("the filter kept is %q, want it masked", got)
	}
	c.get("/audit?day=x").wantStatus(t, http.StatusBadRequest)
	if got := c.get("/audit?day=2026-11-01").Text(".empty h2"); got != "Nothing was done" {
		t.Errorf("a day without acts shows %q", got)
	}
}

// TestAccountSides: what both sides have now, and who sees it, for any account.
func TestAccountSides(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.settings.value.Providers = []hotsync.Provider{{Name: "direct", Issuer: "https://login.example.com/"}}
	both := &syncer.Side{Status: "active", Plan: "Digital Monthly", Amount: "9.99", Currency: "GBP", Next: "2026-12-01"}
	b.sides.would = syncer.DryRun{Account: hotsync.AccountRef{ID: sample.Account.ID, Number: "A-unknown"},
		Sides: syncer.Sides{Customer: "cus-1", Owner: "id-1",
			Logins: []hotsync.Identity{{Issuer: "https://login.example.com/", Subject: "auth0|64c1d0aa91e24b5f7d1e22b9"}},
			Subscriptions: []syncer.Compared{
				{Number: "A-S1", Plans: []string{"UK Monthly"}, Offers: []string{"/offers/Digital"}, Zuora: both, Limio: both},
				{Number: "A-S2", Plans: []string{"<i>"}, Zuora: both},
				{Number: "A-S3", Limio: &syncer.Side{Status: "cancelled", Plan: "Gone"}},
			}}}
	b.signIn("viewer").post("/accounts/A-unknown/dryrun", nil).wantStatus(t, http.StatusForbidden)
	c := b.signIn("operator")
	a := c.get("/accounts/A-unknown")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a = c.post(a.Attrs("form[action$=dryrun]", "action")[0], nil)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	rows := a.Texts(".sides tbody tr")
	for i, want := range []string{"the same", "missing in Limio", "only in Limio"} {
		if i >= len(rows) || !strings.Contains(rows[i], want) {
			t.Errorf("row %d of %q, want %q", i, rows, want)
		}
	}
	text := a.Text("main")
	if strings.Contains(a.body, "64c1d0aa91e24b5f7d1e22b9") || !strings.Contains(text, "of direct") ||
		!strings.Contains(text, "linked 2 logins to this owner") {
		t.Errorf("who sees it is told as %q", text)
	}
	a = c.post("/accounts/A-unknown/sync", nil)
	a.wantStatus(t, http.StatusOK)
	if len(b.queue.sent) != 1 || b.queue.sent[0].Account != "A-unknown" {
		t.Errorf("queued %+v", b.queue.sent)
	}
}
