package syncer

import (
	"context"
	"time"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/syncqueue"
)

// verdict is how the work on a request ended, for now or for good. One without a
// status leaves nothing to record: the request was sent on under its account's
// turn, nobody is to know of it, or another delivery was faster; with a wait, it
// comes again then.
type verdict struct {
	status     hotsync.Status
	reason     string
	problem    *hotsync.Problem
	findings   []hotsync.Finding
	seen       []hotsync.Subscription
	coveredBy  string
	candidates []string
	wait       time.Duration  // of a retry: until the next try
	cause      *hotsync.Error // of a failure, for the log
	synced     *synced        // of a success
}

// synced is what the account's next request can rely on.
type synced struct {
	account  billing.Account
	customer projection.Object
	readAt   time.Time
	linked   bool // the login sees the account's owner
}

// skipped returns the verdict on a request that ends without a sync; e says why,
// nil where the reason does.
func skipped(reason string, e *hotsync.Error) verdict {
	v := verdict{status: hotsync.StatusSkipped, reason: reason}
	if e != nil {
		v.problem = e.Problem()
	}
	return v
}

func failed(e *hotsync.Error) verdict {
	return verdict{status: hotsync.StatusFailed, reason: string(e.Code), problem: e.Problem(), cause: e}
}

// judge decides what a failure means, by its kind: for an outage the sync waits without
// using up a try, what is wrong with the account fails at once, and what may be a
// process's own trouble is tried again.
func (j *job) judge(ctx context.Context, err error) verdict {
	e := hotsync.AsError(err)
	v := verdict{status: hotsync.StatusRetrying, reason: hotsync.ReasonPaused, problem: e.Problem(), cause: e}
	if waits(e) {
		j.record.dropTry()
		if j.waitedTooLong(j.request) {
			return failed(gaveUpWaiting(e))
		}
		v.wait = j.wait(ctx, e)
		return v
	}
	j.record.closeTry(e.Problem())
	if !e.Code.Transient() || j.record.Tries() >= j.MaxAttempts {
		return failed(e)
	}
	v.reason = string(e.Code)
	v.wait = j.backoff(j.record.Tries(), e.RetryAfter)
	return v
}

// waits reports whether nothing was wrong with the sync: Zuora or Limio was down or
// asked to wait.
func waits(e *hotsync.Error) bool {
	return e.Code.Kind() == hotsync.KindOutage || e.Code == hotsync.CodeOwnerBusy ||
		e.Code == hotsync.CodeZuoraBusy && e.RetryAfter > 0 // a locked record is busy too, but names no time
}

// gaveUpWaiting makes the failure of a sync that has waited for as long as it may. A
// pause is no reason to fail: what it was made for is.
func gaveUpWaiting(e *hotsync.Error) *hotsync.Error {
	code := e.Code
	switch code {
	case hotsync.CodeZuoraPaused:
		code = hotsync.CodeZuoraUnavailable
	case hotsync.CodeLimioPaused:
		code = hotsync.CodeLimioUnavailable
	}
	return hotsync.Errorf(code, "It waited for as long as it may (%s).", e.Message).Because(e)
}

// Backoff between the tries of one sync: full jitter up to base*2^n, at most
// the cap, never below what the other side asked for.
const (
	backoffBase = 2 * time.Second
	backoffCap  = 5 * time.Minute
)

func (s *Syncer) backoff(attempt int, retryAfter time.Duration) time.Duration {
	return syncqueue.Backoff(attempt, backoffBase, backoffCap, retryAfter, s.Jitter)
}
