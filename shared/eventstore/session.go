package eventstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/hotsync"
)

// SessionEnd says that a session of a member of staff, or all of them, ended
// before its time.
type SessionEnd struct {
	Session string    `json:"session,omitempty"` // "" for all that began up to At
	At      time.Time `json:"at"`
	Until   time.Time `json:"until"` // when it would have ended anyway: the note is kept so long
}

// allSessions is the sort key of the end of all sessions; ids of sessions are
// random letters.
const allSessions = "*"

// EndSession keeps the end of a session of the member with that subject. It can
// be repeated.
func (s *Store) EndSession(ctx context.Context, member string, end SessionEnd) (err error) {
	defer hotsync.In(&err, "eventstore.EndSession")
	raw, err := json.Marshal(end)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	sk := end.Session
	if sk == "" {
		sk = allSessions
	}
	it := key(sessionPartition(member), sk)
	it[attrState] = str(string(raw))
	it[attrExpires] = num(end.Until.Unix())
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: it})
	return failure(err)
}

// SessionEnds reads, consistently, what EndSession kept of a member and still
// matters.
func (s *Store) SessionEnds(ctx context.Context, member string) (_ []SessionEnd, err error) {
	defer hotsync.In(&err, "eventstore.SessionEnds")
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk"),
		FilterExpression:          aws.String("expiresAt > :now"),
		ExpressionAttributeValues: item{":pk": str(sessionPartition(member)), ":now": num(s.now().Unix())},
	})
	if err != nil {
		return nil, failure(err)
	}
	var ends []SessionEnd
	for _, it := range out.Items {
		var end SessionEnd
		err := json.Unmarshal([]byte(getStr(it, attrState)), &end)
		if err != nil {
			return nil, fmt.Errorf("decode: %w", err)
		}
		ends = append(ends, end)
	}
	return ends, nil
}

// sessionPartition keeps the members' subjects, of any length, out of the key.
func sessionPartition(member string) string {
	sum := sha256.Sum256([]byte(member))
	return "staff#" + hex.EncodeToString(sum[:16])
}
