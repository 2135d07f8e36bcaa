package lambdahost_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/local/stack/lambdahost"
	"hotsync/local/stack/template"
)

// api serves the routes by the test function.
func api(t *testing.T, routes ...template.Route) *httptest.Server {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 8, 22, 10, 30, 0, 5e6, time.UTC) }
	h := start(t, lambdahost.Config{Template: probe(func(f *template.Function) { f.Routes = routes }), Now: now})
	s := httptest.NewServer(h.HTTPAPI())
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestHTTPEvent(t *testing.T) {
	t.Parallel()

	s := api(t, template.Route{Method: "POST", Path: "/things/{id}/{rest+}"})
	req := request(t, http.MethodPost, s.URL+"/things/a%20b/x/y%3Fz?b=1&a=2&b=3&empty", strings.NewReader(`{"é":1}`))
	req.Host = "api.example.com:8080"
	req.Header["X-Twice"] = []string{"1", "2"}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Cookie", "a=1; b=2")
	req.Header.Set("User-Agent", "test/1")
	req.Header.Set("X-Forwarded-For", "192.0.2.7")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("X-Amzn-Trace-Id", "Root=1-2-3")
	res, body := send(t, req)

	var got events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	want := events.APIGatewayV2HTTPRequest{
		Version:        "2.0",
		RouteKey:       "POST /things/{id}/{rest+}",
		RawPath:        "/things/a b/x/y?z",
		RawQueryString: "b=1&a=2&b=3&empty",
		Cookies:        []string{"a=1", "b=2"},
		Headers: map[string]string{
			"accept-encoding": "identity", "content-length": "8", "content-type": "application/json; charset=utf-8",
			"host":       "api.example.com:8080",
			"user-agent": "test/1", "x-amzn-trace-id": "Root=1-2-3", "x-forwarded-for": "192.0.2.7, 127.0.0.1",
			"x-forwarded-port":  "8080",
			"x-forwarded-proto": "http", "x-twice": "1,2",
		},
		QueryStringParameters: map[string]string{"a": "2", "b": "1,3", "empty": ""},
		PathParameters:        map[string]string{"id": "a b", "rest": "x/y?z"},
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: "POST /things/{id}/{rest+}", AccountID: "000000000000", Stage: "$default", APIID: "local",
			RequestID: res.Header.Get("Apigw-Requestid"), DomainName: "api.example.com", DomainPrefix: "api",
			Time: "22/Aug/2026:10:30:00 +0000", TimeEpoch: 1787394600005,
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: "POST", Path: "/things/a b/x/y?z", Protocol: "HTTP/1.1", SourceIP: "127.0.0.1", UserAgent: "test/1",
			},
		},
		Body: `{"é":1}`,
	}
	if diff := cmp.Diff(want, got); diff != "" || got.RequestContext.RequestID == "" {
		t.Errorf("event mismatch (-want +got):\n%s", diff)
	}
}

func TestHTTPRequestBody(t *testing.T) {
	t.Parallel()

	s := api(t, template.Route{Method: "ANY", Path: "$default"})
	for _, tc := range []struct {
		name, contentType, encoding, body string
		wantBase64                        bool
	}{
		{"json", "application/json", "", `{}`, false},
		{"text", "text/csv; charset=utf-8", "", "a,b", false},
		{"form", "application/x-www-form-urlencoded", "", "a=b", true},
		{"binary", "application/octet-stream", "", "\x00\xff", true},
		{"no type", "", "", "x", true},
		{"compressed json", "application/json", "gzip", "{}", true},
		{"json that is no UTF-8", "application/json", "", "\xff", true},
		{"empty", "application/octet-stream", "", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			req := request(t, http.MethodPost, s.URL+"/any", strings.NewReader(tc.body))
			if tc.contentType != "" {
				req.Header.Set("Content-Type", tc.contentType)
			}
			if tc.encoding != "" {
				req.Header.Set("Content-Encoding", tc.encoding)
			}
			_, body := send(t, req)
			var got events.APIGatewayV2HTTPRequest
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			want := tc.body
			if tc.wantBase64 {
				want = base64.StdEncoding.EncodeToString([]byte(tc.body))
			}
			if got.Body != want || got.IsBase64Encoded != tc.wantBase64 {
				t.Errorf("body = %q, base64 %t, want %q, %t", got.Body, got.IsBase64Encoded, want, tc.wantBase64)
			}
		})
	}
}

func TestHTTPRoutes(t *testing.T) {
	t.Parallel()

	s := api(t,
		template.Route{Method: "ANY", Path: "$default"},
		template.Route{Method: "ANY", Path: "/api/{proxy+}"},
		template.Route{Method: "GET", Path: "/api/{kind}/{id}"},
		template.Route{Method: "ANY", Path: "/api/events"},
		template.Route{Method: "GET", Path: "/api/events"},
		template.Route{Method: "GET", Path: "/api/events/{id}"},
		template.Route{Method: "GET", Path: "/"},
	)
	for _, tc := range []struct{ method, path, want string }{
		{"GET", "/", "GET /"},
		{"POST", "/", "$default"},
		{"GET", "/api/events", "GET /api/events"},
		{"POST", "/api/events", "ANY /api/events"},
		{"GET", "/api/events/1", "GET /api/events/{id}"},
		{"POST", "/api/events/1", "ANY /api/{proxy+}"},
		{"GET", "/api/settings/1", "GET /api/{kind}/{id}"},
		{"GET", "/api/a/b/c", "ANY /api/{proxy+}"},
		{"GET", "/api", "$default"},
		{"GET", "/api/", "$default"},
		{"GET", "/elsewhere", "$default"},
	} {
		_, body := send(t, request(t, tc.method, s.URL+tc.path, nil))
		var got events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s %s = %s: %v", tc.method, tc.path, body, err)
		}
		if got.RouteKey != tc.want || got.RequestContext.RouteKey != tc.want {
			t.Errorf("%s %s took the route %q, want %q", tc.method, tc.path, got.RouteKey, tc.want)
		}
	}
}

func TestHTTPAnswers(t *testing.T) {
	t.Parallel()

	s := api(t, template.Route{Method: "POST", Path: "/answer"}, template.Route{Method: "POST", Path: "/error"})
	const internal = `{"message":"Internal Server Error"}` + "\n"
	for _, tc := range []struct {
		name, answer, wantBody string
		wantStatus             int
		want                   http.Header
	}{
		{"full",
			`{"statusCode":201,"headers":{"X-A":"b","Location":"/x","x-n":1},"cookies":["a=1; Secure","b=2"],"body":"done"}`,
			"done", 201,
			http.Header{"X-A": {"b"}, "Location": {"/x"}, "X-N": {"1"}, "Set-Cookie": {"a=1; Secure", "b=2"},
				"Content-Type": {"text/plain;charset=UTF-8"}}},
		{"binary", `{"statusCode":200,"isBase64Encoded":true,"headers":{"content-type":"image/png"},"body":"AP8="}`,
			"\x00\xff", 200, http.Header{"Content-Type": {"image/png"}}},
		{"no body", `{"statusCode":204}`, "", 204, nil},
		{"any object", `{"a":1}`, `{"a":1}`, 200, http.Header{"Content-Type": {"application/json"}}},
		{"any list", `[1,2]`, `[1,2]`, 200, http.Header{"Content-Type": {"application/json"}}},
		{"any text", `"hello"`, `"hello"`, 200, http.Header{"Content-Type": {"application/json"}}},
		{"null", `null`, `null`, 200, http.Header{"Content-Type": {"application/json"}}},
		{"status is no number", `{"statusCode":"ok"}`, internal, 500, nil},
		{"status out of range", `{"statusCode":99}`, internal, 500, nil},
		{"status is null", `{"statusCode":null}`, internal, 500, nil},
		{"body is no text", `{"statusCode":200,"body":{}}`, internal, 500, nil},
		{"not base64", `{"statusCode":200,"isBase64Encoded":true,"body":"*"}`, internal, 500, nil},
		{"header is a list", `{"statusCode":200,"headers":{"a":[]}}`, internal, 500, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			req := request(t, http.MethodPost, s.URL+"/answer", strings.NewReader(tc.answer))
			req.Header.Set("Content-Type", "application/json")
			res, body := send(t, req)
			if res.StatusCode != tc.wantStatus || body != tc.wantBody {
				t.Errorf("answer = %d %q, want %d %q", res.StatusCode, body, tc.wantStatus, tc.wantBody)
			}
			for name, want := range tc.want {
				if diff := cmp.Diff(want, res.Header[name], cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("header %s mismatch (-want +got):\n%s", name, diff)
				}
			}
		})
	}
	t.Run("function error", func(t *testing.T) {
		t.Parallel()

		if res, body := send(t, request(t, http.MethodPost, s.URL+"/error", nil)); res.StatusCode != 500 || body != internal {
			t.Errorf("answer = %d %q, want 500 %q", res.StatusCode, body, internal)
		}
	})
}

func TestHTTPRefusals(t *testing.T) {
	t.Parallel()

	s := api(t, template.Route{Method: "POST", Path: "/answer"})
	long := func(n int) io.Reader { return bytes.NewReader(make([]byte, n)) }
	for _, tc := range []struct {
		name string
		req  *http.Request
		want int
	}{
		{"no route", request(t, http.MethodGet, s.URL+"/answer", nil), 404},
		{"body too large for the API", request(t, http.MethodPost, s.URL+"/answer", long(10<<20+1)), 413},
		{"body too large for the function", request(t, http.MethodPost, s.URL+"/answer", long(6<<20)), 413},
		{"headers too large", func() *http.Request {
			req := request(t, http.MethodPost, s.URL+"/answer", nil)
			req.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 10240))
			return req
		}(), 431},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			res, body := send(t, tc.req)
			if res.StatusCode != tc.want || !strings.HasPrefix(body, `{"message":"`) {
				t.Errorf("answer = %d %s, want %d and a message", res.StatusCode, body, tc.want)
			}
		})
	}
}

func TestInvokeAPI(t *testing.T) {
	t.Parallel()

	done := make(chan string, 1)
	c := newControl(t, func(_ context.Context, text string) string {
		done <- text
		return "ok"
	})
	h := start(t, lambdahost.Config{Template: probe(withControl(c))})
	s := httptest.NewServer(h.InvokeAPI())
	t.Cleanup(s.Close)
	post := func(name, kind, body string) (*http.Response, string) {
		req := request(t, http.MethodPost, s.URL+"/2015-03-31/functions/"+name+"/invocations", strings.NewReader(body))
		if kind != "" {
			req.Header.Set("X-Amz-Invocation-Type", kind)
		}
		return send(t, req)
	}
	for _, tc := range []struct {
		name, function, kind, body string
		wantStatus                 int
		wantBody, wantError        string
	}{
		{"echo", "probe", "", `{"a":1}`, 200, `{"a":1}`, ""},
		{"by arn", "arn:aws:lambda:us-east-1:000000000000:function:test-probe", "RequestResponse", `{}`, 200, `{}`, ""},
		{"by escaped arn", "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Atest-probe", "", `{}`, 200, `{}`, ""},
		{"empty", "probe", "", ``, 200, `{}`, ""},
		{"function error", "probe", "", `{"do":"error"}`, 200, `{"errorMessage":"it went wrong","errorType":"errorString"}`,
			"Unhandled"},
		{"dry run", "probe", "DryRun", `{}`, 204, ``, ""},
		{"unknown", "nobody", "", `{}`, 404,
			`{"Message":"Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody","Type":"User"}` + "\n", ""},
		{"not json", "probe", "", `{`, 400, `{"Message":"Could not parse request body into json.","Type":"User"}` + "\n", ""},
		{"wrong kind", "probe", "Later", `{}`, 400,
			`{"Message":"X-Amz-Invocation-Type is none of RequestResponse, Event and DryRun","Type":"User"}` + "\n", ""},
		{"too large", "probe", "Event", `"` + strings.Repeat("x", 1<<20) + `"`, 413,
			`{"Message":"Request must be smaller than 1048576 bytes for the InvokeFunction operation","Type":"User"}` + "\n",
			""},
		{"event", "probe", "Event", `{"do":"ask"}`, 202, ``, ""},
	} {
		res, body := post(tc.function, tc.kind, tc.body)
		if res.StatusCode != tc.wantStatus || body != tc.wantBody || res.Header.Get("X-Amz-Function-Error") != tc.wantError {
			t.Errorf("%s: answer = %d %s, error %q, want %d %s, %q", tc.name, res.StatusCode, body,
				res.Header.Get("X-Amz-Function-Error"), tc.wantStatus, tc.wantBody, tc.wantError)
		}
	}
	if got := <-done; got != `{"do":"ask"}` {
		t.Errorf("the asynchronous event was %s", got)
	}
	if res, _ := post("nobody", "", "{}"); res.Header.Get("X-Amzn-Errortype") != "ResourceNotFoundException" {
		t.Errorf("error type = %q, want ResourceNotFoundException", res.Header.Get("X-Amzn-Errortype"))
	}
}
