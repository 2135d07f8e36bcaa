package zuorasandbox

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// pool is a set of concurrency slots: Object Query has its own.
type pool int

const (
	defaultPool pool = iota
	objectQueryPool
)

var poolNames = [...]string{"Default", "Object Query"}

type verdict int

const (
	admitted verdict = iota
	rateLimited
	concurrencyLimited
)

// limitSettings are the body of PUT /_sandbox/limits; what is absent is as
// Zuora has it in production, per tenant:
// https://developer.zuora.com/docs/guides/rate-limits
type limitSettings struct {
	Concurrency            *int `json:"concurrency"`            // 40
	ObjectQueryConcurrency *int `json:"objectQueryConcurrency"` // 80
	PerMinute              *int `json:"perMinute"`              // 50,000 calls
	TokensPerMinute        *int `json:"tokensPerMinute"`        // 100 from one address; here all callers are one
}

func (l limitSettings) check() error {
	for _, v := range []*int{l.Concurrency, l.ObjectQueryConcurrency, l.PerMinute, l.TokensPerMinute} {
		if v != nil && *v < 0 {
			return errors.New("a limit is below 0")
		}
	}
	return nil
}

// limitView is what GET /_sandbox/limits shows: the limits, and what happened
// since they were set.
type limitView struct {
	Concurrency                int `json:"concurrency"`
	ObjectQueryConcurrency     int `json:"objectQueryConcurrency"`
	PerMinute                  int `json:"perMinute"`
	TokensPerMinute            int `json:"tokensPerMinute"`
	PeakConcurrency            int `json:"peakConcurrency"`
	PeakObjectQueryConcurrency int `json:"peakObjectQueryConcurrency"`
	RateLimited                int `json:"rateLimited"`
	ConcurrencyLimited         int `json:"concurrencyLimited"`
	Tokens                     int `json:"tokens"` // issued
}

// window counts calls in whole minutes.
type window struct {
	start time.Time
	used  int
}

// take counts a call at now and gives what is left of limit, and the seconds
// to the next minute; left is below 0 for a call too many.
func (w *window) take(now time.Time, limit int) (left, reset int) {
	start := now.Truncate(time.Minute)
	if !start.Equal(w.start) {
		*w = window{start: start}
	}
	w.used++
	return limit - w.used, int((start.Add(time.Minute).Sub(now) + time.Second - 1) / time.Second)
}

type limits struct {
	now func() time.Time

	mu        sync.Mutex
	slots     [2]int
	active    [2]int
	peak      [2]int
	perMinute int
	perToken  int
	calls     window
	tokens    window
	refused   [3]int // by verdict
	issued    int
}

func newLimits(now func() time.Time) *limits { return &limits{now: now} }

func (l *limits) reset() { l.set(limitSettings{}) }

func (l *limits) set(s limitSettings) {
	or := func(v *int, otherwise int) int {
		if v == nil {
			return otherwise
		}
		return *v
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots = [2]int{or(s.Concurrency, 40), or(s.ObjectQueryConcurrency, 80)}
	l.perMinute, l.perToken = or(s.PerMinute, 50_000), or(s.TokensPerMinute, 100)
	l.calls, l.tokens = window{}, window{}
	l.peak, l.refused, l.issued = l.active, [3]int{}, 0
}

func (l *limits) view() limitView {
	l.mu.Lock()
	defer l.mu.Unlock()
	return limitView{
		Concurrency: l.slots[defaultPool], ObjectQueryConcurrency: l.slots[objectQueryPool],
		PerMinute: l.perMinute, TokensPerMinute: l.perToken,
		PeakConcurrency: l.peak[defaultPool], PeakObjectQueryConcurrency: l.peak[objectQueryPool],
		RateLimited: l.refused[rateLimited], ConcurrencyLimited: l.refused[concurrencyLimited], Tokens: l.issued,
	}
}

// enter counts a call, takes a slot of the pool, and writes the headers of both
// limits. Failed calls count as well. Every enter needs a leave.
func (l *limits) enter(p pool, h http.Header) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	left, reset := l.calls.take(l.now(), l.perMinute)
	v := admitted
	switch {
	case left < 0:
		v = rateLimited
	case l.active[p] >= l.slots[p]:
		v = concurrencyLimited
	default:
		l.active[p]++
		l.peak[p] = max(l.peak[p], l.active[p])
	}
	l.refused[v]++
	h.Set("RateLimit-Limit", fmt.Sprintf("%d, %d;w=60, 2250000;w=3600, 27000000;w=86400", l.perMinute, l.perMinute))
	h.Set("RateLimit-Remaining", strconv.Itoa(max(0, left)))
	h.Set("RateLimit-Reset", strconv.Itoa(reset))
	h.Set("Concurrency-Limit-Type", poolNames[p])
	h.Set("Concurrency-Limit-Limit", strconv.Itoa(l.slots[p]))
	h.Set("Concurrency-Limit-Remaining", strconv.Itoa(max(0, l.slots[p]-l.active[p])))
	return v
}

func (l *limits) leave(p pool, v verdict) {
	if v != admitted {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active[p]--
}

// enterToken counts a call of the token endpoint, which has limits of its own
// and no concurrency limit.
func (l *limits) enterToken(h http.Header) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	left, _ := l.tokens.take(l.now(), l.perToken)
	h.Set("X-RateLimit-Limit-minute", strconv.Itoa(l.perToken))
	h.Set("X-RateLimit-Remaining-minute", strconv.Itoa(max(0, left)))
	return left >= 0
}

func (l *limits) countToken() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issued++
}
