package pause_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
	"hotsync/shared/pause"
)

// stores are all there are: the one in memory must not hide what the engine does.
var stores = map[string]func(*testing.T) pause.Store{
	"memory": func(*testing.T) pause.Store { return &pause.Memory{} },
	"table": func(t *testing.T) pause.Store {
		return pause.Table{Table: enginetest.Table(t), Upstream: pause.Zuora.ID}
	},
}

func TestStoreKeepsThePause(t *testing.T) {
	t.Parallel()

	at := time.UnixMilli(1_790_000_000_123)
	first := pause.State{Until: at, Since: at.Add(-time.Second), Reason: hotsync.CodeZuoraRateLimited}
	second := pause.State{Until: at.Add(time.Minute), Since: at.Add(-time.Second), Step: 2,
		ProbeUntil: at.Add(time.Second),
		Reason:     hotsync.CodeZuoraUnavailable}
	probed := first
	probed.ProbeUntil = at.Add(time.Second)
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			store := open(t)
			for _, tc := range []struct {
				name      string
				old, next pause.State
				want      bool
				stored    pause.State
			}{
				{"over meanwhile", first, second, false, pause.State{}},
				{"none yet", pause.State{}, first, true, first},
				{"somebody was faster", pause.State{}, second, false, first},
				{"another one probes", probed, second, false, first},
				{"prolonged", first, second, true, second},
				{"stale", first, pause.State{}, false, second},
				{"over", second, pause.State{}, true, pause.State{}},
				{"again", pause.State{}, first, true, first},
			} {
				got, err := store.Replace(t.Context(), tc.old, tc.next)
				if err != nil || got != tc.want {
					t.Fatalf("%s: Replace = %t, %v; want %t", tc.name, got, err, tc.want)
				}
				stored, err := store.Load(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tc.stored, stored); diff != "" {
					t.Fatalf("%s: stored pause mismatch (-want +got):\n%s", tc.name, diff)
				}
			}
		})
	}
}

func TestStoreHasOneWinner(t *testing.T) {
	t.Parallel()

	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			store := open(t)
			const racers = 8
			won := make(chan bool, racers)
			for i := range racers {
				go func() {
					ok, err := store.Replace(t.Context(), pause.State{}, pause.State{Until: time.UnixMilli(int64(1000 + i))})
					won <- ok && err == nil
				}()
			}
			winners := 0
			for range racers {
				if <-won {
					winners++
				}
			}
			if winners != 1 {
				t.Errorf("%d of %d writers won, want 1", winners, racers)
			}
		})
	}
}

// All returns every pause that is on, in one read.
func TestAll(t *testing.T) {
	t.Parallel()

	table := enginetest.Table(t)
	at := time.UnixMilli(1_790_000_000_123)
	want := map[string]pause.State{"limio": {Until: at, Since: at, Reason: hotsync.CodeLimioUnavailable}}
	for _, tc := range []struct {
		upstream  string
		old, next pause.State
	}{{"limio", pause.State{}, want["limio"]}, {"zuora", pause.State{}, want["limio"]},
		{"zuora", want["limio"], pause.State{}}} {
		ok, err := pause.Table{Table: table, Upstream: tc.upstream}.Replace(t.Context(), tc.old, tc.next)
		if err != nil || !ok {
			t.Fatalf("Replace = %t, %v", ok, err)
		}
	}
	got, err := pause.All(t.Context(), table)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("All: %v, mismatch (-want +got):\n%s", err, diff)
	}
}

// reading notes how a table is asked.
type reading struct {
	dynamo.Client
	in *dynamodb.QueryInput
}

func (c *reading) Query(_ context.Context, in *dynamodb.QueryInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	c.in = in
	return &dynamodb.QueryOutput{}, nil
}

// The local engine is always consistent; AWS has to be asked for it.
func TestAllReadsWhatWasJustWritten(t *testing.T) {
	t.Parallel()

	client := &reading{}
	got, err := pause.All(t.Context(), dynamo.Table{Client: client, Name: "t"})
	if err != nil || len(got) > 0 || client.in.ConsistentRead == nil || !*client.in.ConsistentRead {
		t.Errorf("All = %v, %v; asked %+v", got, err, client.in)
	}
}

func TestTableSaysThatItIsAway(t *testing.T) {
	t.Parallel()

	table := pause.Table{Table: dynamo.Table{Client: enginetest.Table(t).Client, Name: "absent"}}
	_, err := table.Load(t.Context())
	if e := hotsync.AsError(err); e == nil || e.Code != hotsync.CodeStoreUnavailable {
		t.Errorf("Load error = %v, want store_unavailable", err)
	}
}
