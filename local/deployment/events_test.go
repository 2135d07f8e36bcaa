package deployment_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hotsync/local/checkout"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// answer is what the sample events' functions answer, as far as it is looked at.
type answer struct {
	StatusCode int `json:"statusCode"`
	Failures   *[]struct {
		ItemIdentifier string `json:"itemIdentifier"`
	} `json:"batchItemFailures"`
}

// sampleFunctions tells by the beginning of its name whose event a file is.
var sampleFunctions = map[string]string{"cognito": "LoginFunction", "http": "LoginApiFunction",
	"rest": "LoginApiFunction",
	"sqs":  "SyncFunction", "deadletter": "DeadLetterFunction", "callout": "CalloutFunction", "console": "ConsoleFunction",
	"backfill": "BackfillFunction", "reconcile": "ReconcileFunction"}

// sampleStatus is the HTTP status that an event of an API gets.
var sampleStatus = map[string]int{"http-login-bearer": 401, "http-login-jwt-authorizer": 202,
	"rest-login-authorizer": 202,
	"http-login-bare-token": 202, "http-login-mapping-key": 202, "http-login-lambda-authorizer": 202,
	"rest-login-lambda-authorizer": 202,
	"http-sync-bearer":             401, "http-progress-bearer": 401,
	"callout-signed": 202, "callout-unsigned": 401, "console-overview": 303}

var sampleEventID = regexp.MustCompile(`event-[0-9a-f]{32}`)

// TestSampleEvents runs every file of events/ through its compiled function, as
// AWS would call it.
func TestSampleEvents(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Name: "samples", Personas: true})
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "events", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if name == "env" {
			continue // of sam local invoke
		}
		prefix, _, _ := strings.Cut(name, "-")
		function, ok := sampleFunctions[prefix]
		if !ok {
			t.Errorf("%s is of no function", file)
			continue
		}
		used[function] = true
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// A test's identity provider has an address of its own, and events of March 2026 have expired.
		now := time.Now().UTC()
		text := strings.ReplaceAll(string(raw), "http://127.0.0.1:8093", s.IDPURL)
		text = strings.ReplaceAll(text, "2026-03-01T12:00:00Z", now.Format(time.RFC3339))
		ids := map[string]string{}
		text = sampleEventID.ReplaceAllStringFunc(text, func(old string) string {
			ids[old] = hotsync.EventIDFor(now, name, old)
			return ids[old]
		})
		got := s.Invoke(function, json.RawMessage(text))
		if got.Status != http.StatusOK || got.Header.Get("X-Amz-Function-Error") != "" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
			continue
		}
		if prefix == "cognito" {
			if !sameJSON(t, []byte(text), got.Body) {
				t.Errorf("%s: answered %s, want the event unchanged", name, got.Body)
			}
			continue
		}
		if prefix == "reconcile" {
			continue // it answers nothing
		}
		var a answer
		err = json.Unmarshal(got.Body, &a)
		if err != nil {
			t.Errorf("%s: answered %s", name, got.Body)
		}
		switch prefix {
		case "sqs", "backfill", "deadletter":
			if a.Failures == nil || len(*a.Failures) != 0 {
				t.Errorf("%s: answered %s, want no failures", name, got.Body)
			}
			for _, id := range ids {
				checkSampleEvent(t, name, s.Await(id))
			}
		default:
			if want := sampleStatus[name]; a.StatusCode != want {
				t.Errorf("%s: status %d, want %d: %s", name, a.StatusCode, want, got.Body)
			}
		}
	}
	for _, f := range s.Template.Functions {
		if !used[f.LogicalID] {
			t.Errorf("%s has no sample event", f.LogicalID)
		}
	}
}

func checkSampleEvent(t *testing.T, name string, e hotsync.Event) {
	t.Helper()
	want := hotsync.StatusSucceeded
	if strings.HasPrefix(name, "deadletter") {
		want = hotsync.StatusFailed
	}
	if e.Status != want && e.Reason != hotsync.ReasonCoalesced {
		t.Errorf("%s: the event is %s %s (%v), want %s", name, e.Status, e.Reason, e.Error, want)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y bytes.Buffer
	for out, in := range map[*bytes.Buffer][]byte{&x: a, &y: b} {
		err := json.Compact(out, in)
		if err != nil {
			t.Fatal(err)
		}
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}
