package eventstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// Act is something that a member of staff did in the console. It must hold no
// personal data of customers.
type Act struct {
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`             // subject of the member
	Name    string    `json:"name,omitempty"`    // as the member is called
	Role    string    `json:"role"`              // that the member had
	Action  string    `json:"action"`            // such as retry, sync, dry_run, bulk_retry, reveal, export
	Event   string    `json:"event,omitempty"`   // id of the event it was done to
	Account string    `json:"account,omitempty"` // id of the account it was done to
	Filter  string    `json:"filter,omitempty"`  // of the list it was done to
	Note    string    `json:"note,omitempty"`    // why, in the member's words
	Result  string    `json:"result,omitempty"`  // id of the event it led to, or what came of it
}

// Record keeps an act, as long as events are kept, under the day it was done:
// audit#<day>. It never overwrites one.
func (s *Store) Record(ctx context.Context, a Act) (err error) {
	defer hotsync.In(&err, "eventstore.Record(%q)", a.Action)
	it, err := dynamo.WithState(dynamo.Key(auditPartition(a.At),
		a.At.UTC().Format("15:04:05.000000000")+"#"+rand.Text()[:8]), a)
	if err != nil {
		return err
	}
	it[dynamo.Expires] = dynamo.Number(a.At.Add(s.retention).Unix())
	return s.table.Put(ctx, it)
}

func auditPartition(day time.Time) string { return "audit#" + day.UTC().Format(time.DateOnly) }

// Acts returns the acts of a day (UTC), the newest first, up to limit.
func (s *Store) Acts(ctx context.Context, day time.Time, limit int) (_ []Act, err error) {
	defer hotsync.In(&err, "eventstore.Acts")
	in := &dynamodb.QueryInput{ScanIndexForward: aws.Bool(false), Limit: aws.Int32(int32(min(max(limit, 1), 1000))),
		KeyConditionExpression: aws.String("pk = :pk"), FilterExpression: aws.String("expiresAt > :now"),
		ExpressionAttributeValues: item{":pk": dynamo.Text(auditPartition(day)), ":now": dynamo.Number(s.now().Unix())}}
	var acts []Act
	for it, err := range s.table.Items(ctx, in) {
		if err != nil {
			return nil, err
		}
		if len(acts) == limit {
			break
		}
		var a Act
		err = json.Unmarshal([]byte(dynamo.GetText(it, dynamo.State)), &a)
		if err != nil {
			return nil, fmt.Errorf("decode: %w", err)
		}
		acts = append(acts, a)
	}
	return acts, nil
}
