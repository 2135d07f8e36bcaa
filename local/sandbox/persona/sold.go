package persona

import (
	"encoding/json"
	"maps"
	"slices"
)

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
	s := sale{account: a, buyer: p, offer: published(path), start: a.day(-5) + "T09:00:00.210Z"}
	s.owner, s.customer, s.subscription = s.id("id"), s.id("cus"), s.id("sub")
	objects := slices.Concat(s.who(), s.what(), []doc{s.address("billing"), s.address("delivery"), s.method(card)})
	out := make([]json.RawMessage, 0, len(objects))
	for _, o := range objects {
		out = append(out, encode(o))
	}
	return out
}

// sale is something bought in Limio.
type sale struct {
	*account
	buyer                         person
	offer                         doc
	start                         string
	owner, customer, subscription string // ids
}

func (s sale) id(prefix string, more ...any) string {
	return prefix + "-" + zuoraID("limio", prefix, s.number, more)
}

// object is an object of the buyer's.
func (s sale) object(kind, id string, more doc) doc {
	o := doc{
		"record_type": kind,
		"id":          id,
		"service":     "limio",
		"status":      "active",
		"mode":        "production",
		"owner":       s.owner,
		"customer":    s.customer,
		"created":     s.start,
		"updated":     s.start,
	}
	maps.Copy(o, more)
	return o
}

// tie relates an object to the subscription; a kind of "" has no name.
func (s sale) tie(kind string) []doc {
	relationship := doc{
		"relationship_id": s.id("rel", kind),
		"subscription":    s.subscription,
		"start":           s.start,
		"status":          "active",
	}
	if kind != "" {
		relationship["relationship_type"] = kind
	}
	return []doc{relationship}
}

// who are the owner, the customer and the identity that names the Zuora account.
func (s sale) who() []doc {
	return []doc{
		{
			"record_type": "identity",
			"id":          s.owner,
			"type":        "@limio/id",
			"name":        s.basic["name"],
			"created":     s.start,
			"data":        doc{},
		},
		{
			"record_type": "customer",
			"id":          s.customer,
			"owner":       s.owner,
			"created":     s.start,
			"data":        doc{"name": s.basic["name"], "email": s.buyer.email},
		},
		s.object("identity", s.id("identity"), doc{
			"service": "zuora",
			"type":    "account",
			"data": doc{
				"service":       "zuora",
				"issuer":        "zuora",
				"type":          "account",
				"value":         s.account.id,
				"accountNumber": s.number,
			},
		}),
	}
}

// what are the subscription and its offer.
func (s sale) what() []doc {
	number, products := s.subscriptions[0]["subscriptionNumber"], s.offer["data"].(doc)["products"]
	price := doc{
		"currency": s.billing["currency"],
		"amount":   json.Number("17.5"),
		"summary":  doc{"headline": "<p>GBP 17.50 every 1 months</p>"},
	}
	return []doc{
		s.object("subscription", s.subscription, doc{"name": number, "reference": number, "data": doc{
			"name":            "Digital UK",
			"startDate":       s.start,
			"termStartDate":   s.start,
			"termEndDate":     s.day(7) + "T09:00:00.210Z",
			"quantity":        1,
			"price":           price,
			"purchaseCountry": "GB",
			"offer":           s.offer,
			"products":        products,
			"attributes":      doc{"autoRenew": true, "gift": false},
		}}),
		s.object("subscription_offer", s.id("subscription_offer"), doc{
			"related": s.subscription,
			"name":    "Digital UK",
			"data": doc{
				"name":           "Digital UK",
				"start":          s.start,
				"quantity":       1,
				"price":          price,
				"record_subtype": nil,
				"offer":          s.offer,
				"products":       products,
			},
		}),
	}
}

// address is where the buyer lives, for the bills or for what is delivered.
func (s sale) address(kind string) doc {
	home := s.buyer.address
	return s.object("address", s.id("address", kind), doc{"relationship_type": kind, "data": doc{
		"firstName":     s.buyer.first,
		"lastName":      s.buyer.last,
		"address1":      home.line1,
		"city":          home.city,
		"postalCode":    home.zip,
		"country":       "GB",
		"relationships": s.tie(kind),
	}})
}

// method is the card that pays.
func (s sale) method(card doc) doc {
	return s.object("payment_method", s.id("pm"), doc{"type": "zuora", "data": doc{
		"type":          "zuora",
		"relationships": s.tie(""),
		"zuora": doc{
			"refId": card["id"],
			"result": doc{
				"Id":                   card["id"],
				"Type":                 "CreditCard",
				"CreditCardType":       "Visa",
				"CreditCardMaskNumber": card["cardNumber"],
			},
		},
	}})
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
