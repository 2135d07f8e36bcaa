package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/lambdafn/wiring"
	"hotsync/shared/projection"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
	"hotsync/shared/zuora"
)

// What a call to the tenants takes in these measurements.
const (
	zuoraLatency = 300 * time.Millisecond
	limioLatency = 150 * time.Millisecond
)

// syncPoints are the sizes of account and latencies of Zuora (half of it Limio's)
// that a first sync is measured with.
var syncPoints = []struct {
	subscriptions int
	zuora         time.Duration
	target        float64
}{
	{1, zuoraLatency, 1.15},
	{3, 100 * time.Millisecond, 0}, // here the steps of its own tell, which depend on the computer
	{3, zuoraLatency, 1.15},
	{3, time.Second, 1.15},
	{20, zuoraLatency, 1.15},
	{200, zuoraLatency, 1.15},
}

// syncRows measures a first sync against its critical path, and what a repeated
// login costs.
func syncRows(ctx context.Context, b *bench) ([]row, error) {
	const rounds = 3
	s, err := b.stack(ctx, stack.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	_, token, err := s.person(ctx, 0, 3)
	if err == nil {
		_, err = s.sync(ctx, token) // which fetches the tenants' tokens
	}
	if err != nil {
		return nil, err
	}
	var rows []row
	for i, p := range syncPoints {
		tokens := make([]string, rounds)
		var id string
		for n := range tokens {
			id, tokens[n], err = s.person(ctx, 1+rounds*i+n, p.subscriptions)
			if err != nil {
				return nil, err
			}
		}
		r, err := s.firstSync(ctx, id, tokens, p.subscriptions, p.zuora)
		if err != nil {
			return nil, err
		}
		r.target = p.target
		rows = append(rows, r)
	}
	err = s.latency(ctx, zuoraLatency, zuoraLatency/2)
	if err != nil {
		return nil, err
	}
	repeated, err := s.repeatRows(ctx, token)
	return append(rows, repeated...), err
}

// person is somebody new with an account of their own, who can sign in.
func (s *system) person(ctx context.Context, n, subscriptions int) (id, token string, err error) {
	id, err = s.putAccount(ctx, n, subscriptions)
	if err != nil {
		return "", "", err
	}
	token, err = s.token(ctx, "direct", map[string]any{"sub": fmt.Sprint("direct|", n), "zuora_account_ids": id})
	return id, token, err
}

// firstSync compares the first syncs of accounts of one size with the calls that
// must follow each other: both tenants are read at the same time, then come the
// writes. The last of the accounts has the id.
func (s *system) firstSync(
	ctx context.Context, id string, tokens []string, subscriptions int, latency time.Duration,
) (row, error) {
	err := s.latency(ctx, 0, 0)
	if err != nil {
		return row{}, err
	}
	writes, err := s.writePath(ctx, id)
	if err != nil {
		return row{}, err
	}
	path := latency + time.Duration(writes)*latency/2
	err = s.latency(ctx, latency, latency/2)
	if err != nil {
		return row{}, err
	}
	var took, whole []time.Duration
	for _, token := range tokens {
		begun := time.Now()
		e, err := s.sync(ctx, token)
		if err != nil {
			return row{}, err
		}
		if e.Reason != hotsync.ReasonChanged {
			return row{}, fmt.Errorf("the first sync ended as %s %s", e.Status, e.Reason)
		}
		took, whole = append(took, e.FinishedAt.Sub(e.StartedAt)), append(whole, time.Since(begun))
	}
	return row{
		name:  fmt.Sprintf("first sync, %d subscriptions, Zuora %s : critical path", subscriptions, latency),
		value: ratio(percentile(took, 50), path),
		unit:  "x",
		detail: fmt.Sprintf(
			"%.0f ms : %.0f ms (1 read, then %d writes after each other, %d at once); from the login on %.0f ms",
			ms(percentile(took, 50)), ms(path), writes, syncer.Writers, ms(percentile(whole, 50))),
	}, nil
}

// writePath is how many writes of a first sync must follow each other.
func (s *system) writePath(ctx context.Context, id string) (int, error) {
	client, err := zuora.New(zuora.Config{BaseURL: s.ZuoraURL, Now: time.Now, Credentials: zuorasandbox.Credentials})
	if err != nil {
		return 0, err
	}
	a, err := client.Read(ctx, id, zuora.ReadOptions{Preview: true})
	if err != nil {
		return 0, err
	}
	want := projection.Project(
		a,
		hotsync.Identity{Issuer: "i", Subject: "s"},
		projection.Options{
			Today: time.Now().UTC().Format(time.DateOnly), Tenant: "bench", Schedules: hotsync.SchedulesPreview,
		},
	)
	return convergence.Rounds(convergence.Diff(want, nil).Changes, syncer.Writers), nil
}

// repeatRows signs in again, to an account that did not change.
func (s *system) repeatRows(ctx context.Context, token string) ([]row, error) {
	before, err := s.requests(ctx, s.LimioURL)
	if err != nil {
		return nil, err
	}
	e, err := s.sync(ctx, token)
	if err != nil {
		return nil, err
	}
	if e.Reason != hotsync.ReasonUnchanged {
		return nil, fmt.Errorf("the repeated sync ended as %s %s", e.Status, e.Reason)
	}
	all, err := s.requests(ctx, s.LimioURL)
	if err != nil {
		return nil, err
	}
	reads, writes := 0, 0
	for _, r := range all[len(before):] {
		if r.Method == http.MethodGet {
			reads++
		} else {
			writes++
		}
	}
	if writes > 0 {
		return nil, fmt.Errorf("a repeated login made %d writes", writes)
	}
	return []row{{name: "repeated login: Limio reads", value: float64(reads), target: 2,
		detail: fmt.Sprintf("and %d writes, in %.0f ms", writes, ms(e.FinishedAt.Sub(e.StartedAt)))}}, nil
}

// batch is a batch of the sync queue with a first sync of each account.
func batch(accounts []string) ([]byte, error) {
	var in events.SQSEvent
	now := time.Now().UTC()
	for _, id := range accounts {
		r := hotsync.SyncRequest{
			EventID:  wiring.NewEventID(now),
			LoginID:  "login-" + id,
			Trigger:  hotsync.TriggerLogin,
			Provider: "direct",
			Identity: hotsync.Identity{
				Issuer:  "http://127.0.0.1/direct",
				Subject: id,
			},
			Claim:       "zuora_account_ids",
			Account:     id,
			AccountID:   id,
			RequestedAt: now,
		}
		body, err := syncqueue.Encode(r)
		if err != nil {
			return nil, err
		}
		in.Records = append(
			in.Records,
			events.SQSMessage{
				MessageId:     r.EventID,
				ReceiptHandle: r.EventID,
				Body:          body,
				EventSource:   "aws:sqs",
				Attributes: map[string]string{
					"MessageGroupId":          id,
					"ApproximateReceiveCount": "1",
					"SentTimestamp":           fmt.Sprint(now.UnixMilli()),
				},
			},
		)
	}
	return json.Marshal(in)
}

// handle hands the sync function a batch itself, since the local SQS hands out
// messages of a FIFO queue one at a time, and makes sure that all of it is done.
func (s *system) handle(ctx context.Context, accounts []string) (time.Duration, error) {
	payload, err := batch(accounts)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	result, err := s.Host.Invoke(ctx, "sync", payload)
	took := time.Since(begun)
	if err != nil {
		return 0, err
	}
	var out events.SQSEventResponse
	err = json.Unmarshal(result.Payload, &out)
	if err != nil || result.FunctionError != "" || len(out.BatchItemFailures) > 0 {
		return 0, errors.Join(err, fmt.Errorf("sync answered %s %s", result.FunctionError, result.Payload))
	}
	return took, nil
}

// batchRows compares a batch of ten accounts with one of one.
func batchRows(ctx context.Context, b *bench) ([]row, error) {
	s, err := b.stack(ctx, stack.Options{Paused: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	const rounds, many = 3, 10
	var ids []string
	for n := range 1 + rounds*(1+many) {
		id, err := s.putAccount(ctx, n, 3)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	_, err = s.handle(ctx, ids[:1])
	if err != nil {
		return nil, err
	}
	ids = ids[1:]
	err = s.latency(ctx, zuoraLatency, limioLatency)
	if err != nil {
		return nil, err
	}
	var one, ten []time.Duration
	for range rounds {
		took, err := s.handle(ctx, ids[:1])
		if err != nil {
			return nil, err
		}
		one, ids = append(one, took), ids[1:]
		took, err = s.handle(ctx, ids[:many])
		if err != nil {
			return nil, err
		}
		ten, ids = append(ten, took), ids[many:]
	}
	return []row{
		{
			name:   "10 accounts in a batch : one",
			value:  ratio(percentile(ten, 50), percentile(one, 50)),
			target: 1.5,
			unit:   "x",
			detail: fmt.Sprintf(
				"%.0f ms : %.0f ms, first syncs of 3 subscriptions",
				ms(percentile(ten, 50)),
				ms(percentile(one, 50)),
			),
		},
	}, nil
}

// memoryRows syncs a hundred large accounts in one process, ten at a time, first
// and then again.
func memoryRows(ctx context.Context, b *bench) ([]row, error) {
	s, err := b.stack(ctx, stack.Options{Paused: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	const accounts, subscriptions, many = 100, 60, 10
	var ids []string
	for n := range accounts {
		id, err := s.putAccount(ctx, n, subscriptions)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	begun := time.Now()
	for range 2 {
		for i := 0; i < accounts; i += many {
			_, err = s.handle(ctx, ids[i:i+many])
			if err != nil {
				return nil, err
			}
		}
	}
	all, err := reports(s.Dir, "sync")
	if err != nil {
		return nil, err
	}
	peak, starts := 0, 0
	for _, r := range all {
		peak = max(peak, r.memoryMB)
		if r.init > 0 {
			starts++
		}
	}
	if starts != 1 {
		return nil, fmt.Errorf("%d processes did the work, want 1", starts)
	}
	return []row{
		{
			name:   "peak memory of the sync process",
			value:  float64(peak),
			target: 96,
			unit:   "MB",
			detail: fmt.Sprintf(
				"%d accounts of %d subscriptions, twice, in %.1f s",
				accounts,
				subscriptions,
				time.Since(begun).Seconds(),
			),
		},
	}, nil
}
