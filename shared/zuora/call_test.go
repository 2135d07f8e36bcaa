package zuora_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
	"hotsync/shared/zuora"
)

func TestHeaders(t *testing.T) {
	t.Parallel()

	f := byPath(map[string]string{"/v1/accounts/A00000101": accountBody(accountID, number)})
	c := newClient(t, f)
	const event = "event-0195f3d2c9f07cc9a1b2c3d4e5f60718"
	ctx, calls := telemetry.WithCallCount(zuora.WithTrackID(t.Context(), event))
	_, err := c.Resolve(ctx, number)
	if err != nil {
		t.Fatal(err)
	}
	if got := calls.Load(); got != 2 {
		t.Errorf("%d calls were counted, want 2", got)
	}
	want := []http.Header{
		{"User-Agent": {"hotsync"}, "Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"},
			"Zuora-Track-Id": {"0195f3d2c9f07cc9a1b2c3d4e5f60718"}},
		{"User-Agent": {"hotsync"}, "Accept": {"application/json"},
			"Authorization": {"Bearer 0123456789abcdef0123456789abcdef"}, "Zuora-Version": {"2025-08-12"},
			"Zuora-Track-Id": {"0195f3d2c9f07cc9a1b2c3d4e5f60718"}},
	}
	var got []http.Header
	for _, r := range f.requests {
		got = append(got, r.Header)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestTrackID(t *testing.T) {
	t.Parallel()

	for in, want := range map[string]string{
		"event-0195f3d2c9f07cc9a1b2c3d4e5f60718": "0195f3d2c9f07cc9a1b2c3d4e5f60718",
		"a:b;c\"d'e\r\nf":                        "abcdef",
		"":                                       "",
		"é":                                      "",
		strings.Repeat("x", 100):                 strings.Repeat("x", 64),
	} {
		f := byPath(map[string]string{"/v1/accounts/A00000101": accountBody(accountID, number)})
		_, err := newClient(t, f).Resolve(zuora.WithTrackID(t.Context(), in), number)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.requests[1].Header.Get("Zuora-Track-Id"); got != want {
			t.Errorf("track id of %q = %q, want %q", in, got, want)
		}
	}
}

func TestKeysInPaths(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		key  string
		path string // "" for refused without a call
	}{
		{key: "A00000101", path: "/v1/accounts/A00000101"},
		{key: "A 1&b=c+d@é", path: "/v1/accounts/A%201&b=c+d@%C3%A9"},
		{key: "A 1/2#3:4", path: "/v1/accounts/A%201%2F2%233:4"},
		{key: ""}, {key: "."}, {key: ".."}, {key: "..."}, {key: " A1"}, {key: "A1\n"}, {key: "A\x001"},
		{key: "a/../b"}, {key: "../a"}, {key: "a/."}, {key: `a\b`}, {key: "a?b"}, {key: "a%2fb"}, {key: "a;b"}, {
			key: "\xff"}, {key: strings.Repeat("a", 101)},
	} {
		f := &fake{answer: func(r *http.Request) (*http.Response, error) {
			return reply(200, accountBody(accountID, tc.key)), nil
		}}
		_, err := newClient(t, f).Resolve(t.Context(), tc.key)
		if tc.path == "" {
			wantCode(t, fmt.Sprintf("Resolve(%q)", tc.key), err, hotsync.CodeBadRequest)
			if len(f.requests) != 0 {
				t.Errorf("Resolve(%q) made %d requests", tc.key, len(f.requests))
			}
			continue
		}
		wantCode(t, fmt.Sprintf("Resolve(%q)", tc.key), err, "")
		if got := f.requests[1].URL.EscapedPath(); got != tc.path {
			t.Errorf("Resolve(%q) asked for %s, want %s", tc.key, got, tc.path)
		}
	}
}

// serve answers over a real connection; the token endpoint grants.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			fmt.Fprint(w, tokenBody)
			return
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestGzip(t *testing.T) {
	t.Parallel()

	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("Accept-Encoding = %q, want gzip", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, accountBody(accountID, number))
		err := z.Close()
		if err != nil {
			t.Error(err)
		}
	})
	got, err := newClient(t, nil, func(cfg *zuora.Config) { cfg.BaseURL = url }).Resolve(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	if want := (hotsync.AccountRef{ID: accountID, Number: number}); got != want {
		t.Errorf("Resolve = %+v, want %+v", got, want)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()

	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host was called, Authorization %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	_, err := newClient(t, nil, func(cfg *zuora.Config) { cfg.BaseURL = url }).Resolve(t.Context(), number)
	wantCode(t, "Resolve", err, hotsync.CodeZuoraHost)
}

// TestHugeAnswers sends 50 MB in several disguises and measures what that costs,
// for which it must be alone.
func TestHugeAnswers(t *testing.T) {
	const size = 50 << 20
	flood := func(w io.Writer, head, chunk string) {
		_, err := io.WriteString(w, head)
		for n := 0; n < size && err == nil; n += len(chunk) {
			_, err = io.WriteString(w, chunk)
		}
	}
	for name, write := range map[string]http.HandlerFunc{
		"one string": func(w http.ResponseWriter, _ *http.Request) {
			flood(w, `{"success":true,"x":"`, strings.Repeat("a", 1<<20))
		},
		"blanks": func(w http.ResponseWriter, _ *http.Request) { flood(w, `{"success":true,`, strings.Repeat(" ", 1<<20)) },
		"subscriptions": func(w http.ResponseWriter, _ *http.Request) {
			flood(w, `{"success":true,"subscriptions":[{}`, strings.Repeat(`,{}`, 1<<18))
		},
		"many members": func(w http.ResponseWriter, _ *http.Request) {
			flood(w, `{"success":true`, strings.Repeat(`,"a":1`, 1<<18))
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			flood(w, `{"reasons":[`, strings.Repeat(`{},`, 1<<18))
		},
		"announced size": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			flood(w, "{", " ")
		},
		"gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			flood(z, `{"success":true,"x":"`, strings.Repeat("a", 1<<20))
			_ = z.Close() // the client has gone
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, write)
			c := newClient(t, nil, func(cfg *zuora.Config) { cfg.BaseURL, cfg.MaxBody = url, 2<<20 })
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err := c.Resolve(t.Context(), number)
			runtime.ReadMemStats(&after)
			want := hotsync.CodeZuoraAnswer
			if name == "an error" {
				want = hotsync.CodeZuoraRefused
			}
			wantCode(t, "Resolve", err, want)
			// What was taken from the system is the peak; the server that writes is in it.
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 32<<20 {
				t.Errorf("the heap grew by %d MB", grown>>20)
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()

	hang := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	drip := func(r *http.Request) (*http.Response, error) {
		res := reply(200, "")
		res.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"success":true`), hanging{r.Context()}))
		return res, nil
	}
	for _, tc := range []struct {
		name   string
		fake   *fake
		caller time.Duration
		want   hotsync.Code
		took   time.Duration
	}{
		{name: "hangs", fake: &fake{answer: hang}, caller: time.Hour, want: hotsync.CodeZuoraUnavailable,
			took: 3 * time.Second},
		{name: "hangs in the body", fake: &fake{answer: drip}, caller: time.Hour, want: hotsync.CodeZuoraUnavailable,
			took: 3 * time.Second},
		{name: "token hangs", fake: &fake{token: hang}, caller: time.Hour, want: hotsync.CodeZuoraUnavailable,
			took: 3 * time.Second},
		{name: "the caller's time is up", fake: &fake{answer: hang}, caller: time.Second, want: hotsync.CodeTimeout,
			took: time.Second},
		{name: "the caller's time is up in the body", fake: &fake{answer: drip}, caller: time.Second,
			want: hotsync.CodeTimeout, took: time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, tc.fake, func(cfg *zuora.Config) { cfg.Timeout = 3 * time.Second })
				ctx, cancel := context.WithTimeout(t.Context(), tc.caller)
				defer cancel()
				began := time.Now()
				_, err := c.Resolve(ctx, number)
				wantCode(t, "Resolve", err, tc.want)
				if took := time.Since(began); took != tc.took {
					t.Errorf("took %s, want %s", took, tc.took)
				}
			})
		})
	}
}

// hanging blocks until its context ends, as a body does.
type hanging struct{ ctx context.Context }

// Read implements io.Reader.
func (h hanging) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

// gate writes down what it is asked and told.
type gate struct {
	mu     sync.Mutex
	log    []string
	closed error
}

// Allow implements zuora.Gate.
func (g *gate) Allow(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.log = append(g.log, "allow")
	}
	return g.closed
}

// Report implements zuora.Gate.
func (g *gate) Report(ctx context.Context, status int, retryAfter time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	code := "ok"
	switch {
	case errors.Is(err, context.Canceled):
		code = "gave up"
	case err != nil:
		code = string(hotsync.AsError(err).Code)
	}
	if ctx.Err() != nil {
		code += " with a dead context"
	}
	g.log = append(g.log, fmt.Sprintf("%d %s %s", status, retryAfter, code))
}

func TestGate(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		want   []string
	}{
		{name: "good", answer: account, want: []string{"allow", "200 0s ok", "allow", "200 0s ok"}},
		{name: "limited", answer: always(429, `{"reasons":[{"code":70}]}`, "Retry-After", "5").answer,
			want: []string{"allow", "200 0s ok", "allow", "429 5s zuora_rate_limited"}},
		{name: "unreachable", answer: func(*http.Request) (*http.Response, error) { return nil, errBroken },
			want: []string{"allow", "200 0s ok", "allow", "0 0s zuora_unavailable"}},
		{name: "nonsense", answer: always(200, `[]`).answer,
			want: []string{"allow", "200 0s ok", "allow", "200 0s zuora_answer_invalid"}},
		{name: "failure as 200", answer: always(200, `{"success":false,"reasons":[{"code":50000061}]}`).answer,
			want: []string{"allow", "200 0s ok", "allow", "200 0s zuora_unavailable"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			g := &gate{}
			_, _ = newClient(t, &fake{answer: tc.answer}, func(cfg *zuora.Config) { cfg.Gate = g }).Resolve(t.Context(), number)
			if diff := cmp.Diff(tc.want, g.log); diff != "" {
				t.Errorf("gate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGateOfACallerThatGaveUp(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	g := &gate{}
	f := &fake{answer: func(r *http.Request) (*http.Response, error) {
		cancel()
		return nil, r.Context().Err()
	}}
	_, err := newClient(t, f, func(cfg *zuora.Config) { cfg.Gate = g }).Resolve(ctx, number)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve error = %v, want context.Canceled", err)
	}
	if diff := cmp.Diff([]string{"allow", "200 0s ok", "allow", "0 0s gave up"}, g.log); diff != "" {
		t.Errorf("gate (-want +got):\n%s", diff)
	}
}

func TestClosedGate(t *testing.T) {
	t.Parallel()

	g := &gate{closed: hotsync.Errorf(hotsync.CodeZuoraPaused, "Paused.").After(time.Minute)}
	f := &fake{}
	_, err := newClient(t, f, func(cfg *zuora.Config) { cfg.Gate = g }).Resolve(t.Context(), number)
	wantCode(t, "Resolve", err, hotsync.CodeZuoraPaused)
	if got := hotsync.AsError(err).RetryAfter; got != time.Minute {
		t.Errorf("RetryAfter = %s, want 1m", got)
	}
	if len(f.requests)+len(g.log) != 0 {
		t.Errorf("%d requests, gate log %v; want none", len(f.requests), g.log)
	}
}

// TestLog holds the log to templates and numbers.
func TestLog(t *testing.T) {
	t.Parallel()

	var log bytes.Buffer
	f := &fake{answer: func(*http.Request) (*http.Response, error) {
		return reply(200, `{"data":[]}`, "Zuora-Request-Id", "8b4ab5a5-1d2f:\n"), nil
	}}
	c := newClient(t, f, func(cfg *zuora.Config) {
		cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == "ms" {
					return slog.Attr{}
				}
				return a
			}}))
	})
	_, err := c.Find(t.Context(), "LimioExternalId__c", "canary@example.com", hotsync.PlanH)
	if err != nil {
		t.Fatal(err)
	}
	want := `level=DEBUG msg="zuora call" method=POST path=/oauth/token status=200
level=DEBUG msg="zuora call" method=GET path=/object-query/accounts status=200 zuora_request_id=8b4ab5a5-1d2f
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
