// Package sandbox is what the Zuora and the Limio sandbox share: they write
// down every request, and they misbehave when they are told to.
//
// Everything of it is steered under /_sandbox/, which is never slowed down,
// never fails on purpose and is not written down.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
)

// reserved is the prefix of the paths that steer a sandbox.
const reserved = "/_sandbox/"

// Behaviour decides how a sandbox misbehaves, and keeps the log of its
// requests. It is safe for concurrent use.
type Behaviour struct {
	now  func() time.Time
	stop sync.Map // *http.Server to a channel that closes when it shuts down

	mu     sync.Mutex
	config config
	random *rand.Rand
	fired  []int // per fault
	active int
	peak   int
	log    requestLog
}

// config is the body of PUT /_sandbox/behaviour.
type config struct {
	LatencyMS int     `json:"latencyMs"`
	Seed      uint64  `json:"seed,omitempty"` // of the faults with a probability
	Faults    []fault `json:"faults"`
}

// fault is one way to misbehave, for the requests that match. It does one of
// answering with Status, hanging, dropping the connection or truncating the
// real answer; with LatencyMS alone the request is slow and goes on.
type fault struct {
	Match       string            `json:"match"`           // "METHOD glob"
	Times       int               `json:"times,omitempty"` // 0: until changed
	Probability *float64          `json:"probability,omitempty"`
	LatencyMS   int               `json:"latencyMs,omitempty"` // on top of the general latency
	Status      int               `json:"status,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        json.RawMessage   `json:"body,omitempty"` // a JSON string is sent as its text
	Hang        bool              `json:"hang,omitempty"`
	Drop        bool              `json:"drop,omitempty"`
	Truncate    bool              `json:"truncate,omitempty"`
	After       bool              `json:"after,omitempty"` // the request is carried out first: a lost answer

	method string
	glob   []string
}

// New makes a Behaviour without faults or latency. now stamps the request log.
func New(now func() time.Time) *Behaviour {
	b := &Behaviour{now: now}
	b.set(config{})
	return b
}

// Reset clears faults, latency and the request log.
func (b *Behaviour) Reset() {
	b.set(config{})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log.clear()
}

func (b *Behaviour) set(c config) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.config = c
	b.random = rand.New(rand.NewPCG(c.Seed, 0))
	b.fired = make([]int, len(c.Faults))
	b.peak = b.active
}

// pick takes the first fault whose turn it is, and the time to wait before
// anything else is done.
func (b *Behaviour) pick(r *http.Request) (*fault, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := time.Duration(b.config.LatencyMS) * time.Millisecond
	if len(b.config.Faults) == 0 {
		return nil, wait
	}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i := range b.config.Faults {
		f := &b.config.Faults[i]
		if f.Times > 0 && b.fired[i] >= f.Times || !f.matches(r.Method, segments) {
			continue
		}
		if f.Probability != nil && b.random.Float64() >= *f.Probability {
			continue
		}
		b.fired[i]++
		return f, wait + time.Duration(f.LatencyMS)*time.Millisecond
	}
	return nil, wait
}

func (f *fault) matches(method string, segments []string) bool {
	if f.method != "*" && f.method != method {
		return false
	}
	for i, want := range f.glob {
		if want == "**" {
			return true
		}
		if i >= len(segments) {
			return false
		}
		got, err := url.PathUnescape(segments[i])
		if err != nil {
			return false
		}
		ok, err := path.Match(want, got)
		if err != nil || !ok {
			return false
		}
	}
	return len(f.glob) == len(segments)
}

// check refuses what would not do what its writer meant.
func (c *config) check() error {
	if c.LatencyMS < 0 {
		return errors.New("latencyMs is below 0")
	}
	for i := range c.Faults {
		err := c.Faults[i].check()
		if err != nil {
			return fmt.Errorf("faults[%d]: %w", i, err)
		}
	}
	return nil
}

func (f *fault) check() error {
	err := f.parseMatch()
	if err != nil {
		return err
	}
	kinds := 0
	for _, on := range []bool{f.Status != 0, f.Hang, f.Drop, f.Truncate} {
		if on {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return errors.New("choose one of status, hang, drop and truncate")
	case kinds == 0 && f.LatencyMS == 0:
		return errors.New("says nothing to do: give status, hang, drop, truncate or latencyMs")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status %d is not within 200 to 599", f.Status)
	case f.Status == 0 && (len(f.Body) > 0 || len(f.Headers) > 0):
		return errors.New("headers and body need a status")
	case f.After && f.Status == 0 && !f.Hang && !f.Drop:
		return errors.New("after needs a status, hang or drop")
	case f.Times < 0:
		return errors.New("times is below 0")
	case f.LatencyMS < 0:
		return errors.New("latencyMs is below 0")
	case f.Probability != nil && (*f.Probability < 0 || *f.Probability > 1):
		return errors.New("probability is not within 0 to 1")
	}
	return nil
}

func (f *fault) parseMatch() error {
	method, glob, ok := strings.Cut(f.Match, " ")
	if !ok || method == "" || !strings.HasPrefix(glob, "/") {
		return fmt.Errorf("match %q is not \"METHOD /glob\"", f.Match)
	}
	if method != strings.ToUpper(method) {
		return fmt.Errorf("match %q: the method is written in capitals", f.Match)
	}
	f.method, f.glob = method, strings.Split(glob, "/")
	for i, segment := range f.glob {
		if segment == "**" {
			if i != len(f.glob)-1 {
				return fmt.Errorf("match %q: ** stands for the rest, so it comes last", f.Match)
			}
			continue
		}
		_, err := path.Match(segment, "")
		if err != nil {
			return fmt.Errorf("match %q: %w", f.Match, err)
		}
	}
	return nil
}
