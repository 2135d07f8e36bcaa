package zuorasandbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/zuorasandbox"
)

// previewOf asks for a preview and gives its items as
// "subscription charge from..last amount", sorted, with the kind of those that
// are no charges.
func (b *testBundle) previewOf(request string) []string {
	b.t.Helper()
	got := b.send("POST", "/v1/operations/billing-preview", `{"accountNumber":"A7",`+request+`}`, b.authorised())
	if got.status != 200 || got.at("success") != true {
		b.t.Fatalf("preview %s = %d %s", request, got.status, got.body)
	}
	var out []string
	for _, v := range got.list("invoiceItems") {
		i := v.(map[string]any)
		line := fmt.Sprintf("%v %v %v..%v %v", i["subscriptionNumber"], i["chargeNumber"], i["serviceStartDate"],
			i["serviceEndDate"], i["chargeAmount"])
		if i["processingType"] != "Charge" {
			line += fmt.Sprintf(" %v", i["processingType"])
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// previewSubscription is one with a charge of 10 that is billed every month up to
// 2026-04-01, ends with its term on 2026-06-01, and renews; each pair of edits
// replaces one text with another.
func previewSubscription(number string, edits ...string) string {
	return strings.NewReplacer(append(edits, "NUMBER", number)...).Replace(
		`{"subscriptionNumber":"NUMBER","status":"Active","termType":"TERMED",
		"termEndDate":"2026-06-01","autoRenew":true,"ratePlans":[{"id":"rp-NUMBER","lastChangeType":"Add","ratePlanCharges":[
		{"number":"C-NUMBER","type":"Recurring","model":"FlatFee","billingPeriod":"Month","listPriceBase":"Per_Billing_Period","endDateCondition":"Subscription_End",
		 "price":10,"quantity":1,"effectiveStartDate":"2025-06-01","effectiveEndDate":"2026-06-01","chargedThroughDate":"2026-04-01"}]}]}`)
}

func TestBillingPreview(t *testing.T) {
	t.Parallel()

	const renewing = `"assumeRenewal":"Autorenew","chargeTypeToExclude":"OneTime,Usage",`
	discount := func(members string) []string {
		return []string{`"ratePlans":[`,
			`"ratePlans":[{"id":"d","ratePlanCharges":[{"number":"C-D","type":"Recurring","billingPeriod":"Month","endDateCondition":"Subscription_End",
			"effectiveStartDate":"2025-06-01","effectiveEndDate":"2026-05-01",` + members + `}]},`}
	}
	for _, tc := range []struct {
		name          string
		subscriptions []string
		request       string
		want          []string
	}{
		{name: "from what is billed to the end of the term", subscriptions: []string{previewSubscription("S")},
			request: `"targetDate":"2027-04-15"`,
			want:    []string{"S C-S 2026-04-01..2026-04-30 10", "S C-S 2026-05-01..2026-05-31 10"}},
		{name: "with the renewal", subscriptions: []string{previewSubscription("S")},
			request: renewing + `"targetDate":"2026-06-15"`,
			want: []string{"S C-S 2026-04-01..2026-04-30 10", "S C-S 2026-05-01..2026-05-31 10",
				"S C-S 2026-06-01..2026-06-30 10"}},
		{name: "no renewal without autoRenew",
			subscriptions: []string{previewSubscription("S", `"autoRenew":true`, `"autoRenew":false`)},
			request:       renewing + `"targetDate":"2026-06-15"`,
			want:          []string{"S C-S 2026-04-01..2026-04-30 10", "S C-S 2026-05-01..2026-05-31 10"}},
		{name: "all are assumed to renew",
			subscriptions: []string{previewSubscription("S", `"autoRenew":true`, `"autoRenew":false`, "2026-04-01",
				"2026-05-01")},
			request: `"assumeRenewal":"All","targetDate":"2026-06-01"`,
			want:    []string{"S C-S 2026-05-01..2026-05-31 10", "S C-S 2026-06-01..2026-06-30 10"}},
		{name: "removed to a day: no renewal, and the rest by the day", request: renewing + `"targetDate":"2027-01-01"`,
			subscriptions: []string{previewSubscription("S", `"lastChangeType":"Add"`, `"lastChangeType":"Remove"`,
				`"effectiveEndDate":"2026-06-01"`, `"effectiveEndDate":"2026-04-16"`)},
			want: []string{"S C-S 2026-04-01..2026-04-15 5"}},
		{name: "billed beyond its end", request: renewing + `"targetDate":"2027-01-01"`,
			subscriptions: []string{previewSubscription("S", `"lastChangeType":"Add"`, `"lastChangeType":"Remove"`,
				`"effectiveEndDate":"2026-06-01"`, `"effectiveEndDate":"2026-03-20"`)}},
		{name: "nothing billed yet", request: `"targetDate":"2026-07-01"`, subscriptions: []string{
			previewSubscription("S", `"chargedThroughDate":"2026-04-01"`, `"chargedThroughDate":null`,
				`"effectiveStartDate":"2025-06-01"`, `"effectiveStartDate":"2026-05-10"`)},
			want: []string{"S C-S 2026-05-10..2026-05-31 7.1"}},
		{name: "three decimal places",
			subscriptions: []string{previewSubscription("S", `"price":10`,
				`"price":1.235,"currency":"KWD"`)}, request: `"targetDate":"2026-04-15"`,
			want: []string{"S C-S 2026-04-01..2026-04-30 1.235"}},
		{name: "none, for half a month", request: renewing + `"targetDate":"2027-01-01"`,
			subscriptions: []string{previewSubscription("S", `"price":10`, `"price":1001,"currency":"JPY"`,
				`"lastChangeType":"Add"`, `"lastChangeType":"Remove"`, `"effectiveEndDate":"2026-06-01"`,
				`"effectiveEndDate":"2026-04-16"`)},
			want: []string{"S C-S 2026-04-01..2026-04-15 501"}},
		{name: "pending", request: renewing + `"targetDate":"2027-01-01"`, subscriptions: []string{
			previewSubscription("S", `"effectiveStartDate":"2025-06-01","effectiveEndDate":"2026-06-01"`,
				`"effectiveStartDate":"","effectiveEndDate":null`)}},
		{name: "draft", request: renewing + `"targetDate":"2027-01-01"`,
			subscriptions: []string{previewSubscription("S", `"status":"Active"`, `"status":"Draft"`)}},
		{name: "cancelled to a day", request: renewing + `"targetDate":"2027-01-01"`,
			subscriptions: []string{previewSubscription("S", `"status":"Active"`, `"status":"Cancelled"`)},
			want:          []string{"S C-S 2026-04-01..2026-04-30 10", "S C-S 2026-05-01..2026-05-31 10"}},
		{name: "evergreen is left out", request: `"targetDate":"2027-01-01"`,
			subscriptions: []string{previewSubscription("S", "TERMED", "EVERGREEN")}},
		{name: "evergreen when asked for", request: `"includingEvergreenSubscription":true,"targetDate":"2026-04-20"`,
			subscriptions: []string{previewSubscription("S", "TERMED", "EVERGREEN", `"2026-06-01"`, "null")},
			want:          []string{"S C-S 2026-04-01..2026-04-30 10"}},
		{name: "several subscriptions", request: `"targetDate":"2026-04-20"`,
			subscriptions: []string{previewSubscription("B"), previewSubscription("A")},
			want:          []string{"A C-A 2026-04-01..2026-04-30 10", "B C-B 2026-04-01..2026-04-30 10"}},
		{name: "one-time and usage are left out", request: renewing + `"targetDate":"2026-04-20"`, subscriptions: []string{
			previewSubscription("A", "Recurring", "OneTime"), previewSubscription("B", "Recurring", "Usage")}},
		{name: "in arrears it is due after the period", request: `"targetDate":"2026-05-20"`,
			subscriptions: []string{previewSubscription("S", `"price":10`, `"price":10,"billingTiming":"IN_ARREARS"`)},
			want:          []string{"S C-S 2026-04-01..2026-04-30 10"}},
		{name: "a price a month, billed a quarter", request: `"targetDate":"2026-04-20"`,
			subscriptions: []string{previewSubscription("S", `"Month"`, `"Quarter"`, "Per_Billing_Period", "Per_Month",
				`"effectiveEndDate":"2026-06-01"`, `"effectiveEndDate":null`)},
			want: []string{"S C-S 2026-04-01..2026-06-30 30"}},
		{name: "a price a year, billed every four months, adds up", request: renewing + `"targetDate":"2026-12-31"`,
			subscriptions: []string{
				previewSubscription("S", `"Month"`, `"Specific_Months","specificBillingPeriod":4`, "Per_Billing_Period", "Per_Year",
					`"price":10`, `"price":21500`,
					`"effectiveStartDate":"2025-06-01"`, `"effectiveStartDate":"2026-04-01"`, `"2026-06-01"`, `"2027-04-01"`)},
			want: []string{"S C-S 2026-04-01..2026-07-31 7166.67", "S C-S 2026-08-01..2026-11-30 7166.66",
				"S C-S 2026-12-01..2027-03-31 7166.67"}},
		{name: "a price for six months, billed a month", request: `"targetDate":"2026-04-20"`, subscriptions: []string{
			previewSubscription("S", "Per_Billing_Period", `Per_Specific_Months","specificListPriceBase":"6`, `"price":10`,
				`"price":60`)}, want: []string{"S C-S 2026-04-01..2026-04-30 10"}},
		{name: "a percentage off ends before the charge", request: `"targetDate":"2026-05-20"`,
			subscriptions: []string{previewSubscription("S",
				discount(`"model":"DiscountPercentage","discountPercentage":25`)...)},
			want: []string{"S C-D 2026-04-01..2026-04-30 -2.5 Discount", "S C-S 2026-04-01..2026-04-30 10",
				"S C-S 2026-05-01..2026-05-31 10"}},
		{name: "an amount off", request: `"targetDate":"2026-04-20"`,
			subscriptions: []string{previewSubscription("S", discount(`"model":"DiscountFixedAmount","discountAmount":3`)...)},
			want:          []string{"S C-D 2026-04-01..2026-04-30 -3 Discount", "S C-S 2026-04-01..2026-04-30 10"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, zuorasandbox.Config{})
			b.put(`{"account":{"basicInfo":{"accountNumber":"A7"}},"subscriptions":[` + strings.Join(tc.subscriptions,
				",") + `]}`)
			if diff := cmp.Diff(tc.want, b.previewOf(tc.request)); diff != "" {
				t.Errorf("preview %s (-want +got):\n%s", tc.request, diff)
			}
		})
	}
}

func TestBillingPreviewRefuses(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7"}}}`)
	for body, want := range map[string]int{
		`{"accountNumber":"A7","targetDate":"2026-04-20"}`:                              200,
		`{"accountNumber":"A8","targetDate":"2026-04-20"}`:                              404,
		`{"accountNumber":"A7"}`:                                                        400,
		`{"targetDate":"2026-04-20"}`:                                                   400,
		`{"accountNumber":"A7","targetDate":"20.4.2026"}`:                               400,
		`{"accountNumber":"A7","targetDate":"2026-04-20","assumeRenewal":"autorenew"}`:  400,
		`{"accountNumber":"A7","targetDate":"2026-04-20","chargeTypeToExclude":"Used"}`: 400,
		`{"accountNumber":"A7","targetDate":"2026-04-20","includingEvergreen":true}`:    400,
		`[`: 400,
	} {
		got := b.send("POST", "/v1/operations/billing-preview", body, b.authorised())
		if got.status != want {
			t.Errorf("preview %s = %d %s, want %d", body, got.status, got.body, want)
		}
	}
	b.control("PUT", "behaviour",
		`{"faults":[{"match":"POST /v1/operations/billing-preview","times":1,"status":403,"body":{"success":false}}]}`)
	got := b.send("POST", "/v1/operations/billing-preview", `{"accountNumber":"A7","targetDate":"2026-04-20"}`,
		b.authorised())
	if got.status != 403 {
		t.Errorf("with a fault: %d %s", got.status, got.body)
	}
}

// TestEmptyLists: whether Object Query sends an expanded list that is empty is
// not known.
func TestEmptyLists(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7"}}}`)
	for form, want := range map[string]bool{"present": true, "absent": false} {
		b.control("PUT", "options", `{"emptyLists":"`+form+`"}`)
		_, ok := b.get("/object-query/accounts/A7?expand[]=paymentmethods").object()["paymentMethods"]
		if ok != want {
			t.Errorf("empty lists %s: the list is there: %t", form, ok)
		}
	}
}
