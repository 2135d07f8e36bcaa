package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"hotsync/local/sandbox/idp"
	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection/projectiontest"
)

// The pool of the local settings, whose triggers sign people in.
const (
	poolRegion = "eu-west-1"
	poolID     = "eu-west-1_EXAMPLE"
)

// way is how a person signs in and how the claim names the accounts.
type way string

const (
	byID      way = "id"      // POST /login, a claim with account ids
	byNumber  way = "number"  // POST /login, a claim with account numbers
	byLookup  way = "lookup"  // POST /login, the subject is looked up in Zuora
	byTrigger way = "trigger" // Cognito's PostAuthentication, an attribute with account ids
)

// person is somebody who signs in.
type person struct {
	way      way
	subject  string
	email    string
	accounts []int // indices into world.accounts
}

// identity is whom Limio has to know.
func (p person) identity(idpURL string) hotsync.Identity {
	switch p.way {
	case byTrigger:
		return hotsync.Identity{Issuer: hotsync.UserPoolIssuer(poolRegion, poolID), Subject: p.subject}
	case byLookup:
		return hotsync.Identity{Issuer: idpURL + "/" + idp.Lookup, Subject: p.subject}
	default:
		return hotsync.Identity{Issuer: idpURL + "/" + idp.Direct, Subject: p.subject}
	}
}

// world is what is true in Zuora, and who signs in. The same seed makes the same
// world.
type world struct {
	accounts []billing.Account
	people   []person
	of       [][]int // people by account
	numbers  int     // given to subscriptions so far
}

// newWorld makes accounts and the people they belong to: most have one account,
// some have several, some accounts are shared by two people, and an adviser names
// those of two.
func newWorld(r *rand.Rand, accounts int) *world {
	w := &world{of: make([][]int, accounts)}
	for i := range accounts {
		a := projectiontest.Account(r)
		a.Number = fmt.Sprintf("A9%07d", i)
		w.accounts = append(w.accounts, w.numbered(a))
	}
	for next := 0; next < accounts; {
		p := person{
			way:     pickWay(r),
			subject: fmt.Sprintf("soak|%06d", len(w.people)),
			email:   fmt.Sprintf("person%d@example.com", len(w.people)),
		}
		count := 1
		if p.way != byLookup && r.IntN(6) == 0 {
			count = min(2+r.IntN(2), accounts-next)
		}
		for range count {
			p.accounts = append(p.accounts, next)
			next++
		}
		if p.way == byLookup {
			w.accounts[p.accounts[0]].CustomFields = map[string]string{lookupField: p.subject}
		}
		w.add(p)
		if count == 1 && r.IntN(12) == 0 {
			w.add(
				person{
					way:      byID,
					subject:  p.subject + "-partner",
					email:    "partner-of-" + p.email,
					accounts: p.accounts,
				},
			)
		}
		if first := p.accounts[0]; count == 1 && first > 0 && r.IntN(16) == 0 {
			w.add(
				person{
					way:      byID,
					subject:  p.subject + "-adviser",
					email:    "adviser-of-" + p.email,
					accounts: []int{first - 1, first},
				},
			)
		}
	}
	return w
}

// some are the accounts that a person names this time, nil for all; seldom not all. A
// trigger names all: a second one within ten seconds counts as the first, whatever it
// names.
func (w *world) some(r *rand.Rand, person int) []int {
	p := w.people[person]
	if len(p.accounts) < 2 || p.way == byTrigger || r.IntN(4) > 0 {
		return nil
	}
	at := r.IntN(len(p.accounts))
	return p.accounts[at : at+1 : at+1]
}

func pickWay(r *rand.Rand) way {
	switch n := r.IntN(10); {
	case n < 4:
		return byID
	case n < 5:
		return byNumber
	case n < 7:
		return byLookup
	default:
		return byTrigger
	}
}

func (w *world) add(p person) {
	for _, a := range p.accounts {
		w.of[a] = append(w.of[a], len(w.people))
	}
	w.people = append(w.people, p)
}

// change lets one thing happen to an account in Zuora.
func (w *world) change(r *rand.Rand, account int) billing.Account {
	w.accounts[account] = w.numbered(projectiontest.Change(r, w.accounts[account]))
	return w.accounts[account]
}

// ownNumber begins the numbers of subscriptions, which Zuora never gives twice;
// random ones could meet.
const ownNumber = "A-S9"

func (w *world) numbered(a billing.Account) billing.Account {
	for i, s := range a.Subscriptions {
		if !strings.HasPrefix(s.Number, ownNumber) {
			w.numbers++
			a.Subscriptions[i].Number = fmt.Sprintf("%s%07d", ownNumber, w.numbers)
		}
	}
	return a
}
