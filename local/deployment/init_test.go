package deployment_test

import (
	"bytes"
	"errors"
	"maps"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"hotsync/local/lambdahost"
	"hotsync/local/template"
)

// optional are variables that a function starts without, whatever they hold.
var optional = map[string]string{
	"LOG_LEVEL":   "anything unknown is info",
	"CONSOLE_URL": "empty takes the request's own host",
}

// A variable that is missing or wrong stops the real binary at init, with one
// line that names it and says how to set it.
func TestBadVariableStopsFunctionAtInit(t *testing.T) {
	t.Parallel()

	root, _ := load(t)
	const secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:x-000000"
	tmpl, err := template.Load(root+"/template.yaml", template.Options{SQSEndpoint: "http://127.0.0.1:1", Parameters: map[string]string{
		"LimioBaseUrl": "https://acme.prod.limio.com", "ZuoraSecretId": secret, "LimioSecretId": secret, "CalloutSecretId": secret,
		"ConsoleIssuer": "https://login.example.com", "ConsoleClientId": "c"}})
	if err != nil {
		t.Fatal(err)
	}
	binaries, err := lambdahost.Build(t.Context(), root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tmpl.Functions {
		good := maps.Clone(f.Environment)
		maps.Copy(good, map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_LAMBDA_FUNCTION_NAME": f.Name})
		for name := range f.Environment {
			if optional[name] != "" {
				continue
			}
			t.Run(f.LogicalID+"/"+name, func(t *testing.T) {
				t.Parallel()

				bad := maps.Clone(good)
				delete(bad, name)
				if _, err := strconv.Atoi(good[name]); err == nil {
					bad[name] = "many"
				}
				cmd := exec.CommandContext(t.Context(), binaries[f.Dir])
				cmd.Env = []string{}
				for k, v := range bad {
					cmd.Env = append(cmd.Env, k+"="+v)
				}
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				err := cmd.Run()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != 1 {
					t.Fatalf("the function ended with %v, want exit status 1; it said: %s", err, &stderr)
				}
				said := stderr.String()
				if strings.Count(said, "\n") != 1 || !strings.Contains(said, "cannot start: set "+name+" to ") {
					t.Errorf("the function said %q, want one line that says how to set %s", said, name)
				}
			})
		}
	}
}
