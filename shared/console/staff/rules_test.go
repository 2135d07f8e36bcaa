package staff_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hotsync/shared/console/staff"
	"hotsync/shared/console/staff/stafftest"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// TestWhoGetsIn: the provider says who it is and in which groups; a token of another
// sign-in, or without a group that gives a role, opens nothing.
func TestWhoGetsIn(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		claims map[string]any
		want   string // of the callback; a member is greeted with name and role
	}{
		{"a viewer", nil, "Vera Viewer viewer"},
		{"an admin", map[string]any{"groups": []any{"sales", "admin"}}, "Vera Viewer admin"},
		{"another sign-in", map[string]any{"nonce": "x"}, "The ID token belongs to another sign-in."},
		{"no nonce", map[string]any{"nonce": nil}, "The ID token belongs to another sign-in."},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, "Not a known issuer."},
		{"no role", map[string]any{"groups": []any{"sales"}},
			"You are signed in as Vera Viewer, but none of your groups gives a role here. Ask for viewer, operator or admin."},
		{"a name that is blank", map[string]any{"name": " ", "preferred_username": "vera"}, "vera viewer"},
		{"a name that is none", map[string]any{"name": 7, "cognito:username": "vera"}, "vera viewer"},
		{"no name", map[string]any{"name": nil}, "staff-1 viewer"},
		{"a long name", map[string]any{"name": strings.Repeat("v", 70)}, strings.Repeat("v", 59) + "… viewer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.provider.Next(tc.claims)
			if got := b.ask(t, http.MethodGet, "/signin/start?to=/"); got != tc.want {
				t.Errorf("the sign-in ends with %q, want %q", got, tc.want)
			}
			in := strings.HasSuffix(tc.want, "viewer") || strings.HasSuffix(tc.want, "admin")
			if got := b.ask(t, http.MethodGet, "/"); (got != "nobody") != in {
				t.Errorf("afterwards the door knows %q", got)
			}
		})
	}
}

// TestCallbacksThatFail: what the provider answers instead of a code.
func TestCallbacksThatFail(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		serve http.HandlerFunc // the token endpoint
		error string           // in the callback
		want  string
	}{
		"refused": {nil, "access_denied", "The identity provider did not sign you in."},
		"no ID token": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"access_token": "a", "token_type": "Bearer"}`))
		}, "", "The identity provider sent no ID token."},
		"code refused": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error": "invalid_grant"}`))
		}, "", "The identity provider did not accept the sign-in (invalid_grant). Sign in again."},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "",
			"The identity provider did not answer."},
	} {
		b := setup(t)
		served := b.provider.Config.Handler
		b.provider.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case tc.serve != nil && r.URL.Path == "/token":
				w.Header().Set("Content-Type", "application/json")
				tc.serve(w, r)
			case tc.error != "" && r.URL.Path == "/authorize":
				q := r.URL.Query()
				http.Redirect(w, r, q.Get("redirect_uri")+"?error="+tc.error+"&state="+url.QueryEscape(q.Get("state")),
					http.StatusFound)
			default:
				served.ServeHTTP(w, r)
			}
		})
		if got := b.ask(t, http.MethodGet, "/signin/start?to=/"); got != tc.want {
			t.Errorf("%s: the sign-in ends with %q, want %q", name, got, tc.want)
		}
	}
}

// TestSessionLife: half an hour without use and eight hours at most. What a page asks for
// by itself is no use.
func TestSessionLife(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name  string
		every time.Duration // of a request
		times int
		live  string // headers of each, of those that a live part has
		want  string // of the last one
	}{
		{"used in time", 29 * time.Minute, 10, "", "Vera Viewer viewer"},
		{"idle", 30 * time.Minute, 1, "", "nobody"},
		{"just in time", 30*time.Minute - time.Nanosecond, 1, "", "Vera Viewer viewer"},
		{"used for 8 hours", 20 * time.Minute, 24, "", "nobody"},
		{"used until then", 20 * time.Minute, 23, "", "Vera Viewer viewer"},
		{"live parts", 10 * time.Minute, 3, "HX-Request X-Live", "nobody"},
		{"a part that was asked for", 10 * time.Minute, 4, "HX-Request", "Vera Viewer viewer"},
		{"not of htmx", 10 * time.Minute, 4, "X-Live", "Vera Viewer viewer"},
		{"uses within a minute are noted once", 59 * time.Second, 31, "", "Vera Viewer viewer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.ask(t, http.MethodGet, "/signin/start?to=/")
			got := ""
			for range tc.times {
				b.now = b.now.Add(tc.every)
				got = b.ask(t, http.MethodGet, "/", strings.Fields(tc.live)...)
			}
			if got != tc.want {
				t.Errorf("after %d times %s the door knows %q, want %q", tc.times, tc.every, got, tc.want)
			}
		})
	}
}

// TestUsesAreNotedOnceAMinute: not every answer sets a cookie.
func TestUsesAreNotedOnceAMinute(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.ask(t, http.MethodGet, "/signin/start?to=/")
	address, err := url.Parse(b.address)
	if err != nil {
		t.Fatal(err)
	}
	cookie := func() string { return b.browser.Jar.Cookies(address)[0].Value }
	first := cookie()
	for after, changed := range map[time.Duration]bool{59 * time.Second: false} {
		b.now = start.Add(after)
		b.ask(t, http.MethodGet, "/")
		if (cookie() != first) != changed {
			t.Errorf("the cookie is set again after %s", after)
		}
	}
	b.now = start.Add(time.Minute)
	b.ask(t, http.MethodGet, "/")
	if cookie() == first {
		t.Error("the cookie is not set again after a minute")
	}
}

// TestSignOutAtTheProvider: the provider is told which client, and where to come back to.
func TestSignOutAtTheProvider(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.ask(t, http.MethodGet, "/signin/start?to=/")
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "https://console.example.com/signout",
		http.NoBody)
	r.AddCookie(&http.Cookie{Name: "__Host-hotsync-session", Value: "not sealed"})
	got, err := b.door.SignOut(w, r, false)
	if err != nil {
		t.Fatal(err)
	}
	back := url.QueryEscape("https://console.example.com/signin")
	if want := b.provider.URL + "/logout?client_id=hotsync&logout_uri=" + back + "&post_logout_redirect_uri=" +
		back; got != want {
		t.Errorf("SignOut leads to %q, want %q", got, want)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-hotsync-session" || cookies[0].MaxAge >= 0 || !cookies[0].Secure ||
		!cookies[0].HttpOnly {
		t.Errorf("cookies %v, want that of the session dropped", cookies)
	}
	if ends, err := b.sessions.SessionEnds(t.Context(), ""); err != nil || len(ends) > 0 {
		t.Errorf("the end of nobody's session is kept: %v, %v", ends, err)
	}
	// Where the provider cannot be asked, nobody stays signed in here.
	other := setup(t)
	other.provider.Close()
	got, err = other.door.SignOut(httptest.NewRecorder(), r, false)
	if got != "" || err != nil {
		t.Errorf("without the provider SignOut leads to %q, %v; want nowhere", got, err)
	}
}

// TestEndedSessionsOfMany: a member's session that was ended stays so, however many
// others come.
func TestEndedSessionsOfMany(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.ask(t, http.MethodGet, "/signin/start?to=/")
	err := b.sessions.EndSession(t.Context(), "staff-1",
		eventstore.SessionEnd{Session: "another", At: b.now, Until: b.now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.ask(t, http.MethodGet, "/"); got != "Vera Viewer viewer" {
		t.Errorf("after another session was ended the door knows %q", got)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for group, want := range map[string][3]bool{"sales": {}, "viewer": {true}, "operator": {true, true},
		"admin": {true, true, true}} {
		r := httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody)
		r.Header.Set("Authorization",
			"Bearer "+stafftest.Token(map[string]any{"iss": b.provider.URL, "sub": "s", "groups": []any{group}}))
		m, err := b.door.Bearer(r, staff.Nobody)
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]bool{m.In(), m.Operator(), m.Admin()}; got != want || m.Name() != "s" {
			t.Errorf("%s called %s: in, operator, admin %v, want %v", group, m.Name(), got, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+stafftest.Token(map[string]any{"iss": b.provider.URL, "sub": "s"}))
	m, err := b.door.Bearer(r, staff.Nobody)
	if err != nil || m.In() {
		t.Errorf("a token without groups gives %s, %v; want nobody", m.Role(), err)
	}
	token := stafftest.Token(map[string]any{"iss": b.provider.URL, "sub": "s", "groups": []any{"admin"}})
	for _, header := range []string{"Basic " + token, token, "Token " + token, "Bearer", ""} {
		r.Header.Set("Authorization", header)
		_, err := b.door.Bearer(r, staff.Viewer)
		if err == nil || hotsync.AsError(err).Code != hotsync.CodeUnauthenticated {
			t.Errorf("the header %.9q is answered %v, want unauthenticated", header, err)
		}
	}
}

// TestOrigin: cookies of an https console are not to be set by another host, and plain
// http is for this computer.
func TestOrigin(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		public, host, want string
		https              bool
	}{
		{"", "127.0.0.1:8081", "http://127.0.0.1:8081", false},
		{"", "localhost", "http://localhost", false},
		{"", "console.example.com", "https://console.example.com", true},
		{"", "localhost.example.com", "https://localhost.example.com", true},
		{"https://console.example.com/", "127.0.0.1", "https://console.example.com", true},
	} {
		door := staff.New(staff.Config{PublicURL: tc.public, Now: time.Now})
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host = tc.host
		if got := door.Origin(r); got != tc.want || door.HTTPS(r) != tc.https {
			t.Errorf("%q asked as %s: %s, https %t; want %s", tc.public, tc.host, got, door.HTTPS(r), tc.want)
		}
		name := "hotsync-session"
		if tc.https {
			name = "__Host-hotsync-session"
		}
		for cookie, want := range map[string]bool{name: true, "another": false} {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Host = tc.host
			r.AddCookie(&http.Cookie{Name: cookie, Value: "x"})
			if got := door.Ended(r); got != want {
				t.Errorf("%s with the cookie %s: Ended = %t, want %t", tc.host, cookie, got, want)
			}
		}
	}
}

// TestProviderIsAskedOnceAnHour: each sign-in needs what the provider publishes, which
// seldom changes; a document without an endpoint is none.
func TestProviderIsAskedOnceAnHour(t *testing.T) {
	t.Parallel()

	b := setup(t)
	asked, served, drop := 0, b.provider.Config.Handler, ""
	b.provider.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "well-known") {
			served.ServeHTTP(w, r)
			return
		}
		asked++
		recorded := httptest.NewRecorder()
		served.ServeHTTP(recorded, r)
		_, _ = w.Write([]byte(strings.Replace(recorded.Body.String(), drop, "x", 1)))
	})
	const down = "The identity provider of the staff did not answer, so nobody can sign in at the moment."
	for _, tc := range []struct {
		after   time.Duration
		drop    string
		want    string
		asked   int
		message string
	}{
		{0, "token_endpoint", down, 1, "a document without a token endpoint"},
		{0, "authorization_endpoint", down, 2, "a document without an authorization endpoint"},
		{0, "nothing", "Vera Viewer viewer", 3, "the first that is whole"},
		{59 * time.Minute, "nothing", "Vera Viewer viewer", 3, "within the hour"},
		{time.Hour, "nothing", "Vera Viewer viewer", 4, "an hour later"},
	} {
		b.now, drop = start.Add(tc.after), tc.drop
		got := b.ask(t, http.MethodGet, "/signin/start?to=/")
		if got != tc.want || asked != tc.asked {
			t.Errorf("%s: %q after %d readings, want %q after %d", tc.message, got, asked, tc.want, tc.asked)
		}
	}
}

// meanwhile are sessions of which one ends while its ends are being read.
type meanwhile struct {
	*stafftest.Sessions
	during func()
}

func (s *meanwhile) SessionEnds(ctx context.Context, member string) ([]eventstore.SessionEnd, error) {
	ends, err := s.Sessions.SessionEnds(ctx, member)
	if during := s.during; during != nil {
		s.during = nil
		during()
	}
	return ends, err
}

// TestEndedWhileItIsLookedUp: what was read before an end is not remembered after it.
func TestEndedWhileItIsLookedUp(t *testing.T) {
	t.Parallel()

	b := setup(t)
	sessions := &meanwhile{Sessions: b.sessions}
	other := staff.New(staff.Config{Issuer: b.provider.URL, ClientID: "hotsync", GroupsClaim: "groups",
		Tokens:   stafftest.Tokens{},
		Sessions: sessions, SessionKey: key("k"), Now: func() time.Time { return b.now }, Log: b.door.Log})
	*b.door = *other
	sessions.during = func() {
		err := b.door.EndAll(t.Context(), "staff-1")
		if err != nil {
			t.Error(err)
		}
	}
	b.ask(t, http.MethodGet, "/signin/start?to=/")
	if got := b.ask(t, http.MethodGet, "/"); got != "nobody" {
		t.Errorf("after the end the door knows %q", got)
	}
}

// TestCallbackWithACookieThatIsNotOurs is a sign-in that has expired.
func TestCallbackWithACookieThatIsNotOurs(t *testing.T) {
	t.Parallel()

	b := setup(t)
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet,
		"https://console.example.com/signin/callback?code=x&state=y", http.NoBody)
	r.AddCookie(&http.Cookie{Name: "__Host-hotsync-signin", Value: "not sealed"})
	err := b.door.Finish(w, r)
	if err == nil || hotsync.AsError(err).Code != hotsync.CodeBadRequest {
		t.Errorf("Finish = %v, want a sign-in that has expired", err)
	}
}
