// Package browser starts a headless Chromium for tests that look at pages as
// people do.
package browser

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Start starts a headless browser for a test, or skips it where there is none; on a
// build machine it must be there.
func Start(t *testing.T) context.Context {
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
	// The context of the first step owns the browser, and that of a step may end.
	_, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}
