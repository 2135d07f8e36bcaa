package syncer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
	"hotsync/shared/projection"
)

// belonging is where an account belongs.
type belonging struct {
	owner   string // for a customer that is yet to be created; "" for the one it has
	link    bool   // the login may be linked to the account's owner
	reason  ownership.Reason
	warning string          // why it is not
	again   bool            // ownership was moved in Limio, which is to be read again
	claimed ownership.Owner // where the login waits to be marked as linked
}

// maxDecisions bounds how often a sync decides again because another one changed
// what it had read.
const maxDecisions = 8

// belong decides where the account belongs and whether the login may see it, and
// remembers it before anything is written. A dry run only decides.
func (j *job) belong(ctx context.Context, account hotsync.AccountRef, have []projection.Object, readAt time.Time) (belonging, error) {
	f := j.shown(account, have)
	f.ReadAt, f.Fresh, f.Named, f.At = readAt, j.fresh(), j.request.Named, j.request.RequestedAt
	who := j.request.Identity
	signedIn := who.Issuer != "" && who.Subject != ""
	key := j.SearchKey(ctx)
	if len(key) == 0 {
		return belonging{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "The key of the logins' hashes could not be read.")
	}
	for _, o := range have {
		if isActiveLogin(o, f.Present) {
			iss, _ := o.Data["iss"].(string)
			sub, _ := o.Data["sub"].(string)
			f.Shown = append(f.Shown, ownership.Hash(key, hotsync.Identity{Issuer: iss, Subject: sub}))
		}
	}
	if signedIn {
		f.Login = ownership.Hash(key, who)
	}
	decidedBefore := f.Present != "" && f.Present == j.state.OwnerID
	if decidedBefore && !signedIn {
		return belonging{}, nil
	}
	if decidedBefore && j.fresh() && j.state.Linked(who) && (!f.Shows || slices.Contains(f.Shown, f.Login)) {
		return belonging{link: true, reason: ownership.ReasonLinked}, nil
	}
	for range maxDecisions {
		d, err := j.decide(ctx, &f)
		if errors.Is(err, ownership.ErrConflict) {
			continue
		}
		if err != nil {
			return belonging{}, err
		}
		if d.From != "" && !j.dry {
			moved, err := j.move(ctx, d.From, d.Owner)
			if err != nil {
				return belonging{}, err
			}
			if !moved {
				f.NoMove = true
				continue
			}
		}
		place := belonging{owner: d.Owner, link: d.Link, reason: d.Reason, warning: warnings[d.Reason], again: d.From != "" && !j.dry}
		if f.Present != "" {
			place.owner = ""
		}
		if d.Link && !j.dry {
			place.claimed = f.Owner
			if d.From != "" || d.Owner == f.Mine.ID {
				place.claimed = f.Mine
			}
		}
		return place, nil
	}
	return belonging{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "Other syncs kept changing what is known of the account's owner.")
}

// decide reads what is known, decides, and remembers the decision.
func (j *job) decide(ctx context.Context, f *ownership.Facts) (d ownership.Decision, err error) {
	if f.Login != "" {
		f.Known, err = j.Ownership.Login(ctx, f.Login)
		if err != nil {
			return d, err
		}
	}
	f.Owner, err = j.Ownership.Owner(ctx, cmp.Or(f.Present, f.Alone))
	if err != nil {
		return d, err
	}
	f.Mine = f.Owner
	if id := f.Known.Owner; id != "" && id != f.Owner.ID {
		f.Mine, err = j.Ownership.Owner(ctx, id)
		if err != nil {
			return d, err
		}
	}
	d = ownership.Decide(*f)
	if d.Reason == ownership.ReasonWait {
		return d, hotsync.Errorf(hotsync.CodeLimioAnswer, "Another sync is moving the account to its login's owner.")
	}
	if j.dry {
		return d, nil
	}
	for _, o := range d.Save {
		saved, err := j.Ownership.SaveOwner(ctx, o)
		if err != nil {
			return d, err
		}
		if saved.ID == f.Mine.ID {
			f.Mine = saved
		}
		if saved.ID == f.Owner.ID {
			f.Owner = saved
		}
	}
	if d.Login != nil {
		err = j.Ownership.SaveLogin(ctx, f.Login, *d.Login)
	}
	return d, err
}

// shown is what Limio shows of the account's owner.
func (j *job) shown(account hotsync.AccountRef, have []projection.Object) ownership.Facts {
	c := customer(nil, have)
	f := ownership.Facts{Account: account, Present: c.Owner, Own: projection.OwnerID(j.Tenant, account.ID, j.request.Identity),
		Alone: projection.OwnerID(j.Tenant, account.ID, hotsync.Identity{}), Foreign: c.ID != "" && c.ID != projection.ID(j.Tenant, projection.Customer, account.ID, c.Key)}
	for _, o := range have {
		f.Shows = f.Shows || o.ID == c.Owner || isActiveLogin(o, c.Owner)
	}
	return f
}

func isActiveLogin(o projection.Object, owner string) bool {
	return o.Kind == projection.Identity && o.Type == projection.TypeExternal && o.Owner == owner && o.Status != projection.StatusInactive
}

// fresh reports whether the request may link its login: it is the sign-in itself,
// or a look-up that was made again just now.
func (j *job) fresh() bool {
	if j.request.Lookup != nil && j.settings.GuardStaleLookups {
		return true
	}
	switch j.request.Trigger {
	case hotsync.TriggerLogin, hotsync.TriggerPostAuthentication, hotsync.TriggerPostConfirmation:
		return j.request.RetryOf == ""
	default:
		return false
	}
}

// move gives what one owner has to another. It reports false when Limio refuses,
// which it does when it does not have the other: nothing came of what was claimed.
func (j *job) move(ctx context.Context, from, to string) (bool, error) {
	_, err := step(ctx, j, "transfer owner", func(ctx context.Context) (struct{}, string, error) {
		return struct{}{}, "nobody signs in to the owner of the account", j.Limio.TransferOwner(ctx, from, to)
	})
	if err != nil && hotsync.AsError(err).Code == hotsync.CodeLimioRefused {
		return false, nil
	}
	return err == nil, err
}

// markLinked remembers that Limio took the link. The next sync that reads it
// makes up for one that could not.
func (j *job) markLinked(ctx context.Context, o ownership.Owner) {
	hash := ownership.Hash(j.SearchKey(ctx), j.request.Identity)
	for range maxDecisions {
		m, ok := o.Logins[hash]
		if !ok || m.Linked {
			return
		}
		m.Linked = true
		o.Logins[hash] = m
		_, err := j.Ownership.SaveOwner(ctx, o)
		if errors.Is(err, ownership.ErrConflict) {
			o, err = j.Ownership.Owner(ctx, o.ID)
		} else if err == nil {
			return
		}
		if err != nil {
			j.log.WarnContext(ctx, "link not remembered", "error", err)
			return
		}
	}
}

// warnings say why a login was not linked.
var warnings = map[ownership.Reason]string{
	ownership.ReasonNotFresh: "The login was not linked: only a sign-in links. The person sees the account after the next one.",
	ownership.ReasonNewer:    "The login was not linked: a newer sign-in of the person does not name the account.",
	ownership.ReasonOthers:   "Other logins see what this login's owner has in Limio, so the account got an owner of its own and the login was not linked to it.",
	ownership.ReasonUnnamed:  "The account's owner in Limio also has accounts that this login does not name, so the login was not linked: it would see them.",
	ownership.ReasonUnknown:  "The account's owner in Limio was there before hotsync knew it and may have accounts that this login does not name, so the login was not linked.",
	ownership.ReasonTwo:      "The login sees another owner in Limio than the one the account belongs to, so it was not linked.",
}

// linkHints say what to do about it.
var linkHints = map[ownership.Reason]string{
	ownership.ReasonNotFresh: "Nothing, or ask the person to sign in again.",
	ownership.ReasonNewer:    "Check which accounts are theirs; in Limio, remove a link that should not be.",
	ownership.ReasonOthers:   "Decide who may see it, then use Limio's owner transfer.",
	ownership.ReasonUnnamed:  "Correct the claim, or separate the owners in Limio.",
	ownership.ReasonUnknown:  "Check what the owner has in Limio, then link the login there by hand.",
	ownership.ReasonTwo:      "Decide who may see it, then use Limio's owner transfer.",
}
