package projection

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"hotsync/shared/billing"
)

// paymentMethods are the active ones.
func (p *projector) paymentMethods(subscriptions []subscription) []Object {
	var out []Object
	for _, m := range p.account.PaymentMethods {
		if isUsable(m) {
			out = append(out, p.paymentMethod(m, subscriptions))
		} else if m.ID != "" {
			p.gone = append(p.gone, Ref{Kind: PaymentMethod, Key: m.ID})
		}
	}
	return out
}

func isUsable(m billing.PaymentMethod) bool { return m.ID != "" && is(m.Status, "active") }

// paymentMethod writes the members that Limio's pages show, and in zuora.result
// those of Zuora's own record that they fall back on. Both are allow-lists:
// nothing with which one could pay has a way into Limio.
func (p *projector) paymentMethod(m billing.PaymentMethod, subscriptions []subscription) Object {
	mask, last4 := remask(m.Mask)
	kind := cmp.Or(m.Kind, m.Type)
	o := p.hanging(PaymentMethod, m.ID)
	o.Type, o.Name = "zuora", kind
	o.Data = map[string]any{
		"type":            "zuora",
		"method":          kind,
		"brand":           orNil(m.Brand),
		"last4":           orNil(last4),
		"expirationMonth": nil,
		"expirationYear":  nil,
		"zuora":           map[string]any{"refId": m.ID, "result": zuoraRecord(m, mask)},
		"relationships":   p.methodRelationships(m, subscriptions),
	}
	if m.ExpirationMonth > 0 && m.ExpirationYear > 0 {
		o.Data["expirationMonth"] = strconv.Itoa(m.ExpirationMonth)
		o.Data["expirationYear"] = strconv.Itoa(m.ExpirationYear)
	}
	return o
}

// methodRelationships tie the method to every subscription. The pages take the
// newest tie for the current one, so that the default's begins a day after the
// others. That they are written like those of addresses is assumed.
func (p *projector) methodRelationships(m billing.PaymentMethod, subscriptions []subscription) []any {
	out := []any{}
	for _, s := range subscriptions {
		start := startOf(s.zuora)
		if m.ID == p.account.DefaultPaymentMethodID {
			start = addDays(start, 1)
		}
		r := map[string]any{
			"relationship_id": relationshipID(p.opt.Tenant, p.account.ID, "payment_method/"+m.ID, s.object.Key),
			"subscription":    s.object.ID,
			"status":          StatusActive,
		}
		if start != "" {
			r["start"] = start
		}
		out = append(out, r)
	}
	return out
}

// crudWords are Zuora's CRUD words, which Limio's pages compare with, for those
// of v1.
var crudWords = map[string]string{
	"paypalec":         "PayPal",
	"paypaladaptive":   "PayPal",
	"paypalcp":         "PayPal",
	"paypalnativeec":   "PayPal",
	"bacs":             "BankTransfer",
	"sepa":             "BankTransfer",
	"becs":             "BankTransfer",
	"becsnz":           "BankTransfer",
	"pad":              "BankTransfer",
	"autogiro":         "BankTransfer",
	"betalingsservice": "BankTransfer",
}

// zuoraRecord is the part of Zuora's CRUD record (PascalCase) that Limio's pages
// read: which member holds the masked number depends on the type.
func zuoraRecord(m billing.PaymentMethod, mask string) map[string]any {
	typ := cmp.Or(crudWords[plain(m.Type)], m.Type)
	out := map[string]any{"Id": m.ID, "Type": typ, "PaymentMethodStatus": m.Status}
	switch {
	case is(typ, "ach"):
		out["AchAccountNumberMask"] = orNil(mask)
	case is(typ, "banktransfer"):
		out["BankTransferType"] = orNil(m.BankTransferType)
		out["BankTransferAccountNumberMask"] = orNil(mask)
	case m.ExpirationYear > 0 || strings.Contains(plain(typ), "card"):
		out["CreditCardType"] = orNil(m.Brand)
		out["CreditCardMaskNumber"] = orNil(mask)
		out["CreditCardExpirationMonth"] = orNilNumber(m.ExpirationMonth)
		out["CreditCardExpirationYear"] = orNilNumber(m.ExpirationYear)
	case begins(typ, "paypal"), strings.HasSuffix(plain(typ), "pay"):
		// Wallets have no number.
	default:
		out["BankTransferAccountNumberMask"] = orNil(mask)
	}
	return out
}

func orNilNumber(n int) any {
	if n <= 0 {
		return nil
	}
	return json.Number(strconv.Itoa(n))
}

// maskedNumber is a number with its last four digits to see: nothing but
// digits, masking characters and separators, after the country, check digits and
// bank of an IBAN, of which the bank may have letters (NL91 ABNA).
var maskedNumber = regexp.MustCompile(`^(?:[A-Z]{2}(?:[0-9*]{2} ?[A-Z0-9]{0,4})?)?[0-9*xX#•.\- ]*([0-9]{4})$`)

// remask returns the mask with all but its last four digits hidden, and those
// four. Zuora masks already; this holds should it ever not. A text that is no
// number (a PayPal address) gives nothing.
func remask(mask string) (masked, last4 string) {
	m := maskedNumber.FindStringSubmatch(strings.TrimSpace(mask))
	if m == nil {
		return "", ""
	}
	last4 = m[1]
	hidden := min(len([]rune(m[0]))-len(last4), 19) // no card number has more than 19 digits (ISO/IEC 7812)
	return strings.Repeat("*", hidden) + last4, last4
}
