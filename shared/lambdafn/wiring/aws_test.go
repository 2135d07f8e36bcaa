package wiring_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"hotsync/shared/lambdafn"
	"hotsync/shared/lambdafn/wiring"
)

// A company's proxy shows certificates of its own, which AWS_CA_BUNDLE names.
func TestCertificatesOfABundleAreTrusted(t *testing.T) {
	s := httptest.NewTLSServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(s.Close)
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	full := func() (aws.Config, error) { return wiring.AWS(t.Context(), 1, 5*time.Second) }
	light := func() (aws.Config, error) { return lambdafn.AWS(os.Getenv, 1, 5*time.Second) }
	for _, tc := range []struct {
		name, bundle string
		load         func() (aws.Config, error)
		trusted      bool
	}{
		{"full, without", "", full, false}, {"full, with", bundle, full, true},
		{"light, without", "", light, false}, {"light, with", bundle, light, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("AWS_CA_BUNDLE", tc.bundle)
			cfg, err := tc.load()
			if err != nil {
				t.Fatalf("AWS: %v", err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := cfg.HTTPClient.Do(req)
			if (err == nil) != tc.trusted {
				t.Errorf("call: %v, want trusted %t", err, tc.trusted)
			}
			if err == nil {
				res.Body.Close()
			}
		})
	}
}
