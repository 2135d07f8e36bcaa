package projection_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// The tables in this file are what recorded Zuora accounts show, row by row:
// which plan is in force, what is paid, what comes next. All values are invented.

const factsDay = "2026-11-25"

// seg is a price from one day until before another.
func seg(from, until, price string) billing.Segment {
	out := billing.Segment{From: from, Until: until}
	if price != "" {
		out.Price = decimal.NewNullDecimal(decimal.RequireFromString(price))
	}
	return out
}

// through says until when a segment is billed.
func through(day string, s billing.Segment) billing.Segment {
	s.ChargedThrough = day
	return s
}

// of is a monthly flat fee with those segments.
func of(segments ...billing.Segment) billing.Charge {
	return billing.Charge{Type: "Recurring", Model: "FlatFee", BillingPeriod: "Month", Segments: segments}
}

func charge(c billing.Charge, change func(c *billing.Charge)) billing.Charge {
	change(&c)
	return c
}

// rp is a rate plan; the charges get numbers.
func rp(name, change string, charges ...billing.Charge) billing.RatePlan {
	out := billing.RatePlan{Name: name, Number: "SRP-" + name, ProductName: "Digital", ProductSKU: "SKU-1",
		LastChangeType: change}
	for i, c := range charges {
		c.Number = fmt.Sprintf("C-%s-%d", name, i)
		out.Charges = append(out.Charges, c)
	}
	return out
}

// sub is a subscription of a year that renews itself.
func sub(plans ...billing.RatePlan) billing.Subscription {
	return billing.Subscription{Number: "A-S1", Status: "Active", TermType: "TERMED", Start: "2026-01-01",
		TermStart: "2026-01-01",
		TermEnd:   "2027-01-01", End: "2027-01-01", AutoRenew: true, RatePlans: plans}
}

func changed(s billing.Subscription, change func(s *billing.Subscription)) billing.Subscription {
	change(&s)
	return s
}

func projected(today string, s billing.Subscription, change ...func(*billing.Account)) projection.Result {
	a := billing.Account{ID: "8a12", Currency: "GBP", Subscriptions: []billing.Subscription{s}}
	for _, c := range change {
		c(&a)
	}
	return projection.Project(a, hotsync.Identity{}, projection.Options{Today: today, Tenant: "acme"})
}

// shown is a result in words: the subscription's price, then each offer with what
// the pages make of it.
func shown(r projection.Result) []string {
	out := []string{}
	for _, o := range r.Objects {
		switch o.Kind {
		case projection.Subscription:
			out = append(out, fmt.Sprintf("%s %v", o.Status, o.Data["price"].(map[string]any)["amount"]))
		case projection.SubscriptionOffer:
			out = append(out, offerLine(r.Today, o))
		}
	}
	return out
}

func offerLine(today string, o projection.Object) string {
	price := o.Data["price"].(map[string]any)
	line := fmt.Sprintf("%s %v", o.Name, price["amount"])
	if price["percentage"] != nil {
		line = fmt.Sprintf("%s %v%%", o.Name, price["percentage"])
	}
	if o.Data["record_subtype"] != "base" {
		line += fmt.Sprintf(" %v", o.Data["record_subtype"])
	}
	start, _ := o.Data["start"].(string)
	end, _ := o.Data["end"].(string)
	switch {
	case start == "":
		line += " undated"
	case end != "" && end <= today:
		line += " over"
	case start > today:
		line += " scheduled"
	}
	if end != "" {
		line += " until " + end
	}
	return line
}

// TestFactsInForce is which plan is in force: dates, not words (rows 1 to 12),
// and what the status of the subscription changes (13 to 18).
func TestFactsInForce(t *testing.T) {
	t.Parallel()

	upgrade := sub(rp("A", "Remove", of(seg("2026-01-23", "2026-12-23", "10"))),
		rp("B", "Add", of(seg("2026-12-23", "2027-05-23", "12"))))
	leaving := sub(rp("Base", "Add", of(seg("2026-01-01", "", "20"))),
		rp("Extra", "Remove", of(seg("2026-01-01", "2026-12-31", "5"))))
	segments := sub(rp("A", "Add", of(seg("2026-01-01", "2026-12-15", "10"), seg("2026-12-15", "2027-01-01", "12"))))
	withTerm := func(c *billing.Charge) { c.EndDateCondition = "Subscription_End" }
	termed := sub(rp("A", "Add", charge(of(seg("2026-01-01", "2027-01-01", "10")), withTerm)))
	base := rp("Base", "Add", of(seg("2026-01-01", "", "20")))
	pending := charge(of(billing.Segment{Price: decimal.NewNullDecimal(decimal.NewFromInt(7))}), func(*billing.Charge) {})
	cancelled := func(end string, s billing.Subscription) billing.Subscription {
		return changed(s, func(s *billing.Subscription) { s.Status, s.TermEnd, s.End = "Cancelled", end, end })
	}
	for _, tc := range []struct {
		name  string
		today string
		in    billing.Subscription
		want  []string
	}{
		{"1 an upgrade that is booked", factsDay, upgrade,
			[]string{"active 10", "A 10 until 2026-12-23", "B 12 scheduled until 2027-05-23"}},
		{"1 on its day", "2026-12-23", upgrade, []string{"active 12", "B 12 until 2027-05-23"}},
		{"2 an add-on that leaves", factsDay, leaving, []string{"active 25", "Base 20", "Extra 5 until 2026-12-31"}},
		{"2 on its day", "2026-12-31", leaving, []string{"active 20", "Base 20"}},
		{"3 removed", factsDay, sub(base, rp("Old", "Remove", of(seg("2026-01-01", "2026-06-01", "5")))),
			[]string{"active 20", "Base 20"}},
		{"4 taken back before it began", factsDay, sub(base, rp("Never", "Remove", of(seg(factsDay, factsDay, "5")))),
			[]string{"active 20", "Base 20"}},
		{"5 ends today", factsDay, sub(base, rp("Old", "Remove", of(seg("2026-01-01", factsDay, "5")))),
			[]string{"active 20", "Base 20"}},
		{"6 no word", factsDay, sub(rp("A", "", of(seg("2026-01-01", "", "10")))), []string{"active 10", "A 10"}},
		{"6 an unknown word", factsDay, sub(rp("A", "Shuffled", of(seg("2026-01-01", "", "10")))),
			[]string{"active 10", "A 10"}},
		{"7 no charges", factsDay, sub(base, rp("Bare", "Add")), []string{"active 20", "Bare <nil> undated", "Base 20"}},
		{"8 segments", factsDay, segments, []string{"active 10", "A 10"}},
		{"8 later", "2026-12-15", segments, []string{"active 12", "A 12"}},
		{"9 ends with a term that is renewed", factsDay, termed, []string{"active 10", "A 10"}},
		{"10 with one that is not", factsDay, changed(termed, func(s *billing.Subscription) { s.AutoRenew = false }),
			[]string{"active 10", "A 10 until 2027-01-01"}},
		{"10 removed to that day", factsDay,
			sub(rp("A", "Remove", charge(of(seg("2026-01-01", "2027-01-01", "10")), withTerm))),
			[]string{"active 10", "A 10 until 2027-01-01"}},
		{"10 cancelled to that day", factsDay, cancelled("2027-01-01", termed),
			[]string{"cancelled 10", "A 10 until 2027-01-01"}},
		{"10 an end of its own", factsDay,
			sub(rp("A", "Add", charge(of(seg("2026-01-01", "2027-01-01", "10")), func(c *billing.Charge) {
				c.EndDateCondition = "Specific_End_Date"
			}))), []string{"active 10", "A 10 until 2027-01-01"}},
		{"11 pending", factsDay, sub(base, rp("Later", "Add", pending)), []string{"active 20", "Base 20"}},
		{"11 nothing but pending", factsDay, sub(rp("Later", "Add", pending)),
			[]string{"active <nil>", "Later <nil> undated"}},
		{"13 cancelled to a day to come", factsDay,
			cancelled("2027-03-01", sub(rp("A", "Add", of(seg("2026-01-01", "2027-03-01", "10"))))),
			[]string{"cancelled 10", "A 10 until 2027-03-01"}},
		{"13 on the day", "2027-03-01",
			cancelled("2027-03-01", sub(rp("A", "Add", of(seg("2026-01-01", "2027-03-01", "10"))))),
			[]string{"cancelled 10", "A 10 over until 2027-03-01"}},
		{"13 cancelled, and its charges do not say so", factsDay,
			cancelled("2026-12-20", sub(rp("A", "Add", of(seg("2026-01-01", "", "10"), seg("2027-01-01", "", "12"))))),
			[]string{"cancelled 10", "A 10 until 2026-12-20"}},
		{"13 to be cancelled", factsDay,
			changed(sub(base, rp("Next", "Add", of(seg("2027-01-01", "", "9")))),
				func(s *billing.Subscription) { s.ScheduledCancel = "2026-12-20" }),
			[]string{"active 20", "Base 20 until 2026-12-20"}},
		{"16 without a term", factsDay, changed(sub(base), func(s *billing.Subscription) {
			s.TermType, s.TermEnd, s.End, s.ScheduledCancel = "EVERGREEN", "", "", "2026-12-20"
		}),
			[]string{"active 20", "Base 20 until 2026-12-20"}},
		// Variants of the same kinds, with other values.
		{"a downgrade in a week, a discount that stays", factsDay,
			sub(rp("Premium", "Remove", of(seg("2026-01-01", "2026-12-02", "25"))),
				rp("Basic", "Add", of(seg("2026-12-02", "", "15"))), rp("Loyal", "Add", of(seg("2026-01-01", "", "-2.5")))),
			[]string{"active 22.5", "Basic 15 scheduled", "Loyal -2.5 discount", "Premium 25 until 2026-12-02"}},
		{"two upgrades in a row", factsDay, sub(rp("A", "Remove", of(seg("2026-01-01", "2026-12-01", "5"))),
			rp("B", "Remove", of(seg("2026-12-01", "2027-01-01", "7"))), rp("C", "Add", of(seg("2027-01-01", "", "9")))),
			[]string{"active 5", "A 5 until 2026-12-01", "B 7 scheduled until 2027-01-01", "C 9 scheduled"}},
		{"in between", "2026-12-15", sub(rp("A", "Remove", of(seg("2026-01-01", "2026-12-01", "5"))),
			rp("B", "Remove", of(seg("2026-12-01", "2027-01-01", "7"))), rp("C", "Add", of(seg("2027-01-01", "", "9")))),
			[]string{"active 7", "B 7 until 2027-01-01", "C 9 scheduled"}},
		{"taken away and back on one day", factsDay,
			sub(rp("A", "Remove", of(seg("2026-01-01", factsDay, "8"))), rp("A2", "Add", of(seg(factsDay, "", "8")))),
			[]string{"active 8", "A2 8"}},
		{"the update of a price next month", factsDay,
			sub(rp("A", "Update", of(seg("2026-01-01", "2026-12-25", "30"), seg("2026-12-25", "", "33")))),
			[]string{"active 30", "A 30"}},
		{"everything leaves, nothing comes", factsDay,
			sub(rp("A", "Remove", of(seg("2026-01-01", "2026-12-31", "12"))),
				rp("B", "Remove", of(seg("2026-01-01", "2026-12-31", "3")))),
			[]string{"active 15", "A 12 until 2026-12-31", "B 3 until 2026-12-31"}},
		{"17 superseded", factsDay, changed(termed, func(s *billing.Subscription) { s.Status = "Expired" }), []string{}},
		{"18 draft", factsDay, changed(termed, func(s *billing.Subscription) { s.Status = "Draft" }), []string{}},
	} {
		got := shown(projected(tc.today, tc.in))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestFactsTerm is rows 13 to 16: what stands of the term, and what an event
// says.
func TestFactsTerm(t *testing.T) {
	t.Parallel()

	plan := rp("A", "Add", of(seg("2026-01-01", "", "10")))
	evergreen := func(status, end string) billing.Subscription {
		return changed(sub(plan), func(s *billing.Subscription) {
			s.TermType, s.Status, s.TermEnd, s.End = "EVERGREEN", status, end, end
		})
	}
	for _, tc := range []struct {
		name string
		in   billing.Subscription
		want any
		code []hotsync.FindingCode
	}{
		{"13 cancelled to a day to come",
			changed(sub(plan), func(s *billing.Subscription) {
				s.Status, s.TermEnd, s.End = "Cancelled", "2027-03-01", "2027-03-01"
			}),
			"2027-03-01", []hotsync.FindingCode{hotsync.FindingServedUntil}},
		{"15 without end", evergreen("Active", ""), nil, nil},
		{"16 without end, cancelled", evergreen("Cancelled", "2026-12-31"), "2026-12-31",
			[]hotsync.FindingCode{hotsync.FindingServedUntil}},
	} {
		got := projected(factsDay, tc.in)
		if diff := cmp.Diff(tc.want, object(t, got, projection.Subscription).Data["termEndDate"]); diff != "" {
			t.Errorf("%s: termEndDate (-want +got):\n%s", tc.name, diff)
		}
		var codes []hotsync.FindingCode
		for _, f := range got.Findings {
			codes = append(codes, f.Code)
		}
		if diff := cmp.Diff(tc.code, codes); diff != "" {
			t.Errorf("%s: findings (-want +got):\n%s", tc.name, diff)
		}
	}
}

func object(t *testing.T, r projection.Result, kind projection.Kind) projection.Object {
	t.Helper()
	i := slices.IndexFunc(r.Objects, func(o projection.Object) bool { return o.Kind == kind })
	if i < 0 {
		t.Fatalf("no %s", kind)
	}
	return r.Objects[i]
}

// Row 12: a tenant that begins to send the numbers of rate plans has the same
// plans as before.
func TestFactsNumbers(t *testing.T) {
	t.Parallel()

	plan := rp("A", "Add", of(seg("2026-01-01", "", "10")))
	without := plan
	without.Number = ""
	before := object(t, projected(factsDay, sub(without)), projection.SubscriptionOffer)
	after := object(t, projected(factsDay, sub(plan)), projection.SubscriptionOffer)
	if !slices.Contains(after.Aliases, before.Key) {
		t.Errorf("the plan was %q and is %q, known as %q too", before.Key, after.Key, after.Aliases)
	}
}

// TestFactsMoney is rows 19 to 36.
func TestFactsMoney(t *testing.T) {
	t.Parallel()

	priced := func(price, period, base string, change ...func(*billing.Charge)) billing.Charge {
		c := of(seg("2026-01-01", "", price))
		c.BillingPeriod, c.ListPriceBase = period, base
		for _, ch := range change {
			ch(&c)
		}
		return c
	}
	months := func(n int) func(*billing.Charge) { return func(c *billing.Charge) { c.SpecificBillingPeriod = n } }
	currency := func(code string) func(*billing.Charge) { return func(c *billing.Charge) { c.Currency = code } }
	typed := func(typ string, c billing.Charge) billing.Charge {
		return charge(c, func(c *billing.Charge) { c.Type = typ })
	}
	percent := charge(of(billing.Segment{From: "2026-10-01", Until: "2027-01-15",
		DiscountPercentage: decimal.NewNullDecimal(decimal.NewFromInt(25))}),
		func(c *billing.Charge) {
			c.Model, c.DiscountLevel, c.UpToPeriods = "DiscountPercentage", "subscription", 3
		})
	perUnit := func(quantity string) func(*billing.Charge) {
		return func(c *billing.Charge) {
			c.Model = "PerUnit"
			if quantity != "" {
				c.Segments[0].Quantity = decimal.NewNullDecimal(decimal.RequireFromString(quantity))
			}
		}
	}
	one := func(c billing.Charge) []billing.RatePlan { return []billing.RatePlan{rp("A", "Add", c)} }
	for _, tc := range []struct {
		name  string
		plans []billing.RatePlan
		want  []string
		notes int
	}{
		{"19 per billing period", one(priced("10", "Month", "Per_Billing_Period")), []string{"active 10", "A 10"}, 0},
		{"19 no base", one(priced("10", "Month", "")), []string{"active 10", "A 10"}, 0},
		{"20 per month, billed a year", one(priced("10", "Annual", "Per_Month")), []string{"active 120", "A 120"}, 0},
		{"20 in the words of Object Query", one(priced("10", "Annual", "Per Month")), []string{"active 120", "A 120"}, 0},
		{"21 per month beside per period",
			[]billing.RatePlan{rp("A", "Add", priced("10", "Quarter", "Per_Month"),
				priced("5", "Quarter", "Per_Billing_Period"))},
			[]string{"active 35", "A 35"}, 0},
		{"22 per year, every four months", one(priced("100", "Specific_Months", "Per_Year", months(4))),
			[]string{"active 33.33", "A 33.33"}, 0},
		{"24 per six months",
			one(priced("60", "Month", "Per_Specific_Months", func(c *billing.Charge) { c.SpecificListPriceBase = 6 })),
			[]string{"active 10", "A 10"}, 0},
		{"25 per week, billed a month", one(priced("3", "Month", "Per_Week")), []string{"active <nil>", "A <nil>"}, 1},
		{"per week, billed every six", one(priced("3", "Specific_Weeks", "Per_Week", months(6))),
			[]string{"active 18", "A 18"}, 0},
		{"26 two and six months", []billing.RatePlan{rp("A", "Add", priced("10", "Specific_Months", "", months(2))),
			rp("B", "Add", priced("5", "Specific_Months", "", months(6)))}, []string{"active 10", "A 10", "B 5"}, 1},
		{"ten and twenty days", []billing.RatePlan{rp("A", "Add", priced("10", "Specific_Days", "", months(10))),
			rp("B", "Add", priced("5", "Specific_Days", "", months(20)))}, []string{"active 10", "A 10", "B 5"}, 1},
		{"three months are a quarter",
			[]billing.RatePlan{rp("A", "Add", priced("10", "Specific_Months", "", months(3)), priced("5", "Quarter", ""))},
			[]string{"active 15", "A 15"}, 0},
		{"27 month and year", []billing.RatePlan{rp("A", "Add", priced("60", "Month", "")),
			rp("B", "Add", priced("10", "Annual", ""))},
			[]string{"active 60", "A 60", "B 10"}, 1},
		{"28 a credit of one day, over", []billing.RatePlan{rp("A", "Add", priced("20", "Month", "")),
			rp("Credit", "Add", typed("OneTime", of(seg("2024-01-06", "2024-01-07", "-3.23"))))}, []string{"active 20", "A 20"},
			0},
		{"28 today", []billing.RatePlan{rp("A", "Add", priced("20", "Month", "")),
			rp("Credit", "Add", typed("OneTime", of(seg(factsDay, "2026-11-26", "-3.23"))))},
			[]string{"active 20", "A 20", "Credit -3.23 discount until 2026-11-26"}, 0},
		{"29 a usage fee below zero", []billing.RatePlan{rp("A", "Add", priced("20", "Month", "")),
			rp("Credit", "Add", typed("Usage", of(seg("2026-01-01", "2026-12-01", "-9"))))},
			[]string{"active 20", "A 20", "Credit -9 discount until 2026-12-01"}, 0},
		{"30 a recurring fee below zero",
			[]billing.RatePlan{rp("A", "Add", priced("20", "Month", "")), rp("Credit", "Add", priced("-4.34", "Month", ""))},
			[]string{"active 15.66", "A 20", "Credit -4.34 discount"}, 0},
		{"28 a credit that runs on",
			[]billing.RatePlan{rp("A", "Add", priced("11", "Month", "")),
				rp("Credit", "Add", typed("OneTime", of(seg("2026-11-20", "2026-12-20", "-7.4"))))},
			[]string{"active 11", "A 11", "Credit -7.4 discount until 2026-12-20"}, 0},
		{"28 a fee that is paid once beside it",
			[]billing.RatePlan{rp("A", "Add", priced("11", "Month", "")),
				rp("Setup", "Add", typed("OneTime", of(seg(factsDay, "2026-11-26", "40"))))},
			[]string{"active 11", "A 11", "Setup <nil> until 2026-11-26"}, 0},
		{"30 more given back than paid",
			[]billing.RatePlan{rp("A", "Add", priced("3", "Month", "")), rp("Credit", "Add", priced("-5", "Month", ""))},
			[]string{"active -2", "A 3", "Credit -5 discount"}, 0},
		{"30 a fee below zero in the plan itself",
			[]billing.RatePlan{rp("A", "Add", priced("20", "Month", ""), priced("-4.34", "Month", ""))},
			[]string{"active 15.66", "A 15.66"}, 0},
		{"31 one-time alone", one(typed("OneTime", of(seg("2024-01-06", "2024-01-07", "99")))), []string{"active <nil>"}, 1},
		{"31 today", one(typed("OneTime", of(seg(factsDay, "2026-11-26", "99")))),
			[]string{"active <nil>", "A <nil> until 2026-11-26"}, 0},
		{"32 usage alone", one(typed("Usage", priced("3", "Month", ""))), []string{"active <nil>", "A <nil>"}, 0},
		{"33 a percentage that ends",
			[]billing.RatePlan{rp("A", "Add", priced("20", "Month", "")), rp("Promo", "Add", percent)},
			[]string{"active 20", "A 20", "Promo 25% discount until 2027-01-15"}, 0},
		{"one of two that cannot be read",
			[]billing.RatePlan{rp("A", "Add", priced("20", "Month", ""), priced("3", "Month", "", perUnit("")))},
			[]string{"active <nil>", "A <nil>"}, 1},
		{"34 no number of units", one(priced("3", "Month", "", perUnit(""))), []string{"active <nil>", "A <nil>"}, 1},
		{"units: the price of one beside their number", one(priced("3", "Month", "", perUnit("5"))),
			[]string{"active 15", "A 3"}, 0},
		{"35 tenths", []billing.RatePlan{rp("A", "Add", priced("0.1", "Month", ""), priced("0.2", "Month", ""))},
			[]string{"active 0.3", "A 0.3"}, 0},
		{"35 yen", one(priced("1500", "Month", "", currency("JPY"))), []string{"active 1500", "A 1500"}, 0},
		{"35 dinar", one(priced("1.235", "Month", "", currency("KWD"))), []string{"active 1.235", "A 1.235"}, 0},
		{"36 nine zeros", one(priced("10.000000000", "Month", "")), []string{"active 10", "A 10"}, 0},
		{"36 nothing", one(priced("0E-9", "Month", "")), []string{"active 0", "A 0"}, 0},
	} {
		got := projected(factsDay, sub(tc.plans...))
		if diff := cmp.Diff(tc.want, shown(got)); diff != "" || len(got.Findings) != tc.notes {
			t.Errorf("%s: findings %q (-want +got):\n%s", tc.name, hotsync.Messages(got.Findings), diff)
		}
	}
}

// payments are the schedules in words.
func payments(r projection.Result) []string {
	out := []string{}
	for _, o := range r.Objects {
		if o.Kind == projection.Schedule {
			line := fmt.Sprintf("%s %v", o.Key, o.Data["amount"])
			if o.Data["amount"] != o.Data["amountWithoutTax"] {
				line += fmt.Sprintf(" of %v", o.Data["amountWithoutTax"])
			}
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

// TestFactsCharges is rows 37 to 40 and 33: what comes next, where Zuora's
// preview is not there.
func TestFactsCharges(t *testing.T) {
	t.Parallel()

	half := []string{"A-S1/2026-11-01 10.00", "A-S1/2026-12-01 10.00", "A-S1/2027-01-01 10.00"}
	arrears := charge(of(through("2026-11-01", seg("2026-01-01", "", "10"))),
		func(c *billing.Charge) { c.BillingTiming = "IN_ARREARS" })
	annual := charge(of(through("2027-01-01", seg("2026-01-01", "2027-01-01", "100"))),
		func(c *billing.Charge) { c.BillingPeriod = "Annual" })
	percent := charge(of(billing.Segment{From: "2026-10-01", Until: "2027-01-01",
		DiscountPercentage: decimal.NewNullDecimal(decimal.NewFromInt(25))}),
		func(c *billing.Charge) {
			c.Model, c.DiscountLevel, c.UpToPeriods = "DiscountPercentage", "subscription", 3
		})
	fixed := charge(of(through("2027-01-01",
		billing.Segment{From: "2026-10-01", DiscountAmount: decimal.NewNullDecimal(decimal.NewFromInt(4))})),
		func(c *billing.Charge) { c.Model, c.BillingPeriod = "DiscountFixedAmount", "Quarter" })
	noRenewal := func(s *billing.Subscription) { s.AutoRenew = false }
	noEnd := func(s *billing.Subscription) { s.TermType, s.TermEnd, s.End = "EVERGREEN", "", "" }
	// thirds is 21500 a year, billed every four months since a day and until another.
	thirds := func(until, since string) billing.Charge {
		return charge(of(through(until, seg(since, "", "21500"))), func(c *billing.Charge) {
			c.BillingPeriod, c.SpecificBillingPeriod, c.ListPriceBase = "Specific_Months", 4, "Per_Year"
		})
	}
	for _, tc := range []struct {
		name string
		in   billing.Subscription
		want []string
	}{
		{"37 billed to the first", sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "", "10"))))), half},
		{"37 by a date that Zuora adds",
			sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "2027-01-01", "10"))))), half},
		{"38 nothing billed yet", sub(rp("A", "Add", of(seg("2026-12-10", "", "10")))), []string{"A-S1/2026-12-10 10.00"}},
		{"39 billed to the end of a term that is renewed", sub(rp("A", "Add", annual)),
			[]string{"A-S1/2026-01-01 100.00", "A-S1/2027-01-01 100.00"}},
		{"39 of one that is not", changed(sub(rp("A", "Add", annual)), noRenewal), []string{"A-S1/2026-01-01 100.00"}},
		{"40 billed beyond its end", sub(rp("A", "Remove", of(through("2027-01-01", seg("2026-01-01", "2026-12-15", "10"))))),
			[]string{"A-S1/2026-11-01 10.00"}},
		{"33 a percentage until it ends",
			sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "", "20")))), rp("Promo", "Add", percent)),
			[]string{"A-S1/2026-11-01 15.00", "A-S1/2026-12-01 15.00", "A-S1/2027-01-01 20.00"}},
		{"a fixed discount of each quarter",
			sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "", "20")))), rp("Promo", "Add", fixed)),
			[]string{"A-S1/2026-11-01 20.00", "A-S1/2026-12-01 20.00", "A-S1/2027-01-01 16.00"}},
		{"the same, with a percentage that is none of its model",
			sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "", "20")))),
				rp("Promo", "Add", charge(fixed, func(c *billing.Charge) {
					s := c.Segments[0]
					s.DiscountPercentage = decimal.NewNullDecimal(decimal.NewFromInt(50))
					c.Segments = []billing.Segment{s}
				}))),
			[]string{"A-S1/2026-11-01 20.00", "A-S1/2026-12-01 20.00", "A-S1/2027-01-01 16.00"}},
		{"a new price",
			sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "2026-12-15", "10")), seg("2026-12-15", "", "12")))),
			[]string{"A-S1/2026-11-01 10.00", "A-S1/2026-12-01 10.00", "A-S1/2027-01-01 12.00"}},
		{"in arrears", sub(rp("A", "Add", arrears)),
			[]string{"A-S1/2026-11-01 10.00", "A-S1/2026-12-01 10.00", "A-S1/2027-01-01 10.00"}},
		{"suspended", changed(sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "", "10"))))),
			func(s *billing.Subscription) { s.Status = "Suspended" }),
			half[:1]},
		{"cancelled to a day", changed(sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "2026-12-20", "10"))))),
			func(s *billing.Subscription) {
				s.Status, s.TermEnd, s.End = "Cancelled", "2026-12-20", "2026-12-20"
			}), half[:2]},
		{"cancelled to today", changed(sub(rp("A", "Add", of(through(factsDay, seg("2026-01-01", factsDay, "10"))))),
			func(s *billing.Subscription) {
				s.Status, s.TermEnd, s.End = "Cancelled", factsDay, factsDay
			}), []string{}},
		{"a plan that ran out was paid",
			sub(rp("A", "Add", of(through("2026-12-15", seg("2026-01-01", "2026-11-24", "10")))),
				rp("B", "Add", of(seg("2026-12-15", "", "12")))),
			[]string{"A-S1/2026-11-15 10.00", "A-S1/2026-12-15 12.00"}},
		{"yen",
			sub(rp("A", "Add", charge(of(through("2026-12-20", seg("2026-01-01", "", "1500"))),
				func(c *billing.Charge) { c.Currency = "JPY" }))),
			[]string{"A-S1/2026-11-20 1500", "A-S1/2026-12-20 1500"}},
		{"23 a price of a year in three bills", changed(sub(rp("A", "Add", thirds("2027-01-01", "2026-05-01"))), noEnd),
			[]string{"A-S1/2026-09-01 7166.66", "A-S1/2027-01-01 7166.67", "A-S1/2027-05-01 7166.67",
				"A-S1/2027-09-01 7166.66"}},
		{"23 the first bill", changed(sub(rp("A", "Add", thirds("2026-09-01", "2025-05-01"))), noEnd),
			[]string{"A-S1/2026-05-01 7166.67", "A-S1/2027-01-01 7166.67", "A-S1/2027-05-01 7166.67",
				"A-S1/2027-09-01 7166.66"}},
		{"23 billed on another day than it began", changed(sub(rp("A", "Add", thirds("2026-12-01", "2026-05-15"))), noEnd),
			[]string{"A-S1/2026-08-01 7166.67", "A-S1/2026-12-01 7166.67", "A-S1/2027-04-01 7166.67", "A-S1/2027-08-01 7166.67",
				"A-S1/2027-12-01 7166.67"}},
		{"begun and never billed", sub(rp("A", "Add", of(seg("2026-09-10", "", "10")))),
			[]string{"A-S1/2026-11-10 10.00", "A-S1/2026-12-10 10.00"}},
		{"begun years ago and never billed",
			changed(
				sub(rp("A", "Add", charge(of(seg("2023-02-10", "", "4")), func(c *billing.Charge) { c.BillingPeriod = "Week" }))),
				func(s *billing.Subscription) { s.TermEnd = "2026-12-09" }),
			[]string{"A-S1/2026-11-20 4.00", "A-S1/2026-11-27 4.00", "A-S1/2026-12-04 4.00"}},
		{"billed for the term",
			sub(rp("A", "Add", charge(of(through("2027-01-01", seg("2026-01-01", "2027-01-01", "80"))), func(c *billing.Charge) {
				c.BillingPeriod, c.EndDateCondition = "Subscription_Term", "Subscription_End"
			}))), []string{"A-S1/2026-01-01 80.00", "A-S1/2027-01-01 80.00"}},
		{"the last of a month", changed(sub(rp("A", "Add", of(through("2026-11-30", seg("2026-01-31", "", "10"))))),
			func(s *billing.Subscription) { s.TermEnd = "2026-12-31" }),
			[]string{"A-S1/2026-10-30 10.00", "A-S1/2026-11-30 10.00", "A-S1/2026-12-30 10.00"}},
	} {
		got := projected(factsDay, tc.in, func(a *billing.Account) { a.Preview.Missing = "off" })
		if diff := cmp.Diff(tc.want, payments(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestFactsPreview is rows 41 to 46.
func TestFactsPreview(t *testing.T) {
	t.Parallel()

	item := func(number, day, amount string, change ...func(*billing.PreviewItem)) billing.PreviewItem {
		out := billing.PreviewItem{SubscriptionNumber: number, ChargeName: "Fee", ProcessingType: "Charge", ServiceStart: day,
			ServiceEnd: "2027-12-31",
			Amount:     decimal.RequireFromString(amount)}
		for _, c := range change {
			c(&out)
		}
		return out
	}
	discount := func(i *billing.PreviewItem) { i.ProcessingType = "discount" }
	tax := func(i *billing.PreviewItem) { i.Tax = decimal.RequireFromString("1.67") }
	plan := rp("A", "Add", of(seg("2026-01-01", "", "20")))
	for _, tc := range []struct {
		name  string
		items []billing.PreviewItem
		want  []string
		notes int
	}{
		{"41 past, and never billed: not the next, but the last",
			[]billing.PreviewItem{item("A-S1", "2026-10-10", "20"), item("A-S1", "2026-11-10", "21"),
				item("A-S1", "2026-12-10", "20")}, []string{"A-S1/2026-11-10 21.00", "A-S1/2026-12-10 20.00"}, 0},
		{"41 of which the newest is below zero",
			[]billing.PreviewItem{item("A-S1", "2026-10-10", "20"), item("A-S1", "2026-11-10", "-1"),
				item("A-S1", "2026-12-10", "20")}, []string{"A-S1/2026-10-10 20.00", "A-S1/2026-12-10 20.00"}, 0},
		{"41 past, and not billed, of one that was",
			[]billing.PreviewItem{item("D", "2026-11-10", "20"), item("D", "2026-12-10", "20")},
			[]string{"D/2026-10-10 20.00", "D/2026-12-10 20.00"}, 0},
		{"42 of two subscriptions, unsorted",
			[]billing.PreviewItem{item("B", "2027-01-01", "3"), item("A-S1", "2026-12-01", "1"), item("B", "2026-12-01", "2")},
			[]string{"A-S1/2026-12-01 1.00", "B/2026-12-01 2.00", "B/2027-01-01 3.00"}, 0},
		{"43 a charge and its discount",
			[]billing.PreviewItem{item("A-S1", "2026-12-01", "20"), item("A-S1", "2026-12-01", "-5", discount)},
			[]string{"A-S1/2026-12-01 15.00"}, 0},
		{"44 below zero", []billing.PreviewItem{item("A-S1", "2026-12-01", "-3"), item("A-S1", "2027-01-01", "20")},
			[]string{"A-S1/2027-01-01 17.00"}, 0},
		{"45 with tax", []billing.PreviewItem{item("A-S1", "2026-12-01", "8.33", tax)},
			[]string{"A-S1/2026-12-01 10.00 of 8.33"}, 0},
		{"46 either case",
			[]billing.PreviewItem{item("A-S1", "2026-12-01", "20",
				func(i *billing.PreviewItem) { i.ProcessingType = "charge" })},
			[]string{"A-S1/2026-12-01 20.00"}, 0},
		{"due today", []billing.PreviewItem{item("A-S1", factsDay, "20")}, []string{"A-S1/2026-11-25 20.00"}, 0},
		{"an unknown subscription", []billing.PreviewItem{item("C", "2026-12-01", "20"), item("A-S1", "2026-12-01", "1")},
			[]string{"A-S1/2026-12-01 1.00"}, 1},
		{"no day", []billing.PreviewItem{item("A-S1", "soon", "20")}, []string{}, 1},
		{"after the next term begins",
			[]billing.PreviewItem{item("A-S1", "2026-12-01", "1"), item("A-S1", "2027-01-01", "1"),
				item("A-S1", "2027-02-01", "1")},
			[]string{"A-S1/2026-12-01 1.00", "A-S1/2027-01-01 1.00"}, 0},
	} {
		got := projected(factsDay, sub(plan), func(a *billing.Account) {
			other := sub(rp("B", "Add", of(seg("2026-01-01", "", "20"))))
			other.Number = "B"
			a.Subscriptions = append(a.Subscriptions, other)
			if strings.HasPrefix(tc.name, "41 past, and not") {
				behind := sub(rp("D", "Add", of(through("2026-11-10", seg("2026-01-10", "", "20")))))
				behind.Number = "D"
				a.Subscriptions = append(a.Subscriptions, behind)
			}
			a.Preview.Items = tc.items
		})
		if diff := cmp.Diff(tc.want, payments(got)); diff != "" || len(got.Findings) != tc.notes {
			t.Errorf("%s: findings %q (-want +got):\n%s", tc.name, hotsync.Messages(got.Findings), diff)
		}
	}
}

// TestFactsTax: Zuora's preview has no tax that is added on top, which an event
// says once.
func TestFactsTax(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, country string
		tax           string
		items         int
		want          int
	}{
		{"added on top", "United States", "0", 2, 1},
		{"Canada", "CA", "0", 1, 1},
		{"in the price", "United States", "1.67", 2, 0},
		{"in Britain", "United Kingdom", "0", 2, 0},
		{"nowhere", "", "0", 2, 0},
		{"nothing to pay", "United States", "0", 0, 0},
	} {
		got := projected(factsDay, sub(rp("A", "Add", of(seg("2026-01-01", "", "10")))), func(a *billing.Account) {
			a.BillTo = &billing.Contact{ID: "c", Country: tc.country}
			for n := range tc.items {
				a.Preview.Items = append(a.Preview.Items,
					billing.PreviewItem{SubscriptionNumber: "A-S1", ServiceStart: fmt.Sprintf("2026-12-%02d", n+1),
						Amount: decimal.NewFromInt(10), Tax: decimal.RequireFromString(tc.tax)})
			}
		})
		found := 0
		for _, f := range got.Findings {
			if f.Code == hotsync.FindingScheduleTax {
				found++
			}
		}
		if found != tc.want {
			t.Errorf("%s: said %d times, want %d: %q", tc.name, found, tc.want, hotsync.Messages(got.Findings))
		}
	}
}

// Where the preview was refused the charges say what comes, and the event that
// they did.
func TestScheduleSources(t *testing.T) {
	t.Parallel()

	a := billing.Account{ID: "8a12", Currency: "GBP",
		Subscriptions: []billing.Subscription{sub(rp("A", "Add", of(through("2026-12-01", seg("2026-01-01", "", "10")))))}}
	for _, tc := range []struct {
		missing string
		source  hotsync.ScheduleSource
		want    int
		notes   int
	}{
		{"", "", 1, 0}, {"refused", "", 3, 1}, {"slow", hotsync.SchedulesPreview, 3, 1}, {"off", hotsync.SchedulesPreview, 3,
			0},
		{"", hotsync.SchedulesCharges, 3, 0}, {"refused", hotsync.SchedulesOff, 0, 0},
	} {
		a.Preview.Missing = tc.missing
		got := projection.Project(a, hotsync.Identity{},
			projection.Options{Today: factsDay, Tenant: "acme", Schedules: tc.source})
		if n := len(payments(got)); n != tc.want || len(got.Findings) != tc.notes {
			t.Errorf("preview %q, setting %q: %d payments and %d findings, want %d and %d", tc.missing, tc.source, n,
				len(got.Findings), tc.want, tc.notes)
		}
	}
}

// TestFactsMethods is rows 55 to 62 as package zuora hands them over: the words
// that Limio's pages compare with, and the last four digits.
func TestFactsMethods(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name  string
		in    billing.PaymentMethod
		typ   string
		mask  string
		last4 any
	}{
		{"55", billing.PaymentMethod{Type: "BankTransfer", Kind: "Bacs", BankTransferType: "DirectDebitUK", Mask: "****6789"},
			"BankTransfer", "BankTransferAccountNumberMask", "6789"},
		{"56", billing.PaymentMethod{Type: "BankTransfer", Kind: "SEPA", BankTransferType: "SEPA", Mask: "DE89****3000"},
			"BankTransfer", "BankTransferAccountNumberMask", "3000"},
		{"56 of a country whose banks have letters",
			billing.PaymentMethod{Type: "BankTransfer", Kind: "SEPA", BankTransferType: "SEPA", Mask: "NL91 ABNA****4300"},
			"BankTransfer", "BankTransferAccountNumberMask", "4300"},
		{"57", billing.PaymentMethod{Type: "BankTransfer", Kind: "Becs", BankTransferType: "DirectEntryAU"}, "BankTransfer",
			"", nil},
		{"58", billing.PaymentMethod{Type: "ACH", Kind: "ACH", Mask: "*****6789"}, "ACH", "AchAccountNumberMask", "6789"},
		{"59", billing.PaymentMethod{Type: "PayPal", Kind: "PayPalEC"}, "PayPal", "", nil},
		{"60", billing.PaymentMethod{Type: "PayPalCP", Kind: "PayPalCP"}, "PayPal", "", nil},
		{"61", billing.PaymentMethod{Type: "CreditCard", Kind: "CreditCard", Mask: "************4242", Brand: "Visa"},
			"CreditCard", "CreditCardMaskNumber", "4242"},
		{"61 four digits", billing.PaymentMethod{Type: "CreditCard", Kind: "CreditCard", Mask: "4242"}, "CreditCard",
			"CreditCardMaskNumber", "4242"},
		{"62", billing.PaymentMethod{Type: "CreditCardReferenceTransaction", Kind: "ApplePay", Brand: "Apple Pay Visa",
			Mask: "****1111", ExpirationYear: 2030, ExpirationMonth: 1},
			"CreditCardReferenceTransaction", "CreditCardMaskNumber", "1111"},
	} {
		tc.in.ID, tc.in.Status = "8a34", "Active"
		got := object(t, projection.Project(billing.Account{ID: "8a12", PaymentMethods: []billing.PaymentMethod{tc.in}},
			hotsync.Identity{},
			projection.Options{Today: factsDay}), projection.PaymentMethod)
		record := got.Data["zuora"].(map[string]any)["result"].(map[string]any)
		mask, _ := record[tc.mask].(string)
		if record["Type"] != tc.typ || got.Data["last4"] != tc.last4 || tc.mask != "" &&
			!strings.HasSuffix(mask, tc.last4.(string)) {
			t.Errorf("%s: Type %v, last4 %v, %s %q", tc.name, record["Type"], got.Data["last4"], tc.mask, mask)
		}
	}
}

// Every subscription is tied to every method, and the pages take the method whose tie is the newest for the one that
// pays.
func TestDefaultMethodIsTiedLast(t *testing.T) {
	t.Parallel()

	method := func(id string) billing.PaymentMethod {
		return billing.PaymentMethod{ID: id, Type: "CreditCard", Status: "Active"}
	}
	r := projected(factsDay, sub(rp("A", "Add", of(seg("2026-01-01", "", "10")))), func(a *billing.Account) {
		a.DefaultPaymentMethodID, a.PaymentMethods = "8a34", []billing.PaymentMethod{method("8a33"), method("8a34"),
			method("8a35")}
	})
	got := map[string]any{}
	for _, o := range r.Objects {
		if o.Kind == projection.PaymentMethod {
			got[o.Key] = o.Data["relationships"].([]any)[0].(map[string]any)["start"]
		}
	}
	if diff := cmp.Diff(map[string]any{"8a33": "2026-01-01", "8a34": "2026-01-02", "8a35": "2026-01-01"},
		got); diff != "" {
		t.Errorf("where the ties begin (-want +got):\n%s", diff)
	}
}
