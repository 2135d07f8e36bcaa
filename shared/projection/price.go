package projection

import (
	"encoding/json"
	"slices"

	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

// Prices are per billing period, as Limio shows them:
//
//   - Recurring charges count; one-time charges, usage and discounts do not. A
//     discount is an offer of its own; a recurring fee below zero counts.
//   - The price is today's: of the segments that hold today. Where none does, it
//     is the next one to come, and where none is to come, the last there was.
//     The same day counts for all charges of a subscription (or of an offer), so
//     that a charge that ended is not added to the one that took its place.
//   - All added charges have one billing period and one currency: those of the
//     customer's plan. What that leaves out is named in a finding.
//   - The quantity is that of the first charge priced per unit, else 1. An offer
//     has the price of one unit, the subscription the sum of all.
//   - A list price for another time than the billing period is converted.
//   - A price that cannot be read is not guessed: the amount is left out, with a
//     finding. The sum starts from nothing, so that no charge is no price, not 0.

var (
	zero = decimal.Zero
	one  = decimal.NewFromInt(1)
)

// price is what a subscription or an offer costs per billing period.
type price struct {
	currency string
	amount   decimal.NullDecimal // of all units; not valid when it cannot be told
	unit     decimal.NullDecimal // of one
	quantity decimal.NullDecimal // beside the price of one
	units    decimal.NullDecimal // bought
	period   period
}

// line is a charge with the segment that counts.
type line struct {
	charge  billing.Charge
	segment billing.Segment
}

// number is a decimal as a JSON number without trailing zeros.
func number(d decimal.Decimal) json.Number { return json.Number(d.String()) }

func orNilDecimal(d decimal.NullDecimal) any {
	if !d.Valid {
		return nil
	}
	return number(d.Decimal)
}

func isDiscount(c billing.Charge) bool { return begins(c.Model, "discount") }

func isCounted(c billing.Charge) bool { return is(c.Type, "recurring") && !isDiscount(c) }

// subscriptionPrice adds up what is on the subscription, the customer's plan
// first. It says what it leaves out.
func (p *projector) subscriptionPrice(s billing.Subscription, plans []plan) price {
	main, ok := p.mainPlan(plans)
	var charges []billing.Charge
	if ok {
		charges = slices.Clone(main.zuora.Charges)
	}
	for _, pl := range plans {
		// A plan that is to come says nothing of what the one in force costs, even where
		// that has no price.
		toCome := ok && p.when(main) == 0 && p.when(pl) != 0
		if (!ok || pl.key != main.key) && !toCome {
			charges = append(charges, pl.zuora.Charges...)
		}
	}
	out, leftOut := p.sum(s, charges)
	for _, l := range leftOut {
		p.find(hotsync.Note(
			hotsync.FindingPriceUnknown,
			s.Number,
			"Subscription %s: charge %s (%s, %s) has another billing period or currency than the first one, so it is not in "+
				"the price.",
			s.Number,
			l.charge.Number,
			l.charge.BillingPeriod,
			currencyOf(l.charge, s, p.account),
		), "")
	}
	out.quantity = decimal.NewNullDecimal(one)
	if ok {
		out.quantity = main.price.units
	}
	return out
}

// planPrice is the price of a rate plan that is not a discount.
func (p *projector) planPrice(s billing.Subscription, plan billing.RatePlan) price {
	if isDiscountPlan(plan) {
		return price{currency: subscriptionCurrency(s, p.account)}
	}
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
	out := price{currency: subscriptionCurrency(s, p.account), quantity: decimal.NewNullDecimal(one)}
	lines := current(counted, p.opt.Today)
	foundQuantity, unread := false, false
	for i, l := range lines {
		currency := currencyOf(l.charge, s, p.account)
		if i == 0 {
			out.currency, out.period = currency, periodOf(l.charge)
		}
		if periodOf(l.charge) != out.period || currency != out.currency {
			leftOut = append(leftOut, l)
			continue
		}
		amount, ok := periodAmount(l, currency)
		if ok {
			out.amount = decimal.NewNullDecimal(out.amount.Decimal.Add(amount))
		} else {
			unread = true
			p.find(hotsync.Note(
				hotsync.FindingPriceUnknown,
				s.Number,
				"Subscription %s: the price of charge %s (%.40s) cannot be read, so no amount is written.",
				s.Number,
				l.charge.Number,
				l.charge.Model,
			), "")
		}
		if !foundQuantity && !is(l.charge.Model, "flatfee") {
			out.quantity, foundQuantity = decimal.NullDecimal{}, true
			if readable(l.segment.Quantity) {
				out.quantity = l.segment.Quantity
			}
		}
	}
	if unread {
		out.amount = decimal.NullDecimal{}
	}
	return out.perUnit(lines), leftOut
}

// perUnit fills in the price of one unit. A price that does not come out even
// (bands with fees of their own) is that of all, as of one.
func (pr price) perUnit(lines []line) price {
	pr.unit, pr.units = pr.amount, pr.quantity
	if !pr.amount.Valid || !pr.quantity.Valid || pr.quantity.Decimal.Equal(one) {
		return pr
	}
	if pr.quantity.Decimal.IsZero() {
		if len(lines) == 1 && readable(lines[0].segment.Price) {
			pr.unit = lines[0].segment.Price
		}
		return pr
	}
	unit := pr.amount.Decimal.DivRound(pr.quantity.Decimal, 6)
	if unit.Mul(pr.quantity.Decimal).Equal(pr.amount.Decimal) {
		pr.unit = decimal.NewNullDecimal(unit)
		return pr
	}
	pr.quantity = decimal.NewNullDecimal(one)
	return pr
}

// discountPrice is a fixed discount or a credit as a negative amount, or a
// percentage. What does not apply is nil, so that a discount that changed does
// not keep both.
func (p *projector) discountPrice(s billing.Subscription, plan billing.RatePlan) map[string]any {
	out := map[string]any{"currency": subscriptionCurrency(s, p.account), "amount": nil, "percentage": nil}
	amount, found := zero, false
	for i, l := range current(plan.Charges, p.opt.Today) {
		currency := currencyOf(l.charge, s, p.account)
		if i == 0 {
			out["currency"] = currency
		}
		credit, isFee := decimal.Decimal{}, false
		if !isDiscount(l.charge) {
			credit, isFee = periodAmount(l, currency)
		}
		switch {
		case readable(l.segment.DiscountPercentage) && is(l.charge.Model, "discountpercentage"):
			if out["percentage"] == nil {
				out["percentage"] = number(l.segment.DiscountPercentage.Decimal)
			}
		case isFee:
			amount, found = amount.Add(credit), true
		case readable(l.segment.DiscountAmount):
			amount, found = amount.Sub(l.segment.DiscountAmount.Decimal.Abs()), true
		default:
			p.find(
				hotsync.Note(
					hotsync.FindingPriceUnknown,
					s.Number,
					"Subscription %s: the discount of charge %s (%.40s) cannot be read.",
					s.Number,
					l.charge.Number,
					l.charge.Model,
				),
				"",
			)
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
	counts := func(seg billing.Segment) bool { return seg.From != "" }
	if anySegment(charges, func(seg billing.Segment) bool { return seg.From != "" && hasLength(seg) }) {
		counts = func(seg billing.Segment) bool { return seg.From != "" && hasLength(seg) }
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
	case anySegment(charges, func(seg billing.Segment) bool { return counts(seg) && holdsOn(seg, today) }):
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
	return seg.From != "" && seg.From <= day && (seg.Until == "" || day < seg.Until)
}

// readable refuses numbers no price has: arithmetic on an exponent of millions
// would need as many digits.
func readable(d decimal.NullDecimal) bool {
	return d.Valid && d.Decimal.Exponent() <= 30 && d.Decimal.Exponent() >= -30
}

// periodAmount is what a charge costs per billing period, rounded only where a
// list price for another time does not come out even.
func periodAmount(l line, currency string) (_ decimal.Decimal, ok bool) {
	amount, ok := amountOf(l)
	if !ok {
		return zero, false
	}
	times, per, ok := listFactor(l.charge)
	if !ok {
		return zero, false
	}
	if times == per {
		return amount, true
	}
	amount = amount.Mul(decimal.NewFromInt(int64(times)))
	even := amount.DivRound(decimal.NewFromInt(int64(per)), 12)
	if even.Mul(decimal.NewFromInt(int64(per))).Equal(amount) {
		return even, true
	}
	return amount.DivRound(decimal.NewFromInt(int64(per)), decimals(currency)), true
}

// amountOf is what a charge's list price comes to; ok is false when that cannot
// be told from what Zuora sends. A number of units that Zuora does not say is
// not guessed.
func amountOf(l line) (_ decimal.Decimal, ok bool) {
	seg := l.segment
	units := seg.Quantity.Decimal
	if !readable(seg.Quantity) && !is(l.charge.Model, "flatfee") {
		return zero, false
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
	tiers = slices.SortedStableFunc(
		slices.Values(tiers),
		func(x, y billing.Tier) int { return x.StartingUnit.Cmp(y.StartingUnit) },
	)
	return tiers, len(tiers) > 0
}
