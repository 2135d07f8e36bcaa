package accountpage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Missing says which members the pages need and do not find, each with its place.
// What belongs to one page only, or to the merchant's own attributes, counts as
// well: a page that fails takes the others' rows with it.
func Missing(sub Object, now time.Time) []string {
	c := &checker{}
	number := text(sub, "name")
	c.need(sub, "subscription "+number, "id", "name", "status", "owner", "customer", "mode", "created")
	for _, list := range []string{"offers", "schedule", "addOns"} {
		if _, ok := sub[list].([]any); !ok {
			c.miss("subscription %s has no list %s", number, list)
		}
	}
	over := isOver(sub, now)
	c.subscription(sub, number, now)
	for n, o := range objects(sub, "offers") {
		c.offer(o, fmt.Sprintf("%s offers[%d]", number, n))
	}
	for n, s := range objects(sub, "schedule") {
		c.schedule(s, fmt.Sprintf("%s schedule[%d]", number, n))
	}
	for n, a := range objects(sub, "addOns") {
		c.addOn(a, fmt.Sprintf("%s addOns[%d]", number, n))
	}
	for n, a := range objects(sub, "addresses") {
		c.need(
			a,
			fmt.Sprintf("%s addresses[%d]", number, n),
			"relationship_id",
			"relationship_type",
			"related",
			"status",
			"start",
			"data.country",
		)
	}
	current := PaymentMethod(sub)
	for n, m := range objects(sub, "paymentMethods") {
		isCurrent := text(m, "id") == text(current, "id")
		if isCurrent && text(m, "status") != "active" && !over {
			c.miss(
				"%s paymentMethods[%d]: the newest is %q, and the pages take it whatever it is",
				number,
				n,
				text(m, "status"),
			)
		}
		if isCurrent || text(m, "status") == "active" {
			c.paymentMethod(m, fmt.Sprintf("%s paymentMethods[%d]", number, n))
		}
	}
	if !over {
		c.current(sub, number, now)
	}
	return c.missing
}

// isOver reports whether a subscription has ended, has not begun, or rests:
// then the pages show little whatever there is.
func isOver(sub Object, now time.Time) bool {
	return text(sub, "status") != "active" || text(sub, "data", "startDate") > stamp(now)
}

type checker struct{ missing []string }

func (c *checker) miss(format string, args ...any) {
	c.missing = append(c.missing, fmt.Sprintf(format, args...))
}

// need wants members that are neither absent, null nor empty text. A dot goes
// into an object, and a number into a list.
func (c *checker) need(o Object, where string, members ...string) {
	for _, member := range members {
		if v, ok := find(o, member); !ok || v == nil || v == "" {
			c.miss("%s: %s", where, member)
		}
	}
}

func find(o Object, path string) (any, bool) {
	var at any = o
	for _, name := range strings.Split(path, ".") {
		switch v := at.(type) {
		case Object:
			next, ok := v[name]
			if !ok {
				return nil, false
			}
			at = next
		case []any:
			if len(v) == 0 || name != "0" {
				return nil, false
			}
			at = v[0]
		default:
			return nil, false
		}
	}
	return at, true
}

// subscription is what is read of the subscription's own data.
func (c *checker) subscription(sub Object, number string, now time.Time) {
	where := "subscription " + number
	c.need(
		sub,
		where,
		"data.name",
		"data.startDate",
		"data.price.currency",
		"data.purchaseCountry",
		"data.attributes.autoRenew",
		"data.products.0.attributes.display_name__limio",
		"data.offer.data.attributes",
	)
	c.snapshot(object(sub, "data", "offer"), where+" data.offer")
	if !isOver(sub, now) {
		c.need(sub, where, "data.quantity", "data.price.amount")
	}
	if NextPayment(sub, now) == InvalidDate {
		c.miss("%s: neither data.termEndDate nor a next payment", where)
	}
}

// snapshot is the copy of an item, or the stand-in for one: that has no path, id
// or version, and cannot be managed.
func (c *checker) snapshot(offer Object, where string) {
	c.need(offer, where, "status", "data.record_type", "data.attributes.display_name__limio",
		"data.productBundles.0.rate_plan", "data.products.0.path", "data.products.0.attributes.display_name__limio")
	if text(offer, "status") != "active" {
		c.miss("%s: status is not active", where)
	}
	attributes := object(offer, "data", "attributes")
	if text(offer, "data", "record_subtype") != "discount" {
		c.need(
			attributes,
			where,
			"price__limio.0.currencyCode",
			"autoRenew__limio",
			"term__limio.length",
			"term__limio.type",
			"payment_types__limio",
			"label__limio",
		)
	}
	if offer["path"] == nil && offer["id"] == nil {
		return
	}
	c.need(offer, where, "id", "path", "version", "name")
	if text(offer, "data", "record_subtype") != "discount" && text(offer, "record_type") == "offer" {
		c.need(
			attributes,
			where,
			"group__limio",
			"upgrade_offers__limio",
			"downgrade_offers__limio",
			"update_configuration__limio",
		)
	}
	c.need(offer, where, "data.products.0.attributes.has_delivery__limio", "data.products.0.entitlements")
}

// offer is an element of offers.
func (c *checker) offer(o Object, where string) {
	c.need(o, where, "id", "status", "related", "data.name", "data.start", "data.price.currency")
	if text(o, "data", "record_subtype") != "discount" {
		c.need(o, where, "data.quantity", "data.price.amount")
	}
	if end, there := object(o, "data")["end"]; there && end == nil {
		c.miss("%s: data.end is there and null", where)
	}
	c.snapshot(object(o, "data", "offer"), where+" data.offer")
}

var (
	scheduleDate = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:00\.000$`)
	amountText   = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
)

// schedule is an element of schedule. Amounts are text: a number 0 reads as none.
func (c *checker) schedule(s Object, where string) {
	c.need(s, where, "id", "status", "related", "data.currency", "data.type", "data.lineItems.0")
	for _, date := range []string{"date", "schedule_date"} {
		if !scheduleDate.MatchString(text(s, "data", date)) {
			c.miss("%s: data.%s", where, date)
		}
	}
	for _, amount := range []string{"amount", "amountWithoutTax"} {
		if !amountText.MatchString(text(s, "data", amount)) {
			c.miss("%s: data.%s", where, amount)
		}
	}
}

// addOn is an element of addOns: the item under both names, since old and new
// pages differ.
func (c *checker) addOn(a Object, where string) {
	c.need(
		a,
		where,
		"id",
		"status",
		"related",
		"data.quantity",
		"data.start",
		"data.price.amount",
		"data.price.currency",
		"data.add_on.version",
		"data.add_on.name",
		"data.add_on.data.products.0.path",
		"data.add_on.data.productBundles.0.rate_plan",
		"data.add_on.data.attributes.display_name__limio",
		"data.offer.data.attributes.display_name__limio",
	)
	if !strings.HasPrefix(text(a, "data", "add_on", "id"), "add_on-") {
		c.miss("%s: data.add_on.id", where)
	}
}

// paymentMethod is a row of a payment method.
func (c *checker) paymentMethod(m Object, where string) {
	c.need(
		m,
		where,
		"id",
		"relationship_id",
		"related",
		"status",
		"start",
		"data.method",
		"data.zuora.refId",
		"data.zuora.result.Type",
	)
	if text(m, "type") != "zuora" {
		c.miss("%s: type", where)
	}
	word := text(m, "data", "zuora", "result", "Type")
	mask, known := masks[word]
	switch {
	case !known:
		c.miss("%s: data.zuora.result.Type %q is no word of the pages", where, word)
	case mask != "":
		c.need(m, where, "data.zuora.result."+mask, "data.last4")
	}
	if strings.HasPrefix(word, "CreditCard") {
		c.need(
			m,
			where,
			"data.brand",
			"data.expirationMonth",
			"data.expirationYear",
			"data.zuora.result.CreditCardType",
		)
	}
}

// current is what has to be there of a subscription that runs.
func (c *checker) current(sub Object, number string, now time.Time) {
	if price := Price(sub, now); price == PriceUnavailable || price == PriceNone {
		c.miss("subscription %s: a price (%s)", number, price)
	}
	if CurrentOffer(sub, now) == nil || !slices.ContainsFunc(offersInForce(sub, now), func(o Object) bool {
		return text(o, "data", "record_subtype") != "discount"
	}) {
		c.miss("subscription %s: an offer in force", number)
	}
	if PaymentMethod(sub) == nil {
		c.miss("subscription %s: a payment method", number)
	}
	for _, kind := range []string{"billing", "delivery"} {
		if Address(sub, kind) == nil {
			c.miss("subscription %s: a %s address", number, kind)
		}
	}
}
