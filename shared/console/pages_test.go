package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console/internal/sample"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/pause"
)

// samples are the made-up events of every state, by the name of the state.
func samples() (events []hotsync.Event, byName map[string]hotsync.Event) { return samplesAt(start) }

func samplesAt(now time.Time) (events []hotsync.Event, byName map[string]hotsync.Event) {
	byName = map[string]hotsync.Event{}
	for _, c := range sample.Events(now) {
		events = append(events, c.Event)
		byName[c.Name] = c.Event
	}
	return events, byName
}

var down = hotsync.Errorf(hotsync.CodeStoreUnavailable, "DynamoDB did not answer.")

// wantNoHTML fails the test when the hostile sample came through as markup.
func (a answer) wantNoHTML(t *testing.T) {
	t.Helper()
	if a.Count("main script, main img, [onerror]") > 0 {
		t.Errorf("%s: text of an event became markup", a.url)
	}
}

func TestEventsList(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, events...)
	c := b.signIn("viewer")
	a := c.get("/events")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	if got := a.Count("#events tbody tr"); got != len(events) {
		t.Errorf("the list has %d rows, want %d", got, len(events))
	}
	for selector, want := range map[string]string{
		`tr[data-status="succeeded"] .why`: "4 changes written to Limio. 2 notes.",
		`tr[data-status="queued"] .why`:    "Waits for its turn.",
	} {
		if got := a.Texts(selector)[0]; got != want {
			t.Errorf("%s = %q, want %q", selector, got, want)
		}
	}
	a = c.get("/events?reason=ambiguous")
	if got := a.Text(
		"#events td.c-why"); got != "2 Zuora accounts share this value of LimioExternalId__c, so none was synced. Clear the lookup field on all accounts but one, then retry." {
		t.Errorf("explain column = %q", got)
	}
	if got := c.get("/events").Count("#events form"); got != 0 {
		t.Errorf("a viewer sees %d forms to retry, want none", got)
	}
	if strings.Contains(a.body, "64c1d0aa91e24b5f7d1e22b9") {
		t.Error("the list shows a subject unmasked")
	}
	if got := b.signIn("operator").get("/events?status=failed").Count("#events form[action$=retry]"); got != 4 {
		t.Errorf("an operator sees %d forms to retry, want 4", got)
	}
}

func TestEventsFilterIsInTheAddress(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, events...)
	c := b.signIn("viewer")
	for _, tc := range []struct{ ask, want string }{
		{"/events?q=status%3Afailed+account%3AA-1+from%3A2026-11-01", "/events?account=A-1&from=2026-11-01&status=failed"},
		{"/events?q=&status=&from=&to=&provider=&trigger=", "/events"},
		{"/events?status=skipped&status=failed", "/events?status=failed%2Cskipped"},
		{"/events?q=provider%3A%22a+b%22+x", "/events?provider=a+b&q=x"},
		{"/events?q=urn%3Ax%3Ay", "/events?q=urn%3Ax%3Ay"},
		{"/events?from=24h", "/events?from=2026-11-21T12%3A00%3A00Z"},
		{"/events?from=7d&to=2026-11-22", "/events?from=2026-11-15T12%3A00%3A00Z&to=2026-11-22"},
		{"/events?utm=1&q=A00000042", "/events?q=A00000042"},
	} {
		a := c.get(tc.ask)
		if got := a.url.RequestURI(); got != tc.want {
			t.Errorf("%s leads to %s, want %s", tc.ask, got, tc.want)
		}
		a.Sound()
	}
	a := c.get("/events?account=A-1&reason=no_match&q=two+words")
	if got := a.Attrs("#q", "value"); !cmp.Equal(got, []string{"two words account:A-1 reason:no_match"}) {
		t.Errorf("the box shows %q", got)
	}
	a = c.get("/events?status=failed&from=2026-11-01")
	for _, href := range a.Attrs(".chip", "href") {
		if mustURL(t, href).Query().Get("from") != "2026-11-01" {
			t.Errorf("the chip %s loses the filter", href)
		}
	}
}

func TestEventsBadInput(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.signIn("viewer")
	for path, says := range map[string]string{
		"/events?status=broken":                         "is not one of",
		"/events?from=sometime":                         "from must be a time",
		"/events?to=2026-13-01":                         "to must be a time",
		"/events?from=2026-11-02&to=2026-10-01":         "from must not be later than to",
		"/events?cursor=nonsense":                       "cursor",
		"/events?trigger=x":                             "trigger",
		"/events?q=from%3A" + url.QueryEscape("<b>"):    "from must be a time",
		"/events?status=" + url.QueryEscape("<script>"): "is not one of",
	} {
		a := c.get(path)
		a.wantStatus(t, http.StatusBadRequest)
		a.Sound()
		if got := a.Text("[role=alert]"); !strings.Contains(got, says) {
			t.Errorf("%s says %q, want %q", path, got, says)
		}
		if a.Count("form.filter") != 1 {
			t.Errorf("%s loses the form", path)
		}
		a.wantNoHTML(t)
	}
	for path, status := range map[string]int{
		"/events/nonsense": 404, "/events/event-0193a0000000700080000000deadbeef": 404, "/nothing": 404, "/?span=year": 400,
		"/events/" + url.PathEscape("<script>"): 404, "/events/news?since=x": 400,
	} {
		a := c.get(path)
		a.wantStatus(t, status)
		a.Sound()
		a.wantNoHTML(t)
		if a.Text("main .why") == "" {
			t.Errorf("%s says nothing", path)
		}
	}
}

func TestEventsStates(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	t.Run("empty", func(t *testing.T) {
		t.Parallel()

		if got := setup(t).signIn("viewer").get("/events").Text(".empty h2"); got != "No sync yet" {
			t.Errorf("an empty store shows %q", got)
		}
	})
	t.Run("no result", func(t *testing.T) {
		t.Parallel()

		a := setup(t, events...).signIn("viewer").get("/events?q=nobody%40example.com")
		if got := a.Text(".empty h2"); got != "Nothing matches" {
			t.Errorf("a search in vain shows %q", got)
		}
	})
	t.Run("store down", func(t *testing.T) {
		t.Parallel()

		b := setup(t, events...)
		c := b.signIn("viewer")
		b.events.fail["Search"] = down
		a := c.get("/events?status=failed")
		a.wantStatus(t, http.StatusServiceUnavailable)
		a.Sound()
		if got := a.Text("[role=alert] b"); got != "DynamoDB did not answer." || a.Count("form.filter") != 1 {
			t.Errorf("the page says %q", got)
		}
	})
	t.Run("counts down", func(t *testing.T) {
		t.Parallel()

		b := setup(t, events...)
		c := b.signIn("viewer")
		b.events.fail["CountMatching"], b.settings.fail = down, down
		a := c.get("/events")
		a.wantStatus(t, http.StatusOK)
		if a.Count("#events tbody tr") != len(events) || a.Count(".chip b") > 0 {
			t.Error("without counts the list is not shown")
		}
	})
	t.Run("paging", func(t *testing.T) {
		t.Parallel()

		var many []hotsync.Event
		for i := range 120 {
			at := start.Add(-time.Duration(i) * time.Minute)
			many = append(many, hotsync.Event{ID: hotsync.EventIDFor(at, "x"), Status: hotsync.StatusSucceeded, RequestedAt: at})
		}
		c := setup(t, many...).signIn("viewer")
		a, seen := c.get("/events?status=succeeded"), map[string]bool{}
		for range 3 {
			for _, id := range a.Attrs("#events tbody tr", "id") {
				if seen[id] {
					t.Errorf("%s is on two pages", id)
				}
				seen[id] = true
			}
			next := a.Attrs("a[rel=next]", "href")
			if len(next) == 0 {
				break
			}
			if !strings.Contains(next[0], "status=succeeded") {
				t.Errorf("the next page %s loses the filter", next[0])
			}
			a = c.get(next[0])
		}
		if len(seen) != 120 {
			t.Errorf("paging shows %d events, want 120", len(seen))
		}
		if a.Count("[data-live]") != 0 {
			t.Error("an older page is live")
		}
	})
}

func TestNewsNeverMovesRows(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	c := b.signIn("viewer")
	a := c.get("/events/news?since="+by["running"].ID+"&watch="+by["running"].ID, "HX-Request", "true", "X-Live", "1")
	a.wantStatus(t, http.StatusOK)
	if got := a.Text("a.news-more"); got != "1 newer — show" {
		t.Errorf("news say %q", got)
	}
	if !strings.Contains(a.body, `<tr id="`+by["running"].ID+`"`) || !strings.Contains(a.body, "hx-swap-oob") {
		t.Error("the row that moves is not among the news")
	}
}

func TestEventPageOfEveryState(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, events...)
	c := b.signIn("operator")
	for _, s := range sample.Events(start) {
		a := c.get("/events/" + s.Event.ID)
		a.wantStatus(t, http.StatusOK)
		a.Sound()
		a.wantNoHTML(t)
		if a.Text(".outcome-head b") == "" || a.Text(".outcome .why") == "" {
			t.Errorf("%s: the page does not say what happened", s.Name)
		}
		if s.Event.Error != nil && a.Count(".settled") == 0 && a.Text(".outcome .todo") == "" {
			t.Errorf("%s: the page does not say what to do", s.Name)
		}
		if got := a.Count("[data-poll]"); got == 1 == s.Event.Status.Final() {
			t.Errorf("%s: live parts = %d", s.Name, got)
		}
		if strings.Contains(a.body, "64c1d0aa91e24b5f7d1e22b9") {
			t.Errorf("%s: the page shows the subject unmasked", s.Name)
		}
	}
}

func TestEventPageExplainsAFailure(t *testing.T) {
	t.Parallel()

	events, by := samples()
	older := by["succeeded, unchanged"]
	older.ID, older.RequestedAt = hotsync.EventIDFor(start.Add(-time.Hour), "older"), start.Add(-time.Hour)
	b := setup(t, append(events, older)...)
	b.events.accounts[sample.Account.ID] = eventstore.AccountState{AccountID: sample.Account.ID, CustomerID: "cus-1"}
	a := b.signIn("operator").get("/events/" + by["failed, Limio refused"].ID)
	if got := a.Attrs(`main .crumbs a[href^="/accounts"], main .facts a[rel]`, "href"); !cmp.Equal(got,
		[]string{"/accounts/" + sample.Account.ID,
			"https://zuora.example.com/accounts/" + sample.Account.ID, "https://limio.example.com/customers/cus-1"}) {
		t.Errorf("links = %q", got)
	}
	if got := a.Text(".outcome > p:last-child"); !strings.Contains(got, "nothing is left to do") {
		t.Errorf("the page says %q, want that a later one settled it", got)
	}
	want := []string{"Outcome", "Step read zuora", "Step apply", "Finding"}
	if diff := cmp.Diff(want, a.Texts(".diff tbody th")); diff != "" {
		t.Errorf("differences mismatch (-want +got):\n%s", diff)
	}
	if got := a.Texts(".related .rel"); !cmp.Equal(got, []string{"Newest of the account", "Last success before"}) {
		t.Errorf("related = %q", got)
	}
	c := b.signIn("operator")
	b.events.fail["Search"] = down
	a = c.get("/events/" + by["failed, Limio refused"].ID)
	a.wantStatus(t, http.StatusOK)
	if got := a.Text("[role=alert]"); !strings.Contains(got, "Related events could not be read") {
		t.Errorf("without searches the page says %q", got)
	}
}

func TestRetryFromPage(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	failed := by["failed, Limio refused"]
	a := b.signIn("viewer").post("/events/"+failed.ID+"/retry", nil)
	a.wantStatus(t, http.StatusForbidden)
	if len(b.queue.sent) != 0 {
		t.Fatal("a viewer retried")
	}
	c := b.signIn("operator")
	a = c.post("/events/"+failed.ID+"/retry", nil)
	a.wantStatus(t, http.StatusOK)
	if len(b.queue.sent) != 1 {
		t.Fatalf("%d requests queued, want 1", len(b.queue.sent))
	}
	sent := b.queue.sent[0]
	want := failed.Request
	want.EventID, want.RequestedAt, want.RetryOf, want.Actor, want.Trigger = sent.EventID, start, failed.ID,
		"Member operator", hotsync.TriggerConsole
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("request mismatch (-want +got):\n%s", diff)
	}
	if a.url.Path != "/events/"+sent.EventID || a.Text(".outcome-head b") != "Waiting for its turn" {
		t.Errorf("after the retry at %s, want the new event", a.url)
	}
	if got := b.acts.list; len(got) != 1 || got[0].Action != "retry" || got[0].Actor != "staff-operator" ||
		got[0].Event != failed.ID {
		t.Errorf("recorded %+v, want the retry", got)
	}
	a = c.post("/events/"+by["running"].ID+"/retry", nil)
	a.wantStatus(t, http.StatusConflict)
	a.Sound()
	a = c.post("/events/"+by["failed, malformed message"].ID+"/retry", nil)
	a.wantStatus(t, http.StatusConflict)
}

func TestRevealIsRecorded(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	e := by["skipped, several accounts match"]
	b.signIn("viewer").post("/events/"+e.ID+"/reveal", nil).wantStatus(t, http.StatusForbidden)
	c := b.signIn("operator")
	a := c.get(c.get("/events/"+e.ID).Attrs(`a[href$="/reveal"]`, "href")[0])
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if strings.Contains(a.body, e.Subject) {
		t.Error("the page that asks why shows who it is")
	}
	a = c.post("/events/"+e.ID+"/reveal", url.Values{"note": {" "}})
	a.wantStatus(t, http.StatusBadRequest)
	if strings.Contains(a.body, e.Subject) || len(b.acts.list) != 0 {
		t.Error("the subject is shown without a reason")
	}
	a = c.post("/events/"+e.ID+"/reveal", url.Values{"note": {"asked by phone"}})
	a.wantStatus(t, http.StatusOK)
	if !strings.Contains(a.Text(".facts"), e.Subject) {
		t.Error("the subject is not shown")
	}
	if len(b.acts.list) != 1 || b.acts.list[0].Action != "reveal" || b.acts.list[0].Note != "asked by phone" {
		t.Errorf("recorded %+v, want the reveal", b.acts.list)
	}
}

// The overview learns of a pause by what keeps it, and reads no event for that.
func TestOverviewPauses(t *testing.T) {
	t.Parallel()

	down := func(code hotsync.Code, since, left time.Duration) pause.State {
		return pause.State{Since: start.Add(-since), Until: start.Add(left), Reason: code}
	}
	for _, tc := range []struct {
		name   string
		pauses map[string]pause.State
		fail   error
		want   string // how the headline begins
		more   string // and what stands under it
		alert  string
	}{
		{name: "none", want: "4 syncs need somebody"},
		{name: "Zuora, while one login waits",
			pauses: map[string]pause.State{"zuora": down(hotsync.CodeZuoraUnavailable, time.Hour, time.Second)},
			want:   "Zuora is down since", more: "1 login waits; nothing to do: it goes on by itself."},
		{name: "both, Limio longer",
			pauses: map[string]pause.State{"zuora": down(hotsync.CodeZuoraRateLimited, time.Minute, time.Hour),
				"limio": down(hotsync.CodeLimioUnavailable, time.Hour, time.Second)},
			want: "Limio is down since", more: "Zuora asked everybody to wait, too. 1 login waits"},
		{name: "one whose end the next sync finds out",
			pauses: map[string]pause.State{"limio": down(hotsync.CodeLimioUnavailable, time.Hour, -30*time.Second)},
			want:   "Limio is down since"},
		{name: "one that nobody has asked about since",
			pauses: map[string]pause.State{"limio": down(hotsync.CodeLimioUnavailable, time.Hour, -time.Hour)},
			want:   "4 syncs need somebody"},
		{name: "that cannot be read", fail: hotsync.Errorf(hotsync.CodeStoreUnavailable, "away"),
			want: "4 syncs need somebody", alert: "what waits for Zuora or Limio"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			events, _ := samples()
			b := setup(t, events...)
			b.pauses = tc.pauses
			if tc.fail != nil {
				b.events.fail["Pauses"] = tc.fail
			}
			a := b.signIn("viewer").get("/")
			a.wantStatus(t, http.StatusOK)
			if got := a.Text(".verdict-head"); !strings.HasPrefix(got, tc.want) {
				t.Errorf("the headline is %q, want %q", got, tc.want)
			}
			if got := a.Text(".verdict"); !strings.Contains(got, tc.more) {
				t.Errorf("the verdict is %q, want %q in it", got, tc.more)
			}
			if got := strings.Join(a.Texts("[role=alert]"), " "); !strings.Contains(got, tc.alert) || tc.alert == "" &&
				got != "" {
				t.Errorf("the page says %q, want %q", got, tc.alert)
			}
		})
	}
}

func TestOverview(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	b.events.slots = []eventstore.Slot{
		{At: start.Add(-3 * time.Hour),
			Counts: eventstore.Counts{Outcomes: map[eventstore.Outcome]int{{Status: "succeeded", Reason: "changed"}: 95,
				{Status: "failed", Reason: "zuora_busy"}: 2}, Latency: eventstore.Latency{2 * time.Second: 95}}},
		{At: start.Add(-20 * time.Minute),
			Counts: eventstore.Counts{
				Outcomes: map[eventstore.Outcome]int{{Status: "failed", Reason: "limio_request_refused"}: 3,
					{Status: "skipped", Reason: "ambiguous"}: 1, {Status: "skipped", Reason: "coalesced"}: 9}}},
	}
	b.pauses = map[string]pause.State{
		"zuora": {Since: start.Add(-time.Hour), Until: start.Add(time.Minute), Reason: hotsync.CodeZuoraRateLimited}}
	c := b.signIn("viewer")
	a := c.get("/")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	if got := a.Texts(".figures b"); !cmp.Equal(got, []string{"95.0%", "95", "5", "10", "1.5 s"}) {
		t.Errorf("figures = %q", got)
	}
	if got := a.Text(".verdict-head"); !strings.HasPrefix(got, "Zuora asked everybody to wait since") {
		t.Errorf("the headline is %q", got)
	}
	if got := a.Texts(".reasons tbody td a"); !cmp.Equal(got,
		[]string{"Limio refused an object", "Zuora is busy", "Several accounts match"}) {
		t.Errorf("reasons = %q", got)
	}
	for _, href := range a.Attrs(".reasons a", "href") {
		if a := c.get(href); a.status != http.StatusOK || a.url.Query().Get("reason") == "" {
			t.Errorf("%s ends at %s", href, a.url)
		}
	}
	if got := a.Attrs(`.now a[href^="/events/event-"]`, "href"); !cmp.Equal(got,
		[]string{"/events/" + by["retrying, paused by Zuora"].ID}) {
		t.Errorf("the oldest waiting is %q", got)
	}
	if got := a.Count(".chart rect:not(.hit)"); got != 4 {
		t.Errorf("the chart has %d bars, want 4", got)
	}
	for _, span := range []string{"hour", "week"} {
		a := c.get("/?span=" + span)
		a.wantStatus(t, http.StatusOK)
		a.Sound()
	}
	for _, name := range []string{"Search", "CountMatching", "Count", "OldestUnfinished"} {
		b.events.fail[name] = down
	}
	b.settings.fail, b.queue.fail = down, down
	a = c.get("/")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text("[role=alert]"); !strings.Contains(got, "the counts") || !strings.Contains(got, "the queue") {
		t.Errorf("with everything down the page says %q", got)
	}
}

// A sync that failed before its account's number was looked up is of the account all
// the same: its page knows what is in Limio, and what came later.
func TestFailedBeforeItsNumberWasLookedUp(t *testing.T) {
	t.Parallel()

	events, by := samples()
	failed := by["failed, Limio refused"]
	failed.Account.ID = ""
	b := setup(t, events...)
	b.events.events[failed.ID] = failed
	b.events.accounts[sample.Account.ID] = eventstore.AccountState{AccountID: sample.Account.ID,
		LastSucceededEvent: by["succeeded, unchanged"].ID}
	a := b.signIn("viewer").get("/events/" + failed.ID)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Texts(".subs tbody th"); len(got) == 0 || got[0] != "Digital Monthly" {
		t.Errorf("in Limio now: %q", got)
	}
	if a.Count(".settled") != 1 {
		t.Error("a later success of the same login does not settle it")
	}
}

// Beside a read that failed, the one that was given up is not said to have timed out,
// neither on the page of the sync nor where it is compared, and codes are words.
func TestGivenUpIsNoTimeout(t *testing.T) {
	t.Parallel()

	events, by := samples()
	good, failed := by["succeeded, unchanged"], by["failed, Limio refused"]
	failed.RequestedAt = good.RequestedAt.Add(time.Minute)
	failed.ID = hotsync.EventIDFor(failed.RequestedAt, "given up")
	failed.Steps = []hotsync.Step{{Name: "read zuora", MS: 40, Calls: 1, Detail: "zuora_forbidden"},
		{Name: "read limio", MS: 39, Calls: 1, Detail: "timeout"}}
	b := setup(t, append(events, failed)...)
	c := b.signIn("viewer")
	for _, path := range []string{"/events/" + failed.ID, "/events/" + failed.ID + "/compare?with=" + good.ID} {
		a := c.get(path)
		a.wantStatus(t, http.StatusOK)
		text := strings.Join(a.Texts(".time td, .diff td"), "\n")
		if !strings.Contains(text, "given up: another step had failed") ||
			!strings.Contains(text, "Zuora denies a permission") ||
			strings.Contains(text, "zuora_forbidden") || strings.Contains(text, "timeout") {
			t.Errorf("%s says of the steps:\n%s", path, text)
		}
	}
}

// The headline says "most" only where it is most, and of whose logins.
func TestOverviewSaysMostOfMost(t *testing.T) {
	t.Parallel()

	type failures struct {
		code     hotsync.Code
		provider string
		n        int
	}
	for name, tc := range map[string]struct {
		failed []failures
		want   string
	}{
		"one cause": {[]failures{{hotsync.CodeTimeout, "direct", 3}},
			"All of it: out of time, by provider direct."},
		"most": {[]failures{{hotsync.CodeTimeout, "direct", 3}, {hotsync.CodeInternal, "direct", 1}},
			"Most (3): out of time, by provider direct."},
		"the most frequent": {[]failures{{hotsync.CodeTimeout, "direct", 2}, {hotsync.CodeInternal, "direct", 1},
			{hotsync.CodeLimioRefused, "direct", 1}}, "3 causes, the most frequent (2): out of time"},
		"one as often as another": {[]failures{{hotsync.CodeTimeout, "direct", 1}, {hotsync.CodeInternal, "direct", 1}},
			"2 causes, one of them (1): "},
		"mostly a provider's": {[]failures{{hotsync.CodeTimeout, "direct", 3}, {hotsync.CodeTimeout, "okta", 1}},
			"All of it: out of time, mostly by provider direct."},
		"no provider's": {[]failures{{hotsync.CodeTimeout, "direct", 2}, {hotsync.CodeTimeout, "okta", 1},
			{hotsync.CodeTimeout, "lookup", 1}}, "All of it: out of time. "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var events []hotsync.Event
			for _, f := range tc.failed {
				for range f.n {
					i := len(events)
					at := start.Add(-time.Duration(i) * time.Minute)
					events = append(events,
						hotsync.Event{ID: hotsync.EventIDFor(at, fmt.Sprint("most", i)), Status: hotsync.StatusFailed,
							Reason: string(f.code), Provider: f.provider, Subject: fmt.Sprint("auth0|", i), RequestedAt: at, FinishedAt: at,
							Account: hotsync.AccountRef{ID: fmt.Sprintf("%032x", i+1)},
							Error:   hotsync.Errorf(f.code, "It failed.").Problem()})
				}
			}
			got := setup(t, events...).signIn("viewer").get("/").Text(".verdict")
			if !strings.Contains(got, tc.want) {
				t.Errorf("the verdict is %q, want %q in it", got, tc.want)
			}
		})
	}
}

// TestCutEventsSayWhatThereWas: of a sync with 2,345 changes a hundred are kept. Every
// view says 2,345.
func TestCutEventsSayWhatThereWas(t *testing.T) {
	t.Parallel()

	_, by := samples()
	e := by["succeeded with changes"]
	e.Changes = make([]hotsync.Change, 100)
	for i := range e.Changes {
		e.Changes[i] = hotsync.Change{Object: "subscription", ID: "sub-" + strconv.Itoa(i), Action: hotsync.ActionCreate}
	}
	e.ChangesCut, e.ChangeCount, e.AttemptsCut, e.AttemptCount = 2245, 2345, 3, 4
	e.FindingCount, e.AttentionCount = 1300, 12
	b := setup(t, e)
	c := b.signIn("viewer")
	for _, tc := range []struct{ path, selector, want string }{
		{"/events", "#events td.c-why", "2,345 changes written to Limio. But 12 things need attention. 1,288 notes."},
		{"/events/" + e.ID, "#h-changes + .dim", "2,345 objects"},
		{"/events/" + e.ID, "#h-findings + .dim", "2 of 1,300"},
		{"/events/" + e.ID, `main a[href$="/changes"]`, "The first 100 of 2,345 changes"},
		{"/events/" + e.ID + "/changes", "h1", "The first 100 of 2,345 changes in Limio"},
	} {
		page := c.get(tc.path)
		page.wantStatus(t, http.StatusOK)
		if got := page.Text(tc.selector); got != tc.want {
			t.Errorf("%s: %s says %q, want %q", tc.path, tc.selector, got, tc.want)
		}
	}
	for path, want := range map[string]string{
		"/events/" + e.ID:           "4 attempts",
		"/events/" + e.ID + "/json": `"changeCount":2345`,
		"/events.jsonl":             `"attempts":4,"changes":2345,"warnings":1300,"attention":12`,
		"/events.csv":               ",4,2345,1300,",
	} {
		if got := c.get(path).body; !strings.Contains(got, want) {
			t.Errorf("%s does not say %q: %.2000s", path, want, got)
		}
	}
	for _, path := range []string{"/api/events", "/api/events/" + e.ID} {
		_, body := b.call("viewer", "GET", path, "")
		if list, ok := body["events"].([]any); ok {
			body, _ = list[0].(map[string]any)
		}
		got := []any{body["changeCount"], body["attemptCount"], body["findingCount"], body["attentionCount"]}
		if diff := cmp.Diff([]any{2345., 4., 1300., 12.}, got); diff != "" {
			t.Errorf("%s: counts mismatch (-want +got):\n%s", path, diff)
		}
	}
}

// TestListsHaveOneAddress asks for lists in other words than their links do. A page goes to
// the address that can be shared; what a page fetches for itself is answered where it asked.
func TestListsHaveOneAddress(t *testing.T) {
	t.Parallel()

	c := setup(t).signIn("viewer")
	for _, path := range []string{"/events", "/logins"} {
		typed := path + "?q=&provider=direct&reason="
		if got := c.get(typed).url.RequestURI(); got != path+"?provider=direct" {
			t.Errorf("%s leads to %s", typed, got)
		}
		a := c.get(typed, "HX-Request", "true")
		a.wantStatus(t, http.StatusOK)
		if got := a.url.RequestURI(); got != typed {
			t.Errorf("%s, fetched by a page, is answered at %s", typed, got)
		}
	}
}
