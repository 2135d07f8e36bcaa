package projection

import (
	"cmp"
	"slices"

	"hotsync/shared/billing"
)

// What is in force is told by dates, never by words: Zuora marks a plan as
// removed on the day the order is booked, which may be long before it ends.

// runOn returns the charges that end only with a term that is renewed no end: the
// end of the term is then no end of theirs.
func runOn(s billing.Subscription, plan billing.RatePlan, charges []billing.Charge) {
	if s.TermEnd == "" || !s.AutoRenew || is(s.TermType, "evergreen") || isCancelled(s) || s.ScheduledCancel != "" ||
		isRemoved(plan) {
		return
	}
	for _, c := range charges {
		ofTerm := c.EndDateCondition == "" || is(c.EndDateCondition, "subscriptionend")
		if !ofTerm || c.UpToPeriods > 0 || is(c.Type, "onetime") {
			continue
		}
		for i, seg := range c.Segments {
			if seg.Until == s.TermEnd && seg.From != seg.Until {
				c.Segments[i].Until = ""
			}
		}
	}
}

// endWith ends the charges of a subscription that is cancelled, or will be, on that
// day: a charge may say another, or none where it has no term. What is paid once is
// left as it is.
func endWith(s billing.Subscription, charges []billing.Charge) {
	last := s.ScheduledCancel
	if isCancelled(s) {
		last = lastDay(s)
	}
	if last == "" {
		return
	}
	for _, c := range charges {
		for i, seg := range c.Segments {
			switch {
			case seg.From == "" || is(c.Type, "onetime"):
			case seg.From >= last:
				c.Segments[i].Until = seg.From
			case seg.Until == "" || seg.Until > last:
				c.Segments[i].Until = last
			}
		}
	}
}

// span is the time a plan is in force.
type span struct {
	start string // "" when it has none
	end   string // first day without; "" while it runs on
	never bool   // it was taken back before it began
	// pending says that its charges have no dates yet: Zuora leaves them blank
	// until they are activated.
	pending bool
}

// spanOf is from the first day of a plan's charges to the last.
func spanOf(plan billing.RatePlan) span {
	var out span
	open, found, void := false, false, ""
	for _, c := range plan.Charges {
		for _, seg := range c.Segments {
			switch {
			case seg.From == "":
				out.pending = true
			case !hasLength(seg):
				void = max(void, seg.Until)
			default:
				if !found || seg.From < out.start {
					out.start = seg.From
				}
				found, open = true, open || seg.Until == ""
				out.end = max(out.end, seg.Until)
			}
		}
	}
	switch {
	case found:
		out.pending = false
		if open {
			out.end = ""
		}
	case out.pending:
	case void != "":
		out = span{start: void, end: void, never: true}
	}
	return out
}

// isOver reports whether nothing of it is left on a day.
func (s span) isOver(day string) bool { return s.never || s.end != "" && s.end <= day }

// holds reports whether it is in force on a day. What has no dates is.
func (s span) holds(day string) bool { return !s.isOver(day) && s.start <= day && !s.pending }

// isCancelled reports whether a subscription was cancelled, be it for a day to
// come: Zuora says so at once.
func isCancelled(s billing.Subscription) bool {
	return is(s.Status, "cancelled") || is(s.Status, "canceled")
}

// lastDay is the first day after a cancelled subscription, "" when Zuora has
// none.
func lastDay(s billing.Subscription) string { return cmp.Or(s.End, s.TermEnd) }

// isOver reports whether a cancelled subscription's service has ended.
func isOver(s billing.Subscription, today string) bool {
	return isCancelled(s) && lastDay(s) <= today
}

// role is what a plan is on its subscription.
type role int

const (
	roleBase     role = iota // may be the customer's plan
	roleUsage                // likewise, without a price that is known beforehand
	roleOneTime              // paid once
	roleDiscount             // a discount or a credit
)

// roleOf tells by the charges alone.
func roleOf(plan billing.RatePlan) role {
	if isDiscountPlan(plan) {
		return roleDiscount
	}
	is := func(typ string) func(billing.Charge) bool {
		return func(c billing.Charge) bool { return is(c.Type, typ) }
	}
	switch {
	case len(plan.Charges) == 0 || slices.ContainsFunc(plan.Charges, is("recurring")):
		return roleBase
	case slices.ContainsFunc(plan.Charges, is("usage")):
		return roleUsage
	default:
		return roleOneTime
	}
}

// isDiscountPlan reports whether a plan does nothing but make others cheaper: by
// discounts, or by fees below zero, which merchants book as credits.
func isDiscountPlan(plan billing.RatePlan) bool {
	found := false
	for _, c := range plan.Charges {
		switch {
		case isDiscount(c) || isCredit(c):
			found = true
		case !isFree(c):
			return false
		}
	}
	return found
}

func isCredit(c billing.Charge) bool {
	return len(c.Segments) > 0 && !slices.ContainsFunc(c.Segments, func(seg billing.Segment) bool {
		return !readable(seg.Price) || seg.Price.Decimal.Sign() >= 0
	})
}

func isFree(c billing.Charge) bool {
	return len(c.Segments) > 0 && !slices.ContainsFunc(c.Segments, func(seg billing.Segment) bool {
		return !readable(seg.Price) || seg.Price.Decimal.Sign() != 0
	})
}
