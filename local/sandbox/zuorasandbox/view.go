package zuorasandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Names of Object Query's account, by those of v1. Names that are not here and
// not in accountSame have no place in the other view.
var (
	accountRenamed = map[string]string{"salesRep": "salesRepName"}
	accountSame    = []string{
		"accountNumber",
		"name",
		"status",
		"crmId",
		"batch",
		"notes",
		"parentId",
		"partnerAccount",
		"customerServiceRepName",
		"purchaseOrderNumber",
		"communicationProfileId",
		"invoiceTemplateId",
		"creditMemoTemplateId",
		"debitMemoTemplateId",
		"sequenceSetId",
		"lastMetricsUpdate",
	}
	billingSame = []string{
		"currency",
		"billCycleDay",
		"bcdSettingOption",
		"autoPay",
		"paymentTerm",
		"paymentGateway",
		"defaultPaymentMethodId",
		"invoiceDeliveryPrefsEmail",
		"invoiceDeliveryPrefsPrint",
		"paymentMethodCascadingConsent",
	}
	metricsSame = []string{
		"balance", "creditBalance", "totalInvoiceBalance", "totalDebitMemoBalance", "unappliedCreditMemoAmount",
	}
	contactSame = []string{
		"id",
		"address1",
		"address2",
		"asBillTo",
		"asShipTo",
		"asSoldTo",
		"city",
		"country",
		"county",
		"fax",
		"firstName",
		"homePhone",
		"lastName",
		"mobilePhone",
		"nickname",
		"otherPhone",
		"otherPhoneType",
		"personalEmail",
		"state",
		"taxRegion",
		"workEmail",
		"workPhone",
	}
	methodSame = []string{
		"id",
		"type",
		"creditCardType",
		"existingMandate",
		"lastFailedSaleTransactionDate",
		"maxConsecutivePaymentFailures",
		"numConsecutiveFailures",
		"paymentRetryWindow",
		"totalNumberOfErrorPayments",
		"totalNumberOfProcessedPayments",
		"useDefaultRetryRule",
	}
	subscriptionSame = []string{
		"id",
		"accountId",
		"autoRenew",
		"cancelReason",
		"contractEffectiveDate",
		"currency",
		"currentTerm",
		"currentTermPeriodType",
		"externallyManagedBy",
		"initialTerm",
		"initialTermPeriodType",
		"invoiceTemplateId",
		"isLatestVersion",
		"lastBookingDate",
		"notes",
		"paymentTerm",
		"renewalSetting",
		"renewalTerm",
		"renewalTermPeriodType",
		"revision",
		"sequenceSetId",
		"serviceActivationDate",
		"status",
		"subscriptionEndDate",
		"subscriptionStartDate",
		"termEndDate",
		"termStartDate",
		"termType",
		"version",
	}
	subscriptionRenamed = map[string]string{
		"subscriptionNumber":     "name",
		"customerAcceptanceDate": "contractAcceptanceDate",
		"invoiceOwnerAccountId":  "invoiceOwnerId",
		"contractedMrr":          "cMRR",
		"invoiceSeparately":      "isInvoiceSeparate",
	}
)

// pick copies the members of those names; absent ones become null.
func pick(to, from object, names []string) {
	for _, name := range names {
		to[name] = from[name]
	}
}

func rename(to, from object, names map[string]string) {
	for old, name := range names {
		to[name] = from[old]
	}
}

// custom copies custom and integration fields, whose names are camelCased.
func custom(to, from object) {
	for name, value := range from {
		if isCustom(name) || strings.HasSuffix(name, "__NS") || strings.HasSuffix(name, "__QT") {
			to[lowerFirst(name)] = value
		}
	}
}

// derive makes the views of Object Query. Nulls stay in them, for filters.
func (e *entry) derive(account object, zone *time.Location) {
	basic, billing, metrics := part(account, "basicInfo"), part(account, "billingAndPayment"), part(account, "metrics")
	times := object{"createdDate": stamp(e.created, zone), "updatedDate": stamp(e.updated, zone)}
	e.view = object{
		"id": e.id, "vATId": part(account, "taxInfo")["VATId"], "mrr": metrics["contractedMrr"], "lastInvoiceDate": nil,
		"createdDate": times["createdDate"], "updatedDate": times["updatedDate"], "additionalEmailAddresses": nil,
	}
	pick(e.view, basic, accountSame)
	rename(e.view, basic, accountRenamed)
	pick(e.view, billing, billingSame)
	pick(e.view, metrics, metricsSame)
	custom(e.view, basic)
	if addresses, ok := billing["additionalEmailAddresses"].([]any); ok {
		var all []string
		for _, a := range addresses {
			all = append(all, textOf(a))
		}
		e.view["additionalEmailAddresses"] = strings.Join(all, ",")
	}
	e.contactViews = map[string]object{}
	for role, name := range map[string]string{"billToContact": "billTo", "soldToContact": "soldTo",
		"shipToContact": "shipTo"} {
		e.view[name+"Id"] = nil
		contact := part(account, role)
		if len(contact) == 0 {
			continue
		}
		view := object{"accountId": e.id, "postalCode": contact["zipCode"]}
		pick(view, contact, contactSame)
		pick(view, times, []string{"createdDate", "updatedDate"})
		custom(view, contact)
		setDefault(view, "id", madeID(e.id, name))
		e.view[name+"Id"] = view["id"]
		e.contactViews[name] = view
	}
	for _, m := range e.methods {
		e.methodViews = append(e.methodViews, e.methodView(m, zone))
	}
	for _, s := range e.subscriptions {
		e.subscriptionViews = append(e.subscriptionViews, e.versions(s, times)...)
	}
}

// crudMethods translate v1's words for payment methods into those of the CRUD
// API, which Object Query has: the type, and the member that tells its kind.
// PayPalCP and PayPalNativeEC keep their word.
var crudMethods = map[string]struct{ kind, member, value string }{
	"PayPalEC":         {"PayPal", "paypalType", "ExpressCheckout"},
	"PayPalAdaptive":   {"PayPal", "paypalType", "AdaptivePayments"},
	"Bacs":             {"BankTransfer", "bankTransferType", "DirectDebitUK"},
	"SEPA":             {"BankTransfer", "bankTransferType", "SEPA"},
	"Becs":             {"BankTransfer", "bankTransferType", "DirectEntryAU"},
	"Becsnz":           {"BankTransfer", "bankTransferType", "DirectDebitNZ"},
	"PAD":              {"BankTransfer", "bankTransferType", "PAD"},
	"Autogiro":         {"BankTransfer", "bankTransferType", "Autogiro"},
	"Betalingsservice": {"BankTransfer", "bankTransferType", "Betalingsservice"},
}

// methodView is a payment method as Object Query shows it. Its "active" says who
// made it, not its status.
func (e *entry) methodView(m method, zone *time.Location) object {
	doc := m.doc
	view := object{"accountId": e.id, "active": true, "paymentMethodStatus": doc["status"]}
	pick(view, doc, methodSame)
	view["paypalType"], view["bankTransferType"] = nil, nil
	if textOf(doc["type"]) == "BankTransfer" {
		view["bankTransferType"] = doc["bankTransferType"]
	}
	if crud, ok := crudMethods[textOf(doc["type"])]; ok {
		view["type"], view[crud.member] = crud.kind, crud.value
	}
	if m.key == "debitcard" {
		view["type"] = "DebitCard"
	}
	id := textOf(doc["id"])
	for name, v1 := range neverCopiedView {
		view[name] = doc[v1]
	}
	for name := range neverCopiedView {
		fillCanaries(view, id, []string{name})
	}
	view["creditCardMaskNumber"] = either(doc, "cardNumber", "creditCardMaskNumber")
	if textOf(doc["type"]) == "ApplePay" {
		view["creditCardType"], view["creditCardMaskNumber"] = "ApplePay", masked(doc["appleCardNumber"])
	}
	if view["creditCardMaskNumber"] != nil {
		view["creditCardExpirationMonth"], view["creditCardExpirationYear"] = doc["expirationMonth"], doc["expirationYear"]
	}
	switch textOf(doc["type"]) {
	case "ACH":
		view["achBankName"], view["achAccountNumberMask"] = doc["bankName"], masked(doc["bankAccountNumber"])
		view["achAccountType"] = doc["bankAccountType"]
	default:
		view["bankName"], view["bankTransferAccountNumberMask"] = doc["bankName"], cmp.Or(
			masked(doc["accountNumber"]),
			masked(doc["IBAN"]),
		)
		view["paypalEmail"] = doc["email"]
	}
	view["createdDate"] = e.methodTime(either(doc, "createdDate", "createdOn"), e.created, zone)
	view["updatedDate"] = e.methodTime(either(doc, "updatedDate", "updatedOn"), e.updated, zone)
	custom(view, doc)
	return view
}

// methodTime turns v1's time without a zone into one with an offset, here
// without its colon: Object Query writes both.
func (e *entry) methodTime(v any, otherwise time.Time, zone *time.Location) string {
	const withoutColon = "2006-01-02T15:04:05.000-0700"
	t, err := time.ParseInLocation(time.DateTime, textOf(v), zone)
	if err != nil {
		t = otherwise.In(zone)
	}
	return t.Format(withoutColon)
}

// masked is v when it is masked, and else nothing.
func masked(v any) any {
	if strings.Contains(textOf(v), "*") {
		return v
	}
	return nil
}

func either(doc object, names ...string) any {
	for _, name := range names {
		if doc[name] != nil && doc[name] != "" {
			return doc[name]
		}
	}
	return nil
}

// versions returns every version of a subscription, oldest first. Those before
// the one that was put are made: expired, with other ids.
func (e *entry) versions(s *subscription, times object) []object {
	latest, ok := intOf(s.doc["version"])
	if !ok {
		latest = 1
	}
	first := latest
	if s.latest {
		first = 1
	}
	var out []object
	previous := any(nil)
	for v := first; v <= latest; v++ {
		view := object{}
		pick(view, s.doc, subscriptionSame)
		rename(view, s.doc, subscriptionRenamed)
		setDefault(view, "invoiceOwnerId", e.id)
		custom(view, s.doc)
		pick(view, times, []string{"createdDate", "updatedDate"})
		view["originalId"] = e.versionID(s, 1, latest)
		view["previousSubscriptionId"] = previous
		if v < latest {
			view["id"], view["version"] = e.versionID(s, v, latest), json.Number(fmt.Sprint(v))
			view["revision"] = fmt.Sprintf("%d.0", v)
		}
		if v < latest || !s.latest {
			view["status"], view["isLatestVersion"] = "Expired", false
		}
		previous = view["id"]
		if v < latest && e.hasVersion(s.number, v) {
			continue // it was put itself
		}
		out = append(out, view)
	}
	return out
}

// versionID is the id of a version of s: the one that was put, or a made one.
func (e *entry) versionID(s *subscription, version, latest int) string {
	if version == latest {
		return s.id
	}
	for _, other := range e.subscriptions {
		v, ok := intOf(other.doc["version"])
		if ok && v == version && other.number == s.number {
			return other.id
		}
	}
	return madeID(e.id, s.number, "version", version)
}

func (e *entry) hasVersion(number string, version int) bool {
	for _, s := range e.subscriptions {
		v, ok := intOf(s.doc["version"])
		if ok && v == version && s.number == number {
			return true
		}
	}
	return false
}

// part is a member that is an object, or none.
func part(doc object, name string) object {
	o, ok := doc[name].(object)
	if !ok {
		return object{}
	}
	return o
}
