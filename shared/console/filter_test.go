package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
)

// What is typed or pasted into the search field leads to the one address of what is
// meant, whatever it was wrapped in and by whichever name a filter goes.
func TestSearchIsForgiving(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.settings.value = twoProviders()
	name := b.settings.value.Providers[0].Name
	c := b.signIn("viewer")
	for typed, want := range map[string]url.Values{
		// an account may end with a full stop, and nothing is guessed
		"(A-12).":                     {"q": {"A-12)."}},
		"(A-12)":                      {"q": {"A-12"}},
		"“A-12”,":                     {"q": {"A-12"}},
		"'A-12'":                      {"q": {"A-12"}},
		"A\u201112\u00a0":             {"q": {"A-12"}},
		"\u200bA–12":                  {"q": {"A-12"}},
		"#A-12":                       {"q": {"A-12"}},
		"ada%40example.com":           {"q": {"ada@example.com"}},
		"50%401":                      {"q": {"50@1"}},
		"26.11.2026":                  {"from": {"2026-11-26T00:00:00Z"}, "to": {"2026-11-27T00:00:00Z"}},
		"05/06/2026":                  {"q": {"05/06/2026"}}, // of June or of May
		"Ada <ada@example.com>":       {"q": {"ada@example.com"}},
		"ada@example.com.":            {"q": {"ada@example.com"}},
		"MAILTO:ada@example.com?cc=x": {"q": {"ada@example.com"}},
		"E-Mail: ada@example.com":     {"q": {"ada@example.com"}},
		"email:ada@example.com from:now": {"q": {"ada@example.com"},
			"from": {start.UTC().Format("2006-01-02T15:04:05Z")}},
		"mail":                                   {"q": {"mail"}},
		"EVENT-01A2191116807D5E899DC82B49ECADDE": {"q": {"event-01a2191116807d5e899dc82b49ecadde"}},
		"sub:Auth0|Ab":                           {"subject": {"Auth0|Ab"}},
		"since:2026-11-01 until:2026-11-02 x":    {"q": {"x"}, "from": {"2026-11-01"}, "to": {"2026-11-02"}},
		"is:failed x":                            {"q": {"x"}, "status": {"failed"}},
		"provider:" + strings.ToUpper(name):      {"provider": {name}},
		"provider:none":                          {"provider": {"none"}},
	} {
		a := c.get("/events?" + url.Values{"q": {typed}}.Encode())
		a.wantStatus(t, http.StatusOK)
		if diff := cmp.Diff(want, a.url.Query()); diff != "" {
			t.Errorf("%q leads elsewhere (-want +got):\n%s", typed, diff)
		}
	}
	if got := c.get("/logins?q=provider:" + strings.ToUpper(name)).url.Query().Get("provider"); got != name {
		t.Errorf("the logins are those of the provider %q, want %q", got, name)
	}
}

// An account number may have slashes. API Gateway decodes those of a path, so that the
// page and what it does have to be found with them, too.
func TestAccountWithSlashes(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.signIn("operator")
	for _, path := range []string{"/accounts/ACC%2F2026%2F0001", "/accounts/ACC/2026/0001"} {
		a := c.get(path)
		a.wantStatus(t, http.StatusOK)
		a.Sound()
		if got := a.Text("main h1"); !strings.Contains(got, "ACC/2026/0001") {
			t.Errorf("%s is about %q", path, got)
		}
		sent := len(b.queue.sent)
		c.post(path+"/sync", nil).wantStatus(t, http.StatusOK) // the page of the event
		if len(b.queue.sent) != sent+1 || b.queue.sent[sent].Account != "ACC/2026/0001" {
			t.Errorf("%s/sync sent %+v", path, b.queue.sent[sent:])
		}
		c.post(path+"/dryrun", nil).wantStatus(t, http.StatusOK)
	}
	for _, path := range []string{"/accounts/", "/accounts/A/../B%2F.."} {
		c.get(path).wantStatus(t, http.StatusNotFound)
	}
	for _, path := range []string{"/accounts/ACC/2026/0001", "/accounts/sync", "/accounts//sync", "/accounts/A1/erase"} {
		c.post(path, nil).wantStatus(t, http.StatusNotFound)
	}
	b.signIn("viewer").post("/accounts/ACC/2026/0001/sync", nil).wantStatus(t, http.StatusForbidden)
}

// Logins within ten seconds have ids of one time, in an order that says nothing of theirs.
// The links of the event's page compare them all the same.
func TestCompareLoginsOfOneMoment(t *testing.T) {
	t.Parallel()

	var events []hotsync.Event
	for _, name := range []string{"a", "b", "c"} {
		id := hotsync.EventIDFor(start, name)
		events = append(events, hotsync.Event{ID: id, Status: hotsync.StatusSucceeded, Reason: hotsync.ReasonUnchanged,
			Account: hotsync.AccountRef{ID: "8a1"},
			Request: hotsync.SyncRequest{EventID: id, AccountID: "8a1"}})
	}
	slices.SortFunc(events, func(a, b hotsync.Event) int { return strings.Compare(a.ID, b.ID) })
	for i := range events {
		events[i].RequestedAt = start.Add(time.Duration(9-i) * time.Second)
	}
	events[2].Reason, events[2].ChangeCount = hotsync.ReasonChanged, 1
	events[2].Changes = []hotsync.Change{{Object: "subscription", ID: "sub-1", Name: "A-S1", Action: hotsync.ActionCreate}}
	c := setup(t, events...).signIn("viewer")
	links := c.get("/events/"+events[2].ID).Attrs(`a[href*="/compare"]`, "href")
	if len(links) != 2 {
		t.Fatalf("the event is offered to be compared by %q", links)
	}
	for _, href := range links {
		a := c.get(href)
		a.wantStatus(t, http.StatusOK)
		if !strings.Contains(a.body, "A-S1") {
			t.Errorf("%s has lost the change", href)
		}
	}
}
