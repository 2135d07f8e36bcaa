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
	Warnings []string           `json:"warnings"` // the findings' messages, for who read them before findings had codes
}

// DryRun reads both sides of an account and says what a sync for that login
// would change. It writes nothing. With the plugin strategy it cannot know what
// Limio would create by itself, and shows it as if hotsync did.
func (s *Syncer) DryRun(ctx context.Context, r hotsync.SyncRequest) (_ DryRun, err error) {
	defer hotsync.In(&err, "syncer.DryRun")

	j := &job{Syncer: s, request: r, dry: true, log: s.Log}
	j.settings, err = s.Settings.Load(ctx)
	if err != nil {
		return DryRun{}, err
	}
	if j.request.AccountID == "" && hotsync.IsAccountID(r.Account) {
		j.request.AccountID = r.Account
	}
	if j.request.AccountID == "" {
		ref, err := s.Zuora.Resolve(ctx, r.Account)
		if err != nil {
			return DryRun{}, err
		}
		j.request.AccountID = ref.ID
	}
	now := s.Now()
	account, have, err := j.readBoth(ctx)
	if err != nil {
		return DryRun{}, err
	}
	j.settings.CreationStrategy = hotsync.CreateObjects // whatever is set: a dry run creates nothing
	changes, _, err := j.plan(ctx, account, have, now)
	if err != nil {
		return DryRun{}, err
	}
	return DryRun{Account: hotsync.AccountRef{ID: account.ID, Number: account.Number}, Steps: j.event.Steps,
		Changes: convergence.Masked(changes), Findings: j.event.Findings,
		Warnings: hotsync.Messages(j.event.Findings)}, nil
}
