package syncer

import (
	"context"
	"sync"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
)

// trace collects the steps of a sync. Two steps may run side by side.
type trace struct {
	now   func() time.Time
	mu    sync.Mutex
	steps []hotsync.Step
}

// step runs a part of the sync, times it and counts its calls.
func step[T any](ctx context.Context, t *trace, name string, run func(context.Context) (T, string, error)) (T, error) {
	started := t.now().Truncate(time.Millisecond) // finer costs storage and tells nothing
	ctx, calls := telemetry.WithCallCount(ctx)
	out, detail, err := run(ctx)
	if err != nil {
		detail = string(hotsync.AsError(err).Code)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, hotsync.Step{Name: name, StartedAt: started, MS: t.now().Sub(started).Milliseconds(),
		Calls: int(calls.Load()), Detail: detail})
	return out, err
}
