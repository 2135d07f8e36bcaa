package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotsync/local/pages"
	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
)

// secretsManager answers like AWS Secrets Manager, with a client of each sandbox.
func secretsManager(t *testing.T, secrets map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ SecretId string }
		err := json.NewDecoder(r.Body).Decode(&in)
		if err != nil || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
			http.Error(w, "no such call", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]string{"SecretString": secrets[in.SecretId]})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestDocumentedCommands runs every command of the command line on a page, as it is
// written there, in a shell: against the local system where the page means one, and
// against its sandboxes where it means a tenant.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	err := s.Describe()
	if err != nil {
		t.Fatal(err)
	}
	system, err := os.ReadFile(stack.SystemFile(s.Dir))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	zuora := `{"clientId":"` + zuorasandbox.DefaultClientID + `","clientSecret":"` + zuorasandbox.DefaultClientSecret +
		`"}`
	limio := `{"clientId":"` + stack.LimioClientID + `","clientSecret":"` + stack.LimioClientSecret + `"}`
	secrets := secretsManager(t, map[string]string{"arn:zuora": zuora, "arn:limio": limio})
	for name, text := range map[string]string{
		"production.json": string(system), // as aws lambda get-function-configuration says it, see TestOperateOnMoto
		"accounts.csv":    "account\nA00000101\n",
		"logins.csv":      "issuer,subject,account\nhttps://id.example.com,auth0|ada,A00000301\n",
		// go run, with the options that say where the local system is.
		"go": "#!/bin/sh\nshift 2\nexec hotsync \"$@\"\n",
	} {
		err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700)
		if err != nil {
			t.Fatal(err)
		}
	}
	fill := strings.NewReplacer(
		"ZUORA_SECRET_ID=<arn>", "ZUORA_SECRET_ID=arn:zuora", "LIMIO_SECRET_ID=<arn>", "LIMIO_SECRET_ID=arn:limio",
		"eu-sandbox", s.ZuoraURL, "https://<tenant>", s.LimioURL, "https://acme-sandbox.prod.limio.com", s.LimioURL,
		"<an account number>", "A00000101", "--account A00000001", "--account A00000101",
		`ZUORA='{"clientId": "…", "clientSecret": "…"}'`, "ZUORA='"+zuora+"'",
		`LIMIO='{"clientId": "…", "clientSecret": "…"}'`, "LIMIO='"+limio+"'")
	exported := "" // of the page that is read
	page := ""
	for _, c := range pages.Of(t) {
		if c.Page != page {
			page, exported = c.Page, ""
		}
		text := fill.Replace(c.Text)
		if strings.HasPrefix(text, "export ") {
			exported = text + "\n"
			continue
		}
		if strings.Contains(text, "<") {
			t.Errorf("%s: nobody says what to fill in: %s", c, text)
			continue
		}
		for _, name := range []string{"hotsync backfill ", "hotsync drift "} {
			if !strings.Contains(text, "--system") {
				text = strings.Replace(text, name, name+"--system production.json ", 1)
			}
		}
		text = strings.Replace(text, "hotsync login ", "hotsync login -api "+s.URL+" -idp "+s.IDPURL+" ", 1)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		cmd := exec.CommandContext(ctx, "bash", "-c", exported+text)
		cmd.Dir = dir
		// Nothing else of this process' own: tests beside this one that call commands leave
		// the variables of their systems in it.
		cmd.Env = []string{"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + dir,
			"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + secrets, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
			"AWS_REGION=us-east-1"}
		out, err := cmd.CombinedOutput()
		cancel()
		// Not every command of a page is a success there, and says so by its exit status.
		failing := map[string]string{"login ambiguous": "lookup_ambiguous", "drift --sample": "accounts: "}
		said := ""
		for part, want := range failing {
			if strings.Contains(c.Text, part) {
				said = want
			}
		}
		if err != nil && said == "" || !strings.Contains(string(out), said) || strings.Contains(string(out), "usage: ") {
			t.Errorf("%s: %v\n%s", c, err, out)
		}
	}
}

// TestNamedCommands: a command that a page names in its text is one of this command
// line, and has the flags that are named with it.
func TestNamedCommands(t *testing.T) {
	t.Parallel()

	known := map[string]map[string]bool{}
	for _, c := range commands() {
		var out bytes.Buffer
		_ = c.run(t.Context(), []string{"--help"}, &out, &out)
		known[c.name] = map[string]bool{"--help": true}
		for line := range strings.Lines(out.String()) {
			if name, ok := strings.CutPrefix(line, "  -"); ok {
				known[c.name]["--"+strings.Fields(name)[0]] = true
			}
		}
	}
	var all []pages.Command
	for _, word := range []string{"hotsync", "go run ./cmd/hotsync"} {
		named, err := pages.Inline(word)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range named {
			c.Text = strings.TrimSpace(strings.TrimPrefix(c.Text, word))
			all = append(all, c)
		}
	}
	if len(all) < 20 {
		t.Fatalf("the pages name %d commands", len(all))
	}
	for _, c := range all {
		words := strings.Fields(c.Text)
		if len(words) == 0 || strings.HasPrefix(words[0], "-") {
			continue
		}
		flags, ok := known[words[0]]
		if !ok {
			t.Errorf("%s: there is no command %s", c, words[0])
			continue
		}
		for _, w := range words[1:] {
			name, _, _ := strings.Cut(w, "=")
			if strings.HasPrefix(w, "--") && !flags[name] {
				t.Error(fmt.Sprint(c, ": hotsync ", words[0], " has no flag ", name))
			}
		}
	}
}
