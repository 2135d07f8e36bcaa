package console_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hotsync/local/spectest"
	"hotsync/shared/console/staff/stafftest"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncer"
)

// held makes a call that is held to docs/openapi.yaml.
func (b *bundle) held(spec *spectest.Own, group, method, path, body string) int {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if group != "" {
		r.Header.Set("Authorization",
			"Bearer "+stafftest.Token(map[string]any{"iss": b.provider.URL, "sub": "robot", "groups": []any{group}}))
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	err = resp.Body.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	spec.Check(r, []byte(body), resp, answer)
	return resp.StatusCode
}

// TestOpenAPI holds the JSON API to docs/openapi.yaml: every status that it names is
// met, and none that it does not name.
func TestOpenAPI(t *testing.T) {
	t.Parallel()

	spec := spectest.OpenOwn(t, "/api")
	unavailable := hotsync.Errorf(hotsync.CodeStoreUnavailable, "DynamoDB did not answer.")
	ended := hotsync.NewEvent(hotsync.SyncRequest{EventID: hotsync.EventIDFor(start, "e"), Trigger: hotsync.TriggerLogin,
		Provider: "direct", Account: "A1",
		Identity: hotsync.Identity{Issuer: "https://id.example.com", Subject: "ada"}, RequestedAt: start})
	ended.Status, ended.Reason, ended.FinishedAt = hotsync.StatusFailed, "zuora_forbidden", start
	ended.Error = hotsync.Errorf(hotsync.CodeZuoraForbidden, "x").Problem()
	ended.Findings = []hotsync.Finding{hotsync.Note("price_differs", "A-S1", "x")}
	ended.Attempts = []hotsync.Attempt{{N: 1, StartedAt: start}}
	waiting := hotsync.NewEvent(hotsync.SyncRequest{EventID: hotsync.EventIDFor(start, "w"), Trigger: hotsync.TriggerLogin,
		Account: "A1", RequestedAt: start})
	b := setupSettings(t)
	b.events = newMemory(ended, waiting)
	b.sides.would = syncer.DryRun{Account: hotsync.AccountRef{ID: accountOne}, Link: syncer.Link{State: syncer.LinkNobody}}
	found := &records{page: eventstore.LoginPage{
		Logins: []hotsync.LoginRecord{{ID: ended.ID, At: start, Trigger: hotsync.TriggerLogin, Reason: "claim_missing",
			Claims: []hotsync.LoginClaim{{Claim: "a", Reason: "claim_missing", Detail: "x"}}}}}}
	cfg := b.config()
	seen := &seenPlans{}
	cfg.Logins, cfg.Catalogue = found, seen
	b.serve(cfg)

	settings := `{"version": 4, "timeZone": "UTC"}`
	for _, tc := range []struct {
		group, method, path, body string
		want                      int
	}{
		{"viewer", "GET", "/api/events?limit=1", "", 200},
		{"viewer", "GET", "/api/events?limit=201", "", 400},
		{"", "GET", "/api/events", "", 401},
		{"nobody", "GET", "/api/events", "", 403},
		{"viewer", "GET", "/api/events/" + ended.ID, "", 200},
		{"", "GET", "/api/events/" + ended.ID, "", 401},
		{"nobody", "GET", "/api/events/" + ended.ID, "", 403},
		{"viewer", "GET", "/api/events/x", "", 404},
		{"operator", "POST", "/api/events/" + ended.ID + "/retry", "", 202},
		{"", "POST", "/api/events/" + ended.ID + "/retry", "", 401},
		{"viewer", "POST", "/api/events/" + ended.ID + "/retry", "", 403},
		{"operator", "POST", "/api/events/x/retry", "", 404},
		{"operator", "POST", "/api/events/" + waiting.ID + "/retry", "", 409},
		{"operator", "POST", "/api/events/" + ended.ID + "/reveal", `{"reason": "the customer asked"}`, 200},
		{"operator", "POST", "/api/events/" + ended.ID + "/reveal", `{}`, 400},
		{"", "POST", "/api/events/" + ended.ID + "/reveal", `{"reason": "the customer asked"}`, 401},
		{"viewer", "POST", "/api/events/" + ended.ID + "/reveal", `{"reason": "the customer asked"}`, 403},
		{"operator", "POST", "/api/events/x/reveal", `{"reason": "the customer asked"}`, 404},
		{"viewer", "GET", "/api/catalogue", "", 200},
		{"", "GET", "/api/catalogue", "", 401},
		{"nobody", "GET", "/api/catalogue", "", 403},
		{"viewer", "GET", "/api/logins?q=ada@example.com&from=24h&limit=5", "", 200},
		{"viewer", "GET", "/api/logins?from=x", "", 400},
		{"", "GET", "/api/logins", "", 401},
		{"nobody", "GET", "/api/logins", "", 403},
		{"viewer", "GET", "/api/queue", "", 200},
		{"", "GET", "/api/queue", "", 401},
		{"nobody", "GET", "/api/queue", "", 403},
		{"viewer", "GET", "/api/settings", "", 200},
		{"", "GET", "/api/settings", "", 401},
		{"nobody", "GET", "/api/settings", "", 403},
		{"admin", "PUT", "/api/settings", settings, 200},
		{"admin", "PUT", "/api/settings", settings, 409},
		{"admin", "PUT", "/api/settings", `{}{}`, 400},
		{"", "PUT", "/api/settings", settings, 401},
		{"operator", "PUT", "/api/settings", settings, 403},
		{"admin", "PUT", "/api/settings", `{"version": 5, "timeZone": "Mars"}`, 422},
		{"operator", "POST", "/api/sync", `{"account": "A1", "note": "by hand"}`, 202},
		{"operator", "POST", "/api/sync", `{"account": "a?b"}`, 400},
		{"", "POST", "/api/sync", `{"account": "A1"}`, 401},
		{"viewer", "POST", "/api/sync", `{"account": "A1"}`, 403},
		{"operator", "POST", "/api/dry-run", `{"account": "A1"}`, 200},
		{"operator", "POST", "/api/dry-run", `{}`, 400},
		{"", "POST", "/api/dry-run", `{"account": "A1"}`, 401},
		{"viewer", "POST", "/api/dry-run", `{"account": "A1"}`, 403},
	} {
		if got := b.held(spec, tc.group, tc.method, tc.path, tc.body); got != tc.want {
			t.Errorf("%s %s %s by %q answered %d, want %d", tc.method, tc.path, tc.body, tc.group, got, tc.want)
		}
	}
	for code, want := range map[hotsync.Code]int{hotsync.CodeZuoraNotFound: 404, hotsync.CodeZuoraForbidden: 502,
		hotsync.CodeZuoraUnavailable: 503} {
		b.sides.zuora = hotsync.Errorf(code, "x")
		if got := b.held(spec, "operator", "POST", "/api/dry-run", `{"account": "A1"}`); got != want {
			t.Errorf("a dry run that meets %s answered %d, want %d", code, got, want)
		}
	}
	for _, name := range []string{"Search", "Get", "PutQueued"} {
		b.events.fail[name] = unavailable
	}
	b.queue.fail, b.settings.fail, found.err, seen.fail = unavailable, unavailable, unavailable, unavailable
	for _, tc := range [][3]string{{"viewer", "GET", "/api/events"}, {"viewer", "GET", "/api/events/" + ended.ID},
		{"operator", "POST", "/api/events/" + ended.ID + "/retry"},
		{"operator", "POST", "/api/events/" + ended.ID + "/reveal"}, {"viewer", "GET", "/api/catalogue"},
		{"viewer", "GET", "/api/logins"}, {"viewer", "GET", "/api/queue"}, {"viewer", "GET", "/api/settings"},
		{"admin", "PUT", "/api/settings"}, {"operator", "POST", "/api/sync"}} {
		body := map[string]string{"/api/settings": settings, "/api/sync": `{"account": "A1"}`,
			"/api/events/" + ended.ID + "/reveal": `{"reason": "the customer asked"}`}[tc[2]]
		if got := b.held(spec, tc[0], tc[1], tc[2], body); got != 503 {
			t.Errorf("%s %s without DynamoDB and SQS answered %d, want 503", tc[1], tc[2], got)
		}
	}
}

var apiRoute = regexp.MustCompile(`HandleFunc\("([A-Z]+) (/api/[^"]*)"`)

// TestEveryRouteIsDescribed: docs/openapi.yaml and docs/console.md have each route
// of the JSON API that the source has.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()

	spec, err := os.ReadFile(filepath.Join("..", "..", "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range apiRoute.FindAllSubmatch(source, -1) {
			seen++
			_, rest, ok := bytes.Cut(spec, append([]byte("\n  "+string(m[2])), ":\n"...))
			item, _, _ := bytes.Cut(rest, []byte("\n  /"))
			if !ok || !bytes.Contains(item, []byte("    "+strings.ToLower(string(m[1]))+":\n")) {
				t.Errorf("docs/openapi.yaml has no %s %s, which %s serves", m[1], m[2], file)
			}
		}
	}
	if seen < 8 {
		t.Errorf("found %d routes in the source", seen)
	}
}
