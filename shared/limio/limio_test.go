package limio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/limiosandbox"
	"hotsync/local/spectest"
	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
	"hotsync/shared/projection"
	"hotsync/shared/telemetry"
)

const (
	account = "8a12b3c4d5e6f70018a1b2c3d4e5f601"
	hex32   = "0123456789abcdef0123456789abcdef"
	owner   = "id-" + hex32
	cus     = "cus-" + hex32
	sub     = "sub-" + hex32
)

// objects are those of an account, in an order in which they can be created.
func objects() []projection.Object {
	num := func(s string) json.Number { return json.Number(s) }
	list := []projection.Object{
		{Kind: projection.Identity, ID: owner, Service: "limio", Type: projection.TypeOwner, Name: "Ada Reader",
			Data: map[string]any{}},
		{Kind: projection.Customer, ID: cus, Service: "limio", Owner: owner,
			Data: map[string]any{"name": "Ada Reader", "email": "ada@example.com", "defaultPaymentMethodId": "pm-" + hex32}},
		{Kind: projection.Identity, ID: "identity-" + hex32, Service: "zuora", Type: "account", Owner: owner, Customer: cus,
			Name: "A00000001",
			Data: map[string]any{"service": "zuora", "issuer": "zuora", "type": "account", "value": account,
				"accountNumber": "A00000001"}},
		{Kind: projection.PaymentMethod, ID: "pm-" + hex32, Service: "limio", Type: "zuora", Owner: owner, Customer: cus,
			Name: "CreditCard",
			Data: map[string]any{"brand": "Visa", "last4": "4242", "zuora": map[string]any{"refId": "8a34"}}},
		{Kind: projection.Subscription, ID: sub, Service: "limio", Owner: owner, Customer: cus, Name: "A-S00000001",
			Reference: "A-S00000001", Status: "active",
			Data: map[string]any{"startDate": "2026-01-01", "quantity": num("1"),
				"price":      map[string]any{"currency": "GBP", "amount": num("17.50")},
				"attributes": map[string]any{"autoRenew": true}}},
		{Kind: projection.SubscriptionOffer, ID: "subscription_offer-" + hex32, Service: "limio", Owner: owner, Customer: cus,
			Related: sub, Name: "UK Monthly",
			Data: map[string]any{"start": "2026-01-01", "quantity": num("123456789012345678901"),
				"zuora": map[string]any{"refId": "SRP-00000001"}}},
		{Kind: projection.Address, ID: "address-" + hex32, Service: "limio", Owner: owner, Customer: cus, Name: "billing",
			RelationshipType: "billing",
			Data: map[string]any{"city": "Leeds", "country": "GB",
				"relationships": []any{map[string]any{"relationship_id": "rel-" + hex32,
					"relationship_type": "billing", "subscription": sub, "start": "2026-01-01", "status": "active"}}}},
	}
	for i := range list {
		if list[i].Status == "" {
			list[i].Status = "active"
		}
		list[i].Key = projection.KeyOf(list[i])
	}
	return list
}

// clock is a time that a test moves.
type clock struct{ at atomic.Pointer[time.Time] }

func (c *clock) set(at time.Time)        { c.at.Store(&at) }
func (c *clock) now() time.Time          { return *c.at.Load() }
func (c *clock) advance(d time.Duration) { c.set(c.now().Add(d)) }

type testBundle struct {
	t       *testing.T
	client  *limio.Client
	sandbox *limiosandbox.Sandbox
	server  *httptest.Server
	clock   *clock
	log     *bytes.Buffer

	mu     sync.Mutex
	secret string   // what a fresh read of the credentials gives
	cached string   // what is given otherwise
	reads  []string // of the credentials: "cached" or "fresh"
}

// setup starts a sandbox and a client of it; change may alter the client's
// configuration.
func setup(t *testing.T, change ...func(*limio.Config)) *testBundle {
	t.Helper()
	b := &testBundle{t: t, clock: &clock{}, log: &bytes.Buffer{}, secret: "s3cret", cached: "s3cret"}
	b.clock.set(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	b.sandbox = limiosandbox.New(limiosandbox.Config{ClientID: "hotsync", ClientSecret: b.secret, Now: b.clock.now,
		ReadZuora: func(_ context.Context, key string) (limiosandbox.ZuoraSubscription, error) {
			return limiosandbox.ZuoraSubscription{Number: key, AccountID: account, AccountNumber: "A00000001",
				AccountName: "Ada Reader",
				Status:      "Active", Start: "2026-01-01", TermStart: "2026-01-01", TermEnd: "2027-01-01", AutoRenew: true}, nil
		}})
	b.server = httptest.NewServer(b.sandbox)
	t.Cleanup(b.server.Close)
	cfg := limio.Config{BaseURL: b.server.URL, Credentials: b.credentials, Now: b.clock.now,
		Log: slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, f := range change {
		f(&cfg)
	}
	b.client = newClient(t, cfg)
	return b
}

func newClient(t *testing.T, cfg limio.Config) *limio.Client {
	t.Helper()
	c, err := limio.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

func (b *testBundle) credentials(_ context.Context, refresh bool) (string, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if refresh {
		b.reads = append(b.reads, "fresh")
		b.cached = b.secret
	} else {
		b.reads = append(b.reads, "cached")
	}
	return "hotsync", b.cached, nil
}

// rotate changes the client's secret; the cached one is old from now on.
func (b *testBundle) rotate(secret string) {
	b.mu.Lock()
	b.secret = secret
	b.mu.Unlock()
	b.sandbox.Rotate("hotsync", secret)
}

// control asks the sandbox for something under /_sandbox/.
func (b *testBundle) control(method, path, body string, out any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+"/_sandbox/"+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 299 {
		b.t.Fatalf("%s %s = %d %s, %v", method, path, res.StatusCode, answer, err)
	}
	if out == nil {
		return
	}
	err = json.Unmarshal(answer, out)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
}

type counts struct {
	Creates                                                                     map[string]int
	Updates, NamesChanged, Links, LinksRepeated, DuplicatesRefused, PluginSyncs int
	Assumed                                                                     map[string]int
}

func (b *testBundle) counts() counts {
	b.t.Helper()
	var c counts
	b.control("GET", "counts", "", &c)
	return c
}

// requests counts what the sandbox got, by method and path.
func (b *testBundle) requests() map[string]int {
	b.t.Helper()
	var all []struct{ Method, Path string }
	b.control("GET", "requests", "", &all)
	n := map[string]int{}
	for _, r := range all {
		n[r.Method+" "+r.Path]++
	}
	return n
}

func (b *testBundle) create(list []projection.Object) {
	b.t.Helper()
	for _, o := range list {
		err := b.client.Create(b.t.Context(), o)
		if err != nil {
			b.t.Fatalf("Create(%s): %v", o.ID, err)
		}
	}
}

func (b *testBundle) account() []projection.Object {
	b.t.Helper()
	got, err := b.client.Account(b.t.Context(), account)
	if err != nil {
		b.t.Fatalf("Account: %v", err)
	}
	return got
}

// wantCode fails the test unless err has the code.
func wantCode(t *testing.T, err error, want hotsync.Code) *hotsync.Error {
	t.Helper()
	var e *hotsync.Error
	if !errors.As(err, &e) {
		t.Fatalf("error = %v, want one with code %s", err, want)
	}
	if e.Code != want {
		t.Fatalf("error = %v, want code %s", err, want)
	}
	return e
}

// inOrder puts what Account gives first, the customer, back where it was
// created.
func inOrder(list []projection.Object) []projection.Object {
	out := slices.Clone(list)
	if len(out) > 1 {
		out[0], out[1] = out[1], out[0]
	}
	return out
}

// primitives goes through everything a sync does with strategy objects.
func primitives(t *testing.T, b *testBundle) {
	t.Helper()
	ctx := t.Context()
	if got := b.account(); got != nil {
		t.Fatalf("Account before anything was created = %v, want nil", got)
	}
	want := objects()
	b.create(want)
	if diff := cmp.Diff(want, inOrder(b.account())); diff != "" {
		t.Errorf("Account mismatch (-want +got):\n%s", diff)
	}

	login := hotsync.Identity{Issuer: "https://idp.example.com", Subject: "auth0|abc"}
	for range 2 {
		err := b.client.LinkExternalIdentity(ctx, owner, login)
		if err != nil {
			t.Fatalf("LinkExternalIdentity: %v", err)
		}
	}
	err := b.client.Update(ctx, projection.Subscription, "limio", sub, "cancelled",
		map[string]any{"price": map[string]any{"amount": json.Number("20")}, "termEndDate": nil})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	err = b.client.Update(ctx, projection.Identity, "zuora", "identity-"+hex32, "",
		map[string]any{"accountNumber": "A00000002"})
	if err != nil {
		t.Fatalf("Update of an identity: %v", err)
	}

	got := b.account()
	byID := map[string]projection.Object{}
	for _, o := range got {
		byID[o.ID] = o
	}
	wantSub := want[4]
	wantSub.Status = "cancelled"
	wantSub.Data = map[string]any{"startDate": "2026-01-01", "termEndDate": nil, "quantity": json.Number("1"),
		"price":      map[string]any{"currency": "GBP", "amount": json.Number("20")},
		"attributes": map[string]any{"autoRenew": true}}
	if diff := cmp.Diff(wantSub, byID[sub]); diff != "" {
		t.Errorf("updated subscription mismatch (-want +got):\n%s", diff)
	}
	if got, want := byID["identity-"+hex32].Data["accountNumber"], "A00000002"; got != want {
		t.Errorf("account number = %v, want %v", got, want)
	}
	external := got[len(got)-1]
	if external.Type != projection.TypeExternal || external.Owner != owner || external.Data["sub"] != login.Subject {
		t.Errorf("last related object = %+v, want the login's identity", external)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()

	b := setup(t)
	primitives(t, b)
	want := counts{Updates: 2, Links: 1, LinksRepeated: 1,
		Creates: map[string]int{"identity": 2, "customer": 1, "payment_method": 1, "subscription": 1, "subscription_offer": 1,
			"address": 1},
		Assumed: map[string]int{"createObjects": 7, "updateStatus": 1, "zuoraCustomerPath": 3}}
	if diff := cmp.Diff(want, b.counts()); diff != "" {
		t.Errorf("counts mismatch (-want +got):\n%s", diff)
	}
}

func TestPlugin(t *testing.T) {
	t.Parallel()

	b := setup(t)
	plugin(t, b)
}

// plugin goes through what a sync does with strategy plugin.
func plugin(t *testing.T, b *testBundle) {
	t.Helper()
	id, owner, err := b.client.SyncSubscription(t.Context(), "A-S00000001")
	if err != nil {
		t.Fatalf("SyncSubscription: %v", err)
	}
	again, _, err := b.client.SyncSubscription(t.Context(), "A-S00000001")
	if err != nil || again != id {
		t.Fatalf("SyncSubscription again = %q, %v, want %q", again, err, id)
	}
	var kinds, keys []string
	for _, o := range b.account() {
		kinds, keys = append(kinds, string(o.Kind)), append(keys, o.Key)
		if o.Kind == projection.Subscription && o.ID != id || o.Kind != projection.Identity && o.Owner != owner {
			t.Errorf("Account holds %s of %s, want %s of %s", o.ID, o.Owner, id, owner)
		}
	}
	if diff := cmp.Diff([]string{"customer", "identity", "identity", "subscription"}, kinds); diff != "" {
		t.Errorf("kinds mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"customer", "owner", "zuora/account/" + account, "A-S00000001"}, keys); diff != "" {
		t.Errorf("keys mismatch (-want +got):\n%s", diff)
	}
}

// lenient forgives the answer that Limio's documentation lacks, and that cannot
// be done without: 404 for an object that is not there.
type lenient struct{ testing.TB }

func (l lenient) Errorf(format string, args ...any) {
	l.Helper()
	text := fmt.Sprintf(format, args...)
	if strings.Contains(text, "/api/objects/zuora/customers/") && strings.Contains(text, "status is not supported") {
		return
	}
	l.TB.Errorf("%s", text)
}

// specTransport holds every request but those for a token, which are outside
// the file, to our reconstruction of Limio's API.
func specTransport(t *testing.T) http.RoundTripper {
	t.Helper()
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/oauth2/token" {
			return http.DefaultTransport.RoundTrip(r)
		}
		return spectest.Transport(lenient{t}, "limio.openapi.json", "/api", nil).RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestReconstruction(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]func(*testing.T, *testBundle){
		"objects":          primitives,
		"plugin":           plugin,
		"converge objects": convergeObjects,
		"converge plugin":  convergePlugin,
		"check": func(t *testing.T, b *testBundle) {
			err := b.client.Check(t.Context())
			if err != nil {
				t.Errorf("Check: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			spectest.Transport(t, "limio.openapi.json", "/api", nil) // skips here, not in the midst of a request
			test(t, setup(t, func(c *limio.Config) { c.HTTP = specTransport(t) }))
		})
	}
}

func TestUnchangedAccountTakesTwoReads(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.create(objects())
	ctx, calls := telemetry.WithCallCount(t.Context())
	_, err := b.client.Account(ctx, account)
	if err != nil || calls.Load() != 2 {
		t.Fatalf("Account made %d calls, %v, want 2", calls.Load(), err)
	}
}

func TestCreateAfterLostAnswer(t *testing.T) {
	t.Parallel()

	b := setup(t)
	list := objects()
	b.create(list[:1])
	b.control("PUT", "behaviour",
		`{"faults":[{"match":"POST /api/objects/limio/customers","times":1,"drop":true,"after":true}]}`, nil)
	customer := list[1]
	wantCode(t, b.client.Create(t.Context(), customer), hotsync.CodeLimioUnavailable)

	customer.Data = map[string]any{"name": "Ada Writer"} // Zuora changed meanwhile
	customer.Name, customer.Status = "another", "inactive"
	b.create([]projection.Object{customer})
	got := b.counts()
	if got.Creates["customer"] != 1 || got.DuplicatesRefused != 1 || got.Updates != 1 || got.NamesChanged != 0 {
		t.Errorf("counts = %+v, want one create, one duplicate refused, one update and no changed name", got)
	}
	b.create(list[2:])
	stored := b.account()[0]
	if stored.Data["name"] != "Ada Writer" || stored.Status != "inactive" {
		t.Errorf("customer = %+v, want the content of the repeat", stored)
	}
}

func TestAssumptionsOff(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.create(objects())
	b.control("PUT", "assumptions", `{"createObjects":false,"updateStatus":false,"zuoraCustomerPath":false}`, nil)
	other := objects()[0]
	other.ID = "id-" + strings.Repeat("f", 32)
	e := wantCode(t, b.client.Create(t.Context(), other), hotsync.CodeLimioCreation)
	if e.Code.Transient() {
		t.Error("a refused creation is transient, want permanent")
	}
	e = wantCode(t, b.client.Update(t.Context(), projection.Subscription, "", sub, "cancelled", nil),
		hotsync.CodeLimioRefused)
	if !strings.HasSuffix(e.Message, "names status") {
		t.Errorf("message = %q, want the member that Limio names", e.Message)
	}
	err := b.client.Update(t.Context(), projection.Subscription, "", sub, "", nil)
	if err != nil {
		t.Errorf("Update without status: %v", err)
	}
	if got := b.account(); got != nil {
		t.Errorf("Account = %v, want nil", got)
	}
}

// fake answers every API request, and gives a token for the asking.
func fake(t *testing.T, api http.HandlerFunc) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/token", func(w http.ResponseWriter, _ *http.Request) {
		write(t, w, `{"access_token":"t0ken","token_type":"Bearer","expires_in":"3600"}`)
	})
	mux.HandleFunc("/api/", api)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func write(t *testing.T, w http.ResponseWriter, body string) {
	_, err := io.WriteString(w, body)
	if err != nil {
		t.Logf("write: %v", err) // the client went first
	}
}

func fixedCredentials(context.Context, bool) (string, string, error) { return "hotsync", "s3cret", nil }

func TestRefusals(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name       string
		status     int
		body       string
		retryAfter string
		want       hotsync.Error // but for the cause
		transient  bool
	}{
		{name: "bad request", status: 400, body: `{"message":"bad sub of Ada Reader, ada@example.com"}`,
			want: hotsync.Error{Code: hotsync.CodeLimioRefused,
				Message: "400: Limio refused the request; its answer names sub"}},
		{name: "conflict", status: 409,
			want: hotsync.Error{Code: hotsync.CodeLimioRefused, Message: "409: Limio refused the request"}},
		{name: "unauthorized", status: 401,
			want: hotsync.Error{Code: hotsync.CodeLimioUnauthorized, Message: "401: Limio refused the token"}},
		{name: "forbidden", status: 403, body: "<html><body>Forbidden</body></html>",
			want: hotsync.Error{Code: hotsync.CodeLimioForbidden, Message: "403: Limio does not allow the request"}},
		{name: "not found", status: 404, body: "null", transient: true,
			want: hotsync.Error{Code: hotsync.CodeLimioNotFound, Message: "404: Limio does not know the object"}},
		{name: "rate limit", status: 429, retryAfter: "30", transient: true,
			want: hotsync.Error{Code: hotsync.CodeLimioRateLimited, Message: "429: Limio asked to slow down",
				RetryAfter: 30 * time.Second}},
		{name: "rate limit until", status: 429, retryAfter: "Sun, 01 Mar 2026 12:02:00 GMT", transient: true,
			want: hotsync.Error{Code: hotsync.CodeLimioRateLimited, Message: "429: Limio asked to slow down",
				RetryAfter: 2 * time.Minute}},
		{name: "rate limit for ages", status: 429, retryAfter: "99999999999", transient: true,
			want: hotsync.Error{Code: hotsync.CodeLimioRateLimited, Message: "429: Limio asked to slow down",
				RetryAfter: time.Hour}},
		{name: "odd wait", status: 503, retryAfter: "-5", transient: true,
			want: hotsync.Error{Code: hotsync.CodeLimioUnavailable, Message: "503: Limio could not carry out the request"}},
		{name: "bad gateway", status: 502, body: `{"error":{"message":"payload refused"}}`, transient: true,
			want: hotsync.Error{Code: hotsync.CodeLimioUnavailable, Message: "502: Limio could not carry out the request"}},
		{name: "unknown error", status: 599, transient: true,
			want: hotsync.Error{Code: hotsync.CodeLimioUnavailable, Message: "599: Limio could not carry out the request"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			var calls atomic.Int64
			s := fake(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				if tc.retryAfter != "" {
					w.Header().Set("Retry-After", tc.retryAfter)
				}
				w.WriteHeader(tc.status)
				write(t, w, tc.body)
			})
			c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials, Now: func() time.Time { return now }})
			err := c.LinkExternalIdentity(t.Context(), owner, hotsync.Identity{Issuer: "i", Subject: "s"})
			e := wantCode(t, err, tc.want.Code)
			got := hotsync.Error{Code: e.Code, Message: e.Message, RetryAfter: e.RetryAfter}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("error mismatch (-want +got):\n%s", diff)
			}
			if e.Code.Transient() != tc.transient {
				t.Errorf("transient = %t, want %t", e.Code.Transient(), tc.transient)
			}
			wantCalls := int64(1)
			if tc.status == 401 {
				wantCalls = 2
			}
			if calls.Load() != wantCalls {
				t.Errorf("%d calls, want %d", calls.Load(), wantCalls)
			}
		})
	}
}

func TestExistsAs400(t *testing.T) {
	t.Parallel()

	var got []string
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		got = append(got, r.Method+" "+r.URL.Path+" "+string(body))
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
			write(t, w, `{"errors":[{"detail":"Object already exists"}]}`)
		}
	})
	c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials})
	err := c.Create(t.Context(), projection.Object{Kind: projection.Customer, ID: cus, Name: "Ada", Status: "active"})
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	want := []string{
		`POST /api/objects/limio/customers {"id":"` + cus + `","name":"Ada","service":"limio","status":"active","data":{}}`,
		`PUT /api/objects/limio/customers/` + cus + ` {"data":{},"status":"active"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests mismatch (-want +got):\n%s", diff)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()

	t.Run("fetched once for many", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.control("PUT", "behaviour", `{"faults":[{"match":"POST /oauth2/token","latencyMs":20}]}`, nil)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				err := b.client.Check(t.Context())
				if err != nil {
					t.Errorf("Check: %v", err)
				}
			})
		}
		all.Wait()
		if n := b.requests()["POST /oauth2/token"]; n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})

	t.Run("renewed a minute early", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {59*time.Minute - time.Second, 1}, {time.Second, 2}} {
			b.clock.advance(step.after)
			err := b.client.Check(t.Context())
			if err != nil {
				t.Fatalf("Check: %v", err)
			}
			if n := b.requests()["POST /oauth2/token"]; n != step.want {
				t.Errorf("%s later: %d token requests, want %d", step.after, n, step.want)
			}
		}
	})

	t.Run("rotated credentials", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.create(objects())
		b.rotate("n3w")
		if got := b.account(); len(got) != len(objects()) {
			t.Errorf("Account = %d objects, want %d", len(got), len(objects()))
		}
		if diff := cmp.Diff([]string{"cached", "fresh"}, b.reads); diff != "" {
			t.Errorf("reads of the credentials mismatch (-want +got):\n%s", diff)
		}
		if n := b.requests()["POST /oauth2/token"]; n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
	})

	t.Run("rotated before the first call", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.rotate("n3w")
		err := b.client.Check(t.Context())
		if err != nil {
			t.Errorf("Check: %v", err)
		}
	})

	t.Run("wrong credentials", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.sandbox.Rotate("hotsync", "known to nobody")
		err := b.client.Check(t.Context())
		wantCode(t, err, hotsync.CodeLimioUnauthorized)
		if strings.Contains(err.Error()+b.log.String(), "s3cret") {
			t.Errorf("the secret is in %q or in the log", err)
		}
		if n := b.requests()["POST /oauth2/token"]; n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
	})

	t.Run("endpoint down", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.control("PUT", "behaviour",
			`{"faults":[{"match":"POST /oauth2/token","status":503,"headers":{"Retry-After":"7"},"body":"client_secret=s3cret is unwell"}]}`, nil)
		e := wantCode(t, b.client.Check(t.Context()), hotsync.CodeLimioUnavailable)
		if e.RetryAfter != 7*time.Second || strings.Contains(e.Error(), "unwell") {
			t.Errorf("error = %v after %s, want a wait of 7 s and nothing of the body", e, e.RetryAfter)
		}
	})

	t.Run("answer without token", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.control("PUT", "behaviour",
			`{"faults":[{"match":"POST /oauth2/token","status":200,"body":{"token_type":"Bearer"}}]}`, nil)
		wantCode(t, b.client.Check(t.Context()), hotsync.CodeLimioAnswer)
	})

	t.Run("credentials missing", func(t *testing.T) {
		t.Parallel()

		missing := hotsync.Errorf(hotsync.CodeSecretMissing, "No secret hotsync/limio.")
		b := setup(t, func(c *limio.Config) {
			c.Credentials = func(context.Context, bool) (string, string, error) { return "", "", missing }
		})
		wantCode(t, b.client.Check(t.Context()), hotsync.CodeSecretMissing)
	})

	t.Run("caller gives up", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.control("PUT", "behaviour", `{"faults":[{"match":"POST /oauth2/token","hang":true}]}`, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := b.client.Check(ctx)
		wantCode(t, err, hotsync.CodeTimeout)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want the caller's own end", err)
		}
	})
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()

	var leaked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	t.Cleanup(other.Close)
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials})
	_, err := c.Account(t.Context(), account)
	wantCode(t, err, hotsync.CodeLimioHost)
	if leaked.Load() != 0 {
		t.Error("the other host was called")
	}
}

func TestOddAnswers(t *testing.T) {
	t.Parallel()

	item := func(members string) string {
		return `{"items":[{"record_type":"customer","id":"` + cus + `","data":{}},{` + members + `}]}`
	}
	for name, tc := range map[string]struct {
		customer, related string // "" is a good answer
		want              hotsync.Code
	}{
		"garbage":         {customer: `{"id":`, want: hotsync.CodeLimioAnswer},
		"page of a proxy": {customer: `<html>hello</html>`, want: hotsync.CodeLimioUnavailable},
		"two values":      {customer: `{} {}`, want: hotsync.CodeLimioAnswer},
		"not a customer": {customer: `{"record_type":"subscription","id":"` + sub + `"}`,
			want: hotsync.CodeLimioAnswer},
		"customer of no id":  {customer: `{"record_type":"customer"}`, want: hotsync.CodeLimioAnswer},
		"id that is no cus-": {customer: `{"record_type":"customer","id":"../x"}`, want: hotsync.CodeLimioAnswer},
		"larger than allowed": {related: item(`"record_type":"event","id":"` + strings.Repeat("x", 5000) + `"`),
			want: hotsync.CodeLimioAnswer},
		"no items":      {related: `{}`, want: hotsync.CodeLimioAnswer},
		"items null":    {related: `{"items":null}`, want: hotsync.CodeLimioAnswer},
		"item of no id": {related: item(`"record_type":"address"`), want: hotsync.CodeLimioAnswer},
		"item with other data": {related: item(`"record_type":"address","id":"address-1","data":["Leeds"]`),
			want: hotsync.CodeLimioAnswer},
		"unknown kind":      {related: item(`"record_type":"event","id":7,"data":[]`)},
		"odd members":       {related: item(`"record_type":"address","id":"address-1","name":7,"owner":{},"status":null`)},
		"same object twice": {related: item(`"record_type":"customer","id":"` + cus + `","relationship_id":"rel-1"`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if tc.customer == "" {
				tc.customer = `{"record_type":"customer","id":"` + cus + `","data":{"n":1.50}}`
			}
			s := fake(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/related") {
					write(t, w, tc.related)
				} else {
					write(t, w, tc.customer)
				}
			})
			c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials, MaxBody: 4096})
			got, err := c.Account(t.Context(), account)
			if tc.want != "" {
				wantCode(t, err, tc.want)
				return
			}
			if err != nil {
				t.Fatalf("Account: %v", err)
			}
			if len(got) == 0 || got[0].ID != cus || got[0].Data["n"] != json.Number("1.50") {
				t.Errorf("Account = %+v, want the customer first", got)
			}
			if name != "odd members" && len(got) != 1 {
				t.Errorf("Account = %d objects, want the customer only", len(got))
			}
		})
	}
}

// A page that a proxy answers with status 200 does not mean that Limio has
// written anything: package soak lost an update to one.
func TestAnswersToWrites(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		body string
		want hotsync.Code
	}{
		"object":                 {body: `{"id":"` + sub + `"}`},
		"nothing":                {},
		"blanks":                 {body: " \n"},
		"page of a proxy":        {body: "<html>maintenance</html>", want: hotsync.CodeLimioUnavailable},
		"text":                   {body: "OK", want: hotsync.CodeLimioAnswer},
		"object that breaks off": {body: `{"id":"su`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := fake(t, func(w http.ResponseWriter, _ *http.Request) { write(t, w, tc.body) })
			c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials})
			err := c.Update(t.Context(), projection.Subscription, "limio", sub, "", nil)
			if tc.want != "" {
				wantCode(t, err, tc.want)
			} else if err != nil {
				t.Errorf("Update: %v", err)
			}
		})
	}
}

// An answer of 50 MB is given up at the bound, whatever it is an answer to.
func TestFloods(t *testing.T) {
	t.Parallel()

	const size, most = 50 << 20, 1 << 20
	for name, status := range map[string]int{"answer": http.StatusOK, "refusal": http.StatusBadRequest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var sent atomic.Int64
			s := fake(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				chunk := []byte(`{"items":[` + strings.Repeat("{},", 1<<15))
				for sent.Load() < size {
					n, err := w.Write(chunk)
					sent.Add(int64(n))
					if err != nil {
						return // the client has had enough
					}
				}
			})
			c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials, MaxBody: most})
			_, err := c.Account(t.Context(), account)
			if err == nil {
				t.Fatal("Account took an answer of 50 MB")
			}
			err = c.Update(t.Context(), projection.Subscription, "limio", sub, "", nil)
			if status != http.StatusOK && err == nil {
				t.Error("Update took a refusal of 50 MB")
			}
			if got := sent.Load(); got >= size {
				t.Errorf("%d bytes were read of it, want it given up near %d", got, most)
			}
		})
	}
}

func TestSyncSubscriptionAnswers(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		body string
		want hotsync.Code
	}{
		"not completed": {`{"success":false}`, hotsync.CodeLimioUnavailable},
		"no ids":        {`{"success":true}`, hotsync.CodeLimioAnswer},
		"no owner":      {`{"success":true,"id":"` + sub + `","owner":"cus-1"}`, hotsync.CodeLimioAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := fake(t, func(w http.ResponseWriter, _ *http.Request) { write(t, w, tc.body) })
			c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials})
			_, _, err := c.SyncSubscription(t.Context(), "A-S1")
			wantCode(t, err, tc.want)
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()

	for name, fault := range map[string]string{
		"no answer":    `"hang":true`,
		"dropped":      `"drop":true`,
		"broken off":   `"truncate":true`,
		"odd gateway":  `"status":502,"body":"upstream connect error"`,
		"out of order": `"status":500`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, func(c *limio.Config) {
				if name == "no answer" {
					c.Timeout = 100 * time.Millisecond
				}
			})
			b.create(objects())
			b.control("PUT", "behaviour", `{"faults":[{"match":"GET /api/objects/limio/customer/*/related",`+fault+`}]}`, nil)
			_, err := b.client.Account(t.Context(), account)
			e := wantCode(t, err, hotsync.CodeLimioUnavailable)
			if strings.Contains(e.Error(), cus) {
				t.Errorf("error %v has the address of the request", e)
			}
		})
	}
}

func TestCallersDeadline(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.create(objects())
	b.control("PUT", "behaviour", `{"faults":[{"match":"GET /api/**","hang":true}]}`, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := b.client.Account(ctx, account)
	wantCode(t, err, hotsync.CodeTimeout)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the caller's deadline", err)
	}
}

func TestInFlight(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var active, peak atomic.Int64
		slow := roundTripper(func(r *http.Request) (*http.Response, error) {
			n := active.Add(1)
			defer active.Add(-1)
			peak.Store(max(peak.Load(), n))
			time.Sleep(time.Second)
			return &http.Response{StatusCode: 200, Request: r,
				Body: io.NopCloser(strings.NewReader(`{"access_token":"t"}`))}, nil
		})
		c := newClient(t, limio.Config{BaseURL: "https://acme.example", Credentials: fixedCredentials, HTTP: slow,
			InFlight: 2})
		began := time.Now()
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				err := c.Check(t.Context())
				if err != nil {
					t.Errorf("Check: %v", err)
				}
			})
		}
		all.Wait()
		// One second for the token, then two at a time.
		if took := time.Since(began); took != 4*time.Second || peak.Load() != 2 {
			t.Errorf("6 calls took %s with %d at once, want 4 s and 2", took, peak.Load())
		}
	})
}

func TestLog(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.create(objects())
	b.account()
	for _, secret := range []string{hex32, account, "Ada", "example.com", "s3cret", "Bearer"} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	lines := strings.Split(strings.TrimSpace(b.log.String()), "\n")
	var last map[string]any
	err := json.Unmarshal([]byte(lines[len(lines)-1]), &last)
	if err != nil {
		t.Fatalf("log line: %v", err)
	}
	delete(last, "time")
	want := map[string]any{"level": "DEBUG", "msg": "limio call", "method": "GET",
		"path": "/objects/limio/customer/{id}/related", "status": 200.0, "ms": 0.0}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("log line mismatch (-want +got):\n%s", diff)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()

	for url, ok := range map[string]bool{
		"https://acme.prod.limio.com":     true,
		"https://acme.prod.limio.com/":    true,
		"http://127.0.0.1:8092":           true,
		"http://localhost:8092":           true,
		"http://[::1]:8092":               true,
		"http://acme.prod.limio.com":      false,
		"http://127.0.0.1.example.com":    false,
		"https://acme.prod.limio.com/api": false,
		"https://u:p@acme.prod.limio.com": false,
		"https://acme.prod.limio.com?x=1": false,
		"acme.prod.limio.com":             false,
		"ftp://acme.prod.limio.com":       false,
		"https://acme.prod.limio.com/%zz": false,
		"":                                false,
	} {
		_, err := limio.New(limio.Config{BaseURL: url, Credentials: fixedCredentials})
		if (err == nil) != ok {
			t.Errorf("New with %q: %v, want accepted %t", url, err, ok)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Errorf("error %v holds the password", err)
		}
	}
	_, err := limio.New(limio.Config{BaseURL: "https://acme.prod.limio.com"})
	if err == nil {
		t.Error("New without credentials succeeded")
	}
}

func TestIDsStayInTheirSegment(t *testing.T) {
	t.Parallel()

	var got string
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.EscapedPath()
		w.WriteHeader(http.StatusNotFound)
	})
	c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials})
	_, err := c.Account(t.Context(), "a/../b?c#d")
	if want := "/api/objects/zuora/customers/a%2F..%2Fb%3Fc%23d"; err != nil || got != want {
		t.Errorf("path = %q, %v, want %q", got, err, want)
	}
	for _, id := range []string{"", ".", ".."} {
		_, err = c.Account(t.Context(), id)
		wantCode(t, err, hotsync.CodeInternal)
	}
	wantCode(t, c.Create(t.Context(), projection.Object{Kind: "order", ID: "order-1"}), hotsync.CodeInternal)
	wantCode(t, c.LinkExternalIdentity(t.Context(), owner, hotsync.Identity{Issuer: "i"}), hotsync.CodeInternal)
}
