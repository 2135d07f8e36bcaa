package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

// An outage run, as parts of its duration: quiet, Zuora away, then Limio, quiet, and
// at last both, with most of the logins.
const (
	rollingFrom, rollingNext, rollingTill = 0.10, 0.40, 0.70
	togetherFrom                          = 0.75
	stormShare                            = 0.6 // of the logins
)

// outageReport is what a run with outages showed.
type outageReport struct {
	*report
	people   int
	over     time.Duration
	episodes []episode
	failed   map[string]int // by reason, of accounts that Zuora has
	missing  int            // syncs that failed for an account that Zuora does not have
	attempts int            // most of any sync
	deepest  int            // messages in the queue
	memory   map[string][4]int
}

// episode is a time in which Zuora, Limio or both were away.
type episode struct {
	name     string
	from, to time.Time
	asked    int           // for syncs meanwhile
	last     time.Duration // from its end until the last of those had ended
}

// Times of a run whose memory is compared, in MB.
const (
	beforeStorm = iota
	firstHalf
	secondHalf
	afterStorm
)

var memoryNames = [...]string{"before", "first half", "second half", "after"}

// outages lets people sign in while Zuora and Limio are away for minutes, one after
// the other and both, and at last in a storm.
func outages(ctx context.Context, opt options) (_ *outageReport, err error) {
	opt.faults = 0
	r, err := begin(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	random := rand.New(rand.NewPCG(opt.seed, 0))
	r.world = newWorld(random, opt.accounts)
	missing := r.world.unsold(3)
	r.started = time.Now()
	var initial []billing.Account
	for i, a := range r.world.accounts {
		if !slices.Contains(missing, i) {
			initial = append(initial, a)
		}
	}
	err = r.stock(ctx, initial)
	if err != nil {
		return nil, err
	}
	out := &outageReport{people: len(r.world.people), failed: map[string]int{}, memory: map[string][4]int{}}
	r.say("seed %d: %d accounts, %d people, %d logins over %s, in which Zuora and Limio go away",
		opt.seed, opt.accounts, out.people, opt.logins, opt.duration)
	err = r.through(ctx, random, out)
	if err != nil {
		return nil, err
	}
	var events map[string]hotsync.Event
	out.report, events, err = r.quiet(ctx)
	if err != nil {
		return nil, err
	}
	out.count(r, events, missing)
	for _, a := range missing { // sold now
		err = r.put(ctx, r.world.accounts[a])
		if err != nil {
			return nil, err
		}
	}
	return out, r.amend(ctx, out.report, events)
}

// unsold picks accounts that are not in Zuora yet, of people who name them by their id.
func (w *world) unsold(n int) []int {
	var out []int
	for i, people := range w.of {
		others := slices.ContainsFunc(people, func(p int) bool { return w.people[p].way != byID })
		if !others && len(out) < n {
			out = append(out, i)
		}
	}
	return out
}

// through performs the outages with the logins meanwhile.
func (r *run) through(ctx context.Context, random *rand.Rand, out *outageReport) error {
	began := time.Now()
	early := int(float64(r.logins) * (1 - stormShare))
	part := func(of float64) time.Duration { return time.Duration(of * float64(r.duration)) }
	look, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { r.watchMemory(look, out, began.Add(part(togetherFrom)), began.Add(part(1))) })
	defer watching.Wait()
	defer stop()

	down := map[int][]string{}
	for at, names := range map[float64][]string{rollingFrom: {zuoraName}, rollingNext: {limioName}, rollingTill: {}} {
		down[int(float64(early)*at/togetherFrom)] = names
	}
	var ops []op
	for i := range early {
		if names, ok := down[i]; ok {
			ops = append(ops, op{kind: doOutage, down: names})
		}
		ops = append(ops, r.world.anybody(random))
	}
	err := r.perform(ctx, ops, part(togetherFrom))
	if err != nil {
		return err
	}
	rolling := episode{name: "Zuora, then Limio", from: began.Add(part(rollingFrom)), to: began.Add(part(rollingTill))}

	together := episode{name: "both, and a storm", from: time.Now()}
	ops = []op{{kind: doOutage, down: []string{zuoraName, limioName}}}
	for range r.logins - early {
		ops = append(ops, r.world.anybody(random))
	}
	err = r.perform(ctx, ops, part(1-togetherFrom))
	if err == nil {
		err = r.down(ctx, nil)
	}
	together.to = time.Now()
	out.over = time.Since(began)
	out.episodes = []episode{rolling, together}
	return err
}

// anybody is a sign-in.
func (w *world) anybody(random *rand.Rand) op {
	person := random.IntN(len(w.people))
	return op{kind: doLogin, person: person, named: w.some(random, person)}
}

// watchMemory notes what the functions hold, and how many messages wait.
func (r *run) watchMemory(ctx context.Context, out *outageReport, storm, end time.Time) {
	half := storm.Add(end.Sub(storm) / 2)
	for wait(ctx, 500*time.Millisecond) == nil {
		when := afterStorm
		switch now := time.Now(); {
		case now.Before(storm):
			when = beforeStorm
		case now.Before(half):
			when = firstHalf
		case now.Before(end):
			when = secondHalf
		}
		for _, function := range []string{"sync", "login"} {
			most := out.memory[function]
			most[when] = max(most[when], r.resident(function))
			out.memory[function] = most
		}
		d, err := r.queue.Depth(ctx)
		if err == nil {
			out.deepest = max(out.deepest, d.Visible+d.InFlight+d.Delayed)
		}
	}
}

// count sorts out what failed, and for how long each episode was felt.
func (o *outageReport) count(r *run, events map[string]hotsync.Event, missing []int) {
	for _, e := range events {
		o.attempts = max(o.attempts, len(e.Attempts))
		unsold := slices.ContainsFunc(missing, func(a int) bool {
			return cmp.Or(e.Account.ID, e.Request.Account) == r.world.accounts[a].ID
		})
		switch {
		case e.Status != hotsync.StatusFailed:
		case unsold && e.Reason == string(hotsync.CodeZuoraNotFound):
			o.missing++
		default:
			o.failed[e.Reason]++
		}
		for i := range o.episodes {
			p := &o.episodes[i]
			if e.RequestedAt.After(p.from) && e.RequestedAt.Before(p.to) {
				p.asked++
				p.last = max(p.last, e.FinishedAt.Sub(p.to))
			}
		}
	}
}

func (o *outageReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(t, "%s\t%v\n", name, value) }
	tenth := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	row("logins", fmt.Sprintf("%d of %d people in %s", o.did.logins, o.people, tenth(o.over)))
	for _, p := range o.episodes {
		row("away: "+p.name, fmt.Sprintf("%s, %d syncs asked for; the last of them ended %s after it",
			tenth(p.to.Sub(p.from)), p.asked, tenth(p.last)))
	}
	row("time to empty queues after the last", tenth(o.drain))
	row("most messages waiting", o.deepest)
	for _, function := range slices.Sorted(maps.Keys(o.memory)) {
		text := ""
		for when, mb := range o.memory[function] {
			if mb > 0 {
				text += fmt.Sprintf("%s %d MB, ", memoryNames[when], mb)
			}
		}
		row("memory of "+function+" in the storm", text[:max(0, len(text)-2)])
	}
	row("syncs that succeeded", o.statuses[hotsync.StatusSucceeded])
	row("coalesced", o.coalesced)
	row("most tries of a sync", o.attempts)
	row("failed for an account that Zuora does not have", o.missing)
	failed := 0
	for _, n := range o.failed {
		failed += n
	}
	row("failed", failed)
	row("signed in once more to see what they may", o.unseeing)
	row("see what they never named", len(o.strangers))
	row("locked out", len(o.lockedOut))
	row("lost", len(o.lost))
	row("differences between Limio and Zuora", len(o.diverged))
	row("promises broken", len(o.violations()))
	return t.Flush()
}

func (o *outageReport) violations() []string {
	broken := o.report.violations()
	for _, reason := range slices.Sorted(maps.Keys(o.failed)) {
		broken = append(broken,
			fmt.Sprintf("%d syncs failed with %s, with which nothing was wrong", o.failed[reason], reason))
	}
	if o.missing == 0 {
		broken = append(broken, "no sync failed for an account that Zuora does not have")
	}
	for function, most := range o.memory {
		if most[firstHalf] > 0 && most[secondHalf] > most[firstHalf]+most[firstHalf]/4+8 {
			broken = append(broken, fmt.Sprintf("%s grew from %d to %d MB in the storm",
				function, most[firstHalf], most[secondHalf]))
		}
	}
	return broken
}
