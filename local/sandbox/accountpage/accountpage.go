// Package accountpage reads subscriptions as Limio's account pages do, by rules
// written down in our own words: which member each page needs, and how a price,
// the next payment and the current plan, address and payment method are found.
// Its tests hold every persona to them; it is no part of the product.
//
// A subscription is what GET /api/mma/subscriptions gives for one, as plain JSON.
package accountpage

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Object is a JSON object.
type Object = map[string]any

// What the pages say where nothing can be told.
const (
	PriceUnavailable = "Currently unavailable"
	PriceNone        = "N/A"
	InvalidDate      = "Invalid DateTime"
)

// Shown is what the pages show of a subscription.
type Shown struct {
	Number, Status string
	Plan           string // display name
	Price          string // what was paid last
	Currency       string
	Next           string // day of the next payment, or of the term's end
	Payment        string // label and last digits of the payment method
	Billing        string // city
	Delivery       string // city
	AddOns         []string
	Discounts      int // rows of discounts
}

// Show reads a subscription at a time.
func Show(sub Object, now time.Time) Shown {
	s := Shown{
		Number:   text(sub, "name"),
		Status:   text(sub, "status"),
		Price:    Price(sub, now),
		Currency: text(sub, "data", "price", "currency"),
		Next:     day(NextPayment(sub, now)),
		Payment:  PaymentLabel(PaymentMethod(sub)),
		Billing:  text(Address(sub, "billing"), "data", "city"),
		Delivery: text(Address(sub, "delivery"), "data", "city"),
	}
	offer := CurrentOffer(sub, now)
	s.Plan = text(offer, "data", "attributes", "display_name__limio")
	for _, a := range AddOns(sub, now) {
		s.AddOns = append(s.AddOns, text(a, "data", "add_on", "data", "attributes", "display_name__limio"))
	}
	for _, o := range offersInForce(sub, now) {
		if text(o, "data", "record_subtype") == "discount" {
			s.Discounts++
		}
	}
	return s
}

// stamp is a time as the pages compare it: text, in UTC, without a zone.
func stamp(now time.Time) string { return now.UTC().Format("2006-01-02T15:04:05.000") }

func day(stamp string) string {
	if len(stamp) > len(time.DateOnly) && stamp != InvalidDate {
		return stamp[:len(time.DateOnly)]
	}
	return stamp
}

// counts reports whether a schedule counts: cancelled ones do not.
func counts(schedule Object) bool {
	return slices.Contains([]string{"active", "pending", "pending-external"}, text(schedule, "status"))
}

// Price is the amount of the newest payment that is past. Without one it is the
// first price of an offer that is paid once, and a cancelled subscription has
// none. A number is not taken for an amount when it is 0.
func Price(sub Object, now time.Time) string {
	if text(sub, "status") == "cancelled" {
		return PriceNone
	}
	var newest Object
	for _, s := range objects(sub, "schedule") {
		if counts(s) && text(s, "data", "date") <= stamp(now) &&
			text(s, "data", "date") > text(newest, "data", "date") {
			newest = s
		}
	}
	if amount := text(newest, "data", "amount"); amount != "" {
		return amount
	}
	prices := objects(object(sub, "data", "offer", "data", "attributes"), "price__limio")
	if len(prices) > 0 &&
		!slices.ContainsFunc(
			prices,
			func(p Object) bool { return strings.HasPrefix(cmp.Or(text(p, "type"), "recurring"), "recurring") },
		) {
		return text(prices[0], "value")
	}
	return PriceUnavailable
}

// NextSchedule is the earliest payment to come, or nil.
func NextSchedule(sub Object, now time.Time) Object {
	var next Object
	for _, s := range objects(sub, "schedule") {
		if counts(s) && text(s, "data", "date") > stamp(now) &&
			(next == nil || text(s, "data", "date") < text(next, "data", "date")) {
			next = s
		}
	}
	return next
}

// NextPayment is the date of the next payment, else the end of the term. A
// cancelled subscription has none.
func NextPayment(sub Object, now time.Time) string {
	if text(sub, "status") == "cancelled" {
		return PriceNone
	}
	if next := NextSchedule(sub, now); next != nil {
		return text(next, "data", "date")
	}
	return cmp.Or(text(sub, "data", "termEndDate"), InvalidDate)
}

// offersInForce are those that have begun and not ended.
func offersInForce(sub Object, now time.Time) []Object {
	var out []Object
	for _, o := range objects(sub, "offers") {
		if start := text(o, "data", "start"); start != "" && start <= stamp(now) && runs(o, now) {
			out = append(out, o)
		}
	}
	return out
}

// runs reports whether an offer or add-on has not ended. An end that is there
// without a value hides it on one of the pages.
func runs(o Object, now time.Time) bool {
	end, there := object(o, "data")["end"]
	text, _ := end.(string)
	return !there || text > stamp(now)
}

// CurrentOffer is the copy of the catalogue item that is the customer's plan: of
// the first offer by start that is in force and no discount, else the
// subscription's own.
func CurrentOffer(sub Object, now time.Time) Object {
	var first Object
	for _, o := range offersInForce(sub, now) {
		if text(o, "data", "record_subtype") != "discount" &&
			(first == nil || text(o, "data", "start") < text(first, "data", "start")) {
			first = o
		}
	}
	if first != nil {
		return object(first, "data", "offer")
	}
	return object(sub, "data", "offer")
}

// AddOns are those in force.
func AddOns(sub Object, now time.Time) []Object {
	var out []Object
	for _, a := range objects(sub, "addOns") {
		if counts(a) && text(a, "data", "start") <= stamp(now) && runs(a, now) {
			out = append(out, a)
		}
	}
	return out
}

// Address is the newest active row of that relationship type.
func Address(sub Object, relationshipType string) Object {
	var newest Object
	for _, a := range objects(sub, "addresses") {
		if text(a, "relationship_type") == relationshipType && text(a, "status") == "active" &&
			(newest == nil || text(a, "start") > text(newest, "start")) {
			newest = a
		}
	}
	return newest
}

// PaymentMethod is the newest row; most pages do not look at its status.
func PaymentMethod(sub Object) Object {
	var newest Object
	for _, m := range objects(sub, "paymentMethods") {
		if newest == nil || text(m, "start") > text(newest, "start") {
			newest = m
		}
	}
	return newest
}

// masks are the members that hold the digits, by Zuora's CRUD word.
var masks = map[string]string{
	"CreditCard": "CreditCardMaskNumber", "CreditCardReferenceTransaction": "CreditCardMaskNumber",
	"BankTransfer": "BankTransferAccountNumberMask", "ACH": "AchAccountNumberMask", "PayPal": "",
}

// PaymentLabel is what the pages call a method, with its last four digits.
func PaymentLabel(method Object) string {
	record := object(method, "data", "zuora", "result")
	word := text(record, "Type")
	label := word
	switch word {
	case "CreditCard":
		label = text(record, "CreditCardType")
	case "BankTransfer":
		label = "Direct Debit"
	}
	mask := text(record, masks[word])
	if len(mask) > 4 {
		mask = mask[len(mask)-4:]
	}
	return strings.TrimSpace(label + " " + mask)
}

// object is what lies under the names, or nil. A name of digits is none: lists
// are read by objects.
func object(o Object, names ...string) Object {
	for _, name := range names {
		o, _ = o[name].(Object)
	}
	return o
}

func text(o Object, names ...string) string {
	if len(names) == 0 || o == nil {
		return ""
	}
	last := len(names) - 1
	s, _ := object(o, names[:last]...)[names[last]].(string)
	return s
}

func objects(o Object, name string) []Object {
	list, _ := o[name].([]any)
	var out []Object
	for _, element := range list {
		if m, ok := element.(Object); ok {
			out = append(out, m)
		}
	}
	return out
}
