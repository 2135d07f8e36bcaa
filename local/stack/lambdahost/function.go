package lambdahost

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"hotsync/local/stack/template"
)

// function is one function with its warm environments.
type function struct {
	host   *Host
	spec   template.Function
	binary string
	log    *functionLog
	slots  chan struct{} // one an environment in use

	mu     sync.Mutex
	idle   []*environment // the last used last
	live   map[*environment]struct{}
	closed bool
}

// errGone says that an environment died before it took the invocation.
var errGone = errors.New("the execution environment is gone")

// invoke runs one invocation to its end; ctx only bounds the wait for a free environment.
func (f *function) invoke(ctx context.Context, payload []byte) (Result, error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case <-f.host.closing:
		return Result{}, ErrClosed
	}
	defer func() { <-f.slots }()
	id := uuid.NewString()
	for {
		env, err := f.take()
		if err != nil {
			return Result{}, err
		}
		cold := env == nil
		if cold {
			var failure Result
			if env, failure = f.start(id); env == nil {
				return failure, nil
			}
		}
		inv := &invocation{
			id:       id,
			payload:  payload,
			trace:    newTrace(f.host.cfg.Now()),
			deadline: f.host.cfg.Now().Add(f.spec.Timeout),
			over:     make(chan struct{}),
		}
		result, err := f.run(env, inv, cold)
		if errors.Is(err, errGone) {
			continue // it died while idle
		}
		if result.crashed {
			env.stop(0)
		} else {
			f.putBack(env)
		}
		return result, err
	}
}

// run hands inv to env and writes the log lines around it.
func (f *function) run(env *environment, inv *invocation, cold bool) (Result, error) {
	now := f.host.cfg.Now
	begun := now()
	f.log.printf("START RequestId: %s Version: $LATEST", inv.id)
	result, status, err := env.invoke(inv)
	took := now().Sub(begun)
	if status == statusTimeout {
		f.log.printf(
			"%s %s Task timed out after %.2f seconds",
			now().UTC().Format("2006-01-02T15:04:05.000Z"),
			inv.id,
			f.spec.Timeout.Seconds(),
		)
	}
	f.log.printf("END RequestId: %s", inv.id)
	billed, extra := took, ""
	if cold {
		billed += env.initTook() // initialization is billed since 2025-08-01
		extra = fmt.Sprintf("\tInit Duration: %.2f ms", milliseconds(env.initTook()))
	}
	if status != "" {
		extra += "\tStatus: " + status
	}
	f.log.printf(
		"REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %.0f ms\tMemory Size: %d MB\tMax Memory Used: %d MB%s",
		inv.id,
		milliseconds(took),
		math.Ceil(milliseconds(billed)),
		f.spec.MemorySize,
		env.peak()>>20,
		extra,
	)
	return result, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// take returns the environment that was used last, or nil when a new one is needed.
func (f *function) take() (*environment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	for len(f.idle) > 0 {
		last := len(f.idle) - 1
		env := f.idle[last]
		f.idle = f.idle[:last]
		env.reaper.Stop()
		select {
		case <-env.gone: // killed from outside
		default:
			return env, nil
		}
	}
	return nil, nil
}

// putBack keeps env warm until it is needed or has been idle for too long.
func (f *function) putBack(env *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return // close ends it
	}
	env.reaper = time.AfterFunc(f.host.cfg.Idle, func() { f.reap(env) })
	f.idle = append(f.idle, env)
}

// reap ends env if it is still idle.
func (f *function) reap(env *environment) {
	f.mu.Lock()
	i := slices.Index(f.idle, env)
	if i >= 0 {
		f.idle = slices.Delete(f.idle, i, i+1)
	}
	f.mu.Unlock()
	if i >= 0 {
		env.stop(stopGrace)
	}
}

// start makes an environment and waits until it asks for work. When it does
// not, the environment is nil and the result says why.
func (f *function) start(id string) (*environment, Result) {
	env, err := f.newEnvironment()
	if err != nil {
		f.log.printf("INIT_REPORT Phase: init Status: error Error Type: Runtime.InvalidEntrypoint")
		return nil, failure(id, "Runtime.InvalidEntrypoint", err.Error())
	}
	result := env.awaitInit(id)
	if result.FunctionError != "" {
		env.stop(0)
		f.log.printf("INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: error", milliseconds(env.initTook()))
		return nil, result
	}
	return env, Result{}
}

// failure is the result of an invocation that the host itself declares failed.
func failure(id, typ, message string) Result {
	payload, err := json.Marshal(
		map[string]string{"errorType": typ, "errorMessage": "RequestId: " + id + " Error: " + message},
	)
	if err != nil {
		panic(err) // two strings always encode
	}
	return Result{RequestID: id, Payload: payload, FunctionError: unhandled, crashed: true}
}

func (f *function) pids() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []int
	for env := range f.live {
		all = append(all, env.cmd.Process.Pid)
	}
	slices.Sort(all)
	return all
}

// close ends all environments and lets no new one begin.
func (f *function) close() {
	f.mu.Lock()
	f.closed = true
	f.idle = nil
	var all []*environment
	for env := range f.live {
		all = append(all, env)
	}
	f.mu.Unlock()
	var wg sync.WaitGroup
	for _, env := range all {
		wg.Go(func() { env.stop(stopGrace) })
	}
	wg.Wait()
}

// newTrace makes an X-Ray trace header.
func newTrace(now time.Time) string {
	var b [20]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // documented never to fail
	}
	return fmt.Sprintf(
		"Root=1-%08x-%s;Parent=%s;Sampled=0",
		now.Unix(),
		hex.EncodeToString(b[:12]),
		hex.EncodeToString(b[12:]),
	)
}
