package console_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
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
// events and one of HOTSYNC_BENCH_EVENTS, or 5,000, on the local engine. The lists have as
// many rows in both, so that their ratio compares the same page. Beside times of
// the large one stand what does not depend on the computer, calls to the store and
// what they answered, and cpu-ms: what a page takes of the processor in all, the engine's part
// included, which tells of a machine that has nothing else to do, on one that has.
//
// The engine that HOTSYNC_DYNAMODB_ENDPOINT names keeps the stores for the next run.
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
	for _, page := range []struct{ name, path string }{
		{"events", "/events"},
		{"failed", "/events?status=failed"},
		{"succeeded", "/events?status=succeeded"},
		{"reason", "/events?status=failed&reason=zuora_busy"},
		{"provider", "/events?provider=direct"},
		{"open", "/open"},
		{"openlist", "/events?is=open"},
		{"time", "/events?from=2026-11-05&to=2026-11-20"},
		{"search", "/events?q=A7"},
		{"subject", "/events?subject=auth0%7C7"},
		{"overview", "/"},
		{"week", "/?span=week"},
		{"account", "/accounts/A7"},
		{"event", "/events/" + newest},
		{"retry", "/retry?status=failed"},
		{"jobs", "/jobs"},
	} {
		b.Run(page.name, func(b *testing.B) {
			few, rows := small.rows(b, page.path), big.rows(b, page.path)
			if few != rows && strings.HasPrefix(page.path, "/events") {
				b.Fatalf("%s has %d rows over the small store and %d over the large one", page.path, few, rows)
			}
			var times [2][]time.Duration
			var busy time.Duration
			calls, read := big.calls.Load(), big.read.Load()
			for b.Loop() {
				for i, s := range []*benchStore{small, big} {
					begin, was := time.Now(), onProcessor()
					if w := s.get(page.path); w.Code != http.StatusOK {
						b.Fatalf("%s answered %d", page.path, w.Code)
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
			n := float64(len(times[1]))
			b.ReportMetric(0, "ns/op") // of both stores and the measuring
			b.ReportMetric(percentile(1, 50), "p50-ms")
			b.ReportMetric(percentile(1, 95), "p95-ms")
			b.ReportMetric(float64(busy.Microseconds())/1000/n, "cpu-ms")
			b.ReportMetric(percentile(1, 50)/percentile(0, 50), "p50-ratio")
			b.ReportMetric(percentile(1, 95)/percentile(0, 95), "p95-ratio")
			b.ReportMetric(float64(big.calls.Load()-calls)/n, "calls")
			b.ReportMetric(float64(big.read.Load()-read)/n, "items")
			b.ReportMetric(float64(rows), "rows")
			b.ReportMetric(float64(few), "rows-small")
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

// benchStore is a console over a store, with what it asked of it.
type benchStore struct {
	handler http.Handler
	cookie  *http.Cookie
	calls   atomic.Int64
	read    atomic.Int64 // items that queries looked at
}

// get asks for a page.
func (s *benchStore) get(path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	r.AddCookie(s.cookie)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// rows returns how many rows of tables a page has.
func (s *benchStore) rows(b *testing.B, path string) int {
	b.Helper()
	w := s.get(path)
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		b.Fatalf("%s answered %d: %v", path, w.Code, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		b.Fatal(err)
	}
	return bytes.Count(text, []byte("<tr"))
}

// meter counts the calls of a client and the items that they look at.
func (s *benchStore) meter(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meter", func(ctx context.Context,
		in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		s.calls.Add(1)
		out, meta, err := next.HandleInitialize(ctx, in)
		switch x := out.Result.(type) {
		case *dynamodb.QueryOutput:
			s.read.Add(int64(x.ScannedCount))
		case *dynamodb.BatchGetItemOutput:
			for _, items := range x.Responses {
				s.read.Add(int64(len(items)))
			}
		case *dynamodb.GetItemOutput:
			s.read.Add(1)
		}
		return out, meta, err
	}), middleware.Before)
}

// benched is a console over a store with n events of 20 accounts, a tenth of them
// failed, spread over the time that events are kept.
func benched(b *testing.B, n int) *benchStore {
	b.Helper()
	out := &benchStore{}
	client := enginetest.Start(b).DynamoDB(dynamodb.WithAPIOptions(out.meter))
	table := dynamo.Table{Client: client, Name: fmt.Sprint("pages-", n)}
	store := eventstore.New(table, eventstore.Config{Now: func() time.Time { return start }})
	_, err := client.CreateTable(b.Context(), storetest.Schema(table.Name))
	var kept *types.ResourceInUseException
	switch {
	case errors.As(err, &kept):
	case err != nil:
		b.Fatal(err)
	default:
		fill(b, store, n)
	}
	fake := &bundle{queue: &queue{}, settings: &settings{}, now: start}
	log := slog.New(slog.DiscardHandler)
	staff := stafftest.Start(b)
	staff.Next(map[string]any{"sub": "staff", "groups": []any{"operator"}})
	out.handler = console.New(console.Config{Events: store, Queue: fake.queue, Settings: fake.settings,
		Tokens: stafftest.Tokens{}, Jobs: &jobs.Memory{}, Now: fake.clock, Log: log,
		Staff: newDoor(staff, &stafftest.Sessions{}, fake.clock, log)})
	out.cookie = sessionOf(b, out.handler)
	return out
}

// fill puts n events into a store, those of an account one after the other, and
// counts them.
func fill(b *testing.B, store *eventstore.Store, n int) {
	b.Helper()
	const accounts = 20
	step := 80 * 24 * time.Hour / time.Duration(n)
	events := make([]hotsync.Event, n)
	for i := range n {
		at, account := start.Add(-time.Duration(n-1-i)*step), i%accounts
		e := hotsync.Event{ID: hotsync.EventIDFor(at, strconv.Itoa(n-1-i)), Status: hotsync.StatusSucceeded,
			Reason: hotsync.ReasonUnchanged, RequestedAt: at, FinishedAt: at.Add(time.Second),
			Trigger: hotsync.TriggerLogin, Provider: "direct", Subject: fmt.Sprintf("auth0|%d", account),
			Account: hotsync.AccountRef{ID: fmt.Sprintf("%032x", account), Number: fmt.Sprintf("A%d", account)}}
		if (n-1-i+i/accounts)%10 == 0 {
			e.Status, e.Reason = hotsync.StatusFailed, string(hotsync.CodeZuoraBusy)
			e.Error = hotsync.Errorf(hotsync.CodeZuoraBusy, "Zuora is busy.").Problem()
		}
		events[i] = e
	}
	var g errgroup.Group
	for account := range accounts {
		g.Go(func() error {
			for i := account; i < n; i += accounts {
				_, err := store.Put(context.Background(), events[i])
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	if err != nil {
		b.Fatal(err)
	}
	err = store.TallyAll(b.Context(), events)
	if err != nil {
		b.Fatal(err)
	}
	_, err = store.SaveAliases(b.Context(), eventstore.AccountState{AccountID: fmt.Sprintf("%032x", 7), Number: "A7"})
	if err != nil {
		b.Fatal(err)
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
