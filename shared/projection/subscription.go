package projection

import (
	"cmp"
	"slices"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
)

// subscription is a subscription on both sides.
type subscription struct {
	zuora   billing.Subscription
	object  Object
	plans   []plan
	main    plan // the customer's, or what stands for it
	hasMain bool
	price   price
}

// subscriptions are those that have a place in Limio, by number.
func (p *projector) subscriptions() []subscription {
	var out []subscription
	for _, z := range p.account.Subscriptions {
		status, ok := p.subscriptionStatus(z)
		if !ok {
			continue
		}
		s := subscription{zuora: z, plans: p.plans(z)}
		s.main, s.hasMain = p.mainPlan(s.plans)
		if !s.hasMain {
			s.main = p.lastResort(z)
		}
		s.price = p.subscriptionPrice(z, s.plans)
		s.object = p.hanging(Subscription, z.Number)
		s.object.Name, s.object.Reference, s.object.Status = z.Number, z.Number, status
		s.object.Data = p.subscriptionData(s)
		if end := lastDay(z); isCancelled(z) && end > p.opt.Today {
			p.find(
				hotsync.Note(
					hotsync.FindingServedUntil,
					z.Number,
					"Subscription %s is cancelled, and served until %s.",
					z.Number,
					end,
				),
				"",
			)
		}
		out = append(out, s)
	}
	return out
}

// lastResort is what a subscription is shown as that has no plan which could be
// the customer's: of all that Zuora lists, the one that comes nearest. The pages
// fail on a subscription without an offer.
func (p *projector) lastResort(s billing.Subscription) plan {
	var all []plan
	for _, rp := range s.RatePlans {
		pl := plan{zuora: rp, key: planKey(rp), span: spanOf(rp), role: roleOf(rp), price: p.planPrice(s, rp)}
		pl.match = p.match(s, pl)
		all = append(all, pl)
	}
	none := plan{price: price{currency: subscriptionCurrency(s, p.account)}}
	if len(all) == 0 {
		return none
	}
	best := slices.MinFunc(all, func(a, b plan) int {
		return cmp.Or(compareBool(a.isAddOn(), b.isAddOn()), cmp.Compare(a.role, b.role), p.comparePlans(a, b))
	})
	if best.role == roleDiscount {
		return none
	}
	if best.isAddOn() {
		best.match = catalogue.Match{Standing: catalogue.Unmatched}
	}
	return best
}

// subscriptionStatus follows Limio's table of statuses
// (https://docs.limio.com, "Subscription statuses in Limio and relation with
// Zuora"). Draft and Pending Acceptance are not supported there; Expired marks a
// superseded version, which is no subscription of its own. Cancelled is said of
// a subscription that runs for some time still, as Zuora does.
func (p *projector) subscriptionStatus(s billing.Subscription) (status string, ok bool) {
	if s.Number == "" {
		p.find(hotsync.Note(hotsync.FindingSubscription, "", "A subscription without a number was skipped."), "")
		return "", false
	}
	switch plain(s.Status) {
	case "active":
		return StatusActive, true
	case "cancelled", "canceled":
		return statusCancelled, true
	case "suspended":
		return statusSuspended, true
	case "pendingactivation":
		return "pending activation", true
	case "expired":
	case "draft", "pendingacceptance":
		p.find(
			hotsync.Note(
				hotsync.FindingSubscription,
				s.Number,
				"Subscription %s is %s, which Limio does not support, so it was skipped.",
				s.Number,
				s.Status,
			),
			"It is synced once it is active in Zuora.",
		)
	default:
		p.find(
			hotsync.Note(
				hotsync.FindingSubscription,
				s.Number,
				"Subscription %s has the status %.40q, which hotsync does not know, so it was skipped.",
				s.Number,
				s.Status,
			),
			"",
		)
	}
	p.unclear = append(p.unclear, s.Number)
	return "", false
}

func (p *projector) subscriptionData(s subscription) map[string]any {
	z := s.zuora
	// A term without end has none to show, unless it was cancelled to a day.
	termEnd := z.TermEnd
	if is(z.TermType, "evergreen") {
		termEnd = ""
		if isCancelled(z) {
			termEnd = cmp.Or(z.TermEnd, z.End)
		}
	}
	offer := p.offerOf(z, s.main)
	pr := map[string]any{"currency": s.price.currency, "amount": orNilDecimal(s.price.amount)}
	addSummary(pr, s.main)
	out := map[string]any{
		"name":          cmp.Or(displayName(s.main), z.Number),
		"startDate":     orNil(startOf(z)),
		"termStartDate": orNil(z.TermStart),
		"termEndDate":   orNil(termEnd),
		"quantity":      orNilDecimal(s.price.quantity),
		"price":         pr,
		"attributes":    map[string]any{"autoRenew": z.AutoRenew, "gift": false, "external": true},
		"offer":         offer,
		"products":      productsIn(offer),
		"tracking":      map[string]any{"offers": pathsOf(s.main)},
		"addOns":        []any{},
	}
	country, ok := p.purchaseCountry()
	if ok {
		out["purchaseCountry"] = country
	}
	return out
}

func startOf(s billing.Subscription) string { return cmp.Or(s.Start, s.ContractEffective, s.TermStart) }

// purchaseCountry is the country of the bill-to contact, else of the sold-to. One
// that is not known is left out: it was warned about with the address.
func (p *projector) purchaseCountry() (_ string, ok bool) {
	for _, c := range []*billing.Contact{p.account.BillTo, p.account.SoldTo} {
		if c != nil && c.Country != "" {
			return countryCode(c.Country)
		}
	}
	return "", false
}
