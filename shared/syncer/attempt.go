package syncer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/telemetry"
	"hotsync/shared/zuora"
)

// writers is how many Limio writes of one sync may be under way at once.
const writers = 8

// attempt is one try of the sync proper, under the account's turn.
func (j *job) attempt(ctx context.Context) error {
	now := j.Now()
	j.event.Status, j.event.Reason, j.event.Error, j.event.NextAttemptAt = hotsync.StatusRunning, "", nil, time.Time{}
	j.event.Attempts = append(j.event.Attempts, hotsync.Attempt{N: len(j.event.Attempts) + 1, StartedAt: now})
	j.trying = true
	if j.event.StartedAt.IsZero() {
		j.event.StartedAt = now
	}
	j.event.Steps, j.event.Findings = nil, nil
	err := j.save(ctx)
	if err != nil {
		return err
	}

	account, have, err := j.readBoth(ctx)
	if err != nil {
		return err
	}
	j.event.Account = hotsync.AccountRef{ID: account.ID, Number: account.Number}
	err = j.checkClaim(account)
	if err != nil {
		return err
	}
	changes, have, err := j.plan(ctx, account, have, now)
	if err != nil {
		return err
	}
	_, err = step(ctx, j, "apply", func(ctx context.Context) (struct{}, string, error) {
		done, err := convergence.Apply(ctx, j.Limio, changes, convergence.Options{Concurrency: writers})
		// Changes add up over attempts: what an earlier attempt wrote was written.
		j.event.Changes = append(j.event.Changes, convergence.Masked(done)...)
		return struct{}{}, fmt.Sprintf("%d of %d changes", len(done), len(changes)), err
	})
	if err != nil {
		return err
	}
	return j.succeed(ctx, account, customer(changes, have), now)
}

// customer is the account's customer in Limio, found or just created.
func customer(changes []convergence.Change, have []projection.Object) projection.Object {
	for _, o := range have {
		if o.Kind == projection.Customer {
			return o
		}
	}
	for _, c := range changes {
		if c.Object.Kind == projection.Customer {
			return c.Object
		}
	}
	return projection.Object{}
}

// readBoth reads Zuora and Limio at the same time, and beside them Limio's
// catalogue, which a process mostly has.
func (j *job) readBoth(ctx context.Context) (billing.Account, []projection.Object, error) {
	var account billing.Account
	var have []projection.Object
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		account, err = step(gctx, j, "read zuora", func(ctx context.Context) (billing.Account, string, error) {
			a, err := j.Zuora.Read(zuora.WithTrackID(ctx, j.event.ID), j.request.AccountID, j.readOptions())
			return a, fmt.Sprintf("%d subscriptions, %d payment methods", len(a.Subscriptions), len(a.PaymentMethods)), err
		})
		return err
	})
	g.Go(func() (err error) {
		have, err = j.readLimio(gctx, "read limio")
		return err
	})
	var notes []hotsync.Finding
	g.Go(func() (err error) {
		j.catalogue, notes, err = j.readCatalogue(gctx)
		return err
	})
	err := g.Wait()
	if err != nil {
		return billing.Account{}, nil, err
	}
	j.event.Findings = append(j.event.Findings, notes...)
	if account.ID != j.request.AccountID {
		return billing.Account{}, nil, hotsync.Errorf(hotsync.CodeZuoraAnswer, "Zuora answered with another account than the one asked for.")
	}
	if isForeign(have, account.ID) {
		return billing.Account{}, nil, hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio answered with the customer of another Zuora account than the one asked for.")
	}
	return account, have, nil
}

// isForeign reports whether what Limio has is another account's: its customer
// has the identity of other Zuora accounts and not of this one. How Limio finds
// the customer of an account is assumed (see package limio), and if it is found
// wrongly, one person's data would be written over another's.
func isForeign(have []projection.Object, accountID string) bool {
	id, others := customer(nil, have).ID, false
	for _, o := range have {
		value, ok := strings.CutPrefix(o.Key, hotsync.ServiceZuora+"/"+hotsync.TypeAccount+"/")
		if !ok || o.Kind != projection.Identity || o.Customer != id || !hotsync.IsAccountID(value) {
			continue
		}
		if value == accountID {
			return false
		}
		others = others || !strings.EqualFold(o.Status, projection.StatusInactive)
	}
	return others
}

// readCatalogue gives the catalogue. Without one no offer can be told, so that an
// error ends the try before anything is written.
func (j *job) readCatalogue(ctx context.Context) (index *catalogue.Index, notes []hotsync.Finding, err error) {
	if j.Catalogue == nil {
		return nil, nil, nil
	}
	index, err = step(ctx, j, "read catalogue", func(ctx context.Context) (*catalogue.Index, string, error) {
		x, found, err := j.Catalogue.Load(ctx)
		if err != nil {
			return nil, "", err
		}
		notes = found
		return x, fmt.Sprintf("%d items", x.Len()), nil
	})
	return index, notes, err
}

func (j *job) readOptions() zuora.ReadOptions {
	opt := zuora.ReadOptions{Plan: j.settings.ZuoraPlan,
		Preview: cmp.Or(j.settings.Schedules, hotsync.SchedulesPreview) == hotsync.SchedulesPreview}
	if zone, err := time.LoadLocation(j.settings.TimeZone); err == nil { // else projectionOptions says so
		opt.Today = j.Now().In(zone).Format(time.DateOnly)
	}
	if j.request.Lookup != nil {
		opt.CustomFields = []string{j.request.Lookup.Field}
	}
	return opt
}

func (j *job) readLimio(ctx context.Context, name string) ([]projection.Object, error) {
	return step(ctx, j, name, func(ctx context.Context) ([]projection.Object, string, error) {
		have, err := j.Limio.Account(ctx, j.request.AccountID)
		return have, fmt.Sprintf("%d objects", len(have)), err
	})
}

// checkClaim refuses to write an account that was found by lookup and no longer
// names this login: the field may have changed since, and a Cognito attribute
// keeps a claim that the identity provider has long dropped.
func (j *job) checkClaim(account billing.Account) error {
	l := j.request.Lookup
	if l == nil || !j.settings.GuardStaleLookups || account.CustomFields[l.Field] == l.Value {
		return nil
	}
	j.event.Error = hotsync.Errorf(hotsync.CodeStaleClaim, "The account's %s no longer has the value that this login was found by.", l.Field).Problem()
	return ended{hotsync.StatusSkipped, hotsync.ReasonStaleClaim}
}

// plan says what has to change in Limio. With the plugin strategy it first lets
// Limio create the subscriptions it lacks, which is why it may read Limio again;
// it returns the objects that the changes were found against.
func (j *job) plan(ctx context.Context, account billing.Account, have []projection.Object, readAt time.Time) ([]convergence.Change, []projection.Object, error) {
	result, err := j.project(ctx, account, "")
	if err != nil {
		return nil, nil, err
	}
	if j.settings.CreationStrategy == hotsync.CreatePlugin {
		have, err = j.createByPlugin(ctx, result.Objects, have)
		if err != nil {
			return nil, nil, err
		}
	}
	place, err := j.belong(ctx, hotsync.AccountRef{ID: account.ID, Number: account.Number}, have, readAt)
	if err != nil {
		return nil, nil, err
	}
	if place.owner != "" {
		result, err = j.project(ctx, account, place.owner)
		if err != nil {
			return nil, nil, err
		}
	}
	if place.again {
		have, err = j.readLimio(ctx, "read limio again")
		if err != nil {
			return nil, nil, err
		}
	}
	j.event.Findings = append(j.event.Findings, result.Findings...)
	changes, err := step(ctx, j, "diff", func(context.Context) ([]convergence.Change, string, error) {
		d := convergence.Diff(result, have)
		if !place.link {
			d.Changes = slices.DeleteFunc(d.Changes, func(c convergence.Change) bool { return c.Action == hotsync.ActionLink })
		}
		if place.warning != "" {
			d.Findings = []hotsync.Finding{hotsync.Attention(hotsync.FindingNotLinked, account.Number, linkHints[place.reason], "%s", place.warning)} // instead of what Diff has to say of the link
		}
		j.event.Findings = append(j.event.Findings, d.Findings...)
		return d.Changes, fmt.Sprintf("%d changes", len(d.Changes)), nil
	})
	j.linked, j.claimed = place.link, place.claimed
	return changes, have, err
}

// project projects the account. owner is the one a new customer gets, "" for the
// login's own.
func (j *job) project(ctx context.Context, account billing.Account, owner string) (projection.Result, error) {
	return step(ctx, j, "project", func(context.Context) (projection.Result, string, error) {
		opt, err := j.projectionOptions()
		if err != nil {
			return projection.Result{}, "", err
		}
		opt.Owner = owner
		r := projection.Project(account, j.request.Identity, opt)
		return r, fmt.Sprintf("%d objects", len(r.Objects)), nil
	})
}

func (j *job) projectionOptions() (projection.Options, error) {
	zone, err := time.LoadLocation(j.settings.TimeZone)
	if err != nil {
		return projection.Options{}, hotsync.Errorf(hotsync.CodeSettingsInvalid, "timeZone %q is not known.", j.settings.TimeZone).Because(err)
	}
	return projection.Options{Today: j.Now().In(zone).Format(time.DateOnly), Tenant: j.Tenant, SalesforceID: j.settings.SalesforceID,
		Catalogue: j.catalogue, CatalogueMap: j.settings.CatalogueMap, Schedules: j.settings.Schedules}, nil
}

// createByPlugin lets Limio create the wanted subscriptions that it lacks, and
// with the first of them the customer.
func (j *job) createByPlugin(ctx context.Context, want, have []projection.Object) ([]projection.Object, error) {
	missing := missingSubscriptions(want, have)
	if len(missing) == 0 {
		if len(have) == 0 {
			return nil, hotsync.Errorf(hotsync.CodeLimioCreation, "The plugin strategy creates a customer with its first subscription, and this account has none.")
		}
		return have, nil
	}
	_, err := step(ctx, j, "create by plugin", func(ctx context.Context) (struct{}, string, error) {
		// The first alone: it makes the customer, which the others then join.
		_, _, err := j.Limio.SyncSubscription(ctx, missing[0])
		if err != nil {
			return struct{}{}, "", err
		}
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(writers)
		for _, number := range missing[1:] {
			g.Go(func() error {
				_, _, err := j.Limio.SyncSubscription(gctx, number)
				return err
			})
		}
		return struct{}{}, fmt.Sprintf("%d subscriptions", len(missing)), g.Wait()
	})
	if err != nil {
		return nil, err
	}
	have, err = j.readLimio(ctx, "read limio again")
	if err != nil {
		return nil, err
	}
	// Whatever is missing here hotsync would make under ids of its own, beside
	// what Limio has just made.
	if unseen := missingSubscriptions(want, have); len(unseen) > 0 {
		return nil, hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio made subscription %s and does not show it as the account's.", unseen[0])
	}
	return have, nil
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

// step times a part of the sync and counts its calls.
func step[T any](ctx context.Context, j *job, name string, run func(context.Context) (T, string, error)) (T, error) {
	started := j.Now()
	ctx, calls := telemetry.WithCallCount(ctx)
	out, detail, err := run(ctx)
	if err != nil {
		detail = string(hotsync.AsError(err).Code)
	}
	j.stepsMu.Lock()
	defer j.stepsMu.Unlock()
	j.event.Steps = append(j.event.Steps, hotsync.Step{Name: name, StartedAt: started, MS: j.Now().Sub(started).Milliseconds(),
		Calls: int(calls.Load()), Detail: detail})
	return out, err
}
