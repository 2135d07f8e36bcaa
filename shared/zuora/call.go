package zuora

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"hotsync/shared/apiclient"
	"hotsync/shared/hotsync"
)

const (
	// version pins the behaviour of the API; without it a tenant may answer errors
	// with status 200: https://developer.zuora.com/v1-api-reference/api-versions
	version = "2025-08-12"
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
			return call{}, hotsync.Errorf(
				hotsync.CodeBadRequest,
				"This cannot be the id or number of anything in Zuora.",
			)
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
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) || strings.Trim(key, ".") == "" ||
		strings.TrimSpace(key) != key {
		return false
	}
	return !strings.ContainsFunc(key, func(r rune) bool {
		return unicode.IsControl(r) || strings.ContainsRune(`/\?#%;`, r)
	})
}

// get makes the call and reads its answer; read is called again from the start
// when the call had to be repeated with a new token.
func get[T any](ctx context.Context, c *Client, r call, read func(io.Reader) (T, error)) (T, error) {
	var none, out T
	err := r.pool.acquire(ctx)
	if err != nil {
		return none, err
	}
	defer r.pool.release()
	err = c.api.Do(ctx, r.request(), func(body io.Reader) (err error) {
		out, err = read(body)
		return err
	})
	if err != nil {
		return none, err
	}
	return out, nil
}

// request is the call as it goes out.
func (r call) request() apiclient.Request {
	path := r.path
	if r.query != "" {
		path += "?" + r.query
	}
	out := apiclient.Request{Method: r.method, Path: path, Template: r.template, ContentType: r.contentType,
		Body:   []byte(r.body),
		Header: http.Header{"Zuora-Version": {version}}, Tag: r.pool}
	if r.optional {
		out.Silent = func(status int, _ error) bool { return status != http.StatusTooManyRequests }
	}
	return out
}

// observe notes what an answer says about the limits.
func (c *Client) observe(r apiclient.Request, res *http.Response) {
	limited := res.StatusCode == http.StatusTooManyRequests
	if limited {
		c.rateLimited.Add(1)
	}
	p, ok := r.Tag.(*pool)
	if !ok { // the token endpoint has limits of its own
		return
	}
	left, ok := number(res.Header.Get("Ratelimit-Remaining"))
	if ok {
		c.rateRemaining.Store(int64(left))
	}
	p.observe(res.Header, limited)
}

// refused makes the error of an answer that is not good by its status.
func (c *Client) refused(_ apiclient.Request, res *http.Response, body []byte) error {
	return classify(decodeFailure(res.StatusCode, body), res.Header, c.now())
}

// unread makes the error of a good answer that was not taken: Zuora may say with
// status 200 that it failed.
func (c *Client) unread(res *http.Response, err error) error {
	f, ok := said(err)
	if ok {
		return classify(f, res.Header, c.now())
	}
	err = unreadable(err)
	return hotsync.Errorf(hotsync.CodeZuoraAnswer, "Zuora's answer could not be read (%v).", err).Because(err)
}

// readToken reads the answer of the token endpoint, which may be a failure with
// status 200 as well.
// Source: https://developer.zuora.com/v1-api-reference/api/operation/createToken
func readToken(body io.Reader) (t apiclient.Token, err error) {
	var seconds amount
	err = answer(body, false, func(d decoder, name string) error {
		switch name {
		case "access_token":
			return d.value(&t.Value)
		case "expires_in":
			return d.value(&seconds)
		default:
			return d.skip()
		}
	})
	if seconds.Valid {
		t.ExpiresIn = seconds.Decimal.String()
	}
	return t, err
}
