package ownership

import (
	"reflect"
	"slices"
	"time"

	"hotsync/shared/hotsync"
)

// Facts is all that a decision is made of.
type Facts struct {
	Account hotsync.AccountRef
	Login   string    // Hash; "" for nobody
	Fresh   bool      // a sign-in, or a look-up that was made again now: it may link
	Named   []string  // what the login names
	At      time.Time // of the sign-in

	Own   string // the owner that the version before gave a login
	Alone string // the owner that the account gets for itself

	// What Limio shows.
	Present string   // the owner that the account has; "" when Limio does not have the account
	Shown   []string // the logins linked to it
	Shows   bool     // Limio shows logins at all
	Foreign bool     // Limio made the customer itself
	ReadAt  time.Time

	// What hotsync knows.
	Known Login
	Owner Owner // of Present
	Mine  Owner // of the owner that the login belongs to, or would get

	NoMove bool // Limio has refused to move the account to the login's owner
}

// Reason says why a login is not linked, or why it is.
type Reason string

// The reasons.
const (
	ReasonLinked   Reason = "linked"    // Limio shows the link
	ReasonLink     Reason = "link"      // will be linked
	ReasonMove     Reason = "move"      // will be linked, and the account moves to its owner first
	ReasonNobody   Reason = "nobody"    // no login asks
	ReasonNotFresh Reason = "not_fresh" // only a sign-in links
	ReasonNewer    Reason = "newer"     // a newer sign-in of the person does not name the account
	ReasonOthers   Reason = "others"    // the login's owner is seen by logins that did not name the account
	ReasonUnnamed  Reason = "unnamed"   // the account's owner has accounts that the login does not name
	ReasonUnknown  Reason = "unknown"   // nobody knows what the account's owner has
	ReasonTwo      Reason = "two"       // the login belongs to another owner than the account
	ReasonWait     Reason = "wait"      // a move of the account is under way
)

// Decision is where the account belongs and whether the login may see it.
type Decision struct {
	Reason Reason
	Link   bool
	Owner  string // for a customer that is yet to be created
	From   string // the owner whose accounts move to Owner first
	// What is to be remembered before anything is done, in this order.
	Save  []Owner
	Login *Login
}

// Decide says where the account belongs and whether the login may see it:
//
//   - A login is linked to an owner it did not have only if it names every account
//     that the owner has.
//   - An account is added to an owner only if every login that sees it named it.
//   - Only a sign-in links, and no older one than the newest.
//   - What Limio shows counts as much as what hotsync knows; where nobody knows what
//     an owner has, nobody new is linked to it.
func Decide(f Facts) Decision {
	d := decide(f)
	d.Save = slices.DeleteFunc(d.Save, func(o Owner) bool {
		known := f.Owner
		if o.ID != known.ID {
			known = f.Mine
		}
		return reflect.DeepEqual(o, known.clone())
	})
	return d
}

func decide(f Facts) Decision {
	owner, mine := merged(f), f.Mine.clone()
	mine.dropAccount(f)
	named := append(slices.Clone(f.Named), f.Account.ID)
	shown := f.Login != "" && slices.Contains(f.Shown, f.Login)
	switch {
	case f.Login != "" && f.Known.At.After(f.At) && !has(f.Known.Named, f.Account.ID, f.Account.Number):
		return alone(f, owner, ReasonNewer)
	case shown:
		return f.join(owner, named, ReasonLinked)
	case f.Login == "":
		return alone(f, owner, ReasonNobody)
	case !f.Fresh:
		return alone(f, owner, ReasonNotFresh)
	case owner.MovingTo != "" && owner.MovingTo != mine.ID:
		return Decision{Reason: ReasonWait}
	case f.Present == "":
		return create(f, mine, named)
	case f.Present == mine.ID || f.NoMove || !mine.Logins[f.Login].Linked && len(mine.Accounts) == 0:
		return join(f, owner, named)
	default:
		return takeOver(f, owner, mine, named)
	}
}

// merged is what is known of the account's owner together with what Limio shows.
func merged(f Facts) Owner {
	o := f.Owner.clone()
	if f.Present == "" {
		return o
	}
	if o.Revision == 0 {
		o.Partial = len(f.Shown) > 0 || f.Present != f.Own && f.Present != f.Alone && !f.Foreign
	}
	if a := o.Accounts[f.Account.ID]; a.ClaimedAt.IsZero() || a.Number != f.Account.Number {
		o.Accounts[f.Account.ID] = Account{Number: f.Account.Number, ClaimedAt: f.ReadAt}
	}
	for _, hash := range f.Shown {
		m := o.Logins[hash]
		if m.ClaimedAt.IsZero() {
			m.ClaimedAt = f.ReadAt
		}
		m.Linked = true
		o.Logins[hash] = m
	}
	for hash, m := range o.Logins {
		if f.Shows && !slices.Contains(f.Shown, hash) && m.ClaimedAt.Add(Lease).Before(f.ReadAt) {
			delete(o.Logins, hash)
		}
	}
	if o.MovingTo != "" && (o.MovingAt.Add(Lease).Before(f.ReadAt) || f.NoMove && o.MovingTo == f.Mine.ID) {
		o.MovingTo, o.MovingAt = "", time.Time{} // it never happened: the account is still here
	}
	return o
}

// dropAccount forgets that the account was to come here: Limio shows it elsewhere.
func (o *Owner) dropAccount(f Facts) {
	a, claimed := o.Accounts[f.Account.ID]
	if claimed && f.Present != "" && f.Present != o.ID && a.ClaimedAt.Add(Lease).Before(f.ReadAt) {
		delete(o.Accounts, f.Account.ID)
	}
}

// alone leaves the links as they are; an account that Limio does not have gets an
// owner of its own.
func alone(f Facts, owner Owner, why Reason) Decision {
	if f.Present == "" {
		owner.Accounts[f.Account.ID] = Account{Number: f.Account.Number, ClaimedAt: f.ReadAt}
		return Decision{Reason: why, Owner: f.Alone, Save: []Owner{owner}}
	}
	return Decision{Reason: why, Save: []Owner{owner}}
}

// join remembers the login at the owner.
func (f Facts) join(o Owner, named []string, why Reason) Decision {
	m := o.Logins[f.Login]
	if f.Fresh && !m.At.After(f.At) {
		if m.At.Equal(f.At) {
			named = append(named, m.Named...)
		}
		slices.Sort(named)
		m.Named, m.At = slices.Compact(named), f.At
	}
	if !m.Linked {
		m.ClaimedAt = f.ReadAt
	}
	o.Logins[f.Login] = m
	d := Decision{Reason: why, Link: true, Owner: o.ID, Save: []Owner{o}}
	if f.Present != "" {
		d.Owner = ""
	}
	if l := (Login{Owner: o.ID, Named: m.Named, At: m.At, Revision: f.Known.Revision}); f.Known.Owner != l.Owner || !f.Known.At.Equal(l.At) {
		d.Login = &l
	}
	return d
}

// create finds the owner of an account that Limio does not have.
func create(f Facts, mine Owner, named []string) Decision {
	may := mine.Logins[f.Login].Linked || mine.namesAll(named)
	if mine.Revision == 0 && mine.ID != f.Alone {
		may = false // what was known of it was lost: nobody knows who sees it
	}
	if mine.MovingTo == "" && may && mine.othersName(f.Login, f.Account.ID, f.Account.Number) {
		mine.Accounts[f.Account.ID] = Account{Number: f.Account.Number, ClaimedAt: f.ReadAt}
		return f.join(mine, named, ReasonLink)
	}
	owner := f.Owner.clone()
	if mine.Logins[f.Login].Linked || owner.others(f.Login) || !owner.namesAll(named) {
		return alone(f, owner, ReasonOthers)
	}
	owner.Accounts[f.Account.ID] = Account{Number: f.Account.Number, ClaimedAt: f.ReadAt}
	return f.join(owner, named, ReasonLink) // nothing came of the owner that it had
}

// join lets a login see what the account's owner has, if it names all of it.
func join(f Facts, owner Owner, named []string) Decision {
	switch {
	case !owner.namesAll(named):
		return alone(f, owner, ReasonUnnamed)
	case owner.Partial, !f.Shows && owner.Revision == 0:
		return alone(f, owner, ReasonUnknown)
	}
	return f.join(owner, named, ReasonLink)
}

// takeOver moves the accounts of an owner that nobody signs in to to the login's.
func takeOver(f Facts, owner, mine Owner, named []string) Decision {
	switch {
	case owner.others(f.Login), !owner.namesAll(named), owner.Partial:
		return alone(f, owner, ReasonTwo)
	case !mine.Logins[f.Login].Linked && !mine.namesAll(named), mine.MovingTo != "":
		return join(f, owner, named)
	}
	for id, a := range owner.Accounts {
		if !mine.othersName(f.Login, id, a.Number) {
			return alone(f, owner, ReasonTwo)
		}
		mine.Accounts[id] = Account{Number: a.Number, ClaimedAt: f.ReadAt}
	}
	d := f.join(mine, named, ReasonMove)
	owner.MovingTo, owner.MovingAt = mine.ID, f.ReadAt
	d.Owner, d.From, d.Save = mine.ID, owner.ID, append(d.Save, owner)
	return d
}
