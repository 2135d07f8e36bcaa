package template_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/template"
)

const small = `
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
  Parallel: {Type: Number, Default: 5, MinValue: 2, MaxValue: 1000}
  Secret: {Type: String, AllowedPattern: "[a-z/]+"}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsNotProd: !Not [!Condition IsProd]
  IsDev: {"Fn::And": [{Condition: IsNotProd}, !Or [!Equals [!Ref Stage, dev], !Equals [a, b]]]}
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    CodeUri: .
    Timeout: 10
    Environment:
      Variables:
        STAGE: !Ref Stage
        TABLE: !Ref Things
        OVERRIDDEN: global
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: makefile, Directory: functions/worker}
    Properties:
      FunctionName: !Sub "${AWS::StackName}-worker"
      MemorySize: 256
      Policies: [{Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: !GetAtt Nothing.Arn}]}]
      Environment:
        Variables:
          OVERRIDDEN: own
          QUEUE: !Ref Jobs
          DEAD: !GetAtt Dead.QueueUrl
          ARN: {"Fn::GetAtt": [Jobs, Arn]}
          SUB: !Sub ["${Jobs.QueueName}|${mine}|${!Literal}|${AWS::Region}", {mine: !Ref Stage}]
          JOINED: !Join ["-", [a, !Ref AWS::NoValue, !Ref Stage]]
          BRANCH: !If [IsDev, developing, !Ref NoSuchThing]
          GONE: !Ref AWS::NoValue
          SECRET: !Ref TheSecret
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: get, Path: "/things/{id}"}}
        Rest: {Type: HttpApi}
        Nightly: {Type: Schedule, Properties: {Schedule: rate(1 day), Input: '{"a": 1}'}}
        AtTwo: {Type: Schedule, Properties: {Schedule: "cron(0 2 * * ? *)"}}
        Resting: {Type: Schedule, Properties: {Schedule: rate(5 minutes), State: DISABLED}}
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: !Ref Parallel}
        Off: {Type: SQS, Properties: {Queue: !GetAtt Dead.Arn, Enabled: false}}
  OnlyProd:
    Type: AWS::SQS::Queue
    Condition: IsProd
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Description: x
      CorsConfiguration: !If
        - IsDev
        - {AllowOrigins: !Split [",", "https://a.example,https://b.example"], AllowMethods: [GET], AllowHeaders: [authorization], MaxAge: 60}
        - !Ref AWS::NoValue
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: jobs.fifo
      FifoQueue: true
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Dead:
    Type: AWS::SQS::Queue
    Properties: {FifoQueue: true, Tags: [{Key: a, Value: b}]}
  Things:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: n, AttributeType: N}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: byNumber
          KeySchema: [{AttributeName: n, KeyType: HASH}, {AttributeName: pk, KeyType: RANGE}]
          Projection: {ProjectionType: INCLUDE, NonKeyAttributes: [a]}
      TimeToLiveSpecification: {AttributeName: expires, Enabled: !If [IsProd, false, true]}
  TheSecret: {Type: "AWS::SecretsManager::Secret", Properties: {Name: !Sub "${Secret}", KmsKeyId: x}}
Outputs:
  Anything: {Value: !Ref NotLookedAt}
`

func TestParse(t *testing.T) {
	t.Parallel()

	got, err := template.Parse([]byte(small), template.Options{
		StackName: "test", SQSEndpoint: "http://127.0.0.1:1/", Parameters: map[string]string{"Secret": "a/b",
			"Parallel": "7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &template.Template{
		Functions: []template.Function{{
			LogicalID: "Worker", Name: "test-worker", ARN: "arn:aws:lambda:us-east-1:000000000000:function:test-worker",
			Dir: "worker", Timeout: 10 * time.Second, MemorySize: 256,
			Environment: map[string]string{
				"STAGE":      "dev",
				"TABLE":      "test-Things",
				"OVERRIDDEN": "own",
				"QUEUE":      "http://127.0.0.1:1/000000000000/jobs.fifo",
				"DEAD":       "http://127.0.0.1:1/000000000000/test-Dead.fifo",
				"ARN":        "arn:aws:sqs:us-east-1:000000000000:jobs.fifo",
				"SUB":        "jobs.fifo|dev|${Literal}|us-east-1",
				"JOINED":     "a-dev",
				"BRANCH":     "developing",
				"SECRET":     "arn:aws:secretsmanager:us-east-1:000000000000:secret:a/b-local0",
			},
			Routes:    []template.Route{{Method: "GET", Path: "/things/{id}"}, {Method: "ANY", Path: "$default"}},
			Sources:   []template.Source{{Queue: "Jobs", BatchSize: 5, MaximumConcurrency: 7, ReportsFailures: true}},
			Schedules: []template.Schedule{{Name: "Nightly", Every: 24 * time.Hour, Input: `{"a": 1}`}},
		}},
		CORS: &template.CORS{Origins: []string{"https://a.example", "https://b.example"}, Methods: []string{"GET"},
			Headers: []string{"authorization"}, MaxAge: 60},
		Queues: []template.Queue{
			{
				LogicalID: "Jobs", Name: "jobs.fifo", ARN: "arn:aws:sqs:us-east-1:000000000000:jobs.fifo",
				URL: "http://127.0.0.1:1/000000000000/jobs.fifo",
				Attributes: map[string]string{
					"FifoQueue": "true", "VisibilityTimeout": "60",
					"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:test-Dead.fifo","maxReceiveCount":3}`,
				},
			},
			{
				LogicalID: "Dead", Name: "test-Dead.fifo", ARN: "arn:aws:sqs:us-east-1:000000000000:test-Dead.fifo",
				URL: "http://127.0.0.1:1/000000000000/test-Dead.fifo", Attributes: map[string]string{"FifoQueue": "true"},
			},
		},
		Tables: []template.Table{{
			LogicalID: "Things", Name: "test-Things", ARN: "arn:aws:dynamodb:us-east-1:000000000000:table/test-Things",
			Attributes: []template.Attribute{{Name: "pk", Type: "S"}, {Name: "n", Type: "N"}},
			Key:        template.Key{Hash: "pk"},
			Indexes: []template.Index{{
				Name: "byNumber", Key: template.Key{Hash: "n", Range: "pk"}, Projection: "INCLUDE", NonKey: []string{"a"},
			}},
			TTLAttribute: "expires",
		}},
		Notes: []string{
			"Resources.Worker.Properties.Events.AtTwo.Properties: cron(0 2 * * ? *) is not kept locally; call the function " +
				"through the invoke API"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse mismatch (-want +got):\n%s", diff)
	}
}

// function is a template with one function that has the given properties and resources beside it.
func function(properties string, resources ...string) string {
	return fmt.Sprintf(`
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: functions/f%s}
%s`, properties, strings.Join(resources, "\n"))
}

func TestParseProblems(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "the template is empty"},
		{"no mapping", "- a", "line 1: : want a mapping"},
		{"not yaml", "a: [", "yaml: line 1"},
		{"unknown section", "Hooks: {}", "line 1: Hooks: not understood by the local system; it knows"},
		{"transform", "Transform: Other", `Transform: is "Other"`},
		{"unknown type", "Resources:\n  A: {Type: AWS::EC2::Instance}",
			"line 2: Resources.A: resources of type AWS::EC2::Instance are not understood"},
		{"no type", "Resources:\n  A: {}", "line 2: Resources.A.Type: is missing"},
		{"unknown property", function(", Timeot: 3"), "line 5: Resources.F.Properties.Timeot: not understood"},
		{"timeout", function(", Timeout: 901"),
			`Resources.F.Properties.Timeout: is "901", want a whole number from 1 to 900`},
		{"timeout no number", function(", Timeout: soon"), `is "soon", want a whole number`},
		{"runtime",
			"Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {Runtime: go1.x, Handler: bootstrap, CodeUri: " +
				"functions/f}}", `is "go1.x"`},
		{"folder",
			"Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {Runtime: provided.al2023, Handler: bootstrap, " +
				"CodeUri: functions/../cmd}}", "want functions/NAME"},
		{"twice", "Resources:\n  A: {Type: AWS::SQS::Queue}\n  A: {Type: AWS::SQS::Queue}",
			"line 3: Resources.A: is there twice"},
		{"alias", "Resources:\n  A: &a {Type: AWS::SQS::Queue}\n  B: *a", "anchors and aliases are not supported"},
		{"unknown function", function(", Timeout: !FindInMap [a, b, c]"), "the function FindInMap is not understood"},
		{"unknown ref", function(", FunctionName: !Ref Missing"), `no parameter or resource is called "Missing"`},
		{"unknown getatt", function(", FunctionName: !GetAtt Q.Size", "  Q: {Type: AWS::SQS::Queue}"),
			"the attribute Size of Q (AWS::SQS::Queue) has no value"},
		{"ref to what is absent", "Conditions: {Never: !Equals [a, b]}\n" + function(", FunctionName: !Ref Q",
			"  Q: {Type: AWS::SQS::Queue, Condition: Never}"), "Q does not exist: its condition is false"},
		{"name of itself", "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub \"${Q}-x\"}}",
			"refers to itself"},
		{"condition of itself", "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}", "refers to itself"},
		{"unknown condition", "Resources:\n  Q: {Type: AWS::SQS::Queue, Condition: Missing}",
			`no condition is called "Missing"`},
		{"no condition", "Conditions: {A: true}", "want one of Equals, Not, And, Or"},
		{"missing parameter", "Parameters:\n  P: {Type: String}",
			"line 2: Parameters.P: has no default, so it needs a value"},
		{"parameter out of range", "Parameters:\n  P: {Type: Number, Default: 1, MinValue: 2}",
			`the value "1" breaks MinValue 2`},
		{"parameter too long", "Parameters:\n  P: {Type: String, Default: abc, MaxLength: 2}",
			`the value "abc" breaks MaxLength 2`},
		{"parameter is no number", "Parameters:\n  P: {Type: Number, Default: x}", `the value "x" is no number`},
		{"parameter pattern", "Parameters:\n  P: {Type: String, Default: xy, AllowedPattern: x}",
			`the value "xy" does not match x`},
		{"parameter value", "Parameters:\n  P: {Type: String, Default: x, AllowedValues: [y]}", "is not among"},
		{"parameter type", "Parameters:\n  P: {Type: CommaDelimitedList, Default: x}", `is "CommaDelimitedList"`},
		{"event type", function(", Events: {E: {Type: S3}}"), "events of type S3 are not understood"},
		{"authorizer", function(", Events: {E: {Type: HttpApi, Properties: {Method: GET, Path: /, Auth: {Authorizer: A}}}}"),
			"Events.E.Properties.Auth: not understood"},
		{"method", function(", Events: {E: {Type: HttpApi, Properties: {Method: FETCH, Path: /}}}"), `is "FETCH"`},
		{"greedy in the middle", function(`, Events: {E: {Type: HttpApi, Properties: {Method: GET, Path: "/{a+}/b"}}}`),
			"something after a greedy parameter"},
		{"malformed parameter", function(`, Events: {E: {Type: HttpApi, Properties: {Method: GET, Path: "/{a"}}}`),
			"malformed parameter"},
		{"relative path", function(`, Events: {E: {Type: HttpApi, Properties: {Method: GET, Path: a}}}`),
			"does not begin with /"},
		{"foreign queue", function(", Events: {E: {Type: SQS, Properties: {Queue: \"arn:aws:sqs:x\"}}}"),
			"is the ARN of no queue in the template"},
		{"batch size", function(", Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 11}}}",
			"  Q: {Type: AWS::SQS::Queue}"), "from 1 to 10"},
		{"batching window",
			function(", Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, MaximumBatchingWindowInSeconds: 5}}}",
				"  Q: {Type: AWS::SQS::Queue}"), "from 0 to 0"},
		{"visibility below timeout",
			function(", Timeout: 31, Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}}",
				"  Q: {Type: AWS::SQS::Queue}"), "is below the function's timeout of 31s"},
		{"fifo name", "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q, FifoQueue: true}}",
			"ends in .fifo"},
		{"dead letters elsewhere",
			"Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: x, maxReceiveCount: 1}}}", "is not in the template"},
		{"dead letters not fifo",
			"Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, RedrivePolicy: {deadLetterTargetArn: " +
				"!GetAtt D.Arn, maxReceiveCount: 1}}}\n  D: {Type: AWS::SQS::Queue}", "has a FIFO queue for its dead letters"},
		{"undefined key attribute",
			"Resources:\n  T: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: [{AttributeName: pk, KeyType: HASH}]}}",
			`"pk" is not among the AttributeDefinitions`},
		{"no key", "Resources:\n  T: {Type: AWS::DynamoDB::Table}", "KeySchema: is missing"},
		{"stream",
			"Resources:\n  T: {Type: AWS::DynamoDB::Table, Properties: {StreamSpecification: {StreamViewType: KEYS_ONLY}}}",
			"StreamSpecification: not understood"},
		{"any origin",
			"Resources:\n  A: {Type: AWS::Serverless::HttpApi, Properties: {CorsConfiguration: {AllowOrigins: ['*']}}}",
			"exact origins only"},
		{"split",
			"Resources:\n  A: {Type: AWS::Serverless::HttpApi, Properties: {CorsConfiguration: {AllowOrigins: !Split [a]}}}",
			"Split wants"},
		{"stage", "Resources:\n  A: {Type: AWS::Serverless::HttpApi, Properties: {StageName: v1}}", "serves $default only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got, err := template.Parse([]byte(tc.text), template.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Parse = %+v, error:\n%v\nwant an error with %q", got, err, tc.want)
			}
		})
	}
}

func TestParseRefusesUnknownParameter(t *testing.T) {
	t.Parallel()

	_, err := template.Parse([]byte(function("")), template.Options{Parameters: map[string]string{"Typo": "1"}})
	if err == nil || !strings.Contains(err.Error(), "a value was given for Typo") {
		t.Errorf("Parse error = %v, want one about Typo", err)
	}
}

// FuzzParse: whatever the text, there is an answer, the same each time, and
// what is accepted can be run: each function has a folder and a sane timeout,
// each queue a URL at the endpoint, each source a queue.
func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add(function(", Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}}", "  Q: {Type: AWS::SQS::Queue}"))
	f.Add("Conditions: {A: !Not [!Condition A]}")
	f.Add(
		"Resources: {Q: {Type: AWS::SQS::Queue, Properties: !If [A, {QueueName: !Sub ['${x}', {x: !Join ['', [a]]}]}, !Ref " +
			"Q]}}")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		opt := template.Options{SQSEndpoint: "http://e", Parameters: map[string]string{"Secret": "s"}}
		got, err := template.Parse([]byte(text), opt)
		again, errAgain := template.Parse([]byte(text), opt)
		if diff := cmp.Diff(got, again); diff != "" || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("Parse(%q) differs the second time:\n%s%v\n%v", text, diff, err, errAgain)
		}
		if err != nil {
			return
		}
		for _, fn := range got.Functions {
			if fn.Dir == "" || strings.ContainsAny(fn.Dir, "/.") || fn.Timeout < time.Second || fn.Timeout > 15*time.Minute {
				t.Errorf("Parse(%q) gave the function %+v", text, fn)
			}
			for _, s := range fn.Sources {
				if _, ok := got.Queue(s.Queue); !ok {
					t.Errorf("Parse(%q) gave a source without its queue %q", text, s.Queue)
				}
			}
		}
		for _, q := range got.Queues {
			if !strings.HasPrefix(q.URL, "http://e/000000000000/") {
				t.Errorf("Parse(%q) gave the queue URL %q", text, q.URL)
			}
		}
	})
}
