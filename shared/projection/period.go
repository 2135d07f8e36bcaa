package projection

import (
	"time"

	"hotsync/shared/billing"
)

// period is a billing period, in months or in weeks: the two have no exact
// factor. word is what Zuora says where it is neither, and number how many of
// it: ten days are not twenty.
type period struct {
	months, weeks int
	word          string
	number        int
}

var monthsOf = map[string]int{
	"month":          1,
	"quarter":        3,
	"semiannual":     6,
	"annual":         12,
	"eighteenmonths": 18,
	"twoyears":       24,
	"threeyears":     36,
	"fiveyears":      60,
}

// periodOf is the billing period of a charge.
func periodOf(c billing.Charge) period {
	word := plain(c.BillingPeriod)
	switch {
	case monthsOf[word] > 0:
		return period{months: monthsOf[word]}
	case word == "week":
		return period{weeks: 1}
	case word == "specificmonths" && 0 < c.SpecificBillingPeriod && c.SpecificBillingPeriod <= 1200:
		return period{months: c.SpecificBillingPeriod}
	case word == "specificweeks" && 0 < c.SpecificBillingPeriod && c.SpecificBillingPeriod <= 5200:
		return period{weeks: c.SpecificBillingPeriod}
	default:
		return period{word: word, number: c.SpecificBillingPeriod}
	}
}

// isKnown reports whether the period has a length.
func (pe period) isKnown() bool { return pe.months > 0 || pe.weeks > 0 }

// after is the day n periods after another, which may be before it.
func (pe period) after(day string, n int) string {
	if pe.weeks > 0 {
		return addDays(day, 7*n*pe.weeks)
	}
	return addMonths(day, n*pe.months)
}

// listFactor says by what a list price becomes that of a billing period: times,
// divided by per. ok is false when nothing exact can be said.
func listFactor(c billing.Charge) (times, per int, ok bool) {
	base, in := plain(c.ListPriceBase), periodOf(c)
	per = map[string]int{"permonth": 1, "peryear": 12, "perspecificmonths": c.SpecificListPriceBase}[base]
	switch {
	case base == "" || base == "perbillingperiod" || !is(c.Type, "recurring"):
		return 1, 1, true
	case base == "perweek" && in.weeks > 0:
		return in.weeks, 1, true
	case per > 0 && per <= 1200 && in.months > 0:
		return in.months, per, true
	default:
		return 0, 0, false
	}
}

// addMonths is the same day n months on, or the last of a shorter month; "" for
// what is no date.
func addMonths(day string, n int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1).Format(time.DateOnly)
}

func addDays(day string, n int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	return t.AddDate(0, 0, n).Format(time.DateOnly)
}
