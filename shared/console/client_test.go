package console_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"hotsync/shared/console/internal/htmlcheck"
)

// client is a browser without scripts: it keeps cookies, follows redirects and
// sends forms as a browser does.
type client struct {
	*bundle
	http *http.Client
}

// answer is a page as the client got it.
type answer struct {
	htmlcheck.Page
	status int
	header http.Header
	body   string
	url    *url.URL
}

func (b *bundle) browser() client {
	b.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return client{b, &http.Client{Jar: jar}}
}

// signIn returns a browser in which somebody with that group is signed in.
func (b *bundle) signIn(group string) client {
	b.t.Helper()
	c := b.browser()
	b.provider.Next(map[string]any{"sub": "staff-" + group, "name": "Member " + group, "groups": []any{group}})
	a := c.get("/signin/start?to=/events")
	if a.status != http.StatusOK || a.url.Path != "/events" {
		b.t.Fatalf("sign-in as %s ended at %s with %d", group, a.url, a.status)
	}
	return c
}

// signInAnd signs somebody in while sessions can be read, and then does it.
func (b *bundle) signInAnd(t *testing.T, group string, do func(client) answer) answer {
	t.Helper()
	b.sessions.Fail(nil)
	c := b.signIn(group)
	b.sessions.Fail(down)
	return do(c)
}

func (c client) get(path string, headers ...string) answer {
	c.t.Helper()
	return c.do(http.MethodGet, path, nil, headers...)
}

func (c client) post(path string, form url.Values, headers ...string) answer {
	c.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return c.do(http.MethodPost, path, form,
		append([]string{"Sec-Fetch-Site", "same-origin", "Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

// upload posts a form with a file, as a browser does.
func (c client) upload(path string, form url.Values, file string) answer {
	c.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, values := range form {
		for _, v := range values {
			err := w.WriteField(name, v)
			if err != nil {
				c.t.Fatal(err)
			}
		}
	}
	part, err := w.CreateFormFile("file", "accounts.csv")
	if err == nil {
		_, err = io.WriteString(part, file)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return c.send(http.MethodPost, path, &body, "Sec-Fetch-Site", "same-origin", "Content-Type", w.FormDataContentType())
}

func (c client) do(method, path string, form url.Values, headers ...string) answer {
	c.t.Helper()
	return c.send(method, path, strings.NewReader(form.Encode()), headers...)
}

func (c client) send(method, path string, sent io.Reader, headers ...string) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+path, sent)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{htmlcheck.Parse(c.t, strings.NewReader(string(body))), resp.StatusCode, resp.Header, string(body),
		resp.Request.URL}
}

// wantStatus fails the test unless the answer has that status.
func (a answer) wantStatus(t *testing.T, want int) {
	t.Helper()
	if a.status != want {
		t.Errorf("%s answered %d, want %d: %.300s", a.url, a.status, want, a.body)
	}
}
