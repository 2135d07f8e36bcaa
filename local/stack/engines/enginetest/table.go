package enginetest

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/dynamo"
)

// Table makes an empty table of its own with the keys pk and sk, over a client with
// those options.
func Table(t testing.TB, options ...func(*dynamodb.Options)) dynamo.Table {
	t.Helper()
	client := Start(t).DynamoDB(options...)
	table := dynamo.Table{Client: client, Name: "table-" + strings.ToLower(rand.Text())}
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   &table.Name,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(dynamo.PK), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(dynamo.SK), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(dynamo.PK), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(dynamo.SK), KeyType: types.KeyTypeRange},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 5*time.Millisecond, 100*time.Millisecond
	}).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &table.Name}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return table
}
