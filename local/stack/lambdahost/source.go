package lambdahost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hotsync/local/stack/template"
)

const (
	// pollWait is how long one receive waits for messages. It is short because
	// Close lets a receive run out: cut off, the local SQS would still hand its
	// next message to a caller that is gone.
	pollWait = time.Second
	// pollRetry is the pause after a receive failed.
	pollRetry = time.Second
	// settleLimit bounds the deletes and changes after a batch.
	settleLimit = 10 * time.Second
)

// mapping is an event source mapping: it feeds a queue to a function. Order in
// a FIFO group is the queue's doing, which gives nothing more of a group while
// one of its messages is in flight.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
type mapping struct {
	host  *Host
	fn    *function
	spec  template.Source
	queue template.Queue
	slots chan struct{} // one a batch in flight
}

func (h *Host) newMapping(f *function, spec template.Source) (*mapping, error) {
	if h.cfg.SQS == nil {
		return nil, errors.New("it consumes a queue, and there is no SQS client")
	}
	queue, ok := h.cfg.Template.Queue(spec.Queue)
	if !ok {
		return nil, fmt.Errorf("there is no queue %s", spec.Queue)
	}
	atOnce := h.cfg.MaxEnvironments
	if spec.MaximumConcurrency > 0 {
		atOnce = min(atOnce, spec.MaximumConcurrency)
	}
	return &mapping{host: h, fn: f, spec: spec, queue: queue, slots: make(chan struct{}, atOnce)}, nil
}

// poll feeds batches to the function until the host closes. It receives only
// when a batch may begin, so that no message waits in flight.
func (m *mapping) poll() {
	for {
		select {
		case m.slots <- struct{}{}:
		case <-m.host.closing:
			return
		}
		batch := m.receive()
		if len(batch) == 0 {
			return // closing
		}
		if !m.host.begin(func() {
			m.process(batch)
			<-m.slots
		}) {
			m.settle(func(ctx context.Context) error { return m.show(ctx, batch, 0) })
			return
		}
	}
}

// receive waits for a batch. It is empty only when the host closes.
func (m *mapping) receive() []types.Message {
	for {
		batch, err := m.take(m.spec.BatchSize, pollWait)
		select {
		case <-m.host.closing:
			m.settle(func(ctx context.Context) error { return m.show(ctx, batch, 0) })
			return nil
		default:
		}
		if err != nil {
			m.host.cfg.Logger.Warn("receive failed, trying again", "queue", m.queue.Name, "error", err)
			select {
			case <-m.host.closing:
				return nil
			case <-time.After(pollRetry):
			}
			continue
		}
		if len(batch) == 0 {
			continue
		}
		// The local SQS gives one message of a group at a time, and wakes at the first: look for what came with it.
		for len(batch) < m.spec.BatchSize {
			more, err := m.take(m.spec.BatchSize-len(batch), 0)
			if err != nil || len(more) == 0 {
				break // the next receive meets the error again
			}
			batch = append(batch, more...)
		}
		return batch
	}
}

func (m *mapping) take(atMost int, wait time.Duration) ([]types.Message, error) {
	out, err := m.host.cfg.SQS.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
		QueueUrl:                    &m.queue.URL,
		MaxNumberOfMessages:         int32(atMost),
		WaitTimeSeconds:             int32(wait / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

// process hands a batch to the function and deletes what it took care of.
func (m *mapping) process(batch []types.Message) {
	log := m.host.cfg.Logger.With("function", m.fn.spec.Dir, "queue", m.queue.Name)
	payload, err := json.Marshal(m.event(batch))
	if err != nil {
		panic(err) // strings and bytes always encode
	}
	result, err := m.fn.invoke(context.Background(), payload)
	switch {
	case err != nil: // closing: as if it had never been received
		m.settle(func(ctx context.Context) error { return m.show(ctx, batch, 0) })
		return
	case result.FunctionError != "":
		log.Warn("batch failed", "request_id", result.RequestID, "messages", len(batch), "crashed", result.crashed)
		if result.crashed && m.host.cfg.CrashVisibility > 0 {
			m.settle(func(ctx context.Context) error { return m.show(ctx, batch, m.host.cfg.CrashVisibility) })
		}
		return
	}
	done := batch
	if m.spec.ReportsFailures {
		done, err = succeeded(batch, result.Payload)
		if err != nil {
			log.Warn("whole batch failed by its answer", "request_id", result.RequestID, "error", err)
		}
	}
	m.settle(func(ctx context.Context) error { return m.remove(ctx, done) })
}

// settle does what follows a batch, in its own time: it also happens while the host closes.
func (m *mapping) settle(do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), settleLimit)
	defer cancel()
	if err := do(ctx); err != nil {
		m.host.cfg.Logger.Warn(
			"messages come again after their visibility timeout",
			"queue",
			m.queue.Name,
			"error",
			err,
		)
	}
}

// remove deletes messages.
func (m *mapping) remove(ctx context.Context, batch []types.Message) error {
	if len(batch) == 0 {
		return nil
	}
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &m.queue.URL}
	for _, msg := range batch {
		in.Entries = append(
			in.Entries,
			types.DeleteMessageBatchRequestEntry{Id: msg.MessageId, ReceiptHandle: msg.ReceiptHandle},
		)
	}
	out, err := m.host.cfg.SQS.DeleteMessageBatch(ctx, in)
	if err != nil {
		return err
	}
	return refused(out.Failed)
}

// show makes messages visible again after a delay of whole seconds.
func (m *mapping) show(ctx context.Context, batch []types.Message, after time.Duration) error {
	if len(batch) == 0 {
		return nil
	}
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &m.queue.URL}
	for _, msg := range batch {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: msg.MessageId, ReceiptHandle: msg.ReceiptHandle, VisibilityTimeout: int32(after / time.Second),
		})
	}
	out, err := m.host.cfg.SQS.ChangeMessageVisibilityBatch(ctx, in)
	if err != nil {
		return err
	}
	return refused(out.Failed)
}

func refused(failed []types.BatchResultErrorEntry) error {
	var errs []error
	for _, f := range failed {
		errs = append(errs, fmt.Errorf("message %s: %s", *f.Id, *f.Code))
	}
	return errors.Join(errs...)
}

// event makes the function's event of a batch.
func (m *mapping) event(batch []types.Message) events.SQSEvent {
	e := events.SQSEvent{Records: make([]events.SQSMessage, len(batch))}
	for i, msg := range batch {
		r := events.SQSMessage{
			MessageId:              deref(msg.MessageId),
			ReceiptHandle:          deref(msg.ReceiptHandle),
			Body:                   deref(msg.Body),
			Md5OfBody:              deref(msg.MD5OfBody),
			Md5OfMessageAttributes: deref(msg.MD5OfMessageAttributes),
			Attributes:             msg.Attributes,
			MessageAttributes:      map[string]events.SQSMessageAttribute{},
			EventSourceARN:         m.queue.ARN,
			EventSource:            "aws:sqs",
			AWSRegion:              template.Region,
		}
		for name, a := range msg.MessageAttributes {
			r.MessageAttributes[name] = events.SQSMessageAttribute{
				StringValue:      a.StringValue,
				BinaryValue:      a.BinaryValue,
				StringListValues: []string{},
				BinaryListValues: [][]byte{},
				DataType:         deref(a.DataType),
			}
		}
		e.Records[i] = r
	}
	return e
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// succeeded returns the messages that an answer with batchItemFailures does not
// name. An answer that cannot be understood, or names none of the batch, fails
// the whole batch:
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func succeeded(batch []types.Message, answer []byte) ([]types.Message, error) {
	if strings.TrimSpace(string(answer)) == "" {
		return batch, nil
	}
	var shape struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(answer, &shape); err != nil {
		return nil, err
	}
	failed := map[string]bool{}
	for _, f := range shape.BatchItemFailures {
		failed[f.ItemIdentifier] = true
	}
	var done []types.Message
	for _, msg := range batch {
		if failed[*msg.MessageId] {
			delete(failed, *msg.MessageId)
			continue
		}
		done = append(done, msg)
	}
	if len(failed) > 0 {
		return nil, errors.New("batchItemFailures names a message that is not in the batch")
	}
	return done, nil
}
