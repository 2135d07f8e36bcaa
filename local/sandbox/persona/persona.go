// Package persona is the cast of the local system: people who sign in, and the
// Zuora accounts that are theirs. Each tells one story, by data.
//
// The package is data only. The Zuora sandbox holds its accounts, the identity
// provider signs its claims, and the command line knows its names.
package persona

import (
	"encoding/json"
	"time"
)

// The identity providers of the local system, by the last part of their issuer.
const (
	Direct = "direct" // claim zuora_account_ids names the accounts
	Lookup = "lookup" // claim sub is looked up in LimioExternalId__c
	Staff  = "staff"  // people of the console, with a role in the claim groups
)

// LookupField is the custom field of a Zuora account that holds the subject of
// its login, for issuer Lookup.
const LookupField = "LimioExternalId__c"

// Persona is somebody who signs in.
type Persona struct {
	Name     string // by which the command line and the sign-in page know them
	Story    string // one sentence
	Issuer   string // Direct, Lookup or Staff
	Claims   map[string]any
	Accounts []Account // in the order of the claim
	// Limio is what Limio has of its own: the body of the Limio sandbox's PUT
	// /_sandbox/objects. Most have nothing there before they sign in.
	Limio []json.RawMessage
}

// Account is a Zuora account in the shapes of Zuora's v1 API. Its JSON form is
// the body of the Zuora sandbox's PUT /_sandbox/accounts/{id}.
type Account struct {
	ID     string `json:"-"` // 32 hex digits
	Number string `json:"-"` // A00000101

	Account        json.RawMessage   `json:"account"`                  // GET /v1/accounts/{key}
	PaymentMethods json.RawMessage   `json:"paymentMethods,omitempty"` // GET /v1/accounts/{key}/payment-methods
	Subscriptions  []json.RawMessage `json:"subscriptions,omitempty"`  // of GET /v1/subscriptions/accounts/{key}
}

// cast is everybody, by name, in the order of the sign-in page.
var cast = []struct {
	name string
	make func(calendar) Persona
}{
	{"single", single}, {"several", several}, {"lookup", lookup}, {"nobody", nobody}, {"ambiguous", ambiguous},
	{"salesforce", salesforce}, {"sixty", sixty}, {"mixed", mixed}, {"wallet", wallet}, {"bare", bare},
	{"upgraded", upgraded}, {"scheduled", scheduled}, {"credited", credited}, {"bank", bank},
	{"unpublished", unknownPlan}, {"twooffers", twoOffers}, {"annualprice", annualPrices}, {"sold", sold},
	{"viewer", staff("viewer", "Vera Quist", "Sees events in the console and may change nothing.")},
	{"operator", staff("operator", "Oscar Brandt", "Retries syncs in the console.")},
	{"admin", staff("admin", "Alma Reyes", "Changes the settings in the console.")},
}

// All returns the cast. Its dates lie around today (only the date counts), so
// that what has ended, goes on and is to come stays so.
func All(today time.Time) []Persona {
	all := make([]Persona, 0, len(cast))
	for _, c := range cast {
		all = append(all, c.make(calendar{today}))
	}
	return all
}

// Find returns the persona of that name, with dates around today. It makes nobody else: a
// persona with sixty subscriptions takes milliseconds, and every ID token asks for one.
func Find(name string, today time.Time) (Persona, bool) {
	for _, c := range cast {
		if c.name == name {
			return c.make(calendar{today}), true
		}
	}
	return Persona{}, false
}

// claims are those every ID token of a person has.
func claims(sub string, p person) map[string]any {
	return map[string]any{"sub": sub, "email": p.email, "email_verified": true, "name": p.first + " " + p.last}
}

// naming adds the claim of issuer Direct.
func naming(claims map[string]any, accounts ...string) map[string]any {
	claims["zuora_account_ids"] = accounts
	return claims
}

func staff(role, name, story string) func(calendar) Persona {
	return func(calendar) Persona {
		return Persona{Name: role, Story: story, Issuer: Staff, Claims: map[string]any{
			"sub": "staff|" + role, "email": role + "@staff.example.com", "email_verified": true,
			"name": name, "groups": []string{role},
		}}
	}
}
