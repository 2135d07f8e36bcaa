package eventstore

import (
	"context"
	"math"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// Bounds of the work for one call, so that its cost does not grow with the
// table however little a filter lets through.
const (
	pageBudget  = 3_000  // events read for a page, with queryCost for every query
	countBudget = 30_000 // events read for a count
	queryCost   = 20
	parallel    = 8   // queries at once
	maxBatch    = 400 // events a query reads
)

// Page is a part of what a search finds.
type Page struct {
	Events []hotsync.Event
	Cursor string          // of the next page; "" at the end
	Ahead  []hotsync.Event // what follows, as far as the query looks ahead
	Beyond bool            // there may be more than that
}

// Search finds events, newest first. A page may be short, even empty, and still
// have a cursor, when much had to be read to find little. Pages never overlap
// and events that come in meanwhile do not shift them. A query or cursor that
// makes no sense is a bad_request. An event just written may be missing for a
// moment, since DynamoDB's indexes follow the table.
func (s *Store) Search(ctx context.Context, q Query) (_ Page, err error) {
	defer hotsync.In(&err, "eventstore.Search")
	q, err = q.valid()
	if err != nil {
		return Page{}, err
	}
	before, err := decodeCursor(q, q.Cursor)
	if err != nil {
		return Page{}, err
	}
	if before == "" {
		before = hotsync.FirstEventID(s.now().Add(skew))
	}
	page := Page{}
	var next string
	if q.Open {
		page.Events, next, err = s.readOpen(ctx, q, before)
	} else {
		page.Events, next, err = s.readPlan(ctx, q, before)
	}
	page.Beyond = next != ""
	if len(page.Events) > q.Limit {
		page.Events, page.Ahead = page.Events[:q.Limit], page.Events[q.Limit:]
		next = page.Events[q.Limit-1].ID
	}
	if err == nil && next != "" {
		page.Cursor, err = encodeCursor(q, next)
	}
	if err == nil && q.Full {
		page.Events, err = s.whole(ctx, page.Events)
	}
	if err != nil {
		return Page{}, err
	}
	return page, nil
}

func (s *Store) readPlan(ctx context.Context, q Query, before string) (events []hotsync.Event, next string, err error) {
	p, err := s.plan(ctx, q, before)
	if err != nil {
		return nil, "", err
	}
	return s.read(ctx, p, q.Limit+q.Ahead)
}

// read collects the newest events of a plan, and the id before which the rest
// begins, or "" when that was all.
func (s *Store) read(ctx context.Context, p plan, limit int) (events []hotsync.Event, next string, err error) {
	budget := s.pageBudget
	begun := false
	for w := range p.windows() {
		if begun && budget <= 0 {
			return events, w.hi, nil
		}
		begun = true
		m := s.merge(w, p, limit-len(events), &budget)
		for {
			e, ok, err := m.next(ctx)
			if err != nil {
				return nil, "", err
			}
			if !ok {
				break
			}
			if len(events) == limit { // one more than wanted: there is a next page
				return events, events[limit-1].ID, nil
			}
			events = append(events, e)
		}
		if m.rest != "" {
			return events, m.rest, nil
		}
	}
	return events, "", nil
}

// merge reads the partitions of a window together, newest id first, each event
// once though several partitions may hold it.
func (s *Store) merge(w window, p plan, want int, budget *int) *merge {
	batch := min(firstBatch(want, w.partitions), s.maxBatch)
	m := &merge{store: s, plan: p, budget: budget}
	for _, part := range w.partitions {
		if part.id != "" && (part.id < w.lo || part.id >= w.hi) {
			continue
		}
		m.streams = append(m.streams, &stream{partition: part, lo: w.lo, hi: w.hi, batch: batch})
	}
	return m
}

// firstBatch is how many events to read of each partition for the first want of all. The
// shards of an index hold as much as each other; what an event is found by otherwise
// is mostly all in one of the partitions.
func firstBatch(want int, partitions []partition) int {
	shared := 0
	for _, p := range partitions {
		if p.index == partitions[0].index && p.sharded() {
			shared++
		}
	}
	if shared < 2 {
		return want + 1 // to see whether there is more
	}
	return evenly(want, shared)
}

// evenly is how many events to read of each of n shards for that many of all, and some more,
// as one shard has a few more than another by chance.
func evenly(want, n int) int {
	each := float64(want) / float64(n)
	return max(int(each+2*math.Sqrt(each))+1, 12)
}

// sharded reports whether the partition is one of several that events are spread over.
func (p partition) sharded() bool {
	return p.id == "" && (p.index == indexTime || p.index == indexStatus || p.index == indexReason)
}

type merge struct {
	store   *Store
	plan    plan
	streams []*stream
	budget  *int
	begun   bool
	rest    string // where reading stopped because the budget was used up, or ""
}

// stream is one partition with what was read of it.
type stream struct {
	partition
	lo, hi string // what is still unread
	batch  int
	events []hotsync.Event
	done   bool
}

// next returns the next older event; ok is false at the end of the window, or
// where the budget ended, which is then in rest.
func (m *merge) next(ctx context.Context) (_ hotsync.Event, ok bool, err error) {
	err = m.fill(ctx)
	if err != nil {
		return hotsync.Event{}, false, err
	}
	var newest hotsync.Event
	for _, st := range m.streams {
		if len(st.events) == 0 {
			continue
		}
		head := st.events[0]
		// While an index follows the table, an event can be in two partitions.
		if head.ID > newest.ID || head.ID == newest.ID && head.Revision > newest.Revision {
			newest = head
		}
	}
	if newest.ID == "" || newest.ID < m.rest {
		return hotsync.Event{}, false, nil
	}
	for _, st := range m.streams {
		if len(st.events) > 0 && st.events[0].ID == newest.ID {
			st.events = st.events[1:]
		}
	}
	return newest, true, nil
}

// fill reads on in every partition whose events are used up, unless the budget
// is: then it notes up to where everything has been read. The first time it
// always reads, so that every page gets on.
func (m *merge) fill(ctx context.Context) error {
	for {
		var hungry []*stream
		for _, st := range m.streams {
			if len(st.events) == 0 && !st.done {
				hungry = append(hungry, st)
			}
		}
		if len(hungry) == 0 {
			return nil
		}
		if m.begun && *m.budget <= 0 {
			for _, st := range hungry {
				m.rest = max(m.rest, st.hi)
			}
			return nil
		}
		m.begun = true
		var spent atomic.Int64
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(parallel)
		for _, st := range hungry {
			g.Go(func() error {
				n, err := m.store.readOn(ctx, st, m.plan)
				spent.Add(int64(n) + queryCost)
				return err
			})
		}
		err := g.Wait()
		if err != nil {
			return err
		}
		*m.budget -= int(spent.Load())
	}
}

// readOn reads the next events of a stream and says how many it looked at.
func (s *Store) readOn(ctx context.Context, st *stream, p plan) (int, error) {
	in := s.query(st.partition, st.lo, st.hi, p.filter)
	in.Limit = aws.Int32(int32(st.batch))
	out, err := s.table.Query(ctx, in)
	if err != nil {
		return 0, err
	}
	for _, it := range out.Items {
		e, err := decodeRow(it)
		if err != nil {
			return 0, err
		}
		if !st.queued || p.holds(e) {
			st.events = append(st.events, e)
		}
	}
	if last := dynamo.GetText(out.LastEvaluatedKey, attrID); last != "" && last > st.lo {
		st.hi = last
	} else {
		st.done = true
	}
	st.batch *= 2
	if p.filter.selective() {
		st.batch *= 2 // little of it is let through
	}
	st.batch = min(st.batch, s.maxBatch)
	return int(out.ScannedCount), nil
}

// whole reads the detail of events, keeping their order; what has expired or
// gone meanwhile is left out.
func (s *Store) whole(ctx context.Context, rows []hotsync.Event) ([]hotsync.Event, error) {
	keys := make([]item, len(rows))
	for i, e := range rows {
		keys[i] = eventKey(e.ID)
	}
	found, err := s.readAll(ctx, keys, decodeWhole)
	if err != nil {
		return nil, err
	}
	out := make([]hotsync.Event, 0, len(rows))
	for _, row := range rows {
		if e, ok := found[row.ID]; ok {
			out = append(out, e)
		}
	}
	return out, nil
}
