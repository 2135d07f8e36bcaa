package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const realAnswer = `{"real":"answer"}`

type testBundle struct {
	t         *testing.T
	url       string
	server    *httptest.Server
	behaviour *sandbox.Behaviour
	carried   *atomic.Int64 // requests the real handler carried out
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{t: t, behaviour: sandbox.New(func() time.Time { return noon }), carried: new(atomic.Int64)}
	mux := http.NewServeMux()
	b.behaviour.Register(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		b.carried.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, err := io.WriteString(w, realAnswer)
		if err != nil {
			t.Errorf("write: %v", err)
		}
	})
	b.server = httptest.NewServer(b.behaviour.Wrap(mux))
	t.Cleanup(b.server.Close)
	b.url = b.server.URL
	return b
}

// do returns the status, body and headers; err is that of the exchange.
func (b *testBundle) do(ctx context.Context, method, path, body string) (int, string, http.Header, error) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.server.Client().Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, string(got), res.Header, err
}

func (b *testBundle) put(behaviour string) {
	b.t.Helper()
	status, body, _, err := b.do(b.t.Context(), "PUT", "/_sandbox/behaviour", behaviour)
	if err != nil || status != http.StatusOK {
		b.t.Fatalf("PUT behaviour %s = %d %s, %v", behaviour, status, body, err)
	}
}

type state struct {
	Peak   int
	Faults []struct{ Fired int }
}

func (b *testBundle) state() state {
	b.t.Helper()
	_, body, _, err := b.do(b.t.Context(), "GET", "/_sandbox/behaviour", "")
	if err != nil {
		b.t.Fatal(err)
	}
	var s state
	err = json.Unmarshal([]byte(body), &s)
	if err != nil {
		b.t.Fatalf("behaviour %s: %v", body, err)
	}
	return s
}

func TestFaults(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, fault string
		wantStatus  int // 0: the exchange fails
		wantBody    string
		wantType    string
		wantCarried int64
	}{
		{name: "status with JSON",
			fault:      `{"match":"GET /v1/**","status":429,"headers":{"Retry-After":"120"},"body":{"reasons":[]}}`,
			wantStatus: 429, wantBody: `{"reasons":[]}`, wantType: "application/json"},
		{name: "status with text", fault: `{"match":"* /v1/accounts/*","status":502,"body":"<html>Bad Gateway"}`,
			wantStatus: 502, wantBody: "<html>Bad Gateway", wantType: "text/plain; charset=utf-8"},
		{name: "status without body", fault: `{"match":"GET /v1/accounts/A1","status":503}`, wantStatus: 503},
		{name: "own content type",
			fault:      `{"match":"GET /**","status":200,"headers":{"Content-Type":"text/html"},"body":"x"}`,
			wantStatus: 200, wantBody: "x", wantType: "text/html"},
		{name: "drop", fault: `{"match":"GET /**","drop":true}`},
		{name: "drop after", fault: `{"match":"GET /**","drop":true,"after":true}`, wantCarried: 1},
		{name: "status after", fault: `{"match":"GET /**","status":500,"after":true}`, wantStatus: 500, wantCarried: 1},
		{name: "truncate", fault: `{"match":"GET /**","truncate":true}`, wantBody: realAnswer[:len(realAnswer)/2],
			wantCarried: 1},
		{name: "slow and goes on", fault: `{"match":"GET /**","latencyMs":1}`, wantStatus: 200, wantBody: realAnswer,
			wantType: "application/json", wantCarried: 1},
		{name: "slow and fails", fault: `{"match":"GET /**","latencyMs":1,"status":504}`, wantStatus: 504},
		{name: "other method", fault: `{"match":"POST /**","drop":true}`, wantStatus: 200, wantBody: realAnswer,
			wantType: "application/json", wantCarried: 1},
		{name: "one segment only", fault: `{"match":"GET /v1/*","drop":true}`, wantStatus: 200, wantBody: realAnswer,
			wantType: "application/json", wantCarried: 1},
		{name: "longer glob", fault: `{"match":"GET /v1/accounts/*/x","drop":true}`, wantStatus: 200, wantBody: realAnswer,
			wantType: "application/json", wantCarried: 1},
		{name: "rest may be empty", fault: `{"match":"GET /v1/accounts/A1/**","status":418}`, wantStatus: 418},
		{name: "never", fault: `{"match":"GET /**","drop":true,"probability":0}`, wantStatus: 200, wantBody: realAnswer,
			wantType: "application/json", wantCarried: 1},
		{name: "always", fault: `{"match":"GET /**","status":418,"probability":1}`, wantStatus: 418},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.put(`{"faults":[` + tc.fault + `]}`)
			status, body, header, err := b.do(t.Context(), "GET", "/v1/accounts/A1", "")
			if tc.wantStatus == 0 {
				if err == nil {
					t.Fatalf("answer = %d %s, want a broken exchange", status, body)
				}
				if diff := cmp.Diff(tc.wantBody, body); diff != "" {
					t.Errorf("part of body mismatch (-want +got):\n%s", diff)
				}
			} else if err != nil || status != tc.wantStatus || body != tc.wantBody || header.Get("Content-Type") != tc.wantType {
				t.Errorf("answer = %d %q %q, %v; want %d %q %q", status, body, header.Get("Content-Type"), err, tc.wantStatus,
					tc.wantBody, tc.wantType)
			}
			if got := b.carried.Load(); got != tc.wantCarried {
				t.Errorf("requests carried out = %d, want %d", got, tc.wantCarried)
			}
			wantLog := []sandbox.Request{{At: noon, Method: "GET", Path: "/v1/accounts/A1", Status: tc.wantStatus}}
			if diff := cmp.Diff(wantLog, b.behaviour.Requests()); diff != "" {
				t.Errorf("log mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDropIsSeenOnAKeptConnection(t *testing.T) {
	t.Parallel()

	b := setup(t)
	_, _, _, err := b.do(t.Context(), "GET", "/v1/x", "")
	if err != nil {
		t.Fatal(err)
	}
	b.put(`{"faults":[{"match":"GET /**","drop":true,"times":1}]}`)
	_, _, _, err = b.do(t.Context(), "GET", "/v1/x", "")
	if err == nil {
		t.Error("the client resent the dropped request by itself")
	}
	_, _, _, err = b.do(t.Context(), "GET", "/v1/x", "")
	if err != nil {
		t.Errorf("after one drop: %v", err)
	}
}

func TestTimesAndOrder(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.put(`{"faults":[{"match":"GET /a","times":2,"status":429},{"match":"GET /*","status":503}]}`)
	var got []int
	for range 4 {
		status, _, _, err := b.do(t.Context(), "GET", "/a", "")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, status)
	}
	if diff := cmp.Diff([]int{429, 429, 503, 503}, got); diff != "" {
		t.Errorf("statuses mismatch (-want +got):\n%s", diff)
	}
	want := state{Peak: 1, Faults: []struct{ Fired int }{{2}, {2}}}
	if diff := cmp.Diff(want, b.state()); diff != "" {
		t.Errorf("behaviour mismatch (-want +got):\n%s", diff)
	}
	b.put(`{}`)
	status, _, _, err := b.do(t.Context(), "GET", "/a", "")
	if err != nil || status != 200 {
		t.Errorf("after an empty behaviour: %d, %v", status, err)
	}
}

func TestProbabilityRepeatsWithItsSeed(t *testing.T) {
	t.Parallel()

	run := func() (got []int) {
		b := setup(t)
		b.put(`{"seed":7,"faults":[{"match":"GET /**","status":500,"probability":0.5}]}`)
		for range 40 {
			status, _, _, err := b.do(t.Context(), "GET", "/a", "")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, status)
		}
		if fired := b.state().Faults[0].Fired; fired == 0 || fired == 40 {
			t.Errorf("a fault with probability 0.5 fired %d times of 40", fired)
		}
		return got
	}
	if diff := cmp.Diff(run(), run()); diff != "" {
		t.Errorf("two runs with one seed differ:\n%s", diff)
	}
}

func TestHangEnds(t *testing.T) {
	t.Parallel()

	const hang = `{"faults":[{"match":"POST /**","hang":true}]}`
	// started sends a request and returns once the sandbox has it.
	started := func(ctx context.Context, b *testBundle) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, _, _, err := b.do(ctx, "POST", "/slow", strings.Repeat("x", 1<<20))
			done <- err
		}()
		for len(b.behaviour.Requests()) == 0 {
			err := ctx.Err()
			if err != nil {
				t.Fatal(err)
			}
		}
		return done
	}

	t.Run("client goes away", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.put(hang)
		ctx, cancel := context.WithCancel(t.Context())
		done := started(ctx, b)
		cancel()
		err := <-done
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want %v", err, context.Canceled)
		}
		b.server.Close() // would block if the request still hung
	})
	t.Run("server shuts down", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.put(hang)
		done := started(t.Context(), b)
		for b.state().Faults[0].Fired == 0 { // it hangs by now, or is about to
			if t.Context().Err() != nil {
				t.Fatal(t.Context().Err())
			}
		}
		err := b.server.Config.Shutdown(t.Context())
		if err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		err = <-done
		if err == nil {
			t.Error("the hanging request was answered")
		}
	})
}

func TestLatencyAndPeak(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.put(`{"latencyMs":100}`)
	start := time.Now()
	done := make(chan error, 5)
	for range 5 {
		go func() {
			_, _, _, err := b.do(t.Context(), "GET", "/a", "")
			done <- err
		}()
	}
	for range 5 {
		err := <-done
		if err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("took %v, want at least 100ms", took)
	}
	if peak := b.state().Peak; peak < 2 || peak > 5 {
		t.Errorf("peak = %d of 5 at once", peak)
	}
}

func TestSteeringIsNeverDisturbedOrLogged(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.put(`{"latencyMs":60000,"faults":[{"match":"* /**","drop":true}]}`)
	status, _, _, err := b.do(t.Context(), "GET", "/_sandbox/requests", "")
	if err != nil || status != 200 {
		t.Errorf("GET requests = %d, %v", status, err)
	}
	b.behaviour.Reset()
	status, _, _, err = b.do(t.Context(), "GET", "/v1/a?email=ada", "")
	if err != nil || status != 200 {
		t.Errorf("after Reset: %d, %v", status, err)
	}
	want := []sandbox.Request{{At: noon, Method: "GET", Path: "/v1/a", Status: 200}}
	if diff := cmp.Diff(want, b.behaviour.Requests()); diff != "" {
		t.Errorf("log mismatch (-want +got):\n%s", diff)
	}
}

func TestBehaviourRefused(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for _, tc := range []struct{ name, body, want string }{
		{"unknown member", `{"latency":1}`, `unknown field \"latency\"`},
		{"unknown member of a fault", `{"faults":[{"match":"GET /","hangs":true}]}`, `unknown field \"hangs\"`},
		{"two values", `{}{}`, "more than one JSON value"},
		{"no JSON", `x`, "invalid character"},
		{"no method", `{"faults":[{"match":"/v1","drop":true}]}`, `faults[0]: match \"/v1\" is not`},
		{"small method", `{"faults":[{"match":"get /v1","drop":true}]}`, "in capitals"},
		{"no match", `{"faults":[{"drop":true}]}`, "is not"},
		{"rest in the middle", `{"faults":[{"match":"GET /**/x","drop":true}]}`, "comes last"},
		{"bad glob", `{"faults":[{"match":"GET /[","drop":true}]}`, "syntax error in pattern"},
		{"nothing to do", `{"faults":[{"match":"GET /"}]}`, "nothing to do"},
		{"two things to do", `{"faults":[{"match":"GET /","drop":true,"hang":true}]}`, "choose one"},
		{"status out of range", `{"faults":[{"match":"GET /","status":99}]}`, "200 to 599"},
		{"body without status", `{"faults":[{"match":"GET /","drop":true,"body":{}}]}`, "need a status"},
		{"after alone", `{"faults":[{"match":"GET /","latencyMs":1,"after":true}]}`, "after needs"},
		{"times below 0", `{"faults":[{"match":"GET /","drop":true,"times":-1}]}`, "times"},
		{"latency below 0", `{"latencyMs":-1}`, "latencyMs"},
		{"fault latency below 0", `{"faults":[{"match":"GET /","drop":true,"latencyMs":-1}]}`, "latencyMs"},
		{"probability", `{"faults":[{"match":"GET /","drop":true,"probability":1.1}]}`, "probability"},
	} {
		status, body, _, err := b.do(t.Context(), "PUT", "/_sandbox/behaviour", tc.body)
		if err != nil || status != http.StatusBadRequest || !strings.Contains(body, tc.want) {
			t.Errorf("%s: PUT %s = %d %s, %v; want 400 with %q", tc.name, tc.body, status, body, err, tc.want)
		}
	}
}

func TestLogKeepsTheNewest(t *testing.T) {
	t.Parallel()

	b := sandbox.New(func() time.Time { return noon })
	h := b.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	const n = 100_003
	for i := range n {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprintf("/%d", i), nil))
	}
	got := b.Requests()
	if len(got) != 100_000 || got[0].Path != "/3" || got[len(got)-1].Path != fmt.Sprintf("/%d", n-1) {
		t.Errorf("log of %d requests has %d, from %s to %s", n, len(got), got[0].Path, got[len(got)-1].Path)
	}
}
