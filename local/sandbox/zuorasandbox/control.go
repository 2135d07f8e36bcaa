package zuorasandbox

import (
	"errors"
	"net/http"
	"regexp"
	"slices"

	"hotsync/local/sandbox"
)

// The forms of v1's nextPage.
const (
	nextPageAbsolute = "absolute"
	nextPageRelative = "relative"
	nextPageForeign  = "foreign" // on a stranger's host: a client must not follow it
	nextPageOther    = "other"   // on the host of another data centre, as in Zuora's own example
)

// The forms of an expanded list of Object Query that is empty.
const (
	emptyListsPresent = "present"
	emptyListsAbsent  = "absent"
)

// options are the body of PUT /_sandbox/options: what is not known of Zuora, and
// can be either.
type options struct {
	NextPage   string `json:"nextPage"`
	EmptyLists string `json:"emptyLists"`
}

func defaultOptions() *options {
	return &options{NextPage: nextPageAbsolute, EmptyLists: emptyListsPresent}
}

func (o *options) check() error {
	switch {
	case !slices.Contains([]string{nextPageAbsolute, nextPageRelative, nextPageForeign, nextPageOther}, o.NextPage):
		return errors.New("nextPage is none of absolute, relative, foreign and other")
	case o.EmptyLists != emptyListsPresent && o.EmptyLists != emptyListsAbsent:
		return errors.New("emptyLists is none of present and absent")
	}
	return nil
}

// fieldName is how Zuora names the custom fields of an account.
var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*__c$`)

// registerControl adds what is under /_sandbox/ besides the behaviour.
func (s *Server) registerControl(mux *http.ServeMux) {
	mux.HandleFunc("GET /_sandbox/accounts", s.listAccounts)
	mux.HandleFunc("GET /_sandbox/accounts/{id}", s.storedAccount)
	mux.HandleFunc("PUT /_sandbox/accounts/{id}", s.replaceAccount)
	mux.HandleFunc("DELETE /_sandbox/accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		err := s.Delete(r.PathValue("id"))
		if err != nil {
			sandbox.Refuse(w, http.StatusNotFound, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_sandbox/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_sandbox/expire-tokens", func(w http.ResponseWriter, _ *http.Request) {
		s.tokens.expire()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_sandbox/limits", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.Answer(w, http.StatusOK, s.limits.view())
	})
	mux.HandleFunc("PUT /_sandbox/limits", s.replaceLimits)
	mux.HandleFunc("GET /_sandbox/options", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.Answer(w, http.StatusOK, s.options.Load())
	})
	mux.HandleFunc("PUT /_sandbox/options", s.replaceOptions)
	mux.HandleFunc("GET /_sandbox/fields", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.Answer(w, http.StatusOK, s.store.allFields())
	})
	mux.HandleFunc("PUT /_sandbox/fields", s.replaceFields)
	mux.HandleFunc("/_sandbox/", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.Refuse(w, http.StatusNotFound, errors.New("there is no such path under /_sandbox/"))
	})
}

type accountLine struct {
	ID             string `json:"id"`
	Number         string `json:"number"`
	Name           any    `json:"name"`
	Subscriptions  int    `json:"subscriptions"`
	PaymentMethods int    `json:"paymentMethods"`
}

func (s *Server) listAccounts(w http.ResponseWriter, _ *http.Request) {
	out := []accountLine{}
	for _, e := range s.store.all() {
		out = append(out, accountLine{e.id, e.number, e.view["name"], len(e.subscriptions), len(e.methods)})
	}
	sandbox.Answer(w, http.StatusOK, out)
}

func (s *Server) storedAccount(w http.ResponseWriter, r *http.Request) {
	e, ok := s.store.account(r.PathValue("id"))
	if !ok {
		sandbox.Refuse(w, http.StatusNotFound, errNoAccount)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(e.stored)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
}

func (s *Server) replaceAccount(w http.ResponseWriter, r *http.Request) {
	body, err := sandbox.ReadBody(r)
	if err == nil {
		err = s.Put(r.PathValue("id"), body)
	}
	if err != nil {
		sandbox.Refuse(w, http.StatusBadRequest, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) replaceLimits(w http.ResponseWriter, r *http.Request) {
	var settings limitSettings
	err := sandbox.ReadJSON(r, &settings)
	if err == nil {
		err = settings.check()
	}
	if err != nil {
		sandbox.Refuse(w, http.StatusBadRequest, err)
		return
	}
	s.limits.set(settings)
	sandbox.Answer(w, http.StatusOK, s.limits.view())
}

func (s *Server) replaceOptions(w http.ResponseWriter, r *http.Request) {
	o := defaultOptions()
	err := sandbox.ReadJSON(r, o)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		sandbox.Refuse(w, http.StatusBadRequest, err)
		return
	}
	s.options.Store(o)
	sandbox.Answer(w, http.StatusOK, o)
}

func (s *Server) replaceFields(w http.ResponseWriter, r *http.Request) {
	var fields map[string]fieldSetting
	err := sandbox.ReadJSON(r, &fields)
	for name := range fields {
		if err == nil && !fieldName.MatchString(name) {
			err = errors.New(name + " is no name of a custom field, such as LimioExternalId__c")
		}
	}
	if err != nil {
		sandbox.Refuse(w, http.StatusBadRequest, err)
		return
	}
	s.store.setFields(fields)
	sandbox.Answer(w, http.StatusOK, s.store.allFields())
}
