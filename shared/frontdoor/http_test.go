package frontdoor_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

func TestLogin(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		claims  map[string]any
		queued  []map[string]any
		ignored []string // reasons
	}{
		"accounts in the claim's order": {
			claims: claims([]string{"A00000002", accountID, "A00000002"}),
			queued: []map[string]any{
				{"provider": "Direct", "claim": "zuora_account_ids", "account": "A00000002"},
				{"provider": "Direct", "claim": "zuora_account_ids", "account": accountID},
			},
		},
		"a lookup, without its value": {
			claims: map[string]any{"iss": "https://lookup.example.com", "sub": "x"},
			queued: []map[string]any{{"provider": "Lookup", "claim": "sub",
				"lookup": map[string]any{"field": "LimioExternalId__c"}}},
		},
		"what is ignored and why": {
			claims:  claims("[A1, null, a?b]"),
			queued:  []map[string]any{{"provider": "Direct", "claim": "zuora_account_ids", "account": "A1"}},
			ignored: []string{"claim_malformed", "claim_malformed"},
		},
		"no claim": {
			claims:  map[string]any{"iss": localIssuer, "sub": "s"},
			queued:  []map[string]any{},
			ignored: []string{"claim_missing"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := newBundle()
			a, got := b.post(t, httpEvent(tc.claims, nil))
			if a.StatusCode != http.StatusAccepted || a.IsBase64Encoded || !strings.HasPrefix(got.Login, "login-") ||
				got.Reason != "" {
				t.Errorf("answer %+v", a)
			}
			for i, q := range got.Queued {
				if id, _ := q["event"].(string); id != b.sent[i].EventID || !hotsync.IsEventID(id) {
					t.Errorf("event %v, sent %s", q["event"], b.sent[i].EventID)
				}
				delete(q, "event")
			}
			if diff := cmp.Diff(tc.queued, got.Queued); diff != "" {
				t.Errorf("queued mismatch (-want +got):\n%s", diff)
			}
			var reasons []string
			for _, x := range got.Ignored {
				reasons = append(reasons, x["reason"].(string))
				if x["detail"] == "" {
					t.Errorf("%v has no detail", x)
				}
			}
			if diff := cmp.Diff(tc.ignored, reasons); diff != "" {
				t.Errorf("ignored mismatch (-want +got):\n%s", diff)
			}
			if !strings.Contains(a.Body, `"ignored":[`) {
				t.Errorf("body %s, want lists and no null", a.Body)
			}
		})
	}
}

func TestLoginWithHotSyncOff(t *testing.T) {
	t.Parallel()

	b := newBundle()
	b.load = func(context.Context) (hotsync.Settings, error) {
		s := settings()
		s.HotSync = false
		return s, nil
	}
	a, got := b.post(t, httpEvent(claims("A1"), nil))
	want := `{"login":"` + got.Login + `","queued":[],"ignored":[],"reason":"disabled"}`
	if a.StatusCode != http.StatusAccepted || a.Body != want || len(b.sent) != 0 {
		t.Errorf("answer %d %s, want %s", a.StatusCode, a.Body, want)
	}
}

// TestOneTokenIsOneLogin: a token that is sent again within ten seconds, by a
// gateway or by anybody, is the same login with the same events; the token of the
// next sign-in, and the same one later, is another.
func TestOneTokenIsOneLogin(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		h := b.handler()
		for _, tc := range []struct {
			token string
			now   time.Time
		}{{"t1", at}, {"t1", at.Add(5 * time.Second)}, {"t1", at}, {"t2", at}, {"t1", at.Add(time.Minute)}, {"t3", at}} {
			b.now = func() time.Time { return tc.now }
			c := claims("A1")
			c["jti"] = tc.token
			_, err := h.Invoke(t.Context(), []byte(httpEvent(c, nil)))
			if err != nil {
				t.Fatal(err)
			}
		}
		written() // nobody waits for the records
		logins, events := map[string]bool{}, map[string]bool{}
		for _, r := range b.sent {
			logins[r.LoginID], events[r.EventID] = true, true
		}
		if len(logins) != 4 || len(events) != 4 || len(b.events) != 4 {
			t.Errorf("%d login ids and %d event ids for 4 logins", len(logins), len(events))
		}
	})
}

func TestLoginRefusals(t *testing.T) {
	t.Parallel()

	header := func(name string, value any) func(event, rc map[string]any) {
		return func(event, _ map[string]any) { event["headers"] = map[string]any{name: value} }
	}
	failing := func(code hotsync.Code) func(b *testBundle) {
		return func(b *testBundle) {
			b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) {
				return oidc.Token{}, hotsync.Errorf(code, "No.")
			}
		}
	}
	for name, tc := range map[string]struct {
		prepare func(b *testBundle)
		change  func(event, rc map[string]any)
		status  int
		code    string
		header  string // a header the answer must have
	}{
		"no token": {change: header("x", "y"), status: 401, code: "unauthenticated", header: "WWW-Authenticate"},
		"other scheme": {change: header("authorization", "Basic YTpi"), status: 401, code: "unauthenticated",
			header: "WWW-Authenticate"},
		"empty token": {change: header("Authorization", "Bearer "), status: 401, code: "unauthenticated",
			header: "WWW-Authenticate"},
		"empty header": {change: header("Authorization", ""), status: 401, code: "unauthenticated",
			header: "WWW-Authenticate"},
		"garbage token": {change: header("authorization", "Bearer garbage"), status: 401, code: "token_malformed",
			header: "WWW-Authenticate"},
		"unknown issuer": {change: header("authorization", `Bearer {"iss":"x"}`), status: 401,
			code: "token_issuer_unknown", header: "WWW-Authenticate"},
		"expired": {prepare: failing(hotsync.CodeTokenExpired), status: 401, code: "token_expired",
			header: "WWW-Authenticate"},
		"JWKS unreachable": {prepare: failing(hotsync.CodeJWKSUnavailable), status: 503, code: "jwks_unavailable",
			header: "Retry-After"},
		"other path": {change: func(e, _ map[string]any) { e["rawPath"] = "/logins" }, status: 404,
			code: "not_found"},
		"path below": {change: func(e, _ map[string]any) { e["rawPath"] = "/login/x" }, status: 404,
			code: "not_found"},
		"other method": {change: func(_, rc map[string]any) { rc["http"] = map[string]any{"method": "GET"} },
			status: 405, code: "bad_request", header: "Allow"},
		"no method": {change: func(_, rc map[string]any) { rc["http"] = nil }, status: 405, code: "bad_request",
			header: "Allow"},
		"event of wrong type": {change: func(e, _ map[string]any) { e["headers"] = 7 }, status: 400, code: "bad_request"},
		"context of wrong type": {change: func(e, _ map[string]any) { e["requestContext"] = "x" }, status: 400,
			code: "bad_request"},
		"settings missing": {prepare: func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) {
				return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeSettingsMissing, "There are no settings.")
			}
		}, status: 503, code: "settings_missing", header: "Retry-After"},
		"settings too slow": {prepare: func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) { return hotsync.Settings{}, context.DeadlineExceeded }
		}, status: 503, code: "store_unavailable", header: "Retry-After"},
		"queue down": {prepare: func(b *testBundle) {
			b.send = func(context.Context, []hotsync.SyncRequest) []error { return []error{errDown} }
		}, status: 503, code: "queue_unavailable", header: "Retry-After"},
		"verifier panics": {prepare: func(b *testBundle) {
			b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) { panic("canary") }
		}, status: 500, code: "internal"},
		"unknown error": {prepare: func(b *testBundle) {
			b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) { return oidc.Token{}, errDown }
		}, status: 500, code: "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := newBundle()
			if tc.prepare != nil {
				tc.prepare(b)
			}
			a, got := b.post(t, httpEvent(claims("A1"), tc.change))
			if a.StatusCode != tc.status || got.Error.Code != tc.code || got.Error.Message == "" || got.Error.Hint == "" {
				t.Errorf("answer %d %s, want %d %s with message and hint", a.StatusCode, a.Body, tc.status, tc.code)
			}
			if tc.header != "" && a.Headers[tc.header] == "" {
				t.Errorf("headers %v lack %s", a.Headers, tc.header)
			}
			if len(b.sent) != 0 {
				t.Errorf("sent %v", b.sent)
			}
			if s := secretsIn(b.logged()); s != "" {
				t.Errorf("log holds %q:\n%s", s, b.logged())
			}
		})
	}
}

func TestLoginPartlyQueued(t *testing.T) {
	t.Parallel()

	b := newBundle()
	b.send = func(context.Context, []hotsync.SyncRequest) []error { return []error{errDown, nil} }
	a, got := b.post(t, httpEvent(claims("A1,A2"), nil))
	if a.StatusCode != http.StatusAccepted || len(got.Queued) != 1 || got.Queued[0]["account"] != "A2" ||
		len(got.Ignored) != 1 || got.Ignored[0]["reason"] != "queue_unavailable" {
		t.Errorf("answer %d %s", a.StatusCode, a.Body)
	}
}

// TestLoginIsNotSlowedDown: a login takes as long as its send, not longer, though
// the records take a little more.
func TestLoginIsNotSlowedDown(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		send, put := b.send, b.putQueued
		b.send = func(ctx context.Context, r []hotsync.SyncRequest) []error {
			time.Sleep(20 * time.Millisecond)
			return send(ctx, r)
		}
		b.putQueued = func(ctx context.Context, e hotsync.Event) error {
			time.Sleep(19 * time.Millisecond)
			return put(ctx, e)
		}
		start := time.Now()
		a, _ := b.post(t, httpEvent(claims("A1,A2,A3,A4"), nil))
		if took := time.Since(start); a.StatusCode != http.StatusAccepted || took != 20*time.Millisecond {
			t.Errorf("answer %d after %v, want 202 after the 20ms of the send", a.StatusCode, took)
		}
		written()
		if diff := cmp.Diff(slices.Repeat([]hotsync.Status{"queued"}, 4), b.statuses()); diff != "" {
			t.Errorf("events mismatch (-want +got):\n%s", diff)
		}
	})
}

// TestSlowStore: an answer never waits for the record of what was queued; the record
// is made all the same.
func TestSlowStore(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		send, put := b.send, b.putQueued
		b.send = func(ctx context.Context, r []hotsync.SyncRequest) []error {
			time.Sleep(16 * time.Millisecond)
			return send(ctx, r)
		}
		b.putQueued = func(ctx context.Context, e hotsync.Event) error {
			time.Sleep(200 * time.Millisecond)
			return errors.Join(ctx.Err(), put(ctx, e))
		}
		start := time.Now()
		a, _ := b.post(t, httpEvent(claims("A1,A2"), nil))
		if took := time.Since(start); a.StatusCode != http.StatusAccepted || took != 16*time.Millisecond {
			t.Errorf("answer %d after %v, want 202 after the 16ms of the send", a.StatusCode, took)
		}
		if n := len(b.statuses()); n != 0 {
			t.Errorf("%d events before they can be there", n)
		}
		time.Sleep(time.Second)
		if diff := cmp.Diff([]hotsync.Status{"queued", "queued"}, b.statuses()); diff != "" {
			t.Errorf("events mismatch (-want +got):\n%s", diff)
		}
		if log := b.logged(); strings.Contains(log, "not written") {
			t.Errorf("log says that an event was not written:\n%s", log)
		}
	})
}

func TestLoginDeadline(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		b.send = func(context.Context, []hotsync.SyncRequest) []error { time.Sleep(time.Minute); return nil }
		start := time.Now()
		a, got := b.post(t, httpEvent(claims("A1"), nil))
		if a.StatusCode != http.StatusServiceUnavailable || got.Error.Code != "queue_unavailable" ||
			time.Since(start) != 4*time.Second {
			t.Errorf("answer %d %s after %v, want 503 after 4s", a.StatusCode, a.Body, time.Since(start))
		}
		time.Sleep(2 * time.Minute)
	})
}

func TestStageInPath(t *testing.T) {
	t.Parallel()

	b := newBundle()
	a, _ := b.post(t, httpEvent(claims("A1"),
		func(event, rc map[string]any) { event["rawPath"], rc["stage"] = "/prod/login", "prod" }))
	if a.StatusCode != http.StatusAccepted {
		t.Errorf("answer %d %s", a.StatusCode, a.Body)
	}
}

func TestAuthorizerClaims(t *testing.T) {
	t.Parallel()

	good := func(pairs ...any) map[string]any {
		c := map[string]any{"iss": localIssuer, "sub": "direct|ada", "aud": "hotsync-local", "token_use": "id",
			"zuora_account_ids": "[A1 A2]"}
		for i := 0; i < len(pairs); i += 2 {
			c[pairs[i].(string)] = pairs[i+1]
			if pairs[i+1] == nil {
				delete(c, pairs[i].(string))
			}
		}
		return c
	}
	for name, tc := range map[string]struct {
		claims map[string]any
		want   string // error code, "" for 202
	}{
		"good":                {good(), ""},
		"no token_use":        {good("token_use", nil), ""},
		"several audiences":   {good("aud", "[other hotsync-local]", "azp", "hotsync-local"), ""},
		"audiences of REST":   {good("aud", "other,hotsync-local", "azp", "hotsync-local"), ""},
		"audiences of a list": {good("aud", []any{"other", "hotsync-local"}, "azp", "hotsync-local"), ""},
		"one in a list":       {good("aud", []any{"hotsync-local"}), ""},
		"audiences as JSON":   {good("aud", `["other","hotsync-local"]`, "azp", "hotsync-local"), ""},
		"audience as JSON":    {good("aud", `["hotsync-local"]`), ""},
		"foreign list":        {good("aud", []any{"other"}), "token_audience"},
		"list of no texts":    {good("aud", []any{"hotsync-local", 7}), "token_audience"},
		"foreign JSON":        {good("aud", `["other", "hotsync-local"]`), "token_audience"},
		"nobody's party":      {good("aud", "[other hotsync-local]"), "token_audience"},
		"made long ago":       {good("iat", "1456833604"), ""}, // the authorizer has verified that it has not expired
		"for ever":            {good("exp", "221845392000"), "token_malformed"},
		"access token":        {good("token_use", "access"), "token_not_id_token"},
		"Keycloak's ID token": {good("typ", "ID", "azp", "hotsync-local"), ""},
		"Keycloak's access":   {good("typ", "Bearer"), "token_not_id_token"},
		"other party":         {good("aud", "[other hotsync-local]", "azp", "other"), "token_audience"},
		"token_use no text":   {good("token_use", 1), "token_not_id_token"},
		"other audience":      {good("aud", "other"), "token_audience"},
		"no audience":         {good("aud", nil), "token_audience"},
		"audience of a part":  {good("aud", "hotsync-local-2"), "token_audience"},
		"other issuer":        {good("iss", "https://attacker.example"), "token_issuer_unknown"},
		"no issuer":           {good("iss", nil), "token_issuer_unknown"},
		"no subject":          {good("sub", nil), "token_malformed"},
		"no audiences set up": {good("iss", poolIssuer), "token_audience"},
	} {
		for shape, change := range map[string]func(event, rc map[string]any){
			"HTTP API": func(_, rc map[string]any) {
				rc["authorizer"] = map[string]any{"jwt": map[string]any{"claims": tc.claims}}
			},
			"REST API": func(event, rc map[string]any) {
				delete(event, "rawPath")
				delete(rc, "http")
				event["path"], event["httpMethod"] = "/login", "POST"
				rc["authorizer"] = map[string]any{"claims": tc.claims}
			},
		} {
			t.Run(name+"/"+shape, func(t *testing.T) {
				t.Parallel()

				b := newBundle()
				a, got := b.post(t, httpEvent(nil, change))
				if got.Error.Code != tc.want || tc.want == "" && (a.StatusCode != http.StatusAccepted || len(got.Queued) != 2) {
					t.Errorf("answer %d %s, want code %q", a.StatusCode, a.Body, tc.want)
				}
			})
		}
	}
}

// TestVerifiedByTheGateway: what API Gateway has verified counts in every shape
// that it comes in, and whatever the address looks like.
func TestVerifiedByTheGateway(t *testing.T) {
	t.Parallel()

	c := `{"iss":"` + localIssuer + `","sub":"direct|ada","aud":"hotsync-local","zuora_account_ids":"A1"}`
	jwt := map[string]any{"jwt": map[string]any{"claims": json.RawMessage(c)}}
	for name, change := range map[string]func(event, rc map[string]any){
		"token without Bearer": func(event, rc map[string]any) {
			event["headers"], rc["authorizer"] = map[string]any{"authorization": "aaa.bbb.ccc"}, jwt
		},
		"claims as text": func(_, rc map[string]any) { rc["authorizer"] = map[string]any{"claims": c} },
		"a custom authorizer's": func(_, rc map[string]any) {
			rc["authorizer"] = map[string]any{"lambda": map[string]any{"claims": c}}
		},
		"a custom authorizer's context": func(_, rc map[string]any) {
			rc["authorizer"] = map[string]any{"lambda": json.RawMessage(c)}
		},
		"a REST authorizer's context": func(_, rc map[string]any) { rc["authorizer"] = json.RawMessage(c) },
		"mapping key, HTTP API": func(event, rc map[string]any) {
			event["rawPath"], event["routeKey"], rc["authorizer"] = "/hs/login", "POST /login", jwt
		},
		"mapping key, REST API": func(event, rc map[string]any) {
			delete(event, "rawPath")
			delete(rc, "http")
			event["path"], event["resource"], event["httpMethod"], rc["authorizer"] = "/hs/login", "/login", "POST", jwt
		},
	} {
		b := newBundle()
		a, _ := b.post(t, httpEvent(nil, change))
		if a.StatusCode != http.StatusAccepted || len(b.sent) != 1 {
			t.Errorf("%s: answer %d %s, want 202", name, a.StatusCode, a.Body)
		}
	}
}

// TestHeaderGoesFirst: claims of an authorizer do not make up for a bad token.
func TestHeaderGoesFirst(t *testing.T) {
	t.Parallel()

	for name, headers := range map[string]map[string]any{
		"headers":           {"headers": map[string]any{"AUTHORIZATION": "bearer garbage"}},
		"multiValueHeaders": {"multiValueHeaders": map[string]any{"authorization": []string{"Bearer garbage"}}},
		"two values":        {"multiValueHeaders": map[string]any{"authorization": []string{"Bearer a", "Bearer b"}}},
	} {
		b := newBundle()
		a, _ := b.post(t, httpEvent(nil, func(event, rc map[string]any) {
			for k, v := range headers {
				event[k] = v
			}
			rc["authorizer"] = map[string]any{
				"jwt": map[string]any{"claims": map[string]any{"iss": localIssuer, "sub": "s", "aud": "hotsync-local",
					"zuora_account_ids": "A1"}}}
		}))
		if a.StatusCode != http.StatusUnauthorized || len(b.sent) != 0 {
			t.Errorf("%s: answer %d %s, want 401", name, a.StatusCode, a.Body)
		}
	}
}

func BenchmarkLogin(b *testing.B) {
	bundle := newBundle()
	bundle.send = func(_ context.Context, r []hotsync.SyncRequest) []error { return make([]error, len(r)) }
	bundle.putQueued = func(context.Context, hotsync.Event) error { return nil }
	h, raw := bundle.handler(), []byte(httpEvent(claims("[A1, A2, A3]"), nil))
	for b.Loop() {
		bundle.log.Reset()
		got, err := h.Invoke(b.Context(), raw)
		if err != nil || !json.Valid(got) {
			b.Fatal(err)
		}
	}
}

// TestProgress: a person is told of their own sync and of nobody else's.
func TestProgress(t *testing.T) {
	t.Parallel()

	id := hotsync.EventIDFor(at, "one")
	for name, tc := range map[string]struct {
		path, subject string
		status        int
	}{
		"one's own":       {"/syncs/" + id, "direct|ada", http.StatusOK},
		"somebody else's": {"/syncs/" + id, "direct|eve", http.StatusNotFound},
		"none":            {"/syncs/" + hotsync.EventIDFor(at, "two"), "direct|ada", http.StatusNotFound},
		"no id":           {"/syncs/x", "direct|ada", http.StatusNotFound},
	} {
		b := newBundle()
		b.events[id] = hotsync.Event{ID: id, Status: hotsync.StatusSucceeded, Account: hotsync.AccountRef{Number: "A1"},
			Changes: make([]hotsync.Change, 3), ChangesCut: 2342, Attempts: make([]hotsync.Attempt, 1), AttemptsCut: 1,
			Request: hotsync.SyncRequest{Identity: hotsync.Identity{Issuer: localIssuer, Subject: "direct|ada"}}}
		c := claims("A1")
		c["sub"] = tc.subject
		a, _ := b.post(t, httpEvent(c, func(event, rc map[string]any) {
			event["rawPath"], event["routeKey"] = tc.path, "GET /syncs/{event}"
			rc["http"] = map[string]any{"method": "GET", "path": tc.path}
		}))
		if a.StatusCode != tc.status || len(b.sent) != 0 {
			t.Errorf("%s: answer %d %s, want %d", name, a.StatusCode, a.Body, tc.status)
		}
		want := `{"event":"` + id + `","status":"succeeded","done":true,"visible":true,"changes":2345,"tries":2}`
		if tc.status == http.StatusOK && a.Body != want {
			t.Errorf("%s: %s, want %s and nothing else", name, a.Body, want)
		}
	}
}

// TestVisible: whether a person sees the account is what the decision on ownership
// says, not that the sync succeeded.
func TestVisible(t *testing.T) {
	t.Parallel()

	notLinked := []hotsync.Finding{hotsync.Attention(hotsync.FindingNotLinked, "A1", "", "x")}
	for name, tc := range map[string]struct {
		event hotsync.Event
		want  string
	}{
		"linked": {hotsync.Event{Status: hotsync.StatusSucceeded,
			Findings: []hotsync.Finding{hotsync.Note("price_differs", "", "x")}}, `"done":true,"visible":true`},
		"not linked": {hotsync.Event{Status: hotsync.StatusSucceeded, Findings: notLinked},
			`"done":true,"visible":false`},
		"covered by another": {hotsync.Event{Status: hotsync.StatusSkipped, Reason: hotsync.ReasonCoalesced},
			`"done":true,"visible":true`},
		"ambiguous": {hotsync.Event{Status: hotsync.StatusSkipped, Reason: hotsync.ReasonAmbiguous},
			`"done":true,"visible":false`},
		"failed":     {hotsync.Event{Status: hotsync.StatusFailed}, `"done":true,"visible":false`},
		"on its way": {hotsync.Event{Status: hotsync.StatusRunning}, `"done":false,"visible":false`},
		"waiting, not linked": {hotsync.Event{Status: hotsync.StatusRetrying, Findings: notLinked},
			`"done":false,"visible":false`},
	} {
		b := newBundle()
		id := hotsync.EventIDFor(at, name)
		tc.event.ID, tc.event.Request.Identity = id, hotsync.Identity{Issuer: localIssuer, Subject: "direct|ada"}
		b.events[id] = tc.event
		a, _ := b.post(t, progressEvent(id, ""))
		if !strings.Contains(a.Body, tc.want) {
			t.Errorf("%s: %s, want %s", name, a.Body, tc.want)
		}
	}
}

func progressEvent(id, wait string) string {
	return httpEvent(claims("A1"), func(event, rc map[string]any) {
		event["rawPath"], event["routeKey"], event["pathParameters"] = "/hs/syncs/"+
			id, "GET /syncs/{event}", map[string]any{"event": id}
		if wait != "" {
			event["queryStringParameters"] = map[string]any{"wait": wait}
		}
		rc["http"] = map[string]any{"method": "GET", "path": "/hs/syncs/" + id}
	})
}

// TestWaiting: who waits costs one read a second, and gets the answer within a
// second of the end, or after the time that they give.
func TestWaiting(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		wait      string
		ends      time.Duration // of the sync
		took      time.Duration
		status    hotsync.Status
		mostReads int
	}{
		"ends meanwhile":   {"20", 3500 * time.Millisecond, 4 * time.Second, hotsync.StatusSucceeded, 5},
		"does not end":     {"5", time.Hour, 4 * time.Second, hotsync.StatusRunning, 6},
		"more than can be": {"1000", time.Hour, 19 * time.Second, hotsync.StatusRunning, 21},
		"no wait":          {"", time.Hour, 0, hotsync.StatusRunning, 1},
		"nonsense":         {"-1", time.Hour, 0, hotsync.StatusRunning, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := newBundle()
				b.now = time.Now
				begun := time.Now()
				reads := 0
				id := hotsync.EventIDFor(at, name)
				h := b.handler()
				h.Event = func(context.Context, string) (hotsync.Event, error) {
					reads++
					e := hotsync.Event{ID: id, Status: hotsync.StatusRunning,
						Request: hotsync.SyncRequest{Identity: hotsync.Identity{Issuer: localIssuer, Subject: "direct|ada"}}}
					if time.Since(begun) >= tc.ends {
						e.Status = hotsync.StatusSucceeded
					}
					return e, nil
				}
				raw, err := h.Invoke(t.Context(), []byte(progressEvent(id, tc.wait)))
				if err != nil {
					t.Fatal(err)
				}
				took := time.Since(begun)
				if !strings.Contains(string(raw), string(tc.status)) || took < tc.took || took > tc.took+time.Second ||
					reads > tc.mostReads {
					t.Errorf("%s after %v and %d reads, want %s after %v and at most %d", raw, took, reads, tc.status, tc.took,
						tc.mostReads)
				}
			})
		})
	}
}
