// Package storetest gives tests an event table of their own, and is the one
// place in code that spells its schema out: the deployment's template must
// agree with it.
package storetest

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Schema is the event table. Time to live is on expiresAt, which CreateTable
// cannot say.
func Schema(name string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		KeySchema:   keys("pk", "sk"),
	}
	attributes := []string{"pk", "sk", "id"}
	for _, index := range []struct{ name, key string }{
		{"byTime", "gsiTimePk"}, {"byStatus", "gsiStatusPk"}, {"byReason", "gsiReasonPk"}, {"byAccount",
			"accountKey"}, {"bySubject", "subjectKey"},
	} {
		attributes = append(attributes, index.key)
		projected := []string{"summary", "status", "provider", "trigger", "reason", "expiresAt"}
		for _, other := range []string{"accountKey", "subjectKey"} {
			if other != index.key { // a key of the index is in it anyway
				projected = append(projected, other)
			}
		}
		in.GlobalSecondaryIndexes = append(
			in.GlobalSecondaryIndexes,
			types.GlobalSecondaryIndex{
				IndexName:  aws.String(index.name),
				KeySchema:  keys(index.key, "id"),
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: projected},
			},
		)
	}
	for _, a := range attributes {
		in.AttributeDefinitions = append(
			in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: aws.String(a), AttributeType: types.ScalarAttributeTypeS},
		)
	}
	return in
}

func keys(partition, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: &partition, KeyType: types.KeyTypeHash},
		{AttributeName: &sort, KeyType: types.KeyTypeRange},
	}
}

// NewTable makes an empty event table of a unique name, and returns the name.
// The table goes with the test's engine.
func NewTable(t testing.TB, client *dynamodb.Client) string {
	t.Helper()
	name := "events-" + strings.ToLower(rand.Text())
	_, err := client.CreateTable(t.Context(), Schema(name))
	if err != nil {
		t.Fatal(err)
	}
	err = dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 5*time.Millisecond, 100*time.Millisecond
	}).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
