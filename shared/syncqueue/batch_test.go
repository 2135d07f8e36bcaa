package syncqueue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

// batchOf makes a batch whose messages are in these groups. Message m0 is the
// first, with receipt handle m0.
func batchOf(groups ...string) events.SQSEvent {
	var batch events.SQSEvent
	for i, g := range groups {
		id := fmt.Sprintf("m%d", i)
		body, err := syncqueue.Encode(request(id))
		if err != nil {
			panic(err)
		}
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: id, ReceiptHandle: id, Body: body,
			Attributes: map[string]string{"MessageGroupId": g, "ApproximateReceiveCount": "3",
				"SentTimestamp": "1790000000123"}})
	}
	return batch
}

func failures(answer events.SQSEventResponse) []string {
	out := []string{}
	for _, f := range answer.BatchItemFailures {
		out = append(out, f.ItemIdentifier)
	}
	return out
}

// Whatever the outcomes: in each group the messages before the first failure
// are run in order and acknowledged, that one is run and kept, the rest is kept
// and not run.
func TestHandleBatchKeepsTheOrderOfGroups(t *testing.T) {
	t.Parallel()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		n := random.IntN(11)
		groups, outcomes := make([]string, n), make([]int, n)
		for i := range n {
			groups[i], outcomes[i] = fmt.Sprint(random.IntN(4)), random.IntN(8)
		}
		wantRun, wantFailed, wantVisible := map[string][]string{}, []string{}, map[string]int32{}
		broken := map[string]bool{}
		for i, g := range groups {
			id := fmt.Sprintf("m%d", i)
			if broken[g] {
				wantFailed, wantVisible[id] = append(wantFailed, id), 0
				continue
			}
			wantRun[g] = append(wantRun[g], id)
			if outcomes[i] < 2 {
				broken[g] = true
				wantFailed = append(wantFailed, id)
				wantVisible[id] = []int32{10, 30}[outcomes[i]] // a panic, Again
			}
		}
		var mu sync.Mutex
		run := map[string][]string{}
		sqs := &fake{visibility: map[string]int32{}}
		answer := syncqueue.New(sqs, "u").HandleBatch(t.Context(), batchOf(groups...),
			func(_ context.Context, m syncqueue.Message) syncqueue.Outcome {
				var i int
				_, err := fmt.Sscanf(m.ID, "m%d", &i)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				run[groups[i]] = append(run[groups[i]], m.ID)
				mu.Unlock()
				switch outcomes[i] {
				case 0:
					panic("boom")
				case 1:
					return syncqueue.Again(30 * time.Second)
				default:
					return syncqueue.Done()
				}
			})
		for _, diff := range []string{cmp.Diff(wantRun, run), cmp.Diff(wantFailed, failures(answer)),
			cmp.Diff(wantVisible, sqs.visibility)} {
			if diff != "" {
				t.Fatalf("groups %v, outcomes %v: mismatch (-want +got):\n%s", groups, outcomes, diff)
			}
		}
	}
}

// What only waited behind another message of its group, as often as SQS hands one out,
// is put into the queue anew in its place: waiting is no failure.
func TestHandleBatchRenewsWhatOnlyWaited(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name     string
		renewAt  int
		refused  bool     // SQS takes none
		kept     []string // of m0, which waits, m1 and m2 behind it, and m3 of another group
		requeued int      // of what was sent
	}{
		{"never", 0, false, []string{"m0", "m1", "m2"}, 0},
		{"not yet", 4, false, []string{"m0", "m1", "m2"}, 0},
		{"for the last time", 3, false, []string{"m0"}, 2},
		{"and SQS does not take it", 3, true, []string{"m0", "m1", "m2"}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			client := &fake{visibility: map[string]int32{}}
			client.refuse = func(string) bool { return tc.refused }
			q := syncqueue.New(client, "u")
			q.RenewAt = tc.renewAt
			answer := q.HandleBatch(t.Context(), batchOf("a", "a", "a", "b"),
				func(_ context.Context, m syncqueue.Message) syncqueue.Outcome {
					if m.ID == "m0" {
						return syncqueue.Again(30 * time.Second)
					}
					return syncqueue.Done()
				})
			if diff := cmp.Diff(tc.kept, failures(answer)); diff != "" {
				t.Errorf("kept mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.kept, slices.Sorted(maps.Keys(client.visibility))); diff != "" {
				t.Errorf("put off mismatch (-want +got):\n%s", diff)
			}
			got := 0
			for i, entry := range client.entries {
				if tc.refused {
					break
				}
				r, err := syncqueue.Decode(*entry.MessageBody)
				if want := request(fmt.Sprintf("m%d", i+1)); err != nil || r.EventID != want.EventID ||
					r.Requeued != want.Requeued+1 {
					t.Errorf("renewed %+v, %v; want that of m%d", r, err, i+1)
				}
				got++
			}
			if got != tc.requeued {
				t.Errorf("%d messages were sent, want %d", got, tc.requeued)
			}
		})
	}
}

func TestHandleBatchMessage(t *testing.T) {
	t.Parallel()

	batch := batchOf("a", "b", "c")
	batch.Records[2].Attributes["ApproximateReceiveCount"] = "1"
	batch.Records[1].Body, batch.Records[1].Attributes = "nonsense", nil
	want := map[string]syncqueue.Message{
		"m0": {ID: "m0", Body: batch.Records[0].Body, Request: request("m0"), ReceiveCount: 3,
			SentAt: time.UnixMilli(1790000000123).UTC()},
		"m1": {ID: "m1", Body: "nonsense", ReceiveCount: 1},
		"m2": {ID: "m2", Body: batch.Records[2].Body, Request: request("m2"), ReceiveCount: 1,
			SentAt: time.UnixMilli(1790000000123).UTC()},
	}
	var mu sync.Mutex
	got := map[string]syncqueue.Message{}
	syncqueue.New(&fake{}, "u").HandleBatch(t.Context(), batch,
		func(ctx context.Context, m syncqueue.Message) syncqueue.Outcome {
			mu.Lock()
			defer mu.Unlock()
			if ctx.Err() != nil {
				t.Errorf("%s: %v, where no deadline is set", m.ID, ctx.Err())
			}
			if (m.DecodeErr != nil) != (m.ID == "m1") {
				t.Errorf("%s: DecodeErr = %v", m.ID, m.DecodeErr)
			}
			m.DecodeErr = nil
			got[m.ID] = m
			return syncqueue.Done()
		})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("messages mismatch (-want +got):\n%s", diff)
	}
}

func TestHandleBatchRunsGroupsAtTheSameTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		answer := syncqueue.New(&fake{}, "u").HandleBatch(t.Context(), batchOf("a", "b", "c", "a"),
			func(context.Context, syncqueue.Message) syncqueue.Outcome {
				time.Sleep(time.Second)
				return syncqueue.Done()
			})
		if took := time.Since(begin); took != 2*time.Second || len(failures(answer)) > 0 {
			t.Errorf("took %v, failures %v; want 2 s and none", took, failures(answer))
		}
	})
}

// Messages that belong to no group do not keep each other back.
func TestHandleBatchWithoutGroups(t *testing.T) {
	t.Parallel()

	batch := batchOf("", "", "")
	for i := range batch.Records {
		delete(batch.Records[i].Attributes, "MessageGroupId")
	}
	answer := syncqueue.New(&fake{}, "u").HandleBatch(t.Context(), batch,
		func(_ context.Context, m syncqueue.Message) syncqueue.Outcome {
			if m.ID == "m0" {
				return syncqueue.Again(0)
			}
			return syncqueue.Done()
		})
	if diff := cmp.Diff([]string{"m0"}, failures(answer)); diff != "" {
		t.Errorf("failures mismatch (-want +got):\n%s", diff)
	}
}

// A function with 12 s: each message takes 3 s, and none is begun with 3 s left
// or less.
func TestHandleBatchStopsInTime(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		sqs := &fake{}
		answer := syncqueue.New(sqs, "u").HandleBatch(ctx, batchOf("a", "a", "a", "a", "a"),
			func(ctx context.Context, _ syncqueue.Message) syncqueue.Outcome {
				deadline, ok := ctx.Deadline()
				if !ok || !deadline.Equal(begin.Add(11*time.Second)) {
					t.Errorf("deadline after %v, want a second before the function's", deadline.Sub(begin))
				}
				time.Sleep(3 * time.Second)
				return syncqueue.Done()
			})
		if diff := cmp.Diff([]string{"m3", "m4"}, failures(answer)); diff != "" {
			t.Errorf("failures mismatch (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int32{"m3": 0, "m4": 0}, sqs.visibility); diff != "" {
			t.Errorf("visibility mismatch (-want +got):\n%s", diff)
		}
	})
}

func TestHandleBatchCancelled(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answer := syncqueue.New(&fake{}, "u").HandleBatch(ctx, batchOf("a", "b"),
		func(context.Context, syncqueue.Message) syncqueue.Outcome {
			t.Error("a message was begun")
			return syncqueue.Done()
		})
	if diff := cmp.Diff([]string{"m0", "m1"}, failures(answer)); diff != "" {
		t.Errorf("failures mismatch (-want +got):\n%s", diff)
	}
}

func TestHandleBatchWhenVisibilityCannotBeChanged(t *testing.T) {
	t.Parallel()

	answer := syncqueue.New(&fake{fail: errors.New("down")}, "u").HandleBatch(t.Context(), batchOf("a", "a"),
		func(context.Context, syncqueue.Message) syncqueue.Outcome {
			return syncqueue.Again(time.Minute)
		})
	if diff := cmp.Diff([]string{"m0", "m1"}, failures(answer)); diff != "" {
		t.Errorf("failures mismatch (-want +got):\n%s", diff)
	}
}

func TestHandleBatchVisibility(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		after time.Duration
		want  int32
	}{
		{-time.Second, 0}, {0, 0}, {1, 1}, {time.Second, 1}, {1500 * time.Millisecond, 2}, {11 * time.Hour, 39600},
		{12 * time.Hour, 42300}, {1<<63 - 1, 42300},
	} {
		sqs := &fake{}
		syncqueue.New(sqs, "u").HandleBatch(t.Context(), batchOf("a"),
			func(context.Context, syncqueue.Message) syncqueue.Outcome {
				return syncqueue.Again(tc.after)
			})
		if got := sqs.visibility["m0"]; got != tc.want {
			t.Errorf("Again(%v): %d s, want %d", tc.after, got, tc.want)
		}
	}
}

// A batch larger than SQS takes in one call, as a standard queue can have.
func TestHandleBatchPutsOffManyMessages(t *testing.T) {
	t.Parallel()

	sqs := &fake{}
	answer := syncqueue.New(sqs, "u").HandleBatch(t.Context(), batchOf(slices.Repeat([]string{"a"}, 25)...),
		func(context.Context, syncqueue.Message) syncqueue.Outcome {
			return syncqueue.Again(time.Minute)
		})
	if len(sqs.visibility) != 25 || sqs.visibility["m0"] != 60 || sqs.visibility["m24"] != 0 ||
		len(failures(answer)) != 25 {
		t.Errorf("visibility of %d messages, %d failures; want 25 each", len(sqs.visibility), len(failures(answer)))
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()

	const forever = time.Duration(1<<63 - 1)
	for _, tc := range []struct {
		name                    string
		attempts                int
		base, limit, retryAfter time.Duration
		random                  float64
		want                    time.Duration
	}{
		{name: "first", attempts: 1, base: time.Second, limit: time.Minute, random: 0.5, want: time.Second},
		{name: "third", attempts: 3, base: time.Second, limit: time.Minute, random: 0.5, want: 4 * time.Second},
		{name: "least", attempts: 3, base: time.Second, limit: time.Minute, random: 0, want: 0},
		{name: "at the limit", attempts: 6, base: time.Second, limit: time.Minute, random: 0.5, want: 30 * time.Second},
		{name: "far beyond the limit", attempts: 1 << 40, base: time.Second, limit: time.Minute, random: 0.5,
			want: 30 * time.Second},
		{name: "base over the limit", attempts: 1, base: time.Hour, limit: time.Minute, random: 0.5, want: 30 * time.Second},
		{name: "no attempt yet", attempts: 0, base: time.Second, limit: time.Minute, random: 0.5,
			want: 500 * time.Millisecond},
		{name: "negative", attempts: -7, base: time.Second, limit: time.Minute, random: 0.5, want: 500 * time.Millisecond},
		{name: "no base", attempts: 3, limit: time.Minute, random: 0.5, want: 0},
		{name: "base below nothing", attempts: 3, base: -time.Hour, limit: time.Minute, random: 0.5, want: 0},
		{name: "limit below nothing", attempts: 3, base: time.Second, limit: -time.Hour, random: 0.5, want: 0},
		{name: "retry after below nothing", attempts: 1, base: time.Second, limit: time.Minute, retryAfter: -time.Hour,
			random: 0.5, want: time.Second},
		{name: "retry after", attempts: 1, base: time.Second, limit: time.Minute, retryAfter: 40 * time.Second, random: 0,
			want: 40 * time.Second},
		{name: "retry after, spread", attempts: 9, base: time.Second, limit: time.Minute, retryAfter: 40 * time.Second,
			random: 0.5, want: 45 * time.Second},
		{name: "retry after over the limit", attempts: 9, base: time.Second, limit: time.Second, retryAfter: time.Hour,
			random: 0, want: time.Hour},
		{name: "no limit to overflow", attempts: 200, base: time.Minute, limit: forever, random: 0.5, want: forever/2 + 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got := syncqueue.Backoff(tc.attempts, tc.base, tc.limit, tc.retryAfter, func() float64 { return tc.random })
			if got != tc.want {
				t.Errorf("Backoff = %v, want %v", got, tc.want)
			}
		})
	}
}

// A wait is never shorter than what was asked for, nor negative, nor longer
// than the limit beyond it; and more attempts never mean a shorter bound.
func TestBackoffBounds(t *testing.T) {
	t.Parallel()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	almostOne := func() float64 { return 1 - 1e-12 }
	for range 20_000 {
		base, limit := time.Duration(random.Int64N(int64(time.Hour))), time.Duration(random.Int64N(int64(24*time.Hour)))
		retryAfter := time.Duration(0)
		if random.IntN(2) == 0 {
			retryAfter = time.Duration(random.Int64N(int64(time.Hour)))
		}
		n := random.IntN(100)
		got := syncqueue.Backoff(n, base, limit, retryAfter, random.Float64)
		if got < retryAfter || got < 0 || got > retryAfter+limit {
			t.Fatalf("Backoff(%d, %v, %v, %v) = %v", n, base, limit, retryAfter, got)
		}
		if a, b := syncqueue.Backoff(n, base, limit, 0, almostOne), syncqueue.Backoff(n+1, base, limit, 0, almostOne); b < a {
			t.Fatalf("Backoff(%d or %d, %v, %v) is bounded by %v, then %v", n, n+1, base, limit, a, b)
		}
	}
}

// A panic is logged where it was, and nothing of what was being handled.
func TestPanicIsKeptApart(t *testing.T) {
	t.Parallel()

	for want, fail := range map[string]func(){
		"nil pointer": func() {
			var none *hotsync.Lookup
			_ = strings.Clone(none.Field)
		},
		"panic=string": func() { panic("hunter2") },
	} {
		var log bytes.Buffer
		answer := syncqueue.New(&fake{}, "u").HandleBatch(logged(t, &log), batchOf("a", "b", "a"),
			func(_ context.Context, m syncqueue.Message) syncqueue.Outcome {
				if m.ID == "m0" {
					fail()
				}
				return syncqueue.Done()
			})
		if diff := cmp.Diff([]string{"m0", "m2"}, failures(answer)); diff != "" {
			t.Errorf("failures mismatch (-want +got):\n%s", diff)
		}
		if got := log.String(); !strings.Contains(got, want) || strings.Contains(got, "hunter2") ||
			!strings.Contains(got, "batch_test.go") {
			t.Errorf("logged %s, want %q and where it was", got, want)
		}
	}
}

// That a message could not be put off is logged: it comes late, by the queue's own timeout.
func TestNotPutOffIsLogged(t *testing.T) {
	t.Parallel()

	for want, client := range map[string]*fake{"": {}, "1 of 2 refused: TooOld": {still: true},
		"no route": {fail: errors.New("no route")}} {
		var log bytes.Buffer
		syncqueue.New(client, "u").HandleBatch(logged(t, &log), batchOf("a", "a"),
			func(context.Context, syncqueue.Message) syncqueue.Outcome {
				return syncqueue.Again(time.Minute)
			})
		if got := log.String(); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("logged %q, want %q", got, want)
		}
	}
}
