package hotsync

import (
	"encoding/json"
	"time"
)

// Status is where a sync stands.
type Status string

// The statuses. Succeeded, failed and skipped are final.
const (
	StatusQueued    Status = "queued"
	StatusRunning   Status = "running"
	StatusRetrying  Status = "retrying"
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
	StatusSkipped   Status = "skipped"
)

// Statuses lists every status in the order of a sync's life.
var Statuses = []Status{StatusQueued, StatusRunning, StatusRetrying, StatusSucceeded, StatusFailed, StatusSkipped}

// Final reports whether nothing further happens to an event of this status.
func (s Status) Final() bool {
	return s == StatusSucceeded || s == StatusFailed || s == StatusSkipped
}

// Reasons qualify a status. A failed event has its error's code as reason.
const (
	ReasonChanged    = "changed"     // succeeded: Limio was written to
	ReasonUnchanged  = "unchanged"   // succeeded: Limio already had everything
	ReasonCoalesced  = "coalesced"   // skipped: a sync that began later covers it (CoveredBy)
	ReasonAmbiguous  = "ambiguous"   // skipped: a lookup found several accounts
	ReasonNoMatch    = "no_match"    // skipped: a lookup found no account (recorded only on request)
	ReasonDisabled   = "disabled"    // skipped: hot sync was switched off meanwhile
	ReasonStaleClaim = "stale_claim" // skipped: the account no longer names this login
	ReasonPaused     = "paused"      // retrying: Zuora or Limio is down or asked to wait; costs no attempt
)

// AccountRef names a Zuora account by what is known of it.
type AccountRef struct {
	ID     string `json:"id,omitempty"`
	Number string `json:"number,omitempty"`
}

// Attempt is one try of a sync.
type Attempt struct {
	N          int       `json:"n"`
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	Error      *Problem  `json:"error,omitempty"`
	// of an attempt that another one followed; the last one's are the event's
	Steps []Step `json:"steps,omitempty"`
}

// Step is a part of the last attempt: resolve, read, project, diff, apply.
type Step struct {
	Name      string    `json:"name"`
	StartedAt time.Time `json:"startedAt"`
	MS        int64     `json:"ms"`
	Calls     int       `json:"calls"` // HTTP calls made to Zuora and Limio
	Detail    string    `json:"detail,omitempty"`
}

// Action says what a change did to a Limio object.
type Action string

// The actions. Nothing is ever deleted in Limio.
const (
	ActionCreate Action = "create"
	ActionUpdate Action = "update"
	ActionEnd    Action = "end"  // gone in Zuora: ended or set inactive
	ActionLink   Action = "link" // external identity linked to its owner
)

// Change is one write to one Limio object.
type Change struct {
	Object string        `json:"object"`         // Limio's record type
	ID     string        `json:"id"`             // Limio's id
	Name   string        `json:"name,omitempty"` // a number or a plan, never anything personal
	Action Action        `json:"action"`
	Fields []FieldChange `json:"fields,omitempty"`
}

// FieldChange is one field of a change. Personal values are masked before they
// come here.
type FieldChange struct {
	Field  string `json:"field"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Subscription is what a customer sees of a subscription in Limio, in a line.
type Subscription struct {
	Number     string `json:"number"`
	Plan       string `json:"plan,omitempty"`
	Status     string `json:"status"`
	Amount     string `json:"amount,omitempty"` // of a billing period; "" where it cannot be told
	Currency   string `json:"currency,omitempty"`
	Every      string `json:"every,omitempty"`   // monthly, yearly, every 2 weeks, …
	NextDay    string `json:"nextDay,omitempty"` // of the next payment
	NextAmount string `json:"nextAmount,omitempty"`
}

// Problem is an error as an event and an API answer show it.
type Problem struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Event records one sync: what asked for it, what it did and how it ended.
type Event struct {
	ID            string     `json:"id"`
	Status        Status     `json:"status"`
	Reason        string     `json:"reason,omitempty"`
	Trigger       Trigger    `json:"trigger"`
	Provider      string     `json:"provider,omitempty"`
	Account       AccountRef `json:"account"`
	Subject       string     `json:"subject,omitempty"`
	LoginID       string     `json:"login,omitempty"`
	RequestedAt   time.Time  `json:"requestedAt"`
	StartedAt     time.Time  `json:"startedAt,omitzero"`
	FinishedAt    time.Time  `json:"finishedAt,omitzero"`
	NextAttemptAt time.Time  `json:"nextAttemptAt,omitzero"`
	Attempts      []Attempt  `json:"attempts"`
	Steps         []Step     `json:"steps"`
	Changes       []Change   `json:"changes"`
	Findings      []Finding  `json:"findings"`
	// Subscriptions are what Limio shows of the account after a sync that succeeded.
	Subscriptions []Subscription `json:"subscriptions,omitempty"`
	Error         *Problem       `json:"error,omitempty"`
	CoveredBy     string         `json:"coveredBy,omitempty"`
	RetryOf       string         `json:"retryOf,omitempty"`
	RetriedBy     string         `json:"retriedBy,omitempty"`  // who retried it, for a retry
	Job           string         `json:"job,omitempty"`        // the job that the sync is part of
	Candidates    []string       `json:"candidates,omitempty"` // account numbers an ambiguous lookup found

	// Request is what a retry sends again. It holds the lookup value, so it is
	// stored but never part of an answer: what may be shown of it stands above.
	Request SyncRequest `json:"-"`
	// Revision guards a write: it counts the writes of this event so far.
	Revision int `json:"-"`
	// ChangeCount is how many changes there were, known also where only a summary was
	// read, and where the list was cut since the event was too large to be kept whole.
	ChangeCount int `json:"-"`
	// AttemptCount and FindingCount are those of their lists likewise.
	AttemptCount int `json:"-"`
	FindingCount int `json:"-"`
	// AttentionCount counts the findings somebody has to act on.
	AttentionCount int `json:"-"`
	// ChangesCut and AttemptsCut are how many entries the lists have lost so. Whoever
	// adds to the lists of an event that was read need not think of them: they count
	// beside what is in the lists.
	ChangesCut  int `json:"-"`
	AttemptsCut int `json:"-"`
	// FieldsCut reports that changes in the list have lost their fields so.
	FieldsCut bool `json:"-"`
}

// Counted returns the event with its counts, of the lists as they are and of what was
// cut from them. An event of which only a summary was read keeps the counts it has.
func (e Event) Counted() Event {
	e.ChangeCount = max(e.ChangeCount, len(e.Changes)+e.ChangesCut)
	e.AttemptCount = max(e.AttemptCount, e.Tries())
	e.FindingCount = max(e.FindingCount, len(e.Findings))
	e.AttentionCount = max(e.AttentionCount, AttentionCount(e.Findings))
	return e
}

// Tries returns how often the sync was tried. It is for an event that was read whole.
func (e Event) Tries() int { return len(e.Attempts) + e.AttemptsCut }

// MarshalJSON returns lists as [] and never as null, so that readers need not
// tell the two apart, and how long they were before a store cut them.
func (e Event) MarshalJSON() ([]byte, error) {
	type plain Event
	p := struct {
		plain
		// Warnings are the findings' messages: what the API had before there were findings.
		Warnings []string `json:"warnings"`

		ChangeCount    int `json:"changeCount"`
		AttemptCount   int `json:"attemptCount"`
		FindingCount   int `json:"findingCount"`
		AttentionCount int `json:"attentionCount"`
	}{plain: plain(e), Warnings: Messages(e.Findings)}
	e = e.Counted()
	p.ChangeCount, p.AttemptCount = e.ChangeCount, e.AttemptCount
	p.FindingCount, p.AttentionCount = e.FindingCount, e.AttentionCount
	if p.Attempts == nil {
		p.Attempts = []Attempt{}
	}
	if p.Steps == nil {
		p.Steps = []Step{}
	}
	if p.Changes == nil {
		p.Changes = []Change{}
	}
	if p.Findings == nil {
		p.Findings = []Finding{}
	}
	return json.Marshal(p)
}

// NewEvent is the event of a request that has just been queued.
func NewEvent(r SyncRequest) Event {
	e := Event{
		ID:          r.EventID,
		Status:      StatusQueued,
		Trigger:     r.Trigger,
		Provider:    r.Provider,
		Subject:     r.Identity.Subject,
		LoginID:     r.LoginID,
		RequestedAt: r.RequestedAt,
		RetryOf:     r.RetryOf,
		RetriedBy:   r.Actor,
		Job:         r.Job,
		Request:     r,
	}
	e.Account.ID = r.AccountID
	switch {
	case r.Account == "" || r.Account == r.AccountID:
	case IsAccountID(r.Account):
		e.Account.ID = r.Account
	default:
		e.Account.Number = r.Account
	}
	return e
}
