package limiosandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// The record types that have more to them than being kept.
const (
	kindIdentity      = "identity"
	kindCustomer      = "customer"
	kindSubscription  = "subscription"
	kindOffer         = "subscription_offer"
	kindAddOn         = "subscription_add_on"
	kindSchedule      = "schedule"
	kindPaymentMethod = "payment_method"
	kindAddress       = "address"
	kindRelationship  = "relationship"

	typeOwner    = "@limio/id"
	typeExternal = "@limio/external-id"
)

// envelope is an object as Limio shows it.
type envelope struct {
	RecordType       string          `json:"record_type"`
	ID               string          `json:"id"`
	RelationshipID   string          `json:"relationship_id,omitempty"`
	RelationshipType string          `json:"relationship_type,omitempty"`
	Name             string          `json:"name,omitempty"`
	Type             string          `json:"type,omitempty"`
	Service          string          `json:"service,omitempty"`
	Status           string          `json:"status,omitempty"`
	Mode             string          `json:"mode,omitempty"`
	Reference        string          `json:"reference,omitempty"`
	Owner            string          `json:"owner,omitempty"`
	Customer         string          `json:"customer,omitempty"`
	Related          string          `json:"related,omitempty"`
	Subscription     string          `json:"subscription,omitempty"` // of a relationship only
	Start            string          `json:"start,omitempty"`
	Created          string          `json:"created,omitempty"`
	Updated          string          `json:"updated,omitempty"`
	Data             json.RawMessage `json:"data,omitempty"`
}

// record is a stored object. raw is replaced, never written into, so a reader
// may keep it after the lock is released.
type record struct {
	envelope
	seq   int    // order of creation
	value string // data.value of an identity, under which it is indexed
	raw   json.RawMessage
}

// store holds the objects, with an index for each way they are looked for: a
// soak test syncs ten thousand accounts.
type store struct {
	mu         sync.RWMutex
	seq        int
	byID       map[string]*record
	byKind     map[string][]*record
	byOwner    map[string][]*record
	byCustomer map[string][]*record
	byRelated  map[string][]*record
	byValue    map[identityValue][]*record
	byNumber   map[subscriptionName]*record
	counts     counts
	assume     assumptions
	catalogue  []catalogueItem // by path
}

// identityValue names something outside Limio, such as zuora, account and the
// account's id.
type identityValue struct{ service, kind, value string }

type subscriptionName struct{ customer, name string }

func (st *store) reset(published []catalogueItem) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.seq = 0
	st.byID = map[string]*record{}
	st.byKind = map[string][]*record{}
	st.byOwner = map[string][]*record{}
	st.byCustomer = map[string][]*record{}
	st.byRelated = map[string][]*record{}
	st.byValue = map[identityValue][]*record{}
	st.byNumber = map[subscriptionName]*record{}
	st.counts = newCounts()
	st.assume = allAssumed
	st.catalogue = published
}

// The methods below want the lock held.

// add stores a new object.
func (st *store) add(e envelope) (*record, error) {
	r := &record{envelope: e, seq: st.seq}
	err := r.encode()
	if err != nil {
		return nil, err
	}
	st.seq++
	st.byID[r.ID] = r
	st.byKind[r.RecordType] = append(st.byKind[r.RecordType], r)
	r.indexUnder(st.byOwner, r.Owner)
	r.indexUnder(st.byCustomer, r.Customer)
	r.indexUnder(st.byRelated, r.Related)
	if r.RecordType == kindSubscription {
		st.byNumber[subscriptionName{r.Customer, r.Name}] = r
	}
	st.indexValue(r)
	return r, nil
}

// remove takes an object out of the store and its indexes.
func (st *store) remove(r *record) {
	is := func(other *record) bool { return other == r }
	delete(st.byID, r.ID)
	st.byKind[r.RecordType] = slices.DeleteFunc(st.byKind[r.RecordType], is)
	st.byOwner[r.Owner] = slices.DeleteFunc(st.byOwner[r.Owner], is)
	st.byCustomer[r.Customer] = slices.DeleteFunc(st.byCustomer[r.Customer], is)
	st.byRelated[r.Related] = slices.DeleteFunc(st.byRelated[r.Related], is)
	for key, records := range st.byValue {
		st.byValue[key] = slices.DeleteFunc(records, is)
	}
	if st.byNumber[subscriptionName{r.Customer, r.Name}] == r {
		delete(st.byNumber, subscriptionName{r.Customer, r.Name})
	}
}

// indexUnder adds r to an index; an object may name itself, which leads nowhere.
func (r *record) indexUnder(index map[string][]*record, key string) {
	if key != "" && key != r.ID {
		index[key] = append(index[key], r)
	}
}

// encode renews what readers get.
func (r *record) encode() error {
	raw, err := json.Marshal(r.envelope)
	if err != nil {
		return fmt.Errorf("encode %s: %w", r.ID, err)
	}
	r.raw = raw
	return nil
}

// indexValue keeps the index of outside names right when data changed.
func (st *store) indexValue(r *record) {
	if r.RecordType != kindIdentity || r.Type == typeOwner || r.Type == typeExternal {
		return
	}
	var data struct {
		Value any `json:"value"`
	}
	value := ""
	if json.Unmarshal(r.Data, &data) == nil {
		value, _ = data.Value.(string)
	}
	if value == r.value {
		return
	}
	old := identityValue{r.Service, r.Type, r.value}
	st.byValue[old] = slices.DeleteFunc(st.byValue[old], func(other *record) bool { return other == r })
	r.value = value
	if value != "" {
		key := identityValue{r.Service, r.Type, value}
		st.byValue[key] = append(st.byValue[key], r)
	}
}

// merge changes members of data and, unless they are "", name and status.
func (st *store) merge(r *record, name, status string, patch map[string]any, now string) error {
	data, err := decodeData(r.Data)
	if err != nil {
		return err
	}
	deepMerge(data, patch)
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode data of %s: %w", r.ID, err)
	}
	r.Data, r.Updated = raw, now
	if name != "" {
		r.Name = name
	}
	if status != "" {
		r.Status = status
	}
	st.indexValue(r)
	return r.encode()
}

// deepMerge puts patch into data: objects member by member, all else whole.
func deepMerge(data, patch map[string]any) {
	for name, value := range patch {
		into, isObject := data[name].(map[string]any)
		from, ok := value.(map[string]any)
		if isObject && ok {
			deepMerge(into, from)
			continue
		}
		data[name] = value
	}
}

// customerOf is the customer of a Zuora account, or nil.
func (st *store) customerOf(accountID string) *record {
	for _, identity := range st.byValue[identityValue{"zuora", "account", accountID}] {
		c := st.byID[identity.Customer]
		if c != nil {
			return c
		}
	}
	return nil
}

// owned returns the objects of an owner that belong to no customer: his external
// identities above all.
func (st *store) owned(owner string) []*record {
	var out []*record
	for _, r := range st.byOwner[owner] {
		if r.Customer == "" && r.Related == "" && r.RecordType != kindCustomer && r.Type != typeOwner {
			out = append(out, r)
		}
	}
	return out
}

// relatedToCustomer gives all that belongs to a customer, himself included.
func (st *store) relatedToCustomer(c *record) []json.RawMessage {
	set := map[*record]bool{}
	st.addChain(set, c)
	for _, r := range st.byCustomer[c.ID] {
		st.addChain(set, r)
	}
	for _, r := range st.owned(c.Owner) {
		st.addChain(set, r)
	}
	if owner := st.byID[c.Owner]; owner != nil {
		set[owner] = true
	}
	return inOrder(set)
}

// relatedToSubscription returns a subscription with what hangs on it; its
// addresses and the payment methods tied to it come as rows that join the object
// to the relationship.
func (st *store) relatedToSubscription(sub *record) ([]json.RawMessage, error) {
	set := map[*record]bool{}
	st.addChain(set, sub)
	for _, id := range []string{sub.Owner, sub.Customer} {
		if r := st.byID[id]; r != nil {
			set[r] = true
		}
	}
	var rows []json.RawMessage
	for _, r := range st.byCustomer[sub.Customer] {
		if r.RecordType != kindPaymentMethod && r.RecordType != kindAddress {
			continue
		}
		joined, err := r.joinedTo(sub.ID)
		if err != nil {
			return nil, err
		}
		rows = append(rows, joined...)
		if r.RecordType == kindPaymentMethod && len(joined) == 0 {
			set[r] = true // tied to nothing: the account's
		}
	}
	return append(inOrder(set), rows...), nil
}

// addChain adds r and what is related to it, directly or not.
func (st *store) addChain(set map[*record]bool, r *record) {
	if set[r] {
		return
	}
	set[r] = true
	for _, next := range st.byRelated[r.ID] {
		st.addChain(set, next)
	}
}

func inOrder(set map[*record]bool) []json.RawMessage {
	records := make([]*record, 0, len(set))
	for r := range set {
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b *record) int { return a.seq - b.seq })
	return raws(records)
}

func raws(records []*record) []json.RawMessage {
	out := make([]json.RawMessage, 0, len(records))
	for _, r := range records {
		out = append(out, r.raw)
	}
	return out
}

// relationship is an element of data.relationships of an address or a payment
// method: the assumed way to say which subscription it serves, as what (of an
// address), and since when.
type relationship struct {
	ID           string `json:"relationship_id"`
	Type         string `json:"relationship_type"`
	Subscription string `json:"subscription"`
	Start        string `json:"start"`
	Status       string `json:"status"`
}

func relationshipsIn(data json.RawMessage) ([]relationship, error) {
	var d struct {
		Relationships []relationship `json:"relationships"`
	}
	err := json.Unmarshal(data, &d)
	if err != nil {
		return nil, fmt.Errorf("relationships of an object: %w", err)
	}
	return d.Relationships, nil
}

// joinedTo returns an address or a payment method as rows of the subscription.
func (r *record) joinedTo(subscription string) ([]json.RawMessage, error) {
	all, err := relationshipsIn(r.Data)
	if err != nil {
		return nil, err
	}
	var out []json.RawMessage
	for _, rel := range all {
		if rel.Subscription != subscription {
			continue
		}
		row := r.envelope
		row.RelationshipID, row.RelationshipType, row.Related = rel.ID, rel.Type, r.ID
		row.Start, row.Status = rel.Start, rel.Status
		raw, err := json.Marshal(row)
		if err != nil {
			return nil, fmt.Errorf("encode row of %s: %w", r.ID, err)
		}
		out = append(out, raw)
	}
	return out, nil
}
