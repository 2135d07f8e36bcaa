package console_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"hotsync/local/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Main(m)) }

// stepTime is how long steps may take on a busy machine before they count as stuck.
const stepTime = 2 * time.Minute

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

// there waits until an element is on a page that has come whole, with its scripts. It
// asks the page anew each time: the protocol tells of nodes once only, and where a page
// follows another meanwhile, that can be lost.
func there(selector string) step {
	seen := chromedp.Evaluate[bool](fmt.Sprintf(`document.readyState === "complete" && !!document.querySelector(%q)`,
		selector))
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		for {
			ok, err := seen(ctx, target)
			if ok && err == nil {
				return chromedp.Void{}, nil
			}
			select {
			case <-ctx.Done():
				return chromedp.Void{}, fmt.Errorf("wait for %s: %w", selector, ctx.Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// ask returns what an action finds.
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

var axeOnce sync.Mutex

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
	s.size(t, ctx)
	s.colours(t, ctx, theme)
	tell(t, ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
	tell(t, ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/London"})
}

// size gives the window that size.
func (s screen) size(t *testing.T, ctx context.Context) {
	t.Helper()
	tell(t, ctx, emulation.SetDeviceMetricsOverride,
		emulation.SetDeviceMetricsOverrideParams{Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.mobile})
}

// colours lets the browser prefer light or dark ones.
func (screen) colours(t *testing.T, ctx context.Context, theme string) {
	t.Helper()
	tell(t, ctx, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
}

// as signs a member of that group in.
func (b *bundle) as(ctx context.Context, group string) {
	b.t.Helper()
	c := b.signIn(group)
	var params []*network.CookieParam
	for _, cookie := range c.http.Jar.Cookies(mustURL(b.t, b.server.URL)) {
		params = append(params,
			&network.CookieParam{Name: cookie.Name, Value: cookie.Value, URL: b.server.URL, HTTPOnly: true})
	}
	tell(b.t, ctx, network.ClearBrowserCookies, cdp.Empty{})
	tell(b.t, ctx, network.SetCookies, network.SetCookiesParams{Cookies: params})
}

// axe is the source of axe-core, installed from the lock file when it is not
// there yet.
func axe(t *testing.T) string {
	t.Helper()
	axeOnce.Lock() // npm installs for one at a time
	defer axeOnce.Unlock()
	const file = "browsertest/node_modules/axe-core/axe.min.js"
	source, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
			"--loglevel=error")
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

// Rules of axe-core that a page is held to: all, and those that depend on its colours.
const (
	allRules    = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`
	colourRules = `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`
)

// violations runs axe-core on the page that the browser shows.
func violations(t *testing.T, ctx context.Context, source, rules string) []string {
	t.Helper()
	if !ask(t, ctx, chromedp.Evaluate[bool]("!!window.axe")) {
		ask(t, ctx, chromedp.Evaluate[any](source+"; 0"))
	}
	return ask(t, ctx,
		chromedp.Evaluate[[]string](`axe.run(document, {runOnly: `+rules+`, resultTypes: ["violations"], preload: false})
		.then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + " at " + n.target.join(" ") + ": " + n.failureSummary)))`, chromedp.EvalAwaitPromise))
}

// look is how a page is shown: how wide, and in which colours.
type look struct {
	screen
	theme string
}

func (l look) String() string { return l.name + ", " + l.theme }

// allLooks has the long form of the tests look at every page in every look (make test-long).
var allLooks = flag.Bool("all-looks", false, "hold every page to axe-core in every width and theme")

// looks says how a page is shown to axe-core. A page is seen wide and on a phone, in light and
// in dark colours; a further state of one, or what another role is shown of it, in one of the
// four. Which goes with which is taken in turn, so that what pages have in common is seen in all
// four.
func looks(turn int, further bool) []look {
	wide, phone := screens[0], screens[1]
	all := []look{{wide, "light"}, {phone, "dark"}, {wide, "dark"}, {phone, "light"}}
	switch {
	case *allLooks || os.Getenv("HOTSYNC_SCREENSHOTS") != "":
		return all
	case further:
		return all[turn%4 : turn%4+1]
	default:
		return all[turn%2*2 : turn%2*2+2]
	}
}

// checkAccess opens a page and reports what axe-core finds on it in those looks, and whether
// it is too wide for a phone. A page that is loaded once shows itself in all of them, as to
// somebody who turns the phone or switches the theme.
func checkAccess(t *testing.T, ctx context.Context, source, name string, in []look, open ...step) {
	t.Helper()
	if only := os.Getenv("HOTSYNC_PAGES"); only != "" && !regexp.MustCompile(only).MatchString(name) {
		return
	}
	check := func(how look) {
		t.Helper()
		found := violations(t, ctx, source, allRules)
		if len(found) > 0 { // a live part may just have been drawn anew: what is wrong stays
			do(t, ctx, chromedp.Sleep(300*time.Millisecond))
			found = violations(t, ctx, source, allRules)
		}
		for _, v := range found {
			t.Errorf("%s, %s: %s", name, how, v)
		}
	}
	screens[0].size(t, ctx) // some steps are those of a wide page
	for i, l := range in {
		l.colours(t, ctx, l.theme)
		if i == 0 {
			do(t, ctx, open...)
		}
		l.size(t, ctx)
		capture(t, ctx, name+"-"+l.name+"-"+l.theme)
		check(l)
	}
	for _, s := range []screen{screens[1], {"narrow", 320, 640, true}} {
		s.size(t, ctx)
		// Not innerWidth: a phone shows a page that is too wide smaller, until all of it fits.
		if is := ask(t, ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); is > s.width {
			t.Errorf("%s is %d pixels wide at a width of %d", name, is, s.width)
		}
	}
	capture(t, ctx, name+"-narrow-"+in[len(in)-1].theme)
}
