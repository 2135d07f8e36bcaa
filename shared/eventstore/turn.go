package eventstore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/dynamo"
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
	it, err := s.table.Update(ctx, &dynamodb.UpdateItemInput{
		Key: accountItemKey(id),
		UpdateExpression: aws.String(
			"SET turnLane = :lane, turnUntil = :until, expiresAt = if_not_exists(expiresAt, :stub) ADD revision :one",
		),
		ConditionExpression: aws.String("attribute_not_exists(turnUntil) OR turnUntil <= :now OR turnLane = :lane"),
		ReturnValues:        types.ReturnValueAllNew,
		ExpressionAttributeValues: item{
			":lane":  dynamo.Text(string(lane)),
			":until": dynamo.Time(until),
			":now":   dynamo.Time(now),
			":one":   dynamo.Number(1),
			":stub":  dynamo.Number(until.Add(time.Hour).Unix()),
		},
	})
	if errors.Is(err, dynamo.ErrRefused) {
		return AccountState{}, s.turnTaken(ctx, id, now)
	}
	if err != nil {
		return AccountState{}, err
	}
	state := AccountState{AccountID: id}
	revision := int(dynamo.GetNumber(it, dynamo.Revision))
	if !s.table.Expired(it) {
		_, err = dynamo.Decode(it, &state)
	}
	state.Revision = revision
	return state, err
}

// turnTaken says how long the turn of the other lane can last.
func (s *Store) turnTaken(ctx context.Context, id string, now time.Time) error {
	it, err := s.table.Get(ctx, accountItemKey(id))
	if err != nil {
		return err
	}
	until := dynamo.GetTime(it, attrTurnUntil)
	if until.Before(now) { // it has just ended
		until = now
	}
	return &TurnTaken{Until: until}
}

// EndTurn ends the turn of a lane that had taken it and got that revision with it,
// unless it has passed on. A sync that saves no state calls it.
func (s *Store) EndTurn(ctx context.Context, state AccountState, lane Lane) (err error) {
	defer hotsync.In(&err, "eventstore.EndTurn(%q)", state.AccountID)
	_, err = s.table.Update(ctx, &dynamodb.UpdateItemInput{Key: accountItemKey(state.AccountID),
		UpdateExpression:          aws.String("REMOVE turnLane, turnUntil"),
		ConditionExpression:       aws.String("turnLane = :lane AND revision = :mine"),
		ExpressionAttributeValues: item{":lane": dynamo.Text(string(lane)), ":mine": dynamo.Number(state.Revision)}})
	if errors.Is(err, dynamo.ErrRefused) {
		return nil
	}
	return err
}
