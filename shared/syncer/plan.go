package syncer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// planned is what a sync is to write, and what there is to say about it.
type planned struct {
	changes  []convergence.Change
	findings []hotsync.Finding
}

// plan says what has to change in Limio for an account that belongs there.
func (s *Syncer) plan(ctx context.Context, t task, in reading, place belonging) (planned, error) {
	want, err := s.project(ctx, t, in, place.owner)
	if err != nil {
		return planned{}, err
	}
	return step(ctx, t.trace, "diff", func(context.Context) (planned, string, error) {
		d := convergence.Diff(want, in.have)
		if !place.link {
			d.Changes = slices.DeleteFunc(d.Changes, func(c convergence.Change) bool { return c.Action == hotsync.ActionLink })
		}
		if place.finding != nil {
			d.Findings = []hotsync.Finding{*place.finding} // instead of what Diff has to say of the link
		}
		return planned{d.Changes, slices.Concat(in.findings, want.Findings, d.Findings)}, fmt.Sprintf("%d changes", len(d.Changes)), nil
	})
}

// project projects the account. owner is the one a new customer gets, "" for the
// login's own.
func (s *Syncer) project(ctx context.Context, t task, in reading, owner string) (projection.Result, error) {
	return step(ctx, t.trace, "project", func(context.Context) (projection.Result, string, error) {
		zone, err := time.LoadLocation(t.settings.TimeZone)
		if err != nil {
			return projection.Result{}, "", hotsync.Errorf(hotsync.CodeSettingsInvalid, "timeZone %q is not known.", t.settings.TimeZone).Because(err)
		}
		r := projection.Project(in.account, t.request.Identity, projection.Options{Today: s.Now().In(zone).Format(time.DateOnly), Tenant: s.Tenant,
			Owner: owner, SalesforceID: t.settings.SalesforceID, Catalogue: in.catalogue, CatalogueMap: t.settings.CatalogueMap,
			Schedules: t.settings.Schedules})
		return r, fmt.Sprintf("%d objects", len(r.Objects)), nil
	})
}
