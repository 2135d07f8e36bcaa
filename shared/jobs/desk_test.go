package jobs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// desk is everything around one runner, without faults but those that a test asks for.
type desk struct {
	jobs.Memory
	*jobs.Runner
	job jobs.Job

	items  []jobs.Item // that are listed
	events map[string]hotsync.Event
	newer  map[string]bool // events whose account has a newer sync
	down   error           // of the event store
	sent   []hotsync.SyncRequest
	queued []hotsync.Event // that were recorded before they were sent
	full   map[string]bool // accounts that SQS does not take
	atOnce bool            // what is sent is synced at once
	wait   jobs.Wait
	lists  func() error // happens while accounts are listed
	differ map[string]bool
	fails  map[string]error // of comparing an account
	saves  int
	broken int // how many of the next reads of a job fail
	faster int // how many of the next writes of it somebody else comes before
	ended  []jobs.Job
}

func (d *desk) SaveJob(ctx context.Context, j jobs.Job) (jobs.Job, error) {
	d.saves++
	if d.faster > 0 {
		d.faster--
		return jobs.Job{}, jobs.ErrConflict
	}
	return d.Memory.SaveJob(ctx, j)
}

func (d *desk) SaveChunk(ctx context.Context, c jobs.Chunk) (jobs.Chunk, error) {
	d.saves++
	return d.Memory.SaveChunk(ctx, c)
}

func (d *desk) Job(ctx context.Context, id string) (jobs.Job, error) {
	if d.broken > 0 {
		d.broken--
		return jobs.Job{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")
	}
	return d.Memory.Job(ctx, id)
}

func (d *desk) Get(_ context.Context, id string) (hotsync.Event, error) {
	e, ok := d.events[id]
	switch {
	case d.down != nil:
		return hotsync.Event{}, d.down
	case !ok:
		return hotsync.Event{}, hotsync.Errorf(hotsync.CodeNotFound, "There is no such event.")
	}
	return e, nil
}

func (d *desk) Summaries(_ context.Context, ids []string) (map[string]hotsync.Event, error) {
	if d.down != nil {
		return nil, d.down
	}
	found := map[string]hotsync.Event{}
	for _, id := range ids {
		if e, ok := d.events[id]; ok {
			found[id] = e
		}
	}
	return found, nil
}

func (d *desk) PutQueued(_ context.Context, e hotsync.Event) error {
	d.queued = append(d.queued, e)
	return d.down
}

func (d *desk) NewerSync(_ context.Context, e hotsync.Event) (bool, error) {
	return d.newer[e.ID], d.down
}

func (d *desk) SendAll(_ context.Context, requests []hotsync.SyncRequest) []error {
	errs := make([]error, len(requests))
	for n, r := range requests {
		if d.full[r.Account] {
			errs[n] = hotsync.Errorf(hotsync.CodeQueueUnavailable, "no answer")
			continue
		}
		d.sent = append(d.sent, r)
	}
	if d.atOnce {
		d.ends(hotsync.StatusSucceeded, hotsync.ReasonChanged)
	}
	return errs
}

func (d *desk) Wait(context.Context, jobs.Kind) jobs.Wait { return d.wait }

func (d *desk) List(_ context.Context, _ jobs.Job, cursor string, limit int) ([]jobs.Item, string, bool, error) {
	if d.lists != nil {
		err := d.lists()
		if err != nil {
			return nil, "", false, err
		}
	}
	from, _ := strconv.Atoi(cursor) // the first page has none
	to := min(from+limit, len(d.items))
	if to == len(d.items) {
		return d.items[from:], "", true, nil // whoever goes on from there begins anew
	}
	return d.items[from:to], strconv.Itoa(to), false, nil
}

func (d *desk) Differs(_ context.Context, account string) (bool, error) {
	return d.differ[account], d.fails[account]
}

// accountsNamed are items of that many accounts.
func accountsNamed(n int) (items []jobs.Item) {
	for i := range n {
		items = append(items, jobs.Of(fmt.Sprintf("A%03d", i), hotsync.Identity{}))
	}
	return items
}

func newDesk(t *testing.T, r jobs.Request, items []jobs.Item) *desk {
	t.Helper()
	d := &desk{items: items, events: map[string]hotsync.Event{}, newer: map[string]bool{}, full: map[string]bool{},
		differ: map[string]bool{}, fails: map[string]error{}}
	d.Runner = d.runner("r")
	if r.Source == (jobs.Source{}) {
		r.Source = jobs.Source{Known: true}
	}
	j, err := jobs.New(r, time.Now(), rand.Read)
	if err == nil {
		d.job, err = d.Memory.SaveJob(t.Context(), j)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) runner(name string) *jobs.Runner {
	return &jobs.Runner{Store: d, Events: d, Queue: d, Gate: d, Lister: d, Checker: d, Name: name, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Ended: func(_ context.Context, j jobs.Job) error {
			d.ended = append(d.ended, j)
			return nil
		}}
}

// step takes the job a step further and returns how it stands.
func (d *desk) step(t *testing.T) jobs.Job {
	t.Helper()
	_, err := d.Step(t.Context(), d.job.ID)
	if err != nil {
		t.Fatal(err)
	}
	return d.now(t)
}

func (d *desk) now(t *testing.T) jobs.Job {
	t.Helper()
	j, err := d.Job(t.Context(), d.job.ID)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// chunk is the job's first.
func (d *desk) chunk(t *testing.T) jobs.Chunk {
	t.Helper()
	chunks, err := d.Chunks(t.Context(), d.job.ID, 0, 1)
	if err != nil || len(chunks) != 1 {
		t.Fatalf("Chunks = %d, %v", len(chunks), err)
	}
	return chunks[0]
}

// ends gives what was sent its end.
func (d *desk) ends(status hotsync.Status, reason string) {
	for _, r := range d.sent {
		e := hotsync.NewEvent(r)
		e.Status, e.Reason = status, reason
		d.events[e.ID] = e
	}
}

// TestRate: accounts are sent at the job's rate, of which little can be saved up, and so few are under way at a time
// that a job can be stopped.
func TestRate(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name string
		rate int
		gaps []time.Duration // before each step but the first
		want []int           // sent by each step, and those before
	}{
		{"one a second", 60, []time.Duration{time.Second, time.Second, 500 * time.Millisecond, 500 * time.Millisecond},
			[]int{1, 2, 3, 3, 4}},
		{"three seconds are saved up at most", 60, []time.Duration{time.Minute, 0}, []int{1, 4, 4}},
		{"of a slow job one", 6, []time.Duration{5 * time.Second, 5 * time.Second, time.Hour}, []int{1, 1, 2, 3}},
		{"40 are under way", 3000, []time.Duration{500 * time.Millisecond, time.Second, time.Second}, []int{1, 26, 40, 40}},
		{"the clock goes back", 60, []time.Duration{time.Second, -10 * time.Second, time.Second}, []int{1, 2, 3, 4}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, jobs.Request{Kind: jobs.Backfill, Rate: tc.rate}, accountsNamed(100))
				back := time.Duration(0)
				d.Now = func() time.Time { return time.Now().Add(-back) }
				var got []int
				for n := range len(tc.gaps) + 1 {
					if n > 0 && tc.gaps[n-1] < 0 {
						back -= tc.gaps[n-1]
					} else if n > 0 {
						time.Sleep(tc.gaps[n-1])
					}
					j := d.step(t)
					got = append(got, len(d.sent))
					if j.InFlight() != len(d.sent) || j.Ended() != 0 || j.Counts()[jobs.Waiting] != 100-len(d.sent) {
						t.Errorf("%d in flight, %d ended, %d wait; %d were sent of 100", j.InFlight(), j.Ended(),
							j.Counts()[jobs.Waiting], len(d.sent))
					}
				}
				chunks, err := d.Chunks(t.Context(), d.job.ID, 0, 2)
				if err != nil || len(chunks) != 2 || chunks[0].Begun.IsZero() || !chunks[1].Begun.IsZero() {
					t.Errorf("of two chunks the first is to be begun alone: %v, %v", chunks, err)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("sent after each step (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestHolder: a runner has a job for itself for ten seconds after it renewed that, and renews it when half of them are
// over.
func TestHolder(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill}, accountsNamed(1))
		d.wait = jobs.WaitOff
		other := d.runner("other")
		begun := time.Now()
		for _, step := range []struct {
			at   time.Duration
			by   *jobs.Runner
			busy bool
		}{
			{0, d.Runner, true}, {0, other, false}, {5 * time.Second, d.Runner, true}, {9 * time.Second, other, false},
			{10 * time.Second, other, true}, {10 * time.Second, d.Runner, false}, {16 * time.Second, other, true},
			{25 * time.Second, d.Runner, false}, {26 * time.Second, d.Runner, true},
		} {
			time.Sleep(step.at - time.Since(begun))
			busy, err := step.by.Step(t.Context(), d.job.ID)
			if err != nil || busy != step.busy {
				t.Errorf("after %s a step of %s: %t, %v; want %t", step.at, step.by.Name, busy, err, step.busy)
			}
		}
	})
}

// TestNothingNewIsNotWritten: a step that changes nothing writes nothing, but that it holds the job.
func TestNothingNewIsNotWritten(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill, Rate: 1}, accountsNamed(3))
		d.step(t)
		d.saves = 0
		for range 4 {
			time.Sleep(time.Second)
			d.step(t)
		}
		if d.saves != 0 {
			t.Errorf("%d writes of a job and its accounts, of which nothing has changed", d.saves)
		}
		d.wait = jobs.WaitLogins
		time.Sleep(time.Minute)
		if j := d.step(t); j.Waits != jobs.WaitLogins {
			t.Errorf("the job waits for %q", j.Waits)
		}
		d.wait = ""
		if j := d.step(t); j.Waits != "" || len(d.sent) != 2 {
			t.Errorf("the job waits for %q, %d sent", j.Waits, len(d.sent))
		}
	})
}

// TestOutcomes: what an event says of the account of a job.
func TestOutcomes(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		status hotsync.Status
		reason string
		want   jobs.Outcome
		why    string
	}{
		{hotsync.StatusSucceeded, hotsync.ReasonChanged, jobs.Changed, ""},
		{hotsync.StatusSucceeded, hotsync.ReasonUnchanged, jobs.Unchanged, ""},
		{hotsync.StatusSkipped, hotsync.ReasonCoalesced, jobs.Covered, ""},
		{hotsync.StatusSkipped, hotsync.ReasonNoMatch, jobs.Skipped, hotsync.ReasonNoMatch},
		{hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound), jobs.Unknown, string(hotsync.CodeZuoraNotFound)},
		{hotsync.StatusFailed, string(hotsync.CodeTimeout), jobs.Failed, string(hotsync.CodeTimeout)},
		{hotsync.StatusRunning, "", jobs.Sent, ""},
		{hotsync.StatusRetrying, hotsync.ReasonPaused, jobs.Sent, ""},
		{hotsync.StatusQueued, "", jobs.Sent, ""},
	} {
		t.Run(string(tc.status)+" "+tc.reason, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, jobs.Request{Kind: jobs.Backfill}, []jobs.Item{
					jobs.Of("A000", hotsync.Identity{Issuer: "i", Subject: "s"})})
				d.step(t)
				d.ends(tc.status, tc.reason)
				time.Sleep(time.Second)
				j := d.step(t)
				i := d.chunk(t).Items[0]
				if i.Outcome != tc.want || i.Reason != tc.why || (i.Subject == "") != tc.want.Final() || i.Login == "" {
					t.Errorf("the account is %+v, want %s %s", i, tc.want, tc.why)
				}
				if (j.Status == jobs.Done) != tc.want.Final() || len(d.ended) > 1 || (len(d.ended) == 1) != tc.want.Final() {
					t.Errorf("the job is %s, and its end was told %d times", j.Status, len(d.ended))
				}
				if tc.want.Final() && (j.Counts()[tc.want] != 1 || j.Ended() != 1 || j.InFlight() != 0 || j.Settled != 1 ||
					!j.EndedAt.Equal(time.Now()) || j.Waits != "") {
					t.Errorf("the job ended as %+v", j)
				}
				if len(d.sent) != 1 {
					t.Errorf("sent %d times", len(d.sent))
				}
			})
		})
	}
}

// TestLost: an account whose event nobody has seen for six days counts as lost.
func TestLost(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill}, accountsNamed(1))
		d.step(t)
		time.Sleep(6 * 24 * time.Hour)
		if j := d.step(t); j.InFlight() != 1 {
			t.Errorf("after six days the job has %v", j.Counts())
		}
		time.Sleep(time.Second)
		if j := d.step(t); j.Counts()[jobs.Lost] != 1 || j.Status != jobs.Done {
			t.Errorf("after more than six days the job is %s with %v", j.Status, j.Counts())
		}
	})
}

// TestRequestsOfAJob: what is sent says who began the job, and why, and is the same sync whenever it is sent.
func TestRequestsOfAJob(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		const id = "8a12800000000000000000000000abcd"
		who := hotsync.Identity{Issuer: "i", Subject: "s"}
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill, Actor: "Mia", Note: "why", Rate: jobs.MaxRate},
			[]jobs.Item{jobs.Of(id, who), jobs.Of("A1", hotsync.Identity{})})
		d.full["A1"] = true
		d.step(t)
		time.Sleep(time.Second)
		j := d.step(t)
		if j.Waits != jobs.WaitQueue || j.InFlight() != 1 || len(d.sent) != 1 {
			t.Errorf("the job waits for %q with %d in flight and %d sent", j.Waits, j.InFlight(), len(d.sent))
		}
		d.full["A1"] = false
		at := time.Now()
		d.step(t)
		c := d.chunk(t)
		want := []hotsync.SyncRequest{
			{EventID: c.EventID(c.Items[0]), Trigger: hotsync.TriggerBackfill, Identity: who, Account: id, AccountID: id,
				RequestedAt: d.job.CreatedAt, Actor: "Mia", Note: "why", Job: j.ID},
			{EventID: c.EventID(c.Items[1]), Trigger: hotsync.TriggerBackfill, Account: "A1", RequestedAt: at.UTC(),
				Actor: "Mia", Note: "why", Job: j.ID},
		}
		if diff := cmp.Diff(want, d.sent); diff != "" {
			t.Errorf("requests mismatch (-want +got):\n%s", diff)
		}
	})
}

// TestReconcile: only what differs is synced, and what cannot be compared now waits.
func TestReconcile(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name    string
		differs bool
		fails   error
		play    func(d *desk, id string) // before a second runner compares: id is that of the account's event
		want    jobs.Outcome
		waits   jobs.Wait
	}{
		{name: "the same", want: jobs.Unchanged},
		{name: "it differs", differs: true, want: jobs.Sent},
		{name: "not in Zuora", fails: hotsync.Errorf(hotsync.CodeZuoraNotFound, "no"), want: jobs.Unknown},
		{name: "not to be read", fails: hotsync.Errorf(hotsync.CodeZuoraForbidden, "no"), want: jobs.Sent},
		{name: "Zuora is down", fails: hotsync.Errorf(hotsync.CodeZuoraUnavailable, "no"), waits: jobs.WaitZuora},
		{name: "Zuora has no answer", fails: hotsync.Errorf(hotsync.CodeTimeout, "no"), waits: jobs.WaitZuora},
		{name: "Limio is down", fails: hotsync.Errorf(hotsync.CodeLimioUnavailable, "no"), waits: jobs.WaitLimio},
		{name: "Limio is paused", fails: hotsync.Errorf(hotsync.CodeLimioPaused, "no"), waits: jobs.WaitLimio},
		{name: "the store is down", fails: hotsync.Errorf(hotsync.CodeStoreUnavailable, "no"), waits: jobs.WaitStore},
		{name: "the same, and the store is down", play: func(d *desk, _ string) {
			d.down = hotsync.Errorf(hotsync.CodeStoreUnavailable, "no")
		}, waits: jobs.WaitStore},
		{name: "the same, since it was sent before", play: func(d *desk, id string) {
			d.events[id] = hotsync.Event{ID: id, Status: hotsync.StatusRunning}
		}, want: jobs.Sent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, jobs.Request{Kind: jobs.Reconcile}, accountsNamed(1))
				// A chunk that was begun, by a runner that died before it wrote down what it sent.
				c, err := d.SaveChunk(t.Context(), jobs.Chunk{Job: d.job.ID, Items: d.items, Last: true, Begun: time.Now().UTC()})
				if err != nil {
					t.Fatal(err)
				}
				d.differ["A000"], d.fails["A000"] = tc.differs, tc.fails
				if tc.play != nil {
					tc.play(d, c.EventID(c.Items[0]))
				}
				j := d.step(t)
				i := d.chunk(t).Items[0]
				if i.Outcome != tc.want || j.Waits != tc.waits {
					t.Errorf("the account is %q, and the job waits for %q; want %q and %q", i.Outcome, j.Waits, tc.want, tc.waits)
				}
				sends := tc.want == jobs.Sent && tc.play == nil
				if sends != (len(d.sent) == 1) || sends && d.sent[0].Trigger != hotsync.TriggerReconcile {
					t.Errorf("sent %+v", d.sent)
				}
			})
		})
	}
}

// TestRetries: a failed sync is tried again as it was, unless that makes no sense any more.
func TestRetries(t *testing.T) {
	t.Parallel()

	const old = "20261126-old"
	lookup := &hotsync.Lookup{Field: "F", Value: "v"}
	for _, tc := range []struct {
		name  string
		event func(e *hotsync.Event)
		play  func(d *desk, id string)
		want  jobs.Outcome
		why   string
		waits jobs.Wait
	}{
		{name: "a failed one", want: jobs.Sent},
		{name: "a skipped one", event: func(e *hotsync.Event) {
			e.Status, e.Reason = hotsync.StatusSkipped, hotsync.ReasonNoMatch
		}, want: jobs.Sent},
		{name: "a covered one", event: func(e *hotsync.Event) {
			e.Status, e.Reason = hotsync.StatusSkipped, hotsync.ReasonCoalesced
		}, want: jobs.Passed},
		{name: "one that is under way", event: func(e *hotsync.Event) { e.Status = hotsync.StatusRunning },
			want: jobs.Passed},
		{name: "one that names no account", event: func(e *hotsync.Event) { e.Request.Account = "" }, want: jobs.Passed},
		{name: "a look-up", event: func(e *hotsync.Event) { e.Request.Account, e.Request.Lookup = "", lookup },
			want: jobs.Sent},
		{name: "one that has expired", play: func(d *desk, _ string) { clear(d.events) }, want: jobs.Passed, why: "expired"},
		{name: "the store is down", play: func(d *desk, _ string) {
			d.down = hotsync.Errorf(hotsync.CodeStoreUnavailable, "no")
		}, waits: jobs.WaitStore},
		{name: "a newer sync exists", play: func(d *desk, _ string) { d.newer[old] = true }, want: jobs.Passed},
		{name: "a newer sync exists, which is this one", play: func(d *desk, id string) {
			d.newer[old], d.events[id] = true, hotsync.Event{ID: id, Status: hotsync.StatusRunning}
		}, want: jobs.Sent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, jobs.Request{Kind: jobs.Retry, Actor: "Mia", Note: "why"}, []jobs.Item{{Retries: old}})
				e := hotsync.NewEvent(hotsync.SyncRequest{EventID: old, Account: "A1", Trigger: hotsync.TriggerLogin})
				e.Status, e.Reason = hotsync.StatusFailed, string(hotsync.CodeTimeout)
				if tc.event != nil {
					tc.event(&e)
				}
				d.events[old] = e
				c, err := d.SaveChunk(t.Context(), jobs.Chunk{Job: d.job.ID, Items: d.items, Last: true, Begun: time.Now().UTC()})
				if err != nil {
					t.Fatal(err)
				}
				id := c.EventID(c.Items[0])
				if tc.play != nil {
					tc.play(d, id)
				}
				j := d.step(t)
				i := d.chunk(t).Items[0]
				if i.Outcome != tc.want || i.Reason != tc.why || j.Waits != tc.waits {
					t.Errorf("the sync is %q %q, and the job waits for %q; want %q %q and %q", i.Outcome, i.Reason, j.Waits,
						tc.want, tc.why, tc.waits)
				}
				if tc.want != jobs.Sent {
					if len(d.sent) > 0 {
						t.Errorf("sent %+v", d.sent)
					}
					return
				}
				want := e.Request
				want.EventID, want.RetryOf, want.Trigger = id, old, hotsync.TriggerConsole
				want.RequestedAt, want.Actor, want.Note, want.Job = time.Now().UTC(), "Mia", "why", j.ID
				if diff := cmp.Diff([]hotsync.SyncRequest{want}, d.sent); diff != "" {
					t.Errorf("requests mismatch (-want +got):\n%s", diff)
				}
				if (len(d.queued) == 1) != (want.Lookup != nil) || i.Account != e.Account.Number {
					t.Errorf("%d events were recorded before, the item is of %q", len(d.queued), i.Account)
				}
			})
		})
	}
}

// TestRetryOfALookUpThatCannotBeRecorded waits: what finds nobody would leave no trace.
func TestRetryOfALookUpThatCannotBeRecorded(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		const old = "20261126-old"
		d := newDesk(t, jobs.Request{Kind: jobs.Retry}, []jobs.Item{{Retries: old}})
		e := hotsync.NewEvent(hotsync.SyncRequest{EventID: old, AccountID: "8a12800000000000000000000000abcd",
			Lookup: &hotsync.Lookup{Field: "F", Value: "v"}})
		e.Status = hotsync.StatusFailed
		d.events[old] = e
		events := &noQueuedEvents{d}
		d.Events = events
		if j := d.step(t); j.Waits != jobs.WaitStore || len(d.sent) > 0 {
			t.Errorf("the job waits for %q, sent %+v", j.Waits, d.sent)
		}
		d.Events = d
		if d.step(t); len(d.sent) != 1 || d.chunk(t).Items[0].Account != "8a12800000000000000000000000abcd" {
			t.Errorf("sent %+v of %+v", d.sent, d.chunk(t).Items)
		}
	})
}

type noQueuedEvents struct{ *desk }

func (noQueuedEvents) PutQueued(context.Context, hotsync.Event) error {
	return hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")
}

// TestListing: what one step lists, how far ahead, and no more accounts than are wanted.
func TestListing(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name     string
		source   jobs.Source
		accounts int
		limit    int
		total    int // after a step
		listed   bool
	}{
		{"few", jobs.Source{Known: true}, 3, 0, 3, true},
		{"none", jobs.Source{Known: true}, 0, 0, 0, true},
		{"a chunk", jobs.Source{Known: true}, 50, 0, 50, true},
		{"as many as are wanted", jobs.Source{Known: true}, 100, 100, 100, true},
		{"some of them", jobs.Source{Known: true}, 10, 3, 3, true},
		{"one of them", jobs.Source{Known: true}, 10, 1, 1, true},
		{"more than a chunk of them", jobs.Source{Known: true}, 200, 60, 60, true},
		{"just a chunk of them", jobs.Source{Known: true}, 200, 50, 50, true},
		{"fewer than are wanted", jobs.Source{Known: true}, 10, 30, 10, true},
		{"far ahead", jobs.Source{Known: true}, 2000, 0, 450, false},
		{"a query that does not wait", jobs.Source{ZOQL: "*"}, 2000, 0, 1000, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, jobs.Request{Kind: jobs.Backfill, Source: tc.source, Limit: tc.limit}, accountsNamed(tc.accounts))
				d.wait = jobs.WaitOff
				j := d.step(t)
				if j.Total != tc.total || j.Listed != tc.listed || j.Chunks != (tc.total+49)/50 {
					t.Errorf("%d accounts in %d chunks are listed, to the end: %t; want %d, %t", j.Total, j.Chunks, j.Listed,
						tc.total, tc.listed)
				}
				if tc.total == 0 && j.Status != jobs.Done {
					t.Errorf("a job without accounts is %s", j.Status)
				}
				var got []string
				err := jobs.Items(t.Context(), d, j, func(_ jobs.Chunk, i jobs.Item) error {
					got = append(got, i.Account)
					return nil
				})
				var want []string
				for _, i := range d.items[:tc.total] {
					want = append(want, i.Account)
				}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("Items: %v, mismatch (-want +got):\n%s", err, diff)
				}
			})
		})
	}
}

// TestStopping: a stopped job sends nothing and takes over what was under way; only what runs can be stopped, and what
// is stopped resumed.
func TestStopping(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill, Rate: 60}, accountsNamed(1000))
		listed := d.step(t).Total
		change := func(change func(*jobs.Job) error) error {
			_, err := jobs.Change(t.Context(), d, d.job.ID, change)
			return err
		}
		stop := func(j *jobs.Job) error { return j.Stop("Mia") }
		resume := func(j *jobs.Job) error { return j.Resume("Ben") }
		refused := func(what string, err error) {
			t.Helper()
			if hotsync.AsError(err) == nil || hotsync.AsError(err).Code != hotsync.CodeConflict {
				t.Errorf("%s = %v, want a conflict", what, err)
			}
		}
		refused("resume of a job that runs", change(resume))
		if err := change(stop); err != nil {
			t.Fatal(err)
		}
		refused("stop of a stopped job", change(stop))
		time.Sleep(time.Minute)
		if j := d.step(t); j.Status != jobs.Stopped || j.By != "Mia" || j.Idle() || len(d.sent) != 1 || j.Total != listed {
			t.Errorf("the job is %s by %s with %d of %d sent, idle: %t", j.Status, j.By, len(d.sent), j.Total, j.Idle())
		}
		d.ends(hotsync.StatusSucceeded, hotsync.ReasonChanged)
		if j := d.step(t); j.Counts()[jobs.Changed] != 1 || !j.Idle() || len(d.sent) != 1 {
			t.Errorf("the stopped job has %v, %d sent, idle: %t", j.Counts(), len(d.sent), j.Idle())
		}
		busy, err := d.Step(t.Context(), d.job.ID)
		if busy || err != nil {
			t.Errorf("a step of a stopped job = %t, %v", busy, err)
		}
		if err := change(resume); err != nil {
			t.Fatal(err)
		}
		if j := d.step(t); j.Status != jobs.Running || j.By != "Ben" || len(d.sent) < 2 {
			t.Errorf("the job is %s by %s with %d sent", j.Status, j.By, len(d.sent))
		}
		if err := change(func(j *jobs.Job) error { return j.SetRate(0) }); err == nil {
			t.Error("a rate of nothing is taken")
		}
		if err := change(func(j *jobs.Job) error { return j.SetRate(jobs.MaxRate + 1) }); err == nil {
			t.Error("a rate above the highest is taken")
		}
		for _, rate := range []int{1, jobs.MaxRate} {
			err := change(func(j *jobs.Job) error { return j.SetRate(rate) })
			if j := d.now(t); err != nil || j.Rate != rate || j.Credit != 0 {
				t.Errorf("SetRate(%d) = %v; rate %d, credit %f", rate, err, j.Rate, j.Credit)
			}
		}
	})
}

// TestEndIsToldUntilItIsTaken: a job whose end cannot be told is not done yet.
func TestEndIsToldUntilItIsTaken(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill}, nil)
		told := d.Ended
		d.Ended = func(context.Context, jobs.Job) error { return errors.New("no") }
		_, err := d.Step(t.Context(), d.job.ID)
		if j := d.now(t); err == nil || j.Status != jobs.Running {
			t.Errorf("Step = %v, the job is %s", err, j.Status)
		}
		d.Ended = told
		if j := d.step(t); j.Status != jobs.Done || len(d.ended) != 1 || d.ended[0].Status != jobs.Done {
			t.Errorf("the job is %s, its end was told as %+v", j.Status, d.ended)
		}
		d.job.ID = d.now(t).ID
		d.Ended = nil
		other := newDesk(t, jobs.Request{Kind: jobs.Backfill}, nil)
		other.Ended = nil
		if j := other.step(t); j.Status != jobs.Done {
			t.Errorf("a job of which nobody wants to know is %s", j.Status)
		}
	})
}

// TestRun advances every job until all have ended, or its time is over.
func TestRun(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill, Rate: 60}, accountsNamed(5))
		d.atOnce = true
		worked, err := d.Run(t.Context())
		if j := d.now(t); !worked || err != nil || j.Status != jobs.Done || len(d.sent) != 5 {
			t.Errorf("Run = %t, %v; the job is %s, %d sent", worked, err, j.Status, len(d.sent))
		}
		load(t, &d.Memory)
		_, err = jobs.Change(t.Context(), &d.Memory, d.job.ID, func(j *jobs.Job) error {
			j.Status = jobs.Loading // of a file that is not there yet
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		worked, err = d.Run(t.Context()) // what was loaded has no accounts
		if !worked || err != nil {
			t.Errorf("Run of an empty job = %t, %v", worked, err)
		}
		began := time.Now()
		worked, err = d.Run(t.Context())
		if worked || err != nil || time.Since(began) > 0 {
			t.Errorf("Run of nothing = %t, %v after %s", worked, err, time.Since(began))
		}

		d = newDesk(t, jobs.Request{Kind: jobs.Backfill}, nil)
		d.broken = 2
		worked, err = d.Run(t.Context())
		if j := d.now(t); !worked || err != nil || j.Status != jobs.Done {
			t.Errorf("Run while the store is down at first = %t, %v; the job is %s", worked, err, j.Status)
		}
		d = newDesk(t, jobs.Request{Kind: jobs.Backfill}, nil)
		d.faster = 1
		busy, err := d.Step(t.Context(), d.job.ID)
		if !busy || err != nil {
			t.Errorf("a step that another one came before = %t, %v, want that there is more to do", busy, err)
		}
		d = newDesk(t, jobs.Request{Kind: jobs.Backfill}, accountsNamed(5))
		d.wait = jobs.WaitLogins
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began = time.Now()
		worked, err = d.Run(ctx)
		if !worked || err != nil || time.Since(began) != 10*time.Second {
			t.Errorf("Run of a job that waits = %t, %v after %s", worked, err, time.Since(began))
		}
	})
}

// TestEachRetryIsASyncOfItsOwn: retries in one chunk have events of their own, which stay theirs once their accounts
// are known.
func TestEachRetryIsASyncOfItsOwn(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, jobs.Request{Kind: jobs.Retry, Rate: jobs.MaxRate}, []jobs.Item{{Retries: "e1"}, {Retries: "e2"}})
		for _, id := range []string{"e1", "e2"} {
			e := hotsync.NewEvent(hotsync.SyncRequest{EventID: id, Account: "A1"})
			e.Status = hotsync.StatusFailed
			d.events[id] = e
		}
		d.step(t)
		time.Sleep(time.Second)
		d.step(t)
		if len(d.sent) != 2 || d.sent[0].EventID == d.sent[1].EventID || d.sent[0].RetryOf == d.sent[1].RetryOf {
			t.Fatalf("sent %+v, want two syncs", d.sent)
		}
		d.ends(hotsync.StatusSucceeded, hotsync.ReasonChanged)
		if j := d.step(t); j.Counts()[jobs.Changed] != 2 {
			t.Errorf("the job has %v", map[jobs.Outcome]int(j.Counts()))
		}
	})
}

// TestRowsOfOneAccountAndOthers: the same account with two logins is two syncs, and the same row twice is one.
func TestRowsOfOneAccountAndOthers(t *testing.T) {
	t.Parallel()

	c := jobs.Chunk{Job: "job-1", Begun: time.Now()}
	ids := map[string]bool{}
	for _, i := range []jobs.Item{
		jobs.Of("A1", hotsync.Identity{}), jobs.Of("A1", hotsync.Identity{}), jobs.Of("A2", hotsync.Identity{}),
		jobs.Of("A1", hotsync.Identity{Issuer: "i", Subject: "s"}), {Retries: "e1"}, {Retries: "e1", Account: "A1"},
	} {
		ids[c.EventID(i)] = true
	}
	if len(ids) != 4 {
		t.Errorf("%d syncs, want 4", len(ids))
	}
}

// TestAnUncountedChunk: what another runner has listed and not counted is not begun before it counts.
func TestAnUncountedChunk(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill}, accountsNamed(3))
		d.lists = func() error {
			_, err := d.SaveChunk(t.Context(), jobs.Chunk{Job: d.job.ID, Items: d.items, Last: true})
			if err != nil {
				t.Error(err)
			}
			return hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")
		}
		if j := d.step(t); len(d.sent) > 0 || j.Total != 0 || j.Settled != 0 || j.Waits != jobs.WaitSource {
			t.Errorf("%d sent of %d accounts; the job waits for %q", len(d.sent), j.Total, j.Waits)
		}
		d.lists = nil
		if j := d.step(t); len(d.sent) != 1 || j.Total != 3 || !j.Listed {
			t.Errorf("%d sent of %d accounts, listed: %t", len(d.sent), j.Total, j.Listed)
		}
	})
}
