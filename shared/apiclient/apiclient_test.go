package apiclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/apiclient"
	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
)

var codes = apiclient.Codes{Unauthorized: hotsync.CodeZuoraUnauthorized, Refused: hotsync.CodeZuoraRefused,
	RateLimited: hotsync.CodeZuoraRateLimited, Unavailable: hotsync.CodeZuoraUnavailable, Answer: hotsync.CodeZuoraAnswer,
	Host: hotsync.CodeZuoraHost}

// api is the other side: it answers tokens t1, t2, … and whatever answer says.
type api struct {
	mu     sync.Mutex
	log    []string // METHOD path token
	tokens int
	token  func(n int) (status int, body string)
	answer func(r *http.Request) (*http.Response, error)
}

func (a *api) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	a.log = append(a.log, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+bearer))
	if r.URL.Path == "/token" {
		defer a.mu.Unlock()
		a.tokens++
		if a.token != nil {
			return reply(a.token(a.tokens)), nil
		}
		return reply(200, fmt.Sprintf(`{"access_token":"t%d","expires_in":3600}`, a.tokens)), nil
	}
	a.mu.Unlock()
	return a.answer(r)
}

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: -1}
}

func (a *api) client(t *testing.T, change func(*apiclient.Config)) *apiclient.Client {
	t.Helper()
	cfg := apiclient.Config{API: "Zuora", Base: "https://api.example.com", TokenPath: "/token", Codes: codes, Transport: a,
		Timeout: 10 * time.Second,
		MaxBody: 100, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Credentials: func(context.Context, bool) (string, string, error) { return "id", "secret", nil },
		Refused: func(_ apiclient.Request, res *http.Response, body []byte) error {
			code := hotsync.CodeZuoraRefused
			if res.StatusCode == http.StatusUnauthorized {
				code = hotsync.CodeZuoraUnauthorized
			}
			return hotsync.Errorf(code, "status %d, %d bytes", res.StatusCode, len(body)).
				After(apiclient.RetryAfter(time.Now(), res.Header.Get("Retry-After")))
		},
		Unread: func(_ *http.Response, err error) error {
			return hotsync.Errorf(hotsync.CodeZuoraAnswer, "unread").Because(err)
		}}
	if change != nil {
		change(&cfg)
	}
	c, err := apiclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var get = apiclient.Request{Method: http.MethodGet, Path: "/thing?x=1", Template: "/thing"}

// text reads a whole answer.
func text(ctx context.Context, c *apiclient.Client, r apiclient.Request) (out string, err error) {
	err = c.Do(ctx, r, func(body io.Reader) error {
		read, err := io.ReadAll(body)
		out = string(read)
		return err
	})
	return out, err
}

func codeOf(err error) hotsync.Code {
	if err == nil {
		return ""
	}
	return hotsync.AsError(err).Code
}

// failing is a body that breaks off after its text.
type failing struct{ io.Reader }

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (failing) Close() error { return nil }

func TestAnswers(t *testing.T) {
	t.Parallel()

	leak := &url.Error{Op: "Get", URL: "https://api.example.com/canary", Err: errors.New("reset")}
	redirect := func(to string) *http.Response {
		res := reply(302, "")
		res.Header.Set("Location", to)
		return res
	}
	long := reply(200, "{}")
	long.ContentLength = 101
	exact := reply(200, strings.Repeat("x", 100))
	exact.ContentLength = 100
	for _, tc := range []struct {
		name string
		res  *http.Response
		err  error
		text string
		code hotsync.Code
	}{
		{name: "good", res: reply(200, "fine"), text: "fine"},
		{name: "the last that is good", res: reply(299, "fine"), text: "fine"},
		{name: "the first redirect", res: reply(300, ""), code: hotsync.CodeZuoraAnswer},
		{name: "the last redirect", res: reply(399, ""), code: hotsync.CodeZuoraAnswer},
		{name: "none yet", res: reply(199, ""), code: hotsync.CodeZuoraRefused},
		{name: "created", res: reply(201, ""), text: ""},
		{name: "as much as is allowed", res: reply(200, strings.Repeat("x", 100)), text: strings.Repeat("x", 100)},
		{name: "as much as is allowed, and that says so", res: exact, text: strings.Repeat("x", 100)},
		{name: "a byte more", res: reply(200, strings.Repeat("x", 101)), code: hotsync.CodeZuoraAnswer},
		{name: "that says so", res: long, code: hotsync.CodeZuoraAnswer},
		{name: "that breaks off", res: &http.Response{StatusCode: 200, Body: failing{strings.NewReader("{")},
			ContentLength: -1}, code: hotsync.CodeZuoraUnavailable},
		{name: "shorter than what is looked at first",
			res:  &http.Response{StatusCode: 200, Body: failing{strings.NewReader("x")}, ContentLength: -1},
			code: hotsync.CodeZuoraUnavailable},
		{name: "a page", res: reply(200, " \r\n<!DOCTYPE html><title>Down for maintenance</title>"),
			code: hotsync.CodeZuoraUnavailable},
		{name: "a page after a mark", res: reply(200, "\ufeff<html>"), code: hotsync.CodeZuoraUnavailable},
		{name: "XML", res: reply(200, "<object/>"), text: "<object/>"},
		{name: "that names a page", res: reply(200, `"<html>"`), text: `"<html>"`},
		{name: "none", err: errors.New("connection refused"), code: hotsync.CodeZuoraUnavailable},
		{name: "none, and an address in the error", err: leak, code: hotsync.CodeZuoraUnavailable},
		{name: "refused", res: reply(400, "no"), code: hotsync.CodeZuoraRefused},
		{name: "refused and broken off", res: &http.Response{StatusCode: 400, Body: failing{strings.NewReader("n")}},
			code: hotsync.CodeZuoraRefused},
		{name: "redirect", res: redirect("/elsewhere"), code: hotsync.CodeZuoraAnswer},
		{name: "redirect to the same host and port", res: redirect("https://API.example.com:443/"),
			code: hotsync.CodeZuoraAnswer},
		{name: "redirect to another host", res: redirect("https://evil.example.com/"), code: hotsync.CodeZuoraHost},
		{name: "redirect to another port", res: redirect("https://api.example.com:8443/"), code: hotsync.CodeZuoraHost},
		{name: "redirect to another scheme", res: redirect("http://api.example.com/"), code: hotsync.CodeZuoraHost},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			a := &api{answer: func(*http.Request) (*http.Response, error) { return tc.res, tc.err }}
			got, err := text(t.Context(), a.client(t, nil), get)
			if codeOf(err) != tc.code || err == nil && got != tc.text {
				t.Errorf("%q, %v, want %q and code %q", got, err, tc.text, tc.code)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats what was asked for: %v", err)
			}
			if diff := cmp.Diff([]string{"POST /token", "GET /thing?x=1 t1"}, a.log); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// What is left of an answer is read on, so that its connection can be used again, but not
// without end.
func TestRestIsReadOn(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		path         string
		status       int
		length, left int
	}{
		{"/thing", 200, 50 << 10, 0},
		{"/thing", 200, 200 << 10, 100 << 10},
		{"/thing", 400, 50 << 10, 0},
		{"/thing", 400, 200 << 10, 100 << 10},
		{"/token", 418, 50 << 10, 0},
		{"/token", 418, 200 << 10, 100 << 10},
	} {
		rest := strings.NewReader(strings.Repeat("x", tc.length))
		answer := &http.Response{StatusCode: tc.status, Body: io.NopCloser(rest), ContentLength: -1}
		a := &api{}
		c := a.client(t, func(cfg *apiclient.Config) {
			cfg.MaxBody = 1 << 20
			cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == tc.path {
					return answer, nil
				}
				return a.RoundTrip(r)
			})
		})
		err := c.Do(t.Context(), get, func(body io.Reader) error {
			_, err := body.Read(make([]byte, 10))
			return err
		})
		if (err == nil) != (tc.status == 200) || rest.Len() < tc.left || tc.left == 0 && rest.Len() > 0 {
			t.Errorf("%s %d: %v with %d bytes left of %d, want %d", tc.path, tc.status, err, rest.Len(), tc.length, tc.left)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The wait that a token endpoint asks for counts, and a minute where it asks for none.
func TestTooManyTokens(t *testing.T) {
	t.Parallel()

	for asked, want := range map[string]time.Duration{"": time.Minute, "0": time.Minute, "7": 7 * time.Second} {
		c := (&api{}).client(t, func(cfg *apiclient.Config) {
			cfg.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				res := reply(429, "")
				res.Header.Set("Retry-After", asked)
				return res, nil
			})
		})
		_, err := text(t.Context(), c, get)
		if e := hotsync.AsError(err); e == nil || e.RetryAfter != want {
			t.Errorf("Retry-After %q: %v, want %s to wait", asked, err, want)
		}
	}
}

// An API may have a form of its own for the answer of its token endpoint, and somebody who
// looks at the headers of every answer; what was called is counted.
func TestOwnTokensAndObserver(t *testing.T) {
	t.Parallel()

	a := &api{token: func(int) (int, string) { return 200, "mine" },
		answer: func(*http.Request) (*http.Response, error) { return reply(400, ""), nil }}
	var seen []string
	c := a.client(t, func(cfg *apiclient.Config) {
		cfg.ReadToken = func(r io.Reader) (apiclient.Token, error) {
			value, err := io.ReadAll(r)
			return apiclient.Token{Value: string(value)}, err
		}
		cfg.Observe = func(r apiclient.Request, res *http.Response) {
			seen = append(seen, fmt.Sprintf("%s %t %d", r.Template, r.IsToken(), res.StatusCode))
		}
	})
	ctx, calls := telemetry.WithCallCount(t.Context())
	_, err := text(ctx, c, get)
	if codeOf(err) != hotsync.CodeZuoraRefused || calls.Load() != 2 {
		t.Errorf("Do = %v after %d calls, want it refused after 2", err, calls.Load())
	}
	if diff := cmp.Diff([]string{"POST /token", "GET /thing?x=1 mine"}, a.log); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/token true 200", "/thing false 400"}, seen); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// A header that nothing is known for is left out.
func TestHeadersOfNothing(t *testing.T) {
	t.Parallel()

	got := map[string]http.Header{}
	a := &api{answer: func(*http.Request) (*http.Response, error) { return reply(200, ""), nil }}
	c := a.client(t, func(cfg *apiclient.Config) {
		cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			got[r.URL.Path] = r.Header.Clone()
			return a.RoundTrip(r)
		})
	})
	_, err := text(t.Context(), c, get)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]http.Header{
		"/token": {"Accept": {"application/json"}, "User-Agent": {"hotsync"},
			"Content-Type": {"application/x-www-form-urlencoded"}},
		"/thing": {"Accept": {"application/json"}, "User-Agent": {"hotsync"}, "Authorization": {"Bearer t1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestPlainID(t *testing.T) {
	t.Parallel()

	for id, want := range map[string]string{
		"":                      "",
		"09azAZ-_":              "09azAZ-_",
		"/:`{@[ .\u00e9":        "",
		strings.Repeat("a", 64): strings.Repeat("a", 64),
		strings.Repeat("a", 65): strings.Repeat("a", 64),
	} {
		if got := apiclient.PlainID(id); got != want {
			t.Errorf("PlainID(%q) = %q, want %q", id, got, want)
		}
	}
}

// A reader's own error goes to Unread, unless it is one already.
func TestUnread(t *testing.T) {
	t.Parallel()

	a := &api{answer: func(*http.Request) (*http.Response, error) { return reply(200, "{"), nil }}
	c := a.client(t, nil)
	own := hotsync.Errorf(hotsync.CodeZuoraNotFound, "own")
	for want, err := range map[hotsync.Code]error{hotsync.CodeZuoraAnswer: errors.New("bad JSON"),
		hotsync.CodeZuoraNotFound: own} {
		got := c.Do(t.Context(), get, func(io.Reader) error { return err })
		if codeOf(got) != want || !errors.Is(got, err) {
			t.Errorf("Do = %v, want %s", got, want)
		}
	}
}

func TestUnauthorized(t *testing.T) {
	t.Parallel()

	long := "!" + strings.Repeat("x", 4094) + "~"
	for _, tc := range []struct {
		name      string
		accepts   string // the token that is taken
		token     func(int) (int, string)
		code      hotsync.Code
		refreshes []bool // of the credentials
		requests  []string
	}{
		{name: "at once", accepts: "t1", refreshes: []bool{false}, requests: []string{"POST /token", "GET /thing?x=1 t1"}},
		{name: "with a new token", accepts: "t2", refreshes: []bool{false, true},
			requests: []string{"POST /token", "GET /thing?x=1 t1", "POST /token", "GET /thing?x=1 t2"}},
		{name: "never", accepts: "-", refreshes: []bool{false, true}, code: hotsync.CodeZuoraUnauthorized,
			requests: []string{"POST /token", "GET /thing?x=1 t1", "POST /token", "GET /thing?x=1 t2"}},
		{name: "credentials were rotated", accepts: "t2", refreshes: []bool{false, true},
			token: func(n int) (int, string) {
				if n == 1 {
					return 401, "client secret"
				}
				return 200, `{"access_token":"t2"}`
			},
			requests: []string{"POST /token", "POST /token", "GET /thing?x=1 t2"}},
		{name: "credentials are wrong", refreshes: []bool{false, true}, code: hotsync.CodeZuoraUnauthorized,
			token: func(int) (int, string) { return 400, "client secret" }, requests: []string{"POST /token", "POST /token"}},
		{name: "too many tokens", refreshes: []bool{false}, code: hotsync.CodeZuoraRateLimited,
			token: func(int) (int, string) { return 429, "" }, requests: []string{"POST /token"}},
		{name: "no tokens now", refreshes: []bool{false}, code: hotsync.CodeZuoraUnavailable,
			token: func(int) (int, string) { return 503, "" }, requests: []string{"POST /token"}},
		{name: "no tokens for you", refreshes: []bool{false, true}, code: hotsync.CodeZuoraUnauthorized,
			token: func(int) (int, string) { return 403, "" }, requests: []string{"POST /token", "POST /token"}},
		{name: "broken", refreshes: []bool{false}, code: hotsync.CodeZuoraUnavailable,
			token: func(int) (int, string) { return 500, "" }, requests: []string{"POST /token"}},
		{name: "too slow", refreshes: []bool{false}, code: hotsync.CodeZuoraUnavailable,
			token: func(int) (int, string) { return 408, "" }, requests: []string{"POST /token"}},
		{name: "too early", refreshes: []bool{false}, code: hotsync.CodeZuoraUnavailable,
			token: func(int) (int, string) { return 425, "" }, requests: []string{"POST /token"}},
		{name: "the longest token", accepts: long, refreshes: []bool{false},
			token:    func(int) (int, string) { return 200, `{"access_token":"` + long + `"}` },
			requests: []string{"POST /token", "GET /thing?x=1 " + long}},
		{name: "too long a token", refreshes: []bool{false}, code: hotsync.CodeZuoraAnswer,
			token:    func(int) (int, string) { return 200, `{"access_token":"x` + long + `"}` },
			requests: []string{"POST /token"}},
		{name: "odd refusal", refreshes: []bool{false}, code: hotsync.CodeZuoraRefused,
			token: func(int) (int, string) { return 418, "" }, requests: []string{"POST /token"}},
		{name: "no token in it", refreshes: []bool{false}, code: hotsync.CodeZuoraAnswer,
			token: func(int) (int, string) { return 200, `{}` }, requests: []string{"POST /token"}},
		{name: "a token of two lines", refreshes: []bool{false}, code: hotsync.CodeZuoraAnswer,
			token: func(int) (int, string) { return 200, `{"access_token":"a\r\nb"}` }, requests: []string{"POST /token"}},
		{name: "no JSON", refreshes: []bool{false}, code: hotsync.CodeZuoraAnswer,
			token: func(int) (int, string) { return 200, `access_token=t1` }, requests: []string{"POST /token"}},
		{name: "a page that says there is no such thing", refreshes: []bool{false}, code: hotsync.CodeZuoraUnavailable,
			token: func(int) (int, string) { return 404, `<html>` }, requests: []string{"POST /token"}},
		{name: "no such thing", refreshes: []bool{false}, code: hotsync.CodeZuoraRefused,
			token: func(int) (int, string) { return 404, `{}` }, requests: []string{"POST /token"}},
		{name: "a page for a token", refreshes: []bool{false}, code: hotsync.CodeZuoraUnavailable,
			token: func(int) (int, string) { return 200, `<HTML>` }, requests: []string{"POST /token"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			a := &api{token: tc.token, answer: func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Authorization") != "Bearer "+tc.accepts {
					return reply(401, ""), nil
				}
				return reply(200, "ok"), nil
			}}
			var refreshes []bool
			c := a.client(t, func(cfg *apiclient.Config) {
				cfg.MaxBody = 8 << 10
				cfg.Credentials = func(_ context.Context, refresh bool) (string, string, error) {
					refreshes = append(refreshes, refresh)
					return "id", "canary", nil
				}
			})
			_, err := text(t.Context(), c, get)
			if codeOf(err) != tc.code {
				t.Errorf("Do = %v, want code %q", err, tc.code)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats the answer: %v", err)
			}
			if diff := cmp.Diff(tc.requests, a.log); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.refreshes, refreshes); diff != "" {
				t.Errorf("refreshes of the credentials (-want +got):\n%s", diff)
			}
		})
	}
}

// A token that one call finds refused stays in use where no other can be had: the next call
// may find it taken.
func TestFailedRenewalLosesNoToken(t *testing.T) {
	t.Parallel()

	calls := 0
	a := &api{
		token: func(n int) (int, string) {
			if n > 1 {
				return 503, ""
			}
			return 200, `{"access_token":"t1"}`
		},
		answer: func(*http.Request) (*http.Response, error) {
			calls++
			return reply(map[int]int{1: 401, 2: 200}[calls], ""), nil
		},
	}
	c := a.client(t, nil)
	for _, want := range []hotsync.Code{hotsync.CodeZuoraUnavailable, ""} {
		_, err := text(t.Context(), c, get)
		if codeOf(err) != want {
			t.Errorf("Do = %v, want code %q", err, want)
		}
	}
	want := []string{"POST /token", "GET /thing?x=1 t1", "POST /token", "GET /thing?x=1 t1"}
	if diff := cmp.Diff(want, a.log); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestTransport: where the other side can, all calls share one connection.
func TestTransport(t *testing.T) {
	t.Parallel()

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport := apiclient.NewTransport(3)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	t.Cleanup(transport.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.ProtoMajor != 2 {
		t.Errorf("called by %s, want HTTP/2", res.Proto)
	}
}

func TestCredentialsThatCannotBeRead(t *testing.T) {
	t.Parallel()

	own := hotsync.Errorf(hotsync.CodeSecretMissing, "no such secret")
	c := (&api{}).client(t, func(cfg *apiclient.Config) {
		cfg.Credentials = func(context.Context, bool) (string, string, error) { return "", "", own }
	})
	_, err := text(t.Context(), c, get)
	if !errors.Is(err, own) {
		t.Errorf("Do = %v, want the error of the credentials", err)
	}
}

func TestTokenLife(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, expiresIn string
		kept            time.Duration
	}{
		{"an hour", `,"expires_in":3600`, 59 * time.Minute},
		{"as text", `,"expires_in":"3600"`, 59 * time.Minute},
		{"with a fraction", `,"expires_in":3600.5`, 59*time.Minute + 500*time.Millisecond},
		{"short", `,"expires_in":20`, 10 * time.Second},
		{"for ever", `,"expires_in":1e30`, 24*time.Hour - time.Minute},
		{"not said", ``, 4 * time.Minute},
		{"no number", `,"expires_in":"NaN"`, 4 * time.Minute},
		{"null", `,"expires_in":null`, 4 * time.Minute},
		{"in the past", `,"expires_in":-5`, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				a := &api{token: func(int) (int, string) { return 200, `{"access_token":"t"` + tc.expiresIn + `}` },
					answer: func(*http.Request) (*http.Response, error) { return reply(200, ""), nil }}
				c := a.client(t, nil)
				asks := func(want int) {
					t.Helper()
					_, err := text(t.Context(), c, get)
					if err != nil || a.tokens != want {
						t.Fatalf("%v after %d tokens, want %d", err, a.tokens, want)
					}
				}
				asks(1)
				if tc.kept > 0 {
					time.Sleep(tc.kept - time.Millisecond)
					asks(1)
					time.Sleep(time.Millisecond)
				}
				asks(2)
			})
		})
	}
}

// However many need a token at once, one request fetches it, and one that gives
// up does not end it for the others.
func TestOneTokenForEverybody(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		a := &api{answer: func(*http.Request) (*http.Response, error) { return reply(200, ""), nil }}
		c := a.client(t, func(cfg *apiclient.Config) {
			cfg.Credentials = func(context.Context, bool) (string, string, error) {
				time.Sleep(time.Second)
				return "id", "secret", nil
			}
		})
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // the first to ask
			_, err := text(impatient, c, get)
			if codeOf(err) != hotsync.CodeTimeout || !errors.Is(err, context.Canceled) {
				t.Errorf("Do of somebody who left = %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				_, err := text(t.Context(), c, get)
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if a.tokens != 1 || c.Calls() != 21 {
			t.Errorf("%d tokens in %d requests, want 1 in 21", a.tokens, c.Calls())
		}
	})
}

// gate notes what it is told.
type gate struct {
	closed error
	log    []string
}

func (g *gate) Allow(context.Context) error { return g.closed }

func (g *gate) Report(ctx context.Context, status int, retryAfter time.Duration, err error) {
	end := "good"
	switch {
	case ctx.Err() != nil:
		end = "told with a dead context"
	case errors.Is(err, context.Canceled):
		end = "says nothing"
	case err != nil:
		end = string(codeOf(err))
	}
	g.log = append(g.log, fmt.Sprintf("%d %s %s", status, retryAfter, end))
}

func TestGate(t *testing.T) {
	t.Parallel()

	paused := hotsync.Errorf(hotsync.CodeZuoraPaused, "paused")
	limited := reply(429, "")
	limited.Header.Set("Retry-After", "7")
	silent := get
	silent.Silent = func(status int, err error) bool { return status == 502 && err != nil }
	const token = "200 0s good"
	for _, tc := range []struct {
		name    string
		closed  error
		request apiclient.Request
		answer  func(ctx context.Context) (*http.Response, error)
		want    []string
		code    hotsync.Code
	}{
		{name: "good", request: get, answer: func(context.Context) (*http.Response, error) { return reply(200, ""), nil },
			want: []string{token, "200 0s good"}},
		{name: "closed", request: get, closed: paused, code: hotsync.CodeZuoraPaused},
		{name: "refused", request: get, answer: func(context.Context) (*http.Response, error) { return limited, nil },
			want: []string{token, "429 7s zuora_request_refused"}, code: hotsync.CodeZuoraRefused},
		{name: "no answer", request: get,
			answer: func(context.Context) (*http.Response, error) { return nil, errors.New("reset") },
			want:   []string{token, "0 0s zuora_unavailable"}, code: hotsync.CodeZuoraUnavailable},
		{name: "too slow", request: get, answer: func(ctx context.Context) (*http.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, want: []string{token, "0 0s zuora_unavailable"}, code: hotsync.CodeZuoraUnavailable},
		{name: "silent", request: silent,
			answer: func(context.Context) (*http.Response, error) { return reply(502, ""), nil },
			want:   []string{token, "0 0s says nothing"}, code: hotsync.CodeZuoraRefused},
		{name: "silent, another status", request: silent,
			answer: func(context.Context) (*http.Response, error) { return reply(503, ""), nil },
			want:   []string{token, "503 0s zuora_request_refused"}, code: hotsync.CodeZuoraRefused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				a := &api{answer: func(r *http.Request) (*http.Response, error) { return tc.answer(r.Context()) }}
				g := &gate{closed: tc.closed}
				_, err := text(t.Context(), a.client(t, func(cfg *apiclient.Config) { cfg.Gate = g }), tc.request)
				if codeOf(err) != tc.code {
					t.Errorf("Do = %v, want code %q", err, tc.code)
				}
				if diff := cmp.Diff(tc.want, g.log); diff != "" {
					t.Errorf("reports (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A caller that gives up says nothing about the API.
func TestGateAndACallerThatLeaves(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := &api{answer: func(*http.Request) (*http.Response, error) {
			cancel()
			return nil, context.Canceled
		}}
		g := &gate{}
		_, err := text(ctx, a.client(t, func(cfg *apiclient.Config) { cfg.Gate = g }), get)
		if codeOf(err) != hotsync.CodeTimeout {
			t.Errorf("Do = %v", err)
		}
		if diff := cmp.Diff([]string{"200 0s good", "0 0s says nothing"}, g.log); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
	})
}

// The log has the template of a path, and nothing that was asked for or answered.
func TestLogAndHeaders(t *testing.T) {
	t.Parallel()

	var log strings.Builder
	var header http.Header
	a := &api{answer: func(r *http.Request) (*http.Response, error) {
		header = r.Header.Clone()
		res := reply(200, "canary")
		res.Header.Set("Request-Id", "ab-1\n<x>")
		return res, nil
	}}
	c := a.client(t, func(cfg *apiclient.Config) {
		cfg.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg.RequestID = "Request-Id"
		cfg.Header = func(context.Context) http.Header { return http.Header{"Track": {"1"}} }
	})
	r := get
	r.Path, r.Body, r.ContentType, r.Header = "/canary", []byte("canary"), "text/plain", http.Header{"Version": {"2"}}
	_, err := text(t.Context(), c, r)
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer t1"}, "Content-Type": {"text/plain"},
		"Track":      {"1"},
		"User-Agent": {"hotsync"}, "Version": {"2"}}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	var lines []string
	for line := range strings.Lines(log.String()) {
		var v map[string]any
		err = json.Unmarshal([]byte(line), &v)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%v %v %v %v %v", v["msg"], v["method"], v["path"], v["status"],
			v["zuora_request_id"]))
	}
	if diff := cmp.Diff([]string{"zuora call POST /token 200 <nil>", "zuora call GET /thing 200 ab-1x"},
		lines); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log says what was asked for: %s", log.String())
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		values []string
		want   time.Duration
	}{
		{nil, 0},
		{[]string{""}, 0},
		{[]string{"30"}, 30 * time.Second},
		{[]string{" 1.5 "}, 1500 * time.Millisecond},
		{[]string{"0"}, 0},
		{[]string{"0", "9"}, 0},
		{[]string{"0.5"}, 500 * time.Millisecond},
		{[]string{"-5"}, 0},
		{[]string{"NaN"}, 0},
		{[]string{"Inf"}, time.Hour},
		{[]string{"99999999999999999999"}, time.Hour},
		{[]string{"Sun, 01 Mar 2026 12:02:00 GMT"}, 2 * time.Minute},
		{[]string{"Sun, 01 Mar 2026 11:02:00 GMT"}, 0},
		{[]string{"Mon, 01 Mar 2027 11:02:00 GMT"}, time.Hour},
		{[]string{"soon"}, 0},
		{[]string{"", "9"}, 9 * time.Second},
		{[]string{"4", "9"}, 4 * time.Second},
	} {
		got := apiclient.RetryAfter(now, tc.values...)
		if got != tc.want {
			t.Errorf("RetryAfter(%q) = %s, want %s", tc.values, got, tc.want)
		}
	}
}

// FuzzToken: whatever a token endpoint answers, a token is used only when a header
// takes it.
func FuzzToken(f *testing.F) {
	for _, body := range []string{`{"access_token":"a","expires_in":1}`, `{"access_token":"a b"}`, `{"access_token":1}`,
		`[]`, ``, `{"expires_in":"NaN"}`,
		`{"access_token":"a","expires_in":{}}`, `{"access_token":"é"}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a := &api{token: func(int) (int, string) { return 200, body },
			answer: func(*http.Request) (*http.Response, error) { return reply(200, ""), nil }}
		_, err := text(t.Context(), a.client(t, nil), get)
		if err != nil {
			return
		}
		bearer := strings.TrimPrefix(a.log[1], "GET /thing?x=1 ")
		if bearer == "" || strings.ContainsFunc(bearer, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("token %q is sent", bearer)
		}
	})
}
