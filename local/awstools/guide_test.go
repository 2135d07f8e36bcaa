package awstools_test

import (
	"archive/zip"
	"bytes"
	"errors"
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

// guideCommands are the commands of a page of docs/ that begin with a word, each on
// one line.
func guideCommands(t *testing.T, name, word string) (all []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root(t), "docs", name))
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
	commands := guideCommands(t, "deploy.md", "aws")
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

// TestOperateOnMoto runs every command of AWS's CLI in docs/operate.md as it is written
// there, and holds that a restored table has what its stack would have given it.
func TestOperateOnMoto(t *testing.T) {
	t.Parallel()

	tools := awstools.Require(t)
	moto := tools.Moto(t)
	c := &cloud{t: t, tools: tools, moto: moto, env: tools.Environment("AWS_ENDPOINT_URL=" + moto), dir: t.TempDir()}
	c.aws("dynamodb", "create-table", "--table-name", "events", "--billing-mode", "PAY_PER_REQUEST",
		"--attribute-definitions", "AttributeName=pk,AttributeType=S", "--key-schema", "AttributeName=pk,KeyType=HASH")
	c.aws("dynamodb", "update-continuous-backups", "--table-name", "events",
		"--point-in-time-recovery-specification", "PointInTimeRecoveryEnabled=true")
	c.aws("dynamodb", "put-item", "--table-name", "events", "--item", `{"pk":{"S":"kept"}}`)
	c.aws("secretsmanager", "create-secret", "--name", "session-key", "--secret-string", "old")
	role := c.aws("iam", "create-role", "--role-name", "console", "--assume-role-policy-document", "{}",
		"--query", "Role.Arn", "--output", "text")
	code := filepath.Join(c.dir, "console.zip")
	err := os.WriteFile(code, emptyZip(t), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c.aws("lambda", "create-function", "--function-name", "hotsync-console", "--runtime", "provided.al2023",
		"--handler", "bootstrap", "--role", role, "--zip-file", "fileb://"+code)

	fill := strings.NewReplacer("<table>", "events", "<new table>", "events-restored", "<secret>", "session-key",
		"<new value>", "new", "<StackName>", "hotsync")
	commands := guideCommands(t, "operate.md", "aws")
	for _, command := range commands {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", fill.Replace(command))
		cmd.Dir, cmd.Env = root(t), c.env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if len(commands) != 7 {
		t.Errorf("the page has %d commands of AWS's CLI, want 7", len(commands))
	}
	for _, want := range []struct{ args, value string }{
		{"dynamodb get-item --table-name events-restored --key {\"pk\":{\"S\":\"kept\"}} --query Item.pk.S", "kept"},
		{"dynamodb describe-time-to-live --table-name events-restored --query TimeToLiveDescription.AttributeName", "expiresAt"},
		{"dynamodb describe-continuous-backups --table-name events-restored --query " +
			"ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus", "ENABLED"},
		{"dynamodb describe-table --table-name events-restored --query Table.DeletionProtectionEnabled", "True"},
		{"secretsmanager get-secret-value --secret-id session-key --query SecretString", "new"},
	} {
		if got := c.aws(append(strings.Fields(want.args), "--output", "text")...); got != want.value {
			t.Errorf("aws %s = %q, want %q", want.args, got, want.value)
		}
	}
}

// emptyZip is the code of a function that is never called.
func emptyZip(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	_, err := w.Create("bootstrap")
	err = errors.Join(err, w.Close())
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
