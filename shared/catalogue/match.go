package catalogue

import (
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// Facts are what is known of a rate plan of a subscription. What is not known is
// left empty, and then decides nothing.
type Facts struct {
	Path              string // what the merchant's own table says; goes before all else
	RatePlanName      string
	ProductSKU        string
	ProductID         string // Zuora's id of the product
	ProductRatePlanID string // for the merchant's table, which the caller reads
	Currency          string
	AutoRenew         bool
	UnitPrice         decimal.NullDecimal // of one unit and billing period
	TermMonths        int                 // 0 when unknown or without end
	Discount          bool                // the plan is a discount or a credit
}

// Standing says how sure a match is.
type Standing string

// The standings.
const (
	Matched   Standing = "matched"
	Ambiguous Standing = "ambiguous" // several are as good: the first by path was taken
	Unmatched Standing = "unmatched" // nothing in the catalogue is this rate plan
)

// Match is what the catalogue has for a rate plan.
type Match struct {
	Standing Standing
	Item     Item // empty when nothing matched
	// paths: of an ambiguous match all that are as good; of none, those of the same rate plan name and another product
	Candidates []string
	// Unpublished says that the merchant's table names a path that is not in the
	// catalogue; the match is then the one without the table.
	Unpublished bool
	// The customer pays in a currency, or a price, that the item does not have.
	OtherCurrency, OtherPrice bool
}

// Match finds the item of a rate plan. Name of the rate plan and product have to
// agree. What is left is narrowed, one question after the other: currency,
// discount or none, standard before gift and trial, renewal, price of one unit,
// length of the term. A question that nothing would be left of is passed over:
// merchants keep promotional prices in Limio, and customers keep old ones.
func (x *Index) Match(f Facts) Match {
	out := Match{Standing: Unmatched}
	if f.Path != "" {
		e := x.byPath[f.Path]
		if e != nil {
			return x.matched(f, []*entry{e})
		}
		out.Unpublished = true
	}
	named := x.byPlan[strings.TrimSpace(f.RatePlanName)]
	left := ofProduct(named, f)
	if len(left) == 0 {
		out.Candidates = paths(named)
		return out
	}
	for _, asks := range []func(*entry) bool{
		func(e *entry) bool { return e.item.IsDiscount() == f.Discount },
		func(e *entry) bool { return e.hasCurrency(f.Currency) },
		func(e *entry) bool { return e.standard },
		func(e *entry) bool { return e.autoRenew == nil || *e.autoRenew == f.AutoRenew },
		func(e *entry) bool { return e.hasPrice(f) },
		func(e *entry) bool { return e.months == 0 || f.TermMonths == 0 || e.months == f.TermMonths },
		func(e *entry) bool { return e.months == f.TermMonths },
	} {
		left = narrowed(left, asks)
	}
	m := x.matched(f, left)
	m.Unpublished = out.Unpublished
	return m
}

// matched is the match of what is left.
func (x *Index) matched(f Facts, left []*entry) Match {
	first := left[0]
	m := Match{Standing: Matched, Item: x.whole(first), OtherCurrency: !first.hasCurrency(f.Currency)}
	m.OtherPrice = !m.OtherCurrency && !first.hasPrice(f)
	if len(left) > 1 {
		m.Standing, m.Candidates = Ambiguous, paths(left)
	}
	return m
}

// ofProduct are the entries of the rate plan's product: those whose product is
// the same, else those whose product the catalogue does not say.
func ofProduct(entries []*entry, f Facts) []*entry {
	var same, unknown []*entry
	for _, e := range entries {
		switch e.productIs(f) {
		case isSame:
			same = append(same, e)
		case isUnknown:
			unknown = append(unknown, e)
		}
	}
	if len(same) > 0 {
		return same
	}
	return unknown
}

type agreement int

const (
	isUnknown agreement = iota
	isOther
	isSame
)

// productIs compares the product of the bundle that has the rate plan.
func (e *entry) productIs(f Facts) agreement {
	out := isOther
	for _, b := range e.bundles {
		if b.plan != strings.TrimSpace(f.RatePlanName) {
			continue
		}
		found := isUnknown
		i := slices.IndexFunc(e.products, func(p product) bool { return p.path == b.product })
		if i < 0 && len(e.products) == 1 && b.product == "" {
			i = 0
		}
		if i >= 0 {
			found = e.products[i].is(f)
		}
		if found == isSame {
			return isSame
		}
		if found == isUnknown {
			out = isUnknown
		}
	}
	return out
}

// is compares by code, which is the SKU, else by the id it was synced from.
func (p product) is(f Facts) agreement {
	for _, ids := range [][2]string{{p.code, f.ProductSKU}, {p.syncedFrom, f.ProductID}} {
		switch {
		case ids[0] == "" || ids[1] == "":
		case ids[0] == ids[1]:
			return isSame
		default:
			return isOther
		}
	}
	return isUnknown
}

// hasCurrency reports whether the item can be paid in a currency; one without
// prices can be paid in any.
func (e *entry) hasCurrency(currency string) bool {
	return currency == "" || len(e.prices) == 0 || slices.ContainsFunc(e.prices, func(p price) bool {
		return p.currency == "" || strings.EqualFold(p.currency, currency)
	})
}

// hasPrice reports whether a recurring price is the one that is paid, or is
// whatever Zuora says.
func (e *entry) hasPrice(f Facts) bool {
	return !f.UnitPrice.Valid || len(e.prices) == 0 || slices.ContainsFunc(e.prices, func(p price) bool {
		same := f.Currency == "" || p.currency == "" || strings.EqualFold(p.currency, f.Currency)
		return same && (p.external || p.recurring && p.value.Valid && p.value.Decimal.Equal(f.UnitPrice.Decimal))
	})
}

// narrowed are those that the question holds for, or all when it holds for none.
func narrowed(entries []*entry, asks func(*entry) bool) []*entry {
	var out []*entry
	for _, e := range entries {
		if asks(e) {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return entries
	}
	return out
}

func paths(entries []*entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.item.Path)
	}
	return out
}
