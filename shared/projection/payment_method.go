package projection

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"hotsync/shared/billing"
)

// paymentMethods are the active ones.
func (p *projector) paymentMethods() []Object {
	var out []Object
	for _, m := range p.account.PaymentMethods {
		if isUsable(m) {
			out = append(out, p.paymentMethod(m))
		} else if m.ID != "" {
			p.gone = append(p.gone, Ref{PaymentMethod, m.ID})
		}
	}
	return out
}

func isUsable(m billing.PaymentMethod) bool { return m.ID != "" && is(m.Status, "active") }

// paymentMethod writes the members that Limio's pages show, and in zuora.result
// those of Zuora's own record that they fall back on. Both are allow-lists:
// nothing with which one could pay has a way into Limio.
func (p *projector) paymentMethod(m billing.PaymentMethod) Object {
	mask, last4 := remask(m.Mask)
	o := p.hanging(PaymentMethod, m.ID)
	o.Type, o.Name = "zuora", m.Type
	o.Data = map[string]any{
		"type":            "zuora",
		"method":          m.Type,
		"brand":           orNil(m.Brand),
		"last4":           orNil(last4),
		"expirationMonth": nil,
		"expirationYear":  nil,
		"zuora":           map[string]any{"refId": m.ID, "result": zuoraRecord(m, mask)},
	}
	if m.ExpirationMonth > 0 && m.ExpirationYear > 0 {
		o.Data["expirationMonth"] = strconv.Itoa(m.ExpirationMonth)
		o.Data["expirationYear"] = strconv.Itoa(m.ExpirationYear)
	}
	return o
}

// zuoraRecord is the part of Zuora's CRUD record (PascalCase) that Limio's pages
// read: which member holds the masked number depends on the type.
func zuoraRecord(m billing.PaymentMethod, mask string) map[string]any {
	out := map[string]any{"Id": m.ID, "Type": m.Type, "PaymentMethodStatus": m.Status}
	switch {
	case is(m.Type, "ach"):
		out["AchAccountNumberMask"] = orNil(mask)
	case m.ExpirationYear > 0 || strings.Contains(plain(m.Type), "card"):
		out["CreditCardType"] = orNil(m.Brand)
		out["CreditCardMaskNumber"] = orNil(mask)
		out["CreditCardExpirationMonth"] = orNilNumber(m.ExpirationMonth)
		out["CreditCardExpirationYear"] = orNilNumber(m.ExpirationYear)
	case strings.HasPrefix(plain(m.Type), "paypal"), strings.HasSuffix(plain(m.Type), "pay"):
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
// digits, masking characters and separators, after the country of an IBAN.
var maskedNumber = regexp.MustCompile(`^(?:[A-Z]{2})?[0-9*xX#•.\- ]*([0-9]{4})$`)

// remask gives the mask with all but its last four digits hidden, and those
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
