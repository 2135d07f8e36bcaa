// Package jobs is work in the second lane: many accounts that somebody or a
// schedule wants synced, while customers sign in. A bulk retry, a backfill and a
// reconcile run are the same thing, a job, and differ only in where their accounts
// come from.
//
// A job is items of a table: one that says how it stands, and chunks of accounts
// with what became of each. Functions advance it a step at a time (Runner), so that
// it outlives the tab, the session and the deployment that it began in. Nothing in
// a step depends on being alone or on coming to its end: every write is guarded by
// the revision it was read at, what was sent is known by an event id that follows
// from the job and the account, and every count is made of what stands in chunks.
// So two may advance a job at once and each may die anywhere, and still every
// account is synced once and counted once.
//
// Jobs give way: nothing is sent while logins wait or an upstream is paused, and so
// few accounts are under way at a time that stopping a job, or a login, waits for
// seconds.
package jobs

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// Kind says what a job is for.
type Kind string

// The kinds.
const (
	Backfill  Kind = "backfill"  // accounts that somebody listed
	Retry     Kind = "retry"     // failed syncs once more
	Reconcile Kind = "reconcile" // accounts known from logins, to see whether they drifted
)

// Status is where a job stands.
type Status string

// The statuses. Done is final; a stopped job can be resumed.
const (
	Loading Status = "loading" // its accounts are being written
	Running Status = "running"
	Stopped Status = "stopped"
	Done    Status = "done"
)

// Outcome is what became of an account.
type Outcome string

// The outcomes. The first two are not yet one.
const (
	Waiting   Outcome = ""
	Sent      Outcome = "sent"      // queued or under way
	Changed   Outcome = "changed"   // Limio was written to
	Unchanged Outcome = "unchanged" // Limio already had everything
	Covered   Outcome = "covered"   // another sync of the account came in between
	Skipped   Outcome = "skipped"   // the event says why
	Unknown   Outcome = "unknown"   // Zuora has no such account
	Failed    Outcome = "failed"
	Passed    Outcome = "passed"  // nothing to retry: a newer sync exists, or it cannot be retried
	Refused   Outcome = "refused" // a row that names no account
	Lost      Outcome = "lost"    // its event was never seen to end
)

// Outcomes lists what can become of an account, in the order they are shown.
var Outcomes = []Outcome{Changed, Unchanged, Covered, Passed, Skipped, Unknown, Refused, Failed, Lost, Sent, Waiting}

// Final reports whether nothing further happens to an account.
func (o Outcome) Final() bool { return o != Waiting && o != Sent }

// Counts say how many accounts have an outcome.
type Counts map[Outcome]int

// add adds what another has.
func (c Counts) add(more Counts) Counts {
	sum := Counts{}
	for _, part := range []Counts{c, more} {
		for o, n := range part {
			sum[o] += n
		}
	}
	return sum
}

// Source says where a job's accounts come from: exactly one of its members is set.
type Source struct {
	File   string            `json:"file,omitempty"`   // SHA-256 of the rows that were loaded
	ZOQL   string            `json:"zoql,omitempty"`   // condition of a query for accounts; "*" for all
	Events *eventstore.Query `json:"events,omitempty"` // syncs to retry
	Known  bool              `json:"known,omitempty"`  // accounts that were synced before, the oldest sync first
}

// Job is how a job stands.
type Job struct {
	ID        string    `json:"id"`
	Kind      Kind      `json:"kind"`
	Status    Status    `json:"status"`
	Title     string    `json:"title,omitempty"`  // what it is about, in words of the page that began it
	Filter    string    `json:"filter,omitempty"` // of the page that began it, as in its address
	Reason    string    `json:"reason,omitempty"` // of the syncs to retry, beside the query's filters
	Note      string    `json:"note,omitempty"`   // why, in the words of whoever began it
	Actor     string    `json:"actor,omitempty"`  // who began it
	By        string    `json:"by,omitempty"`     // who stopped or resumed it last
	Source    Source    `json:"source"`
	Issuers   []string  `json:"issuers,omitempty"` // of the logins that its accounts were listed with
	Rate      int       `json:"rate"`              // accounts a minute, at most
	CreatedAt time.Time `json:"createdAt"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
	Limit     int       `json:"limit,omitempty"`    // accounts, at most; 0 for no limit
	Expected  int       `json:"expected,omitempty"` // about how many accounts, where that is known before they are listed
	Overlaps  []Overlap `json:"overlaps,omitempty"` // jobs that were under way with the same accounts

	Cursor  string `json:"cursor,omitempty"` // where listing goes on
	Listed  bool   `json:"listed"`           // every account stands in a chunk
	Chunks  int    `json:"chunks"`           // that were written
	Total   int    `json:"total"`            // accounts in them
	Settled int    `json:"settled"`          // chunks, from the first, in which every account has its outcome
	Final   Counts `json:"final,omitempty"`  // of the settled chunks
	Window  Counts `json:"window,omitempty"` // of the chunks after them that were begun

	Credit   float64   `json:"credit,omitempty"` // accounts that may be sent at CreditAt
	CreditAt time.Time `json:"creditAt,omitzero"`
	Waits    Wait      `json:"waits,omitempty"` // why nothing is sent at the moment
	Holder   string    `json:"holder,omitempty"`
	HeldTill time.Time `json:"heldTill,omitzero"` // until when the holder advances it

	// Revision guards a write: it counts the writes so far.
	Revision int `json:"-"`
}

// Overlap says that a job has accounts of another that had not ended.
type Overlap struct {
	Job   string  `json:"job"`
	Share float64 `json:"share"` // of the smaller of the two, estimated
}

// Wait says why a job sends nothing.
type Wait string

// The reasons to wait.
const (
	WaitLogins Wait = "logins" // logins wait
	WaitZuora  Wait = "zuora"  // calls to Zuora are paused
	WaitLimio  Wait = "limio"
	WaitOff    Wait = "off"    // hot sync is switched off
	WaitQueue  Wait = "queue"  // SQS does not answer
	WaitStore  Wait = "store"  // DynamoDB does not answer
	WaitSource Wait = "source" // what lists the accounts does not answer
	// WaitRefused: what lists the accounts refuses to, and the job was stopped: trying
	// again would not help.
	WaitRefused Wait = "refused"
)

// Counts returns the outcomes of every account that has been listed.
func (j Job) Counts() Counts {
	c := j.Final.add(j.Window)
	n := 0
	for _, k := range c {
		n += k
	}
	if j.Total > n {
		c[Waiting] += j.Total - n
	}
	return c
}

// InFlight is how many accounts are queued or under way.
func (j Job) InFlight() int { return j.Window[Sent] }

// Ended is how many accounts have their outcome.
func (j Job) Ended() int {
	c := j.Counts()
	return j.Total - c[Waiting] - c[Sent]
}

// Idle reports whether a function has nothing to do about the job.
func (j Job) Idle() bool {
	switch j.Status {
	case Done, Loading:
		return true
	case Stopped:
		return j.InFlight() == 0
	default:
		return false
	}
}

// Drifted is how many accounts of a reconcile run differed from Zuora.
func (j Job) Drifted() int {
	c := j.Counts()
	return c[Changed] + c[Failed] + c[Sent]
}

// Item is an account of a job.
type Item struct {
	Line    int     `json:"l,omitempty"` // of the file
	Account string  `json:"a,omitempty"` // id or number
	Issuer  string  `json:"i,omitempty"` // of the login it is known by, until it has its outcome
	Subject string  `json:"s,omitempty"`
	Login   string  `json:"h,omitempty"` // hash of the two, which stays
	Retries string  `json:"r,omitempty"` // the event that is retried
	Outcome Outcome `json:"o,omitempty"`
	Reason  string  `json:"w,omitempty"` // of the outcome: a reason or an error's code
	Erased  bool    `json:"e,omitempty"` // its login was, and with it the name of its event
}

// key tells items of a job apart. Rows that say the same are the same sync. It is
// made of what does not change: the account of a retry becomes known with its event.
func (i Item) key() string {
	if i.Retries != "" {
		return i.Retries
	}
	return i.Account + "\x00" + i.Login
}

// Of makes an item of an account, and of the login it is known by, if any.
func Of(account string, who hotsync.Identity) Item {
	i := Item{Account: account, Issuer: who.Issuer, Subject: who.Subject}
	if !who.IsZero() {
		i.Login = eventstore.IdentityHash(who)
	}
	return i
}

// Chunk is some accounts of a job.
type Chunk struct {
	Job   string    `json:"-"`
	N     int       `json:"-"`
	Items []Item    `json:"items"`
	Next  string    `json:"next,omitempty"` // where listing goes on after it
	Last  bool      `json:"last,omitempty"`
	Begun time.Time `json:"begun,omitzero"` // when the first of them was sent: its events are named after it

	// Revision guards a write: it counts the writes so far.
	Revision int `json:"-"`
}

// ChunkSize is how many accounts a chunk has, at most.
const ChunkSize = 50

// EventID is the id of the event of an item's sync. It follows from what was
// written before anything is sent, so that what is sent twice is one sync.
func (c Chunk) EventID(i Item) string { return hotsync.EventIDFor(c.Begun, "job", c.Job, i.key()) }

// counts of the chunk's items.
func (c Chunk) counts() Counts {
	n := Counts{}
	for _, i := range c.Items {
		n[i.Outcome]++
	}
	return n
}

func (c Chunk) settled() bool {
	return !slices.ContainsFunc(c.Items, func(i Item) bool { return !i.Outcome.Final() })
}

// Rates, in accounts a minute.
const (
	DefaultRate = 300
	MaxRate     = 3000
)

// Request is what somebody wants done.
type Request struct {
	Kind     Kind
	Source   Source
	Title    string
	Filter   string
	Reason   string
	Note     string
	Actor    string
	Issuers  []string // of the logins that the accounts are listed with, at most MaxIssuers
	Rate     int      // DefaultRate when 0
	Limit    int
	Expected int
}

// MaxIssuers bounds the issuers of the logins of one job.
const MaxIssuers = 100

// maxNote bounds what people write about a job.
const maxNote = 500

// New makes a job of a request, or says in one line what is wrong with it.
func New(r Request, now time.Time, random func([]byte) (int, error)) (Job, error) {
	if r.Rate == 0 {
		r.Rate = DefaultRate
	}
	sources := 0
	for _, has := range []bool{r.Source.File != "", r.Source.ZOQL != "", r.Source.Events != nil, r.Source.Known} {
		if has {
			sources++
		}
	}
	switch {
	case r.Rate < 1 || r.Rate > MaxRate:
		return Job{}, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"The rate must be between 1 and %d accounts a minute.",
			MaxRate,
		)
	case sources != 1:
		return Job{}, hotsync.Errorf(hotsync.CodeBadRequest, "A job takes its accounts from one source.")
	case len(r.Issuers) > MaxIssuers:
		return Job{}, hotsync.Errorf(hotsync.CodeBadRequest, "The logins of a job have %d issuers at most.", MaxIssuers)
	case len(r.Note) > maxNote:
		return Job{}, hotsync.Errorf(hotsync.CodeBadRequest, "The reason may have %d characters.", maxNote)
	}
	j := Job{
		ID:        newID(now, random),
		Kind:      r.Kind,
		Status:    Running,
		Title:     r.Title,
		Filter:    r.Filter,
		Reason:    r.Reason,
		Note:      r.Note,
		Actor:     r.Actor,
		Source:    r.Source,
		Issuers:   r.Issuers,
		Rate:      r.Rate,
		CreatedAt: now.UTC().Truncate(time.Millisecond),
		Limit:     r.Limit,
		Expected:  r.Expected,
	}
	if r.Source.File != "" {
		j.Status = Loading
	}
	return j, nil
}

const idPrefix = "job-"

// newID makes the id of a job. Ids sort by time, as those of events do.
func newID(now time.Time, random func([]byte) (int, error)) string {
	var tail [6]byte
	_, err := random(tail[:])
	if err != nil {
		panic(fmt.Sprintf("jobs: no randomness: %v", err)) // crypto/rand.Read does not fail
	}
	return idPrefix + fmt.Sprintf("%012x", now.UnixMilli()) + hex.EncodeToString(tail[:])
}

var idPattern = regexp.MustCompile(`^job-[0-9a-f]{24}$`)

// IsID reports whether a text has the form of a job's id.
func IsID(id string) bool { return idPattern.MatchString(id) }
