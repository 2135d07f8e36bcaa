package wiring

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"

	"hotsync/shared/lambdafn"
)

// maxBackoff bounds the pause between the tries of a call. What lasts longer is
// for the queue to try again; a sync has a second for its last words.
const maxBackoff = 250 * time.Millisecond

// AWS loads the AWS configuration by the SDK's own loader, for every function but
// login and for the command line. Region, credentials and endpoints come from the
// environment
// (AWS_ENDPOINT_URL_DYNAMODB and AWS_ENDPOINT_URL_SQS point a function at local
// engines). Calls are tried attempts times at most, each bounded by perCall.
func AWS(ctx context.Context, attempts int, perCall time.Duration) (aws.Config, error) {
	// As many connections as one batch of syncs uses.
	client := lambdafn.HTTPClient(perCall, 64, 32, nil)
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(client),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(
				func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff },
			)
		}))
	if err != nil {
		return aws.Config{}, fmt.Errorf("load AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, fmt.Errorf("set AWS_REGION to the region of the queue and the tables")
	}
	return cfg, nil
}
