package main

import (
	"cmp"
	"encoding/json"

	"github.com/shopspring/decimal"

	"hotsync/local/sandbox/persona"
	"hotsync/shared/billing"
)

// doc is a JSON object.
type doc = map[string]any

// v1Body returns an account in the shapes of Zuora's v1 API: the body of the
// Zuora sandbox's PUT /_sandbox/accounts/{id}. What must never be copied is left
// out; the sandbox fills it with canaries.
func v1Body(a billing.Account) ([]byte, error) {
	basic := doc{"id": a.ID, "accountNumber": a.Number, "name": a.Name, "status": a.Status, "crmId": a.CRMID}
	for name, value := range a.CustomFields {
		basic[name] = value
	}
	account := doc{
		"basicInfo":         basic,
		"billingAndPayment": doc{"currency": a.Currency, "defaultPaymentMethodId": null(a.DefaultPaymentMethodID)},
		"billToContact":     v1Contact(a.BillTo),
		"soldToContact":     v1Contact(a.SoldTo),
		"shipToContact":     v1Contact(a.ShipTo),
	}
	methods := doc{}
	for _, m := range a.PaymentMethods {
		key, method := v1Method(m)
		list, _ := methods[key].([]doc)
		methods[key] = append(list, method)
	}
	subscriptions := []doc{}
	for _, s := range a.Subscriptions {
		subscriptions = append(subscriptions, v1Subscription(s))
	}
	return json.Marshal(doc{"account": account, "paymentMethods": methods, "subscriptions": subscriptions})
}

func null(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func v1Contact(c *billing.Contact) any {
	if c == nil {
		return nil
	}
	return doc{
		"id":            c.ID,
		"firstName":     c.FirstName,
		"lastName":      c.LastName,
		"workEmail":     c.WorkEmail,
		"personalEmail": c.HomeEmail,
		"address1":      c.Address1,
		"address2":      c.Address2,
		"city":          c.City,
		"state":         c.State,
		"zipCode":       c.PostalCode,
		"country":       c.Country,
	}
}

// v1Method returns a payment method with the key it hides under.
func v1Method(m billing.PaymentMethod) (key string, _ doc) {
	out := doc{"id": m.ID, "type": cmp.Or(m.Kind, m.Type), "status": m.Status}
	switch m.Type {
	case "CreditCard":
		out["creditCardType"], out["cardNumber"] = m.Brand, m.Mask
		out["expirationMonth"], out["expirationYear"] = m.ExpirationMonth, m.ExpirationYear
		return "creditcard", out
	case "ACH":
		out["bankName"], out["bankAccountNumber"] = null(m.Brand), m.Mask
		return "ach", out
	case "PayPal":
		return "paypal", out
	default:
		out["bankTransferType"], out["accountNumber"] = m.BankTransferType, m.Mask
		return "banktransfer", out
	}
}

func v1Subscription(s billing.Subscription) doc {
	plans := []doc{}
	for _, p := range s.RatePlans {
		charges := []doc{}
		for _, c := range p.Charges {
			charges = append(charges, v1Charge(c))
		}
		plan := doc{"id": p.ID, "ratePlanName": p.Name, "productName": p.ProductName, "productSku": p.ProductSKU,
			"productId": null(p.ProductID), "productRatePlanId": null(p.ProductRatePlanID),
			"lastChangeType": p.LastChangeType, "ratePlanCharges": charges}
		if p.Number != "" {
			plan["subscriptionRatePlanNumber"] = p.Number
		}
		plans = append(plans, plan)
	}
	return doc{
		"id":                    s.ID,
		"subscriptionNumber":    s.Number,
		"version":               s.Version,
		"status":                s.Status,
		"termType":              s.TermType,
		"currency":              null(s.Currency),
		"contractEffectiveDate": null(s.ContractEffective),
		"subscriptionStartDate": null(s.Start),
		"subscriptionEndDate":   null(s.End),
		"termStartDate":         null(s.TermStart),
		"termEndDate":           null(s.TermEnd),
		"autoRenew":             s.AutoRenew,
		"scheduledCancelDate":   null(s.ScheduledCancel),
		"ratePlans":             plans,
	}
}

// v1Charge shows the last segment at the top, as Zuora does, and all of them
// when there are several.
func v1Charge(c billing.Charge) doc {
	out := doc{
		"number":                c.Number,
		"name":                  c.Name,
		"type":                  c.Type,
		"model":                 c.Model,
		"currency":              null(c.Currency),
		"uom":                   null(c.UOM),
		"billingPeriod":         null(c.BillingPeriod),
		"specificBillingPeriod": c.SpecificBillingPeriod,
		"listPriceBase":         null(c.ListPriceBase),
		"specificListPriceBase": c.SpecificListPriceBase,
		"billingTiming":         null(c.BillingTiming),
		"endDateCondition":      null(c.EndDateCondition),
		"discountLevel":         null(c.DiscountLevel),
		"upToPeriods":           c.UpToPeriods,
		"upToPeriodsType":       null(c.UpToPeriodsType),
	}
	segments := []doc{}
	for i, s := range c.Segments {
		tiers := []doc{}
		for n, t := range s.Tiers {
			format := "PerUnit"
			if t.FlatFee {
				format = "FlatFee"
			}
			tiers = append(
				tiers,
				doc{"tier": n + 1, "startingUnit": v1Number(t.StartingUnit), "endingUnit": v1Amount(t.EndingUnit),
					"price": v1Number(t.Price), "priceFormat": format},
			)
		}
		segments = append(
			segments,
			doc{
				"segment":            i + 1,
				"effectiveStartDate": null(s.From),
				"effectiveEndDate":   null(s.Until),
				"chargedThroughDate": null(s.ChargedThrough),
				"price":              v1Amount(s.Price),
				"quantity":           v1Amount(s.Quantity),
				"discountAmount":     v1Amount(s.DiscountAmount),
				"discountPercentage": v1Amount(s.DiscountPercentage),
				"tiers":              tiers,
			},
		)
	}
	if len(segments) > 0 {
		for name, value := range segments[len(segments)-1] {
			out[name] = value
		}
	}
	if len(segments) > 1 {
		out["chargeSegments"] = segments
	}
	return out
}

func v1Amount(d decimal.NullDecimal) any {
	if !d.Valid {
		return nil
	}
	return v1Number(d.Decimal)
}

func v1Number(d decimal.Decimal) json.Number { return json.Number(d.String()) }

// lookupField is the custom field by which accounts are found.
const lookupField = persona.LookupField
