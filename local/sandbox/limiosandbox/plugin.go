package limiosandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"hotsync/local/sandbox"
)

// ZuoraSubscription is what Limio's Zuora sync reads of a subscription. Dates
// are YYYY-MM-DD, "" for none.
type ZuoraSubscription struct {
	Number        string
	AccountID     string
	AccountNumber string
	AccountName   string
	Status        string // as Zuora spells it
	Start         string
	TermStart     string
	TermEnd       string
	AutoRenew     bool
	Plans         []string // names of the rate plans that run; see assumptions.PluginMakesOffers
	// About reads contacts and cards of the account; see assumptions.PluginMakesContacts.
	About func(context.Context) (ZuoraAccount, error)
}

// ZuoraAccount is what Limio's Zuora sync reads of an account.
type ZuoraAccount struct {
	Addresses map[string]map[string]any // data by kind: billing, delivery
	Cards     []map[string]any          // in Zuora's CRUD words
}

// syncSubscription is POST /plugins/zuora/sync/subscription/{id}: Limio reads
// the subscription from Zuora, by number or id, and makes subscription, customer
// and owner where they are absent. https://docs.limio.com/api-docs/zuora-sync
func (s *Sandbox) syncSubscription(w http.ResponseWriter, r *http.Request) {
	id, owner, err := s.syncFromZuora(r.Context(), r.PathValue("id"))
	if err != nil {
		refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	sandbox.Answer(w, http.StatusOK, map[string]any{"success": true, "id": id, "owner": owner})
}

// zuoraEvent is POST /events/zuora, Zuora's callout into Limio. Whatever its
// type, the subscription is read again. The answer's body is not known.
func (s *Sandbox) zuoraEvent(w http.ResponseWriter, r *http.Request) {
	m, err := readMembers(w, r, []string{"subscriptionID", "type", "data"})
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	key, err := m.text("subscriptionID")
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	_, _, err = s.syncFromZuora(r.Context(), key)
	if err != nil {
		refuse(w, http.StatusBadGateway, err.Error())
		return
	}
	sandbox.Answer(w, http.StatusOK, map[string]any{})
}

func (s *Sandbox) syncFromZuora(ctx context.Context, key string) (id, owner string, err error) {
	if s.readZuora == nil {
		return "", "", fmt.Errorf("no Zuora is connected")
	}
	z, err := s.readZuora(ctx, key)
	if err != nil {
		return "", "", err
	}
	about, err := s.about(ctx, z)
	if err != nil {
		return "", "", err
	}
	now := s.stamp()
	fresh := map[string]string{}
	for _, prefix := range []string{"id-", "cus-", "identity-", "sub-"} {
		fresh[prefix] = s.newID(prefix)
	}

	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.counts.PluginSyncs++
	customer := s.store.customerOf(z.AccountID)
	if customer == nil {
		customer, err = s.store.addCustomer(z, fresh, now)
		if err != nil {
			return "", "", err
		}
	}
	before := s.store.byNumber[subscriptionName{customer.ID, z.Number}]
	sub, err := s.store.putSubscription(z, customer, fresh["sub-"], now)
	if err == nil && before == nil && s.store.assume.PluginMakesOffers {
		err = s.addOffers(z, sub, now)
	}
	if err == nil && before == nil {
		err = s.addContacts(about, sub, now)
	}
	if err != nil {
		return "", "", err
	}
	return sub.ID, sub.Owner, nil
}

// addOffers makes the offers of a new subscription as Limio sells them: with the
// published item whose bundle names the rate plan, where there is exactly one,
// and a timestamp for a start.
func (s *Sandbox) addOffers(z ZuoraSubscription, sub *record, now string) error {
	for _, plan := range z.Plans {
		var found []map[string]any
		for _, i := range s.store.catalogue {
			var item struct {
				Data struct {
					Bundles []struct {
						RatePlan string `json:"rate_plan"`
					} `json:"productBundles"`
				} `json:"data"`
			}
			var whole map[string]any
			if i.kind != "offer" || json.Unmarshal(i.raw, &item) != nil || json.Unmarshal(i.raw, &whole) != nil {
				continue
			}
			for _, b := range item.Data.Bundles {
				if b.RatePlan == plan {
					found = append(found, whole)
				}
			}
		}
		if len(found) != 1 {
			continue
		}
		whole := found[0]
		whole["mode"], whole["service"], whole["record_type"], whole["status"] = "production", "limio", "offer", "active"
		_, err := s.store.addOwn(
			envelope{RecordType: kindOffer, ID: s.newID("subscription_offer-"), Name: fmt.Sprint(whole["name"]),
				Owner: sub.Owner, Customer: sub.Customer, Related: sub.ID, Start: z.Start},
			now,
			map[string]any{"name": whole["name"], "start": z.Start + "T09:00:00.210Z", "quantity": 1, "offer": whole},
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// about reads the account where addresses and methods are made of it.
func (s *Sandbox) about(ctx context.Context, z ZuoraSubscription) (ZuoraAccount, error) {
	s.store.mu.RLock()
	made := s.store.assume.PluginMakesContacts
	s.store.mu.RUnlock()
	if !made || z.About == nil {
		return ZuoraAccount{}, nil
	}
	return z.About(ctx)
}

// addContacts makes addresses and payment methods of a new subscription as Limio
// keeps those of one that it sold: under ids of its own, tied to it alone, with a
// timestamp for a start.
func (s *Sandbox) addContacts(about ZuoraAccount, sub *record, now string) error {
	tie := func(kind string) []any {
		row := map[string]any{
			"relationship_id": s.newID("rel-"),
			"subscription":    sub.ID,
			"start":           now,
			"status":          "active",
		}
		if kind != "" {
			row["relationship_type"] = kind
		}
		return []any{row}
	}
	for _, kind := range slices.Sorted(maps.Keys(about.Addresses)) {
		data := maps.Clone(about.Addresses[kind])
		data["relationships"] = tie(kind)
		_, err := s.store.addOwn(envelope{RecordType: kindAddress, ID: s.newID("address-"), Owner: sub.Owner,
			Customer:         sub.Customer,
			RelationshipType: kind}, now, data)
		if err != nil {
			return err
		}
	}
	for _, card := range about.Cards {
		_, err := s.store.addOwn(envelope{RecordType: kindPaymentMethod, ID: s.newID("pm-"), Owner: sub.Owner,
			Customer: sub.Customer, Type: "zuora"}, now,
			map[string]any{"type": "zuora", "relationships": tie(""), "zuora": map[string]any{"refId": card["Id"],
				"result": card}})
		if err != nil {
			return err
		}
	}
	return nil
}

// addCustomer makes owner, customer and account identity.
func (st *store) addCustomer(z ZuoraSubscription, id map[string]string, now string) (*record, error) {
	owner := envelope{RecordType: kindIdentity, ID: id["id-"], Name: z.AccountName, Type: typeOwner}
	_, err := st.addOwn(owner, now, map[string]any{})
	if err != nil {
		return nil, err
	}
	customer, err := st.addOwn(envelope{RecordType: kindCustomer, ID: id["cus-"], Owner: owner.ID}, now,
		map[string]any{"name": z.AccountName})
	if err != nil {
		return nil, err
	}
	_, err = st.addOwn(
		envelope{
			RecordType: kindIdentity,
			ID:         id["identity-"],
			Type:       "account",
			Service:    "zuora",
			Owner:      owner.ID,
			Customer:   customer.ID,
		},
		now,
		map[string]any{
			"service":       "zuora",
			"issuer":        "zuora",
			"type":          "account",
			"value":         z.AccountID,
			"accountNumber": z.AccountNumber,
		},
	)
	return customer, err
}

// putSubscription makes the subscription of a number, or brings it up to date.
// Its offers stay as they are: Limio cannot match one to a rate plan that was
// made outside.
func (st *store) putSubscription(z ZuoraSubscription, customer *record, id, now string) (*record, error) {
	data := map[string]any{"attributes": map[string]any{"autoRenew": z.AutoRenew}}
	for name, date := range map[string]string{"startDate": z.Start, "termStartDate": z.TermStart,
		"termEndDate": z.TermEnd} {
		if date != "" {
			data[name] = date
		}
	}
	status := strings.ToLower(z.Status)
	found := st.byNumber[subscriptionName{customer.ID, z.Number}]
	if found != nil {
		return found, st.merge(found, "", status, data, now)
	}
	return st.addOwn(envelope{RecordType: kindSubscription, ID: id, Name: z.Number, Reference: z.Number,
		Owner: customer.Owner, Customer: customer.ID, Status: status, Start: z.Start}, now, data)
}

// addOwn stores an object that Limio itself makes.
func (st *store) addOwn(e envelope, now string, data map[string]any) (*record, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode data of %s: %w", e.ID, err)
	}
	e.Data, e.Created, e.Updated, e.Mode = raw, now, now, "production"
	if e.Service == "" {
		e.Service = "limio"
	}
	if e.Status == "" {
		e.Status = "active"
	}
	st.counts.PluginCreates[e.RecordType]++
	return st.add(e)
}
