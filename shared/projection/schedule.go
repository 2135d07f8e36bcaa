package projection

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

// Schedules are payments: the last one that was billed, since Limio's pages show
// what a customer pays by it, and those to come, up to the end of the term. What
// comes is what Zuora's billing preview says, and where there is none, what
// follows from the charges.
//
// A payment that is due today has come already, since the pages compare texts.

const (
	maxPayments      = 24 // of a subscription, to come
	previewMonths    = 13 // how far a subscription without end is looked ahead
	scheduleMidnight = "T00:00:00.000"
)

// item is one charge's part of a payment.
type item struct {
	charge, product, description string
	discount                     bool
	quantity                     decimal.NullDecimal
	amount                       decimal.Decimal // without tax
	tax                          decimal.NullDecimal
}

// schedules are the payments of all subscriptions.
func (p *projector) schedules(subscriptions []subscription) []Object {
	if p.opt.Schedules == hotsync.SchedulesOff {
		return nil
	}
	previews, read := p.previews(subscriptions)
	var out []Object
	for _, s := range subscriptions {
		if isOver(s.zuora, p.opt.Today) {
			continue
		}
		coming, ok := previews[s.zuora.Number]
		if !ok && !read {
			coming = p.fromCharges(s)
		}
		day, last := p.lastBilled(s)
		if day == "" && !isBilled(s) {
			day, last = p.lastDue(coming)
		}
		if day != "" {
			out = append(out, p.schedule(s, day, last))
		}
		for _, day := range p.shown(s, coming) {
			if day.day != "" {
				out = append(out, p.schedule(s, day.day, day.items))
			}
		}
	}
	return uniqueSchedules(out)
}

// lastDue is the newest payment that has come and is not billed yet. It stands for
// the last one where a subscription was never billed: the pages have no price for
// a subscription without.
func (p *projector) lastDue(byDay map[string][]item) (day string, _ []item) {
	for _, day := range slices.Backward(slices.Sorted(maps.Keys(byDay))) {
		if day < p.opt.Today && total(byDay[day]).Sign() >= 0 {
			return day, byDay[day]
		}
	}
	return "", nil
}

// uniqueSchedules keeps one payment of a day: a payment that is due today may be
// billed already, and the one that was wins.
func uniqueSchedules(list []Object) []Object {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(o Object) bool {
		twice := seen[o.Key]
		seen[o.Key] = true
		return twice
	})
}

// payment is what is due on a day.
type payment struct {
	day   string
	items []item
}

// shown are the payments to come that are written: from today until the
// subscription ends or its term does, in order. What is below zero goes into the
// next one.
func (p *projector) shown(s subscription, byDay map[string][]item) []payment {
	var out []payment
	var carried []item
	for _, day := range slices.Sorted(maps.Keys(byDay)) {
		if day < p.opt.Today || !p.isWithin(s.zuora, day, len(out) == 0) || len(out) >= maxPayments {
			continue
		}
		items := append(carried, byDay[day]...)
		carried = nil
		if total(items).Sign() < 0 {
			carried = items
			continue
		}
		out = append(out, payment{day, items})
	}
	return out
}

// isWithin reports whether a payment of that day still belongs to what the
// customer has. The day on which a term is renewed does.
func (p *projector) isWithin(s billing.Subscription, day string, first bool) bool {
	switch {
	case isCancelled(s):
		return day < lastDay(s)
	case s.ScheduledCancel != "":
		return day < s.ScheduledCancel
	case is(s.TermType, "evergreen") || s.TermEnd == "":
		return day <= addMonths(p.opt.Today, previewMonths)
	case s.AutoRenew:
		return day <= s.TermEnd || first
	default:
		return day < s.TermEnd
	}
}

func total(items []item) decimal.Decimal {
	sum := zero
	for _, i := range items {
		sum = sum.Add(i.amount).Add(i.tax.Decimal)
	}
	return sum
}

// schedule is the object of a payment.
func (p *projector) schedule(s subscription, day string, items []item) Object {
	currency := cmp.Or(s.price.currency, subscriptionCurrency(s.zuora, p.account))
	o := p.hanging(Schedule, s.zuora.Number+"/"+day)
	o.Name, o.Related, o.Status = s.zuora.Number, s.object.ID, StatusExternal
	net, tax, taxKnown := zero, zero, len(items) > 0
	lines := []any{}
	for _, i := range sortedItems(items) {
		net, tax = net.Add(i.amount), tax.Add(i.tax.Decimal)
		taxKnown = taxKnown && i.tax.Valid
		lines = append(lines, i.line(currency))
	}
	o.Data = map[string]any{
		"type":             "payment",
		"date":             day + scheduleMidnight,
		"schedule_date":    day + scheduleMidnight,
		"amount":           money(net.Add(tax), currency),
		"amountWithoutTax": money(net, currency),
		"currency":         currency,
		"quantity":         json.Number("1"),
		"unit_amount":      money(net.Add(tax), currency),
		"description":      displayName(s.main),
		"lineItems":        lines,
		"taxAmount":        nil,
		"zuora":            map[string]any{"refId": o.Key},
	}
	if taxKnown {
		o.Data["taxAmount"] = number(tax)
	}
	return o
}

func (i item) line(currency string) map[string]any {
	out := map[string]any{
		"chargeName":        i.charge,
		"productName":       i.product,
		"chargeDescription": i.description,
		"processingType":    "Charge",
		"amountWithoutTax":  money(i.amount, currency),
	}
	if i.discount {
		out["processingType"] = "Discount"
	}
	if i.quantity.Valid {
		out["quantity"] = number(i.quantity.Decimal)
	}
	if i.tax.Valid {
		out["taxAmount"] = money(i.tax.Decimal, currency)
	}
	return out
}

func sortedItems(items []item) []item {
	return slices.SortedStableFunc(slices.Values(items), func(a, b item) int {
		return cmp.Or(
			compareBool(a.discount, b.discount),
			strings.Compare(a.product, b.product),
			strings.Compare(a.charge, b.charge),
			a.amount.Cmp(b.amount),
			a.tax.Decimal.Cmp(b.tax.Decimal),
			compareBool(a.tax.Valid, b.tax.Valid),
			strings.Compare(a.description, b.description),
			compareBool(a.quantity.Valid, b.quantity.Valid),
			a.quantity.Decimal.Cmp(b.quantity.Decimal),
		)
	})
}

// previews are the items of Zuora's billing preview by subscription and day. One
// that contradicts the subscriptions is ignored; read says whether there is a
// preview at all.
func (p *projector) previews(subscriptions []subscription) (_ map[string]map[string][]item, read bool) {
	if p.opt.Schedules == hotsync.SchedulesCharges {
		return nil, false
	}
	preview := p.account.Preview
	if preview.Missing != "" {
		if preview.Missing != "off" {
			p.find(
				hotsync.Note(
					hotsync.FindingScheduleSource,
					"",
					"Zuora's billing preview was %.20s, so coming payments are worked out from the charges.",
					preview.Missing,
				),
				"Let the OAuth client's user preview billing in Zuora, or set schedules to charges in the settings.",
			)
		}
		return nil, false
	}
	p.reportTax(preview)
	known := map[string]billing.Subscription{}
	for _, s := range subscriptions {
		known[s.zuora.Number] = s.zuora
	}
	out := map[string]map[string][]item{}
	for _, i := range preview.Items {
		s, ok := known[i.SubscriptionNumber]
		day := due(i, s)
		switch {
		case !ok && p.isOurs(i.SubscriptionNumber):
			continue // a draft, or one that is over
		case !ok:
			p.find(hotsync.Note(
				hotsync.FindingScheduleItem,
				i.SubscriptionNumber,
				"Zuora's billing preview has a payment of subscription %.40q, which the account does not have. It was ignored.",
				i.SubscriptionNumber,
			), "")
			continue
		case !isDay(day) || !readable(decimal.NewNullDecimal(i.Amount)) || !readable(decimal.NewNullDecimal(i.Tax)):
			p.find(hotsync.Note(
				hotsync.FindingScheduleItem,
				s.Number,
				"Subscription %s: a payment in Zuora's billing preview has no day or amount that can be read. It was ignored.",
				s.Number,
			), "")
			continue
		}
		if out[s.Number] == nil {
			out[s.Number] = map[string][]item{}
		}
		out[s.Number][day] = append(
			out[s.Number][day],
			item{
				charge:      i.ChargeName,
				product:     i.ProductName,
				description: i.Description,
				discount:    is(i.ProcessingType, "discount"),
				quantity:    sensible(i.Quantity),
				amount:      i.Amount,
				tax:         decimal.NewNullDecimal(i.Tax),
			},
		)
	}
	return out, true
}

// addedTax are the countries where tax is commonly added to a price: of it Zuora's
// preview says nothing, since it knows the tax of tax-inclusive charges alone.
var addedTax = map[string]bool{"US": true, "CA": true}

// reportTax says once that the payments to come lack the tax.
func (p *projector) reportTax(preview billing.Preview) {
	country, _ := p.purchaseCountry()
	taxed := func(i billing.PreviewItem) bool { return i.Tax.Sign() != 0 }
	if addedTax[country] && len(preview.Items) > 0 && !slices.ContainsFunc(preview.Items, taxed) {
		p.find(hotsync.Note(
			hotsync.FindingScheduleTax,
			"",
			"Zuora's billing preview has no tax. Where sales tax is added to the price in %s, coming payments are shown "+
				"without it.",
			country,
		), "")
	}
}

func (p *projector) isOurs(number string) bool {
	return slices.ContainsFunc(p.account.Subscriptions, func(s billing.Subscription) bool { return s.Number == number })
}

func sensible(d decimal.NullDecimal) decimal.NullDecimal {
	if !readable(d) {
		return decimal.NullDecimal{}
	}
	return d
}

func isDay(day string) bool {
	_, err := time.Parse(time.DateOnly, day)
	return err == nil
}

// due is the day of a payment: the first of what it pays for, in arrears the
// first after it.
func due(i billing.PreviewItem, s billing.Subscription) string {
	for _, rp := range s.RatePlans {
		for _, c := range rp.Charges {
			if c.Number == i.ChargeNumber && inArrears(c) {
				return addDays(i.ServiceEnd, 1)
			}
		}
	}
	return i.ServiceStart
}

func inArrears(c billing.Charge) bool { return strings.Contains(plain(c.BillingTiming), "arrears") }
