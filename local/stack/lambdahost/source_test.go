package lambdahost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/lambdahost"
	"hotsync/local/stack/template"
)

// queued is a stack of two functions: one consumes Jobs, the other its dead letters.
const queued = `
Parameters:
  Batch: {Type: Number, Default: 10}
  Visibility: {Type: Number, Default: 30}
  Receives: {Type: Number, Default: 5}
  Control: {Type: String}
Globals:
  Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: functions/probe, Timeout: 1}
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Environment: {Variables: {CONTROL: !Sub "${Control}/worker"}}
      Events:
        Jobs:
          Type: SQS
          Properties:
            Queue: !GetAtt Jobs.Arn
            BatchSize: !Ref Batch
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 2}
  Undertaker:
    Type: AWS::Serverless::Function
    Properties:
      Environment: {Variables: {CONTROL: !Sub "${Control}/undertaker"}}
      Events:
        Dead: {Type: SQS, Properties: {Queue: !GetAtt Dead.Arn}}
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      FifoQueue: true
      VisibilityTimeout: !Ref Visibility
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: !Ref Receives}
  Dead: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
`

// delivery is one record as a function saw it.
type delivery struct {
	Function string // worker or undertaker
	Group    string
	Body     string
	Receives int
	Of       int // records in its batch
	Record   events.SQSMessage
}

// system is a running host with the queued stack.
type system struct {
	*testing.T
	client  *sqs.Client
	tmpl    *template.Template
	host    *lambdahost.Host
	control *control
	seen    chan delivery
	sent    int
}

// newSystem runs the stack. decide gives what happens to a record: ok, fail, error, panic, exit or hang.
func newSystem(t *testing.T, cfg lambdahost.Config, parameters map[string]string,
	decide func(context.Context, delivery) string) *system {
	t.Helper()
	e := enginetest.Start(t)
	s := &system{T: t, client: e.SQS(), seen: make(chan delivery, 1000)}
	s.control = newControl(t, func(ctx context.Context, text string) string {
		var d delivery
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		d.Function = "worker"
		if strings.HasSuffix(d.Record.EventSourceARN, "-Dead.fifo") {
			d.Function = "undertaker"
		}
		d.Group, d.Body = d.Record.Attributes["MessageGroupId"], d.Record.Body
		d.Receives, _ = strconv.Atoi(d.Record.Attributes["ApproximateReceiveCount"])
		action := decide(ctx, d)
		s.seen <- d
		return action
	})
	all := maps.Clone(parameters)
	if all == nil {
		all = map[string]string{}
	}
	all["Control"] = s.control.URL
	var err error
	s.tmpl, err = template.Parse([]byte(queued), template.Options{
		StackName:  strings.ReplaceAll(t.Name(), "/", "-") + strconv.FormatInt(time.Now().UnixNano(), 36),
		Parameters: all,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.tmpl.Create(t.Context(), e.DynamoDB(), s.client); err != nil {
		t.Fatal(err)
	}
	cfg.Template, cfg.SQS, cfg.Environment = s.tmpl, s.client, e.Environment()
	s.host = start(t, cfg)
	return s
}

func (s *system) queue(logicalID string) string {
	q, _ := s.tmpl.Queue(logicalID)
	return q.URL
}

// send queues bodies in a group, in one batch each ten.
func (s *system) send(group string, bodies ...string) {
	s.Helper()
	url := s.queue("Jobs")
	for chunk := range slices.Chunk(bodies, 10) {
		in := &sqs.SendMessageBatchInput{QueueUrl: &url}
		for i, body := range chunk {
			id, dedup := strconv.Itoa(i), fmt.Sprintf("%s-%d", group, s.sent)
			s.sent++
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
				Id: &id, MessageBody: &body, MessageGroupId: &group, MessageDeduplicationId: &dedup,
				MessageAttributes: map[string]types.MessageAttributeValue{
					"kind": {DataType: ptr("String"), StringValue: ptr("job")}},
			})
		}
		out, err := s.client.SendMessageBatch(s.Context(), in)
		if err != nil || len(out.Failed) > 0 {
			s.Fatalf("SendMessageBatch = %+v, %v", out, err)
		}
	}
}

func ptr(s string) *string { return &s }

// next returns the next n deliveries, in the order they were decided.
func (s *system) next(n int) []delivery {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	var all []delivery
	for len(all) < n {
		select {
		case d := <-s.seen:
			all = append(all, d)
		case <-ctx.Done():
			s.Fatalf("%d deliveries, want %d: %+v", len(all), n, all)
		}
	}
	return all
}

// drained waits until both queues hold nothing.
func (s *system) drained() {
	s.Helper()
	for _, name := range []string{"Jobs", "Dead"} {
		url := s.queue(name)
		wait(s.T, name+" is empty", func() bool {
			out, err := s.client.GetQueueAttributes(s.Context(), &sqs.GetQueueAttributesInput{
				QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
			})
			if err != nil {
				s.Fatal(err)
			}
			return out.Attributes["ApproximateNumberOfMessages"] == "0" &&
				out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
		})
	}
}

func numbers(from, to int) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

func TestSourceRecord(t *testing.T) {
	t.Parallel()

	s := newSystem(t, lambdahost.Config{}, nil, func(context.Context, delivery) string { return "ok" })
	s.send("g", "hello")
	got := s.next(1)[0].Record
	jobs, _ := s.tmpl.Queue("Jobs")
	want := events.SQSMessage{
		MessageId: got.MessageId, ReceiptHandle: got.ReceiptHandle, Body: "hello",
		Md5OfBody:              "5d41402abc4b2a76b9719d911017c592",
		Md5OfMessageAttributes: got.Md5OfMessageAttributes, Attributes: got.Attributes,
		MessageAttributes: map[string]events.SQSMessageAttribute{
			"kind": {DataType: "String", StringValue: ptr("job"), StringListValues: []string{}, BinaryListValues: [][]byte{}},
		},
		EventSourceARN: jobs.ARN, EventSource: "aws:sqs", AWSRegion: "us-east-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record mismatch (-want +got):\n%s", diff)
	}
	for _, name := range []string{"ApproximateReceiveCount", "SentTimestamp", "MessageGroupId", "MessageDeduplicationId",
		"SequenceNumber", "ApproximateFirstReceiveTimestamp"} {
		if got.Attributes[name] == "" {
			t.Errorf("attributes %v lack %s", got.Attributes, name)
		}
	}
	if got.MessageId == "" || got.ReceiptHandle == "" || got.Md5OfMessageAttributes == "" {
		t.Errorf("record %+v lacks an id, a handle or a checksum", got)
	}
	s.drained()
}

// Order holds in every group, also across a failure; groups do not wait for each other.
func TestSourceOrder(t *testing.T) {
	t.Parallel()

	const groups, each = 4, 12
	s := newSystem(t, lambdahost.Config{}, map[string]string{"Visibility": "1"},
		func(_ context.Context, d delivery) string {
			if d.Body == "5" && d.Receives == 1 {
				return "fail"
			}
			return "ok"
		})
	for g := range groups {
		s.send(strconv.Itoa(g), numbers(1, each)...)
	}
	got := map[string][]string{}
	for _, d := range s.next(groups * (each + 1)) {
		got[d.Group] = append(got[d.Group], d.Body)
	}
	for g := range groups {
		want := slices.Concat(numbers(1, 5), numbers(5, each))
		if diff := cmp.Diff(want, got[strconv.Itoa(g)]); diff != "" {
			t.Errorf("order of group %d mismatch (-want +got):\n%s", g, diff)
		}
	}
	s.drained()
}

// Of a batch, only the failed come again.
func TestSourcePartialFailure(t *testing.T) {
	t.Parallel()

	s := newSystem(t, lambdahost.Config{}, map[string]string{"Visibility": "1"},
		func(_ context.Context, d delivery) string {
			if d.Body == "bad" && d.Receives == 1 {
				return "fail"
			}
			return "ok"
		})
	s.send("a", "good")
	s.send("b", "bad")
	s.send("c", "good")
	got := map[string]int{}
	for _, d := range s.next(4) {
		got[d.Group+" "+d.Body]++
	}
	if diff := cmp.Diff(map[string]int{"a good": 1, "b bad": 2, "c good": 1}, got); diff != "" {
		t.Errorf("deliveries mismatch (-want +got):\n%s", diff)
	}
	s.drained()
}

// What fails too often goes to the dead-letter queue and its function.
func TestSourceDeadLetters(t *testing.T) {
	t.Parallel()

	s := newSystem(t, lambdahost.Config{}, map[string]string{"Visibility": "1", "Receives": "2"},
		func(_ context.Context, d delivery) string {
			if d.Function == "worker" && d.Body == "poison" {
				return "error"
			}
			return "ok"
		})
	s.send("a", "poison", "after")
	var got []string
	for _, d := range s.next(4) {
		got = append(got, d.Function+" "+d.Body)
	}
	slices.Sort(got[2:]) // the two functions run side by side
	if diff := cmp.Diff([]string{"worker poison", "worker poison", "undertaker poison", "worker after"}, got); diff != "" {
		t.Errorf("deliveries mismatch (-want +got):\n%s", diff)
	}
	s.drained()
}

// The messages of a batch whose environment died come again after CrashVisibility.
func TestSourceCrash(t *testing.T) {
	t.Parallel()

	for _, how := range []string{"exit", "panic", "hang"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()

			s := newSystem(t, lambdahost.Config{CrashVisibility: time.Second}, map[string]string{"Visibility": "600"},
				func(_ context.Context, d delivery) string {
					if d.Receives == 1 {
						return how
					}
					return "ok"
				})
			s.send("a", "x")
			if got := s.next(2); got[1].Receives != 2 || got[1].Body != "x" {
				t.Errorf("the second delivery was %+v", got[1])
			}
			s.drained()
		})
	}
}

// An answer that names a message of nobody fails the whole batch.
func TestSourceStrangeAnswer(t *testing.T) {
	t.Parallel()

	s := newSystem(t, lambdahost.Config{}, map[string]string{"Visibility": "1"},
		func(_ context.Context, d delivery) string {
			if d.Receives == 1 {
				return "stranger"
			}
			return "ok"
		})
	s.send("a", "x")
	if got := s.next(2); got[1].Receives != 2 {
		t.Errorf("the second delivery was %+v", got[1])
	}
	s.drained()
}

func TestSourceMaximumConcurrency(t *testing.T) {
	t.Parallel()

	const limit, messages = 2, 20 // the limit of queued
	full := make(chan struct{})
	var once sync.Once
	var s *system
	ready := make(chan struct{})
	s = newSystem(t, lambdahost.Config{}, map[string]string{"Batch": "1"}, func(context.Context, delivery) string {
		<-ready
		if s.control.now.Load() == limit {
			once.Do(func() { close(full) })
		}
		<-full // nobody leaves before the limit is reached
		return "ok"
	})
	close(ready)
	for i := range messages {
		s.send(strconv.Itoa(i), "x")
	}
	s.next(messages)
	if most := s.control.most.Load(); most != limit {
		t.Errorf("%d batches at once, want %d", most, limit)
	}
	s.drained()
}

// Batches fill with what is there, from several groups.
func TestSourceBatches(t *testing.T) {
	t.Parallel()

	release := make(chan struct{})
	s := newSystem(t, lambdahost.Config{MaxEnvironments: 1}, map[string]string{"Batch": "4"},
		func(_ context.Context, d delivery) string {
			if d.Group == "first" {
				<-release // while this one runs, the others gather
			}
			return "ok"
		})
	s.send("first", "x")
	wait(t, "the first batch runs", func() bool { return s.control.now.Load() == 1 })
	for i := range 8 {
		s.send(strconv.Itoa(i), "x")
	}
	close(release)
	for _, d := range s.next(9)[1:] {
		if d.Of != 4 {
			t.Errorf("group %s came in a batch of %d, want 4", d.Group, d.Of)
		}
	}
	s.drained()
}

// Messages received while the host closes are not lost in flight.
func TestSourceClose(t *testing.T) {
	t.Parallel()

	s := newSystem(t, lambdahost.Config{}, map[string]string{"Visibility": "600"},
		func(context.Context, delivery) string { return "ok" })
	s.send("a", "1")
	s.next(1)
	s.drained()
	if err := s.host.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.send("a", "2")
	cfg := lambdahost.Config{Template: s.tmpl, SQS: s.client}
	start(t, cfg)
	if d := s.next(1)[0]; d.Body != "2" || d.Receives != 1 {
		t.Errorf("after the restart came %+v, want the message sent meanwhile, for the first time", d)
	}
	s.drained()
}
