package frontdoor_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// TestNamed: who may see an account is decided by the accounts that the login names. A
// look-up names none.
func TestNamed(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		lookup := account("sub")
		lookup.AccountLookup, lookup.AccountLookupField = true, "LimioExternalId__c"
		s := settings()
		s.Providers[1].Claims = append(s.Providers[1].Claims, lookup)
		b.load = func(context.Context) (hotsync.Settings, error) { return s, nil }
		b.post(t, httpEvent(claims([]string{"A1", "A2"}), nil))
		if len(b.sent) != 3 {
			t.Fatalf("%d requests, want two accounts and a look-up", len(b.sent))
		}
		for _, r := range b.sent {
			if diff := cmp.Diff([]string{"A1", "A2"}, r.Named); diff != "" {
				t.Errorf("named mismatch (-want +got):\n%s", diff)
			}
		}
		written()
		if len(b.events) != 2 {
			t.Errorf("%d events are recorded, want those of the two accounts: a look-up has none yet", len(b.events))
		}
	})
}

// TestNothingWanted: a login that wants nothing read does not touch the queue.
func TestNothingWanted(t *testing.T) {
	t.Parallel()

	b := newBundle()
	b.send = func(_ context.Context, r []hotsync.SyncRequest) []error {
		t.Errorf("the queue is sent %d requests", len(r))
		return make([]error, len(r))
	}
	b.post(t, httpEvent(claims(nil), nil))
}

// TestTold: what a login came to is counted and told in one line, without what it holds.
func TestTold(t *testing.T) {
	t.Parallel()

	down := func(b *testBundle) {
		b.send = func(_ context.Context, r []hotsync.SyncRequest) []error { return []error{errDown, errDown} }
	}
	for _, tc := range []struct {
		name    string
		breaks  func(*testBundle)
		claim   any
		line    []string
		metrics []string
	}{
		{"queued", func(*testBundle) {}, []string{"A1", "A2"},
			[]string{`"level":"INFO","msg":"login"`, `"queued":2`, `"reasons":[]`, `"ms":250`},
			[]string{`"Logins":1`, `"Queued":2`, `"LoginMilliseconds":[250]`}},
		{"nothing in it", func(*testBundle) {}, "",
			[]string{`"level":"INFO","msg":"login"`, `"queued":0`, `"reasons":["zuora_account_ids claim_empty"]`}, nil},
		{"switched off", func(b *testBundle) {
			s := settings()
			s.HotSync = false
			b.load = func(context.Context) (hotsync.Settings, error) { return s, nil }
		}, "A1", []string{`"reasons":["disabled"]`}, nil},
		{"the queue is down", down, []string{"A1", "A2"},
			[]string{`"level":"ERROR","msg":"login"`, `"code":"queue_unavailable"`}, []string{`"NotQueued":2`}},
		{"a panic", func(b *testBundle) {
			b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) { panic("canary") }
		}, "A1", []string{`"level":"ERROR","msg":"panic"`}, []string{`"NotQueued":1`}},
		{"given up", func(b *testBundle) {
			b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) {
				time.Sleep(time.Minute)
				return oidc.Token{}, errDown
			}
		}, "A1", []string{`"level":"ERROR","msg":"login given up"`}, []string{`"NotQueued":1`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := newBundle()
				tc.breaks(b)
				now := at
				b.now = func() time.Time {
					defer func() { now = at.Add(250 * time.Millisecond) }() // a login begins, and later it has ended
					return now
				}
				b.post(t, httpEvent(claims(tc.claim), nil))
				written()
				time.Sleep(2 * time.Minute) // for what goes on after an answer
				log := b.logged()
				for _, want := range tc.line {
					if !strings.Contains(log, want) {
						t.Errorf("the log has no %s:\n%s", want, log)
					}
				}
				for _, want := range tc.metrics {
					if !strings.Contains(b.counts.String(), want) {
						t.Errorf("the metrics have no %s:\n%s", want, &b.counts)
					}
				}
				if secret := secretsIn(log); secret != "" {
					t.Errorf("the log has %q", secret)
				}
			})
		})
	}
}

func TestBearerTokenIsTrimmed(t *testing.T) {
	t.Parallel()

	b := newBundle()
	got := ""
	b.verify = func(_ context.Context, raw string, _ oidc.Accept) (oidc.Token, error) {
		got = raw
		return oidc.Token{}, hotsync.Errorf(hotsync.CodeTokenMalformed, "x")
	}
	b.post(t, httpEvent(nil, func(event, _ map[string]any) {
		event["headers"] = map[string]any{"authorization": "bearer   a.b.c "}
	}))
	if got != "a.b.c" {
		t.Errorf("verified %q, want a.b.c", got)
	}
}

// TestAuthorizedAges: an authorizer has held a token against the clock. One that was made
// for longer than any login lasts is not taken from it either.
func TestAuthorizedAges(t *testing.T) {
	t.Parallel()

	const day = 24 * time.Hour
	seconds := func(d time.Duration) json.Number { return number(at.Add(d).Unix()) }
	for name, tc := range map[string]struct {
		change map[string]any
		want   int
	}{
		"an hour, as text":         {map[string]any{"exp": seconds(time.Hour).String()}, http.StatusAccepted},
		"an hour, as a number":     {map[string]any{"exp": seconds(time.Hour)}, http.StatusAccepted},
		"32 days, as text":         {map[string]any{"exp": seconds(32 * day).String()}, http.StatusUnauthorized},
		"32 days, as a number":     {map[string]any{"exp": seconds(32 * day)}, http.StatusUnauthorized},
		"a REST API's date":        {map[string]any{"exp": "Sun Mar 01 13:00:00 UTC 2026"}, http.StatusAccepted},
		"none":                     {map[string]any{"exp": nil}, http.StatusAccepted},
		"the end of the year 9999": {map[string]any{"exp": "253402300799"}, http.StatusUnauthorized},
		"no time":                  {map[string]any{"exp": "253402300800"}, http.StatusAccepted},
		"an audience that is none": {map[string]any{"aud": []any{"hotsync-local", 1}, "azp": "hotsync-local"},
			http.StatusUnauthorized},
		"two audiences, one is ours": {map[string]any{"aud": []any{"hotsync-local", "x"}, "azp": "hotsync-local"},
			http.StatusAccepted},
	} {
		c := claims("A1")
		c["aud"] = "hotsync-local"
		for member, value := range tc.change {
			c[member] = value
		}
		b := newBundle()
		a, _ := b.post(t, httpEvent(nil,
			func(_, rc map[string]any) { rc["authorizer"] = map[string]any{"jwt": map[string]any{"claims": c}} }))
		if a.StatusCode != tc.want {
			t.Errorf("%s: answer %d %s, want %d", name, a.StatusCode, a.Body, tc.want)
		}
	}
}

func number(n int64) json.Number {
	raw, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return json.Number(raw)
}

// TestWarmReadsBoth: the init reads settings and key, also where the settings do not answer.
func TestWarmReadsBoth(t *testing.T) {
	t.Parallel()

	for _, fail := range []error{nil, errDown} {
		b := newBundle()
		loaded, key := 0, 0
		b.load = func(context.Context) (hotsync.Settings, error) { loaded++; return settings(), fail }
		b.searchKey = func(context.Context) []byte { key++; return nil }
		b.handler().Warm(t.Context())
		if loaded != 1 || key != 1 {
			t.Errorf("settings that fail with %v: read %d times, the key %d times", fail, loaded, key)
		}
		if got := strings.Contains(b.logged(), "settings not read at init"); got != (fail != nil) {
			t.Errorf("settings that fail with %v: %s", fail, b.logged())
		}
	}
}

// TestRefusalHeaders: what a client is told beside the body.
func TestRefusalHeaders(t *testing.T) {
	t.Parallel()

	for code, want := range map[hotsync.Code]map[string]string{
		hotsync.CodeForbidden:       {"WWW-Authenticate": `Bearer realm="hotsync", error="insufficient_scope"`},
		hotsync.CodeTokenExpired:    {"WWW-Authenticate": `Bearer realm="hotsync", error="invalid_token"`},
		hotsync.CodeUnauthenticated: {"WWW-Authenticate": `Bearer realm="hotsync"`},
		hotsync.CodeJWKSUnavailable: {"Retry-After": "1"},
		hotsync.CodeBadRequest:      {},
	} {
		b := newBundle()
		b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) {
			return oidc.Token{}, hotsync.Errorf(code, "x")
		}
		a, _ := b.post(t, httpEvent(claims("A1"), nil))
		for _, name := range []string{"WWW-Authenticate", "Retry-After"} {
			if a.Headers[name] != want[name] {
				t.Errorf("%s: %s is %q, want %q", code, name, a.Headers[name], want[name])
			}
		}
	}
}

// TestSettingsThatHang: of the time for an answer some is left to record what became of
// the login.
func TestSettingsThatHang(t *testing.T) {
	t.Parallel()

	for _, path := range []string{"/login", "/syncs/" + hotsync.EventIDFor(at, "one")} {
		synctest.Test(t, func(t *testing.T) {
			b := newBundle()
			b.load = func(ctx context.Context) (hotsync.Settings, error) {
				<-ctx.Done()
				return hotsync.Settings{}, ctx.Err()
			}
			begun := time.Now()
			a, got := b.post(t, httpEvent(claims("A1"), func(event, rc map[string]any) {
				event["rawPath"] = path
				if path != "/login" {
					rc["http"] = map[string]any{"method": "GET", "path": path}
				}
			}))
			if a.StatusCode != http.StatusServiceUnavailable || got.Error.Code != string(hotsync.CodeStoreUnavailable) {
				t.Errorf("%s: answer %d %s", path, a.StatusCode, a.Body)
			}
			if took := time.Since(begun); took > 3800*time.Millisecond {
				t.Errorf("%s: the answer took %s", path, took)
			}
		})
	}
}

// TestSharedPlace: a login that shares a place names the event of that place, and one
// whose place has come to its end takes places without being asked again.
func TestSharedPlace(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		status hotsync.Status
		sent   int // of 20 logins
		looked int // times that the store was asked
	}{
		{hotsync.StatusQueued, 8, 12},
		{hotsync.StatusRetrying, 8, 12},
		{hotsync.StatusRunning, 20, 12},
		{hotsync.StatusSucceeded, 20, 2},
	} {
		b := newBundle()
		now := at
		b.now = func() time.Time { return now }
		h := b.handler()
		looked := 0
		h.Event = func(_ context.Context, id string) (hotsync.Event, error) {
			looked++
			return hotsync.Event{ID: id, Status: tc.status}, nil
		}
		for range 20 {
			now = now.Add(time.Minute)
			raw, err := h.Invoke(t.Context(), []byte(httpEvent(claims("A1"), nil)))
			if err != nil {
				t.Fatal(err)
			}
			_, got := readAnswer(t, raw)
			if last := b.sent[len(b.sent)-1]; len(got.Queued) != 1 || got.Queued[0]["event"] != last.EventID {
				t.Errorf("%s: the answer names %v, want the event that waits, %s", tc.status, got.Queued, last.EventID)
			}
		}
		if len(b.sent) != tc.sent || looked != tc.looked {
			t.Errorf("%s: %d sent and %d looked at, want %d and %d", tc.status, len(b.sent), looked, tc.sent, tc.looked)
		}
	}
}

// TestWithoutEvents: a handler that cannot read events gives every login its own place,
// and knows of no sync.
func TestWithoutEvents(t *testing.T) {
	t.Parallel()

	b := newBundle()
	now := at
	b.now = func() time.Time { return now }
	h := b.handler()
	h.Event = nil
	for range 12 {
		now = now.Add(time.Minute)
		_, err := h.Invoke(t.Context(), []byte(httpEvent(claims("A1"), nil)))
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(b.sent) != 12 {
		t.Errorf("%d of 12 logins got a sync", len(b.sent))
	}
	raw, err := h.Invoke(t.Context(), []byte(progressEvent(hotsync.EventIDFor(at, "one"), "")))
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := readAnswer(t, raw); a.StatusCode != http.StatusNotFound {
		t.Errorf("a question answered %d %s, want 404", a.StatusCode, a.Body)
	}
}

// TestProgressWaits: the record of a login may be on its way, which is waited for; a store
// that does not answer is not. What is no id is asked of nobody.
func TestProgressWaits(t *testing.T) {
	t.Parallel()

	id := hotsync.EventIDFor(at, "one")
	mine := hotsync.Event{ID: id, Status: hotsync.StatusSucceeded,
		Request: hotsync.SyncRequest{Identity: hotsync.Identity{Issuer: localIssuer, Subject: "direct|ada"}}}
	for _, tc := range []struct {
		name, id, wait string
		there          int // from which look on
		err            error
		want, looks    int
	}{
		{"there", id, "20", 0, nil, http.StatusOK, 1},
		{"on its way", id, "20", 3, nil, http.StatusOK, 4},
		{"on its way, nobody waits", id, "", 3, nil, http.StatusNotFound, 1},
		{"the store is down", id, "20", 0, hotsync.Errorf(hotsync.CodeStoreUnavailable, "x"), http.StatusServiceUnavailable,
			1},
		{"no id", "x", "20", 0, nil, http.StatusNotFound, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBundle()
			b.now = time.Now
			h := b.handler()
			looks := 0
			h.Event = func(context.Context, string) (hotsync.Event, error) {
				looks++
				if looks <= tc.there {
					return hotsync.Event{}, hotsync.Errorf(hotsync.CodeNotFound, "x")
				}
				return mine, tc.err
			}
			query := ""
			if tc.wait != "" {
				query = tc.wait
			}
			raw, err := h.Invoke(t.Context(), []byte(progressEvent(tc.id, query)))
			if err != nil {
				t.Fatal(err)
			}
			a, _ := readAnswer(t, raw)
			if a.StatusCode != tc.want || tc.looks > 0 && looks != tc.looks {
				t.Errorf("%s: answer %d after %d looks, want %d after %d", tc.name, a.StatusCode, looks, tc.want, tc.looks)
			}
		})
	}
}

// TestTriggersThatNameNobody: a sync for nobody would show an account to nobody, or to
// whoever is nobody too.
func TestTriggersThatNameNobody(t *testing.T) {
	t.Parallel()

	for _, member := range []string{"region", "userPoolId", "sub"} {
		var event map[string]any
		err := json.Unmarshal([]byte(trigger("PostAuthentication_Authentication", "A1")), &event)
		if err != nil {
			t.Fatal(err)
		}
		if member == "sub" {
			delete(event["request"].(map[string]any)["userAttributes"].(map[string]any), "sub")
		} else {
			event[member] = ""
		}
		raw, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		b := newBundle()
		got := b.invoke(t, string(raw))
		if got != string(raw) || len(b.sent) != 0 ||
			!strings.Contains(b.logged(), "trigger without region, user pool or sub") {
			t.Errorf("without %s: %d sent, log %s", member, len(b.sent), b.logged())
		}
	}
}

// TestRecordsOfRefused: what a refused login says of itself is kept, and whether somebody
// has vouched for it.
func TestRecordsOfRefused(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		authorized := claims("A1")
		authorized["aud"] = "another"
		b.post(t, httpEvent(nil, func(_, rc map[string]any) {
			rc["authorizer"] = map[string]any{"jwt": map[string]any{"claims": authorized}}
		}))
		b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) {
			return oidc.Token{}, hotsync.Errorf(hotsync.CodeTokenExpired, "x")
		}
		b.post(t, httpEvent(nil, func(event, rc map[string]any) {
			event["headers"] = map[string]any{"authorization": "Bearer e30.eyJpc3MiOiJpIiwic3ViIjoicyJ9.e30"}
			rc["authorizer"] = map[string]any{"jwt": map[string]any{"claims": authorized}}
		}))
		written()
		type record struct {
			Issuer, Subject, Reason string
			Verified                bool
		}
		var got []record
		for _, r := range b.logins {
			got = append(got, record{r.Issuer, r.Subject, r.Reason, r.Verified})
		}
		want := []record{{localIssuer, "direct|ada", "token_audience", true}, {"i", "s", "token_expired", false}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("records mismatch (-want +got):\n%s", diff)
		}
	})
}

// TestRecordOfAProviderWithoutClaims: the reason is said where nothing was configured.
func TestRecordOfAProviderWithoutClaims(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		s := settings()
		s.Providers[1].Claims = nil
		b.load = func(context.Context) (hotsync.Settings, error) { return s, nil }
		b.post(t, httpEvent(claims("A1"), nil))
		written()
		if len(b.logins) != 1 || b.logins[0].Reason != "claim_not_used" {
			t.Errorf("records %+v, want one that says that no claim is used", b.logins)
		}
	})
}

// TestAddresses: what is below a sync is no address, whoever asks.
func TestAddresses(t *testing.T) {
	t.Parallel()

	for _, path := range []string{"/syncs/a/b", "/syncs", "/", "/login/"} {
		b := newBundle()
		a, _ := b.post(t, httpEvent(nil, func(event, rc map[string]any) {
			event["rawPath"], rc["http"] = path, map[string]any{"method": "GET", "path": path}
		}))
		if a.StatusCode != http.StatusNotFound {
			t.Errorf("%s is answered %d, want 404", path, a.StatusCode)
		}
	}
}

// TestLoginIDs: people search for them, and every record of a login has one.
func TestLoginIDs(t *testing.T) {
	t.Parallel()

	b := newBundle()
	_, got := b.post(t, httpEvent(claims("A1"), nil))
	if !regexp.MustCompile(`^login-[0-9a-f]{32}$`).MatchString(got.Login) || b.sent[0].LoginID != got.Login {
		t.Errorf("the login is %q, its request's %q; want login- and 32 digits in both", got.Login, b.sent[0].LoginID)
	}
}
