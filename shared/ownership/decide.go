package ownership

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"time"

	"hotsync/shared/hotsync"
)

// Seen is what Limio shows of an account.
type Seen struct {
	Owner  string            // "" when Limio does not have the account
	Logins []string          // linked to that owner, by Hash
	Shows  bool              // Limio shows logins at all, so that one that is not among them is not linked
	Noted  map[string]string // numbers, by id, of the accounts that hotsync has given to the owner; nil for no note
	At     time.Time         // when it was read
}

// Facts is all that a decision is made of. A Keeper fills in the second half as
// decisions ask for it.
type Facts struct {
	Account hotsync.AccountRef
	Login   string    // Hash; "" for nobody
	Fresh   bool      // a sign-in, or a look-up that was made again now: it may link
	Found   bool      // the account was found by a look-up, so that Named is not all that the login names
	Named   []string  // what the login names
	At      time.Time // of the sign-in
	Seen    Seen      // of the account
	Sole    bool      // the account's owner was made for it alone, by hotsync or with Limio's own customer

	Now    time.Time
	Alone  string // the owner that the account may get for itself
	NoMove bool   // Limio has refused to move the account to the login's owner
	Known  Login
	Owners map[string]Owner // what is known of owners, by id
	Others map[string]Seen  // of other accounts, by id
}

// Reason says why a login is linked, or is not.
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
	ReasonUnnamed  Reason = "unnamed"   // the owner has accounts that the login does not name
	ReasonUnknown  Reason = "unknown"   // nobody knows what the account's owner has
	ReasonTwo      Reason = "two"       // the login belongs to another owner than the account
)

// Decision is where the account belongs and whether the login may see it, or what
// there is to find out first.
type Decision struct {
	Reason Reason
	Link   bool
	Owner  string   // of the account from now on
	New    bool     // Limio must not have the owner yet: nothing is known of it
	From   string   // the owner whose accounts move to Owner first
	Moves  []string // those accounts, by number where that is known

	// What is to be remembered before anything is done: the login first, so that of
	// two syncs of one login that would bind it to two owners one does not.
	Binding *Login
	Save    []Owner
	To      Owner // what Owner is from now on, whether that is known already or not

	Need []string      // owners to be read in the store, and
	Look []string      // accounts to be read in Limio, before anything is decided
	Next bool          // the owner Alone is not to be had; another one may be
	Wait time.Duration // another sync is about to decide, or may be

	// Recover is to be remembered before the wait: from when on the owners are known
	// again that the table had lost.
	Recover []Owner
}

// looks bounds how many accounts a decision looks up in Limio.
const looks = 10

// moment is how long another sync usually takes for what it is in the middle of.
const moment = 3 * time.Second

// Decide says where the account belongs and whether the login may see it:
//
//   - A login is linked to an owner that it does not see only if it names every
//     account that the owner has.
//   - An account comes to an owner only if every login that sees it named it.
//   - Only a sign-in links, and no older one than the newest.
//   - A login has one owner. An account that another owner has moves to it if
//     nobody else signs in to that one.
//   - What Limio shows counts as much as what is known; where nobody knows what an
//     owner has, nobody new is linked to it.
func Decide(f Facts) Decision {
	d := decider{
		Facts: f,
		need:  map[string]bool{},
		look:  map[string]bool{},
		named: append(slices.Clone(f.Named), f.Account.ID),
	}
	d.views = append(d.views, view{f.Account.ID, f.Seen})
	for _, account := range slices.Sorted(maps.Keys(f.Others)) {
		d.views = append(d.views, view{account, f.Others[account]})
	}
	switch {
	case f.Known.At.After(f.At) && f.Found && !has(f.Known.Named, f.Account.ID, f.Account.Number):
		// A newer sign-in does not name what was found again now: the two are no one sign-in.
	case f.Known.At.After(f.At):
		d.named = f.Known.Named // the newer sign-in counts
	case f.Known.At.Equal(f.At):
		d.named = append(d.named, f.Known.Named...) // found one by one
	}
	out := d.decide()
	switch {
	case len(d.need) > 0:
		return Decision{Need: slices.Sorted(maps.Keys(d.need))}
	case len(d.look) > 0:
		return Decision{Look: slices.Sorted(maps.Keys(d.look))}
	case out.Reason.refuses() && d.wait > 0:
		return Decision{Wait: d.wait}
	}
	if out.Owner != "" && (f.Seen.Owner == "" || out.Link && out.Reason != ReasonLinked) {
		out.Recover, out.Wait = d.recovering(out.Owner, out.From)
	}
	for _, o := range out.Save {
		if o.ID == out.Owner {
			out.To = o
		}
	}
	out.Save, out.Recover = d.news(out.Save), d.news(out.Recover)
	return out
}

// recovering returns those of the owners that the table has lost, as Limio shows
// them, and how long a sync that knew more may be at work.
func (d *decider) recovering(owners ...string) (lost []Owner, left time.Duration) {
	for _, id := range owners {
		if id == "" {
			continue
		}
		o := d.owner(id)
		if wait := o.RecoveredAt.Add(Recovery).Sub(d.Now); wait > 0 {
			lost, left = append(lost, o), max(left, wait)
		}
	}
	return lost, left
}

// news are those of the owners that are not known so.
func (d *decider) news(owners []Owner) []Owner {
	return slices.DeleteFunc(owners, func(o Owner) bool {
		known := d.Owners[o.ID].clone()
		known.ID = o.ID
		return reflect.DeepEqual(o, known)
	})
}

// refuses tells the reasons that may be other ones when what is under way has ended.
func (r Reason) refuses() bool {
	return r == ReasonOthers || r == ReasonUnnamed || r == ReasonUnknown || r == ReasonTwo
}

// decider is one run of Decide.
type decider struct {
	Facts
	named      []string // that count
	views      []view
	need, look map[string]bool
	wait       time.Duration
}

// view is what Limio shows of an account, this one or one that was looked up.
type view struct {
	account string
	Seen
}

func (d *decider) decide() Decision {
	switch {
	case d.outdated():
		return d.leave(ReasonNewer)
	case d.Login != "" && slices.Contains(d.Seen.Logins, d.Login):
		return d.join(d.owner(d.Seen.Owner), ReasonLinked)
	case d.Login == "":
		return d.leave(ReasonNobody)
	case !d.Fresh:
		return d.leave(ReasonNotFresh)
	case d.Seen.Owner == "":
		return d.create()
	default:
		return d.meet()
	}
}

// outdated reports whether the person's newest sign-in does not name the account,
// and this is an older one, or none at all.
func (d *decider) outdated() bool {
	return d.Login != "" && !d.Found && d.Known.Named != nil && !has(d.Known.Named, d.Account.ID, d.Account.Number) &&
		(d.Known.At.After(d.At) || !d.Fresh)
}

// leave leaves the links as they are; an account that Limio does not have gets an
// owner of its own.
func (d *decider) leave(why Reason) Decision {
	binding := d.note()
	if d.Seen.Owner != "" {
		return Decision{Reason: why, Owner: d.Seen.Owner, Binding: binding, Save: []Owner{d.owner(d.Seen.Owner)}}
	}
	alone := d.owner(d.Alone)
	switch {
	case alone.MovingTo != "":
		return Decision{Wait: moment}
	case alone.Partial, !d.othersName(alone, d.Account, ""):
		return Decision{Next: true}
	}
	return Decision{
		Reason:  why,
		Owner:   alone.ID,
		New:     alone.Revision == 0,
		Binding: binding,
		Save:    []Owner{d.with(alone, d.Account)},
	}
}

// note remembers what a look-up found also where the login is not linked: one that
// found another account of the same owner, in the same sign-in, completes it.
func (d *decider) note() *Login {
	if d.Login == "" || !d.Found || !d.Fresh {
		return nil
	}
	return d.changed(d.bind(d.Known.Owner))
}

// changed is what is to be remembered of the login; nil where that is known.
func (d *decider) changed(b Login) *Login {
	same := b.Owner == d.Known.Owner && b.BoundAt.Equal(d.Known.BoundAt) && slices.Equal(b.Named, d.Known.Named)
	if same && (!d.Found || b.At.Equal(d.Known.At)) {
		return nil
	}
	return &b
}

// create finds the owner of an account that Limio does not have: the login's, or
// one of its own.
func (d *decider) create() Decision {
	mine := d.mine()
	switch {
	case mine.ID == "", mine.ID == d.Alone && mine.Revision == 0:
	case mine.MovingTo != "", d.isUnborn(mine):
		return Decision{Wait: moment}
	case d.mayTake(mine, d.Account):
		return d.join(d.with(mine, d.Account), ReasonLink)
	case !d.leaves(mine):
		return d.leave(ReasonOthers)
	}
	alone := d.owner(d.Alone)
	if alone.Partial || alone.MovingTo != "" || !d.othersName(alone, d.Account, d.Login) || !d.namesAll(alone) {
		return Decision{Next: true}
	}
	return d.join(d.with(alone, d.Account), ReasonLink)
}

// meet brings a login and an account together that Limio has.
func (d *decider) meet() Decision {
	owner, mine := d.owner(d.Seen.Owner), d.mine()
	switch {
	case owner.MovingTo != "" && owner.MovingTo != mine.ID,
		mine.MovingTo != "",
		mine.ID != owner.ID && d.isUnborn(mine):
		return Decision{Wait: moment}
	case mine.ID == "" || mine.ID == owner.ID:
	case d.mayMove(owner, mine):
		return d.move(owner, mine)
	case !d.leaves(mine):
		return d.leave(ReasonTwo)
	}
	switch {
	case !d.namesAll(owner):
		return d.leave(ReasonUnnamed)
	case owner.Partial:
		return d.leave(ReasonUnknown)
	}
	return d.join(owner, ReasonLink)
}

// join remembers the login at the owner.
func (d *decider) join(o Owner, why Reason) Decision {
	m := o.Logins[d.Login]
	if why != ReasonLinked {
		m.ClaimedAt = d.Now
	}
	b := d.bind(o.ID)
	if why != ReasonLinked && !d.isLinked(o.ID) && d.Now.Sub(b.BoundAt) > Lease/2 {
		b.BoundAt = d.Now // so that no other sync of the login takes it for one that may leave
	}
	if d.Fresh {
		m.Named = b.Named
	}
	o.Logins[d.Login] = m
	return Decision{
		Reason:  why,
		Link:    true,
		Owner:   o.ID,
		New:     o.Revision == 0 && !d.isSeen(o.ID),
		Binding: d.changed(b),
		Save:    []Owner{o},
	}
}

// bind is the login with its owner, and with what its newest sign-in names.
func (d *decider) bind(owner string) Login {
	b := d.Known
	if b.Owner != owner {
		b.Owner, b.BoundAt = owner, d.Now
	}
	if d.Fresh && !b.At.After(d.At) {
		names := slices.Clone(d.named)
		slices.Sort(names)
		b.Named, b.At = slices.Compact(names), d.At
	}
	return b
}

// move returns the accounts of an owner that nobody signs in to to the login's.
func (d *decider) move(from, to Owner) Decision {
	for id, a := range from.Accounts {
		to = d.with(to, hotsync.AccountRef{ID: id, Number: a.Number})
	}
	out := d.join(to, ReasonMove)
	for _, id := range slices.Sorted(maps.Keys(from.Accounts)) {
		out.Moves = append(out.Moves, cmp.Or(from.Accounts[id].Number, id))
	}
	from.MovingTo, from.MovingAt = to.ID, d.Now
	out.From, out.New, out.Save = from.ID, false, append(out.Save, from)
	return out
}

// mayMove reports whether the accounts of an owner may come to the login's.
func (d *decider) mayMove(from, to Owner) bool {
	for login := range from.Logins {
		if login != d.Login {
			return false
		}
	}
	if d.NoMove || from.Partial || to.MovingTo != "" || !d.namesAll(from) {
		return false
	}
	for id, a := range from.Accounts {
		if !d.mayTake(to, hotsync.AccountRef{ID: id, Number: a.Number}) {
			return false
		}
	}
	return true
}

// mayTake reports whether an account may come to the login's owner, and the login
// be linked there.
func (d *decider) mayTake(mine Owner, account hotsync.AccountRef) bool {
	isKnown := mine.Revision > 0 || d.isSeen(mine.ID)
	return isKnown && (d.isLinked(mine.ID) || !mine.Partial && d.namesAll(mine)) && d.othersName(mine, account, d.Login)
}

// mine is the login's owner. Where nothing is known of the login, it is the one
// that Limio shows it to be linked to, by another account that it names.
func (d *decider) mine() Owner {
	if d.Known.Owner != "" {
		return d.owner(d.Known.Owner)
	}
	for _, account := range d.named {
		if hotsync.IsAccountID(account) {
			d.lookAt(account)
		}
		if seen := d.Others[account]; slices.Contains(seen.Logins, d.Login) {
			return d.owner(seen.Owner)
		}
	}
	return Owner{}
}

// isUnborn reports whether a sync of the login, a moment ago, bound it to an owner
// that it is about to make; or has made, and is about to record.
func (d *decider) isUnborn(mine Owner) bool {
	return mine.ID != "" && mine.Revision == 0 && !d.isSeen(mine.ID) && d.Now.Sub(d.Known.BoundAt) < moment
}

// leaves reports whether a login may have another owner than the one it is bound
// to: it is not linked to that one, and cannot be about to.
func (d *decider) leaves(mine Owner) bool {
	if d.isLinked(mine.ID) {
		return false
	}
	for _, account := range slices.Sorted(maps.Keys(mine.Accounts)) {
		if !d.lookAt(account) {
			return false
		}
	}
	for _, v := range d.views {
		if v.Owner == mine.ID && !v.Shows {
			return false
		}
	}
	claimed := mine.Logins[d.Login].ClaimedAt
	if claimed.Before(d.Known.BoundAt) {
		claimed = d.Known.BoundAt
	}
	return !d.inFlight(claimed)
}

// owner is what is known of an owner together with what Limio shows, without what
// was claimed long before Limio showed otherwise.
func (d *decider) owner(id string) Owner {
	known, ok := d.Owners[id]
	if !ok {
		d.need[id] = true
	}
	o := known.clone()
	o.ID = id
	d.merge(&o)
	for _, v := range d.views {
		a, has := o.Accounts[v.account]
		if has && v.Owner != id && ended(a.ClaimedAt, v.At) {
			delete(o.Accounts, v.account)
		}
	}
	if a, has := o.Accounts[d.Account.ID]; has {
		a.Number = d.Account.Number
		o.Accounts[d.Account.ID] = a
	}
	if o.Elsewhere {
		o.RecoveredAt = d.Now
	}
	if o.MovingTo != "" && (d.NoMove || ended(o.MovingAt, d.Now)) {
		o.MovingTo, o.MovingAt = "", time.Time{} // it never happened, or has long happened
	}
	return o
}

// merge adds what Limio shows of an owner, by those of its accounts that were read.
func (d *decider) merge(o *Owner) {
	seen := Seen{}
	for _, v := range d.views {
		if v.Owner != o.ID {
			continue
		}
		seen.Owner, seen.Shows, seen.At = v.Owner, seen.Shows || v.Shows, v.At
		if a, has := o.Accounts[v.account]; !has || a.ClaimedAt.IsZero() {
			a.ClaimedAt = v.At
			o.Accounts[v.account] = a
		}
		if v.Noted != nil {
			seen.Noted = v.Noted
		}
		for id, number := range v.Noted {
			if _, has := o.Accounts[id]; !has {
				o.Accounts[id] = Account{Number: number}
			}
		}
		for _, login := range v.Logins {
			seen.Logins = append(seen.Logins, login)
			m := o.Logins[login]
			if m.ClaimedAt.IsZero() {
				m.ClaimedAt = v.At
			}
			o.Logins[login] = m
		}
	}
	maps.DeleteFunc(o.Logins, func(login string, m Member) bool {
		return seen.Shows && !slices.Contains(seen.Logins, login) && ended(m.ClaimedAt, seen.At)
	})
	if o.Revision == 0 && seen.Owner != "" {
		mayBeSole := d.Sole && o.ID == d.Seen.Owner && len(o.Logins) == 0
		o.Partial = !seen.Shows || seen.Noted == nil && !mayBeSole
		if seen.Noted != nil {
			o.RecoveredAt = d.Now // hotsync has noted that, and so had recorded it
		}
	}
	switch {
	case o.Elsewhere && seen.Owner != "" && !seen.Shows:
		o.Partial = true // who was linked since then nobody knows
	case o.Partial && seen.Shows && seen.Noted != nil:
		o.Partial, o.RecoveredAt = false, d.Now
	}
}

// with is the owner with the account on its way to it.
func (d *decider) with(o Owner, account hotsync.AccountRef) Owner {
	o.Accounts[account.ID] = Account{Number: account.Number, ClaimedAt: d.Now}
	return o
}

// namesAll reports whether the login names every account of the owner. Those that
// it does not are looked up: they may be elsewhere by now.
func (d *decider) namesAll(o Owner) bool {
	all := true
	for _, id := range slices.Sorted(maps.Keys(o.Accounts)) {
		a := o.Accounts[id]
		if has(d.named, id, a.Number) {
			continue
		}
		all = false
		d.lookAt(id)
		if seen, looked := d.Others[id]; looked && seen.Owner != o.ID {
			d.inFlight(a.ClaimedAt)
		}
	}
	return all
}

// othersName reports whether every login of the owner but one named the account. Who
// is linked there is looked up, unless everybody is known and has named it.
func (d *decider) othersName(o Owner, account hotsync.AccountRef, but string) bool {
	all := true
	for _, login := range slices.Sorted(maps.Keys(o.Logins)) {
		m := o.Logins[login]
		all = all && (login == but || has(m.Named, account.ID, account.Number))
	}
	if (!all || o.Elsewhere || !d.isRecent(o)) && !d.isSeen(o.ID) {
		for _, id := range slices.Sorted(maps.Keys(o.Accounts)) {
			d.lookAt(id)
		}
	}
	return all
}

// isRecent reports whether what is known of an owner was recorded so lately that it
// cannot be of a table that was restored to an earlier moment since.
func (d *decider) isRecent(o Owner) bool {
	for _, a := range o.Accounts {
		if d.Now.Sub(a.ClaimedAt) < Lease/2 {
			return true
		}
	}
	return false
}

// isSeen reports whether Limio shows an account of the owner.
func (d *decider) isSeen(owner string) bool {
	return slices.ContainsFunc(d.views, func(v view) bool { return v.Owner == owner })
}

// isLinked reports whether Limio shows the login to be linked to the owner.
func (d *decider) isLinked(owner string) bool {
	return slices.ContainsFunc(
		d.views,
		func(v view) bool { return v.Owner == owner && slices.Contains(v.Logins, d.Login) },
	)
}

// lookAt asks for what Limio shows of an account. It reports false where more are
// in the way than a decision looks up.
func (d *decider) lookAt(account string) bool {
	_, looked := d.Others[account]
	if looked || account == d.Account.ID {
		return true
	}
	if !d.look[account] && len(d.Others)+len(d.look) >= looks {
		return false
	}
	d.look[account] = true
	return true
}

// inFlight reports whether what was claimed then may still come about, and has the
// decision wait for that rather than refuse: as long again as it was waited for.
func (d *decider) inFlight(claimed time.Time) bool {
	left := claimed.Add(Lease).Sub(d.Now)
	d.wait = max(d.wait, min(left, max(moment, d.Now.Sub(claimed))))
	return left > 0
}

// ended reports whether what was claimed must have come about before a reading.
func ended(claimed, read time.Time) bool { return !claimed.Add(Lease).After(read) }
