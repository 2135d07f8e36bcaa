// Package dynamo is what the stores share that keep their items in a DynamoDB table
// with the string keys pk and sk: attributes, conditional writes, paging, and what a
// failure means.
//
// Nothing here can scan a table, and there are no transactions: every write is one
// item, is guarded by a condition where two writers may meet, and can be repeated.
// DynamoDB deletes expired items late, so expiry is compared on every read.
package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"hotsync/shared/hotsync"
)

// Client is what a table needs of *dynamodb.Client. Scan is not part of it.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput,
		...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput,
		...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput,
		...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput,
		...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
}

// Table is one table. It is safe for concurrent use.
type Table struct {
	Client Client
	Name   string
	Now    func() time.Time // by which items expire; nil where none does
}

// Attributes that every table has or may have.
const (
	PK       = "pk"
	SK       = "sk"
	Expires  = "expiresAt" // epoch seconds, of DynamoDB's time to live
	Revision = "revision"  // counts the writes of an item that is saved over its revision
	State    = "state"     // JSON, see Load

	writer = "writer"
	format = "v" // see Format
)

// Format is the format of the items that this version writes, and the newest that it
// reads: attribute v. It goes up when an item no longer means to the version before
// what it meant, and that version must be able to read the new form already. Members
// and kinds of items that are new are passed over by older versions and leave it as it
// is. An item without one, such as an update makes, is of format 1.
const Format = 1

// readable returns an error where one of the items is of a newer format.
func readable(items ...Item) error {
	for _, it := range items {
		if v := GetNumber(it, format); v > Format {
			return hotsync.Errorf(hotsync.CodeStoreNewer,
				"A newer version of hotsync wrote this: format %d, and this version reads up to %d.", v, Format)
		}
	}
	return nil
}

// stamped returns the item with the format.
func stamped(it Item) Item {
	it = maps.Clone(it)
	it[format] = Number(Format)
	return it
}

// ErrRefused says that the item in the table is not the one that a write was made
// for. Nothing was written.
var ErrRefused = errors.New("the item in the table is another than the write was made for")

// Condition is what must hold of the item in the table for a write to be taken.
type Condition struct {
	Expression string
	Names      map[string]string
	Values     Item
}

// Absent holds of an item that is not there.
func Absent() Condition { return Condition{Expression: "attribute_not_exists(pk)"} }

// Get reads an item consistently. It is nil when absent or expired. Like every read
// here it refuses an item of a newer format with hotsync.CodeStoreNewer.
func (t Table) Get(ctx context.Context, key Item) (Item, error) {
	it, err := t.Read(ctx, key)
	if err != nil || t.Expired(it) {
		return nil, err
	}
	return it, nil
}

// Read is Get of an item that is there as long as DynamoDB has it, expired or not.
func (t Table) Read(ctx context.Context, key Item) (Item, error) {
	out, err := t.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.Name, Key: key,
		ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, Failure(err)
	}
	err = readable(out.Item)
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// Expired reports whether an item is to be taken for gone.
func (t Table) Expired(it Item) bool {
	_, expires := it[Expires]
	return it == nil || expires && t.Now != nil && GetNumber(it, Expires) <= t.Now().Unix()
}

// Put writes an item over whatever is there.
func (t Table) Put(ctx context.Context, it Item) error {
	_, err := t.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.Name, Item: stamped(it)})
	return Failure(err)
}

// Replace writes an item if the condition holds of the one that is there, or returns
// ErrRefused. It marks the item with its writer: the answer to a write that was taken
// can get lost, and the SDK then sends it again and is refused by its own first copy.
func (t Table) Replace(ctx context.Context, it Item, when Condition) error {
	mark := rand.Text()
	it = stamped(it)
	it[writer] = Text(mark)
	in := &dynamodb.PutItemInput{TableName: &t.Name, Item: it, ConditionExpression: &when.Expression,
		ExpressionAttributeNames: when.Names, ExpressionAttributeValues: when.Values}
	_, err := t.Client.PutItem(ctx, in)
	var refused *types.ConditionalCheckFailedException
	if !errors.As(err, &refused) {
		return Failure(err)
	}
	there, err := t.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.Name,
		Key: Item{PK: it[PK], SK: it[SK]}, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return Failure(err)
	}
	if GetText(there.Item, writer) != mark {
		return ErrRefused
	}
	return nil
}

// Save writes an item over the revision that it was read at: 0 for one that must be
// absent or expired. It returns the item's new revision, or ErrRefused.
func (t Table) Save(ctx context.Context, it Item, over int) (revision int, err error) {
	it = maps.Clone(it)
	it[Revision] = Number(over + 1)
	when := Condition{Expression: "revision = :over", Values: Item{":over": Number(over)}}
	if over == 0 {
		when = Absent()
		if t.Now != nil {
			when = Condition{Expression: "attribute_not_exists(pk) OR expiresAt <= :now",
				Values: Item{":now": Number(t.Now().Unix())}}
		}
	}
	err = t.Replace(ctx, it, when)
	if err != nil {
		return over, err
	}
	return over + 1, nil
}

// Load reads the state of an item, which is JSON, and its revision: 0 when there is
// no such item. State is left as it is where the item has none.
func (t Table) Load(ctx context.Context, key Item, state any) (revision int, err error) {
	it, err := t.Get(ctx, key)
	if err != nil || it == nil {
		return 0, err
	}
	return Decode(it, state)
}

// Decode is Load of an item that was read already.
func Decode(it Item, state any) (revision int, err error) {
	if raw := GetText(it, State); raw != "" {
		err = json.Unmarshal([]byte(raw), state)
		if err != nil {
			return 0, fmt.Errorf("decode: %w", err)
		}
	}
	return int(GetNumber(it, Revision)), nil
}

// WithState returns the item with a state.
func WithState(it Item, state any) (Item, error) {
	raw, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	it = maps.Clone(it)
	it[State] = Text(string(raw))
	return it, nil
}

// Update changes attributes of an item, and returns those that in asks for. It returns
// ErrRefused where the condition of in does not hold.
func (t Table) Update(ctx context.Context, in *dynamodb.UpdateItemInput) (Item, error) {
	in.TableName = &t.Name
	out, err := t.Client.UpdateItem(ctx, in)
	var refused *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &refused):
		return nil, ErrRefused
	case err != nil:
		return nil, Failure(err)
	}
	err = readable(out.Attributes)
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// Delete removes an item and returns it; nil when there was none.
func (t Table) Delete(ctx context.Context, key Item) (Item, error) {
	out, err := t.Client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.Name, Key: key,
		ReturnValues: types.ReturnValueAllOld})
	if err != nil {
		return nil, Failure(err)
	}
	return out.Attributes, nil
}

// Query reads one page.
func (t Table) Query(ctx context.Context, in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	in.TableName = &t.Name
	out, err := t.Client.Query(ctx, in)
	if err != nil {
		return nil, Failure(err)
	}
	err = readable(out.Items...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Items yields what a query finds on all its pages, or an error and then no more.
func (t Table) Items(ctx context.Context, in *dynamodb.QueryInput) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for {
			out, err := t.Query(ctx, in)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, it := range out.Items {
				if !yield(it, nil) {
					return
				}
			}
			if len(out.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
}

// What DynamoDB takes and gives at once.
const (
	batchWrites = 25
	batchReads  = 100
)

// WriteAll writes items in any order. What DynamoDB hands back for want of capacity
// is sent again.
func (t Table) WriteAll(ctx context.Context, writes []types.WriteRequest) error {
	writes = slices.Clone(writes)
	for i, w := range writes {
		if w.PutRequest != nil {
			writes[i].PutRequest = &types.PutRequest{Item: stamped(w.PutRequest.Item)}
		}
	}
	for tries := 0; len(writes) > 0; {
		now := writes[:min(len(writes), batchWrites)]
		writes = writes[len(now):]
		out, err := t.Client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{t.Name: now}})
		if err != nil {
			return Failure(err)
		}
		left := out.UnprocessedItems[t.Name]
		if len(left) > 0 {
			tries++
			err = pause(ctx, tries)
			if err != nil {
				return err
			}
		}
		writes = append(slices.Clip(writes), left...)
	}
	return nil
}

// GetAll reads items by their keys, in any order and without those that are not
// there. What DynamoDB leaves out, at 16 MB or for want of capacity, is asked for
// again.
func (t Table) GetAll(ctx context.Context, keys []Item) (items []Item, err error) {
	for tries := 0; len(keys) > 0; {
		now := keys[:min(len(keys), batchReads)]
		keys = keys[len(now):]
		out, err := t.Client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{t.Name: {Keys: now}}})
		if err != nil {
			return nil, Failure(err)
		}
		err = readable(out.Responses[t.Name]...)
		if err != nil {
			return nil, err
		}
		items = append(items, out.Responses[t.Name]...)
		left := out.UnprocessedKeys[t.Name].Keys
		if len(left) == len(now) {
			tries++
			err = pause(ctx, tries)
			if err != nil {
				return nil, err
			}
		}
		keys = append(slices.Clip(keys), left...)
	}
	return items, nil
}

// pause waits before what DynamoDB left undone is sent again, longer each time, and
// gives up after the fifth.
func pause(ctx context.Context, tries int) error {
	if tries > 5 {
		return hotsync.Errorf(hotsync.CodeStoreUnavailable, "DynamoDB had no capacity left.")
	}
	wait := time.NewTimer(mathrand.N(50 * time.Millisecond << tries))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return nil
	}
}

// Failure gives an error of the SDK its code. What DynamoDB calls invalid is a
// mistake of ours, not an outage.
func Failure(err error) error {
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
