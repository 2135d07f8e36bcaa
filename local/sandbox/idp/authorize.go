package idp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"hotsync/local/sandbox"
	"hotsync/shared/hotsync"
)

// Bounds of the codes that wait to be exchanged.
const (
	codeLifetime = time.Minute
	maxCodes     = 1000
)

// authorization is a request to sign in: the parameters of RFC 6749, 4.1.1,
// OpenID Connect Core 3.1.2.1 and RFC 7636.
type authorization struct {
	redirect  string
	state     string
	nonce     string
	challenge string
}

// grant is a sign-in whose code was not yet exchanged.
type grant struct {
	authorization
	issuer  string
	persona string
	at      time.Time
}

// oauthError is an error code of RFC 6749 or OpenID Connect, with a sentence.
type oauthError struct{ code, description string }

func (e *oauthError) Error() string { return e.code + ": " + e.description }

var challengePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// readAuthorization reads the request. tell says whether an error may be sent to
// the redirect address: not when that, or the client, is what is wrong.
func readAuthorization(q url.Values) (_ authorization, tell bool, err error) {
	for name, values := range q {
		if len(values) > 1 {
			return authorization{}, false, &oauthError{"invalid_request", name + " is given more than once."}
		}
	}
	a := authorization{
		redirect:  q.Get("redirect_uri"),
		state:     q.Get("state"),
		nonce:     q.Get("nonce"),
		challenge: q.Get("code_challenge"),
	}
	switch {
	case q.Get("client_id") != ClientID:
		return a, false, &oauthError{"unauthorized_client", "The only client is " + ClientID + "."}
	case !loopback(a.redirect):
		return a, false, &oauthError{
			"invalid_request",
			"redirect_uri must be an http address on 127.0.0.1, [::1] or localhost, without a fragment.",
		}
	case q.Get("response_type") != "code":
		return a, true, &oauthError{"unsupported_response_type", "Only response_type=code is supported."}
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		return a, true, &oauthError{"invalid_request", "Only response_mode=query is supported."}
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return a, true, &oauthError{"invalid_scope", "The scope must contain openid."}
	case q.Get("code_challenge_method") != "S256" || !challengePattern.MatchString(a.challenge):
		return a, true, &oauthError{"invalid_request", "PKCE with code_challenge_method=S256 is required."}
	case q.Get("prompt") == "none":
		return a, true, &oauthError{"login_required", "Nobody stays signed in here."}
	}
	return a, true, nil
}

// loopback reports whether address may be redirected to: plain http on this
// computer, any port and path (RFC 8252, 7.3).
func loopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.User != nil || u.Opaque != "" || strings.Contains(address, "#") {
		return false
	}
	return hotsync.IsLoopback(u.Hostname())
}

// redirectTo adds parameters to an address and sends the browser there.
func redirectTo(w http.ResponseWriter, r *http.Request, address string, add url.Values) {
	u, err := url.Parse(address)
	if err != nil {
		refusalPage(w, http.StatusBadRequest, "The redirect address cannot be read.")
		return
	}
	q := u.Query()
	maps.Copy(q, add)
	u.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, u.String(), http.StatusFound)
}

// refuseAuthorization sends an error where it belongs.
func refuseAuthorization(w http.ResponseWriter, r *http.Request, a authorization, tell bool, err error) {
	var e *oauthError
	if !errors.As(err, &e) || !tell {
		refusalPage(w, http.StatusBadRequest, err.Error())
		return
	}
	add := url.Values{"error": {e.code}, "error_description": {e.description}}
	if a.state != "" {
		add.Set("state", a.state)
	}
	redirectTo(w, r, a.redirect, add)
}

func (i issuer) signInPage(w http.ResponseWriter, r *http.Request) {
	a, tell, err := readAuthorization(r.URL.Query())
	if err != nil {
		refuseAuthorization(w, r, a, tell, err)
		return
	}
	i.renderSignIn(w, r.URL.RawQuery)
}

// signIn takes the persona picked on the page. The request to sign in is still
// in the address, and is read again, so that the page holds no state.
func (i issuer) signIn(w http.ResponseWriter, r *http.Request) {
	a, tell, err := readAuthorization(r.URL.Query())
	if err != nil {
		refuseAuthorization(w, r, a, tell, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	name := r.PostFormValue("persona")
	if name == "" {
		refuseAuthorization(w, r, a, true, &oauthError{"access_denied", "Nobody signed in."})
		return
	}
	p, ok := i.persona(name)
	if !ok {
		refusalPage(w, http.StatusBadRequest, "Nobody of that name signs in here.")
		return
	}
	code := rand.Text()
	i.keep(code, grant{authorization: a, issuer: i.name, persona: p.Name, at: i.now()})
	add := url.Values{"code": {code}, "iss": {i.url()}} // iss: RFC 9207
	if a.state != "" {
		add.Set("state", a.state)
	}
	redirectTo(w, r, a.redirect, add)
}

func (s *Server) keep(code string, g grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, g := range s.codes {
		if s.now().Sub(g.at) > codeLifetime || len(s.codes) >= maxCodes {
			delete(s.codes, old)
		}
	}
	s.codes[code] = g
}

// take returns the grant of a code, once.
func (s *Server) take(code string) (grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.codes[code]
	delete(s.codes, code)
	return g, ok && s.now().Sub(g.at) <= codeLifetime
}

// token exchanges a code (RFC 6749, 4.1.3).
func (i issuer) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if origin := r.Header.Get("Origin"); loopback(origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin) // a page is a public client; PKCE guards its code
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	answer, err := i.exchange(r)
	var e *oauthError
	switch {
	case errors.As(err, &e):
		sandbox.Answer(w, http.StatusBadRequest, map[string]string{"error": e.code, "error_description": e.description})
	case err != nil:
		sandbox.Refuse(w, http.StatusInternalServerError, err)
	default:
		sandbox.Answer(w, http.StatusOK, answer)
	}
}

func (i issuer) exchange(r *http.Request) (map[string]any, error) {
	client := r.PostFormValue("client_id")
	if id, _, ok := r.BasicAuth(); ok {
		client = id
	}
	switch {
	case r.PostFormValue("grant_type") != "authorization_code":
		return nil, &oauthError{"unsupported_grant_type", "Only authorization_code is supported."}
	case client != ClientID:
		return nil, &oauthError{"invalid_client", "The only client is " + ClientID + "."}
	}
	g, ok := i.take(r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case !ok || g.issuer != i.name:
		return nil, &oauthError{"invalid_grant", "The code is unknown, used or expired."}
	case r.PostFormValue("redirect_uri") != g.redirect:
		return nil, &oauthError{"invalid_grant", "redirect_uri is not the one of the sign-in."}
	case subtle.ConstantTimeCompare([]byte(encode(sum[:])), []byte(g.challenge)) != 1:
		return nil, &oauthError{"invalid_grant", "code_verifier does not fit the code_challenge."}
	}
	p, ok := i.persona(g.persona)
	if !ok {
		return nil, &oauthError{"invalid_grant", "The person is gone."}
	}
	claims := maps.Clone(p.Claims)
	claims["auth_time"] = g.at.Unix()
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	id, err := i.idToken(claims)
	if err != nil {
		return nil, err
	}
	now := i.now()
	access, err := i.current().
		sign("at+jwt", map[string]any{
			"iss":       i.url(),
			"sub":       p.Claims["sub"],
			"aud":       i.url(),
			"client_id": ClientID,
			"token_use": "access",
			"scope":     "openid",
			"iat":       now.Unix(),
			"exp":       now.Add(lifetime).Unix(),
			"jti":       rand.Text(),
		})
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"id_token":     id,
		"access_token": access,
		"token_type":   "Bearer",
		"expires_in":   int(lifetime.Seconds()),
		"scope":        "openid",
	}, nil
}

// logout is RP-initiated logout. Nobody stays signed in here, so all there is to
// do is to send the browser back.
// https://openid.net/specs/openid-connect-rpinitiated-1_0.html
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back := q.Get("post_logout_redirect_uri")
	switch {
	case back == "":
		render(
			w,
			http.StatusOK,
			"message",
			page{Title: "Signed out", Text: "You are signed out of the local identity provider."},
		)
	case !loopback(back):
		refusalPage(w, http.StatusBadRequest, "post_logout_redirect_uri must be an http address on this computer.")
	default:
		add := url.Values{}
		if q.Get("state") != "" {
			add.Set("state", q.Get("state"))
		}
		redirectTo(w, r, back, add)
	}
}
