// Package convergence brings Limio to what package projection wants: Diff finds
// what to write, purely; Apply writes it.
//
// Diff of a state against itself is empty, so that a sync of an unchanged
// account writes nothing, and a sync that died half-way is mended by the next.
package convergence

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// Change is one write to one Limio object. It holds people's data to be written;
// hotsync.Change is what an event keeps of it, masked, and has none.
type Change struct {
	Action hotsync.Action
	// Object is the object as it should be, with the ids of what Limio already
	// has. Of an object that ends, it is what Limio has.
	Object projection.Object
	// Status is the status to write; "" leaves it as it is.
	Status string
	// Data is what to write into the object's data, which Limio merges: nested
	// members in their structure, lists whole, nil for what must go.
	Data map[string]any
	// Fields are the members that change, in the clear. See Masked.
	Fields []hotsync.FieldChange
}

// Plan is what a sync has to write.
type Plan struct {
	Changes  []Change          // Apply finds the order to make them in
	Findings []hotsync.Finding // for the event, without anything personal
}

// Diff says how Limio gets from have, in any order, to want. The rules:
//
//   - An object that is found, by id or by kind and key, keeps the id it has in
//     Limio, and everything that refers to it is rewritten. Of several found, the
//     one hotsync made counts, then an active one.
//   - Only the members that want names are compared; numbers by value, nil like
//     absent. No difference, no change.
//   - The owner of an existing customer wins over the owner of the login: all
//     that is new goes to that owner, and the login is linked to it, unless it is
//     linked to another owner already, which only a person can sort out.
//   - What Limio made itself is recognised and never doubled: an offer by its rate
//     plan, an address by its kind, a payment by its day. What it says of the
//     catalogue, and the ties it has, stay; see own.go.
//   - What hotsync made and wants no more, and what Zuora says is gone, is ended,
//     never deleted: subscriptions and payments are cancelled, the rest is set
//     inactive. All else is not touched. Logins are never unlinked.
func Diff(want projection.Result, have []projection.Object) Plan {
	d := &differ{
		want:    want,
		ids:     map[string]string{},
		found:   map[string]projection.Object{},
		creates: map[string]bool{},
	}
	d.have = d.ownObjects(have)
	d.match()
	for _, w := range want.Objects {
		switch found, ok := d.found[w.ID]; {
		case w.IsLogin():
			d.link(w)
		case isOwner(w) && !d.creates[w.ID]:
			// Its name is that of one of the person's accounts: left alone.
		case ok:
			d.update(w, found)
		default:
			d.create(w)
		}
	}
	d.endUnwanted()
	d.plan.Changes = slices.Concat(d.plan.Changes, d.deferred, d.links)
	return d.plan
}

// differ is one run of Diff.
type differ struct {
	want     projection.Result
	have     []projection.Object
	found    map[string]projection.Object // what Limio has, by the wanted id
	ids      map[string]string            // Limio's id, by the wanted id
	creates  map[string]bool              // wanted ids that are created in this run
	plan     Plan
	deferred []Change
	links    []Change
}

func (d *differ) warn(format string, args ...any) {
	d.plan.Findings = append(d.plan.Findings, hotsync.Note(hotsync.FindingOther, "", format, args...))
}

func isOwner(o projection.Object) bool {
	return o.Kind == projection.Identity && o.Type == projection.TypeOwner
}

// create plans a new object. A customer whose default payment method is new as
// well gets it by an update of its own once the method is there: the method's
// envelope needs the customer, so that one of the two has to come first, and a
// customer never points to a method that is not there.
func (d *differ) create(w projection.Object) {
	o := d.rewritten(w)
	if pm, _ := w.Data[defaultPaymentMethod].(string); w.Kind == projection.Customer && d.creates[pm] {
		d.deferred = append(
			d.deferred,
			Change{Action: hotsync.ActionUpdate, Object: d.rewritten(w), Data: map[string]any{defaultPaymentMethod: pm},
				Fields: []hotsync.FieldChange{{Field: defaultPaymentMethod, After: pm}}},
		)
		delete(o.Data, defaultPaymentMethod)
	}
	if w.Kind == projection.PaymentMethod {
		d.keepNewest(w, o)
		d.deferTies(w, &o)
	}
	o.Data = pruned(o.Data)
	_, fields := patch(o.Data, nil)
	fields = append([]hotsync.FieldChange{{Field: "status", After: o.Status}}, fields...)
	d.plan.Changes = append(
		d.plan.Changes,
		Change{Action: hotsync.ActionCreate, Object: o, Status: o.Status, Data: o.Data, Fields: fields},
	)
}

const defaultPaymentMethod = "defaultPaymentMethodId"

// deferTies leaves ties to subscriptions that are new as well to an update of
// their own: a method must be there for the customer to have it as the default,
// and waiting for the subscriptions first would make the way longer.
func (d *differ) deferTies(w projection.Object, o *projection.Object) {
	ties, _ := w.Data[relationships].([]any)
	for _, tie := range ties {
		id, _ := member(tie, "subscription").(string)
		if !d.creates[id] {
			continue
		}
		d.deferred = append(
			d.deferred,
			Change{
				Action: hotsync.ActionUpdate,
				Object: d.rewritten(w),
				Data:   map[string]any{relationships: o.Data[relationships]},
				Fields: []hotsync.FieldChange{{Field: relationships, After: o.Data[relationships]}},
			},
		)
		delete(o.Data, relationships)
		return
	}
}

const relationships = "relationships"

// update plans what an object that was found lacks. Its envelope stays: Limio has
// no way to change it.
func (d *differ) update(w, found projection.Object) {
	o := d.rewritten(w)
	o.Service = cmp.Or(found.Service, o.Service)
	if o.Kind == projection.Schedule && (!d.isMade(found) || dayOf(found) <= d.want.Today) {
		d.updateStatus(o, found) // what was taken was taken, and what Limio has planned is its own
		return
	}
	d.keepOwn(w, &o, found)
	if o.Kind == projection.Address || o.Kind == projection.PaymentMethod {
		o.Data[relationships] = mergeRelationships(o.Data[relationships], found.Data[relationships])
	}
	if o.Kind == projection.PaymentMethod {
		d.keepNewest(w, o)
	}
	c := Change{Action: hotsync.ActionUpdate, Object: o}
	if governsStatus(o) && !sameStatus(o.Status, found.Status) {
		c.Status = o.Status
		c.Fields = append(c.Fields, hotsync.FieldChange{Field: "status", Before: found.Status, After: o.Status})
	}
	var fields []hotsync.FieldChange
	c.Data, fields = patch(o.Data, found.Data)
	c.Fields = append(c.Fields, fields...)
	if len(c.Fields) > 0 {
		d.plan.Changes = append(d.plan.Changes, c)
	}
	if found.Owner != "" && found.Owner != o.Owner && o.Owner != "" {
		d.warn(
			"The %s %s belongs to another owner in Limio than its customer does. Use Limio's owner transfer.",
			o.Kind,
			o.ID,
		)
	}
}

// updateStatus plans the status of a payment that hotsync made.
func (d *differ) updateStatus(o, found projection.Object) {
	if !d.isMade(found) || sameStatus(o.Status, found.Status) {
		return
	}
	d.plan.Changes = append(d.plan.Changes, Change{Action: hotsync.ActionUpdate, Object: o, Status: o.Status,
		Fields: []hotsync.FieldChange{{Field: "status", Before: found.Status, After: o.Status}}})
}

// governsStatus reports whether Zuora decides the status. A customer's is
// Limio's own business.
func governsStatus(o projection.Object) bool { return o.Kind != projection.Customer }

// sameStatus ignores case; an object without a status counts as active.
func sameStatus(want, have string) bool {
	return strings.EqualFold(want, cmp.Or(have, projection.StatusActive))
}

// link plans to let the login see what the owner owns.
func (d *differ) link(w projection.Object) {
	o := d.rewritten(w)
	for _, h := range d.have {
		switch {
		case !h.IsLogin() || h.Key != w.Key:
		case h.Owner != "" && h.Owner != o.Owner:
			d.warn(
				"The login belongs to the owner %s in Limio, but the account to %s, so it was not linked. Use Limio's owner "+
					"transfer.",
				h.Owner,
				o.Owner,
			)
			return
		case sameStatus(projection.StatusActive, h.Status):
			return
		}
	}
	if slices.ContainsFunc(d.have, func(h projection.Object) bool {
		return h.IsLogin() && h.Key != w.Key && h.Owner == o.Owner && sameStatus(projection.StatusActive, h.Status)
	}) {
		// Limio shows a login all that its owner owns: also accounts that this one
		// does not name.
		d.warn("The owner %s has another login already: both see every account that this owner has in Limio.", o.Owner)
	}
	_, fields := patch(o.Data, nil)
	d.links = append(d.links, Change{Action: hotsync.ActionLink, Object: o, Data: o.Data, Fields: fields})
}

// endUnwanted plans the end of what is gone, and of what hotsync made and wants
// no more.
func (d *differ) endUnwanted() {
	wanted := map[string]bool{}
	for _, id := range d.ids {
		wanted[id] = true
	}
	numbers := map[string]string{} // of subscriptions, by id
	for _, o := range d.have {
		if o.Kind == projection.Subscription {
			numbers[o.ID] = o.Key
		}
	}
	var ends []Change
	for _, o := range d.have {
		number := cmp.Or(numbers[o.ID], numbers[o.Related], "-")
		ref, gone := d.gone(o, number)
		if wanted[o.ID] || !gone && !d.isMade(o) || slices.Contains(d.want.Unclear, number) || d.isHistory(o) {
			continue
		}
		if c := d.end(o, ref.End); len(c.Fields) > 0 {
			ends = append(ends, c)
		}
	}
	slices.SortFunc(ends, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Object.Kind, b.Object.Kind), cmp.Compare(a.Object.ID, b.Object.ID))
	})
	d.deferred = append(d.deferred, ends...)
}

// isMade reports whether hotsync made the object: then it has the id of its key.
func (d *differ) isMade(o projection.Object) bool {
	if o.Kind == projection.Customer || isOwner(o) || o.IsLogin() || o.Key == "" {
		return false
	}
	return o.ID == projection.ID(d.want.Tenant, o.Kind, d.want.AccountID, o.Key)
}

// gone finds what Zuora says of an object that is over. One of Limio's own has
// no key: it is known by its rate plan.
func (d *differ) gone(o projection.Object, number string) (_ projection.Ref, ok bool) {
	for _, ref := range d.want.Gone {
		if ref.Kind != o.Kind {
			continue
		}
		if o.Key != "" && ref.Key == o.Key ||
			o.Key == "" && ref.RatePlan != "" && ref.Subscription == number && hasRatePlan(o, ref.RatePlan) {
			return ref, true
		}
	}
	return projection.Ref{}, false
}

// isHistory reports whether a payment was taken: it comes before the last one
// that Zuora billed, or belongs to a subscription of which nothing is known to be
// billed and to a day that has passed.
func (d *differ) isHistory(o projection.Object) bool {
	if o.Kind != projection.Schedule || dayOf(o) > d.want.Today {
		return false
	}
	last := ""
	for _, w := range d.want.Objects {
		if w.Kind == projection.Schedule && d.id(w.Related) == o.Related && dayOf(w) <= d.want.Today {
			last = max(last, dayOf(w))
		}
	}
	return last == "" || dayOf(o) < last
}

// end plans the end of an object; last is the first day without it, "" where
// only today tells.
func (d *differ) end(o projection.Object, last string) Change {
	c := Change{Action: hotsync.ActionEnd, Object: o}
	status := projection.StatusInactive
	if o.Kind == projection.Subscription || o.Kind == projection.Schedule {
		status = "cancelled"
	}
	if !sameStatus(status, o.Status) {
		c.Status = status
		c.Fields = append(c.Fields, hotsync.FieldChange{Field: "status", Before: o.Status, After: status})
	}
	if ended, ok := endedTies(o); ok {
		// The pages join an address or a payment method with its tie, and read the
		// status of that.
		c.Data = map[string]any{relationships: ended}
		c.Fields = append(
			c.Fields,
			hotsync.FieldChange{Field: relationships, Before: o.Data[relationships], After: ended},
		)
	}
	if o.Kind == projection.SubscriptionOffer || o.Kind == projection.SubscriptionAddOn {
		// Limio takes an offer for current while today is before its end.
		start, _ := o.Data["start"].(string)
		end, _ := o.Data["end"].(string)
		if last := max(cmp.Or(last, d.want.Today), start); end == "" || end > last && !strings.HasPrefix(end, last) {
			c.Data = map[string]any{"end": last}
			c.Fields = append(c.Fields, hotsync.FieldChange{Field: "end", Before: o.Data["end"], After: last})
		}
	}
	return c
}

// endedTies are the ties of an object with those that are active set inactive; ok
// is false when none is.
func endedTies(o projection.Object) (_ []any, ok bool) {
	list, _ := o.Data[relationships].([]any)
	out := slices.Clone(list)
	for i, tie := range out {
		status, _ := member(tie, "status").(string)
		if !sameStatus(projection.StatusActive, status) {
			continue
		}
		ended := maps.Clone(tie.(map[string]any))
		ended["status"] = projection.StatusInactive
		out[i], ok = ended, true
	}
	return out, ok
}
