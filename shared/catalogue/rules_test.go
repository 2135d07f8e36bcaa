package catalogue_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/catalogue"
)

// bundles are product bundles of rate plans, each with the path of its product.
func bundles(pairs ...[2]string) []any {
	var out []any
	for _, p := range pairs {
		out = append(out, map[string]any{"rate_plan": p[0], "product_path": p[1]})
	}
	return out
}

// TestMatchTells are the rules by which one of two offers is taken; the right one is
// always the later one, which no order would take.
func TestMatchTells(t *testing.T) {
	t.Parallel()

	product := func(path, code string) map[string]any {
		return map[string]any{"path": path, "attributes": map[string]any{"product_code__limio": code}}
	}
	for _, tc := range []struct {
		name  string
		wrong catalogue.Item
		right catalogue.Item
		facts func(*catalogue.Facts)
	}{
		{
			name: "the bundle of the rate plan says the product, and no other bundle of the item",
			wrong: offer("/offers/a", "Monthly", "SKU", member("productBundles", bundles([2]string{"Monthly", "/products/X"},
				[2]string{"Yearly", "/products/SKU"})),
				member("products", []any{product("/products/X", "X"), product("/products/SKU", "SKU")})),
			right: offer("/offers/b", "Monthly", "SKU"),
		},
		{
			name: "a year is twelve months",
			wrong: offer("/offers/a", "Monthly", "SKU",
				attribute("term__limio", map[string]any{"length": json.Number("13"), "type": "months"})),
			right: offer("/offers/b", "Monthly", "SKU",
				attribute("term__limio", map[string]any{"length": json.Number("1"), "type": "Years"})),
			facts: func(f *catalogue.Facts) { f.TermMonths = 12 },
		},
		{
			name:  "a price in another currency is none",
			wrong: offer("/offers/a", "Monthly", "SKU", attribute("price__limio", []any{price("USD", "10"), price("GBP", "9")})),
			right: offer("/offers/b", "Monthly", "SKU"),
		},
		{
			name: "Zuora's price in another currency is none",
			wrong: offer("/offers/a", "Monthly", "SKU", attribute("price__limio", []any{
				map[string]any{"currencyCode": "USD", "use_external_price": true}, price("GBP", "9")})),
			right: offer("/offers/b", "Monthly", "SKU"),
		},
		{
			name: "a price that is paid once is none",
			wrong: offer("/offers/a", "Monthly", "SKU", attribute("price__limio", []any{
				map[string]any{"currencyCode": "GBP", "value": "10", "type": "onetime"}})),
			right: offer("/offers/b", "Monthly", "SKU"),
		},
		{
			name:  "a plan without a currency is paid at a price in any",
			wrong: offer("/offers/a", "Monthly", "SKU", attribute("price__limio", []any{price("USD", "9")})),
			right: offer("/offers/b", "Monthly", "SKU", attribute("price__limio", []any{price("USD", "10")})),
			facts: func(f *catalogue.Facts) { f.Currency = "" },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			f := facts("Monthly", "SKU")
			if tc.facts != nil {
				tc.facts(&f)
			}
			got := catalogue.NewIndex([]catalogue.Item{tc.wrong, tc.right}).Match(f)
			if got.Item.Path != tc.right.Path || got.Standing != catalogue.Matched {
				t.Errorf("Match = %s, %s; want %s", got.Item.Path, got.Standing, tc.right.Path)
			}
		})
	}
}

// TestProduct: a product is known by its path from any item, as published, and with the
// path where it stood without.
func TestProduct(t *testing.T) {
	t.Parallel()

	published := map[string]any{"path": "/products/SKU", "record_type": "product",
		"attributes": map[string]any{"product_code__limio": "SKU", "display_name__limio": "SKU"}}
	x := catalogue.NewIndex([]catalogue.Item{offer("/offers/a", "Monthly", "SKU"),
		offer("/offers/b", "Monthly", "B", member("products", []any{"/products/alone", " /products/SKU "}))})
	got, ok := x.Product("/products/SKU")
	if diff := cmp.Diff(published, got); diff != "" || !ok {
		t.Errorf("Product = %t, mismatch (-want +got):\n%s", ok, diff)
	}
	for _, path := range []string{"/products/alone", "/products/none", ""} {
		_, ok = x.Product(path)
		if ok {
			t.Errorf("Product(%q) is known", path)
		}
	}
	own := catalogue.NewIndex([]catalogue.Item{{Path: "/products/own", ID: "1", RecordType: "product",
		Data: map[string]any{"attributes": map[string]any{"product_code__limio": "own"}}}})
	got, ok = own.Product("/products/own")
	if !ok || got["path"] != "/products/own" {
		t.Errorf("Product of an item of its own = %v, %t; want it with its path", got, ok)
	}
}

// TestManyItems: an item is as published however many others there are and whichever was
// asked for before.
func TestManyItems(t *testing.T) {
	t.Parallel()

	const n = 1100
	var items []catalogue.Item
	for i := range n {
		items = append(items, offer(fmt.Sprintf("/offers/%04d", i), fmt.Sprintf("Plan %d", i), "SKU"))
	}
	x := catalogue.NewIndex(items)
	for i := range n {
		for range 2 {
			got := x.Match(facts(fmt.Sprintf("Plan %d", i), "SKU")).Item
			if diff := cmp.Diff(items[i].Data, got.Data); diff != "" {
				t.Fatalf("item %d mismatch (-want +got):\n%s", i, diff)
			}
		}
	}
}

// TestWhatIsLeftOut: an item may lack what nobody asks for, and nothing is said of a price
// that nobody knows.
func TestWhatIsLeftOut(t *testing.T) {
	t.Parallel()

	without := catalogue.NewIndex(
		[]catalogue.Item{{Path: "/offers/a", ID: "1", RecordType: "offer", Data: map[string]any{}}})
	if without.Len() != 1 || len(without.Notes()) != 0 {
		t.Errorf("an item without products, bundles and prices: %d items, notes %v", without.Len(), without.Notes())
	}
	f := facts("Monthly", "SKU")
	f.UnitPrice = decimal.NullDecimal{}
	got := catalogue.NewIndex([]catalogue.Item{offer("/offers/a", "Monthly", "SKU")}).Match(f)
	if got.OtherPrice || got.OtherCurrency {
		t.Errorf("Match without a price = other price %t, other currency %t", got.OtherPrice, got.OtherCurrency)
	}
	f = facts("Monthly", "SKU")
	got = catalogue.NewIndex([]catalogue.Item{offer("/offers/a", "Monthly", "SKU", attribute("price__limio", nil))}).Match(
		f)
	if got.OtherPrice || got.OtherCurrency {
		t.Errorf("Match of an offer without prices = other price %t, other currency %t", got.OtherPrice, got.OtherCurrency)
	}
}
