package console

import (
	"context"
	"time"
)

// Act is something that a member of staff did, to be kept.
type Act struct {
	At      time.Time
	Actor   string // subject of the member
	Name    string // as the member is called
	Role    string
	Action  string // retry, sync, dry_run, bulk_retry, reveal, export
	Event   string // id of the event it was done to, if any
	Account string // id of the account, if any
	Filter  string // of the list it was done to, if any
	Note    string // why, in the member's words
	Result  string // id of the event it led to, or how many
}

// Audit keeps acts.
type Audit interface {
	Record(ctx context.Context, a Act) error
}

// act is an Act without what record knows by itself.
type act = Act

// record logs an act and keeps it. What could not be kept is still in the log,
// so it does not undo the act.
func (c *console) record(ctx context.Context, m member, a act) {
	a.At, a.Actor, a.Name, a.Role = c.Now().UTC(), m.subject, m.Name(), m.role.String()
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
