package syncer

import (
	"context"
	"fmt"
	"strings"

	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
)

// DryRun is what a sync would do.
type DryRun struct {
	Account  hotsync.AccountRef `json:"account"`
	Steps    []hotsync.Step     `json:"steps"`
	Changes  []hotsync.Change   `json:"changes"` // personal values masked
	Findings []hotsync.Finding  `json:"findings"`
	Link     Link               `json:"link"`     // who would see the account
	Sides    Sides              `json:"sides"`    // what both have now
	Warnings []string           `json:"warnings"` // the findings' messages, for who read them before findings had codes
}

// Link is what a sync would decide about the login: whether it sees the account then.
type Link struct {
	State   LinkState `json:"state"`
	Message string    `json:"message"`         // for a person
	Moves   []string  `json:"moves,omitempty"` // accounts that would come to the login's owner first
}

// LinkState is how a login stands to an account.
type LinkState string

// The states of a link.
const (
	LinkIs      LinkState = "linked"
	LinkWillBe  LinkState = "will_be_linked"
	LinkWillNot LinkState = "not_linked"
	LinkNobody  LinkState = "nobody" // no login asks
)

func linkOf(place belonging) Link {
	switch {
	case place.finding != nil:
		return Link{State: LinkWillNot, Message: place.finding.Message}
	case place.reason == ownership.ReasonLinked:
		return Link{State: LinkIs, Message: "This login sees the account."}
	case place.reason == ownership.ReasonMove:
		return Link{State: LinkWillBe, Moves: place.moves, Message: fmt.Sprintf(
			"This login will be linked. Nobody else sees the account, so it moves to this login's owner first: %s.",
			strings.Join(place.moves, ", "))}
	case place.link:
		return Link{State: LinkWillBe, Message: "This login will be linked to the account's owner."}
	default:
		return Link{State: LinkNobody, Message: "No login asks, so no link changes."}
	}
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
		Link:     linkOf(place),
		Sides:    compare(in.account, p.want, in.have),
		Warnings: hotsync.Messages(p.findings)}, nil
}
