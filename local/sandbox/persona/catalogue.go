package persona

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Catalogue returns the catalogue that the merchant of the cast has published in
// Limio: items in the shape of Limio's own, with the rough edges that were
// recorded from a live tenant. Most rate plans of the cast have an offer in it;
// those of the personas unpublished and twooffers have none, or two.
func Catalogue() []json.RawMessage {
	offers := []item{
		monthly("Digital UK", "UK Monthly", digital, "GBP", "17.50"),
		yearly("Digital France", "France Annual", digital, "EUR", "149.00"),
		yearly("Weekend Gift", "Weekend Gift", weekend, "EUR", "89.00"),
		monthly("Corporate", "Corporate", corporate, "EUR", "9.90").with("term__limio", term(2, "years")),
		every("Deutschland Print", "Deutschland Print", weekend, "EUR", "84.00", 3, "months"),
		monthly("Digital Ireland", "Ireland Monthly", digital, "EUR", "16.00"),
		monthly(
			"Digital US",
			"US Monthly",
			digital,
			"USD",
			"19.99",
		).with("display_price__limio", "<p>$19.99 a month</p>"),
		yearly("Digital US Annual", "US Annual", digital, "USD", "199.00"),
		yearly("Weekend Annual", "Weekend Annual", weekend, "EUR", "96.00").byPath(),
		monthly("Weekend Monthly", "Weekend Monthly", weekend, "EUR", "9.00"),
		monthly("Next Season", "Digital from next season", digital, "EUR", "12.00").duplicatedFrom("Digital Evergreen"),
		monthly("Digital Evergreen", "Digital Evergreen", digital, "EUR", "11.00").with("autoRenew__limio", false).
			with("term__limio", doc{"length": 1, "type": "months", "renewal_type": "EVERGREEN"}),
		monthly("Digital", "Digital Monthly", digital, "EUR", "14.00"),
		monthly("Digital Summer", "Digital Monthly", digital, "EUR", "7.00").with("offer_type__limio", "trial"),
		monthly("Archive", "Archive", archive, "EUR", "").external(),
		monthly("Digital Basic", "Digital Basic", digital, "EUR", "8.00"),
		monthly("Digital Plus", "Digital Plus", digital, "EUR", "13.00"),
		monthly("Family seats", "Family seats", corporate, "EUR", "4.25"),
		monthly("Digital Basic UK", "UK Basic", digital, "GBP", "9.50"),
		monthly("Europe", "Europe Monthly", digital, "EUR", "10.00"),
		monthly("Europe Partner", "Europe Monthly", digital, "EUR", "10.00"),
		yearly("Digital UK Annual", "UK Annual", digital, "GBP", "120.00"),
		every("Digital UK Thirds", "UK Thirds", digital, "GBP", "33.33", 4, "months"),
		discount("Welcome discount", "Welcome discount"),
		discount("Holiday credit", "Holiday credit"),
		discount("Delivery credit", "Delivery credit"),
		discount("Student discount", "Student discount"),
		discount("Spring offer", "Spring offer"),
		discount("Loyalty discount", "Loyalty discount"),
		addOn("Crossword", "Crossword add-on", digital, "GBP", "3.00"),
	}
	for n := range 60 {
		name := fmt.Sprintf("Branch %02d", n+1)
		offers = append(offers, yearly(name, name, corporate, "GBP", "420.00"))
	}
	out := make([]json.RawMessage, 0, len(offers))
	for _, o := range offers {
		out = append(out, o.encode())
	}
	return out
}

// item is an item of the catalogue on its way.
type item struct {
	path             string
	kind, subtype    string
	name, plan, from string // display name, name of the rate plan, name it was duplicated from
	product          product
	attributes       doc
	paths            bool // products are plain paths
}

func term(length int, unit string) doc { return doc{"length": length, "type": unit} }

func monthly(name, plan string, p product, currency, value string) item {
	return every(name, plan, p, currency, value, 1, "months")
}

func yearly(name, plan string, p product, currency, value string) item {
	return every(name, plan, p, currency, value, 1, "years")
}

// every is an offer of a term of a year that is paid every so often.
func every(name, plan string, p product, currency, value string, interval int, unit string) item {
	return item{path: "/offers2/" + name, kind: "offer", name: name, plan: plan, product: p, attributes: doc{
		"display_name__limio": name,
		"offer_type__limio":   "standard",
		"autoRenew__limio":    true,
		"term__limio":         term(1, "years"),
		"price__limio": []doc{
			{"name": "charge1", "label": "Recurring", "type": "recurring", "value": value, "currencyCode": currency,
				"repeat_interval": interval, "repeat_interval_type": unit, "trigger": "order_date"},
		},
		"display_price__limio":        fmt.Sprintf("<p>%s %s every %d %s</p>", currency, value, interval, unit),
		"label__limio":                []string{"/labels/account"},
		"group__limio":                strings.ToLower(p.name),
		"payment_types__limio":        []string{"zuora"},
		"allowed_countries__limio":    []string{"*"},
		"upgrade_offers__limio":       []doc{},
		"downgrade_offers__limio":     []doc{},
		"update_configuration__limio": "immediate",
	}}
}

func addOn(name, plan string, p product, currency, value string) item {
	i := monthly(name, plan, p, currency, value)
	i.path, i.kind = "/add_ons/"+name, "add_on"
	return i
}

func discount(name, plan string) item {
	i := monthly(name, plan, discounts, "EUR", "")
	i.path, i.subtype = "/offers2/"+name, "discount"
	i.attributes["price__limio"] = []doc{}
	return i
}

// with sets an attribute.
func (i item) with(name string, value any) item {
	i.attributes[name] = value
	return i
}

// external leaves the price to Zuora.
func (i item) external() item {
	price := i.attributes["price__limio"].([]doc)[0]
	price["use_external_price"] = true
	delete(price, "value")
	delete(price, "type")
	return i
}

// byPath is published by the button, which writes products as plain paths.
func (i item) byPath() item {
	i.paths = true
	return i
}

// duplicatedFrom keeps in its data the path and id of another item.
func (i item) duplicatedFrom(name string) item {
	i.from = name
	return i
}

func (i item) encode() json.RawMessage {
	from := i.path
	if i.from != "" {
		from = "/offers2/" + i.from
	}
	data := doc{
		"record_type":    i.kind,
		"record_subtype": null(i.subtype),
		"name":           i.name,
		"path":           from,
		"id":             commit("item", from),
		"version":        commit("version", from),
		"syncedFrom":     zuoraID("product rate plan", i.plan),
		"attributes":     i.attributes,
		"productBundles": []doc{{"product_path": i.product.path(), "rate_plan": i.plan, "revenue_split": "100"}},
		"products":       []any{i.product.published()},
	}
	if i.paths {
		data["products"] = []any{i.product.path()}
	}
	return encode(doc{"path": i.path, "name": i.name, "id": commit("item", i.path), "type": "item",
		"version": commit("version", i.path), "data": data})
}

func (p product) path() string { return "/products/" + p.name }

// published is the product as Limio has it.
func (p product) published() doc {
	return doc{
		"path":        p.path(),
		"name":        p.name,
		"record_type": "product",
		"syncedFrom":  zuoraID("product", p.sku),
		"synced":      true,
		"attributes": doc{
			"display_name__limio": p.name,
			"product_code__limio": p.sku,
			"has_delivery__limio": p == weekend,
		},
		"entitlements": []doc{{"id": commit("entitlement", p.sku), "name": p.name}},
	}
}

// commit returns 40 hex digits, as the catalogue's ids and versions are.
func commit(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, " ")))
	return hex.EncodeToString(sum[:20])
}
