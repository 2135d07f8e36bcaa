package convergence_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/projection/projectiontest"
)

// world is an account with the Limio it meets.
type world struct {
	account   billing.Account
	login     hotsync.Identity
	limio     *memory
	catalogue *catalogue.Index
	foreign   map[string]projection.Object // objects that no sync of the account may touch
}

func (w world) want() projection.Result {
	return projection.Project(w.account, w.login,
		projection.Options{Today: projectiontest.Today, Tenant: "acme", Catalogue: w.catalogue})
}

// newWorld makes an account and a Limio that has nothing of it, or an earlier
// state of it, synced by hotsync or made by Limio itself; with members, objects
// and another customer of the same owner that hotsync knows nothing about.
func newWorld(t *testing.T, seed uint64) world {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	w := world{account: projectiontest.Account(r), login: projectiontest.Login(r), limio: newMemory(),
		foreign: map[string]projection.Object{}}
	if r.IntN(3) > 0 {
		w.catalogue = projectiontest.Catalogue()
	}
	if r.IntN(4) == 0 {
		return w
	}
	first := w.want()
	if r.IntN(2) == 0 {
		first = madeByLimio(r, first)
	}
	_, err := w.limio.sync(first)
	if err != nil {
		t.Fatal(err)
	}
	w.decorate(r)
	if r.IntN(3) == 0 {
		w.login = projectiontest.Login(r)
	}
	for range r.IntN(4) {
		w.account = projectiontest.Change(r, w.account)
	}
	return w
}

// madeByLimio returns objects ids that hotsync would not give, and takes from some
// offers what ties them to Zuora.
func madeByLimio(r *rand.Rand, want projection.Result) projection.Result {
	raw, err := json.Marshal(want)
	if err != nil {
		panic(err)
	}
	text := string(raw)
	for _, o := range want.Objects {
		if r.IntN(2) == 0 {
			prefix, _, _ := strings.Cut(o.ID, "-")
			text = strings.ReplaceAll(text, o.ID, fmt.Sprintf("%s-%016x%016x", prefix, r.Uint64(), r.Uint64()))
		}
	}
	var out projection.Result
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err = d.Decode(&out)
	if err != nil {
		panic(err)
	}
	for i, o := range out.Objects {
		if (o.Kind == projection.SubscriptionOffer || o.Kind == projection.SubscriptionAddOn ||
			o.Kind == projection.Schedule) && r.IntN(3) == 0 {
			delete(out.Objects[i].Data, "zuora")
			out.Objects[i].Key = ""
		}
	}
	return out
}

// decorate adds what only Limio knows about.
func (w *world) decorate(r *rand.Rand) {
	for _, id := range slices.Sorted(maps.Keys(w.limio.objects)) {
		o := w.limio.objects[id]
		o.Data = merge(o.Data, map[string]any{"unknown": id, "price": map[string]any{"summary": "text"}})
		if list, ok := o.Data["relationships"].([]any); ok {
			o.Data["relationships"] = append(slices.Clone(list),
				map[string]any{"relationship_id": "rel-1", "subscription": "sub-1"})
		}
		w.limio.objects[id] = o
		if o.Kind == projection.Customer {
			w.addForeign(o)
		}
	}
}

func (w *world) addForeign(customer projection.Object) {
	for _, o := range []projection.Object{
		{Kind: projection.PaymentMethod, ID: "pm-stripe", Customer: customer.ID, Data: map[string]any{"type": "stripe"}},
		{Kind: projection.SubscriptionOffer, ID: "subscription_offer-x", Customer: customer.ID,
			Data: map[string]any{"name": "Gift"}},
		{Kind: projection.Identity, ID: "identity-stripe", Service: "stripe", Type: "customer", Customer: customer.ID,
			Data: map[string]any{"value": "x"}},
		{Kind: projection.Identity, ID: "identity-other", Type: projection.TypeExternal, Owner: customer.Owner,
			Data: map[string]any{"iss": "https://login.example.com", "sub": "somebody else"}},
		{Kind: projection.Customer, ID: "cus-other", Owner: customer.Owner},
		{Kind: projection.Address, ID: "address-other", Name: "billing", Owner: customer.Owner, Customer: "cus-other"},
		{Kind: "order", ID: "order-1", Customer: customer.ID},
	} {
		w.limio.objects[o.ID], w.foreign[o.ID] = o, o
	}
}

func FuzzConverge(f *testing.F) {
	for seed := range uint64(150) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		w := newWorld(t, seed)
		before, writes := w.limio.clone(), w.limio.writes
		w.checkInputs(t)

		plan, err := w.limio.sync(w.want())
		if err != nil {
			t.Fatal(err)
		}
		w.limio.noFaults(t)
		if len(plan.Changes) != w.limio.writes-writes {
			t.Errorf("%d changes took %d writes", len(plan.Changes), w.limio.writes-writes)
		}
		again, err := w.limio.sync(w.want())
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Changes) != 0 {
			t.Errorf("a second sync changes %v", convergence.Masked(again.Changes))
		}
		w.checkKept(t, before)
		w.checkReached(t)
		w.checkMasked(t, plan.Changes, before)
		w.checkPrefixes(t, before, len(plan.Changes))
	})
}

// checkInputs: Diff leaves what it is given as it was, to the last member.
func (w world) checkInputs(t *testing.T) {
	t.Helper()
	want := w.want()
	have := slices.Collect(maps.Values(w.limio.objects))
	before := slices.Clone(have)
	for i, o := range before {
		before[i].Data, _ = deeply(o.Data).(map[string]any)
	}
	convergence.Diff(want, have)
	if diff := cmp.Diff(w.want(), want); diff != "" {
		t.Errorf("Diff changes what is wanted (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(before, have); diff != "" {
		t.Errorf("Diff changes what Limio has (-before +after):\n%s", diff)
	}
}

// deeply copies a JSON value.
func deeply(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := maps.Clone(v)
		for name, member := range v {
			out[name] = deeply(member)
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i, element := range v {
			out[i] = deeply(element)
		}
		return out
	default:
		return value
	}
}

// checkKept: nothing is deleted, nothing of Limio's own is touched.
func (w world) checkKept(t *testing.T, before *memory) {
	t.Helper()
	for id, o := range before.objects {
		now, ok := w.limio.objects[id]
		if !ok {
			t.Errorf("%s is gone", id)
		}
		if o.Data["unknown"] != now.Data["unknown"] {
			t.Errorf("%s lost a member that hotsync does not know", id)
		}
		if hasForeignTie(o) && !hasForeignTie(now) {
			t.Errorf("%s lost a relationship that hotsync does not know", id)
		}
	}
	for id, o := range w.foreign {
		if diff := cmp.Diff(o, w.limio.objects[id]); diff != "" {
			t.Errorf("%s is none of hotsync's business (-before +after):\n%s", id, diff)
		}
	}
}

func hasForeignTie(o projection.Object) bool {
	list, _ := o.Data["relationships"].([]any)
	return slices.ContainsFunc(list, func(r any) bool { return r.(map[string]any)["relationship_id"] == "rel-1" })
}

// checkReached: each wanted object is there once, with the wanted content, and
// belongs to the one owner and customer.
func (w world) checkReached(t *testing.T) {
	t.Helper()
	reached := map[string]projection.Object{} // by kind and key
	for id, o := range w.limio.objects {
		name := string(o.Kind) + " " + projection.KeyOf(o)
		if _, ok := w.foreign[id]; ok {
			continue
		}
		if _, twice := reached[name]; twice && projection.KeyOf(o) != "" {
			t.Errorf("%s is there twice", name)
		}
		reached[name] = o
	}
	customer := reached["customer customer"]
	for _, wanted := range w.want().Objects {
		name := string(wanted.Kind) + " " + wanted.Key
		got, ok := reached[name]
		switch {
		case !ok && wanted.Kind == projection.Schedule && w.limio.hasPayment(wanted):
			// Limio's own, which has no key.
		case !ok:
			t.Errorf("%s is not there", name)
		case wanted.Owner != "" && got.Owner != customer.Owner, wanted.Customer != "" && got.Customer != customer.ID:
			t.Errorf("%s belongs to %s and %s, want %s and %s", name, got.Owner, got.Customer, customer.Owner, customer.ID)
		case got.Status != wanted.Status:
			t.Errorf("%s is %s, want %s", name, got.Status, wanted.Status)
		case wanted.Related != "" && w.limio.objects[got.Related].Kind != projection.Subscription:
			t.Errorf("%s hangs on %s", name, got.Related)
		default:
			includes(t, name, w.comparable(wanted, got), got.Data)
		}
	}
}

// hasPayment reports whether there is a payment of the day.
func (m *memory) hasPayment(wanted projection.Object) bool {
	number, _, _ := strings.Cut(wanted.Key, "/")
	for _, o := range m.objects {
		if o.Kind == projection.Schedule && m.objects[o.Related].Name == number && o.Data["date"] == wanted.Data["date"] {
			return true
		}
	}
	return false
}

// comparable is what an object must have: of one that Limio made, not what Limio
// knows better, and of a payment not what was taken.
func (w world) comparable(wanted, got projection.Object) map[string]any {
	data := maps.Clone(wanted.Data)
	isOwn := got.ID != projection.ID("acme", got.Kind, w.account.ID, got.Key)
	switch {
	case wanted.Kind == projection.Schedule && (isOwn || wanted.Data["date"].(string) < projectiontest.Today+"U"):
		return nil
	case wanted.Kind == projection.PaymentMethod, wanted.Kind == projection.Address && isOwn:
		delete(data, "relationships")
	case isOwn:
		for _, name := range []string{"offer", "add_on", "products", "name", "tracking", "record_subtype", "purchaseCountry",
			"price"} {
			delete(data, name)
		}
	}
	delete(data, "zuora") // it may have kept its key
	return data
}

// includes checks that data has what is wanted, but for the ids, which differ.
func includes(t *testing.T, path string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for k, member := range want {
			includes(t, path+"."+k, member, got[k])
		}
	case []any:
		got, _ := got.([]any)
		if len(got) < len(want) {
			t.Errorf("%s has %d entries, want %d at least", path, len(got), len(want))
		}
	default:
		if len(references(want)) == 0 && want != got || len(references(want)) != len(references(got)) {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	}
}

// checkMasked: what events show holds no personal value.
func (w world) checkMasked(t *testing.T, changes []convergence.Change, before *memory) {
	t.Helper()
	raw, err := json.Marshal(convergence.Masked(changes))
	if err != nil {
		t.Fatal(err)
	}
	personal := []string{w.account.Name, w.login.Subject}
	for _, c := range []*billing.Contact{w.account.BillTo, w.account.SoldTo, w.account.ShipTo} {
		if c != nil {
			personal = append(personal, c.FirstName, c.LastName, c.WorkEmail, c.HomeEmail, c.Address1, c.City, c.PostalCode)
		}
	}
	for _, o := range before.objects {
		for _, member := range []string{"name", "firstName", "lastName", "email", "address1", "city", "postalCode", "last4"} {
			if o.Kind == projection.Customer || o.Kind == projection.Address || o.Kind == projection.PaymentMethod {
				value, _ := o.Data[member].(string)
				personal = append(personal, value)
			}
		}
	}
	for _, value := range personal {
		if len(value) > 4 && strings.Contains(string(raw), value) {
			t.Errorf("masked changes show %q: add its member to personal (projection/personal.go)", value)
		}
	}
	if strings.Contains(string(raw), "****") {
		t.Errorf("masked changes show the number of a card")
	}
}

// checkPrefixes: wherever a sync dies, nothing dangles, and repeating it ends as
// if it had not died.
func (w world) checkPrefixes(t *testing.T, before *memory, writes int) {
	t.Helper()
	for n := 0; n < writes; n += 1 + writes/8 {
		m := before.clone()
		m.limit = n
		_, err := m.sync(w.want())
		if !errors.Is(err, errDown) {
			t.Fatalf("after %d of %d writes: error = %v", n, writes, err)
		}
		m.limit = -1
		for range 2 { // the second, should the first not have seen what was there
			_, err = m.sync(w.want())
			if err != nil {
				t.Fatal(err)
			}
		}
		m.noFaults(t)
		if !reflect.DeepEqual(w.limio.objects, m.objects) {
			t.Fatalf("dying after %d of %d writes made a difference (-without +with):\n%s", n, writes,
				cmp.Diff(w.limio.objects, m.objects))
		}
	}
}
