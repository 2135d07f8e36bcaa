// Command login is the Lambda function that a login meets: a Cognito trigger, or
// POST /login of the HTTP API. It queues the accounts that the login names.
package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/frontdoor"
	"hotsync/shared/lambdafn"
	"hotsync/shared/oidc"
	"hotsync/shared/settingstore"
	"hotsync/shared/syncqueue"
	"hotsync/shared/telemetry"
)

// A login has 1.5 s in all (see frontdoor), so its AWS calls are tried twice at
// most, and briefly. Init may take longer: Lambda allows it ten seconds.
const (
	attempts = 2
	perCall  = 600 * time.Millisecond
	warmUp   = 500 * time.Millisecond
)

func main() { os.Exit(run()) }

func run() int {
	log := telemetry.NewLogger(os.Stdout, os.Getenv("LOG_LEVEL"))
	slog.SetDefault(log) // for what has no logger of its own
	handler, err := wire(os.Getenv, log)
	if err != nil {
		log.Error("the function cannot start", "error", err)
		return 1
	}
	log.Info("function starts", "version", telemetry.Version())
	lambda.Start(handler)
	return 0
}

func wire(getenv func(string) string, log *slog.Logger) (*frontdoor.Handler, error) {
	env := lambdafn.NewEnvironment(getenv)
	queueURL := env.Text("QUEUE_URL", "the address of the SQS queue")
	events := env.Text("EVENTS_TABLE", "the name of the events table")
	settings := env.Text("SETTINGS_TABLE", "the name of the settings table")
	retention := env.Number("EVENT_RETENTION_DAYS", 90, 1, 3650)
	cfg, err := lambdafn.AWS(getenv, attempts, perCall)
	env.Note(err)
	key, err := lambdafn.NewSecret(
		"SEARCH_KEY",
		getenv,
		func() lambdafn.SecretManager { return lambdafn.SecretsManager(cfg) },
	)
	env.Note(err)
	err = env.Err()
	if err != nil {
		return nil, err
	}

	metrics := telemetry.NewMetrics(os.Stdout, getenv("AWS_LAMBDA_FUNCTION_NAME"), getenv("STACK_NAME"), time.Now)
	throttles := lambdafn.CountThrottles(func() { metrics.Add(telemetry.StoreThrottled, 1) })
	db := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, throttles) })
	recorded := eventstore.New(
		dynamo.Table{Client: db, Name: events},
		eventstore.Config{Retention: time.Duration(retention) * 24 * time.Hour, Now: time.Now},
	)
	handler := frontdoor.New(frontdoor.Config{
		Tokens:   oidc.New(oidc.Config{}),
		Settings: settingstore.NewCached(settingstore.New(dynamo.Table{Client: db, Name: settings}, time.Now), log),
		Queue:    syncqueue.New(sqs.NewFromConfig(cfg), queueURL),
		Events:   recorded,
		Event:    recorded.Get,
		Records:  recorded,
		SearchKey: func(ctx context.Context) []byte {
			text, err := key.Text(ctx, false)
			if err != nil {
				log.WarnContext(ctx, "search key not read", "error", err)
			}
			return []byte(text)
		},
		Random:  rand.Read,
		Now:     time.Now,
		Log:     log,
		Metrics: metrics,
	})
	if getenv("AWS_ENDPOINT_URL_SQS") == "" { // an engine on this computer needs no warming
		warm(cfg, handler, queueURL, log)
	}
	return handler, nil
}

// warm opens the connections that the first login needs, while init still has
// the whole processor.
func warm(cfg aws.Config, handler *frontdoor.Handler, queueURL string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), warmUp)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { handler.Warm(ctx) })
	err := lambdafn.Connect(ctx, cfg, queueURL)
	if err != nil {
		log.WarnContext(ctx, "no connection to SQS at init", "error", err)
	}
	wg.Wait()
}
