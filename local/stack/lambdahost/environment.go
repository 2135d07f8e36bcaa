package lambdahost

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
)

const (
	// stopGrace is what a process has between SIGTERM and SIGKILL.
	stopGrace = 2 * time.Second
	// outputGrace bounds the wait for output that a process's own children hold open.
	outputGrace = time.Second

	unhandled     = "Unhandled"
	statusTimeout = "timeout"
	statusError   = "error"
)

// environment is one execution environment: a process, and the Runtime API
// that it alone talks to.
type environment struct {
	fn     *function
	cmd    *exec.Cmd
	server *http.Server
	out    *lineWriter
	begun  time.Time
	reaper *time.Timer // set while idle

	work    chan *invocation // to the process's next request for work
	ready   chan struct{}    // closed at the first such request
	gone    chan struct{}    // closed when the process has ended
	peakMem atomic.Int64     // bytes, as last seen

	mu        sync.Mutex
	current   *invocation
	initError *Result
	isReady   bool
	init      time.Duration // from the start to the first request for work, or to the failure
}

// invocation is one event on its way through an environment. It is over only
// when the process asks for the next one: after an answer a process may still
// crash, and would take the next event down with it.
type invocation struct {
	id       string
	payload  []byte
	trace    string
	deadline time.Time
	over     chan struct{}

	result *Result // what the process answered; guarded by environment.mu
}

// newEnvironment starts a process.
func (f *function) newEnvironment() (*environment, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &environment{
		fn:    f,
		out:   &lineWriter{log: f.log},
		begun: f.host.cfg.Now(),
		work:  make(chan *invocation),
		ready: make(chan struct{}),
		gone:  make(chan struct{}),
	}
	e.server = &http.Server{Handler: e.runtimeAPI()}
	e.cmd = exec.Command(f.binary)
	e.cmd.Dir = filepath.Dir(f.binary)
	e.cmd.Env = f.environ(listener.Addr().String(), e.begun)
	e.cmd.Stdout, e.cmd.Stderr = e.out, e.out
	e.cmd.WaitDelay = outputGrace
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children end with it

	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, closed(listener, ErrClosed)
	}
	if err := e.cmd.Start(); err != nil {
		return nil, closed(listener, err)
	}
	f.live[e] = struct{}{}
	go e.serve(listener)
	return e, nil
}

// closed gives up a listener and passes the reason on.
func closed(l net.Listener, why error) error {
	if err := l.Close(); err != nil {
		return fmt.Errorf("%w (and %v)", why, err)
	}
	return why
}

// serve answers the process's calls until it ends, and cleans up after it.
func (e *environment) serve(l net.Listener) {
	served := make(chan error, 1)
	go func() { served <- e.server.Serve(l) }()
	// Wait's error is the exit status, or output held open: ProcessState says the former, the latter does not matter.
	_ = e.cmd.Wait()
	e.out.flush()
	e.fn.mu.Lock()
	delete(e.fn.live, e)
	e.fn.mu.Unlock()
	close(e.gone)
	_ = e.server.Close() // its clients are gone
	<-served
}

// environ is what AWS sets, then the template, then the host's own.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func (f *function) environ(api string, now time.Time) []string {
	stream := uuid.New()
	env := []string{
		"AWS_LAMBDA_RUNTIME_API=" + api,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.spec.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.spec.MemorySize),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.spec.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=" + now.UTC().Format("2006/01/02") + "/[$LATEST]" + hex.EncodeToString(stream[:]),
		"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023",
		"_HANDLER=bootstrap",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(f.binary),
		"LAMBDA_RUNTIME_DIR=/var/runtime",
		"LANG=en_US.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"TZ=:UTC",
	}
	for name, value := range f.spec.Environment {
		env = append(env, name+"="+value)
	}
	return append(env, f.host.cfg.Environment...)
}

// awaitInit waits until the process asks for work. Its result has a
// FunctionError when it does not.
func (e *environment) awaitInit(id string) Result {
	limit := time.NewTimer(e.fn.host.cfg.InitLimit)
	defer limit.Stop()
	select {
	case <-e.ready:
		return Result{}
	case <-e.gone:
	case <-limit.C:
		e.endInit()
		return failure(
			id,
			"Sandbox.Timedout",
			fmt.Sprintf("Init timed out after %.2f seconds", e.fn.host.cfg.InitLimit.Seconds()),
		)
	}
	e.endInit()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.initError != nil {
		return Result{RequestID: id, Payload: e.initError.Payload, FunctionError: unhandled, crashed: true}
	}
	return e.exited(id)
}

// endInit notes how long the initialization took, once.
func (e *environment) endInit() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.init == 0 {
		e.init = e.fn.host.cfg.Now().Sub(e.begun)
	}
}

// initTook is how long the initialization took.
func (e *environment) initTook() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.init
}

// invoke returns inv to the process and waits until it is over, with the status
// for the log where it did not go well. It is errGone when the process had
// ended before.
func (e *environment) invoke(inv *invocation) (_ Result, status string, _ error) {
	limit := time.NewTimer(e.fn.spec.Timeout)
	defer limit.Stop()
	select {
	case e.work <- inv:
	case <-e.gone:
		return Result{}, statusError, errGone
	}
	select {
	case <-inv.over:
		e.observeMemory()
		result := *inv.result
		if result.FunctionError != "" {
			status = statusError
		}
		return result, status, nil
	case <-e.gone:
		e.mu.Lock()
		defer e.mu.Unlock()
		if inv.result == nil {
			return e.exited(inv.id), statusError, nil
		}
		result := *inv.result
		result.crashed = true // it answered, as after a panic, and ended
		return result, statusError, nil
	case <-limit.C:
		e.observeMemory()
		e.stop(0)
		return failure(
			inv.id,
			"Sandbox.Timedout",
			fmt.Sprintf("Task timed out after %.2f seconds", e.fn.spec.Timeout.Seconds()),
		), statusTimeout, nil
	}
}

// exited is the result of a process that ended without an answer.
func (e *environment) exited(id string) Result {
	if e.cmd.ProcessState.Success() {
		return failure(id, "Runtime.ExitError", "Runtime exited without providing a reason")
	}
	return failure(id, "Runtime.ExitError", "Runtime exited with error: "+e.cmd.ProcessState.String())
}

// stop ends the process group: SIGTERM and, after the grace, SIGKILL. It
// returns when the process is gone.
func (e *environment) stop(grace time.Duration) {
	select {
	case <-e.gone:
		return // its process group id may be somebody else's by now
	default:
	}
	group := -e.cmd.Process.Pid
	// Errors only say that the group has ended meanwhile.
	if grace > 0 {
		_ = syscall.Kill(group, syscall.SIGTERM)
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		select {
		case <-e.gone:
			return
		case <-ctx.Done():
		}
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-e.gone
}
