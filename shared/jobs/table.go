package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// Table keeps jobs as items of the events table, which expires them with the
// events:
//
//	jobs      <id>            a job
//	job#<id>  chunk#00000001  some of its accounts
//	job#<id>  sketch          what its accounts are compared by
type Table struct {
	Table     dynamo.Table
	Retention time.Duration
}

const (
	attrBody = "body" // JSON

	jobsKey   = "jobs"
	sketchKey = "sketch"
)

// chunkName is the sort key of a chunk: names sort as numbers do.
func chunkName(n int) string { return fmt.Sprintf("chunk#%08d", n) }

func (t Table) now() time.Time {
	if t.Table.Now == nil {
		return time.Now()
	}
	return t.Table.Now()
}

// save writes an item over a revision and returns the next.
func (t Table) save(ctx context.Context, pk, sk string, v any, over int) (int, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("encode: %w", err)
	}
	it := dynamo.Key(pk, sk)
	it[attrBody] = dynamo.Text(string(raw))
	it[dynamo.Expires] = dynamo.Number(t.now().Add(t.Retention).Unix())
	revision, err := t.Table.Save(ctx, it, over)
	if errors.Is(err, dynamo.ErrRefused) {
		return 0, ErrConflict
	}
	return revision, err
}

// load reads an item into v and returns its revision, 0 for none.
func (t Table) load(ctx context.Context, pk, sk string, v any) (revision int, err error) {
	it, err := t.Table.Get(ctx, dynamo.Key(pk, sk))
	if err != nil || it == nil {
		return 0, err
	}
	return decode(it, v)
}

// decode is load of an item that was read already.
func decode(it dynamo.Item, v any) (revision int, err error) {
	err = json.Unmarshal([]byte(dynamo.GetText(it, attrBody)), v)
	if err != nil {
		return 0, fmt.Errorf("decode a job's item: %w", err)
	}
	return int(dynamo.GetNumber(it, dynamo.Revision)), nil
}

// Job implements Store.
func (t Table) Job(ctx context.Context, id string) (j Job, err error) {
	defer hotsync.In(&err, "jobs.Job(%q)", id)
	j.Revision, err = t.load(ctx, jobsKey, id, &j)
	switch {
	case err != nil:
		return Job{}, err
	case j.Revision == 0:
		return Job{}, ErrNotFound
	}
	return j, nil
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
		Limit:                     aws.Int32(int32(limit)),
		ScanIndexForward:          aws.Bool(false),
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.Text(jobsKey)},
	}
	if cursor != "" {
		in.ExclusiveStartKey = dynamo.Key(jobsKey, cursor)
	}
	out, err := t.Table.Query(ctx, in)
	if err != nil {
		return nil, "", err
	}
	for _, it := range out.Items {
		var j Job
		j.Revision, err = decode(it, &j)
		if err != nil {
			return nil, "", err
		}
		jobs = append(jobs, j)
	}
	return jobs, dynamo.GetText(out.LastEvaluatedKey, dynamo.SK), nil
}

// Chunks implements Store.
func (t Table) Chunks(ctx context.Context, job string, n, limit int) (chunks []Chunk, err error) {
	defer hotsync.In(&err, "jobs.Chunks(%q)", job)
	in := &dynamodb.QueryInput{
		Limit:                  aws.Int32(int32(limit)),
		ConsistentRead:         aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :from AND :to"),
		ExpressionAttributeValues: dynamo.Item{
			":pk":   dynamo.Text("job#" + job),
			":from": dynamo.Text(chunkName(n)),
			":to":   dynamo.Text(chunkName(n + limit - 1)),
		},
	}
	for it, err := range t.Table.Items(ctx, in) {
		if err != nil {
			return nil, err
		}
		c := Chunk{Job: job, N: n + len(chunks)}
		if dynamo.GetText(it, dynamo.SK) != chunkName(c.N) {
			return chunks, nil // a gap: what is behind it is not listed yet
		}
		c.Revision, err = decode(it, &c)
		if err != nil {
			return nil, err
		}
		chunks = append(chunks, c)
		if len(chunks) >= limit {
			break
		}
	}
	return chunks, nil
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
	s.Revision, err = t.load(ctx, "job#"+job, sketchKey, &s)
	return s, err
}

// SaveSketch implements Store.
func (t Table) SaveSketch(ctx context.Context, job string, s Sketch) (_ Sketch, err error) {
	defer hotsync.In(&err, "jobs.SaveSketch(%q)", job)
	s.Revision, err = t.save(ctx, "job#"+job, sketchKey, s, s.Revision)
	return s, err
}
