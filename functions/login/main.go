// Command login is the Lambda function that a login meets: Cognito triggers and
// POST /login.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/shared/awsconfig"
	"hotsync/shared/environment"
	"hotsync/shared/eventstore"
	"hotsync/shared/frontdoor"
	"hotsync/shared/idtoken"
	"hotsync/shared/secret"
	"hotsync/shared/secret/secretsmanager"
	"hotsync/shared/settingstore"
	"hotsync/shared/syncqueue"
	"hotsync/shared/telemetry"
)

func main() { os.Exit(run()) }

func run() int {
	ctx := context.Background()
	env := environment.New(os.Getenv)
	log := telemetry.NewLogger(os.Stdout, os.Getenv("LOG_LEVEL"))
	// A login has 1.5 s: better one more try than one long one.
	cfg, err := awsconfig.Load(ctx, 2, 600*time.Millisecond)
	env.Note(err)
	key, err := secret.New("SEARCH_KEY", os.Getenv, func() secret.Manager { return secretsmanager.New(cfg) })
	env.Note(err)
	tables := dynamodb.NewFromConfig(cfg)
	days := env.Number("EVENT_RETENTION_DAYS", 90, 1, 3650)
	handler := frontdoor.New(frontdoor.Config{
		Tokens:   idtoken.New(idtoken.Config{}),
		Settings: settingstore.New(tables, settingstore.Config{Table: env.Text("SETTINGS_TABLE", "the name of the settings table"), Now: time.Now}).Cached(30*time.Second, log),
		Queue:    syncqueue.New(sqs.NewFromConfig(cfg), env.Text("QUEUE_URL", "the address of the SQS queue")),
		Events: eventstore.New(tables, eventstore.Config{Table: env.Text("EVENTS_TABLE", "the name of the events table"),
			Retention: time.Duration(days) * 24 * time.Hour}),
		SearchKey: func(ctx context.Context) []byte {
			text, err := key.Text(ctx, false)
			if err != nil {
				log.WarnContext(ctx, "search key not read", "error", err)
			}
			return []byte(text)
		},
		Random: rand.Read,
		Now:    time.Now,
		Log:    log,
	})
	err = env.Err()
	if err != nil {
		fmt.Fprintln(os.Stderr, "the function cannot start:", err)
		return 1
	}
	lambda.StartHandler(handler)
	return 0
}
