package persona

import "encoding/json"

var ravi = person{
	"Ravi",
	"Menon",
	"ravi.menon@example.com",
	"+44 113 496 0161",
	address{"3 Park Row", "", "Leeds", "", "LS1 5HN", "United Kingdom"},
}

// sold bought in Limio, which made the subscription in Zuora: both have it, and
// Limio's objects have the shape that Limio gives them.
func sold(c calendar) Persona {
	a := newAccount(c, 1701, "Ravi Menon", "GBP")
	a.billTo(ravi)
	a.soldTo(ravi)
	card := a.card("creditcard", "CreditCard", "Visa", "8812", 19)
	a.defaultMethod(card)
	a.subscribe(termed(-5, 12), add("UK Monthly", digital, flatFee("Monthly", month, "17.50")))
	return Persona{
		Name:     "sold",
		Issuer:   Direct,
		Story:    "Bought in Limio, which has the subscription, its offer, addresses and card already: nothing is made twice.",
		Claims:   naming(claims("direct|ravi", ravi), a.id),
		Accounts: []Account{a.build()},
		Limio:    a.soldInLimio("/offers2/Digital UK", card, ravi),
	}
}

// soldInLimio are Limio's own objects of the account's first subscription.
func (a *account) soldInLimio(path string, card doc, p person) []json.RawMessage {
	id := func(prefix string, more ...any) string {
		return prefix + "-" + zuoraID("limio", prefix, a.number, more)
	}
	owner, customer, sub := id("id"), id("cus"), id("sub")
	number, start := a.subscriptions[0]["subscriptionNumber"], a.day(-5)+"T09:00:00.210Z"
	offer := published(path)
	products := offer["data"].(doc)["products"]
	price := doc{
		"currency": a.billing["currency"],
		"amount":   json.Number("17.5"),
		"summary":  doc{"headline": "<p>GBP 17.50 every 1 months</p>"},
	}
	of := func(kind, id string, more doc) doc {
		o := doc{
			"record_type": kind,
			"id":          id,
			"service":     "limio",
			"status":      "active",
			"mode":        "production",
			"owner":       owner,
			"customer":    customer,
			"created":     start,
			"updated":     start,
		}
		for name, value := range more {
			o[name] = value
		}
		return o
	}
	tie := func(kind string) []doc {
		return []doc{
			{
				"relationship_id":   id("rel", kind),
				"relationship_type": kind,
				"subscription":      sub,
				"start":             start,
				"status":            "active",
			},
		}
	}
	home := func(kind string) doc {
		return of(
			"address",
			id("address", kind),
			doc{"relationship_type": kind, "data": doc{
				"firstName":     p.first,
				"lastName":      p.last,
				"address1":      p.address.line1,
				"city":          p.address.city,
				"postalCode":    p.address.zip,
				"country":       "GB",
				"relationships": tie(kind),
			}},
		)
	}
	method := tie("")
	delete(method[0], "relationship_type")
	objects := []doc{
		{
			"record_type": "identity",
			"id":          owner,
			"type":        "@limio/id",
			"name":        a.basic["name"],
			"created":     start,
			"data":        doc{},
		},
		{
			"record_type": "customer",
			"id":          customer,
			"owner":       owner,
			"created":     start,
			"data":        doc{"name": a.basic["name"], "email": p.email},
		},
		of(
			"identity",
			id("identity"),
			doc{"service": "zuora", "type": "account", "data": doc{"service": "zuora", "issuer": "zuora",
				"type": "account", "value": a.id, "accountNumber": a.number}},
		),
		of(
			"subscription",
			sub,
			doc{"name": number, "reference": number, "data": doc{
				"name":            "Digital UK",
				"startDate":       start,
				"termStartDate":   start,
				"termEndDate":     a.day(7) + "T09:00:00.210Z",
				"quantity":        1,
				"price":           price,
				"purchaseCountry": "GB",
				"offer":           offer,
				"products":        products,
				"attributes":      doc{"autoRenew": true, "gift": false},
			}},
		),
		of(
			"subscription_offer",
			id("subscription_offer"),
			doc{"related": sub, "name": "Digital UK", "data": doc{
				"name":           "Digital UK",
				"start":          start,
				"quantity":       1,
				"price":          price,
				"record_subtype": nil,
				"offer":          offer,
				"products":       products,
			}},
		),
		home("billing"),
		home("delivery"),
		of(
			"payment_method",
			id("pm"),
			doc{"type": "zuora", "data": doc{"type": "zuora", "relationships": method, "zuora": doc{
				"refId": card["id"],
				"result": doc{
					"Id":                   card["id"],
					"Type":                 "CreditCard",
					"CreditCardType":       "Visa",
					"CreditCardMaskNumber": card["cardNumber"],
				},
			}}},
		),
	}
	out := make([]json.RawMessage, 0, len(objects))
	for _, o := range objects {
		out = append(out, encode(o))
	}
	return out
}

// published is the copy of a catalogue item that a subscription has.
func published(path string) doc {
	for _, raw := range Catalogue() {
		var o doc
		err := json.Unmarshal(raw, &o)
		if err == nil && o["path"] == path {
			o["mode"], o["service"], o["record_type"], o["status"] = "production", "limio", "offer", "active"
			return o
		}
	}
	panic("persona: nothing is published as " + path) // a mistake in the cast
}
