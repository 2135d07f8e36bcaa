package eventstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// Open is a login whose latest word about an account is a failure: nothing has
// settled it since. It has nothing personal; the event it names has.
type Open struct {
	ID       string             `json:"id"` // of the latest event
	Status   hotsync.Status     `json:"status"`
	Reason   string             `json:"reason"`
	Provider string             `json:"provider,omitempty"`
	Trigger  hotsync.Trigger    `json:"trigger,omitempty"`
	Account  hotsync.AccountRef `json:"account"`
	First    time.Time          `json:"first"` // when the row of failures began
	Last     time.Time          `json:"last"`
	Failures int                `json:"failures"` // events in that row
}

// ReasonNotSeen is the reason of what succeeded and left its login without a
// sight of the account.
const ReasonNotSeen = string(hotsync.FindingNotLinked)

// MaxOpen bounds what is kept in view: listing reads no more of a shard, however
// long an outage lasts. 4 KB is what an item takes at most.
const MaxOpen = 4_000

// OpenList is what is open.
type OpenList struct {
	Events []Open // the latest first
	More   bool   // there are more than MaxOpen
}

const attrOpen = "open"

func openKey(name string) item {
	hash := hotsync.Digest(name)
	return dynamo.Key("open#"+shard(hash), hash)
}

// openNames are the names under which a failure of the event is kept, the first
// being the one to write: its account, or what was to be looked up, for its login.
// A success settles what has any of them, also without a login: nobody in
// particular waits for that.
func openNames(e hotsync.Event) []string {
	var targets []string
	for _, name := range []string{e.Account.ID, e.Account.Number, e.Request.Account, e.Request.AccountID} {
		if name = fold(name); name != "" && !slices.Contains(targets, name) {
			targets = append(targets, name)
		}
	}
	if l := e.Request.Lookup; l != nil {
		targets = append(targets, "lookup\x00"+l.Field+"\x00"+l.Value)
	}
	who := e.Request.Identity
	logins := []string{who.Issuer + "\x00" + cmp.Or(who.Subject, e.Subject)}
	if logins[0] != "\x00" && e.Status == hotsync.StatusSucceeded {
		logins = append(logins, "\x00")
	}
	var names []string
	for _, login := range logins {
		for _, target := range targets {
			names = append(names, target+"\x00"+login)
		}
	}
	return names
}

// isOpen reports whether an event is something that stays open until it is
// settled.
func isOpen(e hotsync.Event) bool {
	switch e.Status {
	case hotsync.StatusFailed:
		return true
	case hotsync.StatusSkipped:
		return e.Reason == hotsync.ReasonAmbiguous || e.Reason == hotsync.ReasonStaleClaim
	case hotsync.StatusSucceeded:
		return isUnseen(e)
	default:
		return false
	}
}

// isUnseen reports whether a sync succeeded for a login that does not see what it
// brought.
func isUnseen(e hotsync.Event) bool {
	return slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
}

// follow keeps what is open in step with an event that is about to be written. It
// can be repeated: an event is counted once, and an older one changes nothing.
func (s *Store) follow(ctx context.Context, e hotsync.Event) error {
	if !e.Status.Final() {
		return nil
	}
	if e.Status == hotsync.StatusSucceeded {
		err := s.settle(ctx, e)
		if err != nil {
			return err
		}
	}
	if names := openNames(e); isOpen(e) && len(names) > 0 {
		return s.open(ctx, openKey(names[0]), e)
	}
	return nil
}

// settle removes what the event's success leaves nothing to do about.
func (s *Store) settle(ctx context.Context, e hotsync.Event) error {
	var keys []item
	for _, name := range openNames(e) {
		keys = append(keys, openKey(name))
	}
	found, err := s.table.GetAll(ctx, keys)
	if err != nil {
		return err
	}
	for _, it := range found {
		if dynamo.GetText(it, attrID) > e.ID {
			continue
		}
		_, err = s.table.Delete(ctx, dynamo.Key(dynamo.GetText(it, dynamo.PK), dynamo.GetText(it, dynamo.SK)))
		if err != nil {
			return err
		}
	}
	return nil
}

// open writes the event over an earlier one of the same login and account.
func (s *Store) open(ctx context.Context, at item, e hotsync.Event) error {
	found, err := s.table.GetAll(ctx, []item{at})
	if err != nil {
		return err
	}
	o := Open{
		ID:       e.ID,
		Status:   e.Status,
		Reason:   e.Reason,
		Provider: e.Provider,
		Trigger:  e.Trigger,
		Account:  e.Account,
		First:    e.RequestedAt.UTC(),
		Last:     e.RequestedAt.UTC(),
		Failures: 1,
	}
	if e.Status == hotsync.StatusSucceeded {
		o.Reason = ReasonNotSeen
	}
	if len(found) > 0 && !s.table.Expired(found[0]) {
		before, err := decodeOpen(found[0])
		if err != nil {
			return err
		}
		if before.ID == e.ID {
			before.Failures-- // the same event again
		}
		if before.ID <= e.ID && (before.Reason == ReasonNotSeen) == (o.Reason == ReasonNotSeen) {
			o.First, o.Failures = before.First, before.Failures+1
		}
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	it := dynamo.Key(dynamo.GetText(at, dynamo.PK), dynamo.GetText(at, dynamo.SK))
	it[attrOpen], it[dynamo.Expires] = dynamo.Text(string(raw)), dynamo.Number(s.expiry(e).Unix())
	it[attrID] = dynamo.Text(e.ID)
	err = s.table.Replace(ctx, it, dynamo.Condition{Expression: "attribute_not_exists(pk) OR #id <= :id",
		Names: map[string]string{"#id": attrID}, Values: item{":id": dynamo.Text(e.ID)}})
	if errors.Is(err, dynamo.ErrRefused) {
		return nil // a newer one is there
	}
	return err
}

// close removes what an event left open, whatever comes later.
func (s *Store) close(ctx context.Context, e hotsync.Event) error {
	for _, name := range openNames(e) {
		_, err := s.table.Delete(ctx, openKey(name))
		if err != nil {
			return err
		}
	}
	return nil
}

func decodeOpen(it item) (o Open, err error) {
	err = json.Unmarshal([]byte(dynamo.GetText(it, attrOpen)), &o)
	if err != nil {
		return o, fmt.Errorf("open failure %s: %w", dynamo.GetText(it, attrID), err)
	}
	return o, nil
}

// Open lists what is open: one query a shard, bounded by MaxOpen and not by how
// many events the table holds.
func (s *Store) Open(ctx context.Context) (_ OpenList, err error) {
	defer hotsync.In(&err, "eventstore.Open")
	found := make([][]Open, len(shards))
	more := make([]bool, len(shards))
	g, ctx := errgroup.WithContext(ctx)
	for i := range len(shards) {
		g.Go(func() (err error) {
			found[i], more[i], err = s.openShard(ctx, "open#"+shards[i:i+1])
			return err
		})
	}
	err = g.Wait()
	if err != nil {
		return OpenList{}, err
	}
	list := OpenList{Events: slices.Concat(found...), More: slices.Contains(more, true)}
	slices.SortFunc(list.Events, func(a, b Open) int { return strings.Compare(b.ID, a.ID) })
	return list, nil
}

func (s *Store) openShard(ctx context.Context, shard string) (out []Open, more bool, err error) {
	in := &dynamodb.QueryInput{Limit: aws.Int32(MaxOpen / int32(len(shards))),
		KeyConditionExpression: aws.String("pk = :pk"), FilterExpression: aws.String("expiresAt > :now"),
		ExpressionAttributeValues: item{":pk": dynamo.Text(shard), ":now": dynamo.Number(s.now().Unix())}}
	for read := 0; ; {
		answer, err := s.table.Query(ctx, in)
		if err != nil {
			return nil, false, err
		}
		for _, it := range answer.Items {
			o, err := decodeOpen(it)
			if err != nil {
				return nil, false, err
			}
			out = append(out, o)
		}
		read += int(answer.ScannedCount)
		switch {
		case len(answer.LastEvaluatedKey) == 0:
			return out, false, nil
		case read >= MaxOpen/len(shards):
			return out, true, nil
		}
		in.ExclusiveStartKey = answer.LastEvaluatedKey
	}
}

// readOpen collects the newest events that are open and match, and the id before
// which the rest begins.
func (s *Store) readOpen(ctx context.Context, q Query, before string) (events []hotsync.Event, next string, err error) {
	list, _, err := s.openMatching(ctx, q, before)
	if err != nil {
		return nil, "", err
	}
	if n := q.Limit + q.Ahead; len(list) > n {
		list, next = list[:n], list[n-1].ID
	}
	if q.Full { // then Search reads them whole
		for _, o := range list {
			events = append(events, hotsync.Event{ID: o.ID})
		}
		return events, next, nil
	}
	ids := make([]string, len(list))
	for i, o := range list {
		ids[i] = o.ID
	}
	found, err := s.Summaries(ctx, ids)
	for _, id := range ids {
		if e, there := found[id]; there {
			events = append(events, e)
		}
	}
	return events, next, err
}

// openPages bounds how much is read to tell which open failures a text or a
// subject means.
const openPages = 8

// openMatching returns what is open and matches, before an id, newest first.
func (s *Store) openMatching(ctx context.Context, q Query, before string) (_ []Open, more bool, err error) {
	list, err := s.Open(ctx)
	if err != nil {
		return nil, false, err
	}
	var accounts []string
	if q.Account != "" {
		accounts, err = s.accountKeys(ctx, q.Account)
		if err != nil {
			return nil, false, err
		}
	}
	kept := slices.DeleteFunc(list.Events, func(o Open) bool { return o.ID >= before || !o.matches(q, accounts) })
	if (q.Q != "" || q.Subject != "") && len(kept) > 0 {
		kept, err = s.openFound(ctx, q, kept)
	}
	return kept, list.More, err
}

func (o Open) matches(q Query, accounts []string) bool {
	return (len(q.Statuses) == 0 || slices.Contains(q.Statuses, o.Status)) && (q.Reason == "" || q.Reason == o.Reason) &&
		(q.Provider == "" || q.Provider == o.Provider) && (q.Trigger == "" || q.Trigger == o.Trigger) &&
		!o.Last.Before(q.From) &&
		(q.To.IsZero() || o.Last.Before(q.To)) &&
		(len(accounts) == 0 || slices.Contains(accounts, accountKey(o.Account)) ||
			slices.Contains(accounts, fold(o.Account.Number)))
}

// openFound keeps those that a search for the text or the subject finds.
func (s *Store) openFound(ctx context.Context, q Query, list []Open) ([]Open, error) {
	found := map[string]bool{}
	q.Statuses, q.Limit = nil, MaxLimit
	before := hotsync.FirstEventID(s.now().Add(skew))
	for range openPages {
		events, next, err := s.readPlan(ctx, q, before)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			found[e.ID] = true
		}
		if next == "" {
			break
		}
		before = next
	}
	return slices.DeleteFunc(list, func(o Open) bool { return !found[o.ID] }), nil
}
