package ownership

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"hotsync/shared/hotsync"
)

// Limio is what a decision asks of Limio besides what the sync has read.
type Limio interface {
	// Seen returns what Limio shows of an account.
	Seen(ctx context.Context, accountID string) (Seen, error)
	// MakeOwner makes an owner identity with a note of its accounts. It reports
	// false, and changes nothing, when Limio has it; unless with just that note, and
	// then it was made before and nothing came of it.
	MakeOwner(ctx context.Context, id string, accounts map[string]string) (made bool, err error)
	// NoteAccounts adds to the note of an owner, and makes the owner if there is none.
	NoteAccounts(ctx context.Context, id string, accounts map[string]string) error
	// TransferOwner returns everything that one owner has to another. It reports false
	// when Limio refuses.
	TransferOwner(ctx context.Context, from, to string) (moved bool, err error)
}

// Keeper takes decisions and records them.
type Keeper struct {
	Store Store
	Limio Limio
	Now   func() time.Time
	// Alone returns the n-th owner that an account may get for itself.
	Alone func(accountID string, n int) string
}

// rounds bounds how often a decision is taken again: because it asks for more, or
// because somebody else changed what it was taken on.
const rounds = 30

// Foresee takes the decision that Settle would take now, and changes nothing.
func (k *Keeper) Foresee(ctx context.Context, f Facts) (_ Decision, err error) {
	defer hotsync.In(&err, "ownership.Foresee")
	err = k.Gather(ctx, &f)
	if err != nil {
		return Decision{}, err
	}
	d, err := k.decide(ctx, &f)
	if err == nil && d.Wait > 0 && len(d.Recover) == 0 {
		return Decision{}, busy(d.Wait)
	}
	return d, err
}

// Settle decides, and records the decision before the caller may carry it out: make
// the account's customer for the owner, and link the login. The owner itself is
// there then, with the accounts that were to move to it. The error is one that may
// be tried again when another sync has to end first.
func (k *Keeper) Settle(ctx context.Context, f Facts) (_ Decision, err error) {
	defer hotsync.In(&err, "ownership.Settle")
	if f.Owners == nil {
		err = k.Gather(ctx, &f)
	}
	for n := 0; err == nil && n < rounds; n++ {
		var d Decision
		var done bool
		d, err = k.decide(ctx, &f)
		if err == nil {
			done, err = k.enact(ctx, &f, d)
		}
		if done {
			return d, nil
		}
		if err == nil || errors.Is(err, ErrConflict) {
			err = k.Gather(ctx, &f)
		}
	}
	if err != nil {
		return Decision{}, err
	}
	return Decision{}, busy(moment)
}

func busy(wait time.Duration) error {
	return hotsync.Errorf(hotsync.CodeOwnerBusy, "Another sync is about to decide who sees the account.").After(wait)
}

// Gather reads anew what a decision mostly asks for: the login, and the owner that the
// account has or may get. Settle does so itself for facts of which nothing was gathered;
// who has other things to wait for at the time calls it beside them.
func (k *Keeper) Gather(ctx context.Context, f *Facts) (err error) {
	owner := cmp.Or(f.Seen.Owner, k.Alone(f.Account.ID, 0))
	f.Known, f.Owners, err = k.Store.Read(ctx, f.Login, owner)
	return err
}

// decide decides, and finds out what that takes.
func (k *Keeper) decide(ctx context.Context, f *Facts) (Decision, error) {
	for n, alone := 0, 0; n < rounds; n++ {
		f.Now, f.Alone = k.Now(), k.Alone(f.Account.ID, alone)
		d := Decide(*f)
		if d.Next {
			alone++
			continue
		}
		if len(d.Need)+len(d.Look) == 0 {
			return d, nil
		}
		err := k.find(ctx, f, d)
		if err != nil {
			return Decision{}, err
		}
	}
	return Decision{}, hotsync.Errorf(hotsync.CodeInternal, "No decision who sees the account.")
}

// find reads what a decision asks for.
func (k *Keeper) find(ctx context.Context, f *Facts, d Decision) (err error) {
	if len(d.Need) > 0 {
		_, found, err := k.Store.Read(ctx, "", d.Need...)
		if err != nil {
			return err
		}
		maps.Copy(f.Owners, found)
	}
	if f.Others == nil {
		f.Others = map[string]Seen{}
	}
	for _, id := range d.Look {
		f.Others[id], err = k.Limio.Seen(ctx, id)
		if err != nil {
			return err
		}
	}
	return nil
}

// enact records a decision, makes sure of the owner, and moves what is to move. It
// reports false when there is to be decided again.
func (k *Keeper) enact(ctx context.Context, f *Facts, d Decision) (done bool, err error) {
	if d.Wait > 0 {
		err = k.save(ctx, d.Recover)
		if err == nil {
			err = busy(d.Wait)
		}
		return false, err
	}
	if d.Binding != nil {
		err = k.Store.SaveLogin(ctx, f.Login, *d.Binding)
		if err != nil {
			return false, err
		}
	}
	if d.New {
		made, err := k.Limio.MakeOwner(ctx, d.Owner, map[string]string{f.Account.ID: f.Account.Number})
		if err == nil && !made { // whoever made it, nobody knows what it has
			err = k.save(ctx, []Owner{{ID: d.Owner, Partial: true}})
		}
		if err != nil || !made {
			return false, err
		}
	}
	err = k.save(ctx, d.Save)
	if err == nil {
		err = k.note(ctx, f, d)
	}
	if err != nil {
		return false, err
	}
	if d.From == "" {
		return true, nil
	}
	moved, err := k.Limio.TransferOwner(ctx, d.From, d.Owner)
	if err != nil {
		return false, err // whatever it says beside: nothing is known to have moved
	}
	f.NoMove = !moved
	return moved, nil
}

func (k *Keeper) save(ctx context.Context, owners []Owner) error {
	for _, o := range owners {
		_, err := k.Store.SaveOwner(ctx, o)
		if err != nil {
			return err
		}
	}
	return nil
}

// note adds to Limio's note of the owner what it lacks: what is about to come, or
// what came without hotsync. An owner of which not everything is known gets none.
func (k *Keeper) note(ctx context.Context, f *Facts, d Decision) error {
	_, noted := f.Seen.Noted[f.Account.ID]
	stays := d.Owner == f.Seen.Owner
	if d.New || stays && (noted || f.Seen.Noted == nil) {
		return nil
	}
	if d.To.Partial && !stays {
		return nil
	}
	accounts := map[string]string{f.Account.ID: f.Account.Number}
	for id, a := range d.To.Accounts {
		accounts[id] = a.Number
	}
	return k.Limio.NoteAccounts(ctx, d.Owner, accounts)
}
