package console

import (
	"context"
	"net/http"
	"slices"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// event reads the event that a path names.
func (c *console) event(r *http.Request) (hotsync.Event, error) {
	id := r.PathValue("id")
	if !hotsync.IsEventID(id) {
		return hotsync.Event{}, hotsync.Errorf(hotsync.CodeNotFound, "%q is no event id: it is event- and 32 hex digits.", clip(id, 60))
	}
	e, err := c.Events.Get(r.Context(), id)
	e.ChangeCount, e.AttemptCount, e.FindingCount, e.AttentionCount = len(e.Changes), len(e.Attempts), len(e.Findings), hotsync.AttentionCount(e.Findings)
	return e, err
}

// reasonPages is how many pages are read at most to fill one with a reason: the
// store does not know reasons, so they are picked out here.
const reasonPages = 8

// search finds a page of events. One with a reason may be short and still have
// a cursor, as the store's own pages may.
func (c *console) search(ctx context.Context, f filter, limit int, cursor string, full bool) (eventstore.Page, error) {
	if limit == 0 {
		limit = eventstore.DefaultLimit
	}
	q := f.query()
	q.Limit, q.Cursor, q.Full = limit, cursor, full
	if f.Reason == "" {
		return c.Events.Search(ctx, q)
	}
	var out eventstore.Page
	for range reasonPages {
		page, err := c.Events.Search(ctx, q)
		if err != nil {
			return eventstore.Page{}, err
		}
		out.Cursor, q.Cursor = page.Cursor, page.Cursor
		out.Events = append(out.Events, slices.DeleteFunc(page.Events, func(e hotsync.Event) bool { return e.Reason != f.Reason })...)
		if out.Cursor == "" || len(out.Events) >= limit {
			break
		}
	}
	return out, nil
}

// countMatching counts what a filter finds, up to a limit.
func (c *console) countMatching(ctx context.Context, f filter, limit int) (eventstore.Total, error) {
	if f.Reason == "" {
		return c.Events.CountMatching(ctx, f.query(), limit)
	}
	var total eventstore.Total
	cursor := ""
	for range reasonPages {
		page, err := c.search(ctx, f, eventstore.MaxLimit, cursor, false)
		if err != nil {
			return eventstore.Total{}, err
		}
		total.N += len(page.Events)
		cursor = page.Cursor
		if cursor == "" || total.N >= limit {
			break
		}
	}
	return eventstore.Total{N: min(total.N, limit), AtLeast: cursor != ""}, nil
}
