package syncer

import (
	"context"
	"errors"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// SQS lets one message of an account be handled at a time within a queue, and so
// within a lane. Across lanes the turn does: whoever has it may write the account in
// Limio. A lane takes its own turn over without asking, so that only the other one ever
// waits for a process that died.
//
// A job takes the turn before it reads. A login mostly finds nothing to write, and then
// takes none: it looks whose turn it is, reads, and takes the turn only when it is about
// to write, if nobody took it since that look. Its reading then counts as if it had had
// the turn all along; otherwise it takes the turn and reads again.
//
// What ends without a state to save leaves the logins' turn to end by itself, which keeps
// a job waiting for seconds and costs no login a call.
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

// errOvertaken says that another lane took the account's turn since this one looked.
var errOvertaken = errors.New("another lane synced the account meanwhile")

// look is what LookTurn returned.
type look struct {
	state eventstore.AccountState
	err   error
}

// look looks whose turn an account is, where a lane that does so knows which account it
// is; nil otherwise.
func (s *Syncer) look(ctx context.Context, r hotsync.SyncRequest) *look {
	id := r.AccountID
	if id == "" && hotsync.IsAccountID(r.Account) {
		id = r.Account
	}
	if id == "" || s.Lane != eventstore.LaneLogins {
		return nil
	}
	state, err := s.Events.LookTurn(ctx, id, s.Lane)
	return &look{state, err}
}

// enter reads the account's state once it is no other lane's turn, and takes the turn
// where the lane does so at once. Where the other lane has it for longer than can be
// waited here, it returns when to come again.
func (j *job) enter(ctx context.Context) (wait time.Duration, err error) {
	if j.Lane != eventstore.LaneLogins {
		return j.await(ctx, j.take)
	}
	return j.await(ctx, func(ctx context.Context) error {
		l := j.looked
		j.looked = nil
		if l == nil {
			l = j.look(ctx, j.request)
		}
		j.state = l.state
		return l.err
	})
}

// takeTurn takes the turn that another lane has taken in between, or fails with what has
// the sync wait for it.
func (j *job) takeTurn(ctx context.Context) error {
	wait, err := j.await(ctx, j.take)
	if err == nil && wait > 0 {
		err = hotsync.Errorf(hotsync.CodeOwnerBusy, "Another sync of the account is under way.").After(wait)
	}
	return err
}

func (j *job) take(ctx context.Context) (err error) {
	j.state, err = j.Events.TakeTurn(ctx, j.request.AccountID, j.Lane, j.turnEnd(ctx))
	j.turn = err == nil
	return err
}

// hold takes the turn of the account that was looked at, before anything of it is
// written. It returns errOvertaken where that was read in vain.
func (j *job) hold(ctx context.Context) error {
	if j.turn {
		return nil
	}
	state, err := j.Events.HoldTurn(ctx, j.state, j.Lane, j.turnEnd(ctx))
	if err != nil && hotsync.AsError(err).Code == hotsync.CodeConflict {
		return errOvertaken
	}
	if err != nil {
		return err
	}
	j.state, j.turn = state, true
	return nil
}

// turnEnd is until when a turn lasts that is taken now.
func (j *job) turnEnd(ctx context.Context) time.Time {
	until := j.Now().Add(turnLasts)
	if deadline, ok := ctx.Deadline(); ok {
		until = deadline
	}
	return until.Add(turnMargin)
}

// await calls try until the account's turn is not another lane's any more, or it is time
// to come again.
func (j *job) await(ctx context.Context, try func(context.Context) error) (wait time.Duration, err error) {
	for patience := turnPatience; ; patience -= turnLook {
		err = try(ctx)
		var taken *eventstore.TurnTaken
		switch {
		case !errors.As(err, &taken):
			return 0, err
		case j.Lane == eventstore.LaneJobs:
			return jobTurnWait, nil
		case patience <= 0:
			return turnWait, nil
		}
		pause := time.NewTimer(turnLook)
		select {
		case <-ctx.Done():
			pause.Stop()
			return turnWait, nil
		case <-pause.C:
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
