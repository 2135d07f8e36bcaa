package convergence

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"hotsync/shared/projection"
)

// Limio makes objects itself: when it sells a subscription, and when it syncs
// one. They have no key of hotsync's, and what they say of the catalogue is what
// the customer has agreed to. A second offer, address or method beside them
// would be a second plan on the customer's page.

// findOwn finds the object of Limio's own that stands for what is wanted.
func (d *differ) findOwn(w projection.Object, taken map[string]bool) (projection.Object, bool) {
	var candidates []projection.Object
	for _, o := range d.have {
		if o.Kind == w.Kind && o.Key == "" && !taken[o.ID] && o.Related == d.ids[w.Related] && o.Related != "" {
			candidates = append(candidates, o)
		}
	}
	switch w.Kind {
	case projection.Schedule:
		return first(candidates, func(o projection.Object) bool {
			return dayOf(o) == dayOf(w) && !sameStatus("cancelled", o.Status)
		})
	case projection.SubscriptionOffer, projection.SubscriptionAddOn:
		return d.findPlan(w, candidates)
	default:
		return projection.Object{}, false
	}
}

// findPlan finds an offer or add-on: the same item of the catalogue, else the
// same rate plan of the same product, else, where only one is called so on both
// sides, the same name. Of several the one that began the same day comes first.
func (d *differ) findPlan(w projection.Object, candidates []projection.Object) (projection.Object, bool) {
	slices.SortFunc(candidates, func(a, b projection.Object) int {
		other := func(o projection.Object) int {
			if equal(w.Data["start"], o.Data["start"]) {
				return 0
			}
			return 1
		}
		active := func(o projection.Object) int {
			if sameStatus(projection.StatusActive, o.Status) {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(other(a), other(b)), cmp.Compare(active(a), active(b)), cmp.Compare(a.ID, b.ID))
	})
	plan, _ := ratePlan(w)
	for _, same := range []func(projection.Object) bool{
		func(o projection.Object) bool {
			return itemPath(w) != "" && itemPath(o) == itemPath(w) && hasRatePlan(o, plan)
		},
		func(o projection.Object) bool { return plan != "" && hasRatePlan(o, plan) && !otherProduct(w, o) },
	} {
		found, ok := first(candidates, same)
		if ok {
			return found, true
		}
	}
	return d.findByName(w, candidates)
}

// findByName is for offers that do not say their rate plan.
func (d *differ) findByName(w projection.Object, candidates []projection.Object) (projection.Object, bool) {
	for _, other := range d.want.Objects {
		if other.Kind == w.Kind && other.ID != w.ID && other.Related == w.Related &&
			other.Data["name"] == w.Data["name"] {
			return projection.Object{}, false
		}
	}
	var found []projection.Object
	for _, o := range candidates {
		_, says := ratePlan(o)
		if !says && o.Data["name"] == w.Data["name"] {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		return projection.Object{}, false
	}
	return found[0], true
}

func first(list []projection.Object, is func(projection.Object) bool) (projection.Object, bool) {
	i := slices.IndexFunc(list, is)
	if i < 0 {
		return projection.Object{}, false
	}
	return list[i], true
}

// itemOf is the copy of the catalogue's item in an object.
func itemOf(o projection.Object) map[string]any {
	for _, name := range []string{"add_on", "offer"} {
		item, ok := o.Data[name].(map[string]any)
		if ok {
			return item
		}
	}
	return nil
}

func itemPath(o projection.Object) string {
	path, _ := itemOf(o)["path"].(string)
	return path
}

// bundlesOf are the product bundles of an object's item.
func bundlesOf(o projection.Object) []any {
	data, _ := itemOf(o)["data"].(map[string]any)
	list, _ := data["productBundles"].([]any)
	return list
}

// ratePlan is the name of the rate plan that an object stands for: its first.
func ratePlan(o projection.Object) (_ string, ok bool) {
	for _, b := range bundlesOf(o) {
		plan, _ := member(b, "rate_plan").(string)
		if plan != "" {
			return strings.TrimSpace(plan), true
		}
	}
	return "", false
}

func hasRatePlan(o projection.Object, plan string) bool {
	return slices.ContainsFunc(bundlesOf(o), func(b any) bool {
		name, _ := member(b, "rate_plan").(string)
		return strings.TrimSpace(name) == strings.TrimSpace(plan)
	})
}

// otherProduct reports whether two objects name products that are not the same.
func otherProduct(a, b projection.Object) bool {
	x, y := productCodes(a), productCodes(b)
	return len(x) > 0 && len(y) > 0 &&
		!slices.ContainsFunc(x, func(code string) bool { return slices.Contains(y, code) })
}

func productCodes(o projection.Object) []string {
	data, _ := itemOf(o)["data"].(map[string]any)
	list, _ := data["products"].([]any)
	var out []string
	for _, p := range list {
		code, _ := member(member(p, "attributes"), "product_code__limio").(string)
		if code != "" {
			out = append(out, code)
		}
	}
	return out
}

// dayOf is the day of a payment.
func dayOf(o projection.Object) string {
	date, _ := o.Data["date"].(string)
	return date[:min(len(date), len("2006-01-02"))]
}

// keepOwn takes out of what is wanted what an object of Limio's own has a better
// right to say: which offer the customer has, as long as it is the same plan,
// and how the subscription came about.
func (d *differ) keepOwn(w projection.Object, o *projection.Object, found projection.Object) {
	if d.isMade(found) || found.ID == w.ID {
		if o.Key != found.Key && slices.Contains(o.Aliases, found.Key) {
			o.Data["zuora"] = found.Data["zuora"] // it goes on under the key it was made by
		}
		return
	}
	switch o.Kind {
	case projection.Subscription, projection.SubscriptionOffer, projection.SubscriptionAddOn:
		d.keepItem(o, found)
	case projection.Address, projection.PaymentMethod:
		d.keepTies(o, found)
	}
}

func (d *differ) keepItem(o *projection.Object, found projection.Object) {
	keep := []string{}
	plan, _ := ratePlan(*o)
	if hasRatePlan(found, plan) {
		keep = append(keep, "offer", "add_on", "products", "name", "tracking", "record_subtype")
	}
	if o.Kind == projection.Subscription {
		keep = append(keep, "purchaseCountry", "addOns")
		attributes, _ := o.Data["attributes"].(map[string]any)
		attributes = maps.Clone(attributes)
		for _, name := range []string{"gift", "external"} {
			if member(found.Data["attributes"], name) != nil {
				delete(attributes, name)
			}
		}
		o.Data["attributes"] = attributes
	}
	for _, name := range keep {
		if found.Data[name] != nil {
			delete(o.Data, name)
		}
	}
	price, ok := o.Data["price"].(map[string]any)
	if ok && member(found.Data["price"], "summary") != nil {
		price = maps.Clone(price)
		delete(price, "summary")
		o.Data["price"] = price
	}
}

// keepTies leaves out the ties to subscriptions of Limio's own: those Limio has
// made already, as rows that do not say whose they are.
func (d *differ) keepTies(o *projection.Object, found projection.Object) {
	wanted, _ := o.Data[relationships].([]any)
	known, _ := found.Data[relationships].([]any)
	out := []any{}
	for _, w := range wanted {
		isKnown := slices.ContainsFunc(known, func(h any) bool { return ties(h, w.(map[string]any)) })
		sold := slices.ContainsFunc(d.have, func(h projection.Object) bool {
			return h.Kind == projection.Subscription && h.ID == member(w, "subscription") && !d.isMade(h)
		})
		if isKnown || !sold {
			out = append(out, w)
		}
	}
	o.Data[relationships] = out
}

// keepNewest lets the tie of the default payment method begin later than those
// of all others, since Limio's pages take the newest for the current one, whatever
// its status. A tie that is the newest already stays as it is, whatever Zuora says
// of the default. Without a default any method may be the newest, but none that is
// gone: then it is the first.
func (d *differ) keepNewest(w, o projection.Object) {
	current, hasDefault := d.currentMethod()
	if w.ID != current {
		return
	}
	list, _ := o.Data[relationships].([]any)
	out := slices.Clone(list)
	for i, tie := range out {
		own, _ := member(tie, "start").(string)
		usable, gone := d.newestStarts(o, member(tie, "subscription"))
		rival := max(usable, gone)
		if !hasDefault {
			own, rival = max(own, usable), gone
		}
		if rival == "" || own > rival {
			continue
		}
		merged := maps.Clone(tie.(map[string]any))
		merged["start"] = later(d.want.Today, rival)
		out[i] = merged
	}
	o.Data[relationships] = out
}

// currentMethod is the wanted id of the method that the pages should show.
func (d *differ) currentMethod() (id string, isDefault bool) {
	for _, o := range d.want.Objects {
		if pm, _ := o.Data[defaultPaymentMethod].(string); o.Kind == projection.Customer && pm != "" {
			return pm, true
		}
	}
	i := slices.IndexFunc(d.want.Objects, func(o projection.Object) bool { return o.Kind == projection.PaymentMethod })
	if i < 0 {
		return "", false
	}
	return d.want.Objects[i].ID, false
}

// later is today, or the first moment after newest where today is not later.
func later(today, newest string) string {
	day := newest[:min(len(newest), len(time.DateOnly))]
	end := day + "T23:59:59.999Z"
	t, err := time.Parse(time.DateOnly, day)
	switch {
	case today > newest:
		return today
	case end > newest || err != nil:
		return end
	default:
		return t.AddDate(0, 0, 1).Format(time.DateOnly)
	}
}

// newestStarts are the latest starts of other methods' ties to the subscription, as
// they will be: of those that are wanted, and of those in Limio that are not.
func (d *differ) newestStarts(o projection.Object, subscription any) (usable, gone string) {
	look := func(newest *string, list any) {
		ties, _ := list.([]any)
		for _, tie := range ties {
			if start, _ := member(tie, "start").(string); member(tie, "subscription") == subscription {
				*newest = max(*newest, start)
			}
		}
	}
	wanted := map[string]bool{}
	for _, found := range d.found {
		wanted[found.ID] = true
	}
	for _, h := range d.have {
		switch {
		case h.Kind != projection.PaymentMethod || h.ID == o.ID:
		case wanted[h.ID]:
			look(&usable, h.Data[relationships])
		default:
			look(&gone, h.Data[relationships])
		}
	}
	for _, w := range d.want.Objects {
		if w.Kind == projection.PaymentMethod && d.creates[w.ID] && d.id(w.ID) != o.ID {
			look(&usable, d.rewritten(w).Data[relationships])
		}
	}
	return usable, gone
}
