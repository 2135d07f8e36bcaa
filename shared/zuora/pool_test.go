package zuora

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// left makes the headers of an answer; a number below 0 is left out.
func left(kind string, concurrency, rate int) http.Header {
	h := http.Header{}
	if concurrency >= 0 {
		h.Set("Concurrency-Limit-Type", kind)
		h.Set("Concurrency-Limit-Limit", "40")
		h.Set("Concurrency-Limit-Remaining", strconv.Itoa(concurrency))
	}
	if rate >= 0 {
		h.Set("Ratelimit-Limit", "1000, 1000;w=60, 100000;w=3600")
		h.Set("Ratelimit-Remaining", strconv.Itoa(rate))
	}
	return h
}

func TestPoolFollowsTheHeaders(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name    string
		header  http.Header
		refused bool
		want    int // of 8
	}{
		{name: "plenty", header: left("Default", 32, 900), want: 8},
		{name: "a quarter", header: left("Default", 10, 250), want: 8},
		{name: "below a quarter of the calls", header: left("Default", 5, 900), want: 4},
		{name: "below a quarter of the rate", header: left("Default", 32, 125), want: 4},
		{name: "both, the tighter counts", header: left("Default", 5, 62), want: 1},
		{name: "nothing left", header: left("Default", 0, 0), want: 1},
		{name: "another pool", header: left("Object Query", 0, 900), want: 8},
		{name: "no type", header: left("", 0, 900), want: 1},
		{name: "no headers", header: http.Header{}, want: 8},
		{name: "nonsense", header: http.Header{"Concurrency-Limit-Limit": {"0"}, "Concurrency-Limit-Remaining": {"-1"},
			"Ratelimit-Limit": {"x"}, "Ratelimit-Remaining": {"0"}}, want: 8},
		{name: "more left than there is", header: left("Default", 4000, 5000), want: 8},
		{name: "refused", header: http.Header{}, refused: true, want: 4},
		{name: "refused, nothing left", header: left("Default", 0, 900), refused: true, want: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				p := newPool("Default", 8, time.Now)
				p.observe(tc.header, tc.refused)
				if got := p.budget().Limit; got != tc.want {
					t.Errorf("limit = %d, want %d", got, tc.want)
				}
			})
		})
	}
}

func TestPoolRecovers(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newPool("Default", 8, time.Now)
		for range 50 { // a burst of refusals of one moment halves it once
			p.observe(http.Header{}, true)
		}
		if got := p.budget().Limit; got != 4 {
			t.Fatalf("limit after a burst of refusals = %d, want 4", got)
		}
		p.observe(left("Default", 0, 900), false)
		var limits []int
		began := time.Now()
		for p.budget().Limit < 8 {
			time.Sleep(50 * time.Millisecond)
			p.observe(left("Default", 30, 900), false)
			if got := p.budget().Limit; len(limits) == 0 || limits[len(limits)-1] != got {
				limits = append(limits, got)
			}
			if time.Since(began) > 10*time.Second {
				t.Fatalf("still at %d after 10 s", p.budget().Limit)
			}
		}
		if want := []int{1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(limits, want) {
			t.Errorf("limits while growing back: %v, want %v", limits, want)
		}
		if got := p.budget().ConcurrencyRemaining; got != 30 {
			t.Errorf("concurrency remaining = %d, want 30", got)
		}
	})
}

func TestPoolBoundsAndQueues(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newPool("Default", 3, time.Now)
		var mu sync.Mutex
		var order []int
		inFlight, peak := 0, 0
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // one after another
				err := p.acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, i)
				inFlight++
				peak = max(peak, inFlight)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				inFlight--
				mu.Unlock()
				p.release()
			})
		}
		wg.Wait()
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(order, want) {
			t.Errorf("order %v, want first come first served", order)
		}
		if peak != 3 {
			t.Errorf("%d were in flight, want 3", peak)
		}
		if got := p.budget(); got.InFlight != 0 {
			t.Errorf("afterwards %d in flight", got.InFlight)
		}
	})
}

func TestPoolShrinksUnderCallsInFlight(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newPool("Default", 4, time.Now)
		for range 4 {
			err := p.acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
		}
		p.observe(left("Default", 0, -1), false)
		got := make(chan struct{})
		go func() {
			err := p.acquire(t.Context())
			if err != nil {
				t.Error(err)
			}
			close(got)
		}()
		for i := range 4 {
			synctest.Wait()
			select {
			case <-got:
				t.Fatalf("admitted with %d in flight and a limit of 1", 4-i)
			default:
			}
			p.release()
		}
		<-got
	})
}

func TestPoolGivesUpWaiting(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		p := newPool("Default", 1, time.Now)
		err := p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = p.acquire(ctx)
		if err != context.DeadlineExceeded {
			t.Fatalf("acquire error = %v, want the deadline", err)
		}
		// Nobody waits any more, so the place is free for the next.
		p.release()
		err = p.acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := p.budget().InFlight; got != 1 {
			t.Errorf("%d in flight, want 1", got)
		}
	})
}
