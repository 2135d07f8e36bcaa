package eventstore_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// BenchmarkSearch compares searches in a store of 1,000 events with one of
// HOTSYNC_BENCH_EVENTS, or 5,000: loading 100,000 takes minutes. Both are spread
// over the retention period. The ratio of their medians and of their 95th
// percentiles shows whether the cost grows with the table.
func BenchmarkSearch(b *testing.B) {
	large := 5_000
	if v := os.Getenv("HOTSYNC_BENCH_EVENTS"); v != "" {
		var err error
		large, err = strconv.Atoi(v)
		if err != nil {
			b.Fatal(err)
		}
	}
	small, big := loaded(b, 1_000), loaded(b, large)
	for _, bm := range []struct {
		name  string
		query eventstore.Query
	}{
		{name: "all"},
		{name: "failed", query: eventstore.Query{Statuses: []hotsync.Status{hotsync.StatusFailed}}},
		{name: "account", query: eventstore.Query{Account: accountID("bench 7")}},
		{name: "q", query: eventstore.Query{Q: "A-S7"}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			var times [2][]time.Duration
			for b.Loop() {
				for i, s := range []*bundle{small, big} {
					begin := time.Now()
					page, err := s.Search(b.Context(), bm.query)
					if err != nil {
						b.Fatal(err)
					}
					times[i] = append(times[i], time.Since(begin))
					if len(page.Events) == 0 {
						b.Fatal("nothing found")
					}
				}
			}
			percentile := func(i, p int) float64 {
				slices.Sort(times[i])
				return float64(times[i][(len(times[i])-1)*p/100].Microseconds()) / 1000
			}
			b.ReportMetric(percentile(1, 50), "p50-ms")
			b.ReportMetric(percentile(1, 95), "p95-ms")
			b.ReportMetric(percentile(1, 50)/percentile(0, 50), "p50-ratio")
			b.ReportMetric(percentile(1, 95)/percentile(0, 95), "p95-ratio")
		})
	}
}

// loaded is a store with n events of 20 accounts.
func loaded(b *testing.B, n int) *bundle {
	s := open(b)
	events, step := make([]hotsync.Event, n), 80*24*time.Hour/time.Duration(n)
	for i := range events {
		e := eventAt(start.Add(-time.Duration(i) * step))
		e.Account = hotsync.AccountRef{ID: accountID(fmt.Sprintf("bench %d", i%20)), Number: fmt.Sprintf("A%d", i%20)}
		e.Subject = fmt.Sprintf("auth0|%d", i%20)
		if i%50 == 0 {
			e.Status, e.Error = hotsync.StatusFailed, hotsync.Errorf(hotsync.CodeZuoraBusy, "Zuora is busy.").Problem()
		}
		events[i] = e
	}
	s.putAll(b, events)
	_, err := s.SaveAliases(b.Context(), eventstore.AccountState{AccountID: accountID("bench 7")}, "A-S7")
	if err != nil {
		b.Fatal(err)
	}
	return s
}
