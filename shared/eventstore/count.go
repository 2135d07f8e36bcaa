package eventstore

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// SlotLength is how fine Count counts.
const SlotLength = 10 * time.Minute

// Outcome is how an event ended.
type Outcome struct {
	Status hotsync.Status
	Reason string // for a failed event its error's code
}

// Counts is how many events ended how, and how long those that succeeded took.
type Counts struct {
	Outcomes map[Outcome]int
	Latency  Latency
}

// Latency counts durations from request to success by the upper bound of their
// range.
type Latency map[time.Duration]int

// longest is the bound of the range that has none.
const longest = time.Duration(math.MaxInt64)

var latencyBounds = []time.Duration{
	250 * time.Millisecond,
	500 * time.Millisecond,
	time.Second,
	2 * time.Second,
	3 * time.Second,
	5 * time.Second,
	8 * time.Second,
	13 * time.Second,
	20 * time.Second,
	30 * time.Second,
	time.Minute,
	2 * time.Minute,
	5 * time.Minute,
	15 * time.Minute,
	time.Hour,
	6 * time.Hour,
	longest,
}

// Slot is what ended in the SlotLength that begins at At.
type Slot struct {
	At time.Time
	Counts
}

// Status is how many events ended in a status.
func (c Counts) Status(status hotsync.Status) int {
	n := 0
	for o, k := range c.Outcomes {
		if o.Status == status {
			n += k
		}
	}
	return n
}

// Sum adds slots up.
func Sum(slots []Slot) Counts {
	sum := Counts{Outcomes: map[Outcome]int{}, Latency: Latency{}}
	for _, slot := range slots {
		for o, n := range slot.Outcomes {
			sum.Outcomes[o] += n
		}
		for bound, n := range slot.Latency {
			sum.Latency[bound] += n
		}
	}
	return sum
}

// Quantile estimates the duration that the part q (0 to 1) of the syncs stayed
// within, as a straight line through its range; ok is false when none is known.
func (l Latency) Quantile(q float64) (_ time.Duration, ok bool) {
	total := 0
	for _, n := range l {
		total += n
	}
	if total == 0 {
		return 0, false
	}
	rank := min(max(q, 0), 1) * float64(total)
	low, below := time.Duration(0), 0
	for _, bound := range slices.Sorted(maps.Keys(l)) {
		if i, _ := slices.BinarySearch(latencyBounds, bound); i > 0 {
			low = latencyBounds[i-1]
		}
		n := l[bound]
		if n > 0 && float64(below+n) >= rank {
			if bound == longest {
				return low, true
			}
			return low + time.Duration(float64(bound-low)*(rank-float64(below))/float64(n)), true
		}
		below += n
	}
	return low, true
}

// The attributes of a slot's item: an outcome with its status and reason, or a
// range with its bound in milliseconds.
const (
	outcomePrefix = "outcome#"
	latencyPrefix = "latency#"
)

func slotKey(at time.Time) item {
	at = at.UTC().Truncate(SlotLength)
	return dynamo.Key("count#"+at.Format(time.DateOnly), at.Format("15:04"))
}

// Tally counts an event that has become final. Call it once; it counts what it is given
// and refuses an event that is not final.
func (s *Store) Tally(ctx context.Context, e hotsync.Event) error {
	return s.TallyAll(ctx, []hotsync.Event{e})
}

// TallyAll is Tally of several: one write for all that ended in the same SlotLength.
func (s *Store) TallyAll(ctx context.Context, events []hotsync.Event) (err error) {
	defer hotsync.In(&err, "eventstore.Tally")
	type slot struct {
		at     time.Time
		counts map[string]int // by attribute
	}
	slots := map[string]*slot{}
	for _, e := range events {
		if !e.Status.Final() {
			return badRequest("Event %s is not final.", e.ID)
		}
		at := e.FinishedAt
		if at.IsZero() {
			at = s.now()
		}
		id := at.UTC().Truncate(SlotLength).Format(time.RFC3339)
		if slots[id] == nil {
			slots[id] = &slot{at: at, counts: map[string]int{}}
		}
		slots[id].counts[outcomePrefix+string(e.Status)+"#"+e.Reason]++
		if e.Status == hotsync.StatusSucceeded {
			bound := latencyBound(at.Sub(e.RequestedAt)).Milliseconds()
			slots[id].counts[latencyPrefix+strconv.FormatInt(bound, 10)]++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(slots)) {
		err = s.add(ctx, slots[id].at, slots[id].counts)
		if err != nil {
			return err
		}
	}
	return nil
}

// add adds counts to the item of a slot.
func (s *Store) add(ctx context.Context, at time.Time, counts map[string]int) error {
	names, values := map[string]string{}, item{":expires": dynamo.Number(at.Add(s.retention).Unix())}
	terms := make([]string, 0, len(counts))
	for i, name := range slices.Sorted(maps.Keys(counts)) {
		n := strconv.Itoa(i)
		names["#c"+n], values[":c"+n] = name, dynamo.Number(counts[name])
		terms = append(terms, "#c"+n+" :c"+n)
	}
	_, err := s.table.Update(ctx, &dynamodb.UpdateItemInput{Key: slotKey(at),
		UpdateExpression:          aws.String("SET expiresAt = :expires ADD " + strings.Join(terms, ", ")),
		ExpressionAttributeNames:  names,
		ExpressionAttributeValues: values})
	return err
}

// Tallies collects what is to be counted, so that a batch is counted in one write. It
// is a Store in all else, and safe for concurrent use.
type Tallies struct {
	*Store

	mu     sync.Mutex
	events []hotsync.Event
}

// Tally keeps events until Flush.
func (t *Tallies) Tally(_ context.Context, e hotsync.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, hotsync.Event{ID: e.ID, Status: e.Status, Reason: e.Reason,
		RequestedAt: e.RequestedAt, FinishedAt: e.FinishedAt}) // without what does not count
	return nil
}

// Flush counts what was collected. It belongs at the end of an invocation: Lambda may
// freeze the process then.
func (t *Tallies) Flush(ctx context.Context) error {
	t.mu.Lock()
	events := t.events
	t.events = nil
	t.mu.Unlock()
	return t.TallyAll(ctx, events)
}

// latencyBound is the bound of the range that holds d.
func latencyBound(d time.Duration) time.Duration {
	i, _ := slices.BinarySearch(latencyBounds, d)
	return latencyBounds[min(i, len(latencyBounds)-1)]
}

// Count returns the slots from the one that holds from to the last that begins
// before to, in order of time, without those in which nothing ended. What is
// older than the retention period is gone.
func (s *Store) Count(ctx context.Context, from, to time.Time) (_ []Slot, err error) {
	defer hotsync.In(&err, "eventstore.Count")
	from = maxTime(from, s.now().Add(-s.retention)).UTC().Truncate(SlotLength)
	to = to.UTC()
	if newest := s.now().Add(skew).UTC(); to.After(newest) {
		to = newest
	}
	var days []time.Time
	for day := from.Truncate(24 * time.Hour); day.Before(to); day = day.AddDate(0, 0, 1) {
		days = append(days, day)
	}
	found := make([][]Slot, len(days))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, day := range days {
		g.Go(func() (err error) {
			found[i], err = s.countDay(ctx, day)
			return err
		})
	}
	err = g.Wait()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Concat(found...), func(slot Slot) bool {
		return slot.At.Before(from) || !slot.At.Before(to)
	}), nil
}

// countDay reads the slots of a day: at most 144 small items, one query.
func (s *Store) countDay(ctx context.Context, day time.Time) ([]Slot, error) {
	out, err := s.table.Query(ctx, &dynamodb.QueryInput{
		KeyConditionExpression: aws.String("pk = :pk"), FilterExpression: aws.String("expiresAt > :now"),
		ExpressionAttributeValues: item{":pk": slotKey(day)[dynamo.PK], ":now": dynamo.Number(s.now().Unix())}})
	if err != nil {
		return nil, err
	}
	slots := make([]Slot, 0, len(out.Items))
	for _, it := range out.Items {
		at, err := time.Parse(time.DateOnly+" 15:04", day.Format(time.DateOnly)+" "+dynamo.GetText(it, dynamo.SK))
		if err != nil {
			continue
		}
		slots = append(slots, Slot{At: at, Counts: decodeCounts(it)})
	}
	return slots, nil
}

func decodeCounts(it item) Counts {
	c := Counts{Outcomes: map[Outcome]int{}, Latency: Latency{}}
	for name := range it {
		n := int(dynamo.GetNumber(it, name))
		if outcome, ok := strings.CutPrefix(name, outcomePrefix); ok {
			status, reason, _ := strings.Cut(outcome, "#")
			c.Outcomes[Outcome{Status: hotsync.Status(status), Reason: reason}] += n
		}
		if bound, ok := strings.CutPrefix(name, latencyPrefix); ok {
			ms, err := strconv.ParseInt(bound, 10, 64)
			if err == nil {
				c.Latency[latencyBound(time.Duration(ms)*time.Millisecond)] += n
			}
		}
	}
	return c
}

// Total is a number of events, or what is known of it.
type Total struct {
	N       int
	AtLeast bool // there may be more than N: counting stopped at its bound
}

// CountMatching counts what a search with this query finds on all its pages, up
// to limit. It reads no event; what it costs is bounded too, by the limit and at all.
// Limit, Ahead, Cursor and Full of the query do not matter.
func (s *Store) CountMatching(ctx context.Context, q Query, limit int) (_ Total, err error) {
	defer hotsync.In(&err, "eventstore.CountMatching")
	q.Limit, q.Ahead = 0, 0
	q, err = q.valid()
	if err != nil {
		return Total{}, err
	}
	newest := hotsync.FirstEventID(s.now().Add(skew))
	if q.Open {
		list, more, err := s.openMatching(ctx, q, newest)
		return Total{N: min(len(list), limit), AtLeast: more || len(list) > limit}, err
	}
	p, err := s.plan(ctx, q, newest)
	if err != nil {
		return Total{}, err
	}
	var found, budget atomic.Int64
	budget.Store(min(s.countBudget, countCost*int64(max(limit, DefaultLimit))))
	stop := func() bool { return found.Load() >= int64(limit) || budget.Load() <= 0 }
	more := false
	for w := range p.windows() {
		if stop() {
			more = true
			break
		}
		cut, err := s.countWindow(ctx, w, p, limit, &found, &budget)
		if err != nil {
			return Total{}, err
		}
		more = more || cut
	}
	n := int(found.Load())
	return Total{N: min(n, limit), AtLeast: more || n > limit}, nil
}

// countCost is how many events a count reads for each that it may find: where a filter
// lets less through, it is not worth knowing how many.
const countCost = 20

// maxCountBatch is how many events a query for a count reads at most.
const maxCountBatch = 1_000

// countWindow adds up a window and reports whether it left something uncounted.
func (s *Store) countWindow(
	ctx context.Context,
	w window,
	p plan,
	limit int,
	found, budget *atomic.Int64,
) (cut bool, err error) {
	if overlapping(w.partitions) {
		return s.countMerged(ctx, w, p, limit, found, budget)
	}
	batch := min(firstBatch(limit+1-int(found.Load()), w.partitions), maxCountBatch)
	var left []*dynamodb.QueryInput
	for _, part := range w.partitions {
		if part.id != "" && (part.id < w.lo || part.id >= w.hi) {
			continue
		}
		in := s.query(part, w.lo, w.hi, p.filter)
		in.Select = types.SelectCount
		left = append(left, in)
	}
	// In rounds: a partition that is read on while others are read for the first time
	// would mostly be read for nothing.
	for len(left) > 0 {
		if found.Load() >= int64(limit) || budget.Load() <= 0 {
			return true, nil
		}
		left, err = s.countOn(ctx, left, batch, found, budget)
		if err != nil {
			return false, err
		}
		batch = min(4*batch, maxCountBatch)
		if wanting := limit + 1 - int(found.Load()); !p.filter.selective() && len(left) > 0 {
			batch = min(batch, evenly(wanting, len(left)))
		}
	}
	return false, nil
}

// countOn makes queries for a count once, and returns those that have more.
func (s *Store) countOn(
	ctx context.Context,
	queries []*dynamodb.QueryInput,
	batch int,
	found, budget *atomic.Int64,
) (left []*dynamodb.QueryInput, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, in := range queries {
		g.Go(func() error {
			in.Limit = aws.Int32(int32(batch)) // or DynamoDB reads 1 MB to find that there are a hundred
			out, err := s.table.Query(ctx, in)
			if err != nil {
				return err
			}
			found.Add(int64(out.Count))
			budget.Add(-int64(out.ScannedCount) - queryCost)
			in.ExclusiveStartKey = out.LastEvaluatedKey
			return nil
		})
	}
	err = g.Wait()
	return slices.DeleteFunc(queries, func(in *dynamodb.QueryInput) bool {
		return len(in.ExclusiveStartKey) == 0
	}), err
}

// overlapping reports whether an event may be in two of the partitions: those
// of one index have none in common, and what is queued is found by its status alone.
func overlapping(partitions []partition) bool {
	return slices.ContainsFunc(partitions, func(p partition) bool {
		return p.queued || p.index != partitions[0].index && p.index != indexStatus
	})
}

// countMerged counts where partitions overlap, which takes reading the ids.
func (s *Store) countMerged(
	ctx context.Context,
	w window,
	p plan,
	limit int,
	found, budget *atomic.Int64,
) (cut bool, err error) {
	left := int(budget.Load())
	m := s.merge(w, p, min(limit+1, maxBatch), &left)
	for found.Load() <= int64(limit) {
		_, ok, err := m.next(ctx)
		if err != nil {
			return false, err
		}
		if !ok {
			return m.rest != "", nil
		}
		found.Add(1)
	}
	return true, nil
}

// OldestUnfinished finds the event that has waited longest for its end; ok is
// false when none waits.
func (s *Store) OldestUnfinished(ctx context.Context) (oldest hotsync.Event, ok bool, err error) {
	defer hotsync.In(&err, "eventstore.OldestUnfinished")
	now := s.now()
	lo, hi := hotsync.FirstEventID(now.Add(-s.retention)), hotsync.FirstEventID(now.Add(skew))
	partitions := statusPartitions(
		[]hotsync.Status{hotsync.StatusQueued, hotsync.StatusRunning, hotsync.StatusRetrying},
		"",
	)
	first := make([]hotsync.Event, len(partitions))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, p := range partitions {
		g.Go(func() error {
			in := s.query(p, lo, hi, filter{now: now})
			in.ScanIndexForward, in.Limit = aws.Bool(true), aws.Int32(1)
			out, err := s.table.Query(ctx, in)
			if err != nil {
				return err
			}
			if len(out.Items) > 0 {
				first[i], err = decodeRow(out.Items[0])
			}
			return err
		})
	}
	err = g.Wait()
	if err != nil {
		return hotsync.Event{}, false, err
	}
	for _, e := range first {
		if e.ID != "" && (!ok || e.ID < oldest.ID) {
			oldest, ok = e, true
		}
	}
	return oldest, ok, nil
}
