package console_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/console"
	"hotsync/shared/console/staff/stafftest"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/eventstore/storetest"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// BenchmarkPages measures the server's time for pages over a store of 1,000
// events and one of HOTSYNC_BENCH_EVENTS, or 5,000, on the local engine. cpu-ms is what
// a page of the large one takes of the processor in all, the engine's part included: it
// tells of a machine that has nothing else to do, on one that has.
func BenchmarkPages(b *testing.B) {
	large := 5_000
	if v := os.Getenv("HOTSYNC_BENCH_EVENTS"); v != "" {
		var err error
		large, err = strconv.Atoi(v)
		if err != nil {
			b.Fatal(err)
		}
	}
	small, big := benched(b, 1_000), benched(b, large)
	newest := hotsync.EventIDFor(start, "0")
	for name, path := range map[string]string{
		"events":   "/events",
		"failed":   "/events?status=failed",
		"reason":   "/events?status=failed&reason=zuora_busy",
		"open":     "/open",
		"time":     "/events?from=2026-11-20&to=2026-11-21",
		"search":   "/events?q=A7",
		"subject":  "/events?subject=auth0%7C7",
		"overview": "/",
		"account":  "/accounts/A7",
		"event":    "/events/" + newest,
		"jobs":     "/jobs",
	} {
		b.Run(name, func(b *testing.B) {
			var times [2][]time.Duration
			var busy time.Duration
			for b.Loop() {
				for i, get := range []func(string) int{small, big} {
					begin, was := time.Now(), onProcessor()
					if status := get(path); status != http.StatusOK {
						b.Fatalf("%s answered %d", path, status)
					}
					times[i] = append(times[i], time.Since(begin))
					if i == 1 {
						busy += onProcessor() - was
					}
				}
			}
			percentile := func(i, p int) float64 {
				slices.Sort(times[i])
				return float64(times[i][(len(times[i])-1)*p/100].Microseconds()) / 1000
			}
			b.ReportMetric(percentile(1, 50), "p50-ms")
			b.ReportMetric(percentile(1, 95), "p95-ms")
			b.ReportMetric(float64(busy.Microseconds())/1000/float64(len(times[1])), "cpu-ms")
			b.ReportMetric(percentile(1, 50)/percentile(0, 50), "p50-ratio")
			b.ReportMetric(percentile(1, 95)/percentile(0, 95), "p95-ratio")
		})
	}
}

// onProcessor is how long this process and the engines below it have been on a
// processor so far; 0 where the system does not say.
func onProcessor() (sum time.Duration) {
	pids := []string{"self"}
	for len(pids) > 0 {
		tasks, _ := filepath.Glob("/proc/" + pids[0] + "/task/*")
		pids = pids[1:]
		for _, task := range tasks {
			stat, _ := os.ReadFile(task + "/schedstat")
			if fields := strings.Fields(string(stat)); len(fields) > 0 {
				ns, _ := strconv.ParseInt(fields[0], 10, 64)
				sum += time.Duration(ns)
			}
			children, _ := os.ReadFile(task + "/children")
			pids = append(pids, strings.Fields(string(children))...)
		}
	}
	return sum
}

// benched is a console over a store with n events of 20 accounts, spread over
// the time that events are kept; it gives the status of a page.
func benched(b *testing.B, n int) func(path string) int {
	b.Helper()
	client := enginetest.Start(b).DynamoDB()
	store := eventstore.New(dynamo.Table{Client: client, Name: storetest.NewTable(b, client)}, eventstore.Config{Now: func() time.Time { return start }})
	var g errgroup.Group
	g.SetLimit(32)
	for i := range n {
		g.Go(func() error {
			at := start.Add(-time.Duration(i) * 80 * 24 * time.Hour / time.Duration(n))
			e := hotsync.Event{ID: hotsync.EventIDFor(at, strconv.Itoa(i)), Status: hotsync.StatusSucceeded, Reason: hotsync.ReasonUnchanged, RequestedAt: at, FinishedAt: at.Add(time.Second),
				Trigger: hotsync.TriggerLogin, Provider: "direct", Subject: fmt.Sprintf("auth0|%d", i%20), Account: hotsync.AccountRef{ID: fmt.Sprintf("%032x", i%20), Number: fmt.Sprintf("A%d", i%20)}}
			if i%50 == 0 {
				e.Status, e.Reason, e.Error = hotsync.StatusFailed, string(hotsync.CodeZuoraBusy), hotsync.Errorf(hotsync.CodeZuoraBusy, "Zuora is busy.").Problem()
			}
			_, err := store.Put(context.Background(), e)
			return err
		})
	}
	err := g.Wait()
	if err != nil {
		b.Fatal(err)
	}
	_, err = store.SaveAliases(b.Context(), eventstore.AccountState{AccountID: fmt.Sprintf("%032x", 7), Number: "A7"})
	if err != nil {
		b.Fatal(err)
	}
	fake := &bundle{queue: &queue{}, settings: &settings{}, now: start}
	handler := console.New(console.Config{Events: store, Queue: fake.queue, Settings: fake.settings, Tokens: stafftest.Tokens{}, Jobs: &jobs.Memory{}, Now: fake.clock,
		Log: slog.New(slog.DiscardHandler), Staff: newDoor(stafftest.Start(b), &stafftest.Sessions{}, fake.clock, slog.New(slog.DiscardHandler))})
	cookie := sessionOf(b, handler)
	return func(path string) int {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
}

// sessionOf signs in at the console and returns the cookie that opens it.
func sessionOf(b *testing.B, handler http.Handler) *http.Cookie {
	b.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := (&http.Client{Jar: jar}).Get(server.URL + "/signin/start")
	if err != nil {
		b.Fatal(err)
	}
	_ = answer.Body.Close()
	for _, cookie := range jar.Cookies(answer.Request.URL) {
		if cookie.Name == "hotsync-session" {
			return cookie
		}
	}
	b.Fatal("no session")
	return nil
}
