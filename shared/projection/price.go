package projection

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
)

// Prices are per billing period, as Limio shows them:
//
//   - Recurring charges count; one-time charges, usage and discounts do not. A
//     discount is an offer of its own.
//   - The price is today's: of the segments that hold today. Where none does, it
//     is the next one to come, and where none is to come, the last there was.
//     The same day counts for all charges of a subscription (or of an offer), so
//     that a charge that ended is not added to the one that took its place.
//   - All added charges have one billing period and one currency: those of the
//     first plan, by key. What that leaves out is named in a warning.
//   - The quantity is that of the first charge priced per unit, else 1.
//   - A price that cannot be read is not guessed: the amount is left out, with a
//     warning.

var (
	zero = decimal.Zero
	one  = decimal.NewFromInt(1)
)

// price is what a subscription or an offer costs per billing period.
type price struct {
	currency string
	amount   decimal.NullDecimal // not valid when it cannot be told
	quantity decimal.Decimal
}

// data is the price as Limio has it.
func (p price) data() map[string]any {
	out := map[string]any{"currency": p.currency}
	if p.amount.Valid {
		out["amount"] = number(p.amount.Decimal)
	}
	return out
}

// line is a charge with the segment that counts.
type line struct {
	charge  billing.Charge
	segment billing.Segment
}

// number is a decimal as a JSON number without trailing zeros.
func number(d decimal.Decimal) json.Number { return json.Number(d.String()) }

func isDiscount(c billing.Charge) bool { return strings.HasPrefix(plain(c.Model), "discount") }

func isCounted(c billing.Charge) bool { return is(c.Type, "recurring") && !isDiscount(c) }

// subscriptionPrice adds up what is still on the subscription. It warns about
// what it leaves out.
func (p *projector) subscriptionPrice(s billing.Subscription) price {
	var charges []billing.Charge
	for _, plan := range s.RatePlans {
		if !isRemoved(plan) {
			charges = append(charges, plan.Charges...)
		}
	}
	out, leftOut := p.sum(s, charges)
	for _, l := range leftOut {
		p.warn("Subscription %s: charge %s (%s, %s) has another billing period or currency than the first one, so it is not in the price.",
			s.Number, l.charge.Number, l.charge.BillingPeriod, currencyOf(l.charge, s, p.account))
	}
	return out
}

// planPrice is the price of a rate plan that is not a discount.
func (p *projector) planPrice(s billing.Subscription, plan billing.RatePlan) price {
	out, _ := p.sum(s, plan.Charges)
	return out
}

// sum adds up the charges that count; leftOut are those that would, were it not
// for their period or currency.
func (p *projector) sum(s billing.Subscription, charges []billing.Charge) (_ price, leftOut []line) {
	var counted []billing.Charge
	for _, c := range charges {
		if isCounted(c) {
			counted = append(counted, c)
		}
	}
	out := price{currency: subscriptionCurrency(s, p.account), amount: decimal.NewNullDecimal(zero), quantity: one}
	lines := current(counted, p.opt.Today)
	foundQuantity := false
	for i, l := range lines {
		currency := currencyOf(l.charge, s, p.account)
		if i == 0 {
			out.currency = currency
		}
		if l.charge.BillingPeriod != lines[0].charge.BillingPeriod || currency != out.currency {
			leftOut = append(leftOut, l)
			continue
		}
		amount, ok := amountOf(l)
		if ok {
			out.amount.Decimal = out.amount.Decimal.Add(amount)
		} else {
			out.amount.Valid = false
			p.warn("Subscription %s: the price of charge %s (%.40s) cannot be read, so no amount is written.", s.Number, l.charge.Number, l.charge.Model)
		}
		if q := l.segment.Quantity; !foundQuantity && !is(l.charge.Model, "flatfee") && readable(q) {
			out.quantity, foundQuantity = q.Decimal, true
		}
	}
	return out, leftOut
}

// discountPrice is a fixed discount as a negative amount, or a percentage. What
// does not apply is nil, so that a discount that changed does not keep both.
func (p *projector) discountPrice(s billing.Subscription, plan billing.RatePlan) map[string]any {
	out := map[string]any{"currency": subscriptionCurrency(s, p.account), "amount": nil, "percentage": nil}
	amount, found := zero, false
	for i, l := range current(plan.Charges, p.opt.Today) {
		if i == 0 {
			out["currency"] = currencyOf(l.charge, s, p.account)
		}
		switch {
		case readable(l.segment.DiscountPercentage) && is(l.charge.Model, "discountpercentage"):
			if out["percentage"] == nil {
				out["percentage"] = number(l.segment.DiscountPercentage.Decimal)
			}
		case readable(l.segment.DiscountAmount):
			amount, found = amount.Sub(l.segment.DiscountAmount.Decimal.Abs()), true
		default:
			p.warn("Subscription %s: the discount of charge %s (%.40s) cannot be read.", s.Number, l.charge.Number, l.charge.Model)
		}
	}
	if found {
		out["amount"] = number(amount)
	}
	return out
}

func subscriptionCurrency(s billing.Subscription, a billing.Account) string {
	if s.Currency != "" {
		return s.Currency
	}
	return a.Currency
}

func currencyOf(c billing.Charge, s billing.Subscription, a billing.Account) string {
	if c.Currency != "" {
		return c.Currency
	}
	return subscriptionCurrency(s, a)
}

// current picks the segments that make up the price, at most one of each
// charge. A segment of no length was cancelled before it began, and counts only
// where there is no other.
func current(charges []billing.Charge, today string) []line {
	counts := func(billing.Segment) bool { return true }
	if anySegment(charges, hasLength) {
		counts = hasLength
	}
	next, last := "", ""
	for _, c := range charges {
		for _, seg := range c.Segments {
			switch {
			case !counts(seg) || holdsOn(seg, today):
			case seg.From <= today:
				last = max(last, seg.Until)
			case next == "" || seg.From < next:
				next = seg.From
			}
		}
	}
	picked := func(seg billing.Segment) bool { return seg.From <= today && seg.Until == last }
	switch {
	case anySegment(charges, func(seg billing.Segment) bool { return holdsOn(seg, today) }):
		picked = func(seg billing.Segment) bool { return holdsOn(seg, today) }
	case next != "":
		picked = func(seg billing.Segment) bool { return seg.From == next }
	}
	var out []line
	for _, c := range charges {
		for _, seg := range slices.Backward(c.Segments) {
			if counts(seg) && picked(seg) {
				out = append(out, line{c, seg})
				break
			}
		}
	}
	return out
}

func anySegment(charges []billing.Charge, is func(billing.Segment) bool) bool {
	return slices.ContainsFunc(charges, func(c billing.Charge) bool { return slices.ContainsFunc(c.Segments, is) })
}

func hasLength(seg billing.Segment) bool { return seg.From != seg.Until }

func holdsOn(seg billing.Segment, day string) bool {
	return seg.From <= day && (seg.Until == "" || day < seg.Until)
}

// readable refuses numbers no price has: arithmetic on an exponent of millions
// would need as many digits.
func readable(d decimal.NullDecimal) bool {
	return d.Valid && d.Decimal.Exponent() <= 30 && d.Decimal.Exponent() >= -30
}

// amountOf is what a charge costs per billing period; ok is false when that
// cannot be told from what Zuora sends.
func amountOf(l line) (_ decimal.Decimal, ok bool) {
	seg := l.segment
	units := one
	if readable(seg.Quantity) {
		units = seg.Quantity.Decimal
	}
	switch plain(l.charge.Model) {
	case "tiered":
		return tiered(seg.Tiers, units)
	case "volume":
		return volume(seg.Tiers, units)
	case "flatfee":
		return seg.Price.Decimal, readable(seg.Price)
	default:
		return seg.Price.Decimal.Mul(units), readable(seg.Price)
	}
}

// tiered charges each unit at the price of the tier it falls into; a flat fee is
// due in full once its tier is reached. A tier begins where the one before it
// ends: Zuora's bounds are inclusive (0 to 10, 11 to 20), which says nothing of
// 10.5.
func tiered(tiers []billing.Tier, units decimal.Decimal) (_ decimal.Decimal, ok bool) {
	tiers, ok = inOrder(tiers)
	sum, from := zero, zero
	for _, t := range tiers {
		if units.LessThanOrEqual(from) {
			break
		}
		until := units
		if t.EndingUnit.Valid {
			until = decimal.Max(from, decimal.Min(units, t.EndingUnit.Decimal))
		}
		if t.FlatFee {
			sum = sum.Add(t.Price)
		} else {
			sum = sum.Add(t.Price.Mul(until.Sub(from)))
		}
		from = until
	}
	return sum, ok
}

// volume charges all units at the price of the band their number falls into.
func volume(tiers []billing.Tier, units decimal.Decimal) (_ decimal.Decimal, ok bool) {
	tiers, ok = inOrder(tiers)
	if !ok {
		return zero, false
	}
	band := tiers[len(tiers)-1]
	for _, t := range tiers {
		if !t.EndingUnit.Valid || units.LessThanOrEqual(t.EndingUnit.Decimal) {
			band = t
			break
		}
	}
	if band.FlatFee {
		return band.Price, true
	}
	return band.Price.Mul(units), true
}

// inOrder sorts tiers by where they begin; ok is false, and the list empty, when
// there is none or one has a number that is not readable.
func inOrder(tiers []billing.Tier) (_ []billing.Tier, ok bool) {
	for _, t := range tiers {
		if !readable(decimal.NewNullDecimal(t.Price)) || !readable(decimal.NewNullDecimal(t.StartingUnit)) ||
			t.EndingUnit.Valid && !readable(t.EndingUnit) {
			return nil, false
		}
	}
	tiers = slices.SortedStableFunc(slices.Values(tiers), func(x, y billing.Tier) int { return x.StartingUnit.Cmp(y.StartingUnit) })
	return tiers, len(tiers) > 0
}
