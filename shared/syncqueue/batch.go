package syncqueue

import (
	"context"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/shared/hotsync"
)

// Message is a received message.
type Message struct {
	Request      hotsync.SyncRequest // zero when DecodeErr is set
	ReceiveCount int                 // how often SQS has handed it out, this time included
	SentAt       time.Time
	ID           string // of SQS
	DecodeErr    error  // CodeMessageMalformed
}

// Outcome says what becomes of a message.
type Outcome struct {
	again bool
	after time.Duration
}

// Done acknowledges a message: it is gone.
func Done() Outcome { return Outcome{} }

// Again gives a message back, to be handed out again after that time (whole
// seconds, rounded up). Later messages of its group wait with it.
func Again(after time.Duration) Outcome { return Outcome{again: true, after: after} }

// stopMargin is how long before the function's deadline no message is begun any
// more: too little time to end it.
const stopMargin = 3 * time.Second

// maxVisibility is SQS's bound on the time a message can be kept away.
const maxVisibility = 12 * time.Hour

// HandleBatch runs a received batch: groups at the same time, the messages of a
// group one after the other. After one that is to come again, the later ones of
// its group are not run and are reported with it, or SQS would delete them and
// lose their order. A panic is one message to come again, not the batch.
func (q *Queue) HandleBatch(ctx context.Context, batch events.SQSEvent, handle func(context.Context, Message) Outcome) events.SQSEventResponse {
	groups := map[string][]events.SQSMessage{}
	var order []string
	for _, r := range batch.Records {
		g := r.Attributes["MessageGroupId"]
		if _, ok := groups[g]; !ok {
			order = append(order, g)
		}
		groups[g] = append(groups[g], r)
	}
	failed := make([][]events.SQSBatchItemFailure, len(order))
	var wg sync.WaitGroup
	for i, g := range order {
		wg.Go(func() { failed[i] = q.runGroup(ctx, groups[g], handle) })
	}
	wg.Wait()
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, f := range failed {
		out.BatchItemFailures = append(out.BatchItemFailures, f...)
	}
	return out
}

// runGroup handles the messages of one group and gives those to report.
func (q *Queue) runGroup(ctx context.Context, records []events.SQSMessage, handle func(context.Context, Message) Outcome) []events.SQSBatchItemFailure {
	for i, r := range records {
		outcome := Again(0)
		if inTime(ctx) {
			outcome = guarded(ctx, message(r), handle)
		}
		if !outcome.again {
			continue
		}
		q.keepAway(ctx, r, outcome.after)
		var failed []events.SQSBatchItemFailure
		for _, rest := range records[i:] {
			failed = append(failed, events.SQSBatchItemFailure{ItemIdentifier: rest.MessageId})
		}
		return failed
	}
	return nil
}

func inTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > stopMargin)
}

// guarded runs handle; a panic is logged without its text, which may quote what
// was being handled.
func guarded(ctx context.Context, m Message, handle func(context.Context, Message) Outcome) (out Outcome) {
	defer func() {
		p := recover()
		if p != nil {
			slog.ErrorContext(ctx, "panic", "code", hotsync.CodeInternal, "event_id", m.Request.EventID, "stack", string(debug.Stack()))
			out = Again(10 * time.Second)
		}
	}()
	return handle(ctx, m)
}

func message(r events.SQSMessage) Message {
	m := Message{ID: r.MessageId, ReceiveCount: 1}
	n, err := strconv.Atoi(r.Attributes["ApproximateReceiveCount"])
	if err == nil {
		m.ReceiveCount = n
	}
	ms, err := strconv.ParseInt(r.Attributes["SentTimestamp"], 10, 64)
	if err == nil {
		m.SentAt = time.UnixMilli(ms).UTC()
	}
	m.Request, m.DecodeErr = Decode(r.Body)
	return m
}

// keepAway sets when the message comes again. Without it the queue's visibility
// timeout decides, which is later but as safe.
func (q *Queue) keepAway(ctx context.Context, r events.SQSMessage, after time.Duration) {
	after = min(max(after, 0), maxVisibility)
	seconds := int32((after + time.Second - 1) / time.Second)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: &r.ReceiptHandle, VisibilityTimeout: seconds})
	if err != nil {
		slog.WarnContext(ctx, "visibility not changed", "message_id", r.MessageId, "error", err)
	}
}
