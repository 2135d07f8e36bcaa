package eventstore

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// Erased says what Erase removed.
type Erased struct {
	Events   int // made anonymous
	Aliases  int // names removed
	Accounts int // states that no longer know the login
	Logins   int // records of logins that led to nothing, deleted
	Jobs     int // accounts of jobs that no longer know the login; whoever erases from jobs counts them
	Pending  int // events still under way, left as they are: erase again when they have ended
}

// Add adds what was removed of another login of the person.
func (e *Erased) Add(more Erased) {
	e.Events, e.Aliases, e.Accounts = e.Events+more.Events, e.Aliases+more.Aliases, e.Accounts+more.Accounts
	e.Logins, e.Jobs, e.Pending = e.Logins+more.Logins, e.Jobs+more.Jobs, e.Pending+more.Pending
}

// Erase takes a person out of the store. Events of theirs that have ended lose
// the subject, the login, its e-mail hash, the value looked up, notes and the
// field values of changes; names made of the e-mail hashes of those events are
// removed, and so is the login from the states of the accounts they touched.
// What happened to which account, and when, stays. Records of logins that led to
// nothing are deleted. An empty issuer stands for
// any. It can be repeated, and must be when it returns an error.
func (s *Store) Erase(ctx context.Context, who hotsync.Identity) (_ Erased, err error) {
	defer hotsync.In(&err, "eventstore.Erase")
	if who.Subject == "" {
		return Erased{}, badRequest("Name the subject to erase.")
	}
	traces, err := s.traces(ctx, who)
	if err != nil {
		return Erased{}, err
	}
	done := Erased{Pending: traces.pending}
	done.Logins, err = s.eraseLogins(ctx, who, traces.emails)
	if err != nil {
		return done, err
	}
	// Events come last: they are what the rest is found by when this is repeated.
	forgotten := map[string]bool{}
	for _, hash := range traces.emails {
		for _, target := range traces.targets(who) {
			removed, err := s.removeAlias(ctx, hash, target)
			if err != nil {
				return done, err
			}
			if removed {
				done.Aliases++
				forgotten[target] = true
			}
		}
	}
	for _, id := range traces.accounts {
		changed, err := s.forgetLogin(ctx, id, traces.identities, forgotten[targetAccount+bounded(id)])
		if err != nil {
			return done, err
		}
		if changed {
			done.Accounts++
		}
	}
	for _, id := range traces.events {
		err = s.anonymise(ctx, id)
		if err != nil {
			return done, err
		}
		done.Events++
	}
	return done, nil
}

// traces is what the events of a person lead to.
type traces struct {
	events     []string // ended
	pending    int
	emails     []string // hashes
	accounts   []string
	identities []hotsync.Identity
}

func (t traces) targets(who hotsync.Identity) []string {
	out := []string{targetSubject + bounded(who.Subject)}
	for _, id := range t.accounts {
		out = append(out, targetAccount+bounded(id))
	}
	return out
}

// traces reads every event of the subject, also those that have expired and are
// still there.
func (s *Store) traces(ctx context.Context, who hotsync.Identity) (t traces, err error) {
	in := &dynamodb.QueryInput{IndexName: aws.String(indexSubject), Limit: aws.Int32(100), ProjectionExpression: aws.String("pk, sk"),
		KeyConditionExpression: aws.String("subjectKey = :subject"), ExpressionAttributeValues: item{":subject": dynamo.Text(bounded(who.Subject))}}
	for {
		out, err := s.table.Query(ctx, in)
		if err != nil {
			return traces{}, err
		}
		items, err := s.table.GetAll(ctx, out.Items)
		if err != nil {
			return traces{}, err
		}
		for _, it := range items {
			e, err := decodeWhole(it)
			if err != nil {
				return traces{}, err
			}
			t.add(e, who)
		}
		if len(out.LastEvaluatedKey) == 0 {
			return t, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func (t *traces) add(e hotsync.Event, who hotsync.Identity) {
	if e.Subject != who.Subject || who.Issuer != "" && e.Request.Identity.Issuer != "" && e.Request.Identity.Issuer != who.Issuer {
		return
	}
	if e.Status.Final() {
		t.events = append(t.events, e.ID)
	} else {
		t.pending++
	}
	if hash := e.Request.EmailHash; hash != "" && !slices.Contains(t.emails, hash) {
		t.emails = append(t.emails, hash)
	}
	if id := e.Account.ID; id != "" && !slices.Contains(t.accounts, id) {
		t.accounts = append(t.accounts, id)
	}
	if id := e.Request.Identity; !id.IsZero() && !slices.Contains(t.identities, id) {
		t.identities = append(t.identities, id)
	}
}

func (s *Store) removeAlias(ctx context.Context, hash, target string) (removed bool, err error) {
	there, err := s.table.Delete(ctx, dynamo.Key(aliasKey(aliasTerm, fold(hash)), target))
	return len(there) > 0, err
}

// forgetLogin takes logins out of an account's state. A name that was removed
// makes the state forget its names too, so that the next sync writes those that
// still belong to the account.
func (s *Store) forgetLogin(ctx context.Context, id string, who []hotsync.Identity, nameRemoved bool) (changed bool, err error) {
	err = retryConflict(func() error {
		state, err := s.LoadAccount(ctx, id)
		if err != nil {
			return err
		}
		kept := slices.DeleteFunc(slices.Clone(state.LinkedSubjects), func(entry string) bool {
			return slices.ContainsFunc(who, func(w hotsync.Identity) bool { return isLink(w)(entry) })
		})
		changed = len(kept) < len(state.LinkedSubjects) || nameRemoved && state.AliasHash != ""
		if !changed {
			return nil
		}
		state.LinkedSubjects = kept
		if nameRemoved {
			state.AliasHash = ""
		}
		_, err = s.SaveAccount(ctx, state)
		return err
	})
	return changed, err
}

// anonymise rewrites an event without its person.
func (s *Store) anonymise(ctx context.Context, id string) error {
	return retryConflict(func() error {
		late := s.table
		late.Now = nil // what has expired is still there to be read
		it, err := late.Get(ctx, eventKey(id))
		if err != nil || it == nil {
			return err
		}
		e, err := decodeWhole(it)
		if err != nil {
			return err
		}
		err = s.close(ctx, e)
		if err != nil {
			return err
		}
		e.Subject, e.LoginID = "", ""
		r := &e.Request
		r.Identity, r.LoginID, r.EmailHash, r.EmailMask, r.Note = hotsync.Identity{}, "", "", "", ""
		if r.Lookup != nil {
			r.Lookup = &hotsync.Lookup{Field: r.Lookup.Field}
		}
		e.Changes = slices.Clone(e.Changes)
		for i := range e.Changes {
			e.Changes[i].Fields = slices.Clone(e.Changes[i].Fields)
			for j, f := range e.Changes[i].Fields {
				e.Changes[i].Fields[j] = hotsync.FieldChange{Field: f.Field}
			}
		}
		_, it, err = s.encode(e, e.Revision+1)
		if err != nil {
			return err
		}
		_, err = s.saveEvent(ctx, it, e.Revision)
		return err
	})
}

// retryConflict repeats a read and write that somebody else came in between of.
func retryConflict(do func() error) (err error) {
	for range 5 {
		err = do()
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return err
}
