package convergence

import (
	"cmp"
	"maps"
	"slices"

	"hotsync/shared/projection"
)

// ownObjects returns what belongs to the account of all that Limio showed, each
// object once and with its key. Limio's lists of what is related to a customer
// are not documented: should they hold objects of the owner's other customers,
// those are none of this sync's business.
func (d *differ) ownObjects(have []projection.Object) []projection.Object {
	have = slices.Clone(have)
	for i, o := range have {
		have[i].Key = cmp.Or(o.Key, projection.KeyOf(o))
	}
	customer, _ := projection.CustomerOf(d.want.Tenant, d.want.AccountID, have)
	var out []projection.Object
	seen := map[string]bool{"": true}
	for _, o := range have {
		foreign := o.Customer != "" && o.Customer != customer.ID && o.Customer != customer.Owner ||
			o.Kind == projection.Customer && o.ID != customer.ID
		if seen[o.ID] || foreign {
			continue
		}
		seen[o.ID] = true
		out = append(out, o)
	}
	return out
}

// match finds for each wanted object the one that Limio has.
func (d *differ) match() {
	taken := map[string]bool{}
	for _, w := range d.want.Objects {
		if w.IsLogin() {
			continue // Limio makes its id; see link
		}
		found, ok := d.find(w, taken)
		if ok {
			d.found[w.ID], d.ids[w.ID], taken[found.ID] = found, found.ID, true
			continue
		}
		d.ids[w.ID] = w.ID
		d.creates[w.ID] = true
	}
	for _, w := range d.want.Objects {
		if owner := d.owner(); isOwner(w) && owner != "" {
			d.ids[w.ID] = owner
			delete(d.creates, w.ID)
		}
	}
}

// owner is the owner that the account has in Limio, "" when it has none: the
// customer's, else that of anything else of the account.
func (d *differ) owner() string {
	out := ""
	for _, o := range d.have {
		switch {
		case o.Owner == "" || o.IsLogin():
		case o.Kind == projection.Customer:
			return o.Owner
		case out == "" || o.Owner < out:
			out = o.Owner
		}
	}
	return out
}

func (d *differ) find(w projection.Object, taken map[string]bool) (projection.Object, bool) {
	best, ok := projection.Object{}, false
	for _, o := range d.have {
		isAlias := o.Key != "" && slices.Contains(w.Aliases, o.Key)
		if o.Kind != w.Kind || taken[o.ID] || o.ID != w.ID && o.Key != w.Key && !isAlias {
			continue
		}
		if !ok || better(o, best, w) {
			best, ok = o, true
		}
	}
	if !ok {
		return d.findOwn(w, taken)
	}
	return best, ok
}

func better(o, than, w projection.Object) bool {
	active := func(o projection.Object) int {
		if sameStatus(projection.StatusActive, o.Status) {
			return 0
		}
		return 1
	}
	switch {
	case o.ID == w.ID || than.ID == w.ID:
		return o.ID == w.ID
	default:
		return cmp.Or(cmp.Compare(active(o), active(than)), cmp.Compare(o.ID, than.ID)) < 0
	}
}

// rewritten is the wanted object with the ids that Limio has. Its data is a copy; what
// is below that is one where something differs, and is otherwise what was wanted itself.
func (d *differ) rewritten(w projection.Object) projection.Object {
	w.ID, w.Owner, w.Customer, w.Related = d.id(w.ID), d.id(w.Owner), d.id(w.Customer), d.id(w.Related)
	data := make(map[string]any, len(w.Data))
	for name, member := range w.Data {
		data[name], _ = d.rewrittenValue(member)
	}
	w.Data = data
	return w
}

func (d *differ) id(id string) string { return cmp.Or(d.ids[id], id) }

// rewrittenValue returns a value with the ids that Limio has, and whether that is
// another value.
func (d *differ) rewrittenValue(value any) (_ any, differs bool) {
	switch v := value.(type) {
	case string:
		id := d.id(v)
		if id == v {
			return value, false
		}
		return id, true
	case map[string]any:
		out := v
		for name, member := range v {
			member, is := d.rewrittenValue(member)
			if is && !differs {
				out, differs = maps.Clone(v), true
			}
			if is {
				out[name] = member
			}
		}
		return out, differs
	case []any:
		out := v
		for i, element := range v {
			element, is := d.rewrittenValue(element)
			if is && !differs {
				out, differs = slices.Clone(v), true
			}
			if is {
				out[i] = element
			}
		}
		return out, differs
	default:
		return value, false
	}
}
