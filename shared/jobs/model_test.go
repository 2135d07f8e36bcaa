package jobs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// world is everything around the runners of a job. Each of their calls waits until
// it is let go on, in an order that a seed decides, and may fail before it did
// anything, or after; or its runner dies with it.
type world struct {
	random *mathrand.Rand
	faulty bool
	jobs.Memory

	mu      sync.Mutex
	waiting []*call
	events  map[string]hotsync.Event
	queue   []hotsync.SyncRequest
	runs    map[string]int // times that an account was synced
	checked map[string]int
	drifted map[string]bool
}

type call struct {
	by *process
	ok chan error
}

// process is a runner's process.
type process struct {
	w    *world
	dead bool
}

var errDied = errors.New("the process died")

// do runs a call when its turn comes.
func (p *process) do(run func() error) error {
	c := &call{by: p, ok: make(chan error)}
	p.w.mu.Lock()
	dead := p.dead
	if !dead {
		p.w.waiting = append(p.w.waiting, c)
	}
	p.w.mu.Unlock()
	if dead {
		return errDied
	}
	err := <-c.ok
	switch {
	case errors.Is(err, errBefore):
		return hotsync.Errorf(hotsync.CodeStoreUnavailable, "No answer.")
	case errors.Is(err, errDied):
		return err
	}
	done := run()
	if errors.Is(err, errAfter) {
		return hotsync.Errorf(hotsync.CodeStoreUnavailable, "No answer.")
	}
	return done
}

var errBefore, errAfter = errors.New("before"), errors.New("after")

// settle lets calls go on one at a time until none waits.
func (w *world) settle() {
	for {
		synctest.Wait()
		w.mu.Lock()
		if len(w.waiting) == 0 {
			w.mu.Unlock()
			return
		}
		n := w.random.IntN(len(w.waiting))
		c := w.waiting[n]
		w.waiting = append(w.waiting[:n], w.waiting[n+1:]...)
		var fate error
		if c.by.dead {
			fate = errDied
		} else if w.faulty {
			switch w.random.IntN(60) {
			case 0:
				fate = errBefore
			case 1:
				fate = errAfter
			case 2, 3:
				c.by.dead, fate = true, errDied
				if w.random.IntN(2) == 0 { // it dies, and the call happens all the same
					fate = errAfter
				}
			}
		}
		w.mu.Unlock()
		c.ok <- fate
	}
}

// store is what a process sees of the world.
type store struct{ *process }

func (s store) Job(ctx context.Context, id string) (j jobs.Job, err error) {
	err = s.do(func() (err error) { j, err = s.w.Job(ctx, id); return err })
	return j, err
}

func (s store) SaveJob(ctx context.Context, j jobs.Job) (saved jobs.Job, err error) {
	err = s.do(func() (err error) { saved, err = s.w.SaveJob(ctx, j); return err })
	return saved, err
}

func (s store) Jobs(ctx context.Context, limit int, cursor string) (_ []jobs.Job, _ string, err error) {
	return s.w.Jobs(ctx, limit, cursor)
}

func (s store) Chunks(ctx context.Context, job string, n, limit int) (cs []jobs.Chunk, err error) {
	err = s.do(func() (err error) { cs, err = s.w.Chunks(ctx, job, n, limit); return err })
	return cs, err
}

func (s store) SaveChunk(ctx context.Context, c jobs.Chunk) (saved jobs.Chunk, err error) {
	err = s.do(func() (err error) { saved, err = s.w.SaveChunk(ctx, c); return err })
	return saved, err
}

func (s store) Sketch(ctx context.Context, job string) (k jobs.Sketch, err error) {
	err = s.do(func() (err error) { k, err = s.w.Sketch(ctx, job); return err })
	return k, err
}

func (s store) SaveSketch(ctx context.Context, job string, k jobs.Sketch) (saved jobs.Sketch, err error) {
	err = s.do(func() (err error) { saved, err = s.w.SaveSketch(ctx, job, k); return err })
	return saved, err
}

func (p *process) Get(_ context.Context, id string) (e hotsync.Event, err error) {
	err = p.do(func() error {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		var ok bool
		e, ok = p.w.events[id]
		if !ok {
			return hotsync.Errorf(hotsync.CodeNotFound, "There is no such event.")
		}
		return nil
	})
	return e, err
}

func (p *process) Summaries(_ context.Context, ids []string) (found map[string]hotsync.Event, err error) {
	err = p.do(func() error {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		found = map[string]hotsync.Event{}
		for _, id := range ids {
			if e, ok := p.w.events[id]; ok {
				found[id] = e
			}
		}
		return nil
	})
	return found, err
}

func (p *process) PutQueued(_ context.Context, e hotsync.Event) error {
	return p.do(func() error {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		if _, ok := p.w.events[e.ID]; !ok {
			p.w.events[e.ID] = e
		}
		return nil
	})
}

func (p *process) NewerSync(_ context.Context, e hotsync.Event) (newer bool, err error) {
	err = p.do(func() error {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		for _, x := range p.w.events {
			newer = newer || x.RetryOf == e.ID
		}
		return nil
	})
	return newer, err
}

func (p *process) SendAll(_ context.Context, requests []hotsync.SyncRequest) []error {
	errs := make([]error, len(requests))
	for n, r := range requests {
		errs[n] = p.do(func() error {
			p.w.mu.Lock()
			defer p.w.mu.Unlock()
			p.w.queue = append(p.w.queue, r) // SQS may have forgotten that it has it already
			return nil
		})
	}
	return errs
}

func (p *process) Wait(context.Context, jobs.Kind) jobs.Wait {
	err := p.do(func() error { return nil })
	if err != nil {
		return jobs.WaitQueue
	}
	return ""
}

// accounts is how many accounts a job of the model has.
const accounts = 130

func (p *process) List(_ context.Context, j jobs.Job, cursor string, limit int) (items []jobs.Item, next string,
	last bool, err error) {
	err = p.do(func() error {
		from := 0
		if cursor != "" {
			var err error
			from, err = strconv.Atoi(cursor)
			if err != nil {
				return err
			}
		}
		for n := from; n < min(from+limit, accounts); n++ {
			i := jobs.Of(fmt.Sprintf("A%03d", n), hotsync.Identity{})
			if j.Kind == jobs.Retry {
				i = jobs.Item{Retries: failedEvent(n)}
			}
			items = append(items, i)
		}
		next, last = strconv.Itoa(from+limit), from+limit >= accounts
		return nil
	})
	return items, next, last, err
}

func (p *process) Differs(_ context.Context, account string) (differs bool, err error) {
	err = p.do(func() error {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.w.checked[account]++
		differs = p.w.drifted[account]
		return nil
	})
	return differs, err
}

func failedEvent(n int) string {
	return hotsync.EventIDFor(time.Unix(1_000_000_000, 0), "failed", strconv.Itoa(n))
}

// lane syncs some of what is queued.
func (w *world) lane() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 && w.random.IntN(8) > 0 {
		n := w.random.IntN(len(w.queue))
		r := w.queue[n]
		w.queue = append(w.queue[:n], w.queue[n+1:]...)
		if w.random.IntN(8) == 0 {
			w.queue = append(w.queue, r) // delivered twice
		}
		e, ok := w.events[r.EventID]
		if ok && e.Status.Final() {
			continue
		}
		e = hotsync.NewEvent(r)
		e.Status, e.Reason = hotsync.StatusSucceeded, hotsync.ReasonChanged
		if r.Account == "A007" {
			e.Status, e.Reason = hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound)
		}
		w.runs[r.Account]++
		delete(w.drifted, r.Account)
		w.events[r.EventID] = e
	}
}

// TestAdvance has two runners advance one job at once while calls fail, runners die
// and somebody stops and resumes it, and checks that every account was synced once
// and is counted once.
func TestAdvance(t *testing.T) {
	t.Parallel()

	seeds := 60
	if testing.Short() {
		seeds = 5
	}
	for _, kind := range []jobs.Kind{jobs.Backfill, jobs.Retry, jobs.Reconcile} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()

			for seed := range seeds {
				synctest.Test(t, func(t *testing.T) { advance(t, kind, uint64(seed)) })
			}
		})
	}
}

func advance(t *testing.T, kind jobs.Kind, seed uint64) {
	w := &world{random: mathrand.New(mathrand.NewPCG(seed, 1)), faulty: true, events: map[string]hotsync.Event{},
		runs:    map[string]int{},
		checked: map[string]int{}, drifted: map[string]bool{}}
	for n := range accounts {
		e := hotsync.NewEvent(hotsync.SyncRequest{EventID: failedEvent(n), Trigger: hotsync.TriggerLogin,
			Account: fmt.Sprintf("A%03d", n)})
		e.Status, e.Reason = hotsync.StatusFailed, string(hotsync.CodeTimeout)
		w.events[e.ID] = e
		if n%3 == 0 {
			w.drifted[fmt.Sprintf("A%03d", n)] = true
		}
	}
	j, err := jobs.New(jobs.Request{Kind: kind, Source: jobs.Source{ZOQL: "*"}, Rate: jobs.MaxRate}, time.Now(), rand.Read)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.SaveJob(t.Context(), j); err != nil {
		t.Fatal(err)
	}

	var runners [2]*jobs.Runner
	var processes [2]*process
	for round := range 2000 {
		w.faulty = round < 60
		for n := range runners {
			if processes[n] == nil || processes[n].dead {
				p := &process{w: w}
				processes[n] = p
				runners[n] = &jobs.Runner{Store: store{p}, Events: p, Queue: p, Gate: p, Lister: p, Checker: p,
					Name: fmt.Sprint(round, n),
					Now: func() time.Time { // their clocks differ, so that both think the job theirs now and then
						return time.Now().Add(time.Duration(n) * time.Duration(seed%3) * 15 * time.Second)
					}, Log: slog.New(slog.DiscardHandler)}
			}
			go func() { _, _ = runners[n].Step(context.Background(), j.ID) }() // it may have died
		}
		w.settle()
		w.lane()
		time.Sleep(time.Second)
		if w.faulty && w.random.IntN(10) == 0 {
			_, err := jobs.Change(t.Context(), &w.Memory, j.ID, func(j *jobs.Job) error {
				if j.Status == jobs.Running {
					return j.Stop("Mia")
				}
				return j.Resume("Ben")
			})
			if err != nil && hotsync.AsError(err).Code != hotsync.CodeConflict {
				t.Fatal(err)
			}
		}
		if !w.faulty {
			// if it is stopped
			_, _ = jobs.Change(t.Context(), &w.Memory, j.ID, func(j *jobs.Job) error { return j.Resume("Ben") })
		}
		j, err = w.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, n := range j.Counts() {
			sum += n
		}
		if sum != j.Total || j.InFlight() > 2*40 {
			t.Fatalf("seed %d, round %d: %d accounts are counted of %d, %d in flight", seed, round, sum, j.Total, j.InFlight())
		}
		if j.Status == jobs.Done {
			break
		}
	}
	for len(w.queue) > 0 { // what was delivered twice
		w.lane()
	}
	want, synced := jobs.Counts{jobs.Changed: accounts - 1, jobs.Unknown: 1}, accounts
	if kind == jobs.Reconcile {
		synced = (accounts + 2) / 3
		want = jobs.Counts{jobs.Changed: synced, jobs.Unchanged: accounts - synced}
	}
	if diff := cmp.Diff(want, j.Counts()); diff != "" || j.Status != jobs.Done || j.Total != accounts {
		t.Fatalf("seed %d: job is %s with %d accounts, counts (-want +got):\n%s", seed, j.Status, j.Total, diff)
	}
	if len(w.runs) != synced {
		t.Errorf("seed %d: %d accounts were synced, want %d", seed, len(w.runs), synced)
	}
	for account, n := range w.runs {
		if n != 1 {
			t.Errorf("seed %d: %s was synced %d times", seed, account, n)
		}
	}
}
