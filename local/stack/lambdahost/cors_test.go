package lambdahost_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/lambdahost"
	"hotsync/local/stack/template"
)

// TestCORS: what pages of other origins are told.
func TestCORS(t *testing.T) {
	t.Parallel()

	const shop = "https://shop.example.com"
	spec := probe(func(f *template.Function) {
		f.Routes = []template.Route{{Method: "POST", Path: "/login"}, {Method: "ANY", Path: "$default"}}
	})
	spec.CORS = &template.CORS{Origins: []string{shop, "http://127.0.0.1:8094"}, Methods: []string{"GET", "POST"},
		Headers: []string{"authorization", "content-type"}, MaxAge: 600}
	s := httptest.NewServer(start(t, lambdahost.Config{Template: spec}).HTTPAPI())
	t.Cleanup(s.Close)
	const origin = "Access-Control-Allow-Origin"
	preflight := map[string]string{origin: shop, "Access-Control-Allow-Methods": "GET,POST",
		"Access-Control-Allow-Headers": "authorization,content-type", "Access-Control-Max-Age": "600"}
	for _, tc := range []struct {
		name, method, origin, asks string
		status                     int
		want                       map[string]string
	}{
		{"preflight", "OPTIONS", shop, "POST", 204, preflight},
		{"preflight of a stranger", "OPTIONS", "https://evil.example.com", "POST", 204, nil},
		{"preflight of the null origin", "OPTIONS", "null", "POST", 204, nil},
		{"origins are compared exactly", "OPTIONS", "https://SHOP.example.com", "POST", 204, nil},
		{"a longer origin", "OPTIONS", shop + ".evil.example", "POST", 204, nil},
		{"another port", "OPTIONS", "http://127.0.0.1:8095", "POST", 204, nil},
		{"request", "POST", shop, "", 200, map[string]string{origin: shop}},
		{"request of a stranger", "POST", "https://evil.example.com", "", 200, nil},
		{"request of no page", "POST", "", "", 200, nil},
		{"OPTIONS that is no preflight", "OPTIONS", shop, "", 200, map[string]string{origin: shop}},
	} {
		req := request(t, tc.method, s.URL+"/login", strings.NewReader(`{}`))
		req.Header.Set("Content-Type", "application/json")
		if tc.origin != "" {
			req.Header.Set("Origin", tc.origin)
		}
		if tc.asks != "" {
			req.Header.Set("Access-Control-Request-Method", tc.asks)
		}
		res, _ := send(t, req)
		if res.StatusCode != tc.status {
			t.Errorf("%s: status %d, want %d", tc.name, res.StatusCode, tc.status)
		}
		if diff := cmp.Diff(tc.want, corsHeaders(res.Header)); diff != "" {
			t.Errorf("%s: mismatch (-want +got):\n%s", tc.name, diff)
		}
	}
}

func corsHeaders(h http.Header) map[string]string {
	var out map[string]string
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			if out == nil {
				out = map[string]string{}
			}
			out[name] = h.Get(name)
		}
	}
	return out
}
