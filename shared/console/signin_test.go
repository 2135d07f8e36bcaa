package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

func TestSignIn(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.browser()
	a := c.get("/events?status=failed")
	a.wantStatus(t, http.StatusOK)
	if a.url.Path != "/signin" || a.url.Query().Get("to") != "/events?status=failed" {
		t.Fatalf("without a session /events leads to %s, want the sign-in and back", a.url)
	}
	a.Sound()
	start := a.Attrs("main a.primary", "href")
	if len(start) != 1 {
		t.Fatalf("the sign-in page has %d ways to sign in, want 1", len(start))
	}
	a = c.get(start[0])
	a.wantStatus(t, http.StatusOK)
	if got := a.url.RequestURI(); got != "/events?status=failed" {
		t.Errorf("after the sign-in the browser is at %s, want where it wanted to go", got)
	}
	if got := a.Text(".who b"); got != "Vera Viewer" {
		t.Errorf("signed in as %q, want Vera Viewer", got)
	}
	if got := a.Text(".role"); got != "viewer" {
		t.Errorf("role %q, want viewer", got)
	}

	// PKCE: the verifier sent to the token endpoint fits the challenge.
	sent := b.provider.Asked()[0]
	if sent.Get("code_verifier") == "" || sent.Get("client_id") != "hotsync-local" {
		t.Errorf("token request %v has no code_verifier or client_id", sent)
	}
	if oauth2.S256ChallengeFromVerifier(sent.Get("code_verifier")) == "" {
		t.Error("no challenge for the verifier")
	}

	for _, cookie := range c.http.Jar.Cookies(a.url) {
		if strings.Contains(cookie.Value, "staff") || strings.Contains(cookie.Value, "Vera") {
			t.Errorf("the cookie %s can be read", cookie.Name)
		}
	}
	a = c.post("/signout", nil)
	a.wantStatus(t, http.StatusOK)
	if refresh := a.header.Get("Refresh"); !strings.Contains(refresh, b.provider.URL+"/logout") {
		t.Errorf("Refresh = %q, want the provider's logout", refresh)
	}
	a = c.get("/events")
	if a.url.Path != "/signin" {
		t.Errorf("after the sign-out /events is at %s, want the sign-in", a.url)
	}
}

// TestSignOutEndsTheSession is about the server: a copy of the cookie is worth
// nothing after the sign-out, on whichever computer it is.
func TestSignOutEndsTheSession(t *testing.T) {
	t.Parallel()

	b := setup(t)
	thief, other := b.signIn("operator"), b.signIn("operator")
	victim := b.browser()
	home := mustURL(t, b.server.URL)
	victim.http.Jar.SetCookies(home, thief.http.Jar.Cookies(home))
	if a := thief.get("/events"); a.url.Path != "/events" {
		t.Fatalf("the copied cookie leads to %s", a.url)
	}
	victim.post("/signout", nil).wantStatus(t, http.StatusOK)
	if a := thief.get("/events"); a.url.Path != "/signin" {
		t.Errorf("after the sign-out the copy of the cookie still opens %s", a.url)
	}
	if a := other.get("/events"); a.url.Path != "/events" {
		t.Errorf("the member's other session was ended too: %s", a.url)
	}
	a := other.get("/me")
	a.Sound()
	a = other.post("/signout", url.Values{"everywhere": {"on"}})
	if !strings.Contains(a.Text("main"), "on every computer") {
		t.Errorf("signed out everywhere, the page says %q", a.Text("main"))
	}
	b.sessions.Fail(down)
	a = b.signInAnd(t, "viewer", func(c client) answer { return c.post("/signout", nil) })
	a.wantStatus(t, http.StatusServiceUnavailable)
	if !strings.Contains(a.Text("main"), "the server has not") {
		t.Errorf("a sign-out that the server did not take says %q", a.Text("main"))
	}
}

func TestAdminEndsSessions(t *testing.T) {
	t.Parallel()

	b := setup(t)
	operator, admin := b.signIn("operator"), b.signIn("admin")
	operator.get("/me?of=staff-admin").wantStatus(t, http.StatusForbidden)
	operator.post("/me/end", url.Values{"of": {"staff-admin"}}).wantStatus(t, http.StatusForbidden)
	b.pass(time.Second)
	a := admin.get("/me?of=staff-operator")
	a.Sound()
	a = admin.post("/me/end", url.Values{"of": {"staff-operator"}, "note": {"left the company"}})
	a.wantStatus(t, http.StatusOK)
	if a := operator.get("/events"); a.url.Path != "/signin" {
		t.Errorf("the ended session still opens %s", a.url)
	}
	if a := admin.get("/audit"); !strings.Contains(a.Text("main"), "left the company") ||
		a.Attrs(`td a[href^="/me"]`, "href")[0] != "/me?of=staff-admin" {
		t.Errorf("the audit log says %q", a.Text("main"))
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()

	t.Run("idle", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		c := b.signIn("viewer")
		b.pass(29 * time.Minute)
		if a := c.get("/events"); a.url.Path != "/events" {
			t.Fatalf("after 29 minutes at %s, want still signed in", a.url)
		}
		b.pass(29 * time.Minute) // since that use
		if a := c.get("/events"); a.url.Path != "/events" {
			t.Fatalf("29 minutes after the last use at %s, want still signed in", a.url)
		}
		b.pass(31 * time.Minute)
		a := c.get("/events")
		if a.url.Path != "/signin" || !strings.Contains(a.Text("main"), "session has ended") {
			t.Errorf("after 31 idle minutes at %s, want the sign-in to say that the session ended", a.url)
		}
	})
	t.Run("live parts are no use", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		c := b.signIn("viewer")
		b.pass(20 * time.Minute)
		c.get("/events", "HX-Request", "true", "X-Live", "1").wantStatus(t, http.StatusOK)
		b.pass(20 * time.Minute)
		a := c.get("/events", "HX-Request", "true", "X-Live", "1")
		a.wantStatus(t, http.StatusUnauthorized)
		if !strings.HasPrefix(a.header.Get("HX-Redirect"), "/signin") {
			t.Errorf("HX-Redirect = %q, want the sign-in", a.header.Get("HX-Redirect"))
		}
	})
	t.Run("absolute", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		c := b.signIn("viewer")
		for range 24 {
			b.pass(20 * time.Minute)
			c.get("/events")
		}
		if a := c.get("/events"); a.url.Path != "/signin" {
			t.Errorf("after 8 hours at %s, want the sign-in", a.url)
		}
	})
}

func TestSignInRefused(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		claims map[string]any
		status int
		says   string
	}{
		{"no role", map[string]any{"groups": []any{"sales"}}, http.StatusForbidden, "none of your groups gives a role"},
		{"no groups", map[string]any{"groups": nil}, http.StatusForbidden, "none of your groups gives a role"},
		{"other nonce", map[string]any{"nonce": "x"}, http.StatusUnauthorized, "belongs to another sign-in"},
		{"other issuer", map[string]any{"iss": "https://evil.example"}, http.StatusUnauthorized, "Not a known issuer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.provider.Next(tc.claims)
			c := b.browser()
			a := c.get("/signin/start")
			a.wantStatus(t, tc.status)
			a.Sound()
			if !strings.Contains(a.Text("main"), tc.says) {
				t.Errorf("the page says %q, want %q", a.Text("main"), tc.says)
			}
			if a := c.get("/events"); a.url.Path != "/signin" {
				t.Errorf("a refused sign-in opens %s", a.url)
			}
		})
	}

	b := setup(t)
	for name, path := range map[string]string{"no flow": "/signin/callback?code=x&state=y",
		"nothing": "/signin/callback"} {
		a := b.browser().get(path)
		a.wantStatus(t, http.StatusBadRequest)
		if !strings.Contains(a.Text("main"), "Sign in again") {
			t.Errorf("%s: the page says %q", name, a.Text("main"))
		}
	}
	b.provider.Close()
	a := b.browser().get("/signin/start")
	a.wantStatus(t, http.StatusServiceUnavailable)
}

func TestReturnOnlyToOwnPaths(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for _, to := range []string{"//evil.example", "https://evil.example/", `/\evil.example`, "/\t/evil.example",
		"javascript:alert(1)", "/signout"} {
		a := b.browser().get("/signin/start?to=" + url.QueryEscape(to))
		if a.url.Host != mustURL(t, b.server.URL).Host || a.url.Path != "/" {
			t.Errorf("to=%q ends at %s, want /", to, a.url)
		}
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestForeignRequestsAreRefused(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.signIn("admin")
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"}} {
		a := c.do(http.MethodPost, "/signout", url.Values{}, headers...)
		a.wantStatus(t, http.StatusForbidden)
	}
	if a := c.get("/events"); a.url.Path != "/events" {
		t.Error("a foreign request signed out")
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for _, path := range []string{"/signin", "/api/events", "/nothing"} {
		a := b.browser().get(path)
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") ||
			strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy = %q", path, csp)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control = %q, want no-store", path, a.header.Get("Cache-Control"))
		}
	}
	a := b.browser().get("/signin")
	for _, file := range append(a.Attrs("script[src]", "src"), a.Attrs("link[rel=stylesheet]", "href")...) {
		f := b.browser().get(file)
		f.wantStatus(t, http.StatusOK)
		if !strings.Contains(f.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: Cache-Control = %q, want it kept", file, f.header.Get("Cache-Control"))
		}
	}
	b.browser().get("/static/000000000000/console.css").wantStatus(t, http.StatusNotFound)
}
