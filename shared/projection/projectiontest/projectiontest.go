// Package projectiontest makes Zuora accounts for tests: random ones, of which
// the same seed gives the same, and random changes to them.
package projectiontest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
)

// Today is the day the accounts' dates lie around.
const Today = "2026-11-22"

var days = []string{"2025-01-01", "2026-01-01", "2026-06-01", "2026-11-22", "2026-12-01", "2027-01-01", "2027-06-01"}

// Account makes an account with up to four subscriptions, payment methods and
// three contacts. Its keys are as unique as Zuora's.
func Account(r *rand.Rand) billing.Account {
	a := billing.Account{
		ID:       id(r),
		Number:   fmt.Sprintf("A%08d", r.IntN(1e8)),
		Name:     word(r, "Name"),
		Status:   "Active",
		Currency: "GBP",
	}
	if r.IntN(3) == 0 {
		a.CRMID = pick(r, "0018d00000ABCDE", "0018d00000ABCDEAA5", "0038d00000ABCDE", "our best customer")
	}
	if r.IntN(8) > 0 {
		a.BillTo = contact(r)
	}
	if r.IntN(2) == 0 {
		a.SoldTo = contact(r)
	}
	if r.IntN(2) == 0 {
		a.ShipTo = contact(r)
	}
	for range r.IntN(4) {
		a.PaymentMethods = append(a.PaymentMethods, paymentMethod(r))
	}
	chooseDefault(r, &a)
	for range r.IntN(5) {
		a.Subscriptions = append(a.Subscriptions, subscription(r))
	}
	a.Preview = preview(r, a)
	return a
}

// preview is what Zuora would bill next, or why it does not say.
func preview(r *rand.Rand, a billing.Account) billing.Preview {
	if r.IntN(2) == 0 {
		return billing.Preview{Missing: pick(r, "off", "refused", "slow", "invalid")}
	}
	var out billing.Preview
	for _, s := range a.Subscriptions {
		for range r.IntN(4) {
			out.Items = append(
				out.Items,
				billing.PreviewItem{
					SubscriptionNumber: pick(r, s.Number, s.Number, s.Number, "A-S-UNKNOWN"),
					ChargeName:         word(r, "Charge"),
					ProcessingType:     pick(r, "Charge", "charge", "Discount"),
					ServiceStart:       pick(r, days...),
					ServiceEnd:         pick(r, days...),
					Amount:             decimal.New(r.Int64N(4000)-1000, -2),
					Tax:                decimal.New(r.Int64N(200), -2),
					Quantity:           amount(r),
				},
			)
		}
	}
	return out
}

// Catalogue is Limio's catalogue for some of the accounts' plans: offers, one of
// them twice, an add-on and a discount.
func Catalogue() *catalogue.Index {
	item := func(path, kind, plan, subtype string) catalogue.Item {
		data := map[string]any{
			"record_type": kind,
			"attributes": map[string]any{
				"display_name__limio":  "The " + plan,
				"display_price__limio": "10 a month",
				"autoRenew__limio":     true,
				"price__limio": []any{
					map[string]any{"currencyCode": "GBP", "value": "10.00", "type": "recurring"},
				},
			},
			"productBundles": []any{map[string]any{"product_path": "/products/digital", "rate_plan": plan}},
			"products": []any{map[string]any{"path": "/products/digital", "record_type": "product",
				"attributes": map[string]any{"product_code__limio": "SKU-1", "display_name__limio": "Digital"}}},
		}
		return catalogue.Item{
			Path:          path,
			ID:            fmt.Sprintf("%040x", len(path)),
			Name:          plan,
			Version:       "1",
			Type:          "item",
			RecordType:    kind,
			RecordSubtype: subtype,
			Data:          data,
		}
	}
	return catalogue.NewIndex(
		[]catalogue.Item{
			item("/offers/monthly", "offer", "Monthly", ""),
			item("/offers/annual", "offer", "Annual", ""),
			item("/offers/annual again", "offer", "Annual", ""),
			item("/add-ons/seats", "add_on", "Seats", ""),
			item("/offers/promo", "offer", "Promo", "discount"),
		},
	)
}

// Login makes somebody who signed in, or now and then nobody.
func Login(r *rand.Rand) hotsync.Identity {
	if r.IntN(5) == 0 {
		return hotsync.Identity{}
	}
	return hotsync.Identity{Issuer: "https://login.example.com", Subject: word(r, "sub")}
}

// Shuffle is the account with everything in it that Zuora lists in random order
// in another one.
func Shuffle(r *rand.Rand, a billing.Account) billing.Account {
	a.PaymentMethods = shuffled(r, a.PaymentMethods)
	a.Subscriptions = shuffled(r, a.Subscriptions)
	for i := range a.Subscriptions {
		plans := shuffled(r, a.Subscriptions[i].RatePlans)
		for j := range plans {
			charges := shuffled(r, plans[j].Charges)
			for k := range charges {
				charges[k].Segments = shuffled(r, charges[k].Segments)
			}
			plans[j].Charges = charges
		}
		a.Subscriptions[i].RatePlans = plans
	}
	return a
}

// Change is the account after one thing happened to it in Zuora.
func Change(r *rand.Rand, a billing.Account) billing.Account {
	a = Shuffle(r, a) // a copy
	switch r.IntN(10) {
	case 0:
		a.Name = word(r, "Name")
	case 1:
		a.BillTo = contact(r)
	case 2:
		a.ShipTo = nil
	case 3:
		a.CRMID = pick(r, "", "0018d00000ABCDE", "0018d00000ABCDF")
	case 4:
		a.PaymentMethods = append(a.PaymentMethods, paymentMethod(r))
		chooseDefault(r, &a)
	case 5:
		if len(a.PaymentMethods) > 0 {
			a.PaymentMethods[0].Status = pick(r, "Active", "Closed")
		}
	case 6:
		a.Subscriptions = append(a.Subscriptions, subscription(r))
	case 7:
		if len(a.Subscriptions) > 0 {
			a.Subscriptions = a.Subscriptions[1:]
		}
	default:
		if len(a.Subscriptions) > 0 {
			changeSubscription(r, &a.Subscriptions[0])
		}
	}
	return a
}

func changeSubscription(r *rand.Rand, s *billing.Subscription) {
	s.ID, s.Version = id(r), s.Version+1
	s.Status = status(r)
	s.AutoRenew = !s.AutoRenew
	if len(s.RatePlans) > 0 {
		s.RatePlans[0].LastChangeType = pick(r, "Update", "Remove")
	}
	s.RatePlans = append(s.RatePlans, ratePlan(r))
}

func chooseDefault(r *rand.Rand, a *billing.Account) {
	a.DefaultPaymentMethodID = ""
	if len(a.PaymentMethods) > 0 {
		a.DefaultPaymentMethodID = a.PaymentMethods[r.IntN(len(a.PaymentMethods))].ID
	}
	if r.IntN(8) == 0 {
		a.DefaultPaymentMethodID = id(r)
	}
}

func contact(r *rand.Rand) *billing.Contact {
	return &billing.Contact{
		ID:         id(r),
		FirstName:  word(r, "First"),
		LastName:   word(r, "Last"),
		WorkEmail:  pick(r, "", word(r, "work")+"@example.com"),
		HomeEmail:  word(r, "home") + "@example.org",
		Address1:   word(r, "Street"),
		City:       word(r, "City"),
		PostalCode: word(r, "Post"),
		Country:    pick(r, "United Kingdom", "DE", "", "Atlantis"),
	}
}

func paymentMethod(r *rand.Rand) billing.PaymentMethod {
	m := billing.PaymentMethod{
		ID:     id(r),
		Kind:   pick(r, "CreditCard", "ACH", "PayPalEC", "SEPA"),
		Status: pick(r, "Active", "Active", "Closed"),
		Mask:   fmt.Sprintf("************%04d", r.IntN(10000)),
	}
	m.Type = m.Kind
	switch m.Kind {
	case "PayPalEC":
		m.Type = "PayPal"
	case "SEPA":
		m.Type, m.BankTransferType = "BankTransfer", "SEPA"
	case "CreditCard":
		m.Brand, m.ExpirationMonth, m.ExpirationYear = pick(r, "Visa", "MasterCard"), 1+r.IntN(12), 2027+r.IntN(9)
	}
	return m
}

func status(r *rand.Rand) string {
	return pick(
		r,
		"Active",
		"Active",
		"Active",
		"Cancelled",
		"Suspended",
		"Pending Activation",
		"PendingAcceptance",
		"Draft",
		"Expired",
		"Dormant",
	)
}

func subscription(r *rand.Rand) billing.Subscription {
	s := billing.Subscription{
		ID:        id(r),
		Number:    fmt.Sprintf("A-S%08d", r.IntN(1e8)),
		Version:   1,
		Status:    status(r),
		TermType:  pick(r, "TERMED", "EVERGREEN"),
		Start:     pick(r, days...),
		Currency:  pick(r, "", "GBP", "EUR"),
		AutoRenew: r.IntN(2) == 0,
	}
	s.ContractEffective, s.TermStart = s.Start, s.Start
	if s.TermType == "TERMED" {
		s.TermEnd, s.End = "2027-06-01", "2027-06-01"
	}
	for range r.IntN(4) {
		s.RatePlans = append(s.RatePlans, ratePlan(r))
	}
	return s
}

func ratePlan(r *rand.Rand) billing.RatePlan {
	p := billing.RatePlan{
		ID:             id(r),
		Name:           pick(r, word(r, "Plan"), "Monthly", "Annual", "Seats", "Promo"),
		ProductName:    "Digital",
		ProductSKU:     "SKU-1",
		LastChangeType: pick(r, "Add", "Add", "Update", "Remove"),
	}
	if r.IntN(2) == 0 {
		p.Number = fmt.Sprintf("SRP-%08d", r.IntN(1e8))
	}
	for range r.IntN(4) {
		p.Charges = append(p.Charges, charge(r))
	}
	return p
}

func charge(r *rand.Rand) billing.Charge {
	c := billing.Charge{
		Number: fmt.Sprintf("C-%08d", r.IntN(1e8)),
		Name:   "Charge",
		Type:   pick(r, "Recurring", "Recurring", "OneTime", "Usage"),
		Model: pick(
			r,
			"FlatFee",
			"PerUnit",
			"Tiered",
			"Volume",
			"DiscountFixedAmount",
			"DiscountPercentage",
			"MultiAttributePricing",
		),
		BillingPeriod:         pick(r, "Month", "Month", "Annual", "Specific_Months", "Week", ""),
		SpecificBillingPeriod: r.IntN(6),
		ListPriceBase:         pick(r, "", "", "Per_Billing_Period", "Per_Month", "Per_Year", "Per_Week"),
		EndDateCondition:      pick(r, "", "Subscription_End", "Fixed_Period"),
		BillingTiming:         pick(r, "IN_ADVANCE", "IN_ADVANCE", "IN_ARREARS"),
	}
	first := r.IntN(len(days) - 2)
	for i := first; i < first+1+r.IntN(2); i++ {
		seg := billing.Segment{
			From:           days[i],
			Until:          pick(r, days[i+1], days[i+1], ""),
			Quantity:       amount(r),
			ChargedThrough: pick(r, append(days, "", "")...),
		}
		switch c.Model {
		case "FlatFee", "PerUnit":
			seg.Price = amount(r)
			if r.IntN(8) == 0 {
				seg.Price.Decimal = seg.Price.Decimal.Neg()
			}
		case "Tiered", "Volume":
			seg.Tiers = []billing.Tier{
				{EndingUnit: decimal.NewNullDecimal(decimal.NewFromInt(10)), Price: amount(r).Decimal},
				{StartingUnit: decimal.NewFromInt(11), Price: amount(r).Decimal, FlatFee: r.IntN(2) == 0},
			}
		case "DiscountFixedAmount":
			seg.DiscountAmount = amount(r)
		case "DiscountPercentage":
			seg.DiscountPercentage = amount(r)
		}
		c.Segments = append(c.Segments, seg)
	}
	return c
}

func amount(r *rand.Rand) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.New(r.Int64N(3000), -2))
}

func id(r *rand.Rand) string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }

func word(r *rand.Rand, prefix string) string { return fmt.Sprintf("%s-%08x", prefix, r.Uint32()) }

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func shuffled[T any](r *rand.Rand, list []T) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}
