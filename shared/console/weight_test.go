package console_test

import (
	"bytes"
	"compress/gzip"
	"testing"

	"hotsync/shared/console/internal/sample"
)

// TestPagesAreLight holds the pages of an administrator to 10 KB each, as they
// travel.
func TestPagesAreLight(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, events...)
	b.settings.value = twoProviders()
	cfg := b.config()
	cfg.Catalogue = somePlans()
	b.serve(cfg)
	c := b.signIn("admin")
	for _, path := range []string{"/settings", "/settings/history", "/settings/history/4", "/erase", "/tryout",
		"/catalogue", "/me", "/audit",
		"/accounts/" + sample.Account.Number} {
		a := c.get(path)
		a.wantStatus(t, 200)
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write([]byte(a.body))
		if err != nil {
			t.Fatal(err)
		}
		err = z.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %d compressed", path, len(a.body), packed.Len())
		if packed.Len() > 10<<10 {
			t.Errorf("%s is %d bytes compressed, want 10 KB at most", path, packed.Len())
		}
	}
}
