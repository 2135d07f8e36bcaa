package eventstore

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/hotsync"
)

// How many events a page has.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// skew is how far ahead of this clock another machine's may be, so that the
// newest events are not missed.
const skew = time.Hour

// maxInput bounds what a person may search for.
const maxInput = 2048

// Query says which events to find. Every field that is not empty narrows it.
type Query struct {
	Account  string           // Zuora account id or number; case does not matter
	Subject  string           // the subject of the login, exactly
	Statuses []hotsync.Status // any of them
	Reason   string           // exactly; an error's code for a failure
	Q        string           // event id, account id or number, subscription number, e-mail, or subject
	Provider string           // name of the provider, exactly
	Trigger  hotsync.Trigger
	From     time.Time // the event was asked for at or after
	To       time.Time // and before

	// Open narrows to what nothing has settled since.
	Open bool

	Limit  int    // events a page; DefaultLimit when 0, at most MaxLimit
	Ahead  int    // events to look at that follow the page, with Limit at most MaxLimit
	Cursor string // of the page before
	Full   bool   // with the detail of each event; summaries have counts in place of lists
}

// valid checks the query and puts it into the one form of its meaning.
func (q Query) valid() (Query, error) {
	q.Account, q.Subject, q.Q = strings.TrimSpace(q.Account), strings.TrimSpace(q.Subject), strings.TrimSpace(q.Q)
	q.Statuses = slices.Clone(q.Statuses)
	slices.Sort(q.Statuses)
	q.Statuses = slices.Compact(q.Statuses)
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	for _, st := range q.Statuses {
		if !slices.Contains(hotsync.Statuses, st) {
			return q, badRequest(
				"%.60q is not a status. The statuses are queued, running, retrying, succeeded, failed and skipped.",
				st,
			)
		}
	}
	switch {
	case q.Limit < 1 || q.Ahead < 0 || q.Limit+q.Ahead > MaxLimit:
		return q, badRequest("The limit must be between 1 and %d.", MaxLimit)
	case len(q.Account) > maxInput || len(q.Subject) > maxInput || len(q.Q) > maxInput || len(q.Provider) > maxInput ||
		len(q.Trigger) > maxInput || len(q.Reason) > maxInput:
		return q, badRequest("What is searched for may have at most %d characters.", maxInput)
	case !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To):
		return q, badRequest("The time range is empty: it must begin before it ends.")
	}
	return q, nil
}

func badRequest(format string, args ...any) error {
	return hotsync.Errorf(hotsync.CodeBadRequest, format, args...)
}

// partition is one partition of an index to read: all of it between the bounds
// of a plan, or a single event.
type partition struct {
	index, attr, key string
	id               string // the one event wanted, or ""
	queued           bool   // of what is queued those are wanted that the plan holds
}

// window is a range of ids, lo inclusive and hi exclusive, with the partitions
// that hold it.
type window struct {
	lo, hi     string
	partitions []partition
}

// plan is how a query is answered: partitions to read, newest id first, and
// what to filter there.
type plan struct {
	from, to time.Time
	before   string // exclusive upper bound of ids
	fixed    []partition
	meant    []partition                    // those of fixed that were asked for
	monthly  func(month string) []partition // instead of fixed: partitions of one month
	filter   filter
}

// windows yields the parts of a plan from the newest to the oldest.
func (p plan) windows() iter.Seq[window] {
	clip := func(from, to time.Time) window {
		return window{lo: hotsync.FirstEventID(from), hi: min(hotsync.FirstEventID(to), p.before)}
	}
	return func(yield func(window) bool) {
		if p.monthly == nil {
			w := clip(p.from, p.to)
			w.partitions = p.fixed
			if w.lo < w.hi && len(w.partitions) > 0 {
				yield(w)
			}
			return
		}
		for to := p.to; p.from.Before(to); {
			from := time.Date(to.Year(), to.Month(), 1, 0, 0, 0, 0, time.UTC)
			if !from.Before(to) {
				from = from.AddDate(0, -1, 0)
			}
			w := clip(maxTime(from, p.from), to)
			w.partitions = p.monthly(month(from))
			if w.lo < w.hi && !yield(w) {
				return
			}
			to = from
		}
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// plan chooses the index that narrows the query most; the rest is filtered.
func (s *Store) plan(ctx context.Context, q Query, before string) (_ plan, err error) {
	now := s.now()
	p := plan{from: maxTime(q.From, now.Add(-s.retention)).UTC(), to: q.To.UTC(), before: before}
	if newest := now.Add(skew).UTC(); q.To.IsZero() || q.To.After(newest) {
		p.to = newest
	}
	p.filter = filter{provider: q.Provider, trigger: q.Trigger, statuses: q.Statuses, reason: q.Reason, now: now}
	var accounts []string
	if q.Account != "" {
		accounts, err = s.accountKeys(ctx, q.Account)
		if err != nil {
			return plan{}, err
		}
	}
	switch {
	case q.Q != "":
		p.fixed, err = s.interpret(ctx, q.Q)
		p.filter.accounts, p.filter.subject = accounts, bounded(q.Subject)
	case q.Account != "":
		p.fixed = accountPartitions(accounts)
		p.filter.subject = bounded(q.Subject)
	case q.Subject != "":
		p.fixed = []partition{subjectPartition(q.Subject)}
	case q.Reason != "" && q.Reason != hotsync.ReasonUnchanged:
		p.filter.reason = ""
		p.monthly = func(month string) []partition {
			return sharded(indexReason, attrReasonKey, bounded(q.Reason)+"#"+month+"#")
		}
	case len(q.Statuses) > 0 && !slices.ContainsFunc(q.Statuses, hotsync.Status.Final):
		p.filter.statuses = nil
		p.fixed = statusPartitions(q.Statuses, "")
	case len(q.Statuses) > 0 && !slices.Contains(q.Statuses, hotsync.StatusSucceeded):
		p.filter.statuses = nil
		p.monthly = func(month string) []partition { return statusPartitions(q.Statuses, month) }
	default:
		if len(q.Statuses) == len(hotsync.Statuses) {
			p.filter.statuses = nil
		}
		p.monthly = func(month string) []partition {
			found := sharded(indexTime, attrTime, month+"#")
			if !p.filter.wants(hotsync.StatusQueued) {
				return found
			}
			// What is queued is in no index but that of its status.
			return append(found, statusPartitions([]hotsync.Status{hotsync.StatusQueued}, "")...)
		}
	}
	if err != nil {
		return plan{}, err
	}
	p.fixed = slices.DeleteFunc(p.fixed, func(x partition) bool { return !p.filter.allows(x) })
	if q.Q != "" || q.Account != "" || q.Subject != "" {
		p.meant = p.fixed
	}
	if p.meant != nil && p.filter.wants(hotsync.StatusQueued) {
		p.fixed = append(slices.Clip(p.fixed), queuedPartitions(p.meant)...)
	}
	return p, nil
}

// sharded returns the partitions of a key, one a shard.
func sharded(index, attr, prefix string) []partition {
	out := make([]partition, 0, len(shards))
	for i := range len(shards) {
		out = append(out, partition{index: index, attr: attr, key: prefix + shards[i:i+1]})
	}
	return out
}

func statusPartitions(statuses []hotsync.Status, month string) []partition {
	out := make([]partition, 0, len(statuses)*len(shards))
	for _, st := range statuses {
		prefix := string(st) + "#"
		if st.Final() {
			prefix += month + "#"
		}
		out = append(out, sharded(indexStatus, attrStatusKey, prefix)...)
	}
	return out
}

func accountPartitions(keys []string) []partition {
	out := make([]partition, 0, len(keys))
	for _, k := range keys {
		out = append(out, partition{index: indexAccount, attr: attrAccount, key: k})
	}
	return out
}

func subjectPartition(subject string) partition {
	return partition{index: indexSubject, attr: attrSubject, key: bounded(subject)}
}

// accountKeys returns the keys that events of an account may have: its id, and
// the number under which they were asked for before the id was known.
func (s *Store) accountKeys(ctx context.Context, account string) ([]string, error) {
	name := fold(account)
	keys := []string{name}
	if !hotsync.IsAccountID(name) {
		targets, err := s.named(ctx, aliasNumber, name)
		if err != nil {
			return nil, err
		}
		for _, p := range targets {
			if p.index == indexAccount {
				keys = append(keys, p.key)
			}
		}
		return keys, nil
	}
	state, err := s.LoadAccount(ctx, name)
	if err != nil {
		return nil, err
	}
	if state.Number != "" {
		keys = append(keys, fold(state.Number))
	}
	return keys, nil
}

// interpret finds where the events are that a person may mean by q, taking it
// for everything it can be at once.
func (s *Store) interpret(ctx context.Context, q string) ([]partition, error) {
	if hotsync.IsEventID(q) {
		return []partition{{index: indexTime, attr: attrTime, key: timePartition(q), id: q}}, nil
	}
	var asAccount []string
	var asTerm, asEmail []partition
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		asAccount, err = s.accountKeys(ctx, q)
		return err
	})
	g.Go(func() (err error) {
		asTerm, err = s.named(ctx, aliasTerm, fold(q))
		return err
	})
	if strings.Contains(q, "@") {
		g.Go(func() error {
			key, err := s.searchKey(ctx)
			if err != nil {
				return err
			}
			if hash := hotsync.SearchHash(key, q); hash != "" {
				asEmail, err = s.named(ctx, aliasTerm, hash)
			}
			return err
		})
	}
	err := g.Wait()
	if err != nil {
		return nil, err
	}
	out := slices.Concat(accountPartitions(asAccount), []partition{subjectPartition(q)}, asTerm, asEmail)
	seen := map[partition]bool{}
	return slices.DeleteFunc(out, func(p partition) bool {
		was := seen[p]
		seen[p] = true
		return was
	}), nil
}
