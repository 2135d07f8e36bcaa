// Package lambdahost runs compiled Lambda functions on this computer, wired as
// the SAM template says: through Lambda's Runtime API, so that the binary that
// deploys is the binary that runs; called through the invoke API, an HTTP API
// in front of them, and their SQS queues.
//
// As in AWS, a function runs in execution environments, one process each, that
// handle one invocation at a time, stay warm, and are thrown away after a crash
// or time-out. Runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//
// It differs from AWS in this:
//   - Memory and CPU are not limited. MemorySize is told to the function and shown in its log.
//   - Calls above the number of environments wait for a free one; AWS answers 429.
//   - Initialization that fails or takes over 10 s fails the call; AWS tries it once more within the call.
//   - Asynchronous invocations are tried once; AWS tries a failing one three times, minutes apart.
//   - Each source of a function has one poller, so it scales at once; an SQS batch may exceed 6 MB.
//   - Functions may open any file and port that the caller of New may.
package lambdahost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/local/stack/template"
)

// Defaults of Config.
const (
	defaultEnvironments = 10
	defaultIdle         = 10 * time.Minute
	defaultInitLimit    = 10 * time.Second // as in AWS
)

// Errors of Invoke.
var (
	ErrUnknownFunction = errors.New("no such function")
	ErrClosed          = errors.New("the Lambda host is closed")
)

// Config says what to run. Template and Binaries are needed, and SQS where a
// function has a source.
type Config struct {
	Template *template.Template
	// Binaries are the compiled functions by folder, as Build gives them.
	Binaries map[string]string
	// Environment is KEY=value pairs for all functions, over the template's.
	// Functions inherit nothing else from this process.
	Environment []string
	SQS         *sqs.Client

	// LogDir receives one log file a function, such as login.log. Empty: none.
	LogDir string
	// Tee receives all functions' log lines, each after its function's folder. Writes come one at a time.
	Tee io.Writer
	// Logger is told what goes wrong in the host itself. Nil: nobody.
	Logger *slog.Logger

	// MaxEnvironments bounds each function's processes. 0: 10.
	MaxEnvironments int
	// Idle is how long an unused environment stays warm. 0: 10 minutes.
	Idle time.Duration
	// InitLimit is what a process has until its first request for work. 0: 10 s, as in AWS.
	InitLimit time.Duration
	// CrashVisibility is after how long the messages of a batch come back whose
	// environment died of a crash or time-out, in whole seconds. AWS leaves them
	// to the queue's visibility timeout, as 0 does; a demonstration that is to
	// show the recovery of a 3 minute timeout would wait for 3 minutes.
	CrashVisibility time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Host runs functions. Its methods are safe for concurrent use.
type Host struct {
	cfg       Config
	functions []*function
	names     map[string]*function
	mappings  []*mapping
	gateway   *gateway

	closing chan struct{}  // closed when nothing new may begin
	running sync.WaitGroup // invocations and pollers

	mu     sync.Mutex
	closed bool
	once   sync.Once
	end    error // what Close gave
}

// Result is the outcome of an invocation that took place.
type Result struct {
	RequestID string
	// Payload is what the function answered, or the error in Lambda's form:
	// {"errorType": …, "errorMessage": …}.
	Payload []byte
	// FunctionError is "Unhandled" when the function failed, and empty otherwise.
	FunctionError string

	crashed bool // the environment is gone: crash, time-out or failed initialization
}

// New checks the configuration and opens the logs. It starts no process: an
// environment begins with the first call that needs it, and pollers with Start.
func New(cfg Config) (_ *Host, err error) {
	if cfg.MaxEnvironments == 0 {
		cfg.MaxEnvironments = defaultEnvironments
	}
	if cfg.Idle == 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.InitLimit == 0 {
		cfg.InitLimit = defaultInitLimit
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Tee != nil {
		cfg.Tee = &syncWriter{w: cfg.Tee}
	}
	h := &Host{cfg: cfg, names: map[string]*function{}, closing: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.closeLogs())
		}
	}()
	for _, spec := range cfg.Template.Functions {
		f, err := h.newFunction(spec)
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", spec.LogicalID, err)
		}
		h.functions = append(h.functions, f)
		for _, name := range []string{spec.LogicalID, spec.Name, spec.Dir} {
			if h.names[name] == nil { // the first of several from one folder has its name
				h.names[name] = f
			}
		}
		for _, source := range spec.Sources {
			m, err := h.newMapping(f, source)
			if err != nil {
				return nil, fmt.Errorf("function %s: %w", spec.LogicalID, err)
			}
			h.mappings = append(h.mappings, m)
		}
	}
	h.gateway = newGateway(h)
	return h, nil
}

func (h *Host) newFunction(spec template.Function) (*function, error) {
	binary, ok := h.cfg.Binaries[spec.Dir]
	if !ok {
		return nil, fmt.Errorf("functions/%s is not among the compiled binaries", spec.Dir)
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, err
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	log := &functionLog{name: spec.Dir, tee: h.cfg.Tee}
	if h.cfg.LogDir != "" {
		log.file, err = os.OpenFile(
			filepath.Join(h.cfg.LogDir, spec.Dir+".log"),
			os.O_CREATE|os.O_APPEND|os.O_WRONLY,
			0o644,
		)
		if err != nil {
			return nil, err
		}
	}
	return &function{
		host:   h,
		spec:   spec,
		binary: binary,
		log:    log,
		slots:  make(chan struct{}, h.cfg.MaxEnvironments),
		live:   map[*environment]struct{}{},
	}, nil
}

// Start begins to consume the functions' queues and to keep their schedules. Call it
// once.
func (h *Host) Start() {
	for _, m := range h.mappings {
		h.begin(m.poll)
	}
	for _, f := range h.functions {
		for _, s := range f.spec.Schedules {
			h.begin(func() { h.keep(f, s) })
		}
	}
}

// keep calls a function by the clock, as EventBridge does: the first time when one
// interval is over, and whether or not the call before has ended.
func (h *Host) keep(f *function, s template.Schedule) {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		select {
		case <-h.closing:
			return
		case <-tick.C:
		}
		h.begin(func() {
			_, err := f.invoke(context.Background(), []byte(s.Input))
			if err != nil && !errors.Is(err, ErrClosed) {
				h.cfg.Logger.Warn("schedule not kept", "function", f.spec.Dir, "schedule", s.Name, "error", err)
			}
		})
	}
}

// Invoke calls a function and waits for its answer. name is the function's
// logical id, its FunctionName, its folder, or an ARN that ends in one of them.
//
// An error says that there was no invocation, or that ctx ended before its
// outcome; as in AWS, the invocation then goes on without its caller. A
// function that fails is no error but a Result with a FunctionError.
func (h *Host) Invoke(ctx context.Context, name string, payload []byte) (Result, error) {
	f, ok := h.find(name)
	if !ok {
		return Result{}, fmt.Errorf("%w: %s", ErrUnknownFunction, name)
	}
	return f.call(ctx, payload)
}

// call runs f in a goroutine of the host's, so that it survives its caller.
func (f *function) call(ctx context.Context, payload []byte) (Result, error) {
	type outcome struct {
		result Result
		err    error
	}
	done := make(chan outcome, 1)
	if !f.host.begin(func() {
		result, err := f.invoke(ctx, payload)
		done <- outcome{result, err}
	}) {
		return Result{}, ErrClosed
	}
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

func (h *Host) find(name string) (*function, bool) {
	if i := strings.LastIndex(name, ":function:"); i >= 0 {
		name = name[i+len(":function:"):]
	}
	name, _, _ = strings.Cut(name, ":") // a version or alias
	f, ok := h.names[name]
	return f, ok
}

// PIDs are the processes of a function at this moment, each the leader of its
// process group.
func (h *Host) PIDs(name string) []int {
	f, ok := h.find(name)
	if !ok {
		return nil
	}
	return f.pids()
}

// begin runs do in a goroutine that Close waits for, unless the host is closed.
func (h *Host) begin(do func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running.Go(do)
	return true
}

// Close stops the pollers, waits for running invocations until ctx ends, and
// then ends every process: SIGTERM, and SIGKILL after 2 s. Nothing is left
// running when it returns. The error is of the log files.
func (h *Host) Close(ctx context.Context) error {
	h.once.Do(func() {
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
		close(h.closing)

		finished := make(chan struct{})
		go func() {
			h.running.Wait()
			close(finished)
		}()
		select {
		case <-finished:
		case <-ctx.Done():
		}
		var wg sync.WaitGroup
		for _, f := range h.functions {
			wg.Go(f.close)
		}
		wg.Wait()
		<-finished
		h.end = h.closeLogs()
	})
	return h.end
}

func (h *Host) closeLogs() error {
	var errs []error
	for _, f := range h.functions {
		errs = append(errs, f.log.close())
	}
	return errors.Join(errs...)
}
