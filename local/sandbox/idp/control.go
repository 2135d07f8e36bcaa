package idp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"hotsync/local/sandbox"
	"hotsync/local/sandbox/persona"
)

// control serves what real providers do not have.
func (s *Server) control(mux *http.ServeMux) {
	mux.HandleFunc("POST /_sandbox/token", s.anyToken)
	mux.HandleFunc("GET /_sandbox/token", s.personaToken)
	mux.HandleFunc("POST /_sandbox/rotate", func(w http.ResponseWriter, r *http.Request) {
		k, err := s.rotate(r.URL.Query().Get("drop") == "1")
		if err != nil {
			sandbox.Refuse(w, http.StatusInternalServerError, err)
			return
		}
		sandbox.Answer(w, http.StatusOK, map[string]string{"kid": k.id})
	})
	mux.HandleFunc("POST /_sandbox/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.reset()
		sandbox.Answer(w, http.StatusOK, map[string]any{})
	})
}

// reset forgets sign-ins under way, faults and the request log. Of the keys it
// keeps the current one, since others may hold tokens signed with it.
func (s *Server) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[len(s.keys)-1:]
	s.codes = map[string]grant{}
	s.behaviour.Reset()
}

// anyToken signs the claims in the body for ?issuer=direct|lookup|staff. What
// is absent of iss, aud, iat, exp and jti is filled in; nothing is changed.
func (s *Server) anyToken(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("issuer")
	if name != Direct && name != Lookup && name != Staff {
		sandbox.Refuse(w, http.StatusBadRequest, fmt.Errorf("issuer must be %s, %s or %s", Direct, Lookup, Staff))
		return
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	dec.UseNumber()
	var claims map[string]any
	err := dec.Decode(&claims)
	if err == nil && dec.More() {
		err = errors.New("more than one JSON value")
	}
	if err != nil && !errors.Is(err, io.EOF) { // no body: no claims
		sandbox.Refuse(w, http.StatusBadRequest, fmt.Errorf("the body must be a JSON object of claims: %w", err))
		return
	}
	issuer{s, name}.answerToken(w, claims)
}

// personaToken signs in ?persona=NAME without a browser.
func (s *Server) personaToken(w http.ResponseWriter, r *http.Request) {
	p, ok := persona.Find(r.URL.Query().Get("persona"), s.now())
	if !ok {
		sandbox.Refuse(w, http.StatusNotFound, errors.New("there is no such persona"))
		return
	}
	issuer{s, p.Issuer}.answerToken(w, p.Claims)
}

func (i issuer) answerToken(w http.ResponseWriter, claims map[string]any) {
	raw, err := i.idToken(claims)
	if err != nil {
		sandbox.Refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	sandbox.Answer(w, http.StatusOK, map[string]string{"id_token": raw})
}
