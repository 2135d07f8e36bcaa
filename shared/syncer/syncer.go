// Package syncer carries one sync from its queue message to its recorded
// event: coalesce, resolve, read both sides, project, diff, apply, record.
//
// It decides what every failure means (see outcome.go) and is the only place
// that retries: by giving the message back to the queue.
package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/convergence"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
	"hotsync/shared/projection"
	"hotsync/shared/syncqueue"
	"hotsync/shared/zuora"
)

// Zuora is what a sync asks of Zuora. Errors are *hotsync.Error.
type Zuora interface {
	// Read gives the account with that id as it is now.
	Read(ctx context.Context, accountID string, opt zuora.ReadOptions) (billing.Account, error)
	// Resolve finds the account with that number, or fails with CodeZuoraNotFound.
	Resolve(ctx context.Context, number string) (hotsync.AccountRef, error)
	// Find gives the accounts whose custom field has exactly that value.
	Find(ctx context.Context, field, value string, plan hotsync.ZuoraPlan) ([]hotsync.AccountRef, error)
}

// Limio is what a sync asks of Limio. Errors are *hotsync.Error.
type Limio interface {
	convergence.Writer
	// Account gives every object of the account's customer; none when Limio does
	// not have the account.
	Account(ctx context.Context, accountID string) ([]projection.Object, error)
	// SyncSubscription lets Limio itself read a subscription from Zuora.
	SyncSubscription(ctx context.Context, number string) (subscriptionID, owner string, err error)
	// TransferOwner gives everything one owner has to another.
	TransferOwner(ctx context.Context, from, to string) error
}

// Events keeps events and what is known of accounts. Errors of a lost race wrap
// CodeConflict, of an absent event CodeNotFound.
type Events interface {
	Get(ctx context.Context, id string) (hotsync.Event, error)
	Put(ctx context.Context, e hotsync.Event) (hotsync.Event, error)
	Tally(ctx context.Context, e hotsync.Event) error
	LoadAccount(ctx context.Context, id string) (eventstore.AccountState, error)
	SaveAccount(ctx context.Context, s eventstore.AccountState) (eventstore.AccountState, error)
	SaveAliases(ctx context.Context, s eventstore.AccountState, terms ...string) (eventstore.AccountState, error)
}

// Catalogue gives Limio's published catalogue, and what is to be said of it.
// Errors are *hotsync.Error.
type Catalogue interface {
	Load(ctx context.Context) (*catalogue.Index, []hotsync.Finding, error)
}

// Settings gives the settings in force.
type Settings interface {
	Load(ctx context.Context) (hotsync.Settings, error)
}

// Queue takes requests to be synced under their account's turn.
type Queue interface {
	// Requeue sends one request; it is in the queue when no error is returned.
	Requeue(ctx context.Context, r hotsync.SyncRequest) error
}

// Config is what a Syncer is made of. All members are needed but those with a
// usable zero value, which say so.
type Config struct {
	Zuora       Zuora
	Limio       Limio
	Catalogue   Catalogue // nil for none: every plan then gets a stand-in
	Events      Events
	Ownership   ownership.Store
	Settings    Settings
	Queue       Queue
	Tenant      string // Limio tenant: ids of created objects depend on it
	MaxAttempts int    // tries of a sync before it fails: the queue's maxReceiveCount
	SearchKey   func(context.Context) []byte
	Now         func() time.Time
	Jitter      func() float64 // in [0,1)
	Log         *slog.Logger
	Observe     func(hotsync.Event) // called once per handled message with how it stands; nil for nobody
}

// Syncer handles queue messages. It is safe for concurrent use; the queue gives
// it one message of an account at a time.
type Syncer struct{ Config }

// New makes a Syncer.
func New(c Config) *Syncer { return &Syncer{c} }

// Margins of time at the end of a function's deadline: enough to write the
// event after the work was cut off.
const recordMargin = 2 * time.Second

// Handle carries a message as far as it goes and says what the queue should do
// with it. It records every outcome in the event store first, so that a message
// is acknowledged only when its outcome can be seen.
func (s *Syncer) Handle(ctx context.Context, m syncqueue.Message) syncqueue.Outcome {
	if m.DecodeErr != nil {
		return s.recordMalformed(ctx, m)
	}
	j := &job{Syncer: s, request: m.Request, receiveCount: m.ReceiveCount, log: s.Log.With("event_id", m.Request.EventID, "trigger", m.Request.Trigger)}
	outcome, err := j.handle(ctx)
	if errors.Is(err, errEnded) {
		return syncqueue.Done()
	}
	if err != nil {
		// The event could not be read or written: nothing is known to be recorded,
		// so the message has to come again.
		j.log.ErrorContext(ctx, "sync not recorded", "error", err)
		return syncqueue.Again(s.backoff(m.ReceiveCount, hotsync.AsError(err).RetryAfter))
	}
	return outcome
}

// job is one message on its way.
type job struct {
	*Syncer
	request      hotsync.SyncRequest
	receiveCount int
	settings     hotsync.Settings
	event        hotsync.Event
	existed      bool // the event was there when the message came
	sentOn       bool // by another delivery of the message
	trying       bool // the last attempt of the event is under way, in this job
	state        eventstore.AccountState
	catalogue    *catalogue.Index
	dry          bool            // a dry run: nothing may be written, nor remembered
	claimed      ownership.Owner // where the login is to be marked as linked
	linked       bool            // the login sees, or will see, the account's owner
	log          *slog.Logger
	stepsMu      sync.Mutex // guards event.Steps: two steps run side by side
}

func (j *job) handle(ctx context.Context) (_ syncqueue.Outcome, err error) {
	defer hotsync.In(&err, "syncer.Handle")

	j.event, err = j.Events.Get(ctx, j.request.EventID)
	switch {
	case err == nil:
		j.existed = true
	case hotsync.AsError(err).Code == hotsync.CodeNotFound:
		j.event = hotsync.NewEvent(j.request)
	default:
		return syncqueue.Outcome{}, err
	}
	if j.event.Status.Final() && !neverQueued(j.event) {
		return syncqueue.Done(), nil // delivered again after it was recorded
	}
	j.sentOn = j.request.AccountID == "" && j.event.Request.AccountID != ""
	j.event.Request = j.request
	if wait := j.event.NextAttemptAt.Sub(j.Now()); wait > 0 {
		return j.giveBack(ctx, wait) // a fresh copy of a message that waits (see giveBack)
	}

	work, cancel := withMargin(ctx, j.Now())
	defer cancel()
	err = j.work(work)
	return j.conclude(ctx, err)
}

// neverQueued tells the event of a request that SQS was thought to have refused:
// it was taken after all, only its answer got lost.
func neverQueued(e hotsync.Event) bool {
	return e.Error != nil && e.Error.Code == hotsync.CodeQueueUnavailable && len(e.Attempts) == 0
}

// withMargin leaves time before the function's deadline to record what happened.
func withMargin(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	margin := min(recordMargin, deadline.Sub(now)/4)
	return context.WithDeadline(ctx, deadline.Add(-margin))
}

// ended is how work ends early without a failure: with a status and a reason.
type ended struct {
	status hotsync.Status
	reason string
}

func (e ended) Error() string { return fmt.Sprintf("ended as %s: %s", e.status, e.reason) }

// sentOn is how the work on an unresolved request ends: it continues under its
// account's turn.
var errSentOn = errors.New("sent on under the account's turn")

// errUnmatched ends a lookup that found nothing: nothing is recorded.
var errUnmatched = errors.New("no account matches")

func (j *job) work(ctx context.Context) error {
	var err error
	j.settings, err = j.Settings.Load(ctx)
	if err != nil {
		return err
	}
	if !j.settings.HotSync && j.request.Trigger != hotsync.TriggerConsole {
		return ended{hotsync.StatusSkipped, hotsync.ReasonDisabled}
	}
	if j.request.AccountID == "" && hotsync.IsAccountID(j.request.Account) {
		j.request.AccountID = j.request.Account
	}
	if j.request.AccountID == "" {
		return j.resolve(ctx)
	}
	j.event.Account.ID = j.request.AccountID

	j.state, err = j.Events.LoadAccount(ctx, j.request.AccountID)
	if err != nil {
		return err
	}
	if j.event.Account.Number == "" {
		j.event.Account.Number = j.state.Number
	}
	if j.covered() {
		j.event.CoveredBy = j.state.LastSucceededEvent
		return ended{hotsync.StatusSkipped, hotsync.ReasonCoalesced}
	}
	return j.attempt(ctx)
}

// clockTolerance is how far the clocks of two functions may be apart before a
// request could be taken for older than a read that in truth came first.
const clockTolerance = 200 * time.Millisecond

// covered reports whether a successful sync began to read after this request
// was made. A login of somebody who is not yet linked to the account's owner is
// never covered: its sync has to make the link.
func (j *job) covered() bool {
	if j.state.LastSucceededEvent == "" || j.state.LastSucceededEvent == j.event.ID {
		return false
	}
	linked := j.request.Identity.IsZero() || j.state.Linked(j.request.Identity)
	return linked && j.request.RequestedAt.Add(clockTolerance).Before(j.state.LastReadStartedAt)
}
