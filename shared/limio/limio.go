// Package limio is the client of Limio's Commerce API: it reads what Limio has
// of a Zuora account and writes what package convergence wants changed.
//
// What Limio publishes about its API is incomplete. The operations in
// objects.go are documented or were seen in public clients of live tenants;
// everything that rests on an assumption is in assumptions.go, and only there.
//
// The client never retries, except once after a 401 with a new token: trying
// again is the queue's business. Every failure is a hotsync.Error, unless the
// credentials could not be read, whose error is given as it is. No error and no
// log line holds a token, a body or anything personal.
package limio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Defaults of Config.
const (
	defaultTimeout  = 15 * time.Second
	defaultMaxBody  = 16 << 20
	defaultInFlight = 8
)

// Config is what a Client needs to know. BaseURL and Credentials are required.
type Config struct {
	// BaseURL is the tenant, such as https://acme.prod.limio.com: the API is
	// under /api, the token endpoint is /oauth2/token. It must be https, unless
	// it is on this computer.
	BaseURL string
	// Credentials gives the OAuth client. With refresh it must read them anew,
	// since the ones it gave before were refused. It may be called from several
	// goroutines.
	Credentials func(ctx context.Context, refresh bool) (clientID, clientSecret string, err error)
	// HTTP carries the requests; nil is a transport of the client's own.
	HTTP http.RoundTripper
	// Gate can hold calls back; nil is always open.
	Gate Gate
	// Now is the clock by which tokens expire; nil is time.Now.
	Now func() time.Time
	// Timeout bounds one request; 0 is 15 seconds.
	Timeout time.Duration
	// MaxBody bounds an answer, in bytes; 0 is 16 MiB.
	MaxBody int64
	// InFlight bounds the requests under way at once; 0 is 8.
	InFlight int
	// Log gets a debug line a request; nil is slog.Default.
	Log *slog.Logger
}

// Gate can hold calls back: a pause shared by all processes. Implementations
// are safe for concurrent use.
type Gate interface {
	// Allow is asked before every HTTP request; its error ends the call and is
	// returned to the caller.
	Allow(ctx context.Context) error
	// Report is told how every allowed request ended, exactly once: the status (0
	// without an answer), how long Limio asked to wait, and the error, nil when the
	// answer was good. context.Canceled says nothing about Limio.
	Report(ctx context.Context, status int, retryAfter time.Duration, err error)
}

// Client calls Limio. It is safe for concurrent use.
type Client struct {
	base        string // scheme and host
	credentials func(ctx context.Context, refresh bool) (clientID, clientSecret string, err error)
	http        *http.Client
	gate        Gate
	now         func() time.Time
	timeout     time.Duration
	maxBody     int64
	slots       chan struct{} // one element for each request under way
	tokens      tokenSource
	log         *slog.Logger
}

// New makes a Client. It makes no request. It fails when the configuration
// would send credentials to no place, or in the clear.
func New(cfg Config) (*Client, error) {
	base, err := baseURL(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("limio.New: %w", err)
	}
	switch {
	case cfg.Credentials == nil:
		return nil, errors.New("limio.New: no credentials")
	case cfg.Timeout < 0 || cfg.MaxBody < 0 || cfg.InFlight < 0:
		return nil, errors.New("limio.New: a limit is below 0")
	}
	c := &Client{
		base:        base,
		credentials: cfg.Credentials,
		gate:        cfg.Gate,
		now:         cfg.Now,
		timeout:     cfg.Timeout,
		maxBody:     cfg.MaxBody,
		log:         cfg.Log,
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.maxBody == 0 {
		c.maxBody = defaultMaxBody
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	inFlight := cfg.InFlight
	if inFlight == 0 {
		inFlight = defaultInFlight
	}
	c.slots = make(chan struct{}, inFlight)
	c.tokens.now, c.tokens.fetch = c.now, c.fetchToken
	transport := cfg.HTTP
	if transport == nil {
		transport = newTransport(inFlight)
	}
	c.http = &http.Client{
		Transport: transport,
		// An API has no reason to redirect; following one could carry the bearer
		// token to another host. The 3xx answer is reported as it is.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// newTransport keeps as many connections open as may be in use, and lets go of
// idle ones before load balancers do (commonly after 60 s).
func newTransport(inFlight int) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          inFlight,
		MaxIdleConnsPerHost:   inFlight,
		IdleConnTimeout:       50 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// baseURL checks the tenant's address and gives it without a trailing slash.
func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", errors.New("the base URL cannot be parsed") // err holds the URL, which might hold a password
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return "", errors.New("the base URL must be scheme and host only, such as https://acme.prod.limio.com")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u.Scheme + "://" + u.Host, nil
	default:
		return "", errors.New("the base URL must be https")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
