package template_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/template"
)

// stack is a name that no other test's tables and queues have.
func stack(t *testing.T) string {
	return strings.ReplaceAll(t.Name(), "/", "-") + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
}

// project reads the template that Hotsync deploys.
func project(t *testing.T, stack, sqsEndpoint string) *template.Template {
	t.Helper()
	tmpl, err := template.Load("../../../template.yaml", template.Options{
		StackName: stack, SQSEndpoint: sqsEndpoint,
		Parameters: map[string]string{
			"ZuoraBaseUrl": "http://127.0.0.1:8091", "LimioBaseUrl": "http://127.0.0.1:8092",
			"ZuoraSecretId": "", "LimioSecretId": "", "ConsoleIssuer": "http://127.0.0.1:8093/staff",
			"ConsoleClientId": "hotsync-local",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestCreate(t *testing.T) {
	t.Parallel()

	e := enginetest.Start(t)
	tables, queues := e.DynamoDB(), e.SQS()
	tmpl := project(t, stack(t), e.SQSEndpoint)
	for range 2 { // the second time finds everything there
		if err := tmpl.Create(t.Context(), tables, queues); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range tmpl.Tables {
		out, err := tables.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &want.Name})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, x := range out.Table.GlobalSecondaryIndexes {
			names = append(names, *x.IndexName)
		}
		var wantNames []string
		for _, x := range want.Indexes {
			wantNames = append(wantNames, x.Name)
		}
		slices.Sort(names)
		slices.Sort(wantNames)
		if diff := cmp.Diff(wantNames, names); diff != "" {
			t.Errorf("indexes of %s mismatch (-want +got):\n%s", want.Name, diff)
		}
		if got := *out.Table.KeySchema[0].AttributeName; got != want.Key.Hash {
			t.Errorf("hash key of %s = %q, want %q", want.Name, got, want.Key.Hash)
		}
	}
	for _, want := range tmpl.Queues {
		out, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &want.URL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		if err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(out.Attributes,
			func(k, _ string) bool { _, declared := want.Attributes[k]; return !declared && k != "QueueArn" })
		wantAttributes := maps.Clone(want.Attributes)
		wantAttributes["QueueArn"] = want.ARN
		if diff := cmp.Diff(wantAttributes, out.Attributes); diff != "" {
			t.Errorf("attributes of %s mismatch (-want +got):\n%s", want.Name, diff)
		}
	}
}

// A queue's URL is the engine's to choose, so Create corrects what the functions were told.
func TestCreateCorrectsURLs(t *testing.T) {
	t.Parallel()

	e := enginetest.Start(t)
	name := stack(t)
	const text = `
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: functions/f
      Environment: {Variables: {BOTH: !Sub "${Long} ${Short}"}}
  Short: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}"}}
  Long: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}-long"}}
`
	tmpl, err := template.Parse([]byte(text), template.Options{StackName: name, SQSEndpoint: "http://elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	if err := tmpl.Create(t.Context(), e.DynamoDB(), e.SQS()); err != nil {
		t.Fatal(err)
	}
	short, _ := tmpl.Queue("Short")
	long, _ := tmpl.Queue("Long")
	if got, want := tmpl.Functions[0].Environment["BOTH"], long.URL+" "+short.URL; got != want ||
		strings.Contains(got, "elsewhere") {
		t.Errorf("BOTH = %q, want %q", got, want)
	}
}
