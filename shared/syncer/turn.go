package syncer

import (
	"context"
	"errors"
	"time"

	"hotsync/shared/eventstore"
)

// SQS lets one message of an account be handled at a time within a queue, and so
// within a lane. Across lanes the turn does: whoever has it may read and write the
// account in Limio. A lane takes its own turn over without asking, so that only the
// other one ever waits for a process that died; what ends without a state to save
// leaves the logins' turn to end by itself, which keeps a job waiting for seconds and
// costs no login a call.
const (
	// turnLasts is how long a turn lasts where a function's deadline does not say.
	turnLasts = time.Minute
	// turnMargin is how much longer than the function it lasts.
	turnMargin = 2 * time.Second
	// A login looks again for the turn of a job's sync this often and this long,
	// before its message is put off for as long as SQS can count.
	turnLook, turnPatience, turnWait = 100 * time.Millisecond, 3 * time.Second, time.Second
	// jobTurnWait is when a job looks again for the turn of a login's sync.
	jobTurnWait = 3 * time.Second
	// yieldWait is when a job looks again whether logins wait.
	yieldWait = 5 * time.Second
)

// takeTurn reads the account's state and takes its turn. Where the other lane has it
// for longer than can be waited here, it returns when to come again.
func (j *job) takeTurn(ctx context.Context) (wait time.Duration, err error) {
	until := j.Now().Add(turnLasts)
	if deadline, ok := ctx.Deadline(); ok {
		until = deadline
	}
	until = until.Add(turnMargin)
	for patience := turnPatience; ; patience -= turnLook {
		j.state, err = j.Events.TakeTurn(ctx, j.request.AccountID, j.Lane, until)
		var taken *eventstore.TurnTaken
		switch {
		case !errors.As(err, &taken):
			j.turn = err == nil
			return 0, err
		case j.Lane == eventstore.LaneJobs:
			return jobTurnWait, nil
		case patience <= 0:
			return turnWait, nil
		}
		look := time.NewTimer(turnLook)
		select {
		case <-ctx.Done():
			look.Stop()
			return turnWait, nil
		case <-look.C:
		}
	}
}

// endTurn returns a turn back of which no state was saved.
func (j *job) endTurn(ctx context.Context) {
	if !j.turn || j.Lane == eventstore.LaneLogins {
		return
	}
	err := j.Events.EndTurn(context.WithoutCancel(ctx), j.state, j.Lane)
	if err != nil {
		j.record.log.WarnContext(ctx, "turn not ended, it ends by itself", "error", err)
	}
}
