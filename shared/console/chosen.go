package console

import (
	"context"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// Syncs that somebody ticked in a list are retried as a bulk retry is: the same
// steps, the same job, about these and no others.

// chosenReads is how many of them are read at once.
const chosenReads = 8

// chosen reads the syncs that were ticked: those that are still there and can be
// retried, in the order of the list.
func (c *console) chosen(ctx context.Context, ids []string) ([]hotsync.Event, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !hotsync.IsEventID(id) })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	slices.Reverse(ids)
	if len(ids) > eventstore.MaxLimit {
		return nil, hotsync.Errorf(hotsync.CodeBadRequest, "At most %d syncs can be ticked at once.", eventstore.MaxLimit)
	}
	found := make([]hotsync.Event, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(chosenReads)
	for i, id := range ids {
		g.Go(func() error {
			e, err := c.eventByID(ctx, id)
			found[i] = e
			return ignoreGone(err)
		})
	}
	err := g.Wait()
	return slices.DeleteFunc(found, func(e hotsync.Event) bool { return !e.Retriable() }), err
}

// chosenPrepare is a step of the retry of ticked syncs.
func (c *console) chosenPrepare(
	w http.ResponseWriter,
	r *http.Request,
	m member,
	step int,
	problem *hotsync.Problem,
) error {
	events, err := c.chosen(r.Context(), r.Form["id"])
	if err != nil {
		return err
	}
	page := bulkView{
		Step:    step,
		Chosen:  eventIDs(events),
		Total:   eventstore.Total{N: len(events)},
		Problem: problem,
		Reason:  r.Form.Get("why"),
	}
	if len(events) == 0 {
		page.Step = 1
		page.Problem = hotsync.Errorf(hotsync.CodeBadRequest, "No sync is ticked that can be retried.").Problem()
	}
	if step == 1 {
		page.Sample = rows(events, c.Now(), member{})
	}
	return c.showBulk(w, r, m, page)
}

func eventIDs(events []hotsync.Event) []string {
	ids := make([]string, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// chosenStart begins a job with the ticked syncs and leads to its page.
func (c *console) chosenStart(w http.ResponseWriter, r *http.Request, m member, reason string) error {
	ctx := r.Context()
	events, err := c.chosen(ctx, r.Form["id"])
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return c.chosenPrepare(w, r, m, 1, nil)
	}
	what := plural(len(events), "ticked sync", "ticked syncs")
	j, err := c.begin(ctx, m, jobs.Request{
		Kind:     jobs.Retry,
		Source:   jobs.Source{File: "ticked"},
		Title:    capital(what),
		Note:     reason,
		Expected: len(events),
	})
	if err != nil {
		return err
	}
	l := jobs.NewLoader(ctx, c.Jobs, j)
	for _, e := range events {
		err = l.Retry(e.ID)
		if err != nil {
			return err
		}
	}
	j, err = l.Close()
	if err != nil {
		return err
	}
	c.record(ctx, m, act{Action: "bulk_retry", Note: reason, Result: "begun, " + what + ", " + j.ID})
	c.kick(ctx)
	http.Redirect(w, r, "/jobs/"+j.ID, http.StatusSeeOther)
	return nil
}
