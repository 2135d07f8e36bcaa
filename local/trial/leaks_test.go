package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotsync/local/sandbox/persona"
	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// Everything that a persona's login leaves behind is searched: what failed, and
// why, as well as what was synced.
func TestLeaks(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	s := stacktest.Start(t, stack.Options{Personas: true, Dir: dir, Env: []string{"LOG_LEVEL=debug"}})
	refused := map[string]any{"match": "GET /v1/**", "times": 8, "status": 400, "body": map[string]any{
		"reasons": []map[string]any{{"code": 50000020,
			"message": "Invalid value " + zuorasandbox.Canary + " of ada.whitfield@example.com"}}}}
	garbled := map[string]any{"match": "PUT /**", "times": 2, "status": 400,
		"body": "Bearer aaaaaaaaaaaaaaaaaaaaaaaa of ada.whitfield@example.com is refused"}
	var ids []string
	for _, faults := range [][]map[string]any{{refused}, {}} {
		s.Behave(s.ZuoraURL, map[string]any{"faults": faults})
		s.Behave(s.LimioURL, map[string]any{"faults": []map[string]any{garbled}})
		for _, p := range persona.All(time.Now()) {
			if p.Issuer == persona.Staff {
				continue
			}
			for _, e := range s.Login(s.PersonaToken(p.Name)).Queued {
				ids = append(ids, e.Event)
			}
		}
		s.Idle()
	}

	found := []string{}
	failed := 0
	for _, id := range ids {
		e, ok := s.Event(id)
		if !ok {
			continue // a lookup that matched nothing
		}
		if e.Status == hotsync.StatusFailed {
			failed++
		}
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, search("event "+id, raw, nowhere, personal)...)
	}
	if failed == 0 {
		t.Error("no sync failed, so no failure was searched")
	}
	c := staffMember(t, s)
	pages := []string{"/", "/events", "/events.csv", "/events.jsonl", "/settings", "/events?status=failed"}
	for _, id := range ids {
		pages = append(pages, "/events/"+id)
	}
	for _, page := range pages {
		found = append(found, search(page, c.get(page), nowhere, personal)...)
	}
	state, err := json.Marshal(s.Limio())
	if err != nil {
		t.Fatal(err)
	}
	found = append(found, search("Limio", state, nowhere)...)
	logs, err := filepath.Glob(filepath.Join(dir, "logs", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, search(filepath.Base(name), text, nowhere, personal)...)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// The search finds what it is for.
func TestSearchFinds(t *testing.T) {
	t.Parallel()

	for _, text := range []string{
		zuorasandbox.Canary + "tokenId-1", stack.LimioClientSecret, zuorasandbox.DefaultClientSecret,
		"Authorization: Bearer abcdefghijklmnopqrstuvwxyz", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.x", "ada@example.com",
		"First-0123abcd", "soak|000001",
	} {
		if len(search("log", []byte("before "+text+" after"), nowhere, personal, subjects)) == 0 {
			t.Errorf("%q was not found", text)
		}
	}
	if found := search("log", []byte("account 8a12 synced, event-01"), nowhere, personal, subjects); len(found) != 0 {
		t.Errorf("found where nothing is: %q", found)
	}
}

// member is somebody of staff with a session in the console.
type member struct {
	t    *testing.T
	base string
	http *http.Client
}

func staffMember(t *testing.T, s *stacktest.System) member {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := member{t, s.URL, &http.Client{Jar: jar}}
	res, err := m.http.Get(s.URL + "/signin/start")
	if err != nil {
		t.Fatal(err)
	}
	err = res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	page := res.Request.URL // where the redirects led: the provider's sign-in page
	if !strings.Contains(page.Path, "/authorize") {
		t.Fatalf("signing in leads to %s", page)
	}
	res, err = m.http.PostForm(page.String(), url.Values{"persona": {"viewer"}})
	if err != nil {
		t.Fatal(err)
	}
	err = res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("signing in ended with %d, %v", res.StatusCode, err)
	}
	return m
}

func (m member) get(path string) []byte {
	m.t.Helper()
	res, err := m.http.Get(m.base + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNotFound {
		m.t.Errorf("GET %s = %d", path, res.StatusCode)
	}
	return body
}
