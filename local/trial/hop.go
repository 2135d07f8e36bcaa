package main

import (
	"errors"
	"fmt"
	"maps"
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
	s := &server{
		url:  "http://" + l.Addr().String(),
		http: &http.Server{Handler: handler, ReadHeaderTimeout: sandbox.HeaderTime},
		done: make(chan error, 1),
	}
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
	active   [2]int // by pool of Zuora
	peak     [2]int
	used     [2]time.Duration // calls times how long they took
	at       time.Time        // until when used counts
	limited  int              // answers with status 429
	limitAt  time.Time        // of the last of them
	firstOf  time.Time        // of the first answer with status 200 since mark
	reads    int              // accounts read: calls for a first page of subscriptions
	readers  map[string]bool  // syncs that read one, by their track ids
	of       map[string]map[string]int
	overlaps []string
}

func newWatch() *watch { return &watch{of: map[string]map[string]int{}, readers: map[string]bool{}} }

// ServeHTTP implements http.Handler.
func (w *watch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	account, sync := readOf(r)
	next := w.begin(r, account, sync)
	sw := &sandbox.StatusWriter{ResponseWriter: rw}
	defer func() { w.end(r, account, sync, sw.Status) }()
	next.ServeHTTP(sw, r)
	if sw.Status == 0 {
		sw.Status = http.StatusOK
	}
}

// before puts the watch in front of a handler.
func (w *watch) before(next http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = next
}

// readOf returns the account that a call reads, and the sync that reads it, by the
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
	w.pass()
	p := poolOf(r)
	w.active[p]++
	w.peak[p] = max(w.peak[p], w.active[p])
	if strings.HasPrefix(r.URL.Path, "/v1/subscriptions/accounts/") && r.URL.Query().Get("page") == "1" {
		w.reads++
		w.readers[sync] = true
	}
	if sync == "" {
		return w.next
	}
	if w.of[account] == nil {
		w.of[account] = map[string]int{}
	}
	for other := range w.of[account] {
		if other != sync {
			w.overlaps = append(
				w.overlaps,
				fmt.Sprintf("account %s was read for %s while it was read for %s", account, sync, other),
			)
		}
	}
	w.of[account][sync]++
	return w.next
}

func (w *watch) end(r *http.Request, account, sync string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
	w.active[poolOf(r)]--
	switch status {
	case http.StatusTooManyRequests:
		w.limited++
		w.limitAt = w.at
	case http.StatusOK:
		if w.firstOf.IsZero() {
			w.firstOf = w.at
		}
	}
	if sync == "" {
		return
	}
	w.of[account][sync]--
	if w.of[account][sync] == 0 {
		delete(w.of[account], sync)
	}
}

// Zuora's pools of concurrent calls.
const (
	defaultPool = iota
	objectQueryPool
)

func poolOf(r *http.Request) int {
	if strings.HasPrefix(r.URL.Path, "/object-query/") {
		return objectQueryPool
	}
	return defaultPool
}

// pass lets time pass: what is in flight has been for so much longer.
func (w *watch) pass() {
	now := time.Now()
	if !w.at.IsZero() {
		for p := range w.active {
			w.used[p] += time.Duration(w.active[p]) * now.Sub(w.at)
		}
	}
	w.at = now
}

// mark forgets when the first good answer came.
func (w *watch) mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.firstOf = time.Time{}
}

// traffic is what a watch has seen so far.
type traffic struct {
	calls, limited, reads int
	readers               map[string]bool
	peak                  [2]int
	used                  [2]time.Duration
	at                    time.Time
	limitAt, firstOf      time.Time
	overlaps              []string
}

func (w *watch) seen() traffic {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
	return traffic{
		calls:    w.calls,
		limited:  w.limited,
		reads:    w.reads,
		readers:  maps.Clone(w.readers),
		peak:     w.peak,
		used:     w.used,
		at:       w.at,
		limitAt:  w.limitAt,
		firstOf:  w.firstOf,
		overlaps: append([]string(nil), w.overlaps...),
	}
}

// mean is how many calls of a pool were in flight between two looks, on average.
func mean(from, to traffic, pool int) float64 {
	return (to.used[pool] - from.used[pool]).Seconds() / to.at.Sub(from.at).Seconds()
}
