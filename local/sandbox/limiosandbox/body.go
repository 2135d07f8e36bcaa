package limiosandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// createMembers are the members a POST takes: id, name and data as observed,
// the rest by assumption.
var createMembers = []string{
	"id",
	"name",
	"data",
	"owner",
	"customer",
	"service",
	"status",
	"type",
	"reference",
	"related",
	"start",
	"relationship_type",
}

// members are those of a request's body.
type members map[string]json.RawMessage

// readMembers reads a JSON object and refuses members that are not allowed.
func readMembers(w http.ResponseWriter, r *http.Request, allowed []string) (members, error) {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		return nil, errors.New("the content type is not application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, errors.New("the body cannot be read or is larger than 1 MB")
	}
	var m members
	err = json.Unmarshal(body, &m)
	if err != nil || m == nil {
		return nil, errors.New("the body is no JSON object")
	}
	for name := range m {
		if !slices.Contains(allowed, name) {
			return nil, errors.New("unknown member: " + name)
		}
	}
	return m, nil
}

// text reads a member that must be a string.
func (m members) text(name string) (string, error) {
	var s *string
	err := json.Unmarshal(m[name], &s)
	if err != nil || s == nil {
		return "", errors.New(name + " is no text")
	}
	return *s, nil
}

// texts reads the members that are there into where they go.
func (m members) texts(into map[string]*string) error {
	for _, name := range createMembers { // in this order, so that refusals do not vary
		to := into[name]
		if to == nil || m[name] == nil {
			continue
		}
		var err error
		*to, err = m.text(name)
		if err != nil {
			return err
		}
	}
	return nil
}

// data reads the required member data.
func (m members) data() (map[string]any, error) {
	raw, ok := m["data"]
	if !ok {
		return nil, errors.New("data is missing")
	}
	return decodeData(raw)
}

func decodeData(raw json.RawMessage) (map[string]any, error) {
	var data map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err := dec.Decode(&data)
	if err != nil || data == nil {
		return nil, errors.New("data is no object")
	}
	return data, nil
}

// object reads the body of a POST.
func (m members) object(service string, pt pathType) (envelope, error) {
	e := envelope{RecordType: pt.kind, Service: service, Data: m["data"]}
	stated := service
	for _, required := range []string{"id", "name", "data"} {
		if m[required] == nil {
			return envelope{}, errors.New(required + " is missing")
		}
	}
	err := m.texts(map[string]*string{"id": &e.ID, "name": &e.Name, "owner": &e.Owner, "customer": &e.Customer,
		"service": &stated, "status": &e.Status, "type": &e.Type, "reference": &e.Reference, "related": &e.Related,
		"start": &e.Start, "relationship_type": &e.RelationshipType})
	if err != nil {
		return envelope{}, err
	}
	if e.Status == "" {
		e.Status = "active"
	}
	_, err = m.data()
	switch {
	case err != nil:
		return envelope{}, err
	case stated != service:
		return envelope{}, errors.New("service is not that of the path")
	case !pt.observed && !isID(e.ID, pt.prefixes):
		return envelope{}, errors.New("id is not a prefix of its kind and 32 hex digits")
	case pt.observed && !strings.HasPrefix(e.ID, pt.prefixes[0]):
		return envelope{}, errors.New("id lacks the prefix of its kind")
	}
	return e, e.check()
}

// check refuses what would make no sense as an object of its kind.
func (e envelope) check() error {
	switch {
	case e.RecordType == kindIdentity && e.Type == "":
		return errors.New("type is missing")
	case e.Type == typeOwner && !strings.HasPrefix(e.ID, "id-"):
		return errors.New("id of an owner does not start with id-")
	case e.Type == typeExternal:
		return errors.New("an external identity is made by its own operation")
	case e.RelationshipType != "" &&
		(e.RecordType != kindAddress || e.RelationshipType != "billing" && e.RelationshipType != "delivery"):
		return errors.New("relationship_type is for addresses, and billing or delivery")
	case e.RecordType == kindAddress, e.RecordType == kindPaymentMethod:
		_, err := relationshipsIn(e.Data)
		if err != nil {
			return err
		}
	}
	return checkData(e.RecordType, e.Data, false)
}

// update reads the body of a PUT.
func (m members) update(pt pathType) (name, status string, data map[string]any, err error) {
	data, err = m.data()
	if err != nil {
		return "", "", nil, err
	}
	if pt.kind == kindAddress || pt.kind == kindPaymentMethod {
		_, err = relationshipsIn(m["data"])
		if err != nil {
			return "", "", nil, err
		}
	}
	err = checkData(pt.kind, m["data"], true)
	if err != nil {
		return "", "", nil, err
	}
	err = m.texts(map[string]*string{"name": &name, "status": &status})
	return name, status, data, err
}

// isID reports whether id is one of the prefixes and 32 lower-case hex digits.
func isID(id string, prefixes []string) bool {
	for _, prefix := range prefixes {
		rest, ok := strings.CutPrefix(id, prefix)
		if ok && len(rest) == 32 && strings.Trim(rest, "0123456789abcdef") == "" {
			return true
		}
	}
	return false
}
