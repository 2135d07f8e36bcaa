package awstools_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hotsync/local/awstools"
	"hotsync/local/pages"
	"hotsync/local/stack"
)

var placeholder = regexp.MustCompile(`<[A-Za-z ]+>`)

// reader runs commands of pages in a shell, against a moto of its own.
type reader struct {
	*cloud
	values map[string]string // of what a page leaves open, such as <pool id>
}

func newReader(t *testing.T) *reader {
	t.Helper()
	tools := awstools.Require(t)
	moto := tools.Moto(t)
	c := &cloud{t: t, tools: tools, moto: moto, env: tools.Environment("AWS_ENDPOINT_URL=" + moto), dir: t.TempDir()}
	return &reader{cloud: c, values: map[string]string{}}
}

// shell runs a command as it is written, in the checkout, and returns what it printed.
func (r *reader) shell(c pages.Command) string {
	r.t.Helper()
	text := placeholder.ReplaceAllStringFunc(c.Text, func(name string) string {
		value, ok := r.values[name]
		if !ok {
			r.t.Fatalf("%s: nobody says what %s is", c, name)
		}
		return value
	})
	cmd := exec.CommandContext(r.t.Context(), "bash", "-c", text)
	cmd.Dir, cmd.Env = root(r.t), r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Errorf("%s: %v\n%s", c, err, out)
	}
	return string(out)
}

// pool makes a user pool as template.yaml makes it, of which moto knows no outputs.
func (r *reader) pool() string {
	return r.aws("cognito-idp", "create-user-pool", "--pool-name", "guide", "--query", "UserPool.Id", "--output", "text",
		"--schema", "Name=zuora_accounts,AttributeDataType=String,Mutable=true")
}

// function makes a function that is called by nobody, with variables of its
// environment.
func (r *reader) function(name, variables string) (arn string) {
	role := r.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", "{}",
		"--query", "Role.Arn", "--output", "text")
	code := filepath.Join(r.dir, name+".zip")
	err := os.WriteFile(code, emptyZip(r.t), 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.aws("lambda", "create-function", "--function-name", name, "--runtime", "provided.al2023",
		"--handler", "bootstrap", "--role", role, "--zip-file", "fileb://"+code, "--environment", "Variables={"+variables+"}",
		"--query", "FunctionArn", "--output", "text")
}

// TestGuideOnMoto runs the commands of docs/deploy.md that are for AWS as they are
// written there: secrets, a user with accounts, the triggers, and the first sign-in.
func TestGuideOnMoto(t *testing.T) {
	t.Parallel()

	r := newReader(t)
	pool := r.pool()
	client := r.aws("cognito-idp", "create-user-pool-client", "--user-pool-id", pool, "--client-name", "guide",
		"--query", "UserPoolClient.ClientId", "--output", "text",
		"--explicit-auth-flows", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
	r.values = map[string]string{"<pool id>": pool, "<UserPoolId>": pool, "<UserPoolClientId>": client,
		"<password>": "Trial-2026-password", "<LoginFunctionArn>": r.function("hotsync-login", "A=b")}
	commands := pages.Of(t)
	// The user is made further down in the guide than an attribute of theirs is set.
	var later []pages.Command
	for _, c := range commands {
		if strings.Contains(c.Text, "admin-update-user-attributes") {
			later = append(later, c)
			continue
		}
		out := r.shell(c)
		if strings.Contains(c.Text, "initiate-auth") && !strings.Contains(out, "IdToken") {
			t.Errorf("%s answered %s, want an ID token", c, out)
		}
		if strings.Contains(c.Text, "--dry-run") && !strings.Contains(out, "PostAuthentication") {
			t.Errorf("%s answered %s, want what would differ", c, out)
		}
	}
	for _, c := range later {
		r.shell(c)
	}
	if len(commands) < 7 || len(later) != 1 {
		t.Errorf("the guide has %d commands", len(commands))
	}
	var user struct {
		UserAttributes []struct{ Name, Value string }
	}
	r.read(&user, "cognito-idp", "admin-get-user", "--user-pool-id", pool, "--username", "ada@example.com")
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

// TestOperateOnMoto runs the commands of docs/operate.md as they are written there, and
// holds that a restored table has what its stack would have given it; and the one of
// docs/backfill.md by which the command line learns of a deployment.
func TestOperateOnMoto(t *testing.T) {
	t.Parallel()

	r := newReader(t)
	r.aws("dynamodb", "create-table", "--table-name", "events", "--billing-mode", "PAY_PER_REQUEST",
		"--attribute-definitions", "AttributeName=pk,AttributeType=S", "--key-schema", "AttributeName=pk,KeyType=HASH")
	r.aws("dynamodb", "update-continuous-backups", "--table-name", "events",
		"--point-in-time-recovery-specification", "PointInTimeRecoveryEnabled=true")
	r.aws("dynamodb", "put-item", "--table-name", "events", "--item", `{"pk":{"S":"kept"}}`)
	r.aws("secretsmanager", "create-secret", "--name", "session-key", "--secret-string", "old")
	r.function("hotsync-console", "A=b")
	first := r.aws("lambda", "publish-version", "--function-name", "hotsync-console",
		"--query", "Version", "--output", "text")
	r.aws("lambda", "create-alias", "--function-name", "hotsync-console", "--name", "live", "--function-version", first)
	r.function("hotsync-reconcile", "EVENTS_TABLE=events")
	described := filepath.Join(r.dir, "production.json")
	r.values = map[string]string{"<table>": "events", "<new table>": "events-restored", "<secret>": "session-key",
		"<new value>": "new", "<StackName>": "hotsync", "<version>": first}
	commands := pages.Of(t)
	for _, c := range commands {
		c.Text = strings.ReplaceAll(c.Text, "> production.json", "> "+described)
		out := r.shell(c)
		if strings.HasPrefix(c.Text, "aws lambda publish-version") {
			r.values["<version>"] = strings.TrimSpace(out)
		}
	}
	if len(commands) != 13 {
		t.Errorf("the pages have %d commands, want 13", len(commands))
	}
	if live := r.values["<version>"]; live == first {
		t.Errorf("publishing gave version %s again", live)
	}
	system, err := stack.ReadSystem(described)
	if err != nil || system.Environment["EVENTS_TABLE"] != "events" {
		t.Errorf("docs/backfill.md describes a deployment as %+v, %v", system, err)
	}
	for _, want := range []struct{ args, value string }{
		{"dynamodb get-item --table-name events-restored --key {\"pk\":{\"S\":\"kept\"}} --query Item.pk.S", "kept"},
		{"dynamodb describe-time-to-live --table-name events-restored --query TimeToLiveDescription.AttributeName",
			"expiresAt"},
		{"dynamodb describe-continuous-backups --table-name events-restored --query " +
			"ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus", "ENABLED"},
		{"dynamodb describe-table --table-name events-restored --query Table.DeletionProtectionEnabled", "True"},
		{"secretsmanager get-secret-value --secret-id session-key --query SecretString", "new"},
		{"lambda get-alias --function-name hotsync-console --name live --query FunctionVersion", r.values["<version>"]},
	} {
		if got := r.aws(append(strings.Fields(want.args), "--output", "text")...); got != want.value {
			t.Errorf("aws %s = %q, want %q", want.args, got, want.value)
		}
	}
}

// TestRunbooksOnMoto runs the commands of the runbooks.
func TestRunbooksOnMoto(t *testing.T) {
	t.Parallel()

	r := newReader(t)
	// moto runs no function: it answers for it.
	r.configure(`{"lambda": {"use_docker": false}}`)
	pool := r.pool()
	r.values = map[string]string{"<pool id>": pool, "<stack>": "hotsync"}
	arn := r.function("hotsync-login", "A=b")
	r.aws("cognito-idp", "update-user-pool", "--user-pool-id", pool, "--lambda-config",
		"PostAuthentication="+arn+",PostConfirmation="+arn)
	for _, c := range pages.Of(t) {
		c.Text = strings.ReplaceAll(c.Text, " out.json", " "+filepath.Join(r.dir, "out.json"))
		r.shell(c)
	}
	triggers := r.aws("cognito-idp", "describe-user-pool", "--user-pool-id", pool, "--query", "UserPool.LambdaConfig",
		"--output", "json")
	if strings.Contains(triggers, arn) {
		t.Errorf("after the runbook's command the pool still calls %s", triggers)
	}
}

// configure changes how moto behaves.
func (r *reader) configure(config string) {
	r.t.Helper()
	res, err := http.Post(r.moto+"/moto-api/config", "application/json", strings.NewReader(config))
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		r.t.Fatalf("moto answers %s to %s", res.Status, config)
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
