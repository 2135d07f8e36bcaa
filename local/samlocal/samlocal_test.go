package samlocal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hotsync/local/checkout"
	"hotsync/local/samlocal"
	"hotsync/local/stack"
	"hotsync/local/stack/lambdahost"
	"hotsync/local/stack/stacktest"
	"hotsync/local/stack/template"
)

// inContainer is what sam itself puts into a container: region, made-up
// credentials, and no more.
var inContainer = []string{"AWS_SAM_LOCAL=true", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
	"AWS_ACCESS_KEY_ID=defaultkey", "AWS_SECRET_ACCESS_KEY=defaultsecret"}

// TestSampleEventsInSAMsEnvironment runs the lines of events/README.md with the
// compiled functions in the environment that sam would give them: variables of
// the template written for it, by an address that is not the engines' own.
func TestSampleEventsInSAMsEnvironment(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Name: "forsam", Personas: true})
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	doors, err := samlocal.Open(t.Context(), s.Stack, root, "127.0.0.2", dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := doors.Close()
		if err != nil {
			t.Error(err)
		}
	})
	// This reader is strict, and resolves nothing here: all is plain text.
	tmpl, err := template.Load(doors.Template, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	binaries := map[string]string{}
	for _, f := range tmpl.Functions {
		binaries[f.Dir] = filepath.Join(dir, "functions", f.Dir, "bootstrap")
		for name, value := range f.Environment {
			for _, own := range []string{s.Engines.DynamoDBEndpoint, s.Engines.SQSEndpoint, s.ZuoraURL, s.LimioURL} {
				if strings.Contains(value, own) {
					t.Errorf("%s: %s is %s, which no container reaches", f.LogicalID, name, value)
				}
			}
		}
	}
	logs := t.TempDir()
	t.Cleanup(func() {
		if t.Failed() {
			stacktest.ShowLogs(t, logs)
		}
	})
	host, err := lambdahost.New(lambdahost.Config{Template: tmpl, Binaries: binaries, Environment: inContainer,
		LogDir: logs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := host.Close(context.Background()) // the test's own context has ended
		if err != nil {
			t.Error(err)
		}
	})
	lines := readmeLines(t, root)
	if len(lines) != len(s.Template.Functions) {
		t.Errorf("events/README.md has %d lines of sam local invoke, for %d functions", len(lines), len(s.Template.Functions))
	}
	// In the order of their names the second lane comes first: it gives its message back
	// while a login waits, and the answer would depend on the order.
	for _, function := range slices.Sorted(maps.Keys(lines)) {
		event := lines[function]
		raw, err := os.ReadFile(filepath.Join(root, event))
		if err != nil {
			t.Fatal(err)
		}
		// The identity provider of make sam-local is at its usual address; this one has a port of its own.
		raw = bytes.ReplaceAll(raw, []byte("http://127.0.0.1:8093"), []byte(s.IDPURL))
		got, err := host.Invoke(t.Context(), function, raw)
		if err != nil || got.FunctionError != "" {
			t.Errorf("%s with %s: %v %s", function, event, err, got.Payload)
			continue
		}
		checkAnswer(t, function, got.Payload)
	}
}

// readmeLines are the events that events/README.md calls functions with.
func readmeLines(t *testing.T, root string) map[string]string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "events", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(readme)) {
		words := strings.Fields(line)
		if strings.HasPrefix(line, "sam local invoke ") && len(words) == 6 {
			lines[words[3]] = words[5]
		}
	}
	return lines
}

// checkAnswer wants what events/README.md says the function answers.
func checkAnswer(t *testing.T, function string, payload []byte) {
	t.Helper()
	var a struct {
		TriggerSource string             `json:"triggerSource"`
		StatusCode    int                `json:"statusCode"`
		Failures      *[]json.RawMessage `json:"batchItemFailures"`
	}
	err := json.Unmarshal(payload, &a)
	if err != nil {
		t.Fatal(err)
	}
	var ok bool
	switch function {
	case "LoginFunction":
		ok = a.TriggerSource == "PostAuthentication_Authentication"
	case "SyncFunction", "BackfillFunction", "DeadLetterFunction":
		ok = a.Failures != nil && len(*a.Failures) == 0
	case "CalloutFunction", "LoginApiFunction":
		ok = a.StatusCode == http.StatusAccepted
	case "ReconcileFunction":
		ok = true // answers nothing, and has no job to go on with
	case "ConsoleFunction":
		ok = a.StatusCode == http.StatusSeeOther
	}
	if !ok {
		t.Errorf("%s answered %s", function, payload)
	}
}
