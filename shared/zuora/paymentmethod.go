package zuora

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"hotsync/shared/billing"
)

// paymentMethod is what is read of a payment method in v1. What could be used
// to pay, or names a person, is not a member and so never read; of a masked
// number only its last four digits are kept. Zuora's examples and its schema
// differ in the name of the mask.
type paymentMethod struct {
	ID                   string     `json:"id"`
	Type                 string     `json:"type"`
	Status               string     `json:"status"`
	CreditCardType       string     `json:"creditCardType"`
	BankName             string     `json:"bankName"`
	BankTransferType     string     `json:"bankTransferType"`
	CardNumber           lastFour   `json:"cardNumber"`
	CreditCardMaskNumber lastFour   `json:"creditCardMaskNumber"`
	BankAccountNumber    lastFour   `json:"bankAccountNumber"` // of ACH
	AccountNumber        lastFour   `json:"accountNumber"`     // of a bank transfer
	IBAN                 lastFour   `json:"IBAN"`
	AppleCardNumber      lastFour   `json:"appleCardNumber"`
	GoogleCardNumber     lastFour   `json:"googleCardNumber"`
	ExpirationMonth      integer    `json:"expirationMonth"`
	ExpirationYear       integer    `json:"expirationYear"`
	AppleExpiry          monthOfEnd `json:"appleExpiryDate"`
	GoogleExpiry         monthOfEnd `json:"googleExpiryDate"`
}

func (m *paymentMethod) plain() billing.PaymentMethod {
	out := billing.PaymentMethod{
		ID:              m.ID,
		Status:          m.Status,
		ExpirationMonth: int(m.ExpirationMonth),
		ExpirationYear:  int(m.ExpirationYear),
	}
	out.Type, out.Kind, out.BankTransferType = methodWords(m.Type, m.BankTransferType, m.CreditCardType)
	masks := []lastFour{m.CardNumber, m.CreditCardMaskNumber}
	switch {
	case out.Type == "ACH":
		masks = []lastFour{m.BankAccountNumber}
	case out.Type == "BankTransfer":
		masks = []lastFour{m.AccountNumber, m.IBAN}
	case out.Type == applePay:
		masks = append(masks, m.AppleCardNumber)
	case strings.HasSuffix(out.Type, "GooglePay"): // AdyenGooglePay too
		masks = append(masks, m.GoogleCardNumber)
	}
	wallet := cmp.Or(m.AppleExpiry, m.GoogleExpiry)
	if out.ExpirationYear == 0 {
		out.ExpirationMonth, out.ExpirationYear = wallet.month, wallet.year
	}
	finish(&out, m.CreditCardType, m.BankName, cmp.Or(masks...))
	return out
}

// objectPaymentMethod is the same of Object Query. Its active member says who
// made the method, not its status.
type objectPaymentMethod struct {
	ID                            string   `json:"id"`
	Type                          string   `json:"type"`
	PaypalType                    string   `json:"paypalType"`
	BankTransferType              string   `json:"bankTransferType"`
	PaymentMethodStatus           string   `json:"paymentMethodStatus"`
	CreditCardType                string   `json:"creditCardType"`
	ACHBankName                   string   `json:"achBankName"`
	CreditCardMaskNumber          lastFour `json:"creditCardMaskNumber"`
	ACHAccountNumberMask          lastFour `json:"achAccountNumberMask"`
	BankTransferAccountNumberMask lastFour `json:"bankTransferAccountNumberMask"`
	CreditCardExpirationMonth     integer  `json:"creditCardExpirationMonth"`
	CreditCardExpirationYear      integer  `json:"creditCardExpirationYear"`
}

func (m *objectPaymentMethod) plain() billing.PaymentMethod {
	out := billing.PaymentMethod{ID: m.ID, Status: m.PaymentMethodStatus,
		ExpirationMonth: int(m.CreditCardExpirationMonth), ExpirationYear: int(m.CreditCardExpirationYear)}
	out.Type, out.Kind, out.BankTransferType = methodWords(
		m.Type,
		cmp.Or(m.PaypalType, m.BankTransferType),
		m.CreditCardType,
	)
	number := m.CreditCardMaskNumber
	switch out.Type {
	case "ACH":
		number = m.ACHAccountNumberMask
	case "BankTransfer":
		number = m.BankTransferAccountNumberMask
	}
	finish(&out, m.CreditCardType, m.ACHBankName, number)
	return out
}

// finish sets what both vocabularies tell alike once the type is known.
func finish(m *billing.PaymentMethod, card, bank string, number lastFour) {
	m.Brand = card
	switch m.Type {
	case "ACH":
		m.Brand = bank
	case "BankTransfer", "PayPal":
		m.Brand = ""
	case applePay:
		m.Brand = applePay // Limio's pages tell it by the card type
	}
	if m.Type != "PayPal" && number != "" {
		m.Mask = "************" + string(number)
	}
}

const applePay = "ApplePay"

// methodWords returns the words of the CRUD API and of v1 for a payment method
// that is told by either. kind is what tells PayPal's kinds and the schemes of
// bank transfers apart. A DebitCard of CRUD is a CreditCard in v1, and both are
// called that here. Sources:
// https://docs.zuora.com/en/zuora-platform/integration/apis/soap-api/soap-api-object-reference/paymentmethod/field-descriptions
// https://developer.zuora.com/api-references/api/operation/POST_PaymentMethods
func methodWords(typ, kind, card string) (crud, v1, scheme string) {
	switch {
	case typ == "DebitCard":
		return "CreditCard", "CreditCard", ""
	case strings.HasSuffix(typ, applePay):
		return applePay, typ, "" // AdyenApplePay too
	case strings.Contains(card, "Apple"):
		return applePay, applePay, ""
	case typ == "PayPal":
		return "PayPal", cmp.Or(payPalKinds[kind], typ), ""
	case strings.HasPrefix(typ, "PayPal"):
		return "PayPal", typ, ""
	}
	i := slices.IndexFunc(bankTransfers, func(b [2]string) bool { return b[0] == typ })
	if i < 0 && typ != "BankTransfer" {
		return typ, typ, ""
	}
	j := slices.IndexFunc(bankTransfers, func(b [2]string) bool { return kind != "" && (b[0] == kind || b[1] == kind) })
	switch {
	case i >= 0:
		return "BankTransfer", typ, bankTransfers[i][1]
	case j >= 0:
		return "BankTransfer", bankTransfers[j][0], bankTransfers[j][1]
	default: // LastschriftDE and others that v1 has no word for
		return "BankTransfer", "BankTransfer", kind
	}
}

var payPalKinds = map[string]string{
	"ExpressCheckout":  "PayPalEC",
	"AdaptivePayments": "PayPalAdaptive",
}

// bankTransfers are v1's words with CRUD's bankTransferType.
var bankTransfers = [][2]string{
	{"Bacs", "DirectDebitUK"},
	{"SEPA", "SEPA"},
	{"Becs", "DirectEntryAU"},
	{"Becsnz", "DirectDebitNZ"},
	{"PAD", "PAD"},
	{"Autogiro", "Autogiro"},
	{"Betalingsservice", "Betalingsservice"},
}

// lastFour is the end of a masked number; "" when it is none. Whatever else the
// number holds, should Zuora ever not mask it, is dropped as it is read.
type lastFour string

// number4 matches digits, masking characters and separators, with the last four
// digits to see; those of an IBAN after its country and check digits, and there
// the bank may have letters (NL91 ABNA).
var number4 = regexp.MustCompile(`^(?:[A-Z]{2}(?:[0-9*]{2} ?[A-Z0-9]{0,4})?)?[0-9*xX#•.\- ]*([0-9]{4})$`)

// UnmarshalJSON implements json.Unmarshaler.
func (l *lastFour) UnmarshalJSON(b []byte) error {
	*l = ""
	m := number4.FindSubmatch(bytes.TrimSpace(bytes.Trim(b, `"`)))
	if m != nil {
		*l = lastFour(m[1])
	}
	return nil
}

// monthOfEnd is when a wallet's card expires: 06/2030, 2030-06 or 2030-06-30.
type monthOfEnd struct{ month, year int }

// UnmarshalJSON implements json.Unmarshaler. What is no such date is none: it
// is not worth failing for.
func (m *monthOfEnd) UnmarshalJSON(b []byte) error {
	*m = monthOfEnd{}
	text := strings.Trim(string(b), `"`)
	for _, layout := range []string{"01/2006", "2006-01", time.DateOnly} {
		at, err := time.Parse(layout, text)
		if err == nil {
			*m = monthOfEnd{int(at.Month()), at.Year()}
		}
	}
	return nil
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
