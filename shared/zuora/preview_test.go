package zuora_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

const previewPath = "/v1/operations/billing-preview"

// withPreview answers the preview with status and body, all else as bothPlans.
func withPreview(status int, body string) *fake {
	rest := byPath(bothPlans(v1Subscriptions))
	return &fake{answer: func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != previewPath {
			return rest.answer(r)
		}
		return reply(status, body), nil
	}}
}

func TestPreview(t *testing.T) {
	t.Parallel()

	f := withPreview(http.StatusOK, `{"success":true,"accountId":"`+accountID+`","creditMemoItems":[],"invoiceItems":[
		{"id":"1","subscriptionNumber":"B","serviceStartDate":"2026-11-01","serviceEndDate":"2026-11-30","chargeNumber":"C-3","chargeAmount":8.33,"taxAmount":1.67,"processingType":"charge"},
		{"id":"1","subscriptionName":"A","serviceStartDate":"2026-12-01","serviceEndDate":"2026-12-31","chargeNumber":"C-2","chargeName":"Off","chargeAmount":-5,"taxAmount":null,
		 "processingType":"Discount","appliedToItemId":"2","quantity":null,"chargeDate":"2026-11-25 09:00:00"},
		{"id":"2","subscriptionName":"A","subscriptionNumber":"A","serviceStartDate":"2026-12-01","serviceEndDate":"2026-12-31","chargeNumber":"C-1","chargeName":"Monthly",
		 "productName":"Digital","chargeDescription":"d","chargeAmount":"20.000000000","taxAmount":"0E-9","quantity":1,"processingType":"Charge"}]}`)
	for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
		got, err := newClient(t, f).Read(t.Context(), accountID,
			zuora.ReadOptions{Plan: plan, Preview: true, Today: "2026-11-25"})
		if err != nil {
			t.Fatal(err)
		}
		want := billing.Preview{Items: []billing.PreviewItem{
			{SubscriptionNumber: "A", ChargeNumber: "C-1", ChargeName: "Monthly", ProductName: "Digital", Description: "d",
				ProcessingType: "Charge",
				ServiceStart:   "2026-12-01", ServiceEnd: "2026-12-31", Amount: dec("20"), Quantity: some("1")},
			{SubscriptionNumber: "A", ChargeNumber: "C-2", ChargeName: "Off", ProcessingType: "Discount",
				ServiceStart: "2026-12-01", ServiceEnd: "2026-12-31", Amount: dec("-5")},
			{SubscriptionNumber: "B", ChargeNumber: "C-3", ProcessingType: "charge", ServiceStart: "2026-11-01",
				ServiceEnd: "2026-11-30",
				Amount:     dec("8.33"), Tax: dec("1.67")},
		}}
		if diff := cmp.Diff(want, got.Preview); diff != "" {
			t.Errorf("plan %s: preview (-want +got):\n%s", plan, diff)
		}
	}
	for _, r := range f.requests {
		if r.URL.Path != previewPath {
			continue
		}
		body, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		err = json.NewDecoder(body).Decode(&got)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"accountId": accountID, "targetDate": "2027-12-25", "assumeRenewal": "Autorenew",
			"chargeTypeToExclude": "OneTime,Usage", "includingEvergreenSubscription": true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
	}
}

// TestNoPreview: whatever becomes of the preview, the account is read.
func TestNoPreview(t *testing.T) {
	t.Parallel()

	item := func(members string) string {
		return `{"success":true,"invoiceItems":[{"subscriptionNumber":"A",` + members + `}]}`
	}
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{name: "nothing to bill", status: 200, body: `{"success":true,"invoiceItems":[]}`, want: ""},
		{name: "no list", status: 200, body: `{"success":true}`, want: "invalid"},
		{name: "the list is null", status: 200, body: `{"success":true,"invoiceItems":null,"creditMemoItems":[]}`,
			want: "invalid"},
		{name: "no amount", status: 200, body: item(`"chargeAmount":null`), want: "invalid"},
		{name: "an amount that is none", status: 200, body: item(`"chargeAmount":"a lot"`), want: "invalid"},
		{name: "a day that is none", status: 200, body: item(`"chargeAmount":1,"serviceStartDate":"soon"`), want: "invalid"},
		{name: "no JSON", status: 200, body: `none`, want: "invalid"},
		{name: "a page", status: 200, body: `<html>`, want: "slow"},
		{name: "failure as 200", status: 200, body: `{"success":false,"reasons":[{"code":50000030,"message":"m"}]}`,
			want: "refused"},
		{name: "busy as 200", status: 200, body: `{"success":false,"reasons":[{"code":50000050,"message":"m"}]}`,
			want: "slow"},
		{name: "forbidden", status: 403, body: `{"success":false,"reasons":[{"code":50000010,"message":"m"}]}`,
			want: "refused"},
		{name: "feature off", status: 400, body: `{"success":false,"reasons":[{"code":50000030,"message":"m"}]}`,
			want: "refused"},
		{name: "rate limit", status: 429, body: `{"reasons":[{"code":70,"message":"m"}]}`, want: "slow"},
		{name: "down", status: 503, body: `oops`, want: "slow"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got, err := newClient(t, withPreview(tc.status, tc.body)).Read(t.Context(), accountID,
				zuora.ReadOptions{Preview: true})
			if err != nil {
				t.Fatal(err)
			}
			if got.Preview.Missing != tc.want || len(got.Preview.Items) != 0 || len(got.Subscriptions) != 2 {
				t.Errorf("preview %+v with %d subscriptions, want it missing: %q", got.Preview, len(got.Subscriptions), tc.want)
			}
		})
	}
}

// TestSlowPreview: the preview has a time limit of its own, and runs beside the
// other reads.
func TestSlowPreview(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		rest := byPath(bothPlans(v1Subscriptions))
		f := &fake{answer: func(r *http.Request) (*http.Response, error) {
			wait := 4 * time.Second
			if r.URL.Path == previewPath {
				wait = time.Minute
			}
			select {
			case <-time.After(wait):
				return rest.answer(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}}
		began := time.Now()
		got, err := newClient(t, f).Read(t.Context(), accountID, zuora.ReadOptions{Preview: true})
		if err != nil || got.Preview.Missing != "slow" {
			t.Errorf("preview %+v, error %v", got.Preview, err)
		}
		if took := time.Since(began); took != zuora.DefaultPreviewTimeout {
			t.Errorf("Read took %s, want %s", took, zuora.DefaultPreviewTimeout)
		}
	})
}

// reports notes what it is told.
type reports struct {
	mu   sync.Mutex
	errs []error
}

// Allow implements zuora.Gate.
func (*reports) Allow(context.Context) error { return nil }

// Report implements zuora.Gate.
func (r *reports) Report(_ context.Context, _ int, _ time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// TestPreviewDoesNotPause: a preview that fails by itself is no sign of an
// outage, but a rate limit holds for all calls.
func TestPreviewDoesNotPause(t *testing.T) {
	t.Parallel()

	for status, counts := range map[int]bool{http.StatusServiceUnavailable: false, http.StatusForbidden: false,
		http.StatusTooManyRequests: true} {
		gate := &reports{}
		c := newClient(t, withPreview(status, `{"reasons":[{"code":70,"message":"m"}]}`),
			func(cfg *zuora.Config) { cfg.Gate = gate })
		_, err := c.Read(t.Context(), accountID, zuora.ReadOptions{Preview: true})
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, err := range gate.errs {
			if err != nil && !strings.Contains(err.Error(), context.Canceled.Error()) {
				told++
			}
		}
		if (told > 0) != counts || len(gate.errs) != 4 {
			t.Errorf("status %d: the gate was told %v", status, gate.errs)
		}
	}
}

// TestPreviewCredits: a tenant with credit memos gets what is below zero in a list
// of its own, whose sign is not documented.
func TestPreviewCredits(t *testing.T) {
	t.Parallel()

	const credit = `"subscriptionNumber":"A-S1","chargeNumber":"C-2","skuName":"Goodwill","serviceStartDate":"2026-12-01","serviceEndDate":"2026-12-31"`
	want := func(amount, tax string) []billing.PreviewItem {
		return []billing.PreviewItem{{SubscriptionNumber: "A-S1", ChargeNumber: "C-2", ChargeName: "Goodwill",
			ProcessingType: "Discount",
			ServiceStart:   "2026-12-01", ServiceEnd: "2026-12-31", Amount: decimal.RequireFromString(amount),
			Tax: decimal.RequireFromString(tax)}}
	}
	for _, tc := range []struct {
		name, list string
		want       []billing.PreviewItem
		missing    string
	}{
		{name: "none", list: `[]`},
		{name: "null", list: `null`},
		{name: "without tax", list: `[{` + credit + `,"amountWithoutTax":3}]`, want: want("-3", "0")},
		{name: "with a sign", list: `[{` + credit + `,"amountWithoutTax":-3}]`, want: want("-3", "0")},
		{name: "with tax", list: `[{` + credit + `,"amount":"3.60","amountWithoutTax":3}]`, want: want("-3", "-0.6")},
		{name: "only the whole", list: `[{` + credit + `,"amount":3.6}]`, want: want("-3.6", "0")},
		{name: "no amount", list: `[{` + credit + `}]`, missing: "invalid"},
	} {
		f := withPreview(http.StatusOK, `{"success":true,"creditMemoItems":`+tc.list+`,"invoiceItems":[]}`)
		got, err := newClient(t, f).Read(t.Context(), accountID, zuora.ReadOptions{Preview: true, Today: "2026-11-25"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got.Preview.Items); diff != "" || got.Preview.Missing != tc.missing {
			t.Errorf("%s: missing %q (-want +got):\n%s", tc.name, got.Preview.Missing, diff)
		}
	}
}
