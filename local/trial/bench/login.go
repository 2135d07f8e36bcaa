package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/local/stack"
	"hotsync/local/stack/engines"
	"hotsync/local/stack/lambdahost"
	"hotsync/local/stack/template"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/frontdoor"
	"hotsync/shared/lambdafn"
	"hotsync/shared/oidc"
	"hotsync/shared/settingstore"
	"hotsync/shared/syncqueue"
	"hotsync/shared/telemetry"
)

const (
	loginRounds = 1500
	loginWarmUp = 200
	// settle lets the engines end what one call left them to do before the next one
	// is timed.
	settle = 2 * time.Millisecond
)

// bare are the functions that the product is compared with.
type bare struct {
	*lambdahost.Host
	dir   string
	queue string // address of the queue that function send sends to
	url   string // of the HTTP API
	close func()
}

// startBare runs the functions of testdata, with body as what send sends.
func (b *bench) startBare(ctx context.Context, e *engines.Engines, body string) (_ *bare, err error) {
	data := filepath.Join(b.root, "local", "trial", "bench", "testdata")
	b.stacks++
	out := &bare{dir: filepath.Join(b.dir, fmt.Sprint("bare", b.stacks))}
	binaries, err := lambdahost.Build(ctx, data, filepath.Join(out.dir, "functions"))
	if err != nil {
		return nil, err
	}
	t, err := template.Load(filepath.Join(data, "template.yaml"), template.Options{StackName: fmt.Sprintf("bare%d", b.stacks),
		Parameters: map[string]string{"Body": body}, SQSEndpoint: e.SQSEndpoint})
	if err != nil {
		return nil, err
	}
	err = t.Create(ctx, e.DynamoDB(), e.SQS())
	if err != nil {
		return nil, err
	}
	err = os.MkdirAll(filepath.Join(out.dir, "logs"), 0o755)
	if err != nil {
		return nil, err
	}
	out.Host, err = lambdahost.New(lambdahost.Config{Template: t, Binaries: binaries, Environment: e.Environment(),
		SQS: e.SQS(), LogDir: filepath.Join(out.dir, "logs")})
	if err != nil {
		return nil, err
	}
	server := httptest.NewServer(out.HTTPAPI())
	queue, _ := t.Queue("BareQueue")
	out.url, out.queue = server.URL, queue.URL
	out.close = func() {
		server.Close()
		_ = out.Close(ctx) // of log files that are thrown away
	}
	return out, nil
}

// cloud is what a call to SQS or DynamoDB takes at least within a region.
const cloud = 5 * time.Millisecond

// loginRows measures logins against the engines as they are, which answer in a
// third of a millisecond, and as far away as AWS is.
func loginRows(ctx context.Context, b *bench) ([]row, error) {
	near, err := b.loginRows(ctx, b.engines, loginRounds, "")
	if err != nil {
		return nil, err
	}
	slow := &engines.Engines{DynamoDBEndpoint: b.engines.DynamoDBEndpoint, SQSEndpoint: b.engines.SQSEndpoint}
	for _, endpoint := range []*string{&slow.DynamoDBEndpoint, &slow.SQSEndpoint} {
		address, err := url.Parse(*endpoint)
		if err != nil {
			return nil, err
		}
		proxy := httputil.NewSingleHostReverseProxy(address)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(cloud)
			proxy.ServeHTTP(w, r)
		}))
		defer server.Close()
		*endpoint = server.URL
	}
	far, err := b.loginRows(ctx, slow, loginRounds/5, fmt.Sprintf(", %s a call to AWS", cloud))
	return append(near, far...), err
}

// loginRows times warm logins against bare sends of a message of the same size,
// one after the other, so that both meet the same noise.
func (b *bench) loginRows(ctx context.Context, e *engines.Engines, rounds int, where string) ([]row, error) {
	s, err := b.stack(ctx, stack.Options{Paused: true, Engines: e})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	token, err := s.token(ctx, "direct", map[string]any{"sub": "direct|bench", "email": "bench@example.com", "zuora_account_ids": []string{"A00000101"}})
	if err != nil {
		return nil, err
	}
	login := func() error { return call(ctx, http.MethodPost, s.URL+"/login", token, nil, nil) }
	err = login()
	if err != nil {
		return nil, err
	}
	size, err := s.messageSize(ctx)
	if err != nil {
		return nil, err
	}
	body := strings.Repeat("x", size)
	plain, err := b.startBare(ctx, e, body)
	if err != nil {
		return nil, err
	}
	defer plain.close()
	client := e.SQS()
	n := 0
	send := func() error {
		n++
		id := fmt.Sprint("bench-", n)
		_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &plain.queue, MessageBody: &body,
			MessageGroupId: &id, MessageDeduplicationId: &id})
		return err
	}
	sender := func() error { return call(ctx, http.MethodPost, plain.url+"/send", "", nil, nil) }
	handler, err := s.handler(ctx, token)
	if err != nil {
		return nil, err
	}
	took, err := interleaved(loginWarmUp, rounds, send, handler, sender, login)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, p := range []float64{50, 99} {
		bare, inside, function, whole := percentile(took[0], p), percentile(took[1], p), percentile(took[2], p), percentile(took[3], p)
		rows = append(rows, row{name: fmt.Sprintf("warm login : bare SendMessage%s, p%.0f", where, p), value: ratio(inside, bare), target: 1.25, unit: "x",
			detail: fmt.Sprintf("%.2f ms : %.2f ms, the handler itself; %d bytes", ms(inside), ms(bare), size)},
			row{name: fmt.Sprintf("POST /login : Lambda that only sends%s, p%.0f", where, p), value: ratio(whole, function), target: 1.25, unit: "x",
				detail: fmt.Sprintf("%.2f ms : %.2f ms, both through the local HTTP API and Lambda", ms(whole), ms(function))},
			row{name: fmt.Sprintf("POST /login : bare SendMessage%s, p%.0f", where, p), value: ratio(whole, bare), target: 0, unit: "x",
				detail: fmt.Sprintf("%.2f ms : %.2f ms; a Lambda that only sends is at %.2f x", ms(whole), ms(bare), ratio(function, bare))})
	}
	return rows, nil
}

// handler is POST /login as the function answers it, without the way there: the
// handler as functions/login makes it, in this process.
func (s *system) handler(ctx context.Context, token string) (func() error, error) {
	names := map[string]string{"AWS_REGION": engines.Region, "AWS_ACCESS_KEY_ID": engines.AccessKey, "AWS_SECRET_ACCESS_KEY": engines.AccessKey,
		"AWS_ENDPOINT_URL_SQS": s.Engines.SQSEndpoint, "AWS_ENDPOINT_URL_DYNAMODB": s.Engines.DynamoDBEndpoint}
	cfg, err := lambdafn.AWS(func(name string) string { return names[name] }, 2, time.Second)
	if err != nil {
		return nil, err
	}
	queue, _ := s.Template.Queue("SyncQueue")
	tables := map[string]string{}
	for _, t := range s.Template.Tables {
		tables[t.LogicalID] = t.Name
	}
	db, log := dynamodb.NewFromConfig(cfg), telemetry.NewLogger(io.Discard, "info")
	h := frontdoor.New(frontdoor.Config{
		Tokens:    oidc.New(oidc.Config{}),
		Settings:  settingstore.NewCached(settingstore.New(dynamo.Table{Client: db, Name: tables["SettingsTable"]}, time.Now), log),
		Queue:     syncqueue.New(sqs.NewFromConfig(cfg), queue.URL),
		Events:    eventstore.New(dynamo.Table{Client: db, Name: tables["EventsTable"]}, eventstore.Config{Retention: 24 * time.Hour, Now: time.Now}),
		SearchKey: func(context.Context) []byte { return []byte("search key of the benchmark") },
		Random:    rand.Read,
		Now:       time.Now,
		Log:       log,
		Metrics:   telemetry.NewMetrics(io.Discard, "login", time.Now),
	})
	n := 0
	return func() error {
		n++
		event := fmt.Appendf(nil, `{"version":"2.0","routeKey":"POST /login","rawPath":"/login","headers":{"authorization":"Bearer %s"},`+
			`"requestContext":{"requestId":"bench-%d","stage":"$default","http":{"method":"POST","path":"/login"}}}`, token, n)
		answer, err := h.Invoke(ctx, event)
		if err == nil && !strings.Contains(string(answer), `"statusCode":202`) {
			err = fmt.Errorf("the login was answered %s", answer)
		}
		return err
	}, nil
}

// interleaved runs the functions in turn and gives the times of each.
func interleaved(warmUp, rounds int, all ...func() error) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(all))
	for round := range warmUp + rounds {
		for i := range all {
			i := (i + round) % len(all)
			begun := time.Now()
			err := all[i]()
			if err != nil {
				return nil, err
			}
			if round >= warmUp {
				took[i] = append(took[i], time.Since(begun))
			}
			time.Sleep(settle)
		}
	}
	return took, nil
}

// messageSize is how large the one message in the sync queue is.
func (s *system) messageSize(ctx context.Context) (int, error) {
	queue, _ := s.Template.Queue("SyncQueue")
	out, err := s.Engines.SQS().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue.URL, WaitTimeSeconds: 5})
	if err != nil {
		return 0, err
	}
	if len(out.Messages) != 1 {
		return 0, fmt.Errorf("%d messages in the queue, want 1", len(out.Messages))
	}
	return len(aws.ToString(out.Messages[0].Body)), nil
}
