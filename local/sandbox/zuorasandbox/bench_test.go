package zuorasandbox_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hotsync/local/sandbox/zuorasandbox"
)

// BenchmarkSync is what one sync of 60 subscriptions asks of the sandbox by the
// two calls and one more page of plan H.
func BenchmarkSync(b *testing.B) {
	s := zuorasandbox.New(zuorasandbox.Config{Personas: true})
	s.ServeHTTP(httptest.NewRecorder(),
		httptest.NewRequest("PUT", "/_sandbox/limits", strings.NewReader(`{"perMinute":1000000000}`)))
	form := url.Values{"client_id": {zuorasandbox.DefaultClientID}, "client_secret": {zuorasandbox.DefaultClientSecret},
		"grant_type": {"client_credentials"}}
	req := httptest.NewRequest("POST", "/oauth/token", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, req)
	_, rest, ok := strings.Cut(rec.Body.String(), `"access_token":"`)
	if !ok {
		b.Fatalf("token = %s", rec.Body)
	}
	paths := []string{
		"/object-query/accounts/A00000601?pageSize=99&expand%5B%5D=billto&expand%5B%5D=soldto&expand%5B%5D=shipto&expand%5B%5D=paymentmethods",
		"/v1/subscriptions/accounts/A00000601?pageSize=40&page=1&charge-detail=all-segments",
		"/v1/subscriptions/accounts/A00000601?pageSize=40&page=2&charge-detail=all-segments",
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, path := range paths {
			req := httptest.NewRequest("GET", path, nil)
			req.Header = http.Header{"Authorization": {"Bearer " + rest[:32]}, "Zuora-Version": {current},
				"Accept-Encoding": {"gzip"}}
			rec := httptest.NewRecorder()
			s.ServeHTTP(rec, req)
			if rec.Code != 200 {
				b.Fatalf("GET %s = %d", path, rec.Code)
			}
		}
	}
}
