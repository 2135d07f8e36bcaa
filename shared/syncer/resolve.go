package syncer

import (
	"context"
	"fmt"

	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

// resolve finds the Zuora id of an account number or of a lookup value and
// sends the request on under it, so that SQS keeps one sync at a time for the
// account.
func (j *job) resolve(ctx context.Context) error {
	if j.request.Lookup == nil {
		ref, err := step(ctx, j, "resolve", func(ctx context.Context) (hotsync.AccountRef, string, error) {
			ref, err := j.Zuora.Resolve(ctx, j.request.Account)
			return ref, "account number to id", err
		})
		if err != nil {
			return err
		}
		return j.sendOn(ctx, ref)
	}

	field := j.request.Lookup.Field
	refs, err := step(ctx, j, "lookup", func(ctx context.Context) ([]hotsync.AccountRef, string, error) {
		refs, err := j.Zuora.Find(ctx, field, j.request.Lookup.Value, j.settings.ZuoraPlan)
		return refs, fmt.Sprintf("%s accounts with this %s", zuora.Count(refs), field), err
	})
	switch {
	case err != nil && hotsync.AsError(err).Code == hotsync.CodeLookupAmbiguous: // more than Zuora lists in one answer
		j.event.Error = hotsync.AsError(err).Problem()
		return ended{hotsync.StatusSkipped, hotsync.ReasonAmbiguous}
	case err != nil:
		return err
	case len(refs) == 1:
		return j.sendOn(ctx, refs[0])
	case len(refs) == 0 && !j.existed && !j.settings.RecordUnmatched:
		return errUnmatched
	case len(refs) == 0:
		j.event.Error = hotsync.Errorf(hotsync.CodeLookupNoMatch, "No Zuora account has this value in %s.", field).Problem()
		return ended{hotsync.StatusSkipped, hotsync.ReasonNoMatch}
	default:
		for _, r := range refs {
			j.event.Candidates = append(j.event.Candidates, r.Number)
		}
		j.event.Error = hotsync.Errorf(hotsync.CodeLookupAmbiguous,
			"%s Zuora accounts share this value of %s, so none was synced.", zuora.Count(refs), field).Problem()
		return ended{hotsync.StatusSkipped, hotsync.ReasonAmbiguous}
	}
}

// sendOn records which account it is, then queues the request under it. In this
// order the event can be seen before anything can happen to it. A message that
// was delivered before may have been sent on already, and its sync be under way:
// the event is then left to that, and SQS takes the request for the same.
func (j *job) sendOn(ctx context.Context, ref hotsync.AccountRef) error {
	j.request.AccountID = ref.ID
	if j.sentOn {
		err := j.Queue.Requeue(ctx, j.request)
		if err != nil {
			return err
		}
		return errSentOn
	}
	j.event.Account = ref
	j.event.Status, j.event.Reason, j.event.Request = hotsync.StatusQueued, "", j.request
	err := j.save(ctx)
	if err != nil {
		return err
	}
	err = j.Queue.Requeue(ctx, j.request)
	if err != nil {
		return err
	}
	return errSentOn
}
