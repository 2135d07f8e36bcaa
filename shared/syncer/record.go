package syncer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

// recorder opens the events of requests. The syncer and the dead letters share it.
type recorder struct {
	events  Events
	now     func() time.Time
	log     *slog.Logger
	observe func(hotsync.Event) // nil for nobody
}

// record is an event through its life: it is opened, a try begins and is closed or
// taken back, and once it is finished. What is written in between is saved.
type record struct {
	recorder
	hotsync.Event
	existed bool      // it was there when the message came
	trying  bool      // the last attempt was begun by this record
	slow    *slowSave // that it is under way is saved then; nil when it was, or need not be
}

// open reads the event of a request, or makes a new one.
func (r recorder) open(ctx context.Context, request hotsync.SyncRequest) (*record, error) {
	e, err := r.events.Get(ctx, request.EventID)
	switch {
	case err == nil:
		return &record{recorder: r, Event: e, existed: true}, nil
	case hotsync.AsError(err).Code == hotsync.CodeNotFound:
		return &record{recorder: r, Event: hotsync.NewEvent(request)}, nil
	default:
		return nil, err
	}
}

// ended reports whether there is nothing left to do: the message was delivered
// again after the event came to its end.
func (r *record) ended() bool { return hasEnded(r.Event) }

// hasEnded reports whether an event's end is one. That of a request which SQS was
// thought to have refused is not: it was taken after all, only its answer got lost.
func hasEnded(e hotsync.Event) bool {
	neverQueued := e.Error != nil && e.Error.Code == hotsync.CodeQueueUnavailable && len(e.Attempts) == 0
	return e.Status.Final() && !neverQueued
}

// begin opens a try. It reports whether the event is still this record's, as save does.
// The first try is saved only when it takes long, since most end within a second and
// their end is then the only write; a later one is saved at once, so that the tries of
// a process that dies are counted.
func (r *record) begin(ctx context.Context, first bool) (mine bool, err error) {
	now := r.now()
	r.Status, r.Reason, r.Error, r.NextAttemptAt = hotsync.StatusRunning, "", nil, time.Time{}
	if n := len(r.Attempts); n > 0 {
		r.Attempts[n-1].Steps = r.Steps // how far it came stays to be seen
	}
	r.Attempts = append(r.Attempts, hotsync.Attempt{N: r.Tries() + 1, StartedAt: now})
	r.trying = true
	if r.StartedAt.IsZero() {
		r.StartedAt = now
	}
	r.Steps, r.Findings = nil, nil
	if first && len(r.Attempts) == 1 {
		r.slow = r.saveWhenSlow(ctx)
		return true, nil
	}
	return r.save(ctx)
}

// slowAfter is when a try is shown as under way: nobody watches for less.
const slowAfter = 1500 * time.Millisecond

// slowSave is the write that a try is under way, if it comes to that.
type slowSave struct {
	timer *time.Timer
	done  chan struct{} // closed when it was written
	saved hotsync.Event // and how, or
	err   error
}

// saveWhenSlow saves the event as it is now when slowAfter has passed; see settle.
func (r *record) saveWhenSlow(ctx context.Context) *slowSave {
	s := &slowSave{done: make(chan struct{})}
	now := r.Event
	now.Attempts = slices.Clone(now.Attempts)
	s.timer = time.AfterFunc(slowAfter, func() {
		defer close(s.done)
		s.saved, s.err = r.events.Put(ctx, now)
	})
	return s
}

// settle ends what begin left to be written later. That it was not written is for the
// next save to find out.
func (r *record) settle(ctx context.Context) {
	s := r.slow
	r.slow = nil
	if s == nil || s.timer.Stop() {
		return
	}
	<-s.done
	if s.err == nil {
		r.Revision = s.saved.Revision
	} else if hotsync.AsError(s.err).Code != hotsync.CodeConflict {
		r.log.WarnContext(ctx, "a slow sync was not shown as under way", "error", s.err)
	}
}

// closeTry ends the try under way; a failure before one began (settings, lookup) is
// a try too. One that a process left open when it died stays open: nobody knows how
// long it lasted.
func (r *record) closeTry(p *hotsync.Problem) {
	n := len(r.Attempts)
	if n == 0 || !r.trying {
		r.Attempts = append(r.Attempts, hotsync.Attempt{N: r.Tries() + 1, StartedAt: r.now()})
		n++
	}
	r.Attempts[n-1].FinishedAt, r.Attempts[n-1].Error = r.now(), p
}

// giveUp is the verdict on a sync whose tries died with their processes.
func (r *record) giveUp() verdict {
	e := hotsync.Errorf(hotsync.CodeGaveUp, "The queue gave up: the sync never came to an end.")
	if r.Error != nil {
		e.Message += " The last failure was " + string(r.Error.Code) + "."
	}
	if n := len(r.Attempts); n > 0 && r.Attempts[n-1].FinishedAt.IsZero() {
		r.Attempts[n-1].Error = e.Problem() // it died with its process, nobody knows when
	} else {
		r.closeTry(e.Problem())
	}
	return failed(e)
}

// dropTry takes back the try under way, if there is one.
func (r *record) dropTry() {
	if r.trying {
		r.Attempts = r.Attempts[:len(r.Attempts)-1]
	}
}

// save writes the event. Who else may have written it meanwhile is the front door,
// at the same moment as the first delivery, or another delivery of the message. The
// revision is then taken over, since what is known here is newer; but an end stays
// the end, unless this is a better one, and a request that is only sent on tells
// nothing new of a sync that is under way. It reports whether the event is still
// this record's: not when another delivery was faster to its end.
func (r *record) save(ctx context.Context) (mine bool, err error) {
	r.settle(ctx)
	saved, err := r.events.Put(ctx, r.Event)
	if err != nil && hotsync.AsError(err).Code == hotsync.CodeConflict {
		stored, gerr := r.events.Get(ctx, r.ID)
		switch {
		case gerr != nil:
			return false, gerr
		case hasEnded(stored) && r.Status != hotsync.StatusSucceeded:
			return false, nil
		case r.Status == hotsync.StatusQueued && stored.Request.AccountID != "":
			return true, nil
		}
		r.Revision = stored.Revision
		saved, err = r.events.Put(ctx, r.Event)
	}
	if err != nil {
		return false, err
	}
	r.Revision = saved.Revision
	return true, nil
}

// finish writes the event's end and counts it, unless the event is not this record's any more: then nothing happens.
func (r *record) finish(ctx context.Context, v verdict) error {
	r.FinishedAt, r.NextAttemptAt = r.now(), time.Time{}
	mine, err := r.take(ctx, v)
	if err != nil || !mine {
		return err
	}
	err = r.events.Tally(ctx, r.Event)
	if err != nil {
		r.log.WarnContext(ctx, "event not counted", "error", err)
	}
	level := slog.LevelInfo
	if r.Status == hotsync.StatusFailed {
		level = slog.LevelError
	}
	r.summary(ctx, level, v)
	return nil
}

// postpone writes that the sync is tried again after v.wait.
func (r *record) postpone(ctx context.Context, v verdict) (mine bool, err error) {
	r.NextAttemptAt = r.now().Add(v.wait)
	mine, err = r.take(ctx, v)
	if err == nil && mine {
		r.summary(ctx, slog.LevelWarn, v)
	}
	return mine, err
}

// take takes a verdict over and saves it.
func (r *record) take(ctx context.Context, v verdict) (mine bool, err error) {
	r.Status, r.Reason, r.Error = v.status, v.reason, v.problem
	r.Findings, r.Subscriptions, r.CoveredBy, r.Candidates = v.findings, v.seen, v.coveredBy, v.candidates
	return r.save(ctx)
}

// summary is the one log line of a handled message.
func (r *record) summary(ctx context.Context, level slog.Level, v verdict) {
	calls := 0
	for _, s := range r.Steps {
		calls += s.Calls
	}
	attrs := []any{"account", r.Account.ID, "status", r.Status, "reason", r.Reason, "attempt", r.Tries(),
		"changes", len(r.Changes) + r.ChangesCut, "calls", calls, "ms", r.now().Sub(r.RequestedAt).Milliseconds()}
	if v.cause != nil {
		attrs = append(attrs, "error", v.cause)
	}
	r.log.Log(ctx, level, "sync "+string(r.Status), attrs...)
	if r.observe != nil {
		r.observe(r.Event)
	}
}

// malformed makes a failed event of a message that is none of ours. Its id follows
// from the message, so that a repeated delivery makes no second one.
func (r recorder) malformed(ctx context.Context, m syncqueue.Message) syncqueue.Outcome {
	r.log = r.log.With("message_id", m.ID)
	rec, err := r.open(
		ctx,
		hotsync.SyncRequest{EventID: hotsync.EventIDFor(m.SentAt, "malformed", m.ID), Trigger: hotsync.TriggerAPI,
			RequestedAt: m.SentAt},
	)
	if err == nil && rec.existed {
		return syncqueue.Done()
	}
	if err == nil {
		err = rec.finish(ctx, failed(hotsync.AsError(m.DecodeErr)))
	}
	if err != nil {
		r.log.ErrorContext(ctx, "malformed message not recorded", "error", err)
		return syncqueue.Again(time.Minute)
	}
	return syncqueue.Done()
}
