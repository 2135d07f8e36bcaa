package gateway_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/shared/gateway"
)

// serve returns what a handler sees of an event.
func serve(t *testing.T, event string, h http.HandlerFunc) gateway.Answer {
	t.Helper()
	got, err := gateway.Serve(h)(t.Context(), json.RawMessage(event))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestServeGivesTheRequestAsItWasSent: in either format, on whichever stage, behind
// whichever domain.
func TestServeGivesTheRequestAsItWasSent(t *testing.T) {
	t.Parallel()

	type seen struct{ Method, Host, Path, Escaped, Query, Body, Cookie, Remote string }
	const v2 = `{"version":"2.0","headers":{"host":"api.example.com"},"cookies":["a=1","b=2"],`
	const http2 = `"http":{"method":"GET","sourceIp":"192.0.2.1"}`
	const v1 = `{"multiValueHeaders":{"Host":["api.example.com"],"cookie":["a=1; b=2"]},"httpMethod":"POST",`
	const identity = `"identity":{"sourceIp":"192.0.2.1"}`
	for name, tc := range map[string]struct {
		event string
		want  seen
	}{
		"2.0": {v2 + `"rawPath":"/login","rawQueryString":"q=1&q=2","body":"hello","requestContext":{` + http2 + `}}`,
			seen{"GET", "api.example.com", "/login", "/login", "q=1&q=2", "hello", "1", "192.0.2.1"}},
		"escaped path": {v2 + `"routeKey":"$default","rawPath":"/api/events/a%2Fb","requestContext":{` + http2 + `}}`,
			seen{"GET", "api.example.com", "/api/events/a/b", "/api/events/a%2Fb", "", "", "1", "192.0.2.1"}},
		"binary": {v2 + `"rawPath":"/x","body":"` + base64.StdEncoding.EncodeToString([]byte{0xff, 1}) +
			`","isBase64Encoded":true,"requestContext":{` + http2 + `}}`,
			seen{"GET", "api.example.com", "/x", "/x", "", "\xff\x01", "1", "192.0.2.1"}},
		"stage": {v2 + `"routeKey":"$default","rawPath":"/prod/events","requestContext":{"stage":"prod",` + http2 + `}}`,
			seen{"GET", "api.example.com", "/events", "/events", "", "", "1", "192.0.2.1"}},
		"mapping key": {
			v2 + `"routeKey":"POST /callouts/zuora","rawPath":"/hs/callouts/zuora","requestContext":{"stage":"$default",` +
				http2 + `}}`,
			seen{"GET", "api.example.com", "/callouts/zuora", "/callouts/zuora", "", "", "1", "192.0.2.1"}},
		"mapping key and parameter": {
			v2 +
				`"routeKey":"GET /syncs/{event}","rawPath":"/hs/syncs/event-1","pathParameters":{"event":"event-1"},"requestContext":{` + http2 + `}}`,
			seen{"GET", "api.example.com", "/syncs/event-1", "/syncs/event-1", "", "", "1", "192.0.2.1"}},
		"a parameter without its value": {
			v2 + `"routeKey":"GET /syncs/{event}","rawPath":"/syncs/event-1","requestContext":{` + http2 + `}}`,
			seen{"GET", "api.example.com", "/syncs/event-1", "/syncs/event-1", "", "", "1", "192.0.2.1"}},
		"rest": {
			v1 +
				`"resource":"/login","path":"/prod/login","body":"x","multiValueQueryStringParameters":{"q":["1","2"]},"requestContext":{"stage":"prod",` + identity + `}}`,
			seen{"POST", "api.example.com", "/login", "/login", "q=1&q=2", "x", "1", "192.0.2.1"}},
		"rest proxy with a mapping key": {
			v1 +
				`"resource":"/{proxy+}","path":"/hs/syncs/event-1","pathParameters":{"proxy":"syncs/event-1"},"queryStringParameters":{"wait":"20"},"requestContext":{"stage":"prod",` + identity + `}}`,
			seen{"POST", "api.example.com", "/syncs/event-1", "/syncs/event-1", "wait=20", "", "1", "192.0.2.1"}},
	} {
		var got seen
		serve(t, tc.event, func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			c, err := r.Cookie("a")
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			got = seen{r.Method, r.Host, r.URL.Path, r.URL.EscapedPath(), r.URL.RawQuery, string(body), c.Value, r.RemoteAddr}
		})
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: request mismatch (-want +got):\n%s", name, diff)
		}
	}
}

func TestServeGivesTheAnswerAsItWasWritten(t *testing.T) {
	t.Parallel()

	const v2, v1 = `{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"GET"}}}`,
		`{"path":"/","httpMethod":"GET","requestContext":{}}`
	cookies := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Add("Set-Cookie", "s=1")
		w.Header().Add("Set-Cookie", "t=2")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "<p>")
	}
	for name, tc := range map[string]struct {
		event string
		serve http.HandlerFunc
		want  gateway.Answer
	}{
		"text with cookies": {v2, cookies,
			gateway.Answer{StatusCode: 418, Headers: map[string]string{"Content-Type": "text/html"},
				Cookies: []string{"s=1", "t=2"}, Body: "<p>"}},
		"cookies of a REST API": {v1, cookies,
			gateway.Answer{StatusCode: 418, Headers: map[string]string{"Content-Type": "text/html"},
				MultiHeaders: map[string][]string{"Set-Cookie": {"s=1", "t=2"}}, Body: "<p>"}},
		"binary": {v2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "font/woff2")
			_, _ = w.Write([]byte{0xff, 1})
		}, gateway.Answer{StatusCode: 200, Headers: map[string]string{"Content-Type": "font/woff2"}, Body: "/wE=",
			IsBase64: true}},
		"text of no said kind": {v2, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<!doctype html>")
		},
			gateway.Answer{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/html; charset=utf-8"},
				Body: "<!doctype html>"}},
		"packed": {v2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte{0x1f, 0x8b})
		}, gateway.Answer{StatusCode: 200, Headers: map[string]string{"Content-Encoding": "gzip"}, Body: "H4s=",
			IsBase64: true}},
		"a status that comes too late": {v2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "ok")
			w.WriteHeader(http.StatusTeapot)
		}, gateway.Answer{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/plain"}, Body: "ok"}},
		"nothing": {v2, func(http.ResponseWriter, *http.Request) {},
			gateway.Answer{StatusCode: 200, Headers: map[string]string{}}},
	} {
		if diff := cmp.Diff(tc.want, serve(t, tc.event, tc.serve)); diff != "" {
			t.Errorf("%s: answer mismatch (-want +got):\n%s", name, diff)
		}
	}
}

func TestServeRefusesABrokenEvent(t *testing.T) {
	t.Parallel()

	for name, event := range map[string]string{
		"body":   `{"version":"2.0","rawPath":"/","body":"not base64!","isBase64Encoded":true,"requestContext":{"http":{"method":"GET"}}}`,
		"method": `{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"a b"}}}`,
		"form":   `{"version":2}`,
		"list":   `[]`,
	} {
		if got := serve(t, event, http.NotFound); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: answer = %d; want 400", name, got.StatusCode)
		}
	}
}

// TestClaims: every place in which an authorizer leaves what it has verified.
func TestClaims(t *testing.T) {
	t.Parallel()

	const claims = `{"iss":"https://id.example.com","sub":"ada","n":1}`
	quoted, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"iss": "https://id.example.com", "sub": "ada", "n": json.Number("1")}
	for name, tc := range map[string]struct {
		authorizer string
		want       map[string]any
	}{
		"JWT authorizer":       {`{"jwt":{"claims":` + claims + `,"scopes":null}}`, want},
		"user pool authorizer": {`{"claims":` + claims + `}`, want},
		"REST, claims as text": {`{"principalId":"ada","claims":` + string(quoted) + `,"integrationLatency":4}`,
			want},
		"Lambda authorizer, claims":         {`{"lambda":{"claims":` + claims + `}}`, want},
		"Lambda authorizer, claims as text": {`{"lambda":{"claims":` + string(quoted) + `}}`, want},
		"Lambda authorizer, flat":           {`{"lambda":` + claims + `}`, want},
		"REST, Lambda authorizer, flat": {`{"principalId":"ada",` + claims[1:],
			map[string]any{"principalId": "ada", "iss": "https://id.example.com", "sub": "ada", "n": json.Number("1")}},
		"Lambda authorizer, something else":  {`{"lambda":{"tenant":"acme"}}`, nil},
		"REST, IAM":                          {`{"principalId":"ada"}`, nil},
		"text that is no claims":             {`{"claims":"ada"}`, nil},
		"a list":                             {`[]`, nil},
		"null":                               {`null`, nil},
		"Lambda authorizer that says no set": {`{"lambda":null}`, nil},
	} {
		e, err := gateway.Decode([]byte(`{"requestContext":{"authorizer":` + tc.authorizer + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, e.Claims(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s mismatch (-want +got):\n%s", name, diff)
		}
	}
}

// TestSampleEvents: every sample that API Gateway can send is read, and none else
// that is not.
func TestSampleEvents(t *testing.T) {
	t.Parallel()

	for pattern, path := range map[string]string{"http-*.json": "", "rest-*.json": "", "callout-*.json": "/callouts/zuora",
		"console-*.json": "/"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "events", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e, err := gateway.Decode(raw)
			if err != nil || e.Method() == "" || !strings.HasPrefix(e.EventPath(), "/") || path != "" && e.EventPath() != path {
				t.Errorf("%s: %s %q, %v", file, e.Method(), e.EventPath(), err)
			}
		}
	}
}
