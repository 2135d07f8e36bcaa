package projection

import "hotsync/shared/billing"

// subscription is a subscription on both sides.
type subscription struct {
	zuora  billing.Subscription
	object Object
}

// subscriptions are those that have a place in Limio, by number.
func (p *projector) subscriptions() []subscription {
	var out []subscription
	for _, s := range p.account.Subscriptions {
		status, ok := p.subscriptionStatus(s)
		if !ok {
			continue
		}
		o := p.hanging(Subscription, s.Number)
		o.Name, o.Reference, o.Status = s.Number, s.Number, status
		o.Data = p.subscriptionData(s)
		out = append(out, subscription{zuora: s, object: o})
	}
	return out
}

// subscriptionStatus follows Limio's table of statuses
// (https://docs.limio.com, "Subscription statuses in Limio and relation with
// Zuora"). Draft and Pending Acceptance are not supported there; Expired marks a
// superseded version, which is no subscription of its own.
func (p *projector) subscriptionStatus(s billing.Subscription) (status string, ok bool) {
	if s.Number == "" {
		p.warn("A subscription without a number was skipped.")
		return "", false
	}
	switch plain(s.Status) {
	case "active":
		return StatusActive, true
	case "cancelled", "canceled":
		return "cancelled", true
	case "suspended":
		return "suspended", true
	case "pendingactivation":
		return "pending activation", true
	case "expired":
	case "draft", "pendingacceptance":
		p.warn("Subscription %s is %s, which Limio does not support, so it was skipped.", s.Number, s.Status)
	default:
		p.warn("Subscription %s has the status %.40q, which hotsync does not know, so it was skipped.", s.Number, s.Status)
	}
	p.unclear = append(p.unclear, s.Number)
	return "", false
}

func (p *projector) subscriptionData(s billing.Subscription) map[string]any {
	start := s.Start
	if start == "" {
		start = s.ContractEffective
	}
	var termEnd any
	if !is(s.TermType, "evergreen") {
		termEnd = orNil(s.TermEnd)
	}
	pr := p.subscriptionPrice(s)
	return map[string]any{
		"startDate":     orNil(start),
		"termStartDate": orNil(s.TermStart),
		"termEndDate":   termEnd,
		"quantity":      number(pr.quantity),
		"price":         pr.data(),
		"attributes":    map[string]any{"autoRenew": s.AutoRenew},
	}
}

// isOver reports whether a cancelled subscription's service has ended: a
// cancellation may be for a day to come.
func isOver(s billing.Subscription, today string) bool {
	return (is(s.Status, "cancelled") || is(s.Status, "canceled")) && (s.End == "" || s.End <= today)
}
