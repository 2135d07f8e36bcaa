package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"hotsync/local/stack/engines"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/eventstore/storetest"
	"hotsync/shared/hotsync"
)

// What is read of the event store must not grow with the events that it holds. Two stores are asked the same, of which
// the larger has the smaller one's events as its newest and a hundred times as many in all, at the same pace: both
// answer the same. The calls and the items that DynamoDB reads for them do not depend on the computer.
const (
	flatEvents = 1_000
	flatAsked  = "2026-11-20T12:00:00Z" // when they are asked
	flatPace   = 69 * time.Second       // from one event to the next: 100,000 in 80 days
	flatPage   = 25
	flatShare  = 20 // one of so many accounts, which is also the one whose syncs fail
	flatMost   = 1.3
	flatTries  = 40
	flatInMind = 200_000 // events that Node holds in its memory with their indexes
	flatTold   = 50_000
)

// flatStore is a store whose reads are counted.
type flatStore struct {
	*eventstore.Store
	reads *reads
}

// reads counts calls that read, and the items that DynamoDB goes over for them.
type reads struct {
	dynamo.Client
	mu           sync.Mutex
	calls, items int
}

func (r *reads) add(items int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	r.items += items
}

func (r *reads) taken() (calls, items int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls, items, r.calls, r.items = r.calls, r.items, 0, 0
	return calls, items
}

func (r *reads) Query(
	ctx context.Context,
	in *dynamodb.QueryInput,
	o ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	out, err := r.Client.Query(ctx, in, o...)
	if err == nil {
		r.add(int(out.ScannedCount))
	}
	return out, err
}

func (r *reads) GetItem(
	ctx context.Context,
	in *dynamodb.GetItemInput,
	o ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	r.add(1)
	return r.Client.GetItem(ctx, in, o...)
}

func (r *reads) BatchGetItem(
	ctx context.Context,
	in *dynamodb.BatchGetItemInput,
	o ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	n := 0
	for _, of := range in.RequestItems {
		n += len(of.Keys)
	}
	r.add(n)
	return r.Client.BatchGetItem(ctx, in, o...)
}

// shipment takes the items of events without writing them, so that they can be written many at once.
type shipment struct {
	dynamo.Client
	mu    sync.Mutex
	items []types.WriteRequest
}

// taken returns the items so far, and forgets them.
func (s *shipment) taken() []types.WriteRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := s.items
	s.items = nil
	return items
}

func (s *shipment) PutItem(
	_ context.Context,
	in *dynamodb.PutItemInput,
	_ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pk, ok := in.Item[dynamo.PK].(*types.AttributeValueMemberS); ok && strings.HasPrefix(pk.Value, "event#") {
		s.items = append(s.items, types.WriteRequest{PutRequest: &types.PutRequest{Item: in.Item}})
	}
	return &dynamodb.PutItemOutput{}, nil
}

func (*shipment) GetItem(
	context.Context,
	*dynamodb.GetItemInput,
	...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{}, nil
}

func (*shipment) UpdateItem(
	context.Context,
	*dynamodb.UpdateItemInput,
	...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	return &dynamodb.UpdateItemOutput{}, nil
}

func (*shipment) BatchGetItem(
	context.Context,
	*dynamodb.BatchGetItemInput,
	...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	return &dynamodb.BatchGetItemOutput{}, nil
}

// flatEvent is the nth event before the stores are asked.
func flatEvent(asked time.Time, n int) hotsync.Event {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	at := asked.Add(-time.Duration(n+1) * flatPace)
	e := hotsync.NewEvent(hotsync.SyncRequest{
		EventID: hotsync.NewEventID(at, func(b []byte) (int, error) {
			binary.BigEndian.PutUint64(b, random.Uint64())
			b[9] = byte(random.Uint32())
			return len(b), nil
		}),
		LoginID:     fmt.Sprint("login-", n),
		Trigger:     hotsync.TriggerLogin,
		Provider:    "direct",
		Identity:    hotsync.Identity{Issuer: "https://id.example.com", Subject: flatSubject(n)},
		EmailHash:   flatHash(n),
		Account:     otherID("flat", n%flatShare),
		RequestedAt: at,
	})
	e.Account.Number = fmt.Sprintf("A%08d", n%flatShare)
	e.Status, e.Reason = hotsync.StatusSucceeded, hotsync.ReasonUnchanged
	if n%flatShare == 0 {
		e.Error = hotsync.Errorf(hotsync.CodeZuoraBusy, "Zuora is busy.").Problem()
		e.Status, e.Reason = hotsync.StatusFailed, string(hotsync.CodeZuoraBusy)
	}
	e.StartedAt, e.FinishedAt = at, at.Add(time.Second)
	e.Attempts = []hotsync.Attempt{{N: 1, StartedAt: at, FinishedAt: at.Add(time.Second)}}
	return e
}

const flatKey = "flat"

func flatSubject(n int) string { return fmt.Sprint("direct|", n%flatShare) }

func flatEmail(n int) string { return fmt.Sprintf("person%d@example.com", n%flatShare) }

func flatHash(n int) string { return hotsync.SearchHash([]byte(flatKey), flatEmail(n)) }

// flatLoaded is a store with so many events.
func (b *bench) flatLoaded(ctx context.Context, on *engines.Engines, asked time.Time, events int) (*flatStore, error) {
	client := on.DynamoDB()
	b.stacks++
	name := fmt.Sprintf("flat%d", b.stacks)
	_, err := client.CreateTable(ctx, storetest.Schema(name))
	if err != nil {
		return nil, err
	}
	err = dynamodb.NewTableExistsWaiter(client).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, time.Minute)
	if err != nil {
		return nil, err
	}
	now := func() time.Time { return asked }
	cfg := eventstore.Config{Now: now, SearchKey: func(context.Context) ([]byte, error) { return []byte(flatKey), nil }}
	s := &flatStore{reads: &reads{Client: client}}
	s.Store = eventstore.New(dynamo.Table{Client: s.reads, Name: name, Now: now}, cfg)
	ship := &shipment{Client: client}
	aside := eventstore.New(dynamo.Table{Client: ship, Name: name, Now: now}, cfg)
	table := dynamo.Table{Client: client, Name: name, Now: now}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	send := func() {
		for part := range slices.Chunk(ship.taken(), 25) {
			g.Go(func() error { return table.WriteAll(gctx, part) })
		}
	}
	var newest []hotsync.Event
	for n := range events {
		e := flatEvent(asked, n)
		into := aside
		if n < flatEvents {
			newest = append(newest, e)
			if e.Status == hotsync.StatusFailed || n < flatShare {
				into = s.Store // with what is open, and the names of people
			}
		}
		_, err = into.Put(ctx, e)
		if err != nil {
			return nil, err
		}
		if n%1_000 == 999 {
			send()
		}
		if n%flatTold == flatTold-1 {
			fmt.Fprintf(os.Stderr, "%d of %d events\n", n+1, events)
		}
	}
	send()
	err = g.Wait()
	if err != nil {
		return nil, err
	}
	// As an UpdateItem would, which the engine has no batches of.
	err = s.TallyAll(ctx, newest)
	if err != nil {
		return nil, err
	}
	for n := range flatShare {
		state := eventstore.AccountState{AccountID: otherID("flat", n), Number: fmt.Sprintf("A%08d", n)}
		state, err = s.SaveAliases(ctx, state, fmt.Sprintf("A-S%08d", n), flatHash(n))
		if err == nil {
			_, err = s.SaveAccount(ctx, state)
		}
		if err != nil {
			return nil, err
		}
	}
	s.reads.taken()
	return s, nil
}

// asking is a read of the store that returns how many rows it had.
type asking struct {
	name string
	ask  func(ctx context.Context, s *eventstore.Store) (rows int, err error)
}

func flatAskings(asked time.Time) []asking {
	search := func(name string, q eventstore.Query) asking {
		q.Limit = flatPage
		return asking{name, func(ctx context.Context, s *eventstore.Store) (int, error) {
			page, err := s.Search(ctx, q)
			return len(page.Events), err
		}}
	}
	failed := []hotsync.Status{hotsync.StatusFailed}
	day := asked.Add(-12 * time.Hour)
	return []asking{
		search("search of the newest", eventstore.Query{}),
		search("search by account", eventstore.Query{Account: otherID("flat", 7)}),
		search("search by account number", eventstore.Query{Account: "A00000007"}),
		search("search by subject", eventstore.Query{Subject: flatSubject(7)}),
		search("search by subscription number", eventstore.Query{Q: "A-S00000007"}),
		search("search by e-mail", eventstore.Query{Q: flatEmail(7)}),
		search("search by status", eventstore.Query{Statuses: failed}),
		search("search by reason", eventstore.Query{Reason: string(hotsync.CodeZuoraBusy)}),
		search("search by time range", eventstore.Query{From: day, To: day.Add(6 * time.Hour)}),
		search("search of what is open", eventstore.Query{Open: true}),
		{"count of failures in 12 hours", func(ctx context.Context, s *eventstore.Store) (int, error) {
			total, err := s.CountMatching(ctx, eventstore.Query{Statuses: failed, From: day}, 100)
			return total.N, err
		}},
		{"account page", func(ctx context.Context, s *eventstore.Store) (int, error) {
			_, err := s.LoadAccount(ctx, otherID("flat", 7))
			if err != nil {
				return 0, err
			}
			page, err := s.Search(ctx, eventstore.Query{Account: otherID("flat", 7), Limit: flatPage, Full: true})
			return len(page.Events), err
		}},
		{"overview", func(ctx context.Context, s *eventstore.Store) (int, error) {
			slots, err := s.Count(ctx, asked.Add(-12*time.Hour), asked)
			if err != nil {
				return 0, err
			}
			open, err := s.Open(ctx)
			if err != nil {
				return 0, err
			}
			_, _, err = s.OldestUnfinished(ctx)
			return len(slots) + len(open.Events), err
		}},
	}
}

// flat asks both stores the same, so often, and fails when they answer with other numbers of rows.
func (b *bench) flat(ctx context.Context, small, large, tries int) (rows []row, err error) {
	asked, err := time.Parse(time.RFC3339, flatAsked)
	if err != nil {
		return nil, err
	}
	on := b.engines
	if large > flatInMind {
		on, err = engines.Start(ctx, engines.Options{Root: b.root, Data: filepath.Join(b.dir, "tables")})
		if err != nil {
			return nil, err
		}
		defer on.Stop()
	}
	var stores [2]*flatStore
	for i, n := range []int{small, large} {
		stores[i], err = b.flatLoaded(ctx, on, asked, n)
		if err != nil {
			return nil, err
		}
	}
	for _, a := range flatAskings(asked) {
		var times [2][]time.Duration
		var found, calls, items [2]int
		for range tries {
			for i, s := range stores {
				begun := time.Now()
				found[i], err = a.ask(ctx, s.Store)
				times[i] = append(times[i], time.Since(begun))
				if err != nil {
					return nil, fmt.Errorf("%s: %w", a.name, err)
				}
				calls[i], items[i] = s.reads.taken()
			}
		}
		if found[0] != found[1] || found[0] == 0 {
			return nil, fmt.Errorf("%s: %d rows of %d events and %d of %d", a.name, found[0], small, found[1], large)
		}
		median := [2]time.Duration{percentile(times[0], 50), percentile(times[1], 50)}
		detail := fmt.Sprintf("%d events : %d, %d rows; calls %d : %d, items read %d : %d", large, small, found[0],
			calls[1], calls[0], items[1], items[0])
		rows = append(rows,
			row{name: a.name + ": items read", value: float64(items[1]) / float64(max(1, items[0])), target: flatMost,
				unit: "x", detail: detail},
			row{name: a.name + ": store calls", value: float64(calls[1]) / float64(max(1, calls[0])), target: flatMost,
				unit: "x", detail: detail},
			row{name: a.name + ": time, p50", value: ratio(median[1], median[0]), target: flatMost, unit: "x",
				detail: fmt.Sprintf("%.1f ms : %.1f ms", ms(median[1]), ms(median[0]))})
	}
	return rows, nil
}

// flatRows compare a store of many events with one of few.
func flatRows(ctx context.Context, b *bench) ([]row, error) {
	return b.flat(ctx, flatEvents, b.events, flatTries)
}

// flatCheckRows are the part of that which does not depend on the computer, over fewer events.
func flatCheckRows(ctx context.Context, b *bench) ([]row, error) {
	all, err := b.flat(ctx, flatEvents, 10*flatEvents, 1)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, r := range all {
		if strings.HasSuffix(r.name, "time, p50") {
			continue
		}
		if r.value > flatMost {
			return nil, fmt.Errorf("%s grow with the events: %.2f (%s)", r.name, r.value, r.detail)
		}
		r.name, r.target, r.fixed = r.name+", 10,000 events : 1,000", 0, true
		rows = append(rows, r)
	}
	return rows, nil
}
