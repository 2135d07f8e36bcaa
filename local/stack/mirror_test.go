package stack_test

import (
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"hotsync/local/stack/stacktest"
)

// prefixes are those of Limio's ids.
var prefixes = map[string]string{"customer": "cus-", "subscription": "sub-",
	"subscription_offer":  "subscription_offer-",
	"subscription_add_on": "subscription_add_on-", "schedule": "schedule-",
	"payment_method": "pm-", "address": "address-", "identity": "identity-", "relationship": "rel-"}

// envelope are the members of an object that are looked at apart, or are
// Limio's own.
var envelope = []string{"record_type", "id", "owner", "customer", "created", "updated", "mode", "relationship_id",
	"subscription"}

// reader turns the sandbox's state into mirrors.
type reader struct {
	t     testing.TB
	state map[string][]map[string]any
	names map[string]string // what an id stands for in Zuora
}

func readLimio(t testing.TB, s *stacktest.System) *reader {
	t.Helper()
	r := &reader{t: t, state: s.Limio(), names: map[string]string{}}
	seen := map[string]bool{}
	for kind, objects := range r.state {
		for _, o := range objects {
			id := str(o, "id")
			if seen[id] {
				t.Errorf("the id %s is there twice", id)
			}
			seen[id] = true
			if o["type"] != "@limio/id" && !strings.HasPrefix(id, prefixes[kind]) {
				t.Errorf("the %s %s has an id of another kind", kind, id)
			}
			switch kind {
			case "subscription":
				r.names[id] = str(o, "name")
			case "payment_method", "subscription_offer", "subscription_add_on":
				data, _ := o["data"].(doc)
				zuora, _ := data["zuora"].(doc)
				r.names[id] = str(zuora, "refId")
			case "address":
				r.names[id] = str(o, "name")
			}
		}
	}
	return r
}

// customers are the ids of the customers.
func (r *reader) customers() []string {
	var out []string
	for _, o := range r.state["customer"] {
		out = append(out, str(o, "id"))
	}
	return out
}

// owner is the owner of an account's customer.
func (r *reader) owner(account string) string {
	_, owner := r.find(account)
	return owner
}

func (r *reader) find(account string) (customer, owner string) {
	for _, o := range r.state["identity"] {
		data, _ := o["data"].(doc)
		if o["service"] == "zuora" && o["type"] == "account" && data["value"] == account {
			return str(o, "customer"), str(o, "owner")
		}
	}
	r.t.Fatalf("Limio has no identity of the account %s", account)
	return "", ""
}

// mirror is what Limio has of an account. Whatever belongs to its customer is in
// it, so that nothing too much can hide.
func (r *reader) mirror(account string) mirror {
	r.t.Helper()
	customer, owner := r.find(account)
	m := mirror{Identities: map[string]doc{}, Methods: map[string]doc{}, Subscriptions: map[string]doc{},
		Offers:    map[string]doc{},
		Addresses: map[string]doc{}, Relationships: map[string]doc{}}
	add := func(into map[string]doc, key string, o doc) {
		if into[key] != nil || key == "" {
			r.t.Errorf("the %s %q is there twice, or has no name: %v", o["record_type"], key, o)
		}
		into[key] = r.plain(o)
	}
	addresses := map[string]bool{}
	for kind, objects := range r.state {
		for _, o := range objects {
			if kind == "customer" && o["id"] == customer {
				m.Customer = r.plain(o)
			}
			if o["owner"] == owner && o["type"] == "@limio/external-id" {
				m.Logins = append(m.Logins, o["data"].(doc))
			}
			if o["customer"] != customer {
				continue
			}
			if o["owner"] != owner {
				r.t.Errorf("the %s %s belongs to %v, its customer to %s", kind, o["id"], o["owner"], owner)
			}
			switch kind {
			case "identity":
				data := o["data"].(doc)
				add(m.Identities, str(o, "service")+"/"+str(o, "type")+"/"+str(data, "value"), o)
			case "payment_method":
				add(m.Methods, r.names[str(o, "id")], o)
			case "subscription":
				add(m.Subscriptions, str(o, "name"), o)
			case "subscription_offer", "subscription_add_on":
				add(m.Offers, r.names[str(o, "id")], o)
			case "schedule":
				if r.names[str(o, "related")] == "" {
					r.t.Errorf("the schedule %s is of no subscription", o["id"])
				}
			case "address":
				addresses[str(o, "id")] = true
				add(m.Addresses, str(o, "name"), o)
			default:
				r.t.Errorf("a %s belongs to the customer: %v", kind, o)
			}
		}
	}
	for _, o := range r.state["relationship"] {
		if addresses[str(o, "related")] {
			add(m.Relationships, str(o, "relationship_type")+" "+r.names[str(o, "subscription")], o)
		}
	}
	r.checkOwner(owner, m)
	slices.SortFunc(m.Logins, func(a, b doc) int { return strings.Compare(str(a, "sub"), str(b, "sub")) })
	return m
}

func (r *reader) checkOwner(owner string, m mirror) {
	r.t.Helper()
	found := 0
	for _, o := range r.state["identity"] {
		if o["id"] == owner && o["type"] == "@limio/id" && o["status"] == "active" {
			found++
		}
	}
	if found != 1 {
		r.t.Errorf("%d active owner identities %s, want 1", found, owner)
	}
}

// plain is an object without its envelope, with ids replaced by what they stand
// for and numbers by one form of them. A member that is null is none.
func (r *reader) plain(o doc) doc {
	out := doc{}
	for name, value := range o {
		if !slices.Contains(envelope, name) {
			out[name] = value
		}
	}
	if o["record_type"] == "relationship" {
		delete(out, "related") // its address, by which it was found
	}
	data, ok := o["data"].(doc)
	if ok {
		data = maps.Clone(data)
		delete(data, "relationships") // shown as rows of their own
		r.dropCatalogue(o, out, data)
		out["data"] = data
	}
	return r.value(out).(doc)
}

// dropCatalogue leaves out what the catalogue says, after a look at what the
// pages fail without: the reader test has its rules.
func (r *reader) dropCatalogue(o, out, data doc) {
	kind := str(o, "record_type")
	if kind != "subscription" && !strings.HasPrefix(kind, "subscription_") {
		return
	}
	offer, _ := data["offer"].(doc)
	content, _ := offer["data"].(doc)
	products, _ := content["products"].([]any)
	if offer["status"] != "active" || content["record_type"] == nil || len(products) == 0 || str(data, "name") == "" {
		r.t.Errorf("the %s %s has no name, or no offer that the pages can show: %v", kind, o["id"], offer)
	}
	if kind != "subscription" {
		delete(out, "name")
	}
	price, ok := data["price"].(doc)
	if ok {
		price = maps.Clone(price)
		delete(price, "summary")
		data["price"] = price
	}
	for _, name := range []string{"name", "offer", "add_on", "products", "tracking", "addOns", "record_subtype"} {
		delete(data, name)
	}
}

func (r *reader) value(v any) any {
	switch v := v.(type) {
	case string:
		name, ok := r.names[v]
		if ok {
			return name
		}
		return v
	case json.Number:
		n, ok := new(big.Rat).SetString(v.String())
		if !ok {
			r.t.Fatalf("no number: %s", v)
		}
		return exact(n)
	case doc:
		out := doc{}
		for name, member := range v {
			if member != nil {
				out[name] = r.value(member)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, r.value(e))
		}
		return out
	default:
		return v
	}
}
