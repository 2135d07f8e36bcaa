package zuora_test

import (
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

// everything is a subscription with every member that is read of one.
const everything = `{"success":true,"subscriptions":[{"id":"s1","subscriptionNumber":"A-S1","version":2,"status":"Active","accountId":"` + accountID + `",
 "currency":"GBP","termType":"TERMED","contractEffectiveDate":"2026-01-01","subscriptionStartDate":"2026-01-02","subscriptionEndDate":"2027-01-01",
 "termStartDate":"2026-01-03","termEndDate":"2027-01-02","scheduledCancelDate":"2026-12-31","autoRenew":true,
 "ratePlans":[{"id":"rp","subscriptionRatePlanNumber":"SRP-1","ratePlanName":"Monthly","productName":"Digital","productSku":"SKU","productId":"p",
  "productRatePlanId":"prp","lastChangeType":"Add","ratePlanCharges":[{"number":"C-1","name":"Fee","type":"Recurring","model":"Tiered","currency":"GBP",
   "uom":"Seat","billingPeriod":"Specific_Months","specificBillingPeriod":4,"listPriceBase":"Per_Specific_Months","specificListPriceBase":6,
   "billingTiming":"IN_ADVANCE","endDateCondition":"Subscription_End","discountLevel":"subscription","upToPeriods":3,"upToPeriodsType":"Months",
   "effectiveStartDate":"2026-01-01","effectiveEndDate":"2026-12-01","chargedThroughDate":"2026-11-01","price":1,"quantity":2,"discountAmount":3,
   "discountPercentage":4,"tiers":[{"startingUnit":1,"endingUnit":2,"price":3,"priceFormat":"FlatFee"}]}]}]}]}`

// TestNoMemberIsForgotten holds package billing's values to what is decoded into
// them: a member that no answer can fill is one that somebody forgot to copy.
func TestNoMemberIsForgotten(t *testing.T) {
	t.Parallel()

	preview := `{"success":true,"invoiceItems":[{"subscriptionNumber":"A-S1","chargeNumber":"C-1","chargeName":"Fee","productName":"Digital",
		"chargeDescription":"d","processingType":"Charge","serviceStartDate":"2026-12-01","serviceEndDate":"2026-12-31","chargeAmount":1,"taxAmount":2,
		"quantity":3,"unitPrice":4}]}`
	// Contacts, payment methods and custom fields are those of the other tests.
	for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
		rest := byPath(bothPlans(everything))
		f := &fake{answer: func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/v1/operations/billing-preview" {
				return reply(http.StatusOK, preview), nil
			}
			return rest.answer(r)
		}}
		got, err := newClient(t, f).Read(t.Context(), accountID,
			zuora.ReadOptions{Plan: plan, Preview: true, Today: "2026-11-25",
				CustomFields: []string{"LimioExternalId__c"}})
		if err != nil {
			t.Fatal(err)
		}
		got.SoldTo = got.BillTo // the sample has none
		filled := map[string]bool{}
		fill(reflect.ValueOf(got), filled)
		var forgotten []string
		for member, ok := range filled {
			if !ok && member != "Preview.Missing" {
				forgotten = append(forgotten, member)
			}
		}
		slices.Sort(forgotten)
		if diff := cmp.Diff([]string(nil), forgotten); diff != "" {
			t.Errorf("plan %s never fills (-want +got):\n%s", plan, diff)
		}
	}
}

// fill notes which members of the types of package billing have a value.
func fill(v reflect.Value, filled map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), filled)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), filled)
		}
	case reflect.Struct:
		if v.Type().PkgPath() != reflect.TypeFor[billing.Account]().PkgPath() {
			return
		}
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			filled[name] = filled[name] || !v.Field(i).IsZero()
			fill(v.Field(i), filled)
		}
	}
}
