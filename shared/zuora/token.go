package zuora

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"hotsync/shared/hotsync"
)

const (
	tokenPath = "/oauth/token"
	// earlyRenewal is how long before its end a token is renewed.
	earlyRenewal = 60 * time.Second
	// maxTokenLife is far above the hour that Zuora gives.
	maxTokenLife = 24 * time.Hour
	// maxTokenBody is far above Zuora's answer of a few hundred bytes.
	maxTokenBody = 64 << 10
	// tokenWindow is the shortest window of the token quota, 100 a minute for one
	// address: https://developer.zuora.com/docs/guides/rate-limits
	tokenWindow = time.Minute
)

// tokens keeps the bearer token of the client.
type tokens struct {
	flight singleflight.Group

	mu      sync.Mutex
	value   string
	renewAt time.Time
}

func (t *tokens) valid(refused string, now time.Time) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value, t.value != "" && t.value != refused && now.Before(t.renewAt)
}

func (t *tokens) keep(value string, renewAt time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value, t.renewAt = value, renewAt
}

// token gives a token other than refused, which is "" unless Zuora has just
// answered 401 to it. However many callers need one at once, one request is
// made; a caller that gives up does not end it for the others.
func (c *Client) token(ctx context.Context, refused string) (string, error) {
	value, ok := c.tokens.valid(refused, c.now())
	if ok {
		return value, nil
	}
	fetched := c.tokens.flight.DoChan(refused, func() (any, error) {
		// Another flight may have landed since.
		value, ok := c.tokens.valid(refused, c.now())
		if ok {
			return value, nil
		}
		return c.fetchToken(context.WithoutCancel(ctx), refused != "")
	})
	select {
	case r := <-fetched:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// fetchToken asks for a token with the credentials at hand, and once more with
// fresh ones when those are refused: they may have been rotated.
func (c *Client) fetchToken(ctx context.Context, refresh bool) (_ string, err error) {
	defer hotsync.In(&err, "zuora.token")
	value, err := c.requestToken(ctx, refresh)
	if !refresh && isUnauthorized(err) {
		value, err = c.requestToken(ctx, true)
	}
	return value, err
}

func (c *Client) requestToken(ctx context.Context, refresh bool) (string, error) {
	id, secret, err := c.credentials(ctx, refresh)
	if err != nil {
		return "", err
	}
	form := url.Values{"client_id": {id}, "client_secret": {secret}, "grant_type": {"client_credentials"}}
	asked := c.now()
	var value string
	var life time.Duration
	err = c.send(ctx, call{method: http.MethodPost, template: tokenPath, path: tokenPath,
		contentType: "application/x-www-form-urlencoded", body: form.Encode()},
		func(body io.Reader) (err error) {
			value, life, err = readToken(io.LimitReader(body, maxTokenBody))
			return err
		})
	if err != nil {
		return "", err
	}
	c.tokens.keep(value, asked.Add(life-min(earlyRenewal, life/2)))
	return value, nil
}

// readToken reads the answer of the token endpoint.
// Source: https://developer.zuora.com/v1-api-reference/api/operation/createToken
func readToken(body io.Reader) (value string, life time.Duration, err error) {
	var seconds amount
	err = answer(body, false, func(d decoder, name string) error {
		switch name {
		case "access_token":
			return d.value(&value)
		case "expires_in":
			return d.value(&seconds)
		default:
			return d.skip()
		}
	})
	if err != nil {
		return "", 0, err
	}
	if value == "" || len(value) > 4096 {
		return "", 0, errors.New("no token")
	}
	for _, c := range []byte(value) {
		if c <= ' ' || c > '~' {
			return "", 0, errors.New("the token has characters that no header takes")
		}
	}
	s := seconds.Decimal.InexactFloat64()
	return value, time.Duration(min(max(0, s), maxTokenLife.Seconds()) * float64(time.Second)), nil
}

// tokenRefused makes the error of a token endpoint that gave no token.
func tokenRefused(res *http.Response, now time.Time) error {
	code, wait := hotsync.CodeZuoraRefused, time.Duration(0)
	switch s := res.StatusCode; {
	case s == http.StatusBadRequest, s == http.StatusUnauthorized, s == http.StatusForbidden:
		code = hotsync.CodeZuoraUnauthorized // wrong credentials: RFC 6749, section 5.2
	case s == http.StatusTooManyRequests:
		code, wait = hotsync.CodeZuoraRateLimited, tokenWindow
	case s >= 500, s == http.StatusRequestTimeout, s == http.StatusTooEarly:
		code = hotsync.CodeZuoraUnavailable
	}
	asked := retryAfter(now, res.Header.Get("Retry-After"))
	if asked > 0 {
		wait = asked
	}
	return hotsync.Errorf(code, "Zuora gave no token (status %d).", res.StatusCode).After(wait)
}
