package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"hotsync/local/sandbox"
	"hotsync/shared/hotsync"
)

// server is an HTTP server on a free loopback port.
type server struct {
	url  string
	http *http.Server
	done chan error
}

func serve(handler http.Handler) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + l.Addr().String(), http: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}, done: make(chan error, 1)}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

func (s *server) close() error {
	err := s.http.Close()
	served := <-s.done
	if errors.Is(served, http.ErrServerClosed) {
		return err
	}
	return errors.Join(err, served)
}

// newHop puts something that can misbehave between the functions and one of
// their AWS services.
func newHop(target string) (*server, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		// The host stays: it is part of what the caller signed.
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host },
		Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true},
		// The caller or the service went away; which of both, the caller knows.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	b := sandbox.New(time.Now)
	mux := http.NewServeMux()
	b.Register(mux)
	mux.Handle("/", proxy)
	return serve(b.Wrap(mux))
}

// watch stands before Zuora and sees who asks for what at the same time.
type watch struct {
	mu       sync.Mutex
	next     http.Handler
	calls    int
	active   int
	peak     int
	limited  int // answers with status 429
	reads    int // accounts read, by the first call of each reading plan
	of       map[string]map[string]int
	overlaps []string
}

func newWatch() *watch { return &watch{of: map[string]map[string]int{}} }

// ServeHTTP implements http.Handler.
func (w *watch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	account, sync := readOf(r)
	next := w.begin(r, account, sync)
	sw := &statusWriter{ResponseWriter: rw}
	defer func() { w.end(account, sync, sw.status) }()
	next.ServeHTTP(sw, r)
}

// before puts the watch in front of a handler.
func (w *watch) before(next http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = next
}

// readOf gives the account that a call reads, and the sync that reads it, by the
// track id that it sends.
func readOf(r *http.Request) (account, sync string) {
	for _, prefix := range []string{"/object-query/accounts/", "/v1/subscriptions/accounts/", "/v1/accounts/"} {
		key, ok := strings.CutPrefix(r.URL.Path, prefix)
		key, _, _ = strings.Cut(key, "/")
		if ok && hotsync.IsAccountID(key) {
			return key, r.Header.Get("Zuora-Track-Id")
		}
	}
	return "", ""
}

func (w *watch) begin(r *http.Request, account, sync string) (next http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.active++
	w.peak = max(w.peak, w.active)
	if strings.HasPrefix(r.URL.Path, "/v1/subscriptions/accounts/") && r.URL.Query().Get("page") == "1" {
		w.reads++
	}
	if sync == "" {
		return w.next
	}
	if w.of[account] == nil {
		w.of[account] = map[string]int{}
	}
	for other := range w.of[account] {
		if other != sync {
			w.overlaps = append(w.overlaps, fmt.Sprintf("account %s was read for %s while it was read for %s", account, sync, other))
		}
	}
	w.of[account][sync]++
	return w.next
}

func (w *watch) end(account, sync string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active--
	if status == http.StatusTooManyRequests {
		w.limited++
	}
	if sync == "" {
		return
	}
	w.of[account][sync]--
	if w.of[account][sync] == 0 {
		delete(w.of[account], sync)
	}
}

// traffic is what a watch has seen.
type traffic struct {
	calls, peak, limited, reads int
	overlaps                    []string
}

func (w *watch) seen() traffic {
	w.mu.Lock()
	defer w.mu.Unlock()
	return traffic{w.calls, w.peak, w.limited, w.reads, append([]string(nil), w.overlaps...)}
}

// statusWriter remembers the status that was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
