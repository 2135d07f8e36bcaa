package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// LoginsASecond is how many records of logins that led to nothing are kept of one
// second, by all processes together: a record has one of so many places, and who
// finds two taken gives up. Anybody can send tokens that are refused, and what
// that costs has to have an end.
const LoginsASecond = 20

const (
	loginDays   = hotsync.LoginRecordDays
	loginBatch  = 200   // records that a query reads
	loginBudget = 2_000 // records read for a page
	placesTried = 2
	loginPlaces = "without#"
	// before the keys of an index; no key of an event begins so, since none has control characters
	loginRecords = "\x1flogin#"
)

// storedLogin is a record as the table keeps it.
type storedLogin struct {
	hotsync.LoginRecord
	EmailHash string `json:"emailHash,omitempty"`
}

// RecordLogin keeps the record of a login that led to nothing for a week. It says
// whether there was a place for it; see LoginsASecond.
func (s *Store) RecordLogin(ctx context.Context, r hotsync.LoginRecord) (kept bool, err error) {
	defer hotsync.In(&err, "eventstore.RecordLogin")
	second := r.At.Unix()
	if s.loginsFull.Load() >= second {
		return false, nil
	}
	r = r.Bounded()
	place := rand.IntN(LoginsASecond)
	for range placesTried {
		it, err := loginItem(r, place)
		if err != nil {
			return false, err
		}
		err = s.table.Replace(ctx, it, dynamo.Condition{
			Expression: "attribute_not_exists(pk) OR expiresAt <= :now",
			Values:     item{":now": dynamo.Number(s.now().Unix())},
		})
		if !errors.Is(err, dynamo.ErrRefused) {
			return err == nil, err
		}
		place = (place + LoginsASecond/3) % LoginsASecond
	}
	s.loginsFull.Store(second)
	return false, nil
}

func loginItem(r hotsync.LoginRecord, place int) (item, error) {
	pk, sk := loginPlaces+strconv.FormatInt(r.At.Unix(), 10), fmt.Sprintf("%02d", place)
	r.ID = hotsync.EventIDFor(r.At, r.LoginID, r.Reason, sk)
	raw, err := json.Marshal(storedLogin{r, r.EmailHash})
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	it := dynamo.Key(pk, sk)
	it[attrID], it[attrSummary] = dynamo.Text(r.ID), dynamo.Text(string(raw))
	it[attrTime] = dynamo.Text(loginDay(r.At))
	it[dynamo.Expires] = dynamo.Number(r.At.AddDate(0, 0, loginDays).Unix())
	it[attrStatus], it[attrTrigger] = dynamo.Text(r.Reason), dynamo.Text(string(r.Trigger))
	if r.Provider != "" {
		it[attrProvider] = dynamo.Text(r.Provider)
	}
	if r.Subject != "" {
		it[attrSubject] = dynamo.Text(loginRecords + bounded(r.Subject))
	}
	if r.EmailHash != "" {
		it[attrAccount] = dynamo.Text(loginRecords + r.EmailHash)
	}
	return it, nil
}

func loginDay(t time.Time) string { return loginRecords + t.UTC().Format(time.DateOnly) }

// LoginQuery says which records of logins to find.
type LoginQuery struct {
	Q        string // an e-mail address, or a subject exactly
	Provider string // name of the provider, exactly
	Reason   string
	From     time.Time
	To       time.Time
	Limit    int    // records a page; DefaultLimit when 0, at most MaxLimit
	Cursor   string // of the page before
}

// LoginPage is a part of what is found.
type LoginPage struct {
	Logins []hotsync.LoginRecord
	Cursor string // of the next page; "" at the end
}

// Logins finds records of logins that led to nothing, the newest first. A page may
// be short and still have a cursor, when much had to be read to find little.
func (s *Store) Logins(ctx context.Context, q LoginQuery) (_ LoginPage, err error) {
	defer hotsync.In(&err, "eventstore.Logins")
	q.Q = strings.TrimSpace(q.Q)
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	switch {
	case q.Limit < 1 || q.Limit > MaxLimit:
		return LoginPage{}, badRequest("The limit must be between 1 and %d.", MaxLimit)
	case len(q.Q) > maxInput || len(q.Provider) > maxInput || len(q.Reason) > maxInput:
		return LoginPage{}, badRequest("What is searched for may have at most %d characters.", maxInput)
	case q.Cursor != "" && !hotsync.IsEventID(q.Cursor):
		return LoginPage{}, badRequest("The cursor is not one of this service. Begin again at the first page.")
	}
	now := s.now()
	from := maxTime(q.From, now.AddDate(0, 0, -loginDays)).UTC()
	to := now.Add(skew).UTC()
	if !q.To.IsZero() && q.To.Before(to) {
		to = q.To.UTC()
	}
	lo, hi := hotsync.FirstEventID(from), hotsync.FirstEventID(to)
	if q.Cursor != "" {
		hi = min(hi, q.Cursor)
	}
	if lo >= hi {
		return LoginPage{}, nil
	}
	partitions, err := s.loginPartitions(ctx, q.Q, from, to)
	if err != nil {
		return LoginPage{}, err
	}
	return s.readLogins(ctx, q, partitions, lo, hi)
}

// loginPartitions returns where the records may be, the newest first.
func (s *Store) loginPartitions(ctx context.Context, q string, from, to time.Time) ([]partition, error) {
	if strings.Contains(q, "@") {
		key, err := s.searchKey(ctx)
		if err != nil {
			return nil, err
		}
		if hash := hotsync.SearchHash(key, q); hash != "" {
			return []partition{{index: indexAccount, attr: attrAccount, key: loginRecords + hash}}, nil
		}
	}
	if q != "" {
		return []partition{{index: indexSubject, attr: attrSubject, key: loginRecords + bounded(q)}}, nil
	}
	var days []partition
	for day := to; !day.Before(from.Truncate(24 * time.Hour)); day = day.AddDate(0, 0, -1) {
		days = append(days, partition{index: indexTime, attr: attrTime, key: loginDay(day)})
	}
	return days, nil
}

// readLogins reads partitions one after the other, as far as the budget goes.
func (s *Store) readLogins(
	ctx context.Context,
	q LoginQuery,
	partitions []partition,
	lo, hi string,
) (page LoginPage, err error) {
	budget := loginBudget
	for _, p := range partitions {
		f := filter{provider: q.Provider, now: s.now()}
		if q.Reason != "" {
			f.statuses = []hotsync.Status{hotsync.Status(q.Reason)} // the attribute that holds it
		}
		in := s.query(p, lo, hi, f)
		in.Limit = aws.Int32(loginBatch)
		for {
			out, err := s.table.Query(ctx, in)
			if err != nil {
				return LoginPage{}, err
			}
			for _, it := range out.Items {
				r, err := decodeLogin(it)
				if err != nil {
					return LoginPage{}, err
				}
				if len(page.Logins) == q.Limit {
					page.Cursor = page.Logins[q.Limit-1].ID
					return page, nil
				}
				page.Logins = append(page.Logins, r)
			}
			budget -= int(out.ScannedCount)
			if len(out.LastEvaluatedKey) == 0 {
				break
			}
			if budget <= 0 {
				page.Cursor = dynamo.GetText(out.LastEvaluatedKey, attrID)
				return page, nil
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
	return page, nil
}

func decodeLogin(it item) (hotsync.LoginRecord, error) {
	var stored storedLogin
	err := json.Unmarshal([]byte(dynamo.GetText(it, attrSummary)), &stored)
	if err != nil {
		return hotsync.LoginRecord{}, fmt.Errorf("record of a login: %w", err)
	}
	stored.LoginRecord.EmailHash = stored.EmailHash
	return stored.LoginRecord, nil
}

// eraseLogins deletes the records of a person: those of the subject, and those
// with one of the e-mail hashes. It says how many, and adds the hashes it met.
func (s *Store) eraseLogins(ctx context.Context, who hotsync.Identity, emails []string) (removed int, err error) {
	seen := map[string]bool{}
	todo := []partition{{index: indexSubject, attr: attrSubject, key: loginRecords + bounded(who.Subject)}}
	for _, hash := range emails {
		todo = append(todo, partition{index: indexAccount, attr: attrAccount, key: loginRecords + hash})
	}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		in := &dynamodb.QueryInput{
			IndexName:                 aws.String(p.index),
			KeyConditionExpression:    aws.String(p.attr + " = :key"),
			ExpressionAttributeValues: item{":key": dynamo.Text(p.key)},
		}
		for {
			out, err := s.table.Query(ctx, in)
			if err != nil {
				return removed, err
			}
			for _, it := range out.Items {
				r, err := decodeLogin(it)
				if err != nil {
					return removed, err
				}
				if seen[r.ID] || who.Issuer != "" && r.Issuer != "" && r.Issuer != who.Issuer {
					continue
				}
				seen[r.ID] = true
				if r.Verified && r.EmailHash != "" && r.Subject == who.Subject &&
					!slices.Contains(emails, r.EmailHash) {
					emails = append(emails, r.EmailHash)
					todo = append(
						todo,
						partition{index: indexAccount, attr: attrAccount, key: loginRecords + r.EmailHash},
					)
				}
				_, err = s.table.Delete(ctx, item{dynamo.PK: it[dynamo.PK], dynamo.SK: it[dynamo.SK]})
				if err != nil {
					return removed, err
				}
				removed++
			}
			if len(out.LastEvaluatedKey) == 0 {
				break
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
	return removed, nil
}
