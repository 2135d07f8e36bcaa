package convergence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"hotsync/shared/billing"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// slow is a Limio that takes its time, in a bubble.
type slow struct {
	mu           sync.Mutex
	fail         map[string]error // by object id
	started      []string
	running, top int
}

const call = 150 * time.Millisecond

func (s *slow) write(id string) error {
	s.mu.Lock()
	s.started = append(s.started, id)
	s.running++
	s.top = max(s.top, s.running)
	s.mu.Unlock()
	time.Sleep(call)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	return s.fail[id]
}

func (s *slow) Create(_ context.Context, o projection.Object) error { return s.write(o.ID) }

func (s *slow) Update(_ context.Context, _ projection.Kind, _, id, _ string, _ map[string]any) error {
	return s.write(id)
}

func (s *slow) LinkExternalIdentity(_ context.Context, owner string, _ hotsync.Identity) error {
	return s.write("link " + owner)
}

func TestCriticalPath(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name    string
		account billing.Account
		have    []projection.Object
		want    int
	}{
		{"nothing", single(), found(single(), ada), 0},
		{"new", single(), nil, 5},
		{"new, without offers, addresses and methods", billing.Account{ID: "8a12"}, nil, 4},
		{"several updates", single(func(a *billing.Account) {
			a.Name, a.Subscriptions[0].AutoRenew, a.Subscriptions[0].RatePlans[0].Name = "Grace", true, "Weekly"
		}), found(single(), ada), 1},
		{"a new default", single(func(a *billing.Account) {
			a.PaymentMethods, a.DefaultPaymentMethodID = append(a.PaymentMethods,
				billing.PaymentMethod{ID: "8a35", Status: "Active"}), "8a35"
		}), found(single(), ada), 2},
		{"a new default, the old one closed", single(func(a *billing.Account) {
			a.PaymentMethods[0].Status = "Closed"
			a.PaymentMethods, a.DefaultPaymentMethodID = append(a.PaymentMethods,
				billing.PaymentMethod{ID: "8a35", Status: "Active"}), "8a35"
		}), found(single(), ada), 3},
		{"a new login", single(), found(single(), hotsync.Identity{}), 1},
	} {
		plan := convergence.Diff(project(tc.account, ada), tc.have)
		if got := convergence.CriticalPath(plan.Changes); got != tc.want {
			t.Errorf("%s: CriticalPath of %q = %d, want %d", tc.name, lines(plan), got, tc.want)
		}
	}
}

// TestFirstSyncTime is what the payments of three subscriptions add to the writes
// of a first sync, in calls one after the other: nothing where one payment is to
// come, and two where a year of them is, when sixteen are under way at once.
func TestFirstSyncTime(t *testing.T) {
	t.Parallel()

	account := func(period, billed string) billing.Account {
		return single(func(a *billing.Account) {
			a.Subscriptions = nil
			for n := range 3 {
				c := billing.Charge{Number: fmt.Sprintf("C%d", n), Type: "Recurring", Model: "FlatFee", BillingPeriod: period,
					Segments: []billing.Segment{{From: "2026-01-01", ChargedThrough: billed,
						Price: decimal.NewNullDecimal(decimal.NewFromInt(10))}}}
				a.Subscriptions = append(a.Subscriptions,
					billing.Subscription{Number: fmt.Sprintf("A-S%d", n), Status: "Active", TermType: "EVERGREEN",
						Start:     "2026-01-01",
						RatePlans: []billing.RatePlan{{Number: fmt.Sprintf("P%d", n), Name: "Plan", Charges: []billing.Charge{c}}}})
			}
		})
	}
	for _, tc := range []struct {
		name    string
		account billing.Account
		more    int // writes
		limit   int // of writes that are under way at once
		calls   int // one after the other, more
	}{
		{"billed a year, 8", account("Annual", "2027-01-01"), 6, 8, 1},
		{"billed a year", account("Annual", "2027-01-01"), 6, 24, 0},
		{"billed a month, 8", account("Month", "2026-12-01"), 42, 8, 5},
		{"billed a month", account("Month", "2026-12-01"), 42, 24, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			first := func(source hotsync.ScheduleSource) (writes int, took time.Duration) {
				r := projection.Project(tc.account, ada, projection.Options{Today: "2026-11-22", Tenant: "acme", Schedules: source})
				plan := convergence.Diff(r, nil)
				begin := time.Now()
				_, err := convergence.Apply(t.Context(), &slow{}, plan.Changes, convergence.Options{Concurrency: tc.limit})
				if err != nil {
					t.Fatal(err)
				}
				return len(plan.Changes), time.Since(begin)
			}
			fewer, without := first(hotsync.SchedulesOff)
			more, with := first(hotsync.SchedulesCharges)
			if more != fewer+tc.more || with != without+time.Duration(tc.calls)*call {
				t.Errorf("%s: %d writes take %v, %d without payments %v", tc.name, more, with, fewer, without)
			}
		})
	}
}

// TestApplyTime: a first sync takes as long as its critical path.
func TestApplyTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		account := single(func(a *billing.Account) {
			for n := range 2 {
				s := a.Subscriptions[0]
				s.Number = fmt.Sprintf("A-S%d", n+2)
				s.RatePlans = []billing.RatePlan{{Number: fmt.Sprintf("P%d", n+2)}}
				a.Subscriptions = append(a.Subscriptions, s)
			}
		})
		plan := convergence.Diff(project(account, ada), nil)
		s := &slow{}
		begin := time.Now()
		done, err := convergence.Apply(t.Context(), s, plan.Changes, convergence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if took, want := time.Since(begin), time.Duration(convergence.CriticalPath(plan.Changes))*call; took != want ||
			want != 5*call {
			t.Errorf("%d writes took %v, want %v", len(plan.Changes), took, want)
		}
		if diff := cmp.Diff(plan.Changes, done); diff != "" {
			t.Errorf("done mismatch (-want +got):\n%s", diff)
		}
		if first, last := s.started[0], s.started[len(s.started)-1]; first != plan.Changes[0].Object.ID ||
			last != "link "+first {
			t.Errorf("the first write was %s, the last %s", first, last)
		}
	})
}

func TestApplyConcurrency(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var changes []convergence.Change
		for n := range 40 {
			changes = append(changes,
				convergence.Change{Action: hotsync.ActionCreate, Object: projection.Object{ID: fmt.Sprint("sub-", n)}})
		}
		for limit, want := range map[int]int{0: 8, 1: 1, 3: 3} {
			s := &slow{}
			_, err := convergence.Apply(t.Context(), s, changes, convergence.Options{Concurrency: limit})
			if err != nil || s.top != want {
				t.Errorf("Concurrency %d: %d writes at once, error %v, want %d", limit, s.top, err, want)
			}
		}
	})
}

// TestApplyStops: after an error nothing new starts, what is under way ends, and
// what was made is told.
func TestApplyStops(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		refused := hotsync.Errorf(hotsync.CodeLimioRefused, "no")
		plan := convergence.Diff(project(single(), ada), nil)
		bad := slices.IndexFunc(plan.Changes,
			func(c convergence.Change) bool { return c.Object.Kind == projection.Subscription })
		s := &slow{fail: map[string]error{plan.Changes[bad].Object.ID: refused}}
		done, err := convergence.Apply(t.Context(), s, plan.Changes, convergence.Options{Concurrency: 4})
		if !errors.Is(err, refused) {
			t.Fatalf("Apply error = %v, want %v", err, refused)
		}
		// Owner, customer, then two identities and the payment method beside the
		// subscription; nothing that comes after.
		if len(done) != 5 || len(s.started) != 6 || s.running != 0 {
			t.Errorf("done %d, started %d, still running %d, want 5, 6 and 0", len(done), len(s.started), s.running)
		}
	})
}

// The others of a level are not begun after one of them has failed.
func TestApplyStopsWithinALevel(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		refused := hotsync.Errorf(hotsync.CodeLimioRefused, "no")
		var changes []convergence.Change
		for n := range 5 {
			object := projection.Object{ID: fmt.Sprint("sub-", n)}
			changes = append(changes, convergence.Change{Action: hotsync.ActionCreate, Object: object})
		}
		s := &slow{fail: map[string]error{"sub-1": refused}}
		done, err := convergence.Apply(t.Context(), s, changes, convergence.Options{Concurrency: 1})
		if !errors.Is(err, refused) || len(done) != 1 || len(s.started) != 2 {
			t.Errorf("Apply = %d done, %d begun, %v, want 1, 2 and %v", len(done), len(s.started), err, refused)
		}
	})
}

func TestApplyCancelled(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), call+call/2)
		defer cancel()
		plan := convergence.Diff(project(single(), ada), nil)
		s := &slow{}
		done, err := convergence.Apply(ctx, s, plan.Changes, convergence.Options{})
		if !errors.Is(err, context.DeadlineExceeded) || len(done) != 2 || len(s.started) != 2 {
			t.Errorf("Apply = %d done, %v, want the two that began in time", len(done), err)
		}
	})
}

// A circle cannot come from Diff; it must not hang Apply all the same.
func TestApplyCircle(t *testing.T) {
	t.Parallel()

	changes := []convergence.Change{
		{Action: hotsync.ActionCreate, Object: projection.Object{ID: "a", Owner: "b"}},
		{Action: hotsync.ActionCreate, Object: projection.Object{ID: "b", Owner: "a"}},
		{Action: "dance"},
	}
	done, err := convergence.Apply(t.Context(), newMemory(), changes, convergence.Options{})
	if err == nil {
		t.Errorf("Apply = %v, want an error for the unknown action", lines(convergence.Plan{Changes: done}))
	}
}

func BenchmarkDiff(b *testing.B) {
	var account billing.Account
	for n := range 60 {
		account.Subscriptions = append(account.Subscriptions,
			billing.Subscription{Number: fmt.Sprintf("A-S%08d", n), Status: "Active",
				RatePlans: []billing.RatePlan{{Number: fmt.Sprintf("P%d", n)}, {Number: fmt.Sprintf("D%d", n)}}})
	}
	have := project(account, ada).Objects
	b.ReportAllocs()
	for b.Loop() {
		plan := convergence.Diff(project(account, ada), have)
		if len(plan.Changes) != 0 {
			b.Fatal(plan.Changes)
		}
	}
}
