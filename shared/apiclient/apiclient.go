// Package apiclient is the one way to call an outside API: with a bearer token
// that is fetched once for everybody, once more with a new one after a 401, past
// a gate that all processes share, with every answer bounded in size and time.
// What an API's words mean is the business of the packages on it, zuora and
// limio.
//
// A client never tries again by itself but for that 401: retries belong to the
// queue. Every failure is a *hotsync.Error, unless the credentials could not be
// read, whose error is given as it is. No error and no log line holds a token, an
// address, a body or anything personal.
package apiclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
)

const (
	// maxRefusal is how much of an answer outside 2xx is read: enough for codes and
	// a message.
	maxRefusal = 64 << 10
	// maxDrain is how much of an answer is read on, so that its connection can be
	// used again.
	maxDrain = 64 << 10
)

// Gate can hold calls back: a pause shared by all processes. Implementations
// are safe for concurrent use.
type Gate interface {
	// Allow is asked before every HTTP request; its error ends the call and is
	// returned to the caller.
	Allow(ctx context.Context) error
	// Report is told how every allowed request ended, exactly once: the status (0
	// without an answer), how long the API asked to wait, and the error, nil when
	// the answer was good. An error that is context.Canceled or
	// context.DeadlineExceeded says nothing about the API.
	Report(ctx context.Context, status int, retryAfter time.Duration, err error)
}

// Codes are the codes of an API's failures.
type Codes struct {
	Unauthorized hotsync.Code // credentials or token refused
	Refused      hotsync.Code
	RateLimited  hotsync.Code
	Unavailable  hotsync.Code // no whole answer, or one that says try later
	Answer       hotsync.Code // an answer that cannot be understood
	Host         hotsync.Code // an answer that points to another host
}

// Config is what a Client is made of. All members are needed but those that say
// otherwise.
type Config struct {
	API       string // its name in messages, such as Zuora
	Base      string // scheme and host
	TokenPath string // of the token endpoint, below Base
	Codes     Codes
	// Credentials returns the OAuth client. refresh says that what it gave before was
	// refused, so that a rotated secret is to be read again.
	Credentials func(ctx context.Context, refresh bool) (clientID, clientSecret string, err error)
	Transport   http.RoundTripper
	Gate        Gate          // nil: always open
	Timeout     time.Duration // of one request with its answer
	MaxBody     int64         // bytes of one answer, uncompressed
	Now         func() time.Time
	Log         *slog.Logger
	// Refused makes the error of an answer outside 2xx, other than a redirect.
	Refused func(r Request, res *http.Response, body []byte) error
	// Unread makes the error of a whole answer that its reader did not take.
	Unread func(res *http.Response, err error) error
	// ReadToken reads the answer of the token endpoint; nil is ReadToken.
	ReadToken func(io.Reader) (Token, error)
	// Header returns what every request of a call carries, that for its token too; nil
	// is nothing.
	Header func(ctx context.Context) http.Header
	// Observe sees the headers of every answer; nil for nobody.
	Observe func(r Request, res *http.Response)
	// RequestID is the header by which the API's support finds a request; "" for none.
	RequestID string
}

// Client calls one API. It is safe for concurrent use.
type Client struct {
	Config
	base   *url.URL
	tokens tokens
	calls  atomic.Int64
}

// New makes a Client. It makes no call.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.Base)
	if err != nil {
		return nil, errors.New("the address of the API cannot be parsed") // err holds it, and it might hold a password
	}
	if cfg.ReadToken == nil {
		cfg.ReadToken = ReadToken
	}
	c := &Client{Config: cfg, base: base}
	c.tokens.now, c.tokens.fetch = cfg.Now, c.fetchToken
	return c, nil
}

// Calls is how many requests were made, with those for tokens.
func (c *Client) Calls() int64 { return c.calls.Load() }

// Request is one call. Path is escaped, and with its query.
type Request struct {
	Method      string
	Path        string
	Template    string // for the log: the path without what was asked for
	ContentType string
	Body        []byte
	Header      http.Header
	// Silent reports whether an end of this call says nothing about the API; nil is
	// never. A caller that gave up never does.
	Silent func(status int, err error) bool
	// Tag is the caller's own, for Refused and Observe.
	Tag any

	token string
}

// IsToken reports whether the request asks for a token.
func (r Request) IsToken() bool { return r.token == "" }

// Do makes the call with a bearer token, and once more with a new one when the
// API answers that it is not valid. The body of a good answer goes to read, which
// is called again from the start when the call was repeated.
func (c *Client) Do(ctx context.Context, r Request, read func(io.Reader) error) (err error) {
	r.token, err = c.token(ctx, "")
	if err != nil {
		return err
	}
	err = c.send(ctx, r, read)
	if !c.isUnauthorized(err) {
		return err
	}
	r.token, err = c.token(ctx, r.token)
	if err != nil {
		return err
	}
	return c.send(ctx, r, read)
}

func (c *Client) isUnauthorized(err error) bool {
	var e *hotsync.Error
	return errors.As(err, &e) && e.Code == c.Codes.Unauthorized
}

// send makes one HTTP request.
func (c *Client) send(ctx context.Context, r Request, read func(io.Reader) error) (err error) {
	if c.Gate != nil {
		err = c.Gate.Allow(ctx)
		if err != nil {
			return err
		}
	}
	began, status, requestID := c.Now(), 0, ""
	defer func() {
		c.log(ctx, r, status, requestID, c.Now().Sub(began))
		c.report(ctx, r, status, err)
	}()
	callCtx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := c.request(callCtx, r)
	if err != nil {
		return err
	}
	c.calls.Add(1)
	telemetry.CountCall(ctx)
	res, err := c.Transport.RoundTrip(req)
	if err != nil {
		return c.unanswered(ctx, callCtx, err)
	}
	defer res.Body.Close()
	status = res.StatusCode
	requestID = PlainID(res.Header.Get(c.RequestID))
	if c.Observe != nil {
		c.Observe(r, res)
	}
	if status < 200 || status > 299 {
		return c.refused(ctx, callCtx, r, res)
	}
	body := bound(res.Body, res.ContentLength, c.MaxBody)
	whole, head := withHead(body)
	if IsPage(head) {
		return hotsync.Errorf(c.Codes.Unavailable, "%s did not answer: a web page came instead.", c.API)
	}
	err = read(whole)
	if err != nil {
		return c.unread(ctx, callCtx, body, res, err)
	}
	// What is left is read only for the connection's sake; the answer is whole.
	_, _ = io.CopyN(io.Discard, whole, maxDrain)
	return nil
}

func (c *Client) log(ctx context.Context, r Request, status int, requestID string, took time.Duration) {
	name := strings.ToLower(c.API)
	attrs := []any{"method", r.Method, "path", r.Template, "status", status, "ms", took.Milliseconds()}
	if requestID != "" {
		attrs = append(attrs, name+"_request_id", requestID)
	}
	c.Log.DebugContext(ctx, name+" call", attrs...)
}

// report tells the gate how a request ended. The report counts even if the
// caller has just given up.
func (c *Client) report(ctx context.Context, r Request, status int, err error) {
	if c.Gate == nil {
		return
	}
	var wait time.Duration
	var e *hotsync.Error
	if errors.As(err, &e) {
		wait = e.RetryAfter
	}
	if err != nil && (ctx.Err() != nil || r.Silent != nil && r.Silent(status, err)) {
		status, wait, err = 0, 0, context.Canceled
	}
	c.Gate.Report(context.WithoutCancel(ctx), status, wait, err)
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	address := strings.TrimSuffix(c.Base, "/") + r.Path
	req, err := http.NewRequestWithContext(ctx, r.Method, address, bytes.NewReader(r.Body))
	if err != nil {
		// Its text has the address, and that has what was asked for.
		return nil, hotsync.Errorf(hotsync.CodeInternal, "A request to %s could not be made.", c.API)
	}
	maps.Copy(req.Header, r.Header)
	if c.Header != nil {
		maps.Copy(req.Header, c.Header(ctx))
	}
	req.Header.Set("User-Agent", "hotsync")
	req.Header.Set("Accept", "application/json")
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	return req, nil
}

// refused makes the error of an answer outside 2xx.
func (c *Client) refused(ctx, callCtx context.Context, r Request, res *http.Response) error {
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return c.redirected(res.Header.Get("Location"))
	}
	if r.IsToken() {
		// The token endpoint may repeat the credentials: the status has to do, and whether
		// it was the endpoint that answered.
		rest, head := withHead(res.Body)
		_, _ = io.CopyN(io.Discard, rest, maxDrain)
		return c.tokenRefused(res, IsPage(head))
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if ctx.Err() != nil {
		return c.unanswered(ctx, callCtx, err)
	}
	// The status counts even if the body breaks off.
	return c.Refused(r, res, body)
}

// redirected refuses to follow: the bearer token would go along.
func (c *Client) redirected(location string) error {
	u, err := c.base.Parse(location)
	if err != nil || !strings.EqualFold(hostPort(u), hostPort(c.base)) {
		return hotsync.Errorf(c.Codes.Host, "%s's answer points to another host, which is not called.", c.API)
	}
	return hotsync.Errorf(c.Codes.Answer, "%s answered with a redirect, which is not followed.", c.API)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// unanswered makes the error of a request without a whole answer.
func (c *Client) unanswered(ctx, callCtx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return c.ended(ctx)
	case callCtx.Err() != nil:
		return hotsync.Errorf(c.Codes.Unavailable, "%s did not answer within %s.", c.API, c.Timeout)
	default:
		return hotsync.Errorf(c.Codes.Unavailable, "%s could not be reached, or its answer broke off.", c.API).
			Because(withoutURL(err))
	}
}

// ended reports that the caller ran out of time, which is not the API's fault.
func (c *Client) ended(ctx context.Context) error {
	return hotsync.Errorf(hotsync.CodeTimeout, "The sync ran out of time during a call to %s.", c.API).
		Because(ctx.Err())
}

// withoutURL takes the address, which holds ids, out of an error of net/http.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// unread makes the error of a good answer that read did not take.
func (c *Client) unread(ctx, callCtx context.Context, body *bounded, res *http.Response, err error) error {
	switch {
	case errors.Is(body.err, errTooLarge):
		return hotsync.Errorf(c.Codes.Answer, "%s's answer is larger than %d bytes.", c.API, c.MaxBody)
	case body.err != nil, ctx.Err() != nil:
		return c.unanswered(ctx, callCtx, body.err)
	}
	var known *hotsync.Error
	if errors.As(err, &known) {
		return err
	}
	return c.Unread(res, err)
}

// PlainID keeps what a header may safely say in a log line: up to 64 letters,
// digits, dashes and underscores.
func PlainID(id string) string {
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

// String implements fmt.Stringer without what a client knows.
func (c *Client) String() string { return fmt.Sprintf("client of %s", c.API) }
