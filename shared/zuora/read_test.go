package zuora_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

const (
	objectPath        = "/object-query/accounts/" + accountID
	accountPath       = "/v1/accounts/" + accountID
	methodsPath       = "/v1/accounts/" + accountID + "/payment-methods"
	subscriptionsPath = "/v1/subscriptions/accounts/" + accountID
)

// The same account as Object Query and v1 tell it, with everything that must
// not be read set to canary.
const (
	objectAccount = `{"id":"` + accountID +
		`","accountNumber":"A00000101","name":"Ada Reader","status":"Active","currency":"GBP",
 "crmId":"0018d00000ABCDEAA2","defaultPaymentMethodId":"pm-2","vATId":"canary","notes":"canary","balance":1e999,
 "limioExternalId__c":"auth0|abc","cASSubscriberID__c":"7","level__c":3,"vip__c":true,"iPaddress__c":"canary","soldTo":null,
 "billTo":{"id":"c1","accountId":"` + accountID +
		`","firstName":"Ada","lastName":"Reader","address1":"1 High St","city":"Leeds",
   "country":"United Kingdom","postalCode":"LS1 1AA","workEmail":"ada@example.com","personalEmail":"ada@home.example","taxRegion":"canary"},
 "shipTo":{"id":"c2","firstName":"Bob","state":"Yorkshire","address2":"Flat 2"},
 "paymentMethods":[
  {"id":"pm-3","type":"ACH","paymentMethodStatus":"Active","active":false,"achBankName":"Example Bank","achAccountNumberMask":"canary","achAbaCode":"canary"},
  {"id":"pm-2","type":"CreditCard","paymentMethodStatus":"Closed","active":true,"creditCardType":"Visa","creditCardMaskNumber":"************4242",
   "creditCardExpirationMonth":12,"creditCardExpirationYear":2030,"bankIdentificationNumber":"canary","tokenId":"canary","creditCardHolderName":"canary"},
  {"id":"pm-1","type":"PayPal","paypalType":"ExpressCheckout","paymentMethodStatus":"Active","paypalEmail":"canary","paypalBaid":"canary"},
  {"id":"pm-5","type":"DebitCard","paymentMethodStatus":"Active","creditCardType":"Visa","creditCardMaskNumber":"************3220","creditCardExpirationMonth":1,"creditCardExpirationYear":2031},
  {"id":"pm-6","type":"BankTransfer","bankTransferType":"DirectDebitUK","paymentMethodStatus":"Active","bankName":"canary","iBAN":"canary","bankTransferAccountNumberMask":"canary"},
  {"id":"pm-4","type":"CreditCard","paymentMethodStatus":"Scrubbed"}]}`
	v1Account = `{"success":true,"basicInfo":{"id":"` + accountID +
		`","accountNumber":"A00000101","name":"Ada Reader","status":"Active",
  "crmId":"0018d00000ABCDEAA2","notes":"canary","parentId":null,"LimioExternalId__c":"auth0|abc","CASSubscriberID__c":"7","Level__c":3,"VIP__c":"no",
  "Vip__c":true,"IPaddress__c":"canary","Unset__c":null,"Empty__c":""},
 "billingAndPayment":{"currency":"GBP","defaultPaymentMethodId":"pm-2","autoPay":true,"additionalEmailAddresses":["canary"]},
 "billToContact":{"id":"c1","firstName":"Ada","lastName":"Reader","address1":"1 High St","address2":"","city":"Leeds","state":"","county":null,
  "country":"United Kingdom","zipCode":"LS1 1AA","workEmail":"ada@example.com","personalEmail":"ada@home.example","taxRegion":"canary"},
 "soldToContact":{},"shipToContact":{"id":"c2","firstName":"Bob","state":"Yorkshire","address2":"Flat 2"},
 "metrics":{"balance":0},"metricsData":[{"balance":0}],"taxInfo":{"VATId":"canary"}}`
	v1Methods = `{"success":true,"defaultPaymentMethodId":"pm-2","paymentGateway":null,"unknown":{"x":[1,{"y":2}]},"creditcard":[
  {"id":"pm-2","type":"CreditCard","status":"Closed","isDefault":true,"creditCardType":"Visa","cardNumber":"************4242","expirationMonth":"12",
   "expirationYear":2030.0,"bankIdentificationNumber":"canary","tokenId":"canary","accountHolderInfo":{"accountHolderName":"canary"},"mandateInfo":{"mitTransactionId":"canary"}}],
 "debitcard":[{"id":"pm-5","type":"CreditCard","status":"Active","creditCardType":"Visa","creditCardMaskNumber":"************3220","expirationMonth":1,"expirationYear":2031}],
 "ach":[{"id":"pm-3","type":"ACH","status":"Active","bankName":"Example Bank","bankAccountNumber":"canary","bankABACode":"canary"}],
 "banktransfer":[{"id":"pm-6","type":"Bacs","status":"Active","bankName":"canary","IBAN":"canary","accountNumber":"canary"}],
 "paypal":[{"id":"pm-1","type":"PayPalEC","status":"Active","BAID":"canary","email":"canary"}]}`
	v1Subscriptions = `{"success":true,"subscriptions":[
 {"id":"s2","subscriptionNumber":"A-S2","version":3,"revision":"3.0","isLatestVersion":true,"status":"Active","accountId":"` + accountID + `","currency":"GBP",
  "termType":"TERMED","contractEffectiveDate":"2026-01-01","subscriptionStartDate":"2026-01-01","subscriptionEndDate":"2027-01-01","termStartDate":"2026-01-01",
  "termEndDate":"2027-01-01","autoRenew":true,"scheduledCancelDate":null,"notes":"canary","ratePlans":[
   {"id":"r2","ratePlanName":"UK Monthly","productName":"Digital","productSku":"SKU-1","lastChangeType":"Add","subscriptionRatePlanNumber":"SRP-2","ratePlanCharges":[
    {"id":"ch","number":"C-2","name":"Monthly","type":"Recurring","model":"FlatFee","currency":"GBP","price":20,"quantity":1,"billingPeriod":"Month",
     "effectiveStartDate":"2026-07-01","effectiveEndDate":"2027-01-01","tiers":null,"upToPeriods":"3","chargeSegments":[
      {"segment":2,"effectiveStartDate":"2026-07-01","effectiveEndDate":"2027-01-01","price":20,"quantity":1},
      {"segment":1,"effectiveStartDate":"2026-01-01","effectiveEndDate":"2026-07-01","price":17.50,"quantity":1}]},
    {"number":"C-1","name":"Articles","type":"Usage","model":"Tiered","currency":null,"uom":"Article","price":null,"quantity":null,"billingPeriod":"Month",
     "effectiveStartDate":"2026-01-01","effectiveEndDate":null,"tiers":[
      {"tier":2,"startingUnit":11,"endingUnit":null,"price":0.5,"priceFormat":"Flat Fee"},{"tier":1,"startingUnit":0,"endingUnit":10,"price":"1.00","priceFormat":"PerUnit"}]}]},
   {"id":"r1","ratePlanName":"Discount","subscriptionRatePlanNumber":"SRP-1","lastChangeType":"Remove","ratePlanCharges":[
    {"number":"C-3","name":"Off","type":"Recurring","model":"DiscountPercentage","discountPercentage":25,"effectiveStartDate":"2026-01-01","effectiveEndDate":"2026-02-01"}]}]},
 {"id":"s1","subscriptionNumber":"A-S1","version":"1","status":"Draft","accountId":"` + accountID +
		`","currency":"GBP","termType":"EVERGREEN",
  "contractEffectiveDate":null,"subscriptionStartDate":"","subscriptionEndDate":null,"autoRenew":null,"ratePlans":[]},
 {"id":"s0","subscriptionNumber":"A-S0","isLatestVersion":false,"status":"Expired","accountId":"` + accountID + `"},
 {"id":"s9","subscriptionNumber":"A-S9","status":"Active","accountId":"` + otherID + `","invoiceOwnerAccountId":"` +
		accountID + `"}]}`
)

func bothPlans(subscriptions string) map[string]string {
	return map[string]string{objectPath: objectAccount, accountPath: v1Account, methodsPath: v1Methods,
		subscriptionsPath: subscriptions}
}

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func some(s string) decimal.NullDecimal { return decimal.NewNullDecimal(dec(s)) }

func wantAccount() billing.Account {
	return billing.Account{
		ID: accountID, Number: "A00000101", Name: "Ada Reader", Status: "Active", CRMID: "0018d00000ABCDEAA2",
		Currency:               "GBP",
		DefaultPaymentMethodID: "pm-2", Preview: billing.Preview{Missing: "off"},
		CustomFields: map[string]string{"LimioExternalId__c": "auth0|abc", "CASSubscriberID__c": "7", "Level__c": "3",
			"Vip__c": "true"},
		BillTo: &billing.Contact{ID: "c1", FirstName: "Ada", LastName: "Reader", WorkEmail: "ada@example.com",
			HomeEmail: "ada@home.example",
			Address1:  "1 High St", City: "Leeds", PostalCode: "LS1 1AA", Country: "United Kingdom"},
		ShipTo: &billing.Contact{ID: "c2", FirstName: "Bob", State: "Yorkshire", Address2: "Flat 2"},
		PaymentMethods: []billing.PaymentMethod{
			{ID: "pm-1", Type: "PayPal", Kind: "PayPalEC", Status: "Active"},
			{ID: "pm-2", Type: "CreditCard", Kind: "CreditCard", Status: "Closed", Brand: "Visa", Mask: "************4242",
				ExpirationMonth: 12, ExpirationYear: 2030},
			{ID: "pm-3", Type: "ACH", Kind: "ACH", Status: "Active", Brand: "Example Bank"},
			{ID: "pm-5", Type: "CreditCard", Kind: "CreditCard", Status: "Active", Brand: "Visa", Mask: "************3220",
				ExpirationMonth: 1, ExpirationYear: 2031},
			{ID: "pm-6", Type: "BankTransfer", Kind: "Bacs", BankTransferType: "DirectDebitUK", Status: "Active"},
		},
		Subscriptions: []billing.Subscription{
			{ID: "s1", Number: "A-S1", Version: 1, Status: "Draft", TermType: "EVERGREEN", Currency: "GBP",
				RatePlans: []billing.RatePlan{}},
			{ID: "s2", Number: "A-S2", Version: 3, Status: "Active", TermType: "TERMED", ContractEffective: "2026-01-01",
				Start: "2026-01-01",
				End:   "2027-01-01", TermStart: "2026-01-01", TermEnd: "2027-01-01", AutoRenew: true, Currency: "GBP",
				RatePlans: []billing.RatePlan{
					{ID: "r1", Number: "SRP-1", Name: "Discount", LastChangeType: "Remove", Charges: []billing.Charge{
						{Number: "C-3", Name: "Off", Type: "Recurring", Model: "DiscountPercentage", Currency: "GBP",
							Segments: []billing.Segment{
								{From: "2026-01-01", Until: "2026-02-01", DiscountPercentage: some("25")}}}}},
					{ID: "r2", Number: "SRP-2", Name: "UK Monthly", ProductName: "Digital", ProductSKU: "SKU-1", LastChangeType: "Add",
						Charges: []billing.Charge{
							{Number: "C-1", Name: "Articles", Type: "Usage", Model: "Tiered", Currency: "GBP", UOM: "Article",
								BillingPeriod: "Month",
								Segments: []billing.Segment{{From: "2026-01-01", Tiers: []billing.Tier{
									{StartingUnit: dec("0"), EndingUnit: some("10"), Price: dec("1")},
									{StartingUnit: dec("11"), Price: dec("0.5"), FlatFee: true}}}}},
							{Number: "C-2", Name: "Monthly", Type: "Recurring", Model: "FlatFee", Currency: "GBP", BillingPeriod: "Month",
								UpToPeriods: 3, Segments: []billing.Segment{
									{From: "2026-01-01", Until: "2026-07-01", Price: some("17.5"), Quantity: some("1")},
									{From: "2026-07-01", Until: "2027-01-01", Price: some("20"), Quantity: some("1")}}}}},
				}},
		},
	}
}

func TestRead(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		plan hotsync.ZuoraPlan
		want []string // the calls, in any order
	}{
		{plan: hotsync.PlanH, want: []string{"GET " + objectPath, "GET " + subscriptionsPath}},
		{plan: "", want: []string{"GET " + objectPath, "GET " + subscriptionsPath}},
		{plan: hotsync.PlanV, want: []string{"GET " + accountPath, "GET " + methodsPath, "GET " + subscriptionsPath}},
	} {
		t.Run("plan "+string(tc.plan), func(t *testing.T) {
			t.Parallel()

			f := byPath(bothPlans(v1Subscriptions))
			got, err := newClient(t, f).Read(t.Context(), accountID, zuora.ReadOptions{Plan: tc.plan,
				CustomFields: []string{"LimioExternalId__c", "CASSubscriberID__c", "Level__c", "Vip__c", "Unset__c", "Empty__c"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantAccount(), got); diff != "" {
				t.Errorf("Read (-want +got):\n%s", diff)
			}
			if strings.Contains(fmt.Sprintf("%+v", got), "canary") {
				t.Error("something was read that never must be")
			}
			for _, call := range tc.want {
				if f.count(strings.TrimPrefix(call, "GET ")) != 1 {
					t.Errorf("calls %v, want %s once", f.seen(), call)
				}
			}
			if n := len(f.seen()) - f.count("/oauth/token"); n != len(tc.want) {
				t.Errorf("calls %v, want %v and a token", f.seen(), tc.want)
			}
		})
	}
}

func TestReadQueries(t *testing.T) {
	t.Parallel()

	f := byPath(bothPlans(v1Subscriptions))
	_, err := newClient(t, f).Read(t.Context(), accountID, zuora.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.requests {
		q := r.URL.Query()
		switch r.URL.Path {
		case objectPath:
			want := map[string][]string{"pageSize": {"99"}, "expand[]": {"billto", "soldto", "shipto", "paymentmethods"}}
			if diff := cmp.Diff(want, map[string][]string(q)); diff != "" {
				t.Errorf("query of the account (-want +got):\n%s", diff)
			}
		case subscriptionsPath:
			want := map[string][]string{"page": {"1"}, "pageSize": {"40"}, "charge-detail": {"all-segments"}}
			if diff := cmp.Diff(want, map[string][]string(q)); diff != "" {
				t.Errorf("query of the subscriptions (-want +got):\n%s", diff)
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()

	sub := func(more string) string {
		return `{"success":true,"subscriptions":[{"id":"s","subscriptionNumber":"A-S1"` + more + `}]}`
	}
	for _, tc := range []struct {
		name string
		path string // whose answer is replaced
		body string
		plan hotsync.ZuoraPlan
		want hotsync.Code
	}{
		{name: "another account", path: objectPath, body: strings.Replace(objectAccount, accountID, otherID, 1),
			want: hotsync.CodeZuoraAnswer},
		{name: "another account in v1", path: accountPath, body: strings.Replace(v1Account, accountID, otherID, 1),
			plan: hotsync.PlanV, want: hotsync.CodeZuoraAnswer},
		{name: "no account id", path: objectPath, body: `{}`, want: hotsync.CodeZuoraAnswer},
		{name: "failure without a flag", path: objectPath, body: `{"reasons":[{"code":50000040,"message":"m"}]}`,
			want: hotsync.CodeZuoraNotFound},
		{name: "contact of the wrong type", path: objectPath, body: `{"id":"` + accountID + `","billTo":[]}`,
			want: hotsync.CodeZuoraAnswer},
		{name: "payment methods of the wrong type", path: objectPath, body: `{"id":"` + accountID + `","paymentMethods":{}}`,
			want: hotsync.CodeZuoraAnswer},
		{name: "custom field of the wrong type", path: objectPath, body: `{"id":"` + accountID + `","limioExternalId__c":{}}`,
			want: hotsync.CodeZuoraAnswer},
		{name: "payment method without an id", path: methodsPath, body: `{"success":true,"ach":[{}]}`, plan: hotsync.PlanV,
			want: hotsync.CodeZuoraAnswer},
		{name: "payment method of the wrong type", path: methodsPath, body: `{"success":true,"ach":[7]}`, plan: hotsync.PlanV,
			want: hotsync.CodeZuoraAnswer},
		{name: "subscriptions of the wrong type", path: subscriptionsPath, body: `{"success":true,"subscriptions":"none"}`,
			want: hotsync.CodeZuoraAnswer},
		{name: "subscription without a number", path: subscriptionsPath,
			body: `{"success":true,"subscriptions":[{"id":"s"}]}`, want: hotsync.CodeZuoraAnswer},
		{name: "the same twice", path: subscriptionsPath, want: hotsync.CodeZuoraAnswer,
			body: `{"success":true,"subscriptions":[{"subscriptionNumber":"A-S1","ratePlans":[]},{"subscriptionNumber":"A-S1","ratePlans":[]}]}`},
		{name: "a date that is none", path: subscriptionsPath, body: sub(`,"termEndDate":"tomorrow  "`),
			want: hotsync.CodeZuoraAnswer},
		{name: "a date that is a number", path: subscriptionsPath, body: sub(`,"termEndDate":20260101`),
			want: hotsync.CodeZuoraAnswer},
		{name: "a price that is none", path: subscriptionsPath,
			body: sub(`,"ratePlans":[{"ratePlanCharges":[{"price":"free"}]}]`), want: hotsync.CodeZuoraAnswer},
		{name: "a price that is endless to print", path: subscriptionsPath,
			body: sub(`,"ratePlans":[{"ratePlanCharges":[{"price":1e999999999}]}]`), want: hotsync.CodeZuoraAnswer},
		{name: "a version that is none", path: subscriptionsPath, body: sub(`,"version":1.5`), want: hotsync.CodeZuoraAnswer},
		{name: "no list of subscriptions", path: subscriptionsPath, body: `{"success":true}`, want: hotsync.CodeZuoraAnswer},
		{name: "no list of subscriptions but a next page", path: subscriptionsPath, body: `{"success":true,"nextPage":null}`,
			want: hotsync.CodeZuoraAnswer},
		{name: "subscriptions null", path: subscriptionsPath, body: `{"success":true,"subscriptions":null}`,
			want: hotsync.CodeZuoraAnswer},
		{name: "no list of rate plans", path: subscriptionsPath,
			body: `{"success":true,"subscriptions":[{"subscriptionNumber":"A-S1"}]}`, want: hotsync.CodeZuoraAnswer},
		{name: "rate plans null", path: subscriptionsPath, body: sub(`,"ratePlans":null`), want: hotsync.CodeZuoraAnswer},
		{name: "no list of charges", path: subscriptionsPath, body: sub(`,"ratePlans":[{"id":"r"}]`),
			want: hotsync.CodeZuoraAnswer},
		{name: "charges null", path: subscriptionsPath, body: sub(`,"ratePlans":[{"ratePlanCharges":null}]`),
			want: hotsync.CodeZuoraAnswer},
		{name: "an empty page before the last", path: subscriptionsPath,
			body: `{"success":true,"nextPage":"/x","subscriptions":[]}`, want: hotsync.CodeZuoraAnswer},
		{name: "the same page again and again", path: subscriptionsPath, want: hotsync.CodeZuoraAnswer,
			body: `{"success":true,"nextPage":"/x","subscriptions":[{"subscriptionNumber":"A-S1","ratePlans":[]}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			bodies := bothPlans(v1Subscriptions)
			bodies[tc.path] = tc.body
			got, err := newClient(t, byPath(bodies)).Read(t.Context(), accountID,
				zuora.ReadOptions{Plan: tc.plan, CustomFields: []string{"LimioExternalId__c"}})
			wantCode(t, "Read", err, tc.want)
			if diff := cmp.Diff(billing.Account{}, got); diff != "" {
				t.Errorf("Read gave something beside the error:\n%s", diff)
			}
		})
	}

	for _, key := range []string{"", "A00000101", "..", strings.ToUpper(accountID)} {
		f := &fake{}
		_, err := newClient(t, f).Read(t.Context(), key, zuora.ReadOptions{})
		wantCode(t, fmt.Sprintf("Read(%q)", key), err, hotsync.CodeBadRequest)
		if len(f.requests) > 0 {
			t.Errorf("Read(%q) made requests", key)
		}
	}
}

func TestNoSubscriptions(t *testing.T) {
	t.Parallel()

	got, err := newClient(t, byPath(bothPlans(`{"success":true,"subscriptions":[]}`))).Read(t.Context(), accountID,
		zuora.ReadOptions{})
	if err != nil || len(got.Subscriptions) != 0 {
		t.Errorf("Read with an empty list: %d subscriptions, error %v", len(got.Subscriptions), err)
	}
}

// numbered makes a subscription; its number decides its place.
func numbered(n int) string {
	return fmt.Sprintf(`{"id":"s%d","subscriptionNumber":"A-S%04d","ratePlans":[]}`, n, n)
}

// pages answers the subscriptions of each page, and everything else by path.
func pages(t *testing.T, next string, page func(n int) []string) *fake {
	rest := byPath(bothPlans(""))
	return &fake{answer: func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != subscriptionsPath {
			return rest.answer(r)
		}
		n, err := strconv.Atoi(r.URL.Query().Get("page"))
		if err != nil {
			t.Errorf("page: %v", err)
		}
		link := ""
		if page(n+1) != nil {
			link = `,"nextPage":"` + next + `"`
		}
		return reply(200, `{"success":true,"subscriptions":[`+strings.Join(page(n), ",")+`]`+link+`}`), nil
	}}
}

func TestPages(t *testing.T) {
	t.Parallel()

	for _, next := range []string{
		"http://127.0.0.1:1" + subscriptionsPath + "?page=2",
		subscriptionsPath + "?page=2",
		"?page=2",
		"https://api.zuora.com/rest" + subscriptionsPath + "?page=2", // another data centre's, as in Zuora's own example
	} {
		f := pages(t, next, func(n int) []string {
			var out []string
			for i := (n - 1) * 40; i < min(n*40, 95); i++ {
				out = append(out, numbered(1000-i))
			}
			return out
		})
		got, err := newClient(t, f).Read(t.Context(), accountID, zuora.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Subscriptions) != 95 || got.Subscriptions[0].Number != "A-S0906" ||
			got.Subscriptions[94].Number != "A-S1000" {
			t.Errorf("nextPage %q: %d subscriptions, want 95 by number", next, len(got.Subscriptions))
		}
		if n := f.count(subscriptionsPath); n != 3 {
			t.Errorf("nextPage %q: %d calls, want 3", next, n)
		}
	}
}

func TestEndlessPages(t *testing.T) {
	t.Parallel()

	f := pages(t, "/next", func(n int) []string { return []string{numbered(n)} })
	_, err := newClient(t, f, func(cfg *zuora.Config) { cfg.MaxPages = 7 }).Read(t.Context(), accountID,
		zuora.ReadOptions{})
	wantCode(t, "Read", err, hotsync.CodeZuoraAnswer)
	if n := f.count(subscriptionsPath); n != 7 {
		t.Errorf("%d calls, want 7", n)
	}
}

// TestPagesMove changes a subscription of the second page while the first is
// being read: it comes up to the first, and the last of the first goes down.
func TestPagesMove(t *testing.T) {
	t.Parallel()

	moved := false
	f := pages(t, "/next", func(n int) []string {
		switch {
		case n > 2:
			return nil
		case n == 1 && moved:
			return []string{numbered(4), numbered(1)}
		case n == 1:
			return []string{numbered(1), numbered(2)}
		default:
			moved = true
			return []string{numbered(2), numbered(3)}
		}
	})
	got, err := newClient(t, f).Read(t.Context(), accountID, zuora.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for _, s := range got.Subscriptions {
		numbers = append(numbers, s.Number)
	}
	if diff := cmp.Diff([]string{"A-S0001", "A-S0002", "A-S0003", "A-S0004"}, numbers); diff != "" {
		t.Errorf("subscriptions (-want +got):\n%s", diff)
	}
}

// TestManyPaymentMethods: Object Query cuts the list at 99 without a word.
func TestManyPaymentMethods(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		listed int
		v1     int // calls to v1's list
		want   int
	}{
		{listed: 98, v1: 0, want: 98},
		{listed: 99, v1: 1, want: 5},
	} {
		var list []string
		for i := range tc.listed {
			list = append(list, fmt.Sprintf(`{"id":"pm-%03d","type":"ACH","paymentMethodStatus":"Active"}`, i))
		}
		bodies := bothPlans(v1Subscriptions)
		bodies[objectPath] = `{"id":"` + accountID + `","paymentMethods":[` + strings.Join(list, ",") + `]}`
		f := byPath(bodies)
		got, err := newClient(t, f).Read(t.Context(), accountID, zuora.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.PaymentMethods) != tc.want || f.count(methodsPath) != tc.v1 {
			t.Errorf("%d listed: %d payment methods and %d calls to v1, want %d and %d",
				tc.listed, len(got.PaymentMethods), f.count(methodsPath), tc.want, tc.v1)
		}
	}
}

// TestUnmaskedNumber: should Zuora ever send a whole card number, it stays here.
func TestUnmaskedNumber(t *testing.T) {
	t.Parallel()

	for in, want := range map[string]string{
		"4242424242424242": "************4242", "************4242": "************4242",
		"**** **** **** 4242 ": "************4242",
		"424":                  "", "************": "", "ada@example.com": "", "": "",
	} {
		bodies := bothPlans(v1Subscriptions)
		bodies[objectPath] = `{"id":"` + accountID + `","paymentMethods":[{"id":"pm","creditCardMaskNumber":"` + in + `"}]}`
		got, err := newClient(t, byPath(bodies)).Read(t.Context(), accountID, zuora.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.PaymentMethods[0].Mask != want {
			t.Errorf("mask of %q = %q, want %q", in, got.PaymentMethods[0].Mask, want)
		}
	}
}
