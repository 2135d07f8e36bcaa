package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// besideReport is what a backfill beside logins showed.
type besideReport struct {
	accounts, people int
	perMinute        int
	alone, beside    latencies
	took             time.Duration // the backfill
	job              jobs.Job
	kills            int
	saw              traffic
	memory           map[string][2]int // of the second lane's functions, MB: most in the first half, and in the second
	broken           []string
}

// latencies are of the logins of a time: until POST /login answered, and until their
// accounts were synced.
type latencies struct{ synced []time.Duration }

func (l latencies) p(part float64) time.Duration {
	if len(l.synced) == 0 {
		return 0
	}
	slices.Sort(l.synced)
	return l.synced[min(len(l.synced)-1, int(part*float64(len(l.synced))))]
}

const (
	signingIn    = 150 // people who sign in, over and over
	aPerMinute   = 600
	maxBackfill  = 40 * time.Minute
	allowedRatio = 1.2
)

// beside backfills accounts while people sign in, kills what serves the job three
// times, and compares the logins with those of a time without it. The people's own
// accounts are among those that are backfilled: both lanes want them at once.
func beside(ctx context.Context, opt options) (_ *besideReport, err error) {
	opt.faults = 0
	r, err := begin(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	random := rand.New(rand.NewPCG(opt.seed, 0))
	err = r.settle(ctx, random)
	if err != nil {
		return nil, err
	}
	out := &besideReport{
		accounts:  opt.accounts,
		people:    len(r.world.people),
		perMinute: aPerMinute,
		memory:    map[string][2]int{},
	}

	// Everybody once, so that both times have logins of the same kind; then alone.
	r.say("logins alone for %s", opt.duration)
	stop := r.signing(ctx, random)
	err = wait(ctx, 15*time.Second)
	from := time.Now()
	if err == nil {
		err = wait(ctx, opt.duration)
	}
	aloneTill := time.Now()
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	j, err := r.backfill(ctx, out)
	besideTill := time.Now()
	err = errors.Join(err, stop())
	if err != nil {
		return nil, err
	}
	out.job = j
	err = r.drain(ctx)
	if err != nil {
		return nil, err
	}
	out.saw = r.watch.seen()
	events, err := r.events(ctx)
	if err != nil {
		return nil, err
	}
	out.alone, out.beside = measured(events, from, aloneTill), measured(events, aloneTill, besideTill)
	check := &report{saw: out.saw, did: r.tally}
	err = r.check(ctx, check, events)
	if err != nil {
		return nil, err
	}
	out.broken = check.violations()
	out.judge(events)
	return out, nil
}

// settle makes a tenant with its limits and its latency, the accounts, and the few of
// their people who sign in.
func (r *run) settle(ctx context.Context, random *rand.Rand) error {
	err := call(ctx, http.MethodPut, r.stack.ZuoraURL+"/_sandbox/limits", "", doc{"concurrency": tenantConcurrency,
		"objectQueryConcurrency": tenantQueries, "perMinute": tenantPerMinute}, nil)
	if err != nil {
		return err
	}
	r.world = newWorld(random, r.accounts)
	r.world.single()
	r.world.people = r.world.people[:min(signingIn, r.accounts)]
	for i := len(r.world.people); i < r.accounts; i++ {
		r.world.of[i] = nil
	}
	r.started = time.Now()
	return r.stock(ctx, r.world.accounts)
}

// signing has people sign in at an even rate until it is stopped.
func (r *run) signing(ctx context.Context, random *rand.Rand) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Minute / aPerMinute)
		defer tick.Stop()
		slots := make(chan struct{}, r.workers)
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			person := random.IntN(len(r.world.people))
			select {
			case slots <- struct{}{}:
			default:
				continue
			}
			wg.Go(func() {
				r.login(context.WithoutCancel(ctx), op{kind: doLogin, person: person})
				<-slots
			})
		}
	})
	return func() error {
		cancel()
		wg.Wait()
		return nil
	}
}

// backfill runs a job over every account, and kills what serves it at a quarter, a
// half and three quarters.
func (r *run) backfill(ctx context.Context, out *besideReport) (jobs.Job, error) {
	table := ""
	for _, t := range r.stack.Template.Tables {
		if t.LogicalID == "EventsTable" {
			table = t.Name
		}
	}
	store := jobs.Table{
		Table:     dynamo.Table{Client: r.stack.Engines.DynamoDB(), Name: table},
		Retention: 24 * time.Hour,
	}
	j, err := jobs.New(
		jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{ZOQL: "*"}, Rate: jobs.MaxRate, Note: "beside logins"},
		time.Now(),
		crand.Read,
	)
	if err != nil {
		return j, err
	}
	j, err = store.SaveJob(ctx, j)
	if err != nil {
		return j, err
	}
	r.say("%s over %d accounts", j.ID, r.accounts)
	began := time.Now()
	kick := func() {
		_ = call(ctx, http.MethodPost, r.stack.InvokeURL+"/2015-03-31/functions/reconcile/invocations", "", nil, nil)
	} // it may be killed
	go kick()
	kills := []float64{0.25, 0.5, 0.75}
	said := 0
	for time.Since(began) < maxBackfill {
		err = wait(ctx, 500*time.Millisecond)
		if err != nil {
			return j, err
		}
		j, err = store.Job(ctx, j.ID)
		if err != nil {
			return j, err
		}
		part := float64(j.Ended()) / float64(r.accounts)
		r.memory(out, part)
		if j.Ended() >= said+1000 {
			said = j.Ended()
			r.say("%d of %d ended, %s", j.Ended(), r.accounts, j.Waits)
		}
		if len(kills) > 0 && part >= kills[0] {
			kills = kills[1:]
			for _, function := range []string{"reconcile", "backfill"} {
				for _, pid := range r.stack.Host.PIDs(function) {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
				}
			}
			out.kills++
			r.say("killed what serves the job, at %.0f %%", 100*part)
			go kick() // as its schedule does within a minute
		}
		if j.Status == jobs.Done {
			out.took = time.Since(began)
			return j, nil
		}
	}
	return j, fmt.Errorf("the job has not ended after %s: %s of %d", maxBackfill, j.Counts(), j.Total)
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// memory notes how much the functions of the second lane hold.
func (r *run) memory(out *besideReport, part float64) {
	half := 0
	if part >= 0.5 {
		half = 1
	}
	for _, function := range []string{"reconcile", "backfill"} {
		most := out.memory[function]
		most[half] = max(most[half], r.resident(function))
		out.memory[function] = most
	}
}

// resident is how many MB the largest process of a function holds; 0 where there is
// none, or this is no Linux.
func (r *run) resident(function string) (most int) {
	for _, pid := range r.stack.Host.PIDs(function) {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil {
			continue // it has ended
		}
		m := resident.FindSubmatch(status)
		if m == nil {
			continue
		}
		kb, err := strconv.Atoi(string(m[1]))
		if err == nil {
			most = max(most, kb>>10)
		}
	}
	return most
}

// measured are the logins asked for in a time, but for those that were coalesced.
func measured(events map[string]hotsync.Event, from, till time.Time) (l latencies) {
	for _, e := range events {
		if e.Trigger == hotsync.TriggerLogin && e.Status == hotsync.StatusSucceeded && e.RequestedAt.After(from) &&
			e.RequestedAt.Before(till) {
			l.synced = append(l.synced, e.FinishedAt.Sub(e.RequestedAt))
		}
	}
	return l
}

// judge compares with what is promised.
func (b *besideReport) judge(events map[string]hotsync.Event) {
	want := func(ok bool, format string, args ...any) {
		if !ok {
			b.broken = append(b.broken, fmt.Sprintf(format, args...))
		}
	}
	c := b.job.Counts()
	of := map[string]int{}
	for _, e := range events {
		if e.Job == b.job.ID {
			of[e.Account.ID]++
			want(
				e.Status == hotsync.StatusSucceeded || e.Reason == hotsync.ReasonCoalesced,
				"%s of the job is %s %s",
				e.ID,
				e.Status,
				e.Reason,
			)
		}
	}
	want(
		len(of) == b.accounts && b.job.Total == b.accounts,
		"the job has %d accounts and events of %d, want %d",
		b.job.Total,
		len(of),
		b.accounts,
	)
	for account, n := range of {
		want(n == 1, "%s was synced %d times by the job", account, n)
	}
	want(c[jobs.Changed]+c[jobs.Unchanged]+c[jobs.Covered] == b.accounts, "the job ended with %s", c)
	want(b.ratio() <= allowedRatio, "logins took %.2f times as long as alone (p95), not %.1f", b.ratio(), allowedRatio)
	want(b.saw.limited == 0, "Zuora answered 429 %d times", b.saw.limited)
	want(b.kills == 3, "what served the job was killed %d times, not 3", b.kills)
	for function, most := range b.memory {
		want(most[1] <= most[0]+most[0]/4+8, "%s grew from %d to %d MB", function, most[0], most[1])
	}
}

func (b *besideReport) ratio() float64 {
	return float64(b.beside.p(0.95)) / float64(max(1, b.alone.p(0.95)))
}

func (b *besideReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(t, "%s\t%v\n", name, value) }
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	row(
		"backfilled",
		fmt.Sprintf(
			"%d accounts in %s (%.0f a minute), %s",
			b.job.Total,
			b.took.Round(time.Second),
			float64(b.job.Total)/b.took.Minutes(),
			b.job.Counts(),
		),
	)
	row("logins a minute", fmt.Sprintf("%d of %d people", b.perMinute, b.people))
	row(
		"login to synced, alone",
		fmt.Sprintf("p50 %s, p95 %s (%d syncs)", ms(b.alone.p(0.5)), ms(b.alone.p(0.95)), len(b.alone.synced)),
	)
	row(
		"login to synced, beside the backfill",
		fmt.Sprintf("p50 %s, p95 %s (%d syncs)", ms(b.beside.p(0.5)), ms(b.beside.p(0.95)), len(b.beside.synced)),
	)
	row("  ratio of the p95", fmt.Sprintf("%.2f (allowed: %.1f)", b.ratio(), allowedRatio))
	row(
		"Zuora's pools, peak",
		fmt.Sprintf(
			"%d of %d, Object Query %d of %d",
			b.saw.peak[defaultPool],
			tenantConcurrency,
			b.saw.peak[objectQueryPool],
			tenantQueries,
		),
	)
	row("  429s", b.saw.limited)
	row("killed", fmt.Sprintf("%d times", b.kills))
	for function, most := range b.memory {
		row("memory of "+function, fmt.Sprintf("%d MB in the first half, %d MB in the second", most[0], most[1]))
	}
	row("promises broken", len(b.broken))
	return t.Flush()
}

func (b *besideReport) violations() []string { return b.broken }
