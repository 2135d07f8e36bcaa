package limio_test

import (
	"net/http"
	"testing"

	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
)

// Whoever believes a transfer that did not happen links a login to an owner that has not the account.
func TestTransferOwnerAnswers(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		status int
		body   string
		want   hotsync.Code // "" for none
	}{
		"done":          {http.StatusOK, `{"success":true}`, ""},
		"done, no word": {http.StatusOK, `{}`, ""},
		"not completed": {http.StatusOK, `{"success":false}`, hotsync.CodeLimioUnavailable},
		"refused":       {http.StatusBadRequest, `{"success":true}`, hotsync.CodeLimioRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := fake(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				write(t, w, tc.body)
			})
			c := newClient(t, limio.Config{BaseURL: s.URL, Credentials: fixedCredentials})
			err := c.TransferOwner(t.Context(), "id-1", "id-2")
			if tc.want != "" {
				wantCode(t, err, tc.want)
			} else if err != nil {
				t.Errorf("TransferOwner: %v", err)
			}
		})
	}
}
