package queueing_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/trial/queueing"
)

const second = time.Second

// one is a system in which a sync is a single step of its own.
func one(places int, t queueing.Time) queueing.System {
	return queueing.System{Places: places, Kinds: []queueing.Kind{
		{Share: 1, Stages: [][]queueing.Calls{{{Pool: queueing.NoPool, Count: 1, Each: t}}}},
	}}
}

// erlangC is the mean wait of random arrivals for one of c places that are held for a
// random time: Erlang's formula of 1917, the outside reader of this test.
func erlangC(c int, perSecond float64, mean time.Duration) float64 {
	a := perSecond * mean.Seconds()
	sum, term := 0.0, 1.0 // term is a^k/k!
	for k := range c {
		if k > 0 {
			term *= a / float64(k)
		}
		sum += term
	}
	term *= a / float64(c)
	busy := a / float64(c)
	waits := term / (1 - busy) / (sum + term/(1-busy))
	return waits * mean.Seconds() / (float64(c) - a)
}

func TestErlang(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name      string
		places    int
		perSecond float64
		time      queueing.Time
		want      float64 // mean wait, seconds
	}{
		{"one place, half used", 1, 0.5, queueing.Exponential(second), 1},
		{"six places, 80 %", 6, 4.8, queueing.Exponential(second), erlangC(6, 4.8, second)},
		{"twenty places, 85 %", 20, 17, queueing.Exponential(second), erlangC(20, 17, second)},
		// Pollaczek and Khinchine: half the wait where every time is the same.
		{"one place, the same time each", 1, 0.5, queueing.Fixed(second), 0.5},
		{"measured times", 1, 0.5, queueing.Measured([]time.Duration{second, second}), 0.5},
	} {
		got := queueing.Simulate(one(tc.places, tc.time), tc.perSecond, 80_000, 1)
		if math.Abs(got.Wait.Mean.Seconds()-tc.want) > 0.12*tc.want {
			t.Errorf("%s: logins wait for %v, want %.2f s", tc.name, got.Wait.Mean, tc.want)
		}
		if busy := tc.perSecond / float64(tc.places); math.Abs(got.Busy-busy) > 0.02 {
			t.Errorf("%s: %.2f of the places are used, want %.2f", tc.name, got.Busy, busy)
		}
	}
}

// TestStages: calls of a stage go side by side as far as their pool allows, stages
// follow each other.
func TestStages(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		places int // of the pool
		want   time.Duration
	}{
		{"room for all", 3, 300*time.Millisecond + 50*time.Millisecond},
		{"two at once", 2, 600*time.Millisecond + 50*time.Millisecond},
		{"one after the other", 1, 900*time.Millisecond + 50*time.Millisecond},
	} {
		s := queueing.System{Places: 10, Pools: []queueing.Pool{{Name: "Zuora", Places: tc.places}}, Kinds: []queueing.Kind{
			{Share: 1, Stages: [][]queueing.Calls{
				{{Pool: 0, Count: 3, Each: queueing.Fixed(300 * time.Millisecond)}},
				{{Pool: queueing.NoPool, Count: 1, Each: queueing.Fixed(50 * time.Millisecond)}},
			}},
		}}
		got := queueing.Simulate(s, 0.001, 100, 1) // so rarely that nobody meets
		want := queueing.Times{Mean: tc.want, P50: tc.want, P95: tc.want, P99: tc.want}
		if diff := cmp.Diff(want, got.Whole); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestKinds: each kind of login comes as often as it should.
func TestKinds(t *testing.T) {
	t.Parallel()

	came := [2]int{}
	kind := func(i int, share float64) queueing.Kind {
		counts := func(*rand.Rand) time.Duration { came[i]++; return second }
		return queueing.Kind{Share: share, Stages: [][]queueing.Calls{{{Pool: queueing.NoPool, Count: 1, Each: counts}}}}
	}
	queueing.Simulate(queueing.System{Places: 1000, Kinds: []queueing.Kind{kind(0, 0.1), kind(1, 0.9)}}, 10, 10_000, 1)
	if came[0] < 900 || came[0] > 1100 || came[0]+came[1] != 10_000 {
		t.Errorf("%d logins of the rare kind and %d of the other, want a tenth of 10,000", came[0], came[1])
	}
}
