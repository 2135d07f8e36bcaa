package convergence

import (
	"strings"
	"unicode/utf8"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// Masked are the changes as an event shows them: of personal values it keeps the
// first letter at most, of numbers of cards and banks nothing.
func Masked(changes []Change) []hotsync.Change {
	out := make([]hotsync.Change, 0, len(changes))
	for _, c := range changes {
		m := hotsync.Change{Object: string(c.Object.Kind), ID: c.Object.ID, Name: nameOf(c.Object), Action: c.Action}
		if c.Action == hotsync.ActionLink {
			m.ID = c.Object.Owner // Limio makes the login's own id
		}
		for _, f := range c.Fields {
			if projection.Personal(c.Object.Kind, f.Field) {
				f.Before, f.After = mask(c.Object.Kind, f.Before), mask(c.Object.Kind, f.After)
			}
			m.Fields = append(m.Fields, f)
		}
		out = append(out, m)
	}
	return out
}

// nameOf is what staff call an object: a number or a plan, nothing of a person.
func nameOf(o projection.Object) string {
	switch o.Kind {
	case projection.Subscription:
		return o.Key
	case projection.SubscriptionOffer, projection.SubscriptionAddOn, projection.Schedule:
		return o.Name
	default:
		return ""
	}
}

const hidden = "•••"

func mask(kind projection.Kind, value any) any {
	text, ok := value.(string)
	switch {
	case value == nil || ok && text == "":
		return value
	case !ok || kind == projection.PaymentMethod:
		return hidden
	}
	local, domain, isEmail := strings.Cut(text, "@")
	if isEmail {
		return initial(local) + "@" + initial(domain)
	}
	return initial(text)
}

// initial is the first letter; a text so short that this would give it away is
// hidden whole.
func initial(text string) string {
	if utf8.RuneCountInString(text) < 3 {
		return hidden
	}
	first, _ := utf8.DecodeRuneInString(text)
	return string(first) + hidden
}
