package projection

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"hotsync/shared/billing"
)

// canonical is a copy of the account in which everything that Zuora lists in
// random order has one order, and every key occurs once. The original, which
// belongs to the caller, stays as it is.
func canonical(a billing.Account) billing.Account {
	a.PaymentMethods = slices.SortedFunc(slices.Values(a.PaymentMethods), func(x, y billing.PaymentMethod) int {
		return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Status, y.Status), cmp.Compare(x.Type, y.Type))
	})
	a.PaymentMethods = slices.CompactFunc(
		a.PaymentMethods,
		func(x, y billing.PaymentMethod) bool { return x.ID == y.ID },
	)

	// Of one number the latest version counts; Expired marks a superseded one.
	a.Subscriptions = slices.SortedFunc(slices.Values(a.Subscriptions), func(x, y billing.Subscription) int {
		return cmp.Or(cmp.Compare(x.Number, y.Number), compareBool(is(x.Status, "expired"), is(y.Status, "expired")),
			cmp.Compare(y.Version, x.Version), cmp.Compare(x.ID, y.ID))
	})
	a.Subscriptions = slices.CompactFunc(
		a.Subscriptions,
		func(x, y billing.Subscription) bool { return x.Number == y.Number },
	)
	for i, s := range a.Subscriptions {
		a.Subscriptions[i].RatePlans = canonicalPlans(s)
	}
	return a
}

func canonicalPlans(s billing.Subscription) []billing.RatePlan {
	plans := slices.Clone(s.RatePlans)
	for i, plan := range plans {
		charges := slices.SortedFunc(slices.Values(plan.Charges), func(x, y billing.Charge) int {
			return cmp.Or(cmp.Compare(x.Number, y.Number), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Model, y.Model))
		})
		for j, c := range charges {
			charges[j].Segments = slices.SortedFunc(slices.Values(c.Segments), func(x, y billing.Segment) int {
				return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.Until, y.Until))
			})
		}
		runOn(s, plan, charges)
		endWith(s, charges)
		plans[i].Charges = charges
	}
	slices.SortFunc(plans, func(x, y billing.RatePlan) int {
		return cmp.Or(cmp.Compare(planKey(x), planKey(y)), cmp.Compare(x.ID, y.ID))
	})
	return plans
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	default:
		return 1
	}
}

// is compares one of Zuora's words regardless of case, blanks and underscores:
// v1 says "Pending Activation", ZOQL "PendingActivation". want is plain.
func is(word, want string) bool {
	rest, ok := after(word, want)
	return ok && plain(rest) == ""
}

// begins compares only as much of a word as want is long.
func begins(word, want string) bool {
	_, ok := after(word, want)
	return ok
}

// after returns what follows want in a word that begins with it. It makes no copy: a
// charge's words are compared once for each payment to come.
func after(word, want string) (rest string, ok bool) {
	for i, r := range word {
		if want == "" {
			return word[i:], true
		}
		if isBetween(r) {
			continue
		}
		next, size := utf8.DecodeRuneInString(want)
		if unicode.ToLower(r) != next {
			return "", false
		}
		want = want[size:]
	}
	return "", want == ""
}

// isBetween reports whether a rune only parts the words of a word.
func isBetween(r rune) bool { return r == ' ' || r == '_' || r == '-' }

func plain(word string) string {
	return strings.Map(func(r rune) rune {
		if isBetween(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, word)
}
