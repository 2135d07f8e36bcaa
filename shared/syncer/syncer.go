// Package syncer carries one sync from its queue message to its recorded
// event: coalesce, resolve, read both sides, project, diff, apply, record.
//
// The work on a request ends with a verdict (verdict.go), also when it fails; the
// event's life is a record (record.go). This is the only place that retries: by
// giving the message back to the queue.
package syncer

import (
	"cmp"
	"context"
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
	// Read returns the account with that id as it is now.
	Read(ctx context.Context, accountID string, opt zuora.ReadOptions) (billing.Account, error)
	// Resolve finds the account with that number, or fails with CodeZuoraNotFound.
	Resolve(ctx context.Context, number string) (hotsync.AccountRef, error)
	// Find returns the accounts whose custom field has exactly that value.
	Find(ctx context.Context, field, value string, plan hotsync.ZuoraPlan) ([]hotsync.AccountRef, error)
}

// Limio is what a sync asks of Limio. Errors are *hotsync.Error.
type Limio interface {
	convergence.Writer
	// Account returns every object of the account's customer; none when Limio does
	// not have the account.
	Account(ctx context.Context, accountID string) ([]projection.Object, error)
	// Customer returns every object of the customer with that id of Limio's; none when
	// there is none.
	Customer(ctx context.Context, id string) ([]projection.Object, error)
	// Identity returns an identity that Limio has.
	Identity(ctx context.Context, id string) (projection.Object, error)
	// CreateNew makes the object like Create. It reports false, and changes nothing,
	// when there is one with that id.
	CreateNew(ctx context.Context, o projection.Object) (made bool, err error)
	// SyncSubscription lets Limio itself read a subscription from Zuora.
	SyncSubscription(ctx context.Context, number string) (subscriptionID, owner string, err error)
	// TransferOwner returns everything one owner has to another.
	TransferOwner(ctx context.Context, from, to string) error
}

// Events keeps events and what is known of accounts. Errors of a lost race wrap
// CodeConflict, of an absent event CodeNotFound.
type Events interface {
	Get(ctx context.Context, id string) (hotsync.Event, error)
	Put(ctx context.Context, e hotsync.Event) (hotsync.Event, error)
	Tally(ctx context.Context, e hotsync.Event) error
	// TakeTurn reads the account's state and takes its turn, or fails with
	// *eventstore.TurnTaken. SaveAccount ends it, as does EndTurn.
	TakeTurn(ctx context.Context, id string, lane eventstore.Lane, until time.Time) (eventstore.AccountState, error)
	// LookTurn is TakeTurn without taking it; HoldTurn then takes it, if nobody took it
	// or saved a state since.
	LookTurn(ctx context.Context, id string, lane eventstore.Lane) (eventstore.AccountState, error)
	HoldTurn(ctx context.Context, s eventstore.AccountState, lane eventstore.Lane,
		until time.Time) (eventstore.AccountState, error)
	EndTurn(ctx context.Context, s eventstore.AccountState, lane eventstore.Lane) error
	SaveAccount(ctx context.Context, s eventstore.AccountState) (eventstore.AccountState, error)
	SaveAliases(ctx context.Context, s eventstore.AccountState, terms ...string) (eventstore.AccountState, error)
}

// Catalogue returns Limio's published catalogue, and what is to be said of it.
// Errors are *hotsync.Error.
type Catalogue interface {
	Load(ctx context.Context) (*catalogue.Index, []hotsync.Finding, error)
}

// Plans keeps which rate plans syncs have seen, with their matches, for the
// console. It writes only when something is new.
type Plans interface {
	Note(ctx context.Context, matches []projection.PlanMatch) error
}

// Settings returns the settings in force.
type Settings interface {
	Load(ctx context.Context) (hotsync.Settings, error)
}

// Queue takes requests to be synced under their account's turn.
type Queue interface {
	// Resend puts a request that was received into the queue once more, and counts
	// that in its Requeued; it is there when no error is returned.
	Resend(ctx context.Context, r hotsync.SyncRequest) error
}

// Config is what a Syncer is made of. All members are needed but those with a
// usable zero value, which say so.
type Config struct {
	Zuora       Zuora
	Limio       Limio
	Catalogue   Catalogue // nil for none: every plan then gets a stand-in
	Plans       Plans     // nil keeps nothing
	Events      Events
	Ownership   ownership.Store
	Settings    Settings
	Queue       Queue
	Tenant      string        // Limio tenant: ids of created objects depend on it
	MaxAttempts int           // tries of a sync before it fails: the queue's maxReceiveCount
	MaxWait     time.Duration // for Zuora and Limio; DefaultMaxWait when zero
	Pauses      Pauses
	SearchKey   func(context.Context) []byte
	Now         func() time.Time
	Jitter      func() float64 // in [0,1)
	Log         *slog.Logger
	Records     Records             // of lookups that found no account; nil to keep none
	Observe     func(hotsync.Event) // called once per handled message with how it stands; nil for nobody

	Lane  eventstore.Lane            // that the messages come by; the logins' when empty
	Yield func(context.Context) bool // reports whether another lane goes first at the moment; nil for never
}

// Syncer handles queue messages. It is safe for concurrent use; the queue gives
// it one message of an account at a time.
type Syncer struct{ Config }

// New makes a Syncer.
func New(c Config) *Syncer {
	c.Lane = cmp.Or(c.Lane, eventstore.LaneLogins)
	return &Syncer{c}
}

// recordMargin is the time left at the end of a function's deadline: enough to write
// the event after the work was cut off.
const recordMargin = 2 * time.Second

// Handle carries a message as far as it goes and says what the queue should do
// with it. It records every outcome in the event store first, so that a message
// is acknowledged only when its outcome can be seen.
func (s *Syncer) Handle(ctx context.Context, m syncqueue.Message) syncqueue.Outcome {
	rec := recorder{events: s.Events, now: s.Now, log: s.Log, observe: s.Observe}
	if m.DecodeErr != nil {
		return rec.malformed(ctx, m)
	}
	rec.log = s.Log.With("event_id", m.Request.EventID, "trigger", m.Request.Trigger)
	if after, ok := s.heldBack(ctx, m); ok {
		return syncqueue.Again(after)
	}
	outcome, err := s.handle(ctx, rec, m)
	if err != nil {
		// The event could not be read or written: nothing is known to be recorded,
		// so the message has to come again.
		rec.log.ErrorContext(ctx, "sync not recorded", "error", err)
		return syncqueue.Again(s.backoff(m.ReceiveCount, hotsync.AsError(err).RetryAfter))
	}
	return outcome
}

// job is one message on its way.
type job struct {
	*Syncer
	task
	record   *record
	receives int    // of the message
	found    *found // when the account was looked up
	sentOn   bool   // by another delivery of the message
	looked   *look
	turn     bool           // of the account is this job's, and its state is not saved
	beside   sync.WaitGroup // what the job's end waits for
	named    sync.WaitGroup // what the account's state waits for
}

// task is what there is to sync and under which rules.
type task struct {
	request  hotsync.SyncRequest
	settings hotsync.Settings
	state    eventstore.AccountState // what is remembered of the account
	trace    *trace
}

func (s *Syncer) handle(ctx context.Context, rec recorder, m syncqueue.Message) (_ syncqueue.Outcome, err error) {
	defer hotsync.In(&err, "syncer.Handle")

	j := &job{Syncer: s, receives: m.ReceiveCount, task: task{request: m.Request, trace: &trace{now: s.Now}}}
	s.Pauses.prefetch(ctx)
	work, cancel := withMargin(ctx, s.Now())
	defer cancel()
	if j.isNew() && j.passOn(work) {
		return syncqueue.Done(), nil
	}
	var beside sync.WaitGroup
	beside.Go(func() { j.looked = s.look(ctx, m.Request) })
	j.record, err = rec.open(ctx, m.Request)
	beside.Wait()
	if err != nil {
		return syncqueue.Outcome{}, err
	}
	if j.record.ended() {
		return syncqueue.Done(), nil
	}
	j.sentOn = m.Request.AccountID == "" && j.record.Request.AccountID != ""
	j.record.Request = m.Request
	if wait := j.record.NextAttemptAt.Sub(s.Now()); wait > 0 {
		return j.giveBack(ctx, wait) // a fresh copy of a message that waits (see giveBack)
	}

	if s.Yield != nil && s.Yield(ctx) {
		return j.giveBack(ctx, yieldWait)
	}

	defer j.endTurn(ctx)
	defer j.beside.Wait()
	defer j.named.Wait()
	v, err := j.work(work)
	if err != nil {
		v = j.judge(ctx, err)
	}
	return j.conclude(ctx, v)
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

// Records keeps short records of logins that led to nothing.
type Records interface {
	RecordLogin(ctx context.Context, r hotsync.LoginRecord) (kept bool, err error)
}

// work carries the request to its verdict. An error is a failure; see judge.
func (j *job) work(ctx context.Context) (verdict, error) {
	var err error
	j.settings, err = j.Settings.Load(ctx)
	if err != nil {
		return verdict{}, err
	}
	if !j.settings.HotSync && !j.request.Trigger.ByHand() {
		return skipped(hotsync.ReasonDisabled, nil), nil
	}
	if j.request.AccountID == "" && hotsync.IsAccountID(j.request.Account) {
		j.request.AccountID = j.request.Account
	}
	if j.request.AccountID == "" {
		return j.resolve(ctx)
	}
	j.record.Account.ID = j.request.AccountID

	wait, err := j.enter(ctx)
	if err != nil || wait > 0 {
		return verdict{wait: wait}, err
	}
	j.record.Account.Number = cmp.Or(j.record.Account.Number, j.state.Number)
	if j.covered() {
		v := skipped(hotsync.ReasonCoalesced, nil)
		v.coveredBy = j.state.LastSucceededEvent
		return v, nil
	}
	return j.sync(ctx)
}

// clockTolerance is how far the clocks of two functions may be apart before a
// request could be taken for older than a read that in truth came first.
const clockTolerance = 200 * time.Millisecond

// covered reports whether a successful sync began to read after this request
// was made. A login of somebody who is not yet linked to the account's owner, or
// names other accounts than before, is never covered: its sync has to make the link,
// or remember the names.
func (j *job) covered() bool {
	if j.state.LastSucceededEvent == "" || j.state.LastSucceededEvent == j.record.ID {
		return false
	}
	linked := j.request.Identity.IsZero() || j.state.LinkedNaming(j.request.Identity, j.request.Named)
	return linked && j.request.RequestedAt.Add(clockTolerance).Before(j.state.LastReadStartedAt)
}

// conclude records a verdict and says what becomes of the message. An error means
// that the event could not be written.
func (j *job) conclude(ctx context.Context, v verdict) (syncqueue.Outcome, error) {
	if v.status == "" && v.wait > 0 {
		return j.giveBack(ctx, v.wait)
	}
	if v.status == "" {
		return syncqueue.Done(), nil
	}
	j.record.Request = j.request
	if len(j.trace.steps) > 0 {
		j.record.Steps = j.trace.steps
	}
	if v.status == hotsync.StatusRetrying {
		mine, err := j.record.postpone(ctx, v)
		if err != nil || !mine {
			return syncqueue.Done(), err
		}
		return j.giveBack(ctx, v.wait)
	}
	// What is remembered is written beside the event. Where only one of the two comes
	// about, the message comes again, or the next sync of the account makes up for it.
	if v.synced != nil {
		at := j.Now()
		j.beside.Go(func() { j.remember(ctx, *v.synced, at) })
	}
	return syncqueue.Done(), j.record.finish(ctx, v)
}

// giveBack makes the message visible again after the delay. Waiting uses up
// receives, after MaxAttempts of which SQS takes a message for dead; a fresh
// copy in its place is received anew from the start.
func (j *job) giveBack(ctx context.Context, delay time.Duration) (syncqueue.Outcome, error) {
	if j.receives < j.MaxAttempts {
		return syncqueue.Again(delay), nil
	}
	fresh := j.request
	fresh.SentOn = 0 // it came to an end now
	err := j.Queue.Resend(ctx, fresh)
	if err != nil {
		return syncqueue.Outcome{}, err
	}
	return syncqueue.Done(), nil
}

// remember keeps what the account's next request can rely on.
func (j *job) remember(ctx context.Context, did synced, at time.Time) {
	j.named.Wait()
	state := j.state
	state.AccountID, state.Number, state.CustomerID = did.account.ID, did.account.Number, did.customer.ID
	state.LastReadStartedAt, state.LastSucceededAt = did.readAt, at
	state.LastSucceededEvent, state.LastEventID = j.record.ID, j.record.ID
	if state.OwnerID != did.customer.Owner {
		state.OwnerID, state.LinkedSubjects = did.customer.Owner, nil // who saw the owner before says nothing about this one
	}
	if !j.request.Identity.IsZero() && did.linked && fresh(j.task) {
		state = state.WithLinked(j.request.Identity, j.request.Named)
	}
	// Only coalescing suffers when this fails: the next sync of the account makes up
	// for it.
	_, err := j.Events.SaveAccount(ctx, state)
	if err != nil {
		j.record.log.WarnContext(ctx, "account state not saved", "error", err)
		return
	}
	j.turn = false
}

// name makes the account findable. Only that suffers when it fails, and the next sync of
// the account makes up for it.
func (j *job) name(ctx context.Context, account billing.Account) {
	state := j.state
	state.AccountID, state.Number = account.ID, account.Number
	named, err := j.Events.SaveAliases(ctx, state, j.searchTerms(ctx, account)...)
	if err != nil {
		j.record.log.WarnContext(ctx, "search terms not saved", "error", err)
		return
	}
	j.state.AliasHash, j.state.AliasesUntil = named.AliasHash, named.AliasesUntil
}

// searchTerms are the names under which support looks for the account, besides
// its number: subscription numbers and, as hashes, e-mail addresses.
func (j *job) searchTerms(ctx context.Context, account billing.Account) []string {
	var terms []string
	for _, s := range account.Subscriptions {
		terms = append(terms, s.Number)
	}
	terms = append(terms, j.request.EmailHash)
	if c := account.BillTo; c != nil {
		key := j.SearchKey(ctx)
		terms = append(terms, hotsync.SearchHash(key, c.WorkEmail), hotsync.SearchHash(key, c.HomeEmail))
	}
	return terms
}
