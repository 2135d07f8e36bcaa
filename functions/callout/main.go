// Command callout is the Lambda function that takes Zuora's callouts.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"hotsync/shared/callout"
	"hotsync/shared/gateway"
	"hotsync/shared/lambdafn/wiring"
)

func main() { os.Exit(run()) }

func run() int {
	ctx := context.Background()
	p := wiring.New(ctx, os.Getenv, os.Stdout)
	handler := callout.New(callout.Config{Secret: p.CalloutSecret(), Queue: p.Queue("QUEUE_URL"), Events: p.Events(),
		Now: time.Now, Log: p.Log})
	err := p.Err()
	if err != nil {
		p.Log.Error("the function cannot start", "error", err)
		return 1
	}
	serve := gateway.Serve(handler)
	lambda.Start(func(ctx context.Context, raw json.RawMessage) (gateway.Answer, error) {
		defer p.Metrics.Flush()
		return serve(ctx, raw)
	})
	return 0
}
