package console

import (
	"context"
	"net/http"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// Audit keeps what members of staff do. Errors are *hotsync.Error.
type Audit interface {
	Record(ctx context.Context, a eventstore.Act) error
	// Acts returns the acts of a day (UTC), newest first.
	Acts(ctx context.Context, day time.Time, limit int) ([]eventstore.Act, error)
}

type act = eventstore.Act

// record logs an act and keeps it. What could not be kept is still in the log,
// so it does not undo the act.
func (c *console) record(ctx context.Context, m member, a act) {
	a.At, a.Actor, a.Name, a.Role = c.Now().UTC(), m.Subject(), m.Name(), m.Role().String()
	a.Filter = maskFilter(a.Filter, a.At)
	c.Log.InfoContext(ctx, "act", "audit", true, "actor", a.Actor, "role", a.Role, "action", a.Action,
		"event_id", a.Event, "account", a.Account, "filtered", a.Filter != "", "result", a.Result)
	if c.Audit == nil {
		return
	}
	err := c.Audit.Record(ctx, a)
	if err != nil {
		c.Log.ErrorContext(ctx, "act not kept", "action", a.Action, "error", err)
	}
}

// maskFilter takes out of a filter what may name a person.
func maskFilter(query string, now time.Time) string {
	f, err := parseFilterText(query, now)
	if err != nil {
		return "unreadable"
	}
	f.Text, f.Subject = mask(f.Text), mask(f.Subject)
	return f.Words()
}

// actsShown is how many acts of a day are shown.
const actsShown = 500

type auditView struct {
	Day, Before, After time.Time
	Acts               []eventstore.Act
	Full               bool // there may be more
}

// auditPage shows administrators what was done on a day.
func (c *console) auditPage(w http.ResponseWriter, r *http.Request, m member) error {
	page := auditView{Day: c.Now().UTC().Truncate(24 * time.Hour)}
	if s := get(r.URL.Query(), "day"); s != "" {
		day, err := time.Parse(time.DateOnly, s)
		if err != nil {
			return hotsync.Errorf(hotsync.CodeBadRequest, "day must be a day such as 2026-11-22.")
		}
		page.Day = day
	}
	page.Before = page.Day.AddDate(0, 0, -1)
	if after := page.Day.AddDate(0, 0, 1); !after.After(c.Now()) {
		page.After = after
	}
	if c.Audit != nil {
		var err error
		page.Acts, err = c.Audit.Acts(r.Context(), page.Day, actsShown)
		if err != nil {
			return err
		}
	}
	page.Full = len(page.Acts) == actsShown
	return c.render(w, r, m, "audit", view{Title: "What was done", Nav: "audit", Body: page})
}
