package frontdoor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSampleEvents runs every sample event of this function.
func TestSampleEvents(t *testing.T) {
	t.Parallel()

	two := []string{"A00000101", "A00000201"}
	want := map[string][]string{
		"cognito-post-authentication":               two,
		"cognito-post-confirmation":                 two,
		"cognito-post-confirmation-forgot-password": nil,
		"cognito-pre-token-generation":              nil,
		"cognito-pre-token-generation-v2":           nil,
		"cognito-inbound-federation":                nil,
		"cognito-claim-single":                      two[:1],
		"cognito-claim-list":                        two,
		"cognito-claim-spaces":                      two,
		"cognito-claim-commas":                      two,
		"cognito-claim-json-text":                   two,
		"cognito-claim-url-encoded":                 two,
		"cognito-claim-malformed":                   two[:1],
		"cognito-claim-empty":                       nil,
		"cognito-claim-missing":                     nil,
		"http-login-bearer":                         nil,
		"http-login-jwt-authorizer":                 two,
		"rest-login-authorizer":                     two,
		"rest-login-lambda-authorizer":              two,
		"http-login-lambda-authorizer":              two,
		"http-login-mapping-key":                    two,
		"http-login-bare-token":                     two,
		"http-progress-bearer":                      nil,
		"http-sync-bearer":                          nil,
		"cognito-claim-list-of-one":                 two[:1],
		"cognito-federated-sign-in":                 nil, // names no account but by cognito:username
	}
	files, err := filepath.Glob("../../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		prefix, _, _ := strings.Cut(name, "-")
		if prefix != "cognito" && prefix != "http" && prefix != "rest" {
			continue // of another function
		}
		seen[name] = true
		accounts, ok := want[name]
		if !ok {
			t.Errorf("%s is not tested: add the accounts that it queues to want in this test", file)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b := newBundle()
			got := b.invoke(t, string(raw))
			if prefix == "cognito" && got != string(raw) {
				t.Errorf("answer %s, want the event unchanged", got)
			}
			if name == "http-login-bearer" && !strings.Contains(got, "token_malformed") {
				t.Errorf("answer %s, want the placeholder refused", got)
			}
			var sent []string
			for _, r := range b.sent {
				sent = append(sent, r.Account)
			}
			if diff := cmp.Diff(accounts, sent); diff != "" {
				t.Errorf("sent mismatch (-want +got):\n%s", diff)
			}
		})
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("events/ has no %s.json", name)
		}
	}
}
