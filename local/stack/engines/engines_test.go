package engines_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/local/stack/engines"
	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/eventstore/storetest"
)

func TestStartStop(t *testing.T) {
	t.Parallel()

	enginetest.Start(t) // skips without Node
	dir := t.TempDir()
	e, err := engines.Start(t.Context(), engines.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	if _, err := e.DynamoDB().ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
		t.Errorf("ListTables error = %v", err)
	}
	if _, err := e.SQS().ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil {
		t.Errorf("ListQueues error = %v", err)
	}
	if !slices.Contains(e.Environment(), "AWS_ENDPOINT_URL_SQS="+e.SQSEndpoint) {
		t.Errorf("Environment() = %q lacks the SQS endpoint", e.Environment())
	}

	e.Stop()
	for _, endpoint := range []string{e.DynamoDBEndpoint, e.SQSEndpoint} {
		if _, err := http.Get(endpoint); err == nil {
			t.Errorf("GET %s answers after Stop", endpoint)
		}
	}
	select {
	case err := <-e.Failed():
		t.Errorf("Failed() = %v after Stop", err)
	default:
	}
	for _, name := range []string{"dynalite.log", "fauxqs.log"} {
		log, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(string(log), "listening ") {
			t.Errorf("%s = %q, %v, want the port it listened on", name, log, err)
		}
	}
}

// Tables of more than memory holds are kept in a folder, and are there again with it.
func TestTablesInAFolder(t *testing.T) {
	t.Parallel()

	enginetest.Start(t) // skips without Node
	data, name := filepath.Join(t.TempDir(), "tables"), "kept"
	for _, want := range [][]string{nil, {name}} {
		e, err := engines.Start(t.Context(), engines.Options{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Stop)
		out, err := e.DynamoDB().ListTables(t.Context(), &dynamodb.ListTablesInput{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.TableNames, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("tables mismatch (-want +got):\n%s", diff)
		}
		if want == nil {
			_, err = e.DynamoDB().CreateTable(t.Context(), storetest.Schema(name))
			if err != nil {
				t.Fatal(err)
			}
		}
		e.Stop()
	}
}

// A process that is killed breaks off in the middle of its request: that must not
// end the engine for the others.
func TestEnginesSurviveHalfARequest(t *testing.T) {
	t.Parallel()

	e := enginetest.Start(t)
	for _, endpoint := range []string{e.DynamoDBEndpoint, e.SQSEndpoint} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Write(
			[]byte(
				"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Type: application/x-amz-json-1.0\r\n\r\n{\"half\":"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 { // the engine notices a little later
		if _, err := e.DynamoDB().ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
			t.Fatalf("ListTables error = %v", err)
		}
		if _, err := e.SQS().ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil {
			t.Fatalf("ListQueues error = %v", err)
		}
	}
}

func TestStartSharesOnePair(t *testing.T) {
	t.Parallel()

	if a, b := enginetest.Start(t), enginetest.Start(t); a != b {
		t.Errorf("two pairs in one test binary: %v and %v", a, b)
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()

	enginetest.Start(t)
	if _, err := engines.Start(t.Context(), engines.Options{Root: t.TempDir()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start outside a checkout: error = %v, want it to wrap os.ErrNotExist", err)
	}
	if _, err := engines.Start(t.Context(), engines.Options{Dir: filepath.Join(t.TempDir(), "missing")}); !errors.Is(err,
		os.ErrNotExist) {
		t.Errorf("Start with a log directory that is not there: error = %v, want it to wrap os.ErrNotExist", err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if _, err := engines.Start(ctx, engines.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Start after its deadline: error = %v, want it to wrap context.DeadlineExceeded", err)
	}
}

func TestStartWithoutNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())

	_, err := engines.Start(t.Context(), engines.Options{})
	if err == nil || !strings.Contains(err.Error(), "Node 20 or newer is needed") {
		t.Errorf("Start error = %v, want one that names Node", err)
	}
}
