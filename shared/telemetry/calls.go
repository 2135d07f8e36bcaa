// Package telemetry is what hotsync tells about itself: log lines, counts of
// outside calls, and metrics. It never carries personal data or secrets.
package telemetry

import (
	"context"
	"sync/atomic"
)

type callCountKey struct{}

// WithCallCount returns a context under which CountCall counts into the returned
// counter. A nested count does not reach the outer one.
func WithCallCount(ctx context.Context) (context.Context, *atomic.Int64) {
	n := new(atomic.Int64)
	return context.WithValue(ctx, callCountKey{}, n), n
}

// CountCall counts one HTTP call to Zuora or Limio. It does nothing when nobody
// counts.
func CountCall(ctx context.Context) {
	n, ok := ctx.Value(callCountKey{}).(*atomic.Int64)
	if ok {
		n.Add(1)
	}
}
