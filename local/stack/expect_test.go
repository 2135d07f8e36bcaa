package stack_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"hotsync/local/sandbox/persona"
)

// What Limio must hold of a Zuora account is worked out here a second time, from
// the account's v1 JSON and the projection table of the design alone, with none
// of the product's packages, so that a mistake in one of the two shows.

// doc is a JSON object.
type doc = map[string]any

// mirror is an account as Limio should have it, or has it. Objects are named by
// what is theirs in Zuora instead of by Limio's ids.
type mirror struct {
	Customer      doc
	Identities    map[string]doc // service/type/value
	Logins        []doc          // of the owner: iss and sub
	Methods       map[string]doc // payment-method id
	Subscriptions map[string]doc // number
	Offers        map[string]doc // rate-plan number, or charge number where there is none; add-ons too
	Addresses     map[string]doc // billing, delivery
	Relationships map[string]doc // type and subscription number
}

// v1 is an account as Zuora's v1 API shows it.
type v1 struct {
	Account, PaymentMethods doc
	Subscriptions           []doc
}

func readV1(t testing.TB, a persona.Account) v1 {
	t.Helper()
	out := v1{Account: parse(t, a.Account), PaymentMethods: parse(t, a.PaymentMethods)}
	for _, s := range a.Subscriptions {
		out.Subscriptions = append(out.Subscriptions, parse(t, s))
	}
	return out
}

func parse(t testing.TB, raw []byte) doc {
	t.Helper()
	if len(raw) == 0 {
		return doc{}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out doc
	err := dec.Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// body is what PUT /_sandbox/accounts/{id} takes.
func (v v1) body() doc {
	return doc{"account": v.Account, "paymentMethods": v.PaymentMethods, "subscriptions": v.Subscriptions}
}

func (v v1) basic() doc   { return v.Account["basicInfo"].(doc) }
func (v v1) billing() doc { return v.Account["billingAndPayment"].(doc) }
func (v v1) id() string   { return str(v.basic(), "id") }

// methods are the payment methods of every type.
func (v v1) methods() []doc {
	var out []doc
	for _, name := range slices.Sorted(maps.Keys(v.PaymentMethods)) {
		list, _ := v.PaymentMethods[name].([]any)
		for _, m := range list {
			out = append(out, m.(doc))
		}
	}
	return out
}

func (v v1) subscription(t testing.TB, number string) doc {
	t.Helper()
	for _, s := range v.Subscriptions {
		if str(s, "subscriptionNumber") == number {
			return s
		}
	}
	t.Fatalf("no subscription %s", number)
	return nil
}

func str(d doc, name string) string {
	s, _ := d[name].(string)
	return s
}

func docs(d doc, name string) []doc {
	var out []doc
	list, _ := d[name].([]any)
	for _, e := range list {
		out = append(out, e.(doc))
	}
	return out
}

// put adds a member that Zuora has; "" and nil are none.
func (m members) put(name string, value any) members {
	if value != nil && value != "" {
		m[name] = value
	}
	return m
}

// members is a JSON object in the making.
type members doc

// expect says what Limio must hold of an account after a login.
func expect(v v1, issuer, subject string, today string) mirror {
	m := mirror{Methods: map[string]doc{}, Subscriptions: map[string]doc{}, Offers: map[string]doc{},
		Addresses: map[string]doc{}, Relationships: map[string]doc{}}
	name := str(v.basic(), "name")
	customer := members{"name": name}
	billTo, _ := v.Account["billToContact"].(doc)
	if billTo != nil {
		customer["firstName"], customer["lastName"], customer["email"] = str(billTo, "firstName"), str(billTo,
			"lastName"), str(billTo, "workEmail")
	}
	for _, method := range v.methods() {
		if str(method, "status") != "Active" {
			continue
		}
		id := str(method, "id")
		m.Methods[id] = expectMethod(method)
		if id == v.billing()["defaultPaymentMethodId"] {
			customer["defaultPaymentMethodId"] = id
		}
	}
	m.Customer = doc{"name": name, "service": "limio", "status": "active", "data": doc(customer)}
	m.Identities = expectIdentities(v)
	if subject != "" {
		m.Logins = []doc{{"iss": issuer, "sub": subject}}
	}
	for _, s := range v.Subscriptions {
		m.addSubscription(s, today, purchaseCountry(v))
	}
	m.addAddress("billing", billTo)
	delivery, ok := v.Account["shipToContact"].(doc)
	if !ok {
		delivery, _ = v.Account["soldToContact"].(doc)
	}
	m.addAddress("delivery", delivery)
	return m
}

func expectIdentities(v v1) map[string]doc {
	identity := func(service, typ, value string) doc {
		return doc{"service": service, "type": typ, "name": value, "status": "active",
			"data": doc{"service": service, "issuer": service, "type": typ, "value": value}}
	}
	zuora := identity("zuora", "account", v.id())
	zuora["data"].(doc)["accountNumber"] = str(v.basic(), "accountNumber")
	out := map[string]doc{"zuora/account/" + v.id(): zuora}
	if str(v.basic(), "crmId") == "0018d00000QrStU" {
		const id18 = "0018d00000QrStUAAV"
		out["salesforce/account/"+id18] = identity("salesforce", "account", id18)
	}
	return out
}

// crudWords are Zuora's CRUD words for those of v1, where they differ.
var crudWords = map[string]string{"PayPalEC": "PayPal", "PayPalAdaptive": "PayPal", "Bacs": "BankTransfer",
	"SEPA": "BankTransfer",
	"Becs": "BankTransfer", "Becsnz": "BankTransfer", "PAD": "BankTransfer", "Autogiro": "BankTransfer",
	"Betalingsservice": "BankTransfer"}

func expectMethod(m doc) doc {
	id, typ := str(m, "id"), str(m, "type")
	crud := typ
	if crudWords[typ] != "" {
		crud = crudWords[typ]
	}
	result := members{"Id": id, "Type": crud, "PaymentMethodStatus": str(m, "status")}
	data := members{"type": "zuora", "method": typ}
	number := str(m, "cardNumber")
	if number != "" {
		last4 := number[len(number)-4:]
		data.put("brand", m["creditCardType"]).put("last4", last4)
		data["expirationMonth"] = m["expirationMonth"].(json.Number).String()
		data["expirationYear"] = m["expirationYear"].(json.Number).String()
		result.put("CreditCardType", m["creditCardType"]).put("CreditCardMaskNumber", "************"+last4)
		result["CreditCardExpirationMonth"], result["CreditCardExpirationYear"] = exact(
			rational(m["expirationMonth"])), exact(rational(m["expirationYear"]))
	} else {
		expectBank(m, crud, data, result)
	}
	data["zuora"] = doc{"refId": id, "result": doc(result)}
	return doc{"type": "zuora", "name": typ, "service": "limio", "status": "active", "data": doc(data)}
}

// limioStatus is Limio's word for the status of a subscription that has a place
// there.
var limioStatus = map[string]string{"Active": "active", "Cancelled": "cancelled", "Suspended": "suspended"}

// expectBank adds what the pages show of a bank account: the last four digits,
// and where the number is kept.
func expectBank(m doc, crud string, data, result members) {
	mask := map[string]string{"ACH": "AchAccountNumberMask", "BankTransfer": "BankTransferAccountNumberMask"}[crud]
	if mask == "" {
		return
	}
	if crud == "ACH" {
		data.put("brand", m["bankName"])
	} else {
		result.put("BankTransferType", bankTransferTypes[str(m, "type")])
	}
	for _, name := range []string{"IBAN", "bankAccountNumber", "accountNumber"} {
		number := str(m, name)
		if len(number) >= 4 {
			last4 := number[len(number)-4:]
			data["last4"], result[mask] = last4, "************"+last4
		}
	}
}

var bankTransferTypes = map[string]string{"SEPA": "SEPA", "Bacs": "DirectDebitUK", "Becs": "DirectEntryAU",
	"Becsnz": "DirectDebitNZ"}

// addSubscription expects what stands in Zuora. What a plan stands for in the
// catalogue, and the payments to come, the reader test looks at.
func (m mirror) addSubscription(s doc, today, country string) {
	number := str(s, "subscriptionNumber")
	status, ok := limioStatus[str(s, "status")]
	if !ok {
		return
	}
	var charges []doc
	over := status == "cancelled" && str(s, "subscriptionEndDate") <= today
	for _, plan := range docs(s, "ratePlans") {
		key, offer := expectOffer(s, plan, today)
		end := str(offer["data"].(doc), "end")
		if end != "" && end <= today && (plan["lastChangeType"] == "Remove" || isOneTime(plan)) {
			continue
		}
		if over {
			offer["status"] = "inactive"
		}
		m.Offers[key] = offer
		charges = append(charges, docs(plan, "ratePlanCharges")...)
	}
	price, quantity := expectPrice(s, charges, today, false)
	start := str(s, "subscriptionStartDate")
	data := members{"price": price, "attributes": doc{"autoRenew": s["autoRenew"], "gift": false, "external": true}}
	data.put("startDate", start).put("termStartDate", s["termStartDate"]).put("purchaseCountry", country).put("quantity",
		quantity)
	if s["termType"] == "TERMED" || status == "cancelled" {
		data.put("termEndDate", s["termEndDate"])
	}
	m.Subscriptions[number] = doc{"name": number, "reference": number, "service": "limio", "status": status,
		"start": start, "data": doc(data)}
}

func isOneTime(plan doc) bool {
	for _, c := range docs(plan, "ratePlanCharges") {
		if c["type"] != "OneTime" {
			return false
		}
	}
	return true
}

// purchaseCountry is that of the bill-to contact, else of the sold-to.
func purchaseCountry(v v1) string {
	for _, role := range []string{"billToContact", "soldToContact"} {
		c, ok := v.Account[role].(doc)
		if ok && str(c, "country") != "" {
			return countries[str(c, "country")]
		}
	}
	return ""
}

func expectOffer(s, plan doc, today string) (key string, offer doc) {
	charges := docs(plan, "ratePlanCharges")
	key = str(plan, "subscriptionRatePlanNumber")
	if key == "" {
		for _, c := range charges {
			if key == "" || str(c, "number") < key {
				key = str(c, "number")
			}
		}
	}
	start, end, open := "", "", false
	discount, credit := true, true
	for _, c := range charges {
		discount = discount && strings.HasPrefix(str(c, "model"), "Discount")
		for _, seg := range segments(c) {
			price, _ := seg["price"].(json.Number)
			credit = credit && strings.HasPrefix(price.String(), "-")
			from, until := str(seg, "effectiveStartDate"), str(seg, "effectiveEndDate")
			if start == "" || from < start {
				start = from
			}
			open = open || until == "" || until == str(s, "termEndDate") && runsOn(s, plan)
			end = max(end, until)
		}
	}
	if open {
		end = ""
	}
	data := members{"zuora": doc{"refId": key}}
	data.put("start", start).put("end", end)
	switch {
	case discount:
		data["quantity"], data["price"] = "1", expectDiscount(s, charges)
	case credit:
		price, _ := expectPrice(s, charges, today, false)
		data["quantity"], data["price"] = "1", price
	default:
		price, quantity := expectPrice(s, charges, today, true)
		data["price"] = price
		data.put("quantity", quantity)
	}
	return key, doc{"service": "limio", "status": "active", "start": start, "related": str(s, "subscriptionNumber"),
		"data": doc(data)}
}

// runsOn reports whether the end of the term is no end of the plan: the term is
// renewed.
func runsOn(s, plan doc) bool {
	return s["autoRenew"] == true && s["termType"] == "TERMED" && s["status"] != "Cancelled" &&
		plan["lastChangeType"] != "Remove"
}

func expectDiscount(s doc, charges []doc) doc {
	out := doc{"currency": s["currency"]}
	for _, c := range charges {
		if c["discountPercentage"] != nil {
			out["percentage"] = exact(rational(c["discountPercentage"]))
		}
		if c["discountAmount"] != nil {
			out["amount"] = exact(new(big.Rat).Neg(rational(c["discountAmount"])))
		}
	}
	return out
}

// segments are the times of a charge with their prices: its own members where it
// has but one.
func segments(charge doc) []doc {
	all := docs(charge, "chargeSegments")
	if len(all) == 0 {
		return []doc{charge}
	}
	return all
}

func holds(seg doc, day string) bool {
	return str(seg, "effectiveStartDate") <= day &&
		(str(seg, "effectiveEndDate") == "" || day < str(seg, "effectiveEndDate"))
}

// expectPrice adds up the recurring charges per billing period, on the day that
// counts: today while any holds, else the first day of the next, else the last
// day of the last. perUnit asks for the price of one unit.
func expectPrice(s doc, charges []doc, today string, perUnit bool) (price doc, quantity string) {
	var counted []doc
	for _, c := range charges {
		if c["type"] == "Recurring" && !strings.HasPrefix(str(c, "model"), "Discount") {
			counted = append(counted, c)
		}
	}
	slices.SortFunc(counted, func(a, b doc) int { return strings.Compare(str(a, "number"), str(b, "number")) })
	day := priceDay(counted, today)
	sum, quantity := new(big.Rat), "1"
	found, priced := false, false
	for _, c := range counted {
		for _, seg := range segments(c) {
			if !holds(seg, day) {
				continue
			}
			priced = true
			sum.Add(sum, new(big.Rat).Mul(amount(str(c, "model"), seg), listFactor(c)))
			if !found && c["model"] != "FlatFee" {
				quantity, found = exact(rational(seg["quantity"])), true
			}
		}
	}
	if !priced {
		return doc{"currency": s["currency"]}, quantity
	}
	if unit := new(big.Rat).Quo(sum, rational(json.Number(quantity))); perUnit && isShort(unit) {
		sum = unit
	} else if perUnit {
		quantity = "1" // bands with prices of their own: what all cost
	}
	return doc{"currency": s["currency"], "amount": exact(sum)}, quantity
}

// isShort reports whether a number has no more than six decimals.
func isShort(r *big.Rat) bool {
	return new(big.Rat).Mul(r, big.NewRat(1_000_000, 1)).IsInt()
}

// listFactor is the number of times a list price goes into a billing period.
func listFactor(c doc) *big.Rat {
	months := map[string]int64{"Month": 1, "Quarter": 3, "Semi_Annual": 6, "Annual": 12}[str(c, "billingPeriod")]
	per := map[string]int64{"Per_Month": 1, "Per_Year": 12}[str(c, "listPriceBase")]
	if months == 0 || per == 0 {
		return big.NewRat(1, 1)
	}
	return big.NewRat(months, per)
}

func priceDay(charges []doc, today string) string {
	next, last := "", ""
	for _, c := range charges {
		for _, seg := range segments(c) {
			from, until := str(seg, "effectiveStartDate"), str(seg, "effectiveEndDate")
			switch {
			case holds(seg, today):
				return today
			case from > today && (next == "" || from < next):
				next = from
			case until > last:
				last = until
			}
		}
	}
	if next != "" {
		return next
	}
	t, err := time.Parse(time.DateOnly, last)
	if err != nil {
		return today
	}
	return t.AddDate(0, 0, -1).Format(time.DateOnly)
}

func amount(model string, seg doc) *big.Rat {
	units := rational(seg["quantity"])
	switch model {
	case "FlatFee":
		return rational(seg["price"])
	case "PerUnit":
		return new(big.Rat).Mul(rational(seg["price"]), units)
	case "Volume":
		for _, tier := range docs(seg, "tiers") {
			if tier["endingUnit"] == nil || units.Cmp(rational(tier["endingUnit"])) <= 0 {
				return new(big.Rat).Mul(rational(tier["price"]), units)
			}
		}
	case "Tiered":
		sum, from := new(big.Rat), new(big.Rat)
		for _, tier := range docs(seg, "tiers") {
			until := units
			if tier["endingUnit"] != nil && rational(tier["endingUnit"]).Cmp(units) < 0 {
				until = rational(tier["endingUnit"])
			}
			if until.Cmp(from) > 0 {
				sum.Add(sum, new(big.Rat).Mul(rational(tier["price"]), new(big.Rat).Sub(until, from)))
				from = until
			}
		}
		return sum
	}
	panic("the personas have no price of the model " + model)
}

func rational(v any) *big.Rat {
	r, ok := new(big.Rat).SetString(v.(json.Number).String())
	if !ok {
		panic(v)
	}
	return r
}

// exact writes a number as Limio's are compared: the shortest decimal.
func exact(r *big.Rat) string {
	if r.IsInt() {
		return r.RatString()
	}
	return strings.TrimRight(r.FloatString(12), "0")
}

var countries = map[string]string{"United Kingdom": "GB", "France": "FR", "Germany": "DE", "Ireland": "IE",
	"United States": "US", "Italy": "IT"}

func (m mirror) addAddress(kind string, c doc) {
	if c == nil {
		return
	}
	data := doc{"country": countries[str(c, "country")], "postalCode": str(c, "zipCode")}
	for _, name := range []string{"firstName", "lastName", "address1", "address2", "city", "state"} {
		data[name] = str(c, name)
	}
	m.Addresses[kind] = doc{"name": kind, "relationship_type": kind, "service": "limio", "status": "active", "data": data}
	for number, s := range m.Subscriptions {
		m.Relationships[kind+" "+number] = doc{"relationship_type": kind, "service": "limio", "status": "active",
			"start": s["start"]}
	}
}
