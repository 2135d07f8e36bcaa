package eventstore

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// maxLinked bounds the logins an account remembers. One that was forgotten is
// linked again at its next sync, which changes nothing.
const maxLinked = 50

// AccountState is what is remembered of an account from one sync to the next.
type AccountState struct {
	AccountID string `json:"accountId"`
	Number    string `json:"number,omitempty"`

	// of the last sync that succeeded: requests before it are satisfied
	LastReadStartedAt  time.Time `json:"lastReadStartedAt,omitzero"`
	LastEventID        string    `json:"lastEvent,omitempty"`
	LastSucceededAt    time.Time `json:"lastSucceededAt,omitzero"`
	LastSucceededEvent string    `json:"lastSucceededEvent,omitempty"`

	CustomerID string `json:"customerId,omitempty"` // Limio's
	OwnerID    string `json:"ownerId,omitempty"`    // Limio's: the owner that LinkedSubjects are linked to
	// LinkedSubjects are the logins known to be linked to the account's owner in
	// Limio, as IdentityHash and, after a slash, the hash of what they named; the
	// latest last.
	LinkedSubjects []string `json:"linkedSubjects,omitempty"`

	// AliasHash and AliasesUntil say which names SaveAliases wrote, and until when
	// they hold.
	AliasHash    string    `json:"aliasHash,omitempty"`
	AliasesUntil time.Time `json:"aliasesUntil,omitzero"`

	// KnownSince is a success that the account is listed with; see KnownAccounts.
	KnownSince time.Time `json:"knownSince,omitzero"`

	// Revision guards a write: it counts the writes so far.
	Revision int `json:"-"`
}

// IdentityHash stands for a login in an account's state.
func IdentityHash(who hotsync.Identity) string {
	return hotsync.Digest(who.Issuer, who.Subject)
}

// Linked reports whether the login is known to be linked.
func (a AccountState) Linked(who hotsync.Identity) bool {
	return slices.ContainsFunc(a.LinkedSubjects, isLink(who))
}

// LinkedNaming reports whether the login is known to be linked, and named these
// accounts then, in whatever order.
func (a AccountState) LinkedNaming(who hotsync.Identity, named []string) bool {
	return slices.Contains(a.LinkedSubjects, linkEntry(who, named))
}

// WithLinked is the state with the login, which named these accounts, among the
// linked ones.
func (a AccountState) WithLinked(who hotsync.Identity, named []string) AccountState {
	if !a.LinkedNaming(who, named) {
		linked := append(slices.DeleteFunc(slices.Clone(a.LinkedSubjects), isLink(who)), linkEntry(who, named))
		a.LinkedSubjects = linked[max(0, len(linked)-maxLinked):]
	}
	return a
}

func linkEntry(who hotsync.Identity, named []string) string {
	return IdentityHash(who) + "/" + hotsync.Digest(slices.Sorted(slices.Values(named))...)[:16]
}

// isLink tells the entries of a login.
func isLink(who hotsync.Identity) func(entry string) bool {
	hash := IdentityHash(who)
	return func(entry string) bool { return entry == hash || strings.HasPrefix(entry, hash+"/") }
}

func accountItemKey(id string) item { return dynamo.Key("account#"+bounded(id), "state") }

// LoadAccount reads the state of an account consistently. One that is not known
// has nothing but its id, and Revision 0.
func (s *Store) LoadAccount(ctx context.Context, id string) (_ AccountState, err error) {
	defer hotsync.In(&err, "eventstore.LoadAccount(%q)", id)
	state := AccountState{AccountID: id}
	state.Revision, err = s.table.Load(ctx, accountItemKey(id), &state)
	return state, err
}

// SaveAccount writes the state of an account over the revision it was loaded
// at. It returns it with its new revision, or ErrConflict, and then nothing has
// changed. A state that nobody writes for the retention period is forgotten, within
// knownAge.
func (s *Store) SaveAccount(ctx context.Context, state AccountState) (_ AccountState, err error) {
	defer hotsync.In(&err, "eventstore.SaveAccount(%q)", state.AccountID)
	if state.AccountID == "" {
		return AccountState{}, badRequest("An account's state needs its id.")
	}
	expires := s.now()
	if !state.LastSucceededAt.IsZero() {
		if age := state.LastSucceededAt.Sub(state.KnownSince); age < 0 || age >= knownAge {
			state.KnownSince = state.LastSucceededAt
		}
		expires = state.KnownSince.Add(knownAge)
	}
	it, err := dynamo.WithState(accountItemKey(state.AccountID), state)
	if err != nil {
		return AccountState{}, err
	}
	it[dynamo.Expires] = dynamo.Number(expires.Add(s.retention).Unix())
	if !state.LastSucceededAt.IsZero() {
		it[attrTime], it[attrID] = dynamo.Text(knownPartition(state.AccountID)), dynamo.Text(knownSort(state))
	}
	state.Revision, err = s.save(ctx, it, state.Revision)
	return state, err
}

// The kinds of names: an account's number, and whatever else it or its people
// can be searched by.
const (
	aliasNumber = "number"
	aliasTerm   = "term"

	targetAccount = "account#"
	targetSubject = "subject#"

	maxAliases = 500 // names of one account
	maxNamed   = 25  // accounts and subjects that one name leads to
)

func aliasKey(kind, name string) string { return "alias#" + kind + "#" + name }

// emailName is the key of a name made of an e-mail address, as a SearchHash; not those
// of numbers. Such a name can be found by what it leads to, for Erase: in the index
// byAccount or bySubject, under a key that no event has.
var emailName = regexp.MustCompile("^alias#term#[0-9a-f]{32}$")

const namePrefix = "\x1fname#"

// nameItem is the item of a name of an account or a subject.
func nameItem(name, kind, target string) item {
	target = bounded(target)
	it := dynamo.Key(name, kind+target)
	if !emailName.MatchString(name) {
		return it
	}
	key := attrAccount
	if kind == targetSubject {
		key = attrSubject
	}
	it[key], it[attrID] = dynamo.Text(namePrefix+target), dynamo.Text(name)
	return it
}

// aliasMargin is how much longer than the events a name holds, so that it does
// not have to be written again with each of them.
func (s *Store) aliasMargin() time.Duration { return s.retention / 8 }

// SaveAliases makes the account findable by its number and by terms:
// subscription numbers and SearchHash values. It writes only when they are not
// those that the state says were written, or when those are about to expire,
// and returns the state to save. Names it no longer has expire by themselves.
func (s *Store) SaveAliases(ctx context.Context, state AccountState, terms ...string) (_ AccountState, err error) {
	defer hotsync.In(&err, "eventstore.SaveAliases(%q)", state.AccountID)
	names := make([]string, 0, len(terms)+1)
	for _, t := range terms {
		if t = fold(t); t != "" {
			names = append(names, aliasKey(aliasTerm, t))
		}
	}
	if number := fold(state.Number); number != "" {
		names = append(names, aliasKey(aliasNumber, number))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	names = names[:min(len(names), maxAliases)]
	hash := hotsync.Digest(names...)
	until := s.now().Add(s.retention)
	if state.AliasHash == hash && !state.AliasesUntil.Before(until) {
		return state, nil
	}
	until = until.Add(s.aliasMargin())
	puts := make([]types.WriteRequest, 0, len(names))
	for _, name := range names {
		it := nameItem(name, targetAccount, state.AccountID)
		it[dynamo.Expires] = dynamo.Number(until.Unix())
		puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: it}})
	}
	err = s.table.WriteAll(ctx, puts)
	if err != nil {
		return AccountState{}, err
	}
	state.AliasHash, state.AliasesUntil = hash, until
	return state, nil
}

// nameSubject makes the subject of an event findable by the login's e-mail. It
// writes only when the name is not there yet or would end before the event.
func (s *Store) nameSubject(ctx context.Context, e hotsync.Event) error {
	if e.Request.EmailHash == "" || e.Subject == "" {
		return nil
	}
	it := nameItem(aliasKey(aliasTerm, fold(e.Request.EmailHash)), targetSubject, e.Subject)
	until := s.expiry(e)
	there, err := s.table.Get(ctx, item{dynamo.PK: it[dynamo.PK], dynamo.SK: it[dynamo.SK]})
	if err != nil {
		return err
	}
	if dynamo.GetNumber(there, dynamo.Expires) >= until.Unix() {
		return nil
	}
	it[dynamo.Expires] = dynamo.Number(until.Add(s.aliasMargin()).Unix())
	return s.table.Put(ctx, it)
}

// named returns the partitions of the accounts and subjects that have a name.
func (s *Store) named(ctx context.Context, kind, name string) ([]partition, error) {
	if name == "" {
		return nil, nil
	}
	out, err := s.table.Query(ctx, &dynamodb.QueryInput{
		Limit:                  aws.Int32(maxNamed),
		KeyConditionExpression: aws.String("pk = :pk"),
		FilterExpression:       aws.String("expiresAt > :now"),
		ExpressionAttributeValues: item{
			":pk":  dynamo.Text(aliasKey(kind, name)),
			":now": dynamo.Number(s.now().Unix()),
		},
	})
	if err != nil {
		return nil, err
	}
	var found []partition
	for _, it := range out.Items {
		target := dynamo.GetText(it, dynamo.SK)
		if id, ok := strings.CutPrefix(target, targetAccount); ok {
			found = append(found, partition{index: indexAccount, attr: attrAccount, key: id})
		}
		if sub, ok := strings.CutPrefix(target, targetSubject); ok {
			found = append(found, partition{index: indexSubject, attr: attrSubject, key: sub})
		}
	}
	return found, nil
}
