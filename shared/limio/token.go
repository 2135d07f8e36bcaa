package limio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

// early is how long before its end a token is renewed.
const early = 60 * time.Second

// tokenSource keeps the access token. However many callers need a new one at
// once, one request fetches it.
type tokenSource struct {
	now   func() time.Time
	fetch func(ctx context.Context, refresh bool) (token, error)

	mu      sync.Mutex
	current token
	flight  *flight // the fetch under way, if any
}

type token struct {
	value   string
	renewAt time.Time
}

type flight struct {
	done  chan struct{} // closed when token and err are set
	token token
	err   error
}

// get gives a valid token other than refused, which is "" unless Limio answered
// 401 to it. A caller that gives up does not end the fetch for the others.
func (s *tokenSource) get(ctx context.Context, refused string) (string, error) {
	s.mu.Lock()
	if s.current.value != "" && s.current.value != refused && s.now().Before(s.current.renewAt) {
		value := s.current.value
		s.mu.Unlock()
		return value, nil
	}
	f := s.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.flight = f
		go s.run(context.WithoutCancel(ctx), f, refused != "")
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.token.value, f.err
	case <-ctx.Done():
		return "", ended(ctx)
	}
}

func (s *tokenSource) run(ctx context.Context, f *flight, refresh bool) {
	f.token, f.err = s.fetch(ctx, refresh)
	s.mu.Lock()
	if f.err == nil {
		s.current = f.token
	}
	s.flight = nil
	s.mu.Unlock()
	close(f.done)
}

// fetchToken asks for a token with the credentials at hand, and once more with
// fresh ones when those are refused: they may have been rotated.
func (c *Client) fetchToken(ctx context.Context, refresh bool) (token, error) {
	t, err := c.requestToken(ctx, refresh)
	if !refresh && hotsync.AsError(err) != nil && hotsync.AsError(err).Code == hotsync.CodeLimioUnauthorized {
		return c.requestToken(ctx, true)
	}
	return t, err
}

// requestToken is the client-credentials grant:
// https://developers.limio.com/api-docs/authentication-overview/full-api
func (c *Client) requestToken(ctx context.Context, refresh bool) (_ token, err error) {
	defer hotsync.In(&err, "limio.token")
	readCtx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, secret, err := c.credentials(readCtx, refresh)
	if err != nil {
		return token{}, err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	asked := c.now()
	var answer struct {
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	err = c.send(ctx, request{
		method: http.MethodPost, template: "/oauth2/token", url: c.base + "/oauth2/token",
		contentType: "application/x-www-form-urlencoded", body: []byte(form.Encode()), out: &answer,
	})
	var refused *refusal
	if errors.As(err, &refused) {
		return token{}, tokenRefused(refused, hotsync.AsError(err))
	}
	if err != nil {
		return token{}, err
	}
	if answer.AccessToken == "" || strings.ContainsAny(answer.AccessToken, "\r\n") {
		return token{}, hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's token answer holds no token.")
	}
	life := lifetime(answer.ExpiresIn)
	return token{value: answer.AccessToken, renewAt: asked.Add(life - min(early, life/2))}, nil
}

// tokenRefused reports a refused token request without the answer's text, which
// may repeat the credentials. OAuth answers 400 or 401 to wrong ones (RFC 6749,
// section 5.2).
func tokenRefused(r *refusal, e *hotsync.Error) error {
	switch r.status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return hotsync.Errorf(hotsync.CodeLimioUnauthorized, "Limio gave no token: it refused the OAuth client with status %d.", r.status)
	default:
		return hotsync.Errorf(e.Code, "Limio gave no token: status %d.", r.status).After(e.RetryAfter)
	}
}

// lifetime reads expires_in, a number of seconds or its text. RFC 6749 lets it
// be left out; five minutes is then little enough.
func lifetime(raw json.RawMessage) time.Duration {
	seconds, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || !(seconds > 0) {
		return 5 * time.Minute
	}
	return time.Duration(min(seconds, 86400) * float64(time.Second))
}
