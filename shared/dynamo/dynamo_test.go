package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// losing passes calls on and loses the answer to the next write when told to.
type losing struct{ lose atomic.Bool }

func (l *losing) Do(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultClient.Do(r)
	if err == nil && strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem") && l.lose.Swap(false) {
		answer.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return answer, err
}

func TestReplaceTellsItsOwnFirstCopy(t *testing.T) {
	t.Parallel()

	line := &losing{}
	table := enginetest.Table(t, func(o *dynamodb.Options) { o.HTTPClient = line })
	it := dynamo.Key("a", "b")
	line.lose.Store(true)
	err := table.Replace(t.Context(), it, dynamo.Absent())
	if err != nil {
		t.Errorf("Replace whose first answer was lost = %v, want it taken", err)
	}
	err = table.Replace(t.Context(), it, dynamo.Absent())
	if !errors.Is(err, dynamo.ErrRefused) {
		t.Errorf("Replace of what is there = %v, want ErrRefused", err)
	}
	if len(it) != 2 {
		t.Errorf("the caller's item was changed: %v", it)
	}
}

func TestSaveIsOverTheRevisionRead(t *testing.T) {
	t.Parallel()

	now := time.Unix(1_790_000_000, 0)
	table := enginetest.Table(t)
	table.Now = func() time.Time { return now }
	it := dynamo.Key("a", "b")
	it[dynamo.Expires] = dynamo.Number(now.Add(time.Minute).Unix())
	for _, tc := range []struct {
		name       string
		after      time.Duration
		over, want int
		refused    bool
	}{
		{"first", 0, 0, 1, false}, {"a second first", 0, 0, 0, true}, {"over what was read", 0, 1, 2, false},
		{"over an old revision", 0, 1, 1, true}, {"first of what has expired", time.Minute, 0, 1, false},
	} {
		now = now.Add(tc.after)
		got, err := table.Save(t.Context(), it, tc.over)
		if errors.Is(err, dynamo.ErrRefused) != tc.refused || !tc.refused && err != nil || got != tc.want {
			t.Errorf("%s: Save over %d = %d, %v; want %d, refused %t", tc.name, tc.over, got, err, tc.want, tc.refused)
		}
	}
}

func TestStateComesBackUntilItExpires(t *testing.T) {
	t.Parallel()

	type state struct{ Name string }
	now := time.Unix(1_790_000_000, 0)
	table := enginetest.Table(t)
	table.Now = func() time.Time { return now }
	key := dynamo.Key("a", "b")
	it, err := dynamo.WithState(key, state{"x"})
	if err != nil {
		t.Fatal(err)
	}
	it[dynamo.Expires] = dynamo.Number(now.Add(time.Minute).Unix())
	_, err = table.Save(t.Context(), it, 0)
	if err != nil {
		t.Fatal(err)
	}
	for want, revision := range map[state]int{{"x"}: 1, {}: 0} {
		now = time.Unix(1_790_000_000, 0)
		if want == (state{}) {
			now = now.Add(time.Minute)
		}
		var got state
		n, err := table.Load(t.Context(), key, &got)
		if err != nil || got != want || n != revision {
			t.Errorf("Load = %v at revision %d, %v; want %v at %d", got, n, err, want, revision)
		}
	}
	was, err := table.Delete(t.Context(), key)
	if err != nil || dynamo.GetText(was, dynamo.State) != `{"Name":"x"}` {
		t.Errorf("Delete = %v, %v; want what was there", was, err)
	}
}

func TestManyItems(t *testing.T) {
	t.Parallel()

	table := enginetest.Table(t)
	const n = 130
	var writes []types.WriteRequest
	var keys []dynamo.Item
	for i := range n {
		key := dynamo.Key("many", fmt.Sprintf("%03d", i))
		keys = append(keys, key)
		it := dynamo.Key("many", fmt.Sprintf("%03d", i))
		it["text"] = dynamo.Text(strings.Repeat("x", 20_000)) // several pages
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: it}})
	}
	err := table.WriteAll(t.Context(), writes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := table.GetAll(t.Context(), append(keys, dynamo.Key("many", "absent")))
	if err != nil || len(got) != n {
		t.Errorf("GetAll = %d items, %v; want %d", len(got), err, n)
	}
	in := &dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.Text("many")}}
	var order []string
	for it, err := range table.Items(t.Context(), in) {
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, dynamo.GetText(it, dynamo.SK))
	}
	if len(order) != n || order[0] != "000" || order[n-1] != "129" {
		t.Errorf("Items = %d items", len(order))
	}
}

// newer is a client through which every item comes as of the format after this one.
type newer struct{ dynamo.Client }

func (n newer) PutItem(ctx context.Context, in *dynamodb.PutItemInput,
	opts ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	in.Item["v"] = dynamo.Number(dynamo.Format + 1)
	return n.Client.PutItem(ctx, in, opts...)
}

func TestFormat(t *testing.T) {
	t.Parallel()

	table := enginetest.Table(t)
	ctx, key := t.Context(), dynamo.Key("a", "b")
	update := func() *dynamodb.UpdateItemInput {
		return &dynamodb.UpdateItemInput{Key: key, UpdateExpression: aws.String("SET n = :n"),
			ReturnValues:              types.ReturnValueAllNew,
			ExpressionAttributeValues: dynamo.Item{":n": dynamo.Number(1)}}
	}
	query := func() *dynamodb.QueryInput {
		return &dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :pk"),
			ExpressionAttributeValues: dynamo.Item{":pk": dynamo.Text("a")}}
	}
	reads := map[string]func() error{
		"Get":    func() error { _, err := table.Get(ctx, key); return err },
		"Read":   func() error { _, err := table.Read(ctx, key); return err },
		"Load":   func() error { _, err := table.Load(ctx, key, &struct{}{}); return err },
		"GetAll": func() error { _, err := table.GetAll(ctx, []dynamo.Item{key}); return err },
		"Query":  func() error { _, err := table.Query(ctx, query()); return err },
		"Update": func() error { _, err := table.Update(ctx, update()); return err },
		"Items": func() (err error) {
			for _, err = range table.Items(ctx, query()) {
			}
			return err
		},
	}
	writes := map[string]func(dynamo.Table) error{
		"Put":     func(t dynamo.Table) error { return t.Put(ctx, dynamo.Key("a", "b")) },
		"Replace": func(t dynamo.Table) error { return t.Replace(ctx, dynamo.Key("a", "b"), dynamo.Absent()) },
		"Save":    func(t dynamo.Table) error { _, err := t.Save(ctx, dynamo.Key("a", "b"), 0); return err },
		"WriteAll": func(t dynamo.Table) error {
			return t.WriteAll(ctx, []types.WriteRequest{{PutRequest: &types.PutRequest{Item: dynamo.Key("a", "b")}}})
		},
		"Update": func(t dynamo.Table) error { _, err := t.Update(ctx, update()); return err },
	}
	for name, write := range writes {
		err := write(table)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for read, do := range reads {
			err = do()
			if err != nil {
				t.Errorf("%s of what %s wrote: %v", read, name, err)
			}
		}
		it, err := table.Delete(ctx, key)
		if v := dynamo.GetNumber(it, "v"); err != nil || name != "Update" && v != dynamo.Format {
			t.Errorf("%s wrote format %d, %v; want %d", name, v, err, dynamo.Format)
		}
	}
	later := table
	later.Client = newer{table.Client}
	err := later.Put(ctx, dynamo.Key("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	for read, do := range reads {
		err = do()
		if hotsync.AsError(err).Code != hotsync.CodeStoreNewer {
			t.Errorf("%s of a newer format = %v, want store_newer", read, err)
		}
	}
	_, err = table.Delete(ctx, key)
	if err != nil {
		t.Errorf("Delete of a newer format = %v: nothing of it is read", err)
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()

	table := enginetest.Table(t)
	_, err := table.Query(t.Context(), &dynamodb.QueryInput{KeyConditionExpression: aws.String("nonsense")})
	if hotsync.AsError(err).Code != hotsync.CodeInternal {
		t.Errorf("a mistake of ours = %v, want internal", err)
	}
	away := dynamo.Table{Client: table.Client, Name: "there-is-no-such-table"}
	_, err = away.Get(t.Context(), dynamo.Key("a", "b"))
	if hotsync.AsError(err).Code != hotsync.CodeStoreUnavailable {
		t.Errorf("no table = %v, want store_unavailable", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = table.Get(ctx, dynamo.Key("a", "b"))
	if hotsync.AsError(err).Code != hotsync.CodeTimeout {
		t.Errorf("no time = %v, want timeout", err)
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()

	at := time.UnixMilli(1_790_000_000_123)
	it := dynamo.Item{"s": dynamo.Text("a"), "n": dynamo.Number(int64(7)), "b": dynamo.Bytes([]byte("x")),
		"t": dynamo.Time(at), "none": dynamo.Time(time.Time{})}
	got := []any{dynamo.GetText(it, "s"), dynamo.GetText(it, "n"), dynamo.GetNumber(it, "n"), dynamo.GetNumber(it, "s"),
		string(dynamo.GetBytes(it, "b")), dynamo.GetTime(it, "t"), dynamo.GetTime(it, "none"), dynamo.GetTime(it, "absent")}
	want := []any{"a", "", int64(7), int64(0), "x", at, time.Time{}, time.Time{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes mismatch (-want +got):\n%s", diff)
	}
}
