package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"hotsync/local/stack"
	"hotsync/local/trial/queueing"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

// What the measured points of the queueing model are made with.
const (
	queueAccounts = 600
	queuePlaces   = 6 // functions at once; the local queue hands out one message of a FIFO group at a time
	queueProbe    = 40
	queueLoad     = 40 * time.Second // of each point
)

// queueRows puts logins that come at random to a stack with few places, and compares
// how long they take with what package queueing says. The model knows only how long
// logins take that meet nobody.
func queueRows(ctx context.Context, b *bench) ([]row, error) {
	s, err := b.stack(ctx, stack.Options{Parameters: map[string]string{"MaximumConcurrency": fmt.Sprint(queuePlaces)}})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var ids []string
	for n := range queueAccounts {
		id, err := s.putAccount(ctx, n, 1)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
		if len(ids)%10 == 0 {
			_, err = s.handle(ctx, ids[len(ids)-10:])
			if err != nil {
				return nil, err
			}
		}
	}
	err = s.latency(ctx, 200*time.Millisecond, 50*time.Millisecond)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(15, 1))
	every := func() time.Duration { return 500 * time.Millisecond } // so that they do not meet
	alone, err := s.arrivals(ctx, ids[:queueProbe], every)
	if err != nil {
		return nil, err
	}
	alone = alone[queueProbe/10:] // the first start processes
	sum := time.Duration(0)
	for _, d := range alone {
		sum += d
	}
	mean := sum / time.Duration(len(alone))
	model := queueing.System{Places: queuePlaces, Kinds: []queueing.Kind{{Share: 1, Stages: [][]queueing.Calls{
		{{Pool: queueing.NoPool, Count: 1, Each: queueing.Measured(alone)}},
	}}}}
	var rows []row
	for _, used := range []float64{0.5, 0.7, 0.85} {
		perSecond := used * queuePlaces / mean.Seconds()
		n := min(len(ids), int(perSecond*queueLoad.Seconds()))
		took, err := s.arrivals(ctx, ids[:n], func() time.Duration {
			return time.Duration(random.ExpFloat64() / perSecond * float64(time.Second))
		})
		if err != nil {
			return nil, err
		}
		says := queueing.Simulate(model, perSecond, 100_000, 1).Whole
		measured := queueing.TimesOf(took)
		rows = append(rows, row{
			name:  fmt.Sprintf("mean time of a login, %.0f %% of the places used, measured : queueing model", 100*used),
			value: ratio(measured.Mean, says.Mean),
			unit:  "x",
			detail: fmt.Sprintf("%.0f ms : %.0f ms (p95 %.0f ms : %.0f ms), %d logins, %.1f a second; alone %.0f ms",
				ms(measured.Mean), ms(says.Mean), ms(measured.P95), ms(says.P95), n, perSecond, ms(mean)),
		})
	}
	return append(rows, plannedRows()...), nil
}

// arrivals queues a login of each account, with a pause of between after each, and
// returns how long each took from the queue to its end.
func (s *system) arrivals(ctx context.Context, ids []string, between func() time.Duration) ([]time.Duration, error) {
	queue, ok := s.Template.Queue("SyncQueue")
	if !ok {
		return nil, fmt.Errorf("there is no SyncQueue")
	}
	sender := syncqueue.New(s.Engines.SQS(), queue.URL)
	var sent []string
	next := time.Now()
	for _, id := range ids {
		now := time.Now()
		r := hotsync.SyncRequest{
			EventID: hotsync.EventIDFor(now, "queueing", id), LoginID: "login-" + id + fmt.Sprint(now.UnixNano()),
			Trigger: hotsync.TriggerLogin, Provider: "direct",
			Identity: hotsync.Identity{Issuer: "http://127.0.0.1/direct", Subject: id},
			Claim:    "zuora_account_ids", Account: id, AccountID: id, RequestedAt: now,
		}
		err := sender.Send(ctx, r)
		if err != nil {
			return nil, err
		}
		sent = append(sent, r.EventID)
		next = next.Add(between())
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Until(next)):
		}
	}
	var took []time.Duration
	for _, id := range sent {
		e, err := s.await(ctx, id)
		if err != nil {
			return nil, err
		}
		if e.Reason != hotsync.ReasonUnchanged {
			return nil, fmt.Errorf("a repeated sync ended as %s %s", e.Status, e.Reason)
		}
		took = append(took, e.FinishedAt.Sub(e.RequestedAt))
	}
	return took, nil
}

// Of a tenant that nobody measured: what a call takes on average, varying at random,
// and the steps of the sync's own.
const (
	plannedZuora = 300 * time.Millisecond
	plannedLimio = 150 * time.Millisecond
	plannedOwn   = 60 * time.Millisecond
	plannedFirst = 0.05 // share of first logins
)

// Zuora's pools as they are planned with, and Limio's.
const (
	defaultPool = iota
	objectQuery
	limioPool
)

// planned is the product with so many functions and the settings of one as delivered:
// a batch of ten, 5 calls to Zuora's default pool, 10 to Object Query, 40 to Limio.
func planned(functions int) queueing.System {
	zuora, limio := queueing.Exponential(plannedZuora), queueing.Exponential(plannedLimio)
	read := [][]queueing.Calls{
		{{Pool: defaultPool, Count: 2, Each: zuora}, {Pool: objectQuery, Count: 1, Each: zuora},
			{Pool: limioPool, Count: 1, Each: limio}},
		{{Pool: limioPool, Count: 1, Each: limio}},
		{{Pool: queueing.NoPool, Count: 1, Each: queueing.Fixed(plannedOwn)}},
	}
	written := read
	for _, writes := range []int{1, 1, 6, 12, 1} { // the levels of a first sync of three subscriptions
		written = append(written, []queueing.Calls{{Pool: limioPool, Count: writes, Each: limio}})
	}
	return queueing.System{
		Places: 10 * functions,
		Pools: []queueing.Pool{
			{Name: "Zuora's default pool", Places: 5 * functions}, {Name: "Object Query", Places: 10 * functions},
			{Name: "Limio", Places: 40 * functions},
		},
		Kinds: []queueing.Kind{{Share: plannedFirst, Stages: written}, {Share: 1 - plannedFirst, Stages: read}},
	}
}

// plannedRows are loads that no computer at hand can make, as the model sees them.
func plannedRows() []row {
	var rows []row
	for _, p := range []struct {
		hourly, functions int
	}{{10_000, 6}, {100_000, 6}, {150_000, 6}, {500_000, 20}, {1_000_000, 40}} {
		perSecond := float64(p.hourly) / 3600
		r := queueing.Simulate(planned(p.functions), perSecond, 200_000, 1)
		rows = append(rows, row{
			name:  fmt.Sprintf("queueing model: %d logins an hour, MaximumConcurrency %d, p95", p.hourly, p.functions),
			value: r.Whole.P95.Seconds(), unit: "s",
			detail: fmt.Sprintf("p50 %.1f s, p99 %.1f s; %.0f %% of the places, %.0f %% of Zuora's default pool, "+
				"%.0f %% of Object Query used; %.0f Zuora calls a minute",
				r.Whole.P50.Seconds(), r.Whole.P99.Seconds(), 100*r.Busy, 100*r.PoolBusy[defaultPool], 100*r.PoolBusy[objectQuery],
				3*60*perSecond),
		})
	}
	return rows
}
