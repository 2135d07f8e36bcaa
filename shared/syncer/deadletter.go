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
	Jobs    Queue // of the second lane's; nil where there is none
	Now     func() time.Time
	Log     *slog.Logger
	Observe func(hotsync.Event) // called once per letter that made a failed event; nil for nobody
}

// maxSentOn bounds how often a request that never ran is sent on.
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
	if len(r.Attempts) == 0 && request.SentOn < maxSentOn {
		request.SentOn++
		rec.log.WarnContext(
			ctx,
			"dead letter never ran, sent on",
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
	e := hotsync.Errorf(hotsync.CodeGaveUp, "The queue gave up: the sync never came to an end.")
	if r.Error != nil {
		e.Message += " The last failure was " + string(r.Error.Code) + "."
	}
	if n := len(r.Attempts); n > 0 && r.Attempts[n-1].FinishedAt.IsZero() {
		r.Attempts[n-1].Error = e.Problem() // it died with its process, nobody knows when
	} else {
		r.closeTry(e.Problem())
	}
	_, err = r.finish(ctx, failed(e))
	return err
}
