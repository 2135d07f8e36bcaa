package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	browserproto "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

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
	if got := j.b.settings.value; got.TimeZone != "Europe/Rome" || got.ZuoraPlan != hotsync.PlanV ||
		got.UpdatedFor != "the tenant moved" || got.Version != began+2 {
		t.Errorf("in force is %+v", got)
	}
	// Saved: nothing is offered any more.
	j.open("/settings")
	if ask(t, j.ctx, chromedp.Evaluate[bool](`!document.getElementById("draft").hidden`)) {
		t.Error("what was saved is offered as a draft")
	}
	// A new provider is where one looks, and has the focus.
	j.click(`button[value="add-provider"]`, "#p-3")
	do(t, j.ctx, there("#f-providers-2-name:focus")) // which the browser gives it after the page has come
	if !ask(t, j.ctx,
		chromedp.Evaluate[bool](
			`(() => { const r = document.getElementById("f-providers-2-name").getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight })()`)) {
		t.Error("the new provider is off the screen")
	}
	j.arrived("an administrator with five mistakes")
}

// TestJourneyInTwoTabs is an administrator who has the settings open twice, and saves in
// one, then in the other.
func TestJourneyInTwoTabs(t *testing.T) {
	t.Parallel()

	j := begin(t, "admin")
	other := browser.Tab(t, j.ctx)
	second := &journey{t: t, ctx: other, b: j.b}
	review, save := `.save-bar button[value="review"]`, `.review button[value="save"]`
	began := j.b.settings.value.Version

	j.open("/settings")
	second.open("/settings")
	second.write("f-timeZone", "Europe/Paris")
	second.write("f-providers-0-name", "web")

	j.write("f-timeZone", "Europe/Rome")
	j.write("f-zuoraAccountUrl", "https://billing.example.com/{id}")
	j.click(review, ".review")
	j.write("note", "from the first tab")
	j.click(save, ".note.good")

	// The second tab was left meanwhile: what was typed there is offered, though the
	// first has saved.
	second.open("/events")
	second.open("/settings")
	second.click("[data-draft-take]", "form[data-dirty]")
	if got := second.value("f-timeZone"); got != "Europe/Paris" {
		t.Errorf("what was typed in the second tab came back as %q", got)
	}
	second.click(review, ".note.warn table")
	if got, want := find(t, other, ".note.warn"), fmt.Sprintf("Not saved yet: you saved version %d elsewhere",
		began+1); !strings.Contains(got, want) {
		t.Errorf("the second tab says %q, want %q", got, want)
	}
	rows := ask(t, other,
		chromedp.Evaluate[[]string](
			`[...document.querySelectorAll(".note.warn tbody tr")].map(r => [...r.children].map(c => c.textContent).join(" | "))`))
	if diff := cmp.Diff([]string{
		"web: Name | direct | direct | web | typed here",
		"Time zone | UTC | Europe/Rome | Europe/Paris | typed here",
		"Zuora account URL | — | https://billing.example.com/{id} | — | saved",
	}, rows); diff != "" {
		t.Errorf("what differs (-want +got):\n%s", diff)
	}
	second.click(review, ".review")
	second.write("note", "from the second tab")
	second.click(save, ".note.good")
	got := j.b.settings.value
	if got.TimeZone != "Europe/Paris" || got.ZuoraAccountURL != "https://billing.example.com/{id}" ||
		got.Providers[0].Name != "web" || got.Version != began+2 {
		t.Errorf("in force is %+v", got)
	}
	j.clicks, j.keys, j.waited = j.clicks+second.clicks, j.keys+second.keys, j.waited+second.waited
	j.arrived("an administrator in two tabs")
}

// download clicks on something, and returns what the browser saves then.
func (j *journey) download(what string) (name string, content []byte) {
	j.t.Helper()
	dir := j.t.TempDir()
	_, err := chromedp.CallBrowser(j.ctx, browserproto.SetDownloadBehavior, browserproto.SetDownloadBehaviorParams{
		Behavior: "allow", DownloadPath: dir, BrowserContextID: chromedp.FromContext(j.ctx).BrowserContextID})
	if err != nil {
		j.t.Fatalf("say where downloads go: %v", err)
	}
	j.clicks++
	began := time.Now()
	do(j.t, j.ctx, chromedp.Click(what))
	for time.Since(began) < stepTime {
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			j.t.Fatal(err)
		}
		if len(files) == 1 {
			content, err = os.ReadFile(files[0])
			if err != nil {
				j.t.Fatal(err)
			}
			j.waited += time.Since(began)
			return filepath.Base(files[0]), content
		}
		do(j.t, j.ctx, chromedp.Sleep(20*time.Millisecond)) // the browser renames it when it is whole
	}
	shown := ask(j.t, j.ctx, chromedp.Evaluate[string](`location.href + ": " + document.body.innerText.slice(0, 1000)`))
	j.t.Fatalf("%s downloads nothing; the browser shows %s", what, shown)
	return "", nil
}

// TestJourneyOfAPrivacyOfficer answers a person who asks, and one who wants to
// be forgotten.
func TestJourneyOfAPrivacyOfficer(t *testing.T) {
	t.Parallel()

	j := begin(t, "admin")
	var who string
	for id, e := range j.b.events.events {
		if e.Status.Final() && e.Subject != "" && !strings.Contains(e.Subject, "<") { // of one login, which is ticked
			j.b.events.terms[id] = []string{"jane@example.com"}
			who = e.Subject
			break
		}
	}
	held := 0
	for _, e := range j.b.events.events {
		if e.Subject == who {
			held++
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
	// What is held is handed out before it goes.
	name, raw := j.download("[formaction='/erase/export']")
	if strings.Contains(name, "jane") || strings.Contains(name, who) {
		t.Errorf("the export's file is called %q, which names the person", name)
	}
	var told struct {
		Logins []struct {
			Identity hotsync.Identity  `json:"identity"`
			Events   []json.RawMessage `json:"events"`
		} `json:"logins"`
	}
	err := json.Unmarshal(raw, &told)
	if err != nil {
		t.Fatalf("the export: %v", err)
	}
	if len(told.Logins) != 1 || told.Logins[0].Identity.Subject != who || len(told.Logins[0].Events) != held {
		t.Errorf("the export has %d logins, want that of %s with %d events:\n%.600s", len(told.Logins), who, held, raw)
	}
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
