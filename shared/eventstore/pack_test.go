package eventstore_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// unchangedLogin is the event of a login as the functions write it where nothing has
// changed, with ids and names as long as they are in practice.
func unchangedLogin() hotsync.Event {
	at := time.Date(2026, 11, 15, 11, 59, 1, 839_304_678, time.UTC)
	id := "8ad09be48db5aba7018db604776d3c51"
	r := hotsync.SyncRequest{EventID: hotsync.EventIDFor(at, "unchanged"),
		LoginID: "login-e139e393048464a1612a45b5dd0c4068",
		Trigger: hotsync.TriggerLogin, Provider: "customers", Claim: "zuora_account_ids", Account: id, AccountID: id,
		Named: []string{id},
		Identity: hotsync.Identity{Issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
			Subject: "62f53424-c0d1-70c5-a8b1-0f1e2d3c4b5a"},
		EmailHash: hotsync.SearchHash(searchKey, "ada@example.com"), EmailMask: "a***@example.com", RequestedAt: at}
	e := hotsync.NewEvent(r)
	e.Status, e.Reason, e.Account.Number = hotsync.StatusSucceeded, hotsync.ReasonUnchanged, "A00020001"
	e.StartedAt, e.FinishedAt = at.Add(26_123_456), at.Add(487_654_321)
	e.Attempts = []hotsync.Attempt{{N: 1, StartedAt: e.StartedAt, FinishedAt: e.FinishedAt}}
	for i, name := range []string{"read catalogue", "read zuora", "read limio", "project", "diff", "apply"} {
		e.Steps = append(e.Steps, hotsync.Step{Name: name,
			StartedAt: e.StartedAt.Add(time.Duration(i*77) * time.Millisecond).Truncate(time.Millisecond),
			MS:        int64(i * 70), Calls: i % 4, Detail: fmt.Sprint(3*i, " objects")})
	}
	e.Subscriptions = []hotsync.Subscription{{Number: "A-S00012345"}, {Number: "A-S00012346"}}
	return e
}

// DynamoDB bills a write by the kilobyte: what most logins leave behind is one.
func TestUnchangedLoginIsAKilobyte(t *testing.T) {
	t.Parallel()

	b := open(t)
	e := unchangedLogin()
	b.put(t, e)
	reader := dynamodb.New(b.client.Options(), func(o *dynamodb.Options) { o.HTTPClient = http.DefaultClient })
	out, err := reader.Scan(t.Context(), &dynamodb.ScanInput{TableName: &b.table})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range out.Items {
		size := 0
		for name, value := range it {
			size += len(name) + len(plain(value))
		}
		t.Logf("%s has %d bytes", plain(it["pk"]), size)
		if strings.HasPrefix(plain(it["pk"]), "event#") && size > 1024 {
			t.Errorf("the event of an unchanged login has %d bytes, %d of them detail and %d summary", size,
				len(plain(it["detail"])), len(plain(it["summary"])))
		}
	}
}

// What was packed in other ways is read too, and what is damaged is an error.
func TestUnpack(t *testing.T) {
	t.Parallel()

	var old bytes.Buffer
	z := gzip.NewWriter(&old)
	fmt.Fprint(z, `{"steps":[]}`)
	err := z.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		packed []byte
		good   bool
	}{
		{"JSON", []byte(`{"steps":[]}`), true},
		{"gzip", old.Bytes(), true},
		{"nothing", nil, false},
		{"packed and cut off", []byte{1, 0x12}, false},
		{"another way", []byte{2, 3, 4}, false},
	} {
		if err := eventstore.Unpack(tc.packed, nil); (err == nil) != tc.good {
			t.Errorf("%s: error = %v", tc.name, err)
		}
	}
}
