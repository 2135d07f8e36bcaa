package zuora

import (
	"container/list"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// scarce is the share of a limit below which we step back: the limits are
	// shared with everything else that the merchant runs on the tenant.
	scarce = 0.25
	// growEvery is how often a pool that stepped back may take one call more, and
	// how often a refusal may halve it. Zuora renews its numbers every second.
	growEvery = 250 * time.Millisecond
	// unknown stands for a number that Zuora has not told yet.
	unknown = -1
)

// PoolBudget is the state of one of Zuora's concurrency pools as this process
// sees it.
type PoolBudget struct {
	InFlight             int `json:"inFlight"`
	Limit                int `json:"limit"`                // calls that may be in flight now
	Max                  int `json:"max"`                  // calls that may ever be, by configuration
	ConcurrencyRemaining int `json:"concurrencyRemaining"` // of the tenant, by Zuora's last answer; -1 until known
}

// pool bounds the calls in flight of one concurrency pool of Zuora, first come
// first served. It is safe for concurrent use.
type pool struct {
	name string // as in Concurrency-Limit-Type
	now  func() time.Time

	mu        sync.Mutex
	max       int
	limit     int // 1 to max
	inFlight  int
	remaining int
	changedAt time.Time
	waiting   list.List // of chan struct{}, closed when its turn has come
}

func newPool(name string, limit int, now func() time.Time) *pool {
	return &pool{name: name, now: now, max: limit, limit: limit, remaining: unknown}
}

// acquire waits for a place. It returns an error only when ctx ends first.
func (p *pool) acquire(ctx context.Context) error {
	p.mu.Lock()
	if p.inFlight < p.limit && p.waiting.Len() == 0 {
		p.inFlight++
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	place := p.waiting.PushBack(turn)
	p.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-turn: // the turn came at the same moment: pass it on
		p.inFlight--
		p.admit()
	default:
		p.waiting.Remove(place)
	}
	return ctx.Err()
}

func (p *pool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
	p.admit()
}

func (p *pool) admit() {
	for p.inFlight < p.limit && p.waiting.Len() > 0 {
		p.inFlight++
		close(p.waiting.Remove(p.waiting.Front()).(chan struct{}))
	}
}

// observe adapts the limit to what an answer says is left of the tenant's
// concurrency and rate. Below a quarter of either, the limit falls in
// proportion; otherwise it grows back one by one. refused says that the answer
// was a 429, which halves the limit whatever the headers say.
func (p *pool) observe(h http.Header, refused bool) {
	left := 1.0
	share, ok := ratio(h, "Ratelimit-Remaining", "Ratelimit-Limit")
	if ok {
		left = share
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	kind := h.Get("Concurrency-Limit-Type")
	if kind == "" || strings.EqualFold(kind, p.name) {
		share, ok = ratio(h, "Concurrency-Limit-Remaining", "Concurrency-Limit-Limit")
		if ok {
			left = min(left, share)
			p.remaining, _ = number(h.Get("Concurrency-Limit-Remaining"))
		}
	}
	now := p.now()
	due := now.Sub(p.changedAt) >= growEvery
	want := p.max
	if left < scarce {
		want = max(1, int(float64(p.max)*left/scarce))
	}
	if refused {
		want = min(want, p.limit)
		if due {
			want = min(want, max(1, p.limit/2))
		}
	}
	switch {
	case want < p.limit:
		p.limit, p.changedAt = want, now
	case want > p.limit && due:
		p.limit, p.changedAt = p.limit+1, now
		p.admit()
	}
}

func (p *pool) budget() PoolBudget {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PoolBudget{InFlight: p.inFlight, Limit: p.limit, Max: p.max, ConcurrencyRemaining: p.remaining}
}

// ratio returns what is left of a limit, 0 to 1. Ratelimit-Limit lists several
// windows; the first number is the one that Ratelimit-Remaining counts.
func ratio(h http.Header, remaining, limit string) (float64, bool) {
	left, ok := number(h.Get(remaining))
	if !ok {
		return 0, false
	}
	of, ok := number(h.Get(limit))
	if !ok || of == 0 {
		return 0, false
	}
	return min(1, float64(left)/float64(of)), true
}

// number reads the leading number of a header, such as 2250000 in
// "2250000, 50000;w=60".
func number(header string) (int, bool) {
	header, _, _ = strings.Cut(header, ",")
	header, _, _ = strings.Cut(header, ";")
	n, err := strconv.Atoi(strings.TrimSpace(header))
	if err != nil || n < 0 {
		return unknown, false
	}
	return n, true
}
