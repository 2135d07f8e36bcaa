package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"hotsync/local/sandbox/persona"
	"hotsync/local/stack"
	"hotsync/shared/hotsync"
)

// system is where a running hotsync is reached.
type system struct{ api, idp string }

func (s *system) idpFlag(f *flag.FlagSet) {
	f.StringVar(&s.idp, "idp", "http://127.0.0.1:8093", "address of the local identity provider")
}

func (s *system) apiFlag(f *flag.FlagSet) {
	f.StringVar(&s.api, "api", "http://127.0.0.1:8080", "address of the HTTP API")
}

func token(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("token", stderr)
	s := &system{}
	s.idpFlag(f)
	err := parse(f, args, 1)
	if err != nil {
		return err
	}
	raw, err := s.token(ctx, f.Arg(0))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, raw)
	return err
}

func personas(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("personas", stderr)
	err := parse(f, args, 0)
	if err != nil {
		return err
	}
	for _, p := range persona.All(time.Now()) {
		fmt.Fprintf(stdout, "%-11s %-7s %s\n", p.Name, p.Issuer, p.Story)
	}
	return nil
}

func login(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("login", stderr)
	s := &system{}
	s.idpFlag(f)
	s.apiFlag(f)
	wait := f.Duration("wait", time.Minute, "how long to wait for the sync")
	err := parse(f, args, 1)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	events, err := s.login(ctx, f.Arg(0), stderr)
	if err != nil {
		return err
	}
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	err = out.Encode(events)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Status != hotsync.StatusSucceeded && e.Reason != hotsync.ReasonCoalesced {
			return errQuiet
		}
	}
	return nil
}

// queued is an entry of the answer of POST /login.
type queued struct {
	Event   string `json:"event"`
	Account string `json:"account"`
	Lookup  *struct {
		Field string `json:"field"`
	} `json:"lookup"`
}

// login signs a persona in and waits until every sync has ended.
func (s *system) login(ctx context.Context, name string, progress io.Writer) ([]hotsync.Event, error) {
	raw, err := s.token(ctx, name)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Queued  []queued `json:"queued"`
		Ignored []struct {
			Claim  string `json:"claim"`
			Reason string `json:"reason"`
			Detail string `json:"detail"`
		} `json:"ignored"`
		Reason string `json:"reason"`
	}
	err = s.call(ctx, http.MethodPost, s.api+"/login", raw, &answer)
	if err != nil {
		return nil, err
	}
	for _, i := range answer.Ignored {
		fmt.Fprintf(progress, "ignored claim %s: %s (%s)\n", i.Claim, i.Reason, i.Detail)
	}
	if answer.Reason != "" {
		fmt.Fprintf(progress, "nothing queued: %s\n", answer.Reason)
	}
	staff, err := s.token(ctx, "viewer")
	if err != nil {
		return nil, err
	}
	events := []hotsync.Event{}
	for _, q := range answer.Queued {
		what := q.Account
		if q.Lookup != nil {
			what = "lookup by " + q.Lookup.Field
		}
		fmt.Fprintf(progress, "queued %s: %s\n", q.Event, what)
		e, found, err := s.await(ctx, staff, q)
		switch {
		case err != nil:
			return nil, err
		case found:
			fmt.Fprintf(
				progress,
				"       %s: %s %s after %s\n",
				e.ID,
				e.Status,
				e.Reason,
				e.FinishedAt.Sub(e.RequestedAt).Round(time.Millisecond),
			)
			events = append(events, e)
		default:
			fmt.Fprintf(progress, "       %s: no Zuora account matches, nothing was recorded\n", q.Event)
		}
	}
	return events, nil
}

// await polls for the end of a sync. found is false for a lookup that matched
// no account: it leaves no event, so the queue running empty is the sign.
func (s *system) await(ctx context.Context, staff string, q queued) (_ hotsync.Event, found bool, _ error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	empty := 0
	for {
		var e hotsync.Event
		err := s.call(ctx, http.MethodGet, s.api+"/api/events/"+q.Event, staff, &e)
		var refused *stack.Refusal
		switch {
		case err == nil && e.Status.Final():
			return e, true, nil
		case err == nil:
			empty = 0
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound && q.Lookup != nil:
			idle, err := s.queueIdle(ctx, staff)
			if err != nil {
				return e, false, err
			}
			if !idle {
				empty = 0
			} else if empty++; empty >= 5 { // SQS counts are approximate: believe them only when they stay
				return e, false, nil
			}
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		default:
			return e, false, err
		}
		select {
		case <-ctx.Done():
			return e, false, fmt.Errorf(
				"the sync %s did not end in time (status %q); see the log of the sync function",
				q.Event,
				e.Status,
			)
		case <-tick.C:
		}
	}
}

func (s *system) queueIdle(ctx context.Context, staff string) (bool, error) {
	var d struct {
		Queue struct{ Visible, InFlight, Delayed int }
	}
	err := s.call(ctx, http.MethodGet, s.api+"/api/queue", staff, &d)
	return d.Queue.Visible+d.Queue.InFlight+d.Queue.Delayed == 0, err
}

// token asks the local identity provider for a persona's ID token.
func (s *system) token(ctx context.Context, name string) (string, error) {
	if _, ok := persona.Find(name, time.Now()); !ok {
		return "", fmt.Errorf("there is no persona %q; hotsync personas lists them", name)
	}
	var answer struct {
		IDToken string `json:"id_token"`
	}
	err := s.call(ctx, http.MethodGet, s.idp+"/_sandbox/token?persona="+url.QueryEscape(name), "", &answer)
	return answer.IDToken, err
}

func (s *system) call(ctx context.Context, method, address, bearer string, into any) error {
	err := stack.Call(ctx, nil, method, address, bearer, nil, into)
	var netErr *url.Error
	if errors.As(err, &netErr) && ctx.Err() == nil {
		return fmt.Errorf("nothing answers at %s; start the system with make run: %w", address, netErr.Err)
	}
	return err
}
