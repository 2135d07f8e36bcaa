package projection

import (
	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

// addresses are the billing address from the bill-to contact and the delivery
// address from the ship-to, for which the sold-to stands in. An account may have
// neither contact, and that is no fault.
func (p *projector) addresses(subscriptions []subscription) []Object {
	delivery := p.account.ShipTo
	if !isThere(delivery) {
		delivery = p.account.SoldTo
	}
	var out []Object
	if isThere(p.account.BillTo) {
		out = append(out, p.address(billingAddress, p.account.BillTo, subscriptions))
	}
	if isThere(delivery) {
		out = append(out, p.address(deliveryAddress, delivery, subscriptions))
	}
	return out
}

func isThere(c *billing.Contact) bool { return c != nil && *c != billing.Contact{} }

func (p *projector) address(relationshipType string, c *billing.Contact, subscriptions []subscription) Object {
	o := p.hanging(Address, relationshipType)
	o.Name, o.RelationshipType = relationshipType, relationshipType
	o.Data = map[string]any{
		"firstName":     c.FirstName,
		"lastName":      c.LastName,
		"address1":      c.Address1,
		"address2":      c.Address2,
		"city":          c.City,
		"state":         c.State,
		"postalCode":    c.PostalCode,
		"relationships": p.relationships(relationshipType, subscriptions),
	}
	code, ok := countryCode(c.Country)
	switch {
	case ok:
		o.Data["country"] = code
	case c.Country == "":
		o.Data["country"] = nil
	default:
		// Left out: a country that was right before is better than none.
		// What it says is not repeated: people write their street into such fields.
		p.find(
			hotsync.Note(
				hotsync.FindingAddressCountry,
				relationshipType,
				"The country of the %s address is not known, so it is left out.",
				relationshipType,
			),
			"Correct the country of the contact in Zuora.",
		)
	}
	return o
}

// relationships tie the address to every subscription, by number. The shape is
// assumed: Limio shows such rows, but publishes no way to write them.
func (p *projector) relationships(relationshipType string, subscriptions []subscription) []any {
	out := []any{}
	for _, s := range subscriptions {
		r := map[string]any{
			"relationship_id":   relationshipID(p.opt.Tenant, p.account.ID, relationshipType, s.object.Key),
			"relationship_type": relationshipType,
			"subscription":      s.object.ID,
			"status":            StatusActive,
		}
		if start := s.object.Data["startDate"]; start != nil {
			r["start"] = start
		}
		out = append(out, r)
	}
	return out
}
