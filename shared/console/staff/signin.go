package staff

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

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// Sign-in is OpenID Connect's authorization code flow with PKCE:
// https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, RFC 7636.

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

// Start leads the browser to the identity provider, and from there back to the
// page that the parameter "to" names.
func (d *Door) Start(w http.ResponseWriter, r *http.Request) error {
	conf, err := d.oauth(r)
	if err != nil {
		return err
	}
	f := flow{
		State:    rand.Text(),
		Nonce:    rand.Text(),
		Verifier: oauth2.GenerateVerifier(),
		To:       OwnPath(r.URL.Query().Get("to")),
		Began:    d.Now(),
	}
	err = d.setSealed(w, r, flowPurpose, f, flowLimit)
	if err != nil {
		return err
	}
	http.Redirect(
		w,
		r,
		conf.AuthCodeURL(f.State, oauth2.S256ChallengeOption(f.Verifier), oauth2.SetAuthURLParam("nonce", f.Nonce)),
		http.StatusSeeOther,
	)
	return nil
}

// Finish takes what the identity provider answers, begins the session and leads
// to the page that the sign-in began from. It returns a *hotsync.Error when
// nobody is signed in.
func (d *Door) Finish(w http.ResponseWriter, r *http.Request) error {
	f, err := d.takeFlow(w, r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	if q.Get("error") != "" {
		// What the provider says goes to the log; its text is not for a page.
		d.Log.WarnContext(
			r.Context(),
			"sign-in refused by the identity provider",
			"oauth_error",
			hotsync.Clip(q.Get("error"), 80),
		)
		return hotsync.Errorf(hotsync.CodeForbidden, "The identity provider did not sign you in.")
	}
	conf, err := d.oauth(r)
	if err != nil {
		return err
	}
	token, err := conf.Exchange(d.provider.context(r.Context()), q.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return exchangeError(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return hotsync.Errorf(hotsync.CodeTokenKind, "The identity provider sent no ID token.")
	}
	id, err := d.Tokens.Verify(r.Context(), raw, d.accept)
	if err != nil {
		return err
	}
	nonce, _ := id.Claims["nonce"].(string)
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(f.Nonce)) != 1 {
		return hotsync.Errorf(hotsync.CodeTokenSignature, "The ID token belongs to another sign-in.")
	}
	now := d.Now()
	s := session{
		ID:      rand.Text(),
		Subject: id.Subject,
		Name:    displayName(id.Claims),
		Role:    d.Groups.role(groups(id, d.GroupsClaim)),
		Began:   now,
		Used:    now,
	}
	if s.Role == Nobody {
		return hotsync.Errorf(
			hotsync.CodeForbidden,
			"You are signed in as %s, but none of your groups gives a role here. Ask for viewer, operator or admin.",
			s.member().Name(),
		)
	}
	err = d.setSealed(w, r, sessionPurpose, s, sessionLimit)
	if err != nil {
		return err
	}
	d.Log.InfoContext(r.Context(), "signed in", "actor", s.Subject, "role", s.Role.String())
	http.Redirect(w, r, f.To, http.StatusSeeOther)
	return nil
}

// takeFlow returns the sign-in that the provider answers to, once.
func (d *Door) takeFlow(w http.ResponseWriter, r *http.Request) (flow, error) {
	stale := hotsync.Errorf(
		hotsync.CodeBadRequest,
		"This sign-in has expired or was begun in another window. Sign in again.",
	)
	cookie, err := r.Cookie(d.cookieName(r, flowPurpose))
	if err != nil {
		return flow{}, stale
	}
	d.dropCookie(w, r, flowPurpose)
	var f flow
	err = d.Sealer.Open(r.Context(), flowPurpose, cookie.Value, &f)
	if errors.Is(err, ErrSeal) {
		return flow{}, stale
	}
	if err != nil {
		return flow{}, err
	}
	if d.Now().Sub(f.Began) > flowLimit ||
		subtle.ConstantTimeCompare([]byte(r.URL.Query().Get("state")), []byte(f.State)) != 1 {
		return flow{}, stale
	}
	return f, nil
}

func exchangeError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		// The answer's body may hold tokens: only its code is kept.
		return hotsync.Errorf(
			hotsync.CodeForbidden,
			"The identity provider did not accept the sign-in (%s). Sign in again.",
			hotsync.Clip(refused.ErrorCode, 40),
		)
	}
	return hotsync.Errorf(hotsync.CodeJWKSUnavailable, "The identity provider did not answer.").Because(err)
}

// displayName is how the member is greeted.
func displayName(claims map[string]any) string {
	for _, name := range []string{"name", "preferred_username", "cognito:username", "email"} {
		if s, ok := claims[name].(string); ok && strings.TrimSpace(s) != "" {
			return hotsync.Clip(strings.TrimSpace(s), 60)
		}
	}
	return ""
}

// SignOut ends the session of the browser that sends r, and with everywhere all
// sessions of its member. It returns where the provider's own session can be
// ended; "" when it has no such address. An error says that the browser has
// forgotten the session, but that whoever has a copy of its cookie can use it
// until it ends by itself.
func (d *Door) SignOut(w http.ResponseWriter, r *http.Request, everywhere bool) (provider string, err error) {
	s, ok, err := d.session(r)
	d.dropCookie(w, r, sessionPurpose)
	meta, unknown := d.provider.metadata(r.Context())
	if unknown != nil {
		d.Log.WarnContext(r.Context(), "signed out here only", "error", unknown)
	}
	provider = d.endSessionURL(r, meta.EndSession)
	switch {
	case err != nil || !ok: // nothing is left to end
	case everywhere:
		err = d.EndAll(r.Context(), s.Subject)
	default:
		err = d.ends.end(
			r.Context(),
			s.Subject,
			eventstore.SessionEnd{Session: s.ID, At: d.Now().UTC(), Until: s.Began.Add(sessionLimit)},
		)
	}
	return provider, err
}

// EndAll ends every session that the member with that subject has now.
func (d *Door) EndAll(ctx context.Context, member string) error {
	now := d.Now().UTC()
	return d.ends.end(ctx, member, eventstore.SessionEnd{At: now, Until: now.Add(sessionLimit)})
}

// endSessionURL is where the provider's own session ends:
// https://openid.net/specs/openid-connect-rpinitiated-1_0.html. logout_uri is
// what Cognito calls post_logout_redirect_uri.
func (d *Door) endSessionURL(r *http.Request, endpoint string) string {
	u, err := url.Parse(endpoint)
	if endpoint == "" || err != nil {
		return ""
	}
	back := d.Origin(r) + "/signin"
	q := u.Query()
	q.Set("client_id", d.ClientID)
	q.Set("post_logout_redirect_uri", back)
	q.Set("logout_uri", back)
	u.RawQuery = q.Encode()
	return u.String()
}

func (d *Door) oauth(r *http.Request) (*oauth2.Config, error) {
	meta, err := d.provider.metadata(r.Context())
	if err != nil {
		return nil, err
	}
	// A secret goes the way that the provider takes: by header, which every provider has to
	// take, or else in the form.
	secret, style := "", oauth2.AuthStyleInParams
	if d.ClientSecret != nil {
		style = oauth2.AuthStyleAutoDetect
		secret, err = d.ClientSecret(r.Context())
		if err != nil {
			return nil, err
		}
	}
	return &oauth2.Config{
		ClientID:     d.ClientID,
		ClientSecret: secret,
		RedirectURL:  d.Origin(r) + "/signin/callback",
		Scopes:       []string{"openid", "profile"},
		Endpoint: oauth2.Endpoint{
			AuthURL:   meta.Authorization,
			TokenURL:  meta.Token,
			AuthStyle: style,
		},
	}, nil
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

func newProvider(cfg Config) *provider {
	return &provider{issuer: cfg.Issuer, http: &http.Client{Timeout: providerTime}, now: cfg.Now}
}

// context makes oauth2 use the provider's HTTP client.
func (p *provider) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, p.http)
}

// metadata reads the discovery document, or gives what it read within the hour.
func (p *provider) metadata(ctx context.Context) (_ oidc.Document, err error) {
	defer hotsync.In(&err, "staff.metadata")
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.read.IsZero() && p.now().Sub(p.read) < metadataLife {
		return p.known, nil
	}
	m, err := p.fetch(ctx)
	if err != nil {
		return oidc.Document{}, hotsync.Errorf(hotsync.CodeJWKSUnavailable,
			"The identity provider of the staff did not answer, so nobody can sign in at the moment.").
			Because(err)
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
