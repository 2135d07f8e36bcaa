package stack_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hotsync/local/checkout"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestDocumentedCalls runs every call of the HTTP API by curl in the deploy guide and
// on the page of the API, as it is written there, in a shell.
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
	event := s.Login(person).Queued[0].Event
	fill := strings.NewReplacer("<ApiUrl>", s.URL, "http://127.0.0.1:8080", s.URL,
		"$(go run ./cmd/hotsync token single)", person, "<event>", event, "<the same person's ID token>", person)
	wanted := map[string]string{"/login": "202", "/syncs/": "200", "/sync": "200"} // POST /sync is a dry run there
	ran := map[string]int{}
	for _, command := range documented(t, "curl", "deploy.md", "api.md") {
		text, _, _ := strings.Cut(fill.Replace(command), "     #")
		cmd := exec.CommandContext(t.Context(), "bash", "-c", text+` --max-time 60 -w '\n%{http_code}'`)
		cmd.Env = append(os.Environ(), "ID_TOKEN="+person, "ACCESS_TOKEN="+system)
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", command, err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		path := ""
		for p := range wanted {
			if strings.Contains(text, s.URL+p) && len(p) > len(path) {
				path = p
			}
		}
		ran[path]++
		if got := lines[len(lines)-1]; path == "" || got != wanted[path] {
			t.Errorf("%s: answered %s, want %s:\n%s", command, got, wanted[path], out)
		}
	}
	for path := range wanted {
		if ran[path] == 0 {
			t.Errorf("no page shows how to call %s", path)
		}
	}
}

// documented are the commands of pages that begin with a word, each on one line.
func documented(t *testing.T, word string, pages ...string) (all []string) {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range pages {
		page, err := os.ReadFile(filepath.Join(root, "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range shellBlock.FindAllSubmatch(page, -1) {
			for line := range strings.Lines(strings.ReplaceAll(string(block[1]), "\\\n", " ")) {
				if strings.HasPrefix(line, word+" ") {
					all = append(all, strings.TrimSpace(line))
				}
			}
		}
	}
	if len(all) == 0 {
		t.Fatal(fmt.Sprint("no page has a command ", word))
	}
	return all
}
