package eventstore

import (
	"context"
	"errors"
	"slices"
	"strings"

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
// the subject, the login, its e-mail hash, the value looked up, the accounts that the
// login named, notes and the field values of changes. Names made of e-mail addresses
// are removed, of the subject and of the accounts those events touched, since the
// address in Zuora may be theirs; a name of somebody else comes back with the next sync.
// The login is removed from the states of those accounts.
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
	forgotten, removed, err := s.forgetNames(ctx, who, traces)
	done.Aliases = removed
	if err != nil {
		return done, err
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
	namesake   bool // there is somebody else with the same subject, of another issuer
}

func (t traces) targets(who hotsync.Identity) []string {
	out := []string{targetSubject + bounded(who.Subject)}
	for _, id := range t.accounts {
		out = append(out, targetAccount+bounded(id))
	}
	return out
}

// traces reads every event of the subject, also those that have expired and are
// still there. What is queued is not in the index of subjects, and read first: it may
// begin meanwhile.
func (s *Store) traces(ctx context.Context, who hotsync.Identity) (t traces, err error) {
	seen, err := s.queuedTraces(ctx, who, &t)
	if err != nil {
		return traces{}, err
	}
	in := &dynamodb.QueryInput{
		IndexName:                 aws.String(indexSubject),
		Limit:                     aws.Int32(100),
		ProjectionExpression:      aws.String("pk, sk"),
		KeyConditionExpression:    aws.String("subjectKey = :subject"),
		ExpressionAttributeValues: item{":subject": dynamo.Text(bounded(who.Subject))},
	}
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
			if !seen[e.ID] {
				t.add(e, who)
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return t, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// queuedTraces adds what is queued of the person, and returns which events those are.
func (s *Store) queuedTraces(ctx context.Context, who hotsync.Identity, t *traces) (map[string]bool, error) {
	seen := map[string]bool{}
	q := Query{Subject: who.Subject, Statuses: []hotsync.Status{hotsync.StatusQueued}, Full: true, Limit: MaxLimit}
	for {
		page, err := s.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if e.Status.Final() {
				continue // it ended since, and is in the index now
			}
			seen[e.ID] = true
			t.add(e, who)
		}
		if page.Cursor == "" {
			return seen, nil
		}
		q.Cursor = page.Cursor
	}
}

func (t *traces) add(e hotsync.Event, who hotsync.Identity) {
	if e.Subject != who.Subject ||
		who.Issuer != "" && e.Request.Identity.Issuer != "" && e.Request.Identity.Issuer != who.Issuer {
		t.namesake = t.namesake || e.Subject == who.Subject
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

// forgetNames removes the names that are made of an e-mail address: those of the
// hashes that events had, and those that can be found by what they lead to, which a
// subject shares with a namesake. It says which targets lost one.
func (s *Store) forgetNames(
	ctx context.Context,
	who hotsync.Identity,
	traces traces,
) (forgotten map[string]bool, removed int, err error) {
	forgotten = map[string]bool{}
	for _, target := range traces.targets(who) {
		hashes := slices.Clone(traces.emails)
		if !traces.namesake || strings.HasPrefix(target, targetAccount) {
			found, err := s.emailNames(ctx, target)
			if err != nil {
				return forgotten, removed, err
			}
			hashes = append(hashes, found...)
		}
		for _, hash := range hashes {
			gone, err := s.removeAlias(ctx, hash, target)
			if err != nil {
				return forgotten, removed, err
			}
			if gone {
				removed++
				forgotten[target] = true
			}
		}
	}
	return forgotten, removed, nil
}

// emailNames returns the hashes of the e-mail addresses that lead to a target.
func (s *Store) emailNames(ctx context.Context, target string) (hashes []string, err error) {
	p := partition{index: indexAccount, attr: attrAccount}
	id, ok := strings.CutPrefix(target, targetAccount)
	if !ok {
		p.index, p.attr = indexSubject, attrSubject
		id = strings.TrimPrefix(target, targetSubject)
	}
	for it, err := range s.table.Items(ctx,
		&dynamodb.QueryInput{IndexName: &p.index, KeyConditionExpression: aws.String(p.attr + " = :key"),
			ExpressionAttributeValues: item{":key": dynamo.Text(namePrefix + id)}}) {
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, strings.TrimPrefix(dynamo.GetText(it, attrID), aliasKey(aliasTerm, "")))
	}
	return hashes, nil
}

func (s *Store) removeAlias(ctx context.Context, hash, target string) (removed bool, err error) {
	there, err := s.table.Delete(ctx, dynamo.Key(aliasKey(aliasTerm, fold(hash)), target))
	return len(there) > 0, err
}

// forgetLogin takes logins out of an account's state. A name that was removed
// makes the state forget its names too, so that the next sync writes those that
// still belong to the account.
func (s *Store) forgetLogin(
	ctx context.Context,
	id string,
	who []hotsync.Identity,
	nameRemoved bool,
) (changed bool, err error) {
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
		r.Named = nil // together they are a person, whichever one the event is about
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
