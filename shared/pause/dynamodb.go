package pause

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// Table keeps the pause of an upstream as an item of the events table: of pk "pause"
// and the upstream's ID as sk.
type Table struct {
	Table    dynamo.Table
	Upstream string // its ID
}

// Attributes of the item; an absent time is 0.
const (
	partition = "pause"

	attrUntil  = "until"
	attrProbe  = "probeUntil"
	attrSince  = "since"
	attrStep   = "step"
	attrReason = "reason"
)

// Load implements Store.
func (t Table) Load(ctx context.Context) (_ State, err error) {
	defer hotsync.In(&err, "pause.Load")
	it, err := t.Table.Get(ctx, dynamo.Key(partition, t.Upstream))
	if err != nil {
		return State{}, err
	}
	return decode(it), nil
}

// Replace implements Store.
func (t Table) Replace(ctx context.Context, old, next State) (_ bool, err error) {
	defer hotsync.In(&err, "pause.Replace")
	it := dynamo.Key(partition, t.Upstream)
	it[attrUntil], it[attrProbe] = dynamo.Time(next.Until), dynamo.Time(next.ProbeUntil)
	it[attrSince] = dynamo.Time(next.Since)
	it[attrStep], it[attrReason] = dynamo.Number(next.Step), dynamo.Text(string(next.Reason))
	when := dynamo.Condition{Expression: "#until = :until AND #probe = :probe",
		Names:  map[string]string{"#until": attrUntil, "#probe": attrProbe},
		Values: dynamo.Item{":until": dynamo.Time(old.Until), ":probe": dynamo.Time(old.ProbeUntil)}}
	if old.Until.IsZero() {
		when.Expression = "attribute_not_exists(pk) OR (" + when.Expression + ")"
	}
	err = t.Table.Replace(ctx, it, when)
	if errors.Is(err, dynamo.ErrRefused) {
		return false, nil
	}
	return err == nil, err
}

// All returns the pauses of all upstreams by their ID, in one read.
func All(ctx context.Context, table dynamo.Table) (_ map[string]State, err error) {
	defer hotsync.In(&err, "pause.All")
	found := map[string]State{}
	for it, err := range table.Items(ctx, &dynamodb.QueryInput{ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.Text(partition)}}) {
		if err != nil {
			return nil, err
		}
		if s := decode(it); !s.Until.IsZero() {
			found[dynamo.GetText(it, dynamo.SK)] = s
		}
	}
	return found, nil
}

func decode(it dynamo.Item) State {
	return State{Until: dynamo.GetTime(it, attrUntil), ProbeUntil: dynamo.GetTime(it, attrProbe),
		Since: dynamo.GetTime(it, attrSince), Step: int(dynamo.GetNumber(it, attrStep)),
		Reason: hotsync.Code(dynamo.GetText(it, attrReason))}
}
