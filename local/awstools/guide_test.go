package awstools_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hotsync/local/awstools"
)

var (
	shellBlock  = regexp.MustCompile("(?s)```sh\n(.*?)```")
	placeholder = regexp.MustCompile(`<[A-Za-z ]+>`)
)

// guideCommands are the commands of docs/deploy.md that begin with a word, each on
// one line.
func guideCommands(t *testing.T, word string) (all []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root(t), "docs", "deploy.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range shellBlock.FindAllSubmatch(page, -1) {
		text := strings.ReplaceAll(string(block[1]), "\\\n", " ")
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, word+" ") {
				all = append(all, strings.TrimSpace(line))
			}
		}
	}
	return all
}

// TestGuideOnMoto runs every command of AWS's CLI in docs/deploy.md as it is written
// there, in a shell: secrets, a user with accounts, and the first sign-in.
func TestGuideOnMoto(t *testing.T) {
	t.Parallel()

	tools := awstools.Require(t)
	moto := tools.Moto(t)
	c := &cloud{t: t, tools: tools, moto: moto, env: tools.Environment("AWS_ENDPOINT_URL=" + moto), dir: t.TempDir()}
	// The pool as template.yaml makes it, of which moto knows no outputs.
	pool := c.aws("cognito-idp", "create-user-pool", "--pool-name", "guide", "--query", "UserPool.Id", "--output", "text",
		"--schema", "Name=zuora_accounts,AttributeDataType=String,Mutable=true")
	client := c.aws("cognito-idp", "create-user-pool-client", "--user-pool-id", pool, "--client-name", "guide",
		"--query", "UserPoolClient.ClientId", "--output", "text",
		"--explicit-auth-flows", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
	values := map[string]string{"<pool id>": pool, "<UserPoolId>": pool, "<UserPoolClientId>": client,
		"<password>": "Trial-2026-password"}
	filled := func(command string) string {
		return placeholder.ReplaceAllStringFunc(command, func(name string) string {
			value, ok := values[name]
			if !ok {
				t.Fatalf("nobody says what %s is in: %s", name, command)
			}
			return value
		})
	}
	shell := func(command string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "bash", "-c", filled(command))
		cmd.Dir, cmd.Env = root(t), c.env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	commands := guideCommands(t, "aws")
	// The user is made further down in the guide than an attribute of theirs is set.
	var later []string
	for _, command := range commands {
		if strings.Contains(command, "admin-update-user-attributes") {
			later = append(later, command)
			continue
		}
		out := shell(command)
		if strings.Contains(command, "initiate-auth") && !strings.Contains(out, "IdToken") {
			t.Errorf("%s answered %s, want an ID token", command, out)
		}
	}
	for _, command := range later {
		shell(command)
	}
	if len(commands) < 6 || len(later) != 1 {
		t.Errorf("the guide has %d commands of AWS's CLI", len(commands))
	}
	var user struct {
		UserAttributes []struct{ Name, Value string }
	}
	c.read(&user, "cognito-idp", "admin-get-user", "--user-pool-id", pool, "--username", "ada@example.com")
	accounts := ""
	for _, a := range user.UserAttributes {
		if a.Name == "custom:zuora_accounts" {
			accounts = a.Value
		}
	}
	if accounts != "A00000001,A00000002" {
		t.Errorf("the user has the accounts %q", accounts)
	}
	t.Logf("%d commands of docs/deploy.md ran", len(commands))
}
