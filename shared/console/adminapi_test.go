package console_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console/staff/stafftest"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncer"
)

// call sends JSON as somebody of that group and gives status and answer.
func (b *bundle) call(group, method, path, body string) (int, map[string]any) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization",
		"Bearer "+stafftest.Token(map[string]any{"iss": b.provider.URL, "sub": "robot", "groups": []any{group}}))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out map[string]any
	err = json.NewDecoder(resp.Body).Decode(&out)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, out
}

func code(answer map[string]any) any {
	problem, _ := answer["error"].(map[string]any)
	return problem["code"]
}

func TestAPISettings(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	status, answer := b.call("viewer", "GET", "/api/settings", "")
	if status != 200 || !cmp.Equal(answer["findings"], []any{}) {
		t.Fatalf("GET answered %d %v", status, answer)
	}
	raw, err := json.Marshal(answer["settings"])
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Replace(string(raw), `"createOffers":false`, `"createOffers":true`, 1)
	if status, _ := b.call("operator", "PUT", "/api/settings", body); status != 403 {
		t.Errorf("an operator's PUT answered %d", status)
	}
	status, answer = b.call("admin", "PUT", "/api/settings", body)
	if status != 200 || !b.settings.value.CreateOffers || b.settings.value.Version != 5 ||
		b.settings.value.UpdatedBy != "robot" {
		t.Errorf("PUT answered %d %v", status, answer)
	}
	if findings, _ := answer["findings"].([]any); len(findings) != 1 {
		t.Errorf("findings = %v", answer["findings"])
	}
	for _, tc := range []struct {
		name, body string
		status     int
		code       any
	}{
		{"version that is not in force", body, 409, "conflict"},
		{"invalid", `{"version": 5, "timeZone": "Mars"}`, 422, "settings_invalid"},
		{"misspelt", `{"version": 5, "hotsynk": true}`, 400, "bad_request"},
		{"two", `{} {}`, 400, "bad_request"},
		{"nothing", ``, 400, "bad_request"},
		{"huge", `{"timeZone": "` + strings.Repeat("x", 2<<20) + `"}`, 400, "bad_request"},
	} {
		status, answer := b.call("admin", "PUT", "/api/settings", tc.body)
		if status != tc.status || code(answer) != tc.code {
			t.Errorf("%s: PUT answered %d %v, want %d %v", tc.name, status, code(answer), tc.status, tc.code)
		}
	}
	if b.settings.value.Version != 5 {
		t.Error("something refused was saved")
	}
}

func TestAPISyncAndDryRun(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	b.sides.would = syncer.DryRun{Account: hotsync.AccountRef{ID: accountOne}}
	status, answer := b.call("operator", "POST", "/api/sync", `{"account": " A00000001 ", "note": "by hand"}`)
	if status != 202 || answer["status"] != "queued" || answer["trigger"] != "api" || len(b.queue.sent) != 1 {
		t.Fatalf("sync answered %d %v", status, answer)
	}
	got := b.queue.sent[0]
	if got.Account != "A00000001" || got.AccountID != "" || got.EventID != answer["id"] || got.Note != "by hand" ||
		got.Actor != "robot" {
		t.Errorf("queued %+v", got)
	}
	if last := b.acts.list[len(b.acts.list)-1]; last.Action != "sync" || last.Result != got.EventID {
		t.Errorf("recorded %+v", last)
	}
	status, answer = b.call("operator", "POST", "/api/dry-run", `{"account": "`+accountOne+`"}`)
	if status != 200 || !cmp.Equal(answer["changes"], []any{}) || len(b.sides.dryRuns) != 1 ||
		b.sides.dryRuns[0].AccountID != accountOne || len(b.queue.sent) != 1 {
		t.Errorf("dry run answered %d %v", status, answer)
	}
	for _, path := range []string{"/api/sync", "/api/dry-run"} {
		for _, body := range []string{`{}`, `{"account": "a?b"}`, `{"account": "A1,A2"}`, `{"account": ["A1"]}`,
			`{"acount": "A1"}`, `[]`, `{"account": "` + strings.Repeat("A", 71) + `"}`} {
			status, answer := b.call("operator", "POST", path, body)
			if status != 400 || code(answer) != "bad_request" {
				t.Errorf("%s %.40s answered %d %v", path, body, status, answer)
			}
		}
		if status, _ := b.call("viewer", "POST", path, `{"account": "A1"}`); status != 403 {
			t.Errorf("a viewer's %s answered %d", path, status)
		}
	}
	b.queue.fail = hotsync.Errorf(hotsync.CodeQueueUnavailable, "SQS did not take the request.")
	if status, answer := b.call("operator", "POST", "/api/sync", `{"account": "A1"}`); status != 503 {
		t.Errorf("sync answered %d %v", status, answer)
	}
}

// TestAPIMasks: a viewer's token sees no more of a person than the pages show;
// who may act sees it, and reveal is an act with a reason.
func TestAPIMasks(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	e := by["skipped, several accounts match"]
	read := func(group, path string) string {
		_, answer := b.call(group, "GET", path, "")
		raw, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for _, path := range []string{"/api/events", "/api/events/" + e.ID} {
		if got := read("viewer", path); strings.Contains(got, e.Subject) || !strings.Contains(got, "••••") {
			t.Errorf("a viewer reads %s: %.300s", path, got)
		}
		if got := read("operator", path); !strings.Contains(got, e.Subject) {
			t.Errorf("an operator does not read the subject in %s", path)
		}
	}
	path := "/api/events/" + e.ID + "/reveal"
	for body, want := range map[string]int{`{"reason": " "}`: 400, `{}`: 400, ``: 400,
		`{"reason": "asked by phone"}`: 200} {
		if status, answer := b.call("operator", "POST", path, body); status != want {
			t.Errorf("reveal with %q answered %d %v, want %d", body, status, answer, want)
		}
		if status, _ := b.call("viewer", "POST", path, body); status != 403 {
			t.Errorf("a viewer's reveal answered %d", status)
		}
	}
	_, answer := b.call("operator", "POST", path, `{"reason": "again"}`)
	if who, _ := answer["identity"].(map[string]any); who["sub"] != e.Subject {
		t.Errorf("reveal answered %v", answer)
	}
	if len(b.acts.list) != 2 || b.acts.list[1].Action != "reveal" || b.acts.list[1].Note != "again" ||
		b.acts.list[1].Event != e.ID {
		t.Errorf("recorded %+v", b.acts.list)
	}
}
