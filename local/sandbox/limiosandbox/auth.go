package limiosandbox

import (
	"encoding/hex"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"hotsync/local/sandbox"
)

// auth knows the OAuth client and the tokens given to it.
type auth struct {
	mu         sync.Mutex
	id, secret string
	tokens     map[string]time.Time // to the end of their life
}

// Rotate changes the OAuth client's credentials: the old ones and every token
// are void from now on.
func (s *Sandbox) Rotate(clientID, clientSecret string) {
	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	s.auth.id, s.auth.secret = clientID, clientSecret
	s.auth.tokens = map[string]time.Time{}
}

// token is the client-credentials grant, with the credentials in the form or as
// HTTP Basic: https://developers.limio.com/api-docs/authentication-overview/full-api
func (s *Sandbox) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err := r.ParseForm()
	if err != nil {
		sandbox.Answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		sandbox.Answer(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	var b [16]byte
	s.fill(b[:])
	value, now := hex.EncodeToString(b[:]), s.now()

	s.auth.mu.Lock()
	defer s.auth.mu.Unlock()
	if id != s.auth.id || secret != s.auth.secret {
		sandbox.Answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	maps.DeleteFunc(s.auth.tokens, func(_ string, end time.Time) bool { return !now.Before(end) })
	s.auth.tokens[value] = now.Add(tokenLife)
	sandbox.Answer(w, http.StatusOK, map[string]any{"access_token": value, "id_token": value, "token_type": "Bearer",
		"expires_in": int(tokenLife.Seconds())})
}

// authorized lets requests with a living token through.
func (s *Sandbox) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.auth.mu.Lock()
		end, known := s.auth.tokens[value]
		s.auth.mu.Unlock()
		if !bearer || !known || !s.now().Before(end) {
			refuse(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
		next.ServeHTTP(w, r)
	})
}
