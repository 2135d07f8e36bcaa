package zuorasandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/persona"
	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/spectest"
)

const (
	current = "2025-08-12"
	account = "8a1200000000000000000000000000aa"
)

// testBundle is a sandbox with a client that holds a token.
type testBundle struct {
	t       *testing.T
	sandbox *zuorasandbox.Server
	server  *httptest.Server
	client  *http.Client
	token   string
	version string

	mu  sync.Mutex
	now time.Time
}

type answer struct {
	status int
	header http.Header
	body   []byte
	t      *testing.T
}

func setup(t *testing.T, config zuorasandbox.Config) *testBundle {
	t.Helper()
	b := &testBundle{t: t, now: time.Date(2026, 3, 15, 9, 0, 0, 0, time.UTC), version: current}
	config.Now = b.time
	b.sandbox = zuorasandbox.New(config)
	b.server = httptest.NewServer(b.sandbox)
	t.Cleanup(b.server.Close)
	b.client = b.server.Client()
	b.token = b.newToken()
	return b
}

func (b *testBundle) time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *testBundle) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *testBundle) newToken() string {
	b.t.Helper()
	form := url.Values{"client_id": {zuorasandbox.DefaultClientID}, "client_secret": {zuorasandbox.DefaultClientSecret},
		"grant_type": {"client_credentials"}}
	got := b.send("POST", "/oauth/token", form.Encode(),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	token, ok := got.object()["access_token"].(string)
	if got.status != 200 || !ok {
		b.t.Fatalf("POST /oauth/token = %d %s", got.status, got.body)
	}
	return token
}

func (b *testBundle) send(method, path, body string, header http.Header) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: got, t: b.t}
}

func (b *testBundle) authorised() http.Header {
	h := http.Header{"Authorization": {"Bearer " + b.token}, "Content-Type": {"application/json"}}
	if b.version != "" {
		h.Set("Zuora-Version", b.version)
	}
	return h
}

func (b *testBundle) get(path string) answer {
	b.t.Helper()
	return b.send("GET", path, "", b.authorised())
}

func (b *testBundle) zoql(query string) answer {
	b.t.Helper()
	body, err := json.Marshal(map[string]string{"queryString": query})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send("POST", "/v1/action/query", string(body), b.authorised())
}

func (b *testBundle) control(method, path, body string) answer {
	b.t.Helper()
	got := b.send(method, "/_sandbox/"+path, body, nil)
	if got.status >= 300 {
		b.t.Fatalf("%s /_sandbox/%s %s = %d %s", method, path, body, got.status, got.body)
	}
	return got
}

func (b *testBundle) put(body string) {
	b.t.Helper()
	b.control("PUT", "accounts/"+account, body)
}

func (a answer) object() map[string]any {
	a.t.Helper()
	var out map[string]any
	err := json.Unmarshal(a.body, &out)
	if err != nil {
		a.t.Fatalf("answer %d %s: %v", a.status, a.body, err)
	}
	return out
}

// at returns the member of a path such as data.0.name, nil when there is none.
func (a answer) at(path string) any {
	a.t.Helper()
	return at(a.object(), path)
}

func at(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			var i int
			_, err := fmt.Sscan(name, &i)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (a answer) list(path string) []any {
	a.t.Helper()
	list, ok := a.at(path).([]any)
	if !ok {
		a.t.Fatalf("%s of %s is no list", path, a.body)
	}
	return list
}

// TestConformance holds every operation, for every persona, to Zuora's OpenAPI.
func TestConformance(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{Personas: true})
	b.client = &http.Client{Transport: spectest.Transport(t, "zuora.openapi.yaml", "", nil)}
	b.newToken()
	const expands = "pageSize=99&expand%5B%5D=billto&expand%5B%5D=soldto&expand%5B%5D=shipto&expand%5B%5D=paymentmethods" +
		"&expand%5B%5D=defaultpaymentmethod&expand%5B%5D=subscriptions&expand%5B%5D=invoices"
	for _, p := range persona.All(b.time()) {
		for _, a := range p.Accounts {
			for _, key := range []string{a.ID, a.Number} {
				for _, path := range []string{
					"/v1/accounts/" + key,
					"/v1/accounts/" + key + "/payment-methods",
					"/v1/accounts/" + key + "/payment-methods?isActiveOnly=true&isDefaultOnly=true",
					"/v1/subscriptions/accounts/" + key,
					"/v1/subscriptions/accounts/" + key + "?pageSize=40&page=2&charge-detail=all-segments",
					"/v1/subscriptions/accounts/" + key + "?charge-detail=current-segment&exclude-rate-plans-with-no-charges=true",
					"/v1/subscriptions/accounts/" + key + "?charge-detail=specific-segment&as-of-date=2026-01-01",
					"/object-query/accounts/" + key,
					"/object-query/accounts/" + key + "?" + expands,
					"/object-query/accounts/" + key + "?includeNullFields=true&" + expands,
				} {
					if got := b.get(path); got.status != 200 {
						t.Errorf("%s: GET %s = %d %s", p.Name, path, got.status, got.body)
					}
				}
			}
			for _, path := range []string{
				"/object-query/accounts?filter%5B%5D=LimioExternalId__c.EQ%3A" + url.QueryEscape(fmt.Sprint(p.Claims["sub"])) +
					"&" + expands,
				"/object-query/subscriptions?filter%5B%5D=accountid.EQ:" + a.ID +
					"&filter%5B%5D=islatestversion.EQ:true&fields%5B%5D=id,version,updatedDate",
				"/object-query/subscriptions?pageSize=99&includeNullFields=true&filter%5B%5D=accountid.EQ:" + a.ID,
				"/v1/subscriptions/A-S" + a.Number[4:] + "001?charge-detail=all-segments",
			} {
				if got := b.get(path); got.status != 200 && p.Name != "bare" {
					t.Errorf("%s: GET %s = %d %s", p.Name, path, got.status, got.body)
				}
			}
		}
	}
	for _, path := range []string{"/v1/describe/Account", "/v1/accounts/nope", "/v1/subscriptions/nope",
		"/object-query/accounts/nope",
		"/object-query/accounts?filter%5B%5D=Other__c.EQ%3A1"} {
		b.get(path)
	}
	b.zoql("select Id, AccountNumber, CrmId from Account where Currency = 'EUR'")
	b.zoql("select Nope from Account")
	b.token = "expired"
	b.get("/v1/accounts/nope")
	b.get("/object-query/accounts/nope")
	b.zoql("select Id from Account")
}

func TestAccountKeys(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7","name":"Ada & Co"}}}`)
	for _, key := range []string{account, "A7"} {
		got := b.get("/v1/accounts/" + key)
		if got.status != 200 || got.at("basicInfo.id") != account || got.at("basicInfo.name") != "Ada & Co" ||
			got.at("success") != true {
			t.Errorf("account by %s = %d %s", key, got.status, got.body)
		}
		got = b.get("/object-query/accounts/" + key)
		if got.status != 200 || got.at("id") != account || got.at("accountNumber") != "A7" {
			t.Errorf("object query by %s = %d %s", key, got.status, got.body)
		}
	}
	b.control("DELETE", "accounts/"+account, "")
	if got := b.get("/v1/accounts/A7"); got.status != 404 {
		t.Errorf("deleted account = %d", got.status)
	}
}

func TestErrorsByVersion(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	for _, tc := range []struct {
		name, version, path string
		wantStatus          int
		wantCode            any
		wantSuccess         any
	}{
		{"v1, current", current, "/v1/accounts/nope", 404, 50000040.0, false},
		{"v1, 2024", "2024-05-20", "/v1/accounts/nope", 404, 50000040.0, false},
		{"v1, no version", "", "/v1/accounts/nope", 200, 50000040.0, false},
		{"v1, old version", "341.0", "/v1/subscriptions/accounts/nope", 200, 50000040.0, false},
		{"v1, no such version", "2025-01-01", "/v1/accounts/nope", 200, 50000020.0, false},
		{"v1, no such operation", current, "/v1/invoices/1", 404, 50000040.0, false},
		{"v1, unknown parameter", current, "/v1/accounts/nope?fields=id", 400, 50000027.0, false},
		{"v1, unknown parameter in 2024", "2024-05-20", "/v1/accounts/nope?fields=id", 400, 50000020.0, false},
		{"object query, current", current, "/object-query/accounts/nope", 404, 50000040.0, nil},
		{"object query, no version", "", "/object-query/accounts/nope", 404, 50000040.0, nil},
		{"object query, page size", current, "/object-query/accounts?pageSize=100", 400, 50000027.0, nil},
		{"object query, page size before", "2024-05-20", "/object-query/accounts?pageSize=0", 400, 50000020.0, nil},
	} {
		b.version = tc.version
		got := b.get(tc.path)
		if got.status != tc.wantStatus || got.at("reasons.0.code") != tc.wantCode || got.at("success") != tc.wantSuccess {
			t.Errorf("%s: GET %s = %d %s, want %d, code %v, success %v", tc.name, tc.path, got.status, got.body, tc.wantStatus,
				tc.wantCode, tc.wantSuccess)
		}
		if got.at("requestId") != got.header.Get("Zuora-Request-Id") {
			t.Errorf("%s: requestId %v is not the header %s", tc.name, got.at("requestId"), got.header.Get("Zuora-Request-Id"))
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	got := b.get("/v1/describe/Account")
	if got.status != 200 {
		t.Fatalf("with a token = %d", got.status)
	}
	for _, tc := range []struct {
		name, path string
		want       any
	}{
		{"v1", "/v1/accounts/x", map[string]any{"success": false,
			"reasons": []any{map[string]any{"code": "90000011", "message": "Authentication error"}}}},
		{"action", "/v1/action/query", map[string]any{"message": "Authentication error"}},
	} {
		for _, how := range []string{"unknown", "expired by the clock", "expired on request"} {
			b.token = b.newToken()
			switch how {
			case "unknown":
				b.token = strings.Repeat("0", 32)
			case "expired by the clock":
				b.pass(time.Hour)
			default:
				b.control("POST", "expire-tokens", "")
			}
			got := b.send("POST", tc.path, "{}", b.authorised())
			if tc.name == "v1" {
				got = b.get(tc.path)
			}
			if diff := cmp.Diff(tc.want, any(got.object())); got.status != 401 || diff != "" {
				t.Errorf("%s, %s = %d (-want +got):\n%s", tc.name, how, got.status, diff)
			}
		}
	}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, tc := range []struct {
		name, body string
		header     http.Header
		want       int
	}{
		{"wrong secret", "grant_type=client_credentials&client_id=" + zuorasandbox.DefaultClientID + "&client_secret=x", form,
			401},
		{"no grant", "client_id=x", form, 400},
		{"JSON", "{}", http.Header{"Content-Type": {"application/json"}}, 415},
	} {
		if got := b.send("POST", "/oauth/token", tc.body, tc.header); got.status != tc.want {
			t.Errorf("%s = %d %s, want %d", tc.name, got.status, got.body, tc.want)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7"}}}`)
	got := b.get("/v1/accounts/A7")
	for name, want := range map[string]string{"Concurrency-Limit-Type": "Default", "Concurrency-Limit-Limit": "40",
		"Concurrency-Limit-Remaining": "39",
		"RateLimit-Remaining":         "49999", "RateLimit-Reset": "60"} {
		if got.header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, got.header.Get(name), want)
		}
	}
	b.control("PUT", "limits", `{"perMinute":2,"tokensPerMinute":1}`)
	statuses := []int{b.get("/v1/accounts/A7").status, b.get("/v1/accounts/nope").status}
	if diff := cmp.Diff([]int{200, 404}, statuses); diff != "" {
		t.Errorf("within the limit (-want +got):\n%s", diff)
	}
	b.pass(20 * time.Second)
	got = b.get("/object-query/accounts/A7")
	if got.status != 429 || got.at("reasons.0.code") != 70.0 || got.at("success") != nil ||
		got.header.Get("RateLimit-Reset") != "40" {
		t.Errorf("over the limit = %d %s, reset %s", got.status, got.body, got.header.Get("RateLimit-Reset"))
	}
	b.pass(40 * time.Second)
	if got := b.get("/v1/accounts/A7"); got.status != 200 {
		t.Errorf("in the next minute = %d", got.status)
	}
	b.newToken()
	got = b.send("POST", "/oauth/token", "", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if got.status != 429 || len(got.body) != 0 || got.header.Get("X-RateLimit-Remaining-minute") != "0" {
		t.Errorf("second token = %d %s", got.status, got.body)
	}
	refused := b.send("PUT", "/_sandbox/limits", `{"concurrency":-1}`, nil)
	if refused.status != 400 {
		t.Errorf("limit below 0 = %d", refused.status)
	}
}

func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7"}}}`)
	b.control("PUT", "limits", `{"concurrency":1}`)
	b.control("PUT", "behaviour", `{"faults":[{"match":"GET /v1/accounts/slow","hang":true}]}`)
	ctx := t.Context()
	req, err := http.NewRequestWithContext(ctx, "GET", b.server.URL+"/v1/accounts/slow", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = b.authorised()
	// On a connection of its own: a GET on one that was used before is sent once more when that is closed.
	own := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	done := make(chan error, 1)
	go func() {
		_, err := own.Do(req)
		done <- err
	}()
	for at(b.control("GET", "limits", "").object(), "peakConcurrency") != 1.0 {
		if ctx.Err() != nil {
			t.Fatal(ctx.Err())
		}
	}
	got := b.get("/v1/accounts/A7")
	if got.status != 429 || got.at("reasons.0.code") != 50000070.0 || got.header.Get("Retry-After") != "120" ||
		got.header.Get("Concurrency-Limit-Remaining") != "0" {
		t.Errorf("second call at once = %d %s %v", got.status, got.body, got.header)
	}
	if got := b.get("/object-query/accounts/A7"); got.status != 200 ||
		got.header.Get("Concurrency-Limit-Type") != "Object Query" {
		t.Errorf("Object Query has its own slots: %d %s", got.status, got.header.Get("Concurrency-Limit-Type"))
	}
	b.server.CloseClientConnections()
	err = <-done
	if err == nil {
		t.Error("the hanging call was answered")
	}
}

func TestTrackID(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	for id, want := range map[string]int{"abc-123": 404, "a:b": 400, `a"b`: 400, strings.Repeat("x", 65): 400, "é": 400} {
		h := b.authorised()
		h.Set("Zuora-Track-Id", id)
		got := b.send("GET", "/v1/accounts/nope", "", h)
		echo := ""
		if want == 404 {
			echo = id
		}
		if got.status != want || got.header.Get("Zuora-Track-Id") != echo {
			t.Errorf("Zuora-Track-Id %q = %d, echo %q; want %d, %q", id, got.status, got.header.Get("Zuora-Track-Id"), want,
				echo)
		}
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7","notes":"` + strings.Repeat("n", 2000) + `"}}}`)
	h := b.authorised()
	h.Set("Accept-Encoding", "gzip") // set by hand, so the client does not inflate
	got := b.send("GET", "/v1/accounts/A7", "", h)
	if got.header.Get("Content-Encoding") != "gzip" || !bytes.HasPrefix(got.body, []byte{0x1f, 0x8b}) {
		t.Errorf("long answer has Content-Encoding %q", got.header.Get("Content-Encoding"))
	}
	got = b.send("GET", "/v1/accounts/nope", "", h)
	if got.header.Get("Content-Encoding") != "" {
		t.Errorf("short answer has Content-Encoding %q", got.header.Get("Content-Encoding"))
	}
	if got := b.get("/v1/accounts/A7"); got.at("basicInfo.accountNumber") != "A7" {
		t.Errorf("inflated answer = %s", got.body)
	}
}

func TestControl(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{Personas: true})
	if got := b.control("GET", "accounts", ""); !bytes.Contains(got.body,
		[]byte(`"number":"A00000601","name":"Birmingham City Libraries","subscriptions":60`)) {
		t.Errorf("accounts = %s", got.body)
	}
	for _, tc := range []struct{ name, path, body, want string }{
		{"no JSON", "accounts/x", "x", "invalid character"},
		{"unknown member", "accounts/x", `{"accounts":{}}`, "unknown field"},
		{"no account", "accounts/x", `{}`, "account is missing"},
		{"no basicInfo", "accounts/x", `{"account":{}}`, "basicInfo"},
		{"other id", "accounts/x", `{"account":{"basicInfo":{"id":"y"}}}`, "not the id of the path"},
		{"number taken", "accounts/x", `{"account":{"basicInfo":{"accountNumber":"A00000101"}}}`, "belongs to another"},
		{"number no text", "accounts/x", `{"account":{"basicInfo":{"accountNumber":1}}}`, "no text"},
		{"two values", "accounts/x", `{"account":{"basicInfo":{}}}{}`, "invalid character"},
		{"subscription without number", "accounts/x", `{"account":{"basicInfo":{}},"subscriptions":[{}]}`,
			"subscriptions[0]: subscriptionNumber"},
		{"subscription of another", "accounts/x",
			`{"account":{"basicInfo":{}},"subscriptions":[{"subscriptionNumber":"A-S1","accountId":"y"}]}`, "another account"},
		{"bad version", "accounts/x",
			`{"account":{"basicInfo":{}},"subscriptions":[{"subscriptionNumber":"A-S1","version":"1"}]}`, "version"},
		{"bad plans", "accounts/x",
			`{"account":{"basicInfo":{}},"subscriptions":[{"subscriptionNumber":"A-S1","ratePlans":{}}]}`,
			"ratePlans is no list"},
		{"bad charge", "accounts/x",
			`{"account":{"basicInfo":{}},"subscriptions":[{"subscriptionNumber":"A-S1","ratePlans":[{"ratePlanCharges":[1]}]}]}`,
			"ratePlanCharges[0]"},
		{"bad method", "accounts/x", `{"account":{"basicInfo":{}},"paymentMethods":{"ach":[{}]}}`, "ach[0].id"},
		{"two defaults", "accounts/x",
			`{"account":{"basicInfo":{},"billingAndPayment":{"defaultPaymentMethodId":"a"}},"paymentMethods":{"defaultPaymentMethodId":"b"}}`, "is not that of"},
		{"unknown option", "options", `{"nextPage":"none"}`, "nextPage"},
		{"bad field", "fields", `{"X":{"indexed":true}}`, "custom field"},
		{"unknown field setting", "fields", `{"X__c":{"index":true}}`, "unknown field"},
	} {
		got := b.send("PUT", "/_sandbox/"+tc.path, tc.body, nil)
		if got.status != 400 || !strings.Contains(fmt.Sprint(got.at("error")), tc.want) {
			t.Errorf("%s: PUT %s %s = %d %s, want 400 with %q", tc.name, tc.path, tc.body, got.status, got.body, tc.want)
		}
	}
	for _, path := range []string{"accounts/nope", "nope"} {
		if got := b.send("GET", "/_sandbox/"+path, "", nil); got.status != 404 {
			t.Errorf("GET /_sandbox/%s = %d", path, got.status)
		}
	}
	if got := b.send("DELETE", "/_sandbox/accounts/nope", "", nil); got.status != 404 {
		t.Errorf("DELETE of no account = %d", got.status)
	}
}

func TestStoredAccountCanBePutAgain(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{Personas: true})
	p, ok := persona.Find("wallet", b.time())
	if !ok {
		t.Fatal("no persona wallet")
	}
	id := p.Accounts[0].ID
	before := b.get("/object-query/accounts/" + id)
	stored := b.control("GET", "accounts/"+id, "")
	if bytes.Contains(stored.body, []byte(zuorasandbox.Canary)) {
		t.Error("what is stored holds canaries")
	}
	b.pass(time.Hour - time.Second)
	b.control("PUT", "accounts/"+id, string(stored.body))
	if got := b.get("/object-query/accounts/" + id); !bytes.Equal(before.body, got.body) {
		t.Errorf("the same account put again changed: %s", cmp.Diff(string(before.body), string(got.body)))
	}
	b.control("PUT", "accounts/"+id, strings.Replace(string(stored.body), "William", "Bill", 1))
	got := b.get("/object-query/accounts/" + id)
	if got.at("updatedDate") != "2026-03-15T09:59:59+00:00" || got.at("createdDate") != "2026-03-15T09:00:00+00:00" {
		t.Errorf("dates after a change: created %v, updated %v", got.at("createdDate"), got.at("updatedDate"))
	}
}

func TestReset(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{Personas: true})
	b.put(`{"account":{"basicInfo":{"accountNumber":"A7"}}}`)
	b.control("DELETE", "accounts/"+personaID(t, "single"), "")
	b.control("PUT", "limits", `{"perMinute":1}`)
	b.control("PUT", "fields", `{}`)
	b.control("PUT", "options", `{"nextPage":"foreign"}`)
	b.control("PUT", "behaviour", `{"faults":[{"match":"* /**","status":500}]}`)
	b.control("POST", "reset", "")
	if got := b.get("/v1/accounts/A7"); got.status != 401 {
		t.Errorf("the old token after a reset = %d, want 401", got.status)
	}
	b.token = b.newToken()
	for path, want := range map[string]int{"/v1/accounts/A7": 404, "/v1/accounts/" + personaID(t, "single"): 200,
		"/object-query/accounts?filter%5B%5D=LimioExternalId__c.EQ:x": 200} {
		if got := b.get(path); got.status != want {
			t.Errorf("after a reset GET %s = %d %s, want %d", path, got.status, got.body, want)
		}
	}
	if got := b.control("GET", "options", ""); got.at("nextPage") != "absolute" {
		t.Errorf("options after a reset = %s", got.body)
	}
}

func personaID(t *testing.T, name string) string {
	t.Helper()
	p, ok := persona.Find(name, time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC))
	if !ok {
		t.Fatalf("no persona %s", name)
	}
	return p.Accounts[0].ID
}
