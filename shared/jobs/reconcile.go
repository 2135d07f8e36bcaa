package jobs

import (
	"context"
	"fmt"
	"time"

	"hotsync/shared/hotsync"
)

// BeginReconcile begins a reconcile run at that rate, unless one is under way: then
// it returns that one.
func BeginReconcile(
	ctx context.Context,
	s Store,
	rate int,
	now time.Time,
	random func([]byte) (int, error),
) (_ Job, err error) {
	defer hotsync.In(&err, "jobs.BeginReconcile")
	active, err := Active(ctx, s)
	if err != nil {
		return Job{}, err
	}
	for _, j := range active {
		if j.Kind == Reconcile {
			return j, nil
		}
	}
	j, err := New(Request{Kind: Reconcile, Source: Source{Known: true}, Rate: rate, Actor: "schedule"}, now, random)
	if err != nil {
		return Job{}, err
	}
	return s.SaveJob(ctx, j)
}

// LastReconcile returns the reconcile run that ended last.
func LastReconcile(ctx context.Context, s Store) (last Job, ok bool, err error) {
	jobs, _, err := s.Jobs(ctx, activePage, "")
	if err != nil {
		return Job{}, false, err
	}
	for _, j := range jobs {
		if j.Kind == Reconcile && j.Status == Done {
			return j, true, nil
		}
	}
	return Job{}, false, nil
}

// Summary returns the event that a reconcile run leaves: one for the run, beside
// those of the accounts that differed. It is the same whenever it is made.
func Summary(j Job) hotsync.Event {
	e := hotsync.NewEvent(
		hotsync.SyncRequest{
			EventID:     hotsync.EventIDFor(j.CreatedAt, "summary", j.ID),
			Trigger:     hotsync.TriggerReconcile,
			RequestedAt: j.CreatedAt,
			Actor:       j.Actor,
			Job:         j.ID,
		},
	)
	c := j.Counts()
	e.StartedAt, e.FinishedAt = j.CreatedAt, j.EndedAt
	e.Status, e.Reason = hotsync.StatusSucceeded, hotsync.ReasonUnchanged
	if j.Drifted() > 0 {
		e.Reason = hotsync.ReasonChanged
	}
	e.Steps = []hotsync.Step{{Name: "reconcile", StartedAt: j.CreatedAt, MS: j.EndedAt.Sub(j.CreatedAt).Milliseconds(),
		Detail: fmt.Sprintf("%d accounts, %d had drifted, %d brought in line", j.Total, j.Drifted(), c[Changed])}}
	if n := c[Failed] + c[Lost]; n > 0 {
		e.Findings = append(
			e.Findings,
			hotsync.Attention(
				hotsync.FindingNotReconciled,
				j.ID,
				"Look at the failed syncs of the run, then retry them.",
				"%d accounts could not be brought in line.",
				n,
			),
		)
	}
	return e
}
