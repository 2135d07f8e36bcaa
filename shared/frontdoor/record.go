package frontdoor

import (
	"context"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

// writers is how many events of one login are written at once. Few: on a small
// Lambda every new connection takes CPU time from the send.
const writers = 4

// writeLimit bounds a write of which nobody waits for the end.
const writeLimit = time.Second

// writes are event writes under way. They go on after the answer: Lambda may
// freeze the process in their midst, and then they end with a later login or not
// at all, which is why nothing may depend on them.
type writes struct {
	total int
	done  chan struct{} // gets one for each write that has ended
	stop  context.CancelFunc
}

// wait waits for the writes to end, at most for limit.
func (w writes) wait(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for range w.total {
		select {
		case <-w.done:
		case <-timer.C:
			return
		}
	}
}

// write writes for every index in turn, several at once.
func (h *Handler) write(ctx context.Context, indices []int, write func(ctx context.Context, i int) error) writes {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	w := writes{total: len(indices), done: make(chan struct{}, len(indices)), stop: stop}
	todo := make(chan int, len(indices))
	for _, i := range indices {
		todo <- i
	}
	close(todo)
	one := func(i int) {
		defer func() { w.done <- struct{}{} }()
		defer h.caught(ctx)
		err := write(ctx, i)
		if err != nil {
			h.Log.WarnContext(ctx, "event not written", "code", hotsync.AsError(err).Code, "error", err)
		}
	}
	var running sync.WaitGroup
	for range min(writers, len(indices)) {
		running.Go(func() {
			for i := range todo {
				one(i)
			}
		})
	}
	go func() {
		running.Wait()
		stop()
	}()
	return w
}

// recordQueued begins to write the events of the requests that name an account,
// so that a backlog can be seen. A lookup has no event before it found one.
func (h *Handler) recordQueued(ctx context.Context, requests []hotsync.SyncRequest) writes {
	var named []int
	for i, r := range requests {
		if r.Lookup == nil {
			named = append(named, i)
		}
	}
	return h.write(ctx, named, func(ctx context.Context, i int) error {
		return h.Events.PutQueued(ctx, hotsync.NewEvent(requests[i]))
	})
}

// recordFailed makes failed events of requests that the queue did not take, so
// that they can be seen and retried.
//
// SQS may have taken a request whose answer got lost. Its sync then finds the
// failed event and leaves it at that, until somebody retries or signs in again.
func (h *Handler) recordFailed(ctx context.Context, requests []hotsync.SyncRequest, failed []int) {
	problem := hotsync.Errorf(hotsync.CodeQueueUnavailable, "SQS did not take the request.").Problem()
	written := h.write(ctx, failed, func(ctx context.Context, i int) error {
		e := hotsync.NewEvent(requests[i])
		e.Status, e.Reason, e.Error, e.FinishedAt = hotsync.StatusFailed, string(problem.Code), problem, h.Now()
		_, err := h.Events.Put(ctx, e) // over the queued event, if that is there
		switch {
		case err == nil:
			return h.Events.Tally(ctx, e)
		case hotsync.AsError(err).Code == hotsync.CodeConflict:
			return nil // its sync runs already, or it was recorded by the same trigger called before
		default:
			return err
		}
	})
	written.wait(recordWait)
	written.stop()
}
