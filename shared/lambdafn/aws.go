package lambdafn

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// AWS makes an AWS configuration of what Lambda puts into the environment of a
// function, and of nothing else. The SDK's own loader also knows files, profiles,
// SSO, instance roles and web identities, none of which a Lambda function has, and
// costs a millisecond of every cold start; where that does not matter, use
// wiring.AWS.
//
// It reads region, credentials, endpoints and certificates with getenv, by the names
// that Lambda and the SDK give them:
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
// Calls are tried attempts times at most, each bounded by perCall.
func AWS(getenv func(string) string, attempts int, perCall time.Duration) (aws.Config, error) {
	region := getenv("AWS_REGION")
	credentials := aws.Credentials{
		AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken:    getenv("AWS_SESSION_TOKEN"),
		Source:          "environment",
	}
	switch {
	case region == "":
		return aws.Config{}, fmt.Errorf("set AWS_REGION to the region of the queue and the tables")
	case !credentials.HasKeys():
		return aws.Config{}, fmt.Errorf("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as Lambda does")
	}
	roots, err := certificates(getenv("AWS_CA_BUNDLE"))
	if err != nil {
		return aws.Config{}, err
	}
	return aws.Config{
		Region: region,
		AppID:  getenv("AWS_SDK_UA_APP_ID"), // goes into the User-Agent, by which calls can be told apart
		Credentials: aws.CredentialsProviderFunc(
			func(context.Context) (aws.Credentials, error) { return credentials, nil },
		),
		HTTPClient:    HTTPClient(perCall, 16, 8, roots),
		ConfigSources: []any{endpoints{getenv}},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(
				func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, 100*time.Millisecond },
			)
		},
	}, nil
}

// HTTPClient returns the SDK's own kind of client, which the SDK's loader can add
// certificates to. It keeps idle connections between invocations, so many in all and
// to each host. Nil roots are the system's.
func HTTPClient(perCall time.Duration, idle, idlePerHost int, roots *x509.CertPool) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(perCall).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost, t.TLSHandshakeTimeout = idle, idlePerHost, perCall
		t.TLSClientConfig.RootCAs = roots
	})
}

// certificates reads the file that a company's proxy is trusted by.
func certificates(bundle string) (*x509.CertPool, error) {
	if bundle == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(bundle)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of AWS_CA_BUNDLE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the file of AWS_CA_BUNDLE has no certificate")
	}
	return pool, nil
}

// endpoints finds AWS_ENDPOINT_URL_SQS and the like, by which a local engine
// stands in for a service:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
type endpoints struct{ getenv func(string) string }

// GetServiceBaseEndpoint is what the SDK asks its configuration sources for.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	for _, name := range []string{"AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")),
		"AWS_ENDPOINT_URL"} {
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
