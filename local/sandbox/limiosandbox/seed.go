package limiosandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"hotsync/local/sandbox"
)

// putObjects is PUT /_sandbox/objects {"objects":[…]}: objects of Limio's own,
// each with the whole envelope, as Limio shows them. They are stored in their
// order, so that what one refers to has to come before it or be there; an object
// that exists is replaced. A reset takes them away again, as whatever else was
// told to the sandbox while it ran.
func (s *Sandbox) putObjects(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Objects []json.RawMessage `json:"objects"`
	}
	err := sandbox.ReadJSON(r, &body)
	if err == nil {
		err = s.seed(body.Objects)
	}
	if err != nil {
		sandbox.Refuse(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Seed stores objects of Limio's own, as PUT /_sandbox/objects does, that are part
// of how the sandbox begins: a reset brings them back.
func (s *Sandbox) Seed(objects []json.RawMessage) error {
	err := s.seed(objects)
	if err != nil {
		return err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.seeds = append(s.seeds, objects...)
	return nil
}

// reset brings the sandbox back to how it began.
func (s *Sandbox) reset() error {
	s.behaviour.Reset()
	s.store.reset(s.first)
	s.store.mu.RLock()
	seeds := slices.Clone(s.seeds)
	s.store.mu.RUnlock()
	return s.seed(seeds)
}

func (s *Sandbox) seed(objects []json.RawMessage) error {
	now := s.stamp()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for n, raw := range objects {
		err := s.store.seed(raw, now)
		if err != nil {
			return fmt.Errorf("objects[%d]: %w", n, err)
		}
	}
	return nil
}

func (st *store) seed(raw json.RawMessage, now string) error {
	e := envelope{
		Service: "limio",
		Status:  "active",
		Mode:    "production",
		Created: now,
		Updated: now,
		Data:    json.RawMessage("{}"),
	}
	err := json.Unmarshal(raw, &e)
	switch {
	case err != nil:
		return err
	case e.ID == "" || e.RecordType == "":
		return errors.New("id or record_type is missing")
	}
	_, err = decodeData(e.Data)
	if err != nil {
		return err
	}
	old := st.byID[e.ID]
	if old != nil {
		st.remove(old)
	}
	err = st.checkReferences(e)
	if err != nil {
		return err
	}
	if e.Type != typeExternal {
		_, err = st.add(e)
		return err
	}
	var login struct {
		Iss string `json:"iss"`
		Sub string `json:"sub"`
	}
	err = json.Unmarshal(e.Data, &login)
	if err != nil || login.Iss == "" || login.Sub == "" {
		return errors.New("an external identity needs iss and sub")
	}
	_, err = st.link(e, identityValue{"limio", typeExternal, login.Iss + "\x00" + login.Sub})
	return err
}
