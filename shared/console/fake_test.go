package console_test

import (
	"cmp"
	"context"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hotsync/shared/console"
	"hotsync/shared/console/staff"
	"hotsync/shared/console/staff/stafftest"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/pause"
	"hotsync/shared/settingstore"
	"hotsync/shared/syncqueue"
)

// start is when the tests happen.
var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// memory is an event store in memory. Errors set in fail are given back by the
// method of that name.
type memory struct {
	mu       sync.Mutex
	events   map[string]hotsync.Event
	accounts map[string]eventstore.AccountState
	slots    []eventstore.Slot
	terms    map[string][]string // what else finds an event, by its id
	fail     map[string]error
	searches []eventstore.Query
	nothings *nothings // are erased with a person
}

func newMemory(events ...hotsync.Event) *memory {
	m := &memory{events: map[string]hotsync.Event{}, accounts: map[string]eventstore.AccountState{},
		fail: map[string]error{}, terms: map[string][]string{}}
	for _, e := range events {
		m.events[e.ID] = e
	}
	return m
}

func (m *memory) matching(q eventstore.Query) []hotsync.Event {
	var out []hotsync.Event
	open := map[string]string{}
	if q.Open {
		for _, o := range m.open() {
			open[o.ID] = o.Reason
		}
	}
	for _, e := range m.events {
		if q.Open && (open[e.ID] == "" || q.Reason != "" && open[e.ID] != q.Reason) {
			continue
		}
		account := func(s string) bool {
			return strings.EqualFold(e.Account.ID, s) || strings.EqualFold(e.Account.Number, s)
		}
		if (q.Account == "" || account(q.Account)) && (q.Subject == "" || e.Subject == q.Subject) &&
			(len(q.Statuses) == 0 || slices.Contains(q.Statuses, e.Status)) && (q.Provider == "" || q.Provider == e.Provider) &&
			(q.Trigger == "" || q.Trigger == e.Trigger) && (q.Reason == "" || q.Reason == e.Reason) &&
			(q.From.IsZero() || e.ID >= hotsync.FirstEventID(q.From)) && (q.To.IsZero() || e.ID < hotsync.FirstEventID(q.To)) &&
			(q.Q == "" || e.ID == q.Q || account(q.Q) || e.Subject == q.Q || slices.Contains(m.terms[e.ID], q.Q)) {
			e = e.Counted()
			if !q.Full {
				e.Changes, e.Attempts, e.Findings, e.Steps, e.Candidates, e.Request = nil, nil, nil, nil, nil, hotsync.SyncRequest{}
			}
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b hotsync.Event) int { return cmp.Compare(b.ID, a.ID) })
	return out
}

// Open lists what nothing has settled since, as the store's contract says.
func (m *memory) Open(context.Context) (eventstore.OpenList, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["Open"]; err != nil {
		return eventstore.OpenList{}, err
	}
	return eventstore.OpenList{Events: m.open()}, nil
}

func (m *memory) open() []eventstore.Open {
	unseen := func(e hotsync.Event) bool {
		return slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
	}
	var all []hotsync.Event
	for _, e := range m.events {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b hotsync.Event) int { return cmp.Compare(a.ID, b.ID) })
	open := map[string]eventstore.Open{}
	for _, e := range all {
		key := cmp.Or(e.Account.ID, e.Account.Number, e.LoginID) + " " + e.Subject
		o := eventstore.Open{ID: e.ID, Status: e.Status, Reason: e.Reason, Provider: e.Provider, Trigger: e.Trigger,
			Account: e.Account,
			First:   e.RequestedAt, Last: e.RequestedAt, Failures: open[key].Failures + 1}
		if was, ok := open[key]; ok {
			o.First = was.First
		}
		switch {
		case e.Status == hotsync.StatusFailed, e.Reason == hotsync.ReasonAmbiguous, e.Reason == hotsync.ReasonStaleClaim:
			open[key] = o
		case e.Status == hotsync.StatusSucceeded && unseen(e):
			o.Reason = eventstore.ReasonNotSeen
			open[key] = o
		case e.Status == hotsync.StatusSucceeded:
			delete(open, key)
		}
	}
	var out []eventstore.Open
	for _, o := range open {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b eventstore.Open) int { return cmp.Compare(b.ID, a.ID) })
	return out
}

// refused reports whether a store would refuse the query.
func refused(q eventstore.Query) bool {
	known := func(s hotsync.Status) bool { return slices.Contains(hotsync.Statuses, s) }
	return q.Limit < 0 || q.Limit > eventstore.MaxLimit || !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) ||
		slices.ContainsFunc(q.Statuses, func(s hotsync.Status) bool { return !known(s) })
}

func (m *memory) Search(_ context.Context, q eventstore.Query) (eventstore.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.searches = append(m.searches, q)
	if err := m.fail["Search"]; err != nil {
		return eventstore.Page{}, err
	}
	if refused(q) || q.Cursor != "" && !hotsync.IsEventID(q.Cursor) {
		return eventstore.Page{}, hotsync.Errorf(hotsync.CodeBadRequest, "The query, or its cursor, is none.")
	}
	all := m.matching(q)
	if q.Cursor != "" {
		all = slices.DeleteFunc(all, func(e hotsync.Event) bool { return e.ID >= q.Cursor })
	}
	limit := cmp.Or(q.Limit, eventstore.DefaultLimit)
	if len(all) <= limit {
		return eventstore.Page{Events: all}, nil
	}
	ahead := min(limit+q.Ahead, len(all))
	return eventstore.Page{Events: all[:limit], Cursor: all[limit-1].ID, Ahead: all[limit:ahead:ahead],
		Beyond: ahead < len(all)}, nil
}

func (m *memory) Get(_ context.Context, id string) (hotsync.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["Get"]; err != nil {
		return hotsync.Event{}, err
	}
	e, ok := m.events[id]
	if !ok {
		return hotsync.Event{}, eventstore.ErrNotFound
	}
	return e, nil
}

func (m *memory) PutQueued(_ context.Context, e hotsync.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["PutQueued"]; err != nil {
		return err
	}
	if _, ok := m.events[e.ID]; !ok {
		m.events[e.ID] = e
	}
	return nil
}

func (m *memory) CountMatching(_ context.Context, q eventstore.Query, limit int) (eventstore.Total, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["CountMatching"]; err != nil {
		return eventstore.Total{}, err
	}
	n := len(m.matching(q))
	return eventstore.Total{N: min(n, limit), AtLeast: n > limit}, nil
}

func (m *memory) Count(_ context.Context, from, to time.Time) ([]eventstore.Slot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["Count"]; err != nil {
		return nil, err
	}
	var out []eventstore.Slot
	for _, s := range m.slots {
		if !s.At.Before(from) && s.At.Before(to) {
			out = append(out, s)
		}
	}
	return out, nil
}

func (m *memory) OldestUnfinished(context.Context) (hotsync.Event, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["OldestUnfinished"]; err != nil {
		return hotsync.Event{}, false, err
	}
	all := m.matching(
		eventstore.Query{Statuses: []hotsync.Status{hotsync.StatusQueued, hotsync.StatusRunning, hotsync.StatusRetrying}})
	if len(all) == 0 {
		return hotsync.Event{}, false, nil
	}
	return all[len(all)-1], true, nil
}

func (m *memory) LoadAccount(_ context.Context, id string) (eventstore.AccountState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["LoadAccount"]; err != nil {
		return eventstore.AccountState{}, err
	}
	s, ok := m.accounts[id]
	if !ok {
		return eventstore.AccountState{AccountID: id}, nil
	}
	return s, nil
}

type queue struct {
	mu    sync.Mutex
	sent  []hotsync.SyncRequest
	depth int
	fail  error
}

func (q *queue) Send(_ context.Context, r hotsync.SyncRequest) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail != nil {
		return q.fail
	}
	q.sent = append(q.sent, r)
	return nil
}

func (q *queue) Depth(context.Context) (syncqueue.Depth, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return syncqueue.Depth{Visible: q.depth, InFlight: 1}, q.fail
}

type settings struct {
	value   hotsync.Settings
	earlier []settingstore.Entry // newest first
	fail    error
}

func (s *settings) Load(context.Context) (hotsync.Settings, error) { return s.value, s.fail }

type acts struct {
	mu   sync.Mutex
	list []eventstore.Act
}

func (a *acts) Record(_ context.Context, act eventstore.Act) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, act)
	return nil
}

func (a *acts) Acts(_ context.Context, day time.Time, limit int) ([]eventstore.Act, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []eventstore.Act
	for _, act := range a.list {
		if act.At.UTC().Format(time.DateOnly) == day.UTC().Format(time.DateOnly) {
			out = append(out, act)
		}
	}
	slices.SortStableFunc(out, func(a, b eventstore.Act) int { return b.At.Compare(a.At) })
	return out[:min(limit, len(out))], nil
}

// bundle is a console on fakes, reached over HTTP by a browser-like client.
type bundle struct {
	t        *testing.T
	events   *memory
	queue    *queue
	settings *settings
	sides    *sides // Zuora and Limio
	acts     *acts
	provider *stafftest.Provider
	sessions *stafftest.Sessions
	server   *httptest.Server
	nothings *nothings // logins that led to nothing
	jobs     jobs.Memory
	lane     *lane
	pauses   map[string]pause.State
	mu       sync.Mutex
	now      time.Time
}

func setup(t *testing.T, events ...hotsync.Event) *bundle {
	t.Helper()
	b := &bundle{t: t, events: newMemory(events...), queue: &queue{}, sides: &sides{}, acts: &acts{}, lane: &lane{},
		provider: stafftest.Start(t), sessions: &stafftest.Sessions{}, now: start,
		settings: &settings{value: hotsync.Settings{HotSync: true,
			Providers:        []hotsync.Provider{{Name: "direct"}, {Name: "lookup"}},
			ZuoraAccountURL:  "https://zuora.example.com/accounts/{id}",
			LimioCustomerURL: "https://limio.example.com/customers/{id}"}}}
	b.nothings = &nothings{emails: map[string]string{}}
	b.events.nothings = b.nothings
	b.server = httptest.NewServer(console.New(b.config()))
	t.Cleanup(b.server.Close)
	return b
}

func (b *bundle) config() console.Config {
	n := 0
	return console.Config{Events: b.events, Queue: b.queue, Dead: b.queue, Settings: b.settings, Zuora: b.sides,
		Limio: b.sides, DryRunner: b.sides, Owners: b.sides, Tokens: stafftest.Tokens{}, Audit: b.acts, Logins: b.nothings,
		Jobs: &b.jobs, Gallery: true,
		Pauses: func(context.Context) (map[string]pause.State, error) { return b.pauses, b.events.fail["Pauses"] },
		Staff:  newDoor(b.provider, b.sessions, b.clock, b.log()),
		NewEventID: func(at time.Time) string {
			n++
			return hotsync.NewEventID(at.Add(time.Duration(n)*time.Millisecond),
				func(p []byte) (int, error) { p[0] = byte(n); return len(p), nil })
		},
		Now: b.clock, Log: b.log()}
}

func (b *bundle) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(b.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// newDoor is the door of a console whose staff sign in with that provider.
func newDoor(p *stafftest.Provider, sessions *stafftest.Sessions, now func() time.Time, log *slog.Logger) *staff.Door {
	return staff.New(staff.Config{Issuer: p.URL, ClientID: "hotsync-local", GroupsClaim: "groups",
		Tokens: stafftest.Tokens{}, Sessions: sessions,
		SessionKey: func(context.Context) ([]byte, error) { return []byte(strings.Repeat("k", 32)), nil }, Now: now,
		Log: log})
}

func (b *bundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bundle) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}
