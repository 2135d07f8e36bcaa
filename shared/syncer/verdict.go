package syncer

import (
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

// judge decides what a failure means: the sync waits without using up a try, is
// tried again, or has failed.
func (j *job) judge(err error) verdict {
	e := hotsync.AsError(err)
	v := verdict{status: hotsync.StatusRetrying, reason: hotsync.ReasonPaused, problem: e.Problem(), cause: e}
	if waits(e) && j.Now().Sub(j.record.RequestedAt) < maxWait {
		j.record.dropTry()
	} else {
		j.record.closeTry(e.Problem())
		if !e.Code.Transient() || len(j.record.Attempts) >= j.MaxAttempts {
			return failed(e)
		}
		v.reason = string(e.Code)
	}
	v.wait = j.backoff(max(1, len(j.record.Attempts)), e.RetryAfter)
	return v
}

// waits tells the failures after which a sync waits without using up a try:
// nothing was wrong with it, Zuora or Limio was down or asked to wait.
func waits(e *hotsync.Error) bool {
	switch e.Code {
	case hotsync.CodeZuoraPaused, hotsync.CodeZuoraRateLimited, hotsync.CodeZuoraUnavailable,
		hotsync.CodeLimioPaused, hotsync.CodeLimioRateLimited, hotsync.CodeLimioUnavailable, hotsync.CodeOwnerBusy:
		return true
	case hotsync.CodeZuoraBusy: // a locked record is busy too, but names no time
		return e.RetryAfter > 0
	default:
		return false
	}
}

// maxWait is how long a sync waits for Zuora or Limio without using up tries: above
// the day in which Zuora's longest rate limit renews itself.
const maxWait = 26 * time.Hour

// Backoff between the tries of one sync: full jitter up to base*2^n, at most
// the cap, never below what the other side asked for.
const (
	backoffBase = 2 * time.Second
	backoffCap  = 5 * time.Minute
)

func (s *Syncer) backoff(attempt int, retryAfter time.Duration) time.Duration {
	return syncqueue.Backoff(attempt, backoffBase, backoffCap, retryAfter, s.Jitter)
}
