package limiosandbox

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hotsync/local/sandbox"
)

// The account view: what Limio's account pages read with the session of the
// customer who signed in. hotsync never calls it; it shows an account as its
// customer sees it.

// accountLists are the record types that hang on a subscription, by the member
// of the joined subscription they come under. The first three are those of
// Limio's own sample; addresses and payment methods reach the pages through
// hooks whose paths are not public, so that their names here are ours.
var accountLists = map[string]string{
	"offers": kindOffer, "schedule": kindSchedule, "addOns": kindAddOn,
	"addresses": kindAddress, "paymentMethods": kindPaymentMethod,
}

// accountView serves /api/mma to pages of this computer, whatever port a shop
// has: tests start several at a time.
func (s *Sandbox) accountView() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/mma/subscriptions", s.accountSubscriptions)
	mux.HandleFunc("GET /api/mma/subscriptions/{id}/related/{record_type}", s.accountRelated)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if isLocal(origin) {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Headers", "authorization, content-type")
			w.Header().Set("Access-Control-Allow-Methods", "GET, OPTIONS")
			w.Header().Set("Access-Control-Max-Age", "600")
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func isLocal(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "http" && slices.Contains([]string{"127.0.0.1", "localhost"}, u.Hostname())
}

// session reads who signed in. The ID token is taken at its word: the identity
// provider's keys are no business of a sandbox on this computer.
func session(r *http.Request) (issuer, subject string, ok bool) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(token, ".")
	if !bearer || len(parts) != 3 {
		return "", "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", "", false
	}
	var claims struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
	}
	err = json.Unmarshal(payload, &claims)
	return claims.Issuer, claims.Subject, err == nil && claims.Issuer != "" && claims.Subject != ""
}

// accountSubscriptions is GET /mma/subscriptions.
func (s *Sandbox) accountSubscriptions(w http.ResponseWriter, r *http.Request) {
	issuer, subject, ok := session(r)
	if !ok {
		refuse(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	s.store.mu.RLock()
	items, err := s.store.joined(s.store.subscriptionsOf(issuer, subject))
	customers := raws(s.store.customersOf(issuer, subject))
	s.store.mu.RUnlock()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	sandbox.Answer(w, http.StatusOK, map[string]any{"items": items, "customers": customers})
}

// accountRelated is GET /mma/subscriptions/{id}/related/{record_type}.
func (s *Sandbox) accountRelated(w http.ResponseWriter, r *http.Request) {
	issuer, subject, ok := session(r)
	if !ok {
		refuse(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	kind := r.PathValue("record_type")
	s.store.mu.RLock()
	subs := s.store.subscriptionsOf(issuer, subject)
	i := slices.IndexFunc(subs, func(sub *record) bool { return sub.ID == r.PathValue("id") })
	var items []json.RawMessage
	var err error
	if i >= 0 {
		items, err = s.store.hangingOn(subs[i], kind)
	}
	s.store.mu.RUnlock()
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case i < 0 || !slices.Contains(slices.Collect(maps.Values(accountLists)), kind):
		refuse(w, http.StatusNotFound, noSuchObject)
	default:
		sendRaw(w, list("items", items))
	}
}

// The methods below want the lock held.

// subscriptionsOf returns what the owners of a login own, in order of creation.
func (st *store) subscriptionsOf(issuer, subject string) []*record {
	return st.ownedBy(issuer, subject, kindSubscription)
}

func (st *store) customersOf(issuer, subject string) []*record {
	return st.ownedBy(issuer, subject, kindCustomer)
}

func (st *store) ownedBy(issuer, subject, kind string) []*record {
	var out []*record
	for _, login := range st.byValue[identityValue{"limio", typeExternal, issuer + "\x00" + subject}] {
		for _, r := range st.byOwner[login.Owner] {
			if r.RecordType == kind && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b *record) int { return a.seq - b.seq })
	return out
}

// joined returns subscriptions with their lists.
func (st *store) joined(subs []*record) ([]map[string]any, error) {
	out := []map[string]any{}
	for _, sub := range subs {
		item := map[string]any{}
		err := json.Unmarshal(sub.raw, &item)
		if err != nil {
			return nil, err
		}
		item["data"] = sub.Data // as it is: a number must not become a float
		for member, kind := range accountLists {
			item[member], err = st.hangingOn(sub, kind)
			if err != nil {
				return nil, err
			}
		}
		out = append(out, item)
	}
	return out, nil
}

// hangingOn returns the objects of a kind that belong to a subscription; those
// that may belong to several come as rows that join the object and its tie.
func (st *store) hangingOn(sub *record, kind string) ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	if kind != kindAddress && kind != kindPaymentMethod {
		for _, r := range st.byRelated[sub.ID] {
			if r.RecordType == kind {
				out = append(out, r.raw)
			}
		}
		return out, nil
	}
	for _, r := range st.byCustomer[sub.Customer] {
		if r.RecordType != kind {
			continue
		}
		rows, err := r.joinedTo(sub.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}
