package template

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

// createLimit bounds the wait for one table to become active.
const createLimit = 30 * time.Second

// Create makes the template's tables and queues where they are missing; it may
// be repeated. Queue URLs are the engine's to choose: t's queues, and its
// functions' environments, have them afterwards.
//
// An engine without a TTL API is tolerated, since readers compare expiry
// themselves; nothing else is.
func (t *Template) Create(ctx context.Context, tables *dynamodb.Client, queues *sqs.Client) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, table := range t.Tables {
		g.Go(func() error {
			if err := table.create(gctx, tables); err != nil {
				return fmt.Errorf("create table %s: %w", table.Name, err)
			}
			return nil
		})
	}
	g.Go(func() error { return t.createQueues(gctx, queues) })
	return g.Wait()
}

// createQueues makes queues in such an order that a queue comes after the one for its dead letters.
func (t *Template) createQueues(ctx context.Context, client *sqs.Client) error {
	order := make([]int, len(t.Queues))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		_, _, aHas := t.Queues[a].deadLetters()
		_, _, bHas := t.Queues[b].deadLetters()
		switch {
		case aHas == bHas:
			return 0
		case bHas:
			return -1
		}
		return 1
	})
	urls := make([]string, 0, 2*len(order)) // old, new, …
	for _, i := range order {
		q := &t.Queues[i]
		out, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.Name, Attributes: q.Attributes})
		if err != nil {
			return fmt.Errorf("create queue %s: %w", q.Name, err)
		}
		urls = append(urls, q.URL, *out.QueueUrl)
		q.URL = *out.QueueUrl
	}
	t.rename(urls)
	return nil
}

// rename puts new queue URLs into the functions' environments. urls holds pairs of old and new.
func (t *Template) rename(urls []string) {
	pairs := slices.Collect(slices.Chunk(urls, 2))
	// One queue's URL may begin with another's: the longest first.
	slices.SortStableFunc(pairs, func(a, b []string) int { return len(b[0]) - len(a[0]) })
	replacer := strings.NewReplacer(slices.Concat(pairs...)...)
	for _, f := range t.Functions {
		for name, value := range f.Environment {
			f.Environment[name] = replacer.Replace(value)
		}
	}
}

func (table Table) create(ctx context.Context, client *dynamodb.Client) error {
	in := &dynamodb.CreateTableInput{
		TableName:   &table.Name,
		BillingMode: dynamotypes.BillingModePayPerRequest,
		KeySchema:   table.Key.schema(),
	}
	for _, a := range table.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, dynamotypes.AttributeDefinition{
			AttributeName: &a.Name, AttributeType: dynamotypes.ScalarAttributeType(a.Type),
		})
	}
	for _, x := range table.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, dynamotypes.GlobalSecondaryIndex{
			IndexName: &x.Name,
			KeySchema: x.Key.schema(),
			Projection: &dynamotypes.Projection{
				ProjectionType:   dynamotypes.ProjectionType(x.Projection),
				NonKeyAttributes: x.NonKey,
			},
		})
	}
	var exists *dynamotypes.ResourceInUseException
	if _, err := client.CreateTable(ctx, in); err != nil && !errors.As(err, &exists) {
		return err
	}
	active := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, time.Second
	})
	if err := active.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &table.Name}, createLimit); err != nil {
		return err
	}
	return table.expire(ctx, client)
}

// expire switches the table's TTL on, unless it is already.
func (table Table) expire(ctx context.Context, client *dynamodb.Client) error {
	if table.TTLAttribute == "" {
		return nil
	}
	now, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table.Name})
	if err != nil {
		return unlessUnknown(err)
	}
	if d := now.TimeToLiveDescription; d != nil {
		if d.TimeToLiveStatus == dynamotypes.TimeToLiveStatusEnabled ||
			d.TimeToLiveStatus == dynamotypes.TimeToLiveStatusEnabling {
			return nil
		}
	}
	on := true
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table.Name,
		TimeToLiveSpecification: &dynamotypes.TimeToLiveSpecification{AttributeName: &table.TTLAttribute, Enabled: &on},
	})
	return unlessUnknown(err)
}

// unlessUnknown drops the error of an engine that lacks the operation.
func unlessUnknown(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "UnknownOperationException" {
		return nil
	}
	return err
}

func (k Key) schema() []dynamotypes.KeySchemaElement {
	s := []dynamotypes.KeySchemaElement{{AttributeName: &k.Hash, KeyType: dynamotypes.KeyTypeHash}}
	if k.Range != "" {
		s = append(s, dynamotypes.KeySchemaElement{AttributeName: &k.Range, KeyType: dynamotypes.KeyTypeRange})
	}
	return s
}
