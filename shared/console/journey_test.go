package console_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"hotsync/local/browser"
	"hotsync/shared/hotsync"
)

// journey is somebody's way through the console in a real browser; it counts
// what they do, and how long they wait for it.
type journey struct {
	t      *testing.T
	ctx    context.Context
	b      *bundle
	clicks int
	keys   int
	waited time.Duration
}

func begin(t *testing.T, role string) *journey {
	t.Helper()
	ctx := browser.Start(t)
	b := adminGallery(t)
	screens[0].show(t, ctx, "light", true)
	b.as(ctx, role)
	return &journey{t: t, ctx: ctx, b: b}
}

// open goes to a page.
func (j *journey) open(path string) {
	j.t.Helper()
	j.timed(chromedp.Navigate(j.b.server.URL+path), there("main h1"))
}

// click clicks on something, and waits for what comes of it.
func (j *journey) click(what, then string) {
	j.t.Helper()
	j.clicks++
	j.timed(chromedp.Click(what), there(then))
}

// write replaces what is in a field, as somebody who types.
func (j *journey) write(id, text string) {
	j.t.Helper()
	j.keys += len(text)
	do(j.t, j.ctx, chromedp.Focus("#"+id))
	ask(j.t, j.ctx, chromedp.Evaluate[bool](`document.activeElement.select() || true`))
	do(j.t, j.ctx, chromedp.SendKeys("#"+id, text))
}

func (j *journey) timed(steps ...step) {
	j.t.Helper()
	began := time.Now()
	do(j.t, j.ctx, steps...)
	j.waited += time.Since(began)
}

func (j *journey) value(id string) string {
	j.t.Helper()
	return ask(j.t, j.ctx, chromedp.Evaluate[string](`document.getElementById("`+id+`").value`))
}

// arrived prints what the journey took.
func (j *journey) arrived(what string) {
	j.t.Helper()
	j.t.Logf("journey, %s: %d clicks, %d keys, %d ms of waiting", what, j.clicks, j.keys, j.waited.Milliseconds())
}

// TestJourneyOfAnAdministrator makes the mistakes that are made: Enter in a
// field, a claim type misspelt, leaving the page, a session that ends in
// mid-form, and a colleague who saves meanwhile. None of them loses anything or
// comes into force unseen.
func TestJourneyOfAnAdministrator(t *testing.T) {
	t.Parallel()

	j := begin(t, "admin")
	review := `.save-bar button[value="review"]`
	version := func() int { return j.b.settings.value.Version }
	began := version()

	// Enter leads to the review and not into force.
	j.open("/settings")
	j.write("f-timeZone", "Europe/Rome")
	j.timed(chromedp.SendKeys("#f-timeZone", "\r"), there(".review"))
	if version() != began {
		t.Fatal("Enter saved")
	}
	// Leaving now: the form is offered when coming back.
	j.open("/events")
	j.open("/settings")
	if got := j.value("f-timeZone"); got == "Europe/Rome" {
		t.Fatal("the page shows what is not in force as if it were")
	}
	j.click("[data-draft-take]", `form[data-dirty]`)
	if got := j.value("f-timeZone"); got != "Europe/Rome" {
		t.Errorf("what was typed came back as %q", got)
	}
	// A misspelt type is pointed out in the review, before it is saved.
	j.write("f-providers-0-claims-0-type", "acount")
	j.click(review, ".review")
	if got := find(t, j.ctx, ".warnings"); !strings.Contains(got, `"acount" is not "account"`) {
		t.Errorf("the review says %q", got)
	}
	j.click(`button[value="edit"]`, "form[data-dirty]")
	j.write("f-providers-0-claims-0-type", "account")
	// The session ends in mid-form; the sign-in happens in another tab.
	j.b.pass(31 * time.Minute)
	j.click(review, ".again")
	j.b.as(j.ctx, "admin")
	j.click(".again form button", ".review")
	j.write("note", "the tenant moved")
	// A colleague saves meanwhile.
	theirs := j.b.settings.value
	theirs.ZuoraPlan = hotsync.PlanV
	_, err := j.b.settings.Save(t.Context(), theirs, "Grace")
	if err != nil {
		t.Fatal(err)
	}
	j.click(`.review button[value="save"]`, ".note.warn table")
	j.click(review, ".review")
	j.write("note", "the tenant moved")
	j.click(`.review button[value="save"]`, ".note.good")
	if got := j.b.settings.value; got.TimeZone != "Europe/Rome" || got.ZuoraPlan != hotsync.PlanV || got.UpdatedFor != "the tenant moved" || got.Version != began+2 {
		t.Errorf("in force is %+v", got)
	}
	// Saved: nothing is offered any more.
	j.open("/settings")
	if ask(t, j.ctx, chromedp.Evaluate[bool](`!document.getElementById("draft").hidden`)) {
		t.Error("what was saved is offered as a draft")
	}
	// A new provider is where one looks, and has the focus.
	j.click(`button[value="add-provider"]`, "#p-3")
	if got := ask(t, j.ctx, chromedp.Evaluate[string](`document.activeElement.id`)); got != "f-providers-2-name" {
		t.Errorf("the focus is on %q", got)
	}
	if !ask(t, j.ctx, chromedp.Evaluate[bool](`(() => { const r = document.getElementById("f-providers-2-name").getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight })()`)) {
		t.Error("the new provider is off the screen")
	}
	j.arrived("an administrator with five mistakes")
}

// TestJourneyOfAPrivacyOfficer answers a person who asks, and one who wants to
// be forgotten.
func TestJourneyOfAPrivacyOfficer(t *testing.T) {
	t.Parallel()

	j := begin(t, "admin")
	var who string
	for id, e := range j.b.events.events {
		if e.Status.Final() && e.Subject != "" {
			j.b.events.terms[id] = []string{"jane@example.com"}
			who = e.Subject
			break
		}
	}
	j.open("/erase")
	j.write("who", "nobody@example.com")
	j.write("note", "ticket 7")
	j.click("main form .primary", "#h-logins")
	if got := find(t, j.ctx, "#h-logins"); got != "Nothing is held about this name" {
		t.Errorf("of somebody unknown it says %q", got)
	}
	j.click("main .foot a", "#who")
	j.write("who", "jane@example.com")
	j.write("note", "ticket 7")
	j.click("main form .primary", "input[name=login]")
	j.click("main form .primary", "#h-sure")
	j.clicks++
	do(t, j.ctx, chromedp.Click("[name=sure]"))
	j.click(".danger", ".note.good")
	for _, e := range j.b.events.events {
		if e.Subject == who && e.Status.Final() {
			t.Errorf("the event %s still names the person", e.ID)
		}
	}
	j.arrived("a privacy officer who erases somebody by e-mail")
}
