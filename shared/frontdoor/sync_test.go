package frontdoor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/local/spectest"
	"hotsync/shared/gateway"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// systems is a bundle whose provider Direct lets systems sync.
func systems() *testBundle {
	b := newBundle()
	b.load = func(context.Context) (hotsync.Settings, error) {
		s := settings()
		s.Providers[1].SyncScope, s.Providers[1].SyncAudiences = "hotsync:sync", []string{"hotsync-api"}
		return s, nil
	}
	return b
}

// httpCall sends a request as API Gateway hands it on, and holds it and the answer
// to docs/openapi.yaml.
func (b *testBundle) httpCall(t *testing.T, spec *spectest.Own, method, path string, token map[string]any,
	body string) (int, map[string]any) {
	t.Helper()
	event := gateway.Event{Version: gateway.Version2, RouteKey: gateway.DefaultRoute, RawPath: path,
		Headers: map[string]string{"content-type": "application/json"}, Body: body}
	event.RawPath, event.RawQueryString, _ = strings.Cut(path, "?")
	event.RequestContext.HTTP.Method = method
	if token != nil {
		raw, err := json.Marshal(token)
		if err != nil {
			t.Fatal(err)
		}
		event.Headers["authorization"] = "Bearer " + string(raw)
	}
	raw, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var a gateway.Answer
	err = json.Unmarshal([]byte(b.invoke(t, string(raw))), &a)
	if err != nil {
		t.Fatal(err)
	}
	var content map[string]any
	err = json.Unmarshal([]byte(a.Body), &content)
	if err != nil {
		t.Fatalf("body %q: %v", a.Body, err)
	}
	if spec != nil {
		req, err := http.NewRequestWithContext(t.Context(), method, "https://api.example.com"+path,
			bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res := &http.Response{StatusCode: a.StatusCode, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.Body))}
		for name, value := range a.Headers {
			res.Header.Set(name, value)
		}
		spec.Check(req, []byte(body), res, []byte(a.Body))
	}
	return a.StatusCode, content
}

// TestOpenAPI holds the handlers to docs/openapi.yaml: every status that it names
// is met, and none that it does not name.
func TestOpenAPI(t *testing.T) {
	t.Parallel()

	spec := spectest.OpenOwn(t, "/login", "/syncs", "/sync")
	person, system := claims("A1, {}"), map[string]any{"iss": localIssuer, "sub": "erp", "client_id": "erp"}
	down := func(b *testBundle) {
		b.load = func(context.Context) (hotsync.Settings, error) { return hotsync.Settings{}, errDown }
	}
	refuse := func(c hotsync.Code) func(*testBundle) {
		return func(b *testBundle) {
			b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) {
				return oidc.Token{}, hotsync.Errorf(c, "x")
			}
		}
	}
	off := func(b *testBundle) {
		b.load = func(context.Context) (hotsync.Settings, error) {
			s := settings()
			s.HotSync = false
			return s, nil
		}
	}
	queueDown := func(b *testBundle) {
		b.send = func(_ context.Context, r []hotsync.SyncRequest) []error {
			errs := make([]error, len(r))
			for i := range errs {
				errs[i] = errDown
			}
			return errs
		}
	}
	const known = "event-0195500000007000800000000000000a"
	event := func(b *testBundle) {
		b.events[known] = hotsync.Event{ID: known, Status: hotsync.StatusSucceeded,
			Request: hotsync.SyncRequest{EventID: known, Identity: hotsync.Identity{Issuer: localIssuer, Subject: "direct|ada"}}}
	}
	for _, tc := range []struct {
		method, path string
		token        map[string]any
		body         string
		breaks       func(*testBundle)
		want         int
	}{
		{"POST", "/login", person, "", nil, 202},
		{"POST", "/login", person, "", off, 202},
		{"POST", "/login", map[string]any{"iss": "https://lookup.example.com", "sub": "x"}, "", nil, 202},
		{"POST", "/login", person, "", refuse(hotsync.CodeBadRequest), 400},
		{"POST", "/login", nil, "", nil, 401},
		{"POST", "/login", person, "", refuse(hotsync.CodeTokenExpired), 401},
		{"GET", "/login", person, "", nil, 405},
		{"POST", "/login", person, "", down, 503},
		{"POST", "/login", person, "", queueDown, 503},
		{"POST", "/login", person, "", refuse(hotsync.CodeJWKSUnavailable), 503},
		{"GET", "/syncs/" + known + "?wait=1", person, "", event, 200},
		{"GET", "/syncs/" + known, nil, "", event, 401},
		{"GET", "/syncs/" + known, person, "", nil, 404},
		{"GET", "/syncs/x", person, "", nil, 404},
		{"POST", "/syncs/" + known, person, "", event, 405},
		{"GET", "/syncs/" + known, person, "", down, 503},
		{"POST", "/sync", system, `{"accounts":["A1"],"dryRun":true}`, nil, 200},
		{"POST", "/sync", system, `{"accounts":["null"]}`, nil, 200},
		{"POST", "/sync", system, `{"accounts":["A1"," A2 ","A1","a?b"]}`, nil, 202},
		{"POST", "/sync", system, `{"accounts":[]}`, nil, 400},
		{"POST", "/sync", nil, `{"accounts":["A1"]}`, nil, 401},
		{"POST", "/sync", system, `{"accounts":["A1"]}`, refuse(hotsync.CodeForbidden), 403},
		{"GET", "/sync", system, "", nil, 405},
		{"POST", "/sync", system, `{"accounts":["A1"]}`, func(b *testBundle) {
			systems := b.load
			b.load = func(ctx context.Context) (hotsync.Settings, error) {
				s, err := systems(ctx)
				s.HotSync = false
				return s, err
			}
		}, 409},
		{"POST", "/sync", system, `{"accounts":["A1"]}`, queueDown, 503},
	} {
		b := systems()
		if tc.breaks != nil {
			tc.breaks(b)
		}
		got, content := b.httpCall(t, spec, tc.method, tc.path, tc.token, tc.body)
		if got != tc.want {
			t.Errorf("%s %s %s answered %d %v, want %d", tc.method, tc.path, tc.body, got, content, tc.want)
		}
	}
}

func TestSync(t *testing.T) {
	t.Parallel()

	b := systems()
	b.send = func(_ context.Context, r []hotsync.SyncRequest) []error {
		b.sent = r
		return []error{nil, errDown, nil}
	}
	status, got := b.httpCall(t, nil, "POST", "/sync", map[string]any{"iss": localIssuer, "sub": "s", "client_id": "erp"},
		`{"accounts":[" A1 ","A2","A1","`+accountID+`","a?b",""]}`)
	want := map[string]any{"dryRun": false, "queued": 2.0, "answers": []any{
		map[string]any{"account": "A1", "status": "queued", "event": b.sent[0].EventID},
		map[string]any{"account": "A2", "status": "failed", "reason": "The queue did not take it: send it again."},
		map[string]any{"account": "A1", "status": "refused", "reason": "It is named twice."},
		map[string]any{"account": accountID, "status": "queued", "event": b.sent[2].EventID},
		map[string]any{"account": "a?b", "status": "refused",
			"reason": "It holds characters that no account id or number has."},
		map[string]any{"account": "", "status": "refused", "reason": "It is empty."},
	}}
	if diff := cmp.Diff(want, got); status != 202 || diff != "" {
		t.Errorf("answered %d, mismatch (-want +got):\n%s", status, diff)
	}
	// For nobody: nothing of a person, so that nothing is linked.
	request := func(account, id string) hotsync.SyncRequest {
		return hotsync.SyncRequest{Trigger: hotsync.TriggerAPI, Provider: "Direct", Account: account, AccountID: id,
			Actor: "erp", RequestedAt: at}
	}
	if diff := cmp.Diff([]hotsync.SyncRequest{request("A1", ""), request("A2", ""), request(accountID, accountID)}, b.sent,
		cmpopts.IgnoreFields(hotsync.SyncRequest{}, "EventID")); diff != "" {
		t.Errorf("requests mismatch (-want +got):\n%s", diff)
	}
	if len(b.events) != 2 {
		t.Errorf("%d events recorded, want those of the two that were taken", len(b.events))
	}
}

func TestSyncDryRunQueuesNothing(t *testing.T) {
	t.Parallel()

	b := systems()
	status, got := b.httpCall(t, nil, "POST", "/sync", map[string]any{"iss": localIssuer, "sub": "s"},
		`{"accounts":["A1","NULL"],"dryRun":true}`)
	want := map[string]any{"dryRun": true, "queued": 0.0,
		"answers": []any{map[string]any{"account": "A1", "status": "valid"},
			map[string]any{"account": "NULL", "status": "refused", "reason": "It is the word null, true or false."}}}
	if diff := cmp.Diff(want, got); status != 200 || diff != "" || len(b.sent)+len(b.events) != 0 {
		t.Errorf("answered %d, sent %v, mismatch (-want +got):\n%s", status, b.sent, diff)
	}
}

func TestSyncOfAThousand(t *testing.T) {
	t.Parallel()

	keys := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("A%08d", i))
		}
		raw, err := json.Marshal(map[string]any{"accounts": all})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	token := map[string]any{"iss": localIssuer, "sub": "s"}
	synctest.Test(t, func(t *testing.T) { // in virtual time, so that a busy computer is not over the login's
		b := systems()
		status, got := b.httpCall(t, nil, "POST", "/sync", token, keys(1000))
		if status != 202 || got["queued"] != 1000.0 || len(b.sent) != 1000 {
			t.Errorf("1000 accounts: %d, %v queued, %d sent", status, got["queued"], len(b.sent))
		}
		written()
	})
	b := systems()
	if status, _ := b.httpCall(t, nil, "POST", "/sync", token, keys(1001)); status != 400 || len(b.sent) > 0 {
		t.Errorf("1001 accounts: %d and %d sent, want 400 and none", status, len(b.sent))
	}
}

// TestSyncRefusals: nobody without the scope syncs anything, and a body that is not
// exactly one request is none.
func TestSyncRefusals(t *testing.T) {
	t.Parallel()

	system := map[string]any{"iss": localIssuer, "sub": "s"}
	for name, tc := range map[string]struct {
		token map[string]any
		body  string
		want  string
	}{
		"a provider without the scope": {map[string]any{"iss": poolIssuer, "sub": "s"}, `{"accounts":["A1"]}`,
			"token_issuer_unknown"},
		"no token":       {nil, `{"accounts":["A1"]}`, "unauthenticated"},
		"no JSON":        {system, `accounts`, "bad_request"},
		"unknown member": {system, `{"accounts":["A1"],"link":true}`, "bad_request"},
		"two bodies":     {system, `{"accounts":["A1"]}{}`, "bad_request"},
		"numbers":        {system, `{"accounts":[1]}`, "bad_request"},
		"nothing":        {system, ``, "bad_request"},
		"too long":       {system, `{"accounts":["` + strings.Repeat("A", 300<<10) + `"]}`, "bad_request"},
	} {
		b := systems()
		_, got := b.httpCall(t, nil, "POST", "/sync", tc.token, tc.body)
		problem, _ := got["error"].(map[string]any)
		if problem["code"] != tc.want || len(b.sent) > 0 {
			t.Errorf("%s: %v, sent %v, want %s", name, got, b.sent, tc.want)
		}
	}
}

// TestSyncBodies: what a system is told of accounts and bodies that are not taken.
func TestSyncBodies(t *testing.T) {
	t.Parallel()

	body := func(size int) string { // with one account
		const before, after = `{"accounts":["A1"`, `]}`
		return before + strings.Repeat(" ", size-len(before)-len(after)) + after
	}
	long := strings.Repeat("?", 81)
	for name, tc := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"as large as it may be": {body(256 << 10), 202, `"queued":1`},
		"larger":                {body(256<<10 + 1), 400, "The body is over 256 KB."},
		"nothing":               {"", 400, "Name at least one account"},
		"two objects":           {`{"accounts":["A1"]}{}`, 400, "The body must be one JSON object"},
		"a key of 80":           {`{"accounts":["` + long[:80] + `"]}`, 200, `"account":"` + long[:80] + `"`},
		"a key of 81":           {`{"accounts":["` + long + `"]}`, 200, `"account":"` + long[:80] + `…"`},
	} {
		b := systems()
		status, got := b.httpCall(t, nil, "POST", "/sync", map[string]any{"iss": localIssuer, "sub": "s"}, tc.body)
		raw, err := json.Marshal(got)
		if err != nil || status != tc.status || !strings.Contains(string(raw), tc.says) {
			t.Errorf("%s: answered %d %.300s, want %d and %s", name, status, raw, tc.status, tc.says)
		}
	}
}

// TestSyncActor: who asked is told by the client of the token, or else by its sub.
func TestSyncActor(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"client_id":             {map[string]any{"client_id": "erp", "azp": "other"}, "erp"},
		"Auth0":                 {map[string]any{"azp": "erp"}, "erp"},
		"none":                  {nil, "sub"},
		"empty, then another":   {map[string]any{"client_id": "", "azp": "erp"}, "erp"},
		"no text, then another": {map[string]any{"client_id": 7, "azp": "erp"}, "erp"},
		"not to be shown":       {map[string]any{"client_id": "a\nb"}, "sub"},
	} {
		b := systems()
		c := map[string]any{"iss": localIssuer, "sub": "sub"}
		for member, value := range tc.claims {
			c[member] = value
		}
		b.httpCall(t, nil, "POST", "/sync", c, `{"accounts":["A1"]}`)
		if len(b.sent) != 1 || b.sent[0].Actor != tc.want {
			t.Errorf("%s: sent %+v, want the actor %s", name, b.sent, tc.want)
		}
	}
}

// TestSyncWaitsForItsRecords: a backlog is to be seen, so that the answer comes when the
// events of what was queued are there.
func TestSyncWaitsForItsRecords(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := systems()
		put := b.putQueued
		b.putQueued = func(ctx context.Context, e hotsync.Event) error {
			time.Sleep(900 * time.Millisecond)
			return put(ctx, e)
		}
		begun := time.Now()
		b.httpCall(t, nil, "POST", "/sync", map[string]any{"iss": localIssuer, "sub": "s"}, `{"accounts":["A1"]}`)
		if took := time.Since(begun); took != 900*time.Millisecond || len(b.events) != 1 {
			t.Errorf("answered after %s with %d events, want 900ms and 1", took, len(b.events))
		}
	})
}

// TestSyncBodyThatCannotBeRead is told as such, and not as one that names nothing.
func TestSyncBodyThatCannotBeRead(t *testing.T) {
	t.Parallel()

	b := systems()
	a, got := b.post(t, httpEvent(map[string]any{"iss": localIssuer, "sub": "s"}, func(event, rc map[string]any) {
		event["rawPath"], event["body"], event["isBase64Encoded"] = "/sync", "!", true
		rc["http"] = map[string]any{"method": "POST", "path": "/sync"}
	}))
	if a.StatusCode != http.StatusBadRequest || !strings.Contains(got.Error.Message, "must be one JSON object") {
		t.Errorf("answer %d %s", a.StatusCode, a.Body)
	}
}
