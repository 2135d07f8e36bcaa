package projection

import (
	"slices"

	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
)

// billed is a charge with what is known of its bills.
type billed struct {
	charge billing.Charge
	plan   plan
	period period
	next   string // first day that is not billed
	since  bool   // something was billed already
}

// billedCharges are the charges of a subscription that are paid again and again.
func billedCharges(s subscription) []billed {
	var out []billed
	for _, pl := range s.plans {
		for _, c := range pl.zuora.Charges {
			if !is(c.Type, "recurring") {
				continue
			}
			b := billed{charge: c, plan: pl, period: periodOf(c)}
			first := ""
			for _, seg := range c.Segments {
				if seg.From == "" || !hasLength(seg) {
					continue
				}
				b.next = max(b.next, seg.ChargedThrough)
				if first == "" || seg.From < first {
					first = seg.From
				}
			}
			b.since = b.next != ""
			if !b.since {
				b.next = first
			}
			if b.next != "" {
				out = append(out, b)
			}
		}
	}
	return out
}

// isBilled reports whether anything of a subscription was billed.
func isBilled(s subscription) bool {
	return slices.ContainsFunc(billedCharges(s), func(b billed) bool { return b.since })
}

// segmentOn is the segment that holds on a day.
func segmentOn(c billing.Charge, day string) (_ billing.Segment, ok bool) {
	for _, seg := range c.Segments {
		if hasLength(seg) && holdsOn(seg, day) {
			return seg, true
		}
	}
	return billing.Segment{}, false
}

// fromCharges are the payments to come, by day: each charge from the first day
// that is not billed, with the price that holds then. Parts of a period and
// taxes are not known.
func (p *projector) fromCharges(s subscription) map[string][]item {
	if is(s.zuora.Status, statusSuspended) {
		return nil // nothing is billed until it goes on
	}
	out := map[string][]item{}
	charges := billedCharges(s)
	bases := map[string][]part{}
	for _, b := range charges {
		if isDiscount(b.charge) {
			continue
		}
		skipped := p.periodsPast(b)
		for n := skipped; n <= skipped+maxPayments; n++ {
			from := b.next
			if n > 0 {
				if !b.period.isKnown() {
					break
				}
				from = b.period.after(b.next, n)
			}
			seg, ok := segmentOn(b.charge, from)
			if !ok || !isDay(from) {
				break
			}
			day := from
			if inArrears(b.charge) && b.period.isKnown() {
				day = b.period.after(from, 1)
			}
			p.addPart(s, out, bases, day, from, b, seg)
		}
	}
	for day, parts := range bases {
		out[day] = append(out[day], p.discounts(s, charges, parts, day)...)
	}
	return out
}

// maxSkipped bounds how many periods a charge may be behind: ten years of weeks.
const maxSkipped = 520

// periodsPast is how many periods of a charge have come and are not billed, but
// for the newest of them.
func (p *projector) periodsPast(b billed) int {
	n := 0
	for b.period.isKnown() && n < maxSkipped {
		next := b.period.after(b.next, n+1)
		if next == "" || next > p.opt.Today {
			break
		}
		n++
	}
	return n
}

// part is what a charge contributes to a payment, before discounts.
type part struct {
	plan   string
	amount decimal.Decimal
}

// addPart adds the bill of a charge for the period that begins on from, due on day.
func (p *projector) addPart(s subscription, out map[string][]item, bases map[string][]part, day, from string,
	b billed, seg billing.Segment) {
	amount, ok := billOf(line{b.charge, seg}, b.period, from, currencyOf(b.charge, s.zuora, p.account))
	if !ok || currencyOf(b.charge, s.zuora, p.account) != s.price.currency {
		return // said with the price
	}
	out[day] = append(
		out[day],
		item{
			charge:   b.charge.Name,
			product:  b.plan.zuora.ProductName,
			quantity: sensible(seg.Quantity),
			amount:   amount,
		},
	)
	bases[day] = append(bases[day], part{b.plan.key, amount})
}

// billOf is the bill of a charge for the period that begins on a day. A list price
// for a longer time that does not come out even is billed so that its bills add
// up to it: each is what is due by then less what was billed, 7166.67, 7166.66 and
// 7166.67 of 21500 a year. Source: Zuora's "Create subscriptions containing charges
// with annual prices".
func billOf(l line, period period, from, currency string) (_ decimal.Decimal, ok bool) {
	times, per, exact := listFactor(l.charge)
	list, read := amountOf(l)
	if !exact || !read || times <= 0 || per%times != 0 || per == times {
		return periodAmount(l, currency)
	}
	bills := per / times
	for n := range maxPayments * bills {
		if period.after(l.segment.From, n) == from {
			due := func(k int) decimal.Decimal {
				return list.Mul(decimal.NewFromInt(int64(k))).
					DivRound(decimal.NewFromInt(int64(bills)), decimals(currency))
			}
			k := n % bills
			return due(k + 1).Sub(due(k)), true
		}
	}
	return periodAmount(l, currency) // its bills follow another day than the one it began on
}

// discounts are those in force on the day of a payment.
func (p *projector) discounts(s subscription, charges []billed, parts []part, day string) []item {
	var out []item
	for _, pl := range s.plans {
		for _, c := range pl.zuora.Charges {
			seg, ok := segmentOn(c, day)
			if !isDiscount(c) || !ok {
				continue
			}
			amount := zero
			switch {
			case is(c.Model, "discountpercentage") && readable(seg.DiscountPercentage):
				base := zero
				for _, part := range parts {
					if !is(c.DiscountLevel, "rateplan") || part.plan == pl.key {
						base = base.Add(part.amount)
					}
				}
				amount = base.Mul(seg.DiscountPercentage.Decimal).
					DivRound(decimal.NewFromInt(-100), decimals(s.price.currency))
			case readable(seg.DiscountAmount) && p.isBilledOn(charges, c, day):
				amount = seg.DiscountAmount.Decimal.Abs().Neg()
			}
			if amount.Sign() != 0 {
				out = append(out, item{charge: c.Name, product: pl.zuora.ProductName, discount: true, amount: amount})
			}
		}
	}
	return out
}

// isBilledOn reports whether a fixed discount falls due on that day: with each
// payment, or in periods of its own.
func (p *projector) isBilledOn(charges []billed, c billing.Charge, day string) bool {
	i := slices.IndexFunc(charges, func(b billed) bool { return b.charge.Number == c.Number })
	if i < 0 || !charges[i].period.isKnown() || !charges[i].since {
		return true
	}
	for n := -1; n <= maxPayments; n++ { // from the last period that was billed
		if charges[i].period.after(charges[i].next, n) == day {
			return true
		}
	}
	return false
}

// lastBilled is the newest payment that has come: of each charge the period
// before what is not billed yet, with the price it had. Limio's pages take the
// amount for what the customer pays.
func (p *projector) lastBilled(s subscription) (day string, _ []item) {
	out, bases := map[string][]item{}, map[string][]part{}
	charges := billedCharges(s)
	for _, b := range charges {
		if isDiscount(b.charge) || !b.since {
			continue
		}
		from := p.lastPeriod(b)
		if from == "" {
			continue
		}
		seg, ok := segmentOn(b.charge, from)
		if !ok {
			seg = b.charge.Segments[0] // begun within the period
		}
		due := from
		if inArrears(b.charge) && b.period.isKnown() {
			due = b.period.after(from, 1)
		}
		p.addPart(s, out, bases, due, from, b, seg)
	}
	for d := range out {
		day = max(day, d)
	}
	if day == "" {
		return "", nil
	}
	items := append(out[day], p.discounts(s, charges, bases[day], day)...)
	if total(items).Sign() < 0 {
		return "", nil
	}
	return day, items
}

// lastPeriod is the first day of the newest billed period whose payment has
// come: Zuora may bill ahead. A period without a length, such as the whole term,
// begins with its segment.
func (p *projector) lastPeriod(b billed) string {
	if !b.period.isKnown() {
		from := ""
		for _, seg := range b.charge.Segments {
			if hasLength(seg) && seg.ChargedThrough != "" && seg.From <= p.opt.Today {
				from = max(from, seg.From)
			}
		}
		return from
	}
	for n := 1; n <= maxPayments; n++ {
		from := b.period.after(b.next, -n)
		due := from
		if inArrears(b.charge) {
			due = b.period.after(from, 1)
		}
		if from != "" && due <= p.opt.Today {
			return from
		}
	}
	return ""
}
