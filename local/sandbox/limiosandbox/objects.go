package limiosandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"hotsync/local/sandbox"
)

// maxBody bounds a request.
const maxBody = 1 << 20

// pathType is what a path type holds. Only those with prefixes to check take a
// POST: promo codes as observed, the others by assumption.
type pathType struct {
	kind     string
	prefixes []string
	observed bool // the POST is no assumption
}

// pathTypes are those of the documented enumeration.
var pathTypes = map[string]pathType{
	"orders":              {kind: "order"},
	"customers":           {kind: kindCustomer, prefixes: []string{"cus-"}},
	"subscriptions":       {kind: kindSubscription, prefixes: []string{"sub-"}},
	"identities":          {kind: kindIdentity, prefixes: []string{"id-", "identity-"}},
	"address":             {kind: kindAddress, prefixes: []string{"address-"}},
	"schedules":           {kind: kindSchedule, prefixes: []string{"schedule-"}},
	"payment_methods":     {kind: kindPaymentMethod, prefixes: []string{"pm-"}},
	"subscription_offers": {kind: kindOffer, prefixes: []string{"subscription_offer-"}},
	// Not of the documented enumeration: add-ons are seen, their path is assumed.
	"subscription_add_ons": {kind: kindAddOn, prefixes: []string{"subscription_add_on-"}},
	"user_entitlements":    {kind: "user_entitlement"},
	"gift_code":            {kind: "gift_code"},
	"promo_codes_v2":       {kind: "promo_code_v2", prefixes: []string{"promo_code_v2-"}, observed: true},
	"events":               {kind: "event"},
	"process":              {kind: "process_event"},
}

var services = []string{"limio", "zuora", "salesforce"}

// place reads service and path type of a path; ok is false after a refusal.
func place(w http.ResponseWriter, r *http.Request) (service string, pt pathType, ok bool) {
	service = r.PathValue("service")
	pt, known := pathTypes[r.PathValue("path_type")]
	if !known || !slices.Contains(services, service) {
		refuse(w, http.StatusNotFound, "no such path")
		return "", pathType{}, false
	}
	return service, pt, true
}

// find returns the object of a path, or nil. The lock must be held.
func (st *store) find(service string, pt pathType, id string) *record {
	r := st.byID[id]
	if r == nil || r.RecordType != pt.kind || r.Service != service {
		return nil
	}
	return r
}

// get is GET /objects/{service}/{path_type}/{id}. For service zuora and
// customers the id is taken for a Zuora account's, which is an assumption.
func (s *Sandbox) get(w http.ResponseWriter, r *http.Request) {
	service, pt, ok := place(w, r)
	if !ok {
		return
	}
	id := r.PathValue("id")
	s.store.mu.Lock() // and not RLock: the use of an assumption is counted
	var found *record
	if service == "zuora" && pt.kind == kindCustomer {
		if s.store.assume.ZuoraCustomerPath {
			s.store.counts.Assumed.ZuoraCustomerPath++
			found = s.store.customerOf(id)
		}
	} else {
		found = s.store.find(service, pt, id)
	}
	var raw json.RawMessage
	if found != nil {
		raw = found.raw
	}
	s.store.mu.Unlock()
	if raw == nil {
		s.unknown(w)
		return
	}
	sendRaw(w, raw)
}

// unknown answers a read of an object that is not there: with 404, which is
// assumed, or with 502, which is documented.
func (s *Sandbox) unknown(w http.ResponseWriter) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if s.store.assume.UnknownIs404 {
		refuse(w, http.StatusNotFound, noSuchObject)
		return
	}
	refuse(w, http.StatusBadGateway, "Bad Gateway")
}

// related is GET /objects/limio/{customer|subscription}/{id}/related.
func (s *Sandbox) related(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("path_type")
	if r.PathValue("service") != "limio" || kind != kindCustomer && kind != kindSubscription {
		refuse(w, http.StatusNotFound, "no such path")
		return
	}
	items, err := s.relatedTo(kind, r.PathValue("id"))
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case items == nil:
		s.unknown(w)
	default:
		sendRaw(w, list("items", items))
	}
}

func (s *Sandbox) relatedTo(kind, id string) ([]json.RawMessage, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	found := s.store.byID[id]
	switch {
	case found == nil || found.RecordType != kind:
		return nil, nil
	case kind == kindCustomer:
		return s.store.relatedToCustomer(found), nil
	default:
		return s.store.relatedToSubscription(found)
	}
}

// create is POST /objects/{service}/{path_type}.
func (s *Sandbox) create(w http.ResponseWriter, r *http.Request) {
	service, pt, ok := place(w, r)
	if !ok {
		return
	}
	if !s.store.creatable(pt) {
		refuse(w, http.StatusNotFound, "no such path")
		return
	}
	m, err := readMembers(w, r, createMembers)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e, err := m.object(service, pt)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e.Created = s.stamp()
	e.Updated, e.Mode = e.Created, "production"

	s.store.mu.Lock()
	status, answer := s.store.create(pt, e)
	s.store.mu.Unlock()
	if status != http.StatusOK {
		refuse(w, status, string(answer))
		return
	}
	sendRaw(w, answer)
}

// creatable reports whether there is a POST for objects of that path type.
func (st *store) creatable(pt pathType) bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return pt.prefixes != nil && (pt.observed || st.assume.CreateObjects)
}

// create returns the object, or a status and why it was refused.
func (st *store) create(pt pathType, e envelope) (int, []byte) {
	if !pt.observed {
		st.counts.Assumed.CreateObjects++
	}
	if st.byID[e.ID] != nil {
		st.counts.DuplicatesRefused++
		return http.StatusConflict, []byte("an object with this id already exists")
	}
	err := st.checkReferences(e)
	if err != nil {
		return http.StatusBadRequest, []byte(err.Error())
	}
	r, err := st.add(e)
	if err != nil {
		return http.StatusInternalServerError, []byte(err.Error())
	}
	st.counts.Creates[r.RecordType]++
	return http.StatusOK, r.raw
}

// checkReferences refuses an object that refers to one that is not there.
func (st *store) checkReferences(e envelope) error {
	owner, customer := st.byID[e.Owner], st.byID[e.Customer]
	switch {
	case e.Owner != "" && e.Owner != e.ID && (owner == nil || owner.Type != typeOwner):
		return errors.New("owner is no identity of type @limio/id that exists")
	case e.Customer != "" && e.Customer != e.ID && (customer == nil || customer.RecordType != kindCustomer):
		return errors.New("customer is no customer that exists")
	case e.Related != "" && e.Related != e.ID && st.byID[e.Related] == nil:
		return errors.New("related is no object that exists")
	}
	return nil
}

// update is PUT /objects/{service}/{path_type}/{id}: a deep merge of data. That
// it also takes a status is an assumption.
func (s *Sandbox) update(w http.ResponseWriter, r *http.Request) {
	service, pt, ok := place(w, r)
	if !ok {
		return
	}
	m, err := readMembers(w, r, []string{"name", "data", "status"})
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	name, status, data, err := m.update(pt)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}

	s.store.mu.Lock()
	answer, message, err := s.store.update(service, pt, r.PathValue("id"), name, status, data, s.stamp())
	s.store.mu.Unlock()
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case message == noSuchObject:
		refuse(w, http.StatusNotFound, message)
	case message != "":
		refuse(w, http.StatusBadRequest, message)
	default:
		sandbox.Answer(w, http.StatusOK, answer)
	}
}

const noSuchObject = "no such object"

// updated is the answer to a PUT.
type updated struct {
	ID      string          `json:"id"`
	SortKey string          `json:"sort_key"`
	Data    json.RawMessage `json:"data"`
}

// update returns the answer, or a message that says why it was refused.
func (st *store) update(
	service string,
	pt pathType,
	id, name, status string,
	data map[string]any,
	now string,
) (_ updated, message string, err error) {
	r := st.find(service, pt, id)
	switch {
	case r == nil:
		return updated{}, noSuchObject, nil
	case status != "" && !st.assume.UpdateStatus:
		return updated{}, "unknown member: status", nil
	}
	if name != "" && name != r.Name {
		st.counts.NamesChanged++
	}
	if status != "" {
		st.counts.Assumed.UpdateStatus++
	}
	st.counts.Updates++
	err = st.merge(r, name, status, data, now)
	return updated{ID: r.ID, SortKey: "object/" + r.RecordType, Data: r.Data}, "", err
}

// delete is DELETE /objects/{service}/{path_type}/{id}, documented for promo
// codes only.
func (s *Sandbox) delete(w http.ResponseWriter, r *http.Request) {
	service, pt, ok := place(w, r)
	if !ok {
		return
	}
	if !pt.observed {
		refuse(w, http.StatusNotFound, "only promo codes can be deleted")
		return
	}
	s.store.mu.Lock()
	found := s.store.find(service, pt, r.PathValue("id"))
	if found != nil {
		s.store.remove(found)
	}
	s.store.mu.Unlock()
	if found == nil {
		refuse(w, http.StatusNotFound, noSuchObject)
		return
	}
	sandbox.Answer(w, http.StatusOK, map[string]any{"httpStatusCode": 200, "requestId": s.newReference()})
}

// list writes objects that are encoded already as {"name":[…]}.
func list(name string, items []json.RawMessage) []byte {
	size := len(name) + 8
	for _, item := range items {
		size += len(item) + 1
	}
	out := append(make([]byte, 0, size), `{"`+name+`":[`...)
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return append(out, `]}`...)
}

// sendRaw answers 200 with JSON that is encoded already.
func sendRaw(w http.ResponseWriter, raw []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(raw)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}
