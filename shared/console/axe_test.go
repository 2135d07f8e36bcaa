package console_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"hotsync/local/browser"
)

// TestAccessIsNoticed breaks a page as it might be broken, and wants axe-core, asked as
// TestAccessible asks it, to say so.
func TestAccessIsNoticed(t *testing.T) {
	t.Parallel()

	source, ctx := axe(t), browser.Start(t)
	b, _ := gallery(t)
	screens[0].show(t, ctx, "light", true)
	b.as(ctx, "operator")
	do(t, ctx, chromedp.Navigate(b.server.URL+"/events?status=failed"), there("#events"))
	for _, tc := range []struct{ name, breaks, rules, want string }{
		{"nothing", "", allRules, ""},
		{"a field without a label",
			`document.querySelector("label[for=q]").remove(), document.querySelector("#q").removeAttribute("placeholder")`,
			allRules, "label at #q"},
		{"a box without a name", `document.querySelector("[name=id]").removeAttribute("aria-label")`, allRules, "label at "},
		{"a button without a name",
			`document.querySelector("[data-retry]").removeAttribute("aria-label"), document.querySelector("[data-retry]").replaceChildren()`, allRules, "button-name"},
		{"text that is hardly there", `document.querySelector(".hint, .filter-more > summary").style.color = "#bbb"`,
			colourRules, "color-contrast"},
		{"small targets side by side",
			`["a", "b"].forEach(x => { const e = document.createElement("button"); e.textContent = x;
			e.style.cssText = "width: 12px; height: 12px; min-height: 0; padding: 0; border: 0"; document.querySelector("main").append(e) })`, allRules, "target-size"},
		{"a page without a heading", `document.querySelector("h1").remove()`, allRules, "page-has-heading-one"},
	} {
		do(t, ctx, chromedp.Reload(), there("#events"))
		if tc.breaks != "" {
			ask(t, ctx, chromedp.Evaluate[bool]("("+tc.breaks+"), true"))
		}
		found := violations(t, ctx, source, tc.rules)
		switch {
		case tc.want == "" && len(found) > 0:
			t.Errorf("%s is broken, and axe-core says %q", tc.name, found)
		case tc.want != "" && !strings.Contains(strings.Join(found, "\n"), tc.want):
			t.Errorf("%s: axe-core says %q, want %s", tc.name, found, tc.want)
		}
	}
}

// TestForcedColours: where the system chooses the colours, what is told by colour is
// still there: bars and dots keep theirs, and what is picked or has the focus has a line
// around it.
func TestForcedColours(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b, _ := gallery(t)
	someJobs(t, b)
	screens[0].show(t, ctx, "dark", true)
	tell(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "forced-colors", Value: "active"}, {Name: "prefers-color-scheme", Value: "dark"}}})
	b.as(ctx, "operator")
	shown := func(path, selector, property string) string {
		t.Helper()
		do(t, ctx, chromedp.Navigate(b.server.URL+path), there(selector))
		capture(t, ctx, "forced"+strings.ReplaceAll(path, "/", "-"))
		return styleOf(t, ctx, selector, property)
	}
	for _, tc := range []struct{ path, one, other, property string }{
		{"/", ".chart rect.fill-succeeded", ".chart rect.fill-failed", "fill"},
		{"/", ".presets a[aria-current]", ".presets a:not([aria-current])", "background-color"},
		{"/open", ".top nav a[aria-current]", ".top nav a:not([aria-current])", "background-color"},
		{"/open", ".tabs a[aria-current]", ".tabs a:not([aria-current])", "background-color"},
		{"/events?status=failed", ".chip[aria-current]", ".chip:not([aria-current])", "background-color"},
		{"/jobs", "tr:nth-child(1) rect:nth-child(2)", "tr:nth-child(1) rect.track", "fill"},
	} {
		if one, other := shown(tc.path, tc.one, tc.property), styleOf(t, ctx, tc.other, tc.property); one == other {
			t.Errorf("%s: %s and %s both are %s", tc.path, tc.one, tc.other, one)
		}
	}
	shown("/events?status=failed", "#events", "color")
	do(t, ctx, chromedp.KeyEvent("j"))
	if got := styleOf(t, ctx, "tr.picked", "outline-style"); got != "solid" {
		t.Errorf("the picked row has the outline %q", got)
	}
	do(t, ctx, chromedp.KeyEvent("x"))
	waitText(t, ctx, "[data-ticked]", "Retry the 1 ticked")
	if got := styleOf(t, ctx, "[data-ticked]", "border-style"); got != "solid" {
		t.Errorf("a button has the border %q", got)
	}
}

// styleOf is how the browser draws an element.
func styleOf(t *testing.T, ctx context.Context, selector, property string) string {
	t.Helper()
	return ask(t, ctx,
		chromedp.Evaluate[string](`getComputedStyle(document.querySelector("`+selector+`")).getPropertyValue("`+property+
			`")`))
}
