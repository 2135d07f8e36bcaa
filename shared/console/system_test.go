package console_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"hotsync/local/browser"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// TestWholeSystem is a support agent's day on the real functions: a customer's
// sync failed, the agent finds it by e-mail, sees why, and retries it.
func TestWholeSystem(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	s := stacktest.Start(t, stack.Options{Personas: true, Env: []string{"CONSOLE_GALLERY=true"}})
	var failed hotsync.Event
	s.Behave(s.ZuoraURL,
		map[string]any{"faults": []map[string]any{
			{"match": "GET /**", "times": 50, "status": http.StatusForbidden, "body": map[string]any{}}}})
	for _, e := range s.Sync(s.PersonaToken("single")) {
		failed = e
	}
	if failed.Status != hotsync.StatusFailed {
		t.Fatalf("the sync under a fault is %s (%s), want failed", failed.Status, failed.Reason)
	}
	s.Behave(s.ZuoraURL, map[string]any{})
	for _, name := range []string{"several", "lookup", "ambiguous"} {
		s.Login(s.PersonaToken(name))
	}
	s.Idle()

	screens[0].show(t, ctx, "light", true)
	enter(t, ctx, s.URL+"/events", "operator")
	do(t, ctx, there("#q"), chromedp.SendKeys("#q", failed.Account.ID+"\n"),
		there(`#events a[href="/events/`+failed.ID+`"]`))
	capture(t, ctx, "system-events")
	do(t, ctx, chromedp.Click(`#events a[href="/events/`+failed.ID+`"]`), there(".outcome"))
	if got := find(t, ctx, ".outcome-head b"); !strings.HasPrefix(got, "Failed: ") {
		t.Errorf("the event says %q", got)
	}
	capture(t, ctx, "system-failed")
	do(t, ctx, chromedp.Click("[data-retry]"))
	waitText(t, ctx, ".outcome-head b", "Synced")
	if got := find(t, ctx, "#h-holds + .table-wrap"); !strings.Contains(got, "monthly") {
		t.Errorf("in Limio now: %q", got)
	}
	capture(t, ctx, "system-retried")

	do(t, ctx, chromedp.Click(".head-act a[href^='/accounts/']"), there("ol.line"),
		chromedp.Click("form[action$='dryrun'] button"), there("#h-dry"))
	if got := find(t, ctx, "#h-dry"); got != "A sync now would change nothing" {
		t.Errorf("after a sync, %q", got)
	}
	capture(t, ctx, "system-account")
	do(t, ctx, chromedp.Navigate(s.URL+"/"), there(".verdict"))
	if got := find(t, ctx, "main"); strings.Contains(got, "could be read") {
		t.Errorf("the overview misses something: %q", got)
	}
	capture(t, ctx, "system-overview")

	do(t, ctx, chromedp.Click("form[action='/signout'] button"))
	waitText(t, ctx, "main a.primary", "Sign in") // by way of the identity provider
	enter(t, ctx, s.URL+"/audit", "admin")
	waitText(t, ctx, "main tbody", "dry run")
	capture(t, ctx, "system-audit")
	tell(t, ctx, network.ClearBrowserCookies, cdp.Empty{})
	enter(t, ctx, s.URL+"/events", "viewer")
	do(t, ctx, there("#events"))
	if n := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll("#events form").length`)); n != 0 {
		t.Errorf("a viewer can retry %d events", n)
	}
}

// enter signs in at the identity provider's own page and comes back.
func enter(t *testing.T, ctx context.Context, address, persona string) {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	err := chromedp.Do(limited, chromedp.Navigate(address), there("main a.primary"), chromedp.Click("main a.primary"),
		there(`button[value="`+persona+`"]`), chromedp.Click(`button[value="`+persona+`"]`), there(".role"))
	if err != nil {
		where, _ := chromedp.Run(ctx, chromedp.Location())
		t.Fatalf("sign-in as %s: %v, at %s", persona, err, where)
	}
	if got := find(t, ctx, ".role"); got != persona {
		t.Fatalf("signed in as %q, want %s", got, persona)
	}
}

// capture takes a picture where pictures are asked for.
func capture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("HOTSYNC_SCREENSHOTS")
	if dir == "" {
		return
	}
	err := os.WriteFile(filepath.Join(dir, name+".png"), ask(t, ctx, chromedp.FullScreenshot(100)), 0o644)
	if err != nil {
		t.Fatal(err)
	}
}
