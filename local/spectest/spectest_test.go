package spectest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"hotsync/local/spectest"
)

// recorder is a test that notes its failures instead of failing.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// answering is a server that always gives the same answer.
type answering struct{ status, contentType, body string }

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	var status int
	_, err := fmt.Sscan(a.status, &status)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {a.contentType}},
		Body: io.NopCloser(strings.NewReader(a.body))}, err
}

func TestTransport(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, method, path string
		answer             answering
		want               string // in the only failure; "" for none
	}{
		{"good", "GET", "/v1/accounts/A1", answering{"200", "application/json", `{"success":true}`}, ""},
		{"xml", "GET", "/v1/describe/Account", answering{"200", "text/xml", `<object/>`}, ""},
		{"broken xml", "GET", "/v1/describe/Account", answering{"200", "text/xml", `<object>`}, "answer to GET"},
		{"wrong type", "GET", "/v1/accounts/A1", answering{"200", "application/json", `{"success":"yes"}`}, "answer to GET"},
		{"status not in the file", "GET", "/v1/accounts/A1", answering{"302", "text/html", ``}, "answer to GET"},
		{"path not in the file", "GET", "/v1/nothing", answering{"200", "application/json", `{}`}, "not in the file"},
		{"bad request", "GET", "/object-query/accounts?pageSize=100", answering{"200", "application/json", `{"data":[]}`},
			"request GET"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			rec := &recorder{TB: t}
			client := spectest.Transport(rec, "zuora.openapi.yaml", "", tc.answer)
			req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://zuora.example"+tc.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || string(body) != tc.answer.body {
				t.Errorf("body = %q, %v; want %q", body, err, tc.answer.body)
			}
			switch {
			case tc.want == "" && len(rec.failures) > 0:
				t.Errorf("failures: %q", rec.failures)
			case tc.want != "" && (len(rec.failures) != 1 || !strings.Contains(rec.failures[0], tc.want)):
				t.Errorf("failures = %q, want one with %q", rec.failures, tc.want)
			}
		})
	}
}
