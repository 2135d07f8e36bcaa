package apiclient

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

const (
	// early is how long before its end a token is renewed.
	early = 60 * time.Second
	// maxLife is far above the hour that tokens commonly live.
	maxLife = 24 * time.Hour
	// someLife is how long a token lives whose answer does not say, which RFC 6749
	// allows: little enough.
	someLife = 5 * time.Minute
	// maxTokenBody is far above an answer of a few hundred bytes.
	maxTokenBody = 64 << 10
	maxToken     = 4096
	// tokenWindow is how long to wait when tokens were asked for too often and the
	// answer does not say: Zuora's quota is by the minute.
	tokenWindow = time.Minute
)

// Token is an answer of a token endpoint. ExpiresIn is in seconds, as text.
type Token struct{ Value, ExpiresIn string }

// ReadToken reads the answer of RFC 6749, section 5.1. expires_in may be text.
func ReadToken(r io.Reader) (Token, error) {
	var answer struct {
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	err := json.NewDecoder(r).Decode(&answer)
	return Token{Value: answer.AccessToken, ExpiresIn: strings.Trim(string(answer.ExpiresIn), `"`)}, err
}

// isUsable reports whether a header takes the token.
func (t Token) isUsable() bool {
	return t.Value != "" && len(t.Value) <= maxToken && !strings.ContainsFunc(t.Value,
		func(r rune) bool { return r <= ' ' || r > '~' })
}

// life is how long the token lives.
func (t Token) life() time.Duration {
	seconds, err := strconv.ParseFloat(t.ExpiresIn, 64)
	if err != nil || math.IsNaN(seconds) {
		return someLife
	}
	return time.Duration(min(max(0, seconds), maxLife.Seconds()) * float64(time.Second))
}

// tokens keeps the token of a client. However many callers need a new one at
// once, one request fetches it.
type tokens struct {
	now   func() time.Time
	fetch func(ctx context.Context, refresh bool) (value string, renewAt time.Time, err error)

	mu      sync.Mutex
	value   string
	renewAt time.Time
	flight  *flight // the fetch under way, if any
}

// flight is a fetch. value and err are set before done is closed.
type flight struct {
	done  chan struct{}
	value string
	err   error
}

// token returns a valid token other than refused, which is "" unless the API has
// just refused it. A caller that gives up does not end the fetch for the others.
func (c *Client) token(ctx context.Context, refused string) (string, error) {
	t := &c.tokens
	t.mu.Lock()
	if t.value != "" && t.value != refused && t.now().Before(t.renewAt) {
		defer t.mu.Unlock()
		return t.value, nil
	}
	f := t.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		t.flight = f
		go t.run(context.WithoutCancel(ctx), f, refused != "")
	}
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return "", c.ended(ctx)
	}
}

func (t *tokens) run(ctx context.Context, f *flight, refresh bool) {
	var renewAt time.Time
	f.value, renewAt, f.err = t.fetch(ctx, refresh)
	t.mu.Lock()
	if f.err == nil {
		t.value, t.renewAt = f.value, renewAt
	}
	t.flight = nil
	t.mu.Unlock()
	close(f.done)
}

// fetchToken asks for a token with the credentials at hand, and once more with
// fresh ones when those are refused: they may have been rotated.
func (c *Client) fetchToken(ctx context.Context, refresh bool) (value string, renewAt time.Time, err error) {
	defer hotsync.In(&err, "%s token", strings.ToLower(c.API))
	value, renewAt, err = c.requestToken(ctx, refresh)
	if !refresh && c.isUnauthorized(err) {
		value, renewAt, err = c.requestToken(ctx, true)
	}
	return value, renewAt, err
}

// requestToken makes the client-credentials grant of RFC 6749, section 4.4.
func (c *Client) requestToken(ctx context.Context, refresh bool) (string, time.Time, error) {
	readCtx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	id, secret, err := c.Credentials(readCtx, refresh)
	if err != nil {
		return "", time.Time{}, err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	asked := c.Now()
	var t Token
	err = c.send(ctx, Request{Method: http.MethodPost, Path: c.TokenPath, Template: c.TokenPath,
		ContentType: "application/x-www-form-urlencoded", Body: []byte(form.Encode())},
		func(body io.Reader) (err error) {
			t, err = c.ReadToken(io.LimitReader(body, maxTokenBody))
			return err
		})
	if err != nil {
		return "", time.Time{}, err
	}
	if !t.isUsable() {
		return "", time.Time{}, hotsync.Errorf(c.Codes.Answer, "%s's answer holds no token that a header takes.", c.API)
	}
	life := t.life()
	return t.Value, asked.Add(life - min(early, life/2)), nil
}

// tokenRefused makes the error of a token endpoint that gave no token. Wrong
// credentials are answered with 400 or 401 (RFC 6749, section 5.2), or with 403. A page
// with another status is nothing that the endpoint said.
func (c *Client) tokenRefused(res *http.Response, page bool) error {
	code, wait := c.Codes.Refused, RetryAfter(c.Now(), res.Header.Get("Retry-After"))
	switch s := res.StatusCode; {
	case s == http.StatusBadRequest, s == http.StatusUnauthorized, s == http.StatusForbidden:
		code = c.Codes.Unauthorized
	case s == http.StatusTooManyRequests:
		code = c.Codes.RateLimited
		if wait == 0 {
			wait = tokenWindow
		}
	case s >= 500, s == http.StatusRequestTimeout, s == http.StatusTooEarly, page:
		code = c.Codes.Unavailable
	}
	return hotsync.Errorf(code, "%s gave no token (status %d).", c.API, res.StatusCode).After(wait)
}
