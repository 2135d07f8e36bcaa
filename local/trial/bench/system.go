package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"hotsync/local/sandbox"
	"hotsync/local/sandbox/persona"
	"hotsync/local/stack"
	"hotsync/shared/hotsync"
)

// system is a running stack with the calls that measurements make.
type system struct{ *stack.Stack }

// call is stack.Call, with an error that says of what.
func call(ctx context.Context, method, address, bearer string, body, into any) error {
	err := stack.Call(ctx, nil, method, address, bearer, body, into)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, address, err)
	}
	return nil
}

func (s *system) token(ctx context.Context, issuer string, claims any) (string, error) {
	var answer struct {
		Token string `json:"id_token"`
	}
	err := call(ctx, http.MethodPost, s.IDPURL+"/_sandbox/token?issuer="+issuer, "", claims, &answer)
	return answer.Token, err
}

// sync signs in and waits for the one event of the login.
func (s *system) sync(ctx context.Context, token string) (hotsync.Event, error) {
	var admitted struct{ Queued []struct{ Event string } }
	err := call(ctx, http.MethodPost, s.URL+"/login", token, nil, &admitted)
	if err != nil {
		return hotsync.Event{}, err
	}
	if len(admitted.Queued) != 1 {
		return hotsync.Event{}, fmt.Errorf("%d syncs were queued, want 1", len(admitted.Queued))
	}
	return s.await(ctx, admitted.Queued[0].Event)
}

// await waits until an event is final.
func (s *system) await(ctx context.Context, id string) (hotsync.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	viewer, err := s.token(ctx, persona.Staff, map[string]any{"sub": "staff|viewer", "groups": []string{"viewer"}})
	if err != nil {
		return hotsync.Event{}, err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var e hotsync.Event
		err := call(ctx, http.MethodGet, s.URL+"/api/events/"+id, viewer, nil, &e)
		if err == nil && e.Status.Final() {
			return e, nil
		}
		select {
		case <-ctx.Done():
			return e, fmt.Errorf("event %s is still %q: %w", id, e.Status, ctx.Err())
		case <-tick.C:
		}
	}
}

// latency makes both tenants as slow as real ones, or quick again.
func (s *system) latency(ctx context.Context, zuora, limio time.Duration) error {
	err := call(
		ctx,
		http.MethodPut,
		s.ZuoraURL+"/_sandbox/behaviour",
		"",
		map[string]int64{"latencyMs": zuora.Milliseconds()},
		nil,
	)
	if err != nil {
		return err
	}
	return call(
		ctx,
		http.MethodPut,
		s.LimioURL+"/_sandbox/behaviour",
		"",
		map[string]int64{"latencyMs": limio.Milliseconds()},
		nil,
	)
}

func (s *system) requests(ctx context.Context, base string) ([]sandbox.Request, error) {
	var all []sandbox.Request
	err := call(ctx, http.MethodGet, base+"/_sandbox/requests", "", nil, &all)
	return all, err
}

// report is what the host logs of an invocation.
type report struct {
	duration, init time.Duration
	memoryMB       int
}

var reportLine = regexp.MustCompile(
	`^REPORT .*\tDuration: ([0-9.]+) ms.*Max Memory Used: (\d+) MB(?:\tInit Duration: ([0-9.]+) ms)?`,
)

// reports reads the REPORT lines of a function's log.
func reports(dir, function string) ([]report, error) {
	log, err := os.ReadFile(filepath.Join(dir, "logs", function+".log"))
	if err != nil {
		return nil, err
	}
	var out []report
	for line := range strings.Lines(string(log)) {
		m := reportLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		memory, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, err
		}
		r := report{memoryMB: memory}
		for text, into := range map[string]*time.Duration{m[1]: &r.duration, m[3]: &r.init} {
			if text == "" {
				continue
			}
			*into, err = time.ParseDuration(text + "ms")
			if err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}
