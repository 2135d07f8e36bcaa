// Package syncqueue is the SQS FIFO queue between the front doors and the sync:
// it sends requests, runs a received batch group by group, and reports partial
// failures as a FIFO queue needs them.
//
// The message group of a request is its Zuora account id, so SQS itself lets
// one sync at a time run for an account. A request that has no account id yet
// (an account number, a lookup) has a group of its own, is resolved there, and
// is sent on under the account id.
//
// SQS counts a message as received also when it only came along behind a
// failing one of its group, so its count bounds the tries of a sync from above.
package syncqueue

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hotsync/shared/hotsync"
)

// batchSize is how many messages SQS takes in one call.
const batchSize = 10

// Client is what the queue needs of *sqs.Client.
type Client interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
	SendMessageBatch(
		context.Context,
		*sqs.SendMessageBatchInput,
		...func(*sqs.Options),
	) (*sqs.SendMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(
		context.Context,
		*sqs.ChangeMessageVisibilityBatchInput,
		...func(*sqs.Options),
	) (*sqs.ChangeMessageVisibilityBatchOutput, error)
	GetQueueAttributes(
		context.Context,
		*sqs.GetQueueAttributesInput,
		...func(*sqs.Options),
	) (*sqs.GetQueueAttributesOutput, error)
}

// Queue is one SQS FIFO queue. It is safe for concurrent use.
type Queue struct {
	client Client
	url    string
	// RenewAt is how often SQS hands a message out before it takes it for dead. One that
	// was handed out as often and that nobody looked at is put into the queue anew: it
	// only came along, behind one of its group that cannot be recorded or panics, or
	// where no time was left. 0 is never.
	RenewAt int
}

// New returns the queue at that address.
func New(client Client, url string) *Queue { return &Queue{client: client, url: url} }

// SendAll sends requests and gives an error for each, in their order: nil says
// that SQS has taken it. One that fails does not keep the others from being
// sent. A request that says the same as one of the last five minutes (the same
// account or lookup of the same login) is taken and is in the queue once;
// retries and what a person asked for are never the same as another.
func (q *Queue) SendAll(ctx context.Context, requests []hotsync.SyncRequest) []error {
	errs := make([]error, len(requests))
	if len(requests) == 1 {
		errs[0] = q.Send(ctx, requests[0])
		return errs
	}
	var wg sync.WaitGroup
	for from := 0; from < len(requests); from += batchSize {
		to := min(from+batchSize, len(requests))
		wg.Go(func() { q.sendBatch(ctx, requests[from:to], errs[from:to]) })
	}
	wg.Wait()
	return errs
}

// Resend puts a request that was received before into the queue once more, as one
// that SQS does not take for the same. Of two deliveries of one message that both
// do so one is taken.
func (q *Queue) Resend(ctx context.Context, r hotsync.SyncRequest) error {
	r.Requeued++
	return q.Send(ctx, r)
}

// Send sends one request. It is in the queue when no error is returned.
func (q *Queue) Send(ctx context.Context, r hotsync.SyncRequest) (err error) {
	defer hotsync.In(&err, "syncqueue.Send")
	body, err := Encode(r)
	if err != nil {
		return err
	}
	_, err = q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &body,
		MessageGroupId: aws.String(group(r)), MessageDeduplicationId: aws.String(deduplication(r))})
	if err != nil {
		return notTaken(err)
	}
	return nil
}

func notTaken(cause error) error {
	return hotsync.Errorf(hotsync.CodeQueueUnavailable, "SQS did not take the request.").Because(cause)
}

func (q *Queue) sendBatch(ctx context.Context, requests []hotsync.SyncRequest, errs []error) {
	var entries []types.SendMessageBatchRequestEntry
	for i, r := range requests {
		body, err := Encode(r)
		if err != nil {
			errs[i] = err
			continue
		}
		entries = append(
			entries,
			types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &body,
				MessageGroupId: aws.String(group(r)), MessageDeduplicationId: aws.String(deduplication(r))},
		)
		errs[i] = notTaken(errors.New("no answer for this entry"))
	}
	if len(entries) == 0 {
		return
	}
	out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: entries})
	if err != nil {
		for _, e := range entries {
			setEntry(errs, e.Id, notTaken(err))
		}
		return
	}
	for _, s := range out.Successful {
		setEntry(errs, s.Id, nil)
	}
	for _, f := range out.Failed {
		setEntry(errs, f.Id, notTaken(errors.New(aws.ToString(f.Code))))
	}
}

func setEntry(errs []error, id *string, err error) {
	i, convErr := strconv.Atoi(aws.ToString(id))
	if convErr == nil && i >= 0 && i < len(errs) {
		errs[i] = err
	}
}

// Depth is how many messages a queue holds. SQS counts approximately.
type Depth struct {
	Visible  int `json:"visible"`  // waiting
	InFlight int `json:"inFlight"` // being handled, or waiting for another try
	Delayed  int `json:"delayed"`
}

// Depth asks SQS how many messages there are.
func (q *Queue) Depth(ctx context.Context) (_ Depth, err error) {
	defer hotsync.In(&err, "syncqueue.Depth")
	out, err := q.client.GetQueueAttributes(
		ctx,
		&sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{
			types.QueueAttributeNameApproximateNumberOfMessages,
			types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
			types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
		}},
	)
	if err != nil {
		return Depth{}, hotsync.Errorf(hotsync.CodeQueueUnavailable, "SQS did not answer.").Because(err)
	}
	var d Depth
	for name, to := range map[types.QueueAttributeName]*int{
		types.QueueAttributeNameApproximateNumberOfMessages:           &d.Visible,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible: &d.InFlight,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed:    &d.Delayed,
	} {
		*to, err = strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			return Depth{}, hotsync.Errorf(hotsync.CodeQueueUnavailable, "SQS did not say how many messages it holds.").
				Because(err)
		}
	}
	return d, nil
}

// group is the message group: all of one group are handled one at a time, in
// order. It is the account's id, or stands for what is to find that. Like a de-duplication id it may have 128 letters,
// digits and
// punctuation marks:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func group(r hotsync.SyncRequest) string {
	switch {
	case r.AccountID != "":
		return r.AccountID
	case r.Lookup != nil:
		return "lookup-" + hotsync.Digest(r.Target().Key())
	case hotsync.IsAccountID(r.Account):
		return r.Account
	default:
		return "number-" + hotsync.Digest(r.Target().Key())
	}
}

// deduplication is the id under which SQS takes a message once within five
// minutes, even after it was deleted. It is made of the login and what is to be
// synced, so that a trigger that Cognito calls again queues once. The group is
// part of it although SQS knows it: an engine may keep the ids of all groups
// together. A retry, and whatever else is no login, is always fresh. A request
// whose account was found counts by its event: a login can name an account twice,
// by number and by lookup say, and each has to come to its end.
func deduplication(r hotsync.SyncRequest) string {
	resolved := r.AccountID != "" && r.AccountID != r.Account
	login := r.LoginID
	if login == "" || r.RetryOf != "" || r.Actor != "" || r.Job != "" || resolved {
		login = r.EventID
	}
	return hotsync.Digest(login, group(r), strconv.FormatBool(resolved), strconv.Itoa(r.Requeued))
}
