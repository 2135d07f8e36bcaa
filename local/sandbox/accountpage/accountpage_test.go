package accountpage_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/accountpage"
	"hotsync/local/sandbox/limiosandbox"
	"hotsync/local/sandbox/persona"
	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
	"hotsync/shared/projection"
	"hotsync/shared/zuora"
)

// now is a day in the middle of a month, so that dates of the personas are plain.
var now = time.Date(2026, 11, 15, 9, 0, 0, 0, time.UTC)

const issuer = "https://idp.example.com"

// world is both sandboxes, with a client of each.
type world struct {
	t         *testing.T
	limioURL  string
	zuora     *zuora.Client
	limio     *limio.Client
	catalogue *catalogue.Index
}

func clock() time.Time { return now }

func start(t *testing.T) *world {
	t.Helper()
	z := httptest.NewServer(zuorasandbox.New(zuorasandbox.Config{Now: clock, Personas: true}))
	t.Cleanup(z.Close)
	s := limiosandbox.New(limiosandbox.Config{Now: clock, Catalogue: persona.Catalogue(),
		ReadZuora: limiosandbox.ZuoraOverHTTP(z.URL, zuorasandbox.DefaultClientID, zuorasandbox.DefaultClientSecret)})
	l := httptest.NewServer(s)
	t.Cleanup(l.Close)
	w := &world{t: t, limioURL: l.URL}
	var err error
	for _, p := range persona.All(now) {
		err = s.Seed(p.Limio)
		if err != nil {
			t.Fatalf("objects of %s: %v", p.Name, err)
		}
	}
	w.zuora, err = zuora.New(zuora.Config{BaseURL: z.URL, Now: clock, Credentials: zuorasandbox.Credentials})
	if err != nil {
		t.Fatal(err)
	}
	w.limio, err = limio.New(limio.Config{BaseURL: l.URL, Now: clock, Credentials: limiosandbox.Credentials})
	if err != nil {
		t.Fatal(err)
	}
	w.catalogue, _, err = w.limio.Catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// sync makes the account in Limio what it is in Zuora, as the syncer does.
func (w *world) sync(who hotsync.Identity, accountID string, plan hotsync.ZuoraPlan, strategy hotsync.CreationStrategy,
	source hotsync.ScheduleSource) billing.Account {
	w.t.Helper()
	account, err := w.zuora.Read(w.t.Context(), accountID,
		zuora.ReadOptions{Plan: plan, Preview: source == hotsync.SchedulesPreview,
			Today: now.Format(time.DateOnly)})
	if err != nil {
		w.t.Fatalf("read %s: %v", accountID, err)
	}
	if source == hotsync.SchedulesPreview && account.Preview.Missing != "" {
		w.t.Fatalf("the billing preview of %s is missing: %s", accountID, account.Preview.Missing)
	}
	want := projection.Project(account, who,
		projection.Options{Today: now.Format(time.DateOnly), Tenant: "acme", Catalogue: w.catalogue, Schedules: source})
	if strategy == hotsync.CreatePlugin {
		for _, o := range want.Objects {
			if o.Kind != projection.Subscription {
				continue
			}
			_, _, err = w.limio.SyncSubscription(w.t.Context(), o.Key)
			if err != nil {
				w.t.Fatalf("plugin %s: %v", o.Key, err)
			}
		}
	}
	for again := range 2 {
		have, err := w.limio.Account(w.t.Context(), accountID)
		if err != nil {
			w.t.Fatalf("account %s: %v", accountID, err)
		}
		changes := convergence.Diff(want, have).Changes
		if again == 1 && len(changes) > 0 {
			w.t.Errorf("account %s: %d changes left, the first %s of %s: %+v", accountID, len(changes), changes[0].Action,
				changes[0].Object.Kind, changes[0])
		}
		_, err = convergence.Apply(w.t.Context(), w.limio, changes, convergence.Options{})
		if err != nil {
			w.t.Fatalf("apply to %s: %v", accountID, err)
		}
	}
	return account
}

// page is what the login sees, by subscription number.
func (w *world) page(who hotsync.Identity) map[string]accountpage.Object {
	w.t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.limioURL+"/api/mma/subscriptions", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	claims, err := json.Marshal(map[string]string{"iss": who.Issuer, "sub": who.Subject})
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer e30."+encode(claims)+".x")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Items []accountpage.Object `json:"items"`
	}
	err = json.NewDecoder(res.Body).Decode(&answer)
	if err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatalf("account view = %d, %v", res.StatusCode, err)
	}
	out := map[string]accountpage.Object{}
	for _, item := range answer.Items {
		out[fmt.Sprint(item["name"])] = item
	}
	return out
}

// shown is what a page has to show of a subscription: written by hand from what
// the persona has in Zuora, without a word of the code that is tested.
var shown = map[string]accountpage.Shown{
	"A-S00101001": {Plan: "Digital UK", Price: "17.50", Currency: "GBP", Next: "2026-12-15", Payment: "Visa 4242",
		Billing: "Leeds", Delivery: "Leeds"},
	"A-S00201001": {Plan: "Digital France", Price: "149.00", Currency: "EUR", Next: "2027-08-15",
		Payment: "MasterCard 4444", Billing: "Lyon", Delivery: "Lyon"},
	"A-S00202001": {Plan: "Weekend Gift", Price: "89.00", Currency: "EUR", Next: "2027-10-15", Payment: "MasterCard 4444",
		Billing: "Lyon", Delivery: "Annecy"},
	"A-S00203001": {Plan: "Corporate", Price: "118.80", Currency: "EUR", Next: "2026-12-15", Payment: "Direct Debit 7606",
		Billing: "Lyon", Delivery: "Lyon"},
	"A-S00301001": {Plan: "Deutschland Print", Price: "84.00", Currency: "EUR", Next: "2027-02-15",
		Payment: "Direct Debit 3000", Billing: "Berlin", Delivery: "Potsdam"},
	"A-S00401001": {Status: "cancelled", Plan: "Digital Ireland", Price: "N/A", Currency: "EUR", Next: "N/A",
		Payment: "Visa 1881", Billing: "Dublin", Delivery: "Dublin"},
	"A-S00402001": {Plan: "Digital Ireland", Price: "16.00", Currency: "EUR", Next: "2026-12-15", Payment: "Visa 1881",
		Billing: "Dublin", Delivery: "Dublin"},
	"A-S00501001": {Plan: "Digital US", Price: "19.99", Currency: "USD", Next: "2026-12-15",
		Payment: "AmericanExpress 0005", Billing: "Portland", Delivery: "Portland"},
	"A-S00701001": mixed("Weekend Annual", "N/A", "N/A", "cancelled", 0),
	"A-S00701002": mixed("Weekend Monthly", "9.00", "2027-02-15", "suspended", 0),
	"A-S00701005": mixed("Next Season", accountpage.PriceUnavailable, "2027-01-15", "active", 0), // has not begun
	"A-S00701006": mixed("Digital Evergreen", "11.00", "2026-12-15", "active", 0),
	"A-S00701007": mixed("Digital", "8.50", "2026-12-15", "active", 2),  // 14 less a quarter and less 2
	"A-S00701008": mixed("Archive", "50.00", "2026-12-15", "active", 0), // 10 x 1.00 + 20 x 0.80 and 120 x 0.20
	"A-S00701009": mixed("Digital Plus", "13.00", "2026-12-15", "active", 0),
	"A-S00701010": mixed("Family seats", "12.75", "2026-12-15", "active", 0),
	"A-S00801001": {Plan: "Digital US Annual", Price: "199.00", Currency: "USD", Next: "2027-06-15", Billing: "Boston",
		Delivery: "Boston"},
	"A-S01001001": {Plan: "Digital UK", Price: "20.50", Currency: "GBP", Next: "2026-12-15", Payment: "Visa 7731",
		Billing: "Bristol", Delivery: "Bristol", AddOns: []string{"Crossword"}},
	"A-S01101001": {Plan: "Digital Basic", Price: "8.00", Currency: "EUR", Next: "2026-12-15", Payment: "MasterCard 2204",
		Billing: "München", Delivery: "München"},
	"A-S01201001": {Plan: "Digital UK", Price: "13.16", Currency: "GBP", Next: "2026-12-15", Payment: "Visa 9018",
		Billing: "Edinburgh", Delivery: "Edinburgh", Discounts: 2},
	"A-S01301001": {Plan: "Digital UK", Price: "17.50", Currency: "GBP", Next: "2026-12-15", Payment: "Direct Debit 6789",
		Billing: "Cardiff", Delivery: "Cardiff"},
	"A-S01401001": {Plan: "Puzzle Club", Price: "6.00", Currency: "EUR", Next: "2026-12-15", Payment: "Visa 5530",
		Billing: "Madrid", Delivery: "Madrid"},
	"A-S01401002": {Plan: "Digital", Price: "14.00", Currency: "EUR", Next: "2026-12-15", Payment: "Visa 5530",
		Billing: "Madrid", Delivery: "Madrid"},
	"A-S01501001": {Plan: "Europe", Price: "10.00", Currency: "EUR", Next: "2026-12-15", Payment: "MasterCard 6612",
		Billing: "Warszawa", Delivery: "Warszawa"},
	"A-S01601001": {Plan: "Digital UK Annual", Price: "120.00", Currency: "GBP", Next: "2027-10-15", Payment: "Visa 3377",
		Billing: "London", Delivery: "London"},
	"A-S01601002": {Plan: "Digital UK Thirds", Price: "33.33", Currency: "GBP", Next: "2027-01-15", Payment: "Visa 3377",
		Billing: "London", Delivery: "London"},
	"A-S01701001": {Plan: "Digital UK", Price: "17.50", Currency: "GBP", Next: "2026-12-15", Payment: "Visa 8812",
		Billing: "Leeds", Delivery: "Leeds"},
}

func mixed(plan, price, next, status string, discounts int) accountpage.Shown {
	return accountpage.Shown{Status: status, Plan: plan, Price: price, Currency: "EUR", Next: next, Payment: "Visa 1111",
		Billing:  "Milano",
		Delivery: "Milano", Discounts: discounts}
}

// want is the entry of a number, with what the table leaves out.
func want(number string) (accountpage.Shown, bool) {
	s, ok := shown[number]
	if strings.HasPrefix(number, "A-S00601") { // a branch library; its months differ
		branch, _ := strconv.Atoi(number[len("A-S00601"):])
		started := -1 - (branch-1)%11
		s, ok = accountpage.Shown{Plan: fmt.Sprintf("Branch %02d", branch), Price: "420.00", Currency: "GBP",
			Next: now.AddDate(0, started+12, 0).Format(time.DateOnly), Payment: "Direct Debit 0779", Billing: "Birmingham",
			Delivery: "Birmingham"}, true
	}
	s.Number, s.Status = number, cmp.Or(s.Status, "active")
	return s, ok
}

// TestPages is the measure of right: what Limio's account pages show of every
// persona, however Zuora is read and Limio written.
func TestPages(t *testing.T) {
	t.Parallel()

	for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
		for _, strategy := range []hotsync.CreationStrategy{hotsync.CreateObjects, hotsync.CreatePlugin} {
			for _, source := range []hotsync.ScheduleSource{hotsync.SchedulesPreview, hotsync.SchedulesCharges} {
				t.Run(fmt.Sprintf("%s %s %s", plan, strategy, source), func(t *testing.T) {
					t.Parallel()

					w := start(t)
					seen := 0
					for _, p := range persona.All(now) {
						page := w.signIn(p, plan, strategy, source)
						keep(t, fmt.Sprintf("%s-%s-%s-%s", p.Name, plan, strategy, source), page)
						for number, sub := range page {
							seen++
							if missing := accountpage.Missing(sub, now); len(missing) > 0 {
								t.Errorf("%s: the pages miss\n\t%s", p.Name, strings.Join(missing, "\n\t"))
							}
							wantShown(t, p.Name, number, sub)
						}
					}
					if seen < 80 {
						t.Errorf("only %d subscriptions are on the pages", seen)
					}
				})
			}
		}
	}
}

// keep writes a page with what it has to show into the directory that the
// variable ACCOUNTPAGE_STATES names, for readers outside this repository: Limio's
// own components (see docs/account-pages.md).
func keep(t *testing.T, name string, page map[string]accountpage.Object) {
	t.Helper()
	dir := os.Getenv("ACCOUNTPAGE_STATES")
	if dir == "" {
		return
	}
	type item struct {
		Want accountpage.Shown
		Sub  accountpage.Object
	}
	var items []item
	for _, number := range slices.Sorted(maps.Keys(page)) {
		expected, _ := want(number)
		items = append(items, item{expected, page[number]})
	}
	raw, err := json.Marshal(map[string]any{"now": now, "items": items})
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(filepath.Join(dir, name+".json"), raw, 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

// signIn syncs the accounts of a persona and gives its page.
func (w *world) signIn(p persona.Persona, plan hotsync.ZuoraPlan, strategy hotsync.CreationStrategy,
	source hotsync.ScheduleSource) map[string]accountpage.Object {
	w.t.Helper()
	who := hotsync.Identity{Issuer: issuer, Subject: fmt.Sprint(p.Claims["sub"])}
	for _, a := range p.Accounts {
		if strategy == hotsync.CreatePlugin && len(a.Subscriptions) == 0 {
			continue // the plugin makes a customer with its first subscription
		}
		w.sync(who, a.ID, plan, strategy, source)
	}
	return w.page(who)
}

func wantShown(t *testing.T, name, number string, sub accountpage.Object) {
	t.Helper()
	expected, ok := want(number)
	if !ok {
		t.Errorf("%s: nothing is expected of subscription %s", name, number)
	}
	got := accountpage.Show(sub, now)
	if expected.Payment == "" {
		got.Payment = "" // without a default any of the methods may be shown
	}
	if diff := gocmp.Diff(expected, got); diff != "" && ok {
		t.Errorf("%s: subscription %s (-want +got):\n%s", name, number, diff)
	}
}

// TestSoldInLimio: what Limio has of its own is recognised. A second offer would
// be a second plan on the page, a second address would hide the first.
func TestSoldInLimio(t *testing.T) {
	t.Parallel()

	for _, strategy := range []hotsync.CreationStrategy{hotsync.CreateObjects, hotsync.CreatePlugin} {
		w := start(t)
		p, _ := persona.Find("sold", now)
		sub := w.signIn(p, hotsync.PlanH, strategy, hotsync.SchedulesPreview)["A-S01701001"]
		for list, want := range map[string]int{"offers": 1, "addresses": 2, "paymentMethods": 1, "addOns": 0} {
			if got := len(sub[list].([]any)); got != want {
				t.Errorf("%s: %d %s, want %d", strategy, got, list, want)
			}
		}
		offer := sub["offers"].([]any)[0].(accountpage.Object)
		data, _ := offer["data"].(accountpage.Object)
		if data["start"] != "2026-06-15T09:00:00.210Z" {
			t.Errorf("%s: Limio's own timestamp became %v", strategy, data["start"])
		}
	}
}

// TestOffersOfLimiosOwnSync: where Limio's plugin makes offers, they are taken
// for what they are, and brought up to date.
func TestOffersOfLimiosOwnSync(t *testing.T) {
	t.Parallel()

	w := start(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.limioURL+"/_sandbox/assumptions",
		strings.NewReader(`{"pluginMakesOffers":true,"pluginMakesContacts":true}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("assumptions = %v, %v", res, err)
	}
	res.Body.Close()
	for name, offers := range map[string]int{"single": 1, "bank": 1, "salesforce": 1, "wallet": 1} {
		p, _ := persona.Find(name, now)
		for number, sub := range w.signIn(p, hotsync.PlanH, hotsync.CreatePlugin, hotsync.SchedulesPreview) {
			if got := len(sub["offers"].([]any)); got != offers {
				t.Errorf("%s: %d offers, want %d", name, got, offers)
			}
			kinds := map[string]int{}
			for _, row := range sub["addresses"].([]any) {
				kinds[fmt.Sprint(row.(accountpage.Object)["relationship_type"])]++
			}
			if diff := gocmp.Diff(map[string]int{"billing": 1, "delivery": 1}, kinds); diff != "" {
				t.Errorf("%s: addresses (-want +got):\n%s", name, diff)
			}
			ids := map[string]int{}
			for _, row := range sub["paymentMethods"].([]any) {
				ids[at(row, "data", "zuora", "refId")]++
			}
			for id, n := range ids {
				if n != 1 {
					t.Errorf("%s: payment method %s is there %d times", name, id, n)
				}
			}
			if missing := accountpage.Missing(sub, now); len(missing) > 0 {
				t.Errorf("%s: the pages miss\n\t%s", name, strings.Join(missing, "\n\t"))
			}
			wantShown(t, name, number, sub)
		}
	}
}

// at is a text in nested objects.
func at(v any, path ...string) string {
	for _, name := range path {
		o, _ := v.(accountpage.Object)
		v = o[name]
	}
	return fmt.Sprint(v)
}

// target are the members that the pages read, by where they are read. A * stands
// for every element of a list.
var target = []string{
	"id", "name", "status", "owner", "customer", "mode", "created", "offers", "schedule", "addOns",
	"data.name", "data.startDate", "data.price.currency", "data.price.amount", "data.quantity", "data.purchaseCountry",
	"data.attributes.autoRenew",
	"data.products", "data.products.*.attributes.display_name__limio",
	"data.offer", "data.offer.path", "data.offer.id", "data.offer.version", "data.offer.name", "data.offer.status",
	"data.offer.data.record_type",
	"data.offer.data.attributes", "data.offer.data.attributes.display_name__limio",
	"data.offer.data.attributes.price__limio",
	"data.offer.data.attributes.term__limio", "data.offer.data.attributes.autoRenew__limio",
	"data.offer.data.attributes.payment_types__limio",
	"data.offer.data.attributes.label__limio", "data.offer.data.attributes.group__limio",
	"data.offer.data.attributes.upgrade_offers__limio",
	"data.offer.data.attributes.downgrade_offers__limio", "data.offer.data.attributes.update_configuration__limio",
	"data.offer.data.productBundles", "data.offer.data.products",
	"data.offer.data.products.*.attributes.has_delivery__limio",
	"data.offer.data.products.*.entitlements", "data.offer.data.products.*.path",
	"offers.*", "offers.*.id", "offers.*.status", "offers.*.related", "offers.*.data.name", "offers.*.data.start",
	"offers.*.data.quantity",
	"offers.*.data.price.amount", "offers.*.data.price.currency", "offers.*.data.offer", "offers.*.data.offer.status",
	"offers.*.data.offer.id",
	"offers.*.data.offer.version", "offers.*.data.offer.data.record_type",
	"offers.*.data.offer.data.productBundles.*.rate_plan",
	"offers.*.data.offer.data.products.*.path", "offers.*.data.offer.data.products.*.attributes.display_name__limio",
	"schedule.*", "schedule.*.id", "schedule.*.status", "schedule.*.related", "schedule.*.data.date",
	"schedule.*.data.schedule_date",
	"schedule.*.data.amount", "schedule.*.data.amountWithoutTax", "schedule.*.data.currency", "schedule.*.data.type",
	"schedule.*.data.lineItems",
	"addOns.*", "addOns.*.id", "addOns.*.status", "addOns.*.related", "addOns.*.data.quantity", "addOns.*.data.start",
	"addOns.*.data.price.amount",
	"addOns.*.data.add_on", "addOns.*.data.add_on.id", "addOns.*.data.add_on.version", "addOns.*.data.add_on.name",
	"addOns.*.data.add_on.data.products.*.path", "addOns.*.data.offer",
	"addresses.*", "addresses.*.relationship_type", "addresses.*.relationship_id", "addresses.*.related",
	"addresses.*.status",
	"addresses.*.start", "addresses.*.data.country", "addresses.*.data.city",
	"paymentMethods.*", "paymentMethods.*.id", "paymentMethods.*.type", "paymentMethods.*.status",
	"paymentMethods.*.start",
	"paymentMethods.*.related", "paymentMethods.*.relationship_id", "paymentMethods.*.data.method",
	"paymentMethods.*.data.brand",
	"paymentMethods.*.data.last4", "paymentMethods.*.data.expirationMonth", "paymentMethods.*.data.expirationYear",
	"paymentMethods.*.data.zuora.result.Type", "paymentMethods.*.data.zuora.result.CreditCardMaskNumber",
	"paymentMethods.*.data.zuora.result.CreditCardType", "paymentMethods.*.data.zuora.refId",
}

// TestEveryMemberCounts leaves out one member after the other: the rules above
// have to notice, or they hold nobody to anything.
func TestEveryMemberCounts(t *testing.T) {
	t.Parallel()

	w := start(t)
	p, _ := persona.Find("upgraded", now)
	page := w.signIn(p, hotsync.PlanH, hotsync.CreateObjects, hotsync.SchedulesPreview)
	sub := page["A-S01001001"]
	whole := accountpage.Show(sub, now)
	for _, member := range target {
		without := clone(t, sub)
		if !drop(without, strings.Split(member, ".")) {
			t.Errorf("%s is not there to be left out", member)
			continue
		}
		if len(accountpage.Missing(without, now)) == 0 && gocmp.Equal(whole, accountpage.Show(without, now)) {
			t.Errorf("nobody notices that %s is left out", member)
		}
	}
	// And the words that the pages know.
	for member, value := range map[string]any{"paymentMethods.*.data.zuora.result.Type": "Bacs",
		"schedule.*.data.amount": 20.5,
		"offers.*.data.end":      nil, "schedule.*.data.date": "2026-12-15", "data.offer.status": "draft"} {
		with := clone(t, sub)
		put(with, strings.Split(member, "."), value)
		if len(accountpage.Missing(with, now)) == 0 {
			t.Errorf("nobody notices that %s is %v", member, value)
		}
	}
}

func clone(t *testing.T, sub accountpage.Object) (out accountpage.Object) {
	t.Helper()
	raw, err := json.Marshal(sub)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// drop leaves out a member, of every element of a list; a list loses its
// elements. It reports whether there was one.
func drop(at any, path []string) bool {
	return edit(at, path, func(o accountpage.Object, name string) bool {
		_, there := o[name]
		delete(o, name)
		return there
	})
}

func put(at any, path []string, value any) {
	edit(at, path, func(o accountpage.Object, name string) bool {
		o[name] = value
		return true
	})
}

func edit(at any, path []string, do func(accountpage.Object, string) bool) bool {
	o, isObject := at.(accountpage.Object)
	list, isList := at.([]any)
	switch {
	case isObject && len(path) == 1:
		return do(o, path[0])
	case isObject && len(path) == 2 && path[1] == "*":
		list, _ := o[path[0]].([]any)
		o[path[0]] = []any{}
		return len(list) > 0
	case isObject:
		return edit(o[path[0]], path[1:], do)
	case isList && path[0] == "*":
		done := false
		for _, element := range list {
			done = edit(element, path[1:], do) || done
		}
		return done
	}
	return false
}
