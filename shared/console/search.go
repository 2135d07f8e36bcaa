package console

import (
	"context"
	"net/http"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// event reads the event that a path names.
func (c *console) event(r *http.Request) (hotsync.Event, error) {
	return c.eventByID(r.Context(), r.PathValue("id"))
}

// eventByID reads an event whole.
func (c *console) eventByID(ctx context.Context, id string) (hotsync.Event, error) {
	if !hotsync.IsEventID(id) {
		return hotsync.Event{}, hotsync.Errorf(
			hotsync.CodeNotFound,
			"%q is no event id: it is event- and 32 hex digits.",
			clip(id, 60),
		)
	}
	e, err := c.Events.Get(ctx, id)
	return e.Counted(), err
}

// search finds a page of events.
func (c *console) search(ctx context.Context, f filter, limit int, cursor string, full bool) (eventstore.Page, error) {
	q := f.query()
	q.Limit, q.Cursor, q.Full = limit, cursor, full
	return c.Events.Search(ctx, q)
}

// countMatching counts what a filter finds, up to a limit.
func (c *console) countMatching(ctx context.Context, f filter, limit int) (eventstore.Total, error) {
	return c.Events.CountMatching(ctx, f.query(), limit)
}
