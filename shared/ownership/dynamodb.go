package ownership

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/hotsync"
)

// DynamoDB is what the table asks of its client.
type DynamoDB interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

// Table is a store in DynamoDB. Its items never expire.
type Table struct {
	Client DynamoDB
	Name   string
}

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}

// Owner is as Store says.
func (t Table) Owner(ctx context.Context, id string) (_ Owner, err error) {
	defer hotsync.In(&err, "ownership.Owner(%q)", id)
	var o Owner
	revision, err := t.read(ctx, "ownership#"+id, "owner", &o)
	if err != nil {
		return Owner{}, err
	}
	o.ID, o.Revision = id, revision
	return o.clone(), nil
}

// SaveOwner is as Store says.
func (t Table) SaveOwner(ctx context.Context, o Owner) (_ Owner, err error) {
	defer hotsync.In(&err, "ownership.SaveOwner(%q)", o.ID)
	err = t.write(ctx, "ownership#"+o.ID, "owner", o, o.Revision)
	if err != nil {
		return Owner{}, err
	}
	o.Revision++
	return o, nil
}

// Login is as Store says.
func (t Table) Login(ctx context.Context, hash string) (_ Login, err error) {
	defer hotsync.In(&err, "ownership.Login")
	var l Login
	l.Revision, err = t.read(ctx, "ownership-login#"+hash, "login", &l)
	return l, err
}

// SaveLogin is as Store says.
func (t Table) SaveLogin(ctx context.Context, hash string, l Login) (err error) {
	defer hotsync.In(&err, "ownership.SaveLogin")
	return t.write(ctx, "ownership-login#"+hash, "login", l, l.Revision)
}

// write puts an item over its revision, 0 for one that is not there.
func (t Table) write(ctx context.Context, pk, sk string, state any, revision int) error {
	raw, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	in := &dynamodb.PutItemInput{TableName: &t.Name, ConditionExpression: aws.String("attribute_not_exists(pk)"),
		Item: item{"pk": text(pk), "sk": text(sk), "state": text(string(raw)), "revision": number(revision + 1)}}
	if revision > 0 {
		in.ConditionExpression = aws.String("revision = :revision")
		in.ExpressionAttributeValues = item{":revision": number(revision)}
	}
	_, err = t.Client.PutItem(ctx, in)
	var changed *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &changed):
		return ErrConflict
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// read gives an item's state and revision, 0 for one that is not there.
func (t Table) read(ctx context.Context, pk, sk string, into any) (revision int, err error) {
	out, err := t.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.Name, ConsistentRead: aws.Bool(true),
		Key: item{"pk": text(pk), "sk": text(sk)}})
	if err != nil {
		return 0, unavailable(err)
	}
	state, ok := out.Item["state"].(*types.AttributeValueMemberS)
	if !ok {
		return 0, nil
	}
	err = json.Unmarshal([]byte(state.Value), into)
	if err != nil {
		return 0, fmt.Errorf("decode: %w", err)
	}
	if n, ok := out.Item["revision"].(*types.AttributeValueMemberN); ok {
		revision, err = strconv.Atoi(n.Value)
	}
	return revision, err
}

func unavailable(err error) error {
	return hotsync.Errorf(hotsync.CodeStoreUnavailable, "DynamoDB could not be asked.").Because(err)
}
