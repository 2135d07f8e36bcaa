package zuorasandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// previewRequest is the body of POST /v1/operations/billing-preview.
type previewRequest struct {
	AccountID           string `json:"accountId"`
	AccountNumber       string `json:"accountNumber"`
	AssumeRenewal       string `json:"assumeRenewal"`
	ChargeTypeToExclude string `json:"chargeTypeToExclude"`
	IncludingDraftItems bool   `json:"includingDraftItems"`
	IncludingEvergreen  bool   `json:"includingEvergreenSubscription"`
	TargetDate          string `json:"targetDate"`
}

func (p previewRequest) problem() string {
	_, err := time.Parse(time.DateOnly, p.TargetDate)
	switch {
	case err != nil:
		return "targetDate is missing or no date."
	case p.AccountID == "" && p.AccountNumber == "":
		return "accountId or accountNumber is missing."
	case !slices.Contains([]string{"", "None", "All", "Autorenew"}, p.AssumeRenewal):
		return "assumeRenewal is none of None, All and Autorenew."
	}
	for word := range strings.SplitSeq(p.ChargeTypeToExclude, ",") {
		if word != "" && !slices.Contains([]string{"OneTime", "Recurring", "Usage"}, word) {
			return "chargeTypeToExclude has another word than OneTime, Recurring and Usage."
		}
	}
	return ""
}

func (p previewRequest) excludes(kind string) bool {
	return slices.Contains(strings.Split(p.ChargeTypeToExclude, ","), kind)
}

// billingPreview serves POST /v1/operations/billing-preview: what would be billed
// up to a day, in one answer without pages and in no order.
func (s *Server) billingPreview(w http.ResponseWriter, r *http.Request) {
	_, ok := parameters(w, r)
	if !ok {
		return
	}
	var p previewRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	dec.DisallowUnknownFields()
	err := dec.Decode(&p)
	problem := p.problem()
	if err != nil {
		problem = "The request body cannot be read."
	}
	if problem != "" {
		refuse(w, r, http.StatusBadRequest, invalid, problem)
		return
	}
	key := cmp.Or(p.AccountID, p.AccountNumber)
	e, ok := s.store.account(key)
	if !ok {
		refuse(w, r, http.StatusNotFound, notFound, "Cannot find entity by key: '"+key+"'.")
		return
	}
	items := e.preview(p)
	rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	sendJSON(
		w,
		r,
		http.StatusOK,
		object{"success": true, "accountId": e.id, "invoiceItems": items, "creditMemoItems": []object{}},
	)
}

// previewed is an item with what discounts have to know of it.
type previewed struct {
	item         object
	subscription *subscription
	plan         string
	amount       decimal.Decimal
	from         string
}

// preview bills every charge that is not excluded, then the discounts on them.
func (e *entry) preview(p previewRequest) []object {
	var billed []previewed
	for _, s := range e.subscriptions {
		if !s.latest || !isBilled(s.doc, p) {
			continue
		}
		for _, plan := range list(s.doc, "ratePlans") {
			for _, charge := range list(plan, "ratePlanCharges") {
				if isDiscount(charge) || p.excludes(textOf(charge["type"])) || textOf(charge["type"]) == "Usage" {
					continue
				}
				billed = append(billed, bill(s, plan, charge, p)...)
			}
		}
	}
	out := []object{}
	for _, b := range billed {
		out = append(out, b.item)
	}
	for _, s := range e.subscriptions {
		if !s.latest || !isBilled(s.doc, p) {
			continue
		}
		for _, plan := range list(s.doc, "ratePlans") {
			for _, charge := range list(plan, "ratePlanCharges") {
				if isDiscount(charge) && !p.excludes(textOf(charge["type"])) {
					out = append(out, discount(s, plan, charge, billed)...)
				}
			}
		}
	}
	return out
}

// isBilled: drafts and what is pending bill nothing; a cancelled subscription
// bills until its charges end; evergreen ones are left out unless asked for.
func isBilled(doc object, p previewRequest) bool {
	status, evergreen := textOf(doc["status"]), textOf(doc["termType"]) == "EVERGREEN"
	return (status == "Active" || status == "Cancelled") && (!evergreen || p.IncludingEvergreen)
}

func isDiscount(charge object) bool { return strings.HasPrefix(textOf(charge["model"]), "Discount") }

// segmentsOf returns the segments of a charge by start. One without a start is
// pending, and bills nothing.
func segmentsOf(charge object) []object {
	segments := list(charge, "chargeSegments")
	if len(segments) == 0 {
		segments = []object{charge}
	}
	segments = slices.DeleteFunc(
		slices.Clone(segments),
		func(s object) bool { return textOf(s["effectiveStartDate"]) == "" },
	)
	slices.SortFunc(segments, func(a, b object) int {
		return strings.Compare(textOf(a["effectiveStartDate"]), textOf(b["effectiveStartDate"]))
	})
	return segments
}

// bill returns the items of a charge: from the first day that is not billed, one
// for each billing period. What ends within a period is billed by the day.
func bill(s *subscription, plan, charge object, p previewRequest) []previewed {
	var out []previewed
	step, ok := stepOf(charge)
	places := placesOf(s.doc, charge)
	if textOf(charge["type"]) == "OneTime" {
		step, ok = cycle{}, true
	}
	if !ok {
		return nil
	}
	segments := segmentsOf(charge)
	for i, segment := range segments {
		end := textOf(segment["effectiveEndDate"])
		if i == len(segments)-1 && runsOn(s.doc, plan, charge, end, p) {
			end = ""
		}
		start := textOf(segment["effectiveStartDate"])
		first := cmp.Or(textOf(segment["chargedThroughDate"]), start)
		done := step.count(start, first)
		for n := 0; ; n++ {
			from, until := step.after(first, n), step.after(first, n+1)
			due, days, whole := from, daysBetween(from, until), daysBetween(from, until)
			if end != "" && until > end {
				until, days = end, daysBetween(from, end)
			}
			if textOf(charge["billingTiming"]) == "IN_ARREARS" {
				due = until
			}
			if due > p.TargetDate || end != "" && from >= end || len(out) > 1000 {
				break
			}
			amount := periodAmount(charge, segment, step, done+n, whole, places)
			if days < whole {
				amount = amount.Mul(decimal.NewFromInt(int64(days))).DivRound(decimal.NewFromInt(int64(whole)), places)
			}
			item := newItem(s, plan, charge, from, addDays(until, -1), amount)
			item["quantity"] = segment["quantity"]
			out = append(
				out,
				previewed{item: item, subscription: s, plan: textOf(plan["id"]), amount: amount, from: from},
			)
			if step == (cycle{}) {
				break
			}
		}
	}
	return out
}

// runsOn tells whether a charge that ends with the term goes on with the next
// one, as far as the preview is to assume.
func runsOn(doc, plan, charge object, end string, p previewRequest) bool {
	renews := p.AssumeRenewal == "All" || p.AssumeRenewal == "Autorenew" && doc["autoRenew"] == true
	zero, known := intOf(doc["renewalTerm"])
	return end != "" && end == textOf(doc["termEndDate"]) && renews && (!known || zero != 0) &&
		textOf(doc["status"]) == "Active" &&
		textOf(plan["lastChangeType"]) != "Remove" &&
		cmp.Or(textOf(charge["endDateCondition"]), "Subscription_End") == "Subscription_End"
}

// discount returns the items of a discount: a negative one for each that it
// applies to, in as many periods as it holds for.
func discount(s *subscription, plan, charge object, billed []previewed) []object {
	var out []object
	periods, limited := wholeOf(charge["upToPeriods"])
	seen := map[string]bool{}
	for _, segment := range segmentsOf(charge) {
		start := cmp.Or(textOf(segment["chargedThroughDate"]), textOf(segment["effectiveStartDate"]))
		end := textOf(segment["effectiveEndDate"])
		if textOf(charge["endDateCondition"]) == "Subscription_End" && end == textOf(s.doc["termEndDate"]) &&
			s.doc["autoRenew"] == true {
			end = ""
		}
		percent, fixed := decimalOf(segment["discountPercentage"]), decimalOf(segment["discountAmount"])
		for _, b := range billed {
			level := textOf(charge["discountLevel"])
			applies := b.subscription == s && (level != "rateplan" || b.plan == textOf(plan["id"])) ||
				level == "account"
			if !applies || b.from < start || end != "" && b.from >= end || !b.amount.IsPositive() {
				continue
			}
			first := !seen[b.from]
			if limited && periods > 0 && first && len(seen) >= periods {
				continue
			}
			seen[b.from] = true
			off := b.amount.Mul(percent).DivRound(decimal.NewFromInt(100), placesOf(s.doc, charge))
			if fixed.IsPositive() {
				off = decimal.Zero
				if first { // once a period, whatever it is shared among
					off = decimal.Min(fixed, b.amount)
				}
			}
			if off.IsZero() {
				continue
			}
			item := newItem(b.subscription, plan, charge, b.from, textOf(b.item["serviceEndDate"]), off.Neg())
			item["processingType"], item["appliedToItemId"] = "Discount", b.item["id"]
			out = append(out, item)
		}
	}
	return out
}

func newItem(s *subscription, plan, charge object, from, last string, amount decimal.Decimal) object {
	return object{
		"id":                 strings.ReplaceAll(randomHex(), "-", ""),
		"subscriptionId":     s.id,
		"subscriptionName":   s.number,
		"subscriptionNumber": s.number,
		"serviceStartDate":   from,
		"serviceEndDate":     last,
		"chargeAmount":       json.Number(amount.StringFixed(9)),
		"taxAmount":          json.Number("0.000000000"),
		"chargeDescription":  "",
		"chargeName":         charge["name"],
		"chargeNumber":       charge["number"],
		"chargeId":           charge["id"],
		"productName":        plan["productName"],
		"quantity":           nil,
		"unitOfMeasure":      textOf(charge["uom"]),
		"chargeDate":         from + " 00:00:00",
		"chargeType":         charge["type"],
		"processingType":     "Charge",
		"appliedToItemId":    nil,
		"numberOfDeliveries": json.Number("0"),
	}
}

// cycle is a billing period: months or days; neither for what is billed once.
type cycle struct{ months, days int }

var monthsOfPeriod = map[string]int{
	"Month":           1,
	"Quarter":         3,
	"Semi_Annual":     6,
	"Annual":          12,
	"Eighteen_Months": 18,
	"Two_Years":       24,
	"Three_Years":     36,
	"Five_Years":      60,
}

// placesOfCurrency are the decimal places of currencies that do not have two (ISO 4217).
var placesOfCurrency = map[string]int32{
	"CLP": 0, "ISK": 0, "JPY": 0, "KRW": 0, "PYG": 0, "UGX": 0, "VND": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

// placesOf returns the decimal places of a charge's currency.
func placesOf(subscription, charge object) int32 {
	places, ok := placesOfCurrency[cmp.Or(textOf(charge["currency"]), textOf(subscription["currency"]))]
	if !ok {
		return 2
	}
	return places
}

// stepOf reads a charge's billing period. A charge billed for its whole term is
// none that the sandbox knows.
func stepOf(charge object) (cycle, bool) {
	n, _ := wholeOf(charge["specificBillingPeriod"])
	switch word := strings.ReplaceAll(textOf(charge["billingPeriod"]), " ", "_"); word {
	case "Specific_Months":
		return cycle{months: n}, n > 0
	case "Specific_Weeks":
		return cycle{days: 7 * n}, n > 0
	case "Week":
		return cycle{days: 7}, true
	default:
		return cycle{months: monthsOfPeriod[word]}, monthsOfPeriod[word] > 0
	}
}

// after returns the day n periods after another; the 31st becomes the last day of
// a shorter month.
func (c cycle) after(day string, n int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	if c == (cycle{}) {
		return addDays(day, n)
	}
	if c.months == 0 {
		return t.AddDate(0, 0, n*c.days).Format(time.DateOnly)
	}
	first := time.Date(t.Year(), t.Month()+time.Month(n*c.months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1).Format(time.DateOnly)
}

// count returns how many whole periods there are between two days.
func (c cycle) count(from, until string) int {
	if c == (cycle{}) {
		return 0
	}
	n := 0
	for n < 10_000 && c.after(from, n+1) <= until {
		n++
	}
	return n
}

func addDays(day string, n int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.AddDate(0, 0, n).Format(time.DateOnly)
}

func daysBetween(from, until string) int {
	a, err1 := time.Parse(time.DateOnly, from)
	b, err2 := time.Parse(time.DateOnly, until)
	if errors.Join(err1, err2) != nil {
		return 1
	}
	return max(1, int(b.Sub(a).Hours()/24))
}

// periodAmount is what a charge costs in its nth period (from 0), of so many
// days. A list price for another length of time is spread over the periods so
// that they add up. Amounts have so many decimal places.
func periodAmount(charge, segment object, step cycle, n, days int, places int32) decimal.Decimal {
	price, quantity := decimalOf(segment["price"]), decimalOf(segment["quantity"])
	switch textOf(charge["model"]) {
	case "PerUnit":
		price = price.Mul(quantity)
	case "Tiered":
		price = tieredPrice(list(segment, "tiers"), quantity, false)
	case "Volume":
		price = tieredPrice(list(segment, "tiers"), quantity, true)
	}
	base := int64(0) // months that the price is for
	switch strings.ReplaceAll(textOf(charge["listPriceBase"]), " ", "_") {
	case "Per_Month":
		base = 1
	case "Per_Year":
		base = 12
	case "Per_Specific_Months":
		months, _ := wholeOf(charge["specificListPriceBase"])
		base = int64(months)
	case "Per_Week":
		return price.Mul(decimal.NewFromInt(int64(days))).DivRound(decimal.NewFromInt(7), places)
	}
	if base == 0 || step.months == 0 {
		return price.Round(places)
	}
	until := func(n int) decimal.Decimal {
		return price.Mul(decimal.NewFromInt(int64(n*step.months))).DivRound(decimal.NewFromInt(base), places)
	}
	return until(n + 1).Sub(until(n))
}

// tieredPrice adds up the tiers that a quantity reaches, or takes the last of
// them for all of it.
func tieredPrice(tiers []object, quantity decimal.Decimal, volume bool) decimal.Decimal {
	total, below := decimal.Zero, decimal.Zero
	for _, t := range tiers {
		start, end := decimalOf(t["startingUnit"]), decimalOf(t["endingUnit"])
		if quantity.LessThan(start) {
			break
		}
		units := quantity
		if end.IsPositive() {
			units = decimal.Min(quantity, end)
		}
		price := decimalOf(t["price"])
		flat := strings.ReplaceAll(textOf(t["priceFormat"]), " ", "") == "FlatFee"
		switch {
		case volume && flat:
			total = price
		case volume:
			total = price.Mul(quantity)
		case flat:
			total = total.Add(price)
		default:
			total = total.Add(price.Mul(units.Sub(below)))
		}
		below = units
	}
	return total
}

// decimalOf reads a number that was put as one or as text; nothing is 0.
func decimalOf(v any) decimal.Decimal {
	if v == nil {
		return decimal.Zero
	}
	d, err := decimal.NewFromString(fmt.Sprint(v))
	if err != nil {
		return decimal.Zero
	}
	return d
}

func wholeOf(v any) (int, bool) {
	d := decimalOf(v)
	return int(d.IntPart()), d.IsInteger()
}
