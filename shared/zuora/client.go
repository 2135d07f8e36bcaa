package zuora

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"hotsync/shared/apiclient"
	"hotsync/shared/hotsync"
)

// The defaults of Config.
const (
	DefaultTimeout        = 20 * time.Second
	DefaultPreviewTimeout = 5 * time.Second
	DefaultMaxBody        = 16 << 20
	DefaultMaxPages       = 50
	DefaultConcurrency    = 5
	ObjectConcurrency     = 10
)

// Limits bounds the calls that this process has in flight in each of Zuora's
// concurrency pools. The tenant's own limits, 40 and 80 by default, are shared
// by every process and everything else the merchant runs.
type Limits struct {
	Default     int
	ObjectQuery int
}

// Gate can hold calls back: a pause shared by all processes.
type Gate = apiclient.Gate

// Config says how to reach a Zuora tenant. BaseURL and Credentials are needed;
// the zero value of every other member is a usable default.
type Config struct {
	BaseURL string // a name of Environments or what BaseURL takes
	// Credentials returns the OAuth client. refresh says that what it gave before was
	// refused, so that a rotated secret is to be read again.
	Credentials    func(ctx context.Context, refresh bool) (clientID, clientSecret string, err error)
	Transport      http.RoundTripper // nil: one of its own
	Gate           Gate              // nil: always open
	Limits         Limits
	Timeout        time.Duration // of one HTTP request with its answer
	PreviewTimeout time.Duration // of a billing preview, with its wait for a place
	MaxBody        int64         // bytes of one answer, uncompressed
	MaxPages       int           // pages of 40 subscriptions
	Now            func() time.Time
	Log            *slog.Logger
}

// Client reads from one Zuora tenant. It is safe for concurrent use.
type Client struct {
	api            *apiclient.Client
	previewTimeout time.Duration
	maxPages       int
	now            func() time.Time

	defaults      *pool
	objectQuery   *pool
	rateLimited   atomic.Int64
	rateRemaining atomic.Int64
}

// New makes a Client. It makes no call.
func New(cfg Config) (_ *Client, err error) {
	defer hotsync.In(&err, "zuora.New")
	address, err := BaseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, errors.New("no credentials")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{now: cfg.Now, previewTimeout: orDefault(cfg.PreviewTimeout, DefaultPreviewTimeout),
		maxPages: orDefault(cfg.MaxPages, DefaultMaxPages)}
	c.defaults = newPool("Default", orDefault(cfg.Limits.Default, DefaultConcurrency), c.now)
	c.objectQuery = newPool("Object Query", orDefault(cfg.Limits.ObjectQuery, ObjectConcurrency), c.now)
	c.rateRemaining.Store(unknown)
	if cfg.Transport == nil {
		cfg.Transport = apiclient.NewTransport(c.defaults.max + c.objectQuery.max)
	}
	c.api, err = apiclient.New(apiclient.Config{
		API:         "Zuora",
		Base:        address,
		TokenPath:   "/oauth/token",
		Codes:       codes,
		Credentials: cfg.Credentials,
		Transport:   cfg.Transport,
		Gate:        cfg.Gate,
		Timeout:     orDefault(cfg.Timeout, DefaultTimeout),
		MaxBody:     orDefault(cfg.MaxBody, DefaultMaxBody),
		Now:         cfg.Now,
		Log:         cfg.Log,
		RequestID:   "Zuora-Request-Id",
		Refused:     c.refused,
		Unread:      c.unread,
		ReadToken:   readToken,
		Header:      trackHeader,
		Observe:     c.observe,
	})
	return c, err
}

// codes are those of a failure that Zuora itself says nothing about.
var codes = apiclient.Codes{
	Unauthorized: hotsync.CodeZuoraUnauthorized,
	Refused:      hotsync.CodeZuoraRefused,
	RateLimited:  hotsync.CodeZuoraRateLimited,
	Unavailable:  hotsync.CodeZuoraUnavailable,
	Answer:       hotsync.CodeZuoraAnswer,
	Host:         hotsync.CodeZuoraHost,
}

func orDefault[T int | int64 | time.Duration](value, fallback T) T {
	if value > 0 {
		return value
	}
	return fallback
}

// Budget is how much of Zuora's limits this process uses, and what Zuora last
// said is left of them.
type Budget struct {
	Calls         int64      `json:"calls"`         // HTTP requests made, with those for tokens
	RateLimited   int64      `json:"rateLimited"`   // answers with status 429
	RateRemaining int64      `json:"rateRemaining"` // of the tenant's tightest window; -1 until known
	Default       PoolBudget `json:"default"`
	ObjectQuery   PoolBudget `json:"objectQuery"`
}

// Budget returns the state of this process.
func (c *Client) Budget() Budget {
	return Budget{Calls: c.api.Calls(), RateLimited: c.rateLimited.Load(), RateRemaining: c.rateRemaining.Load(),
		Default: c.defaults.budget(), ObjectQuery: c.objectQuery.budget()}
}

type trackKey struct{}

// WithTrackID returns a context whose calls carry the event's id in
// Zuora-Track-Id, so that Zuora's support can find them.
func WithTrackID(ctx context.Context, eventID string) context.Context {
	return context.WithValue(ctx, trackKey{}, apiclient.PlainID(strings.TrimPrefix(eventID, "event-")))
}

// trackHeader tells Zuora's support the event.
func trackHeader(ctx context.Context) http.Header {
	id, ok := ctx.Value(trackKey{}).(string)
	if !ok || id == "" {
		return nil
	}
	return http.Header{"Zuora-Track-Id": {id}}
}
