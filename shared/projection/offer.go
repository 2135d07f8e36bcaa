package projection

import (
	"cmp"
	"strconv"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

const (
	subtypeBase     = "base"
	subtypeDiscount = "discount"
)

// planObjects are the offers and add-ons of a subscription: a rate plan is an
// offer unless the catalogue says that it is an add-on.
func (p *projector) planObjects(s subscription) []Object {
	var out []Object
	for _, pl := range s.plans {
		p.reportMatch(s.zuora, pl)
		if pl.extra {
			continue
		}
		out = append(out, p.planObject(s, pl))
	}
	if !s.hasMain && !isOver(s.zuora, p.opt.Today) {
		p.find(hotsync.Attention(
			hotsync.FindingNoBasePlan,
			s.zuora.Number,
			"",
			"Subscription %s has no plan that could be the customer's: only add-ons, discounts or one-time charges.",
			s.zuora.Number,
		),
			"Add the plan in Zuora, or publish one of its rate plans as an offer in Limio.")
	}
	return out
}

func (p *projector) planObject(s subscription, pl plan) Object {
	kind := SubscriptionOffer
	if pl.isAddOn() {
		kind = SubscriptionAddOn
	}
	o := p.hanging(kind, pl.key)
	name := displayName(pl)
	o.Name, o.Related, o.Aliases = name, s.object.ID, pl.aliases
	// Limio tells a current offer from a past or future one by its dates, so the
	// status only says whether the subscription still has it.
	if isOver(s.zuora, p.opt.Today) {
		o.Status = StatusInactive
	}
	offer := p.offerOf(s.zuora, pl)
	o.Data = map[string]any{
		"name":  name,
		"start": orNil(pl.span.start),
		"end":   orNil(pl.span.end),
		"offer": offer,
		"zuora": map[string]any{"refId": o.Key},
	}
	p.priceOffer(o.Data, s.zuora, pl)
	if kind == SubscriptionAddOn {
		o.Data["add_on"] = offer
		return o
	}
	o.Data["record_subtype"] = subtypeOf(pl)
	o.Data["products"] = productsIn(offer)
	o.Data["tracking"] = map[string]any{"offers": pathsOf(pl)}
	return o
}

// subtypeOf is discount for whatever only makes others cheaper, else what the
// catalogue says.
func subtypeOf(pl plan) string {
	if pl.role == roleDiscount || pl.match.Item.IsDiscount() {
		return subtypeDiscount
	}
	return cmp.Or(pl.match.Item.RecordSubtype, subtypeBase)
}

// displayName is what customers know the plan as.
func displayName(pl plan) string {
	attributes, _ := pl.match.Item.Data["attributes"].(map[string]any)
	return cmp.Or(text(attributes, "display_name__limio"), pl.zuora.Name, pl.match.Item.Name)
}

func productsIn(offer map[string]any) any {
	data, _ := offer["data"].(map[string]any)
	return data["products"]
}

func pathsOf(pl plan) []any {
	if !pl.isMatched() {
		return []any{}
	}
	return []any{pl.match.Item.Path}
}

// priceOffer writes the price of one unit beside the number of units, as Limio's
// newest pages show it.
func (p *projector) priceOffer(data map[string]any, s billing.Subscription, pl plan) {
	if pl.role == roleDiscount {
		data["quantity"] = number(one)
		data["price"] = p.discountPrice(s, pl.zuora)
		return
	}
	data["quantity"] = orNilDecimal(pl.price.quantity)
	price := map[string]any{"currency": pl.price.currency, "amount": orNilDecimal(pl.price.unit)}
	addSummary(price, pl)
	data["price"] = price
}

// addSummary adds the price as the catalogue words it.
func addSummary(price map[string]any, pl plan) {
	attributes, _ := pl.match.Item.Data["attributes"].(map[string]any)
	if headline := text(attributes, "display_price__limio"); headline != "" {
		price["summary"] = map[string]any{"headline": headline}
	}
}

func isRemoved(plan billing.RatePlan) bool { return is(plan.LastChangeType, "remove") }

// planKey is what stays the same of a rate plan while its id changes with each
// version of the subscription: its number, which not every tenant sends; else
// the least of its charge numbers; else, for a plan without charges, its names.
func planKey(plan billing.RatePlan) string {
	if plan.Number != "" {
		return plan.Number
	}
	least := ""
	for _, c := range plan.Charges {
		if c.Number != "" && (least == "" || c.Number < least) {
			least = c.Number
		}
	}
	if least != "" {
		return least
	}
	return planNames(plan)
}

func planNames(plan billing.RatePlan) string {
	return plan.ProductSKU + "/" + plan.ProductName + "/" + plan.Name
}

// accountKey is the plan's key within the account: names may occur on several
// subscriptions.
func accountKey(s billing.Subscription, plan billing.RatePlan) string {
	key := planKey(plan)
	if key == planNames(plan) {
		return s.Number + "/" + key
	}
	return key
}

// offerKey makes the key unique: names may occur twice on one subscription.
func (p *projector) offerKey(s billing.Subscription, plan billing.RatePlan) string {
	key := accountKey(s, plan)
	unique := key
	for n := 2; p.offerKeys[unique]; n++ {
		unique = key + "#" + strconv.Itoa(n)
	}
	p.offerKeys[unique] = true
	return unique
}
