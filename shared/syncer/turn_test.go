package syncer_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
)

// laneLimio writes down which process reads an account and which writes it.
type laneLimio struct {
	modelLimio
	l *lanes
}

func (l laneLimio) Account(ctx context.Context, id string) ([]projection.Object, error) {
	objects, err := l.modelLimio.Account(ctx, id)
	if err == nil {
		l.l.reads(ctx, id)
	}
	return objects, err
}

func (l laneLimio) Create(ctx context.Context, o projection.Object) error {
	err := l.modelLimio.Create(ctx, o)
	l.l.writes(ctx, err)
	return err
}

func (l laneLimio) CreateNew(ctx context.Context, o projection.Object) (bool, error) {
	made, err := l.modelLimio.CreateNew(ctx, o)
	l.l.writes(ctx, err)
	return made, err
}

func (l laneLimio) Update(ctx context.Context, k projection.Kind, service, id, status string,
	data map[string]any) error {
	err := l.modelLimio.Update(ctx, k, service, id, status, data)
	l.l.writes(ctx, err)
	return err
}

func (l laneLimio) LinkExternalIdentity(ctx context.Context, owner string, who hotsync.Identity) error {
	err := l.modelLimio.LinkExternalIdentity(ctx, owner, who)
	l.l.writes(ctx, err)
	return err
}

// lanes is a world in which logins and jobs sync the same accounts, each with a
// queue that lets one message of an account be handled at a time.
type lanes struct {
	*world
	syncers map[eventstore.Lane]*syncer.Syncer
	clock   int                 // counts the writes
	read    map[*process]int    // when a process read the account that it syncs
	written map[string]laneTime // when an account was written last
	overlap string
	gaps    int // how often one waited for the other
	again   int // how often one read again, since the other had written
}

type laneTime struct {
	by *process
	at int
}

func (l *lanes) reads(ctx context.Context, id string) {
	p, _ := ctx.Value(processKey{}).(*process)
	if p.account != id {
		return // looks where its login is linked
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, has := l.read[p]; has && l.written[id].at > at && l.written[id].by != p {
		l.again++
	}
	l.read[p] = l.clock
}

// writes wants that nobody else has written the account since this process read it: what
// it writes follows from that reading.
func (l *lanes) writes(ctx context.Context, err error) {
	p, _ := ctx.Value(processKey{}).(*process)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.written[p.account]
	if last.by != nil && last.by != p && last.at > l.read[p] && l.overlap == "" {
		l.overlap = fmt.Sprintf("%s writes %s by a reading that %s has overtaken", p.name, p.account[31:], last.by.name)
	}
	l.clock++
	l.written[p.account] = laneTime{p, l.clock}
}

// consume handles the messages of a lane's group in order, each until it is done. A
// process that dies gives its message back when the function's time is over, as the
// visibility timeout does.
func (l *lanes) consume(lane eventstore.Lane, id string, messages <-chan hotsync.SyncRequest,
	done chan<- hotsync.SyncRequest) {
	for r := range messages {
		for receive := 1; ; receive++ {
			p := &process{name: fmt.Sprintf("%s %s %d", lane, r.EventID[len(r.EventID)-4:], receive), account: id}
			ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), processKey{}, p), 30*time.Second)
			began := time.Now()
			out := l.syncers[lane].Handle(ctx, syncqueue.Message{Request: r, ReceiveCount: 1, SentAt: r.RequestedAt, ID: "m"})
			cancel()
			p.mu.Lock()
			dead := p.dead
			p.mu.Unlock()
			if dead {
				time.Sleep(max(0, 180*time.Second-time.Since(began)))
				continue
			}
			if out == syncqueue.Done() {
				break
			}
			l.mu.Lock()
			l.gaps++
			l.mu.Unlock()
			time.Sleep(5 * time.Second)
		}
		done <- r
	}
}

// TestTurnAcrossLanes holds that of a login and a job that want an account at once none
// writes by a reading that the other's writes have overtaken, whatever the order of their
// calls and whoever dies, and that every request comes to its end. (A login that has
// nothing to write reads beside a job.)
func TestTurnAcrossLanes(t *testing.T) {
	t.Parallel()

	gaps, again := 0, 0
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(300) {
			l := acrossLanes(t, seed)
			gaps, again = gaps+l.gaps, again+l.again
		}
	})
	if gaps == 0 || again == 0 {
		t.Errorf("%d waited for the other lane and %d read again after it: not all was tested", gaps, again)
	}
}

func acrossLanes(t *testing.T, seed uint64) *lanes {
	l := &lanes{world: newWorld(t, seed), read: map[*process]int{}, written: map[string]laneTime{},
		syncers: map[eventstore.Lane]*syncer.Syncer{}}
	l.dice = rand.New(rand.NewPCG(seed, 7))
	for _, lane := range []eventstore.Lane{eventstore.LaneLogins, eventstore.LaneJobs} {
		l.syncers[lane] = syncer.New(syncer.Config{Zuora: l.zuora, Limio: laneLimio{modelLimio{l.limio, l.world}, l},
			Events: modelEvents{l.events, l.world},
			Ownership: modelStore{l.owners,
				l.world}, Settings: l.settings, Queue: l.queue, Tenant: "acme", MaxAttempts: 5, Lane: lane,
			SearchKey: func(context.Context) []byte { return []byte("k") }, Now: time.Now, Jitter: func() float64 { return 0.5 },
			Log: slog.New(slog.DiscardHandler)})
	}
	ids := modelAccounts[:2]
	done := make(chan hotsync.SyncRequest, 100)
	queues := map[string]chan hotsync.SyncRequest{}
	for _, id := range ids {
		for lane := range l.syncers {
			q := make(chan hotsync.SyncRequest, 100)
			queues[string(lane)+id] = q
			go l.consume(lane, id, q, done)
		}
	}
	sent := 0
	for range 12 {
		id := ids[l.dice.IntN(2)]
		l.zuora.mu.Lock()
		a := l.zuora.accounts[id]
		a.Name = fmt.Sprint("n", sent) // so that there is something to write
		l.zuora.accounts[id] = a
		l.zuora.mu.Unlock()
		r := hotsync.SyncRequest{EventID: hotsync.EventIDFor(time.Now(), fmt.Sprint(seed, sent)),
			Trigger: hotsync.TriggerLogin, Account: id, Named: ids[:1],
			Identity: hotsync.Identity{Issuer: "i", Subject: "x"}, RequestedAt: time.Now()}
		lane := eventstore.LaneLogins
		if l.dice.IntN(2) == 0 {
			lane, r.Trigger, r.Identity, r.Job = eventstore.LaneJobs, hotsync.TriggerBackfill, hotsync.Identity{}, "job-1"
		}
		queues[string(lane)+id] <- r
		sent++
		l.run(l.dice.IntN(20), faults{deaths: 0.02})
		time.Sleep(time.Duration(l.dice.IntN(3000)) * time.Millisecond)
	}
	for _, q := range queues {
		close(q)
	}
	ended := 0
	for range 5000 {
		l.run(1<<20, faults{})
		for ended < sent && len(done) > 0 {
			<-done
			ended++
		}
		if ended == sent {
			break
		}
		time.Sleep(time.Second)
	}
	if l.overlap != "" || ended != sent {
		t.Errorf("seed %d: %d of %d requests came to their end; %s", seed, ended, sent, l.overlap)
	}
	for _, e := range l.events.events {
		if !e.Status.Final() || e.Status == hotsync.StatusFailed {
			t.Errorf("seed %d: %s is %s %s", seed, e.ID, e.Status, e.Reason)
		}
	}
	return l
}

// A sync in the second lane gives its message back while logins wait, and records
// nothing of it.
func TestYield(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.syncer.Lane, b.syncer.Yield = eventstore.LaneJobs, func(context.Context) bool { return true }
		r := b.request()
		r.Trigger, r.Job = hotsync.TriggerBackfill, "job-1"
		out, e := b.handle(t, r, 1)
		if out == syncqueue.Done() || e.ID != "" || b.zuora.reads > 0 {
			t.Errorf("Handle = %+v, event %+v, %d reads", out, e, b.zuora.reads)
		}
		out, _ = b.handle(t, r, 3) // the last receive before SQS gives up
		if out != syncqueue.Done() || len(b.queue.sent) != 1 {
			t.Errorf("Handle of a much received message = %+v, %d sent again", out, len(b.queue.sent))
		}
		b.syncer.Yield = func(context.Context) bool { return false }
		out, e = b.handle(t, r, 1)
		if out != syncqueue.Done() || e.Status != hotsync.StatusSucceeded {
			t.Errorf("Handle once no login waits = %+v, event %s", out, e.Status)
		}
		if _, err := b.events.TakeTurn(t.Context(), accountID, eventstore.LaneLogins, time.Now()); err != nil {
			t.Errorf("the turn of a job's sync was not given back: %v", err)
		}
	})
}

// The turn of a job's sync that saves no state ends with it: no login waits for it.
func TestFailedJobEndsItsTurn(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.syncer.Lane = eventstore.LaneJobs
		b.zuora.fail = []error{hotsync.Errorf(hotsync.CodeZuoraForbidden, "no")}
		r := b.request()
		r.Trigger, r.Job = hotsync.TriggerBackfill, "job-1"
		_, e := b.handle(t, r, 1)
		if e.Status != hotsync.StatusFailed {
			t.Fatalf("event is %s", e.Status)
		}
		if _, err := b.events.TakeTurn(t.Context(), accountID, eventstore.LaneLogins, time.Now()); err != nil {
			t.Errorf("the turn of a job's sync that failed was not given back: %v", err)
		}
	})
}

// asJob makes a request one of a job, which comes by the second lane.
func (b *testBundle) asJob(r *hotsync.SyncRequest) {
	callout(r)
	r.Account, r.Trigger, r.Job = accountID, hotsync.TriggerBackfill, "job-1"
	b.syncer.Lane = eventstore.LaneJobs
}

// TestTheOtherLanesTurn: a login waits a few seconds for the turn of a job's sync, looking often, and comes again then;
// a job comes again at once. Nothing is recorded of that, and nothing read of Zuora.
func TestTheOtherLanesTurn(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name  string
		job   bool
		taken time.Duration // how long the other lane has the turn
		ends  time.Duration // when the function's time is over; 0 for never
		took  time.Duration
		again time.Duration // 0 for synced
	}{
		{"a login, of a job's that lasts", false, time.Hour, 0, 3 * time.Second, time.Second},
		{"a login, of a job's that ends soon", false, 2050 * time.Millisecond, 0, 2100 * time.Millisecond, 0},
		{"a login whose time is over", false, time.Hour, 2 * time.Second, 1500 * time.Millisecond, time.Second},
		{"a job's, of a login's that lasts", true, time.Hour, 0, 0, 3 * time.Second},
		{"a login, of one that is over", false, 0, 0, 0, 0},
		{"a job's, of one that is over", true, 0, 0, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				r, other := b.request(), eventstore.LaneJobs
				if tc.job {
					b.asJob(&r)
					other = eventstore.LaneLogins
				}
				_, err := b.events.TakeTurn(t.Context(), accountID, other, time.Now().Add(tc.taken))
				if err != nil {
					t.Fatal(err)
				}
				ctx := t.Context()
				if tc.ends > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.ends)
					defer cancel()
				}
				began := time.Now()
				out := b.syncer.Handle(ctx, syncqueue.Message{Request: r, ReceiveCount: 1, SentAt: began, ID: "m"})
				if took := time.Since(began); took != tc.took {
					t.Errorf("it took %s, want %s", took, tc.took)
				}
				after, _ := out.Delay()
				e := b.events.events[r.EventID]
				if after != tc.again || tc.again > 0 && (e.ID != "" || b.zuora.reads > 0) {
					t.Errorf("comes again after %s, want %s; %d reads, event %s", after, tc.again, b.zuora.reads, e.Status)
				}
				if tc.again == 0 {
					wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
				}
			})
		})
	}
}

// TestOvertaken: where a job took the account's turn since a login looked, what the login read counts for nothing. It
// takes the turn when that is free and reads again, or waits without a try.
func TestOvertaken(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name  string
		lasts time.Duration // the job's turn
		known bool          // the account is, and its login; its name has changed
		want  hotsync.Status
		reads int
	}{
		{"by one that has ended", 0, false, hotsync.StatusSucceeded, 2},
		{"by one that ends soon", 2 * time.Second, false, hotsync.StatusSucceeded, 2},
		{"by one that lasts", time.Hour, false, hotsync.StatusRetrying, 1},
		{"of a known account, by one that has ended", 0, true, hotsync.StatusSucceeded, 2},
		{"of a known account, by one that lasts", time.Hour, true, hotsync.StatusRetrying, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				if tc.known {
					b.handle(t, b.request(), 1)
					time.Sleep(time.Minute)
					a := b.zuora.accounts[accountID]
					a.Name = "Ada Writer"
					b.zuora.accounts[accountID] = a
					b.zuora.reads, b.limio.writes = 0, 0
				}
				b.zuora.during = func() {
					_, err := b.events.TakeTurn(t.Context(), accountID, eventstore.LaneJobs, time.Now().Add(tc.lasts))
					if err != nil {
						t.Error(err)
					}
				}
				out, e := b.handle(t, b.request(), 1)
				if e.Status != tc.want || b.zuora.reads != tc.reads {
					t.Errorf("ended as %s %s after %d reads, want %s after %d", e.Status, e.Reason, b.zuora.reads, tc.want,
						tc.reads)
				}
				if tc.want == hotsync.StatusRetrying {
					after, _ := out.Delay()
					if e.Reason != hotsync.ReasonPaused || e.Error == nil || e.Error.Code != hotsync.CodeOwnerBusy ||
						after != time.Second || len(e.Attempts) > 0 || b.limio.writes > 0 {
						t.Errorf("it is %s with %+v after %d writes and %d tries, and comes again after %s", e.Reason, e.Error,
							b.limio.writes, len(e.Attempts), after)
					}
				} else if len(e.Attempts) != 1 {
					t.Errorf("%d tries, want one", len(e.Attempts))
				}
			})
		})
	}
}

// TestHowLongATurnLasts: a little longer than the function may, or a minute where nobody says.
func TestHowLongATurnLasts(t *testing.T) {
	t.Parallel()

	for _, job := range []bool{false, true} {
		for ends, want := range map[time.Duration]time.Duration{0: 62 * time.Second, 30 * time.Second: 30 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				r := b.request()
				if job {
					b.asJob(&r)
				}
				ctx := t.Context()
				if ends > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, ends)
					defer cancel()
				}
				began, until := time.Now(), time.Time{}
				b.limio.creating = func(projection.Object) bool {
					b.events.mu.Lock()
					defer b.events.mu.Unlock()
					until = b.events.turns[accountID].until
					return true
				}
				b.syncer.Handle(ctx, syncqueue.Message{Request: r, ReceiveCount: 1, SentAt: began, ID: "m"})
				if got := until.Sub(began); got != want {
					t.Errorf("job %t, function that ends after %s: the turn lasts %s, want %s", job, ends, got, want)
				}
			})
		}
	}
}

// TestItsOwnAccountsTurn: a request that was sent on under the id of the account that it names by number is in that
// account's turn, and covered by its syncs.
func TestItsOwnAccountsTurn(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		old := b.request()
		time.Sleep(time.Minute)
		b.handle(t, b.request(), 1)
		old.Account = numberA
		queued := hotsync.NewEvent(old) // by the front door, which does not know the account
		b.events.events[old.EventID] = queued
		old.AccountID, old.Requeued = accountID, 1
		_, e := b.handle(t, old, 1)
		wantStatus(t, e, hotsync.StatusSkipped, hotsync.ReasonCoalesced)
		if e.Account != (hotsync.AccountRef{ID: accountID, Number: numberA}) {
			t.Errorf("the event is of %+v", e.Account)
		}
	})
}
