package console_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// chromium starts a headless browser for a test, or skips it where there is
// none; on a build machine it must be there.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("browser tests take long: not with -short")
	}
	path := ""
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if p, err := exec.LookPath(name); name != "" && err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium: install it, or name it in CHROMIUM")
		}
		t.Skip("NO BROWSER TEST WAS RUN: install Chromium, or name it in CHROMIUM")
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))...)
	t.Cleanup(cancelAlloc)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancelTime)
	return ctx
}

// do fails the test when a step fails.
func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	err := chromedp.Do(ctx, steps...)
	if err != nil {
		t.Fatalf("in the browser: %v", err)
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
