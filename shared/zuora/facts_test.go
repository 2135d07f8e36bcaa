package zuora_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

// TestPaymentMethodWords: one payment method is one and the same, whether v1 or
// Object Query tells it. The cases are those recorded of Zuora, with other values.
func TestPaymentMethodWords(t *testing.T) {
	t.Parallel()

	const masked = "************"
	for _, tc := range []struct {
		name     string
		v1       string   // key of the list and the members beside id and status
		v1Key    string   // "" is banktransfer
		object   []string // each of the ways in which Object Query may tell it
		want     billing.PaymentMethod
		alsoInV1 []string
	}{
		{name: "Bacs", v1: `"type":"Bacs","bankTransferType":"DirectDebitUK","accountNumber":"****6789","bankName":"canary"`,
			alsoInV1: []string{`"type":"BankTransfer","bankTransferType":"DirectDebitUK","accountNumber":"****6789"`,
				`"type":"Bacs","accountNumber":"****6789"`},
			object: []string{
				`"type":"BankTransfer","bankTransferType":"DirectDebitUK","bankTransferAccountNumberMask":"****6789"`,
				`"type":"Bacs","bankTransferAccountNumberMask":"****6789"`},
			want: billing.PaymentMethod{Type: "BankTransfer", Kind: "Bacs", BankTransferType: "DirectDebitUK",
				Mask: masked + "6789"}},
		{name: "SEPA", v1: `"type":"SEPA","IBAN":"DE89****3000"`, object: []string{
			`"type":"BankTransfer","bankTransferType":"SEPA","bankTransferAccountNumberMask":"DE89****3000"`},
			want: billing.PaymentMethod{Type: "BankTransfer", Kind: "SEPA", BankTransferType: "SEPA", Mask: masked + "3000"}},
		{name: "SEPA of a bank with letters", v1: `"type":"SEPA","IBAN":"NL91ABNA****4300"`, object: []string{
			`"type":"BankTransfer","bankTransferType":"SEPA","bankTransferAccountNumberMask":"NL91 ABNA ****4300"`},
			want: billing.PaymentMethod{Type: "BankTransfer", Kind: "SEPA", BankTransferType: "SEPA", Mask: masked + "4300"}},
		{name: "a scheme without a word in v1",
			v1: `"type":"BankTransfer","bankTransferType":"LastschriftDE","IBAN":"DE89****3000"`, object: []string{
				`"type":"BankTransfer","bankTransferType":"LastschriftDE","bankTransferAccountNumberMask":"DE89****3000"`},
			want: billing.PaymentMethod{Type: "BankTransfer", Kind: "BankTransfer", BankTransferType: "LastschriftDE",
				Mask: masked + "3000"}},
		{name: "Becs", v1: `"type":"Becs"`, object: []string{`"type":"BankTransfer","bankTransferType":"DirectEntryAU"`},
			want: billing.PaymentMethod{Type: "BankTransfer", Kind: "Becs", BankTransferType: "DirectEntryAU"}},
		{name: "Becsnz", v1: `"type":"Becsnz"`, object: []string{`"type":"BankTransfer","bankTransferType":"DirectDebitNZ"`},
			want: billing.PaymentMethod{Type: "BankTransfer", Kind: "Becsnz", BankTransferType: "DirectDebitNZ"}},
		{name: "ACH", v1Key: "ach", v1: `"type":"ACH","bankAccountNumber":"*****6789","bankName":"Example Bank"`,
			object: []string{
				`"type":"ACH","achAccountNumberMask":"*****6789","achBankName":"Example Bank"`},
			want: billing.PaymentMethod{Type: "ACH", Kind: "ACH", Brand: "Example Bank", Mask: masked + "6789"}},
		{name: "PayPalEC", v1Key: "paypal", v1: `"type":"PayPalEC","email":"canary@example.com"`, object: []string{
			`"type":"PayPal","paypalType":"ExpressCheckout","paypalEmail":"canary@example.com"`, `"type":"PayPalEC"`},
			want: billing.PaymentMethod{Type: "PayPal", Kind: "PayPalEC"}},
		{name: "PayPalAdaptive", v1Key: "paypal", v1: `"type":"PayPalAdaptive"`,
			object: []string{`"type":"PayPal","paypalType":"AdaptivePayments"`},
			want:   billing.PaymentMethod{Type: "PayPal", Kind: "PayPalAdaptive"}},
		{name: "PayPalCP", v1Key: "paypal", v1: `"type":"PayPalCP"`, object: []string{`"type":"PayPalCP"`},
			want: billing.PaymentMethod{Type: "PayPal", Kind: "PayPalCP"}},
		{name: "PayPalNativeEC", v1Key: "paypal", v1: `"type":"PayPalNativeEC"`, object: []string{`"type":"PayPalNativeEC"`},
			want: billing.PaymentMethod{Type: "PayPal", Kind: "PayPalNativeEC"}},
		{name: "card", v1Key: "creditcard",
			v1: `"type":"CreditCard","creditCardType":"Visa","cardNumber":"************4242","expirationMonth":2,"expirationYear":"2030"`,
			alsoInV1: []string{
				`"type":"CreditCard","creditCardType":"Visa","creditCardMaskNumber":"4242","expirationMonth":2,"expirationYear":2030`},
			object: []string{
				`"type":"CreditCard","creditCardType":"Visa","creditCardMaskNumber":"************4242","creditCardExpirationMonth":2,"creditCardExpirationYear":2030`,
				`"type":"CreditCard","creditCardType":"Visa","creditCardMaskNumber":"4242","creditCardExpirationMonth":2,"creditCardExpirationYear":2030`},
			want: billing.PaymentMethod{Type: "CreditCard", Kind: "CreditCard", Brand: "Visa", Mask: masked + "4242",
				ExpirationMonth: 2, ExpirationYear: 2030}},
		{name: "Apple Pay", v1Key: "applepay",
			v1: `"type":"ApplePay","appleCardNumber":"************4242","appleExpiryDate":"02/2030"`, object: []string{
				`"type":"CreditCard","creditCardType":"ApplePayVisa","creditCardMaskNumber":"************4242","creditCardExpirationMonth":2,"creditCardExpirationYear":2030`,
				`"type":"ApplePay","creditCardType":"ApplePay","creditCardMaskNumber":"4242","creditCardExpirationMonth":2,"creditCardExpirationYear":2030`},
			want: billing.PaymentMethod{Type: "ApplePay", Kind: "ApplePay", Brand: "ApplePay", Mask: masked + "4242",
				ExpirationMonth: 2, ExpirationYear: 2030}},
		{name: "what nobody knows yet", v1Key: "newpay", v1: `"type":"NewPay"`, object: []string{`"type":"NewPay"`},
			want: billing.PaymentMethod{Type: "NewPay", Kind: "NewPay"}},
		{name: "a bank account that was not masked, and texts that are no number",
			v1:     `"type":"Bacs","accountNumber":"00006789","IBAN":"canary-1234"`,
			object: []string{`"type":"Bacs","bankTransferAccountNumberMask":"00006789"`},
			want: billing.PaymentMethod{Type: "BankTransfer", Kind: "Bacs", BankTransferType: "DirectDebitUK",
				Mask: masked + "6789"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			key := tc.v1Key
			if key == "" {
				key = "banktransfer"
			}
			tc.want.ID, tc.want.Status = "pm", "Active"
			read := func(path, body string, plan hotsync.ZuoraPlan) {
				t.Helper()
				bodies := bothPlans(v1Subscriptions)
				bodies[path] = body
				got, err := newClient(t, byPath(bodies)).Read(t.Context(), accountID, zuora.ReadOptions{Plan: plan})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]billing.PaymentMethod{tc.want}, got.PaymentMethods); diff != "" {
					t.Errorf("plan %s with %s (-want +got):\n%s", plan, body, diff)
				}
			}
			for _, members := range append(tc.alsoInV1, tc.v1) {
				read(methodsPath, `{"success":true,"`+key+`":[{"id":"pm","status":"Active",`+members+`}]}`, hotsync.PlanV)
			}
			for _, members := range tc.object {
				read(objectPath, `{"id":"`+accountID+`","paymentMethods":[{"id":"pm","paymentMethodStatus":"Active",`+members+`}]}`,
					hotsync.PlanH)
			}
		})
	}
}

// TestNoListOfPaymentMethods: that Object Query lists none is no proof that
// there are none, unless the list is there and empty.
func TestNoListOfPaymentMethods(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		member string
		v1     int // calls to v1's list
		want   int
	}{
		{member: ``, v1: 1, want: 5},
		{member: `,"paymentMethods":null`, v1: 1, want: 5},
		{member: `,"paymentMethods":[]`, v1: 0, want: 0},
	} {
		bodies := bothPlans(v1Subscriptions)
		bodies[objectPath] = `{"id":"` + accountID + `"` + tc.member + `}`
		f := byPath(bodies)
		got, err := newClient(t, f).Read(t.Context(), accountID, zuora.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.PaymentMethods) != tc.want || f.count(methodsPath) != tc.v1 {
			t.Errorf("%q: %d payment methods and %d calls to v1, want %d and %d", tc.member, len(got.PaymentMethods),
				f.count(methodsPath), tc.want, tc.v1)
		}
	}
}

// TestCharges reads charges as they are recorded of Zuora.
func TestCharges(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		charge string
		want   billing.Charge
	}{
		{name: "charge that ends today and is still listed",
			charge: `"effectiveStartDate":"2026-01-01","effectiveEndDate":"2026-11-25","price":10`,
			want:   billing.Charge{Segments: []billing.Segment{{From: "2026-01-01", Until: "2026-11-25", Price: some("10")}}}},
		{name: "pending, null", charge: `"effectiveStartDate":null,"effectiveEndDate":null,"price":10`,
			want: billing.Charge{Segments: []billing.Segment{{Price: some("10")}}}},
		{name: "pending, blank", charge: `"effectiveStartDate":"","effectiveEndDate":"","chargedThroughDate":"","price":10`,
			want: billing.Charge{Segments: []billing.Segment{{Price: some("10")}}}},
		{name: "pending, absent", charge: `"price":10`,
			want: billing.Charge{Segments: []billing.Segment{{Price: some("10")}}}},
		{name: "without a quantity", charge: `"model":"PerUnit","price":3,"quantity":null`,
			want: billing.Charge{Model: "PerUnit", Segments: []billing.Segment{{Price: some("3")}}}},
		{name: "long decimals", charge: `"price":10.000000000,"quantity":"0E-9"`,
			want: billing.Charge{Segments: []billing.Segment{{Price: some("10"), Quantity: some("0")}}}},
		{name: "what the price is for",
			charge: `"billingPeriod":"Specific_Months","specificBillingPeriod":"4","listPriceBase":"Per_Specific_Months","specificListPriceBase":6,
			"billingTiming":"IN_ADVANCE","endDateCondition":"Subscription_End","price":100`,
			want: billing.Charge{BillingPeriod: "Specific_Months", SpecificBillingPeriod: 4,
				ListPriceBase: "Per_Specific_Months", SpecificListPriceBase: 6,
				BillingTiming: "IN_ADVANCE", EndDateCondition: "Subscription_End",
				Segments: []billing.Segment{{Price: some("100")}}}},
		{name: "discount of three periods",
			charge: `"model":"DiscountPercentage","discountPercentage":25,"discountLevel":"subscription","upToPeriods":"3","upToPeriodsType":"Billing_Periods"`,
			want: billing.Charge{Model: "DiscountPercentage", DiscountLevel: "subscription", UpToPeriods: 3,
				UpToPeriodsType: "Billing_Periods",
				Segments:        []billing.Segment{{DiscountPercentage: some("25")}}}},
		{name: "billed through", charge: `"chargedThroughDate":"2026-12-01","chargeSegments":[
			{"effectiveStartDate":"2026-12-15","price":12,"chargedThroughDate":null},{"effectiveStartDate":"2026-01-01","effectiveEndDate":"2026-12-15","price":10,"chargedThroughDate":"2026-12-01"}]`,
			want: billing.Charge{Segments: []billing.Segment{
				{From: "2026-01-01", Until: "2026-12-15", ChargedThrough: "2026-12-01", Price: some("10")},
				{From: "2026-12-15", Price: some("12")}}}},
	} {
		body := `{"success":true,"subscriptions":[{"subscriptionNumber":"A-S1","ratePlans":[
			{"id":"r","productId":"p","productRatePlanId":"prp","lastChangeType":null,"ratePlanCharges":[{"number":"C-1",` +
			tc.charge + `}]},
			{"id":"q","subscriptionRatePlanNumber":"SRP-1","ratePlanCharges":[]}]}]}`
		tc.want.Number = "C-1"
		want := []billing.RatePlan{
			{ID: "r", ProductID: "p", ProductRatePlanID: "prp", Charges: []billing.Charge{tc.want}},
			{ID: "q", Number: "SRP-1", Charges: []billing.Charge{}},
		}
		got, err := newClient(t, byPath(bothPlans(body))).Read(t.Context(), accountID, zuora.ReadOptions{})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(want, got.Subscriptions[0].RatePlans); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestErrorsNameTheMember: whoever reads the error finds what Zuora changed, and
// nothing that it said.
func TestErrorsNameTheMember(t *testing.T) {
	t.Parallel()

	plans := func(charge string) string {
		return `{"success":true,"subscriptions":[{"subscriptionNumber":"A-S1","ratePlans":[{"ratePlanCharges":[{` + charge +
			`}]}]}]}`
	}
	for _, tc := range []struct{ path, body, want string }{
		{subscriptionsPath, `{"success":true}`, "subscriptions: the list is missing"},
		{subscriptionsPath, `{"success":true,"subscriptions":null}`, "subscriptions: the list is missing"},
		{subscriptionsPath, `{"success":true,"subscriptions":{"canary":1}}`, "subscriptions: wrong type"},
		{subscriptionsPath, `{"success":true,"subscriptions":[{"subscriptionNumber":"A-S1","ratePlans":null}]}`,
			"subscriptions.ratePlans: the list is missing"},
		{subscriptionsPath, plans(`"price":"canary"`), "subscriptions.ratePlans.ratePlanCharges.price: wrong type"},
		{subscriptionsPath, plans(`"chargeSegments":[{"effectiveStartDate":"canary"}]`),
			"subscriptions.ratePlans.ratePlanCharges.chargeSegments.effectiveStartDate: wrong type"},
		{subscriptionsPath, plans(`"upToPeriods":"canary"`),
			"subscriptions.ratePlans.ratePlanCharges.upToPeriods: wrong type"},
		{objectPath, `{"id":"` + accountID + `","paymentMethods":[{"id":{"canary":1}}]}`, "paymentMethods.id: wrong type"},
		{objectPath, `{"id":"` + accountID + `","limioExternalId__c":["canary"]}`, "limioExternalId__c: wrong type"},
	} {
		bodies := bothPlans(v1Subscriptions)
		bodies[tc.path] = tc.body
		_, err := newClient(t, byPath(bodies)).Read(t.Context(), accountID,
			zuora.ReadOptions{CustomFields: []string{"LimioExternalId__c"}})
		wantCode(t, "Read", err, hotsync.CodeZuoraAnswer)
		if err == nil || !strings.Contains(hotsync.AsError(err).Message, tc.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("answer %s: error %v, want it to name %q", tc.body, err, tc.want)
		}
	}
}

// TestPageOfAGateway: 404 is an answer of Zuora's only in Zuora's words.
func TestPageOfAGateway(t *testing.T) {
	t.Parallel()

	for body, want := range map[string]hotsync.Code{
		`<html><head><title>404 Not Found</title></head></html>`: hotsync.CodeZuoraUnavailable,
		``:   hotsync.CodeZuoraUnavailable,
		`{}`: hotsync.CodeZuoraUnavailable,
		`{"success":false,"reasons":[{"code":50000040,"message":"m"}]}`: hotsync.CodeZuoraNotFound,
	} {
		_, err := newClient(t, always(http.StatusNotFound, body)).Read(t.Context(), accountID, zuora.ReadOptions{})
		wantCode(t, "Read answered 404 "+body, err, want)
	}
}

// TestCount: a crowd is not counted further than Zuora was read.
func TestCount(t *testing.T) {
	t.Parallel()

	for n, want := range map[int]string{0: "0", 2: "2", 9: "9", 10: "At least 10"} {
		got := zuora.Count(make([]hotsync.AccountRef, n))
		if got != want {
			t.Errorf("Count of %d = %q, want %q", n, got, want)
		}
	}
}

// TestMissingLists: whichever list an answer lacks, on whichever plan, nothing is
// read as an absence.
func TestMissingLists(t *testing.T) {
	t.Parallel()

	const pending = `{"success":true,"nextPage":null}`
	subscription := func(rest string) string {
		return `{"success":true,"subscriptions":[{"subscriptionNumber":"A-S1"` + rest + `}]}`
	}
	for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
		for _, tc := range []struct {
			name, body string
			want       hotsync.Code // "" is an account without subscriptions
		}{
			{"no list", pending, hotsync.CodeZuoraAnswer},
			{"no list, and no more", `{"success":true}`, hotsync.CodeZuoraAnswer},
			{"null", `{"success":true,"subscriptions":null}`, hotsync.CodeZuoraAnswer},
			{"an object", `{"success":true,"subscriptions":{}}`, hotsync.CodeZuoraAnswer},
			{"text", `{"success":true,"subscriptions":"none"}`, hotsync.CodeZuoraAnswer},
			{"no plans", subscription(``), hotsync.CodeZuoraAnswer},
			{"plans null", subscription(`,"ratePlans":null`), hotsync.CodeZuoraAnswer},
			{"a plan without charges", subscription(`,"ratePlans":[{"id":"r"}]`), hotsync.CodeZuoraAnswer},
			{"charges null", subscription(`,"ratePlans":[{"id":"r","ratePlanCharges":null}]`), hotsync.CodeZuoraAnswer},
			{"one of two plans without charges", subscription(`,"ratePlans":[{"id":"q","ratePlanCharges":[]},{"id":"r"}]`),
				hotsync.CodeZuoraAnswer},
			{"a second page without a list",
				`{"success":true,"subscriptions":[],"nextPage":"https://elsewhere.example.com?page=2"}`, hotsync.CodeZuoraAnswer},
			{"not even success", `{}`, hotsync.CodeZuoraAnswer},
			{"empty", `{"success":true,"subscriptions":[]}`, ""},
		} {
			got, err := newClient(t, byPath(bothPlans(tc.body))).Read(t.Context(), accountID, zuora.ReadOptions{Plan: plan})
			if tc.want == "" {
				if err != nil || len(got.Subscriptions) != 0 {
					t.Errorf("plan %s, %s: %d subscriptions, %v", plan, tc.name, len(got.Subscriptions), err)
				}
				continue
			}
			if hotsync.AsError(err) == nil || hotsync.AsError(err).Code != tc.want || !tc.want.Transient() {
				t.Errorf("plan %s, %s: error %v, want %s, to be tried again", plan, tc.name, err, tc.want)
			}
		}
	}
}
