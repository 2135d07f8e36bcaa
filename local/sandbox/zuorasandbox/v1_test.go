package zuorasandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/zuorasandbox"
)

// subscriptions is an account with n subscriptions, A-S1 to A-Sn.
func subscriptions(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"subscriptionNumber":"A-S%d"}`, i+1))
	}
	return `{"account":{"basicInfo":{"accountNumber":"A7"}},"subscriptions":[` + strings.Join(all, ",") + `]}`
}

func TestPages(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(subscriptions(90))
	for _, tc := range []struct {
		query      string
		want       int
		first      any
		wantStatus int
		wantNext   any
	}{
		{query: "", want: 20, first: "A-S1", wantNext: "page=2"},
		{query: "?pageSize=40", want: 40, first: "A-S1", wantNext: "page=2&pageSize=40"},
		{query: "?pageSize=10000", want: 40, first: "A-S1", wantNext: "page=2&pageSize=10000"},
		{query: "?pageSize=40&page=3", want: 10, first: "A-S81"},
		{query: "?pageSize=45&page=2", want: 40, first: "A-S41", wantNext: "page=3&pageSize=45"},
		{query: "?page=6", want: 0},
		{query: "?page=0", wantStatus: 400},
		{query: "?pageSize=0", wantStatus: 400},
		{query: "?pageSize=x", wantStatus: 400},
		{query: "?page=99999999999999999999", wantStatus: 400},
		{query: "?charge-detail=some-segments", wantStatus: 400},
		{query: "?charge-detail=specific-segment", wantStatus: 400},
		{query: "?as-of-date=yesterday", wantStatus: 400},
		{query: "?exclude-rate-plans-with-no-charges=1", wantStatus: 400},
		{query: "?pagesize=1", wantStatus: 400},
		{query: "?%zz", wantStatus: 400},
	} {
		got := b.get("/v1/subscriptions/accounts/A7" + tc.query)
		if tc.wantStatus != 0 {
			if got.status != tc.wantStatus {
				t.Errorf("%s = %d %s, want %d", tc.query, got.status, got.body, tc.wantStatus)
			}
			continue
		}
		list := got.list("subscriptions")
		if len(list) != tc.want || got.at("subscriptions.0.subscriptionNumber") != tc.first {
			t.Errorf("%s: %d subscriptions from %v, want %d from %v", tc.query, len(list),
				got.at("subscriptions.0.subscriptionNumber"), tc.want, tc.first)
		}
		next := got.at("nextPage")
		if tc.wantNext != nil {
			tc.wantNext = b.server.URL + "/v1/subscriptions/accounts/A7?" + fmt.Sprint(tc.wantNext)
		}
		if diff := cmp.Diff(tc.wantNext, next); diff != "" {
			t.Errorf("%s: nextPage (-want +got):\n%s", tc.query, diff)
		}
	}
	for form, want := range map[string]string{"relative": "/v1/subscriptions/accounts/A7?page=2",
		"foreign": "https://zuora.attacker.example/v1/subscriptions/accounts/A7?page=2",
		"other":   "https://api.zuora.com/rest/v1/subscriptions/accounts/A7?page=2"} {
		b.control("PUT", "options", `{"nextPage":"`+form+`"}`)
		if got := b.get("/v1/subscriptions/accounts/A7").at("nextPage"); got != want {
			t.Errorf("%s nextPage = %v, want %s", form, got, want)
		}
	}
}

// segmented has a price that rises on 1 June, a plan that begins on 16 March
// (tomorrow), one that was removed, and one whose charge has ended.
const segmented = `{"account":{"basicInfo":{"accountNumber":"A7"}},"subscriptions":[{"subscriptionNumber":"A-S1","version":3,"ratePlans":[
 {"ratePlanName":"rising","lastChangeType":"Update","ratePlanCharges":[{"number":"C-1","price":12.50,"segment":2,"effectiveStartDate":"2026-06-01","effectiveEndDate":null,"chargeSegments":[
   {"segment":1,"price":10.0,"effectiveStartDate":"2026-01-01","effectiveEndDate":"2026-06-01"},{"segment":2,"price":12.50,"effectiveStartDate":"2026-06-01","effectiveEndDate":null}]}]},
 {"ratePlanName":"tomorrow","lastChangeType":"Add","ratePlanCharges":[{"number":"C-2","price":3,"effectiveStartDate":"2026-03-16","effectiveEndDate":"2027-03-16"}]},
 {"ratePlanName":"removed","lastChangeType":"Remove","ratePlanCharges":[{"number":"C-3","price":4,"effectiveStartDate":"2025-01-01","effectiveEndDate":"2026-03-15"}]}]}]}`

func TestChargeDetail(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(segmented)
	for _, tc := range []struct {
		query string
		want  map[string]string // plan: price of its charge, with the number of segments shown
	}{
		{"", map[string]string{"rising": "12.50", "tomorrow": "3", "removed": "4"}},
		{"?charge-detail=last-segment", map[string]string{"rising": "12.50", "tomorrow": "3", "removed": "4"}},
		{"?charge-detail=current-segment", map[string]string{"rising": "10.0", "tomorrow": "", "removed": "4"}},
		{"?charge-detail=current-segment&exclude-rate-plans-with-no-charges=true",
			map[string]string{"rising": "10.0", "removed": "4"}},
		{"?charge-detail=all-segments", map[string]string{"rising": "12.50 of 2", "tomorrow": "3 of 1", "removed": "4 of 1"}},
		{"?charge-detail=specific-segment&as-of-date=2026-05-31",
			map[string]string{"rising": "10.0", "tomorrow": "3", "removed": ""}},
		{"?charge-detail=specific-segment&as-of-date=2026-06-01",
			map[string]string{"rising": "12.50", "tomorrow": "3", "removed": ""}},
	} {
		for _, path := range []string{"/v1/subscriptions/accounts/A7", "/v1/subscriptions/A-S1"} {
			var one struct {
				RatePlans []struct {
					RatePlanName    string
					RatePlanCharges []struct {
						Price         json.Number
						ChargeSegment []any `json:"chargeSegments"`
					}
				}
			}
			body := b.get(path + tc.query).body
			var list struct{ Subscriptions []json.RawMessage }
			err := json.Unmarshal(body, &list)
			if err == nil && len(list.Subscriptions) == 1 {
				body = list.Subscriptions[0]
			}
			err = json.Unmarshal(body, &one)
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			got := map[string]string{}
			for _, p := range one.RatePlans {
				got[p.RatePlanName] = ""
				for _, c := range p.RatePlanCharges {
					got[p.RatePlanName] = c.Price.String()
					if len(c.ChargeSegment) > 0 {
						got[p.RatePlanName] = fmt.Sprintf("%s of %d", c.Price, len(c.ChargeSegment))
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s%s (-want +got):\n%s", path, tc.query, diff)
			}
		}
	}
}

func TestTodayIsTheTenants(t *testing.T) {
	t.Parallel()

	for zone, want := range map[*time.Location]string{time.UTC: "2026-03-15",
		time.FixedZone("east", 16*3600): "2026-03-16"} {
		b := setup(t, zuorasandbox.Config{TenantTimeZone: zone})
		b.put(strings.ReplaceAll(segmented, "2026-03-16", want))
		charges := 0
		for _, p := range b.get("/v1/subscriptions/A-S1?charge-detail=current-segment").list("ratePlans") {
			if at(p, "ratePlanName") == "tomorrow" {
				charges = len(at(p, "ratePlanCharges").([]any))
			}
		}
		if charges != 1 {
			t.Errorf("at 09:00 UTC in zone %s a charge that starts on %s is not there", zone, want)
		}
	}
}

func TestRatePlansComeInAnyOrder(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(segmented)
	seen := map[any]bool{}
	for range 100 {
		seen[b.get("/v1/subscriptions/A-S1").at("ratePlans.0.ratePlanName")] = true
	}
	if len(seen) != 3 {
		t.Errorf("first of 3 plans in 100 answers: %v", seen)
	}
}

func TestSubscriptionByKey(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7"}},"subscriptions":[
		{"subscriptionNumber":"A-S1","version":2,"id":"new"},{"subscriptionNumber":"A-S1","version":1,"id":"old","isLatestVersion":false}]}`)
	for key, want := range map[string]any{"A-S1": "new", "new": "new", "old": "old"} {
		got := b.get("/v1/subscriptions/" + key)
		if got.at("id") != want || got.at("accountId") != account || got.at("success") != true {
			t.Errorf("subscription %s = %s", key, got.body)
		}
	}
	if n := len(b.get("/v1/subscriptions/accounts/A7").list("subscriptions")); n != 1 {
		t.Errorf("the account's list has %d subscriptions, want the latest version only", n)
	}
}

const methods = `{"account":{"basicInfo":{"accountNumber":"A7"},"billingAndPayment":{"autoPay":true}},"paymentMethods":{"defaultPaymentMethodId":"a",
	"creditcard":[{"id":"a","type":"CreditCard","cardNumber":"************4242","expirationMonth":12,"expirationYear":2030},{"id":"b","type":"CreditCard","status":"Closed"}],
	"debitcard":[{"id":"c","type":"CreditCard","status":"Scrubbed"}],"ach":[{"id":"d","type":"ACH","bankABACode":"021000021","bankAccountNumber":"********6789"}]}}`

func TestPaymentMethods(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(methods)
	for query, want := range map[string]map[string][]string{
		"":                                       {"creditcard": {"a", "b"}, "ach": {"d"}},
		"?isActiveOnly=true":                     {"creditcard": {"a"}, "ach": {"d"}},
		"?isDefaultOnly=true":                    {"creditcard": {"a"}},
		"?isDefaultOnly=true&isActiveOnly=false": {"creditcard": {"a"}},
	} {
		got := b.get("/v1/accounts/A7/payment-methods" + query)
		ids := map[string][]string{}
		for key, value := range got.object() {
			list, ok := value.([]any)
			if !ok {
				continue
			}
			for _, m := range list {
				ids[key] = append(ids[key], fmt.Sprint(at(m, "id")))
			}
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("methods%s (-want +got):\n%s", query, diff)
		}
		if got.at("defaultPaymentMethodId") != "a" || got.at("creditcard.0.isDefault") != true {
			t.Errorf("methods%s: default = %v %v", query, got.at("defaultPaymentMethodId"), got.at("creditcard.0.isDefault"))
		}
	}
	if got := b.get("/v1/accounts/A7/payment-methods?isActiveOnly=yes"); got.status != 400 {
		t.Errorf("isActiveOnly=yes = %d", got.status)
	}
	b.put(strings.Replace(methods, `"id":"a",`, `"id":"a","status":"Scrubbed",`, 1))
	got := b.get("/v1/accounts/A7")
	if got.at("billingAndPayment.defaultPaymentMethodId") != nil || got.at("billingAndPayment.autoPay") != false {
		t.Errorf("after scrubbing the default: %v", got.at("billingAndPayment"))
	}
}

// TestCanaries: whatever must never be copied is there to be leaked, in both
// views; what was put stays as it was put.
func TestCanaries(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(methods)
	v1 := b.get("/v1/accounts/A7/payment-methods")
	query := b.get("/object-query/accounts/A7?expand%5B%5D=paymentmethods")
	for _, tc := range []struct {
		from  answer
		paths []string
	}{
		{v1, []string{"tokenId", "secondTokenId", "googleGatewayToken", "appleGatewayToken", "googleBIN", "appleBIN",
			"googleCardNumber", "appleCardNumber",
			"BAID", "preapprovalKey", "securityCode", "IBAN", "accountNumber", "bankCode", "branchCode", "bankABACode",
			"bankAccountNumber", "bankAccountName",
			"businessIdentificationCode", "bankIdentificationNumber", "identityNumber", "ipAddress", "deviceSessionId",
			"mandateInfo.mandateId", "mandateInfo.mitTransactionId", "accountHolderInfo.accountHolderName",
			"accountHolderInfo.email"}},
		{query, []string{"tokenId", "secondTokenId", "methodReferenceId", "userReferenceId", "methodSpecificData",
			"paypalBaid", "paypalPreapprovalKey", "iBAN",
			"achAbaCode", "achAccountName", "bankCode", "bankBranchCode", "bankTransferAccountName", "creditCardHolderName",
			"identityNumber", "iPAddress",
			"deviceSessionId", "mandateId", "businessIdentificationCode", "bankIdentificationNumber"}},
	} {
		base := "creditcard.0."
		if tc.from.at("creditcard") == nil {
			base = "paymentMethods.1." // ach comes first
		}
		for _, path := range tc.paths {
			if got := fmt.Sprint(tc.from.at(base + path)); !strings.HasPrefix(got, zuorasandbox.Canary) {
				t.Errorf("%s%s = %q, want a canary", base, path, got)
			}
		}
	}
	if got := v1.at("ach.0.bankABACode"); got != "021000021" {
		t.Errorf("bankABACode = %v, want what was put", got)
	}
	if got := query.at("paymentMethods.0.achAccountNumberMask"); got != "********6789" {
		t.Errorf("achAccountNumberMask = %v", got)
	}
	for _, got := range []any{b.get("/v1/accounts/A7").at("taxInfo.VATId"), query.at("vATId")} {
		if !strings.HasPrefix(fmt.Sprint(got), zuorasandbox.Canary) {
			t.Errorf("VAT id = %v, want a canary", got)
		}
	}
}

// TestFaults: what the shared behaviour does is tested there; here only that
// faults come within Zuora's headers and before the token is looked at.
func TestFaults(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.control("PUT", "behaviour",
		`{"faults":[{"match":"GET /v1/**","status":500,"body":{"reasons":[{"code":"SystemError","message":"x"}]}}]}`)
	got := b.send("GET", "/v1/accounts/x", "", http.Header{})
	if got.status != 500 || got.at("reasons.0.code") != "SystemError" ||
		got.header.Get("Concurrency-Limit-Type") != "Default" || got.header.Get("Zuora-Request-Id") == "" {
		t.Errorf("fault = %d %s %v", got.status, got.body, got.header)
	}
	log := b.sandbox.Behaviour().Requests()
	if len(log) != 2 || log[1].Path != "/v1/accounts/x" || log[1].Status != 500 {
		t.Errorf("requests = %v", log)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7","Region__c":"North"}}}`)
	got := b.get("/v1/describe/Account")
	if got.status != 200 || got.header.Get("Content-Type") != "text/xml; charset=utf-8" {
		t.Fatalf("describe = %d %s", got.status, got.header.Get("Content-Type"))
	}
	fields := strings.Split(string(got.body), "<field>")
	for name, filterable := range map[string]string{"LimioExternalId__c": "true", "Region__c": "false",
		"AccountNumber": "true"} {
		i := slices.IndexFunc(fields, func(f string) bool { return strings.Contains(f, "<name>"+name+"</name>") })
		if i < 0 || !strings.Contains(fields[i], "<filterable>"+filterable+"</filterable>") {
			t.Errorf("describe has no %s with filterable %s", name, filterable)
		}
	}
	if got := b.get("/v1/describe/Invoice"); got.status != 404 {
		t.Errorf("describe Invoice = %d", got.status)
	}
}
