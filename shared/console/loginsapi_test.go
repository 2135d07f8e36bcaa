package console_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// records are logins that led to nothing, with the last query.
type records struct {
	page eventstore.LoginPage
	last eventstore.LoginQuery
	err  error
}

func (r *records) Logins(_ context.Context, q eventstore.LoginQuery) (eventstore.LoginPage, error) {
	r.last = q
	return r.page, r.err
}

func TestAPILogins(t *testing.T) {
	t.Parallel()

	b := setup(t)
	r := &records{page: eventstore.LoginPage{Cursor: "next",
		Logins: []hotsync.LoginRecord{{ID: "event-1", At: start, Trigger: hotsync.TriggerLogin, Provider: "direct",
			Reason: "claim_missing", Subject: "ada", Issuer: "https://id.example.com", Verified: true, EmailHash: "secret",
			Claims: []hotsync.LoginClaim{{Claim: "zuora_acounts", Reason: "claim_missing",
				Detail: "The login has no such claim."}}}}}}
	cfg := b.config()
	cfg.Logins = r
	b.server.Close()
	b.server = httptest.NewServer(console.New(cfg))
	t.Cleanup(b.server.Close)

	status, got := b.call("operator", "GET",
		"/api/logins?q=ada@example.com&provider=direct&reason=claim_missing&from=1h&limit=7&cursor=c", "")
	want := map[string]any{"cursor": "next",
		"logins": []any{map[string]any{"id": "event-1", "at": "2026-11-22T12:00:00Z", "trigger": "login",
			"provider": "direct",
			"reason":   "claim_missing", "subject": "ada", "issuer": "https://id.example.com", "verified": true, "had": []any{},
			"hint": "Compare the name of the claim in the settings with the names that the login had, letter by letter.",
			"claims": []any{map[string]any{"claim": "zuora_acounts", "reason": "claim_missing",
				"detail": "The login has no such claim."}}}}}
	if diff := cmp.Diff(want, got); status != 200 || diff != "" {
		t.Errorf("answered %d, mismatch (-want +got):\n%s", status, diff)
	}
	if diff := cmp.Diff(eventstore.LoginQuery{Q: "ada@example.com", Provider: "direct", Reason: "claim_missing",
		From: start.Add(-3600e9), Limit: 7, Cursor: "c"}, r.last); diff != "" {
		t.Errorf("query mismatch (-want +got):\n%s", diff)
	}
	_, got = b.call("viewer", "GET", "/api/logins", "")
	if row, _ := got["logins"].([]any)[0].(map[string]any); row["subject"] == "ada" {
		t.Error("a viewer sees the subject unmasked")
	}
	for _, path := range []string{"?limit=0", "?limit=x", "?from=someday", "?to=%00"} {
		if status, _ := b.call("viewer", "GET", "/api/logins"+path, ""); status != 400 {
			t.Errorf("GET /api/logins%s answered %d, want 400", path, status)
		}
	}
	if status, _ := b.call("nobody", "GET", "/api/logins", ""); status != 403 {
		t.Errorf("somebody without a role got %d", status)
	}
}
