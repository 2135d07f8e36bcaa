// Command deadletter is the Lambda function that turns what the queue gave up
// on into failed events, so that nothing is silently lost.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"hotsync/shared/hotsync"
	"hotsync/shared/lambdafn/wiring"
	"hotsync/shared/syncer"
	"hotsync/shared/telemetry"
)

func main() { os.Exit(run()) }

func run() int {
	ctx := context.Background()
	p := wiring.New(ctx, os.Getenv, os.Stdout)
	dead := p.Queue("DEAD_LETTER_QUEUE_URL")
	letters := &syncer.DeadLetters{
		MaxAttempts: p.MaxAttempts(),

		Events: p.Events(),
		Queue:  p.Queue("QUEUE_URL"),
		Jobs:   p.Queue("BACKFILL_QUEUE_URL"),
		Now:    time.Now,
		Log:    p.Log,
		Observe: func(e hotsync.Event) {
			p.Metrics.Add(telemetry.DeadLetters, 1)
			p.Metrics.Sync(e)
		},
	}
	err := p.Err()
	if err != nil {
		p.Log.Error("the function cannot start", "error", err)
		return 1
	}
	lambda.Start(func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		defer p.Metrics.Flush()
		return dead.HandleBatch(ctx, batch, letters.Handle), nil
	})
	return 0
}
