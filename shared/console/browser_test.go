package console_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// stepTime is how long steps may take on a busy machine before they count as stuck.
const stepTime = time.Minute

// do fails the test when a step fails or is stuck, with what the page shows then.
func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	timed, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	err := chromedp.Do(timed, steps...)
	if err != nil {
		where, _ := chromedp.Run(ctx, chromedp.Location())
		shown, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText.slice(0, 2000)`))
		t.Fatalf("in the browser: %v\nat %s, which shows:\n%s", err, where, shown)
	}
}

// ask gives what an action finds.
func ask[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	return v
}

// tell sends a command of the protocol.
func tell[P any](t *testing.T, ctx context.Context, cmd cdp.Command[P, cdp.Empty], params P) {
	t.Helper()
	do(t, ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, cmd, params)
		return chromedp.Void{}, err
	})
}

// screen is a size of window.
type screen struct {
	name          string
	width, height int64
	mobile        bool
}

var screens = []screen{{"wide", 1440, 900, false}, {"phone", 390, 844, true}}

// show makes the browser look like that.
func (s screen) show(t *testing.T, ctx context.Context, theme string, scripts bool) {
	t.Helper()
	tell(t, ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.mobile})
	tell(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	tell(t, ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
	tell(t, ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/London"})
}

// as signs a member of that group in.
func (b *bundle) as(ctx context.Context, group string) {
	b.t.Helper()
	c := b.signIn(group)
	var params []*network.CookieParam
	for _, cookie := range c.http.Jar.Cookies(mustURL(b.t, b.server.URL)) {
		params = append(params, &network.CookieParam{Name: cookie.Name, Value: cookie.Value, URL: b.server.URL, HTTPOnly: true})
	}
	tell(b.t, ctx, network.ClearBrowserCookies, cdp.Empty{})
	tell(b.t, ctx, network.SetCookies, network.SetCookiesParams{Cookies: params})
}

// axe is the source of axe-core, installed from the lock file when it is not
// there yet.
func axe(t *testing.T) string {
	t.Helper()
	const file = "browsertest/node_modules/axe-core/axe.min.js"
	source, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
		cmd.Dir = "browsertest"
		out, err := cmd.CombinedOutput()
		if err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("npm ci in %s: %v: %s", cmd.Dir, err, out)
			}
			t.Skipf("ACCESSIBILITY WAS NOT TESTED: npm ci in %s: %v: %s", cmd.Dir, err, out)
		}
		source, err = os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// violations runs axe-core on the page that the browser shows.
func violations(t *testing.T, ctx context.Context, source string) []string {
	t.Helper()
	ask(t, ctx, chromedp.Evaluate[any](source+"; 0"))
	return ask(t, ctx, chromedp.Evaluate[[]string](`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
		.then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + " at " + n.target.join(" ") + ": " + n.failureSummary)))`, chromedp.EvalAwaitPromise))
}
