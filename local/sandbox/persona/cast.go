package persona

import "fmt"

// people, and where they live. Countries are spelt as Zuora spells them.
var (
	ada = person{
		"Ada",
		"Whitfield",
		"ada.whitfield@example.com",
		"+44 113 496 0123",
		address{"14 Clarendon Road", "", "Leeds", "", "LS2 9NZ", "United Kingdom"},
	}
	claire = person{
		"Claire",
		"Dubois",
		"claire.dubois@example.com",
		"+33 1 99 00 12 34",
		address{"8 rue des Lilas", "Bâtiment C", "Lyon", "", "69003", "France"},
	}
	jeanne = person{
		"Jeanne",
		"Dubois",
		"jeanne.dubois@example.com",
		"+33 4 65 71 00 12",
		address{"22 avenue Foch", "", "Annecy", "", "74000", "France"},
	}
	jonas = person{
		"Jonas",
		"Becker",
		"jonas.becker@example.com",
		"+49 30 23125 042",
		address{"Kastanienallee 71", "Hinterhaus", "Berlin", "Berlin", "10435", "Germany"},
	}
	patrick = person{
		"Patrick",
		"Murphy",
		"patrick.murphy@example.com",
		"+353 20 915 0117",
		address{"3 Fitzwilliam Lane", "", "Dublin", "", "D02 X285", "Ireland"},
	}
	grace = person{
		"Grace",
		"Holloway",
		"grace.holloway@example.com",
		"+1 503-555-0142",
		address{"2210 NW Everett St", "Apt 5", "Portland", "Oregon", "97210", "United States"},
	}
	oliver = person{
		"Oliver",
		"Grant",
		"oliver.grant@example.com",
		"+44 121 496 0777",
		address{"Harborne Library", "High Street", "Birmingham", "", "B17 9QG", "United Kingdom"},
	}
	sofia = person{
		"Sofia",
		"Marchetti",
		"sofia.marchetti@example.com",
		"+39 02 0000 4431",
		address{"Via Solferino 19", "", "Milano", "Milano", "20121", "Italy"},
	}
	william = person{
		"William",
		"Carter",
		"william.carter@example.com",
		"+1 617-555-0199",
		address{"88 Beacon St", "", "Boston", "Massachusetts", "02108", "United States"},
	}
)

func single(c calendar) Persona {
	a := newAccount(c, 101, "Ada Whitfield", "GBP")
	a.billTo(ada)
	a.soldTo(ada)
	a.defaultMethod(a.card("creditcard", "CreditCard", "Visa", "4242", 48))
	a.subscribe(termed(-7, 12), add("UK Monthly", digital, flatFee("Monthly", month, "17.50")))
	return Persona{Name: "single", Issuer: Direct,
		Story:    "Names one account in a claim; it has one subscription, paid by card.",
		Claims:   naming(claims("direct|ada", ada), a.id),
		Accounts: []Account{a.build()}}
}

func several(c calendar) Persona {
	own := newAccount(c, 201, "Claire Dubois", "EUR")
	own.billTo(claire)
	own.soldTo(claire)
	own.defaultMethod(own.card("creditcard", "CreditCard", "MasterCard", "4444", 20))
	own.subscribe(termed(-3, 12), add("France Annual", digital, flatFee("Annual", annual, "149.00")))

	gift := newAccount(c, 202, "Jeanne Dubois", "EUR")
	gift.planNumbers = false // as tenants do whose Zuora does not send them
	gift.billTo(claire)
	gift.soldTo(jeanne)
	gift.defaultMethod(gift.card("creditcard", "CreditCard", "MasterCard", "4444", 20))
	gift.subscribe(
		termed(-1, 12),
		add("Weekend Gift", weekend, flatFee("Annual", annual, "89.00"), oneTime("Gift wrapping", "4.50")),
	)

	office := newAccount(c, 203, "Dubois & Fils SARL", "EUR")
	office.billTo(
		person{
			"Claire",
			"Dubois",
			"compta@dubois.example.com",
			"+33 4 65 71 00 50",
			address{"5 quai Perrache", "", "Lyon", "", "69002", "France"},
		},
	)
	office.soldTo(claire)
	office.defaultMethod(office.bankTransfer("SEPA", "Banque Rhône Exemple", "7606"))
	office.subscribe(termed(-14, 24), add("Corporate", corporate, perUnit("Seats", month, "9.90", "12", "Seat")))

	return Persona{
		Name:   "several",
		Issuer: Direct,
		Story: "Names three accounts in a list claim, two by id and one by number: her own, a gift to her mother, and " +
			"her office.",
		Claims:   naming(claims("direct|claire", claire), own.id, gift.id, office.number),
		Accounts: []Account{own.build(), gift.build(), office.build()},
	}
}

func lookup(c calendar) Persona {
	const sub = "auth0|6570f3b1A9c2d40012e4B7aa"
	a := newAccount(c, 301, "Jonas Becker", "EUR")
	a.basic[LookupField] = sub
	a.billTo(jonas)
	a.soldTo(jonas)
	a.shipTo(
		person{
			"Jonas",
			"Becker",
			jonas.email,
			jonas.phone,
			address{"Postfach 4 11", "", "Potsdam", "Brandenburg", "14467", "Germany"},
		},
	)
	a.defaultMethod(a.bankTransfer("SEPA", "Sparkasse Beispiel", "3000"))
	a.subscribe(termed(-30, 12), add("Deutschland Print", weekend, flatFee("Quartalsabo", quarter, "84.00")))
	return Persona{Name: "lookup", Issuer: Lookup,
		Story:    "Is found by the subject of the login, which the account holds in " + LookupField + ".",
		Claims:   claims(sub, jonas),
		Accounts: []Account{a.build()}}
}

func nobody(calendar) Persona {
	return Persona{
		Name:   "nobody",
		Issuer: Lookup,
		Story:  "Is not known to Zuora: the login goes on and nothing is synced.",
		Claims: claims(
			"auth0|65aa01c7d3f9b20011c0ffee",
			person{first: "Nora", last: "Lindqvist", email: "nora.lindqvist@example.com"},
		),
	}
}

func ambiguous(c calendar) Persona {
	const sub = "auth0|64be77d0e1a4c90010b1cafe"
	old := newAccount(c, 401, "Patrick Murphy (old)", "EUR")
	now := newAccount(c, 402, "Patrick Murphy", "EUR")
	for _, a := range []*account{old, now} {
		a.basic[LookupField] = sub
		a.billTo(patrick)
		a.soldTo(patrick)
		a.defaultMethod(a.card("creditcard", "CreditCard", "Visa", "1881", 14))
	}
	old.subscribe(cancelled(-20, -5, 12), add("Ireland Monthly", digital, flatFee("Monthly", month, "15.00")))
	now.subscribe(termed(-5, 12), add("Ireland Monthly", digital, flatFee("Monthly", month, "16.00")))
	return Persona{Name: "ambiguous", Issuer: Lookup,
		Story:    "Two accounts hold the subject of the login, so nothing is synced and the case is recorded.",
		Claims:   claims(sub, patrick),
		Accounts: []Account{old.build(), now.build()}}
}

func salesforce(c calendar) Persona {
	a := newAccount(c, 501, "Grace Holloway", "USD")
	a.basic["crmId"] = "0018d00000QrStU" // 15 characters; the 18 are 0018d00000QrStUAAV
	a.billTo(grace)
	a.soldTo(grace)
	a.defaultMethod(a.card("creditcard", "CreditCard", "AmericanExpress", "0005", 30))
	a.subscribe(termed(-2, 12), add("US Monthly", digital, flatFee("Monthly", month, "19.99")))
	return Persona{Name: "salesforce", Issuer: Direct,
		Story:    "Has a CRM ID of 15 characters, so she gets a Salesforce identity as well.",
		Claims:   naming(claims("direct|grace", grace), a.id),
		Accounts: []Account{a.build()}}
}

func sixty(c calendar) Persona {
	a := newAccount(c, 601, "Birmingham City Libraries", "GBP")
	a.billTo(oliver)
	a.soldTo(oliver)
	a.defaultMethod(a.bankTransfer("Bacs", "Example Bank", "0779"))
	for i := range 60 {
		a.subscribe(
			termed(-1-i%11, 12),
			add(fmt.Sprintf("Branch %02d", i+1), corporate, flatFee("Annual", annual, "420.00")),
		)
	}
	return Persona{Name: "sixty", Issuer: Direct,
		Story:    "Pays for 60 subscriptions, one for each branch library, so Zuora answers in pages.",
		Claims:   naming(claims("direct|oliver", oliver), a.id),
		Accounts: []Account{a.build()}}
}

func mixed(c calendar) Persona {
	a := newAccount(c, 701, "Sofia Marchetti", "EUR")
	a.billTo(sofia)
	a.soldTo(sofia)
	a.defaultMethod(a.card("creditcard", "CreditCard", "Visa", "1111", 9))

	a.subscribe(cancelled(-18, -2, 12), add("Weekend Annual", weekend, flatFee("Annual", annual, "96.00")))
	a.subscribe(suspended(-9, -1, 12), add("Weekend Monthly", weekend, flatFee("Monthly", month, "9.00")))
	a.subscribe(draft(12), add("Crossword Monthly", digital, flatFee("Monthly", month, "4.00")))
	a.subscribe(pendingAcceptance(-1, 12), add("Cooking Monthly", digital, flatFee("Monthly", month, "3.50")))
	a.subscribe(termed(2, 12), add("Digital from next season", digital, flatFee("Monthly", month, "12.00")))
	a.subscribe(evergreen(-40), add("Digital Evergreen", digital, flatFee("Monthly", month, "11.00")))
	a.subscribe(termed(-4, 12),
		add("Digital Monthly", digital, flatFee("Monthly", month, "14.00")),
		add("Welcome discount", discounts, percentOff("25 % off", "25")),
		add("Loyalty discount", discounts, amountOff("2 euros off", "2.00")))
	a.subscribe(termed(-6, 12), add("Archive", archive,
		tiered("Articles", "Article", "30", tier{0, 10, "1.00"}, tier{11, 50, "0.80"}, tier{51, 0, "0.50"}),
		volume("Downloads", "Download", "120", tier{0, 100, "0.30"}, tier{101, 0, "0.20"})))
	a.subscribe(amended(-8, 12, 3),
		removed("Digital Basic", digital, -3, flatFee("Monthly", month, "8.00")),
		changed("Digital Plus", digital, flatFee("Monthly", month, "13.00").
			then(c.day(2), "15.00")))
	a.subscribe(termed(-11, 12), add("Family seats", corporate, perUnit("Seats", month, "4.25", "3", "Seat")))

	return Persona{Name: "mixed", Issuer: Direct,
		Story: "Has one of everything: cancelled, suspended, draft, pending, future and evergreen subscriptions, " +
			"discounts, tiers, a removed plan, and a price that rises in two months.",
		Claims:   naming(claims("direct|sofia", sofia), a.id),
		Accounts: []Account{a.build()}}
}

func wallet(c calendar) Persona {
	a := newAccount(c, 801, "William Carter", "USD")
	a.billTo(william)
	a.soldTo(william)
	old := a.card("creditcard", "CreditCard", "Visa", "0002", -3)
	old["status"] = "Closed"
	a.defaultMethod(old)
	a.card("creditcardreferencetransaction", "CreditCardReferenceTransaction", "MasterCard", "5100", 25)
	a.card("debitcard", "CreditCard", "Visa", "3220", 40) // Zuora says CreditCard here
	a.ach("Example National Bank", "6789")
	a.bankTransfer("Bacs", "Example Bank", "9911")
	a.payPal(william.email)
	a.subscribe(termed(-5, 12), add("US Annual", digital, flatFee("Annual", annual, "199.00")))
	return Persona{Name: "wallet", Issuer: Direct,
		Story:    "Has six kinds of payment method, and the default is closed, so there is no default.",
		Claims:   naming(claims("direct|william", william), a.id),
		Accounts: []Account{a.build()}}
}

func bare(c calendar) Persona {
	a := newAccount(c, 901, "Lena Novak", "EUR")
	return Persona{
		Name:   "bare",
		Issuer: Direct,
		Story:  "Has an account and nothing else: no contacts, no payment methods, no subscriptions.",
		Claims: naming(
			claims("direct|lena", person{first: "Lena", last: "Novak", email: "lena.novak@example.com"}),
			a.id,
		),
		Accounts: []Account{a.build()},
	}
}

var (
	una = person{
		"Una",
		"Okafor",
		"una.okafor@example.com",
		"+44 117 496 0150",
		address{"9 Redland Grove", "", "Bristol", "", "BS6 6UJ", "United Kingdom"},
	}
	felix = person{
		"Felix",
		"Nagy",
		"felix.nagy@example.com",
		"+49 89 9998 0121",
		address{"Isartorplatz 4", "", "München", "Bayern", "80331", "Germany"},
	}
	chloe = person{
		"Chloe",
		"Fraser",
		"chloe.fraser@example.com",
		"+44 131 496 0188",
		address{"27 Leith Walk", "", "Edinburgh", "", "EH6 8LN", "United Kingdom"},
	}
	dylan = person{
		"Dylan",
		"Price",
		"dylan.price@example.com",
		"+44 29 2018 0144",
		address{"61 Cathedral Road", "", "Cardiff", "", "CF11 9HD", "United Kingdom"},
	}
	lucia = person{
		"Lucia",
		"Ferrer",
		"lucia.ferrer@example.com",
		"+34 910 050 123",
		address{"Calle Mayor 12", "3 B", "Madrid", "Madrid", "28013", "Spain"},
	}
	marek = person{
		"Marek",
		"Zielinski",
		"marek.zielinski@example.com",
		"+48 22 600 0177",
		address{"Mokotowska 40", "", "Warszawa", "", "00-543", "Poland"},
	}
	ingrid = person{
		"Ingrid",
		"Solberg",
		"ingrid.solberg@example.com",
		"+44 20 7946 0122",
		address{"5 Mare Street", "", "London", "", "E8 4RP", "United Kingdom"},
	}
)

func upgraded(c calendar) Persona {
	a := newAccount(c, 1001, "Una Okafor", "GBP")
	a.billTo(una)
	a.soldTo(una)
	a.defaultMethod(a.card("creditcard", "CreditCard", "Visa", "7731", 26))
	a.subscribe(amended(-8, 12, 3),
		removed("UK Basic", digital, -2, flatFee("Monthly", month, "9.50")),
		add("Crossword add-on", digital, flatFee("Crossword", month, "3.00")),
		changed("UK Monthly", digital, flatFee("Monthly", month, "17.50")).since(-2))
	return Persona{Name: "upgraded", Issuer: Direct,
		Story:    "Changed to a larger plan two months ago and kept an add-on, which Zuora lists before the new plan.",
		Claims:   naming(claims("direct|una", una), a.id),
		Accounts: []Account{a.build()}}
}

func scheduled(c calendar) Persona {
	a := newAccount(c, 1101, "Felix Nagy", "EUR")
	a.billTo(felix)
	a.soldTo(felix)
	a.defaultMethod(a.card("creditcard", "CreditCard", "MasterCard", "2204", 17))
	a.subscribe(amended(-10, 12, 2),
		removed("Digital Basic", digital, 1, flatFee("Monthly", month, "8.00")),
		add("Digital Plus", digital, flatFee("Monthly", month, "13.00")).since(1))
	return Persona{Name: "scheduled", Issuer: Direct,
		Story:    "Has booked another plan for next month: Zuora already says that the present one is removed.",
		Claims:   naming(claims("direct|felix", felix), a.id),
		Accounts: []Account{a.build()}}
}

func credited(c calendar) Persona {
	a := newAccount(c, 1201, "Chloe Fraser", "GBP")
	a.billTo(chloe)
	a.soldTo(chloe)
	a.defaultMethod(a.card("creditcard", "CreditCard", "Visa", "9018", 33))
	a.subscribe(amended(-9, 12, 4),
		add("UK Monthly", digital, flatFee("Monthly", month, "17.50")),
		add("Holiday credit", discounts, oneTime("Holiday", "-3.23")).since(-3),
		add("Delivery credit", discounts, usage("Delivery", "-9")),
		add("Student discount", discounts, flatFee("Student", month, "-4.34")),
		add("Spring offer", discounts, percentOff("25 % off", "25").forPeriods(3)))
	return Persona{Name: "credited", Issuer: Direct,
		Story:    "Has credits and a lasting negative fee beside the plan: none of them is a plan, and none is free.",
		Claims:   naming(claims("direct|chloe", chloe), a.id),
		Accounts: []Account{a.build()}}
}

func bank(c calendar) Persona {
	a := newAccount(c, 1301, "Dylan Price", "GBP")
	a.billTo(dylan)
	a.soldTo(dylan)
	a.defaultMethod(a.bankTransfer("Bacs", "Example Bank", "6789"))
	a.subscribe(termed(-4, 12), add("UK Monthly", digital, flatFee("Monthly", month, "17.50")))
	return Persona{Name: "bank", Issuer: Direct,
		Story:    "Pays by direct debit.",
		Claims:   naming(claims("direct|dylan", dylan), a.id),
		Accounts: []Account{a.build()}}
}

func unknownPlan(c calendar) Persona {
	a := newAccount(c, 1401, "Lucia Ferrer", "EUR")
	a.billTo(lucia)
	a.soldTo(lucia)
	a.defaultMethod(a.card("creditcard", "CreditCard", "Visa", "5530", 12))
	a.subscribe(termed(-6, 12), add("Puzzle Club", archive, flatFee("Monthly", month, "6.00")))
	a.subscribe(termed(-6, 12), add("Digital Monthly", digital, flatFee("Monthly", month, "14.00")))
	return Persona{Name: "unpublished", Issuer: Direct,
		Story:    "Has a plan that the merchant never published in Limio, beside one that is published.",
		Claims:   naming(claims("direct|lucia", lucia), a.id),
		Accounts: []Account{a.build()}}
}

func twoOffers(c calendar) Persona {
	a := newAccount(c, 1501, "Marek Zielinski", "EUR")
	a.billTo(marek)
	a.soldTo(marek)
	a.defaultMethod(a.card("creditcard", "CreditCard", "MasterCard", "6612", 22))
	a.subscribe(termed(-3, 12), add("Europe Monthly", digital, flatFee("Monthly", month, "10.00")))
	return Persona{Name: "twooffers", Issuer: Direct,
		Story:    "Has a plan for which the catalogue has two offers that are equally good.",
		Claims:   naming(claims("direct|marek", marek), a.id),
		Accounts: []Account{a.build()}}
}

func annualPrices(c calendar) Persona {
	a := newAccount(c, 1601, "Ingrid Solberg", "GBP")
	a.billTo(ingrid)
	a.soldTo(ingrid)
	a.defaultMethod(a.card("creditcard", "CreditCard", "Visa", "3377", 29))
	a.subscribe(termed(-1, 12), add("UK Annual", digital, monthlyPrice("Annual", "10.00")))
	a.subscribe(termed(-2, 12), add("UK Thirds", digital, annualPrice("Every four months", 4, "100.00")))
	return Persona{Name: "annualprice", Issuer: Direct,
		Story:    "Pays by the year what is listed by the month, and every four months what is listed by the year.",
		Claims:   naming(claims("direct|ingrid", ingrid), a.id),
		Accounts: []Account{a.build()}}
}
