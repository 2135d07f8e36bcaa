package zuorasandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Canary begins every value that the sandbox fills into a field which must
// never be copied out of Zuora. A log, an event or a Limio object that holds it
// is a leak.
const Canary = "CANARY-"

// neverCopiedV1 are fields of a v1 payment method that could be used to pay or
// to identify a person: tokens, bank details, national ids.
var neverCopiedV1 = []string{
	"tokenId",
	"secondTokenId",
	"googleGatewayToken",
	"appleGatewayToken",
	"googleBIN",
	"appleBIN",
	"googleCardNumber",
	"appleCardNumber",
	"BAID",
	"preapprovalKey",
	"securityCode",
	"IBAN",
	"accountNumber",
	"bankCode",
	"branchCode",
	"bankABACode",
	"bankAccountNumber",
	"bankAccountName",
	"businessIdentificationCode",
	"bankIdentificationNumber",
	"identityNumber",
	"ipAddress",
	"deviceSessionId",
}

var (
	mandateFields = []string{
		"mandateId",
		"mandateReason",
		"mandateStatus",
		"mitConsentAgreementRef",
		"mitProfileType",
		"mitTransactionId",
	}
	holderFields = []string{
		"accountHolderName",
		"addressLine1",
		"addressLine2",
		"city",
		"country",
		"email",
		"phone",
		"state",
		"zipCode",
	}
)

// neverCopiedView are those of a payment method of Object Query, with the v1
// field they show, if any.
var neverCopiedView = map[string]string{
	"tokenId":                    "tokenId",
	"secondTokenId":              "secondTokenId",
	"methodReferenceId":          "",
	"userReferenceId":            "",
	"methodSpecificData":         "",
	"paypalBaid":                 "BAID",
	"paypalPreapprovalKey":       "preapprovalKey",
	"iBAN":                       "IBAN",
	"achAbaCode":                 "bankABACode",
	"achAccountName":             "bankAccountName",
	"bankCode":                   "bankCode",
	"bankBranchCode":             "branchCode",
	"bankTransferAccountName":    "",
	"creditCardHolderName":       "",
	"identityNumber":             "identityNumber",
	"iPAddress":                  "ipAddress",
	"deviceSessionId":            "deviceSessionId",
	"mandateId":                  "",
	"mandateReason":              "",
	"mandateStatus":              "",
	"businessIdentificationCode": "businessIdentificationCode",
	"bankIdentificationNumber":   "bankIdentificationNumber",
}

func canary(field, id string) string { return Canary + field + "-" + id }

// fillCanaries gives the fields canaries that doc lacks.
func fillCanaries(doc object, id string, fields []string) {
	for _, f := range fields {
		if doc[f] == nil || doc[f] == "" {
			doc[f] = canary(f, id)
		}
	}
}

// accountBody is the body of PUT /_sandbox/accounts/{id}.
type accountBody struct {
	Account        object   `json:"account"`
	PaymentMethods object   `json:"paymentMethods"`
	Subscriptions  []object `json:"subscriptions"`
}

// putAccount takes anything that marshals to an accountBody.
func (s *Server) putAccount(id string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	var body accountBody
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	err = dec.Decode(&body)
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	_, err = dec.Token()
	if !errors.Is(err, io.EOF) {
		return errors.New("account: more than one JSON value")
	}
	e, err := s.newEntry(id, body)
	if err != nil {
		return err
	}
	return s.store.put(e)
}

// newEntry checks the body, completes it, and derives every view from it.
func (s *Server) newEntry(id string, body accountBody) (*entry, error) {
	e := &entry{id: id, created: s.config.Now(), updated: s.config.Now()}
	if old, ok := s.store.account(id); ok {
		e.created = old.created
	}
	err := e.complete(&body)
	if err != nil {
		return nil, err
	}
	e.stored, err = json.Marshal(
		object{"account": body.Account, "paymentMethods": body.PaymentMethods, "subscriptions": body.Subscriptions},
	)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	e.addMethods(body)
	tax, ok := body.Account["taxInfo"].(object)
	if !ok {
		tax = object{}
	}
	fillCanaries(tax, id, []string{"VATId"})
	body.Account["taxInfo"] = tax
	e.account, err = json.Marshal(body.Account)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	e.derive(body.Account, s.config.TenantTimeZone)
	return e, nil
}

// complete fills in what follows from the rest, and refuses contradictions.
func (e *entry) complete(body *accountBody) error {
	if body.Account == nil {
		return errors.New("account is missing")
	}
	basic, ok := body.Account["basicInfo"].(object)
	if !ok {
		return errors.New("account.basicInfo is missing or no object")
	}
	if given, ok := basic["id"]; ok && given != e.id {
		return fmt.Errorf("account.basicInfo.id %v is not the id of the path, %s", given, e.id)
	}
	basic["id"] = e.id
	if basic["accountNumber"] == nil {
		basic["accountNumber"] = "A" + strings.ToUpper(e.id[:min(8, len(e.id))])
	}
	e.number, ok = basic["accountNumber"].(string)
	if !ok || e.number == "" {
		return errors.New("account.basicInfo.accountNumber is no text")
	}
	body.Account["success"] = true
	err := completeMethods(body)
	if err != nil {
		return err
	}
	for i, doc := range body.Subscriptions {
		err := e.completeSubscription(doc, basic["name"])
		if err != nil {
			return fmt.Errorf("subscriptions[%d]: %w", i, err)
		}
	}
	return nil
}

// completeMethods makes the default payment method one and the same in both
// bodies. Scrubbing the default clears it and switches autoPay off.
func completeMethods(body *accountBody) error {
	billing, ok := body.Account["billingAndPayment"].(object)
	if !ok {
		billing = object{}
		body.Account["billingAndPayment"] = billing
	}
	if body.PaymentMethods == nil {
		body.PaymentMethods = object{"paymentGateway": nil}
	}
	body.PaymentMethods["success"] = true
	id := billing["defaultPaymentMethodId"]
	if id == nil || id == "" {
		id = body.PaymentMethods["defaultPaymentMethodId"]
	}
	other := body.PaymentMethods["defaultPaymentMethodId"]
	if other != nil && other != "" && other != id {
		return fmt.Errorf(
			"account.billingAndPayment.defaultPaymentMethodId %v is not that of paymentMethods, %v",
			id,
			other,
		)
	}
	for key, value := range body.PaymentMethods {
		list, ok := value.([]any)
		if !ok {
			continue
		}
		for i, v := range list {
			doc, ok := v.(object)
			if !ok {
				return fmt.Errorf("paymentMethods.%s[%d] is no object", key, i)
			}
			text, ok := doc["id"].(string)
			if !ok || text == "" {
				return fmt.Errorf("paymentMethods.%s[%d].id is missing", key, i)
			}
			if doc["status"] == "Scrubbed" && doc["id"] == id {
				id, billing["autoPay"] = nil, false
			}
		}
	}
	billing["defaultPaymentMethodId"], body.PaymentMethods["defaultPaymentMethodId"] = id, id
	return nil
}

func (e *entry) completeSubscription(doc object, accountName any) error {
	s := &subscription{latest: doc["isLatestVersion"] != false, doc: doc}
	var ok bool
	s.number, ok = doc["subscriptionNumber"].(string)
	if !ok || s.number == "" {
		return errors.New("subscriptionNumber is missing")
	}
	setDefault(doc, "version", json.Number("1"))
	_, ok = intOf(doc["version"])
	if !ok {
		return errors.New("version is no whole number")
	}
	setDefault(doc, "id", madeID(e.id, s.number, doc["version"]))
	s.id, ok = doc["id"].(string)
	if !ok {
		return errors.New("id is no text")
	}
	setDefault(doc, "isLatestVersion", s.latest)
	setDefault(doc, "accountId", e.id)
	setDefault(doc, "accountNumber", e.number)
	setDefault(doc, "accountName", accountName)
	if doc["accountId"] != e.id {
		return fmt.Errorf("accountId %v is another account", doc["accountId"])
	}
	_, err := objects(doc, "ratePlans")
	if err != nil {
		return err
	}
	for _, plan := range list(doc, "ratePlans") {
		_, err := objects(plan, "ratePlanCharges")
		if err != nil {
			return err
		}
		for _, charge := range list(plan, "ratePlanCharges") {
			_, err := objects(charge, "chargeSegments")
			if err != nil {
				return err
			}
		}
	}
	e.subscriptions = append(e.subscriptions, s)
	return nil
}

func setDefault(doc object, name string, value any) {
	if doc[name] == nil {
		doc[name] = value
	}
}

// addMethods takes the payment methods over, by key, with canaries.
func (e *entry) addMethods(body accountBody) {
	e.methodsHead = object{}
	for _, key := range slices.Sorted(maps.Keys(body.PaymentMethods)) {
		docs, ok := body.PaymentMethods[key].([]any)
		if !ok {
			e.methodsHead[key] = body.PaymentMethods[key]
			continue
		}
		for _, v := range docs {
			doc := v.(object) // completeMethods has seen it
			id := doc["id"].(string)
			setDefault(doc, "status", "Active")
			setDefault(doc, "accountKey", e.id)
			doc["isDefault"] = doc["id"] == body.PaymentMethods["defaultPaymentMethodId"]
			fillCanaries(doc, id, neverCopiedV1)
			for name, fields := range map[string][]string{"mandateInfo": mandateFields, "accountHolderInfo": holderFields} {
				inner, ok := doc[name].(object)
				if !ok {
					inner = object{}
				}
				fillCanaries(inner, id, fields)
				doc[name] = inner
			}
			e.methods = append(e.methods, method{key, doc})
		}
	}
}

// objects returns the objects of a list member; an absent list is none.
func objects(doc object, name string) ([]object, error) {
	values, ok := doc[name].([]any)
	if !ok && doc[name] != nil {
		return nil, fmt.Errorf("%s is no list", name)
	}
	out := make([]object, 0, len(values))
	for i, v := range values {
		o, ok := v.(object)
		if !ok {
			return nil, fmt.Errorf("%s[%d] is no object", name, i)
		}
		out = append(out, o)
	}
	return out, nil
}

// list is objects for a list that was checked when it was put.
func list(doc object, name string) []object {
	out, err := objects(doc, name)
	if err != nil {
		return nil
	}
	return out
}

// madeID makes the 32 hex digits of an id that was not given; the same parts
// give the same id.
func madeID(parts ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprintln(parts...)))
	return "8a" + hex.EncodeToString(sum[:15])
}

func intOf(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return int(i), err == nil
}

// textOf is the text of v, "" when it is none.
func textOf(v any) string {
	text, ok := v.(string)
	if !ok {
		return ""
	}
	return text
}

// stamp writes a time as Object Query does: with an offset.
func stamp(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("2006-01-02T15:04:05-07:00")
}
