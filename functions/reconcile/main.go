// Command reconcile is the Lambda function that advances jobs (bulk retries,
// backfills, reconcile runs), every minute and whenever one begins, and that begins a
// reconcile run when its schedule says so.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"hotsync/shared/jobs"
	"hotsync/shared/lambdafn/wiring"
)

func main() { os.Exit(run()) }

// call is what the function is called with: nothing of it to advance jobs.
type call struct {
	Reconcile bool `json:"reconcile"` // begin a run first
}

// lastStep is how long before the function's deadline the last step has begun.
const lastStep = 10 * time.Second

func run() int {
	ctx := context.Background()
	p := wiring.New(ctx, os.Getenv, os.Stdout)
	runner := p.Runner(p.Events(), p.Queue("BACKFILL_QUEUE_URL"), p.Queue("QUEUE_URL"), p.Zuora(), p.Settings())
	rate := p.Env.Number("RECONCILE_RATE", 60, 1, jobs.MaxRate)
	err := p.Err()
	if err != nil {
		p.Log.Error("the function cannot start", "error", err)
		return 1
	}
	lambda.Start(func(ctx context.Context, c call) error {
		defer p.Metrics.Flush()
		if c.Reconcile {
			j, err := jobs.BeginReconcile(ctx, runner.Store, rate, time.Now(), rand.Read)
			if err != nil {
				return err
			}
			p.Log.InfoContext(ctx, "reconcile run", "job", j.ID)
		}
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-lastStep))
			defer cancel()
		}
		_, err := runner.Run(ctx)
		return err
	})
	return 0
}
