package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"text/tabwriter"
	"time"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

// The tenant's limits, and what of them hotsync may use: the last quarter is
// left to everything else that the merchant runs (package zuora).
const (
	tenantConcurrency = 40
	tenantQueries     = 80
	tenantPerMinute   = 50_000
	allowedShare      = 0.75
)

// Bounds of a budget run.
const (
	zuoraLatency = time.Second      // slow enough for the limits, not this computer, to be what holds syncs back
	settle       = 3 * time.Second  // until every process runs and has felt the limits
	outage       = 10 * time.Second // how long Zuora is away
)

// budgetReport is what a budget run showed.
type budgetReport struct {
	syncs     int
	load      time.Duration // how long was measured
	mean      float64       // calls in flight in the default pool
	peak      [2]int
	perMinute float64 // calls
	limited   int     // 429s
	late      int     // of them after the first second
	recovery  time.Duration
	attempts  int // most of any sync
	failed    int
	broken    []string
}

// budget puts a backlog of syncs before Zuora, which enforces its limits, and
// lets it go away for a while in the middle.
func budget(ctx context.Context, opt options) (_ *budgetReport, err error) {
	opt.faults = 0
	r, err := begin(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	err = call(ctx, http.MethodPut, r.stack.ZuoraURL+"/_sandbox/limits", "", doc{"concurrency": tenantConcurrency,
		"objectQueryConcurrency": tenantQueries, "perMinute": tenantPerMinute}, nil)
	if err != nil {
		return nil, err
	}
	err = r.backlog(ctx)
	if err != nil {
		return nil, err
	}
	out := &budgetReport{}
	err = r.underLoad(ctx, out)
	if err == nil {
		err = r.drain(ctx)
	}
	if err != nil {
		return nil, err
	}
	seen := r.watch.seen()
	out.peak, out.limited, out.syncs = seen.peak, seen.limited, seen.reads
	events, err := r.events(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		out.attempts = max(out.attempts, len(e.Attempts))
		if e.Status == hotsync.StatusFailed {
			out.failed++
		}
	}
	check := &report{saw: seen, did: r.tally}
	err = r.check(ctx, check, events)
	if err != nil {
		return nil, err
	}
	out.judge(check.violations())
	return out, nil
}

// backlog makes accounts of little content and queues a sync for each.
func (r *run) backlog(ctx context.Context) error {
	random := rand.New(rand.NewPCG(r.seed, 0))
	r.world = newWorld(random, r.accounts)
	r.world.single()
	r.zuora.latency = zuoraLatency
	err := r.misbehave(ctx, true)
	if err != nil {
		return err
	}
	r.started = time.Now()
	for i, a := range r.world.accounts {
		a = billing.Account{ID: a.ID, Number: a.Number, Name: a.Name, Status: a.Status, Currency: a.Currency}
		r.world.accounts[i] = a
		err = r.put(ctx, a)
		if err != nil {
			return err
		}
		now := time.Now()
		err = r.queue.Send(
			ctx,
			hotsync.SyncRequest{EventID: hotsync.EventIDFor(now, "budget", a.ID), Trigger: hotsync.TriggerLogin,
				Identity: r.world.people[i].identity(r.stack.IDPURL), Account: a.ID, AccountID: a.ID, RequestedAt: now},
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// underLoad measures while the backlog lasts, and takes Zuora away when half of
// it is done.
func (r *run) underLoad(ctx context.Context, out *budgetReport) error {
	began := time.Now()
	err := wait(ctx, settle)
	if err != nil {
		return err
	}
	from := r.watch.seen()
	for r.watch.seen().reads < r.accounts/2 {
		err = wait(ctx, 100*time.Millisecond)
		if err != nil {
			return err
		}
	}
	to := r.watch.seen()
	out.load, out.mean = to.at.Sub(from.at), mean(from, to, defaultPool)
	out.perMinute = float64(to.calls-from.calls) / to.at.Sub(from.at).Minutes()
	r.say("half of the backlog is done, Zuora goes away for %s", outage)
	err = r.zuora.misbehave(ctx, []fault{{Match: "* /**", Probability: 1, Status: http.StatusServiceUnavailable}})
	if err == nil {
		err = wait(ctx, outage)
	}
	if err != nil {
		return err
	}
	r.watch.mark()
	err = r.zuora.misbehave(ctx, nil)
	back := time.Now()
	for err == nil && r.watch.seen().firstOf.IsZero() {
		err = wait(ctx, 20*time.Millisecond)
	}
	out.recovery = r.watch.seen().firstOf.Sub(back)
	if last := r.watch.seen().limitAt; last.After(began.Add(time.Second)) {
		out.late++
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// judge compares with what is promised.
func (b *budgetReport) judge(violations []string) {
	b.broken = violations
	want := func(ok bool, format string, args ...any) {
		if !ok {
			b.broken = append(b.broken, fmt.Sprintf(format, args...))
		}
	}
	want(b.used() >= 0.9, "%.0f %% of the allowed share was used under load, not 90 %%", 100*b.used())
	want(b.late == 0, "Zuora answered 429 after the first second")
	want(b.recovery <= 10*time.Second, "the first good answer came %s after the end of the outage", b.recovery)
	want(b.failed == 0, "%d syncs failed", b.failed)
}

// used is the share of what hotsync may have in flight that it had.
func (b *budgetReport) used() float64 { return b.mean / (tenantConcurrency * allowedShare) }

func (b *budgetReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(t, "%s\t%v\n", name, value) }
	row(
		"Zuora enforces",
		fmt.Sprintf(
			"%d calls at once, %d for Object Query, %d a minute; answers in %s",
			tenantConcurrency,
			tenantQueries,
			tenantPerMinute,
			zuoraLatency,
		),
	)
	row("syncs", b.syncs)
	row("calls in flight under load, mean", fmt.Sprintf("%.1f over %s", b.mean, b.load.Round(time.Second)))
	row("  of the allowed share", fmt.Sprintf("%.0f %% (allowed: %.0f)", 100*b.used(), tenantConcurrency*allowedShare))
	row("  peak", fmt.Sprintf("%d, Object Query %d", b.peak[defaultPool], b.peak[objectQueryPool]))
	row("calls a minute", fmt.Sprintf("%.0f", b.perMinute))
	row("429s", b.limited)
	row("outage of Zuora", outage)
	row("  first good answer after its end", b.recovery.Round(10*time.Millisecond))
	row("most attempts of a sync", b.attempts)
	row("failed", b.failed)
	row("promises broken", len(b.broken))
	return t.Flush()
}

func (b *budgetReport) violations() []string { return b.broken }
