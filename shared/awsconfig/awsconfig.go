// Package awsconfig loads the AWS configuration by the SDK's own loader, in the
// same way for the command line and for every function but login, which goes by
// package awsenv to start faster.
package awsconfig

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
)

// maxBackoff bounds the pause between the tries of a call. What lasts longer is
// for the queue to try again; a sync has a second for its last words.
const maxBackoff = 250 * time.Millisecond

// Load reads region, credentials and endpoints from the environment
// (AWS_ENDPOINT_URL_DYNAMODB and AWS_ENDPOINT_URL_SQS point a function at local
// engines). Calls are tried attempts times at most, each bounded by perCall.
func Load(ctx context.Context, attempts int, perCall time.Duration) (aws.Config, error) {
	// Connections are kept between invocations, as many as one batch of syncs uses.
	// The client is the SDK's own kind, because its loader adds the certificates of
	// AWS_CA_BUNDLE to no other, and fails instead.
	client := awshttp.NewBuildableClient().WithTimeout(perCall).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost, t.TLSHandshakeTimeout = 64, 32, perCall
	})
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(client),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff })
		}))
	if err != nil {
		return aws.Config{}, fmt.Errorf("load AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, fmt.Errorf("set AWS_REGION to the region of the queue and the tables")
	}
	return cfg, nil
}
