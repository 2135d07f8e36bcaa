package persona

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// doc is a JSON object.
type doc = map[string]any

// calendar makes dates around today.
type calendar struct{ today time.Time }

const isoDate = "2006-01-02"

// day is the date that lies so many months from today.
func (c calendar) day(months int) string { return c.plus(months, 0) }

func (c calendar) plus(months, days int) string {
	y, m, d := c.today.Date()
	return time.Date(y, m+time.Month(months), min(d, 28), 0, 0, 0, 0, time.UTC).AddDate(0, 0, days).Format(isoDate)
}

// nextDay is the day after a date; "" stays "".
func (c calendar) nextDay(date string) string {
	t, err := time.Parse(isoDate, date)
	if err != nil {
		return ""
	}
	return t.AddDate(0, 0, 1).Format(isoDate)
}

// after is the day so many months after a date.
func (c calendar) after(date string, months int) string {
	t, err := time.Parse(isoDate, date)
	if err != nil {
		return ""
	}
	return t.AddDate(0, months, 0).Format(isoDate)
}

type person struct {
	first, last, email, phone string
	address                   address
}

type address struct{ line1, line2, city, state, zip, country string }

// account builds an Account.
type account struct {
	calendar
	id, number  string
	planNumbers bool // whether rate plans carry their numbers

	basic, billing doc
	contacts       map[string]doc // billToContact, soldToContact, shipToContact
	methods        map[string][]doc
	methodCount    int
	mrr            decimal.Decimal // of all subscriptions
	subscriptions  []doc
	unbilled       bool // the subscription that is being made is not accepted yet
}

// zuoraID returns 32 hex digits that look like Zuora's and never change.
func zuoraID(parts ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprintln(parts...)))
	return "8a" + hex.EncodeToString(sum[:15])
}

func newAccount(c calendar, number int, name, currency string) *account {
	a := &account{calendar: c, number: fmt.Sprintf("A%08d", number), planNumbers: true,
		contacts: map[string]doc{}, methods: map[string][]doc{}}
	a.id = zuoraID("account", a.number)
	a.basic = doc{
		"id":                     a.id,
		"accountNumber":          a.number,
		"name":                   name,
		"status":                 "Active",
		"crmId":                  "",
		"batch":                  "Batch1",
		"notes":                  "",
		"parentId":               nil,
		"partnerAccount":         false,
		"salesRep":               "",
		"customerServiceRepName": "",
		"purchaseOrderNumber":    "",
		"communicationProfileId": zuoraID("communication profile"),
		"invoiceTemplateId":      nil,
		"sequenceSetId":          nil,
	}
	a.billing = doc{
		"currency":                  currency,
		"billCycleDay":              1,
		"bcdSettingOption":          "ManualSet",
		"autoPay":                   true,
		"paymentTerm":               "Net 30",
		"paymentGateway":            "Gateway " + currency,
		"defaultPaymentMethodId":    nil,
		"additionalEmailAddresses":  []string{},
		"invoiceDeliveryPrefsEmail": true,
		"invoiceDeliveryPrefsPrint": false,
	}
	return a
}

func (a *account) billTo(p person) { a.contact("billToContact", p) }
func (a *account) soldTo(p person) { a.contact("soldToContact", p) }
func (a *account) shipTo(p person) { a.contact("shipToContact", p) }

// contact sets a contact. The same person and address is the same contact of
// Zuora, with one id.
func (a *account) contact(role string, p person) {
	a.contacts[role] = doc{
		"id":             zuoraID("contact", a.number, p),
		"firstName":      p.first,
		"lastName":       p.last,
		"address1":       p.address.line1,
		"address2":       p.address.line2,
		"city":           p.address.city,
		"state":          p.address.state,
		"county":         nil,
		"country":        p.address.country,
		"zipCode":        p.address.zip,
		"workEmail":      p.email,
		"personalEmail":  "",
		"workPhone":      p.phone,
		"mobilePhone":    "",
		"homePhone":      "",
		"otherPhone":     "",
		"otherPhoneType": nil,
		"fax":            "",
		"nickname":       "",
		"taxRegion":      nil,
	}
}

// method adds a payment method under its key; what would pay is left to the
// sandbox, which fills it with canaries.
func (a *account) method(key, kind string, more doc) doc {
	a.methodCount++
	created := a.plus(-14, a.methodCount) + " 10:00:00"
	m := doc{
		"id": zuoraID("payment method", a.number, a.methodCount), "type": kind, "status": "Active", "isDefault": false,
		"accountKey": a.id, "createdDate": created, "updatedDate": created, "lastTransaction": nil,
		"useDefaultRetryRule": true, "numConsecutiveFailures": 0,
	}
	for k, v := range more {
		m[k] = v
	}
	a.methods[key] = append(a.methods[key], m)
	return m
}

// card adds a card that expires so many months from today.
func (a *account) card(key, kind, brand, last4 string, months int) doc {
	y, m, _ := a.today.Date()
	expiry := time.Date(y, m+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	return a.method(key, kind, doc{"creditCardType": brand, "cardNumber": strings.Repeat("*", 12) + last4,
		"expirationMonth": int(expiry.Month()), "expirationYear": expiry.Year()})
}

func (a *account) ach(bank, last4 string) doc {
	return a.method(
		"ach",
		"ACH",
		doc{"bankName": bank, "bankAccountType": "Checking", "bankAccountNumber": "********" + last4},
	)
}

func (a *account) bankTransfer(kind, bank, last4 string) doc {
	return a.method(
		"banktransfer",
		kind,
		doc{"bankTransferType": kind, "bankName": bank, "accountNumber": "********" + last4},
	)
}

func (a *account) payPal(email string) doc {
	return a.method("paypal", "PayPalEC", doc{"email": email})
}

func (a *account) defaultMethod(m doc) {
	m["isDefault"] = true
	a.billing["defaultPaymentMethodId"] = m["id"]
}

func (a *account) build() Account {
	zero := json.Number("0")
	body := doc{
		"success":           true,
		"basicInfo":         a.basic,
		"billingAndPayment": a.billing,
		"metrics": doc{
			"balance":             zero,
			"totalInvoiceBalance": zero,
			"creditBalance":       zero,
			"contractedMrr":       num(a.mrr),
		},
		"metricsData": []doc{{"currency": a.billing["currency"], "balance": zero, "totalInvoiceBalance": zero,
			"contractedMrr": num(a.mrr)}},
		"taxInfo":         nil,
		"einvoiceProfile": nil,
	}
	for _, role := range []string{"billToContact", "soldToContact", "shipToContact"} {
		body[role] = nil
		if c, ok := a.contacts[role]; ok {
			body[role] = c
		}
	}
	out := Account{ID: a.id, Number: a.number, Account: encode(body)}
	if len(a.methods) > 0 {
		methods := doc{
			"success":                true,
			"defaultPaymentMethodId": a.billing["defaultPaymentMethodId"],
			"paymentGateway":         nil,
		}
		for key, list := range a.methods {
			methods[key] = list
		}
		out.PaymentMethods = encode(methods)
	}
	for _, s := range a.subscriptions {
		out.Subscriptions = append(out.Subscriptions, encode(s))
	}
	return out
}

// encode cannot fail: a doc holds strings, numbers, booleans and docs only.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("persona: %v", err))
	}
	return raw
}
