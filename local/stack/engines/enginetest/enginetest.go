// Package enginetest gives tests the local DynamoDB and SQS.
package enginetest

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"hotsync/local/stack/engines"
)

// Environment variables that name other engines to test against.
const (
	DynamoDBVariable = "HOTSYNC_DYNAMODB_ENDPOINT"
	SQSVariable      = "HOTSYNC_SQS_ENDPOINT"
)

var shared = sync.OnceValues(func() (*engines.Engines, error) {
	dynamoDB, sqs := os.Getenv(DynamoDBVariable), os.Getenv(SQSVariable)
	if dynamoDB != "" && sqs != "" {
		return &engines.Engines{DynamoDBEndpoint: dynamoDB, SQSEndpoint: sqs}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	e, err := engines.Start(ctx, engines.Options{})
	if err != nil {
		return nil, err
	}
	if dynamoDB != "" {
		e.DynamoDBEndpoint = dynamoDB
	}
	if sqs != "" {
		e.SQSEndpoint = sqs
	}
	return e, nil
})

// Start returns the pair of engines that all tests of this binary share; name
// tables and queues uniquely. The first call starts it; it ends with the
// process. HOTSYNC_DYNAMODB_ENDPOINT and HOTSYNC_SQS_ENDPOINT, where set, stand
// in for either. With -short the test is skipped. Without Node the test is skipped, or fails where CI is set.
func Start(t testing.TB) *engines.Engines {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: nothing that needs the local DynamoDB and SQS")
	}
	if os.Getenv(DynamoDBVariable) == "" || os.Getenv(SQSVariable) == "" {
		if _, err := exec.LookPath("node"); err != nil {
			const why = "NOT TESTED: Node 20 or newer is needed for the local DynamoDB and SQS, and node is not on the PATH"
			if os.Getenv("CI") != "" {
				t.Fatal(why)
			}
			t.Skip(why)
		}
	}
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return e
}
