package limio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
)

const (
	maxErrorBody  = 8 << 10   // how much of a refusal is read: enough for a message
	maxDrain      = 64 << 10  // how much of an unread answer is worth a connection
	maxRetryAfter = time.Hour // what Limio can ask us to wait
)

// operation is an operation of the API: its method, and its path below /api
// with {name} where an id goes.
type operation struct{ method, template string }

// path puts the ids into the template, in order, each as one path segment or,
// after the question mark, as the value of a parameter.
func (o operation) path(ids []string) (string, error) {
	var b strings.Builder
	rest := o.template
	for _, id := range ids {
		if id == "" || id == "." || id == ".." {
			return "", hotsync.Errorf(hotsync.CodeInternal, "An id is missing in a call to Limio.")
		}
		before, after, ok := strings.Cut(rest, "{")
		if !ok {
			return "", hotsync.Errorf(hotsync.CodeInternal, "Too many ids for %s.", o.template)
		}
		b.WriteString(before)
		if strings.Contains(b.String(), "?") {
			b.WriteString(url.QueryEscape(id))
		} else {
			b.WriteString(url.PathEscape(id))
		}
		_, rest, _ = strings.Cut(after, "}")
	}
	if strings.Contains(rest, "{") {
		return "", hotsync.Errorf(hotsync.CodeInternal, "Too few ids for %s.", o.template)
	}
	b.WriteString(rest)
	return b.String(), nil
}

// call carries out an operation with a bearer token, and once more with a new
// token when Limio answers 401. body, unless nil, is sent as JSON; the answer
// is decoded into out, unless that is nil.
func (c *Client) call(ctx context.Context, o operation, ids []string, body, out any) (err error) {
	defer hotsync.In(&err, "%s %s", o.method, o.template)
	path, err := o.path(ids)
	if err != nil {
		return err
	}
	r := request{method: o.method, template: o.template, url: c.base + "/api" + path, out: out}
	if body != nil {
		r.contentType = "application/json"
		r.body, err = json.Marshal(body)
		if err != nil {
			return hotsync.Errorf(hotsync.CodeInternal, "The object for Limio has no JSON form.").Because(err)
		}
	}
	r.token, err = c.tokens.get(ctx, "")
	if err != nil {
		return err
	}
	err = c.send(ctx, r)
	var refused *refusal
	if !errors.As(err, &refused) || refused.status != http.StatusUnauthorized {
		return err
	}
	r.token, err = c.tokens.get(ctx, r.token)
	if err != nil {
		return err
	}
	return c.send(ctx, r)
}

// request is one HTTP request.
type request struct {
	method, template, url string
	token                 string // "" for the token endpoint
	contentType           string
	body                  []byte
	out                   any
}

// send makes one HTTP request within the client's limits.
func (c *Client) send(ctx context.Context, r request) (err error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ended(ctx)
	}
	if c.gate != nil {
		err = c.gate.Allow(ctx)
		if err != nil {
			return err
		}
	}
	status := 0
	defer func() { c.report(ctx, r, status, err) }()
	callCtx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(callCtx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return hotsync.Errorf(hotsync.CodeInternal, "The request to Limio could not be made.").Because(withoutURL(err))
	}
	req.Header.Set("Accept", "application/json")
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}

	telemetry.CountCall(ctx)
	began := c.now()
	defer func() {
		c.log.DebugContext(ctx, "limio call", "method", r.method, "path", r.template,
			"status", status, "ms", c.now().Sub(began).Milliseconds())
	}()
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, callCtx, err)
	}
	defer res.Body.Close()
	status = res.StatusCode
	if status < 200 || status > 299 {
		return c.refused(res, r.body)
	}
	if r.out == nil {
		return done(res.Body)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, c.maxBody+1))
	if err != nil {
		return c.unreachable(ctx, callCtx, err)
	}
	if int64(len(body)) > c.maxBody {
		return hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer is larger than %d bytes.", c.maxBody)
	}
	err = json.Unmarshal(body, r.out)
	if err != nil {
		return answerInvalid(err)
	}
	return nil
}

// report tells the gate how a request ended. Two ends say nothing about Limio: a
// caller that gave up, and a 502 for an account, which may only say that Limio
// does not have it (see absent.go).
func (c *Client) report(ctx context.Context, r request, status int, err error) {
	if c.gate == nil {
		return
	}
	if ctx.Err() != nil || status == http.StatusBadGateway && r.template == customerByAccount.template {
		status, err = 0, context.Canceled
	}
	var wait time.Duration
	var e *hotsync.Error
	if errors.As(err, &e) {
		wait = e.RetryAfter
	}
	c.gate.Report(context.WithoutCancel(ctx), status, wait, err)
}

// done reads the answer to a write. The status says that it was done; what Limio
// sends along, and whether all of it arrives, does not matter. But a page that
// something between us and Limio put there is no answer of Limio's: writing again
// does no harm, believing it would.
func done(body io.Reader) error {
	// What is read serves the connection, too, so that it can be used again.
	text, _ := io.ReadAll(io.LimitReader(body, maxDrain))
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] != '{' && text[0] != '[' {
		return hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer to a write is no JSON.")
	}
	return nil
}

// answerInvalid reports an answer that cannot be understood. The errors of
// encoding/json can repeat a number of the answer, so only their kind and place
// are kept.
func answerInvalid(err error) error {
	var (
		known  *hotsync.Error
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &syntax):
		err = fmt.Errorf("JSON syntax at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		err = fmt.Errorf("JSON member %q at byte %d has the wrong type", kind.Field, kind.Offset)
	default:
		err = errors.New("not the expected JSON")
	}
	return hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer could not be read.").Because(err)
}

// ended reports that the caller ran out of time, which is not Limio's fault.
func ended(ctx context.Context) error {
	return hotsync.Errorf(hotsync.CodeTimeout, "The sync ran out of time during a call to Limio.").Because(ctx.Err())
}

// unreachable reports a request without a whole answer.
func (c *Client) unreachable(ctx, callCtx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ended(ctx)
	case callCtx.Err() != nil:
		return hotsync.Errorf(hotsync.CodeLimioUnavailable, "Limio did not answer within %s.", c.timeout)
	default:
		return hotsync.Errorf(hotsync.CodeLimioUnavailable, "Limio could not be reached, or its answer broke off.").Because(withoutURL(err))
	}
}

// withoutURL takes the address, which holds ids, out of an error of net/http.
func withoutURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// retryAfter reads the header of RFC 9110, section 10.2.3: seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	seconds, err := strconv.Atoi(value)
	if err == nil {
		return min(max(0, time.Duration(min(seconds, 86400))*time.Second), maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}
