package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"hotsync/local/stack"
)

// bareRequest is a request as function calls of testdata repeats it.
type bareRequest struct {
	Method, URL, Body string
	Header            http.Header
}

// recorder stands before a service, passes every request on and keeps those that are
// made while it is on.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	to       *url.URL
	on       bool
	requests []bareRequest
}

func newRecorder() *recorder {
	r := &recorder{}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		// The host stays: it is part of what the caller signed.
		p.Out.URL.Scheme, p.Out.URL.Host = r.target().Scheme, r.target().Host
	}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		in.Body = io.NopCloser(strings.NewReader(string(body)))
		r.note(in, string(body))
		proxy.ServeHTTP(w, in)
	}))
	return r
}

func (r *recorder) target() *url.URL {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.to
}

func (r *recorder) note(in *http.Request, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return
	}
	header := in.Header.Clone()
	header.Del("Accept-Encoding") // net/http asks for it, and unpacks only what it has asked for itself
	r.requests = append(r.requests, bareRequest{Method: in.Method, URL: r.to.JoinPath(in.URL.Path).String() + "?" +
		in.URL.RawQuery, Body: body, Header: header})
}

// aim sets where requests go, before the first is made.
func (r *recorder) aim(base string) error {
	to, err := url.Parse(base)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
	return err
}

// start begins to keep requests; taken ends that and returns them.
func (r *recorder) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = true
}

func (r *recorder) taken() []bareRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on = false
	return r.requests
}

// bareWork is what function calls of testdata is asked to do.
type bareWork struct {
	Times    int
	Requests []bareRequest
	Gets     int
	Puts     []int
}

// floor returns the processor time of a bare function that makes the calls of an unchanged
// sync, and those calls. One that writes to the store is a PutItem of the same size there,
// and one that reads a GetItem.
func (b *bench) floor(ctx context.Context, subscriptions int) (time.Duration, bareWork, error) {
	zuora, limio, store := newRecorder(), newRecorder(), newRecorder()
	all := []*recorder{zuora, limio, store}
	for _, r := range all {
		defer r.Close()
	}
	s, err := b.stack(ctx, stack.Options{
		Paused:     true,
		Parameters: map[string]string{"ZuoraBaseUrl": zuora.URL, "LimioBaseUrl": limio.URL},
		Env:        []string{"AWS_ENDPOINT_URL_DYNAMODB=" + store.URL},
	})
	if err != nil {
		return 0, bareWork{}, err
	}
	defer s.Close()
	for i, base := range []string{s.ZuoraURL, s.LimioURL, b.engines.DynamoDBEndpoint} {
		err = all[i].aim(base)
		if err != nil {
			return 0, bareWork{}, err
		}
	}
	id, err := s.putAccount(ctx, 0, subscriptions)
	if err != nil {
		return 0, bareWork{}, err
	}
	for n := range 3 { // the first writes; what a process learns once it knows after the second
		if n == 2 {
			for _, r := range all {
				r.start()
			}
		}
		_, err = s.handle(ctx, []string{id})
		if err != nil {
			return 0, bareWork{}, err
		}
	}
	w := bareWork{Requests: append(zuora.taken(), limio.taken()...)}
	for _, r := range store.taken() {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		switch operation {
		case "GetItem", "Query", "BatchGetItem":
			w.Gets++
		default:
			w.Puts = append(w.Puts, len(r.Body))
		}
	}
	took, err := b.cpuOfCalls(ctx, w)
	return took, w, err
}

// cpuOfCalls returns the processor time of a bare function that makes these calls, for
// once, ten at a time as in a batch.
func (b *bench) cpuOfCalls(ctx context.Context, w bareWork) (time.Duration, error) {
	const many, rounds = 10, 40
	plain, err := b.startBare(ctx, b.engines, "x", "")
	if err != nil {
		return 0, err
	}
	defer plain.close()
	w.Times = many
	payload, err := json.Marshal(w)
	if err != nil {
		return 0, err
	}
	var before time.Duration
	for n := range rounds + 1 {
		if n == 1 { // the first was its start
			before, err = cpuTime(plain.programs["calls"])
			if err != nil {
				return 0, err
			}
		}
		answer, err := plain.Invoke(ctx, "calls", payload)
		if err != nil || answer.FunctionError != "" {
			return 0, fmt.Errorf("calls answered %s %s: %v", answer.FunctionError, answer.Payload, err)
		}
	}
	after, err := cpuTime(plain.programs["calls"])
	return (after - before) / (many * rounds), err
}
