package staff_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A callback counts for the sign-in that this browser began, once, and not for long: whoever sends somebody the link of
// a callback of his own would else have him work in a session that is not his.
func TestCallbackOfAnotherSignIn(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		change func(q url.Values)
		after  time.Duration
		again  bool // used once before
		want   string
	}{
		{name: "as it should be", change: func(url.Values) {}, want: "Vera Viewer viewer"},
		{name: "another state", change: func(q url.Values) { q.Set("state", strings.Repeat("x", len(q.Get("state")))) },
			want: "nobody"},
		{name: "no state", change: func(q url.Values) { q.Del("state") }, want: "nobody"},
		{name: "too late", change: func(url.Values) {}, after: time.Hour, want: "nobody"},
		{name: "a second time", change: func(url.Values) {}, again: true, want: "nobody"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			callback := ""
			b.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				if strings.HasPrefix(r.URL.Path, "/signin/callback") {
					callback = r.URL.RequestURI()
					return http.ErrUseLastResponse
				}
				return nil
			}
			b.ask(t, http.MethodGet, "/signin/start?to=/")
			b.browser.CheckRedirect = nil
			address, err := url.Parse(callback)
			if err != nil || callback == "" {
				t.Fatalf("the provider led to %q: %v", callback, err)
			}
			q := address.Query()
			tc.change(q)
			address.RawQuery = q.Encode()
			b.now = b.now.Add(tc.after)
			if tc.again {
				b.ask(t, http.MethodGet, address.String())
				b.ask(t, http.MethodPost, "/signout")
			}
			b.ask(t, http.MethodGet, address.String())
			if got := b.ask(t, http.MethodGet, "/"); got != tc.want {
				t.Errorf("the door knows %q, want %q", got, tc.want)
			}
		})
	}
}
