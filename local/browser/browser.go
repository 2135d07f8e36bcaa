// Package browser starts a headless Chromium for tests that look at pages as
// people do.
package browser

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// testTime is how long a test may use its tab.
const testTime = 8 * time.Minute

// one is the browser that the tests of a package share: starting another for each
// would take longer than many of them.
var one struct {
	sync.Mutex
	ctx  context.Context
	stop []func()
}

// Main runs the tests of a package, and then ends the browser that they shared. A
// package whose tests call Start has it for its TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	one.Lock()
	defer one.Unlock()
	for _, stop := range one.stop {
		stop()
	}
	return code
}

// Start opens a window of a headless browser for a test, with cookies of its own, or
// skips the test where there is no browser; on a build machine it must be there.
func Start(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("browser tests take long: not with -short")
	}
	return open(t, running(t), chromedp.WithNewBrowserContext())
}

// Tab opens another tab of the window that Start returned, with the same cookies.
func Tab(t *testing.T, window context.Context) context.Context {
	t.Helper()
	return open(t, window)
}

func open(t *testing.T, parent context.Context, options ...chromedp.ContextOption) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, testTime)
	t.Cleanup(cancelTime)
	// The context of the first step owns the window, and that of a step may end. A
	// window behind another has the focus, too.
	_, err := chromedp.Call(
		ctx,
		emulation.SetFocusEmulationEnabled,
		emulation.SetFocusEmulationEnabledParams{Enabled: true},
	)
	if err != nil {
		t.Fatalf("open a window: %v", err)
	}
	return ctx
}

// running returns the context of the browser, which it starts for the first test.
func running(t *testing.T) context.Context {
	t.Helper()
	one.Lock()
	defer one.Unlock()
	if one.ctx != nil {
		return one.ctx
	}
	path := find()
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium: install it, or name it in CHROMIUM")
		}
		t.Skip("NO BROWSER TEST WAS RUN: install Chromium, or name it in CHROMIUM")
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox,
		// With several windows the renderer that is kept for the next navigation is of the wrong one, and is
		// started for nothing each time.
		chromedp.Flag("disable-features", "Translate,SpareRendererForSitePerProcess"),
		// Scripts live for one page: compiling them well costs more than it saves.
		chromedp.Flag("js-flags", "--no-opt,--no-maglev"))...)
	ctx, stop := chromedp.NewContext(alloc)
	_, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		stop()
		stopAlloc()
		t.Fatalf("start %s: %v", path, err)
	}
	one.ctx, one.stop = ctx, []func(){stop, stopAlloc}
	return ctx
}

// find returns where a browser is, "" for nowhere. The headless shell comes first: it is the
// same engine without the window around it, which costs as much as many a test.
func find() string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium-headless-shell", "chrome-headless-shell",
		"headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); name != "" && err == nil {
			return p
		}
	}
	return ""
}
