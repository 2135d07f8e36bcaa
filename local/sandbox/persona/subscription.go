package persona

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// product is what a rate plan sells.
type product struct{ name, sku string }

var (
	digital   = product{"Digital", "SKU-DIGITAL"}
	weekend   = product{"Weekend Print", "SKU-WEEKEND"}
	corporate = product{"Corporate", "SKU-CORP"}
	archive   = product{"Archive", "SKU-ARCHIVE"}
	discounts = product{"Discounts", "SKU-DISCOUNT"}
)

// Billing periods, and how many months each has.
const (
	month   = "Month"
	quarter = "Quarter"
	annual  = "Annual"
)

var monthsOf = map[string]int64{month: 1, quarter: 3, annual: 12}

// terms say when a subscription runs. Months are counted from today.
type terms struct {
	status    string
	start     int
	end       *int // cancelled or suspended then
	term      int  // months; 0: evergreen
	version   int
	autoRenew bool
	accepted  bool // by the customer: charges run
	effective bool // the contract is: dates are set
}

func termed(start, term int) terms {
	return terms{
		status:    "Active",
		start:     start,
		term:      term,
		version:   1,
		autoRenew: true,
		accepted:  true,
		effective: true,
	}
}

func evergreen(start int) terms {
	t := termed(start, 0)
	t.autoRenew = false
	return t
}

func amended(start, term, version int) terms {
	t := termed(start, term)
	t.version = version
	return t
}

func cancelled(start, end, term int) terms {
	t := amended(start, term, 2)
	t.status, t.end, t.autoRenew = "Cancelled", &end, false
	return t
}

func suspended(start, end, term int) terms {
	t := amended(start, term, 2)
	t.status, t.end = "Suspended", &end
	return t
}

func draft(term int) terms {
	return terms{status: "Draft", term: term, version: 1, autoRenew: true}
}

func pendingAcceptance(start, term int) terms {
	t := termed(start, term)
	t.status, t.accepted = "Pending Acceptance", false
	return t
}

// dates of a subscription; "" becomes null.
type dates struct{ start, end, termStart, termEnd string }

func (c calendar) dates(t terms) dates {
	if !t.effective {
		return dates{}
	}
	d := dates{start: c.day(t.start), termStart: c.day(t.start)}
	if t.term == 0 {
		return d
	}
	termStart := t.start
	for termStart+t.term <= 0 { // renewed since
		termStart += t.term
	}
	if t.status == "Cancelled" {
		termStart = t.start + (*t.end-t.start)/t.term*t.term
		d.termStart, d.termEnd = c.day(termStart), c.day(*t.end)
	} else {
		d.termStart, d.termEnd = c.day(termStart), c.day(termStart+t.term)
	}
	d.end = d.termEnd
	return d
}

// null is v, or null where Zuora has no value.
func null(v string) any {
	if v == "" {
		return nil
	}
	return v
}

// subscribe adds a subscription to the account.
func (a *account) subscribe(t terms, plans ...plan) {
	n := len(a.subscriptions) + 1
	number := fmt.Sprintf("A-S%s%03d", a.number[4:], n)
	d := a.dates(t)
	a.unbilled = !t.accepted
	s := a.terms(t, d, number)
	s["orderNumber"] = fmt.Sprintf("O-%s%03d", a.number[4:], n)
	if t.status == "Suspended" {
		s["scheduledResumeDate"] = a.day(1)
	}
	mrr, rendered := decimal.Zero, []doc{}
	for i, p := range plans {
		r, planMRR := a.plan(p, d, number, t.version, i+1)
		rendered = append(rendered, r)
		mrr = mrr.Add(planMRR)
	}
	if t.status == "Cancelled" {
		mrr = decimal.Zero
	}
	a.mrr = a.mrr.Add(mrr)
	s["contractedMrr"], s["totalContractedValue"] = num(mrr), num(mrr.Mul(decimal.NewFromInt(int64(t.term))))
	s["ratePlans"] = rendered
	a.subscriptions = append(a.subscriptions, s)
}

// terms are a subscription without its rate plans and its order.
func (a *account) terms(t terms, d dates, number string) doc {
	termType, renewal := "TERMED", any("RENEW_WITH_SPECIFIC_TERM")
	term, period := any(t.term), any(month)
	if t.term == 0 {
		termType, renewal, term, period = "EVERGREEN", nil, 0, nil
	}
	accepted := ""
	if t.accepted {
		accepted = d.start
	}
	return doc{
		"id":                        zuoraID("subscription", number, t.version),
		"subscriptionNumber":        number,
		"version":                   t.version,
		"revision":                  fmt.Sprintf("%d.0", t.version),
		"isLatestVersion":           true,
		"status":                    t.status,
		"statusHistory":             a.history(t, d),
		"accountId":                 a.id,
		"accountNumber":             a.number,
		"accountName":               a.basic["name"],
		"invoiceOwnerAccountId":     a.id,
		"invoiceOwnerAccountNumber": a.number,
		"invoiceOwnerAccountName":   a.basic["name"],
		"currency":                  a.billing["currency"],
		"termType":                  termType,
		"contractEffectiveDate":     null(d.start),
		"serviceActivationDate":     null(d.start),
		"customerAcceptanceDate":    null(accepted),
		"subscriptionStartDate":     null(d.start),
		"subscriptionEndDate":       null(d.end),
		"termStartDate":             null(d.termStart),
		"termEndDate":               null(d.termEnd),
		"initialTerm":               term,
		"initialTermPeriodType":     period,
		"currentTerm":               term,
		"currentTermPeriodType":     period,
		"autoRenew":                 t.autoRenew,
		"renewalSetting":            renewal,
		"renewalTerm":               term,
		"renewalTermPeriodType":     period,
		"cancelReason":              nil,
		"scheduledCancelDate":       nil,
		"scheduledSuspendDate":      nil,
		"scheduledResumeDate":       nil,
		"externallyManagedBy":       nil,
		"notes":                     "",
	}
}

func (a *account) history(t terms, d dates) []doc {
	if t.end == nil {
		return []doc{{"startDate": cmp.Or(d.start, a.day(0)), "endDate": nil, "status": t.status}}
	}
	return []doc{
		{"startDate": d.start, "endDate": a.day(*t.end), "status": "Active"},
		{"startDate": a.day(*t.end), "endDate": nil, "status": t.status},
	}
}

// plan is a rate plan of a subscription.
type plan struct {
	name    string
	product product
	change  string // lastChangeType
	from    *int   // months from today at which it was added; nil: with the subscription
	until   *int   // months from today at which it was, or will be, removed
	charges []charge
}

// since has a plan begin later than its subscription, in months from today.
func (p plan) since(months int) plan {
	p.from = &months
	return p
}

func add(name string, p product, charges ...charge) plan {
	return plan{name: name, product: p, change: "Add", charges: charges}
}

func changed(name string, p product, charges ...charge) plan {
	return plan{name: name, product: p, change: "Update", charges: charges}
}

func removed(name string, p product, until int, charges ...charge) plan {
	return plan{name: name, product: p, change: "Remove", until: &until, charges: charges}
}

// plan renders p and gives the monthly value of what still runs.
func (a *account) plan(p plan, d dates, subscription string, version, n int) (doc, decimal.Decimal) {
	if p.from != nil {
		d.start = a.day(*p.from)
	}
	if p.until != nil {
		d.end = a.day(*p.until)
	}
	key := fmt.Sprintf("%s%02d", subscription[3:], n)
	out := doc{
		"id":                          zuoraID("rate plan", key, version),
		"ratePlanName":                p.name,
		"productRatePlanId":           zuoraID("product rate plan", p.name),
		"productId":                   zuoraID("product", p.product.sku),
		"productName":                 p.product.name,
		"productSku":                  p.product.sku,
		"lastChangeType":              p.change,
		"subscriptionProductFeatures": []doc{},
	}
	if a.planNumbers {
		out["subscriptionRatePlanNumber"] = "SRP-" + key
	}
	mrr, charges := decimal.Zero, []doc{}
	today := a.day(0)
	for i, c := range p.charges {
		charges = append(charges, a.charge(c, d, fmt.Sprintf("C-%s%d", key, i+1), version))
		if (d.end == "" || d.end > today) && d.start <= today {
			mrr = mrr.Add(c.mrr())
		}
	}
	out["ratePlanCharges"] = charges
	return out, mrr
}

// charge is a charge of a rate plan. Amounts are decimals as text, "" is null.
type charge struct {
	name, kind, model, period, uom string
	price, quantity                string
	discountAmount, discountPct    string
	tiers                          []tier
	steps                          []step
	listPrice                      string // listPriceBase; "": Per_Billing_Period
	periodMonths                   int    // of Specific_Months
	upTo                           int    // billing periods after which it ends
}

// annualPrice is a fee that is listed by the year and paid every so many months.
func annualPrice(name string, months int, price string) charge {
	c := flatFee(name, "Specific_Months", price)
	c.listPrice, c.periodMonths = "Per_Year", months
	return c
}

// monthlyPrice is a fee that is listed by the month and paid by the year.
func monthlyPrice(name, price string) charge {
	c := flatFee(name, annual, price)
	c.listPrice = "Per_Month"
	return c
}

// usage is a fee for what was used; merchants use negative ones as credits.
func usage(name, price string) charge {
	return charge{name: name, kind: "Usage", model: "FlatFee", period: month, price: price, uom: "Each"}
}

// forPeriods ends a charge after so many billing periods.
func (c charge) forPeriods(n int) charge {
	c.upTo = n
	return c
}

// months are those of the billing period, 0 for what is not billed by months.
func (c charge) months() int64 {
	if c.periodMonths > 0 {
		return int64(c.periodMonths)
	}
	return monthsOf[c.period]
}

// tier is one step of a tiered or volume price; end 0 is open.
type tier struct {
	start, end int
	price      string
}

// step is a price that holds from a day on.
type step struct{ from, price string }

func flatFee(name, period, price string) charge {
	return charge{name: name, kind: "Recurring", model: "FlatFee", period: period, price: price, quantity: "1"}
}

func perUnit(name, period, price, quantity, uom string) charge {
	return charge{
		name:     name,
		kind:     "Recurring",
		model:    "PerUnit",
		period:   period,
		price:    price,
		quantity: quantity,
		uom:      uom,
	}
}

func oneTime(name, price string) charge {
	return charge{name: name, kind: "OneTime", model: "FlatFee", price: price, quantity: "1"}
}

func tiered(name, uom, quantity string, tiers ...tier) charge {
	return charge{
		name:     name,
		kind:     "Recurring",
		model:    "Tiered",
		period:   month,
		uom:      uom,
		quantity: quantity,
		tiers:    tiers,
	}
}

func volume(name, uom, quantity string, tiers ...tier) charge {
	c := tiered(name, uom, quantity, tiers...)
	c.model = "Volume"
	return c
}

func percentOff(name, percent string) charge {
	return charge{name: name, kind: "Recurring", model: "DiscountPercentage", period: month, discountPct: percent}
}

func amountOff(name, amount string) charge {
	return charge{name: name, kind: "Recurring", model: "DiscountFixedAmount", period: month, discountAmount: amount}
}

// then changes the price from a day on.
func (c charge) then(from, price string) charge {
	c.steps = append(c.steps, step{from, price})
	return c
}

// mrr is the monthly value at today's price; discounts and tiers count nothing.
func (c charge) mrr() decimal.Decimal {
	if c.kind != "Recurring" || c.price == "" {
		return decimal.Zero
	}
	whole := decimal.RequireFromString(c.price).Mul(decimal.RequireFromString(c.quantity))
	switch c.listPrice {
	case "Per_Month":
		return whole.Round(2)
	case "Per_Year":
		return whole.Div(decimal.NewFromInt(12)).Round(2)
	}
	return whole.Div(decimal.NewFromInt(c.months())).Round(2)
}

// charge renders c with the segments of its price: the last one at the top, as
// Zuora does by default, and all of them in chargeSegments if there are several.
func (a *account) charge(c charge, d dates, number string, version int) doc {
	start, end := d.start, d.end
	endCondition, timing := "Subscription_End", any("IN_ADVANCE")
	listPrice := any(cmp.Or(c.listPrice, "Per_Billing_Period"))
	switch {
	case c.kind == "OneTime":
		endCondition, timing, listPrice = "One_Time", nil, nil
		end = a.nextDay(start)
	case c.kind == "Usage":
		timing, listPrice = any("IN_ARREARS"), nil
	case c.upTo > 0:
		endCondition = "Fixed_Period"
		end = a.after(start, c.upTo*int(c.months()))
	}
	through := a.chargedThrough(c, start, end)
	segments := []doc{}
	prices := append([]step{{start, c.price}}, c.steps...)
	for i, p := range prices {
		until := end
		if i+1 < len(prices) {
			until = prices[i+1].from
		}
		s := a.segment(c, p, until, number, version, i+1)
		s["chargedThroughDate"] = nil
		if through > p.from {
			s["chargedThroughDate"] = null(min(through, cmp.Or(until, through)))
		}
		segments = append(segments, s)
	}
	var discountLevel, applyTo any
	if strings.HasPrefix(c.model, "Discount") {
		discountLevel, applyTo = "subscription", "RECURRING"
	}
	out := doc{
		"number":                  number,
		"originalChargeId":        zuoraID("charge", number, 1, 1),
		"productRatePlanChargeId": zuoraID("product charge", c.name),
		"name":                    c.name,
		"type":                    c.kind,
		"model":                   c.model,
		"uom":                     null(c.uom),
		"billingPeriod":           null(c.period),
		"specificBillingPeriod":   nullNumber(c.periodMonths),
		"billingTiming":           timing,
		"listPriceBase":           listPrice,
		"discountLevel":           discountLevel,
		"applyDiscountTo":         applyTo,
		"triggerEvent":            "ContractEffective",
		"endDateCondition":        endCondition,
		"upToPeriods":             nullNumber(c.upTo),
		"upToPeriodsType":         nil,
		"version":                 version,
		"processedThroughDate":    nil,
	}
	if c.upTo > 0 {
		out["upToPeriodsType"] = "Billing_Periods"
	}
	for k, v := range segments[len(segments)-1] {
		out[k] = v
	}
	if len(segments) > 1 {
		out["chargeSegments"] = segments
	}
	return out
}

// chargedThrough is the day up to which a charge is billed, "" for what was not
// billed yet: the end of the billing period that today is in.
func (a *account) chargedThrough(c charge, start, end string) string {
	today, months := a.day(0), int(c.months())
	switch {
	case start == "" || start > today || c.kind == "Usage" || a.unbilled:
		return ""
	case c.kind == "OneTime" || months == 0:
		return end
	}
	through := start
	for n := 1; through <= today; n++ {
		through = a.after(start, n*months)
	}
	if end != "" {
		return min(through, end)
	}
	return through
}

func nullNumber(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func (a *account) segment(c charge, p step, until, number string, version, n int) doc {
	priced := c
	priced.price = p.price
	return doc{
		"id":                 zuoraID("charge", number, version, n),
		"segment":            n,
		"effectiveStartDate": null(p.from),
		"effectiveEndDate":   null(until),
		"currency":           a.billing["currency"],
		"price":              amount(p.price),
		"quantity":           amount(c.quantity),
		"tiers":              renderTiers(c.tiers),
		"discountAmount":     amount(c.discountAmount),
		"discountPercentage": amount(c.discountPct),
		"mrr":                num(priced.mrr()),
		"tcv":                nil,
		"pricingSummary":     priced.summary(fmt.Sprint(a.billing["currency"])),
		"done":               false,
	}
}

func (c charge) summary(currency string) string {
	switch {
	case c.discountPct != "":
		return c.discountPct + "% discount"
	case c.discountAmount != "":
		return currency + c.discountAmount + " discount"
	case c.tiers != nil:
		return fmt.Sprintf("%s %s in %d tiers", c.quantity, c.uom, len(c.tiers))
	case c.uom != "":
		return fmt.Sprintf("%s%s/%s", currency, c.price, c.uom)
	}
	return currency + c.price
}

func renderTiers(tiers []tier) any {
	if tiers == nil {
		return nil
	}
	out := []doc{}
	for i, t := range tiers {
		end := any(t.end)
		if t.end == 0 {
			end = nil
		}
		out = append(out, doc{"tier": i + 1, "startingUnit": t.start, "endingUnit": end, "price": amount(t.price),
			"priceFormat": "PerUnit", "originalListPrice": nil})
	}
	return out
}

func amount(v string) any {
	if v == "" {
		return nil
	}
	return num(decimal.RequireFromString(v))
}

func num(d decimal.Decimal) json.Number { return json.Number(d.String()) }
