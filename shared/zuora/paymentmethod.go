package zuora

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"

	"hotsync/shared/billing"
)

// paymentMethod is what is read of a payment method in v1. What could be used
// to pay, or names a person or a bank account, is not a member and so never
// read. Zuora's examples and its schema differ in the name of the mask.
type paymentMethod struct {
	ID                   string  `json:"id"`
	Type                 string  `json:"type"`
	Status               string  `json:"status"`
	CreditCardType       string  `json:"creditCardType"`
	BankName             string  `json:"bankName"`
	BankTransferType     string  `json:"bankTransferType"`
	CardNumber           string  `json:"cardNumber"`
	CreditCardMaskNumber string  `json:"creditCardMaskNumber"`
	ExpirationMonth      integer `json:"expirationMonth"`
	ExpirationYear       integer `json:"expirationYear"`
}

func (m *paymentMethod) plain() billing.PaymentMethod {
	out := billing.PaymentMethod{ID: m.ID, Type: methodType(m.Type, m.BankTransferType), Status: m.Status, Brand: m.CreditCardType,
		Mask: mask(m.CardNumber), ExpirationMonth: int(m.ExpirationMonth), ExpirationYear: int(m.ExpirationYear)}
	if out.Mask == "" {
		out.Mask = mask(m.CreditCardMaskNumber)
	}
	if out.Brand == "" && m.Type == "ACH" {
		out.Brand = m.BankName
	}
	return out
}

// objectPaymentMethod is the same of Object Query. Its active member says who
// made the method, not its status.
type objectPaymentMethod struct {
	ID                        string  `json:"id"`
	Type                      string  `json:"type"`
	PaypalType                string  `json:"paypalType"`
	BankTransferType          string  `json:"bankTransferType"`
	PaymentMethodStatus       string  `json:"paymentMethodStatus"`
	CreditCardType            string  `json:"creditCardType"`
	ACHBankName               string  `json:"achBankName"`
	CreditCardMaskNumber      string  `json:"creditCardMaskNumber"`
	CreditCardExpirationMonth integer `json:"creditCardExpirationMonth"`
	CreditCardExpirationYear  integer `json:"creditCardExpirationYear"`
}

func (m *objectPaymentMethod) plain() billing.PaymentMethod {
	out := billing.PaymentMethod{ID: m.ID, Type: methodType(m.Type, cmp.Or(m.PaypalType, m.BankTransferType)),
		Status: m.PaymentMethodStatus, Brand: m.CreditCardType, Mask: mask(m.CreditCardMaskNumber),
		ExpirationMonth: int(m.CreditCardExpirationMonth), ExpirationYear: int(m.CreditCardExpirationYear)}
	if out.Brand == "" && m.Type == "ACH" {
		out.Brand = m.ACHBankName
	}
	return out
}

// methodType gives the type as v1 names it. Object Query may have the types of
// the older API, which tell PayPal's kinds and the schemes of bank transfers
// apart by another member, and know a DebitCard that v1 calls a CreditCard.
// Sources:
// https://docs.zuora.com/en/zuora-platform/integration/apis/soap-api/soap-api-object-reference/paymentmethod/field-descriptions
// https://developer.zuora.com/api-references/api/operation/POST_PaymentMethods
func methodType(typ, kind string) string {
	switch typ {
	case "DebitCard":
		return "CreditCard"
	case "PayPal", "BankTransfer":
		return cmp.Or(methodTypes[kind], typ)
	default:
		return typ
	}
}

var methodTypes = map[string]string{
	"ExpressCheckout":  "PayPalEC",
	"AdaptivePayments": "PayPalAdaptive",
	"SEPA":             "SEPA",
	"Autogiro":         "Autogiro",
	"Betalingsservice": "Betalingsservice",
	"DirectDebitUK":    "Bacs",
	"DirectEntryAU":    "Becs",
	"DirectDebitNZ":    "Becsnz",
	"PAD":              "PAD",
}

// mask keeps the last four digits of a card's number, whatever Zuora masked.
func mask(number string) string {
	number = strings.TrimSpace(number)
	if len(number) < 4 {
		return ""
	}
	last := number[len(number)-4:]
	if strings.Trim(last, "0123456789") != "" {
		return ""
	}
	return "************" + last
}

// readPaymentMethods reads the answer of v1: one array for each type, under the
// type's name, and an open set of types.
func readPaymentMethods(body io.Reader) ([]billing.PaymentMethod, error) {
	var methods []billing.PaymentMethod
	err := answer(body, true, func(d decoder, _ string) error {
		return d.arrayIfAny(func(d decoder) error {
			var m paymentMethod
			err := d.value(&m)
			if err == nil && m.ID == "" {
				err = errors.New("a payment method has no id")
			}
			methods = appendMethod(methods, m.plain())
			return err
		})
	})
	return sortMethods(methods), err
}

// appendMethod leaves out a scrubbed method, which v1 does not list, and what
// has no id.
func appendMethod(methods []billing.PaymentMethod, m billing.PaymentMethod) []billing.PaymentMethod {
	if m.Status == "Scrubbed" || m.ID == "" {
		return methods
	}
	return append(methods, m)
}

// sortMethods sorts by id and keeps one of each: a card can be listed under two
// types.
func sortMethods(methods []billing.PaymentMethod) []billing.PaymentMethod {
	slices.SortStableFunc(methods, func(a, b billing.PaymentMethod) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(methods, func(a, b billing.PaymentMethod) bool { return a.ID == b.ID })
}
