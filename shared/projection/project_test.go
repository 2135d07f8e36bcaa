package projection_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/projection/projectiontest"
)

var options = projection.Options{Today: projectiontest.Today, Tenant: "acme"}

// FuzzProject holds what is true of every projection. The seed makes the
// account; the texts go where Zuora has free text.
func FuzzProject(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, "", "")
	}
	f.Add(uint64(1), "4111111111111111", "\x00\xff")
	f.Fuzz(func(t *testing.T, seed uint64, mask, text string) {
		r := rand.New(rand.NewPCG(seed, 0))
		account := projectiontest.Account(r)
		login := projectiontest.Login(r)
		if text != "" && account.BillTo != nil {
			account.BillTo.Country, account.CRMID, account.Subscriptions = text, text, append(account.Subscriptions,
				billing.Subscription{Number: text, Status: text})
		}
		for i := range account.PaymentMethods {
			if mask != "" {
				account.PaymentMethods[i].Mask = mask
			}
		}
		before := encode(t, account)
		got := projection.Project(account, login, options)
		if after := encode(t, account); after != before {
			t.Errorf("Project changed its input:\n%s", cmp.Diff(before, after))
		}
		again := projection.Project(projectiontest.Shuffle(r, account), login, options)
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("Project depends on the order of its input (-first +shuffled):\n%s", diff)
		}
		checkReferences(t, got)
		checkMembers(t, got)
		checkFuture(t, account, login, got)
	})
}

// checkFuture: what is booked for later changes nothing of what a customer has
// today.
func checkFuture(t *testing.T, account billing.Account, login hotsync.Identity, today projection.Result) {
	t.Helper()
	account.Subscriptions = slices.Clone(account.Subscriptions)
	for i, s := range account.Subscriptions {
		inForce := slices.ContainsFunc(s.RatePlans, func(rp billing.RatePlan) bool {
			return slices.ContainsFunc(rp.Charges, func(c billing.Charge) bool {
				return slices.ContainsFunc(c.Segments, func(seg billing.Segment) bool {
					paid := c.Type == "Recurring" && seg.Price.Decimal.Sign() > 0 && rp.LastChangeType != "Remove"
					return paid && seg.From != "" && seg.From <= options.Today && (seg.Until == "" || options.Today < seg.Until)
				})
			})
		})
		if !inForce {
			continue // then what is to come is what is shown
		}
		later := billing.RatePlan{ID: "later", Number: "SRP-later-" + s.Number, Name: "Later", LastChangeType: "Add",
			Charges: []billing.Charge{{
				Number: "C-later-" + s.Number, Type: "Recurring", Model: "FlatFee", BillingPeriod: "Month",
				Segments: []billing.Segment{{From: "2099-01-01", Price: decimal.NewNullDecimal(decimal.NewFromInt(99))}}}}}
		account.Subscriptions[i].RatePlans = append(slices.Clone(s.RatePlans), later)
	}
	after := map[string]projection.Object{}
	for _, o := range projection.Project(account, login, options).Objects {
		after[o.ID] = o
	}
	for _, o := range today.Objects {
		if o.Kind == projection.Schedule {
			continue // a payment of then may be within the look-ahead
		}
		if diff := cmp.Diff(o, after[o.ID]); diff != "" {
			t.Errorf("a plan of 2099 changes the %s of today (-before +after):\n%s", o.Kind, diff)
		}
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// checkReferences: ids and keys are unique, keys can be found again, and
// whatever is referred to exists, in the envelope even before what refers to it.
func checkReferences(t *testing.T, got projection.Result) {
	t.Helper()
	all, keys := map[string]bool{}, map[string]bool{}
	for _, o := range got.Objects {
		if all[o.ID] || keys[string(o.Kind)+o.Key] {
			t.Errorf("%s %q occurs twice", o.Kind, o.Key)
		}
		if o.Key == "" || projection.KeyOf(o) != o.Key {
			t.Errorf("KeyOf(%s) = %q, want %q", o.Kind, projection.KeyOf(o), o.Key)
		}
		for _, ref := range []string{o.Owner, o.Customer, o.Related} {
			if ref != "" && !all[ref] {
				t.Errorf("%s %q refers to %s, which is not before it", o.Kind, o.Key, ref)
			}
		}
		all[o.ID], keys[string(o.Kind)+o.Key] = true, true
	}
	for _, o := range got.Objects {
		leaves(o.Data, "", func(path string, value any) {
			if s, ok := value.(string); ok && isReference(path) && !all[s] {
				t.Errorf("%s %q: %s refers to %s, which is not there", o.Kind, o.Key, path, s)
			}
		})
		if o.Kind != projection.Identity && o.Kind != projection.Customer && (o.Owner == "" || o.Customer == "") {
			t.Errorf("%s %q has owner %q and customer %q", o.Kind, o.Key, o.Owner, o.Customer)
		}
	}
}

func isReference(path string) bool {
	return path == "defaultPaymentMethodId" || path == "relationships.subscription"
}

// standIn are the members of an offer that is in no catalogue.
const standIn = "offer.name offer.type offer.mode offer.service offer.record_type offer.status offer.data.record_type " +
	"offer.data.record_subtype offer.data.name offer.data.attributes.display_name__limio " +
	"offer.data.attributes.autoRenew__limio " +
	"offer.data.attributes.price__limio.currencyCode offer.data.attributes.price__limio.use_external_price " +
	"offer.data.attributes.price__limio.type offer.data.attributes.price__limio.value " +
	"offer.data.attributes.term__limio.length " +
	"offer.data.attributes.term__limio.type offer.data.attributes.term__limio.renewal_type " +
	"offer.data.productBundles.product_path " +
	"offer.data.productBundles.rate_plan offer.data.products.path offer.data.products.record_type " +
	"offer.data.products.attributes.display_name__limio offer.data.products.attributes.product_code__limio products.path " +
	"products.record_type products.attributes.display_name__limio products.attributes.product_code__limio"

// members are all that Project may write: nothing else of Zuora has a way into
// Limio.
var members = map[projection.Kind]string{
	projection.Customer: "name firstName lastName email defaultPaymentMethodId",
	projection.Identity: "service issuer type value accountNumber iss sub",
	projection.Subscription: "name startDate termStartDate termEndDate quantity price.currency price.amount " +
		"purchaseCountry " +
		"attributes.autoRenew attributes.gift attributes.external " + standIn,
	projection.SubscriptionOffer: "name start end quantity price.currency price.amount price.percentage record_subtype " +
		"zuora.refId " + standIn,
	projection.Schedule: "type date schedule_date amount amountWithoutTax currency quantity unit_amount description " +
		"taxAmount zuora.refId " +
		"lineItems.chargeName lineItems.productName lineItems.chargeDescription lineItems.processingType lineItems.quantity " +
		"lineItems.amountWithoutTax lineItems.taxAmount",
	projection.PaymentMethod: "type method brand last4 expirationMonth expirationYear zuora.refId zuora.result.Id " +
		"zuora.result.Type " +
		"zuora.result.PaymentMethodStatus zuora.result.CreditCardType zuora.result.CreditCardMaskNumber " +
		"zuora.result.CreditCardExpirationMonth zuora.result.CreditCardExpirationYear zuora.result.AchAccountNumberMask " +
		"zuora.result.BankTransferAccountNumberMask zuora.result.BankTransferType relationships.relationship_id " +
		"relationships.subscription relationships.start relationships.status",
	projection.Address: "firstName lastName address1 address2 city state postalCode country relationships.relationship_id " +
		"relationships.relationship_type relationships.subscription relationships.start relationships.status",
}

func checkMembers(t *testing.T, got projection.Result) {
	t.Helper()
	for _, o := range got.Objects {
		allowed := strings.Fields(members[o.Kind])
		leaves(o.Data, "", func(path string, value any) {
			if !slices.Contains(allowed, path) {
				t.Errorf("%s %q has the member %s: may it be in Limio, add it to members in this file, and to personal "+
					"(personal.go) if it tells something about a person", o.Kind, o.Key, path)
			}
			switch v := value.(type) {
			case nil, string, bool:
			case json.Number:
				if strings.Contains(v.String(), ".") && strings.HasSuffix(v.String(), "0") {
					t.Errorf("%s %q: %s = %s is not canonical", o.Kind, o.Key, path, v)
				}
			default:
				t.Errorf("%s %q: %s is a %T", o.Kind, o.Key, path, value)
			}
			if s, ok := value.(string); ok && strings.Contains(path, "Mask") && strings.Count(s, "*") != len(s)-4 {
				t.Errorf("%s %q: %s = %q shows more than four digits", o.Kind, o.Key, path, s)
			}
		})
	}
}

// leaves walks data; elements of a list have the list's path.
func leaves(value any, path string, visit func(path string, value any)) {
	switch v := value.(type) {
	case map[string]any:
		for k, member := range v {
			leaves(member, strings.TrimPrefix(path+"."+k, "."), visit)
		}
	case []any:
		for _, element := range v {
			leaves(element, path, visit)
		}
	default:
		visit(path, value)
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()

	ada := hotsync.Identity{Issuer: "https://login.example.com", Subject: "ada"}
	ownerOf := func(accountID string, login hotsync.Identity, tenant string) string {
		got := projection.Project(billing.Account{ID: accountID}, login, projection.Options{Tenant: tenant})
		return got.Objects[1].Owner
	}
	if a, b := ownerOf("a1", ada, "acme"), ownerOf("a2", ada, "acme"); a != b {
		t.Errorf("one person's accounts have the owners %s and %s", a, b)
	}
	if a, b := ownerOf("a1", hotsync.Identity{}, "acme"), ownerOf("a2", hotsync.Identity{}, "acme"); a == b {
		t.Errorf("two accounts without a login have the same owner %s", a)
	}
	if a, b := ownerOf("a1", ada, "acme"), ownerOf("a1", ada, "other"); a == b {
		t.Errorf("two tenants have the same owner %s", a)
	}
	half := hotsync.Identity{Issuer: ada.Issuer}
	if a, b := ownerOf("a1", half, "acme"), ownerOf("a1", hotsync.Identity{}, "acme"); a != b {
		t.Errorf("a login without subject has the owner %s, want that of nobody, %s", a, b)
	}
}

// Where nobody said which object of Salesforce the CRM ID names, it is the account.
func TestCRMIDNamesAnAccount(t *testing.T) {
	t.Parallel()

	for crm, want := range map[string]int{"0018d00000ABCDE": 1, "0038d00000ABCDE": 0} {
		r := projection.Project(billing.Account{ID: "8a12", CRMID: crm}, hotsync.Identity{},
			projection.Options{Tenant: "acme"})
		got := 0
		for _, o := range r.Objects {
			if o.Kind == projection.Identity && o.Data["service"] == "salesforce" {
				got++
			}
		}
		if got != want {
			t.Errorf("CRM ID %s: %d identities of Salesforce, want %d; findings %q", crm, got, want,
				hotsync.Messages(r.Findings))
		}
	}
}

// TestID pins the ids: a change would make every account a second time.
func TestID(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		kind projection.Kind
		key  string
		want string
	}{
		{projection.Customer, "customer", "cus-720b53c0a5805a2c5aaed840e082b10f"},
		{projection.Identity, "owner", "id-"},
		{projection.Identity, "zuora/account/8a120000000000000000000000000001", "identity-a9f6be405b965ba05bfba6a720b9284a"},
		{projection.Subscription, "A-S00000001", "sub-4f2683f307997267fbe660dc9c9e8113"},
		{projection.SubscriptionOffer, "SRP-00000001", "subscription_offer-2503c19ceae770ac775a9a48a90f3783"},
		{projection.PaymentMethod, "8a340000000000000000000000000001", "pm-8cca8ea68b51d08c3ef84e654cb2b21b"},
		{projection.Address, "billing", "address-a51af72a4f89358601909c845baf9f74"},
	} {
		got := projection.ID("acme", tc.kind, "8a120000000000000000000000000001", tc.key)
		if !strings.HasPrefix(got, tc.want) || len(got)-strings.LastIndex(got, "-") != 33 {
			t.Errorf("ID(%s, %q) = %q, want %q", tc.kind, tc.key, got, tc.want)
		}
	}
}

func TestKeyOfForeign(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name string
		in   projection.Object
		want string
	}{
		{"subscription by reference", projection.Object{Kind: projection.Subscription, Reference: "A-S1"}, "A-S1"},
		{"offer of Limio's own",
			projection.Object{Kind: projection.SubscriptionOffer, Data: map[string]any{"name": "UK Monthly"}}, ""},
		{"offer with odd data", projection.Object{Kind: projection.SubscriptionOffer, Data: map[string]any{"zuora": "text"}},
			""},
		{"address by relationship", projection.Object{Kind: projection.Address, Name: "Home",
			Data: map[string]any{"relationships": []any{map[string]any{"relationship_type": "delivery"}}}}, "delivery"},
		{"address by name", projection.Object{Kind: projection.Address, Name: "billing"}, "billing"},
		{"address of another sort",
			projection.Object{Kind: projection.Address, Name: "Home", Data: map[string]any{"relationships": []any{"x"}}}, ""},
		{"identity without value", projection.Object{Kind: projection.Identity, Service: "stripe", Type: "customer"}, ""},
		{"external identity without issuer and subject",
			projection.Object{Kind: projection.Identity, Type: projection.TypeExternal}, ""},
		{"external identity without subject", projection.Object{Kind: projection.Identity, Type: projection.TypeExternal,
			Data: map[string]any{"iss": "https://login.example.com"}}, ""},
		{"external identity without issuer", projection.Object{Kind: projection.Identity, Type: projection.TypeExternal,
			Data: map[string]any{"sub": "ada"}}, ""},
		{"order", projection.Object{Kind: "order", Name: "x"}, ""},
	} {
		if got := projection.KeyOf(tc.in); got != tc.want {
			t.Errorf("%s: KeyOf = %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestPersonal(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		kind  projection.Kind
		field string
		want  bool
	}{
		{projection.Customer, "email", true},
		{projection.Customer, "defaultPaymentMethodId", false},
		{projection.Address, "postalCode", true},
		{projection.Address, "country", false},
		{projection.PaymentMethod, "zuora.result.CreditCardMaskNumber", true},
		{projection.PaymentMethod, "brand", false},
		{projection.Identity, "sub", true},
		{projection.Subscription, "price.amount", false},
	} {
		if got := projection.Personal(tc.kind, tc.field); got != tc.want {
			t.Errorf("Personal(%s, %q) = %t", tc.kind, tc.field, got)
		}
	}
}
