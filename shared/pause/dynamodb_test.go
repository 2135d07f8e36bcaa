package pause_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/hotsync"
	"hotsync/shared/pause"
)

func openTable(t *testing.T, name string) pause.Table {
	t.Helper()
	client := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: aws.String(enginetest.Start(t).DynamoDBEndpoint),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}}})
	if err != nil {
		t.Fatal(err)
	}
	return pause.Table{Client: client, Name: name, Upstream: "zuora"}
}

func TestTableKeepsThePause(t *testing.T) {
	t.Parallel()

	table := openTable(t, "pause-keeps")
	at := time.UnixMilli(1_790_000_000_123)
	first := pause.State{Until: at, Reason: hotsync.CodeZuoraRateLimited}
	second := pause.State{Until: at.Add(time.Minute), Step: 2, ProbeUntil: at.Add(time.Second), Reason: hotsync.CodeZuoraUnavailable}
	for _, tc := range []struct {
		name      string
		old, next pause.State
		want      bool
		stored    pause.State
	}{
		{"none yet", pause.State{}, first, true, first},
		{"somebody was faster", pause.State{}, second, false, first},
		{"prolonged", first, second, true, second},
		{"stale", first, pause.State{}, false, second},
		{"over", second, pause.State{}, true, pause.State{}},
		{"again", pause.State{}, first, true, first},
	} {
		got, err := table.Replace(t.Context(), tc.old, tc.next)
		if err != nil || got != tc.want {
			t.Fatalf("%s: Replace = %t, %v; want %t", tc.name, got, err, tc.want)
		}
		stored, err := table.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.stored, stored); diff != "" {
			t.Fatalf("%s: stored pause mismatch (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestTableHasOneWinner(t *testing.T) {
	t.Parallel()

	table := openTable(t, "pause-race")
	const racers = 8
	won := make(chan bool, racers)
	for i := range racers {
		go func() {
			ok, err := table.Replace(t.Context(), pause.State{}, pause.State{Until: time.UnixMilli(int64(1000 + i))})
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
}

func TestTableSaysThatItIsAway(t *testing.T) {
	t.Parallel()

	table := openTable(t, "pause-away")
	table.Name = "absent"
	_, err := table.Load(t.Context())
	if e := hotsync.AsError(err); e == nil || e.Code != hotsync.CodeStoreUnavailable {
		t.Errorf("Load error = %v, want store_unavailable", err)
	}
}
