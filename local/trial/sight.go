package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// sight is who sees what in Limio, worked out of its objects alone: a login sees what
// the owners have that it is linked to.
type sight struct {
	owners map[int]string          // of the accounts that Limio has: their customers'
	all    map[int]map[string]bool // of their customers and subscriptions
	links  map[int]map[string]bool // the owners that each person is linked to
}

// sees reports whether the person sees all of the account; seesAny, whether any of it.
func (s sight) sees(person, account int) bool {
	out := len(s.all[account]) > 0
	for owner := range s.all[account] {
		out = out && s.links[person][owner]
	}
	return out
}

func (s sight) seesAny(person, account int) bool {
	for owner := range s.all[account] {
		if s.links[person][owner] {
			return true
		}
	}
	return false
}

// see reads who sees what.
func (r *run) see(ctx context.Context) (sight, error) {
	var state map[string][]record
	err := call(ctx, http.MethodGet, r.stack.LimioURL+"/_sandbox/state", "", nil, &state)
	if err != nil {
		return sight{}, err
	}
	return r.sightOf(state), nil
}

func (r *run) sightOf(state map[string][]record) sight {
	s := sight{owners: map[int]string{}, all: map[int]map[string]bool{}, links: map[int]map[string]bool{}}
	accounts, people := map[string]int{}, map[hotsync.Identity]int{}
	for i, a := range r.world.accounts {
		accounts[a.ID] = i
	}
	for i, p := range r.world.people {
		people[p.identity(r.stack.IDPURL)] = i
	}
	of := map[string]int{} // customers
	for _, o := range state["identity"] {
		account, ours := accounts[o.Data.Value]
		if ours && o.Service == hotsync.ServiceZuora && o.Type == hotsync.TypeAccount {
			of[o.Customer] = account
		}
		person, known := people[hotsync.Identity{Issuer: o.Data.ISS, Subject: o.Data.Sub}]
		if known && o.Type == projection.TypeExternal && !strings.EqualFold(o.Status, "inactive") {
			add(s.links, person, o.Owner)
		}
	}
	for _, o := range state["customer"] {
		if account, ours := of[o.ID]; ours {
			s.owners[account] = o.Owner
			add(s.all, account, o.Owner)
		}
	}
	for _, o := range state["subscription"] {
		if account, ours := of[o.Customer]; ours {
			add(s.all, account, o.Owner)
		}
	}
	return s
}

func add(sets map[int]map[string]bool, key int, value string) {
	if sets[key] == nil {
		sets[key] = map[string]bool{}
	}
	sets[key][value] = true
}

// claims are what each person has named.
type claims struct {
	ever map[int]map[int]bool // in any sign-in, also one that was turned away
	last map[int][]int        // in the newest one that was taken
	torn map[int]bool         // the newest ones came at the same time and named other accounts
}

func claimsOf(tried, signed []signIn) claims {
	c := claims{ever: map[int]map[int]bool{}, last: map[int][]int{}, torn: map[int]bool{}}
	for _, s := range tried {
		for _, a := range s.named {
			if c.ever[s.person] == nil {
				c.ever[s.person] = map[int]bool{}
			}
			c.ever[s.person][a] = true
		}
	}
	newest := map[int]signIn{}
	for _, s := range signed {
		if s.began.After(newest[s.person].began) {
			newest[s.person] = s
		}
	}
	for person, s := range newest {
		c.last[person] = s.named
	}
	for _, s := range tried {
		n, ok := newest[s.person]
		if ok && s.ended.After(n.began) && !slices.Equal(s.named, n.named) {
			c.torn[s.person] = true
		}
	}
	return c
}

// forbidden reports whether a rule keeps a person from an account that they name: its
// owner has an account that they do not name, or they see another owner, and it cannot
// move there: because somebody else sees the account's, or somebody who sees theirs
// does not name all that would come.
func (s sight) forbidden(c claims, person, account int) bool {
	owner := s.owners[account]
	var along []int
	for other, o := range s.owners {
		if o == owner {
			along = append(along, other)
		}
	}
	names := func(person int, all []int) bool {
		return !slices.ContainsFunc(all, func(a int) bool { return !slices.Contains(c.last[person], a) })
	}
	if !names(person, along) {
		return true
	}
	for mine := range s.links[person] {
		if mine == owner {
			continue
		}
		for other, owners := range s.links {
			if other != person && (owners[owner] || owners[mine] && !names(other, along)) {
				return true
			}
		}
	}
	return false
}

// unseeing are the people who do not see what their newest sign-in names, although no
// rule forbids it, or of whom nobody can tell which sign-in that is.
func (r *run) unseeing(s sight, c claims) []int {
	var out []int
	for _, person := range slices.Sorted(maps.Keys(c.last)) {
		blind := slices.ContainsFunc(c.last[person], func(a int) bool {
			return !s.sees(person, a) && !s.forbidden(c, person, a)
		})
		if blind || c.torn[person] {
			out = append(out, person)
		}
	}
	return out
}

// checkSight wants nobody to see what they never named, everybody to see what their
// newest sign-in names and no rule forbids, and an event that says so where somebody
// does not see what they named.
func (r *run) checkSight(ctx context.Context, out *report, events map[string]hotsync.Event) error {
	s, err := r.see(ctx)
	if err != nil {
		return err
	}
	c := claimsOf(r.tried, r.signed)
	r.sight, r.claims = s, c
	out.strangers = r.strangers(s, c)
	newest := map[string]hotsync.Event{} // by subject and account
	for _, e := range events {
		key := e.Subject + "\x00" + e.Account.ID
		at := newest[key].RequestedAt
		if e.RequestedAt.After(at) {
			newest[key] = e
		}
	}
	for _, person := range slices.Sorted(maps.Keys(c.last)) {
		p := r.world.people[person]
		for _, a := range c.last[person] {
			if s.sees(person, a) {
				out.sights++
				continue
			}
			number := r.world.accounts[a].Number
			if !s.forbidden(c, person, a) {
				out.lockedOut = append(out.lockedOut,
					fmt.Sprintf("%s does not see %s, which they name and no rule forbids", p.subject, number))
				continue
			}
			out.forbidden++
			e := newest[p.subject+"\x00"+r.world.accounts[a].ID]
			told := slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
			// One that is covered counts as a success: only a login that is linked is covered.
			if !told && (e.Status == hotsync.StatusSucceeded || e.Reason == hotsync.ReasonCoalesced) {
				out.lockedOut = append(out.lockedOut,
					fmt.Sprintf("%s ended well, and does not say that %s does not see %s", e.ID, p.subject, number))
			}
		}
	}
	return nil
}

// strangers are those who see what they never named.
func (r *run) strangers(s sight, c claims) []string {
	var out []string
	for _, person := range slices.Sorted(maps.Keys(s.links)) {
		for account := range r.world.accounts {
			if s.seesAny(person, account) && !c.ever[person][account] {
				out = append(out, fmt.Sprintf("%s sees %s, which they never named",
					r.world.people[person].subject, r.world.accounts[account].Number))
			}
		}
	}
	return out
}
