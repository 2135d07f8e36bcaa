package syncer

import (
	"context"

	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
)

// DryRun is what a sync would do.
type DryRun struct {
	Account  hotsync.AccountRef `json:"account"`
	Steps    []hotsync.Step     `json:"steps"`
	Changes  []hotsync.Change   `json:"changes"` // personal values masked
	Findings []hotsync.Finding  `json:"findings"`
	Sides    Sides              `json:"sides"`    // what both have now
	Warnings []string           `json:"warnings"` // the findings' messages, for who read them before findings had codes
}

// DryRun reads both sides of an account and says what a sync for that login
// would change. It writes nothing. With the plugin strategy it cannot know what
// Limio would create by itself, and shows it as if hotsync did.
func (s *Syncer) DryRun(ctx context.Context, r hotsync.SyncRequest) (_ DryRun, err error) {
	defer hotsync.In(&err, "syncer.DryRun")

	t := task{request: r, trace: &trace{now: s.Now}}
	t.settings, err = s.Settings.Load(ctx)
	if err != nil {
		return DryRun{}, err
	}
	if r.AccountID == "" && hotsync.IsAccountID(r.Account) {
		t.request.AccountID = r.Account
	}
	if t.request.AccountID == "" {
		ref, err := s.Zuora.Resolve(ctx, r.Account)
		if err != nil {
			return DryRun{}, err
		}
		t.request.AccountID = ref.ID
	}
	in, err := s.read(ctx, t)
	if err != nil {
		return DryRun{}, err
	}
	err = s.readHalfMade(ctx, t, &in)
	if err != nil {
		return DryRun{}, err
	}
	place, err := s.foresee(ctx, t, in)
	if err != nil {
		return DryRun{}, err
	}
	p, err := s.plan(ctx, t, in, place)
	if err != nil {
		return DryRun{}, err
	}
	return DryRun{Account: in.ref(), Steps: t.trace.steps, Changes: convergence.Masked(p.changes), Findings: p.findings,
		Sides:    compare(in.account, p.want, in.have),
		Warnings: hotsync.Messages(p.findings)}, nil
}
