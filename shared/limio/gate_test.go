package limio_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
)

// door is a gate that remembers what it was told.
type door struct {
	mu     sync.Mutex
	closed error
	told   []int
}

func (d *door) Allow(context.Context) error { return d.closed }

func (d *door) Report(_ context.Context, status int, _ time.Duration, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, status)
}

// The pause learns from every answer but from a 502 for an account, which may
// only say that Limio does not have it.
func TestGateIsToldOfOutages(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name     string
		accounts int // status of a read of an account
		rest     int
		want     []int // told after the token
	}{
		{"outage", 502, 502, []int{0, 502}},
		{"overloaded", 503, 503, []int{503}},
		{"asked to wait", 429, 429, []int{429}},
		{"does not have it", 404, 200, []int{404}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/oauth2/token":
					w.Header().Set("Content-Type", "application/json")
					w.Write([]byte(`{"access_token":"t","token_type":"Bearer","expires_in":3600}`))
				case strings.HasPrefix(r.URL.Path, "/api/objects/zuora/customers/"):
					w.WriteHeader(tc.accounts)
				default:
					w.WriteHeader(tc.rest)
				}
			}))
			t.Cleanup(s.Close)
			gate := &door{}
			c, err := limio.New(limio.Config{BaseURL: s.URL, Gate: gate,
				Credentials: func(context.Context, bool) (string, string, error) { return "id", "secret", nil }})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Account(t.Context(), strings.Repeat("a", 32))
			if (err != nil) != (tc.accounts != http.StatusNotFound) {
				t.Errorf("Account error = %v", err)
			}
			if diff := cmp.Diff(append([]int{200}, tc.want...), gate.told); diff != "" {
				t.Errorf("the gate was told otherwise (-want +got):\n%s", diff)
			}
			gate.closed = hotsync.Errorf(hotsync.CodeLimioPaused, "paused").After(time.Second)
			_, err = c.Account(t.Context(), strings.Repeat("a", 32))
			if hotsync.AsError(err).Code != hotsync.CodeLimioPaused {
				t.Errorf("Account at a closed gate = %v, want limio_paused", err)
			}
		})
	}
}
