package zuora_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

// TestErrorShapes holds the client to every way in which Zuora says no:
// https://developer.zuora.com/docs/guides/error-handling
func TestErrorShapes(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name   string
		status int
		body   string
		header []string
		want   hotsync.Code
		after  time.Duration
	}{
		{name: "v1 old version", status: 200, want: hotsync.CodeZuoraNotFound,
			body: `{"success":false,"processId":"0123456789ABCDEF","reasons":[{"code":50000040,"message":"Cannot find entity by key: 'x'."}],"requestId":"r"}`},
		{name: "v1 old version, locked", status: 200, want: hotsync.CodeZuoraBusy,
			body: `{"success":false,"reasons":[{"code":50000050,"message":"lock"}]}`},
		{name: "v1 old version, code as text", status: 200, want: hotsync.CodeZuoraUnavailable,
			body: `{"success":false,"reasons":[{"code":"50000061","message":"temporary"}]}`},
		{name: "v1 not found", status: 404, want: hotsync.CodeZuoraNotFound,
			body: `{"success":false,"processId":"0","reasons":[{"code":50000040,"message":"m"}]}`},
		{name: "v1 permission", status: 403, want: hotsync.CodeZuoraForbidden,
			body: `{"success":false,"reasons":[{"code":50000010,"message":"m"}]}`},
		{name: "v1 permission, old version", status: 200, want: hotsync.CodeZuoraForbidden,
			body: `{"success":false,"reasons":[{"code":50000010,"message":"m"}]}`},
		{name: "v1 401", status: 401, want: hotsync.CodeZuoraUnauthorized,
			body: `{"success":false,"reasons":[{"code":"90000011","message":"m"}]}`},
		{name: "v1 401, old version", status: 200, want: hotsync.CodeZuoraUnauthorized,
			body: `{"success":false,"reasons":[{"code":"90000011","message":"m"}]}`},
		{name: "action 401", status: 401, want: hotsync.CodeZuoraUnauthorized, body: `{"message":"Authentication error"}`},
		{name: "v1 500", status: 500, want: hotsync.CodeZuoraUnavailable,
			body: `{"reasons":[{"code":"SystemError","message":"m"}]}`},
		{name: "v1 500 unknown word", status: 500, want: hotsync.CodeZuoraUnavailable,
			body: `{"reasons":[{"code":"Strange","message":"m"}]}`},
		{name: "v1 400", status: 400, want: hotsync.CodeZuoraRefused,
			body: `{"success":false,"reasons":[{"code":50000020,"message":"m"}]}`},
		{name: "every reason transient", status: 400, want: hotsync.CodeZuoraBusy,
			body: `{"success":false,"reasons":[{"code":50000061,"message":"m"},{"code":50000050,"message":"m"}]}`},
		{name: "one reason permanent", status: 400, want: hotsync.CodeZuoraRefused,
			body: `{"success":false,"reasons":[{"code":50000050,"message":"m"},{"code":50000020,"message":"m"}]}`},
		{name: "one reason permanent in a 500", status: 500, want: hotsync.CodeZuoraRefused,
			body: `{"success":false,"reasons":[{"code":50000060,"message":"m"},{"code":50000030,"message":"m"}]}`},
		{name: "Object Query filter", status: 400, want: hotsync.CodeZuoraRefused,
			body: `{"reasons":[{"code":50000027,"message":"Invalid filter parameter: id"}],"requestId":"r"}`},
		{name: "Object Query 500", status: 500, want: hotsync.CodeZuoraUnavailable,
			body: `{"reasons":[{"code":50000060,"message":"m"}]}`},
		{name: "rate limit", status: 429, want: hotsync.CodeZuoraRateLimited, after: 600 * time.Second,
			header: []string{"Ratelimit-Reset", "600"},
			body:   `{"reasons":[{"code":70,"message":"API Rate limit exceeded for the hour, retry after 600 seconds"}]}`},
		{name: "rate limit, Retry-After first", status: 429, want: hotsync.CodeZuoraRateLimited, after: 7 * time.Second,
			header: []string{"Ratelimit-Reset", "600", "Retry-After", "7"}, body: `{"reasons":[{"code":70,"message":"m"}]}`},
		{name: "rate limit for ever", status: 429, want: hotsync.CodeZuoraRateLimited, after: time.Hour,
			header: []string{"Retry-After", "999999999999"},
			body:   `{"reasons":[{"code":70,"message":"m"}]}`},
		{name: "rate limit, nonsense", status: 429, want: hotsync.CodeZuoraRateLimited,
			header: []string{"Retry-After", "soon", "Ratelimit-Reset", "-3"}, body: `oops`},
		{name: "rate limit, date", status: 429, want: hotsync.CodeZuoraRateLimited, after: time.Minute,
			header: []string{"Retry-After", now.Add(time.Minute).Format(http.TimeFormat)}, body: `{}`},
		{name: "concurrency", status: 429, want: hotsync.CodeZuoraBusy, after: 120 * time.Second,
			header: []string{"Retry-After", "120", "Ratelimit-Reset", "3600"},
			body:   `{"success":false,"reasons":[{"code":50000070,"message":"m"}]}`},
		{name: "concurrency without Retry-After", status: 429, want: hotsync.CodeZuoraBusy,
			header: []string{"Ratelimit-Reset", "3600"}, body: `{"reasons":[{"code":50000070,"message":"m"}]}`},
		{name: "action fault", status: 400, want: hotsync.CodeZuoraRefused,
			body: `{"FaultCode":"INVALID_FIELD","FaultMessage":"m"}`},
		{name: "action fault with a prefix", status: 400, want: hotsync.CodeZuoraBusy,
			body: `{"FaultCode":"fns:LOCK_COMPETITION","FaultMessage":"m"}`},
		{name: "action fault as 200", status: 200, want: hotsync.CodeZuoraUnavailable,
			body: `{"FaultCode":"SERVER_UNAVAILABLE","FaultMessage":"m"}`},
		{name: "action client error", status: 400, want: hotsync.CodeZuoraRefused,
			body: `{"code":"ClientError","message":"m"}`},
		{name: "client error as 200", status: 200, want: hotsync.CodeZuoraRefused,
			body: `{"code":"ClientError","message":"m"}`},
		{name: "CRUD", status: 200, want: hotsync.CodeZuoraRefused,
			body: `{"Success":false,"Errors":[{"Code":"INVALID_VALUE","Message":"m"}]}`},
		{name: "reasons after the data", status: 200, want: hotsync.CodeZuoraBusy,
			body: `{"basicInfo":{"id":"` + accountID + `"},"success":false,"reasons":[{"code":50000050}]}`},
		{name: "reasons in spite of success", status: 200, want: hotsync.CodeZuoraBusy,
			body: `{"success":true,"basicInfo":{"id":"` + accountID + `"},"reasons":[{"code":50000050}]}`},
		{name: "no reason given", status: 200, want: hotsync.CodeZuoraAnswer, body: `{"success":false}`},
		{name: "reasons of the wrong type", status: 200, want: hotsync.CodeZuoraAnswer,
			body: `{"success":false,"reasons":"no"}`},
		{name: "code of the wrong type", status: 200, want: hotsync.CodeZuoraRefused,
			body: `{"success":false,"reasons":[{"code":{}}]}`},
		{name: "success missing", status: 200, want: hotsync.CodeZuoraAnswer,
			body: `{"basicInfo":{"id":"` + accountID + `"}}`},
		{name: "success of the wrong type", status: 200, want: hotsync.CodeZuoraAnswer,
			body: `{"success":"true","basicInfo":{"id":"` + accountID + `"}}`},
		{name: "no account", status: 200, want: hotsync.CodeZuoraAnswer, body: `{"success":true}`},
		{name: "empty", status: 200, want: hotsync.CodeZuoraAnswer, body: ``},
		{name: "null", status: 200, want: hotsync.CodeZuoraAnswer, body: `null`},
		{name: "a list", status: 200, want: hotsync.CodeZuoraAnswer, body: `[]`},
		{name: "HTML", status: 200, want: hotsync.CodeZuoraUnavailable, body: `<html>We'll be back</html>`},
		{name: "cut off", status: 200, want: hotsync.CodeZuoraAnswer, body: `{"success":true,"basicInfo":{"id":"8a`},
		{name: "two answers", status: 200, want: hotsync.CodeZuoraAnswer, body: accountBody(accountID, number) + `{}`},
		{name: "wrong type inside", status: 200, want: hotsync.CodeZuoraAnswer,
			body: `{"success":true,"basicInfo":{"id":42}}`},
		{name: "nesting", status: 200, want: hotsync.CodeZuoraAnswer,
			body: `{"success":true,"x":` + strings.Repeat("[", 100_000)},
		{name: "204", status: 204, want: hotsync.CodeZuoraAnswer}, // good, and without what was asked for
		{name: "400 without a body", status: 400, want: hotsync.CodeZuoraRefused},
		{name: "404 of a proxy", status: 404, want: hotsync.CodeZuoraUnavailable, body: `<html>`},
		{name: "405", status: 405, want: hotsync.CodeZuoraRefused, body: `{"reasons":[{"code":50000045,"message":"m"}]}`},
		{name: "408", status: 408, want: hotsync.CodeZuoraUnavailable},
		{name: "409 locked", status: 409, want: hotsync.CodeZuoraBusy,
			body: `{"success":false,"reasons":[{"code":50000050}]}`},
		{name: "502 text", status: 502, want: hotsync.CodeZuoraUnavailable, body: `Bad Gateway`},
		{name: "503 with Retry-After", status: 503, want: hotsync.CodeZuoraUnavailable, after: 30 * time.Second,
			header: []string{"Retry-After", "30"}},
		{name: "504", status: 504, want: hotsync.CodeZuoraUnavailable},
		{name: "a redirect within the host", status: 302, want: hotsync.CodeZuoraAnswer,
			header: []string{"Location", "/v2/accounts"}},
		{name: "a redirect elsewhere", status: 302, want: hotsync.CodeZuoraHost,
			header: []string{"Location", "https://example.com/"}},
		{name: "a redirect elsewhere without a scheme", status: 307, want: hotsync.CodeZuoraHost,
			header: []string{"Location", "//example.com/"}},
		{name: "a redirect to another port", status: 308, want: hotsync.CodeZuoraHost,
			header: []string{"Location", "http://127.0.0.1:2/"}},
		{name: "a redirect to nowhere", status: 301, want: hotsync.CodeZuoraHost,
			header: []string{"Location", "http://%zz/"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			c := newClient(t, always(tc.status, tc.body, tc.header...),
				func(cfg *zuora.Config) { cfg.Now = func() time.Time { return now } })
			_, err := c.Resolve(t.Context(), number)
			wantCode(t, "Resolve", err, tc.want)
			if err == nil {
				return
			}
			if got := hotsync.AsError(err).RetryAfter; got != tc.after {
				t.Errorf("RetryAfter = %s, want %s", got, tc.after)
			}
			if strings.Contains(err.Error(), "entity by key") || strings.Contains(err.Error(), "message") {
				t.Errorf("the error repeats the answer: %v", err)
			}
		})
	}
}

func TestBrokenConnection(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
	}{
		{name: "no connection", answer: func(*http.Request) (*http.Response, error) { return nil, errBroken }},
		{name: "breaks off in the body", answer: func(*http.Request) (*http.Response, error) {
			res := reply(200, "")
			res.Body = breaksOff(`{"success":true,`)
			return res, nil
		}},
		{name: "shorter than announced", answer: func(*http.Request) (*http.Response, error) {
			res := reply(200, "")
			res.Body = io.NopCloser(io.MultiReader(strings.NewReader(accountBody(accountID, number)),
				errReader{io.ErrUnexpectedEOF}))
			return res, nil
		}},
		{name: "breaks off in an error", answer: func(*http.Request) (*http.Response, error) {
			res := reply(503, "")
			res.Body = breaksOff(`{"reasons":[`)
			return res, nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			_, err := newClient(t, &fake{answer: tc.answer}).Resolve(t.Context(), number)
			wantCode(t, "Resolve", err, hotsync.CodeZuoraUnavailable)
		})
	}
}
