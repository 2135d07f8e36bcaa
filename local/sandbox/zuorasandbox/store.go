package zuorasandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"hotsync/local/sandbox/persona"
)

// Errors of the state under /_sandbox/.
var (
	errNoAccount   = errors.New("there is no such account")
	errNumberTaken = errors.New("the account number belongs to another account")
)

// entry is an account with all that hangs on it, ready to be answered. It does
// not change once it is in the store.
type entry struct {
	id, number string
	stored     []byte // as it was put, with ids filled in
	created    time.Time
	updated    time.Time

	account       []byte // answer of GET /v1/accounts/{key}
	methods       []method
	methodsHead   object // of GET /v1/accounts/{key}/payment-methods, without the methods
	subscriptions []*subscription

	view              object // Object Query's account, with its nulls
	contactViews      map[string]object
	methodViews       []object
	subscriptionViews []object // every version

	rendered sync.Map // see renderSubscriptions
}

// method is a payment method under the key of its type.
type method struct {
	key string
	doc object
}

// subscription is one version of a subscription.
type subscription struct {
	id, number string
	latest     bool
	doc        object
}

// store holds the accounts. It is safe for concurrent use.
type store struct {
	mu       sync.RWMutex
	byID     map[string]*entry
	byNumber map[string]*entry
	bySub    map[string]*entry          // by subscription id and number
	byValue  map[string]map[string]bool // ids of accounts by valueKey
	sorted   []*entry                   // by id; nil when it must be made again
	fields   map[string]fieldSetting    // custom fields of the account
}

// fieldSetting says what a custom field is. Zuora filters by indexed ones only.
type fieldSetting struct {
	Indexed bool `json:"indexed"`
}

func newStore() *store {
	st := &store{}
	st.clear()
	return st
}

// clear empties the store and brings back the default fields.
func (st *store) clear() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.byID, st.byNumber, st.bySub = map[string]*entry{}, map[string]*entry{}, map[string]*entry{}
	st.byValue, st.sorted = map[string]map[string]bool{}, nil
	st.fields = map[string]fieldSetting{persona.LookupField: {Indexed: true}}
}

// put adds or replaces an account. When nothing but times differs from what is
// there, what is there stays.
func (st *store) put(e *entry) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	other := st.byNumber[e.number]
	if other != nil && other.id != e.id {
		return fmt.Errorf("%w: %s", errNumberTaken, other.id)
	}
	old := st.byID[e.id]
	if old != nil {
		if string(old.stored) == string(e.stored) {
			return nil
		}
		st.remove(old)
	}
	st.byID[e.id], st.byNumber[e.number], st.sorted = e, e, nil
	for _, s := range e.subscriptions {
		st.bySub[s.id] = e
		if s.latest {
			st.bySub[s.number] = e
		}
	}
	for name, value := range e.view {
		if !lookedUp(name) {
			continue
		}
		key := valueKey(name, value)
		if st.byValue[key] == nil {
			st.byValue[key] = map[string]bool{}
		}
		st.byValue[key][e.id] = true
		if isCustom(name) && !st.hasField(name) {
			st.fields[upperFirst(name)] = fieldSetting{}
		}
	}
	return nil
}

func (st *store) remove(e *entry) {
	delete(st.byID, e.id)
	delete(st.byNumber, e.number)
	st.sorted = nil
	for _, s := range e.subscriptions {
		for _, key := range []string{s.id, s.number} {
			if st.bySub[key] == e { // else it has moved to another account
				delete(st.bySub, key)
			}
		}
	}
	for name, value := range e.view {
		key := valueKey(name, value)
		delete(st.byValue[key], e.id)
		if len(st.byValue[key]) == 0 {
			delete(st.byValue, key)
		}
	}
}

// lookedUp tells whether accounts are found by the field without a scan.
func lookedUp(field string) bool { return isCustom(field) || field == "id" || field == "accountNumber" }

// valueKey is the same for values that a filter takes for equal: in any case,
// and 1.50 with 1.5.
func valueKey(field string, value any) string {
	text := strings.ToLower(fmt.Sprint(value))
	if n, ok := plainNumber(text); ok {
		text = n.RatString()
	}
	return strings.ToLower(field) + "\x00" + text
}

func (st *store) delete(id string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	e, ok := st.byID[id]
	if !ok {
		return errNoAccount
	}
	st.remove(e)
	return nil
}

// account finds an account by id or number.
func (st *store) account(key string) (*entry, bool) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	e, ok := st.byID[key]
	if !ok {
		e, ok = st.byNumber[key]
	}
	return e, ok
}

// ofSubscription finds the account of a subscription by its id or number.
func (st *store) ofSubscription(key string) (*entry, bool) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	e, ok := st.bySub[key]
	return e, ok
}

// all returns the accounts by id.
func (st *store) all() []*entry {
	st.mu.RLock()
	sorted := st.sorted
	st.mu.RUnlock()
	if sorted != nil {
		return sorted
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.sorted == nil {
		st.sorted = slices.SortedFunc(maps.Values(st.byID), func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	}
	return st.sorted
}

// withValue returns the accounts whose field may equal value, by id. Only for
// fields that are looked up.
func (st *store) withValue(field, value string) []*entry {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var out []*entry
	for id := range st.byValue[valueKey(field, value)] {
		out = append(out, st.byID[id])
	}
	slices.SortFunc(out, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	return out
}

// field returns the setting of a custom field, in any case, with its API name.
func (st *store) field(name string) (api string, setting fieldSetting, ok bool) {
	st.mu.RLock()
	defer st.mu.RUnlock()
	for api, setting := range st.fields {
		if strings.EqualFold(api, name) {
			return api, setting, true
		}
	}
	return "", fieldSetting{}, false
}

// hasField is field for who holds the lock.
func (st *store) hasField(name string) bool {
	for api := range st.fields {
		if strings.EqualFold(api, name) {
			return true
		}
	}
	return false
}

func (st *store) setFields(fields map[string]fieldSetting) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.fields = map[string]fieldSetting{}
	maps.Copy(st.fields, fields)
	for _, e := range st.byID {
		for name := range e.view {
			if isCustom(name) && !st.hasField(name) {
				st.fields[upperFirst(name)] = fieldSetting{}
			}
		}
	}
}

func (st *store) allFields() map[string]fieldSetting {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return maps.Clone(st.fields)
}

func isCustom(field string) bool { return strings.HasSuffix(field, "__c") }

// Object Query lowers the first letter of a name: LimioExternalId__c becomes
// limioExternalId__c, CASSubscriberID__c becomes cASSubscriberID__c.
func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }
func upperFirst(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// Put adds or replaces the account of that id. body is that of
// PUT /_sandbox/accounts/{id}: {"account", "paymentMethods", "subscriptions"}
// in the shapes of Zuora's v1 API.
func (s *Server) Put(id string, body []byte) error { return s.putAccount(id, json.RawMessage(body)) }

// Delete removes an account.
func (s *Server) Delete(id string) error { return s.store.delete(id) }
