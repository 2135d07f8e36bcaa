package console_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/catalogue"
	"hotsync/shared/cataloguestore"
	"hotsync/shared/console"
	"hotsync/shared/hotsync"
)

// rows is a list of rate plans, or none that can be read.
type rows struct {
	plans []cataloguestore.Plan
	err   error
}

func (r rows) Plans(context.Context) ([]cataloguestore.Plan, error) { return r.plans, r.err }

func TestAPICatalogue(t *testing.T) {
	t.Parallel()

	b := setup(t)
	config := b.config()
	for _, tc := range []struct {
		name   string
		serves console.Catalogue
		status int
		want   any
	}{
		{"no list", nil, 200, []any{}},
		{"empty", rows{}, 200, []any{}},
		{"not readable", rows{err: hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")}, 503, nil},
		{"a gap", rows{plans: []cataloguestore.Plan{{ProductRatePlanID: "p1", RatePlan: "Monthly", Product: "Digital", SKU: "DIG", Currency: "GBP",
			Outcome: catalogue.Unmatched, Candidates: []string{"/offers/print"}, Subscriptions: 50, More: true, LastSeen: "2026-11-25"}}}, 200,
			[]any{map[string]any{"productRatePlanId": "p1", "ratePlan": "Monthly", "product": "Digital", "sku": "DIG", "currency": "GBP",
				"discount": false, "outcome": "unmatched", "path": "", "candidates": []any{"/offers/print"}, "byTable": false,
				"subscriptions": 50.0, "more": true, "lastSeen": "2026-11-25"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config.Catalogue = tc.serves
			server := httptest.NewServer(console.New(config))
			defer server.Close()
			status, answer := (&bundle{t: t, provider: b.provider, server: server}).call("viewer", "GET", "/api/catalogue", "")
			if status != tc.status || !cmp.Equal(tc.want, answer["plans"]) {
				t.Errorf("GET answered %d %v, want %d %v", status, answer, tc.status, tc.want)
			}
		})
	}
}
