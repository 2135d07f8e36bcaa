package console_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"testing"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// lane is the second lane with its functions: whatever is sent succeeds at once.
type lane struct {
	events *memory
	sent   []hotsync.SyncRequest
}

func (l *lane) SendAll(_ context.Context, requests []hotsync.SyncRequest) []error {
	for _, r := range requests {
		l.sent = append(l.sent, r)
		e := hotsync.NewEvent(r)
		e.Status, e.Reason = hotsync.StatusSucceeded, hotsync.ReasonChanged
		l.events.mu.Lock()
		l.events.events[e.ID] = e
		l.events.mu.Unlock()
	}
	return make([]error, len(requests))
}

func (l *lane) Wait(context.Context, jobs.Kind) jobs.Wait { return "" }

// jobEvents is what a job asks of the events.
type jobEvents struct{ *memory }

func (m jobEvents) Summaries(_ context.Context, ids []string) (map[string]hotsync.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]hotsync.Event{}
	for _, id := range ids {
		if e, ok := m.events[id]; ok {
			found[id] = e
		}
	}
	return found, nil
}

func (m jobEvents) NewerSync(_ context.Context, e hotsync.Event) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.events {
		if x.RetryOf == e.ID || x.Account.ID == e.Account.ID && x.ID > e.ID && x.Subject == e.Subject {
			return true, nil
		}
	}
	return false, nil
}

func (m jobEvents) KnownAccounts(context.Context, time.Time, int, string) ([]eventstore.Known, string, error) {
	return nil, "", nil
}

// advance lets the functions advance every job until nothing is left to do.
func (b *bundle) advance(t *testing.T, want int) {
	t.Helper()
	b.lane.events = b.events
	now := b.clock()
	r := &jobs.Runner{Store: &b.jobs, Events: jobEvents{b.events}, Queue: b.lane, Gate: b.lane,
		Lister: jobs.Sources{Events: jobEvents{b.events}}, Name: rand.Text(),
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	for range 100 {
		busy := false
		active, err := jobs.Active(t.Context(), &b.jobs)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range slices.Backward(active) {
			if j.Source.ZOQL != "" {
				continue // there is no Zuora
			}
			stepped, err := r.Step(t.Context(), j.ID)
			if err != nil {
				t.Fatal(err)
			}
			busy = busy || stepped
		}
		if !busy {
			break
		}
		now = now.Add(time.Second)
	}
	if len(b.lane.sent) != want {
		t.Fatalf("%d syncs were sent, want %d", len(b.lane.sent), want)
	}
}

func (b *bundle) onlyJob(t *testing.T) jobs.Job {
	t.Helper()
	all, _, err := b.jobs.Jobs(t.Context(), 10, "")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d jobs, %v", len(all), err)
	}
	return all[0]
}
