package limiosandbox

import (
	"encoding/json"
	"net/http"
	"slices"

	"hotsync/local/sandbox"
)

// linkExternalIdentity is POST /objects/externalidentity/{owner}: from now on
// the login sees what the owner owns. A repeat changes nothing.
// https://api.limio.com/tag/Identities
func (s *Sandbox) linkExternalIdentity(w http.ResponseWriter, r *http.Request) {
	m, err := readMembers(w, r, []string{"id_token"})
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	var login struct {
		Iss string `json:"iss"`
		Sub string `json:"sub"`
	}
	err = json.Unmarshal(m["id_token"], &login)
	if err != nil || login.Iss == "" || login.Sub == "" {
		refuse(w, http.StatusBadRequest, "id_token needs iss and sub")
		return
	}
	data, err := json.Marshal(login)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	e := envelope{
		RecordType: kindIdentity,
		ID:         s.newID("identity-"),
		Type:       typeExternal,
		Service:    "limio",
		Status:     "active",
		Mode:       "production",
		Owner:      r.PathValue("owner"),
		Created:    s.stamp(),
		Data:       data,
	}
	e.Updated = e.Created

	s.store.mu.Lock()
	raw, err := s.store.link(e, identityValue{"limio", typeExternal, login.Iss + "\x00" + login.Sub})
	s.store.mu.Unlock()
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case raw == nil:
		refuse(w, http.StatusNotFound, "no such owner")
	default:
		sendRaw(w, raw)
	}
}

// link stores an external identity, unless its owner has it; nil when there is
// no such owner.
func (st *store) link(e envelope, login identityValue) (json.RawMessage, error) {
	owner := st.byID[e.Owner]
	if owner == nil || owner.Type != typeOwner {
		return nil, nil
	}
	linked := st.byValue[login]
	i := slices.IndexFunc(linked, func(r *record) bool { return r.Owner == e.Owner })
	if i >= 0 {
		st.counts.LinksRepeated++
		return linked[i].raw, nil
	}
	if len(linked) > 0 {
		st.counts.LoginsShared++
	}
	r, err := st.add(e)
	if err != nil {
		return nil, err
	}
	st.byValue[login] = append(linked, r)
	st.counts.Links++
	return r.raw, nil
}

// changeOwner is POST /objects/owner_change: what one owner owns goes to
// another. It moves objects, not the owner's external identities.
func (s *Sandbox) changeOwner(w http.ResponseWriter, r *http.Request) {
	m, err := readMembers(w, r, []string{"sourceId", "destinationId", "message"})
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	source, err := m.text("sourceId")
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	destination, err := m.text("destinationId")
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}

	s.store.mu.Lock()
	message, err := s.store.changeOwner(source, destination, s.stamp())
	s.store.mu.Unlock()
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case message != "":
		refuse(w, http.StatusBadRequest, message)
	default:
		sandbox.Answer(w, http.StatusOK, map[string]any{"result": map[string]any{}, "success": true})
	}
}

func (st *store) changeOwner(source, destination, now string) (message string, err error) {
	for _, id := range []string{source, destination} {
		if r := st.byID[id]; r == nil || r.Type != typeOwner {
			return "both ids must be of identities of type @limio/id", nil
		}
	}
	if source == destination {
		return "", nil
	}
	var stay []*record
	for _, r := range st.byOwner[source] {
		if r.Type == typeExternal {
			stay = append(stay, r)
			continue
		}
		r.Owner, r.Updated = destination, now
		err = r.encode()
		if err != nil {
			return "", err
		}
		st.byOwner[destination] = append(st.byOwner[destination], r)
	}
	st.byOwner[source] = stay
	return "", nil
}

// salesforceSubscriptions is GET /objects/salesforce/identities/{id}/subscriptions;
// the id is the identity's own or the Salesforce record's. It answers with
// everything at once, so that there is no cursor to take.
func (s *Sandbox) salesforceSubscriptions(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		refuse(w, http.StatusBadRequest, "unknown parameter or queryMore")
		return
	}
	id := r.PathValue("id")
	s.store.mu.RLock()
	identities := slices.Concat(
		s.store.byValue[identityValue{"salesforce", "account", id}],
		s.store.byValue[identityValue{"salesforce", "contact", id}])
	if own := s.store.byID[id]; own != nil && own.RecordType == kindIdentity && own.Service == "salesforce" {
		identities = append(identities, own)
	}
	customers, subscriptions := map[*record]bool{}, map[*record]bool{}
	for _, identity := range identities {
		if c := s.store.byID[identity.Customer]; c != nil {
			customers[c] = true
		}
		for _, other := range s.store.byCustomer[identity.Customer] {
			if other.RecordType == kindSubscription {
				subscriptions[other] = true
			}
		}
	}
	answer := map[string]any{"subscriptions": inOrder(subscriptions), "customers": inOrder(customers)}
	s.store.mu.RUnlock()
	if len(identities) == 0 {
		refuse(w, http.StatusNotFound, noSuchObject)
		return
	}
	sandbox.Answer(w, http.StatusOK, answer)
}
