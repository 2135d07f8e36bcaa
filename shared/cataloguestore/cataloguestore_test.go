package cataloguestore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/shared/catalogue"
	"hotsync/shared/cataloguestore"
	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// table is a DynamoDB table that refuses what DynamoDB refuses: items over 400 KB.
type table struct {
	dynamo.Client
	mu     sync.Mutex
	items  map[string]map[string]types.AttributeValue
	reads  int
	writes int
	err    error
}

func keyOf(it map[string]types.AttributeValue) string {
	return it["pk"].(*types.AttributeValueMemberS).Value + " " + it["sk"].(*types.AttributeValueMemberS).Value
}

func (t *table) GetItem(_ context.Context, in *dynamodb.GetItemInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reads++
	return &dynamodb.GetItemOutput{Item: t.items[keyOf(in.Key)]}, t.err
}

func (t *table) PutItem(_ context.Context, in *dynamodb.PutItemInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(in.Item["data"].(*types.AttributeValueMemberB).Value) > 400<<10-1024 {
		return nil, errors.New("ValidationException: item size")
	}
	if t.items == nil {
		t.items = map[string]map[string]types.AttributeValue{}
	}
	if v := in.ExpressionAttributeValues[":version"]; v != nil { // the one condition there is
		known, ok := t.items[keyOf(in.Item)]
		if ok && !cmp.Equal(known["version"], v, cmpopts.IgnoreUnexported(types.AttributeValueMemberN{})) {
			return nil, &types.ConditionalCheckFailedException{}
		}
	}
	t.writes++
	t.items[keyOf(in.Item)] = in.Item
	return &dynamodb.PutItemOutput{}, t.err
}

// offers makes items with so much text each that does not compress.
func offers(n, size int) []catalogue.Item {
	random := rand.New(rand.NewPCG(1, 2))
	var out []catalogue.Item
	for i := range n {
		var b strings.Builder
		for b.Len() < size {
			fmt.Fprintf(&b, "%x", random.Uint64())
		}
		out = append(out, catalogue.Item{Path: fmt.Sprintf("/offers2/%04d", i), ID: "1", Name: "Offer", Version: "2",
			Type: "item", RecordType: "offer",
			Data: map[string]any{"record_type": "offer",
				"attributes":     map[string]any{"text": b.String(), "number": json.Number("17.50")},
				"products":       []any{"/products/Digital"},
				"productBundles": []any{map[string]any{"rate_plan": "Monthly", "product_path": "/products/Digital"}}}})
	}
	return append(out, catalogue.Item{Path: "/products/Digital", RecordType: "product",
		Data: map[string]any{"path": "/products/Digital", "attributes": map[string]any{"product_code__limio": "SKU"}}})
}

func TestCopy(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct{ items, size, stored int }{
		"small": {3, 10, 1}, "of several parts": {200, 10_000, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			db := &table{}
			store := cataloguestore.New(dynamo.Table{Client: db, Name: "events"}, "acme")
			_, ok, err := store.Load(t.Context())
			if ok || err != nil {
				t.Fatalf("Load of nothing = %t, %v", ok, err)
			}
			want := cataloguestore.Copy{Index: catalogue.NewIndex(offers(tc.items, tc.size)),
				ReadAt: time.UnixMilli(1_790_000_000_123),
				Notes:  []hotsync.Finding{hotsync.Note(hotsync.FindingCatalogueItem, "/offers2/odd", "left out")}}
			err = store.Save(t.Context(), want)
			if err != nil {
				t.Fatal(err)
			}
			if len(db.items) != tc.stored {
				t.Errorf("%d items stored, want %d", len(db.items), tc.stored)
			}
			got, ok, err := store.Load(t.Context())
			if !ok || err != nil {
				t.Fatalf("Load = %t, %v", ok, err)
			}
			if !got.ReadAt.Equal(want.ReadAt) || !cmp.Equal(got.Notes, want.Notes) {
				t.Errorf("Load = read at %s with %v", got.ReadAt, got.Notes)
			}
			if diff := cmp.Diff(slices.Collect(want.Index.Items()), slices.Collect(got.Index.Items())); diff != "" {
				t.Errorf("items (-stored +loaded):\n%s", diff)
			}
			m := got.Index.Match(catalogue.Facts{RatePlanName: "Monthly", ProductSKU: "SKU"})
			if m.Standing == catalogue.Unmatched {
				t.Error("the product of an item that names it by path is lost")
			}
			_, ok, _ = cataloguestore.New(dynamo.Table{Client: db, Name: "events"}, "another").Load(t.Context())
			if ok {
				t.Error("another tenant finds the copy")
			}
		})
	}
}

// A copy that is not whole is no catalogue: half of it would end half the offers.
func TestDamagedCopy(t *testing.T) {
	t.Parallel()

	db := &table{}
	store := cataloguestore.New(dynamo.Table{Client: db, Name: "events"}, "acme")
	err := store.Save(t.Context(),
		cataloguestore.Copy{Index: catalogue.NewIndex(offers(200, 10_000)), ReadAt: time.UnixMilli(1)})
	if err != nil {
		t.Fatal(err)
	}
	for key := range db.items {
		if strings.Contains(key, "#001") {
			delete(db.items, key)
		}
	}
	_, ok, err := store.Load(t.Context())
	if ok || hotsync.AsError(err).Code != hotsync.CodeStoreUnavailable {
		t.Errorf("Load without a part = %t, %v", ok, err)
	}
}

// limio is a Limio that gives a catalogue of one item, or an error.
type limio struct {
	reads atomic.Int64
	err   error
	wait  time.Duration
}

func (l *limio) Catalogue(ctx context.Context) (*catalogue.Index, []hotsync.Finding, error) {
	l.reads.Add(1)
	select {
	case <-time.After(l.wait):
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if l.err != nil {
		return nil, nil, l.err
	}
	return catalogue.NewIndex(offers(1, 10)), nil, nil
}

var errDown = hotsync.Errorf(hotsync.CodeLimioUnavailable, "502")

func TestCached(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		source, db := &limio{}, &table{}
		process := func() *cataloguestore.Cached {
			return cataloguestore.NewCached(source, cataloguestore.New(dynamo.Table{Client: db, Name: "events"}, "acme"),
				time.Now, slog.New(slog.DiscardHandler))
		}
		load := func(c *cataloguestore.Cached, reads int64, old bool) {
			t.Helper()
			index, notes, err := c.Load(t.Context())
			if err != nil || index.Len() != 1 || source.reads.Load() != reads || (len(notes) == 1) != old {
				t.Fatalf("Load = %v, notes %v after %d reads of Limio; want %d reads, an old copy %t", err, notes,
					source.reads.Load(), reads, old)
			}
		}
		a := process()
		load(a, 1, false)
		for range 20 {
			load(a, 1, false)
		}
		b := process()
		stored := db.reads
		load(b, 1, false) // the copy of a
		if db.reads != stored+1 {
			t.Errorf("a cold process read %d items, want one", db.reads-stored)
		}
		time.Sleep(15 * time.Minute)
		load(a, 2, false)
		load(b, 2, false) // what a read
		source.err = errDown
		time.Sleep(15 * time.Minute)
		load(a, 3, true)
		load(a, 3, true) // not asked again at once
		time.Sleep(time.Minute)
		load(a, 4, true)
		load(process(), 5, true)
		source.err = nil
		time.Sleep(time.Minute)
		load(a, 6, false)
		load(a, 6, false)

		source.err = errDown
		time.Sleep(24 * time.Hour)
		for _, c := range []*cataloguestore.Cached{a, process()} {
			_, _, err := c.Load(t.Context())
			if !errors.Is(err, errDown) {
				t.Errorf("Load of a copy of yesterday = %v, want Limio's error", err)
			}
		}
	})
}

func TestCachedWithoutStore(t *testing.T) {
	t.Parallel()

	source, db := &limio{}, &table{err: errors.New("throttled")}
	c := cataloguestore.NewCached(source, cataloguestore.New(dynamo.Table{Client: db, Name: "events"}, "acme"), nil,
		slog.New(slog.DiscardHandler))
	for range 3 {
		_, _, err := c.Load(t.Context())
		if err != nil || source.reads.Load() != 1 {
			t.Fatalf("Load = %v after %d reads", err, source.reads.Load())
		}
	}
}

func TestCachedAsksOnceForEverybody(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		source := &limio{wait: time.Second}
		c := cataloguestore.NewCached(source, cataloguestore.New(dynamo.Table{Client: &table{}, Name: "events"}, "acme"),
			time.Now, slog.New(slog.DiscardHandler))
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, _, err := c.Load(t.Context())
				if err != nil {
					t.Errorf("Load: %v", err)
				}
			})
		}
		wg.Go(func() {
			_, _, err := c.Load(impatient)
			if hotsync.AsError(err).Code != hotsync.CodeTimeout {
				t.Errorf("Load of somebody who left = %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if source.reads.Load() != 1 {
			t.Errorf("%d reads, want 1", source.reads.Load())
		}
		source.wait = time.Hour // a Limio that hangs costs no more than the limit
		fresh := cataloguestore.NewCached(source, cataloguestore.New(dynamo.Table{Client: &table{}, Name: "events"}, "acme"),
			time.Now, slog.New(slog.DiscardHandler))
		began := time.Now()
		_, _, err := fresh.Load(t.Context())
		if err == nil || time.Since(began) != 12*time.Second {
			t.Errorf("Load = %v after %s", err, time.Since(began))
		}
	})
}
