package zuora

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
)

const (
	// version pins the behaviour of the API; without it a tenant may answer errors
	// with status 200: https://developer.zuora.com/v1-api-reference/api-versions
	version = "2025-08-12"
	// maxErrorBody is how much of a refusal is read.
	maxErrorBody = 64 << 10
	// maxDrain is how much of an answer is read on, so that its connection can be
	// used again.
	maxDrain = 16 << 10
	// maxKey is above any account number (70 characters) or id.
	maxKey = 100
)

// call is one HTTP request.
type call struct {
	method      string
	template    string // for the log: the path with {key} for the key
	path        string // escaped
	query       string // encoded
	contentType string
	body        string
	pool        *pool
	token       string
	optional    bool // a failure of this call alone says nothing about Zuora
}

// getCall makes a call to a path with at most one {key}.
func (c *Client) getCall(template, key, query string) (call, error) {
	r := call{method: http.MethodGet, template: template, path: template, query: query, pool: c.defaults}
	if strings.HasPrefix(template, "/object-query/") {
		r.pool = c.objectQuery
	}
	if strings.Contains(template, "{key}") {
		if !isKey(key) {
			return call{}, hotsync.Errorf(hotsync.CodeBadRequest, "This cannot be the id or number of anything in Zuora.")
		}
		r.path = strings.Replace(template, "{key}", url.PathEscape(key), 1)
	}
	return r, nil
}

// isKey reports whether key can be an id or a number. The key becomes part of a
// path, where some characters would lead elsewhere. Whatever can name an account
// can be asked for; numbers of subscriptions may have further characters.
func isKey(key string) bool {
	if hotsync.IsAccountKey(key) {
		return true
	}
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) || strings.Trim(key, ".") == "" || strings.TrimSpace(key) != key {
		return false
	}
	return !strings.ContainsFunc(key, func(r rune) bool {
		return unicode.IsControl(r) || strings.ContainsRune(`/\?#%;`, r)
	})
}

// get makes the call and reads its answer; read is called again from the start
// when the call had to be repeated with a new token.
func get[T any](ctx context.Context, c *Client, r call, read func(io.Reader) (T, error)) (T, error) {
	var none T
	err := r.pool.acquire(ctx)
	if err != nil {
		return none, err
	}
	defer r.pool.release()
	r.token, err = c.token(ctx, "")
	if err != nil {
		return none, err
	}
	var out T
	into := func(body io.Reader) (err error) {
		out, err = read(body)
		return err
	}
	err = c.send(ctx, r, into)
	if isUnauthorized(err) {
		r.token, err = c.token(ctx, r.token)
		if err != nil {
			return none, err
		}
		err = c.send(ctx, r, into)
	}
	if err != nil {
		return none, err
	}
	return out, nil
}

func isUnauthorized(err error) bool {
	var e *hotsync.Error
	return errors.As(err, &e) && e.Code == hotsync.CodeZuoraUnauthorized
}

// send makes one HTTP request. The body of an answer with status 200 goes to
// read. Errors are *hotsync.Error, or ctx's own when the caller gave up.
func (c *Client) send(ctx context.Context, r call, read func(io.Reader) error) (err error) {
	if c.gate != nil {
		err = c.gate.Allow(ctx)
		if err != nil {
			return err
		}
	}
	began, status, requestID := c.now(), 0, ""
	defer func() {
		c.log.DebugContext(ctx, "zuora call", "method", r.method, "path", r.template, "status", status,
			"zuora_request_id", requestID, "ms", c.now().Sub(began).Milliseconds())
		if c.gate != nil {
			var wait time.Duration
			var e *hotsync.Error
			if errors.As(err, &e) {
				wait = e.RetryAfter
			}
			// The report counts even if the caller has just given up.
			reported, reason := status, err
			if r.optional && err != nil && status != http.StatusTooManyRequests {
				reported, reason = 0, context.Canceled
			}
			c.gate.Report(context.WithoutCancel(ctx), reported, wait, reason)
		}
	}()
	callCtx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(callCtx, r)
	if err != nil {
		return err
	}
	c.calls.Add(1)
	telemetry.CountCall(ctx)
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return c.unanswered(ctx, callCtx, err)
	}
	defer res.Body.Close()
	status, requestID = res.StatusCode, plainID(res.Header.Get("Zuora-Request-Id"))
	c.observe(r, res)
	if status != http.StatusOK {
		return c.refused(ctx, callCtx, r, res)
	}
	body := &boundedReader{from: res.Body, left: c.maxBody}
	if res.ContentLength > c.maxBody {
		body.left, body.err = 0, errTooLarge
	}
	err = read(body)
	if err != nil {
		return c.unread(ctx, callCtx, body, res, err)
	}
	// What is left is read only for the connection's sake; the answer is whole.
	_, _ = io.CopyN(io.Discard, body, maxDrain)
	return nil
}

func (c *Client) request(ctx context.Context, r call) (*http.Request, error) {
	u := *c.base
	path, err := url.PathUnescape(r.path)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath, u.RawQuery = path, r.path, r.query
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		// Its text has the address, and that has the lookup's value.
		return nil, hotsync.Errorf(hotsync.CodeInternal, "A request to Zuora could not be made.")
	}
	req.Header.Set("User-Agent", "hotsync")
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
		req.Header.Set("Zuora-Version", version)
	}
	id, ok := ctx.Value(trackKey{}).(string)
	if ok && id != "" {
		req.Header.Set("Zuora-Track-Id", id)
	}
	return req, nil
}

// observe notes what the answer says about the limits.
func (c *Client) observe(r call, res *http.Response) {
	limited := res.StatusCode == http.StatusTooManyRequests
	if limited {
		c.rateLimited.Add(1)
	}
	if r.pool == nil { // the token endpoint has limits of its own
		return
	}
	left, ok := number(res.Header.Get("Ratelimit-Remaining"))
	if ok {
		c.rateRemaining.Store(int64(left))
	}
	r.pool.observe(res.Header, limited)
}

// refused makes the error of an answer whose status is not 200.
func (c *Client) refused(ctx, callCtx context.Context, r call, res *http.Response) error {
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return c.redirected(res.Header.Get("Location"))
	}
	if r.pool == nil {
		// The token endpoint may repeat the credentials: the status has to do.
		_, _ = io.CopyN(io.Discard, res.Body, maxDrain)
		return tokenRefused(res, c.now())
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if ctx.Err() != nil {
		return c.unanswered(ctx, callCtx, err)
	}
	// The status counts even if the body breaks off.
	return classify(decodeFailure(res.StatusCode, body), res.Header, c.now())
}

// redirected refuses to follow: the bearer token would go along.
func (c *Client) redirected(location string) error {
	u, err := c.base.Parse(location)
	if err != nil || !strings.EqualFold(hostPort(u), hostPort(c.base)) {
		return hotsync.Errorf(hotsync.CodeZuoraHost, "Zuora's answer points to another host, which is not called.")
	}
	return hotsync.Errorf(hotsync.CodeZuoraAnswer, "Zuora answered with a redirect, which is not followed.")
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
		return ctx.Err()
	case callCtx.Err() != nil:
		return hotsync.Errorf(hotsync.CodeZuoraUnavailable, "Zuora did not answer within %s.", c.timeout)
	default:
		return hotsync.Errorf(hotsync.CodeZuoraUnavailable, "Zuora could not be reached, or its answer broke off.").Because(err)
	}
}

// unread makes the error of an answer with status 200 that read did not take.
func (c *Client) unread(ctx, callCtx context.Context, body *boundedReader, res *http.Response, err error) error {
	var known *hotsync.Error
	if errors.As(err, &known) {
		return err
	}
	f, ok := said(err)
	switch {
	case ok:
		return classify(f, res.Header, c.now())
	case errors.Is(body.err, errTooLarge):
		return hotsync.Errorf(hotsync.CodeZuoraAnswer, "Zuora's answer is larger than %d bytes.", c.maxBody)
	case body.err != nil, ctx.Err() != nil:
		return c.unanswered(ctx, callCtx, body.err)
	default:
		err = unreadable(err)
		return hotsync.Errorf(hotsync.CodeZuoraAnswer, "Zuora's answer could not be read (%v).", err).Because(err)
	}
}

var errTooLarge = errors.New("too large")

// boundedReader reads at most left bytes and fails where more follow. It keeps
// the error that ended the body, so that a broken connection can be told from
// broken JSON.
type boundedReader struct {
	from io.Reader
	left int64
	err  error
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	// One byte more than allowed is asked for, to see whether there is one.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), errTooLarge
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}
