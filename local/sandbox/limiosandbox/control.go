package limiosandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"hotsync/local/sandbox"
)

// assumptions are what hotsync takes for granted without a word of Limio's.
// Off, the sandbox answers as a server without them would.
type assumptions struct {
	CreateObjects     bool `json:"createObjects"`     // POST of objects other than promo codes
	UpdateStatus      bool `json:"updateStatus"`      // status in a PUT
	ZuoraCustomerPath bool `json:"zuoraCustomerPath"` // GET /objects/zuora/customers/{account}
	// UnknownIs404 is what an object that does not exist is answered with. Limio
	// documents 200, 401 and 502 for these reads; off, it is 502.
	UnknownIs404 bool `json:"unknownIs404"`
	// PublishedCatalogue is GET /published_catalog_items: documented, but not known
	// of every tenant. Off, only the older operations are there.
	PublishedCatalogue bool `json:"publishedCatalogue"`
	// PluginMakesOffers is that Limio's own Zuora sync makes the offers of a new
	// subscription. Limio's pages disagree on it, so that it is off at first.
	PluginMakesOffers bool `json:"pluginMakesOffers"`
	// PluginMakesContacts is that it makes the addresses and cards too, as Limio keeps
	// those of a subscription it sold. Not documented, and off at first.
	PluginMakesContacts bool `json:"pluginMakesContacts"`
}

var allAssumed = assumptions{CreateObjects: true, UpdateStatus: true, ZuoraCustomerPath: true, UnknownIs404: true,
	PublishedCatalogue: true}

// counts is what was done, as GET /_sandbox/counts shows it.
type counts struct {
	Creates           map[string]int `json:"creates"` // by POST, by record type
	Updates           int            `json:"updates"`
	NamesChanged      int            `json:"namesChanged"`
	Links             int            `json:"links"` // external identities made
	LinksRepeated     int            `json:"linksRepeated"`
	LoginsShared      int            `json:"loginsShared"`      // links of a login that another owner has, too
	DuplicatesRefused int            `json:"duplicatesRefused"` // POSTs of an id that exists
	PluginSyncs       int            `json:"pluginSyncs"`
	PluginCreates     map[string]int `json:"pluginCreates"` // by record type
	Assumed           struct {
		CreateObjects     int `json:"createObjects"`
		UpdateStatus      int `json:"updateStatus"`
		ZuoraCustomerPath int `json:"zuoraCustomerPath"`
	} `json:"assumed"` // uses of each assumption
}

func newCounts() counts {
	return counts{Creates: map[string]int{}, PluginCreates: map[string]int{}}
}

func (s *Sandbox) registerControl(mux *http.ServeMux) {
	mux.HandleFunc("GET /_sandbox/state", s.state)
	mux.HandleFunc("PUT /_sandbox/catalogue", s.putCatalogue)
	mux.HandleFunc("PUT /_sandbox/objects", s.putObjects)
	mux.HandleFunc("GET /_sandbox/counts", func(w http.ResponseWriter, _ *http.Request) {
		s.store.mu.RLock()
		c := s.store.counts
		c.Creates, c.PluginCreates = maps.Clone(c.Creates), maps.Clone(c.PluginCreates)
		s.store.mu.RUnlock()
		sandbox.Answer(w, http.StatusOK, c)
	})
	mux.HandleFunc("POST /_sandbox/reset", func(w http.ResponseWriter, _ *http.Request) {
		err := s.reset()
		if err != nil {
			sandbox.Refuse(w, http.StatusInternalServerError, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT /_sandbox/assumptions", func(w http.ResponseWriter, r *http.Request) {
		s.store.mu.RLock()
		a := s.store.assume
		s.store.mu.RUnlock()
		err := sandbox.ReadJSON(r, &a) // what is left out stays as it is
		if err != nil {
			sandbox.Refuse(w, http.StatusBadRequest, err)
			return
		}
		s.store.mu.Lock()
		s.store.assume = a
		s.store.mu.Unlock()
		sandbox.Answer(w, http.StatusOK, a)
	})
	mux.HandleFunc("GET /_sandbox/assumptions", func(w http.ResponseWriter, _ *http.Request) {
		s.store.mu.RLock()
		a := s.store.assume
		s.store.mu.RUnlock()
		sandbox.Answer(w, http.StatusOK, a)
	})
}

// state shows every object by record type, in order of creation, and the rows
// that join addresses and payment methods to subscriptions.
func (s *Sandbox) state(w http.ResponseWriter, _ *http.Request) {
	all, err := s.snapshot()
	if err != nil {
		sandbox.Refuse(w, http.StatusInternalServerError, err)
		return
	}
	out := []byte("{")
	for i, kind := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			out = append(out, ',')
		}
		one := list(kind, all[kind])
		out = append(out, one[1:len(one)-1]...) // without its braces
	}
	sendRaw(w, append(out, "}\n"...))
}

func (s *Sandbox) snapshot() (map[string][]json.RawMessage, error) {
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	all := map[string][]json.RawMessage{}
	for _, kind := range []string{kindCustomer, kindSubscription, kindOffer, kindAddOn, kindSchedule, kindPaymentMethod,
		kindAddress, kindIdentity, kindRelationship} {
		all[kind] = nil // there even when empty
	}
	for kind, records := range s.store.byKind {
		all[kind] = raws(records)
	}
	for _, tied := range slices.Concat(s.store.byKind[kindAddress], s.store.byKind[kindPaymentMethod]) {
		rows, err := tied.relationshipRows()
		if err != nil {
			return nil, err
		}
		all[kindRelationship] = append(all[kindRelationship], rows...)
	}
	return all, nil
}

// relationshipRows returns the relationships of an address or a payment method as
// rows of their own.
func (r *record) relationshipRows() ([]json.RawMessage, error) {
	relationships, err := relationshipsIn(r.Data)
	if err != nil {
		return nil, err
	}
	var out []json.RawMessage
	for _, rel := range relationships {
		raw, err := json.Marshal(
			envelope{
				RecordType:       kindRelationship,
				ID:               rel.ID,
				RelationshipID:   rel.ID,
				RelationshipType: rel.Type,
				Service:          r.Service,
				Status:           rel.Status,
				Owner:            r.Owner,
				Related:          r.ID,
				Subscription:     rel.Subscription,
				Start:            rel.Start,
			},
		)
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}
