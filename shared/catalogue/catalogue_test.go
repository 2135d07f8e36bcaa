package catalogue_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/catalogue"
)

// offer is a published offer in the shape of Limio's own samples.
func offer(path, plan, sku string, change ...func(data, attributes map[string]any)) catalogue.Item {
	attributes := map[string]any{
		"display_name__limio": strings.TrimPrefix(path, "/offers/"),
		"price__limio":        []any{price("GBP", "10.00")},
		"term__limio":         map[string]any{"length": json.Number("1"), "type": "months"},
		"autoRenew__limio":    true,
		"offer_type__limio":   "standard",
	}
	data := map[string]any{
		"record_type":    "offer",
		"attributes":     attributes,
		"productBundles": []any{map[string]any{"product_path": "/products/" + sku, "rate_plan": plan}},
		"products": []any{map[string]any{"path": "/products/" + sku, "record_type": "product",
			"attributes": map[string]any{"product_code__limio": sku, "display_name__limio": sku}}},
	}
	for _, c := range change {
		c(data, attributes)
	}
	return catalogue.Item{Path: path, ID: "id-" + path, Name: path, Version: "1", Type: "item", Data: data}
}

func price(currency, value string) map[string]any {
	return map[string]any{"currencyCode": currency, "value": value, "type": "recurring"}
}

func attribute(name string, value any) func(data, attributes map[string]any) {
	return func(_, attributes map[string]any) { attributes[name] = value }
}

func member(name string, value any) func(data, attributes map[string]any) {
	return func(data, _ map[string]any) { data[name] = value }
}

func facts(plan, sku string) catalogue.Facts {
	return catalogue.Facts{RatePlanName: plan, ProductSKU: sku, ProductID: "zp-" + sku, Currency: "GBP", AutoRenew: true,
		UnitPrice: decimal.NewNullDecimal(decimal.RequireFromString("10")), TermMonths: 1}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	usd := attribute("price__limio", []any{price("USD", "10.00")})
	external := attribute("price__limio", []any{map[string]any{"currencyCode": "GBP", "use_external_price": true}})
	noCode := func(data, _ map[string]any) {
		data["products"] = []any{map[string]any{"path": "/products/SKU", "syncedFrom": "zp-SKU",
			"attributes": map[string]any{}}}
	}
	byPathAlone := member("products", []any{"/products/SKU"})
	tests := map[string]struct {
		items []catalogue.Item
		facts func(*catalogue.Facts)
		want  catalogue.Match // its Item by path alone
	}{
		"name of the rate plan and SKU": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU"), offer("/offers/b", "Yearly", "SKU"),
				offer("/offers/c", "Monthly", "OTHER")},
			want: matched("/offers/a"),
		},
		"the offer's own name is none of a rate plan": {
			items: []catalogue.Item{offer("/offers/Monthly", "UK Monthly", "SKU")},
			want:  catalogue.Match{Standing: catalogue.Unmatched},
		},
		"another product": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "OTHER")},
			want:  catalogue.Match{Standing: catalogue.Unmatched, Candidates: []string{"/offers/a"}},
		},
		"Zuora's product id, where there is no code": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", noCode), offer("/offers/b", "Monthly", "OTHER")},
			want:  matched("/offers/a"),
		},
		"products by path, known from another item": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", byPathAlone), offer("/offers/b", "Yearly", "SKU"),
				offer("/offers/c", "Monthly", "OTHER")},
			want: matched("/offers/a"),
		},
		"products by path that nothing knows": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", byPathAlone)},
			want:  matched("/offers/a"),
		},
		"a product that is known goes before one that is not": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "X", member("products", []any{"/products/X"})),
				offer("/offers/b", "Monthly", "SKU")},
			want: matched("/offers/b"),
		},
		"currency": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", usd), offer("/offers/b", "Monthly", "SKU")},
			want:  matched("/offers/b"),
		},
		"another currency, where it is the only one": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", usd)},
			want:  catalogue.Match{Standing: catalogue.Matched, Item: catalogue.Item{Path: "/offers/a"}, OtherCurrency: true},
		},
		"standard before gift and trial": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", attribute("offer_type__limio", "trial")),
				offer("/offers/b", "Monthly", "SKU", attribute("is_gift__limio", true)), offer("/offers/c", "Monthly", "SKU")},
			want: matched("/offers/c"),
		},
		"renewal": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", attribute("autoRenew__limio", false)),
				offer("/offers/b", "Monthly", "SKU")},
			want: matched("/offers/b"),
		},
		"price": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", attribute("price__limio", []any{price("GBP", "9")})),
				offer("/offers/b", "Monthly", "SKU")},
			want: matched("/offers/b"),
		},
		"whatever Zuora's price is": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", attribute("price__limio", []any{price("GBP", "9")})),
				offer("/offers/b", "Monthly", "SKU", external)},
			want: matched("/offers/b"),
		},
		"another price, where it is the only one": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU", attribute("price__limio", []any{price("GBP", "9")}))},
			want:  catalogue.Match{Standing: catalogue.Matched, Item: catalogue.Item{Path: "/offers/a"}, OtherPrice: true},
		},
		"length of the term": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU",
				attribute("term__limio", map[string]any{"length": json.Number("1"), "type": "years"})),
				offer("/offers/b", "Monthly", "SKU")},
			want: matched("/offers/b"),
		},
		"several as good": {
			items: []catalogue.Item{offer("/offers/b", "Monthly", "SKU"), offer("/offers/a", "Monthly", "SKU")},
			want: catalogue.Match{Standing: catalogue.Ambiguous, Item: catalogue.Item{Path: "/offers/a"},
				Candidates: []string{"/offers/a", "/offers/b"}},
		},
		"the merchant's table": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU"), offer("/offers/b", "Yearly", "OTHER")},
			facts: func(f *catalogue.Facts) { f.Path = "/offers/b" },
			want:  matched("/offers/b"),
		},
		"the merchant's table names what is not published": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU")},
			facts: func(f *catalogue.Facts) { f.Path = "/offers/gone" },
			want:  catalogue.Match{Standing: catalogue.Matched, Item: catalogue.Item{Path: "/offers/a"}, Unpublished: true},
		},
		"a discount": {
			items: []catalogue.Item{offer("/offers/a", "Monthly", "SKU"),
				offer("/offers/b", "Monthly", "SKU", member("record_subtype", "discount"))},
			facts: func(f *catalogue.Facts) { f.Discount = true },
			want:  matched("/offers/b"),
		},
		"an empty catalogue": {want: catalogue.Match{Standing: catalogue.Unmatched}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := facts("Monthly", "SKU")
			if tc.facts != nil {
				tc.facts(&f)
			}
			for range 3 {
				rand.Shuffle(len(tc.items), func(i, j int) { tc.items[i], tc.items[j] = tc.items[j], tc.items[i] })
				got := catalogue.NewIndex(tc.items).Match(f)
				got.Item = catalogue.Item{Path: got.Item.Path}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Fatalf("match (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func matched(path string) catalogue.Match {
	return catalogue.Match{Standing: catalogue.Matched, Item: catalogue.Item{Path: path}}
}

func TestItemsThatAreNotAsDescribed(t *testing.T) {
	t.Parallel()
	items := []catalogue.Item{
		offer("/offers/good", "Monthly", "SKU"),
		offer("/offers/attributes", "Monthly", "SKU", member("attributes", "none")),
		offer("/offers/bundles", "Monthly", "SKU", member("productBundles", map[string]any{})),
		offer("/offers/products", "Monthly", "SKU", member("products", []any{json.Number("1")})),
		offer("/offers/price", "Monthly", "SKU", attribute("price__limio", "10")),
		offer("/offers/term", "Monthly", "SKU", attribute("term__limio", []any{})),
		{Path: "/offers/data", ID: "x", RecordType: "offer"},
		{Path: "/pages/about", ID: "x", RecordType: "page"},
	}
	x := catalogue.NewIndex(items)
	if x.Len() != 1 {
		t.Errorf("Len = %d, want 1", x.Len())
	}
	var named []string
	for _, f := range x.Notes() {
		named = append(named, f.Object)
	}
	want := []string{"/offers/attributes", "/offers/bundles", "/offers/data", "/offers/price", "/offers/products",
		"/offers/term"}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

// What is asked for is the item as published, and what Items gives makes the
// same index again.
func TestItemAsPublished(t *testing.T) {
	t.Parallel()
	want := offer("/offers/a", "Monthly", "SKU")
	x := catalogue.NewIndex([]catalogue.Item{want, offer("/offers/b", "Yearly", "SKU")})
	got := x.Match(facts("Monthly", "SKU")).Item
	if diff := cmp.Diff(want.Data, got.Data); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	again := catalogue.NewIndex(slices.Collect(x.Items()))
	if diff := cmp.Diff(got, again.Match(facts("Monthly", "SKU")).Item); diff != "" {
		t.Errorf("item of the second index (-want +got):\n%s", diff)
	}
}

func FuzzNewIndex(f *testing.F) {
	seed, _ := json.Marshal(offer("/offers/a", "Monthly", "SKU"))
	f.Add(seed)
	f.Add(
		[]byte(
			`{"path":"/a","id":"1","record_type":"offer","data":{"productBundles":[{"rate_plan":"Monthly"}],"products":["/p"]}}`))
	f.Add(
		[]byte(
			`{"path":"/a","id":"1","record_type":"offer","data":{"attributes":{"term__limio":{"length":1e9999,"type":"years"}}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var item catalogue.Item
		dec := json.NewDecoder(strings.NewReader(string(raw)))
		dec.UseNumber()
		if dec.Decode(&item) != nil {
			t.Skip()
		}
		x := catalogue.NewIndex([]catalogue.Item{item, offer("/offers/b", "Monthly", "SKU")})
		x.Match(facts("Monthly", "SKU"))
	})
}

// large is a catalogue of n items of 6 KB.
func large(n int) []catalogue.Item {
	out := make([]catalogue.Item, n)
	for i := range out {
		out[i] = largeItem(i)
	}
	return out
}

func largeItem(i int) catalogue.Item {
	filler := map[string]any{}
	for j := range 40 {
		filler[fmt.Sprintf("feature%02d", j)] = strings.Repeat("lorem ipsum ", 10)
	}
	return offer(fmt.Sprintf("/offers/%04d", i), fmt.Sprintf("Plan %d", i%200), fmt.Sprintf("SKU-%d", i%37),
		attribute("features__limio", filler))
}

// 60 subscriptions of 60 different plans against 400 items, none of which was
// asked for before.
func BenchmarkMatch(b *testing.B) {
	items := large(400)
	for b.Loop() {
		b.StopTimer()
		x := catalogue.NewIndex(items)
		b.StartTimer()
		for i := range 60 {
			x.Match(facts(fmt.Sprintf("Plan %d", i), fmt.Sprintf("SKU-%d", i%37)))
		}
	}
}

// TestMemory: what the index keeps of 2,000 items of 6 KB is less than their text,
// so that a sync process keeps far below its limit.
func TestMemory(t *testing.T) {
	before := heap()
	var b catalogue.Builder
	for i := range 2000 {
		b.Add(largeItem(i))
	}
	x := b.Index()
	used := heap() - before
	if limit := uint64(10 << 20); used > limit {
		t.Errorf("%d items take %d bytes, want %d at most", x.Len(), used, limit)
	}
	t.Logf("%d items take %d bytes", x.Len(), used)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
