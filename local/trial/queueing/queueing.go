// Package queueing works out how long logins wait, from how many there are, what
// a sync calls, and how many calls and syncs may be under way at once: for loads
// that no computer at hand can make, such as a million logins an hour.
//
// It is a discrete-event simulation. Logins come at random (a Poisson process), wait
// for a place, first come first served, and make their calls stage by stage; a call
// waits for a place in its pool. What it leaves out: logins of one account that wait
// behind each other or become one, retries, and pauses.
package queueing

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// Pool bounds calls that are under way at once, such as Zuora's default pool.
type Pool struct {
	Name   string
	Places int
}

// Time returns how long a call takes this time.
type Time func(*rand.Rand) time.Duration

// Fixed is always d.
func Fixed(d time.Duration) Time { return func(*rand.Rand) time.Duration { return d } }

// Exponential varies as the time until a random event does, around a mean.
func Exponential(mean time.Duration) Time {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

// Measured is one of the times that were measured, each as likely as the others.
func Measured(all []time.Duration) Time {
	return func(r *rand.Rand) time.Duration { return all[r.IntN(len(all))] }
}

// NoPool is what bounds the steps of a sync's own, such as those at the store.
const NoPool = -1

// Calls are calls of a sync that go side by side.
type Calls struct {
	Pool  int // index in System.Pools, or NoPool
	Count int
	Each  Time
}

// Kind is a kind of login: what its sync does, stage by stage. A stage ends with the
// last of its calls.
type Kind struct {
	Share  float64 // of all logins
	Stages [][]Calls
}

// System is what logins come to.
type System struct {
	Places int // syncs under way at once: functions times the messages of a batch
	Pools  []Pool
	Kinds  []Kind
}

// Report is what became of the logins.
type Report struct {
	Wait, Whole Times     // until the sync begins, and until it ends
	Busy        float64   // share of the places that is used
	PoolBusy    []float64 // of each pool, as in System.Pools
}

// Times are a mean and percentiles.
type Times struct{ Mean, P50, P95, P99 time.Duration }

// Simulate has a number of logins come, perSecond of them a second. The first tenth
// finds the system emptier than it will be, and is not reported. The same seed gives
// the same report.
func Simulate(s System, perSecond float64, logins int, seed uint64) Report {
	sim := &simulation{System: s, random: rand.New(rand.NewPCG(seed, 15)), places: station{places: s.Places}}
	for _, p := range s.Pools {
		sim.pools = append(sim.pools, station{places: p.Places})
	}
	all := make([]login, logins)
	at := time.Duration(0)
	for i := range all {
		at += time.Duration(sim.random.ExpFloat64() / perSecond * float64(time.Second))
		l := &all[i]
		l.came, l.kind = at, sim.pick()
		sim.after(at, func() { sim.places.enter(sim, func() { sim.begin(l) }) })
	}
	for len(sim.events) > 0 {
		e := heap.Pop(&sim.events).(event)
		sim.now = e.at
		e.do()
	}
	var wait, whole []time.Duration
	for _, l := range all[logins/10:] {
		wait, whole = append(wait, l.began-l.came), append(whole, l.ended-l.came)
	}
	out := Report{Wait: TimesOf(wait), Whole: TimesOf(whole), Busy: sim.places.share(sim.now)}
	for i := range sim.pools {
		out.PoolBusy = append(out.PoolBusy, sim.pools[i].share(sim.now))
	}
	return out
}

// login is one of them; times are since the beginning.
type login struct {
	kind, stage, left  int
	came, began, ended time.Duration
}

type simulation struct {
	System
	random *rand.Rand
	now    time.Duration
	events events
	made   int // events so far, which orders those of one moment
	places station
	pools  []station
}

func (s *simulation) pick() int {
	at := s.random.Float64()
	for i, k := range s.Kinds {
		at -= k.Share
		if at < 0 {
			return i
		}
	}
	return len(s.Kinds) - 1
}

func (s *simulation) after(d time.Duration, do func()) {
	s.made++
	heap.Push(&s.events, event{at: s.now + d, order: s.made, do: do})
}

func (s *simulation) begin(l *login) {
	l.began = s.now
	s.next(l)
}

// next begins the calls of a login's stage, or ends it.
func (s *simulation) next(l *login) {
	stages := s.Kinds[l.kind].Stages
	if l.stage == len(stages) {
		l.ended = s.now
		s.places.leave(s)
		return
	}
	stage := stages[l.stage]
	l.stage++
	for _, c := range stage {
		l.left += c.Count
	}
	for _, c := range stage {
		for range c.Count {
			if c.Pool == NoPool {
				s.after(c.Each(s.random), func() { s.called(l) })
				continue
			}
			pool := &s.pools[c.Pool]
			pool.enter(s, func() {
				s.after(c.Each(s.random), func() {
					pool.leave(s)
					s.called(l)
				})
			})
		}
	}
}

// called notes the end of a call.
func (s *simulation) called(l *login) {
	l.left--
	if l.left == 0 {
		s.next(l)
	}
}

// station has so many places, and a queue.
type station struct {
	places, taken int
	waiting       []func()
	used          time.Duration // of all places together
	since         time.Duration // when used was right
}

func (st *station) enter(s *simulation, do func()) {
	if st.taken == st.places {
		st.waiting = append(st.waiting, do)
		return
	}
	st.count(s.now)
	st.taken++
	do()
}

// leave gives the place to the first that waits.
func (st *station) leave(s *simulation) {
	if len(st.waiting) > 0 {
		do := st.waiting[0]
		st.waiting = st.waiting[1:]
		do()
		return
	}
	st.count(s.now)
	st.taken--
}

func (st *station) count(now time.Duration) {
	st.used += time.Duration(st.taken) * (now - st.since)
	st.since = now
}

func (st *station) share(now time.Duration) float64 {
	st.count(now)
	return float64(st.used) / float64(now) / float64(st.places)
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(e[i].at, e[j].at), cmp.Compare(e[i].order, e[j].order)) < 0
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	out := (*e)[last]
	*e = (*e)[:last]
	return out
}

// TimesOf sorts times, and returns their mean and percentiles.
func TimesOf(all []time.Duration) Times {
	if len(all) == 0 {
		return Times{}
	}
	slices.Sort(all)
	sum := time.Duration(0)
	for _, d := range all {
		sum += d
	}
	at := func(percent int) time.Duration { return all[(len(all)-1)*percent/100] }
	return Times{Mean: sum / time.Duration(len(all)), P50: at(50), P95: at(95), P99: at(99)}
}
