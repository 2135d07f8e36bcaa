package projection

import (
	"cmp"
	"slices"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
)

// plan is a rate plan that has something to show in Limio.
type plan struct {
	zuora   billing.RatePlan
	key     string
	aliases []string // keys it may have had before
	span    span
	role    role
	price   price
	match   catalogue.Match
	// extra says that nothing in the catalogue is this plan, while another plan is
	// the customer's: then it may be an add-on, and must not be shown as a plan.
	extra bool
}

// plans are the rate plans of a subscription that are or will be in force, and
// those that ran out by themselves. Whatever else Zuora still lists (removed
// plans, credits of one day) is gone.
func (p *projector) plans(s billing.Subscription) []plan {
	var out []plan
	var pending []plan
	for _, rp := range s.RatePlans {
		pl := plan{zuora: rp, span: spanOf(rp), role: roleOf(rp)}
		ended := pl.span.isOver(p.opt.Today)
		switch {
		case pl.span.never,
			ended && (isRemoved(rp) || pl.role == roleOneTime || isOneDay(rp)),
			len(rp.Charges) == 0 && isRemoved(rp):
			p.leave(s, rp, pl.span.end)
			continue
		}
		pl.key, pl.aliases = p.offerKey(s, rp), formerKeys(rp)
		if pl.span.pending {
			pending = append(pending, pl)
			continue
		}
		out = append(out, pl)
	}
	if len(out) == 0 {
		out = pending // without a start they are not current
	}
	for i := range out {
		out[i].price = p.planPrice(s, out[i].zuora)
		out[i].match = p.match(s, out[i])
	}
	for i := range out {
		out[i].extra = p.isExtra(out, out[i])
	}
	return out
}

// isOneDay reports whether a plan is nothing but one-time charges.
func isOneDay(rp billing.RatePlan) bool {
	return len(rp.Charges) > 0 &&
		!slices.ContainsFunc(rp.Charges, func(c billing.Charge) bool { return !is(c.Type, "onetime") })
}

// leave notes that a plan is gone, under all keys it may have.
func (p *projector) leave(s billing.Subscription, rp billing.RatePlan, end string) {
	for _, key := range append([]string{accountKey(s, rp)}, formerKeys(rp)...) {
		for _, kind := range []Kind{SubscriptionOffer, SubscriptionAddOn} {
			p.gone = append(p.gone, Ref{Kind: kind, Key: key, End: end, Subscription: s.Number, RatePlan: rp.Name})
		}
	}
}

// formerKeys are what a plan was called before Zuora sent the numbers of rate
// plans, which a tenant may begin to do.
func formerKeys(rp billing.RatePlan) []string {
	number := rp.Number
	rp.Number = ""
	key := planKey(rp)
	if number == "" || key == planNames(rp) || key == number {
		return nil
	}
	return []string{key}
}

// isOffer reports whether the plan may be what the customer has bought.
func (pl plan) isOffer() bool { return pl.role != roleDiscount && !pl.extra && !pl.isAddOn() }

// isAddOn reports whether the catalogue says that the plan is an add-on: nothing
// in Zuora tells.
func (pl plan) isAddOn() bool { return pl.match.Item.IsAddOn() }

func (pl plan) isMatched() bool { return pl.match.Item.Path != "" }

// isExtra reports whether an unmatched plan stands beside one that the catalogue
// has as an offer.
func (p *projector) isExtra(plans []plan, pl plan) bool {
	if pl.isMatched() || pl.role == roleDiscount {
		return false
	}
	day := max(pl.span.start, p.opt.Today)
	if pl.span.isOver(p.opt.Today) {
		day = pl.span.start
	}
	return slices.ContainsFunc(plans, func(other plan) bool {
		return other.isMatched() && !other.isAddOn() && other.role != roleDiscount && other.role != roleOneTime &&
			other.span.holds(day)
	})
}

// mainPlan is the plan the customer has, of several offers the one that is in
// force and costs most; ok is false when there is none.
func (p *projector) mainPlan(plans []plan) (_ plan, ok bool) {
	var offers []plan
	for _, pl := range plans {
		if pl.isOffer() {
			offers = append(offers, pl)
		}
	}
	if len(offers) == 0 {
		return plan{}, false
	}
	return slices.MinFunc(offers, p.comparePlans), true
}

func (p *projector) comparePlans(a, b plan) int {
	return cmp.Or(
		cmp.Compare(p.when(a), p.when(b)),
		compareBool(!a.isMatched(), !b.isMatched()),
		cmp.Compare(a.role, b.role),
		p.compareStart(a, b),
		b.price.amount.Decimal.Cmp(a.price.amount.Decimal),
		cmp.Compare(a.span.start, b.span.start),
		cmp.Compare(a.key, b.key),
	)
}

// when puts what is in force first, then what is to come, then what is over.
func (p *projector) when(pl plan) int {
	switch {
	case pl.span.start == "":
		return 3
	case pl.span.holds(p.opt.Today):
		return 0
	case pl.span.isOver(p.opt.Today):
		return 2
	default:
		return 1
	}
}

// compareStart puts the next to come, and the last that is over, first.
func (p *projector) compareStart(a, b plan) int {
	switch p.when(a) {
	case 1:
		return cmp.Compare(a.span.start, b.span.start)
	case 2:
		return cmp.Compare(b.span.end, a.span.end)
	default:
		return 0
	}
}
