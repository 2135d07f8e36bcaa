package limiosandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/limiosandbox"
	"hotsync/local/spectest"
)

const accountID = "8a12b3c4d5e6f70018a1b2c3d4e5f601"

// id makes an id of 32 equal digits.
func id(prefix, digit string) string { return prefix + "-" + strings.Repeat(digit, 32) }

type testBundle struct {
	t       *testing.T
	sandbox *limiosandbox.Sandbox
	url     string
	http    *http.Client
	token   string
	now     *atomic.Int64 // seconds
	zuora   func(key string) (limiosandbox.ZuoraSubscription, error)
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{t: t, now: new(atomic.Int64), http: &http.Client{}}
	b.now.Store(1_772_366_400) // 2026-03-01 12:00 UTC
	b.zuora = func(key string) (limiosandbox.ZuoraSubscription, error) {
		return limiosandbox.ZuoraSubscription{Number: key, AccountID: accountID, AccountNumber: "A00000001",
			AccountName: "Ada Reader",
			Status:      "Active", Start: "2026-01-01", TermStart: "2026-01-01", TermEnd: "2027-01-01", AutoRenew: true}, nil
	}
	b.sandbox = limiosandbox.New(limiosandbox.Config{
		Now:       func() time.Time { return time.Unix(b.now.Load(), 0) },
		ReadZuora: func(_ context.Context, key string) (limiosandbox.ZuoraSubscription, error) { return b.zuora(key) },
	})
	s := httptest.NewServer(b.sandbox)
	t.Cleanup(s.Close)
	b.url = s.URL
	b.token = b.login()
	return b
}

// login gets a token with the sandbox's own credentials.
func (b *testBundle) login() string {
	b.t.Helper()
	status, answer := b.form(url.Values{"grant_type": {"client_credentials"}, "client_id": {limiosandbox.DefaultClientID},
		"client_secret": {limiosandbox.DefaultClientSecret}}, nil)
	if status != http.StatusOK {
		b.t.Fatalf("token = %d %v", status, answer)
	}
	return answer["access_token"].(string)
}

func (b *testBundle) form(form url.Values, change func(*http.Request)) (int, map[string]any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), "POST", b.url+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(req)
	}
	return b.send(http.DefaultClient, req)
}

func (b *testBundle) send(client *http.Client, req *http.Request) (int, map[string]any) {
	b.t.Helper()
	res, err := client.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	var answer map[string]any
	if len(raw) > 0 {
		err = json.Unmarshal(raw, &answer)
		if err != nil {
			b.t.Fatalf("%s %s = %q: %v", req.Method, req.URL.Path, raw, err)
		}
	}
	return res.StatusCode, answer
}

// do asks the API, or with a path under /_sandbox/ the sandbox.
func (b *testBundle) do(method, path, body string) (int, map[string]any) {
	b.t.Helper()
	if !strings.HasPrefix(path, "/_sandbox/") {
		path = "/api" + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	client := b.http
	if strings.HasPrefix(path, "/_sandbox/") {
		client = http.DefaultClient
	}
	return b.send(client, req)
}

// must is do for what has to succeed.
func (b *testBundle) must(method, path, body string) map[string]any {
	b.t.Helper()
	status, answer := b.do(method, path, body)
	if status > 299 {
		b.t.Fatalf("%s %s %s = %d %v", method, path, body, status, answer)
	}
	return answer
}

// addAccount creates an owner (unless "") and an account of one digit with its
// customer, account identity, subscription, offer, payment method and address.
func (b *testBundle) addAccount(owner, digit string) {
	b.t.Helper()
	if owner == "" {
		owner = id("id", digit)
		b.must("POST", "/objects/limio/identities", `{"id":"`+owner+`","name":"Ada","type":"@limio/id","data":{}}`)
	}
	of := `"owner":"` + owner + `","customer":"` + id("cus", digit) + `","service":"limio",`
	b.must("POST", "/objects/limio/customers",
		`{"id":"`+id("cus", digit)+`","name":"","owner":"`+owner+`","data":{"name":"Ada"}}`)
	b.must("POST", "/objects/zuora/identities",
		`{"id":"`+id("identity", digit)+`","name":"A1","type":"account","owner":"`+owner+`","customer":"`+id("cus",
			digit)+`","data":{"value":"account-`+digit+`"}}`)
	b.must("POST", "/objects/limio/subscriptions",
		`{"id":"`+id("sub", digit)+`","name":"A-S`+digit+`",`+of+`"data":{"quantity":1}}`)
	b.must("POST", "/objects/limio/subscription_offers",
		`{"id":"`+id("subscription_offer", digit)+`","name":"Monthly",`+of+`"related":"`+id("sub", digit)+`","data":{}}`)
	b.must("POST", "/objects/limio/payment_methods",
		`{"id":"`+id("pm", digit)+`","name":"",`+of+`"data":{"last4":"4242"}}`)
	b.must("POST", "/objects/limio/address",
		`{"id":"`+id("address", digit)+`","name":"billing","relationship_type":"billing",`+of+
			`"data":{"city":"Leeds","relationships":[`+
			`{"relationship_id":"`+id("rel", digit)+`","relationship_type":"billing","subscription":"`+id("sub",
			digit)+`","start":"2026-01-01","status":"active"}]}}`)
}

// ids returns the ids of a list.
func ids(list any) []string {
	out := []string{}
	items, _ := list.([]any)
	for _, item := range items {
		out = append(out, item.(map[string]any)["id"].(string))
	}
	return out
}

func TestToken(t *testing.T) {
	t.Parallel()

	b := setup(t)
	grant := url.Values{"grant_type": {"client_credentials"}}
	good := url.Values{"grant_type": {"client_credentials"}, "client_id": {limiosandbox.DefaultClientID},
		"client_secret": {limiosandbox.DefaultClientSecret}}
	for _, tc := range []struct {
		name   string
		form   url.Values
		basic  string
		status int
		error  any
	}{
		{name: "form", form: good, status: 200},
		{name: "basic", form: grant, basic: limiosandbox.DefaultClientSecret, status: 200},
		{name: "wrong basic", form: good, basic: "x", status: 401, error: "invalid_client"},
		{name: "nobody", form: grant, status: 401, error: "invalid_client"},
		{name: "no grant", form: url.Values{"client_id": {limiosandbox.DefaultClientID}}, status: 400,
			error: "unsupported_grant_type"},
	} {
		status, answer := b.form(tc.form, func(r *http.Request) {
			if tc.basic != "" {
				r.SetBasicAuth(limiosandbox.DefaultClientID, tc.basic)
			}
		})
		if status != tc.status || answer["error"] != tc.error {
			t.Errorf("%s: token = %d %v, want %d %v", tc.name, status, answer, tc.status, tc.error)
		}
		if status == 200 && (answer["expires_in"] != 3600.0 || answer["token_type"] != "Bearer" ||
			answer["access_token"] == "") {
			t.Errorf("%s: token = %v", tc.name, answer)
		}
	}

	check := func(when string, want int) {
		t.Helper()
		status, _ := b.do("GET", "/objects/limio/customers", "")
		if status != want {
			t.Errorf("%s: status %d, want %d", when, status, want)
		}
	}
	check("fresh token", 200)
	b.now.Add(3600)
	check("expired token", 401)
	b.token = "made up"
	check("unknown token", 401)
	b.token = b.login()
	b.sandbox.Rotate(limiosandbox.DefaultClientID, "another")
	check("token of a rotated client", 401)
}

func TestCreateIsStrict(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.addAccount("", "1")
	good := `"name":"","data":{}`
	for _, tc := range []struct {
		name, path, body string
		status           int
		message          string
	}{
		{"unknown member", "limio/customers", `{"id":"` + id("cus", "2") + `",` + good + `,"record_type":"customer"}`, 400,
			"unknown member: record_type"},
		{"no data", "limio/customers", `{"id":"` + id("cus", "2") + `","name":""}`, 400, "data is missing"},
		{"data no object", "limio/customers", `{"id":"` + id("cus", "2") + `","name":"","data":[]}`, 400,
			"data is no object"},
		{"data null", "limio/customers", `{"id":"` + id("cus", "2") + `","name":"","data":null}`, 400, "data is no object"},
		{"name no text", "limio/customers", `{"id":"` + id("cus", "2") + `","name":7,"data":{}}`, 400, "name is no text"},
		{"member null", "limio/customers", `{"id":"` + id("cus", "2") + `","owner":null,` + good + `}`, 400,
			"owner is no text"},
		{"no JSON", "limio/customers", `{`, 400, "the body is no JSON object"},
		{"prefix of another kind", "limio/customers", `{"id":"` + id("sub", "2") + `",` + good + `}`, 400,
			"id is not a prefix of its kind and 32 hex digits"},
		{"short id", "limio/customers", `{"id":"cus-2",` + good + `}`, 400,
			"id is not a prefix of its kind and 32 hex digits"},
		{"unknown owner", "limio/customers", `{"id":"` + id("cus", "2") + `","owner":"` + id("id", "9") + `",` + good + `}`,
			400, "owner is no identity of type @limio/id that exists"},
		{"owner that is none", "limio/customers",
			`{"id":"` + id("cus", "2") + `","owner":"` + id("identity", "1") + `",` + good + `}`, 400,
			"owner is no identity of type @limio/id that exists"},
		{"unknown customer", "limio/subscriptions",
			`{"id":"` + id("sub", "2") + `","customer":"` + id("cus", "9") + `",` + good + `}`, 400,
			"customer is no customer that exists"},
		{"unknown related", "limio/subscription_offers",
			`{"id":"` + id("subscription_offer", "2") + `","related":"` + id("sub", "9") + `",` + good + `}`, 400,
			"related is no object that exists"},
		{"service of another path", "limio/customers", `{"id":"` + id("cus", "2") + `","service":"zuora",` + good + `}`, 400,
			"service is not that of the path"},
		{"identity of no type", "zuora/identities", `{"id":"` + id("identity", "2") + `",` + good + `}`, 400,
			"type is missing"},
		{"owner with other prefix", "limio/identities",
			`{"id":"` + id("identity", "2") + `","type":"@limio/id",` + good + `}`, 400,
			"id of an owner does not start with id-"},
		{"external identity", "limio/identities",
			`{"id":"` + id("identity", "2") + `","type":"@limio/external-id",` + good + `}`, 400,
			"an external identity is made by its own operation"},
		{"shipping address", "limio/address",
			`{"id":"` + id("address", "2") + `","relationship_type":"shipping",` + good + `}`, 400,
			"relationship_type is for addresses, and billing or delivery"},
		{"id that exists", "limio/customers", `{"id":"` + id("cus", "1") + `",` + good + `}`, 409,
			"an object with this id already exists"},
		{"kind not created so", "limio/gift_code", `{"id":"` + id("gift", "2") + `",` + good + `}`, 404, "no such path"},
		{"unknown path type", "limio/customer", `{"id":"` + id("cus", "2") + `",` + good + `}`, 404, "no such path"},
		{"unknown service", "stripe/customers", `{"id":"` + id("cus", "2") + `",` + good + `}`, 404, "no such path"},
		{"too large", "limio/customers", `{"id":"` + strings.Repeat("x", 1<<20) + `"}`, 400,
			"the body cannot be read or is larger than 1 MB"},
	} {
		status, answer := b.do("POST", "/objects/"+tc.path, tc.body)
		if status != tc.status || answer["message"] != tc.message {
			t.Errorf("%s: POST = %d %v, want %d %s", tc.name, status, answer, tc.status, tc.message)
		}
	}
	status, answer := b.do("POST", "/objects/limio/customers", "")
	if status != 400 || answer["message"] != "the content type is not application/json" {
		t.Errorf("POST without content type = %d %v", status, answer)
	}
	got := b.must("GET", "/_sandbox/counts", "")
	if got["duplicatesRefused"] != 1.0 || got["creates"].(map[string]any)["customer"] != 1.0 {
		t.Errorf("counts = %v, want one customer and one duplicate refused", got)
	}
}

func TestUpdateMerges(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.addAccount("", "1")
	path := "/objects/limio/subscriptions/" + id("sub", "1")
	b.must("PUT", path, `{"data":{"price":{"currency":"GBP","amount":17.50},"list":[1,2],"gone":"x"}}`)
	b.now.Add(60)
	answer := b.must("PUT", path, `{"status":"cancelled","data":{"price":{"amount":20},"list":[3],"gone":null}}`)
	want := map[string]any{"id": id("sub", "1"), "sort_key": "object/subscription", "data": map[string]any{"quantity": 1.0,
		"price": map[string]any{"currency": "GBP", "amount": 20.0}, "list": []any{3.0}, "gone": nil}}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("PUT mismatch (-want +got):\n%s", diff)
	}
	got := b.must("GET", path, "")
	if got["status"] != "cancelled" || got["created"] != "2026-03-01T12:00:00.000Z" ||
		got["updated"] != "2026-03-01T12:01:00.000Z" || got["mode"] != "production" {
		t.Errorf("object = %v", got)
	}

	for _, tc := range []struct {
		name, path, body string
		status           int
		message          string
	}{
		{"no data", path, `{"status":"active"}`, 400, "data is missing"},
		{"owner", path, `{"owner":"` + id("id", "1") + `","data":{}}`, 400, "unknown member: owner"},
		{"unknown id", "/objects/limio/subscriptions/" + id("sub", "9"), `{"data":{}}`, 404, "no such object"},
		{"other kind", "/objects/limio/customers/" + id("sub", "1"), `{"data":{}}`, 404, "no such object"},
		{"other service", "/objects/zuora/subscriptions/" + id("sub", "1"), `{"data":{}}`, 404, "no such object"},
		{"odd relationships", "/objects/limio/address/" + id("address", "1"), `{"data":{"relationships":7}}`, 400, ""},
	} {
		status, answer := b.do("PUT", tc.path, tc.body)
		if status != tc.status || tc.message != "" && answer["message"] != tc.message {
			t.Errorf("%s: PUT = %d %v, want %d %s", tc.name, status, answer, tc.status, tc.message)
		}
	}
	b.must("PUT", path, `{"name":"another","data":{}}`)
	if got := b.must("GET", "/_sandbox/counts", ""); got["namesChanged"] != 1.0 || got["updates"] != 3.0 {
		t.Errorf("counts = %v, want 3 updates and one changed name", got)
	}
}

func TestIdentityIsFoundByItsValue(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.addAccount("", "1")
	found := func(account string) any {
		_, answer := b.do("GET", "/objects/zuora/customers/"+account, "")
		return answer["id"]
	}
	if got := found("account-1"); got != id("cus", "1") {
		t.Errorf("customer of the account = %v", got)
	}
	b.must("PUT", "/objects/zuora/identities/"+id("identity", "1"), `{"data":{"value":"account-2"}}`)
	if got, old := found("account-2"), found("account-1"); got != id("cus", "1") || old != nil {
		t.Errorf("customer of the new value = %v, of the old = %v", got, old)
	}
}

func TestRelated(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.addAccount("", "1")
	b.addAccount(id("id", "1"), "2") // the same person's
	b.addAccount("", "3")
	b.must("POST", "/objects/externalidentity/"+id("id", "1"), `{"id_token":{"iss":"i","sub":"s"}}`)

	got := ids(b.must("GET", "/objects/limio/customer/"+id("cus", "2")+"/related", "")["items"])
	external := got[len(got)-1]
	want := []string{id("id", "1"), id("cus", "2"), id("identity", "2"), id("sub", "2"), id("subscription_offer", "2"),
		id("pm", "2"), id("address", "2"), external}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("related to the customer mismatch (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(external, "identity-") {
		t.Errorf("last = %s, want the external identity", external)
	}

	items := b.must("GET", "/objects/limio/subscription/"+id("sub", "3")+"/related", "")["items"]
	want = []string{id("id", "3"), id("cus", "3"), id("sub", "3"), id("subscription_offer", "3"), id("pm", "3"),
		id("address", "3")}
	if diff := cmp.Diff(want, ids(items)); diff != "" {
		t.Errorf("related to the subscription mismatch (-want +got):\n%s", diff)
	}
	row := items.([]any)[5].(map[string]any)
	for name, want := range map[string]any{"relationship_id": id("rel", "3"), "relationship_type": "billing",
		"related": id("address", "3"), "start": "2026-01-01", "status": "active"} {
		if row[name] != want {
			t.Errorf("%s of the address row = %v, want %v", name, row[name], want)
		}
	}
	for _, path := range []string{"limio/customer/" + id("sub", "1"), "limio/subscription/" + id("sub", "9"),
		"zuora/customer/" + id("cus", "1"), "limio/order/x"} {
		if status, _ := b.do("GET", "/objects/"+path+"/related", ""); status != 404 {
			t.Errorf("related to %s = %d, want 404", path, status)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for _, digit := range []string{"1", "2", "3", "4", "5"} {
		b.addAccount("", digit)
	}
	var got []string
	path := "/objects/limio/customers?limit=2"
	for range 3 {
		page := b.must("GET", path, "")
		got = append(got, ids(page["items"])...)
		if page["items"].([]any)[0].(map[string]any)["data"] != nil {
			t.Error("a summary has data")
		}
		if page["queryMore"] == nil {
			break
		}
		path = "/objects/limio/customers?limit=2&queryMore=" + url.QueryEscape(page["queryMore"].(string))
	}
	if diff := cmp.Diff([]string{id("cus", "1"), id("cus", "2"), id("cus", "3"), id("cus", "4"), id("cus", "5")},
		got); diff != "" {
		t.Errorf("list mismatch (-want +got):\n%s", diff)
	}

	cursor := url.QueryEscape(b.must("GET", "/objects/limio/customers?limit=1", "")["queryMore"].(string))
	for query, message := range map[string]string{
		"limio/customers?email=x":                 "unknown parameter: email",
		"limio/customers?limit=0":                 "limit is no number above 0",
		"limio/customers?queryMore=x":             "unknown queryMore",
		"limio/subscriptions?queryMore=" + cursor: "unknown queryMore",
	} {
		status, answer := b.do("GET", "/objects/"+query, "")
		if status != 400 || answer["message"] != message {
			t.Errorf("%s = %d %v, want 400 %s", query, status, answer, message)
		}
	}
	b.must("GET", "/objects/limio/customers?queryMore="+cursor, "")
	b.now.Add(61)
	status, answer := b.do("GET", "/objects/limio/customers?queryMore="+cursor, "")
	if status != 400 || answer["message"] != "queryMore has expired" {
		t.Errorf("old cursor = %d %v", status, answer)
	}
	if got := ids(b.must("GET", "/objects/zuora/identities", "")["items"]); len(got) != 5 {
		t.Errorf("zuora identities = %v, want 5", got)
	}
}

func TestPlugin(t *testing.T) {
	t.Parallel()

	b := setup(t)
	answers := make([]map[string]any, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { // several subscriptions of one account at once, each twice
			_, answers[i] = b.do("POST", fmt.Sprintf("/plugins/zuora/sync/subscription/A-S%d", i/2), "")
		})
	}
	all.Wait()
	subs := map[any]bool{}
	for i, a := range answers {
		subs[a["id"]] = true
		if a["success"] != true || a["owner"] != answers[0]["owner"] || a["id"] != answers[i/2*2]["id"] {
			t.Errorf("answer %d = %v, want the owner and id of the others", i, a)
		}
	}
	if len(subs) != 4 {
		t.Errorf("%d subscriptions, want 4", len(subs))
	}
	customer := b.must("GET", "/objects/zuora/customers/"+accountID, "")
	if customer["owner"] != answers[0]["owner"] {
		t.Errorf("customer = %v", customer)
	}

	b.must("PUT", "/objects/limio/subscriptions/"+answers[0]["id"].(string), `{"data":{"quantity":3}}`)
	b.zuora = func(key string) (limiosandbox.ZuoraSubscription, error) {
		return limiosandbox.ZuoraSubscription{Number: key, AccountID: accountID, Status: "Cancelled", Start: "2026-01-01",
			TermEnd: "2026-06-01"}, nil
	}
	b.must("POST", "/plugins/zuora/sync/subscription/A-S0", "")
	b.must("POST", "/events/zuora", `{"subscriptionID":"A-S1","type":"CancelSubscription"}`)
	got := b.must("GET", "/objects/limio/subscriptions/"+answers[0]["id"].(string), "")
	want := map[string]any{"quantity": 3.0, "startDate": "2026-01-01", "termStartDate": "2026-01-01",
		"termEndDate": "2026-06-01", "attributes": map[string]any{"autoRenew": false}}
	if diff := cmp.Diff(want, got["data"]); diff != "" {
		t.Errorf("refreshed subscription mismatch (-want +got):\n%s", diff)
	}
	if got["status"] != "cancelled" || got["name"] != "A-S0" || got["reference"] != "A-S0" {
		t.Errorf("refreshed subscription = %v", got)
	}

	b.zuora = func(string) (limiosandbox.ZuoraSubscription, error) {
		return limiosandbox.ZuoraSubscription{}, errors.New("zuora answered 404")
	}
	status, answer := b.do("POST", "/plugins/zuora/sync/subscription/A-S9", "")
	if status != 502 || answer["message"] != "zuora answered 404" {
		t.Errorf("sync of an unknown subscription = %d %v, want 502", status, answer)
	}
	counts := b.must("GET", "/_sandbox/counts", "")
	if counts["pluginSyncs"] != 10.0 {
		t.Errorf("counts = %v, want 10 plugin syncs", counts)
	}
}

func TestExternalIdentities(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.addAccount("", "1")
	b.addAccount("", "2")
	link := func(owner, body string) (int, map[string]any) {
		return b.do("POST", "/objects/externalidentity/"+owner, body)
	}
	_, first := link(id("id", "1"), `{"id_token":{"iss":"i","sub":"s"}}`)
	if first["type"] != "@limio/external-id" || first["status"] != "active" || first["owner"] != id("id", "1") {
		t.Errorf("link = %v", first)
	}
	_, again := link(id("id", "1"), `{"id_token":{"iss":"i","sub":"s"}}`)
	if again["id"] != first["id"] {
		t.Errorf("link again = %v, want %v", again["id"], first["id"])
	}
	if status, _ := link(id("id", "2"), `{"id_token":{"iss":"i","sub":"s"}}`); status != 200 {
		t.Errorf("link to another owner = %d, want 200", status)
	}
	for body, want := range map[string]int{`{"id_token":{"iss":"i"}}`: 400, `{"iss":"i","sub":"s"}`: 400, `{}`: 400} {
		if status, _ := link(id("id", "1"), body); status != want {
			t.Errorf("link %s = %d, want %d", body, status, want)
		}
	}
	if status, _ := link(id("cus", "1"), `{"id_token":{"iss":"i","sub":"s"}}`); status != 404 {
		t.Errorf("link to no owner = %d, want 404", status)
	}
	counts := b.must("GET", "/_sandbox/counts", "")
	if counts["links"] != 2.0 || counts["linksRepeated"] != 1.0 || counts["loginsShared"] != 1.0 {
		t.Errorf("counts = %v, want 2 links, 1 repeated, 1 shared", counts)
	}

	b.must("POST", "/objects/owner_change",
		`{"sourceId":"`+id("id", "2")+`","destinationId":"`+id("id", "1")+`","message":"same person"}`)
	if got := b.must("GET", "/objects/zuora/customers/account-2", ""); got["owner"] != id("id", "1") {
		t.Errorf("customer after the change = %v", got)
	}
	if status, _ := b.do("POST", "/objects/owner_change",
		`{"sourceId":"`+id("cus", "2")+`","destinationId":"`+id("id", "1")+`"}`); status != 400 {
		t.Errorf("change of no owner = %d, want 400", status)
	}
}

func TestStateAndControl(t *testing.T) {
	t.Parallel()

	b := setup(t)
	empty := map[string]any{}
	for _, kind := range []string{"customer", "subscription", "subscription_offer", "subscription_add_on", "schedule",
		"payment_method", "address", "identity", "relationship"} {
		empty[kind] = []any{}
	}
	if diff := cmp.Diff(empty, b.must("GET", "/_sandbox/state", "")); diff != "" {
		t.Errorf("empty state mismatch (-want +got):\n%s", diff)
	}

	b.addAccount("", "1")
	state := b.must("GET", "/_sandbox/state", "")
	row := map[string]any{"record_type": "relationship", "id": id("rel", "1"), "relationship_id": id("rel", "1"),
		"relationship_type": "billing",
		"related":           id("address", "1"), "subscription": id("sub", "1"), "start": "2026-01-01", "status": "active",
		"owner": id("id", "1"), "service": "limio"}
	if diff := cmp.Diff([]any{row}, state["relationship"]); diff != "" {
		t.Errorf("relationships mismatch (-want +got):\n%s", diff)
	}
	customer := map[string]any{"record_type": "customer", "id": id("cus", "1"), "owner": id("id", "1"), "service": "limio",
		"status": "active", "mode": "production",
		"created": "2026-03-01T12:00:00.000Z", "updated": "2026-03-01T12:00:00.000Z", "data": map[string]any{"name": "Ada"}}
	if diff := cmp.Diff([]any{customer}, state["customer"]); diff != "" {
		t.Errorf("customers mismatch (-want +got):\n%s", diff)
	}

	b.must("PUT", "/_sandbox/assumptions", `{"createObjects":false}`)
	want := map[string]any{"createObjects": false, "updateStatus": true, "zuoraCustomerPath": true,
		"unknownIs404": true, "publishedCatalogue": true, "pluginMakesOffers": false,
		"pluginMakesContacts": false}
	if diff := cmp.Diff(want, b.must("GET", "/_sandbox/assumptions", "")); diff != "" {
		t.Errorf("assumptions mismatch (-want +got):\n%s", diff)
	}
	if status, _ := b.do("PUT", "/_sandbox/assumptions", `{"create":false}`); status != 400 {
		t.Errorf("unknown assumption = %d, want 400", status)
	}
	if status, _ := b.do("POST", "/objects/limio/customers",
		`{"id":"`+id("cus", "2")+`","name":"","data":{}}`); status != 404 {
		t.Errorf("create without the assumption = %d, want 404", status)
	}
	// observed, so no assumption
	b.must("POST", "/objects/limio/promo_codes_v2", `{"id":"promo_code_v2-SPRING20","name":"Spring","data":{}}`)

	b.must("POST", "/_sandbox/reset", "")
	if diff := cmp.Diff(empty, b.must("GET", "/_sandbox/state", "")); diff != "" {
		t.Errorf("state after reset mismatch (-want +got):\n%s", diff)
	}
	if got := b.must("GET", "/_sandbox/assumptions", ""); got["createObjects"] != true {
		t.Errorf("assumptions after reset = %v", got)
	}
	b.addAccount("", "1") // the token is still good
}

// TestReconstruction holds the sandbox to the file in every operation.
func TestReconstruction(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.http = &http.Client{Transport: spectest.Transport(t, "limio.openapi.json", "/api", nil)}
	b.addAccount("", "1")
	b.must("POST", "/objects/salesforce/identities",
		`{"id":"`+id("identity", "a")+`","name":"","type":"account","owner":"`+id("id", "1")+`","customer":"`+id("cus",
			"1")+`","data":{"value":"0018d00000ABCDEAA2"}}`)
	b.must("GET", "/objects/zuora/customers/account-1", "")
	b.must("GET", "/objects/limio/subscriptions/"+id("sub", "1"), "")
	b.must("GET", "/objects/limio/customer/"+id("cus", "1")+"/related", "")
	b.must("GET", "/objects/limio/subscription/"+id("sub", "1")+"/related", "")
	b.must("GET", "/objects/limio/subscriptions?limit=1", "")
	b.must("PUT", "/objects/limio/customers/"+id("cus", "1"), `{"data":{"email":"ada@example.com"}}`)
	b.must("POST", "/plugins/zuora/sync/subscription/A-S00000271", "")
	b.must("POST", "/events/zuora", `{"subscriptionID":"A-S00000271"}`)
	b.must("POST", "/objects/externalidentity/"+id("id", "1"), `{"id_token":{"iss":"i","sub":"s"}}`)
	b.addAccount("", "2")
	b.must("POST", "/objects/owner_change", `{"sourceId":"`+id("id", "2")+`","destinationId":"`+id("id", "1")+`"}`)

	got := b.must("GET", "/objects/salesforce/identities/"+id("identity", "a")+"/subscriptions", "")
	if diff := cmp.Diff([]string{id("sub", "1")}, ids(got["subscriptions"])); diff != "" {
		t.Errorf("subscriptions of the Salesforce identity mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got,
		b.must("GET", "/objects/salesforce/identities/0018d00000ABCDEAA2/subscriptions", "")); diff != "" {
		t.Errorf("by the Salesforce id mismatch (-want +got):\n%s", diff)
	}

	event := b.must("POST", "/timeline/subscription",
		`{"forSubscription":{"name":"A-S1"},"name":"Synced","type":"hotsync","source":"system","data":[{"label":"Account","type":"string","value":"A1"}]}`)
	if len(event["reference"].(string)) != 12 || event["status"] != "submitted" {
		t.Errorf("timeline event = %v", event)
	}
	related := ids(b.must("GET", "/objects/limio/subscription/"+id("sub", "1")+"/related", "")["items"])
	if !strings.Contains(strings.Join(related, " "), event["id"].(string)) {
		t.Errorf("related %v lacks the event", related)
	}
	for path, body := range map[string]string{"/order": `{"order_type":"new","external_id":"x"}`,
		"/admin/order": `{"order_type":"renew"}`} {
		if got := b.must("POST", path, body); len(got["order_reference"].(string)) != 12 {
			t.Errorf("%s = %v", path, got)
		}
	}
	b.must("POST", "/objects/limio/promo_codes_v2", `{"id":"promo_code_v2-SPRING20","name":"Spring","data":{}}`)
	b.must("DELETE", "/objects/limio/promo_codes_v2/promo_code_v2-SPRING20", "")
}

func TestRefusalsOfTheRest(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.addAccount("", "1")
	for _, tc := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/objects/limio/customers/" + id("cus", "9"), "", 404},
		{"GET", "/objects/zuora/customers/" + id("cus", "1"), "", 404},
		{"DELETE", "/objects/limio/customers/" + id("cus", "1"), "", 404},
		{"DELETE", "/objects/limio/promo_codes_v2/promo_code_v2-X", "", 404},
		{"POST", "/timeline/subscription", `{"forSubscription":{"id":"sub-9"},"name":"n","type":"t","data":[]}`, 404},
		{"POST", "/timeline/subscription", `{"forSubscription":{"name":"A-S1"},"name":"n","type":"t"}`, 400},
		{"POST", "/timeline/subscription",
			`{"forSubscription":{"name":"A-S1"},"name":"n","type":"t","data":[{"label":"l","type":"x"}]}`, 400},
		{"POST", "/order", `{}`, 400},
		{"POST", "/events/zuora", `{"type":"x"}`, 400},
		{"GET", "/objects/salesforce/identities/x/subscriptions", "", 404},
	} {
		if status, answer := b.do(tc.method, tc.path, tc.body); status != tc.want {
			t.Errorf("%s %s %s = %d %v, want %d", tc.method, tc.path, tc.body, status, answer, tc.want)
		}
	}
}

func TestZuoraOverHTTP(t *testing.T) {
	t.Parallel()

	var tokens atomic.Int64
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, body string) {
		_, err := io.WriteString(w, body)
		if err != nil {
			t.Errorf("write: %v", err)
		}
	}
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_id") != "c" || r.FormValue("client_secret") != "s" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, fmt.Sprintf(`{"access_token":"t%d"}`, tokens.Add(1)))
	})
	mux.HandleFunc("GET /v1/subscriptions/{key}", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer t2" || r.Header.Get("Zuora-Version") == "":
			w.WriteHeader(http.StatusUnauthorized) // t1 is void
		case r.PathValue("key") == "A-S1":
			answer(w,
				`{"success":true,"subscriptionNumber":"A-S1","accountId":"8a12","accountNumber":"A1","accountName":"Ada","status":"Active",
				"subscriptionStartDate":"2026-01-01","termStartDate":"2026-02-01","termEndDate":null,"autoRenew":true}`)
		case r.PathValue("key") == "odd":
			answer(w, `{"success":true}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)

	read := limiosandbox.ZuoraOverHTTP(s.URL, "c", "s")
	got, err := read(t.Context(), "A-S1")
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	want := limiosandbox.ZuoraSubscription{Number: "A-S1", AccountID: "8a12", AccountNumber: "A1", AccountName: "Ada",
		Status: "Active",
		Start:  "2026-01-01", TermStart: "2026-02-01", AutoRenew: true}
	got.About = nil // a function
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subscription mismatch (-want +got):\n%s", diff)
	}
	for _, key := range []string{"A-S2", "odd", "a/b"} {
		_, err = read(t.Context(), key)
		if err == nil {
			t.Errorf("read %s succeeded", key)
		}
	}
	if tokens.Load() != 2 {
		t.Errorf("%d tokens, want 2", tokens.Load())
	}
	_, err = limiosandbox.ZuoraOverHTTP(s.URL, "c", "wrong")(t.Context(), "A-S1")
	if err == nil {
		t.Error("read with wrong credentials succeeded")
	}
}
