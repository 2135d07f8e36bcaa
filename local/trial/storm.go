package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"hotsync/shared/hotsync"
)

// stormReport is what a storm showed.
type stormReport struct {
	logins, people int
	over           time.Duration // in which the logins came
	drain          time.Duration // from the last login to empty queues
	saw            traffic
	coalesced      int
	longest        time.Duration
	broken         []string

	// The most memory, in MB, of the functions that queue and sync: in a smaller storm
	// before, where there was one, and in this.
	before int
	memory [2]map[string]int
}

// stormFunctions are those that queue and sync.
var stormFunctions = []string{"LoginApiFunction", "SyncFunction"}

// flatMemory is how much more memory a storm may take than the smaller one before it.
const flatMemory = 1.5

// storm lets many logins come at once, of so many people with an account each
// as opt has accounts, without any fault: what counts is how few of them cost
// calls to Zuora.
func storm(ctx context.Context, opt options) (_ *stormReport, err error) {
	opt.faults = 0
	out := &stormReport{before: opt.before}
	if opt.before > 0 {
		few := opt
		few.before, few.logins, few.name = 0, opt.before, opt.name+"few"
		first, err := storm(ctx, few)
		if err != nil {
			return nil, err
		}
		out.memory[0] = first.memory[1]
	}
	r, err := begin(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	random := rand.New(rand.NewPCG(opt.seed, 0))
	r.world = newWorld(random, opt.accounts)
	r.world.single()
	var ops []op
	for i := range opt.logins {
		person := i // everybody once, since the check at the end wants every account, then at random
		if i >= len(r.world.people) {
			person = random.IntN(len(r.world.people))
		}
		ops = append(ops, op{kind: doLogin, person: person})
	}
	random.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	r.started = time.Now()
	err = r.stock(ctx, r.world.accounts)
	if err != nil {
		return nil, err
	}
	out.over, out.drain, out.memory[1], err = r.burst(ctx, ops, opt.duration)
	if err != nil {
		return nil, err
	}
	out.people, out.logins, out.longest, out.saw = len(r.world.people), r.tally.logins, r.tally.longest,
		r.watch.seen()
	events, err := r.events(ctx)
	if err != nil {
		return nil, err
	}
	check := &report{saw: out.saw, did: r.tally}
	err = r.check(ctx, check, events)
	if err != nil {
		return nil, err
	}
	// A sync that could not be recorded comes again, and reads again or finds itself covered: it counts once.
	syncs := out.saw.readers
	for _, e := range events {
		if e.Reason == hotsync.ReasonCoalesced {
			out.coalesced++
			delete(syncs, strings.TrimPrefix(e.ID, "event-"))
		}
	}
	out.broken = append(check.violations(), out.swollen()...)
	// Logins of somebody who has all the places in the queue that one person may have are answered with the events of
	// those that wait.
	if got := len(syncs) + out.coalesced; got < len(events) || got > out.logins {
		out.broken = append(out.broken, fmt.Sprintf("%d logins with %d events made %d syncs and %d coalesced events",
			out.logins, len(events), len(syncs), out.coalesced))
	}
	return out, nil
}

// burst lets the logins come in that time, waits until the queues are empty, and says how
// long both took and how much the functions held at most. In no time, all of them are in
// the queue before the first is synced.
func (r *run) burst(
	ctx context.Context,
	ops []op,
	within time.Duration,
) (over, drain time.Duration, most map[string]int, err error) {
	watching, stop := context.WithCancel(ctx)
	most = map[string]int{}
	var watch sync.WaitGroup
	watch.Go(func() {
		for wait(watching, 100*time.Millisecond) == nil {
			for _, function := range stormFunctions {
				most[function] = max(most[function], r.resident(function))
			}
		}
	})
	defer watch.Wait()
	defer stop()
	began := time.Now()
	err = r.perform(ctx, ops, within)
	over = time.Since(began)
	if err != nil {
		return over, 0, most, err
	}
	if within == 0 {
		r.stack.Host.Start()
	}
	began = time.Now()
	err = r.drain(ctx)
	return over, time.Since(began), most, err
}

// swollen says which function held much more in the storm than before.
func (s *stormReport) swollen() (broken []string) {
	for function, was := range s.memory[0] {
		if is := s.memory[1][function]; was > 0 && float64(is) > flatMemory*float64(was) {
			broken = append(broken, fmt.Sprintf("%s held %d MB in the storm and %d MB before", function, is, was))
		}
	}
	return broken
}

// single returns every account one person who signs in with its id.
func (w *world) single() {
	w.people, w.of = nil, make([][]int, len(w.accounts))
	for i := range w.accounts {
		w.add(
			person{
				way:      byID,
				subject:  fmt.Sprintf("storm|%06d", i),
				email:    fmt.Sprintf("person%d@example.com", i),
				accounts: []int{i},
			},
		)
	}
}

// callsASync is what a sync costs Zuora with plan H.
const callsASync = 2

func (s *stormReport) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(t, "%s\t%v\n", name, value) }
	row("logins", fmt.Sprintf("%d of %d people in %s", s.logins, s.people, s.over.Round(100*time.Millisecond)))
	row("time to empty queues after the last", s.drain.Round(100*time.Millisecond))
	row("syncs", s.saw.reads)
	row("coalesced", s.coalesced)
	row("Zuora calls", s.saw.calls)
	row(
		"  saved by coalescing",
		fmt.Sprintf("%d (%.1f %%)", s.coalesced*callsASync, 100*float64(s.coalesced)/float64(max(1, s.logins))),
	)
	row("  429s", s.saw.limited)
	row("longest login", s.longest.Round(time.Millisecond))
	for _, function := range stormFunctions {
		text := fmt.Sprintf("%d MB", s.memory[1][function])
		if was := s.memory[0][function]; was > 0 {
			text += fmt.Sprintf(", %d MB with %d logins: %.2f", was, s.before,
				float64(s.memory[1][function])/float64(was))
		}
		row("most memory of "+function, text)
	}
	row("promises broken", len(s.broken))
	return t.Flush()
}

func (s *stormReport) violations() []string { return s.broken }
