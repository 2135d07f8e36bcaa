package staff_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hotsync/shared/console/staff"
	"hotsync/shared/console/staff/stafftest"
	"hotsync/shared/hotsync"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

type testBundle struct {
	provider *stafftest.Provider
	door     *staff.Door
	browser  *http.Client
	address  string // answers with who is signed in: name, a blank, role
}

// setup is a door in a house of three addresses: /, /signin/… and /signout.
func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{provider: stafftest.Start(t)}
	b.door = staff.New(staff.Config{
		Issuer:      b.provider.URL,
		ClientID:    "hotsync",
		GroupsClaim: "groups",
		Tokens:      stafftest.Tokens{},
		SessionKey:  key("k"),
		Now:         func() time.Time { return start },
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
	mux.HandleFunc("POST /signout", func(w http.ResponseWriter, r *http.Request) { b.door.SignOut(w, r) })
	mux.HandleFunc("GET /", open(func(w http.ResponseWriter, r *http.Request) error {
		m, ok, err := b.door.Member(w, r)
		if err != nil || !ok {
			return errors.Join(err, hotsync.Errorf(hotsync.CodeUnauthenticated, "nobody"))
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

// ask returns what the house answers.
func (b *testBundle) ask(t *testing.T, method, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
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
			r.Header.Set("Authorization", "bearer "+stafftest.Token(map[string]any{"iss": b.provider.URL, "sub": "s", "groups": tc.groups}))
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
		"changed":             func() error { return mine.Open(ctx, "session", base64.RawURLEncoding.EncodeToString(raw), &got) },
		"no base64":           func() error { return mine.Open(ctx, "session", "!", &got) },
		"nothing":             func() error { return mine.Open(ctx, "session", "", &got) },
		"of another shape":    func() error { return mine.Open(ctx, "session", text, &struct{ A int }{}) },
	} {
		if err := open(); !errors.Is(err, staff.ErrSeal) {
			t.Errorf("%s: Open error = %v, want ErrSeal", name, err)
		}
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
		"/events?status=failed": "/events?status=failed",
		"/":                     "/",
		"":                      "/",
		"//evil.example":        "/",
		`/\evil.example`:        "/",
		"/\t/evil.example":      "/",
		"https://evil.example/": "/",
		"javascript:alert(1)":   "/",
		"/signout":              "/",
	} {
		if got := staff.OwnPath(to); got != want {
			t.Errorf("OwnPath(%q) = %q, want %q", to, got, want)
		}
	}
}
