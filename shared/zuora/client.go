package zuora

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

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

// Gate can hold calls back: a pause shared by all processes. Implementations
// are safe for concurrent use.
type Gate interface {
	// Allow is asked before every HTTP request; its error ends the call and is
	// returned to the caller.
	Allow(ctx context.Context) error
	// Report is told how every allowed request ended, exactly once: the status
	// (0 without an answer), how long Zuora asked to wait, and the error, nil when
	// the answer was good. An error that is context.Canceled or
	// context.DeadlineExceeded came from the caller and says nothing about Zuora.
	Report(ctx context.Context, status int, retryAfter time.Duration, err error)
}

// Config says how to reach a Zuora tenant. BaseURL and Credentials are needed;
// the zero value of every other member is a usable default.
type Config struct {
	BaseURL string // a name of Environments or what BaseURL takes
	// Credentials gives the OAuth client. refresh says that what it gave before was
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
	base           *url.URL
	credentials    func(ctx context.Context, refresh bool) (clientID, clientSecret string, err error)
	transport      http.RoundTripper
	gate           Gate
	timeout        time.Duration
	previewTimeout time.Duration
	maxBody        int64
	maxPages       int
	now            func() time.Time
	log            *slog.Logger

	tokens        tokens
	defaults      *pool
	objectQuery   *pool
	calls         atomic.Int64
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
	base, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, errors.New("no credentials")
	}
	c := &Client{base: base, credentials: cfg.Credentials, transport: cfg.Transport, gate: cfg.Gate,
		timeout: orDefault(cfg.Timeout, DefaultTimeout), previewTimeout: orDefault(cfg.PreviewTimeout, DefaultPreviewTimeout), maxBody: orDefault(cfg.MaxBody, DefaultMaxBody),
		maxPages: orDefault(cfg.MaxPages, DefaultMaxPages), now: cfg.Now, log: cfg.Log}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.defaults = newPool("Default", orDefault(cfg.Limits.Default, DefaultConcurrency), c.now)
	c.objectQuery = newPool("Object Query", orDefault(cfg.Limits.ObjectQuery, ObjectConcurrency), c.now)
	c.rateRemaining.Store(unknown)
	if c.transport == nil {
		c.transport = newTransport(c.defaults.max + c.objectQuery.max)
	}
	return c, nil
}

func orDefault[T int | int64 | time.Duration](value, fallback T) T {
	if value > 0 {
		return value
	}
	return fallback
}

// newTransport is http.DefaultTransport for one host and many calls at once. A
// frozen Lambda wakes up with connections that are long dead: pings find out.
func newTransport(idle int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 2 * time.Second},
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        60 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
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

// Budget gives the state of this process.
func (c *Client) Budget() Budget {
	return Budget{Calls: c.calls.Load(), RateLimited: c.rateLimited.Load(), RateRemaining: c.rateRemaining.Load(),
		Default: c.defaults.budget(), ObjectQuery: c.objectQuery.budget()}
}

type trackKey struct{}

// WithTrackID gives a context whose calls carry the event's id in
// Zuora-Track-Id, so that Zuora's support can find them.
func WithTrackID(ctx context.Context, eventID string) context.Context {
	return context.WithValue(ctx, trackKey{}, plainID(strings.TrimPrefix(eventID, "event-")))
}

// plainID keeps what Zuora allows in a track id: up to 64 ASCII characters, and
// of those, to be safe, no punctuation.
func plainID(id string) string {
	id = strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '-', r == '_':
			return r
		default:
			return -1
		}
	}, id)
	return id[:min(len(id), 64)]
}
