package projection

import (
	"strconv"

	"hotsync/shared/billing"
)

const (
	subtypeBase     = "base"
	subtypeDiscount = "discount"
)

// offers are the rate plans of a subscription that are still on it: Zuora keeps
// removed ones in the list.
func (p *projector) offers(s subscription) []Object {
	var out []Object
	base := 0
	for _, plan := range s.zuora.RatePlans {
		if isRemoved(plan) {
			p.gone = append(p.gone, Ref{SubscriptionOffer, accountKey(s.zuora, plan)})
			continue
		}
		subtype := subtypeDiscount
		if !isDiscountPlan(plan) {
			base++
			subtype = p.baseSubtype(base)
		}
		o := p.hanging(SubscriptionOffer, p.offerKey(s.zuora, plan))
		o.Name, o.Related = plan.Name, s.object.ID
		// Limio tells a current offer from a past or future one by its dates, so the
		// status only says whether the subscription still has it.
		if isOver(s.zuora, p.opt.Today) {
			o.Status = StatusInactive
		}
		start, end := planDates(s.zuora, plan)
		o.Data = map[string]any{
			"name":           plan.Name,
			"start":          orNil(start),
			"end":            orNil(end),
			"record_subtype": subtype,
			"zuora":          map[string]any{"refId": o.Key},
		}
		p.priceOffer(o.Data, s.zuora, plan)
		p.addCatalogueOffer(o.Data, plan)
		out = append(out, o)
	}
	return out
}

func (p *projector) priceOffer(data map[string]any, s billing.Subscription, plan billing.RatePlan) {
	if isDiscountPlan(plan) {
		data["quantity"] = number(one)
		data["price"] = p.discountPrice(s, plan)
		return
	}
	pr := p.planPrice(s, plan)
	data["quantity"] = number(pr.quantity)
	data["price"] = pr.data()
}

func isRemoved(plan billing.RatePlan) bool { return is(plan.LastChangeType, "remove") }

// isDiscountPlan reports whether a plan does nothing but discount others.
func isDiscountPlan(plan billing.RatePlan) bool {
	for _, c := range plan.Charges {
		if !isDiscount(c) {
			return false
		}
	}
	return len(plan.Charges) > 0
}

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

// planDates are the first day of its first charge and the first day after its
// last one, "" while one is open; a plan without charges has the subscription's.
func planDates(s billing.Subscription, plan billing.RatePlan) (start, end string) {
	open, any := false, false
	for _, c := range plan.Charges {
		for _, seg := range c.Segments {
			if !any || seg.From < start {
				start = seg.From
			}
			any, open = true, open || seg.Until == ""
			end = max(end, seg.Until)
		}
	}
	switch {
	case !any && s.Start == "":
		return s.ContractEffective, s.End
	case !any:
		return s.Start, s.End
	case open:
		return start, ""
	default:
		return start, end
	}
}
