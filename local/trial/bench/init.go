package main

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"time"

	"hotsync/local/stack"
	"hotsync/local/stack/lambdahost"
)

const initRounds = 31

// initRows starts the login function and a hello-world function by turns and
// compares how long Lambda would wait for their first sign of life.
func initRows(ctx context.Context, b *bench) ([]row, error) {
	s, err := b.stack(ctx, stack.Options{Paused: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	plain, err := b.startBare(ctx, b.engines, "x", "")
	if err != nil {
		return nil, err
	}
	defer plain.close()
	event := json.RawMessage(`{"triggerSource":"PreSignUp_SignUp"}`) // which the login function gives back at once
	for range initRounds {
		err = cold(ctx, plain.Host, "hello", event)
		if err != nil {
			return nil, err
		}
		err = cold(ctx, s.Host, "login", event)
		if err != nil {
			return nil, err
		}
	}
	hello, err := inits(plain.dir, "hello")
	if err != nil {
		return nil, err
	}
	login, err := inits(s.Dir, "login")
	if err != nil {
		return nil, err
	}
	return []row{
		{
			name:   "init of login : hello world, p50",
			value:  ratio(percentile(login, 50), percentile(hello, 50)),
			target: 2.5,
			unit:   "x",
			detail: fmt.Sprintf(
				"%.2f ms : %.2f ms over %d starts",
				ms(percentile(login, 50)),
				ms(percentile(hello, 50)),
				initRounds,
			),
		},
	}, nil
}

// cold calls a function in a process that has just begun, and ends the process.
func cold(ctx context.Context, host *lambdahost.Host, name string, event []byte) error {
	result, err := host.Invoke(ctx, name, event)
	if err != nil {
		return err
	}
	if result.FunctionError != "" {
		return fmt.Errorf("%s: %s", name, result.Payload)
	}
	for _, pid := range host.PIDs(name) {
		err = syscall.Kill(-pid, syscall.SIGKILL)
		if err != nil {
			return err
		}
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(host.PIDs(name)) > 0 {
		<-tick.C
	}
	return nil
}

func inits(dir, function string) ([]time.Duration, error) {
	all, err := reports(dir, function)
	if err != nil {
		return nil, err
	}
	var out []time.Duration
	for _, r := range all {
		if r.init > 0 {
			out = append(out, r.init)
		}
	}
	if len(out) != initRounds {
		return nil, fmt.Errorf("%d cold starts of %s in its log, want %d", len(out), function, initRounds)
	}
	return out, nil
}
