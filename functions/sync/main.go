// Command sync is the Lambda function that consumes the queue: it reads each
// account from Zuora, writes what differs to Limio and records the event.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"hotsync/shared/eventstore"
	"hotsync/shared/lambdafn/wiring"
	"hotsync/shared/syncqueue"
)

func main() { os.Exit(run()) }

func run() int {
	ctx := context.Background()
	p := wiring.New(ctx, os.Getenv, os.Stdout)
	queue := p.Queue("QUEUE_URL")
	tallies := &eventstore.Tallies{Store: p.Events()}
	syncer := p.Syncer(tallies, queue, p.Zuora(), p.Settings())
	err := p.Err()
	if err != nil {
		p.Log.Error("the function cannot start", "error", err)
		return 1
	}
	queue.RenewAt = syncer.MaxAttempts
	lambda.Start(func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		defer p.Metrics.Flush()
		answer := queue.HandleBatch(ctx, batch, func(ctx context.Context, m syncqueue.Message) syncqueue.Outcome {
			p.Metrics.Received(m.Request)
			return syncer.Handle(ctx, m)
		})
		err := tallies.Flush(ctx)
		if err != nil {
			p.Log.WarnContext(ctx, "events not counted", "error", err)
		}
		return answer, nil
	})
	return 0
}
