package idp_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"hotsync/local/sandbox/idp"
	"hotsync/local/sandbox/persona"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

type testBundle struct {
	t      *testing.T
	base   string
	client *http.Client
	verify *oidc.Verifier
	skew   atomic.Int64 // added to the provider's clock
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{t: t, verify: oidc.New(oidc.Config{})}
	var handler http.Handler
	server := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s, err := idp.New(idp.Config{BaseURL: server.URL + "/",
		Now: func() time.Time { return time.Now().Add(time.Duration(b.skew.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	handler, b.base = s, server.URL
	b.client = server.Client()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

func (b *testBundle) do(method, path, contentType, body string) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	err = resp.Body.Close()
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(raw)
}

func (b *testBundle) form(path string, v url.Values) (*http.Response, string) {
	b.t.Helper()
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", v.Encode())
}

// idToken makes a request whose answer has an ID token.
func (b *testBundle) idToken(method, path, body string) string {
	b.t.Helper()
	resp, raw := b.do(method, path, "application/json", body)
	var answer struct {
		IDToken string `json:"id_token"`
	}
	err := json.Unmarshal([]byte(raw), &answer)
	if err != nil || resp.StatusCode != http.StatusOK || answer.IDToken == "" {
		b.t.Fatalf("%s %s = %d %s", method, path, resp.StatusCode, raw)
	}
	return answer.IDToken
}

func (b *testBundle) verified(raw string) (oidc.Token, hotsync.Code) {
	token, err := b.verify.Verify(b.t.Context(), raw, func(issuer string) (oidc.Rules, bool) {
		return oidc.Rules{Audiences: []string{idp.ClientID}}, strings.HasPrefix(issuer, b.base+"/")
	})
	if err != nil {
		return oidc.Token{}, hotsync.AsError(err).Code
	}
	return token, ""
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const (
	verifier = "a-verifier-of-at-least-forty-three-characters-as-RFC-7636-wants"
	callback = "http://127.0.0.1:8080/callback?from=idp"
)

func authorize(change ...string) url.Values {
	q := url.Values{"response_type": {"code"}, "client_id": {idp.ClientID}, "redirect_uri": {callback},
		"scope": {"openid email"},
		"state": {"s&t"}, "nonce": {"n1"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return q
}

// signIn returns the code of somebody who signed in.
func (b *testBundle) signIn(issuer, name string) string {
	b.t.Helper()
	resp, body := b.form("/"+issuer+"/authorize?"+authorize().Encode(), url.Values{"persona": {name}})
	to, err := resp.Location()
	if err != nil {
		b.t.Fatalf("sign-in as %s: %d %s", name, resp.StatusCode, body)
	}
	q := to.Query()
	if got := to.Scheme + "://" + to.Host + to.Path; got != "http://127.0.0.1:8080/callback" || q.Get("from") != "idp" ||
		q.Get("state") != "s&t" || q.Get("iss") != b.base+"/"+issuer || q.Get("code") == "" {
		b.t.Fatalf("sign-in as %s leads to %s", name, to)
	}
	return q.Get("code")
}

func exchange(code string, change ...string) url.Values {
	v := url.Values{"grant_type": {"authorization_code"}, "client_id": {idp.ClientID}, "code": {code},
		"redirect_uri": {callback}, "code_verifier": {verifier}}
	for i := 0; i < len(change); i += 2 {
		v.Set(change[i], change[i+1])
	}
	return v
}

// TestSignIn signs every persona in the way a browser does, and verifies the
// token with the package that the functions use.
func TestSignIn(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for _, p := range persona.All(time.Now()) {
		code := b.signIn(p.Issuer, p.Name)
		resp, body := b.form("/"+p.Issuer+"/token", exchange(code))
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: token answer %d %s", p.Name, resp.StatusCode, body)
		}
		var answer struct {
			IDToken     string `json:"id_token"`
			AccessToken string `json:"access_token"`
			TokenType   string `json:"token_type"`
			ExpiresIn   int    `json:"expires_in"`
		}
		err := json.Unmarshal([]byte(body), &answer)
		if err != nil || answer.TokenType != "Bearer" || answer.ExpiresIn != 3600 {
			t.Fatalf("%s: token answer %s", p.Name, body)
		}
		token, code2 := b.verified(answer.IDToken)
		if code2 != "" || token.Issuer != b.base+"/"+p.Issuer || token.Subject != p.Claims["sub"] ||
			token.Claims["nonce"] != "n1" {
			t.Errorf("%s: token %+v, %s", p.Name, token, code2)
		}
		if token.ExpiresAt.Sub(token.IssuedAt) != time.Hour {
			t.Errorf("%s: valid from %v to %v", p.Name, token.IssuedAt, token.ExpiresAt)
		}
		if _, got := b.verified(answer.AccessToken); got != hotsync.CodeTokenKind {
			t.Errorf("%s: the access token as an ID token gives %q, want %s", p.Name, got, hotsync.CodeTokenKind)
		}
		resp, body = b.form("/"+p.Issuer+"/token", exchange(code))
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "invalid_grant") {
			t.Errorf("%s: the code used twice gives %d %s", p.Name, resp.StatusCode, body)
		}
	}
}

func TestAuthorizeRefusals(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for name, tc := range map[string]struct {
		change []string
		want   string // error sent back; "" for a page that goes nowhere
	}{
		"other client":     {[]string{"client_id", "other"}, ""},
		"other host":       {[]string{"redirect_uri", "http://attacker.example/"}, ""},
		"look-alike host":  {[]string{"redirect_uri", "http://127.0.0.1.attacker.example/"}, ""},
		"user in address":  {[]string{"redirect_uri", "http://127.0.0.1@attacker.example/"}, ""},
		"https":            {[]string{"redirect_uri", "https://127.0.0.1/"}, ""},
		"script":           {[]string{"redirect_uri", "javascript:alert(1)"}, ""},
		"fragment":         {[]string{"redirect_uri", callback + "#x"}, ""},
		"no address":       {[]string{"redirect_uri", ""}, ""},
		"implicit":         {[]string{"response_type", "id_token"}, "unsupported_response_type"},
		"fragment mode":    {[]string{"response_mode", "fragment"}, "invalid_request"},
		"no openid":        {[]string{"scope", "email"}, "invalid_scope"},
		"plain PKCE":       {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"no PKCE":          {[]string{"code_challenge", ""}, "invalid_request"},
		"without a prompt": {[]string{"prompt", "none"}, "login_required"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			resp, body := b.do(method, "/direct/authorize?"+authorize(tc.change...).Encode(),
				"application/x-www-form-urlencoded", "persona=single")
			location := resp.Header.Get("Location")
			switch {
			case tc.want == "" && (resp.StatusCode != http.StatusBadRequest || location != ""):
				t.Errorf("%s %s: %d to %q, want a page", method, name, resp.StatusCode, location)
			case tc.want != "" && (!strings.Contains(location, "error="+tc.want) || !strings.Contains(location, "state=s%26t")):
				t.Errorf("%s %s: %d to %q, want error %s; body %s", method, name, resp.StatusCode, location, tc.want, body)
			}
		}
	}
	resp, _ := b.do(http.MethodGet, "/direct/authorize?"+authorize().Encode()+"&redirect_uri=http://127.0.0.1/other", "",
		"")
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("redirect_uri given twice: %d, want 400", resp.StatusCode)
	}
	resp, _ = b.form("/direct/authorize?"+authorize().Encode(), url.Values{"persona": {"admin"}})
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("staff at another issuer: %d, want 400", resp.StatusCode)
	}
	resp, _ = b.form("/direct/authorize?"+authorize().Encode(), url.Values{"persona": {""}})
	if !strings.Contains(resp.Header.Get("Location"), "error=access_denied") {
		t.Errorf("cancelled: leads to %q", resp.Header.Get("Location"))
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for name, tc := range map[string]struct {
		path   string
		change []string
		skew   time.Duration
		want   string
	}{
		"other grant":       {"/direct", []string{"grant_type", "password"}, 0, "unsupported_grant_type"},
		"other client":      {"/direct", []string{"client_id", "other"}, 0, "invalid_client"},
		"other code":        {"/direct", []string{"code", "x"}, 0, "invalid_grant"},
		"other issuer":      {"/lookup", nil, 0, "invalid_grant"},
		"other redirect":    {"/direct", []string{"redirect_uri", callback + "&x"}, 0, "invalid_grant"},
		"no redirect":       {"/direct", []string{"redirect_uri", ""}, 0, "invalid_grant"},
		"other verifier":    {"/direct", []string{"code_verifier", verifier + "x"}, 0, "invalid_grant"},
		"challenge instead": {"/direct", []string{"code_verifier", challenge(verifier)}, 0, "invalid_grant"},
		"too late":          {"/direct", nil, 61 * time.Second, "invalid_grant"},
	} {
		code := b.signIn("direct", "single")
		b.skew.Store(int64(tc.skew))
		resp, body := b.form(tc.path+"/token", exchange(code, tc.change...))
		b.skew.Store(0)
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"error":"`+tc.want+`"`) {
			t.Errorf("%s: %d %s, want 400 %s", name, resp.StatusCode, body, tc.want)
		}
	}
}

func TestSandboxToken(t *testing.T) {
	t.Parallel()

	b := setup(t)
	token, code := b.verified(b.idToken(http.MethodPost, "/_sandbox/token?issuer=direct",
		`{"sub":"s","zuora_account_ids":["A1"],"big":12345678901234567890}`))
	want := map[string]any{"iss": b.base + "/direct", "aud": idp.ClientID, "sub": "s", "zuora_account_ids": []any{"A1"},
		"big": json.Number("12345678901234567890")}
	for _, filled := range []string{"iat", "exp", "jti"} {
		if token.Claims[filled] == nil {
			t.Errorf("no %s was filled in", filled)
		}
		delete(token.Claims, filled)
	}
	if diff := cmp.Diff(want, token.Claims); code != "" || diff != "" {
		t.Errorf("code %s, claims mismatch (-want +got):\n%s", code, diff)
	}

	for body, want := range map[string]hotsync.Code{
		`{"sub":"s","exp":1}`:           hotsync.CodeTokenExpired,
		`{"sub":"s","exp":null}`:        hotsync.CodeTokenMalformed,
		`{"sub":"s","aud":"other"}`:     hotsync.CodeTokenAudience,
		`{"sub":"s","iss":"https://x"}`: hotsync.CodeTokenIssuer,
		``:                              hotsync.CodeTokenMalformed, // no sub
	} {
		if _, got := b.verified(b.idToken(http.MethodPost, "/_sandbox/token?issuer=lookup", body)); got != want {
			t.Errorf("token of %s: code %q, want %s", body, got, want)
		}
	}
	for _, name := range []string{"single", "lookup", "admin"} {
		token, code := b.verified(b.idToken(http.MethodGet, "/_sandbox/token?persona="+name, ""))
		if code != "" || token.Email == "" {
			t.Errorf("token of %s: %+v, code %q", name, token, code)
		}
	}
	for path, body := range map[string]string{"?issuer=other": "{}", "": "{}", "?issuer=direct": "[]",
		"?issuer=staff": "{}{}"} {
		if resp, answer := b.do(http.MethodPost, "/_sandbox/token"+path, "application/json",
			body); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("POST token%s %s = %d %s, want 400", path, body, resp.StatusCode, answer)
		}
	}
	if resp, _ := b.do(http.MethodGet, "/_sandbox/token?persona=stranger", "",
		""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("token of a stranger: %d, want 404", resp.StatusCode)
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()

	b := setup(t)
	fresh := func() string { return b.idToken(http.MethodGet, "/_sandbox/token?persona=single", "") }
	published := func() int {
		_, body := b.do(http.MethodGet, "/direct/jwks", "", "")
		return strings.Count(body, `"kid"`)
	}
	first := fresh()
	b.do(http.MethodPost, "/_sandbox/rotate", "", "")
	second := fresh()
	for name, raw := range map[string]string{"first": first, "second": second} {
		if _, code := b.verified(raw); code != "" {
			t.Errorf("token of the %s key: code %q", name, code)
		}
	}
	if n := published(); n != 2 {
		t.Errorf("%d keys after a rotation, want 2", n)
	}
	b.do(http.MethodPost, "/_sandbox/rotate?drop=1", "", "")
	b.verify = oidc.New(oidc.Config{}) // one that remembers nothing
	for raw, want := range map[string]hotsync.Code{first: hotsync.CodeTokenKeyUnknown, second: hotsync.CodeTokenKeyUnknown,
		fresh(): ""} {
		if _, code := b.verified(raw); code != want {
			t.Errorf("after the old keys were dropped: code %q, want %q", code, want)
		}
	}
	b.do(http.MethodPost, "/_sandbox/rotate", "", "")
	b.do(http.MethodPost, "/_sandbox/reset", "", "")
	if n := published(); n != 1 {
		t.Errorf("%d keys after a reset, want 1", n)
	}
}

// TestMisbehaves: the keys can be made unreachable, as the other sandboxes'
// answers can.
func TestMisbehaves(t *testing.T) {
	t.Parallel()

	b := setup(t)
	raw := b.idToken(http.MethodGet, "/_sandbox/token?persona=single", "")
	b.do(http.MethodPut, "/_sandbox/behaviour", "application/json",
		`{"faults":[{"match":"GET /direct/jwks","status":503}]}`)
	if _, code := b.verified(raw); code != hotsync.CodeJWKSUnavailable {
		t.Errorf("code %q, want %s", code, hotsync.CodeJWKSUnavailable)
	}
	b.do(http.MethodPost, "/_sandbox/reset", "", "")
	b.verify = oidc.New(oidc.Config{})
	if _, code := b.verified(raw); code != "" {
		t.Errorf("after a reset: code %q", code)
	}
}

func texts(t *testing.T, body, selector string) []string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range cascadia.QueryAll(doc, cascadia.MustCompile(selector)) {
		var text strings.Builder
		for d := range n.Descendants() {
			if d.Type == html.TextNode {
				text.WriteString(d.Data)
			}
		}
		out = append(out, strings.Join(strings.Fields(text.String()), " "))
	}
	return out
}

func TestSignInPage(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for _, name := range []string{idp.Direct, idp.Lookup, idp.Staff} {
		resp, body := b.do(http.MethodGet, "/"+name+"/authorize?"+authorize("state", `"><script>alert(1)</script>`).Encode(),
			"", "")
		if resp.StatusCode != http.StatusOK ||
			!strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%s: %d, headers %v", name, resp.StatusCode, resp.Header)
		}
		if strings.Contains(body, "<script") {
			t.Errorf("%s: the page repeats a script", name)
		}
		if h1 := texts(t, body, "h1"); len(h1) != 1 {
			t.Errorf("%s: headings %q, want one", name, h1)
		}
		var want []string
		for _, p := range persona.All(time.Now()) {
			if p.Issuer == name {
				want = append(want, p.Story)
			}
		}
		if diff := cmp.Diff(want, texts(t, body, "form[method=post] button[name=persona] .story")); diff != "" {
			t.Errorf("%s: stories mismatch (-want +got):\n%s", name, diff)
		}
		// The form leads back to the same request.
		doc, err := html.Parse(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		action := ""
		for _, a := range cascadia.Query(doc, cascadia.MustCompile("form")).Attr {
			if a.Key == "action" {
				action = a.Val
			}
		}
		q, err := url.ParseQuery(strings.TrimPrefix(action, "?"))
		if err != nil || q.Get("redirect_uri") != callback || q.Get("nonce") != "n1" ||
			q.Get("state") != `"><script>alert(1)</script>` {
			t.Errorf("%s: the form leads to %q", name, action)
		}
	}
	resp, body := b.do(http.MethodGet, "/", "", "")
	if n := len(texts(t, body, "section")); resp.StatusCode != http.StatusOK || n != 3 {
		t.Errorf("index: %d with %d issuers", resp.StatusCode, n)
	}
	resp, _ = b.do(http.MethodGet, "/assets/style.css", "", "")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/css") {
		t.Errorf("style: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for query, want := range map[string]string{
		"": "",
		"?post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2F%3Fbye%3D1&state=s": "http://127.0.0.1:8080/?bye=1&state=s",
		"?post_logout_redirect_uri=http%3A%2F%2Fattacker.example%2F":                   "",
	} {
		resp, _ := b.do(http.MethodGet, "/staff/logout"+query, "", "")
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("logout%s leads to %q, want %q", query, got, want)
		}
	}
}

// TestDiscovery: what the document promises is there.
func TestDiscovery(t *testing.T) {
	t.Parallel()

	b := setup(t)
	_, body := b.do(http.MethodGet, "/staff/.well-known/openid-configuration", "", "")
	var doc map[string]any
	err := json.Unmarshal([]byte(body), &doc)
	if err != nil || doc["issuer"] != b.base+"/staff" {
		t.Fatalf("document %s: %v", body, err)
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "end_session_endpoint", "jwks_uri"} {
		address, _ := doc[name].(string)
		path, ok := strings.CutPrefix(address, b.base)
		resp, _ := b.do(http.MethodGet, path, "", "")
		if !ok || resp.StatusCode == http.StatusNotFound {
			t.Errorf("%s %q is not there", name, address)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.verify.Verify(ctx, b.idToken(http.MethodGet, "/_sandbox/token?persona=single", ""),
		func(string) (oidc.Rules, bool) { return oidc.Rules{Audiences: []string{idp.ClientID}}, true })
	if hotsync.AsError(err).Code != hotsync.CodeJWKSUnavailable {
		t.Errorf("Verify with a cancelled context = %v", err)
	}
}
