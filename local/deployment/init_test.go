package deployment_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"hotsync/local/stack/stacktest"
	"hotsync/local/stack/template"
)

// optional are variables that a function starts without, whatever they hold.
var optional = map[string]string{"CONSOLE_GROUPS": "empty: the groups named after the roles",
	"CONSOLE_CLIENT_SECRET_ID": "empty: a public client",
	"LOG_LEVEL":                "anything unknown is info",
	"CONSOLE_URL":              "empty takes the request's own host",
	"STACK_NAME":               "without it nothing is counted by the stack's name",
}

// start runs a function's binary in an environment in which it must not start,
// and returns why it said that it does not: in its last line, which is one of its log
// like all others.
func start(t *testing.T, binary string, env map[string]string) (why string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = []string{}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("the function ended with %v, want exit status 1; it said: %s%s", err, &stdout, &stderr)
	}
	var said struct{ Level, Msg, Error string }
	for line := range bytes.Lines(stdout.Bytes()) {
		err = json.Unmarshal(line, &said)
		if err != nil {
			t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
	if stderr.Len() > 0 || said.Level != "ERROR" || said.Msg != "the function cannot start" {
		t.Errorf("the function said %s%s, want as the last line of its log that it cannot start", &stdout, &stderr)
	}
	return said.Error
}

// deployed returns the functions as they are configured in AWS, and their binaries.
func deployed(t *testing.T) ([]template.Function, map[string]string) {
	t.Helper()
	root, _ := load(t)
	tmpl, err := template.Load(root+"/template.yaml",
		template.Options{SQSEndpoint: "http://127.0.0.1:1", Parameters: map[string]string{
			"LimioBaseUrl": "https://acme.prod.limio.com", "ZuoraSecretId": secretARN, "LimioSecretId": secretARN,
			"CalloutSecretId": secretARN,
			"ConsoleIssuer":   "https://login.example.com", "ConsoleClientId": "c"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tmpl.Functions {
		maps.Copy(f.Environment, map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a",
			"AWS_SECRET_ACCESS_KEY": "b", "AWS_LAMBDA_FUNCTION_NAME": f.Name})
	}
	binaries, err := stacktest.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	return tmpl.Functions, binaries
}

const secretARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret:x-000000"

// A variable that is missing or wrong stops the real binary at init, with one
// line that names it and says how to set it.
func TestBadVariableStopsFunctionAtInit(t *testing.T) {
	t.Parallel()

	functions, binaries := deployed(t)
	for _, f := range functions {
		for name := range f.Environment {
			if optional[name] != "" || strings.HasPrefix(name, "AWS_") {
				continue
			}
			t.Run(f.LogicalID+"/"+name, func(t *testing.T) {
				t.Parallel()

				bad := maps.Clone(f.Environment)
				_, err := strconv.Atoi(bad[name])
				delete(bad, name)
				if err == nil {
					bad[name] = "many"
				}
				why := start(t, binaries[f.Dir], bad)
				if strings.Contains(why, "\n") || !strings.HasPrefix(why, "set "+name+" to ") {
					t.Errorf("the function said %q, want one line that says how to set %s", why, name)
				}
			})
		}
	}
}

// A secret that is missing, or holds something else, stops the functions that
// need it in the same way, and is not shown.
func TestBadSecretStopsFunctionAtInit(t *testing.T) {
	t.Parallel()

	functions, binaries := deployed(t)
	for name, text := range map[string]string{"missing": "", "no JSON": "hunter2",
		"of another form": `{"user":"hunter2"}`} {
		secrets := &vault{current: map[string]string{}, reads: map[string]int{}}
		if text != "" {
			secrets.current[secretARN] = text
		}
		manager := httptest.NewServer(secrets)
		t.Cleanup(manager.Close)
		for _, f := range functions {
			if f.Dir != "sync" && f.Dir != "callout" {
				continue // login and deadletter have none that they cannot do without; the console's is any text
			}
			t.Run(name+"/"+f.LogicalID, func(t *testing.T) {
				t.Parallel()

				env := maps.Clone(f.Environment)
				env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = manager.URL
				why := start(t, binaries[f.Dir], env)
				if strings.Contains(why, "\n") || !strings.HasPrefix(why, "The secret ") || strings.Contains(why, "hunter2") {
					t.Errorf("the function said %q, want one line about the secret", why)
				}
			})
		}
	}
}
