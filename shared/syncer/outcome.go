package syncer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/syncqueue"
)

// Backoff between the tries of one sync: full jitter up to base*2^n, at most
// the cap, never below what the other side asked for.
const (
	backoffBase = 2 * time.Second
	backoffCap  = 5 * time.Minute
)

// maxWait is how long a sync waits for Zuora or Limio without using up attempts: above
// the day in which Zuora's longest rate limit renews itself.
const maxWait = 26 * time.Hour

func (s *Syncer) backoff(attempt int, retryAfter time.Duration) time.Duration {
	return syncqueue.Backoff(attempt, backoffBase, backoffCap, retryAfter, s.Jitter)
}

// waits tells the failures after which a sync waits without using up an
// attempt: nothing was wrong with it, Zuora or Limio was down or asked to wait.
func waits(e *hotsync.Error) bool {
	switch e.Code {
	case hotsync.CodeZuoraPaused, hotsync.CodeZuoraRateLimited, hotsync.CodeZuoraUnavailable,
		hotsync.CodeLimioPaused, hotsync.CodeLimioRateLimited, hotsync.CodeLimioUnavailable:
		return true
	case hotsync.CodeZuoraBusy: // a locked record is busy too, but names no time
		return e.RetryAfter > 0
	default:
		return false
	}
}

// conclude turns the end of the work into the event's status and the message's
// fate. An error means that the event could not be written.
func (j *job) conclude(ctx context.Context, err error) (syncqueue.Outcome, error) {
	var end ended
	switch {
	case err == nil, errors.Is(err, errSentOn):
		return syncqueue.Done(), nil
	case errors.Is(err, errUnmatched):
		j.log.InfoContext(ctx, "lookup matched no account", "claim", j.request.Claim)
		return syncqueue.Done(), nil
	case errors.Is(err, errEnded):
		return syncqueue.Outcome{}, err
	case errors.As(err, &end):
		j.event.Status, j.event.Reason = end.status, end.reason
		return syncqueue.Done(), j.finish(ctx, nil)
	}

	e := hotsync.AsError(err)
	if waits(e) && j.Now().Sub(j.event.RequestedAt) < maxWait {
		j.forgetAttempt()
		return j.again(ctx, e, hotsync.ReasonPaused)
	}
	j.closeAttempt(e.Problem())
	if e.Code.Transient() && len(j.event.Attempts) < j.MaxAttempts {
		return j.again(ctx, e, string(e.Code))
	}
	j.event.Status, j.event.Reason, j.event.Error = hotsync.StatusFailed, string(e.Code), e.Problem()
	return syncqueue.Done(), j.finish(ctx, e)
}

// again records when the sync is tried next and gives the message back.
func (j *job) again(ctx context.Context, e *hotsync.Error, reason string) (syncqueue.Outcome, error) {
	delay := j.backoff(max(1, len(j.event.Attempts)), e.RetryAfter)
	j.event.Status, j.event.Reason, j.event.Error = hotsync.StatusRetrying, reason, e.Problem()
	j.event.NextAttemptAt = j.Now().Add(delay)
	j.event.Request = j.request
	err := j.save(ctx)
	if err != nil {
		return syncqueue.Outcome{}, err
	}
	j.summary(ctx, slog.LevelWarn, e)
	return j.giveBack(ctx, delay)
}

// giveBack makes the message visible again after the delay. Waiting uses up
// receives, after MaxAttempts of which SQS takes a message for dead; a fresh
// copy in its place is received anew from the start.
func (j *job) giveBack(ctx context.Context, delay time.Duration) (syncqueue.Outcome, error) {
	if j.receiveCount < j.MaxAttempts {
		return syncqueue.Again(delay), nil
	}
	copied := j.request
	copied.Requeued++
	err := j.Queue.Requeue(ctx, copied)
	if err != nil {
		return syncqueue.Outcome{}, err
	}
	return syncqueue.Done(), nil
}

// succeed records the sync and what the account's next request can rely on.
func (j *job) succeed(ctx context.Context, account billing.Account, customer projection.Object, readStarted time.Time) error {
	if j.linked {
		j.markLinked(ctx, j.claimed)
	}
	j.closeAttempt(nil)
	j.event.Status, j.event.Reason, j.event.Error = hotsync.StatusSucceeded, hotsync.ReasonUnchanged, nil
	if len(j.event.Changes) > 0 {
		j.event.Reason = hotsync.ReasonChanged
	}
	err := j.finish(ctx, nil)
	if err != nil {
		return err
	}
	state := j.state
	state.AccountID, state.Number, state.CustomerID = account.ID, account.Number, customer.ID
	state.LastReadStartedAt, state.LastSucceededAt = readStarted, j.event.FinishedAt
	state.LastSucceededEvent, state.LastEventID = j.event.ID, j.event.ID
	if state.OwnerID != customer.Owner {
		state.OwnerID, state.LinkedSubjects = customer.Owner, nil // who saw the owner before says nothing about this one
	}
	if !j.request.Identity.IsZero() && j.linked {
		state = state.WithLinked(j.request.Identity)
	}
	// Only finding and coalescing suffer when these fail: the next sync of the
	// account makes up for it.
	named, err := j.Events.SaveAliases(ctx, state, j.searchTerms(ctx, account)...)
	if err != nil {
		j.log.WarnContext(ctx, "search terms not saved", "error", err)
		named = state
	}
	_, err = j.Events.SaveAccount(ctx, named)
	if err != nil {
		j.log.WarnContext(ctx, "account state not saved", "error", err)
	}
	return nil
}

// searchTerms are the names under which support looks for the account, besides
// its number: subscription numbers and, as hashes, e-mail addresses.
func (j *job) searchTerms(ctx context.Context, account billing.Account) []string {
	var terms []string
	for _, s := range account.Subscriptions {
		terms = append(terms, s.Number)
	}
	terms = append(terms, j.request.EmailHash)
	if c := account.BillTo; c != nil {
		key := j.SearchKey(ctx)
		terms = append(terms, hotsync.SearchHash(key, c.WorkEmail), hotsync.SearchHash(key, c.HomeEmail))
	}
	return terms
}

// finish writes the event's final status and counts it.
func (j *job) finish(ctx context.Context, e *hotsync.Error) error {
	j.event.FinishedAt, j.event.NextAttemptAt, j.event.Request = j.Now(), time.Time{}, j.request
	err := j.save(ctx)
	if err != nil {
		return err
	}
	err = j.Events.Tally(ctx, j.event)
	if err != nil {
		j.log.WarnContext(ctx, "event not counted", "error", err)
	}
	level := slog.LevelInfo
	if j.event.Status == hotsync.StatusFailed {
		level = slog.LevelError
	}
	j.summary(ctx, level, e)
	return nil
}

// summary is the one log line of a handled message.
func (j *job) summary(ctx context.Context, level slog.Level, e *hotsync.Error) {
	calls := 0
	for _, s := range j.event.Steps {
		calls += s.Calls
	}
	attrs := []any{"account", j.event.Account.ID, "status", j.event.Status, "reason", j.event.Reason, "attempt", len(j.event.Attempts),
		"changes", len(j.event.Changes), "calls", calls, "ms", j.Now().Sub(j.event.RequestedAt).Milliseconds()}
	if e != nil {
		attrs = append(attrs, "error", e)
	}
	j.log.Log(ctx, level, "sync "+string(j.event.Status), attrs...)
	if j.Observe != nil {
		j.Observe(j.event)
	}
}

// closeAttempt ends the attempt under way; a failure before one began (settings,
// lookup) is an attempt too. One that a process left open when it died stays open:
// nobody knows how long it lasted.
func (j *job) closeAttempt(p *hotsync.Problem) {
	n := len(j.event.Attempts)
	if n == 0 || !j.trying {
		j.event.Attempts = append(j.event.Attempts, hotsync.Attempt{N: n + 1, StartedAt: j.Now()})
		n++
	}
	j.trying = false
	j.event.Attempts[n-1].FinishedAt, j.event.Attempts[n-1].Error = j.Now(), p
}

// forgetAttempt takes back the attempt under way, if there is one.
func (j *job) forgetAttempt() {
	n := len(j.event.Attempts)
	if n > 0 && j.trying {
		j.event.Attempts = j.event.Attempts[:n-1]
	}
	j.trying = false
}

// errEnded says that the event came to an end elsewhere: SQS delivers a message
// more than once now and then, and another delivery of it was faster.
var errEnded = errors.New("the event has ended by another delivery of its message")

// save writes the event. Who else may have written it meanwhile is the front
// door, at the same moment as the first delivery, or another delivery of the
// message. The revision is then taken over, since what this job knows is newer;
// but an end stays the end, unless this job has a better one, and a request that
// is only sent on tells nothing new of a sync that is under way.
func (j *job) save(ctx context.Context) error {
	saved, err := j.Events.Put(ctx, j.event)
	if hotsync.AsError(err) != nil && hotsync.AsError(err).Code == hotsync.CodeConflict {
		stored, gerr := j.Events.Get(ctx, j.event.ID)
		switch {
		case gerr != nil:
			return gerr
		case stored.Status.Final() && !neverQueued(stored) && j.event.Status != hotsync.StatusSucceeded:
			return errEnded
		case j.event.Status == hotsync.StatusQueued && stored.Request.AccountID != "":
			return nil
		}
		j.event.Revision = stored.Revision
		saved, err = j.Events.Put(ctx, j.event)
	}
	if err != nil {
		return err
	}
	j.event.Revision = saved.Revision
	return nil
}
