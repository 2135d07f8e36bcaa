package syncer_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
)

// TestWhatZuoraIsAsked: the field of a look-up, which tells whether it is stale, and the
// billing preview only where payments are taken from it.
func TestWhatZuoraIsAsked(t *testing.T) {
	t.Parallel()

	lookup := &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada"}
	for _, tc := range []struct {
		name      string
		schedules hotsync.ScheduleSource
		plan      hotsync.ZuoraPlan
		lookup    *hotsync.Lookup
		fields    []string
		preview   bool
	}{
		{"as it is saved", "", hotsync.PlanH, nil, nil, true},
		{"preview", hotsync.SchedulesPreview, hotsync.PlanV, nil, nil, true},
		{"charges", hotsync.SchedulesCharges, hotsync.PlanH, nil, nil, false},
		{"no payments", hotsync.SchedulesOff, hotsync.PlanH, nil, nil, false},
		{"a look-up", "", hotsync.PlanH, lookup, []string{"LimioExternalId__c"}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.settings.Schedules, b.settings.ZuoraPlan = tc.schedules, tc.plan
			r := b.request()
			r.AccountID, r.Lookup = accountID, tc.lookup
			_, e := b.handle(t, r, 1)
			wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
			got := b.zuora.asked
			if diff := cmp.Diff(tc.fields, got.CustomFields); diff != "" || got.Preview != tc.preview || got.Plan != tc.plan {
				t.Errorf("%s: asked by plan %s with preview %t, fields (-want +got):\n%s", tc.name, got.Plan, got.Preview, diff)
			}
		})
	}
}
