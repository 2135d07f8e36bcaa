package syncer

import (
	"context"
	"log/slog"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

// DeadLetters turns what the queue gave up on into failed events, with the
// request kept, so that it can be retried. A message comes here when it was received
// as often as the queue allows and no receive came to an end.
//
// A receive is not a try: SQS counts one for every message of a batch, even for those
// that only waited behind a failing one of their group, and one for every time that a
// sync came and had to wait for an outage. So a message whose event has not all its
// tries behind it is sent on, a few times at most.
type DeadLetters struct {
	MaxAttempts int // tries of a sync, as of Config; the ones that died with their process count

	Events  Events
	Queue   Queue // of the syncs
	Jobs    Queue // of the second lane's; nil where there is none
	Now     func() time.Time
	Log     *slog.Logger
	Observe func(hotsync.Event) // called once per letter that made a failed event; nil for nobody
}

// maxSentOn bounds how often a request is sent on without coming to an end in between.
const maxSentOn = 3

// Handle records one dead letter.
func (d *DeadLetters) Handle(ctx context.Context, m syncqueue.Message) syncqueue.Outcome {
	rec := recorder{events: d.Events, now: d.Now, log: d.Log, observe: d.Observe}
	if m.DecodeErr != nil {
		return rec.malformed(ctx, m)
	}
	rec.log = d.Log.With("event_id", m.Request.EventID)
	err := d.recordDead(ctx, rec, m.Request)
	if err != nil {
		rec.log.ErrorContext(ctx, "dead letter not recorded", "error", err)
		return syncqueue.Again(time.Minute)
	}
	return syncqueue.Done()
}

func (d *DeadLetters) recordDead(ctx context.Context, rec recorder, request hotsync.SyncRequest) (err error) {
	defer hotsync.In(&err, "syncer.DeadLetters")

	r, err := rec.open(ctx, request)
	if err != nil {
		return err
	}
	if r.existed && r.Status.Final() {
		return nil // it had ended; only its acknowledgement was lost
	}
	r.Request = request
	if r.Tries() < max(d.MaxAttempts, 1) && request.SentOn < maxSentOn {
		request.SentOn++
		rec.log.WarnContext(
			ctx,
			"dead letter has tries left, sent on",
			"tries",
			r.Tries(),
			"sent_on",
			request.SentOn,
			"requeued",
			request.Requeued,
		)
		if request.Job != "" && d.Jobs != nil {
			return d.Jobs.Resend(ctx, request)
		}
		return d.Queue.Resend(ctx, request)
	}
	return r.finish(ctx, r.giveUp())
}
