// Command verify is a Lambda function that verifies an ID token and sends a message
// to SQS: the least that any POST /login does, on the same way.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/shared/lambdafn"
	"hotsync/shared/oidc"
)

func main() {
	cfg, err := lambdafn.AWS(os.Getenv, 2, time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	client, queue, body := sqs.NewFromConfig(cfg), os.Getenv("QUEUE_URL"), os.Getenv("BODY")
	tokens := oidc.New(oidc.Config{})
	rules := oidc.Rules{Audiences: []string{os.Getenv("AUDIENCE")}, Issuers: []string{os.Getenv("ISSUER")}}
	accept := func(issuer string) (oidc.Rules, bool) { return rules, issuer == rules.Issuers[0] }
	lambda.Start(func(ctx context.Context, raw json.RawMessage) (map[string]any, error) {
		var event struct{ Headers map[string]string }
		err := json.Unmarshal(raw, &event)
		if err != nil {
			return nil, err
		}
		_, err = tokens.Verify(ctx, strings.TrimPrefix(event.Headers["authorization"], "Bearer "), accept)
		if err != nil {
			return nil, err
		}
		id := fmt.Sprint(time.Now().UnixNano())
		_, err = client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body,
			MessageGroupId: aws.String(id), MessageDeduplicationId: aws.String(id)})
		if err != nil {
			return nil, err
		}
		return map[string]any{"statusCode": 202, "body": "{}"}, nil
	})
}
