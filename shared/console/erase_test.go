package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hotsync/shared/hotsync"
)

func TestErase(t *testing.T) {
	t.Parallel()

	var events []hotsync.Event
	for n, status := range []hotsync.Status{hotsync.StatusSucceeded, hotsync.StatusFailed, hotsync.StatusRunning} {
		id := hotsync.NewEventID(start, func(p []byte) (int, error) { p[0] = byte(n + 1); return len(p), nil })
		events = append(events, hotsync.Event{ID: id, Status: status, Subject: "canary-person-1", RequestedAt: start, Account: hotsync.AccountRef{Number: "A00000001"},
			Request: hotsync.SyncRequest{EventID: id, Identity: hotsync.Identity{Issuer: "https://login.example.com/direct", Subject: "canary-person-1"}}})
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
	who := url.Values{"event": {events[0].ID}, "note": {"asked for it, ticket 7"}}
	a = c.post("/erase/confirm", who)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text("#main ul"); !strings.Contains(got, "2 ended events") || !strings.Contains(got, "1 still under way") || !strings.Contains(got, "A00000001") {
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
	if last.Action != "erase" || last.Note != "asked for it, ticket 7" || !strings.HasPrefix(last.Result, "2 events") || last.Role != "admin" {
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
	for _, form := range []url.Values{{}, {"subject": {" "}, "note": {"x"}}, {"subject": {"s"}}, {"subject": {strings.Repeat("s", 3000)}, "note": {"x"}}} {
		a := c.post("/erase/confirm", form)
		a.wantStatus(t, http.StatusBadRequest)
		a.Sound()
		if a.Count("[role=alert]") != 1 {
			t.Errorf("%v: nothing is said", form)
		}
	}
	a := c.post("/erase/confirm", url.Values{"subject": {`"><script>alert(1)</script>`}, "issuer": {"https://login.example.com/direct"}, "note": {"<i>why</i>"}})
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	if got := a.Attrs("form[action='/erase'] input[type=hidden]", "value"); len(got) != 3 || got[0] != `"><script>alert(1)</script>` || got[2] != "<i>why</i>" {
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
