package shop_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"hotsync/local/browser"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
)

func TestMain(m *testing.M) { os.Exit(browser.Main(m)) }

// A customer signs in at the shop and sees the subscriptions appear: plan, price,
// next payment, method and address, without a reload. The page is of another
// origin than the HTTP API, so that CORS is the real one.
func TestSignInAndSee(t *testing.T) {
	ctx := browser.Start(t)
	s := stacktest.Start(t, stack.Options{Personas: true})
	err := chromedp.Do(ctx, chromedp.Navigate(s.ShopURL), chromedp.Click("#sign-in"),
		chromedp.WaitReady("button[value=single]"), chromedp.Click("button[value=single]"),
		chromedp.WaitReady("main > article"))
	if err != nil {
		t.Fatalf("sign in at the shop: %v", err)
	}
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector("article").textContent`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Digital UK", "17.50", "A-S00101001", "active", "Next payment", "Visa ending in",
		"14 Clarendon Road"} {
		if !strings.Contains(text, want) {
			t.Errorf("the customer does not see %q in:\n%s", want, text)
		}
	}
	screenshot(t, ctx, "single")
	answer := s.Do(http.MethodGet, s.URL+"/api/events?status=succeeded&subject=direct%7Cada",
		s.Token("staff", map[string]any{"sub": "staff|viewer", "groups": []string{"viewer"}}), nil)
	if !strings.Contains(string(answer.Body), "A00000101") {
		t.Errorf("the console does not show the sync: %d %s", answer.Status, answer.Body)
	}
}

// screenshot keeps a picture of the page in the folder that HOTSYNC_SCREENSHOTS names.
func screenshot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	path := os.Getenv("HOTSYNC_SCREENSHOTS")
	if path == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(filepath.Join(path, "shop-"+name+".png"), png, 0o600)
	if err != nil {
		t.Fatal(err)
	}
}
