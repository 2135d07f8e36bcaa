package syncer

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// Side is a subscription as one side has it, in the words of Limio's account
// pages: what Zuora has is told as Limio should have it.
type Side struct {
	Status   string `json:"status"`
	Plan     string `json:"plan"`
	Amount   string `json:"amount,omitempty"`
	Currency string `json:"currency,omitempty"`
	Until    string `json:"until,omitempty"` // day the term ends
	Next     string `json:"next,omitempty"`  // day of the next payment
}

// Compared is a subscription on both sides.
type Compared struct {
	Number string   `json:"number"`
	ID     string   `json:"id,omitempty"`          // Limio's
	Status string   `json:"zuoraStatus,omitempty"` // in Zuora's word
	Plans  []string `json:"ratePlans,omitempty"`   // names of the rate plans in Zuora
	Offers []string `json:"offers,omitempty"`      // paths of the catalogue items they are matched with
	Zuora  *Side    `json:"zuora"`                 // nil when Zuora has nothing that Limio should have
	Limio  *Side    `json:"limio"`                 // nil when Limio has none
}

// Same reports whether both sides say the same.
func (c Compared) Same() bool { return c.Zuora != nil && c.Limio != nil && *c.Zuora == *c.Limio }

// Sides is an account as both sides have it now.
type Sides struct {
	Customer      string             `json:"customer,omitempty"` // id of Limio's
	Owner         string             `json:"owner,omitempty"`    // id of the owner identity
	Subscriptions []Compared         `json:"subscriptions"`
	Logins        []hotsync.Identity `json:"-"` // those Limio shows the account to: personal
	LoginCount    int                `json:"logins"`
}

// compare tells what both sides have of an account. want is what Zuora has, as
// Limio should have it.
func compare(account billing.Account, want projection.Result, have []projection.Object) Sides {
	has, ok := projection.CustomerOf(want.Tenant, account.ID, have)
	if !ok {
		has = projection.Object{} // it has only the id that it will get
	}
	out := Sides{Customer: has.ID, Owner: has.Owner, Subscriptions: []Compared{}}
	at := map[string]int{}
	of := func(number string) *Compared {
		i, ok := at[number]
		if !ok {
			i = len(out.Subscriptions)
			at[number], out.Subscriptions = i, append(out.Subscriptions, Compared{Number: number})
		}
		return &out.Subscriptions[i]
	}
	for _, s := range account.Subscriptions {
		c := of(s.Number)
		c.Status = s.Status
		for _, p := range s.RatePlans {
			if !strings.EqualFold(p.LastChangeType, "remove") {
				c.Plans = append(c.Plans, p.Name)
			}
		}
	}
	for _, o := range want.Objects {
		if o.Kind == projection.Subscription {
			c := of(o.Key)
			c.Zuora, c.Offers = side(o, want.Objects, want.Today), offersOf(o)
		}
	}
	for _, o := range have {
		switch {
		case o.Kind == projection.Subscription:
			c := of(cmp.Or(o.Key, o.Reference, o.ID))
			c.Limio, c.ID = side(o, have, want.Today), o.ID
		case o.Kind == projection.Identity && o.Type == projection.TypeExternal && o.Owner == has.Owner && has.Owner != "":
			out.Logins = append(out.Logins, hotsync.Identity{Issuer: text(o.Data, "iss"), Subject: text(o.Data, "sub")})
		}
	}
	out.LoginCount = len(out.Logins)
	slices.SortFunc(out.Subscriptions, func(a, b Compared) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// side is what the objects of one side say of a subscription.
func side(s projection.Object, all []projection.Object, today string) *Side {
	price, _ := s.Data["price"].(map[string]any)
	out := &Side{
		Status:   s.Status,
		Plan:     text(s.Data, "name"),
		Amount:   text(price, "amount"),
		Currency: text(price, "currency"),
		Until:    day(text(s.Data, "termEndDate")),
	}
	for _, o := range all {
		if o.Kind != projection.Schedule || o.Related != s.ID {
			continue
		}
		next := day(cmp.Or(text(o.Data, "schedule_date"), text(o.Data, "date")))
		if next >= today && (out.Next == "" || next < out.Next) {
			out.Next = next
		}
	}
	return out
}

func offersOf(s projection.Object) []string {
	tracking, _ := s.Data["tracking"].(map[string]any)
	list, _ := tracking["offers"].([]any)
	var out []string
	for _, v := range list {
		if path, ok := v.(string); ok {
			out = append(out, path)
		}
	}
	return out
}

func text(data map[string]any, name string) string {
	switch v := data[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// day is the day of a date or a time.
func day(s string) string { return s[:min(len(s), len("2026-11-22"))] }
