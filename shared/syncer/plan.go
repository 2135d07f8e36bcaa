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

// notePlansLimit bounds what a sync waits for the list of rate plans: less than the
// recordMargin, since the event's end may wait for it.
const notePlansLimit = time.Second

// planned is what a sync is to write, and what there is to say about it.
type planned struct {
	want     projection.Result // what Limio should have
	changes  []convergence.Change
	findings []hotsync.Finding
	matches  []projection.PlanMatch // of the account's rate plans
	customer projection.Object      // that was made
}

// plan says what has to change in Limio for an account that belongs there.
func (s *Syncer) plan(ctx context.Context, t task, in reading, place belonging) (planned, error) {
	want, err := s.project(ctx, t, in, place.owner)
	if err != nil {
		return planned{}, err
	}
	return step(ctx, t.trace, "diff", func(context.Context) (planned, string, error) {
		if !place.link { // then Diff has nothing to say of the link: place.finding does
			want.Objects = slices.DeleteFunc(slices.Clone(want.Objects), projection.Object.IsLogin)
		}
		d := convergence.Diff(want, in.have)
		if place.finding != nil {
			d.Findings = append(d.Findings, *place.finding)
		}
		return planned{
				want:     want,
				changes:  d.Changes,
				findings: slices.Concat(in.findings, want.Findings, d.Findings),
				matches:  want.Matches,
			},
			fmt.Sprintf("%d changes", len(d.Changes)), nil
	})
}

// notePlans keeps which rate plans the account has. A failure is no failure of the
// sync: another sync will see the plan.
func (j *job) notePlans(ctx context.Context, matches []projection.PlanMatch) {
	if j.Plans == nil || len(matches) == 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, notePlansLimit)
	defer cancel()
	err := j.Plans.Note(limited, matches)
	if err != nil {
		j.record.log.WarnContext(ctx, "rate plans not noted", "code", hotsync.AsError(err).Code, "error", err)
	}
}

// project projects the account. owner is the one a new customer gets, "" for the
// login's own.
func (s *Syncer) project(ctx context.Context, t task, in reading, owner string) (projection.Result, error) {
	return step(ctx, t.trace, "project", func(context.Context) (projection.Result, string, error) {
		r, err := s.want(t, in, owner)
		return r, fmt.Sprintf("%d objects", len(r.Objects)), err
	})
}

func (s *Syncer) want(t task, in reading, owner string) (projection.Result, error) {
	zone, err := time.LoadLocation(t.settings.TimeZone)
	if err != nil {
		return projection.Result{}, hotsync.Errorf(hotsync.CodeSettingsInvalid, "timeZone %q is not known.",
			t.settings.TimeZone).
			Because(err)
	}
	return projection.Project(
		in.account,
		t.request.Identity,
		projection.Options{
			Today:        s.Now().In(zone).Format(time.DateOnly),
			Tenant:       s.Tenant,
			Owner:        owner,
			SalesforceID: t.settings.SalesforceID,
			Catalogue:    in.catalogue,
			CatalogueMap: t.settings.CatalogueMap,
			Schedules:    t.settings.Schedules,
		},
	), nil
}
