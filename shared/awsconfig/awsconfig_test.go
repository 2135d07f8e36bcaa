package awsconfig_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hotsync/shared/awsconfig"
)

// A company's proxy shows certificates of its own, which AWS_CA_BUNDLE names.
func TestCertificatesOfABundleAreTrusted(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(s.Close)
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	for _, tc := range []struct {
		name, bundle string
		trusted      bool
	}{{"without", "", false}, {"with", bundle, true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("AWS_CA_BUNDLE", tc.bundle)
			cfg, err := awsconfig.Load(t.Context(), 1, 5*time.Second)
			if err != nil {
				t.Fatalf("Load: %v", err)
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
