package syncer

import (
	"context"
	"slices"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// In Limio a login is linked to an owner identity and sees every account of it.
// So linking a login to an owner, or giving an owner one more account, can show
// one person's account to another. The rules:
//
//   - A login has one owner.
//   - A login is linked to an owner it did not have before only if it names every
//     account that hotsync knows the owner to have.
//   - An owner that other logins see gets no further account; the account gets an
//     owner of its own, and its login is not linked.
//   - An owner that nobody signs in to (made by a callout, or by Limio's plugin)
//     gives its account over to the owner of the first login that names it.
//
// What an owner has from before hotsync is not known here; see docs/limits.md.

// belonging is where an account belongs.
type belonging struct {
	owner   string // for a customer that is yet to be created; "" for the projection's own choice
	link    bool   // the login may be linked to the account's owner
	warning string // why not
	again   bool   // ownership was moved in Limio, which is to be read again
}

// belong decides where the account belongs and whether the login may see it. It
// remembers the decision before anything is written, so that of two syncs that
// would show each other's account at the same moment, one sees the other.
func (j *job) belong(ctx context.Context, account hotsync.AccountRef, have []projection.Object) (belonging, error) {
	who := j.request.Identity
	if who.Issuer == "" || who.Subject == "" {
		return belonging{}, nil
	}
	present := customer(nil, have).Owner
	if present != "" && present == j.state.OwnerID && j.state.Linked(who) {
		return belonging{link: true}, nil // decided before
	}
	mine, err := j.Events.LoginOwner(ctx, who)
	if err != nil {
		return belonging{}, err
	}
	fresh := mine == ""
	if fresh {
		mine = projection.OwnerID(j.Tenant, account.ID, who)
	}
	switch {
	case present == "":
		return j.addAccount(ctx, account, mine)
	case present == mine:
		_, err = j.Events.JoinOwner(ctx, mine, account, who)
		return belonging{link: true}, j.bound(ctx, who, mine, err)
	case fresh:
		return j.joinStranger(ctx, account, present, have)
	default:
		return j.takeOver(ctx, account, present, mine, have)
	}
}

// bound remembers the login's owner, unless err says that there is nothing to.
func (j *job) bound(ctx context.Context, who hotsync.Identity, owner string, err error) error {
	if err != nil {
		return err
	}
	_, err = j.Events.BindLogin(ctx, who, owner)
	return err
}

// addAccount gives the login's owner an account that is new in Limio, unless
// others see that owner.
func (j *job) addAccount(ctx context.Context, account hotsync.AccountRef, mine string) (belonging, error) {
	who := j.request.Identity
	holds, err := j.Events.BindLogin(ctx, who, mine)
	if err != nil {
		return belonging{}, err
	}
	mine = holds // another sync of the same login may have been first
	owner, err := j.Events.JoinOwner(ctx, mine, account, who)
	if err != nil {
		return belonging{}, err
	}
	if !others(owner, who) {
		return belonging{owner: mine, link: true}, nil
	}
	err = j.Events.LeaveOwner(ctx, mine, account, hotsync.Identity{})
	if err != nil {
		return belonging{}, err
	}
	alone := projection.OwnerID(j.Tenant, account.ID, hotsync.Identity{})
	_, err = j.Events.JoinOwner(ctx, alone, account, hotsync.Identity{})
	return belonging{owner: alone, warning: "Other logins see what this login's owner has in Limio, so the account got an owner of its own and the login was not linked to it. Decide who may see it, then use Limio's owner transfer."}, err
}

// joinStranger lets a login that has no owner yet see what an owner has that is
// there already, if it names all of it.
func (j *job) joinStranger(ctx context.Context, account hotsync.AccountRef, owner string, have []projection.Object) (belonging, error) {
	who := j.request.Identity
	has, err := j.Events.JoinOwner(ctx, owner, account, who)
	if err != nil {
		return belonging{}, err
	}
	holds := owner
	if j.namesAll(has, account) {
		holds, err = j.Events.BindLogin(ctx, who, owner)
		if err != nil {
			return belonging{}, err
		}
		if holds == owner {
			return belonging{link: true}, nil
		}
	}
	err = j.Events.LeaveOwner(ctx, owner, hotsync.AccountRef{}, who)
	if err != nil {
		return belonging{}, err
	}
	if holds != owner { // another sync of the same login was first
		return j.takeOver(ctx, account, owner, holds, have)
	}
	return belonging{warning: "The account's owner in Limio also has accounts that this login does not name, so the login was not linked: it would see them. Correct the claim, or separate the owners in Limio."}, nil
}

// takeOver moves an account that nobody signs in to to the login's owner.
func (j *job) takeOver(ctx context.Context, account hotsync.AccountRef, from, mine string, have []projection.Object) (belonging, error) {
	who := j.request.Identity
	refused := belonging{warning: "The login sees another owner in Limio than the one the account belongs to, so it was not linked. Decide who may see it, then use Limio's owner transfer."}
	source, err := j.Events.JoinOwner(ctx, from, account, hotsync.Identity{})
	if err != nil {
		return belonging{}, err
	}
	if len(source.Logins) > 0 || seen(have, from) || !j.namesAll(source, account) {
		return refused, nil
	}
	target, err := j.Events.JoinOwner(ctx, mine, account, who)
	if err != nil {
		return belonging{}, err
	}
	if others(target, who) {
		return refused, j.Events.LeaveOwner(ctx, mine, account, hotsync.Identity{})
	}
	_, err = step(ctx, j, "transfer owner", func(ctx context.Context) (struct{}, string, error) {
		return struct{}{}, "nobody signs in to the owner of the account", j.Limio.TransferOwner(ctx, from, mine)
	})
	switch {
	case err != nil && hotsync.AsError(err).Code == hotsync.CodeLimioRefused:
		// Perhaps the sync that creates the login's owner is still under way.
		return belonging{}, hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio did not move the account to the login's owner.").Because(err)
	case err != nil:
		return belonging{}, err
	}
	return belonging{link: true, again: true}, nil
}

// others reports whether an owner has logins besides this one.
func others(o eventstore.Owner, who hotsync.Identity) bool {
	return slices.ContainsFunc(o.Logins, func(hash string) bool { return hash != eventstore.IdentityHash(who) })
}

// namesAll reports whether the login names every account of the owner.
func (j *job) namesAll(o eventstore.Owner, account hotsync.AccountRef) bool {
	return !slices.ContainsFunc(o.Accounts, func(a hotsync.AccountRef) bool {
		return a.ID != account.ID && !slices.Contains(j.request.Named, a.ID) && (a.Number == "" || !slices.Contains(j.request.Named, a.Number))
	})
}

// seen reports whether Limio shows a login of the owner.
func seen(have []projection.Object, owner string) bool {
	return slices.ContainsFunc(have, func(o projection.Object) bool {
		return o.Kind == projection.Identity && o.Type == projection.TypeExternal && o.Owner == owner && o.Status != projection.StatusInactive
	})
}
