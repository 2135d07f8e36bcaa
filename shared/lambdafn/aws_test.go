package lambdafn_test

import (
	"context"
	"encoding/pem"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/shared/lambdafn"
)

// TestConfig makes real clients of it, and sees where they call and as whom.
func TestConfig(t *testing.T) {
	t.Parallel()

	var calls atomic.Int64
	var header http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		header = r.Header.Clone()
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)

	for name, services := range map[string]map[string]string{
		"one service":             {"AWS_ENDPOINT_URL_SQS": server.URL},
		"every service":           {"AWS_ENDPOINT_URL": server.URL},
		"one service and another": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SQS": server.URL},
	} {
		env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
			"AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"}
		maps.Copy(env, services)
		cfg, err := lambdafn.AWS(func(name string) string { return env[name] }, 2, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		calls.Store(0)
		_, err = sqs.NewFromConfig(cfg).SendMessage(t.Context(),
			&sqs.SendMessageInput{QueueUrl: aws.String(server.URL + "/000000000000/q"), MessageBody: aws.String("x")})
		if err == nil || calls.Load() != 2 {
			t.Errorf("%s: SendMessage = %v after %d calls, want a failure after 2", name, err, calls.Load())
		}
		if !strings.Contains(header.Get("Authorization"), "Credential=AKIDEXAMPLE/") ||
			!strings.Contains(header.Get("Authorization"), "/eu-west-1/sqs/") ||
			header.Get("X-Amz-Security-Token") != "session" {
			t.Errorf("%s: signed as %q, token %q", name, header.Get("Authorization"), header.Get("X-Amz-Security-Token"))
		}
	}
}

// TestRealEndpoint: without a variable a service is called at AWS.
func TestRealEndpoint(t *testing.T) {
	t.Parallel()

	env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1"}
	cfg, err := lambdafn.AWS(func(name string) string { return env[name] }, 1, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	host := ""
	cfg.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		host = r.URL.Host
		return nil, context.Canceled
	})
	_, err = dynamodb.NewFromConfig(cfg).GetItem(t.Context(),
		&dynamodb.GetItemInput{TableName: aws.String("t"), Key: map[string]types.AttributeValue{}})
	if err == nil || host != "dynamodb.eu-west-1.amazonaws.com" {
		t.Errorf("GetItem = %v at %q", err, host)
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

func TestConfigMissing(t *testing.T) {
	t.Parallel()

	full := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
	for missing := range full {
		_, err := lambdafn.AWS(func(name string) string {
			if name == missing {
				return ""
			}
			return full[name]
		}, 1, time.Second)
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: error %v, want it named", missing, err)
		}
	}
}

// TestCertificates: whom a company's proxy is trusted by is read from a file, and what is
// wrong with that is said at init.
func TestCertificates(t *testing.T) {
	t.Parallel()

	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	dir := t.TempDir()
	for name, text := range map[string][]byte{"empty": {},
		"good": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})} {
		err := os.WriteFile(filepath.Join(dir, name), text, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ bundle, wrong string }{
		{"good", ""}, {"empty", "has no certificate"}, {"absent", "read the certificates"},
	} {
		env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
			"AWS_CA_BUNDLE": filepath.Join(dir, tc.bundle)}
		cfg, err := lambdafn.AWS(func(name string) string { return env[name] }, 1, 5*time.Second)
		if tc.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("%s: error %v, want %q", tc.bundle, err, tc.wrong)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		err = lambdafn.Connect(t.Context(), cfg, server.URL)
		if err != nil {
			t.Errorf("%s: %v", tc.bundle, err)
		}
	}
}

// TestHTTPClient: the limits are those that were asked for.
func TestHTTPClient(t *testing.T) {
	t.Parallel()

	client := lambdafn.HTTPClient(3*time.Second, 16, 8, nil)
	transport := client.GetTransport()
	if client.GetTimeout() != 3*time.Second || transport.MaxIdleConns != 16 || transport.MaxIdleConnsPerHost != 8 ||
		transport.TLSHandshakeTimeout != 3*time.Second {
		t.Errorf("%s for a call, %s for a handshake, %d idle connections, %d to a host", client.GetTimeout(),
			transport.TLSHandshakeTimeout, transport.MaxIdleConns, transport.MaxIdleConnsPerHost)
	}
}

// TestConnect: the call after Connect uses its connection.
func TestConnect(t *testing.T) {
	t.Parallel()

	var connections atomic.Int64
	server := httptest.NewUnstartedServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_ENDPOINT_URL": server.URL}
	cfg, err := lambdafn.AWS(func(name string) string { return env[name] }, 1, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	err = lambdafn.Connect(t.Context(), cfg, server.URL+"/000000000000/q")
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqs.NewFromConfig(cfg).SendMessage(t.Context(),
		&sqs.SendMessageInput{QueueUrl: aws.String(server.URL + "/000000000000/q"), MessageBody: aws.String("x")})
	if err == nil || connections.Load() != 1 {
		t.Errorf("SendMessage = %v over connection %d, want the first refused", err, connections.Load())
	}
}
