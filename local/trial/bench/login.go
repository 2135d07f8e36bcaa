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
	settle = 4 * time.Millisecond
)

// audience is the client that the local identity provider's tokens are for.
const audience = "hotsync-local"

// bare are the functions that the product is compared with.
type bare struct {
	*lambdahost.Host
	dir      string
	programs map[string]string // compiled functions by name
	queue    string            // address of the queue that function send sends to
	url      string            // of the HTTP API
	close    func()
}

// startBare runs the functions of testdata, with body as what they send and tokens
// of the issuer as what verify takes.
func (b *bench) startBare(ctx context.Context, e *engines.Engines, body, issuer string) (_ *bare, err error) {
	data := filepath.Join(b.root, "local", "trial", "bench", "testdata")
	b.stacks++
	out := &bare{dir: filepath.Join(b.dir, fmt.Sprint("bare", b.stacks))}
	out.programs, err = lambdahost.Build(ctx, data, filepath.Join(out.dir, "functions"))
	if err != nil {
		return nil, err
	}
	t, err := template.Load(
		filepath.Join(data, "template.yaml"),
		template.Options{
			StackName: fmt.Sprintf("bare%d", b.stacks),
			Parameters: map[string]string{
				"Body":     body,
				"Issuer":   issuer,
				"Audience": audience,
			},
			SQSEndpoint: e.SQSEndpoint,
		},
	)
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
	out.Host, err = lambdahost.New(lambdahost.Config{Template: t, Binaries: out.programs, Environment: e.Environment(),
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

// late is an answer that is held back until then. The engine works before, as AWS
// does on machines of its own, and not while the answer is on its way.
type late struct {
	http.ResponseWriter
	until time.Time
}

func (l late) WriteHeader(status int) {
	time.Sleep(time.Until(l.until))
	l.ResponseWriter.WriteHeader(status)
}

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
			begun := time.Now()
			proxy.ServeHTTP(late{w, begun.Add(cloud)}, r)
		}))
		defer server.Close()
		*endpoint = server.URL
	}
	far, err := b.loginRows(ctx, slow, loginRounds/2, fmt.Sprintf(", %s a call to AWS", cloud))
	return append(near, far...), err
}

// loginRows times warm logins against functions that only send a message of the same
// size, or verify the same token before, one after the other, so that all meet the
// same noise. Each login is another person's: the same again would be one login, and
// soon share its place in the queue.
func (b *bench) loginRows(ctx context.Context, e *engines.Engines, rounds int, where string) ([]row, error) {
	s, err := b.stack(ctx, stack.Options{Paused: true, Engines: e})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	tokens, err := s.tokens(ctx, 2*(loginWarmUp+rounds)+1)
	if err != nil {
		return nil, err
	}
	n := 0
	token := func() string { n++; return tokens[n-1] }
	login := func() error { return call(ctx, http.MethodPost, s.URL+"/login", token(), nil, nil) }
	err = login()
	if err != nil {
		return nil, err
	}
	size, err := s.messageSize(ctx)
	if err != nil {
		return nil, err
	}
	body := strings.Repeat("x", size)
	plain, err := b.startBare(ctx, e, body, s.IDPURL+"/direct")
	if err != nil {
		return nil, err
	}
	defer plain.close()
	client := e.SQS()
	sends := 0
	send := func() error {
		sends++
		id := fmt.Sprint("bench-", sends)
		_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &plain.queue, MessageBody: &body,
			MessageGroupId: &id, MessageDeduplicationId: &id})
		return err
	}
	sender := func() error { return call(ctx, http.MethodPost, plain.url+"/send", "", nil, nil) }
	verifier := func() error { return call(ctx, http.MethodPost, plain.url+"/verify", tokens[0], nil, nil) }
	handler, err := s.handler(ctx, token)
	if err != nil {
		return nil, err
	}
	took, err := interleaved(loginWarmUp, rounds, send, handler, sender, verifier, login)
	if err != nil {
		return nil, err
	}
	return ratiosOfLogin(took, size, where), nil
}

// ratiosOfLogin compares the times of a bare send, the login's handler, a function that
// only sends, one that verifies as well, and the login as a whole, in that order.
func ratiosOfLogin(took [][]time.Duration, size int, where string) (rows []row) {
	most := 1.25
	if where != "" {
		most = 1.1
	}
	for _, p := range []float64{50, 99} {
		at := make([]time.Duration, len(took))
		for i, all := range took {
			at[i] = percentile(all, p)
		}
		bare, inside, sends, verifies, whole := at[0], at[1], at[2], at[3], at[4]
		rows = append(rows,
			row{
				name:   fmt.Sprintf("POST /login : Lambda that verifies and sends%s, p%.0f", where, p),
				value:  ratio(whole, verifies),
				target: most,
				unit:   "x",
				detail: fmt.Sprintf("%.2f ms : %.2f ms, both through the local HTTP API and Lambda; %d bytes",
					ms(whole), ms(verifies), size),
			},
			row{
				name:   fmt.Sprintf("POST /login : Lambda that only sends%s, p%.0f", where, p),
				value:  ratio(whole, sends),
				unit:   "x",
				detail: fmt.Sprintf("%.2f ms : %.2f ms", ms(whole), ms(sends)),
			},
			row{
				name:  fmt.Sprintf("warm login : bare SendMessage%s, p%.0f", where, p),
				value: ratio(inside, bare),
				unit:  "x",
				detail: fmt.Sprintf("%.2f ms : %.2f ms, the handler itself; the Lambda that only sends is at %.2f x",
					ms(inside), ms(bare), ratio(sends, bare)),
			},
		)
	}
	return rows
}

// tokens signs in so many people, each with an account of their own.
func (s *system) tokens(ctx context.Context, n int) ([]string, error) {
	all := make([]string, n)
	for i := range all {
		var err error
		all[i], err = s.token(
			ctx,
			"direct",
			map[string]any{
				"sub":               fmt.Sprintf("direct|bench-%06d", i),
				"email":             fmt.Sprintf("bench-%06d@example.com", i),
				"zuora_account_ids": []string{fmt.Sprintf("A%08d", i)},
			},
		)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// handler is POST /login as the function answers it, without the way there: the
// handler as functions/login makes it, in this process.
func (s *system) handler(ctx context.Context, token func() string) (func() error, error) {
	names := map[string]string{
		"AWS_REGION":                engines.Region,
		"AWS_ACCESS_KEY_ID":         engines.AccessKey,
		"AWS_SECRET_ACCESS_KEY":     engines.AccessKey,
		"AWS_ENDPOINT_URL_SQS":      s.Engines.SQSEndpoint,
		"AWS_ENDPOINT_URL_DYNAMODB": s.Engines.DynamoDBEndpoint,
	}
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
		Tokens: oidc.New(oidc.Config{}),
		Settings: settingstore.NewCached(
			settingstore.New(dynamo.Table{Client: db, Name: tables["SettingsTable"]}, time.Now),
			log,
		),
		Queue: syncqueue.New(sqs.NewFromConfig(cfg), queue.URL),
		Events: eventstore.New(
			dynamo.Table{Client: db, Name: tables["EventsTable"]},
			eventstore.Config{Retention: 24 * time.Hour, Now: time.Now},
		),
		SearchKey: func(context.Context) []byte { return []byte("search key of the benchmark") },
		Random:    rand.Read,
		Now:       time.Now,
		Log:       log,
		Metrics:   telemetry.NewMetrics(io.Discard, "login", "", time.Now),
	})
	n := 0
	return func() error {
		n++
		event := fmt.Appendf(
			nil,
			`{"version":"2.0","routeKey":"POST /login","rawPath":"/login","headers":{"authorization":"Bearer %s"},`+
				`"requestContext":{"requestId":"bench-%d","stage":"$default","http":{"method":"POST","path":"/login"}}}`,
			token(),
			n,
		)
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
