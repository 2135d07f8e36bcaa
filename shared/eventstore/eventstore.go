// Package eventstore keeps what hotsync knows about its syncs in one DynamoDB
// table: an event for every sync, the state of every account, the names an
// account can be found by, and counts over time.
//
// The table has the string keys pk and sk, time to live on expiresAt (epoch
// seconds), and five global secondary indexes, each with a string partition key
// and the event id as sort key:
//
//	byTime     gsiTimePk    "2026-11#2": month and shard of the event
//	byStatus   gsiStatusPk  "queued#2", or "failed#2026-11#2" once final; no success
//	byReason   gsiReasonPk  "zuora_account_not_found#2026-11#2"; no success that changed nothing
//	byAccount  accountKey   Zuora account id, or what named the account before
//	bySubject  subjectKey   the subject that signed in
//
// The indexes hold the summary of an event and what searches filter on; its
// detail is stored beside them and never copied. Items:
//
//	event#<id>            event           an event
//	account#<id>          state           what is known of an account
//	alias#<kind>#<value>  account#<id>    a name of an account
//	alias#<kind>#<value>  subject#<sub>   a name of a subject; those made of an
//	                                      e-mail are in byAccount or bySubject, too
//	count#<day>           <hh:mm>         what ended in ten minutes
//	owner#<id>            owner           accounts and logins of an owner in Limio
//	login#<hash>          login           the owner a login is linked to
//	audit#<day>           <time>#<random> what a member of staff did
//	pause                 <upstream>      the shared pause of Zuora or Limio, see package pause
//	without#<second>      <place>         a login that led to nothing
//
// Event ids sort by time, so every index sorts by time with no ties, and an id
// is all that a cursor has to remember. Every search is a Query: nothing here
// can scan the table. There are no transactions: every write is one item, is
// guarded by a condition where two writers may meet, and can be repeated.
// DynamoDB deletes expired items late, so expiry is compared on every read.
package eventstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// How long an event is kept: DefaultRetention unless the configuration says
// otherwise.
const (
	DefaultRetention   = 90 * 24 * time.Hour
	UnmatchedRetention = 7 * 24 * time.Hour // of lookups that matched nothing, if that is shorter
)

// The two failures that callers decide on.
var (
	ErrNotFound = &hotsync.Error{Code: hotsync.CodeNotFound, Message: "There is no such event."}
	ErrConflict = &hotsync.Error{Code: hotsync.CodeConflict, Message: "It was changed meanwhile."}
)

// Config says how the store behaves. The zero value is good.
type Config struct {
	Retention time.Duration // of everything, counted from the time in the event's id; DefaultRetention when zero
	// SearchKey returns the key of hotsync.SearchHash. It is asked for only when an
	// e-mail address is searched for; without it such a search finds nothing.
	SearchKey func(context.Context) ([]byte, error)
	Now       func() time.Time // time.Now when nil
}

// Store is the event store. It is safe for concurrent use.
type Store struct {
	table     dynamo.Table
	retention time.Duration
	unmatched time.Duration
	searchKey func(context.Context) ([]byte, error)
	now       func() time.Time

	pageBudget  int
	countBudget int64
	maxBatch    int

	loginsFull atomic.Int64 // the last second of which no place for a record of a login was found
}

// New makes the store over an existing table. Its clock is the table's, or that of
// cfg.
func New(table dynamo.Table, cfg Config) *Store {
	s := &Store{table: table, retention: cfg.Retention, searchKey: cfg.SearchKey, now: cfg.Now,
		pageBudget: pageBudget, countBudget: countBudget, maxBatch: maxBatch}
	if s.retention <= 0 {
		s.retention = DefaultRetention
	}
	s.unmatched = min(UnmatchedRetention, s.retention)
	if s.searchKey == nil {
		s.searchKey = func(context.Context) ([]byte, error) { return nil, nil }
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.table.Now = s.now
	return s
}

// Attributes of the table and its indexes, and the names of the indexes.
const (
	attrID        = "id"
	attrTime      = "gsiTimePk"
	attrStatusKey = "gsiStatusPk"
	attrReasonKey = "gsiReasonPk"
	attrAccount   = "accountKey"
	attrSubject   = "subjectKey"
	attrStatus    = "status"
	attrReason    = "reason"
	attrProvider  = "provider"
	attrTrigger   = "trigger"
	attrSummary   = "summary"
	attrDetail    = "detail"

	indexTime    = "byTime"
	indexStatus  = "byStatus"
	indexReason  = "byReason"
	indexAccount = "byAccount"
	indexSubject = "bySubject"
)

type item = dynamo.Item

// shards spread the events of a month, and those of a status, over several
// partitions of an index, since one partition takes 1,000 writes a second:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
const shards = "0123"

// shard gives an event its shard by the last digit of its id, which is random.
func shard(id string) string {
	n := strings.IndexByte("0123456789abcdef", id[len(id)-1])
	return shards[n%len(shards) : n%len(shards)+1]
}

func month(t time.Time) string { return t.UTC().Format("2006-01") }

func timePartition(id string) string { return month(hotsync.EventTime(id)) + "#" + shard(id) }

// statusPartition keeps unfinished events of all months together, since they
// are few and leave soon; finished ones stay, so they are parted by month. Most syncs
// succeed: they are found by time, and what would find nearly all is no index.
func statusPartition(status hotsync.Status, id string) string {
	switch {
	case status == hotsync.StatusSucceeded:
		return ""
	case status.Final():
		return string(status) + "#" + timePartition(id)
	default:
		return string(status) + "#" + shard(id)
	}
}

// reasonPartition parts the events of a reason by month; "" for the success that
// changed nothing, which most are, and for no reason.
func reasonPartition(status hotsync.Status, reason, id string) string {
	if reason == "" || status == hotsync.StatusSucceeded && reason == hotsync.ReasonUnchanged {
		return ""
	}
	return bounded(reason) + "#" + timePartition(id)
}

// fold makes names that differ in case or surrounding blanks one name.
func fold(name string) string { return bounded(strings.ToLower(strings.TrimSpace(name))) }

// bounded keeps a name from outside within what a DynamoDB key can hold (1 KiB
// for a sort key) and still exact.
func bounded(name string) string {
	if len(name) <= 512 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// expiry is when an event expires.
func (s *Store) expiry(e hotsync.Event) time.Time {
	if e.Status == hotsync.StatusSkipped && e.Reason == hotsync.ReasonNoMatch {
		return hotsync.EventTime(e.ID).Add(s.unmatched)
	}
	return hotsync.EventTime(e.ID).Add(s.retention)
}

// save writes an item over a revision and says ErrConflict where another one was
// faster.
func (s *Store) save(ctx context.Context, it item, over int) (revision int, err error) {
	revision, err = s.table.Save(ctx, it, over)
	if errors.Is(err, dynamo.ErrRefused) {
		return over, ErrConflict
	}
	return revision, err
}
