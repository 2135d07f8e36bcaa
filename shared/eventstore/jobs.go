package eventstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// Summaries reads the events of those ids that exist, by id, without what their
// detail has. What was written in the last second may be missing.
func (s *Store) Summaries(ctx context.Context, ids []string) (_ map[string]hotsync.Event, err error) {
	defer hotsync.In(&err, "eventstore.Summaries")
	var keys []item
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	for _, id := range slices.Compact(sorted) {
		keys = append(keys, eventKey(id))
	}
	return s.readAll(ctx, keys, decodeRow)
}

// readAll reads the events with those keys, by id, without those that have expired.
func (s *Store) readAll(
	ctx context.Context,
	keys []item,
	decode func(item) (hotsync.Event, error),
) (map[string]hotsync.Event, error) {
	items, err := s.table.GetAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	found := make(map[string]hotsync.Event, len(items))
	for _, it := range items {
		if s.table.Expired(it) {
			continue
		}
		e, err := decode(it)
		if err != nil {
			return nil, err
		}
		found[e.ID] = e
	}
	return found, nil
}

// newerLimit is how many of an account's newest syncs are looked at.
const newerLimit = 20

// NewerSync reports whether the account of an ended event has a newer sync for the
// same login, or a retry of this one: that then tells more than the event does.
func (s *Store) NewerSync(ctx context.Context, e hotsync.Event) (_ bool, err error) {
	defer hotsync.In(&err, "eventstore.NewerSync(%q)", e.ID)
	q := Query{Account: e.Account.ID, From: e.RequestedAt, Limit: newerLimit}
	if q.Account == "" {
		q.Account = e.Account.Number
	}
	byAccount := q.Account != ""
	if !byAccount {
		q.Subject = e.Subject
	}
	if q.Account == "" && q.Subject == "" {
		return false, nil
	}
	found, err := s.Search(ctx, q)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(found.Events, func(x hotsync.Event) bool {
		return x.RetryOf == e.ID || byAccount && x.ID > e.ID && x.Subject == e.Subject
	}), nil
}

// The states of accounts are in the index byTime too, in partitions of their own,
// sorted by a success that is up to knownAge older than their last: an entry that
// moved with each login would cost each two writes.
const (
	knownPrefix = "accounts#"
	knownTime   = "2006-01-02T15:04:05.000Z"
	knownAge    = 7 * 24 * time.Hour
)

func knownPartition(id string) string {
	sum := 0
	for i := range len(id) {
		sum += int(id[i])
	}
	return knownPrefix + shards[sum%len(shards):sum%len(shards)+1]
}

func knownSort(state AccountState) string {
	return state.KnownSince.UTC().Format(knownTime) + "#" + bounded(state.AccountID)
}

// Known is an account that was synced before.
type Known struct {
	ID    string
	Since time.Time // a sync that succeeded; the last one is up to knownAge later
}

// KnownAccounts lists accounts that a sync succeeded of before a time, those first that
// have been listed with the same one for longest, and the cursor of the next page, "" at
// the end. An account that is synced while they are listed is listed once at most.
func (s *Store) KnownAccounts(
	ctx context.Context,
	before time.Time,
	limit int,
	cursor string,
) (_ []Known, next string, err error) {
	defer hotsync.In(&err, "eventstore.KnownAccounts")
	until := before.UTC().Format(knownTime)
	if cursor >= until || limit < 1 {
		return nil, "", badRequest("This is no cursor of known accounts.")
	}
	pages, more := make([][]item, len(shards)), make([]bool, len(shards))
	g, gctx := errgroup.WithContext(ctx)
	for n := range shards {
		g.Go(func() error {
			out, err := s.table.Query(
				gctx,
				&dynamodb.QueryInput{
					IndexName:              aws.String(indexTime),
					Limit:                  aws.Int32(int32(limit)),
					KeyConditionExpression: aws.String("gsiTimePk = :part AND id BETWEEN :from AND :until"),
					ExpressionAttributeValues: item{
						":part":  dynamo.Text(knownPrefix + shards[n:n+1]),
						":from":  dynamo.Text(cursor + "!"),
						":until": dynamo.Text(until),
					},
				},
			)
			if err != nil {
				return err
			}
			pages[n], more[n] = out.Items, len(out.LastEvaluatedKey) > 0
			return nil
		})
	}
	err = g.Wait()
	if err != nil {
		return nil, "", err
	}
	all := slices.Concat(pages...)
	slices.SortFunc(
		all,
		func(a, b item) int { return strings.Compare(dynamo.GetText(a, attrID), dynamo.GetText(b, attrID)) },
	)
	if len(all) > limit || slices.Contains(more, true) {
		all = all[:min(len(all), limit)]
		next = dynamo.GetText(all[len(all)-1], attrID)
	}
	var known []Known
	for _, it := range all {
		stamp, id, ok := strings.Cut(dynamo.GetText(it, attrID), "#")
		last, perr := time.Parse(knownTime, stamp)
		if ok && perr == nil && !s.table.Expired(it) {
			known = append(known, Known{ID: id, Since: last})
		}
	}
	return known, next, nil
}
