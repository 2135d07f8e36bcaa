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
	in := s.turnUpdate(id, lane, until)
	in.ConditionExpression = aws.String(
		"attribute_not_exists(turnUntil) OR turnUntil <= :now OR turnLane = :lane",
	)
	in.ExpressionAttributeValues[":now"] = dynamo.Time(now)
	it, err := s.table.Update(ctx, in)
	if errors.Is(err, dynamo.ErrRefused) {
		return AccountState{}, s.turnTaken(ctx, id, now)
	}
	if err != nil {
		return AccountState{}, err
	}
	return s.turnState(id, it)
}

// LookTurn reads the account's state as TakeTurn does, and takes nothing: it returns a
// *TurnTaken when the other lane has the turn.
func (s *Store) LookTurn(ctx context.Context, id string, lane Lane) (_ AccountState, err error) {
	defer hotsync.In(&err, "eventstore.LookTurn(%q)", id)
	now := s.now()
	it, err := s.table.Read(ctx, accountItemKey(id))
	if err != nil {
		return AccountState{}, err
	}
	until := dynamo.GetTime(it, attrTurnUntil)
	if _, has := it[attrTurnUntil]; has && until.After(now) && dynamo.GetText(it, attrTurnLane) != string(lane) {
		return AccountState{}, &TurnTaken{Until: until}
	}
	return s.turnState(id, it)
}

// HoldTurn takes the turn for a state that LookTurn has read, if nobody has taken it or
// saved a state since: what was read of the account after that look was then read as if
// the turn had been taken before. It returns the state with its new revision, or
// ErrConflict, and then nothing has changed.
func (s *Store) HoldTurn(
	ctx context.Context,
	state AccountState,
	lane Lane,
	until time.Time,
) (_ AccountState, err error) {
	defer hotsync.In(&err, "eventstore.HoldTurn(%q)", state.AccountID)
	in := s.turnUpdate(state.AccountID, lane, until)
	in.ConditionExpression = aws.String("attribute_not_exists(pk)")
	if state.Revision > 0 {
		in.ConditionExpression = aws.String("revision = :over")
		in.ExpressionAttributeValues[":over"] = dynamo.Number(state.Revision)
	}
	it, err := s.table.Update(ctx, in)
	if errors.Is(err, dynamo.ErrRefused) {
		return AccountState{}, ErrConflict
	}
	if err != nil {
		return AccountState{}, err
	}
	state.Revision = int(dynamo.GetNumber(it, dynamo.Revision))
	return state, nil
}

// turnUpdate gives a lane the turn, whoever has it.
func (s *Store) turnUpdate(id string, lane Lane, until time.Time) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{
		Key: accountItemKey(id),
		UpdateExpression: aws.String(
			"SET turnLane = :lane, turnUntil = :until, expiresAt = if_not_exists(expiresAt, :stub) ADD revision :one",
		),
		ReturnValues: types.ReturnValueAllNew,
		ExpressionAttributeValues: item{
			":lane":  dynamo.Text(string(lane)),
			":until": dynamo.Time(until),
			":one":   dynamo.Number(1),
			":stub":  dynamo.Number(until.Add(time.Hour).Unix()),
		},
	}
}

// turnState is the state in an account's item. Its revision is the item's also where the
// state has expired, or was never saved.
func (s *Store) turnState(id string, it item) (AccountState, error) {
	state := AccountState{AccountID: id}
	var err error
	if !s.table.Expired(it) {
		_, err = dynamo.Decode(it, &state)
	}
	state.Revision = int(dynamo.GetNumber(it, dynamo.Revision))
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
