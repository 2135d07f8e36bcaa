package console

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// Sign-in is OpenID Connect's authorization code flow with PKCE:
// https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, RFC 7636.

func (c *console) routeSignIn(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin", c.open(c.signInPage))
	mux.HandleFunc("GET /signin/start", c.open(c.startSignIn))
	mux.HandleFunc("GET /signin/callback", c.open(c.endSignIn))
	mux.HandleFunc("POST /signout", c.open(c.signOut))
	mux.HandleFunc("POST /look", c.open(c.look))
}

// open serves what needs no session.
func (c *console) open(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err != nil {
			c.fail(w, r, member{}, err)
		}
	}
}

type signInView struct {
	To    string
	Ended bool // there was a session
}

func (c *console) signInPage(w http.ResponseWriter, r *http.Request) error {
	_, err := r.Cookie(c.cookieName(r, sessionPurpose))
	return c.render(w, r, member{}, "signin", view{Title: "Sign in", Body: signInView{To: ownPath(r.URL.Query().Get("to")), Ended: err == nil}})
}

// flow is what is remembered of a sign-in under way, in a sealed cookie.
type flow struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	To       string    `json:"to"`
	Began    time.Time `json:"began"`
}

const (
	flowPurpose = "signin"
	flowLimit   = 10 * time.Minute
)

func (c *console) startSignIn(w http.ResponseWriter, r *http.Request) error {
	conf, err := c.oauth(r)
	if err != nil {
		return err
	}
	f := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: ownPath(r.URL.Query().Get("to")), Began: c.Now()}
	err = c.setSealed(w, r, flowPurpose, f, flowLimit)
	if err != nil {
		return err
	}
	http.Redirect(w, r, conf.AuthCodeURL(f.State, oauth2.S256ChallengeOption(f.Verifier), oauth2.SetAuthURLParam("nonce", f.Nonce)), http.StatusSeeOther)
	return nil
}

func (c *console) endSignIn(w http.ResponseWriter, r *http.Request) error {
	f, err := c.takeFlow(w, r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if q.Get("error") != "" {
		// What the provider says goes to the log; its text is not for a page.
		c.Log.WarnContext(r.Context(), "sign-in refused by the identity provider", "oauth_error", clip(q.Get("error"), 80))
		return hotsync.Errorf(hotsync.CodeForbidden, "The identity provider did not sign you in.")
	}
	conf, err := c.oauth(r)
	if err != nil {
		return err
	}
	token, err := conf.Exchange(c.provider.context(r.Context()), q.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return exchangeError(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return hotsync.Errorf(hotsync.CodeTokenKind, "The identity provider sent no ID token.")
	}
	id, err := c.Tokens.Verify(r.Context(), raw, c.staffOnly)
	if err != nil {
		return err
	}
	nonce, _ := id.Claims["nonce"].(string)
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(f.Nonce)) != 1 {
		return hotsync.Errorf(hotsync.CodeTokenSignature, "The ID token belongs to another sign-in.")
	}
	now := c.Now()
	s := session{Subject: id.Subject, Name: displayName(id.Claims), Role: roleOf(groups(id, c.Staff.GroupsClaim)), Began: now, Used: now}
	if s.Role == Nobody {
		return hotsync.Errorf(hotsync.CodeForbidden, "You are signed in as %s, but none of your groups gives a role here. Ask for viewer, operator or admin.", s.member().Name())
	}
	err = c.setSealed(w, r, sessionPurpose, s, sessionLimit)
	if err != nil {
		return err
	}
	c.Log.InfoContext(r.Context(), "signed in", "actor", s.Subject, "role", s.Role.String())
	http.Redirect(w, r, f.To, http.StatusSeeOther)
	return nil
}

// takeFlow gives the sign-in that the provider answers to, once.
func (c *console) takeFlow(w http.ResponseWriter, r *http.Request) (flow, error) {
	stale := hotsync.Errorf(hotsync.CodeBadRequest, "This sign-in has expired or was begun in another window. Sign in again.")
	cookie, err := r.Cookie(c.cookieName(r, flowPurpose))
	if err != nil {
		return flow{}, stale
	}
	c.dropCookie(w, r, flowPurpose)
	var f flow
	err = c.sealer.open(r.Context(), flowPurpose, cookie.Value, &f)
	if errors.Is(err, errSeal) {
		return flow{}, stale
	}
	if err != nil {
		return flow{}, err
	}
	if c.Now().Sub(f.Began) > flowLimit || subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("state")), []byte(f.State)) != 1 {
		return flow{}, stale
	}
	return f, nil
}

func exchangeError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		// The answer's body may hold tokens: only its code is kept.
		return hotsync.Errorf(hotsync.CodeForbidden, "The identity provider did not accept the sign-in (%s). Sign in again.", clip(refused.ErrorCode, 40))
	}
	return hotsync.Errorf(hotsync.CodeJWKSUnavailable, "The identity provider did not answer.").Because(err)
}

// displayName is how the member is greeted.
func displayName(claims map[string]any) string {
	for _, name := range []string{"name", "preferred_username", "cognito:username", "email"} {
		if s, ok := claims[name].(string); ok && strings.TrimSpace(s) != "" {
			return clip(strings.TrimSpace(s), 60)
		}
	}
	return ""
}

type signedOutView struct {
	Provider string // where to end the provider's session, too; "" when it has no such address
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) error {
	c.dropCookie(w, r, sessionPurpose)
	meta, err := c.provider.metadata(r.Context())
	if err != nil {
		c.Log.WarnContext(r.Context(), "signed out here only", "error", err)
	}
	v := signedOutView{Provider: c.endSessionURL(r, meta.EndSession)}
	if v.Provider != "" {
		// Not a redirect: browsers hold one that follows a form against the policy's
		// form-action, which names this host only.
		w.Header().Set("Refresh", "1; url="+v.Provider)
	}
	return c.render(w, r, member{}, "signedout", view{Title: "Signed out", Body: v})
}

// endSessionURL is where the provider's own session ends:
// https://openid.net/specs/openid-connect-rpinitiated-1_0.html. logout_uri is
// what Cognito calls post_logout_redirect_uri.
func (c *console) endSessionURL(r *http.Request, endpoint string) string {
	u, err := url.Parse(endpoint)
	if endpoint == "" || err != nil {
		return ""
	}
	back := c.origin(r) + "/signin"
	q := u.Query()
	q.Set("client_id", c.Staff.ClientID)
	q.Set("post_logout_redirect_uri", back)
	q.Set("logout_uri", back)
	u.RawQuery = q.Encode()
	return u.String()
}

// look keeps how the reader wants pages to look; it needs no session.
func (c *console) look(w http.ResponseWriter, r *http.Request) error {
	theme := r.FormValue("theme")
	if theme != "light" && theme != "dark" {
		theme = "auto"
	}
	http.SetCookie(w, &http.Cookie{Name: "theme", Value: theme, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: c.https(r), SameSite: http.SameSiteLaxMode})
	to := "/"
	if u, err := url.Parse(r.Referer()); err == nil && u.Host == r.Host {
		to = u.RequestURI()
	}
	http.Redirect(w, r, ownPath(to), http.StatusSeeOther)
	return nil
}

func (c *console) oauth(r *http.Request) (*oauth2.Config, error) {
	meta, err := c.provider.metadata(r.Context())
	if err != nil {
		return nil, err
	}
	return &oauth2.Config{ClientID: c.Staff.ClientID, RedirectURL: c.origin(r) + "/signin/callback", Scopes: []string{"openid", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: meta.Authorization, TokenURL: meta.Token, AuthStyle: oauth2.AuthStyleInParams}}, nil
}

// provider knows the staff's identity provider. It is safe for concurrent use.
type provider struct {
	issuer string
	http   *http.Client
	now    func() time.Time

	mu    sync.Mutex
	known oidc.Document
	read  time.Time
}

const (
	metadataLife = time.Hour
	providerTime = 8 * time.Second
)

func newProvider(s Staff, now func() time.Time) *provider {
	return &provider{issuer: s.Issuer, http: &http.Client{Timeout: providerTime}, now: now}
}

// context makes oauth2 use the provider's HTTP client.
func (p *provider) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, p.http)
}

// metadata reads the discovery document, or gives what it read within the hour.
func (p *provider) metadata(ctx context.Context) (_ oidc.Document, err error) {
	defer hotsync.In(&err, "console.metadata")
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.read.IsZero() && p.now().Sub(p.read) < metadataLife {
		return p.known, nil
	}
	m, err := p.fetch(ctx)
	if err != nil {
		return oidc.Document{}, hotsync.Errorf(hotsync.CodeJWKSUnavailable, "The identity provider of the staff did not answer, so nobody can sign in at the moment.").Because(err)
	}
	p.known, p.read = m, p.now()
	return m, nil
}

func (p *provider) fetch(ctx context.Context) (oidc.Document, error) {
	doc, err := oidc.Discover(ctx, p.http, p.issuer)
	if err == nil && (doc.Authorization == "" || doc.Token == "") {
		err = errors.New("the discovery document lacks an endpoint, or has one without https")
	}
	return doc, err
}

// webAddress reports whether a browser may be sent there: https, or this
// computer.
func webAddress(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost")
}

// clip bounds a text from outside.
func clip(s string, limit int) string {
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	return string(r[:limit-1]) + "…"
}
