package syncqueue

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hotsync/shared/hotsync"
)

const (
	// stopMargin is how long before the function's deadline no message is begun any
	// more: too little time to end it.
	stopMargin = 3 * time.Second
	// reserve is what a message's handling must leave of the function's time, to
	// put messages off and to answer Lambda.
	reserve = time.Second
	// panicPause is when a message comes again whose handling panicked.
	panicPause = 10 * time.Second
	// maxVisibility bounds how long a message is put off. SQS allows 12 hours
	// counted from when it was received, which may be an invocation ago:
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
	maxVisibility = 12*time.Hour - 15*time.Minute
)

// Message is a received message.
type Message struct {
	Request      hotsync.SyncRequest // zero when DecodeErr is set
	ReceiveCount int                 // how often SQS has handed it out, this time included
	SentAt       time.Time
	ID           string // of SQS
	Body         string // as it came
	DecodeErr    error  // CodeMessageMalformed
}

// Outcome says what becomes of a message.
type Outcome struct {
	again bool
	after time.Duration
}

// Done acknowledges a message: it is gone.
func Done() Outcome { return Outcome{} }

// Again returns a message back, to be handed out again after that time: whole
// seconds, rounded up, at most 11 hours 45 minutes. Later messages of its group
// wait with it.
func Again(after time.Duration) Outcome { return Outcome{again: true, after: after} }

// Delay returns the time after which the message comes again; ok is false when it is done.
func (o Outcome) Delay() (after time.Duration, ok bool) { return o.after, o.again }

// HandleBatch runs a received batch: groups at the same time, the messages of a
// group one after the other. After one that is to come again, the later ones of
// its group are not run and are reported with it, or SQS would delete them and
// lose their order: none is ever acknowledged behind a failure of its group. A
// panic is one message to come again, not the batch. What is no request of ours
// is handed to handle too, with DecodeErr set. Messages for which too little
// time is left come again unseen; the context that handle gets ends a little
// before ctx. What comes again unseen counts as received all the same: see RenewAt.
func (q *Queue) HandleBatch(
	ctx context.Context,
	batch events.SQSEvent,
	handle func(context.Context, Message) Outcome,
) events.SQSEventResponse {
	work, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		work, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	defer cancel()

	records := make([]*record, len(batch.Records))
	groups := map[string][]*record{}
	for i := range batch.Records {
		r := &record{SQSMessage: &batch.Records[i]}
		records[i] = r
		g, ok := r.Attributes["MessageGroupId"]
		if !ok { // not of a FIFO queue: a group of its own
			g = "\x00" + strconv.Itoa(i)
		}
		groups[g] = append(groups[g], r)
	}
	var wg sync.WaitGroup
	for _, g := range groups {
		wg.Go(func() { q.runGroup(ctx, work, g, handle) })
	}
	wg.Wait()
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, r := range records {
		if !r.done {
			out.BatchItemFailures = append(
				out.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: r.MessageId},
			)
		}
	}
	return out
}

// record is a message of a batch. Whatever is not done is reported.
type record struct {
	*events.SQSMessage
	done bool
}

func (q *Queue) runGroup(ctx, work context.Context, group []*record, handle func(context.Context, Message) Outcome) {
	for i, r := range group {
		if !inTime(ctx) {
			q.putOff(ctx, q.renew(ctx, group[i:]), 0)
			return
		}
		outcome := guarded(work, message(r.SQSMessage), handle)
		if outcome.again {
			q.putOff(ctx, append([]*record{r}, q.renew(ctx, group[i+1:])...), outcome.after)
			return
		}
		r.done = true
	}
}

// renew puts those of the messages that nobody looked at, and that SQS has handed out
// as often as RenewAt, into the queue once more in their place, and returns the others.
func (q *Queue) renew(ctx context.Context, unseen []*record) (others []*record) {
	var old []*record
	var requests []hotsync.SyncRequest
	for _, r := range unseen {
		m := message(r.SQSMessage)
		if q.RenewAt == 0 || m.ReceiveCount < q.RenewAt || m.DecodeErr != nil {
			others = append(others, r)
			continue
		}
		m.Request.Requeued++
		old, requests = append(old, r), append(requests, m.Request)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserve)
	defer cancel()
	for i, err := range q.SendAll(ctx, requests) {
		old[i].done = err == nil
		if err != nil {
			slog.WarnContext(ctx, "message not renewed", "event_id", requests[i].EventID,
				"message_id", old[i].MessageId, "error", err)
			others = append(others, old[i])
		}
	}
	return others
}

func inTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() == nil && (!ok || time.Until(deadline) > stopMargin)
}

// guarded runs handle. Of a panic only the runtime's own text is logged: any
// other may quote what was being handled.
func guarded(ctx context.Context, m Message, handle func(context.Context, Message) Outcome) (out Outcome) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		what := fmt.Sprintf("%T", p)
		if err, ok := p.(runtime.Error); ok {
			what = err.Error()
		}
		slog.ErrorContext(ctx, "panic", "code", hotsync.CodeInternal, "event_id", m.Request.EventID, "message_id", m.ID,
			"panic", what, "stack", string(debug.Stack()))
		out = Again(panicPause)
	}()
	return handle(ctx, m)
}

func message(r *events.SQSMessage) Message {
	m := Message{ID: r.MessageId, Body: r.Body, ReceiveCount: 1}
	n, err := strconv.Atoi(r.Attributes["ApproximateReceiveCount"])
	if err == nil {
		m.ReceiveCount = max(n, 1)
	}
	ms, err := strconv.ParseInt(r.Attributes["SentTimestamp"], 10, 64)
	if err == nil {
		m.SentAt = time.UnixMilli(ms).UTC()
	}
	m.Request, m.DecodeErr = Decode(r.Body)
	return m
}

// putOff has the first message come again after that time and the others behind
// it as soon as it does. They are made visible at once, which gives them to
// nobody while the first is in flight; left in flight themselves they would keep
// the whole group back until the queue's visibility timeout ends, since SQS
// hands out none of a group as long as one is in flight. Where SQS does not take
// this, that timeout decides, which is later but as safe.
func (q *Queue) putOff(ctx context.Context, group []*record, after time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserve)
	defer cancel()
	for len(group) > 0 {
		batch := group[:min(len(group), batchSize)]
		group = group[len(batch):]
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))
		for i, r := range batch {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id:                aws.String(strconv.Itoa(i)),
				ReceiptHandle:     &r.ReceiptHandle,
				VisibilityTimeout: seconds(after),
			}
			after = 0
		}
		out, err := q.client.ChangeMessageVisibilityBatch(
			ctx,
			&sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: entries},
		)
		if err == nil && len(out.Failed) > 0 {
			err = fmt.Errorf("%d of %d refused: %s", len(out.Failed), len(entries), aws.ToString(out.Failed[0].Code))
		}
		if err != nil {
			slog.WarnContext(
				ctx,
				"visibility not changed",
				"event_id",
				message(batch[0].SQSMessage).Request.EventID,
				"message_id",
				batch[0].MessageId,
				"messages",
				len(batch),
				"error",
				err,
			)
		}
	}
}

// seconds rounds up to what SQS can wait.
func seconds(d time.Duration) int32 {
	d = min(max(d, 0), maxVisibility)
	return int32((d + time.Second - 1) / time.Second)
}
