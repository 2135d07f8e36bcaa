package syncer

import (
	"context"
	"fmt"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

// found is what Zuora answered who the account is.
type found struct {
	refs []hotsync.AccountRef
	err  error
}

// find asks Zuora for the accounts that the request means, once.
func (j *job) find(ctx context.Context) ([]hotsync.AccountRef, error) {
	if j.found != nil {
		return j.found.refs, j.found.err
	}
	j.found = &found{}
	if l := j.request.Lookup; l != nil {
		j.found.refs, j.found.err = step(ctx, j.trace, "lookup",
			func(ctx context.Context) ([]hotsync.AccountRef, string, error) {
				refs, err := j.Zuora.Find(ctx, l.Field, l.Value, j.settings.ZuoraPlan)
				return refs, fmt.Sprintf("%s accounts with this %s", zuora.Count(refs), l.Field), err
			})
		return j.found.refs, j.found.err
	}
	j.found.refs, j.found.err = step(ctx, j.trace, "resolve",
		func(ctx context.Context) ([]hotsync.AccountRef, string, error) {
			ref, err := j.Zuora.Resolve(ctx, j.request.Account)
			return []hotsync.AccountRef{ref}, "account number to id", err
		})
	return j.found.refs, j.found.err
}

// isNew reports whether the request names an account by something else than its id and
// comes here for the first time: its event then tells nothing that the request does not.
func (j *job) isNew() bool {
	return j.request.AccountID == "" && !hotsync.IsAccountID(j.request.Account) &&
		j.receives <= 1 && j.request.Requeued == 0 && j.Lane == eventstore.LaneLogins
}

// passOn finds the account and sends the request on under its id, and neither reads nor
// writes the event of a number: the front door has written it, and what is to be known of
// it, such as that it has ended, the sync finds out under the account's turn. That of a
// look-up is to be there from now on. It reports false where it took more than that, and
// then the request goes the long way, with what was found.
func (j *job) passOn(ctx context.Context) bool {
	var err error
	j.settings, err = j.Settings.Load(ctx)
	if err != nil || !j.settings.HotSync && !j.request.Trigger.ByHand() {
		return false
	}
	refs, err := j.find(ctx)
	if err != nil || len(refs) != 1 {
		return false
	}
	r := j.request
	r.AccountID = refs[0].ID
	if r.Lookup != nil {
		e := hotsync.NewEvent(r)
		e.Account, e.Steps = refs[0], j.trace.steps
		_, err = j.Events.Put(ctx, e)
		if err != nil {
			return false
		}
	}
	return j.Queue.Resend(ctx, r) == nil
}

// resolve finds the Zuora id of an account number or of a lookup value and
// sends the request on under it, so that SQS keeps one sync at a time for the
// account.
func (j *job) resolve(ctx context.Context) (verdict, error) {
	refs, err := j.find(ctx)
	l := j.request.Lookup
	switch {
	case err != nil && hotsync.AsError(err).Code == hotsync.CodeLookupAmbiguous: // more than Zuora lists in one answer
		return skipped(hotsync.ReasonAmbiguous, hotsync.AsError(err)), nil
	case err != nil:
		return verdict{}, err
	case len(refs) == 1:
		return j.sendOn(ctx, refs[0])
	case len(refs) == 0 && !j.record.existed && !j.settings.RecordUnmatched:
		j.unmatched(ctx)
		j.record.log.InfoContext(ctx, "lookup matched no account", "claim", j.request.Claim)
		return verdict{}, nil
	case len(refs) == 0:
		return skipped(
			hotsync.ReasonNoMatch,
			hotsync.Errorf(hotsync.CodeLookupNoMatch, "No Zuora account has this value in %s.", l.Field),
		), nil
	}
	v := skipped(hotsync.ReasonAmbiguous, hotsync.Errorf(hotsync.CodeLookupAmbiguous,
		"%s Zuora accounts share this value of %s, so none was synced.", zuora.Count(refs), l.Field))
	for _, r := range refs {
		v.candidates = append(v.candidates, r.Number)
	}
	return v, nil
}

// sendOn records which account it is, then queues the request under it. In this
// order the event can be seen before anything can happen to it. A message that
// was delivered before may have been sent on already, and its sync be under way:
// the event is then left to that, and SQS takes the request for the same.
func (j *job) sendOn(ctx context.Context, ref hotsync.AccountRef) (verdict, error) {
	j.request.AccountID = ref.ID
	if !j.sentOn {
		j.record.Account, j.record.Request, j.record.Steps = ref, j.request, j.trace.steps
		j.record.Status, j.record.Reason = hotsync.StatusQueued, ""
		mine, err := j.record.save(ctx)
		if err != nil || !mine {
			return verdict{}, err
		}
	}
	return verdict{}, j.Queue.Resend(ctx, j.request)
}

// unmatched counts a login whose lookup found no account and leaves a record of it,
// where it leaves no event.
func (j *job) unmatched(ctx context.Context) {
	r := j.request
	if j.Observe != nil {
		j.Observe(
			hotsync.Event{
				ID:       r.EventID,
				Status:   hotsync.StatusSkipped,
				Reason:   hotsync.ReasonNoMatch,
				Trigger:  r.Trigger,
				Provider: r.Provider,
			},
		)
	}
	if j.Records == nil || !j.settings.RecordsLogins() || r.Identity.IsZero() {
		return
	}
	_, err := j.Records.RecordLogin(
		ctx,
		hotsync.LoginRecord{
			LoginID:   r.LoginID,
			At:        r.RequestedAt,
			Trigger:   r.Trigger,
			Provider:  r.Provider,
			Reason:    hotsync.ReasonNoMatch,
			Issuer:    r.Identity.Issuer,
			Subject:   r.Identity.Subject,
			Verified:  true,
			EmailHash: r.EmailHash,
			Claims: []hotsync.LoginClaim{
				{
					Claim:  r.Claim,
					Reason: hotsync.ReasonNoMatch,
					Detail: "No Zuora account has this value in " + r.Lookup.Field + ".",
				},
			},
		},
	)
	if err != nil {
		j.record.log.WarnContext(ctx, "login not recorded", "error", err)
	}
}
