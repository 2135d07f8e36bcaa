package breaker_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/engines/enginetest"
	"hotsync/shared/breaker"
	"hotsync/shared/hotsync"
)

func openTable(t *testing.T, name string) breaker.Table {
	t.Helper()
	client := dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: aws.String(enginetest.Start(t).DynamoDBEndpoint),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")})
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}}})
	if err != nil {
		t.Fatal(err)
	}
	return breaker.Table{Client: client, Name: name, Upstream: "zuora"}
}

func TestTableKeepsThePause(t *testing.T) {
	t.Parallel()

	table := openTable(t, "breaker-keeps")
	at := time.UnixMilli(1_790_000_000_123)
	first := breaker.Pause{Until: at, Reason: hotsync.CodeZuoraRateLimited}
	second := breaker.Pause{Until: at.Add(time.Minute), Step: 2, ProbeUntil: at.Add(time.Second), Reason: hotsync.CodeZuoraUnavailable}
	for _, tc := range []struct {
		name      string
		old, next breaker.Pause
		want      bool
		stored    breaker.Pause
	}{
		{"none yet", breaker.Pause{}, first, true, first},
		{"somebody was faster", breaker.Pause{}, second, false, first},
		{"prolonged", first, second, true, second},
		{"stale", first, breaker.Pause{}, false, second},
		{"over", second, breaker.Pause{}, true, breaker.Pause{}},
		{"again", breaker.Pause{}, first, true, first},
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

	table := openTable(t, "breaker-race")
	const racers = 8
	won := make(chan bool, racers)
	for i := range racers {
		go func() {
			ok, err := table.Replace(t.Context(), breaker.Pause{}, breaker.Pause{Until: time.UnixMilli(int64(1000 + i))})
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

	table := openTable(t, "breaker-away")
	table.Name = "absent"
	_, err := table.Load(t.Context())
	if e := hotsync.AsError(err); e == nil || e.Code != hotsync.CodeStoreUnavailable {
		t.Errorf("Load error = %v, want store_unavailable", err)
	}
}
