package jobs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/hotsync"
)

// Client is what Table needs of *dynamodb.Client.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Table keeps jobs as items of the events table, which expires them with the
// events:
//
//	jobs      <id>            a job
//	job#<id>  chunk#00000001  some of its accounts
//	job#<id>  sketch          what its accounts are compared by
type Table struct {
	Client    Client
	Name      string
	Retention time.Duration
	Now       func() time.Time // time.Now when nil
}

// Attributes of an item.
const (
	attrBody     = "body"
	attrRevision = "revision"
	attrWriter   = "writer"
	attrExpires  = "expiresAt"

	jobsKey   = "jobs"
	sketchKey = "sketch"
)

// chunkName is the sort key of a chunk: names sort as numbers do.
func chunkName(n int) string { return fmt.Sprintf("chunk#%08d", n) }

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func itemKey(pk, sk string) attributes { return attributes{"pk": text(pk), "sk": text(sk)} }

func (t Table) now() time.Time {
	if t.Now == nil {
		return time.Now()
	}
	return t.Now()
}

// save writes an item over a revision and gives the next.
func (t Table) save(ctx context.Context, pk, sk string, v any, revision int) (int, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	writer := rand.Text()
	item := itemKey(pk, sk)
	item[attrBody], item[attrRevision], item[attrWriter] = text(string(raw)), number(int64(revision)+1), text(writer)
	item[attrExpires] = number(t.now().Add(t.Retention).Unix())
	in := &dynamodb.PutItemInput{TableName: &t.Name, Item: item}
	if revision == 0 {
		in.ConditionExpression = aws.String("attribute_not_exists(pk)")
	} else {
		in.ConditionExpression = aws.String("revision = :before")
		in.ExpressionAttributeValues = attributes{":before": number(int64(revision))}
	}
	_, err = t.Client.PutItem(ctx, in)
	var refused *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return revision + 1, nil
	case !errors.As(err, &refused):
		return 0, unavailable(err)
	}
	// The SDK sends a write again whose answer got lost, and is then refused by its
	// own first copy.
	there, err := t.get(ctx, pk, sk)
	if err != nil {
		return 0, err
	}
	if w, ok := there[attrWriter].(*types.AttributeValueMemberS); ok && w.Value == writer {
		return revision + 1, nil
	}
	return 0, ErrConflict
}

func (t Table) get(ctx context.Context, pk, sk string) (attributes, error) {
	out, err := t.Client.GetItem(
		ctx,
		&dynamodb.GetItemInput{TableName: &t.Name, Key: itemKey(pk, sk), ConsistentRead: aws.Bool(true)},
	)
	if err != nil {
		return nil, unavailable(err)
	}
	return out.Item, nil
}

// decode reads an item into v and gives its revision, 0 for none.
func decode(item attributes, v any) (int, error) {
	body, ok := item[attrBody].(*types.AttributeValueMemberS)
	if !ok {
		return 0, nil
	}
	n, ok := item[attrRevision].(*types.AttributeValueMemberN)
	if !ok {
		return 0, errors.New("an item of a job has no revision")
	}
	revision, err := strconv.Atoi(n.Value)
	if err != nil {
		return 0, fmt.Errorf("revision of a job's item: %w", err)
	}
	err = json.Unmarshal([]byte(body.Value), v)
	if err != nil {
		return 0, fmt.Errorf("decode a job's item: %w", err)
	}
	return revision, nil
}

func unavailable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return hotsync.Errorf(hotsync.CodeStoreUnavailable, "DynamoDB did not answer.").Because(err)
}

// Job implements Store.
func (t Table) Job(ctx context.Context, id string) (j Job, err error) {
	defer hotsync.In(&err, "jobs.Job(%q)", id)
	item, err := t.get(ctx, jobsKey, id)
	if err != nil {
		return Job{}, err
	}
	j.Revision, err = decode(item, &j)
	if err == nil && j.Revision == 0 {
		return Job{}, ErrNotFound
	}
	return j, err
}

// SaveJob implements Store.
func (t Table) SaveJob(ctx context.Context, j Job) (_ Job, err error) {
	defer hotsync.In(&err, "jobs.SaveJob(%q)", j.ID)
	j.Revision, err = t.save(ctx, jobsKey, j.ID, j, j.Revision)
	return j, err
}

// Jobs implements Store.
func (t Table) Jobs(ctx context.Context, limit int, cursor string) (jobs []Job, next string, err error) {
	defer hotsync.In(&err, "jobs.Jobs")
	in := &dynamodb.QueryInput{
		TableName:                 &t.Name,
		Limit:                     aws.Int32(int32(limit)),
		ScanIndexForward:          aws.Bool(false),
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: attributes{":pk": text(jobsKey)},
	}
	if cursor != "" {
		in.ExclusiveStartKey = itemKey(jobsKey, cursor)
	}
	out, err := t.Client.Query(ctx, in)
	if err != nil {
		return nil, "", unavailable(err)
	}
	for _, item := range out.Items {
		var j Job
		j.Revision, err = decode(item, &j)
		if err != nil {
			return nil, "", err
		}
		jobs = append(jobs, j)
	}
	if sk, ok := out.LastEvaluatedKey["sk"].(*types.AttributeValueMemberS); ok {
		next = sk.Value
	}
	return jobs, next, nil
}

// Chunks implements Store.
func (t Table) Chunks(ctx context.Context, job string, n, limit int) (chunks []Chunk, err error) {
	defer hotsync.In(&err, "jobs.Chunks(%q)", job)
	in := &dynamodb.QueryInput{
		TableName:              &t.Name,
		Limit:                  aws.Int32(int32(limit)),
		ConsistentRead:         aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :from AND :to"),
		ExpressionAttributeValues: attributes{
			":pk":   text("job#" + job),
			":from": text(chunkName(n)),
			":to":   text(chunkName(n + limit - 1)),
		},
	}
	for {
		out, err := t.Client.Query(ctx, in)
		if err != nil {
			return nil, unavailable(err)
		}
		for _, item := range out.Items {
			c := Chunk{Job: job, N: n + len(chunks)}
			if sk, ok := item["sk"].(*types.AttributeValueMemberS); !ok || sk.Value != chunkName(c.N) {
				return chunks, nil // a gap: what is behind it is not listed yet
			}
			c.Revision, err = decode(item, &c)
			if err != nil {
				return nil, err
			}
			chunks = append(chunks, c)
		}
		if len(out.LastEvaluatedKey) == 0 || len(chunks) >= limit {
			return chunks, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// SaveChunk implements Store.
func (t Table) SaveChunk(ctx context.Context, c Chunk) (_ Chunk, err error) {
	defer hotsync.In(&err, "jobs.SaveChunk(%q, %d)", c.Job, c.N)
	c.Revision, err = t.save(ctx, "job#"+c.Job, chunkName(c.N), c, c.Revision)
	return c, err
}

// Sketch implements Store.
func (t Table) Sketch(ctx context.Context, job string) (s Sketch, err error) {
	defer hotsync.In(&err, "jobs.Sketch(%q)", job)
	item, err := t.get(ctx, "job#"+job, sketchKey)
	if err != nil {
		return Sketch{}, err
	}
	s.Revision, err = decode(item, &s)
	return s, err
}

// SaveSketch implements Store.
func (t Table) SaveSketch(ctx context.Context, job string, s Sketch) (_ Sketch, err error) {
	defer hotsync.In(&err, "jobs.SaveSketch(%q)", job)
	s.Revision, err = t.save(ctx, "job#"+job, sketchKey, s, s.Revision)
	return s, err
}
