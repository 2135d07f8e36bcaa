package stack_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"hotsync/local/checkout"
	"hotsync/local/pages"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// TestDocumentedCalls runs every call by curl on a page, as it is written there, in a
// shell.
func TestDocumentedCalls(t *testing.T) {
	t.Parallel()

	_, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("NOT TESTED: needs curl")
	}
	s := stacktest.Start(t, stack.Options{Personas: true, Settings: func(v *hotsync.Settings) {
		for i, p := range v.Providers {
			if strings.HasSuffix(p.Issuer, "/direct") {
				v.Providers[i].SyncScope, v.Providers[i].SyncAudiences = "hotsync:sync", []string{"https://hotsync.example.com"}
			}
		}
	}})
	person := s.PersonaToken("single")
	system := s.Token("direct", map[string]any{"sub": "nightly", "aud": "https://hotsync.example.com",
		"scope": "hotsync:sync"})
	operator := s.PersonaToken("operator")
	event := s.Login(person).Queued[0].Event
	fill := strings.NewReplacer("<ApiUrl>", s.URL, "http://127.0.0.1:8080", s.URL, "http://127.0.0.1:8081", s.InvokeURL,
		"$(go run ./cmd/hotsync token single)", person, "<event>", event, "<the same person's ID token>", person)
	// POST /sync is a dry run there.
	wanted := map[string]string{s.URL + "/login": "202", s.URL + "/syncs/": "200", s.URL + "/sync": "200",
		s.URL + "/api/sync": "202", s.InvokeURL + "/": "200"}
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for _, c := range pages.Of(t) {
		text := fill.Replace(c.Text)
		cmd := exec.CommandContext(t.Context(), "bash", "-c", text+` --max-time 60 -w '\n%{http_code}'`)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "ID_TOKEN="+person, "ACCESS_TOKEN="+system, "TOKEN="+operator)
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", c, err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		path := ""
		for p := range wanted {
			if strings.Contains(text, p) && len(p) > len(path) {
				path = p
			}
		}
		ran[path]++
		if got := lines[len(lines)-1]; path == "" || got != wanted[path] {
			t.Errorf("%s: answered %s, want %s:\n%s", c, got, wanted[path], out)
		}
	}
	for path := range wanted {
		if ran[path] == 0 {
			t.Errorf("no page shows how to call %s", path)
		}
	}
}
