// Package awsenv makes an AWS configuration of what Lambda puts into the
// environment of a function, and of nothing else.
//
// The SDK's own loader also knows files, profiles, SSO, instance roles and web
// identities, none of which a Lambda function has, and costs a millisecond of
// every cold start. A login may wait for a cold start, so the login function
// goes without. Where start-up time does not matter, use package awsconfig.
package awsenv

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Config reads region, credentials and endpoints with getenv, by the names that
// Lambda and the SDK give them:
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
// Calls are tried attempts times at most, each bounded by perCall.
func Config(getenv func(string) string, attempts int, perCall time.Duration) (aws.Config, error) {
	region := getenv("AWS_REGION")
	credentials := aws.Credentials{AccessKeyID: getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken: getenv("AWS_SESSION_TOKEN"), Source: "environment"}
	switch {
	case region == "":
		return aws.Config{}, fmt.Errorf("set AWS_REGION to the region of the queue and the tables")
	case !credentials.HasKeys():
		return aws.Config{}, fmt.Errorf("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as Lambda does")
	}
	// Few connections: a login makes a handful of calls.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 16, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: perCall, ForceAttemptHTTP2: true}
	return aws.Config{
		Region:        region,
		AppID:         getenv("AWS_SDK_UA_APP_ID"), // goes into the User-Agent, by which calls can be told apart
		Credentials:   aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return credentials, nil }),
		HTTPClient:    &http.Client{Transport: transport, Timeout: perCall},
		ConfigSources: []any{endpoints{getenv}},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, 100*time.Millisecond })
		},
	}, nil
}

// endpoints finds AWS_ENDPOINT_URL_SQS and the like, by which a local engine
// stands in for a service:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
type endpoints struct{ getenv func(string) string }

// GetServiceBaseEndpoint is what the SDK asks its configuration sources for.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	for _, name := range []string{"AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")), "AWS_ENDPOINT_URL"} {
		if address := e.getenv(name); address != "" {
			return address, true, nil
		}
	}
	return "", false, nil
}

// Connect opens a connection to the host of address, which the first call to it
// then finds ready: most of what that call would take is the TLS handshake.
func Connect(ctx context.Context, cfg aws.Config, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return err
	}
	resp, err := cfg.HTTPClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close() // whatever the status: the connection is open
}
