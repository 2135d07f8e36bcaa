package console

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"hotsync/shared/hotsync"
)

// changeLine is a change in a line, with its fields for who wants them.
type changeLine struct {
	hotsync.Change
	What string // Subscription A-S00000007
	Did  string // created, active, 9.99 GBP monthly
	Href string // of its fields, where they are not in the page
}

// kinds are what staff call Limio's kinds of objects.
var kinds = map[string]string{
	"customer":            "Customer",
	"subscription":        "Subscription",
	"subscription_offer":  "Plan",
	"subscription_add_on": "Add-on",
	"schedule":            "Payment",
	"payment_method":      "Payment method",
	"address":             "Address",
	"identity":            "Identity",
}

var did = map[hotsync.Action]string{
	hotsync.ActionCreate: "created",
	hotsync.ActionUpdate: "changed",
	hotsync.ActionEnd:    "ended",
	hotsync.ActionLink:   "linked to the login",
}

// changeLines are the changes of an event in its order. every says how often the
// price of a subscription comes round, where that is known.
func changeLines(e hotsync.Event) []changeLine {
	every := map[string]string{}
	for _, s := range e.Subscriptions {
		every[s.Number] = s.Every
	}
	out := make([]changeLine, 0, len(e.Changes))
	for _, ch := range e.Changes {
		l := changeLine{Change: ch, What: kindName(ch.Object)}
		if ch.Name != "" {
			l.What += " " + ch.Name
		}
		l.Did = joined(", ", append([]string{actionWord(ch.Action)}, highlights(ch, every[ch.Name])...)...)
		out = append(out, l)
	}
	return out
}

func kindName(object string) string {
	if name, ok := kinds[object]; ok {
		return name
	}
	return capital(spaced(object))
}

func actionWord(a hotsync.Action) string {
	if word, ok := did[a]; ok {
		return word
	}
	return string(a)
}

// highlights are what tells most about a change.
func highlights(ch hotsync.Change, every string) []string {
	after := map[string]string{}
	for _, f := range ch.Fields {
		after[fieldName(f.Field)] = fieldText(f.After)
	}
	if ch.Action != hotsync.ActionCreate {
		return updates(ch)
	}
	price := joined(" ", after["price.amount"], after["price.currency"])
	if after["price.amount"] == "" {
		price = ""
	}
	if price != "" && every != "" {
		price += " " + every
	}
	paid := ""
	if after["amount"] != "" {
		paid = joined(" ", after["amount"], after["currency"])
	}
	day, _, _ := strings.Cut(after["date"], "T")
	out := []string{after["status"], price, paid, day}
	if ch.Name != after["name"] {
		out = append([]string{after["name"]}, out...)
	}
	return out
}

// shownUpdates is how many fields a line tells of.
const shownUpdates = 2

func updates(ch hotsync.Change) []string {
	var out []string
	for i, f := range ch.Fields {
		before, after := fieldText(f.Before), fieldText(f.After)
		switch {
		case i == shownUpdates:
			return append(out, fmt.Sprintf("and %d more", len(ch.Fields)-i))
		case len(before)+len(after) > 48:
			out = append(out, fieldName(f.Field))
		default:
			out = append(out, fieldName(f.Field)+" "+orNone(before)+" → "+orNone(after))
		}
	}
	return out
}

func fieldName(field string) string { return strings.TrimPrefix(field, "data.") }

func fieldText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number, bool, float64, int:
		return fmt.Sprint(v)
	default:
		return "…"
	}
}

// merged are the changes of several syncs as one: of each object's fields what was
// there before the first and after the last. What came to nothing is left out.
func merged(events []hotsync.Event) []hotsync.Change {
	var out []hotsync.Change
	at := map[string]int{}
	for _, e := range events {
		for _, ch := range e.Changes {
			i, ok := at[ch.ID]
			if !ok {
				at[ch.ID] = len(out)
				ch.Fields = slices.Clone(ch.Fields)
				out = append(out, ch)
				continue
			}
			out[i] = followed(out[i], ch)
		}
	}
	return slices.DeleteFunc(
		out,
		func(ch hotsync.Change) bool { return ch.Action == hotsync.ActionUpdate && len(ch.Fields) == 0 },
	)
}

func followed(first, then hotsync.Change) hotsync.Change {
	if then.Action == hotsync.ActionEnd {
		first.Action = hotsync.ActionEnd
	}
	for _, f := range then.Fields {
		i := slices.IndexFunc(first.Fields, func(x hotsync.FieldChange) bool { return x.Field == f.Field })
		if i < 0 {
			first.Fields = append(first.Fields, f)
			continue
		}
		first.Fields[i].After = f.After
		if fmt.Sprint(first.Fields[i].Before) == fmt.Sprint(f.After) && first.Action == hotsync.ActionUpdate {
			first.Fields = slices.Delete(first.Fields, i, i+1)
		}
	}
	return first
}
