package projection

import "slices"

// personal are the members of data that tell something about a person; dots
// part nested ones.
var personal = map[Kind][]string{
	Customer: {"name", "firstName", "lastName", "email"},
	Address:  {"firstName", "lastName", "address1", "address2", "city", "state", "postalCode"},
	PaymentMethod: {"last4", "zuora.result.CreditCardMaskNumber", "zuora.result.AchAccountNumberMask",
		"zuora.result.BankTransferAccountNumberMask"},
	Identity: {"sub"},
}

// Personal reports whether a member of an object's data is personal, so that an
// event must mask it.
func Personal(kind Kind, field string) bool { return slices.Contains(personal[kind], field) }
