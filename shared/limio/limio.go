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
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hotsync/shared/apiclient"
	"hotsync/shared/hotsync"
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
	// Credentials returns the OAuth client. With refresh it must read them anew,
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

// Gate can hold calls back: a pause shared by all processes.
type Gate = apiclient.Gate

// Client calls Limio. It is safe for concurrent use.
type Client struct {
	api   *apiclient.Client
	now   func() time.Time
	slots chan struct{} // one element for each call under way
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
	inFlight := cmp.Or(cfg.InFlight, defaultInFlight)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.HTTP == nil {
		cfg.HTTP = apiclient.NewTransport(inFlight)
	}
	c := &Client{now: cfg.Now, slots: make(chan struct{}, inFlight)}
	c.api, err = apiclient.New(apiclient.Config{
		API:         "Limio",
		Base:        base,
		TokenPath:   "/oauth2/token",
		Codes:       codes,
		Credentials: cfg.Credentials,
		Transport:   cfg.HTTP,
		Gate:        cfg.Gate,
		Timeout:     cmp.Or(cfg.Timeout, defaultTimeout),
		MaxBody:     cmp.Or(cfg.MaxBody, defaultMaxBody),
		Now:         cfg.Now,
		Log:         cfg.Log,
		Refused:     c.refused,
		Unread:      answerInvalid,
	})
	return c, err
}

// codes are those of a failure that Limio itself says nothing about.
var codes = apiclient.Codes{
	Unauthorized: hotsync.CodeLimioUnauthorized,
	Refused:      hotsync.CodeLimioRefused,
	RateLimited:  hotsync.CodeLimioRateLimited,
	Unavailable:  hotsync.CodeLimioUnavailable,
	Answer:       hotsync.CodeLimioAnswer,
	Host:         hotsync.CodeLimioHost,
}

// baseURL checks the tenant's address and gives it without a trailing slash.
func baseURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", errors.New("the base URL cannot be parsed") // err holds the URL, which might hold a password
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return "", errors.New("the base URL must be scheme and host only, such as https://acme.prod.limio.com")
	case u.Scheme == "https", u.Scheme == "http" && hotsync.IsLoopback(u.Hostname()):
		return u.Scheme + "://" + u.Host, nil
	default:
		return "", errors.New("the base URL must be https")
	}
}
