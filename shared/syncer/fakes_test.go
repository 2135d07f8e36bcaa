package syncer_test

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"hotsync/shared/billing"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
	"hotsync/shared/projection"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
	"hotsync/shared/zuora"
)

// The fakes stand for the world in virtual time, where sockets cannot be used.
// The same flows run against the sandboxes and engines in local/stack.

const (
	accountID = "8a12800000000000000000000000abcd"
	otherID   = "8a12800000000000000000000000beef"
)

// tenant is a Zuora tenant in memory.
type tenant struct {
	accounts map[string]billing.Account // by id
	fail     []error                    // one for each of the next reads; nil lets it through
	reads    int
	during   func() // happens while the next answer is on its way
	today    string // that the last read was asked for
	asked    zuora.ReadOptions
	mu       sync.Mutex
}

func (z *tenant) next() error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.reads++
	if z.during != nil {
		z.during()
		z.during = nil
	}
	if len(z.fail) == 0 {
		return nil
	}
	err := z.fail[0]
	z.fail = z.fail[1:]
	return err
}

func (z *tenant) Read(_ context.Context, id string, opt zuora.ReadOptions) (billing.Account, error) {
	err := z.next()
	if err != nil {
		return billing.Account{}, err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.today, z.asked = opt.Today, opt
	a, ok := z.accounts[id]
	if !ok {
		return billing.Account{}, hotsync.Errorf(hotsync.CodeZuoraNotFound, "no account")
	}
	return a, nil
}

func (z *tenant) Resolve(_ context.Context, number string) (hotsync.AccountRef, error) {
	err := z.next()
	if err != nil {
		return hotsync.AccountRef{}, err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, a := range z.accounts {
		if a.Number == number {
			return hotsync.AccountRef{ID: a.ID, Number: a.Number}, nil
		}
	}
	return hotsync.AccountRef{}, hotsync.Errorf(hotsync.CodeZuoraNotFound, "no account")
}

func (z *tenant) Find(_ context.Context, field, value string, _ hotsync.ZuoraPlan) ([]hotsync.AccountRef, error) {
	err := z.next()
	if err != nil {
		return nil, err
	}
	var out []hotsync.AccountRef
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, a := range z.accounts {
		if a.CustomFields[field] == value {
			out = append(out, hotsync.AccountRef{ID: a.ID, Number: a.Number})
		}
	}
	slices.SortFunc(out, func(a, b hotsync.AccountRef) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
	return out, nil
}

// mirror is a Limio in memory that creates by POST.
type mirror struct {
	unfiltered bool // answers with everything, whosever it is
	transfers  []string
	refuses    error // transfers
	mu         sync.Mutex
	objects    []projection.Object
	fail       []error
	writes     int
	plugin     func(number string) []projection.Object // what Limio makes and shows of a subscription; nil for no plugin
	hides      bool                                    // does not show who is linked
	// happens before a customer is made; false where Limio then refuses it as existing
	creating func(projection.Object) bool
}

func (l *mirror) write() error {
	l.writes++
	if len(l.fail) == 0 {
		return nil
	}
	err := l.fail[0]
	l.fail = l.fail[1:]
	return err
}

// Account finds the customer by the account's identity, as Limio does, and gives
// what hangs on it and its owner.
func (l *mirror) Account(_ context.Context, id string) ([]projection.Object, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.objects, func(o projection.Object) bool { return o.Key == "zuora/account/"+id })
	if i < 0 {
		return slices.DeleteFunc(copies(l.objects), func(o projection.Object) bool { return !l.unfiltered }), nil
	}
	return l.customer(l.objects[i].Customer), nil
}

func (l *mirror) Customer(_ context.Context, id string) ([]projection.Object, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.objects, func(o projection.Object) bool { return o.ID == id }) {
		return nil, nil
	}
	return l.customer(id), nil
}

func (l *mirror) customer(customer string) []projection.Object {
	owner := ""
	for _, o := range l.objects {
		if o.ID == customer {
			owner = o.Owner
		}
	}
	var out []projection.Object
	for _, o := range l.objects {
		if l.hides && (o.ID == owner || o.Type == projection.TypeExternal) {
			continue
		}
		if l.unfiltered || o.ID == customer || o.Customer == customer || o.ID == owner || o.Type == projection.TypeExternal &&
			o.Owner == owner {
			out = append(out, o)
		}
	}
	return copies(out)
}

// all returns every object there is.
func (l *mirror) all() []projection.Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	return copies(l.objects)
}

// copies are objects whose data nobody else changes.
func copies(objects []projection.Object) []projection.Object {
	out := slices.Clone(objects)
	for i := range out {
		out[i].Data = copied(out[i].Data)
	}
	return out
}

func copied(data map[string]any) map[string]any {
	out := maps.Clone(data)
	for k, v := range out {
		if nested, ok := v.(map[string]any); ok {
			out[k] = copied(nested)
		}
	}
	return out
}

func (l *mirror) Create(_ context.Context, o projection.Object) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.write()
	if err == nil {
		o.Data = copied(o.Data)
		l.objects = append(l.objects, o)
	}
	return err
}

func (l *mirror) Identity(_ context.Context, id string) (projection.Object, error) {
	for _, o := range l.all() {
		if o.ID == id {
			return o, nil
		}
	}
	return projection.Object{}, hotsync.Errorf(hotsync.CodeLimioNotFound, "404")
}

func (l *mirror) CreateNew(ctx context.Context, o projection.Object) (bool, error) {
	if before := l.creating; before != nil && o.Kind == projection.Customer {
		l.creating = nil
		if !before(o) {
			return false, nil
		}
	}
	if slices.ContainsFunc(l.all(), func(h projection.Object) bool { return h.ID == o.ID }) {
		return false, nil
	}
	return true, l.Create(ctx, o)
}

func (l *mirror) Update(_ context.Context, _ projection.Kind, _, id, status string, data map[string]any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.objects, func(o projection.Object) bool { return o.ID == id }) {
		return hotsync.Errorf(hotsync.CodeLimioNotFound, "404")
	}
	err := l.write()
	for i := range l.objects {
		if l.objects[i].ID == id && err == nil {
			merge(l.objects[i].Data, data)
			if status != "" {
				l.objects[i].Status = status
			}
		}
	}
	return err
}

// merge is Limio's deep merge.
func merge(into, patch map[string]any) {
	for k, v := range patch {
		nested, isMap := v.(map[string]any)
		old, wasMap := into[k].(map[string]any)
		if isMap && wasMap {
			merge(old, nested)
		} else {
			into[k] = v
		}
	}
}

func (l *mirror) LinkExternalIdentity(_ context.Context, owner string, who hotsync.Identity) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.write()
	if err == nil {
		o := projection.Object{ID: "id-" + who.Subject, Kind: projection.Identity, Type: projection.TypeExternal,
			Owner: owner, Status: "active", Data: map[string]any{"iss": who.Issuer, "sub": who.Subject}}
		o.Key = projection.KeyOf(o)
		l.objects = append(l.objects, o)
	}
	return err
}

func (l *mirror) TransferOwner(_ context.Context, from, to string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.transfers = append(l.transfers, from+" to "+to)
	if l.refuses != nil {
		return l.refuses
	}
	for i := range l.objects {
		if l.objects[i].Owner == from && l.objects[i].Type != projection.TypeExternal {
			l.objects[i].Owner = to
		}
	}
	return nil
}

func (l *mirror) SyncSubscription(_ context.Context, number string) (string, string, error) {
	if l.plugin == nil {
		return "", "", hotsync.Errorf(hotsync.CodeLimioCreation, "no plugin")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.objects = append(l.objects, l.plugin(number)...)
	return "sub-limio", "id-limio", nil
}

// ledger is an event store in memory.
type ledger struct {
	mu      sync.Mutex
	events  map[string]hotsync.Event
	states  map[string]eventstore.AccountState
	turns   map[string]turn
	terms   map[string][]string
	tallied []string
	down    bool
	asked   []string                  // what was called, in order
	slow    []time.Duration           // how long each of the next writes of an event takes
	fail    []error                   // of each of them
	aliases []error                   // of the next writes of names
	named   []eventstore.AccountState // whose names were saved
	unsaved error                     // why no state is saved
}

func (s *ledger) Get(_ context.Context, id string) (hotsync.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "get")
	if s.down {
		return hotsync.Event{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "down")
	}
	e, ok := s.events[id]
	if !ok {
		return hotsync.Event{}, eventstore.ErrNotFound
	}
	return e, nil
}

func (s *ledger) Put(_ context.Context, e hotsync.Event) (hotsync.Event, error) {
	s.mu.Lock()
	s.asked = append(s.asked, "put")
	slow, err := next(&s.slow), next(&s.fail)
	s.mu.Unlock()
	time.Sleep(slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return hotsync.Event{}, err
	}
	if s.down {
		return hotsync.Event{}, hotsync.Errorf(hotsync.CodeStoreUnavailable, "down")
	}
	if s.events[e.ID].Revision != e.Revision {
		return hotsync.Event{}, eventstore.ErrConflict
	}
	e.Revision++
	s.events[e.ID] = e
	return e, nil
}

// next takes the first of a list, the zero value when it is empty.
func next[T any](list *[]T) (first T) {
	if len(*list) > 0 {
		first, *list = (*list)[0], (*list)[1:]
	}
	return first
}

func (s *ledger) Tally(_ context.Context, e hotsync.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "tally")
	s.tallied = append(s.tallied, e.ID)
	return nil
}

// turn is an account's; n counts the writes of its item.
type turn struct {
	lane  eventstore.Lane
	until time.Time
	n     int
}

func (s *ledger) TakeTurn(_ context.Context, id string, lane eventstore.Lane, until time.Time) (eventstore.AccountState,
	error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "take turn")
	t := s.turns[id]
	if t.lane != lane && time.Now().Before(t.until) {
		return eventstore.AccountState{}, &eventstore.TurnTaken{Until: t.until}
	}
	s.turns[id] = turn{lane, until, t.n + 1}
	state := s.states[id]
	state.AccountID, state.Revision = id, t.n+1
	return state, nil
}

func (s *ledger) LookTurn(_ context.Context, id string, lane eventstore.Lane) (eventstore.AccountState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "look turn")
	t := s.turns[id]
	if t.lane != lane && time.Now().Before(t.until) {
		return eventstore.AccountState{}, &eventstore.TurnTaken{Until: t.until}
	}
	state := s.states[id]
	state.AccountID, state.Revision = id, t.n
	return state, nil
}

func (s *ledger) HoldTurn(_ context.Context, a eventstore.AccountState, lane eventstore.Lane,
	until time.Time) (eventstore.AccountState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "hold turn")
	if s.turns[a.AccountID].n != a.Revision {
		return eventstore.AccountState{}, eventstore.ErrConflict
	}
	a.Revision++
	s.turns[a.AccountID] = turn{lane, until, a.Revision}
	return a, nil
}

func (s *ledger) EndTurn(_ context.Context, a eventstore.AccountState, lane eventstore.Lane) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "end turn")
	if t := s.turns[a.AccountID]; t.lane == lane && t.n == a.Revision {
		s.turns[a.AccountID] = turn{n: t.n}
	}
	return nil
}

func (s *ledger) SaveAccount(_ context.Context, a eventstore.AccountState) (eventstore.AccountState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "save account")
	t := s.turns[a.AccountID]
	if s.unsaved != nil {
		return a, s.unsaved
	}
	if t.n != a.Revision {
		return a, eventstore.ErrConflict
	}
	s.turns[a.AccountID] = turn{n: t.n + 1}
	a.Revision++
	s.states[a.AccountID] = a
	return a, nil
}

func (s *ledger) SaveAliases(_ context.Context, a eventstore.AccountState, terms ...string) (eventstore.AccountState,
	error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "save aliases")
	err := next(&s.aliases)
	if err != nil {
		return eventstore.AccountState{}, err
	}
	s.terms[a.AccountID], s.named = terms, append(s.named, a)
	a.AliasHash, a.AliasesUntil = hotsync.Digest(terms...), time.Now().Add(time.Hour)
	return a, nil
}

// outbox is a queue that keeps what was sent on.
type outbox struct {
	mu   sync.Mutex
	sent []hotsync.SyncRequest
}

func (q *outbox) Resend(_ context.Context, r hotsync.SyncRequest) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	r.Requeued++
	q.sent = append(q.sent, r)
	return nil
}

type fixed hotsync.Settings

func (f *fixed) Load(context.Context) (hotsync.Settings, error) { return hotsync.Settings(*f), nil }

// meanwhile are settings during whose reading something happens.
type meanwhile struct {
	syncer.Settings
	happens func()
}

func (m meanwhile) Load(ctx context.Context) (hotsync.Settings, error) {
	m.happens()
	return m.Settings.Load(ctx)
}

type testBundle struct {
	zuora    *tenant
	limio    *mirror
	events   *ledger
	queue    *outbox
	owners   *ownership.Memory
	settings *fixed
	syncer   *syncer.Syncer
	sequence int
	logins   []hotsync.LoginRecord
}

func (b *testBundle) RecordLogin(_ context.Context, r hotsync.LoginRecord) (bool, error) {
	b.logins = append(b.logins, r)
	return true, nil
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	settings := hotsync.DefaultSettings()
	settings.HotSync = true
	b := &testBundle{
		zuora: &tenant{accounts: map[string]billing.Account{
			accountID: {ID: accountID, Number: "A00000001", Name: "Ada Reader", Status: "Active",
				CustomFields: map[string]string{"LimioExternalId__c": "auth0|ada"},
				BillTo: &billing.Contact{ID: "c1", FirstName: "Ada", LastName: "Reader", WorkEmail: "ada@example.com",
					Country: "United Kingdom"}},
			otherID: {ID: otherID, Number: "A00000002", Name: "Bob", Status: "Active",
				CustomFields: map[string]string{"LimioExternalId__c": "auth0|bob"}},
		}},
		limio: &mirror{},
		events: &ledger{events: map[string]hotsync.Event{}, states: map[string]eventstore.AccountState{},
			turns: map[string]turn{}, terms: map[string][]string{}},
		queue:    &outbox{},
		owners:   &ownership.Memory{},
		settings: (*fixed)(&settings),
	}
	b.syncer = syncer.New(syncer.Config{Zuora: b.zuora, Limio: b.limio, Events: b.events, Records: b, Ownership: b.owners,
		Settings: b.settings, Queue: b.queue, Tenant: "acme",
		MaxAttempts: 3, SearchKey: func(context.Context) []byte {
			return []byte("k")
		}, Now: time.Now, Jitter: func() float64 { return 0.5 },
		Log: slog.New(slog.DiscardHandler)})
	return b
}

// request is a new login of ada for the account.
func (b *testBundle) request() hotsync.SyncRequest {
	b.sequence++
	return hotsync.SyncRequest{EventID: hotsync.EventIDFor(time.Now(), string(rune('a'+b.sequence))), LoginID: "l",
		Trigger:  hotsync.TriggerLogin,
		Identity: hotsync.Identity{Issuer: "https://idp.example.com", Subject: "auth0|ada"}, Claim: "zuora",
		Account: accountID, RequestedAt: time.Now()}
}

func (b *testBundle) handle(t *testing.T, r hotsync.SyncRequest, receive int) (syncqueue.Outcome, hotsync.Event) {
	t.Helper()
	out := b.syncer.Handle(t.Context(),
		syncqueue.Message{Request: r, ReceiveCount: receive, SentAt: r.RequestedAt, ID: "m"})
	return out, b.events.events[r.EventID]
}
