package syncer

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
	"hotsync/shared/projection"
)

// belonging is where an account belongs and who sees it.
type belonging struct {
	owner   string // for a customer that is yet to be created; "" for the one it has
	link    bool   // the login sees the account's owner, or is to be linked to it
	moved   bool   // ownership was moved in Limio, which is to be read again
	reason  ownership.Reason
	moves   []string // accounts that come to the login's owner first
	finding *hotsync.Finding
	made    []convergence.Change // of owners, already
}

// settle decides where the account belongs and whether the login may see it. What it
// decides is recorded, and the owner there, before anything else is written.
func (j *job) settle(ctx context.Context, in reading) (belonging, error) {
	f, err := j.facts(ctx, j.task, in)
	if err != nil {
		return belonging{}, err
	}
	if decided(j.task, f) {
		return belonging{link: f.Login != ""}, nil
	}
	owners := &owners{j.Syncer, j.task, in, nil}
	keeper := j.keeper(owners)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return j.hold(gctx) })
	g.Go(func() error { return keeper.Gather(gctx, &f) })
	err = g.Wait()
	if err != nil {
		return belonging{}, err
	}
	d, err := keeper.Settle(ctx, f)
	place := placed(f, d)
	place.moved, place.made = d.From != "", owners.made
	return place, err
}

// decided reports whether the usual case is there, in which the table needs not be
// asked: who asks is nobody, or sees the account and names what it named before.
func decided(t task, f ownership.Facts) bool {
	if f.Seen.Owner == "" || f.Seen.Owner != t.state.OwnerID {
		return false
	}
	shown := !f.Seen.Shows || slices.Contains(f.Seen.Logins, f.Login)
	return f.Login == "" || f.Fresh && shown && t.state.LinkedNaming(t.request.Identity, t.request.Named)
}

// foresee takes the decision that settle would take now, and changes nothing.
func (s *Syncer) foresee(ctx context.Context, t task, in reading) (belonging, error) {
	f, err := s.facts(ctx, t, in)
	if err != nil {
		return belonging{}, err
	}
	d, err := s.keeper(&owners{s, t, in, nil}).Foresee(ctx, f)
	return placed(f, d), err
}

func (s *Syncer) keeper(limio ownership.Limio) *ownership.Keeper {
	return &ownership.Keeper{Store: s.Ownership, Limio: limio, Now: s.Now, Alone: func(accountID string, n int) string {
		return projection.SpareOwnerID(s.Tenant, accountID, n)
	}}
}

func placed(f ownership.Facts, d ownership.Decision) belonging {
	place := belonging{link: d.Link, reason: d.Reason, moves: d.Moves}
	if f.Seen.Owner == "" {
		place.owner = d.Owner
	}
	text, hint := unlinked[d.Reason], linkHints[d.Reason]
	if d.Reason == ownership.ReasonNewer && slices.Contains(f.Seen.Logins, f.Login) {
		text = "The person sees the account, although their newest sign-in does not name it."
	}
	if text != "" {
		finding := hotsync.Attention(hotsync.FindingNotLinked, f.Account.Number, hint, "%s", text)
		place.finding = &finding
	}
	return place
}

// facts are what a decision is made of, but for what is known.
func (s *Syncer) facts(ctx context.Context, t task, in reading) (ownership.Facts, error) {
	key := s.SearchKey(ctx)
	if len(key) == 0 {
		return ownership.Facts{}, hotsync.Errorf(
			hotsync.CodeStoreUnavailable,
			"The key of the logins' hashes could not be read.",
		)
	}
	f := ownership.Facts{
		Account: in.ref(),
		Fresh:   fresh(t),
		Found:   t.request.Lookup != nil,
		Named:   t.request.Named,
		At:      t.request.RequestedAt,
		Seen:    s.seen(key, in.account.ID, in.have, in.at),
		Sole:    s.isSole(t, in),
	}
	if who := t.request.Identity; who.Issuer != "" && who.Subject != "" {
		f.Login = ownership.Hash(key, who)
	}
	return f, nil
}

// isSole reports whether the account's owner was made for it alone: by Limio with a
// customer of its own, or by hotsync.
func (s *Syncer) isSole(t task, in reading) bool {
	c, there := projection.CustomerOf(s.Tenant, in.account.ID, in.have)
	made, _ := projection.CustomerOf(s.Tenant, in.account.ID, nil)
	ours := []string{
		projection.SpareOwnerID(s.Tenant, in.account.ID, 0),
		projection.OwnerID(s.Tenant, in.account.ID, t.request.Identity),
	}
	return there && (c.ID != made.ID || slices.Contains(ours, c.Owner))
}

// seen is what Limio shows of an account's owner.
func (s *Syncer) seen(key []byte, accountID string, have []projection.Object, at time.Time) ownership.Seen {
	c, _ := projection.CustomerOf(s.Tenant, accountID, have)
	out := ownership.Seen{Owner: c.Owner, At: at}
	if c.Owner == "" {
		return out
	}
	for _, o := range have {
		switch {
		case o.ID == c.Owner:
			out.Shows, out.Noted = true, noted(o)
		case o.IsLogin() && o.Owner == c.Owner && o.Status != projection.StatusInactive:
			iss, _ := o.Data["iss"].(string)
			sub, _ := o.Data["sub"].(string)
			out.Shows = true
			out.Logins = append(out.Logins, ownership.Hash(key, hotsync.Identity{Issuer: iss, Subject: sub}))
		}
	}
	return out
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

// owners is what a decision asks of Limio, for a sync.
type owners struct {
	*Syncer
	task task
	in   reading
	made []convergence.Change
}

// Seen is as ownership.Limio says.
func (o *owners) Seen(ctx context.Context, accountID string) (ownership.Seen, error) {
	at := o.Now()
	t := o.task
	t.request.AccountID = accountID
	have, err := o.readLimio(ctx, t, "read limio, another account")
	if err == nil && len(have) == 0 {
		have, err = o.readCustomer(ctx, t, accountID)
	}
	return o.seen(o.SearchKey(ctx), accountID, have, at), err
}

// MakeOwner is as ownership.Limio says.
func (o *owners) MakeOwner(ctx context.Context, id string, accounts map[string]string) (made bool, err error) {
	want, err := o.want(o.task, o.in, id)
	if err != nil {
		return false, err
	}
	owner := want.Objects[slices.IndexFunc(want.Objects, func(x projection.Object) bool { return x.ID == id })]
	owner.Data = note(accounts)
	return step(ctx, o.task.trace, "make owner", func(ctx context.Context) (bool, string, error) {
		made, err := o.Limio.CreateNew(ctx, owner)
		if err != nil {
			return false, "", err
		}
		if !made {
			has, err := o.Limio.Identity(ctx, id)
			return maps.Equal(noted(has), accounts), "Limio has it", err
		}
		fields := append([]hotsync.FieldChange{{Field: "status", After: owner.Status}}, noteFields(accounts)...)
		o.made = append(
			o.made,
			convergence.Change{
				Action: hotsync.ActionCreate,
				Object: owner,
				Status: owner.Status,
				Data:   owner.Data,
				Fields: fields,
			},
		)
		return true, "", nil
	})
}

// NoteAccounts is as ownership.Limio says.
func (o *owners) NoteAccounts(ctx context.Context, id string, accounts map[string]string) error {
	owner := projection.Object{Kind: projection.Identity, Type: projection.TypeOwner, ID: id, Data: note(accounts)}
	_, err := step(ctx, o.task.trace, "note accounts of owner", func(ctx context.Context) (struct{}, string, error) {
		return struct{}{}, "", o.Limio.Update(ctx, owner.Kind, owner.Service, id, "", owner.Data)
	})
	if err != nil && hotsync.AsError(err).Code == hotsync.CodeLimioNotFound {
		_, err = o.MakeOwner(ctx, id, accounts)
		return err
	}
	if err == nil {
		o.made = append(
			o.made,
			convergence.Change{
				Action: hotsync.ActionUpdate,
				Object: owner,
				Data:   owner.Data,
				Fields: noteFields(accounts),
			},
		)
	}
	return err
}

// TransferOwner is as ownership.Limio says.
func (o *owners) TransferOwner(ctx context.Context, from, to string) (moved bool, err error) {
	moved, err = step(ctx, o.task.trace, "transfer owner", func(ctx context.Context) (bool, string, error) {
		err := o.Limio.TransferOwner(ctx, from, to)
		return err == nil, "nobody signs in to the owner of the account", err
	})
	if err != nil && hotsync.AsError(err).Code == hotsync.CodeLimioRefused {
		return false, nil
	}
	return moved, err
}

// noteMember is the member of an owner identity's data that holds which accounts
// hotsync gave to it, their numbers by id. Limio merges members, so that two syncs
// can add to it at once.
const noteMember = "hotsync"

func note(accounts map[string]string) map[string]any {
	list := map[string]any{}
	for id, number := range accounts {
		list[id] = number
	}
	return map[string]any{noteMember: map[string]any{"accounts": list}}
}

// noted is what note has put there; nil for nothing.
func noted(owner projection.Object) map[string]string {
	member, _ := owner.Data[noteMember].(map[string]any)
	list, ok := member["accounts"].(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for id, number := range list {
		out[id], _ = number.(string)
	}
	return out
}

func noteFields(accounts map[string]string) (out []hotsync.FieldChange) {
	for id, number := range accounts {
		out = append(out, hotsync.FieldChange{Field: noteMember + ".accounts." + id, After: number})
	}
	slices.SortFunc(out, func(a, b hotsync.FieldChange) int { return slices.Compare([]byte(a.Field), []byte(b.Field)) })
	return out
}

// unlinked says why a login was not linked.
var unlinked = map[ownership.Reason]string{
	ownership.ReasonNotFresh: "The login was not linked: only a sign-in links. The person sees the account after the " +
		"next one.",
	ownership.ReasonNewer: "The login was not linked: the person's newest sign-in does not name the account.",
	ownership.ReasonOthers: "The login was not linked: others see what it sees in Limio and did not name the account, " +
		"which got an owner of its own.",
	ownership.ReasonUnnamed: "The account's owner in Limio also has accounts that this login does not name, so the " +
		"login was not linked: it would see them.",
	ownership.ReasonUnknown: "The account's owner in Limio was there before hotsync knew it and may have accounts that " +
		"this login does not name, so the login was not linked.",
	ownership.ReasonTwo: "The login sees another owner in Limio than the one the account belongs to, so it was not linked.",
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
