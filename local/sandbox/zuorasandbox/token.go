package zuorasandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"maps"
	"mime"
	"net/http"
	"sync"
	"time"
)

const tokenPath = "/oauth/token"

// tokens are the access tokens that were given out.
type tokens struct {
	now func() time.Time

	mu    sync.RWMutex
	until map[string]time.Time
}

func newTokens(now func() time.Time) *tokens {
	return &tokens{now: now, until: map[string]time.Time{}}
}

func (t *tokens) issue() string {
	token := randomHex()
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.until, func(_ string, until time.Time) bool { return !now.Before(until) })
	t.until[token] = now.Add(tokenLifetime)
	return token
}

func (t *tokens) valid(token string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	until, ok := t.until[token]
	return ok && t.now().Before(until)
}

// expire ends all tokens.
func (t *tokens) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.until)
}

// randomHex returns 32 hex digits.
func randomHex() string {
	var b [16]byte
	_, err := rand.Read(b[:])
	if err != nil {
		panic(err) // documented never to happen
	}
	return hex.EncodeToString(b[:])
}

// createToken serves POST /oauth/token. Assumed: the bodies of its errors.
func (s *Server) createToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		refuse(w, r, http.StatusNotFound, notFound, "No such operation: "+r.Method+" "+r.URL.Path)
		return
	}
	if !s.limits.enterToken(w.Header()) {
		w.WriteHeader(http.StatusTooManyRequests) // documented without a body
		return
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		sendJSON(w, r, http.StatusUnsupportedMediaType, object{"error": "invalid_request"})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	err = r.ParseForm()
	switch {
	case err != nil:
		sendJSON(w, r, http.StatusBadRequest, object{"error": "invalid_request"})
	case r.PostForm.Get("grant_type") != "client_credentials":
		sendJSON(w, r, http.StatusBadRequest, object{"error": "unsupported_grant_type"})
	case !same(r.PostForm.Get("client_id"), s.config.ClientID) ||
		!same(r.PostForm.Get("client_secret"), s.config.ClientSecret):
		sendJSON(w, r, http.StatusUnauthorized, object{"error": "invalid_client"})
	default:
		s.limits.countToken()
		sendJSON(w, r, http.StatusOK, object{
			"access_token": s.tokens.issue(),
			"token_type":   "bearer",
			"expires_in":   int(tokenLifetime.Seconds()) - 1,
			"scope":        "user.local entity.11e643f4-a3ee-8bad-b061-0025904c57d6 service.echo.read tenant.1",
			"jti":          randomHex(),
		})
	}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
