package convergence

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"hotsync/shared/hotsync"
)

// patch is the part of want that have lacks, in the structure that Limio merges,
// and the same as a list of members. It is nil when nothing is lacking. A list
// is one value and is written whole.
func patch(want, have map[string]any) (map[string]any, []hotsync.FieldChange) {
	var out map[string]any
	var fields []hotsync.FieldChange
	set := func(name string, value any) {
		if out == nil {
			out = map[string]any{}
		}
		out[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if isWhole(name) {
			if value, differs := whole(want[name], have[name]); differs {
				set(name, value)
				fields = append(
					fields,
					hotsync.FieldChange{Field: name, Before: brief(have[name]), After: brief(want[name])},
				)
			}
			continue
		}
		nested, ok := want[name].(map[string]any)
		if !ok {
			if !equal(want[name], have[name]) {
				set(name, want[name])
				fields = append(fields, hotsync.FieldChange{Field: name, Before: have[name], After: want[name]})
			}
			continue
		}
		existing, _ := have[name].(map[string]any)
		part, changed := patch(nested, existing)
		if len(part) == 0 {
			continue
		}
		set(name, part)
		for _, f := range changed {
			f.Field = name + "." + f.Field
			fields = append(fields, f)
		}
	}
	return out, fields
}

// isWhole reports whether a member is one thing: the copy of a catalogue item is
// replaced by another, not mixed with it.
func isWhole(name string) bool {
	return slices.Contains([]string{"offer", "add_on", "products", "lineItems"}, name)
}

// whole is what makes have into want where Limio merges: of an object that
// differs all members, and nil for those that must go.
func whole(want, have any) (_ any, differs bool) {
	if equal(want, have) {
		return nil, false
	}
	return replaced(want, have), true
}

func replaced(want, have any) any {
	w, ok := want.(map[string]any)
	h, _ := have.(map[string]any)
	if !ok {
		return want
	}
	out := make(map[string]any, len(w))
	for name, value := range w {
		out[name] = replaced(value, h[name])
	}
	for name := range h {
		if _, ok := w[name]; !ok {
			out[name] = nil
		}
	}
	return out
}

// brief is what an event shows of a value that is one thing: an item's path and
// version, or its name.
func brief(value any) any {
	switch v := value.(type) {
	case map[string]any:
		path, _ := v["path"].(string)
		version, _ := v["version"].(string)
		name, _ := v["name"].(string)
		if path == "" {
			return name
		}
		return strings.TrimSuffix(path+" "+version[:min(len(version), 8)], " ")
	case []any:
		var out []string
		for _, element := range v {
			switch e := element.(type) {
			case string:
				out = append(out, e)
			case map[string]any:
				for _, name := range []string{"path", "chargeName"} {
					if s, _ := e[name].(string); s != "" {
						out = append(out, s)
						break
					}
				}
			}
		}
		return strings.Join(out, ", ")
	default:
		return value
	}
}

// pruned is data of a new object: without the members that it must not have.
func pruned(data map[string]any) map[string]any {
	out := make(map[string]any, len(data))
	for name, value := range data {
		switch v := value.(type) {
		case nil:
		case map[string]any:
			if part := pruned(v); len(part) > 0 || len(v) == 0 {
				out[name] = part
			}
		default:
			out[name] = v
		}
	}
	return out
}

// equal compares JSON values: numbers by value (17.5 is 17.50); nil, an absent
// member and an empty list are the same, and so are a day and a time of that day.
func equal(a, b any) bool {
	switch a := a.(type) {
	case nil:
		list, ok := b.([]any)
		return b == nil || ok && len(list) == 0
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && includes(a, b) && hasNoMore(b, a)
	case []any:
		list, ok := b.([]any)
		return (ok || b == nil) && slices.EqualFunc(a, list, equal)
	}
	if s, ok := a.(string); ok {
		t, ok := b.(string)
		return ok && (s == t || sameDay(s, t) || sameDay(t, s))
	}
	x, ok := numeric(a)
	if !ok {
		_, isMap := b.(map[string]any)
		_, isList := b.([]any)
		return !isMap && !isList && a == b
	}
	y, ok := numeric(b)
	return ok && x.Equal(y) || a == b
}

var bareDate = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// sameDay reports whether one text is a day and the other a time of it: Zuora has
// days, Limio writes times.
func sameDay(day, time string) bool {
	return len(time) > len(day) && time[:len(day)+1] == day+"T" && bareDate.MatchString(day)
}

func includes(a, b map[string]any) bool {
	for name, value := range a {
		if !equal(value, b[name]) {
			return false
		}
	}
	return true
}

// hasNoMore reports whether a has nothing that b does not name. It does not look into
// what both name, as includes has: twice at each level would be 2ⁿ times at the n-th.
func hasNoMore(a, b map[string]any) bool {
	for name, value := range a {
		if _, ok := b[name]; !ok && !equal(nil, value) {
			return false
		}
	}
	return true
}

// numeric is a number as a decimal. One with an exponent beyond reason is no
// number: to compare it would take as many digits.
func numeric(value any) (decimal.Decimal, bool) {
	var d decimal.Decimal
	var err error
	switch v := value.(type) {
	case json.Number:
		d, err = decimal.NewFromString(v.String())
	case float64, int:
		d, err = decimal.NewFromString(fmt.Sprint(v))
	default:
		return d, false
	}
	return d, err == nil && d.Exponent() > -400 && d.Exponent() < 400
}

// mergeRelationships is the list of relationships an address should have, given
// the one it has: lists are written whole, so that entries of subscriptions that
// are none of ours, entries' own ids and members that hotsync does not know have
// to be carried over.
func mergeRelationships(want, have any) any {
	wanted, _ := want.([]any)
	existing, _ := have.([]any)
	out := slices.Clone(existing)
	for _, w := range wanted {
		w, ok := w.(map[string]any)
		if !ok {
			continue
		}
		i := slices.IndexFunc(out, func(h any) bool { return member(h, "relationship_id") == w["relationship_id"] })
		if i < 0 {
			i = slices.IndexFunc(out, func(h any) bool { return isCurrent(h) && ties(h, w) })
		}
		if i < 0 {
			out = append(out, w)
			continue
		}
		merged := maps.Clone(out[i].(map[string]any))
		for name, value := range w {
			if name != "relationship_id" &&
				(name != "start" || merged["start"] == nil || w["relationship_type"] != nil) {
				merged[name] = value
			}
		}
		out[i] = merged
	}
	return out
}

func ties(h any, w map[string]any) bool {
	return member(h, "subscription") == w["subscription"] && member(h, "relationship_type") == w["relationship_type"]
}

func isCurrent(h any) bool {
	status, _ := member(h, "status").(string)
	return sameStatus("active", status)
}

func member(h any, name string) any {
	m, _ := h.(map[string]any)
	return m[name]
}
