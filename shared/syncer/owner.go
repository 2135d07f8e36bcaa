package syncer

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
	"hotsync/shared/projection"
)

// belonging is where an account belongs.
type belonging struct {
	owner   string // for a customer that is yet to be created; "" for the one it has
	link    bool   // the login may be linked to the account's owner
	finding *hotsync.Finding
	moved   bool            // ownership was moved in Limio, which is to be read again
	claimed ownership.Owner // where the login waits to be marked as linked
}

// maxDecisions bounds how often a sync decides again because another one changed
// what it had read.
const maxDecisions = 8

// settle decides where the account belongs and whether the login may see it, and
// remembers it before anything is written.
func (s *Syncer) settle(ctx context.Context, t task, in reading) (belonging, error) {
	f, err := s.facts(ctx, t, in)
	if err != nil {
		return belonging{}, err
	}
	who := t.request.Identity
	decidedBefore := f.Present != "" && f.Present == t.state.OwnerID
	if decidedBefore && f.Login == "" {
		return belonging{}, nil
	}
	if decidedBefore && f.Fresh && t.state.Linked(who) && (!f.Shows || slices.Contains(f.Shown, f.Login)) {
		return belonging{link: true}, nil
	}
	for range maxDecisions {
		d, err := s.decide(ctx, &f)
		if err == nil {
			err = s.claim(ctx, &f, d)
		}
		if errors.Is(err, ownership.ErrConflict) {
			continue
		}
		if err != nil {
			return belonging{}, err
		}
		if d.From != "" {
			moved, err := s.move(ctx, t, d.From, d.Owner)
			if err != nil {
				return belonging{}, err
			}
			if !moved {
				f.NoMove = true
				continue
			}
		}
		place := place(f, d)
		place.moved = d.From != ""
		if d.Link {
			place.claimed = f.Owner
			if d.From != "" || d.Owner == f.Mine.ID {
				place.claimed = f.Mine
			}
		}
		return place, nil
	}
	return belonging{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "Other syncs kept changing what is known of the account's owner.")
}

// foresee takes the decision that settle would take now, and remembers nothing.
func (s *Syncer) foresee(ctx context.Context, t task, in reading) (belonging, error) {
	f, err := s.facts(ctx, t, in)
	if err != nil {
		return belonging{}, err
	}
	d, err := s.decide(ctx, &f)
	return place(f, d), err
}

func place(f ownership.Facts, d ownership.Decision) belonging {
	p := belonging{owner: d.Owner, link: d.Link}
	if f.Present != "" {
		p.owner = ""
	}
	if text := warnings[d.Reason]; text != "" {
		finding := hotsync.Attention(hotsync.FindingNotLinked, f.Account.Number, linkHints[d.Reason], "%s", text)
		p.finding = &finding
	}
	return p
}

// decide reads what is known and decides.
func (s *Syncer) decide(ctx context.Context, f *ownership.Facts) (d ownership.Decision, err error) {
	if f.Login != "" {
		f.Known, err = s.Ownership.Login(ctx, f.Login)
		if err != nil {
			return d, err
		}
	}
	f.Owner, err = s.Ownership.Owner(ctx, cmp.Or(f.Present, f.Alone))
	if err != nil {
		return d, err
	}
	f.Mine = f.Owner
	if id := f.Known.Owner; id != "" && id != f.Owner.ID {
		f.Mine, err = s.Ownership.Owner(ctx, id)
		if err != nil {
			return d, err
		}
	}
	d = ownership.Decide(*f)
	if d.Reason == ownership.ReasonWait {
		return d, hotsync.Errorf(hotsync.CodeLimioAnswer, "Another sync is moving the account to its login's owner.")
	}
	return d, nil
}

// claim remembers a decision.
func (s *Syncer) claim(ctx context.Context, f *ownership.Facts, d ownership.Decision) error {
	for _, o := range d.Save {
		saved, err := s.Ownership.SaveOwner(ctx, o)
		if err != nil {
			return err
		}
		if saved.ID == f.Mine.ID {
			f.Mine = saved
		}
		if saved.ID == f.Owner.ID {
			f.Owner = saved
		}
	}
	if d.Login == nil {
		return nil
	}
	return s.Ownership.SaveLogin(ctx, f.Login, *d.Login)
}

// facts are what a decision is made of, but for what is known.
func (s *Syncer) facts(ctx context.Context, t task, in reading) (ownership.Facts, error) {
	key := s.SearchKey(ctx)
	if len(key) == 0 {
		return ownership.Facts{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "The key of the logins' hashes could not be read.")
	}
	c, _ := projection.CustomerOf(s.Tenant, in.account.ID, in.have)
	f := ownership.Facts{Account: in.ref(), Present: c.Owner, ReadAt: in.at, Fresh: fresh(t), Named: t.request.Named, At: t.request.RequestedAt,
		Own:   projection.OwnerID(s.Tenant, in.account.ID, t.request.Identity),
		Alone: projection.OwnerID(s.Tenant, in.account.ID, hotsync.Identity{}), Foreign: c.ID != projection.ID(s.Tenant, projection.Customer, in.account.ID, c.Key)}
	for _, o := range in.have {
		f.Shows = f.Shows || o.ID == c.Owner || isActiveLogin(o, c.Owner)
		if isActiveLogin(o, c.Owner) {
			iss, _ := o.Data["iss"].(string)
			sub, _ := o.Data["sub"].(string)
			f.Shown = append(f.Shown, ownership.Hash(key, hotsync.Identity{Issuer: iss, Subject: sub}))
		}
	}
	if who := t.request.Identity; who.Issuer != "" && who.Subject != "" {
		f.Login = ownership.Hash(key, who)
	}
	return f, nil
}

func isActiveLogin(o projection.Object, owner string) bool {
	return o.Kind == projection.Identity && o.Type == projection.TypeExternal && o.Owner == owner && o.Status != projection.StatusInactive
}

// fresh reports whether the request may link its login: it is the sign-in itself,
// or a look-up that was made again just now.
func fresh(t task) bool {
	if t.request.Lookup != nil && t.settings.GuardStaleLookups {
		return true
	}
	switch t.request.Trigger {
	case hotsync.TriggerLogin, hotsync.TriggerPostAuthentication, hotsync.TriggerPostConfirmation:
		return t.request.RetryOf == ""
	default:
		return false
	}
}

// move gives what one owner has to another. It reports false when Limio refuses,
// which it does when it does not have the other: nothing came of what was claimed.
func (s *Syncer) move(ctx context.Context, t task, from, to string) (bool, error) {
	_, err := step(ctx, t.trace, "transfer owner", func(ctx context.Context) (struct{}, string, error) {
		return struct{}{}, "nobody signs in to the owner of the account", s.Limio.TransferOwner(ctx, from, to)
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
			j.record.log.WarnContext(ctx, "link not remembered", "error", err)
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
