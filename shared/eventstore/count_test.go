package eventstore_test

import (
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

func TestTallyAndCount(t *testing.T) {
	t.Parallel()

	b := open(t)
	tally := func(at time.Time, status hotsync.Status, reason string, took time.Duration) {
		t.Helper()
		e := eventAt(at.Add(-took))
		e.Status, e.Reason, e.FinishedAt = status, reason, at
		err := b.Tally(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
	}
	midnight := time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC)
	tally(midnight.Add(-time.Second), hotsync.StatusSucceeded, hotsync.ReasonChanged, 1500*time.Millisecond)
	tally(midnight, hotsync.StatusSucceeded, hotsync.ReasonUnchanged, 100*time.Millisecond)
	tally(midnight.Add(9*time.Minute), hotsync.StatusSucceeded, hotsync.ReasonChanged, 48*time.Hour)
	tally(midnight.Add(9*time.Minute), hotsync.StatusFailed, "zuora_busy", time.Second)
	tally(midnight.Add(9*time.Minute), hotsync.StatusFailed, "zuora_busy", time.Second)
	tally(midnight.Add(10*time.Minute), hotsync.StatusSkipped, hotsync.ReasonCoalesced, time.Second)

	counts := func(outcomes map[eventstore.Outcome]int, latency eventstore.Latency) eventstore.Counts {
		if latency == nil {
			latency = eventstore.Latency{}
		}
		return eventstore.Counts{Outcomes: outcomes, Latency: latency}
	}
	changed, unchanged := eventstore.Outcome{Status: "succeeded",
		Reason: "changed"}, eventstore.Outcome{Status: "succeeded", Reason: "unchanged"}
	busy, coalesced := eventstore.Outcome{Status: "failed", Reason: "zuora_busy"}, eventstore.Outcome{Status: "skipped",
		Reason: "coalesced"}
	all := []eventstore.Slot{
		{At: midnight.Add(-10 * time.Minute),
			Counts: counts(map[eventstore.Outcome]int{changed: 1}, eventstore.Latency{2 * time.Second: 1})},
		{At: midnight, Counts: counts(map[eventstore.Outcome]int{changed: 1, unchanged: 1, busy: 2},
			eventstore.Latency{250 * time.Millisecond: 1, 1<<63 - 1: 1})},
		{At: midnight.Add(10 * time.Minute), Counts: counts(map[eventstore.Outcome]int{coalesced: 1}, nil)},
	}
	for _, tc := range []struct {
		name     string
		from, to time.Time
		want     []eventstore.Slot
	}{
		{name: "everything", from: time.Time{}, to: start.Add(1000 * time.Hour), want: all},
		{name: "from within a slot", from: midnight.Add(5 * time.Minute), to: start, want: all[1:]},
		{name: "to the beginning of a slot", from: midnight.Add(-time.Hour), to: midnight.Add(10 * time.Minute),
			want: all[:2]},
		{name: "nothing", from: start.Add(-time.Hour), to: start},
		{name: "turned round", from: start, to: midnight},
	} {
		got, err := b.Count(t.Context(), tc.from, tc.to)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(tc.want, append([]eventstore.Slot(nil), got...)); diff != "" {
			t.Errorf("%s: Count mismatch (-want +got):\n%s", tc.name, diff)
		}
	}
	sum := eventstore.Sum(all)
	if got := [...]int{sum.Status(hotsync.StatusSucceeded), sum.Status(hotsync.StatusFailed),
		sum.Status(hotsync.StatusSkipped), sum.Outcomes[busy]}; got != [...]int{3, 2, 1, 2} {
		t.Errorf("sums = %v, want 3 succeeded, 2 failed, 1 skipped, 2 busy", got)
	}

	b.clock.set(start.Add(eventstore.DefaultRetention))
	got, err := b.Count(t.Context(), time.Time{}, start.Add(eventstore.DefaultRetention))
	if err != nil || len(got) > 0 {
		t.Errorf("after the retention period: %v, error %v; want nothing", got, err)
	}
}

func TestTallyLosesNothingInARush(t *testing.T) {
	t.Parallel()

	b := open(t)
	e := eventAt(start)
	e.FinishedAt = start
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				err := b.Tally(t.Context(), e)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	slots, err := b.Count(t.Context(), start, start.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if n := eventstore.Sum(slots).Status(hotsync.StatusSucceeded); n != 200 {
		t.Errorf("counted %d, want 200", n)
	}
}

func TestTallyRefusesWhatIsNotFinal(t *testing.T) {
	t.Parallel()

	e := eventAt(start)
	e.Status = hotsync.StatusRetrying
	err := open(t).Tally(t.Context(), e)
	if code := hotsync.AsError(err).Code; code != hotsync.CodeBadRequest {
		t.Errorf("Tally error = %v, want bad_request", err)
	}
}

func TestLatencyQuantile(t *testing.T) {
	t.Parallel()

	const forever = time.Duration(1<<63 - 1)
	for _, tc := range []struct {
		name    string
		latency eventstore.Latency
		q       float64
		want    time.Duration
		none    bool
	}{
		{name: "none", none: true},
		{name: "only zeros", latency: eventstore.Latency{time.Second: 0}, q: 0.5, none: true},
		{name: "middle of one range", latency: eventstore.Latency{2 * time.Second: 10}, q: 0.5,
			want: 1500 * time.Millisecond},
		{name: "end of the first range", latency: eventstore.Latency{2 * time.Second: 5, 5 * time.Second: 5}, q: 0.5,
			want: 2 * time.Second},
		{name: "within the second range", latency: eventstore.Latency{2 * time.Second: 5, 5 * time.Second: 5}, q: 0.75,
			want: 4 * time.Second},
		{name: "all", latency: eventstore.Latency{2 * time.Second: 5, 5 * time.Second: 5}, q: 1, want: 5 * time.Second},
		{name: "nothing", latency: eventstore.Latency{2 * time.Second: 5}, q: 0, want: time.Second},
		{name: "range without an end", latency: eventstore.Latency{2 * time.Second: 1, forever: 99}, q: 0.9,
			want: 6 * time.Hour},
		{name: "more than all", latency: eventstore.Latency{2 * time.Second: 5}, q: 7, want: 2 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got, ok := tc.latency.Quantile(tc.q)
			if got != tc.want || ok == tc.none {
				t.Errorf("Quantile(%v) = %v, %t; want %v, %t", tc.q, got, ok, tc.want, !tc.none)
			}
		})
	}
}

// A batch is counted in one write, whatever ended in it.
func TestTalliesOfABatchAreOneWrite(t *testing.T) {
	t.Parallel()

	b := open(t)
	tallies := &eventstore.Tallies{Store: b.Store}
	want := map[eventstore.Outcome]int{}
	for i := range 10 {
		e := eventAt(start)
		e.Status, e.Reason, e.FinishedAt = hotsync.StatusSucceeded, hotsync.ReasonUnchanged, start.Add(time.Second)
		if i%3 == 0 {
			e.Status, e.Reason = hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound)
		}
		want[eventstore.Outcome{Status: e.Status, Reason: e.Reason}]++
		err := tallies.Tally(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second has nothing to do
		err := tallies.Flush(t.Context())
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := b.calls.count("UpdateItem"); n != 1 {
		t.Errorf("%d writes, want one", n)
	}
	slots, err := b.Count(t.Context(), start.Add(-time.Hour), start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, eventstore.Sum(slots).Outcomes); diff != "" {
		t.Errorf("counts mismatch (-want +got):\n%s", diff)
	}
}
