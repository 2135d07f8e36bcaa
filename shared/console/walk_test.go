package console_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"hotsync/local/browser"
	"hotsync/shared/console/internal/sample"
	"hotsync/shared/hotsync"
)

// TestAccessible runs axe-core on every page and state as an administrator, who is shown
// what all others are, and on some pages as those who are shown less. See looks.
func TestAccessible(t *testing.T) {
	t.Parallel()

	source := axe(t)
	some := []string{"overview", "open", "events-failed", "event-failed", "event-succeeded", "account", "logins", "jobs",
		"job-retry"}
	for _, tc := range []struct {
		name, role, prefix string
		states             bool
		only               []string
		turn               int
	}{
		{"pages", "admin", "", false, nil, 0}, {"states", "admin", "", true, nil, 0},
		{"viewer", "viewer", "viewer-", false, some, 0}, {"operator", "operator", "operator-", false, some, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			ctx := browser.Start(t)
			b, by := gallery(t)
			someJobs(t, b)
			pages := picturePages(b, by)
			if tc.states {
				clear(pages)
				for _, c := range sample.Events(start) {
					slug := strings.ReplaceAll(strings.ReplaceAll(c.Name, ",", ""), " ", "-")
					pages["state-"+slug] = "/gallery/" + slug
				}
			}
			screens[0].show(t, ctx, "light", true)
			b.as(ctx, tc.role)
			do(t, ctx, chromedp.Navigate(b.server.URL+"/"))
			if got := find(t, ctx, ".role"); got != tc.role {
				t.Fatalf("signed in is somebody with the role %q, want %s", got, tc.role)
			}
			names := tc.only
			if names == nil {
				names = slices.Sorted(maps.Keys(pages))
			}
			for i, name := range names {
				if pages[name] == "" {
					t.Fatalf("there is no page %s", name)
				}
				in := looks(i+tc.turn, tc.states || tc.role != "admin")
				checkAccess(t, ctx, source, tc.prefix+name, in, chromedp.Navigate(b.server.URL+pages[name]), there("main h1"))
			}
		})
	}
}

// find waits until an element is there and gives its text.
func find(t *testing.T, ctx context.Context, selector string) string {
	t.Helper()
	do(t, ctx, there(selector))
	text := ask(t, ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q).textContent`, selector)))
	return strings.Join(strings.Fields(text), " ")
}

// waitText waits until an element's text holds something.
func waitText(t *testing.T, ctx context.Context, selector, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	poll := chromedp.PollFunction[bool](
		`(s, want) => [...document.querySelectorAll(s)].some(e => e.textContent.includes(want))`,
		chromedp.WithPollingArgs(selector, want))
	_, err := chromedp.Run(ctx, poll)
	for err != nil && ctx.Err() == nil { // the page was left meanwhile
		_, err = chromedp.Run(ctx, poll)
	}
	if err != nil {
		t.Fatalf("%s never says %q: %v", selector, want, err)
	}
}

// TestFromAnEmailToARetry is what a support agent does, by mouse, with scripts
// and without.
func TestFromAnEmailToARetry(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	for _, scripts := range []bool{true, false} {
		b, by := gallery(t)
		failed := by["failed, Limio refused"]
		for id := range b.events.events {
			if b.events.events[id].Account == failed.Account && b.events.events[id].RequestedAt.After(failed.RequestedAt) {
				delete(b.events.events, id)
			}
		}
		b.events.terms[failed.ID] = []string{"jane@example.com"}
		screens[0].show(t, ctx, "light", scripts)
		b.as(ctx, "operator")
		do(t, ctx, chromedp.Navigate(b.server.URL+"/"), chromedp.SendKeys("#jump", "jane@example.com\n"))
		if got := find(t, ctx, "#events .c-why .why"); !strings.HasPrefix(got, "Limio refused the address") {
			t.Errorf("scripts %t: the list says %q", scripts, got)
		}
		do(t, ctx, chromedp.Click("#events a.open"), there(".outcome"))
		if got := find(t, ctx, ".outcome .todo"); !strings.Contains(got, "then retry") {
			t.Errorf("scripts %t: what to do is %q", scripts, got)
		}
		do(t, ctx, chromedp.Click("[data-retry]"), there(`#event[data-status="queued"]`))
		if len(b.queue.sent) != 1 || b.queue.sent[0].RetryOf != failed.ID {
			t.Fatalf("scripts %t: queued %+v, want the retry", scripts, b.queue.sent)
		}
		if !scripts {
			continue
		}
		b.end(b.queue.sent[0].EventID)
		waitText(t, ctx, ".outcome-head", "Synced") // by itself
	}
}

// end makes an event succeed.
func (b *bundle) end(id string) {
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	e := b.events.events[id]
	e.Status, e.Reason, e.StartedAt, e.FinishedAt = hotsync.StatusSucceeded, hotsync.ReasonUnchanged, e.RequestedAt,
		e.RequestedAt.Add(time.Second)
	b.events.events[id] = e
}

func TestKeyboard(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b, _ := gallery(t)
	screens[0].show(t, ctx, "light", true)
	b.as(ctx, "operator")
	do(t, ctx, chromedp.Navigate(b.server.URL+"/events?status=failed"), there("#events"), chromedp.KeyEvent("?"))
	waitText(t, ctx, "dialog[open]", "next and previous row")
	do(t, ctx, chromedp.Click("#help form button"), chromedp.KeyEvent("jjk"))
	if got := ask(t, ctx,
		chromedp.Evaluate[int](`[...document.querySelectorAll("tr.row")].findIndex(r => r.classList.contains("picked"))`)); got != 0 {
		t.Errorf("j j k picks row %d, want 0", got)
	}
	// A list that is drawn anew keeps the row that was picked, and the retry that can
	// still be taken back.
	redraw := `new Promise(done => {
		document.addEventListener("htmx:afterSettle", () => setTimeout(() => done(document.querySelectorAll("tr.picked").length)), {once: true});
		htmx.ajax("GET", document.getElementById("list").dataset.live, {target: "#list", swap: "outerHTML", headers: {"X-Live": "1"}});
	})`
	if got := ask(t, ctx, chromedp.Evaluate[int](redraw, chromedp.EvalAwaitPromise)); got != 1 {
		t.Fatalf("%d rows are picked after the list was drawn anew, want 1", got)
	}
	do(t, ctx, chromedp.KeyEvent("r"))
	waitText(t, ctx, "#toast", "Retrying")
	ask(t, ctx, chromedp.Evaluate[int](redraw, chromedp.EvalAwaitPromise))
	do(t, ctx, there(`#event[data-status="queued"]`))
	if len(b.queue.sent) != 1 {
		t.Fatalf("r queued %d requests, want 1", len(b.queue.sent))
	}
	do(t, ctx, chromedp.Navigate(b.server.URL+"/events"), there("#events"), chromedp.KeyEvent("/"))
	if got := ask(t, ctx, chromedp.Evaluate[string]("document.activeElement.id")); got != "q" {
		t.Errorf("/ goes to %q, want the search box", got)
	}
	// Undo takes the retry back, and nothing is sent.
	do(t, ctx, chromedp.Navigate(b.server.URL+"/events?status=failed"), there("#events"), chromedp.KeyEvent("jr"),
		chromedp.Click("#toast button"))
	waitText(t, ctx, "#toast", "Not retried")
	do(t, ctx, chromedp.Navigate(b.server.URL+"/events?status=failed"), there("#events"))
	if len(b.queue.sent) != 1 {
		t.Errorf("a retry that was taken back was sent: %d requests", len(b.queue.sent))
	}
}

// TestLiveListNeverMovesWhatOneReads: new rows come by themselves only at the
// top of the page; further down they are announced.
func TestLiveListNeverMovesWhatOneReads(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b, by := gallery(t)
	screens[0].show(t, ctx, "light", true)
	b.as(ctx, "viewer")
	do(t, ctx, chromedp.Navigate(b.server.URL+"/events"), there("#events"))
	before := b.clock()
	b.login(before.Add(time.Second), "A00000100")
	waitText(t, ctx, "#events", "A00000100")

	ask(t, ctx, chromedp.Evaluate[int](`scrollTo(0, 400); 0`))
	// A row under the mouse shows all of its text, and moves no other.
	height := ask(t, ctx, chromedp.Evaluate[float64](`document.getElementById("list").offsetHeight`))
	for _, id := range []string{by["failed, Limio refused"].ID, by["retrying"].ID} {
		at := ask(t, ctx,
			chromedp.Evaluate[[]float64](`(() => { const r = document.querySelector("#`+id+
				` .c-took").getBoundingClientRect(); return [r.x + 5, r.y + 5] })()`))
		do(t, ctx, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
		if now := ask(t, ctx, chromedp.Evaluate[float64](`document.getElementById("list").offsetHeight`)); now != height {
			t.Errorf("a row under the mouse makes the list %g pixels high instead of %g", now, height)
		}
		capture(t, ctx, "events-under-the-mouse")
	}
	y := `document.getElementById("` + by["failed, died without a word"].ID + `").getBoundingClientRect().top`
	was := ask(t, ctx, chromedp.Evaluate[float64](y))
	b.login(before.Add(2*time.Second), "A00000200")
	b.end(by["running"].ID)
	waitText(t, ctx, ".news-more", "1 newer")
	waitText(t, ctx, "#"+by["running"].ID, "succeeded")
	if now := ask(t, ctx, chromedp.Evaluate[float64](y)); now != was {
		t.Errorf("the row that is read moved from %g to %g", was, now)
	}
	do(t, ctx, chromedp.Click(".news-more"))
	waitText(t, ctx, "#events", "A00000200")

	do(t, ctx, chromedp.KeyEvent("p"))
	waitText(t, ctx, "[data-live-toggle]", "Go on live")
}

func (b *bundle) login(at time.Time, number string) {
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	id := hotsync.EventIDFor(at, number)
	b.events.events[id] = hotsync.Event{ID: id, Status: hotsync.StatusQueued, RequestedAt: at,
		Account: hotsync.AccountRef{Number: number}, Trigger: hotsync.TriggerLogin}
}

// A bulk retry is a job that needs no page; its page shows how it goes on.
func TestBulkRetryGoesOnByItself(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b, _ := gallery(t)
	b.events.events = map[string]hotsync.Event{}
	for _, e := range backlog(25) {
		e.RequestedAt = b.clock().Add(e.RequestedAt.Sub(start))
		e.ID = hotsync.EventIDFor(e.RequestedAt, e.ID)
		b.events.events[e.ID] = e
	}
	screens[0].show(t, ctx, "dark", true)
	b.as(ctx, "operator")
	do(t, ctx, chromedp.Navigate(b.server.URL+"/events?status=failed"), there("#events"),
		chromedp.Click(`a[href^="/retry"]`),
		there(".steps"), chromedp.Click(".sheet a.primary"), chromedp.SendKeys("#why", "Zuora was down"),
		chromedp.Click("form.sheet button.primary"), there("#job"))
	waitText(t, ctx, "#job .sheet h2", "0 of 25 accounts")
	b.advance(t, 25)
	waitText(t, ctx, "#job .sheet h2", "25 of 25 accounts")
	waitText(t, ctx, "#job .status", "Done")
}

func TestTimesAndTheme(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b, by := gallery(t)
	screens[0].show(t, ctx, "light", true)
	b.as(ctx, "viewer")
	do(t, ctx, chromedp.Navigate(b.server.URL+"/events/"+by["failed, no such account"].ID), there(".facts"))
	waitText(t, ctx, ".facts time", "14 min ago")
	do(t, ctx, chromedp.Click("[data-zone]"))
	waitText(t, ctx, ".facts time", "UTC")
	do(t, ctx, chromedp.Click(".look button"), there(`html[data-theme="light"]`), chromedp.Click(".look button"),
		there(`html[data-theme="dark"]`))
	if got := ask(t, ctx,
		chromedp.Evaluate[string]("getComputedStyle(document.body).backgroundColor")); got != "rgb(16, 19, 24)" {
		t.Errorf("the dark page is %s", got)
	}
	if got := ask(t, ctx, chromedp.Location()); !strings.HasSuffix(got, by["failed, no such account"].ID) {
		t.Errorf("switching the theme leads to %s", got)
	}
}
