package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox"
	"hotsync/local/sandbox/limiosandbox"
	"hotsync/local/sandbox/zuorasandbox"
)

// tenants are sandboxes in place of Zuora and Limio, with their credentials in
// the environment, which is why these tests do not run side by side.
func tenants(t *testing.T) (zuoraURL, limioURL string) {
	t.Helper()
	z := httptest.NewServer(zuorasandbox.New(zuorasandbox.Config{Personas: true}))
	l := httptest.NewServer(limiosandbox.New(limiosandbox.Config{ClientID: "limio", ClientSecret: "s"}))
	t.Cleanup(z.Close)
	t.Cleanup(l.Close)
	t.Setenv("ZUORA", `{"clientId":"`+zuorasandbox.DefaultClientID+`","clientSecret":"`+zuorasandbox.DefaultClientSecret+
		`"}`)
	t.Setenv("LIMIO", `{"clientId":"limio","clientSecret":"s"}`)
	return z.URL, l.URL
}

func runCheck(t *testing.T, args ...string) (code int, lines []string, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"check"}, args...), &out, &errs)
	return code, strings.Split(strings.TrimSpace(out.String()), "\n"), errs.String()
}

func TestCheck(t *testing.T) {
	z, l := tenants(t)
	code, got, stderr := runCheck(t, "--zuora", z, "--limio", l, "--account", "A00000101", "--field", "LimioExternalId__c")
	if code != 0 || stderr != "" {
		t.Errorf("check ended with %d and said %q", code, stderr)
	}
	for i, line := range got { // ids differ from run to run, and payments from day to day
		for _, what := range []string{"by its number", "the coming payments"} {
			if head, _, ok := strings.Cut(line, what+":"); ok {
				got[i] = head + what
			}
		}
	}
	want := []string{
		"holds    zuora  OAuth client is accepted and may read",
		"holds    zuora  LimioExternalId__c exists on Account and can be searched",
		"holds    zuora  an account is found by its number",
		"holds    zuora  plan V (v1) reads the account: 1 subscriptions, 1 payment methods",
		"holds    zuora  plan H (Object Query) reads the same: 1 subscriptions, 1 payment methods",
		"holds    zuora  billing preview tells the coming payments",
		"holds    limio  OAuth client is accepted and may read",
		"holds    limio  an account that is not there is told (assumption 8)",
		"unknown  limio  a customer is found by its Zuora account id (assumption 5): Limio has no customer of this " +
			"account; give one whose customer you know",
		"holds    limio  objects of kind schedule have a list (assumption 7)",
		"holds    limio  objects of kind subscription_add_on have a list (assumption 7)",
		"holds    limio  the published catalogue can be read (assumption 15): 0 items, 0 left out",
		"unknown  limio  objects can be created by POST (assumption 2): only a write can tell, see docs/limits.md",
		"unknown  limio  a repeated POST is refused (assumption 4): only a write can tell, see docs/limits.md",
		"unknown  limio  PUT takes a status (assumption 6): only a write can tell, see docs/limits.md",
		"",
		"11 hold, 0 fail, 4 unknown. Nothing was written. docs/limits.md says what each means.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("check mismatch (-want +got):\n%s", diff)
	}
	for _, base := range []string{z, l} {
		for _, r := range requests(t, base) {
			if r.Method != http.MethodGet && !strings.HasSuffix(r.Path, "/token") && r.Path != "/v1/action/query" &&
				r.Path != "/v1/operations/billing-preview" {
				t.Errorf("check made %s %s", r.Method, r.Path)
			}
		}
	}
}

func requests(t *testing.T, base string) []sandbox.Request {
	t.Helper()
	res, err := http.Get(base + "/_sandbox/requests")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var all []sandbox.Request
	err = json.NewDecoder(res.Body).Decode(&all)
	if err != nil || len(all) == 0 {
		t.Fatalf("%d requests, %v", len(all), err)
	}
	return all
}

func TestCheckFindsFaults(t *testing.T) {
	z, l := tenants(t)
	for _, tc := range []struct {
		name string
		args []string
		env  [2]string
		code int
		want string
	}{
		{name: "field", args: []string{"--zuora", z, "--field", "Nowhere__c"}, code: 1,
			want: "FAILS    zuora  Nowhere__c exists on Account: lookup_field_refused"},
		{name: "account", args: []string{"--zuora", z, "--account", "A99999999"}, code: 1,
			want: "FAILS    zuora  an account is found by its number: zuora_account_not_found"},
		{name: "zuora client", args: []string{"--zuora", z, "--field", "LimioExternalId__c"},
			env:  [2]string{"ZUORA", `{"clientId":"x","clientSecret":"hunter2"}`},
			code: 1, want: "FAILS    zuora  OAuth client is accepted and may read: zuora_unauthorized"},
		{name: "limio client", args: []string{"--limio", l},
			env:  [2]string{"LIMIO", `{"clientId":"x","clientSecret":"hunter2"}`},
			code: 1, want: "FAILS    limio  OAuth client is accepted and may read: limio_unauthorized"},
		{name: "no credentials", args: []string{"--limio", l}, env: [2]string{"LIMIO", ""}, code: 1,
			want: "set LIMIO_SECRET_ID"},
		{name: "host", args: []string{"--zuora", "https://example.com"}, code: 1,
			want: `"https://example.com" is no Zuora environment`},
		{name: "nothing", code: 2, want: "give --limio, --zuora or both"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.env[0] != "" {
				t.Setenv(tc.env[0], tc.env[1])
			}
			code, lines, stderr := runCheck(t, tc.args...)
			all := strings.Join(lines, "\n") + stderr
			if code != tc.code || !strings.Contains(all, tc.want) {
				t.Errorf("check ended with %d, want %d and %q in:\n%s", code, tc.code, tc.want, all)
			}
			if strings.Contains(all, "hunter2") {
				t.Errorf("check shows the secret:\n%s", all)
			}
		})
	}
}

// Whatever the clients come to do, check writes nothing.
func TestReadOnlyRefusesWrites(t *testing.T) {
	t.Parallel()

	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	client := &http.Client{Transport: readOnly{http.DefaultTransport}}
	for method, path := range map[string]string{http.MethodPut: "/a", http.MethodPost: "/api/objects/limio/customers",
		http.MethodDelete: "/a", http.MethodPatch: "/oauth/token"} {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err == nil {
			t.Errorf("%s %s went through", method, path)
			res.Body.Close()
		}
	}
	if asked != 0 {
		t.Errorf("the server was asked %d times", asked)
	}
}
