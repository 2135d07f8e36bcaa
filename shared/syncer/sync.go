package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// Writers is how many Limio writes of one sync may be under way at once. A first
// sync of three monthly subscriptions has some sixty, most of them payments; the
// client bounds those of all syncs together.
const Writers = 24

// sync is one try of the sync proper.
func (j *job) sync(ctx context.Context) (verdict, error) {
	if j.record.Tries() >= j.MaxAttempts {
		return j.record.giveUp(), nil // the last one died; judge ends what failed with a word
	}
	mine, err := j.record.begin(ctx, j.receives <= 1)
	if err != nil || !mine {
		return verdict{}, err
	}
	v, err := j.converge(ctx)
	if errors.Is(err, errOvertaken) {
		err = j.takeTurn(ctx)
		if err == nil {
			v, err = j.converge(ctx)
		}
	}
	return v, err
}

// converge reads both sides and writes what differs. It ends with errOvertaken, and has
// written nothing, where another lane has synced the account since the look at its turn.
func (j *job) converge(ctx context.Context) (verdict, error) {
	in, err := j.read(ctx, j.task)
	if err != nil {
		return verdict{}, err
	}
	j.record.Account = in.ref()
	if stale := j.staleLookup(in); stale != nil {
		return skipped(hotsync.ReasonStaleClaim, stale), nil
	}
	if j.settings.CreationStrategy == hotsync.CreatePlugin {
		err = j.createByPlugin(ctx, &in)
		if err != nil {
			return verdict{}, err
		}
	}
	if j.triedBefore() {
		err = j.readHalfMade(ctx, j.task, &in)
		if err != nil {
			return verdict{}, err
		}
	}
	place, p, err := j.arrange(ctx, &in)
	if err != nil {
		return verdict{}, err
	}
	// What is kept for searches and for the console waits for nothing that Limio says.
	j.named.Go(func() { j.name(ctx, in.account) })
	j.beside.Go(func() { j.notePlans(ctx, p.matches) })
	err = j.apply(ctx, p.changes)
	if err != nil {
		return verdict{}, err
	}
	j.record.closeTry(nil)
	return j.succeeded(in, p, place), nil
}

// triedBefore reports whether the request has come here before. What stopped it then
// may have been a customer that Limio did not show.
func (j *job) triedBefore() bool { return j.receives > 1 || j.request.Requeued > 1 }

// arrange settles where the account belongs and plans what to write. A new customer
// is made at once: one that another sync made and died before it could be found by
// the account has an owner already, and then it is settled with that.
func (j *job) arrange(ctx context.Context, in *reading) (belonging, planned, error) {
	for {
		place, err := j.settle(ctx, *in)
		j.record.Changes = append(j.record.Changes, convergence.Masked(place.made)...)
		if err != nil {
			return place, planned{}, err
		}
		if place.moved {
			in.have, err = j.readLimio(ctx, j.task, "read limio again")
			if err != nil {
				return place, planned{}, err
			}
		}
		if place.owner != "" { // it is there now
			in.have = append(
				in.have,
				projection.Object{
					Kind:   projection.Identity,
					Type:   projection.TypeOwner,
					ID:     place.owner,
					Status: projection.StatusActive,
				},
			)
		}
		p, err := j.plan(ctx, j.task, *in, place)
		if err == nil && len(p.changes) > 0 {
			err = j.hold(ctx)
		}
		if err != nil {
			return place, p, err
		}
		made, err := j.makeCustomer(ctx, &p)
		if err != nil || made {
			return place, p, err
		}
		in.have, err = j.readCustomer(ctx, j.task, in.account.ID)
		if err == nil && len(in.have) == 0 {
			err = hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio has the account's customer and does not show it.")
		}
		if err != nil {
			return place, p, err
		}
	}
}

// makeCustomer makes the account's customer, which is then no planned change any
// more. It reports false when Limio has it.
func (j *job) makeCustomer(ctx context.Context, p *planned) (made bool, err error) {
	i := slices.IndexFunc(p.changes, func(c convergence.Change) bool {
		return c.Action == hotsync.ActionCreate && c.Object.Kind == projection.Customer
	})
	if i < 0 {
		return true, nil
	}
	change := p.changes[i]
	made, err = step(ctx, j.trace, "make customer", func(ctx context.Context) (bool, string, error) {
		made, err := j.Limio.CreateNew(ctx, change.Object)
		return made, "", err
	})
	if made {
		p.customer = change.Object
		p.changes = slices.Delete(p.changes, i, i+1)
		j.record.Changes = append(j.record.Changes, convergence.Masked([]convergence.Change{change})...)
	}
	return made, err
}

// apply makes the changes. Changes add up over tries: what an earlier one wrote was
// written.
func (j *job) apply(ctx context.Context, changes []convergence.Change) error {
	_, err := step(ctx, j.trace, "apply", func(ctx context.Context) (struct{}, string, error) {
		done, err := convergence.Apply(ctx, j.Limio, changes, convergence.Options{Concurrency: Writers})
		j.record.Changes = append(j.record.Changes, convergence.Masked(done)...)
		return struct{}{}, fmt.Sprintf("%d of %d changes", len(done), len(changes)), err
	})
	return err
}

func (j *job) succeeded(in reading, p planned, place belonging) verdict {
	customer, there := projection.CustomerOf(j.Tenant, in.account.ID, in.have)
	if !there {
		customer = p.customer
	}
	v := verdict{status: hotsync.StatusSucceeded, reason: hotsync.ReasonUnchanged, findings: p.findings,
		seen: p.want.Seen, synced: &synced{account: in.account, customer: customer, readAt: in.at, linked: place.link}}
	if len(j.record.Changes) > 0 {
		v.reason = hotsync.ReasonChanged
	}
	return v
}

// staleLookup refuses to write an account that was found by lookup and no longer
// names this login: the field may have changed since, and a Cognito attribute
// keeps a claim that the identity provider has long dropped.
func (j *job) staleLookup(in reading) *hotsync.Error {
	l := j.request.Lookup
	if l == nil || !j.settings.GuardStaleLookups || in.account.CustomFields[l.Field] == l.Value {
		return nil
	}
	return hotsync.Errorf(
		hotsync.CodeStaleClaim,
		"The account's %s no longer has the value that this login was found by.",
		l.Field,
	)
}

// createByPlugin lets Limio create the wanted subscriptions that it lacks, and
// with the first of them the customer. It then reads Limio again.
func (j *job) createByPlugin(ctx context.Context, in *reading) error {
	want, err := j.project(ctx, j.task, *in, "")
	if err != nil {
		return err
	}
	missing := missingSubscriptions(want.Objects, in.have)
	if len(missing) == 0 {
		if len(in.have) == 0 {
			return hotsync.Errorf(
				hotsync.CodeLimioCreation,
				"The plugin strategy creates a customer with its first subscription, and this account has none.",
			)
		}
		return nil
	}
	err = j.hold(ctx)
	if err != nil {
		return err
	}
	_, err = step(ctx, j.trace, "create by plugin", func(ctx context.Context) (struct{}, string, error) {
		// The first alone: it makes the customer, which the others then join.
		_, _, err := j.Limio.SyncSubscription(ctx, missing[0])
		if err != nil {
			return struct{}{}, "", err
		}
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(Writers)
		for _, number := range missing[1:] {
			g.Go(func() error {
				_, _, err := j.Limio.SyncSubscription(gctx, number)
				return err
			})
		}
		return struct{}{}, fmt.Sprintf("%d subscriptions", len(missing)), g.Wait()
	})
	if err != nil {
		return err
	}
	in.have, err = j.readLimio(ctx, j.task, "read limio again")
	if err != nil {
		return err
	}
	// Whatever is missing here hotsync would make under ids of its own, beside
	// what Limio has just made.
	if unseen := missingSubscriptions(want.Objects, in.have); len(unseen) > 0 {
		return hotsync.Errorf(
			hotsync.CodeLimioAnswer,
			"Limio made subscription %s and does not show it as the account's.",
			unseen[0],
		)
	}
	return nil
}

// missingSubscriptions are the numbers of the wanted subscriptions that Limio
// does not have.
func missingSubscriptions(want, have []projection.Object) []string {
	known := map[string]bool{}
	for _, o := range have {
		if o.Kind == projection.Subscription {
			known[o.Key] = true
		}
	}
	var missing []string
	for _, o := range want {
		if o.Kind == projection.Subscription && !known[o.Key] {
			missing = append(missing, o.Key)
		}
	}
	return missing
}
