// Package eventstore keeps what hotsync knows about its syncs in one DynamoDB
// table: an event for every sync, the state of every account, the names an
// account can be found by, and counts over time.
//
// The table has the string keys pk and sk, time to live on expiresAt (epoch
// seconds), and four global secondary indexes, each with a string partition key
// and the event id as sort key:
//
//	byTime     gsiTimePk    "2026-11#2": month and shard of the event
//	byStatus   gsiStatusPk  "queued#2", or "failed#2026-11#2" once final
//	byAccount  accountKey   Zuora account id, or what named the account before
//	bySubject  subjectKey   the subject that signed in
//
// The indexes hold the summary of an event and what searches filter on; its
// detail is stored beside them and never copied. Items:
//
//	event#<id>            event           an event
//	account#<id>          state           what is known of an account
//	alias#<kind>#<value>  account#<id>    a name of an account
//	alias#<kind>#<value>  subject#<sub>   a name of a subject
//	count#<day>           <hh:mm>         what ended in ten minutes
//	owner#<id>            owner           accounts and logins of an owner in Limio
//	login#<hash>          login           the owner a login is linked to
//	audit#<day>           <time>#<random> what a member of staff did
//
// Event ids sort by time, so every index sorts by time with no ties, and an id
// is all that a cursor has to remember. Every search is a Query: nothing here
// can scan the table. There are no transactions: every write is one item, is
// guarded by a condition where two writers may meet, and can be repeated.
// DynamoDB deletes expired items late, so expiry is compared on every read.
package eventstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

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

// Client is what the store needs of *dynamodb.Client. Scan is not part of it.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
}

// Config says where the store is and how it behaves. Only Table is needed.
type Config struct {
	Table     string
	Retention time.Duration // of everything, counted from the time in the event's id; DefaultRetention when zero
	// SearchKey gives the key of hotsync.SearchHash. It is asked for only when an
	// e-mail address is searched for; without it such a search finds nothing.
	SearchKey func(context.Context) ([]byte, error)
	Now       func() time.Time // time.Now when nil
}

// Store is the event store. It is safe for concurrent use.
type Store struct {
	client    Client
	table     string
	retention time.Duration
	unmatched time.Duration
	searchKey func(context.Context) ([]byte, error)
	now       func() time.Time

	pageBudget  int
	countBudget int64
	maxBatch    int
}

// New makes the store over an existing table.
func New(client Client, cfg Config) *Store {
	s := &Store{client: client, table: cfg.Table, retention: cfg.Retention, searchKey: cfg.SearchKey, now: cfg.Now,
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
	return s
}

// Attributes of the table and its indexes, and the names of the indexes.
const (
	attrPK        = "pk"
	attrSK        = "sk"
	attrExpires   = "expiresAt"
	attrRevision  = "revision"
	attrWriter    = "writer"
	attrID        = "id"
	attrTime      = "gsiTimePk"
	attrStatusKey = "gsiStatusPk"
	attrAccount   = "accountKey"
	attrSubject   = "subjectKey"
	attrStatus    = "status"
	attrProvider  = "provider"
	attrTrigger   = "trigger"
	attrSummary   = "summary"
	attrDetail    = "detail"
	attrState     = "state"

	indexTime    = "byTime"
	indexStatus  = "byStatus"
	indexAccount = "byAccount"
	indexSubject = "bySubject"
)

type item = map[string]types.AttributeValue

func str(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

func num(v int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
}

func getStr(it item, name string) string {
	v, ok := it[name].(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return v.Value
}

func getNum(it item, name string) int64 {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func key(pk, sk string) item { return item{attrPK: str(pk), attrSK: str(sk)} }

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
// are few and leave soon; finished ones stay, so they are parted by month.
func statusPartition(status hotsync.Status, id string) string {
	if status.Final() {
		return string(status) + "#" + timePartition(id)
	}
	return string(status) + "#" + shard(id)
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

func (s *Store) expired(it item) bool { return getNum(it, attrExpires) <= s.now().Unix() }

// get reads an item consistently; it is nil when absent or expired.
func (s *Store) get(ctx context.Context, key item) (item, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, failure(err)
	}
	if out.Item == nil || s.expired(out.Item) {
		return nil, nil
	}
	return out.Item, nil
}

// putRevision writes an item whose revision in the table must still be before:
// 0 for an item that must be absent or expired. The item gets the next revision.
func (s *Store) putRevision(ctx context.Context, it item, before int) error {
	writer := rand.Text()
	it[attrRevision], it[attrWriter] = num(int64(before)+1), str(writer)
	in := &dynamodb.PutItemInput{TableName: &s.table, Item: it}
	if before == 0 {
		in.ConditionExpression = aws.String("attribute_not_exists(pk) OR expiresAt <= :now")
		in.ExpressionAttributeValues = item{":now": num(s.now().Unix())}
	} else {
		in.ConditionExpression = aws.String("revision = :before")
		in.ExpressionAttributeValues = item{":before": num(int64(before))}
	}
	_, err := s.client.PutItem(ctx, in)
	var refused *types.ConditionalCheckFailedException
	if !errors.As(err, &refused) {
		return failure(err)
	}
	// The answer to a write that was taken can get lost; the SDK then sends it
	// again and is refused by its own first copy. The writer's mark tells.
	there, err := s.get(ctx, key(getStr(it, attrPK), getStr(it, attrSK)))
	if err != nil {
		return err
	}
	if getStr(there, attrWriter) != writer {
		return ErrConflict
	}
	return nil
}

// failure gives an error of the SDK its code. What DynamoDB calls invalid is a
// mistake in this package, not an outage.
func failure(err error) error {
	var api smithy.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &api) && api.ErrorCode() == "ValidationException":
		return hotsync.Errorf(hotsync.CodeInternal, "Internal error.").Because(err)
	default:
		return hotsync.Errorf(hotsync.CodeStoreUnavailable, "DynamoDB did not answer.").Because(err)
	}
}
