package syncer_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// TestHalfMadeCustomer: a customer that a sync made and went no further is not found by the account. A request that
// came before looks for it first; another finds it when it is about to make it. Neither makes it twice.
func TestHalfMadeCustomer(t *testing.T) {
	t.Parallel()

	const half, make, apply = "read limio, half-made customer", "make customer", "apply"
	for _, tc := range []struct {
		name     string
		receive  int
		requeued int
		there    bool // the customer is
		whole    bool // and all else
		want     []string
	}{
		{"nobody made it", 1, 0, false, false, []string{"make owner", make, apply}},
		{"nobody made it, a second try", 2, 0, false, false, []string{half, "make owner", make, apply}},
		{"it is there", 1, 0, true, false, []string{make, half, apply}},
		{"it is there, and the request was sent on under its account", 1, 1, true, false, []string{make, half, apply}},
		{"it is there, a second try", 2, 0, true, false, []string{half, apply}},
		{"it is there, and the request was sent again", 1, 2, true, false, []string{half, apply}},
		{"all is there, a second try", 2, 0, true, true, []string{apply}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				if tc.whole {
					b.handle(t, b.request(), 1)
				} else if tc.there {
					b.limio.fail = []error{nil, nil, hotsync.Errorf(hotsync.CodeLimioForbidden, "403")}
					b.handle(t, b.request(), 1)
					b.limio.objects = slices.DeleteFunc(b.limio.objects, func(o projection.Object) bool {
						return o.Type != projection.TypeOwner && o.Kind != projection.Customer
					})
					if len(b.limio.objects) != 2 {
						t.Fatalf("Limio has %+v, want an owner and a customer", b.limio.objects)
					}
					b.limio.fail = nil
				}
				r := b.request()
				r.Requeued = tc.requeued
				would, err := b.syncer.DryRun(t.Context(), r)
				makes := slices.ContainsFunc(would.Changes, func(c hotsync.Change) bool {
					return c.Object == string(projection.Customer) && c.Action == hotsync.ActionCreate
				})
				if err != nil || makes == tc.there {
					t.Errorf("the dry run would make a customer: %t, %v", makes, err)
				}
				_, e := b.handle(t, r, tc.receive)
				wantStatus(t, e, hotsync.StatusSucceeded, map[bool]string{true: hotsync.ReasonUnchanged,
					false: hotsync.ReasonChanged}[tc.whole])
				var steps []string
				for _, s := range e.Steps {
					if slices.Contains([]string{half, make, apply, "make owner"}, s.Name) {
						steps = append(steps, s.Name)
					}
				}
				if diff := cmp.Diff(tc.want, steps); diff != "" {
					t.Errorf("steps mismatch (-want +got):\n%s", diff)
				}
				if tells := slices.ContainsFunc(e.Changes, func(c hotsync.Change) bool {
					return c.Object == string(projection.Customer) && c.Action == hotsync.ActionCreate
				}); tells == tc.there {
					t.Errorf("the event tells of a customer that was made: %t", tells)
				}
				b.wantSees(t, map[string]string{"auth0|ada": "a"})
				customers := 0
				for _, o := range b.limio.all() {
					if o.Kind == projection.Customer {
						customers++
					}
				}
				if customers != 1 {
					t.Errorf("Limio has %d customers", customers)
				}
			})
		})
	}
}

// TestAnotherAccountsHalfMadeCustomer: it belongs to its owner, though Limio does not find it by the account: nobody is
// linked to that owner who does not name the account, or they would see it once it is whole.
func TestAnotherAccountsHalfMadeCustomer(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.sign(t, as("ada", accountID, otherID))
		// Its note and the customer are written, and nothing else.
		b.limio.fail = []error{nil, nil, hotsync.Errorf(hotsync.CodeLimioForbidden, "403")}
		e := b.sign(t, as("ada", otherID, accountID))
		wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeLimioForbidden))
		b.limio.fail = nil
		time.Sleep(10 * time.Minute) // whatever was on its way has come about
		if e := b.sign(t, as("bob", accountID)); !saysNotLinked(e) {
			t.Errorf("ended as %s %s with %+v, want that bob is not linked", e.Status, e.Reason, e.Findings)
		}
		b.sign(t, as("ada", otherID, accountID))
		b.wantSees(t, map[string]string{"ada": "ab", "bob": ""})
	})
}
