// Package wiring makes the parts of a function from its environment, the same
// way for every function that has them. What is missing or wrong is collected
// and told in one line by Err.
//
// functions/login goes by package lambdafn alone: the login path carries only what
// it needs.
package wiring

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/shared/callout"
	"hotsync/shared/cataloguestore"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/lambdafn"
	"hotsync/shared/limio"
	"hotsync/shared/ownership"
	"hotsync/shared/pause"
	"hotsync/shared/settingstore"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
	"hotsync/shared/telemetry"
	"hotsync/shared/zuora"
)

// How often an AWS call is tried, and how long one try may take.
const (
	awsAttempts = 3
	awsPerCall  = 3 * time.Second
	initWait    = 5 * time.Second // for the secrets at init, which may take ten
)

// secretAge is how old a secret may be of which nobody says that it was refused.
const secretAge = time.Minute

// Parts makes the parts of one function.
type Parts struct {
	Env     *lambdafn.Environment
	Log     *slog.Logger
	Metrics *telemetry.Metrics // to be flushed at the end of every invocation

	aws     aws.Config
	secrets func() lambdafn.SecretManager
	search  *lambdafn.Secret
	limio   func() (*limio.Client, string)
	pauses  map[pause.Upstream]*pause.Gate
	reads   []func(context.Context) error // of secrets, at init
}

// New reads what every function needs.
func New(ctx context.Context, getenv func(string) string, logs io.Writer) *Parts {
	lambdafn.LimitMemory(getenv)
	p := &Parts{
		Env:     lambdafn.NewEnvironment(getenv),
		Log:     telemetry.NewLogger(logs, getenv("LOG_LEVEL")),
		Metrics: telemetry.NewMetrics(logs, getenv("AWS_LAMBDA_FUNCTION_NAME"), getenv("STACK_NAME"), time.Now),
		pauses:  map[pause.Upstream]*pause.Gate{},
	}
	slog.SetDefault(p.Log) // for what has no logger of its own: panics, and warnings of the queue
	var err error
	p.aws, err = AWS(ctx, awsAttempts, awsPerCall)
	p.Env.Note(err)
	p.secrets = sync.OnceValue(func() lambdafn.SecretManager { return lambdafn.SecretsManager(p.aws) })
	p.search = p.secret("SEARCH_KEY")
	p.limio = sync.OnceValues(p.newLimio)
	return p
}

func (p *Parts) secret(name string) *lambdafn.Secret {
	s, err := lambdafn.NewSecret(name, p.Env.Getenv, p.secrets)
	p.Env.Note(err)
	return s
}

// Secret returns the text of a secret that the function needs.
func (p *Parts) Secret(name string) *lambdafn.Secret {
	s := p.secret(name)
	p.readable(func(ctx context.Context) error {
		_, err := s.Text(ctx, false)
		return err
	})
	return s
}

// OptionalText returns the text of a secret that a function may do without, nil where
// the environment names none.
func (p *Parts) OptionalText(name string) func(context.Context) (string, error) {
	if p.Env.Getenv(name) == "" && p.Env.Getenv(name+"_SECRET_ID") == "" {
		return nil
	}
	return aging(p.Secret(name))
}

// aging returns the text of a secret, read again once it is older than secretAge.
func aging(s *lambdafn.Secret) func(context.Context) (string, error) {
	var mu sync.Mutex
	var readAt time.Time
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		stale := time.Since(readAt) > secretAge
		text, err := s.Text(ctx, stale)
		if err == nil && stale {
			readAt = time.Now()
		}
		return strings.TrimSpace(text), err
	}
}

// client returns the credentials of an OAuth client that the function needs.
func (p *Parts) client(name string) *lambdafn.Secret {
	s := p.secret(name)
	p.readable(func(ctx context.Context) error {
		_, _, err := s.Client(ctx, false)
		return err
	})
	return s
}

// readable has a secret read at init (see Err), so that a function deployed
// without it stops there and not at the first login.
func (p *Parts) readable(read func(context.Context) error) { p.reads = append(p.reads, read) }

// SearchKey returns the key of hotsync.SearchHash; without it events are not found
// by e-mail, and nothing else suffers.
func (p *Parts) SearchKey(ctx context.Context) []byte {
	key, err := p.searchKey(ctx)
	if err != nil {
		p.Log.WarnContext(ctx, "search key not read", "error", err)
	}
	return key
}

func (p *Parts) searchKey(ctx context.Context) ([]byte, error) {
	text, err := p.search.Text(ctx, false)
	return []byte(text), err
}

// Table returns the table whose name is in that variable.
func (p *Parts) Table(variable, what string) dynamo.Table {
	count := lambdafn.CountThrottles(func() { p.Metrics.Add(telemetry.StoreThrottled, 1) })
	client := dynamodb.NewFromConfig(p.aws, func(o *dynamodb.Options) { o.APIOptions = append(o.APIOptions, count) })
	return dynamo.Table{Client: client, Name: p.Env.Text(variable, what)}
}

// events returns the events table.
func (p *Parts) events() dynamo.Table { return p.Table("EVENTS_TABLE", "the name of the events table") }

// Events returns the event store.
func (p *Parts) Events() *eventstore.Store {
	days := p.Env.Number("EVENT_RETENTION_DAYS", 90, 1, 3650)
	return eventstore.New(p.events(), eventstore.Config{Retention: time.Duration(days) * 24 * time.Hour,
		SearchKey: p.searchKey, Now: time.Now})
}

// SettingStore returns the settings with their history.
func (p *Parts) SettingStore() *settingstore.Store {
	return settingstore.New(p.Table("SETTINGS_TABLE", "the name of the settings table"), time.Now)
}

// Settings returns the settings in force, read at most every 30 seconds.
func (p *Parts) Settings() *settingstore.Cached {
	return settingstore.NewCached(p.SettingStore(), p.Log)
}

// Queue returns the queue whose address is in that variable.
func (p *Parts) Queue(variable string) *syncqueue.Queue {
	return syncqueue.New(sqs.NewFromConfig(p.aws), p.Env.Text(variable, "the address of the SQS queue"))
}

// pause returns the pause of an upstream that all processes share, the same at each
// call: what the client learns, the syncer goes by.
func (p *Parts) pause(of pause.Upstream) *pause.Gate {
	if p.pauses[of] == nil {
		p.pauses[of] = pause.New(of, pause.Table{Table: p.events(), Upstream: of.ID}, time.Now, p.Log)
	}
	return p.pauses[of]
}

// Pauses returns what reads the pauses of all upstreams, in one call.
func (p *Parts) Pauses() func(context.Context) (map[string]pause.State, error) {
	table := p.events()
	return func(ctx context.Context) (map[string]pause.State, error) { return pause.All(ctx, table) }
}

// Zuora returns the client of the Zuora tenant.
func (p *Parts) Zuora() *zuora.Client {
	credentials := p.client("ZUORA")
	c, err := zuora.New(
		zuora.Config{
			BaseURL: p.Env.URL(
				"ZUORA_BASE_URL",
				"the REST host of the Zuora data centre, such as https://rest.eu.zuora.com",
			),
			Credentials: credentials.Client,
			Gate:        metered{p.pause(pause.Zuora), p.Metrics},
			Now:         time.Now,
			Log:         p.Log,
			Limits: zuora.Limits{Default: p.Env.Number("ZUORA_CONCURRENCY", zuora.DefaultConcurrency, 1, 200),
				ObjectQuery: p.Env.Number("ZUORA_OBJECT_QUERY_CONCURRENCY", zuora.ObjectConcurrency, 1, 200)},
		},
	)
	if p.Env.Err() == nil {
		p.Env.Note(err)
	}
	return c
}

// metered counts the calls that pass a gate.
type metered struct {
	zuora.Gate
	metrics *telemetry.Metrics
}

func (m metered) Report(ctx context.Context, status int, retryAfter time.Duration, err error) {
	m.metrics.Add(telemetry.ZuoraCalls, 1)
	if status == http.StatusTooManyRequests {
		m.metrics.Add(telemetry.ZuoraRateLimited, 1)
	}
	m.Gate.Report(ctx, status, retryAfter, err)
}

// Limio returns the client of the Limio tenant, the same at each call, and the
// tenant's name.
func (p *Parts) Limio() (*limio.Client, string) { return p.limio() }

func (p *Parts) newLimio() (*limio.Client, string) {
	base := p.Env.URL("LIMIO_BASE_URL", "the address of the Limio tenant, such as https://acme.prod.limio.com")
	c, err := limio.New(
		limio.Config{
			BaseURL:     base,
			Credentials: p.client("LIMIO").Client,
			Gate:        p.pause(pause.Limio),
			Now:         time.Now,
			Log:         p.Log,
			InFlight:    p.Env.Number("LIMIO_CONCURRENCY", 40, 1, 500),
		},
	)
	if p.Env.Err() != nil {
		return c, ""
	}
	p.Env.Note(err)
	u, err := url.Parse(base)
	p.Env.Note(err)
	return c, u.Host
}

// SyncEvents is where a syncer keeps events, and the records of logins that led to none.
type SyncEvents interface {
	syncer.Events
	syncer.Records
}

// MaxAttempts returns how many tries a sync has.
func (p *Parts) MaxAttempts() int { return p.Env.Number("MAX_ATTEMPTS", 5, 1, 1000) }

// Syncer returns the syncer over those parts.
func (p *Parts) Syncer(
	events SyncEvents,
	queue *syncqueue.Queue,
	z *zuora.Client,
	settings syncer.Settings,
) *syncer.Syncer {
	l, tenant := p.Limio()
	copies := p.CatalogueStore()
	return syncer.New(syncer.Config{
		Zuora:     z,
		Limio:     l,
		Catalogue: cataloguestore.NewCached(l, copies, time.Now, p.Log),
		Plans:     cataloguestore.NewSeenPlans(copies, time.Now),
		Events:    events,
		Records:   events,
		Ownership: p.Ownership(),
		Settings:  settings,
		Queue:     queue,
		Tenant:    tenant,

		MaxAttempts: p.MaxAttempts(),
		MaxWait:     time.Duration(p.Env.Number("MAX_WAIT_HOURS", 24, 1, 72)) * time.Hour,
		Pauses:      syncer.Pauses{Zuora: p.pause(pause.Zuora), Limio: p.pause(pause.Limio)},
		SearchKey:   p.SearchKey,
		Now:         time.Now,
		Jitter:      mathrand.Float64,
		Log:         p.Log,
		Observe:     p.Metrics.Sync,
	})
}

// CatalogueStore returns what all processes keep of Limio's catalogue, in the events
// table.
func (p *Parts) CatalogueStore() *cataloguestore.Store {
	_, tenant := p.Limio()
	return cataloguestore.New(p.events(), tenant)
}

// Ownership returns what is known of who sees what.
func (p *Parts) Ownership() ownership.Table {
	return ownership.Table{Table: p.Table("OWNERSHIP_TABLE", "the name of the ownership table")}
}

// CalloutSecret returns what callouts prove themselves with.
func (p *Parts) CalloutSecret() func(context.Context) (callout.Secret, error) {
	text := aging(p.secret("CALLOUT"))
	read := func(ctx context.Context) (callout.Secret, error) {
		text, err := text(ctx)
		if err != nil {
			return callout.Secret{}, err
		}
		var s callout.Secret
		// The cause is left out on purpose: a JSON error quotes the text.
		if json.Unmarshal([]byte(text), &s) != nil || s.HMACKey == "" && (s.Username == "" || s.Password == "") {
			return callout.Secret{}, hotsync.Errorf(
				hotsync.CodeSecretMissing,
				`The secret CALLOUT must be {"hmacKey": "…"} or {"username": "…", "password": "…"}.`,
			)
		}
		return s, nil
	}
	p.readable(func(ctx context.Context) error {
		_, err := read(ctx)
		return err
	})
	return read
}

// NewEventID makes an event id.
func NewEventID(at time.Time) string { return hotsync.NewEventID(at, rand.Read) }

// Err says in one line what is missing or wrong. When no variable is, it reads
// the secrets that the function needs. It is to be called once, at the end.
func (p *Parts) Err() error {
	ctx, cancel := context.WithTimeout(context.Background(), initWait)
	defer cancel()
	if p.Env.Err() == nil {
		for _, read := range p.reads {
			err := read(ctx)
			if err != nil {
				p.Log.ErrorContext(ctx, "secret not usable", "error", err)
				e := hotsync.AsError(err)
				p.Env.Note(fmt.Errorf("%s %s", e.Message, e.Code.Hint()))
			}
		}
	}
	err := p.Env.Err()
	if err != nil {
		return err
	}
	p.Log.Info("function starts", "version", telemetry.Version())
	return nil
}
