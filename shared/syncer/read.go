package syncer

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/zuora"
)

// reading is what both sides have of an account.
type reading struct {
	at        time.Time // when it began
	account   billing.Account
	have      []projection.Object
	catalogue *catalogue.Index
	findings  []hotsync.Finding
}

func (in reading) ref() hotsync.AccountRef {
	return hotsync.AccountRef{ID: in.account.ID, Number: in.account.Number}
}

// read reads Zuora and Limio at the same time, and beside them Limio's catalogue,
// which a process mostly has.
func (s *Syncer) read(ctx context.Context, t task) (reading, error) {
	in := reading{at: s.Now()}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		in.account, err = step(gctx, t.trace, "read zuora", func(ctx context.Context) (billing.Account, string, error) {
			a, err := s.Zuora.Read(zuora.WithTrackID(ctx, t.request.EventID), t.request.AccountID, s.readOptions(t))
			return a, fmt.Sprintf(
				"%d subscriptions, %d payment methods",
				len(a.Subscriptions),
				len(a.PaymentMethods),
			), err
		})
		return err
	})
	g.Go(func() (err error) {
		in.have, err = s.readLimio(gctx, t, "read limio")
		return err
	})
	g.Go(func() (err error) {
		in.catalogue, in.findings, err = s.readCatalogue(gctx, t)
		return err
	})
	err := g.Wait()
	if err != nil {
		return reading{}, err
	}
	if in.account.ID != t.request.AccountID {
		return reading{}, hotsync.Errorf(
			hotsync.CodeZuoraAnswer,
			"Zuora answered with another account than the one asked for.",
		)
	}
	if s.isForeign(in) {
		return reading{}, hotsync.Errorf(
			hotsync.CodeLimioAnswer,
			"Limio answered with the customer of another Zuora account than the one asked for.",
		)
	}
	return in, nil
}

// isForeign reports whether what Limio has is another account's: its customer
// has the identity of other Zuora accounts and not of this one. How Limio finds
// the customer of an account is assumed (see package limio), and if it is found
// wrongly, one person's data would be written over another's.
func (s *Syncer) isForeign(in reading) bool {
	customer, _ := projection.CustomerOf(s.Tenant, in.account.ID, in.have)
	others := false
	for _, o := range in.have {
		value, ok := strings.CutPrefix(o.Key, hotsync.ServiceZuora+"/"+hotsync.TypeAccount+"/")
		if !ok || o.Customer != customer.ID || !hotsync.IsAccountID(value) {
			continue
		}
		if value == in.account.ID {
			return false
		}
		others = others || !strings.EqualFold(o.Status, projection.StatusInactive)
	}
	return others
}

// readCatalogue returns the catalogue. Without one no offer can be told, so that an
// error ends the try before anything is written.
func (s *Syncer) readCatalogue(
	ctx context.Context,
	t task,
) (index *catalogue.Index, notes []hotsync.Finding, err error) {
	if s.Catalogue == nil {
		return nil, nil, nil
	}
	index, err = step(ctx, t.trace, "read catalogue", func(ctx context.Context) (*catalogue.Index, string, error) {
		x, found, err := s.Catalogue.Load(ctx)
		if err != nil {
			return nil, "", err
		}
		notes = found
		return x, fmt.Sprintf("%d items", x.Len()), nil
	})
	return index, notes, err
}

func (s *Syncer) readOptions(t task) zuora.ReadOptions {
	opt := zuora.ReadOptions{Plan: t.settings.ZuoraPlan,
		Preview: cmp.Or(t.settings.Schedules, hotsync.SchedulesPreview) == hotsync.SchedulesPreview}
	if zone, err := time.LoadLocation(t.settings.TimeZone); err == nil { // else want says so
		opt.Today = s.Now().In(zone).Format(time.DateOnly)
	}
	if t.request.Lookup != nil {
		opt.CustomFields = []string{t.request.Lookup.Field}
	}
	return opt
}

// readCustomer reads the customer that hotsync makes for the account, which Limio
// does not find by the account as long as its identity is missing.
func (s *Syncer) readCustomer(ctx context.Context, t task, accountID string) ([]projection.Object, error) {
	made, _ := projection.CustomerOf(s.Tenant, accountID, nil)
	return step(
		ctx,
		t.trace,
		"read limio, half-made customer",
		func(ctx context.Context) ([]projection.Object, string, error) {
			have, err := s.Limio.Customer(ctx, made.ID)
			return have, fmt.Sprintf("%d objects", len(have)), err
		},
	)
}

// readHalfMade reads the account's customer where another sync made it and went no
// further. It has an owner, to which the account belongs: whoever decides without it
// claims another one for the login first, and has then to wait until that is no claim.
func (s *Syncer) readHalfMade(ctx context.Context, t task, in *reading) (err error) {
	if len(in.have) == 0 {
		in.have, err = s.readCustomer(ctx, t, in.account.ID)
	}
	return err
}

func (s *Syncer) readLimio(ctx context.Context, t task, name string) ([]projection.Object, error) {
	return step(ctx, t.trace, name, func(ctx context.Context) ([]projection.Object, string, error) {
		have, err := s.Limio.Account(ctx, t.request.AccountID)
		return have, fmt.Sprintf("%d objects", len(have)), err
	})
}
