package pause

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/hotsync"
)

// Client is what the store needs of *dynamodb.Client.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

// Table keeps the pause of an upstream as an item of the events table.
type Table struct {
	Client   Client
	Name     string
	Upstream string // its ID
}

// Attributes of the item; times are in milliseconds since 1970, 0 for none.
const (
	attrUntil  = "until"
	attrProbe  = "probeUntil"
	attrStep   = "step"
	attrReason = "reason"
)

func (t Table) key() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "pause#" + t.Upstream},
		"sk": &types.AttributeValueMemberS{Value: "pause"},
	}
}

// Load implements Store.
func (t Table) Load(ctx context.Context) (_ State, err error) {
	defer hotsync.In(&err, "pause.Load")
	out, err := t.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.Name, Key: t.key(), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return State{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "The pause could not be read.").Because(err)
	}
	p := State{Until: getTime(out.Item, attrUntil), ProbeUntil: getTime(out.Item, attrProbe), Step: int(getNumber(out.Item, attrStep))}
	if reason, ok := out.Item[attrReason].(*types.AttributeValueMemberS); ok {
		p.Reason = hotsync.Code(reason.Value)
	}
	return p, nil
}

// Replace implements Store.
func (t Table) Replace(ctx context.Context, old, next State) (_ bool, err error) {
	defer hotsync.In(&err, "pause.Replace")
	item := t.key()
	item[attrUntil], item[attrProbe], item[attrStep] = number(millis(next.Until)), number(millis(next.ProbeUntil)), number(int64(next.Step))
	item[attrReason] = &types.AttributeValueMemberS{Value: string(next.Reason)}
	condition := "#until = :until AND #probe = :probe"
	if old.Until.IsZero() {
		condition = "attribute_not_exists(pk) OR (" + condition + ")"
	}
	_, err = t.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.Name, Item: item, ConditionExpression: &condition,
		ExpressionAttributeNames:  map[string]string{"#until": attrUntil, "#probe": attrProbe},
		ExpressionAttributeValues: map[string]types.AttributeValue{":until": number(millis(old.Until)), ":probe": number(millis(old.ProbeUntil))}})
	var lost *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &lost):
		return false, nil
	case err != nil:
		return false, hotsync.Errorf(hotsync.CodeStoreUnavailable, "The pause could not be written.").Because(err)
	}
	return true, nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func getNumber(item map[string]types.AttributeValue, name string) int64 {
	n, ok := item[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return 0
	}
	return v
}

func getTime(item map[string]types.AttributeValue, name string) time.Time {
	ms := getNumber(item, name)
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
