// Command send is a Lambda function that does nothing but send a message to SQS:
// what a login is measured against, on the same way.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/shared/lambdafn"
)

func main() {
	cfg, err := lambdafn.AWS(os.Getenv, 2, time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client, queue, body := sqs.NewFromConfig(cfg), os.Getenv("QUEUE_URL"), os.Getenv("BODY")
	lambda.Start(func(ctx context.Context, event json.RawMessage) (map[string]any, error) {
		id := fmt.Sprint(time.Now().UnixNano())
		_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body,
			MessageGroupId: aws.String(id), MessageDeduplicationId: aws.String(id)})
		if err != nil {
			return nil, err
		}
		return map[string]any{"statusCode": 202, "body": "{}"}, nil
	})
}
