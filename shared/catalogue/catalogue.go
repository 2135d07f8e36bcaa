// Package catalogue says which offer or add-on of Limio's published catalogue a
// Zuora rate plan stands for. Limio's account pages show a subscription only
// through an item of the catalogue, and Zuora knows nothing of it, so that the
// two have to be brought together by what merchants keep alike: the name of the
// rate plan and the product.
//
// The package is pure: package limio reads the catalogue, package projection
// asks which item is meant.
package catalogue

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"hotsync/shared/hotsync"
)

// The record types that a rate plan may stand for, and the one of products.
const (
	TypeOffer    = "offer"
	TypeAddOn    = "add_on"
	TypeDiscount = "discount"
	typeProduct  = "product"
)

// Item is an item of the catalogue. Path, ID, Name and Version are those of the
// envelope: inside data they may belong to the item it was duplicated from.
type Item struct {
	Path          string         `json:"path"`
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Version       string         `json:"version"`
	Type          string         `json:"type"`
	RecordType    string         `json:"record_type"` // offer, add_on, discount or product
	RecordSubtype string         `json:"record_subtype,omitempty"`
	Data          map[string]any `json:"data"` // as published; JSON values, numbers are json.Number; never changed
}

// IsAddOn reports whether the item is an add-on, which is never a base plan.
func (i Item) IsAddOn() bool { return i.RecordType == TypeAddOn }

// IsDiscount reports whether the item is a discount.
func (i Item) IsDiscount() bool {
	return i.RecordType == TypeDiscount || i.RecordSubtype == TypeDiscount
}

// Index finds items by what is known of a rate plan. It is for any number of
// goroutines. Of each item it keeps the few facts that matching needs, and the
// rest as packed JSON: 2,000 items take far less memory than their text.
type Index struct {
	entries  []*entry // by path
	byPath   map[string]*entry
	byPlan   map[string][]*entry // by name of the rate plan, each list by path
	products map[string][]byte   // JSON of products as published, by path
	notes    []hotsync.Finding

	mu      sync.Mutex
	decoded map[string]map[string]any // Data of items that were asked for lately, by path
}

// maxDecoded bounds what the index keeps of decoded items: some 25 KB each. A
// catalogue of no more stays decoded from the start.
const maxDecoded = 512

// NewIndex returns the index of items, whose order does not matter. What is not
// as an item should be is left out and named in Notes.
func NewIndex(items []Item) *Index {
	var b Builder
	for _, item := range items {
		b.Add(item)
	}
	return b.Index()
}

// Builder makes an index of items that come one by one, so that a large
// catalogue never lies in memory decoded. The zero value is ready for use.
type Builder struct {
	byPath   map[string]*entry
	decoded  map[string]map[string]any
	products map[string]product
	notes    []hotsync.Finding
}

// Add takes an item in.
func (b *Builder) Add(item Item) {
	if b.byPath == nil {
		b.byPath, b.products, b.decoded = map[string]*entry{}, map[string]product{}, map[string]map[string]any{}
	}
	item.RecordType = cmp.Or(item.RecordType, text(item.Data["record_type"]))
	item.RecordSubtype = cmp.Or(item.RecordSubtype, text(item.Data["record_subtype"]))
	if item.RecordType == typeProduct {
		b.addProduct(productOf(item.Path, item.Data))
		return
	}
	if !slices.Contains([]string{TypeOffer, TypeAddOn, TypeDiscount}, item.RecordType) {
		return // pages, labels, gifts: nothing a rate plan stands for
	}
	e, products, problem := newEntry(item)
	if problem != "" {
		b.notes = hotsync.AddFinding(b.notes, hotsync.Note(hotsync.FindingCatalogueItem, item.Path,
			"An item of the catalogue was left out: %s.", problem))
		return
	}
	for _, p := range products {
		b.addProduct(p)
	}
	// Two of one path: the same whichever comes first.
	known := b.byPath[item.Path]
	if known == nil || known.item.Version < item.Version {
		b.byPath[item.Path] = e
		if len(b.byPath) > maxDecoded {
			clear(b.decoded)
			return
		}
		b.decoded[item.Path] = item.Data
	}
}

// addProduct keeps the product that says most of those with its path.
func (b *Builder) addProduct(p product) {
	if p.path == "" || len(p.raw) == 0 {
		return
	}
	known, ok := b.products[p.path]
	if !ok || cmp.Or(cmp.Compare(len(known.raw), len(p.raw)), bytes.Compare(known.raw, p.raw)) < 0 {
		b.products[p.path] = p
	}
}

// Index returns the index of what was added.
func (b *Builder) Index() *Index {
	x := &Index{
		byPath:   b.byPath,
		byPlan:   map[string][]*entry{},
		products: map[string][]byte{},
		notes:    slices.Clone(b.notes),
		decoded:  map[string]map[string]any{},
	}
	maps.Copy(x.decoded, b.decoded)
	slices.SortFunc(x.notes, func(a, b hotsync.Finding) int { return cmp.Compare(a.Object, b.Object) })
	for path, p := range b.products {
		x.products[path] = p.raw
	}
	for _, path := range slices.Sorted(maps.Keys(b.byPath)) {
		e := b.byPath[path]
		e.resolve(b.products)
		x.entries = append(x.entries, e)
		for _, plan := range e.plans() {
			x.byPlan[plan] = append(x.byPlan[plan], e)
		}
	}
	return x
}

// Len returns the number of items.
func (x *Index) Len() int { return len(x.entries) }

// Notes returns what was left out, and why.
func (x *Index) Notes() []hotsync.Finding { return x.notes }

// Items returns the items by path, each decoded when its turn comes.
func (x *Index) Items() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for _, e := range x.entries {
			item := e.item
			item.Data = decode(unpack(e.packed))
			if !yield(item) {
				return
			}
		}
	}
}

// Products returns the products by path, as items of their own: what an index of
// Items alone would lack where an item names its products by path.
func (x *Index) Products() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for _, path := range slices.Sorted(maps.Keys(x.products)) {
			if !yield(Item{Path: path, RecordType: typeProduct, Data: decode(x.products[path])}) {
				return
			}
		}
	}
}

// Item returns the item of a path.
func (x *Index) Item(path string) (_ Item, ok bool) {
	e := x.byPath[path]
	if e == nil {
		return Item{}, false
	}
	return x.whole(e), true
}

// Product returns the product of a path as any item has it published, for items
// that name their products by path alone.
func (x *Index) Product(path string) (_ map[string]any, ok bool) {
	raw, ok := x.products[path]
	if !ok {
		return nil, false
	}
	return decode(raw), true
}

// whole is the item with its data.
func (x *Index) whole(e *entry) Item {
	x.mu.Lock()
	defer x.mu.Unlock()
	item := e.item
	data, ok := x.decoded[item.Path]
	if !ok {
		data = decode(unpack(e.packed))
		if len(x.decoded) >= maxDecoded {
			clear(x.decoded)
		}
		x.decoded[item.Path] = data
	}
	item.Data = data
	return item
}

// decode reads what encode wrote.
func decode(raw []byte) map[string]any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	out := map[string]any{}
	_ = dec.Decode(&out) // it is JSON: encode made it
	return out
}

// encode is data as JSON; ok is false when it holds what JSON cannot say.
func encode(data map[string]any) (_ []byte, ok bool) {
	raw, err := json.Marshal(data)
	return raw, err == nil
}

func text(value any) string {
	s, _ := value.(string)
	return strings.TrimSpace(s)
}
