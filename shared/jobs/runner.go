package jobs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/hotsync"
)

// Events is what a job asks of the event store. Errors are *hotsync.Error.
type Events interface {
	Get(ctx context.Context, id string) (hotsync.Event, error)
	// Summaries returns the events of those ids that exist, without their details.
	Summaries(ctx context.Context, ids []string) (map[string]hotsync.Event, error)
	PutQueued(ctx context.Context, e hotsync.Event) error
	// NewerSync reports whether the account, or else the subject, of an ended event
	// has a newer sync of the same login.
	NewerSync(ctx context.Context, e hotsync.Event) (bool, error)
}

// Queue is the second lane. Sending a request twice queues it once, or has it
// recognised by its event.
type Queue interface {
	SendAll(ctx context.Context, requests []hotsync.SyncRequest) []error
}

// Gate says whether the second lane may be used at the moment.
type Gate interface {
	// Wait returns the reason not to, or "".
	Wait(ctx context.Context, k Kind) Wait
}

// Lister lists the accounts of a job's source, a chunk at a time. The same cursor
// gives the same chunk, or one that began later.
type Lister interface {
	List(ctx context.Context, j Job, cursor string, limit int) (items []Item, next string, last bool, err error)
}

// Checker compares an account in Zuora with what Limio has, and writes nothing.
// Errors are *hotsync.Error.
type Checker interface {
	Differs(ctx context.Context, account string) (bool, error)
}

// Runner advances jobs. All members are needed but Checker, where no job is a
// reconcile run, and Ended.
type Runner struct {
	Store   Store
	Events  Events
	Queue   Queue
	Gate    Gate
	Lister  Lister
	Checker Checker
	Ended   func(context.Context, Job) error // called at least once when a job is done; nil for nobody
	Name    string                           // of this runner; no two have the same
	Now     func() time.Time
	Log     *slog.Logger
}

const (
	// hold is how long a runner has a job for itself after a step. It only keeps
	// others from doing the same work beside it.
	hold = 10 * time.Second
	// between is the time between two steps of a job.
	between = time.Second
	// listAhead is how many chunks one step lists.
	listAhead = 20
	// checks is how many accounts a reconcile run compares at once.
	checks = 4
)

// Run advances every job until ctx ends or there is nothing to do. It reports
// whether there was something.
func (r *Runner) Run(ctx context.Context) (worked bool, err error) {
	for {
		busy, err := r.round(ctx)
		if err != nil && ctx.Err() == nil {
			r.Log.WarnContext(ctx, "jobs not advanced", "error", err)
		}
		if !busy && err == nil {
			return worked, nil
		}
		worked = worked || busy
		next := time.NewTimer(between)
		select {
		case <-ctx.Done():
			next.Stop()
			return worked, nil
		case <-next.C:
		}
	}
}

// round takes every job a step further.
func (r *Runner) round(ctx context.Context) (busy bool, err error) {
	active, err := Active(ctx, r.Store)
	if err != nil {
		return false, err
	}
	var errs []error
	for _, j := range active {
		if j.Idle() {
			continue
		}
		stepped, err := r.Step(ctx, j.ID)
		errs = append(errs, err)
		busy = busy || stepped
	}
	return busy, errors.Join(errs...)
}

// activePage is how many of the newest jobs may be under way.
const activePage = 100

// Active lists the jobs that have not ended, the newest first.
func Active(ctx context.Context, s Store) ([]Job, error) {
	jobs, _, err := s.Jobs(ctx, activePage, "")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(jobs, func(j Job) bool { return j.Status == Done }), nil
}

// Step takes a job a step further: lists more of its accounts, takes over how syncs
// ended, sends what the rate and the lane allow, and counts. It reports false when
// there is nothing to do, or another runner is at it. When somebody else changes the
// job meanwhile, the next step makes up for it.
func (r *Runner) Step(ctx context.Context, id string) (busy bool, err error) {
	defer hotsync.In(&err, "jobs.Step(%q)", id)
	j, err := r.Store.Job(ctx, id)
	if err != nil {
		return false, err
	}
	now := r.Now()
	if j.Idle() || j.Holder != r.Name && now.Before(j.HeldTill) {
		return false, nil
	}
	was := j
	if j.Holder != r.Name || j.HeldTill.Sub(now) < hold/2 {
		j.Holder, j.HeldTill = r.Name, now.Add(hold)
		j, err = r.Store.SaveJob(ctx, j)
		if err != nil {
			return true, unlessConflict(err)
		}
	}
	if j.Status == Running {
		j.Waits = ""
		j, err = r.list(ctx, j)
		if err != nil {
			return true, unlessConflict(err)
		}
	}
	window, err := r.Store.Chunks(ctx, j.ID, j.Settled, min(maxWindow, max(1, j.Chunks-j.Settled)))
	if err != nil {
		return true, err
	}
	window = window[:min(len(window), max(0, j.Chunks-j.Settled))]
	err = r.collect(ctx, window)
	if err == nil && j.Status == Running {
		err = r.begin(ctx, &j, window)
	}
	if err != nil {
		return true, unlessConflict(err)
	}
	return true, unlessConflict(r.count(ctx, was, j, window))
}

// unlessConflict drops what only means that another one was faster.
func unlessConflict(err error) error {
	if conflict(err) {
		return nil
	}
	return err
}

// list writes more of the job's accounts into chunks. A chunk that is there was
// written by a runner that did not come to counting it.
func (r *Runner) list(ctx context.Context, j Job) (Job, error) {
	for range listAhead {
		if j.Listed || j.Source.File != "" {
			break
		}
		found, err := r.Store.Chunks(ctx, j.ID, j.Chunks, 1)
		if err != nil {
			return j, err
		}
		if len(found) == 0 {
			items, next, last, err := r.Lister.List(ctx, j, j.Cursor, ChunkSize)
			if err != nil {
				r.Log.WarnContext(ctx, "accounts not listed", "job", j.ID, "error", err)
				if j.Source.ZOQL == "" || hotsync.AsError(err).Code.Kind() != hotsync.KindAccount {
					j.Waits = WaitSource
					return j, nil
				}
				err = j.Stop("")
				j.Waits = WaitRefused
				return j, err
			}
			if j.Limit > 0 && j.Total+len(items) >= j.Limit {
				items, last = items[:j.Limit-j.Total], true
			}
			if len(items) == 0 && last {
				j.Listed = true
				break
			}
			c, err := r.Store.SaveChunk(ctx, Chunk{Job: j.ID, N: j.Chunks, Items: items, Next: next, Last: last})
			if err != nil {
				return j, err
			}
			found = []Chunk{c}
		}
		c := found[0]
		j.Chunks, j.Total, j.Cursor, j.Listed = j.Chunks+1, j.Total+len(c.Items), c.Next, c.Last
		if j.Chunks-j.Settled > maxWindow && j.Source.ZOQL == "" {
			break // what is far ahead is listed later; a query of Zuora's does not wait
		}
	}
	if j.Listed && j.Source.ZOQL != "" && j.Settled == 0 {
		return r.compare(ctx, j)
	}
	return j, nil
}

// compare says which other jobs that are under way have accounts of this one, once
// its own are all listed. Two runners that do it say the same.
func (r *Runner) compare(ctx context.Context, j Job) (Job, error) {
	known, err := r.Store.Sketch(ctx, j.ID)
	if err != nil || known.Revision > 0 {
		return j, err
	}
	var mine Sketch
	err = Items(ctx, r.Store, j, func(_ Chunk, i Item) error {
		mine.Add(i.Account)
		return nil
	})
	if err != nil {
		return j, err
	}
	j.Overlaps, err = overlaps(ctx, r.Store, j.ID, mine)
	return j, err
}

// collect takes over how the syncs of the window ended.
func (r *Runner) collect(ctx context.Context, window []Chunk) error {
	var ids []string
	for _, c := range window {
		for _, i := range c.Items {
			if i.Outcome == Sent {
				ids = append(ids, c.EventID(i))
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	events, err := r.Events.Summaries(ctx, ids)
	if err != nil {
		return err
	}
	for n := range window {
		if !window[n].collect(events, r.Now()) {
			continue
		}
		window[n], err = r.Store.SaveChunk(ctx, window[n])
		if err != nil {
			return err
		}
	}
	return nil
}

// begin sends what may be sent.
func (r *Runner) begin(ctx context.Context, j *Job, window []Chunk) error {
	inFlight := 0
	for _, c := range window {
		inFlight += c.counts()[Sent]
	}
	j.earn(r.Now())
	left := j.allowed(inFlight)
	for n := range window {
		c := &window[n]
		if left == 0 {
			break
		}
		if !slices.ContainsFunc(c.Items, func(i Item) bool { return i.Outcome == Waiting }) {
			continue
		}
		if wait := r.Gate.Wait(ctx, j.Kind); wait != "" {
			j.Waits = wait
			return nil
		}
		if c.Begun.IsZero() { // before anything is sent: the ids of the events follow from it
			c.Begun = r.Now().UTC().Truncate(time.Millisecond)
			saved, err := r.Store.SaveChunk(ctx, *c)
			if err != nil {
				return err
			}
			*c = saved
		}
		took, wait, err := r.send(ctx, *j, c, left)
		if err != nil {
			return err
		}
		left -= took
		j.Credit -= float64(took)
		if wait != "" {
			j.Waits = wait
			return nil
		}
	}
	return nil
}

// send begins up to limit accounts of a chunk and writes down which. What is queued
// and not written down, since the runner dies between, is queued again later: its
// event then says that it has ended.
func (r *Runner) send(ctx context.Context, j Job, c *Chunk, limit int) (took int, wait Wait, err error) {
	var picked []int
	for n, i := range c.Items {
		if i.Outcome == Waiting && len(picked) < limit {
			picked = append(picked, n)
		}
	}
	requests, at, wait := r.requests(ctx, j, c, picked)
	for n, err := range r.Queue.SendAll(ctx, requests) {
		if err != nil {
			r.Log.WarnContext(ctx, "account not queued", "job", j.ID, "event_id", requests[n].EventID, "error", err)
			wait = WaitQueue
			continue
		}
		c.Items[at[n]].Outcome = Sent
	}
	for _, n := range picked {
		if c.Items[n].Outcome != Waiting {
			took++
		}
	}
	if took == 0 {
		return 0, wait, nil
	}
	saved, err := r.Store.SaveChunk(ctx, *c)
	if err != nil {
		return 0, "", err
	}
	*c = saved
	return took, wait, nil
}

// requests makes the requests of items, and gives those their outcome that need
// none. Where something does not answer, it says what to wait for and leaves the
// rest for later.
func (r *Runner) requests(
	ctx context.Context,
	j Job,
	c *Chunk,
	picked []int,
) (requests []hotsync.SyncRequest, at []int, wait Wait) {
	made := make([]*hotsync.SyncRequest, len(picked))
	waits := make([]Wait, len(picked))
	var g errgroup.Group
	g.SetLimit(checks)
	for k, n := range picked {
		g.Go(func() error {
			made[k], waits[k] = r.request(ctx, j, c, n)
			return nil
		})
	}
	_ = g.Wait() // its functions give no error
	for k, request := range made {
		if waits[k] != "" {
			wait = waits[k]
		}
		if request != nil {
			requests, at = append(requests, *request), append(at, picked[k])
		}
	}
	return requests, at, wait
}

// request makes the request of an item, nil where it needs none or has to wait.
func (r *Runner) request(ctx context.Context, j Job, c *Chunk, n int) (*hotsync.SyncRequest, Wait) {
	i := c.Items[n]
	switch j.Kind {
	case Retry:
		return r.retry(ctx, j, c, n)
	case Reconcile:
		differs, err := r.Checker.Differs(ctx, i.Account)
		e := hotsync.AsError(err)
		switch {
		case e == nil && !differs:
			ours, err := r.sentBefore(ctx, c.EventID(i))
			switch {
			case err != nil:
				return nil, WaitStore
			case ours:
				c.Items[n].Outcome = Sent
			default:
				c.end(n, Unchanged, "")
			}
			return nil, ""
		case e != nil && e.Code == hotsync.CodeZuoraNotFound:
			c.end(n, Unknown, string(e.Code))
			return nil, ""
		case e != nil && e.Code.Transient():
			r.Log.WarnContext(ctx, "account not compared", "job", j.ID, "account", i.Account, "error", err)
			return nil, waitOf(e.Code)
		}
		// Whatever else is wrong with it, its sync records.
	}
	request := hotsync.SyncRequest{
		EventID:     c.EventID(i),
		Trigger:     trigger(j.Kind),
		Identity:    hotsync.Identity{Issuer: i.Issuer, Subject: i.Subject},
		Account:     i.Account,
		RequestedAt: r.Now().UTC(),
		Actor:       j.Actor,
		Note:        j.Note,
		Job:         j.ID,
	}
	if hotsync.IsAccountID(i.Account) {
		request.AccountID = i.Account
	}
	return &request, ""
}

func trigger(k Kind) hotsync.Trigger {
	switch k {
	case Backfill:
		return hotsync.TriggerBackfill
	case Reconcile:
		return hotsync.TriggerReconcile
	default:
		return hotsync.TriggerConsole
	}
}

// waitOf says what an error of an upstream has a job wait for.
func waitOf(c hotsync.Code) Wait {
	switch c {
	case hotsync.CodeLimioPaused,
		hotsync.CodeLimioRateLimited,
		hotsync.CodeLimioUnavailable,
		hotsync.CodeLimioAnswer,
		hotsync.CodeLimioNotFound:
		return WaitLimio
	case hotsync.CodeStoreUnavailable,
		hotsync.CodeStoreNewer,
		hotsync.CodeSettingsMissing,
		hotsync.CodeSecretMissing:
		return WaitStore
	default:
		return WaitZuora
	}
}

// retry makes the request of a sync that is to be retried, unless that makes no
// sense.
func (r *Runner) retry(ctx context.Context, j Job, c *Chunk, n int) (*hotsync.SyncRequest, Wait) {
	i := c.Items[n]
	id := c.EventID(i)
	old, err := r.Events.Get(ctx, i.Retries)
	switch {
	case err != nil && hotsync.AsError(err).Code == hotsync.CodeNotFound:
		c.end(n, Passed, "expired")
		return nil, ""
	case err != nil:
		return nil, WaitStore
	}
	newer, err := r.Events.NewerSync(ctx, old)
	if err != nil {
		return nil, WaitStore
	}
	if newer {
		ours, err := r.sentBefore(ctx, id)
		if err != nil {
			return nil, WaitStore
		}
		newer = !ours
	}
	request, err := old.Retry()
	if err != nil || !old.Retriable() || newer {
		c.end(n, Passed, "")
		return nil, ""
	}
	c.Items[n].Account = old.Account.Number
	if c.Items[n].Account == "" {
		c.Items[n].Account = old.Account.ID
	}
	request.EventID, request.RequestedAt, request.Actor, request.Note, request.Job = id, r.Now().
		UTC(),
		j.Actor, j.Note, j.ID
	if request.Lookup != nil {
		// A look-up that finds nothing is recorded only where there is an event.
		err = r.Events.PutQueued(ctx, hotsync.NewEvent(request))
		if err != nil {
			return nil, WaitStore
		}
	}
	return &request, ""
}

// sentBefore reports whether a runner that could not write it down has sent this
// already. A store that does not answer is an error and not a no: an account would
// count as passed that the job itself has synced.
func (r *Runner) sentBefore(ctx context.Context, id string) (bool, error) {
	found, err := r.Events.Summaries(ctx, []string{id})
	return len(found) > 0, err
}

// count writes how the job stands, if that has changed.
func (r *Runner) count(ctx context.Context, was, j Job, window []Chunk) error {
	j.settle(window)
	j.conclude(r.Now())
	if j.Status == Done && r.Ended != nil {
		err := r.Ended(ctx, j)
		if err != nil {
			return err
		}
	}
	if j.Settled == was.Settled && j.Total == was.Total && j.Listed == was.Listed && j.Status == was.Status &&
		j.Waits == was.Waits && len(j.Overlaps) == len(was.Overlaps) &&
		equal(j.Window, was.Window) &&
		int(j.Credit) == int(was.Credit) {
		return nil
	}
	_, err := r.Store.SaveJob(ctx, j)
	return err
}

func equal(a, b Counts) bool {
	for _, o := range Outcomes {
		if a[o] != b[o] {
			return false
		}
	}
	return true
}
