package eventstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

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
	raw, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	it := key(auditPartition(a.At), a.At.UTC().Format("15:04:05.000000000")+"#"+rand.Text()[:8])
	it[attrState] = str(string(raw))
	it[attrExpires] = num(a.At.Add(s.retention).Unix())
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: it})
	return failure(err)
}

func auditPartition(day time.Time) string { return "audit#" + day.UTC().Format(time.DateOnly) }

// Acts gives the acts of a day (UTC), the newest first, up to limit.
func (s *Store) Acts(ctx context.Context, day time.Time, limit int) (_ []Act, err error) {
	defer hotsync.In(&err, "eventstore.Acts")
	in := &dynamodb.QueryInput{TableName: &s.table, ScanIndexForward: aws.Bool(false), Limit: aws.Int32(int32(min(max(limit, 1), 1000))),
		KeyConditionExpression: aws.String("pk = :pk"), FilterExpression: aws.String("expiresAt > :now"),
		ExpressionAttributeValues: item{":pk": str(auditPartition(day)), ":now": num(s.now().Unix())}}
	var acts []Act
	for {
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, failure(err)
		}
		for _, it := range out.Items {
			var a Act
			err := json.Unmarshal([]byte(getStr(it, attrState)), &a)
			if err != nil {
				return nil, fmt.Errorf("decode: %w", err)
			}
			acts = append(acts, a)
		}
		if len(out.LastEvaluatedKey) == 0 || len(acts) >= limit {
			return acts[:min(len(acts), limit)], nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
