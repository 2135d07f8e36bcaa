package httpapi_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"hotsync/shared/httpapi"
)

func event(method, path, query, body string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, RawQueryString: query, Body: body,
		Headers: map[string]string{"host": "api.example.com", "content-type": "text/plain"}, Cookies: []string{"a=1", "b=2"}}
	e.RequestContext.HTTP.Method = method
	e.RequestContext.HTTP.SourceIP = "192.0.2.1"
	return e
}

func TestAdaptGivesTheRequestAsItWasSent(t *testing.T) {
	t.Parallel()

	type seen struct{ Method, Host, Path, Escaped, Query, Body, Cookie, Remote string }
	base64Body := event("POST", "/x", "", base64.StdEncoding.EncodeToString([]byte{0xff, 1}))
	base64Body.IsBase64Encoded = true
	for _, tc := range []struct {
		name string
		in   events.APIGatewayV2HTTPRequest
		want seen
	}{
		{"plain", event("POST", "/login", "q=1&q=2", "hello"), seen{"POST", "api.example.com", "/login", "/login", "q=1&q=2", "hello", "1", "192.0.2.1"}},
		{"escaped path", event("GET", "/api/events/a%2Fb", "", ""), seen{"GET", "api.example.com", "/api/events/a/b", "/api/events/a%2Fb", "", "", "1", "192.0.2.1"}},
		{"binary", base64Body, seen{"POST", "api.example.com", "/x", "/x", "", "\xff\x01", "1", "192.0.2.1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			var got seen
			_, err := httpapi.Adapt(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				c, err := r.Cookie("a")
				if err != nil {
					t.Error(err)
					return
				}
				got = seen{r.Method, r.Host, r.URL.Path, r.URL.EscapedPath(), r.URL.RawQuery, string(body), c.Value, r.RemoteAddr}
			}))(t.Context(), tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("request mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAdaptGivesTheAnswerAsItWasWritten(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name  string
		serve http.HandlerFunc
		want  events.APIGatewayV2HTTPResponse
	}{
		{"text with cookies", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Add("Set-Cookie", "s=1")
			w.Header().Add("Set-Cookie", "t=2")
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "<p>")
		}, events.APIGatewayV2HTTPResponse{StatusCode: 418, Headers: map[string]string{"Content-Type": "text/html"}, Cookies: []string{"s=1", "t=2"}, Body: "<p>"}},
		{"binary", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "font/woff2")
			_, _ = w.Write([]byte{0xff, 1})
		}, events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "font/woff2"}, Body: "/wE=", IsBase64Encoded: true}},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got, err := httpapi.Adapt(tc.serve)(t.Context(), event("GET", "/", "", ""))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("answer mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAdaptRefusesABrokenEvent(t *testing.T) {
	t.Parallel()

	in := event("GET", "/", "", "not base64!")
	in.IsBase64Encoded = true
	got, err := httpapi.Adapt(http.NotFoundHandler())(t.Context(), in)
	if err != nil || got.StatusCode != http.StatusBadRequest {
		t.Errorf("answer = %d, %v; want 400", got.StatusCode, err)
	}
}
