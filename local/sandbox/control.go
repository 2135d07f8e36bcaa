package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxLog is how many requests the log keeps.
const maxLog = 100_000

// Request is one line of the request log.
type Request struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"`   // without the query, which can hold personal values
	Status int       `json:"status"` // 0: no answer, or none yet
}

// requestLog is a ring of requests, numbered from 0 in order of arrival.
type requestLog struct {
	ring  []Request
	first int // number of the oldest that is kept
	next  int
}

func (l *requestLog) add(r Request) int {
	n := l.next
	if len(l.ring) < maxLog {
		l.ring = append(l.ring, r)
	} else {
		l.ring[n%maxLog] = r
	}
	l.next++
	l.first = max(l.first, l.next-maxLog)
	return n
}

func (l *requestLog) setStatus(n, status int) {
	if n >= l.first {
		l.ring[n%maxLog].Status = status
	}
}

func (l *requestLog) all() []Request {
	out := make([]Request, 0, l.next-l.first)
	for n := l.first; n < l.next; n++ {
		out = append(out, l.ring[n%maxLog])
	}
	return out
}

func (l *requestLog) clear() { l.first = l.next }

// Requests returns the requests so far, newest last.
func (b *Behaviour) Requests() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.all()
}

func (b *Behaviour) begin(r *http.Request) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active++
	b.peak = max(b.peak, b.active)
	return b.log.add(Request{At: b.now(), Method: r.Method, Path: r.URL.EscapedPath()})
}

func (b *Behaviour) end(seq, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.active--
	b.log.setStatus(seq, status)
}

// Register adds PUT and GET /_sandbox/behaviour and GET /_sandbox/requests.
func (b *Behaviour) Register(mux *http.ServeMux) {
	mux.HandleFunc("PUT /_sandbox/behaviour", func(w http.ResponseWriter, r *http.Request) {
		var c config
		err := ReadJSON(r, &c)
		if err == nil {
			err = c.check()
		}
		if err != nil {
			Refuse(w, http.StatusBadRequest, err)
			return
		}
		b.set(c)
		Answer(w, http.StatusOK, b.view())
	})
	mux.HandleFunc("GET /_sandbox/behaviour", func(w http.ResponseWriter, _ *http.Request) {
		Answer(w, http.StatusOK, b.view())
	})
	mux.HandleFunc("GET /_sandbox/requests", func(w http.ResponseWriter, _ *http.Request) {
		Answer(w, http.StatusOK, b.Requests())
	})
}

// view is what GET /_sandbox/behaviour shows: the behaviour, how often each
// fault fired, and the most requests there were at once since it was set.
type view struct {
	LatencyMS int         `json:"latencyMs"`
	Seed      uint64      `json:"seed"`
	Faults    []faultView `json:"faults"`
	Peak      int         `json:"peak"`
}

type faultView struct {
	fault
	Fired int `json:"fired"`
}

func (b *Behaviour) view() view {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := view{LatencyMS: b.config.LatencyMS, Seed: b.config.Seed, Faults: []faultView{}, Peak: b.peak}
	for i, f := range b.config.Faults {
		v.Faults = append(v.Faults, faultView{fault: f, Fired: b.fired[i]})
	}
	return v
}

// maxBody bounds what is read under /_sandbox/: an account of a thousand
// subscriptions takes about 3 MB.
const maxBody = 64 << 20

// ReadBody reads the body of r, up to 64 MB.
func ReadBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return body, nil
}

// ReadJSON decodes the body of r into v. It refuses members that v does not
// have, anything after the value, and more than 64 MB.
func ReadJSON(r *http.Request, v any) error {
	body, err := ReadBody(r)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err = dec.Decode(v)
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	_, err = dec.Token()
	if !errors.Is(err, io.EOF) {
		return errors.New("body: more than one JSON value")
	}
	return nil
}

// Answer sends v as JSON.
func Answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer has no JSON form"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(append(body, '\n'))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// Refuse answers {"error": text} under /_sandbox/.
func Refuse(w http.ResponseWriter, status int, err error) {
	Answer(w, status, map[string]string{"error": err.Error()})
}
