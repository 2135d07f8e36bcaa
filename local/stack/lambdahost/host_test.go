package lambdahost_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/lambdahost"
	"hotsync/local/stack/template"
)

// binaries are the functions of testdata, compiled once.
var binaries map[string]string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "lambdahost")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if binaries, err = lambdahost.Build(context.Background(), "testdata", dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// probe is the test function as a template would declare it.
func probe(change ...func(*template.Function)) *template.Template {
	f := template.Function{
		LogicalID: "ProbeFunction", Name: "test-probe", ARN: "arn:aws:lambda:us-east-1:000000000000:function:test-probe",
		Dir: "probe", Timeout: 20 * time.Second, MemorySize: 256, Environment: map[string]string{"COLOUR": "blue"},
	}
	for _, c := range change {
		c(&f)
	}
	return &template.Template{Functions: []template.Function{f}}
}

func start(t *testing.T, cfg lambdahost.Config) *lambdahost.Host {
	t.Helper()
	cfg.Binaries = binaries
	h, err := lambdahost.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	t.Cleanup(func() {
		// A second Close is harmless; this one is for tests that end early.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("Close error = %v", err)
		}
	})
	return h
}

func invoke(t *testing.T, h *lambdahost.Host, do string) lambdahost.Result {
	t.Helper()
	result, err := h.Invoke(t.Context(), "probe", fmt.Appendf(nil, `{"do":%q}`, do))
	if err != nil {
		t.Fatalf("Invoke(%s) error = %v", do, err)
	}
	return result
}

// wait looks again until ok, which something outside this process decides.
func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// sink keeps what the functions log.
type sink struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestInvokeOutcomes(t *testing.T) {
	t.Parallel()

	h := start(t, lambdahost.Config{Template: probe()})
	// One host for all: after each failure the next call must work.
	for _, tc := range []struct{ do, wantType, wantMessage string }{
		{do: "echo"},
		{"error", "errorString", "it went wrong"},
		{"panic", "string", "out of order"},
		{"exit", "Runtime.ExitError", "Runtime exited with error: exit status 7"},
		{"exit0", "Runtime.ExitError", "Runtime exited without providing a reason"},
		{"big", "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size"},
		{do: "echo"},
	} {
		got := invoke(t, h, tc.do)
		if tc.wantType == "" {
			if want := `{"do":"echo"}`; string(got.Payload) != want || got.FunctionError != "" || got.RequestID == "" {
				t.Errorf("Invoke(%s) = %s, error %q, want %s", tc.do, got.Payload, got.FunctionError, want)
			}
			continue
		}
		var failure struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal(got.Payload, &failure); err != nil {
			t.Errorf("Invoke(%s) payload %s: %v", tc.do, got.Payload, err)
		}
		if got.FunctionError != "Unhandled" || failure.ErrorType != tc.wantType ||
			!strings.Contains(failure.ErrorMessage, tc.wantMessage) {
			t.Errorf("Invoke(%s) = %+v, error %q, want type %s and message %q", tc.do, failure, got.FunctionError, tc.wantType,
				tc.wantMessage)
		}
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()

	var log sink
	h := start(t, lambdahost.Config{Tee: &log,
		Template: probe(func(f *template.Function) { f.Timeout = 500 * time.Millisecond })})
	before := h.PIDs("probe")
	got := invoke(t, h, "hang")
	if !strings.Contains(string(got.Payload), `"Sandbox.Timedout"`) ||
		!strings.Contains(string(got.Payload), "Task timed out after 0.50 seconds") {
		t.Errorf("Invoke(hang) = %s, want Sandbox.Timedout", got.Payload)
	}
	if after := h.PIDs("probe"); len(before) != 0 || len(after) != 0 {
		t.Errorf("processes %v before and %v after a time-out, want none", before, after)
	}
	if !strings.Contains(log.String(), got.RequestID+" Task timed out after 0.50 seconds") ||
		!strings.Contains(log.String(), "Status: timeout") {
		t.Errorf("the log does not tell of the time-out:\n%s", log.String())
	}
	invoke(t, h, "echo")
}

func TestInitFailures(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ how, want string }{
		{"exit", `"Runtime.ExitError"`},
		{"hang", "Init timed out after 0.30 seconds"},
		{"report", `{"errorType":"Probe.Init","errorMessage":"cannot start"}`},
	} {
		t.Run(tc.how, func(t *testing.T) {
			t.Parallel()

			var log sink
			cfg := lambdahost.Config{Tee: &log, Template: probe(func(f *template.Function) { f.Environment["INIT"] = tc.how })}
			if tc.how == "hang" {
				cfg.InitLimit = 300 * time.Millisecond
			}
			h := start(t, cfg)
			for range 2 { // it does not get stuck
				got := invoke(t, h, "echo")
				if got.FunctionError != "Unhandled" || !strings.Contains(string(got.Payload), tc.want) {
					t.Errorf("Invoke = %s, error %q, want %s", got.Payload, got.FunctionError, tc.want)
				}
			}
			if pids := h.PIDs("probe"); len(pids) != 0 {
				t.Errorf("processes %v are left", pids)
			}
			if !strings.Contains(log.String(), "INIT_REPORT") {
				t.Errorf("the log does not tell of the failure:\n%s", log.String())
			}
		})
	}
}

func TestWarmAndReaped(t *testing.T) {
	t.Parallel()

	h := start(t, lambdahost.Config{Template: probe(), Idle: 300 * time.Millisecond})
	first := invoke(t, h, "pid")
	if second := invoke(t, h, "pid"); string(first.Payload) != string(second.Payload) {
		t.Errorf("the second call ran in process %s, want the warm one, %s", second.Payload, first.Payload)
	}
	wait(t, "the idle process is ended", func() bool { return len(h.PIDs("probe")) == 0 })
	invoke(t, h, "echo")
}

func TestEnvironment(t *testing.T) {
	t.Setenv("NOT_FOR_FUNCTIONS", "x")

	h := start(t, lambdahost.Config{Template: probe(), Environment: []string{"COLOUR=green", "AWS_REGION=us-east-1"}})
	var all []string
	if err := json.Unmarshal(invoke(t, h, "environment").Payload, &all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"COLOUR=green", "AWS_REGION=us-east-1", "AWS_LAMBDA_FUNCTION_NAME=test-probe", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "_HANDLER=bootstrap", "TZ=:UTC",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("environment %q lacks %s", all, want)
		}
	}
	if slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, "NOT_FOR_FUNCTIONS") }) {
		t.Errorf("environment %q has the host's variables", all)
	}
	begun := time.Now()
	var deadline int64
	if err := json.Unmarshal(invoke(t, h, "deadline").Payload, &deadline); err != nil {
		t.Fatal(err)
	}
	if left := time.UnixMilli(deadline).Sub(begun); left < 19*time.Second || left > 25*time.Second {
		t.Errorf("the function has %s, want its timeout of 20s", left)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	var log sink
	h := start(t, lambdahost.Config{Template: probe(), LogDir: dir, Tee: &log})
	cold := invoke(t, h, "echo")
	warm := invoke(t, h, "echo")
	failed := invoke(t, h, "exit")
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "probe.log"))
	if err != nil {
		t.Fatal(err)
	}
	const report = `REPORT RequestId: %s\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\tMax Memory Used: \d+ MB`
	for _, want := range []string{
		`(?m)^START RequestId: ` + cold.RequestID + ` Version: \$LATEST$`,
		`(?m)^END RequestId: ` + cold.RequestID + `$`,
		`(?m)^` + fmt.Sprintf(report, cold.RequestID) + `\tInit Duration: \d+\.\d\d ms$`,
		`(?m)^` + fmt.Sprintf(report, warm.RequestID) + `$`,
		`(?m)^about to exit$`,
		`(?m)^` + fmt.Sprintf(report, failed.RequestID) + `\tStatus: error$`,
	} {
		if !regexp.MustCompile(want).Match(b) {
			t.Errorf("probe.log does not match %s:\n%s", want, b)
		}
	}
	if runtime.GOOS == "linux" && regexp.MustCompile(warm.RequestID+`.*Max Memory Used: 0 MB`).Match(b) {
		t.Errorf("probe.log shows no memory:\n%s", b)
	}
	if want := "probe | " + strings.SplitN(string(b), "\n", 2)[0]; !strings.HasPrefix(log.String(), want) {
		t.Errorf("tee = %q, want it to begin with %q", log.String(), want)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()

	h := start(t, lambdahost.Config{Template: probe()})
	for _, name := range []string{
		"ProbeFunction", "test-probe", "probe", "test-probe:$LATEST", "000000000000:function:test-probe",
		"arn:aws:lambda:us-east-1:000000000000:function:test-probe",
		"arn:aws:lambda:us-east-1:000000000000:function:test-probe:live",
	} {
		if _, err := h.Invoke(t.Context(), name, []byte("{}")); err != nil {
			t.Errorf("Invoke(%q) error = %v", name, err)
		}
	}
	if _, err := h.Invoke(t.Context(), "nobody", []byte("{}")); !errors.Is(err, lambdahost.ErrUnknownFunction) {
		t.Errorf("Invoke(nobody) error = %v, want ErrUnknownFunction", err)
	}
}

func TestNewErrors(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, want string
		cfg        lambdahost.Config
	}{
		{"not compiled", "functions/other is not among the compiled binaries", lambdahost.Config{
			Binaries: binaries, Template: probe(func(f *template.Function) { f.Dir = "other" }),
		}},
		{"no file", "no such file",
			lambdahost.Config{Binaries: map[string]string{"probe": "/nonexistent"}, Template: probe()}},
		{"no log directory", "no such file",
			lambdahost.Config{Binaries: binaries, Template: probe(), LogDir: "/nonexistent"}},
		{"no sqs", "there is no SQS client", lambdahost.Config{
			Binaries: binaries, Template: probe(func(f *template.Function) { f.Sources = []template.Source{{Queue: "Q"}} }),
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			if _, err := lambdahost.New(tc.cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("New error = %v, want one with %q", err, tc.want)
			}
		})
	}
}

// control is the server that probe asks what to do.
type control struct {
	*httptest.Server
	now, most atomic.Int64 // requests inside decide
}

// newControl serves decide, which gets what probe sends and gives the action.
func newControl(t *testing.T, decide func(ctx context.Context, text string) string) *control {
	c := &control{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return // the function died
		}
		n := c.now.Add(1)
		defer c.now.Add(-1)
		for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
		}
		_, _ = io.WriteString(w, decide(r.Context(), string(b)))
	}))
	t.Cleanup(c.Close)
	return c
}

func withControl(c *control) func(*template.Function) {
	return func(f *template.Function) { f.Environment["CONTROL"] = c.URL }
}

func TestMaxEnvironments(t *testing.T) {
	t.Parallel()

	const limit, calls = 3, 12
	full := make(chan struct{})
	var once sync.Once
	var c *control
	c = newControl(t, func(ctx context.Context, _ string) string {
		if c.now.Load() == limit {
			once.Do(func() { close(full) })
		}
		<-full // nobody leaves before the limit is reached
		return "ok"
	})
	h := start(t, lambdahost.Config{Template: probe(withControl(c)), MaxEnvironments: limit})
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			if result, err := h.Invoke(t.Context(), "probe", []byte(`{"do":"ask"}`)); err != nil ||
				string(result.Payload) != `"ok"` {
				t.Errorf("Invoke = %s, %v", result.Payload, err)
			}
		})
	}
	wg.Wait()
	if most := c.most.Load(); most != limit {
		t.Errorf("%d invocations at once, want %d", most, limit)
	}
	if n := len(h.PIDs("probe")); n > limit {
		t.Errorf("%d processes, want at most %d", n, limit)
	}
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()

	begun, release := make(chan struct{}), make(chan struct{})
	c := newControl(t, func(context.Context, string) string {
		close(begun)
		<-release
		return "ok"
	})
	var log sink
	h := start(t, lambdahost.Config{Template: probe(withControl(c)), MaxEnvironments: 1, Tee: &log})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := h.Invoke(ctx, "probe", []byte(`{"do":"ask"}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("Invoke error = %v, want context.Canceled", err)
	}
	// The environment is still busy: a caller that does not wait is not served, one that waits is.
	if _, err := h.Invoke(ctx, "probe", []byte(`{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("Invoke error = %v, want context.Canceled", err)
	}
	close(release)
	invoke(t, h, "echo")
	if n := strings.Count(log.String(), "REPORT"); n != 2 || strings.Contains(log.String(), "Status: error") {
		t.Errorf("want two good invocations in the log:\n%s", log.String())
	}
}

func TestCloseWaitsThenKills(t *testing.T) {
	t.Parallel()

	begun := make(chan struct{})
	c := newControl(t, func(ctx context.Context, _ string) string {
		close(begun)
		<-ctx.Done()
		return ""
	})
	h := start(t, lambdahost.Config{Template: probe(withControl(c))})
	type outcome struct {
		lambdahost.Result
		err error
	}
	got := make(chan outcome, 1)
	go func() {
		result, err := h.Invoke(context.Background(), "probe", []byte(`{"do":"ask"}`))
		got <- outcome{result, err}
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if o := <-got; o.err != nil || !strings.Contains(string(o.Payload), "Runtime.ExitError") {
		t.Errorf("Invoke = %s, %v, want Runtime.ExitError", o.Payload, o.err)
	}
	if pids := h.PIDs("probe"); len(pids) != 0 {
		t.Errorf("processes %v after Close", pids)
	}
	if _, err := h.Invoke(t.Context(), "probe", []byte(`{}`)); !errors.Is(err, lambdahost.ErrClosed) {
		t.Errorf("Invoke after Close: error = %v, want ErrClosed", err)
	}
}

// What a function starts ends with it.
func TestCloseEndsChildren(t *testing.T) {
	t.Parallel()

	begun, ended := make(chan struct{}), make(chan struct{})
	c := newControl(t, func(ctx context.Context, _ string) string {
		close(begun)
		<-ctx.Done()
		close(ended)
		return ""
	})
	h := start(t, lambdahost.Config{Template: probe(withControl(c))})
	invoke(t, h, "orphan")
	<-begun
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func TestSIGTERM(t *testing.T) {
	t.Parallel()

	var log sink
	h := start(t, lambdahost.Config{Tee: &log,
		Template: probe(func(f *template.Function) { f.Environment["INIT"] = "sigterm" })})
	invoke(t, h, "echo")
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "told to end") {
		t.Errorf("the function was not told to end:\n%s", log.String())
	}
}

func TestStress(t *testing.T) {
	t.Parallel()

	const callers, calls = 6, 60
	h := start(t, lambdahost.Config{Template: probe(), MaxEnvironments: 4})
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range calls {
				do := "echo"
				if i%10 == caller {
					do = []string{"error", "panic", "exit"}[i/10%3]
				}
				event := fmt.Sprintf(`{"do":%q,"caller":%d,"i":%d}`, do, caller, i)
				result, err := h.Invoke(t.Context(), "probe", []byte(event))
				if err != nil {
					t.Errorf("Invoke(%s) error = %v", event, err)
				}
				if do == "echo" && string(result.Payload) != event {
					t.Errorf("Invoke(%s) = %s", event, result.Payload)
				}
				if do != "echo" && result.FunctionError == "" {
					t.Errorf("Invoke(%s) = %s, want a function error", event, result.Payload)
				}
			}
		})
	}
	wg.Wait()
}

// Not parallel: it counts goroutines.
func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	h, err := lambdahost.New(lambdahost.Config{Template: probe(), Binaries: binaries})
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	for _, do := range []string{"echo", "panic", "echo"} {
		if _, err := h.Invoke(t.Context(), "probe", fmt.Appendf(nil, `{"do":%q}`, do)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, "all goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
}

func TestBuildIsRepeatable(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	for range 2 {
		got, err := lambdahost.Build(t.Context(), "testdata", dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"probe": filepath.Join(dir, "probe", "bootstrap")}, got); diff != "" {
			t.Errorf("Build mismatch (-want +got):\n%s", diff)
		}
		if _, err := os.Stat(got["probe"]); err != nil {
			t.Error(err)
		}
	}
}

func TestBuildErrors(t *testing.T) {
	t.Parallel()

	root := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module m\n\ngo 1.26\n",
		"functions/bad/main.go": "package main\n\nfunc main() { wrong }\n"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lambdahost.Build(t.Context(), root, t.TempDir()); err == nil ||
		!strings.Contains(err.Error(), "undefined: wrong") {
		t.Errorf("Build error = %v, want the compiler's", err)
	}
}

func TestBuildWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())

	if _, err := lambdahost.Build(t.Context(), "testdata", t.TempDir()); err == nil ||
		!strings.Contains(err.Error(), "go is not on the PATH") {
		t.Errorf("Build error = %v, want one that names go", err)
	}
}
