package meter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	local "hotsync/local/stack/engines"
	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/meter"
	"hotsync/local/stack/template"
)

const tables = `
Resources:
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub "${AWS::StackName}-things"
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: state, AttributeType: S}
        - {AttributeName: owner, AttributeType: S}
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: byState
          KeySchema: [{AttributeName: state, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
        - IndexName: byOwner
          KeySchema: [{AttributeName: owner, KeyType: HASH}]
          Projection: {ProjectionType: INCLUDE, NonKeyAttributes: [name]}
`

// The units are those that DynamoDB's own pages give for the same writes.
func TestUnits(t *testing.T) {
	t.Parallel()

	engines := enginetest.Start(t)
	tmpl, err := template.Parse([]byte(tables), template.Options{StackName: "meter"})
	if err != nil {
		t.Fatal(err)
	}
	err = tmpl.Create(t.Context(), engines.DynamoDB(), engines.SQS())
	if err != nil {
		t.Fatal(err)
	}
	m := &meter.Meter{}
	m.Functions(tmpl)
	before, err := m.Before(engines.DynamoDBEndpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	near := &local.Engines{DynamoDBEndpoint: before.URL, SQSEndpoint: engines.SQSEndpoint}
	db := near.DynamoDB()
	table := &tmpl.Tables[0].Name

	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	key := map[string]types.AttributeValue{"pk": text("1")}
	put := func(more map[string]string) func() error {
		return func() error {
			item := map[string]types.AttributeValue{"pk": text("1")}
			for name, value := range more {
				item[name] = text(value)
			}
			_, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: table, Item: item})
			return err
		}
	}
	for _, tc := range []struct {
		name string
		do   func() error
		want int
	}{
		{"new, in no index", put(nil), 1},
		{"enters one index", put(map[string]string{"state": "new"}), 2},
		{"moves to another key of the index: its old entry and its new one", put(map[string]string{"state": "old"}), 3},
		{"enters the other index as well", put(map[string]string{"state": "old", "owner": "o"}), 3},
		{"what the other index does not hold", put(map[string]string{"state": "old", "owner": "o", "size": "1"}), 2},
		{"what both hold", put(map[string]string{"state": "old", "owner": "o", "size": "1", "name": "n"}), 3},
		{"the same again", put(map[string]string{"state": "old", "owner": "o", "size": "1", "name": "n"}), 1},
		{"2.5 kilobytes",
			put(map[string]string{"state": "old", "owner": "o", "size": strings.Repeat("x", 2500), "name": "n"}), 6},
		{"smaller again: the larger of both counts", put(map[string]string{"state": "old"}), 3 + 3 + 1},
		{"leaves the index", put(nil), 2},
		{"refused by its condition", func() error {
			_, err := db.PutItem(t.Context(),
				&dynamodb.PutItemInput{TableName: table, Item: key, ConditionExpression: aws.String("attribute_not_exists(pk)")})
			if err == nil {
				t.Error("the condition held, and should not")
			}
			return nil
		}, 1},
	} {
		err := tc.do()
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		calls := m.Taken()
		if len(calls) != 1 || calls[0].Resource != "Things" || calls[0].Key != "1" || calls[0].WriteUnits != tc.want {
			t.Errorf("%s: %+v, want one call of %d units", tc.name, calls, tc.want)
		}
	}
}

func TestInSequence(t *testing.T) {
	t.Parallel()

	at := func(began, took int) meter.Call {
		return meter.Call{Began: time.Unix(0, 0).Add(time.Duration(began) * time.Millisecond),
			Took: time.Duration(took) * time.Millisecond}
	}
	for _, tc := range []struct {
		name  string
		calls []meter.Call
		want  int
	}{
		{"none", nil, 0},
		{"one", []meter.Call{at(0, 5)}, 1},
		{"three at once", []meter.Call{at(0, 5), at(1, 5), at(2, 5)}, 1},
		{"two beside each other, then one", []meter.Call{at(0, 5), at(1, 2), at(6, 1)}, 2},
		{"a long one beside three short ones", []meter.Call{at(0, 20), at(1, 2), at(4, 2), at(8, 2)}, 3},
	} {
		if diff := cmp.Diff(tc.want, len(meter.InSequence(tc.calls))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}
