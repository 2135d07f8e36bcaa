package syncer

import (
	"context"
	"log/slog"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

// DeadLetters turns what the queue gave up on into failed events, with the
// request kept, so that it can be retried. A message comes here when its sync
// died without a word (crash, time-out) as often as the queue allows.
//
// It also comes here without ever having run: SQS counts a receive for every
// message of a batch, even for those that only waited behind a failing one of
// their group. Such a message is sent on, a few times at most.
type DeadLetters struct {
	Events  Events
	Queue   Queue // of the syncs
	Now     func() time.Time
	Log     *slog.Logger
	Observe func(hotsync.Event) // called once per letter that made a failed event; nil for nobody
}

// maxSentOn bounds how often a request that never ran is sent on.
const maxSentOn = 3

// Handle records one dead letter.
func (d *DeadLetters) Handle(ctx context.Context, m syncqueue.Message) syncqueue.Outcome {
	s := &Syncer{Config{Events: d.Events, Queue: d.Queue, Now: d.Now, Log: d.Log, Observe: d.Observe}}
	if m.DecodeErr != nil {
		return s.recordMalformed(ctx, m)
	}
	j := &job{Syncer: s, request: m.Request, log: d.Log.With("event_id", m.Request.EventID)}
	err := j.recordDead(ctx)
	if err != nil {
		j.log.ErrorContext(ctx, "dead letter not recorded", "error", err)
		return syncqueue.Again(time.Minute)
	}
	return syncqueue.Done()
}

func (j *job) recordDead(ctx context.Context) (err error) {
	defer hotsync.In(&err, "syncer.DeadLetters")

	j.event, err = j.Events.Get(ctx, j.request.EventID)
	switch {
	case err == nil && j.event.Status.Final():
		return nil // it had ended; only its acknowledgement was lost
	case err == nil:
	case hotsync.AsError(err).Code == hotsync.CodeNotFound:
		j.event = hotsync.NewEvent(j.request)
	default:
		return err
	}
	if len(j.event.Attempts) == 0 && j.request.SentOn < maxSentOn {
		j.request.SentOn++
		j.request.Requeued++
		j.log.WarnContext(ctx, "dead letter never ran, sent on", "sent_on", j.request.SentOn, "requeued", j.request.Requeued)
		return j.Queue.Requeue(ctx, j.request)
	}
	e := hotsync.Errorf(hotsync.CodeGaveUp, "The queue gave up: the sync never came to an end.")
	if j.event.Error != nil {
		e.Message += " The last failure was " + string(j.event.Error.Code) + "."
	}
	if n := len(j.event.Attempts); n > 0 && j.event.Attempts[n-1].FinishedAt.IsZero() {
		j.event.Attempts[n-1].Error = e.Problem() // it died with its process, nobody knows when
	} else {
		j.closeAttempt(e.Problem())
	}
	j.event.Status, j.event.Reason, j.event.Error = hotsync.StatusFailed, string(e.Code), e.Problem()
	return j.finish(ctx, e)
}

// recordMalformed makes a failed event of a message that is none of ours. Its
// id follows from the message, so that a repeated delivery makes no second one.
func (s *Syncer) recordMalformed(ctx context.Context, m syncqueue.Message) syncqueue.Outcome {
	e := hotsync.AsError(m.DecodeErr)
	j := &job{Syncer: s, log: s.Log.With("message_id", m.ID)}
	j.request = hotsync.SyncRequest{EventID: hotsync.EventIDFor(m.SentAt, "malformed", m.ID), Trigger: hotsync.TriggerAPI, RequestedAt: m.SentAt}
	_, err := s.Events.Get(ctx, j.request.EventID)
	if err == nil {
		return syncqueue.Done()
	}
	j.event = hotsync.NewEvent(j.request)
	j.event.Status, j.event.Reason, j.event.Error = hotsync.StatusFailed, string(e.Code), e.Problem()
	err = j.finish(ctx, e)
	if err != nil {
		j.log.ErrorContext(ctx, "malformed message not recorded", "error", err)
		return syncqueue.Again(time.Minute)
	}
	return syncqueue.Done()
}
