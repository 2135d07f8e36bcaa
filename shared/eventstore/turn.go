package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/hotsync"
)

// Lane is one of the two ways in which requests come to be synced. Within a lane
// the message group of SQS lets one sync of an account run at a time; a turn does
// the same across lanes.
type Lane string

// The lanes.
const (
	LaneLogins Lane = "logins"
	LaneJobs   Lane = "jobs"
)

// Attributes of a turn, on the item of an account's state.
const (
	attrTurnLane  = "turnLane"
	attrTurnUntil = "turnUntil" // in milliseconds since 1970
)

// TurnTaken says that the other lane syncs the account.
type TurnTaken struct{ Until time.Time } // when it ends at the latest

// Error implements error.
func (t *TurnTaken) Error() string { return "the other lane syncs the account" }

// TakeTurn gives a lane the account's turn until that time and reads the account's
// state, in one call. A lane that has the turn already gets it again: its queue sees
// to it that it syncs the account once at a time. It returns a *TurnTaken when the
// other lane has the turn.
//
// SaveAccount ends the turn, and so does time. Taking it raises the revision, so
// that a sync whose turn has passed on can save no state any more.
func (s *Store) TakeTurn(ctx context.Context, id string, lane Lane, until time.Time) (_ AccountState, err error) {
	defer hotsync.In(&err, "eventstore.TakeTurn(%q)", id)
	now := s.now()
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.table, Key: accountItemKey(id),
		UpdateExpression:    aws.String("SET turnLane = :lane, turnUntil = :until, expiresAt = if_not_exists(expiresAt, :stub) ADD revision :one"),
		ConditionExpression: aws.String("attribute_not_exists(turnUntil) OR turnUntil <= :now OR turnLane = :lane"),
		ReturnValues:        types.ReturnValueAllNew,
		ExpressionAttributeValues: item{":lane": str(string(lane)), ":until": num(until.UnixMilli()), ":now": num(now.UnixMilli()),
			":one": num(1), ":stub": num(until.Add(time.Hour).Unix())}})
	var refused *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &refused):
		return AccountState{}, s.turnTaken(ctx, id, now)
	case err != nil:
		return AccountState{}, failure(err)
	}
	state := AccountState{AccountID: id}
	if raw := getStr(out.Attributes, attrState); raw != "" && !s.expired(out.Attributes) {
		err = json.Unmarshal([]byte(raw), &state)
		if err != nil {
			return AccountState{}, fmt.Errorf("decode: %w", err)
		}
	}
	state.Revision = int(getNum(out.Attributes, attrRevision))
	return state, nil
}

// turnTaken says how long the turn of the other lane can last.
func (s *Store) turnTaken(ctx context.Context, id string, now time.Time) error {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: accountItemKey(id), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return failure(err)
	}
	until := time.UnixMilli(getNum(out.Item, attrTurnUntil))
	if until.Before(now) { // it has just ended
		until = now
	}
	return &TurnTaken{Until: until}
}

// EndTurn ends the turn of a lane that had taken it and got that revision with it,
// unless it has passed on. A sync that saves no state calls it.
func (s *Store) EndTurn(ctx context.Context, state AccountState, lane Lane) (err error) {
	defer hotsync.In(&err, "eventstore.EndTurn(%q)", state.AccountID)
	_, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.table, Key: accountItemKey(state.AccountID),
		UpdateExpression:          aws.String("REMOVE turnLane, turnUntil"),
		ConditionExpression:       aws.String("turnLane = :lane AND revision = :mine"),
		ExpressionAttributeValues: item{":lane": str(string(lane)), ":mine": num(int64(state.Revision))}})
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return nil
	}
	return failure(err)
}
