package eventstore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/dynamo"
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
	sk := end.Session
	if sk == "" {
		sk = allSessions
	}
	it, err := dynamo.WithState(dynamo.Key(sessionPartition(member), sk), end)
	if err != nil {
		return err
	}
	it[dynamo.Expires] = dynamo.Number(end.Until.Unix())
	return s.table.Put(ctx, it)
}

// SessionEnds reads, consistently, what EndSession kept of a member and still
// matters.
func (s *Store) SessionEnds(ctx context.Context, member string) (_ []SessionEnd, err error) {
	defer hotsync.In(&err, "eventstore.SessionEnds")
	var ends []SessionEnd
	for it, err := range s.table.Items(ctx, &dynamodb.QueryInput{
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk"),
		FilterExpression:          aws.String("expiresAt > :now"),
		ExpressionAttributeValues: item{":pk": dynamo.Text(sessionPartition(member)), ":now": dynamo.Number(s.now().Unix())},
	}) {
		if err != nil {
			return nil, err
		}
		var end SessionEnd
		_, err = dynamo.Decode(it, &end)
		if err != nil {
			return nil, err
		}
		ends = append(ends, end)
	}
	return ends, nil
}

// sessionPartition keeps the members' subjects, of any length, out of the key.
func sessionPartition(member string) string {
	return "staff#" + hotsync.Digest(member)
}
