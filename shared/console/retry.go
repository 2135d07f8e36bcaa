package console

import (
	"context"
	"net/http"

	"hotsync/shared/hotsync"
)

// retryFromPage retries an event and shows the new one.
func (c *console) retryFromPage(w http.ResponseWriter, r *http.Request, m member) error {
	old, err := c.event(r)
	if err != nil {
		return err
	}
	e, err := c.retry(r.Context(), old, m, noteOf(r.FormValue("note")))
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/events/"+e.ID, http.StatusSeeOther)
	return nil
}

// maxNote bounds the reason that somebody gives for an act.
const maxNote = 500

// retry makes the request of an ended event once more and gives the new event.
func (c *console) retry(ctx context.Context, old hotsync.Event, m member, note string) (hotsync.Event, error) {
	request, err := old.Retry()
	if err != nil {
		return hotsync.Event{}, err
	}
	now := c.Now().UTC()
	request.EventID, request.RequestedAt, request.Actor, request.Note = c.NewEventID(now), now, m.Name(), note
	e, err := c.send(ctx, request)
	if err != nil {
		return hotsync.Event{}, err
	}
	c.record(ctx, m, act{Action: "retry", Event: old.ID, Account: old.Account.ID, Note: note, Result: e.ID})
	return e, nil
}

// send queues a request and writes its event.
func (c *console) send(ctx context.Context, request hotsync.SyncRequest) (hotsync.Event, error) {
	// First the queue: an event that says queued must be queued.
	err := c.Queue.Send(ctx, request)
	if err != nil {
		return hotsync.Event{}, err
	}
	e := hotsync.NewEvent(request)
	err = c.Events.PutQueued(ctx, e)
	if err != nil {
		c.Log.WarnContext(ctx, "queued event not written", "event_id", e.ID, "error", err)
	}
	return e, nil
}
