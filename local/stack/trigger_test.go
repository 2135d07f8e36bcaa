package stack_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/checkout"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// cognitoEvent is what Cognito calls a trigger with, of the sample events.
func cognitoEvent(t testing.TB, name string) doc {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(root, "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, raw)
}

// trigger calls the login function as Cognito does and makes sure that it gives
// the event back as it was.
func trigger(t testing.TB, s *stacktest.System, source, accounts string) {
	t.Helper()
	event := cognitoEvent(t, "cognito-post-authentication.json")
	event["triggerSource"] = source
	event["request"].(doc)["userAttributes"].(doc)["custom:zuora_accounts"] = accounts
	wantEcho(t, s, event)
}

func wantEcho(t testing.TB, s *stacktest.System, event doc) {
	t.Helper()
	a := s.Invoke("login", event)
	if a.Status != http.StatusOK || a.Header.Get("X-Amz-Function-Error") != "" {
		t.Fatalf("invoke: %d %s %s", a.Status, a.Header.Get("X-Amz-Function-Error"), a.Body)
	}
	if diff := cmp.Diff(event, parse(t, a.Body)); diff != "" {
		t.Errorf("the event came back changed (-sent +got):\n%s", diff)
	}
}

// events lists what the API finds, newest first.
func events(t testing.TB, s *stacktest.System, query string) []hotsync.Event {
	t.Helper()
	a := s.Do(http.MethodGet, s.URL+"/api/events?"+query, s.PersonaToken("operator"), nil)
	if a.Status != http.StatusOK {
		t.Fatalf("GET /api/events?%s: %d %s", query, a.Status, a.Body)
	}
	var list struct{ Events []hotsync.Event }
	a.Decode(t, &list)
	return list.Events
}

// awaitEvents waits until n events of an account are final.
func awaitEvents(t testing.TB, s *stacktest.System, account string, n int) []hotsync.Event {
	t.Helper()
	var found []hotsync.Event
	s.Until("events of "+account, func() bool {
		found = events(t, s, "account="+account)
		final := 0
		for _, e := range found {
			if e.Status.Final() {
				final++
			}
		}
		return final == n && len(found) == n
	}, nil)
	return found
}

// TestTriggers calls the login function as Cognito does: the event comes back
// whatever it is, a login syncs its accounts, and a call repeated by Cognito, or
// the other trigger of the same sign-up, syncs once.
func TestTriggers(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	// Calls of one login fall into one ten-second window, which they might
	// straddle: then they are two logins, by design.
	wait := time.Until(time.Now().Truncate(10 * time.Second).Add(10 * time.Second))
	if wait < 2*time.Second {
		<-time.After(wait)
	}
	for _, source := range []string{"PostConfirmation_ConfirmSignUp", "PostAuthentication_Authentication",
		"PostAuthentication_Authentication"} {
		trigger(t, s, source, "[A00000101, A00000201]")
	}
	for _, number := range []string{"A00000101", "A00000201"} {
		e := awaitEvents(t, s, number, 1)[0]
		wantEnd(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		if e.Provider != "cognito" || !strings.HasPrefix(string(e.Trigger), "Post") {
			t.Errorf("event by %s of %s, want a trigger of cognito", e.Trigger, e.Provider)
		}
	}
	s.Idle()
	r := readLimio(t, s)
	issuer, subject := hotsync.UserPoolIssuer("eu-west-1", "eu-west-1_EXAMPLE"), "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	ada, claire := find(t, "single").Accounts[0], find(t, "several").Accounts[0]
	wantMirror(t, expect(readV1(t, ada), issuer, subject, today()), r.mirror(ada.ID))
	wantMirror(t, expect(readV1(t, claire), issuer, subject, today()), r.mirror(claire.ID))
}

// TestSampleEvents hands the login function every Cognito event of events/.
func TestSampleEvents(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "events", "cognito-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sample events: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			wantEcho(t, s.For(t), cognitoEvent(t, filepath.Base(f)))
		})
	}
	for name, event := range map[string]string{"no event": `{}`, "list": `[1]`, "text": `"x"`, "null": `null`,
		"odd attributes": `{"triggerSource":"PostAuthentication_Authentication","request":{"userAttributes":7}}`} {
		t.Run(name, func(t *testing.T) {
			a := s.For(t).Invoke("login", json.RawMessage(event))
			if strings.TrimSpace(string(a.Body)) != event || a.Header.Get("X-Amz-Function-Error") != "" {
				t.Errorf("answer %s %s, want the event back", a.Body, a.Header.Get("X-Amz-Function-Error"))
			}
		})
	}
}

// TestAWSDown takes DynamoDB and SQS away: a login at Cognito goes on within its
// time, POST /login says 503.
func TestAWSDown(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name string
		down []string
		code hotsync.Code
	}{
		{"SQS", []string{"AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9"}, hotsync.CodeQueueUnavailable},
		{"DynamoDB", []string{"AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:9"}, hotsync.CodeStoreUnavailable},
		{"both", []string{"AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:9", "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9"},
			hotsync.CodeStoreUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			s := stacktest.Start(t, stack.Options{Personas: true, Env: tc.down})
			begun := time.Now()
			trigger(t, s, "PostAuthentication_Authentication", "A00000101")
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("the trigger took %s, Cognito waits for 5 s and the design for 1.5", took)
			}
			a := s.Do(http.MethodPost, s.URL+"/login", s.PersonaToken("single"), nil)
			if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
				t.Errorf("POST /login: %d with Retry-After %q, want 503 with one", a.Status, a.Header.Get("Retry-After"))
			}
			if code := a.Code(t); code != tc.code {
				t.Errorf("code %s, want %s", code, tc.code)
			}
		})
	}
}
