package wiring_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hotsync/shared/lambdafn/wiring"
)

// TestKick calls a function by its name, and by that of its alias: with both in the
// path the signature would depend on how a colon is written there.
func TestKick(t *testing.T) {
	// The AWS SDK reads the process' own environment.
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	for variable, want := range map[string]string{
		"hotsync-reconcile":      "POST /2015-03-31/functions/hotsync-reconcile/invocations Event",
		"hotsync-reconcile:live": "POST /2015-03-31/functions/hotsync-reconcile/invocations?Qualifier=live Event",
	} {
		var got, authorization string
		lambda := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.Method + " " + r.URL.String() + " " + r.Header.Get("X-Amz-Invocation-Type")
			authorization = r.Header.Get("Authorization")
			w.WriteHeader(http.StatusAccepted)
		}))
		t.Cleanup(lambda.Close)
		environment := map[string]string{"AWS_REGION": "eu-west-1", "SEARCH_KEY": "0123456789012345678901234567890123456789",
			"AWS_ENDPOINT_URL_LAMBDA": lambda.URL, "RECONCILE_FUNCTION": variable}
		p := wiring.New(t.Context(), func(name string) string { return environment[name] }, &bytes.Buffer{})
		kick := p.Kick("RECONCILE_FUNCTION")
		err := p.Err()
		if err != nil {
			t.Fatal(err)
		}
		err = kick(t.Context())
		if err != nil || got != want || !strings.Contains(authorization, "/eu-west-1/lambda/aws4_request") {
			t.Errorf("%s: %v, called %q with %q; want %q", variable, err, got, authorization, want)
		}
	}
}
