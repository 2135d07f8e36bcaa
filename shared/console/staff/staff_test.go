package staff_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console/staff"
	"hotsync/shared/console/staff/stafftest"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

type testBundle struct {
	provider *stafftest.Provider
	door     *staff.Door
	browser  *http.Client
	sessions *stafftest.Sessions
	now      time.Time
	address  string // answers with who is signed in: name, a blank, role
}

// setup is a door in a house of three addresses: /, /signin/… and /signout.
func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{provider: stafftest.Start(t), sessions: &stafftest.Sessions{}, now: start}
	b.door = staff.New(staff.Config{
		Issuer:      b.provider.URL,
		ClientID:    "hotsync",
		GroupsClaim: "groups",
		Tokens:      stafftest.Tokens{},
		Sessions:    b.sessions,
		SessionKey:  key("k"),
		Now:         func() time.Time { return b.now },
		Log:         slog.New(slog.DiscardHandler),
	})
	open := func(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			err := serve(w, r)
			if err != nil {
				e := hotsync.AsError(err)
				http.Error(w, e.Message, e.Code.HTTPStatus())
			}
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /signin/start", open(b.door.Start))
	mux.HandleFunc("GET /signin/callback", open(b.door.Finish))
	mux.HandleFunc("POST /signout", open(func(w http.ResponseWriter, r *http.Request) error {
		_, err := b.door.SignOut(w, r, r.URL.Query().Has("everywhere"))
		return err
	}))
	mux.HandleFunc("/", open(func(w http.ResponseWriter, r *http.Request) error {
		m, ok, err := b.door.Member(w, r)
		if err != nil || !ok {
			return errors.Join(err, hotsync.Errorf(hotsync.CodeUnauthenticated, "nobody"))
		}
		if !m.In() {
			_, err = w.Write([]byte("let in as nobody"))
			return err
		}
		_, err = w.Write([]byte(m.Name() + " " + m.Role().String()))
		return err
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.browser, b.address = &http.Client{Jar: jar}, server.URL
	return b
}

func key(letter string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) { return []byte(strings.Repeat(letter, 32)), nil }
}

// ask returns what the house answers to a request with those headers.
func (b *testBundle) ask(t *testing.T, method, path string, headers ...string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range headers {
		r.Header.Set(name, "1")
	}
	answer, err := b.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var body [200]byte
	n, _ := answer.Body.Read(body[:])
	return strings.TrimSpace(string(body[:n]))
}

func TestSignIn(t *testing.T) {
	t.Parallel()

	b := setup(t)
	if got := b.ask(t, http.MethodGet, "/"); got != "nobody" {
		t.Fatalf("before the sign-in the door knows %q", got)
	}
	if got := b.ask(t, http.MethodGet, "/signin/start?to=/x"); got != "Vera Viewer viewer" {
		t.Fatalf("after the sign-in the door knows %q", got)
	}
	b.ask(t, http.MethodPost, "/signout")
	if got := b.ask(t, http.MethodGet, "/"); got != "nobody" {
		t.Errorf("after the sign-out the door knows %q", got)
	}
}

// A confidential client shows its secret in the way that the provider takes it.
func TestConfidentialClient(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		secret string // that the door has
		inForm bool
		want   string
	}{
		{name: "in the header", secret: "s3cret", want: "Vera Viewer viewer"},
		{name: "in the form", secret: "s3cret", inForm: true, want: "Vera Viewer viewer"},
		{name: "another one", secret: "old", want: "nobody"},
		{name: "none", want: "nobody"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.provider.Secret, b.provider.InForm = "s3cret", tc.inForm
			if tc.secret != "" {
				b.door.ClientSecret = func(context.Context) (string, error) { return tc.secret, nil }
			}
			b.ask(t, http.MethodGet, "/signin/start?to=/")
			if got := b.ask(t, http.MethodGet, "/"); got != tc.want {
				t.Errorf("the door knows %q, want %q", got, tc.want)
			}
		})
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for _, tc := range []struct {
		name   string
		groups any
		need   staff.Role
		want   staff.Role
		code   hotsync.Code
	}{
		{"list", []any{"sales", "operator"}, staff.Viewer, staff.Operator, ""},
		{"one as text", "admin", staff.Admin, staff.Admin, ""},
		{"highest counts", []any{"hotsync-viewer", "hotsync-admin"}, staff.Viewer, staff.Admin, ""},
		{"not enough", []any{"operator"}, staff.Admin, 0, hotsync.CodeForbidden},
		{"none", []any{"sales"}, staff.Viewer, 0, hotsync.CodeForbidden},
		{"no list of texts", []any{7, nil}, staff.Viewer, 0, hotsync.CodeForbidden},
		{"nothing", nil, staff.Viewer, 0, hotsync.CodeForbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			r := httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody)
			r.Header.Set("Authorization",
				"bearer "+stafftest.Token(map[string]any{"iss": b.provider.URL, "sub": "s", "groups": tc.groups}))
			m, err := b.door.Bearer(r, tc.need)
			if tc.code != "" {
				if err == nil || hotsync.AsError(err).Code != tc.code {
					t.Fatalf("Bearer error = %v, want %s", err, tc.code)
				}
				return
			}
			if err != nil || m.Role() != tc.want || m.Subject() != "s" {
				t.Errorf("Bearer = %+v, %v, want the role %s", m, err, tc.want)
			}
		})
	}
	r := httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody)
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic YTpi", "Bearer !"} {
		r.Header.Set("Authorization", header)
		_, err := b.door.Bearer(r, staff.Viewer)
		if err == nil {
			t.Errorf("%q opens the door", header)
		}
	}
}

func TestSealer(t *testing.T) {
	t.Parallel()

	mine, ctx := staff.Sealer{Key: key("k")}, t.Context()
	text, err := mine.Seal(ctx, "session", "secret")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	err = mine.Open(ctx, "session", text, &got)
	if err != nil || got != "secret" || strings.Contains(text, "secret") {
		t.Fatalf("Open(%q) = %q, %v", text, got, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	for name, open := range map[string]func() error{
		"for another purpose": func() error { return mine.Open(ctx, "flow", text, &got) },
		"under another key":   func() error { return staff.Sealer{Key: key("l")}.Open(ctx, "session", text, &got) },
		"changed": func() error {
			return mine.Open(ctx, "session", base64.RawURLEncoding.EncodeToString(raw), &got)
		},
		"no base64":        func() error { return mine.Open(ctx, "session", "!", &got) },
		"nothing":          func() error { return mine.Open(ctx, "session", "", &got) },
		"of another shape": func() error { return mine.Open(ctx, "session", text, &struct{ A int }{}) },
	} {
		if err := open(); !errors.Is(err, staff.ErrSeal) {
			t.Errorf("%s: Open error = %v, want ErrSeal", name, err)
		}
	}
	least := staff.Sealer{Key: func(context.Context) ([]byte, error) { return []byte(strings.Repeat("k", 16)), nil }}
	_, err = least.Seal(ctx, "session", "secret")
	if err != nil {
		t.Errorf("Seal with a key of 16 characters: %v", err)
	}
	short := staff.Sealer{Key: func(context.Context) ([]byte, error) { return []byte("short"), nil }}
	_, err = short.Seal(ctx, "session", "secret")
	if err == nil || hotsync.AsError(err).Code != hotsync.CodeSecretMissing {
		t.Errorf("Seal with a short key: %v, want %s", err, hotsync.CodeSecretMissing)
	}
}

func TestOwnPath(t *testing.T) {
	t.Parallel()

	for to, want := range map[string]string{
		"/events?status=failed":         "/events?status=failed",
		"/":                             "/",
		"":                              "/",
		"//evil.example":                "/",
		"/" + strings.Repeat("x", 1999): "/" + strings.Repeat("x", 1999),
		"/" + strings.Repeat("x", 2000): "/",
		`/\evil.example`:                "/",
		"/\t/evil.example":              "/",
		"https://evil.example/":         "/",
		"javascript:alert(1)":           "/",
		"/signout":                      "/",
	} {
		if got := staff.OwnPath(to); got != want {
			t.Errorf("OwnPath(%q) = %q, want %q", to, got, want)
		}
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()

	// jars signs in and gives a second browser the same cookies.
	begin := func(t *testing.T) (b, other *testBundle) {
		b = setup(t)
		b.ask(t, http.MethodGet, "/signin/start")
		address, err := url.Parse(b.address)
		if err != nil {
			t.Fatal(err)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(address, b.browser.Jar.Cookies(address))
		copied := *b
		copied.browser = &http.Client{Jar: jar}
		return b, &copied
	}
	t.Run("signed out here", func(t *testing.T) {
		t.Parallel()

		b, other := begin(t)
		b.ask(t, http.MethodPost, "/signout")
		if got := other.ask(t, http.MethodGet, "/"); got != "nobody" {
			t.Errorf("the copied session is still %q", got)
		}
	})
	t.Run("ended by another process", func(t *testing.T) {
		t.Parallel()

		b, _ := begin(t)
		b.ask(t, http.MethodGet, "/")
		err := b.sessions.EndSession(t.Context(), "staff-1", eventstore.SessionEnd{At: b.now, Until: b.now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.ask(t, http.MethodGet, "/"); got != "Vera Viewer viewer" {
			t.Errorf("within the life of the cache a page knows %q", got)
		}
		if got := b.ask(t, http.MethodPost, "/"); got != "nobody" {
			t.Errorf("what changes something is let in by the cache: %q", got)
		}
		if got := b.ask(t, http.MethodGet, "/"); got != "nobody" {
			t.Errorf("afterwards a page knows %q", got)
		}
	})
	t.Run("a new sign-in counts", func(t *testing.T) {
		t.Parallel()

		b, other := begin(t)
		b.ask(t, http.MethodPost, "/signout?everywhere")
		b.now = b.now.Add(time.Second)
		if got := b.ask(t, http.MethodGet, "/signin/start"); got != "Vera Viewer viewer" {
			t.Errorf("after signing in again the door knows %q", got)
		}
		if got := other.ask(t, http.MethodGet, "/"); got != "nobody" {
			t.Errorf("the older session is still %q", got)
		}
	})
	t.Run("read once in ten seconds", func(t *testing.T) {
		t.Parallel()

		b, _ := begin(t)
		for range 5 {
			b.ask(t, http.MethodGet, "/")
		}
		if got := b.sessions.Reads(); got != 1 {
			t.Errorf("ends were read %d times, want once", got)
		}
		b.now = b.now.Add(10 * time.Second)
		b.ask(t, http.MethodGet, "/")
		if got := b.sessions.Reads(); got != 2 {
			t.Errorf("ends were read %d times after ten seconds, want twice", got)
		}
	})
	t.Run("cannot be read", func(t *testing.T) {
		t.Parallel()

		b, _ := begin(t)
		b.now = b.now.Add(10 * time.Second)
		b.sessions.Fail(hotsync.Errorf(hotsync.CodeStoreUnavailable, "down"))
		if got := b.ask(t, http.MethodGet, "/"); !strings.HasPrefix(got, "down") {
			t.Errorf("without the store the door knows %q", got)
		}
	})
}

func TestParseGroups(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		in      string
		want    staff.Groups
		wantErr bool
	}{
		{in: "", want: staff.Groups{}},
		{in: " ; ", want: staff.Groups{}},
		{in: "admin=Billing IT; operator=Support,Night shift", want: staff.Groups{
			staff.Admin:    {"Billing IT"},
			staff.Operator: {"Support", "Night shift"},
		}},
		{in: "viewer=", want: staff.Groups{}},
		{in: " viewer = Sales , Night shift ,", want: staff.Groups{staff.Viewer: {"Sales", "Night shift"}}},
		{in: "root=x", wantErr: true},
		{in: "nobody=x", wantErr: true},
		{in: "admin", wantErr: true},
	} {
		got, err := staff.ParseGroups(tc.in)
		if (err != nil) != tc.wantErr {
			t.Errorf("ParseGroups(%q) error = %v, want error %t", tc.in, err, tc.wantErr)
			continue
		}
		if diff := cmp.Diff(tc.want, got); !tc.wantErr && diff != "" {
			t.Errorf("ParseGroups(%q) mismatch (-want +got):\n%s", tc.in, diff)
		}
	}
}

// TestGroupsOfAnother: where groups are configured, no other name counts, and a
// claim may be within another.
func TestGroupsOfAnother(t *testing.T) {
	t.Parallel()

	door := staff.New(staff.Config{
		Issuer:      "https://staff.example.com",
		GroupsClaim: "realm_access.roles",
		Groups:      staff.Groups{staff.Operator: {"Support"}},
		Tokens:      stafftest.Tokens{},
		Now:         time.Now,
	})
	for group, want := range map[string]staff.Role{"Support": staff.Operator, "admin": staff.Nobody,
		"operator": staff.Nobody} {
		r := httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+stafftest.Token(map[string]any{"iss": "https://staff.example.com",
			"realm_access": map[string]any{"roles": []any{group}}}))
		m, err := door.Bearer(r, staff.Nobody)
		if err != nil || m.Role() != want {
			t.Errorf("the group %s gives %s (%v), want %s", group, m.Role(), err, want)
		}
	}
}
