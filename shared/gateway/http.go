package gateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Serve makes a Lambda handler of h, so that handlers are written and tested as
// ordinary net/http. What an event lacks (protocol, TLS) is filled with what API
// Gateway guarantees: HTTP/1.1 over TLS. What is no event is answered with 400.
func Serve(h http.Handler) func(context.Context, json.RawMessage) (Answer, error) {
	return func(ctx context.Context, raw json.RawMessage) (Answer, error) {
		e, err := Decode(raw)
		if err != nil {
			return JSON(http.StatusBadRequest, map[string]string{"message": "Bad Request"}), nil
		}
		r, err := e.Request(ctx)
		if err != nil {
			return JSON(http.StatusBadRequest, map[string]string{"message": "Bad Request"}), nil
		}
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, r)
		return w.answer(e.isRest()), nil
	}
}

// Request is the event as a request of net/http.
func (e *Event) Request(ctx context.Context) (*http.Request, error) {
	body, err := e.Content()
	if err != nil {
		return nil, err
	}
	target := &url.URL{Path: e.EventPath(), RawQuery: e.query()}
	if _, ofRoute := fill(e.route(), e.PathParameters); !ofRoute { // whose parameters are unescaped already
		if p, err := url.PathUnescape(target.Path); err == nil {
			target.Path, target.RawPath = p, target.Path
		}
	}
	r, err := http.NewRequestWithContext(ctx, e.Method(), target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.RequestURI = target.RequestURI()
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	for name, values := range e.MultiHeaders {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	r.Host = r.Header.Get("Host")
	if r.Host == "" {
		r.Host = e.RequestContext.DomainName
	}
	r.RemoteAddr = e.RequestContext.HTTP.SourceIP
	if r.RemoteAddr == "" {
		r.RemoteAddr = e.RequestContext.Identity.SourceIP
	}
	r.ContentLength = int64(len(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r, nil
}

// recorder collects an answer: API Gateway does not stream.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.header.Get("Content-Type") == "" && w.header.Get("Content-Encoding") == "" {
		w.header.Set("Content-Type", http.DetectContentType(p))
	}
	return w.body.Write(p)
}

func (w *recorder) answer(rest bool) Answer {
	w.WriteHeader(http.StatusOK)
	out := Answer{StatusCode: w.status, Headers: map[string]string{}}
	for name, values := range w.header {
		switch {
		case name != "Set-Cookie":
			out.Headers[name] = strings.Join(values, ", ")
		case rest:
			out.MultiHeaders = map[string][]string{name: values}
		default:
			out.Cookies = values
		}
	}
	body := w.body.Bytes()
	if w.header.Get("Content-Encoding") == "" && utf8.Valid(body) {
		out.Body = string(body)
		return out
	}
	out.Body, out.IsBase64 = base64.StdEncoding.EncodeToString(body), true
	return out
}
