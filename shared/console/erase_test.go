package console_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

func TestErase(t *testing.T) {
	t.Parallel()

	var events []hotsync.Event
	for n, status := range []hotsync.Status{hotsync.StatusSucceeded, hotsync.StatusFailed, hotsync.StatusRunning} {
		id := hotsync.NewEventID(start, func(p []byte) (int, error) { p[0] = byte(n + 1); return len(p), nil })
		events = append(events, hotsync.Event{ID: id, Status: status, Subject: "canary-person-1", RequestedAt: start,
			Account: hotsync.AccountRef{Number: "A00000001"},
			Request: hotsync.SyncRequest{EventID: id,
				Identity: hotsync.Identity{Issuer: "https://login.example.com/direct", Subject: "canary-person-1"}}})
	}
	b := setup(t, events...)
	b.settings.value = twoProviders()
	log := b.logged()
	c := b.signIn("admin")
	a := c.get("/erase")
	a.wantStatus(t, http.StatusOK)
	a.Sound()

	// From an event: the person is not named on the way.
	link := c.get("/events/"+events[0].ID).Attrs("a[href^='/erase']", "href")
	if len(link) != 1 {
		t.Fatalf("the event leads to %q", link)
	}
	a = c.get(link[0])
	a.Sound()
	who := url.Values{"event": {events[0].ID}, "note": {"asked for it by ada@example.com, ticket 7"}}
	a = c.post("/erase/confirm", who)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text("#main ul"); !strings.Contains(got, "2 ended events") ||
		!strings.Contains(got, "1 still under way") || !strings.Contains(got, "A00000001") {
		t.Errorf("the page says %q", got)
	}
	if strings.Contains(a.body, "canary-person-1") {
		t.Error("the confirmation names the person")
	}
	// Without the tick nothing happens but the question.
	a = c.post("/erase", who)
	a.wantStatus(t, http.StatusOK)
	if a.Count("input[name=sure]") != 1 || b.events.events[events[0].ID].Subject == "" {
		t.Error("erased without being sure")
	}
	who.Set("sure", "on")
	a = c.post("/erase", who)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text(".note.good"); !strings.Contains(got, "2 events made anonymous") {
		t.Errorf("the page says %q", got)
	}
	if got := a.Text(".note.warn"); !strings.Contains(got, "1 event is still under way") {
		t.Errorf("the page says %q", got)
	}
	last := b.acts.list[len(b.acts.list)-1]
	if last.Action != "erase" || last.Note != "asked for it by a•••@e•••.com, ticket 7" ||
		!strings.HasPrefix(last.Result, "2 events") || last.Role != "admin" {
		t.Errorf("recorded %+v", last)
	}
	if strings.Contains(log.String(), "canary-person-1") {
		t.Error("the log names the person")
	}
	// Now nobody is left in the event.
	a = c.get(link[0])
	a.wantStatus(t, http.StatusConflict)
	a.Sound()
}

func TestEraseBySubject(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.settings.value = twoProviders()
	c := b.signIn("admin")
	for _, form := range []url.Values{{}, {"subject": {" "}, "note": {"x"}}, {"subject": {"s"}},
		{"subject": {strings.Repeat("s", 3000)}, "note": {"x"}}} {
		a := c.post("/erase/confirm", form)
		a.wantStatus(t, http.StatusBadRequest)
		a.Sound()
		if a.Count("[role=alert]") != 1 {
			t.Errorf("%v: nothing is said", form)
		}
	}
	a := c.post("/erase/confirm",
		url.Values{"subject": {`"><script>alert(1)</script>`}, "issuer": {"https://login.example.com/direct"},
			"note": {"<i>why</i>"}})
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	if got := a.Attrs("form[action='/erase'] input[type=hidden]", "value"); len(got) != 3 ||
		got[0] != `"><script>alert(1)</script>` || got[2] != "<i>why</i>" {
		t.Errorf("the form holds %q", got)
	}
	b.events.fail["Erase"] = down
	a = c.post("/erase", url.Values{"subject": {"s"}, "note": {"x"}, "sure": {"on"}})
	a.wantStatus(t, http.StatusServiceUnavailable)
	a.Sound()
	if last := b.acts.list[len(b.acts.list)-1]; !strings.HasPrefix(last.Result, "stopped halfway") {
		t.Errorf("recorded %+v", last)
	}
	b.events.fail["CountMatching"] = down
	c.post("/erase/confirm", url.Values{"subject": {"s"}, "note": {"x"}}).wantStatus(t, http.StatusServiceUnavailable)
	c.get("/erase?event=nonsense").wantStatus(t, http.StatusNotFound)
	operator := b.signIn("operator")
	operator.get("/erase").wantStatus(t, http.StatusForbidden)
	operator.post("/erase/confirm", nil).wantStatus(t, http.StatusForbidden)
	operator.post("/erase", nil).wantStatus(t, http.StatusForbidden)
}

// TestFindAPerson: an address leads to all their logins; what is held of those
// that are chosen is handed out, and then erased.
func TestFindAPerson(t *testing.T) {
	t.Parallel()

	var events []hotsync.Event
	for n, who := range []hotsync.Identity{{Issuer: "https://login.example.com/direct", Subject: "canary-person-1"},
		{Issuer: "https://login.example.com/lookup", Subject: "canary-person-1b"},
		{Issuer: "https://login.example.com/direct", Subject: "canary-spouse-2"}} {
		id := hotsync.NewEventID(start, func(p []byte) (int, error) { p[0] = byte(n + 1); return len(p), nil })
		events = append(events, hotsync.Event{ID: id, Status: hotsync.StatusSucceeded, Subject: who.Subject,
			RequestedAt: start, Account: hotsync.AccountRef{Number: "A00000001"},
			Request: hotsync.SyncRequest{EventID: id, Identity: who,
				Lookup: &hotsync.Lookup{Field: "X__c", Value: "canary-value"}}})
	}
	b := setup(t, events...)
	b.settings.value = twoProviders()
	for _, e := range events {
		b.events.terms[e.ID] = []string{"ada@example.com"}
	}
	log := b.logged()
	c := b.signIn("admin")
	for _, form := range []url.Values{{"who": {""}, "note": {"x"}}, {"who": {"ada@example.com"}, "note": {" "}}} {
		a := c.post("/erase/find", form)
		a.wantStatus(t, http.StatusBadRequest)
		a.Sound()
	}
	a := c.post("/erase/find", url.Values{"who": {" ada@example.com "}, "note": {"ticket 7"}})
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	logins := a.Attrs("input[name=login]", "value")
	if len(logins) != 3 || a.Count("input[name=login][checked]") != 0 {
		t.Fatalf("%d logins are listed, want 3, none of them chosen", len(logins))
	}
	if strings.Contains(a.body, "canary-person-1") {
		t.Error("the list names a person in full")
	}
	// Nothing is ticked: the same logins once more, with what to do. Nothing is handed
	// out, and nothing recorded.
	sent := 0
	for _, f := range a.Forms() {
		if f.Action != "/erase/confirm" && f.Action != "/erase/export" {
			continue
		}
		sent++
		again := c.post(f.Action, f.Values)
		again.wantStatus(t, http.StatusBadRequest)
		again.Sound()
		got := again.Text("[role=alert]")
		if !strings.Contains(got, "No login is ticked") || again.Count("input[name=login]") != 3 || len(b.acts.list) != 0 {
			t.Errorf("%s without a login says %q, and %d acts are recorded", f.Action, got, len(b.acts.list))
		}
	}
	if sent != 2 {
		t.Errorf("%d buttons send the logins, want those to erase and to export", sent)
	}
	export := c.post("/erase/export", url.Values{"login": logins, "note": {"ticket 7"}})
	export.wantStatus(t, http.StatusOK)
	var out struct {
		Logins []struct {
			Identity hotsync.Identity
			Events   []struct{ Request hotsync.SyncRequest }
		}
		Elsewhere []string
	}
	err := json.Unmarshal([]byte(export.body), &out)
	if err != nil || len(out.Logins) != 3 || len(out.Elsewhere) == 0 ||
		out.Logins[0].Events[0].Request.Lookup.Value != "canary-value" {
		t.Errorf("exported %.300s, %v", export.body, err)
	}
	if last := b.acts.list[len(b.acts.list)-1]; last.Action != "export_person" ||
		last.Result != "3 logins, 3 events, 0 records of logins" || last.Note != "ticket 7" {
		t.Errorf("recorded %+v", last)
	}
	a = c.post("/erase/confirm", url.Values{"login": logins[:2], "note": {"ticket 7"}})
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text("#main ul"); !strings.Contains(got, "2 ended events") {
		t.Errorf("the page says %q", got)
	}
	a = c.post("/erase", url.Values{"login": a.Attrs("input[name=login]", "value"), "note": {"ticket 7"}, "sure": {"on"}})
	a.wantStatus(t, http.StatusOK)
	if got := a.Text(".note.good"); !strings.Contains(got, "2 events made anonymous") {
		t.Errorf("the page says %q", got)
	}
	named := 0
	for _, e := range b.events.events {
		if e.Subject != "" {
			named++
		}
	}
	if named != 1 {
		t.Errorf("%d events still name somebody, want the one that was not chosen", named)
	}

	// Somebody unknown: an honest answer, and no act.
	before := len(b.acts.list)
	a = c.post("/erase/find", url.Values{"who": {"nobody@example.com"}, "note": {"x"}})
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text("main"); !strings.Contains(got, "Nothing is held about this name") {
		t.Errorf("the page says %q", got)
	}
	a = c.post("/erase", url.Values{"subject": {"nobody"}, "note": {"x"}, "sure": {"on"}})
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text("main"); !strings.Contains(got, "nothing was erased") || strings.Contains(got, "Erased.") {
		t.Errorf("the page says %q", got)
	}
	if len(b.acts.list) != before {
		t.Errorf("recorded %+v for nothing", b.acts.list[before:])
	}
	c.post("/erase/confirm", url.Values{"login": {"forged"}, "note": {"x"}}).wantStatus(t, http.StatusBadRequest)
	b.signIn("operator").post("/erase/export", url.Values{"subject": {"s"}, "note": {"x"}}).wantStatus(t,
		http.StatusForbidden)
	if strings.Contains(log.String(), "canary") || strings.Contains(log.String(), "ada@") {
		t.Error("the log names the person")
	}
}

// TestEraseReachesJobs: a login that a backfill was listed with is taken out of it,
// also of one that no sync was made for yet.
func TestEraseReachesJobs(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.settings.value = twoProviders()
	who := hotsync.Identity{Issuer: "https://login.example.com/direct", Subject: "canary-person-1"}
	j, err := jobs.New(jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{File: "x"}, Issuers: []string{who.Issuer}},
		start, rand.Read)
	if err != nil {
		t.Fatal(err)
	}
	j.Status, j.Listed, j.Chunks, j.Total = jobs.Stopped, true, 1, 1
	_, err = b.jobs.SaveJob(t.Context(), j)
	if err == nil {
		_, err = b.jobs.SaveChunk(t.Context(), jobs.Chunk{Job: j.ID, Items: []jobs.Item{jobs.Of("A00000001", who)}})
	}
	if err != nil {
		t.Fatal(err)
	}
	c := b.signIn("admin")
	form := url.Values{"subject": {who.Subject}, "note": {"ticket 7"}, "sure": {"on"}}
	a := c.post("/erase", form)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text(".note.good"); !strings.Contains(got, "1 account of jobs no longer known by the login") {
		t.Errorf("the page says %q", got)
	}
	chunks, err := b.jobs.Chunks(t.Context(), j.ID, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(chunks)
	if err != nil || strings.Contains(string(raw), who.Subject) || !strings.Contains(string(raw), jobs.ReasonErased) {
		t.Errorf("the job has %s, %v", raw, err)
	}
	a = c.get("/jobs/" + j.ID)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
}
