package console_test

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
	"hotsync/shared/settingstore"
	"hotsync/shared/syncer"
)

// Save keeps the contract of settingstore.Store.
func (s *settings) Save(_ context.Context, next hotsync.Settings, by string) (hotsync.Settings, error) {
	if s.fail != nil && hotsync.AsError(s.fail).Code != hotsync.CodeSettingsInvalid {
		return hotsync.Settings{}, s.fail
	}
	if next.Version != s.value.Version {
		return hotsync.Settings{}, settingstore.ErrConflict
	}
	for _, f := range next.Validate() {
		if !f.Warning {
			return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeSettingsInvalid, "%s: %s", f.Path, f.Message)
		}
	}
	s.earlier = append([]settingstore.Entry{s.entry()}, s.earlier...)
	next.Version, next.UpdatedAt, next.UpdatedBy = s.value.Version+1, start, by
	s.value, s.fail = next, nil
	return next, nil
}

func (s *settings) entry() settingstore.Entry {
	return settingstore.Entry{Version: s.value.Version, At: s.value.UpdatedAt, By: s.value.UpdatedBy, Settings: s.value}
}

func (s *settings) History(_ context.Context, limit int, cursor string) ([]settingstore.Entry, string, error) {
	if s.fail != nil && hotsync.AsError(s.fail).Code != hotsync.CodeSettingsInvalid {
		return nil, "", s.fail
	}
	all := append([]settingstore.Entry{s.entry()}, s.earlier...)
	if cursor != "" {
		before, err := strconv.Atoi(cursor)
		if err != nil {
			return nil, "", hotsync.Errorf(hotsync.CodeBadRequest, "The cursor is not one of this history.")
		}
		all = slices.DeleteFunc(all, func(e settingstore.Entry) bool { return e.Version >= before })
	}
	limit = cmp.Or(limit, settingstore.DefaultLimit)
	if len(all) <= limit {
		return all, "", nil
	}
	return all[:limit], strconv.Itoa(all[limit-1].Version), nil
}

func (s *settings) Version(_ context.Context, n int) (settingstore.Entry, error) {
	for _, e := range append([]settingstore.Entry{s.entry()}, s.earlier...) {
		if e.Version == n {
			return e, nil
		}
	}
	return settingstore.Entry{}, settingstore.ErrNotFound
}

// Erase forgets the subject of ended events.
func (m *memory) Erase(_ context.Context, who hotsync.Identity) (done eventstore.Erased, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["Erase"]; err != nil {
		return done, err
	}
	for id, e := range m.events {
		switch {
		case e.Subject != who.Subject:
		case !e.Status.Final():
			done.Pending++
		default:
			e.Subject, e.Request.Identity = "", hotsync.Identity{}
			m.events[id] = e
			done.Events++
		}
	}
	done.Logins = m.nothings.forget(who)
	return done, nil
}

// sides are Zuora and Limio as far as the console asks them.
type sides struct {
	mu      sync.Mutex
	fields  map[string]bool                 // custom fields of the account, and whether they are indexed
	found   map[string][]hotsync.AccountRef // by the value looked up
	numbers map[string]string               // account ids by number
	would   syncer.DryRun
	dryRuns []hotsync.SyncRequest
	zuora   error
	limio   error
}

func (s *sides) Resolve(_ context.Context, number string) (hotsync.AccountRef, error) {
	id, ok := s.numbers[number]
	if s.zuora == nil && !ok {
		return hotsync.AccountRef{}, hotsync.Errorf(hotsync.CodeZuoraNotFound, "No Zuora account has the number %s.", number)
	}
	return hotsync.AccountRef{ID: id, Number: number}, s.zuora
}

func (s *sides) Find(_ context.Context, _, value string, _ hotsync.ZuoraPlan) ([]hotsync.AccountRef, error) {
	return s.found[value], s.zuora
}

func (s *sides) LookupFieldStatus(_ context.Context, field string) (exists, indexed bool, err error) {
	indexed, exists = s.fields[field]
	return exists, indexed, s.zuora
}

func (s *sides) Check(context.Context) error { return s.limio }

func (s *sides) DryRun(_ context.Context, r hotsync.SyncRequest) (syncer.DryRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dryRuns = append(s.dryRuns, r)
	return s.would, s.zuora
}

// Owner is one to which two logins are linked.
func (s *sides) Owner(_ context.Context, id string) (ownership.Owner, error) {
	return ownership.Owner{ID: id, Logins: map[string]ownership.Member{"a": {}, "c": {}}}, s.limio
}
