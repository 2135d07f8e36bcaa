package catalogue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// entry is what the index keeps of an item.
type entry struct {
	item      Item   // without Data
	packed    []byte // Data as JSON, see pack
	bundles   []bundle
	products  []product // without raw
	prices    []price
	standard  bool // neither a gift nor a trial
	autoRenew *bool
	months    int // length of the term, 0 when it has none or it is no number of months
}

// bundle ties an item to a rate plan.
type bundle struct {
	plan    string // name of the rate plan
	product string // path
}

// product is what tells a product of Zuora.
type product struct {
	path, code, syncedFrom string
	raw                    []byte // as published; nil where only its path is known
}

// price is a price of an item.
type price struct {
	currency  string
	recurring bool
	value     decimal.NullDecimal
	external  bool // Zuora's price counts
}

// newEntry reads an item; problem says what keeps it from being one.
func newEntry(item Item) (_ *entry, _ []product, problem string) {
	raw, ok := encode(item.Data)
	switch {
	case item.Path == "":
		return nil, nil, "it has no path"
	case item.ID == "":
		return nil, nil, "it has no id"
	case item.Data == nil || !ok:
		return nil, nil, "it has no data"
	}
	e := &entry{item: item, packed: pack(raw)}
	e.item.Data = nil
	attributes, ok := object(item.Data, "attributes")
	if !ok {
		return nil, nil, "its attributes are no object"
	}
	for _, read := range []func(data, attributes map[string]any) string{e.readBundles, e.readPrices, e.readKind} {
		problem = read(item.Data, attributes)
		if problem != "" {
			return nil, nil, problem
		}
	}
	products, problem := readProducts(item.Data)
	for _, p := range products {
		p.raw = nil
		e.products = append(e.products, p)
	}
	return e, products, problem
}

func (e *entry) readBundles(data, _ map[string]any) (problem string) {
	list, ok := list(data, "productBundles")
	if !ok {
		return "its productBundles are no list"
	}
	for _, element := range list {
		b, ok := element.(map[string]any)
		if !ok {
			return "a product bundle is no object"
		}
		if plan := text(b["rate_plan"]); plan != "" {
			e.bundles = append(e.bundles, bundle{plan, text(b["product_path"])})
		}
	}
	return ""
}

func (e *entry) readPrices(_, attributes map[string]any) (problem string) {
	list, ok := list(attributes, "price__limio")
	if !ok {
		return "its price__limio is no list"
	}
	for _, element := range list {
		p, ok := element.(map[string]any)
		if !ok {
			return "a price is no object"
		}
		kind := text(p["type"])
		e.prices = append(e.prices, price{currency: strings.ToUpper(text(p["currencyCode"])), value: number(p["value"]),
			recurring: kind == "" || strings.HasPrefix(kind, "recurring"), external: yes(p["use_external_price"])})
	}
	return ""
}

// readKind reads what tells offers of one rate plan apart.
func (e *entry) readKind(_, attributes map[string]any) (problem string) {
	kind := strings.ToLower(text(attributes["offer_type__limio"]))
	e.standard = (kind == "" || kind == "standard") && !yes(attributes["is_gift__limio"]) &&
		!yes(attributes["is_redeem_gift__limio"])
	if renew, ok := attributes["autoRenew__limio"].(bool); ok {
		e.autoRenew = &renew
	}
	term, ok := object(attributes, "term__limio")
	if !ok {
		return "its term__limio is no object"
	}
	e.months = months(term)
	return ""
}

// readProducts reads products given as objects or, by the button that publishes
// an item, as plain paths.
func readProducts(data map[string]any) (_ []product, problem string) {
	list, ok := list(data, "products")
	if !ok {
		return nil, "its products are no list"
	}
	var out []product
	for _, element := range list {
		switch p := element.(type) {
		case string:
			out = append(out, product{path: strings.TrimSpace(p)})
		case map[string]any:
			out = append(out, productOf(text(p["path"]), p))
		default:
			return nil, "a product is neither an object nor a path"
		}
	}
	return out, ""
}

// productOf reads a product. Published on its own it has its attributes in data
// as well, within an offer beside the path.
func productOf(path string, data map[string]any) product {
	attributes, _ := data["attributes"].(map[string]any)
	p := product{path: path, code: text(attributes["product_code__limio"]), syncedFrom: text(data["syncedFrom"])}
	if text(data["path"]) != path {
		with := map[string]any{}
		for name, value := range data {
			with[name] = value
		}
		with["path"] = path
		data = with
	}
	p.raw, _ = encode(data)
	return p
}

// resolve fills in products of which the item has the path alone.
func (e *entry) resolve(products map[string]product) {
	for i, p := range e.products {
		if p.code == "" && p.syncedFrom == "" {
			known := products[p.path]
			e.products[i].code, e.products[i].syncedFrom = known.code, known.syncedFrom
		}
	}
	for _, b := range e.bundles {
		known, ok := products[b.product]
		if ok && !slices.ContainsFunc(e.products, func(p product) bool { return p.path == b.product }) {
			e.products = append(e.products, product{path: b.product, code: known.code, syncedFrom: known.syncedFrom})
		}
	}
}

// plans are the names of the item's rate plans, each once.
func (e *entry) plans() []string {
	var out []string
	for _, b := range e.bundles {
		if !slices.Contains(out, b.plan) {
			out = append(out, b.plan)
		}
	}
	return out
}

// months is the length of a term in months.
func months(term map[string]any) int {
	length := number(term["length"])
	if !length.Valid || !length.Decimal.IsInteger() || length.Decimal.Abs().GreaterThan(decimal.NewFromInt(1200)) {
		return 0
	}
	n := int(length.Decimal.IntPart())
	switch strings.TrimSuffix(strings.ToLower(text(term["type"])), "s") {
	case "month":
		return n
	case "year":
		return 12 * n
	default:
		return 0
	}
}

// object is a member that is an object, or empty where there is none.
func object(data map[string]any, name string) (_ map[string]any, ok bool) {
	if data[name] == nil {
		return map[string]any{}, true
	}
	out, ok := data[name].(map[string]any)
	return out, ok
}

// list is a member that is a list, or empty where there is none.
func list(data map[string]any, name string) (_ []any, ok bool) {
	if data[name] == nil {
		return nil, true
	}
	out, ok := data[name].([]any)
	return out, ok
}

// number is a number that Limio has as one or as text. One with an exponent
// beyond reason is none: arithmetic would take as many digits.
func number(value any) decimal.NullDecimal {
	s := text(value)
	switch v := value.(type) {
	case json.Number:
		s = v.String()
	case float64, int:
		s = fmt.Sprint(v)
	}
	if s == "" || len(s) > 64 {
		return decimal.NullDecimal{}
	}
	d, err := decimal.NewFromString(s)
	if err != nil || d.Exponent() > 30 || d.Exponent() < -30 {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(d)
}

func yes(value any) bool { return value == true || value == "true" }
