package limiosandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"hotsync/local/sandbox"
)

// order is POST /order and /admin/order: the order is taken and left in the
// queue, as with process_immediately false. What processing one does to Zuora
// is not imitated: hotsync places none.
func (s *Sandbox) order(w http.ResponseWriter, r *http.Request) {
	var o struct {
		OrderType  string `json:"order_type"`
		ExternalID string `json:"external_id"`
		Owner      string `json:"owner"`
	}
	var data json.RawMessage
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&data)
	if err == nil {
		err = json.Unmarshal(data, &o)
	}
	if err != nil || o.OrderType == "" {
		refuse(w, http.StatusBadRequest, "order_type is missing")
		return
	}
	e := envelope{RecordType: "order", ID: s.newID("order-"), Service: "limio", Status: "submitted", Mode: "production",
		Reference: s.newReference(), Owner: o.Owner, Created: s.stamp(), Data: data}
	e.Updated = e.Created
	s.store.mu.Lock()
	_, err = s.store.add(e)
	s.store.mu.Unlock()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	sandbox.Answer(w, http.StatusOK, map[string]any{"id": e.ID, "order_reference": e.Reference, "status": e.Status,
		"external_id": o.ExternalID, "owner": o.Owner})
}

// timelineTypes are the kinds of a timeline field.
var timelineTypes = []string{"string", "date", "currency", "number", "boolean", "json"}

// timelineEvent is the body of POST /timeline/subscription; that the array is
// called data and its value value is not verified.
type timelineEvent struct {
	ForSubscription struct {
		Name string `json:"name"`
		ID   string `json:"id"`
	} `json:"forSubscription"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Source string `json:"source"`
	Data   []struct {
		Label          string `json:"label"`
		Type           string `json:"type"`
		Value          any    `json:"value"`
		AdditionalInfo string `json:"additionalInfo"`
	} `json:"data"`
}

func (t timelineEvent) check() error {
	switch {
	case t.Name == "" || t.Type == "":
		return errors.New("name or type is missing")
	case t.Data == nil:
		return errors.New("data is missing")
	}
	for _, field := range t.Data {
		if field.Label == "" || !slices.Contains(timelineTypes, field.Type) {
			return errors.New("a field has no label or an unknown type")
		}
	}
	return nil
}

// addTimelineEvent is POST /timeline/subscription.
func (s *Sandbox) addTimelineEvent(w http.ResponseWriter, r *http.Request) {
	var t timelineEvent
	err := sandbox.ReadJSON(r, &t)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	e := envelope{RecordType: "event", ID: s.newID("event-"), Name: t.Name, Service: "limio", Status: "submitted",
		Mode: "production", Reference: s.newReference(), Created: s.stamp()}
	e.Updated = e.Created

	s.store.mu.Lock()
	found, err := s.store.addEvent(e, t)
	s.store.mu.Unlock()
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case !found:
		refuse(w, http.StatusNotFound, noSuchObject)
	default:
		sandbox.Answer(w, http.StatusOK, map[string]string{"id": e.ID, "reference": e.Reference, "status": e.Status})
	}
}

// addEvent stores the event of a subscription. The event does not say at its
// top level whose it is, but belongs to what is related to the subscription.
func (st *store) addEvent(e envelope, t timelineEvent) (found bool, err error) {
	i := slices.IndexFunc(st.byKind[kindSubscription], func(r *record) bool {
		return r.ID == t.ForSubscription.ID || t.ForSubscription.ID == "" && r.Name == t.ForSubscription.Name
	})
	if i < 0 {
		return false, nil
	}
	sub := st.byKind[kindSubscription][i]
	e.Data, err = json.Marshal(map[string]any{"type": t.Type, "message": t.Name, "source": t.Source, "fields": t.Data,
		"event": map[string]any{"subscriptions": []any{map[string]string{"id": sub.ID}}}})
	if err != nil {
		return false, err
	}
	r, err := st.add(e)
	if err != nil {
		return false, err
	}
	r.indexUnder(st.byRelated, sub.ID)
	return true, nil
}
