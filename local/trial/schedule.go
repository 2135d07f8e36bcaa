package main

import (
	"math/rand/v2"

	"hotsync/shared/billing"
)

// kind is what happens at a step of a run.
type kind int

const (
	doLogin kind = iota
	doChange
	doDuplicate // a message is delivered once more
	doKill      // a sync process dies
	doExpire    // Zuora forgets its tokens
	doOutage    // Zuora, Limio or both go away; who is not named is back
)

// op is a step of a run, with all its random choices made.
type op struct {
	kind    kind
	person  int             // doLogin
	named   []int           // doLogin: not all accounts of the person
	down    []string        // doOutage
	account billing.Account // doChange: as it is from now on
	pick    uint64          // doDuplicate, doKill: which one, modulo how many there are
}

// plan is everything that a run does, in order. The same options make the same
// plan.
type plan struct {
	initial []billing.Account
	ops     []op
	closing []op // logins that must follow the last change of every account
}

// newPlan mixes logins with everything that may come in between. Some people
// sign in far more often than others.
func newPlan(r *rand.Rand, w *world, logins int) plan {
	p := plan{initial: append([]billing.Account(nil), w.accounts...)}
	dirty, seen := map[int]bool{}, make([]bool, len(w.people))
	login := func(person int, named []int) op {
		seen[person] = seen[person] || named == nil
		whom := w.people[person]
		if named != nil {
			whom.accounts = named
		}
		// A trigger's second login within ten seconds counts as the first: it need
		// not see what has changed between.
		for _, a := range whom.accounts {
			if whom.way != byTrigger {
				delete(dirty, a)
			}
		}
		return op{kind: doLogin, person: person, named: named}
	}
	outages := map[int][]string{}
	for i, down := range [][]string{{zuoraName}, {limioName}, {}, {zuoraName, limioName}, {}} { // rolling, and together
		outages[max(1, logins/3)+i*max(1, logins/25)] = down
	}
	for i := range logins {
		if r.IntN(3) == 0 {
			a := r.IntN(len(w.accounts))
			dirty[a] = true
			p.ops = append(p.ops, op{kind: doChange, account: w.change(r, a)})
		}
		switch r.IntN(150) {
		case 0, 1, 2:
			p.ops = append(p.ops, op{kind: doDuplicate, pick: r.Uint64()})
		case 3, 4:
			p.ops = append(p.ops, op{kind: doKill, pick: r.Uint64()})
		}
		switch i {
		case logins / 5, logins / 2, logins * 4 / 5:
			p.ops = append(p.ops, op{kind: doExpire})
		}
		if down, ok := outages[i]; ok {
			p.ops = append(p.ops, op{kind: doOutage, down: down})
		}
		person := r.IntN(len(w.people))
		if r.IntN(4) == 0 { // the eager tenth
			person = r.IntN(max(1, len(w.people)/10))
		}
		p.ops = append(p.ops, login(person, w.some(r, person)))
	}
	for a := range w.accounts {
		if dirty[a] {
			p.closing = append(p.closing, login(w.of[a][0], nil))
		}
	}
	for person, ok := range seen {
		if !ok {
			p.closing = append(p.closing, login(person, nil))
		}
	}
	return p
}
