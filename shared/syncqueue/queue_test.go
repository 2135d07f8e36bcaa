package syncqueue_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(logs{slog.DiscardHandler})) // hundreds of panics on purpose
	os.Exit(m.Run())
}

// logs drops what is logged, but for tests that ask for it with logged.
type logs struct{ slog.Handler }

type logKey struct{}

// logged returns a context whose lines of the log go to to.
func logged(t *testing.T, to io.Writer) context.Context {
	t.Helper()
	return context.WithValue(t.Context(), logKey{}, slog.NewTextHandler(to, nil))
}

func (logs) Enabled(context.Context, slog.Level) bool { return true }

func (logs) Handle(ctx context.Context, r slog.Record) error {
	h, ok := ctx.Value(logKey{}).(slog.Handler)
	if !ok {
		return nil
	}
	return h.Handle(ctx, r)
}

// fake stands in for SQS where an answer is wanted that no engine gives.
type fake struct {
	mu         sync.Mutex
	entries    []types.SendMessageBatchRequestEntry
	batches    []int
	visibility map[string]int32 // by receipt handle
	fail       error
	refuse     func(body string) bool
	forget     bool // answer without a word about the entries
	stray      bool // answer about entries that nobody sent
	still      bool // refuse to change the visibility
	attributes map[string]string
}

func (f *fake) SendMessage(_ context.Context, in *sqs.SendMessageInput,
	_ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries,
		types.SendMessageBatchRequestEntry{MessageBody: in.MessageBody, MessageGroupId: in.MessageGroupId,
			MessageDeduplicationId: in.MessageDeduplicationId})
	return &sqs.SendMessageOutput{}, f.fail
}

func (f *fake) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput,
	_ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, in.Entries...)
	f.batches = append(f.batches, len(in.Entries))
	if f.fail != nil {
		return nil, f.fail
	}
	var out sqs.SendMessageBatchOutput
	if f.forget {
		return &out, nil
	}
	if f.stray {
		for _, id := range []string{"-1", "10", "x"} {
			out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: aws.String(id)})
		}
		return &out, nil
	}
	for _, e := range in.Entries {
		if f.refuse != nil && f.refuse(*e.MessageBody) {
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError")})
		} else {
			out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
		}
	}
	return &out, nil
}

func (f *fake) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput,
	_ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.visibility == nil {
		f.visibility = map[string]int32{}
	}
	for _, e := range in.Entries {
		f.visibility[*e.ReceiptHandle] = e.VisibilityTimeout
	}
	out := &sqs.ChangeMessageVisibilityBatchOutput{}
	if f.still {
		out.Failed = []types.BatchResultErrorEntry{{Id: in.Entries[0].Id, Code: aws.String("TooOld")}}
	}
	return out, f.fail
}

func (f *fake) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput,
	...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: f.attributes}, f.fail
}

func codes(errs []error) []hotsync.Code {
	out := make([]hotsync.Code, len(errs))
	for i, err := range errs {
		if err != nil {
			out[i] = hotsync.AsError(err).Code
		}
	}
	return out
}

func TestSendGivesAnErrorForEach(t *testing.T) {
	t.Parallel()

	const unavailable, malformed = hotsync.CodeQueueUnavailable, hotsync.CodeMessageMalformed
	requests := make([]hotsync.SyncRequest, 23)
	for i := range requests {
		requests[i] = request(fmt.Sprint(i))
		requests[i].Account = fmt.Sprintf("A%08d", i)
	}
	requests[3].Account = ""
	all := func(code hotsync.Code, except ...int) []hotsync.Code {
		out := slices.Repeat([]hotsync.Code{code}, 23)
		for _, i := range except {
			out[i] = ""
		}
		out[3] = malformed
		return out
	}
	oneFails := all("")
	oneFails[17] = unavailable
	for _, tc := range []struct {
		name string
		sqs  *fake
		want []hotsync.Code
		why  string // of the 17th
	}{
		{name: "one request is wrong", sqs: &fake{}, want: all("")},
		{name: "one entry is refused",
			sqs: &fake{refuse: func(body string) bool { return strings.Contains(body, "A00000017") }}, want: oneFails,
			why: "InternalError"},
		{name: "SQS is down", sqs: &fake{fail: errors.New("no route to host")}, want: all(unavailable),
			why: "no route to host"},
		{name: "SQS says nothing", sqs: &fake{forget: true}, want: all(unavailable)},
		{name: "SQS speaks of others", sqs: &fake{stray: true}, want: all(unavailable)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			errs := syncqueue.New(tc.sqs, "u").SendAll(t.Context(), requests)
			if tc.why != "" && !strings.Contains(fmt.Sprint(errors.Unwrap(errs[17])), tc.why) {
				t.Errorf("Send error = %v, because of %v; want %q", errs[17], errors.Unwrap(errs[17]), tc.why)
			}
			got := codes(errs)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Send mismatch (-want +got):\n%s", diff)
			}
			slices.Sort(tc.sqs.batches)
			if diff := cmp.Diff([]int{3, 9, 10}, tc.sqs.batches); diff != "" {
				t.Errorf("batches mismatch (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()

		if got := syncqueue.New(&fake{}, "u").SendAll(t.Context(), nil); len(got) > 0 {
			t.Errorf("Send of nothing = %v", got)
		}
	})
	t.Run("none that is right", func(t *testing.T) {
		t.Parallel()

		client := &fake{}
		got := codes(syncqueue.New(client, "u").SendAll(t.Context(), []hotsync.SyncRequest{requests[3], requests[3]}))
		if diff := cmp.Diff([]hotsync.Code{malformed, malformed}, got); diff != "" || len(client.batches) > 0 {
			t.Errorf("%d calls, want none; Send mismatch (-want +got):\n%s", len(client.batches), diff)
		}
	})
	t.Run("one alone", func(t *testing.T) {
		t.Parallel()

		client := &fake{fail: errors.New("down")}
		got := codes(syncqueue.New(client, "u").SendAll(t.Context(), requests[:1]))
		// Not as a batch: what is refused of one, the SDK does not try again.
		if diff := cmp.Diff([]hotsync.Code{unavailable}, got); diff != "" || len(client.batches) > 0 {
			t.Errorf("%d batches; Send mismatch (-want +got):\n%s", len(client.batches), diff)
		}
	})
}

// sent returns the group and de-duplication id of a request.
func sent(t *testing.T, r hotsync.SyncRequest) (group, dedup string) {
	t.Helper()
	var f fake
	err := syncqueue.New(&f, "u").Send(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return *f.entries[0].MessageGroupId, *f.entries[0].MessageDeduplicationId
}

func TestGroups(t *testing.T) {
	t.Parallel()

	with := func(change func(*hotsync.SyncRequest)) hotsync.SyncRequest {
		r := request()
		change(&r)
		return r
	}
	number := regexp.MustCompile(`^number-[0-9a-f]{32}$`)
	lookup := regexp.MustCompile(`^lookup-[0-9a-f]{32}$`)
	exactly := regexp.MustCompile("^" + someAccount + "$")
	seen := map[string]string{}
	for name, tc := range map[string]struct {
		request hotsync.SyncRequest
		want    *regexp.Regexp
	}{
		"number":       {request(), number},
		"other number": {with(func(r *hotsync.SyncRequest) { r.Account = "A00000002" }), number},
		"odd number":   {with(func(r *hotsync.SyncRequest) { r.Account = "Koeln / 7" }), number},
		"lookup": {with(func(r *hotsync.SyncRequest) {
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "X__c", Value: "a b"}
		}), lookup},
		"other value": {with(func(r *hotsync.SyncRequest) {
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "X__c", Value: "a"}
		}), lookup},
		"other field": {with(func(r *hotsync.SyncRequest) {
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "Y__c", Value: "a"}
		}), lookup},
		"id":            {with(func(r *hotsync.SyncRequest) { r.Account = someAccount }), exactly},
		"resolved":      {with(func(r *hotsync.SyncRequest) { r.AccountID = someAccount }), exactly},
		"found by look": {wholeRequest(), exactly},
	} {
		group, _ := sent(t, tc.request)
		if !tc.want.MatchString(group) {
			t.Errorf("%s: group %q, want %v", name, group, tc.want)
		}
		if other, ok := seen[group]; ok && group != someAccount {
			t.Errorf("%s and %s share the group %s", name, other, group)
		}
		seen[group] = name
	}
}

func TestDeduplication(t *testing.T) {
	t.Parallel()

	_, base := sent(t, request("first"))
	for _, tc := range []struct {
		name   string
		change func(*hotsync.SyncRequest)
		same   bool
	}{
		{name: "the trigger called again", change: func(r *hotsync.SyncRequest) {
			r.Trigger, r.RequestedAt = hotsync.TriggerPostConfirmation, start.Add(time.Second)
		}, same: true},
		{name: "another login", change: func(r *hotsync.SyncRequest) { r.LoginID = "login-2" }},
		{name: "another account", change: func(r *hotsync.SyncRequest) { r.Account = "A00000002" }},
		{name: "under the account id", change: func(r *hotsync.SyncRequest) { r.AccountID = someAccount }},
		{name: "sent on", change: func(r *hotsync.SyncRequest) { r.Requeued = 1 }},
		{name: "a retry", change: func(r *hotsync.SyncRequest) { r.RetryOf = r.EventID }},
		{name: "from the console", change: func(r *hotsync.SyncRequest) { r.Actor = "sam" }},
		{name: "no login", change: func(r *hotsync.SyncRequest) { r.LoginID = "" }},
	} {
		r := request("second")
		tc.change(&r)
		_, got := sent(t, r)
		if (got == base) != tc.same {
			t.Errorf("%s: same id %t, want %t", tc.name, got == base, tc.same)
		}
		if len(got) > 128 || !regexp.MustCompile(`^[0-9a-f]+$`).MatchString(got) {
			t.Errorf("%s: id %q", tc.name, got)
		}
	}
	// What is always fresh differs by its event alone; so does a request whose
	// account was found, since a login can name one by number and by lookup.
	for _, change := range []func(*hotsync.SyncRequest){
		func(r *hotsync.SyncRequest) { r.AccountID = someAccount },
		func(r *hotsync.SyncRequest) { r.RetryOf = request().EventID },
		func(r *hotsync.SyncRequest) { r.Actor = "sam" },
		func(r *hotsync.SyncRequest) { r.LoginID = "" },
	} {
		a, b := request("first"), request("second")
		change(&a)
		change(&b)
		_, ida := sent(t, a)
		_, idb := sent(t, b)
		if ida == idb {
			t.Errorf("two requests of %+v share an id", a)
		}
	}
	// An account id that was resolved does not meet the one that was named.
	named, resolved := request("first"), request("second")
	named.Account, resolved.AccountID = someAccount, someAccount
	_, ida := sent(t, named)
	_, idb := sent(t, resolved)
	if ida == idb {
		t.Error("an id that was named and one that was resolved share an id")
	}
}

func TestDepthFailures(t *testing.T) {
	t.Parallel()

	for name, f := range map[string]*fake{"down": {fail: errors.New("down")},
		"no numbers": {attributes: map[string]string{}}} {
		_, err := syncqueue.New(f, "u").Depth(t.Context())
		if err == nil || hotsync.AsError(err).Code != hotsync.CodeQueueUnavailable {
			t.Errorf("%s: Depth error = %v, want queue_unavailable", name, err)
		}
	}
}

// openQueue makes a FIFO queue on the local engine.
func openQueue(t *testing.T) (*syncqueue.Queue, *sqs.Client, string) {
	t.Helper()
	client := enginetest.Start(t).SQS()
	out, err := client.CreateQueue(t.Context(),
		&sqs.CreateQueueInput{QueueName: aws.String("sync-" + strings.ToLower(rand.Text()) + ".fifo"),
			Attributes: map[string]string{
				"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup",
				"VisibilityTimeout": "180"}})
	if err != nil {
		t.Fatal(err)
	}
	return syncqueue.New(client, *out.QueueUrl), client, *out.QueueUrl
}

// receive takes messages off a queue as Lambda would hand them over.
func receive(t *testing.T, client *sqs.Client, url string, want int) events.SQSEvent {
	t.Helper()
	var batch events.SQSEvent
	for deadline := time.Now().Add(20 * time.Second); len(batch.Records) < want && time.Now().Before(deadline); {
		out, err := client.ReceiveMessage(t.Context(),
			&sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
				MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			batch.Records = append(batch.Records,
				events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body,
					Attributes: m.Attributes})
		}
	}
	if len(batch.Records) != want {
		t.Fatalf("received %d messages, want %d", len(batch.Records), want)
	}
	return batch
}

func TestThroughAQueue(t *testing.T) {
	t.Parallel()

	q, client, url := openQueue(t)
	a, b := request("a"), request("b")
	b.Account = someAccount
	for range 2 { // the second time says the same
		for i, err := range q.SendAll(t.Context(), []hotsync.SyncRequest{a, b}) {
			if err != nil {
				t.Fatalf("Send, request %d: %v", i, err)
			}
		}
	}
	depth, err := q.Depth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (syncqueue.Depth{Visible: 2}); depth != want {
		t.Errorf("Depth = %+v, want %+v", depth, want)
	}
	batch := receive(t, client, url, 2)
	var mu sync.Mutex
	got := map[string]hotsync.SyncRequest{}
	answer := q.HandleBatch(t.Context(), batch, func(_ context.Context, m syncqueue.Message) syncqueue.Outcome {
		mu.Lock()
		defer mu.Unlock()
		got[m.Request.Account] = m.Request
		if m.ReceiveCount != 1 || m.DecodeErr != nil || time.Since(m.SentAt).Abs() > time.Minute || m.ID == "" ||
			m.Body == "" {
			t.Errorf("message = %+v", m)
		}
		if m.Request.Account == someAccount {
			return syncqueue.Again(0)
		}
		return syncqueue.Done()
	})
	if diff := cmp.Diff(map[string]hotsync.SyncRequest{a.Account: a, b.Account: b}, got); diff != "" {
		t.Errorf("requests mismatch (-want +got):\n%s", diff)
	}
	if len(answer.BatchItemFailures) != 1 {
		t.Errorf("%d failures, want 1", len(answer.BatchItemFailures))
	}
	again := receive(t, client, url, 1) // visible at once, not after 180 s
	if r := again.Records[0]; r.MessageId != answer.BatchItemFailures[0].ItemIdentifier ||
		r.Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("received again: %s, count %s", r.MessageId, r.Attributes["ApproximateReceiveCount"])
	}
}
