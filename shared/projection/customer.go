package projection

import (
	"strings"

	"hotsync/shared/hotsync"
)

// customerObject is the account itself. Names and e-mail come from the bill-to
// contact; an account without one (a draft) says nothing about them, so that
// what Limio knows stays.
func (p *projector) customerObject() Object {
	o := p.hanging(Customer, keyCustomer)
	o.Customer = ""
	o.Name = p.customerName()
	o.Data = map[string]any{
		"name":                   o.Name,
		"defaultPaymentMethodId": p.defaultPaymentMethod(),
	}
	c := p.account.BillTo
	if isThere(c) {
		o.Data["firstName"] = c.FirstName
		o.Data["lastName"] = c.LastName
		o.Data["email"] = c.WorkEmail
		if c.WorkEmail == "" {
			o.Data["email"] = c.HomeEmail
		}
	}
	return o
}

// defaultPaymentMethod is the id of the default method, or nil, which clears the
// one Limio may have: a default that is closed is no default.
func (p *projector) defaultPaymentMethod() any {
	id := p.account.DefaultPaymentMethodID
	if id == "" {
		return nil
	}
	for _, m := range p.account.PaymentMethods {
		switch {
		case m.ID != id:
		case isUsable(m):
			return p.id(PaymentMethod, m.ID)
		default:
			p.find(
				hotsync.Note(
					hotsync.FindingDefaultPayment,
					m.ID,
					"Zuora's default payment method is closed, so the customer has no default in Limio.",
				),
				"",
			)
			return nil
		}
	}
	p.find(hotsync.Note(
		hotsync.FindingDefaultPayment,
		id,
		"Zuora's default payment method is not among the account's payment methods, so the customer has no default in Limio.",
	), "")
	return nil
}

// customerName is the account's name, unless that is a CRM id, as merchants set
// it who have no better: then the person's.
func (p *projector) customerName() string {
	c := p.account.BillTo
	if salesforcePattern.MatchString(strings.TrimSpace(p.account.Name)) && isThere(c) {
		person := strings.TrimSpace(c.FirstName + " " + c.LastName)
		if person != "" {
			return person
		}
	}
	return p.account.Name
}
