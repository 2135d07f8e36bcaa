package projection

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
)

// Limio's account pages read what a subscription is from the copy of a catalogue
// item inside it, and one subscription without such a copy takes the whole page
// down. So each plan gets the item that the catalogue has for it, as published,
// or else a stand-in with all that the pages read, and a finding that says what
// to publish.
//
// The settings createOffers and createAddOns ask hotsync to make what is missing
// in the catalogue. Limio publishes no way to do so, and an offer of one
// subscription alone is what a stand-in is: they do nothing, and the settings
// say so.

// PlanMatch says what a rate plan stands for in the catalogue, whoever has it.
type PlanMatch struct {
	ProductRatePlanID string
	ProductName       string
	ProductSKU        string
	RatePlanName      string
	Currency          string
	Discount          bool // a discount or a credit, which no customer buys
	Standing          catalogue.Standing
	Path              string   // "" when unmatched
	Candidates        []string // when ambiguous; of an unmatched one those of the same name and another product
	ByTable           bool     // the merchant's own table says so
	Subscriptions     []string // numbers of the account's that have it, each once
}

// isSame reports whether two matches say the same of the same rate plan.
func (m PlanMatch) isSame(o PlanMatch) bool {
	return m.ProductRatePlanID == o.ProductRatePlanID && m.RatePlanName == o.RatePlanName && m.Currency == o.Currency &&
		m.Standing == o.Standing && m.Path == o.Path
}

// noteMatch keeps what a plan of a subscription stands for, for Result.Matches.
func (p *projector) noteMatch(s billing.Subscription, pl plan) {
	rp, m := pl.zuora, pl.match
	known := PlanMatch{ProductRatePlanID: rp.ProductRatePlanID, ProductName: rp.ProductName, ProductSKU: rp.ProductSKU,
		RatePlanName: rp.Name, Currency: cmp.Or(pl.price.currency, subscriptionCurrency(s, p.account)),
		Discount: pl.role == roleDiscount, Standing: m.Standing, Path: m.Item.Path, Candidates: m.Candidates,
		ByTable: m.Item.Path != "" && p.opt.CatalogueMap[rp.ProductRatePlanID] == m.Item.Path}
	i := slices.IndexFunc(p.matches, known.isSame)
	if i < 0 {
		i, p.matches = len(p.matches), append(p.matches, known)
	}
	if !slices.Contains(p.matches[i].Subscriptions, s.Number) {
		p.matches[i].Subscriptions = append(p.matches[i].Subscriptions, s.Number)
	}
}

// match finds the catalogue's item of a plan.
func (p *projector) match(s billing.Subscription, pl plan) catalogue.Match {
	none := catalogue.Match{Standing: catalogue.Unmatched}
	if p.opt.Catalogue == nil {
		return none
	}
	rp := pl.zuora
	return p.opt.Catalogue.Match(catalogue.Facts{
		Path:              p.opt.CatalogueMap[rp.ProductRatePlanID],
		RatePlanName:      rp.Name,
		ProductSKU:        rp.ProductSKU,
		ProductID:         rp.ProductID,
		ProductRatePlanID: rp.ProductRatePlanID,
		Currency:          cmp.Or(pl.price.currency, subscriptionCurrency(s, p.account)),
		AutoRenew:         s.AutoRenew || is(s.TermType, "evergreen"),
		UnitPrice:         pl.price.unit,
		TermMonths:        termMonths(s),
		Discount:          pl.role == roleDiscount,
	})
}

// reportMatch says what is wrong with a plan's match. What is over is nobody's
// concern any more.
func (p *projector) reportMatch(s billing.Subscription, pl plan) {
	if p.opt.Catalogue == nil || pl.span.isOver(p.opt.Today) || isOver(s, p.opt.Today) {
		return
	}
	p.noteMatch(s, pl)
	what := fmt.Sprintf(
		"rate plan %q of product %q (SKU %q) in %s",
		pl.zuora.Name,
		pl.zuora.ProductName,
		pl.zuora.ProductSKU,
		cmp.Or(pl.price.currency, subscriptionCurrency(s, p.account)),
	)
	if pl.match.Unpublished {
		p.find(
			hotsync.Note(
				hotsync.FindingCatalogueMap,
				s.Number,
				"Subscription %s: the settings name a catalogue item for %s that is not published.",
				s.Number,
				what,
			),
			"Publish the item in Limio, or correct its path in the settings.",
		)
	}
	switch pl.match.Standing {
	case catalogue.Unmatched:
		p.reportUnmatched(s, pl, what)
	case catalogue.Ambiguous:
		p.find(
			hotsync.Note(
				hotsync.FindingPlanAmbiguous,
				s.Number,
				"Subscription %s: %d catalogue items may be meant by %s: %s. The first was taken.",
				s.Number,
				len(pl.match.Candidates),
				what,
				strings.Join(pl.match.Candidates[:min(5, len(pl.match.Candidates))], ", "),
			),
			"Name the right one for this product rate plan in the settings (catalogueMap).",
		)
	}
	if pl.isMatched() && pl.role != roleDiscount {
		p.reportItem(s, pl)
	}
}

func (p *projector) reportUnmatched(s billing.Subscription, pl plan, what string) {
	hint := fmt.Sprintf(
		"Publish an offer in Limio whose product bundle has the rate plan %q and a product with the code %q, priced in %s; "+
			"or name an item for it in the settings (catalogueMap).",
		pl.zuora.Name,
		pl.zuora.ProductSKU,
		cmp.Or(pl.price.currency, subscriptionCurrency(s, p.account)),
	)
	switch {
	case pl.role == roleDiscount:
		p.find(
			hotsync.Note(
				hotsync.FindingPlanUnmatched,
				s.Number,
				"Subscription %s: Limio's catalogue has no discount for %s, so a stand-in is shown.",
				s.Number,
				what,
			),
			hint,
		)
	case pl.extra:
		counts := "; its price counts"
		if pl.role == roleOneTime {
			counts = ""
		}
		p.find(hotsync.Note(
			hotsync.FindingPlanUnmatched,
			s.Number,
			"Subscription %s: Limio's catalogue has no add-on or offer for %s, so it is not shown%s.",
			s.Number,
			what,
			counts,
		),
			strings.Replace(hint, "an offer", "an add-on or offer", 1))
	default:
		p.find(hotsync.Attention(
			hotsync.FindingPlanUnmatched,
			s.Number,
			hint,
			"Subscription %s: Limio's catalogue has no offer for %s, so a stand-in is shown that cannot be managed.",
			s.Number,
			what,
		), hint)
	}
}

// reportItem says what the customer's price and the published item disagree on,
// and what the item lacks for self-service.
func (p *projector) reportItem(s billing.Subscription, pl plan) {
	item := pl.match.Item
	switch {
	case pl.match.OtherCurrency:
		p.find(
			hotsync.Note(
				hotsync.FindingPriceDiffers,
				s.Number,
				"Subscription %s is paid in %s, in which %s has no price. Zuora's price is shown.",
				s.Number,
				cmp.Or(pl.price.currency, subscriptionCurrency(s, p.account)),
				item.Path,
			),
			"Add the currency to the item, or publish one in it.",
		)
	case pl.match.OtherPrice:
		p.find(
			hotsync.Note(
				hotsync.FindingPriceDiffers,
				s.Number,
				"Subscription %s pays another price than %s has. Zuora's price is shown.",
				s.Number,
				item.Path,
			),
			"",
		)
	}
	if item.IsAddOn() {
		return
	}
	attributes, _ := item.Data["attributes"].(map[string]any)
	var lacks []string
	for _, name := range []string{"payment_types__limio", "label__limio", "term__limio"} {
		if attributes[name] == nil {
			lacks = append(lacks, name)
		}
	}
	if len(lacks) > 0 {
		p.find(
			hotsync.Note(
				hotsync.FindingOfferUnmanaged,
				s.Number,
				"Subscription %s: %s lacks %s, so customers cannot manage it in full.",
				s.Number,
				item.Path,
				strings.Join(lacks, ", "),
			),
			"Fill in these attributes of the offer and publish it again.",
		)
	}
}

// offerOf is the copy of the catalogue item that a plan stands for, or the
// stand-in. Copies of one item are shared: nobody changes them.
func (p *projector) offerOf(s billing.Subscription, pl plan) map[string]any {
	if !pl.isMatched() {
		return p.standIn(s, pl)
	}
	item := pl.match.Item
	cacheKey := [3]string{item.Path, pl.zuora.Name, pl.zuora.ProductName}
	known := p.offers[cacheKey]
	if known != nil {
		return known
	}
	data := maps.Clone(item.Data)
	data["record_type"] = item.RecordType
	bundles, _ := data["productBundles"].([]any)
	data["productBundles"] = bundledFirst(bundles, pl.zuora.Name)
	data["products"] = p.products(data, pl.zuora)
	id := item.ID
	if item.IsAddOn() && !strings.HasPrefix(id, "add_on-") {
		id = "add_on-" + id
	}
	out := map[string]any{
		"path":        item.Path,
		"name":        item.Name,
		"id":          id,
		"version":     item.Version,
		"type":        cmp.Or(item.Type, "item"),
		"mode":        "production",
		"service":     serviceLimio,
		"record_type": item.RecordType,
		"status":      StatusActive,
		"data":        data,
	}
	p.offers[cacheKey] = out
	return out
}

// bundledFirst puts the bundle of the rate plan first, where the pages look.
func bundledFirst(bundles []any, ratePlan string) []any {
	bundles = slices.Clone(bundles)
	slices.SortStableFunc(bundles, func(a, b any) int {
		of := func(v any) bool {
			m, _ := v.(map[string]any)
			return strings.TrimSpace(text(m, "rate_plan")) == strings.TrimSpace(ratePlan)
		}
		return compareBool(!of(a), !of(b))
	})
	return bundles
}

// products are those of an item as objects, whichever way they were published,
// the bundled one first. Each has a name: the pages show it, and fail without.
func (p *projector) products(data map[string]any, rp billing.RatePlan) []any {
	bundles, _ := data["productBundles"].([]any)
	bundled := ""
	if len(bundles) > 0 {
		first, _ := bundles[0].(map[string]any)
		bundled = text(first, "product_path")
	}
	list, _ := data["products"].([]any)
	var out []any
	for _, element := range list {
		product, ok := element.(map[string]any)
		if at, isPath := element.(string); isPath {
			product, ok = p.opt.Catalogue.Product(at)
			if !ok {
				product, ok = map[string]any{"path": at, "record_type": "product"}, true
			}
		}
		if ok {
			out = append(out, named(product, cmp.Or(rp.ProductName, path.Base(text(product, "path")))))
		}
	}
	if len(out) == 0 {
		return []any{standInProduct(rp, bundled)}
	}
	slices.SortStableFunc(out, func(a, b any) int {
		of := func(v any) bool { return text(v.(map[string]any), "path") == bundled }
		return compareBool(!of(a), !of(b))
	})
	return out
}

// named is a product that has a name to show.
func named(product map[string]any, name string) map[string]any {
	attributes, _ := product["attributes"].(map[string]any)
	if text(attributes, "display_name__limio") != "" {
		return product
	}
	product, attributes = maps.Clone(product), maps.Clone(attributes)
	if attributes == nil {
		attributes = map[string]any{}
	}
	attributes["display_name__limio"] = cmp.Or(text(product, "name"), name)
	product["attributes"] = attributes
	return product
}

// standIn has what the account pages read of an offer, made from the rate plan.
// It has neither id nor path: it is in no catalogue, and nothing can be ordered
// by it.
func (p *projector) standIn(s billing.Subscription, pl plan) map[string]any {
	name := cmp.Or(pl.zuora.Name, pl.zuora.ProductName, s.Number)
	product := standInProduct(pl.zuora, "")
	attributes := map[string]any{
		"display_name__limio":  name,
		"autoRenew__limio":     s.AutoRenew || is(s.TermType, "evergreen"),
		"price__limio":         []any{standInPrice(pl, cmp.Or(pl.price.currency, subscriptionCurrency(s, p.account)))},
		"term__limio":          standInTerm(s, pl),
		"payment_types__limio": []any{},
		"label__limio":         []any{},
	}
	data := map[string]any{
		"record_type":    "offer",
		"name":           name,
		"attributes":     attributes,
		"productBundles": []any{map[string]any{"product_path": product["path"], "rate_plan": name}},
		"products":       []any{product},
	}
	if pl.role == roleDiscount {
		data["record_subtype"] = subtypeDiscount
	}
	return map[string]any{
		"name":        name,
		"type":        "item",
		"mode":        "production",
		"service":     serviceLimio,
		"record_type": "offer",
		"status":      StatusActive,
		"data":        data,
	}
}

func standInProduct(rp billing.RatePlan, at string) map[string]any {
	name := cmp.Or(rp.ProductName, rp.Name, "Subscription")
	out := map[string]any{"path": cmp.Or(at, "/products/"+name), "record_type": "product",
		"attributes": map[string]any{"display_name__limio": name}}
	if rp.ProductSKU != "" {
		out["attributes"].(map[string]any)["product_code__limio"] = rp.ProductSKU
	}
	return out
}

// standInPrice is Zuora's price; one that is not known has no value, which the
// pages show as none.
func standInPrice(pl plan, currency string) map[string]any {
	out := map[string]any{"currencyCode": currency, "use_external_price": true, "type": "recurring"}
	amount := pl.price.unit
	if pl.role == roleOneTime {
		out["type"] = "onetime"
		amount = oneTimePrice(pl.zuora)
	}
	if amount.Valid {
		out["value"] = money(amount.Decimal, currency)
	}
	return out
}

// oneTimePrice is what a plan of one-time charges costs.
func oneTimePrice(rp billing.RatePlan) decimal.NullDecimal {
	sum := decimal.NullDecimal{}
	for _, c := range rp.Charges {
		if len(c.Segments) == 0 || isDiscount(c) {
			continue
		}
		amount, ok := amountOf(line{c, c.Segments[len(c.Segments)-1]})
		if !ok {
			return decimal.NullDecimal{}
		}
		sum = decimal.NewNullDecimal(sum.Decimal.Add(amount))
	}
	return sum
}

// standInTerm is the length of the term, of a subscription without end that of
// its billing period.
func standInTerm(s billing.Subscription, pl plan) map[string]any {
	months := termMonths(s)
	renewal := "TERMED"
	if is(s.TermType, "evergreen") {
		renewal = "EVERGREEN"
	}
	if months == 0 {
		months = max(1, pl.price.period.months)
	}
	length, unit := months, "months"
	if months%12 == 0 {
		length, unit = months/12, "years"
	}
	return map[string]any{"length": json.Number(fmt.Sprint(length)), "type": unit, "renewal_type": renewal}
}

// termMonths is the length of the current term in whole months, 0 when it is
// none or has no end.
func termMonths(s billing.Subscription) int {
	from, err := time.Parse(time.DateOnly, s.TermStart)
	until, err2 := time.Parse(time.DateOnly, s.TermEnd)
	if err != nil || err2 != nil || is(s.TermType, "evergreen") {
		return 0
	}
	n := 12*(until.Year()-from.Year()) + int(until.Month()-from.Month())
	if n < 1 || n > 1200 || addMonths(s.TermStart, n) != s.TermEnd {
		return 0
	}
	return n
}
