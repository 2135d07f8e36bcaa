package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// HeaderTime is how long a local server waits for the head of a request. Whoever dials for
// a request that another connection then takes keeps the new one for the next: closed by
// the server before the client lets go of it (Go's after 90 s), it would break that one off.
const HeaderTime = 2 * time.Minute

// Wrap writes down every request to next and applies latency and faults to it.
// Paths under /_sandbox/ pass untouched. It is Record around Misbehave.
func (b *Behaviour) Wrap(next http.Handler) http.Handler {
	return b.Record(b.Misbehave(next))
}

// Record writes down every request. Status is 0 while a request has no answer,
// and stays 0 when its connection is dropped.
func (b *Behaviour) Record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.stopped(r) // known before anything hangs: a server that shuts down already tells nobody new
		if strings.HasPrefix(r.URL.Path, reserved) {
			next.ServeHTTP(w, r)
			return
		}
		seq := b.begin(r)
		sw := &StatusWriter{ResponseWriter: w}
		answered := false
		defer func() {
			status := 0
			if answered { // else it panicked, perhaps on purpose
				status = cmp.Or(sw.Status, http.StatusOK)
			}
			b.end(seq, status)
		}()
		next.ServeHTTP(sw, r)
		answered = true
	})
}

// Misbehave applies latency and faults. A sandbox that counts its requests in
// flight puts the count between Record and Misbehave, so that a slow answer
// keeps its place.
func (b *Behaviour) Misbehave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, reserved) {
			next.ServeHTTP(w, r)
			return
		}
		f, wait := b.pick(r)
		if !b.sleep(r, wait) {
			panic(http.ErrAbortHandler)
		}
		if f == nil {
			next.ServeHTTP(w, r)
			return
		}
		b.apply(f, next, w, r)
	})
}

func (b *Behaviour) apply(f *fault, next http.Handler, w http.ResponseWriter, r *http.Request) {
	if f.After {
		next.ServeHTTP(&buffer{header: http.Header{}}, r)
	}
	switch {
	case f.Hang:
		// The server notices that a client went away only once the body is read.
		_, err := io.Copy(io.Discard, r.Body)
		if err == nil {
			select {
			case <-r.Context().Done():
			case <-b.stopped(r):
			}
		}
		panic(http.ErrAbortHandler)
	case f.Drop:
		drop(w)
	case f.Truncate:
		truncate(next, w, r)
	case f.Status != 0:
		f.answer(w)
	default: // slow only
		next.ServeHTTP(w, r)
	}
}

// sleep waits; it is false when the request ended before.
func (b *Behaviour) sleep(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-b.stopped(r):
	}
	return false
}

// stopped closes when the server of r begins to shut down: it would otherwise
// wait for a hanging request. Without a server it is nil and never closes.
func (b *Behaviour) stopped(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	known, ok := b.stop.Load(server)
	if !ok {
		done := make(chan struct{})
		known, ok = b.stop.LoadOrStore(server, done)
		if !ok {
			server.RegisterOnShutdown(sync.OnceFunc(func() { close(done) }))
		}
	}
	return known.(chan struct{})
}

// drop ends the connection in the middle of the status line. Not before it:
// Go's client would then quietly send a GET again on another connection, and
// the caller would never see the fault.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_, err = conn.Write([]byte("HTTP/1.1 "))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		slog.Debug("drop", "error", err) // the client went first, which comes to the same
	}
	panic(http.ErrAbortHandler)
}

// truncate announces the whole real answer, sends half of it and drops the
// connection.
func truncate(next http.Handler, w http.ResponseWriter, r *http.Request) {
	whole := &buffer{header: http.Header{}}
	next.ServeHTTP(whole, r)
	size := whole.body.Len()
	maps.Copy(w.Header(), whole.header)
	w.Header().Set("Content-Length", strconv.Itoa(max(1, size)))
	w.WriteHeader(cmp.Or(whole.status, http.StatusOK))
	_, err := w.Write(whole.body.Bytes()[:size/2])
	if err == nil {
		err = http.NewResponseController(w).Flush()
	}
	if err != nil {
		slog.Debug("truncate", "error", err) // the client went first, which comes to the same
	}
	panic(http.ErrAbortHandler)
}

func (f *fault) answer(w http.ResponseWriter) {
	body := []byte(f.Body)
	var text string
	switch {
	case len(body) == 0:
	case json.Unmarshal(body, &text) == nil && body[0] == '"':
		body = []byte(text)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	default:
		w.Header().Set("Content-Type", "application/json")
	}
	for name, value := range f.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(f.Status)
	_, err := w.Write(body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// StatusWriter remembers the status that was answered; 0 while none was written, which
// net/http makes 200 when the handler returns.
type StatusWriter struct {
	http.ResponseWriter
	Status int
}

// WriteHeader implements http.ResponseWriter.
func (w *StatusWriter) WriteHeader(status int) {
	if w.Status == 0 {
		w.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *StatusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// buffer keeps an answer instead of sending it.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *buffer) Header() http.Header         { return w.header }
func (w *buffer) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *buffer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}
