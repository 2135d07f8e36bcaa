// Command backfill is the Lambda function that consumes the second lane: the syncs of
// jobs, which give way to those of logins.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"hotsync/shared/lambdafn/wiring"
)

func main() { os.Exit(run()) }

func run() int {
	ctx := context.Background()
	p := wiring.New(ctx, os.Getenv, os.Stdout)
	queue := p.Queue("BACKFILL_QUEUE_URL")
	syncer := p.JobSyncer(p.Events(), queue, p.Queue("QUEUE_URL"), p.Zuora(), p.Settings())
	err := p.Err()
	if err != nil {
		p.Log.Error("the function cannot start", "error", err)
		return 1
	}
	queue.RenewAt = syncer.MaxAttempts
	lambda.Start(func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		defer p.Metrics.Flush()
		return queue.HandleBatch(ctx, batch, syncer.Handle), nil
	})
	return 0
}
