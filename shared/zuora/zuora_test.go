package zuora_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

const (
	accountID = "8a8081f97a1e4f2b017a1e50c0de0101"
	otherID   = "8a8081f97a1e4f2b017a1e50c0de0202"
	number    = "A00000101"

	tokenBody = `{"access_token":"0123456789abcdef0123456789abcdef","expires_in":3599,"token_type":"bearer"}`
)

// fake is Zuora without a network, for answers no well-behaved server gives and
// for virtual time. Requests for a token are granted unless token is set.
type fake struct {
	answer func(*http.Request) (*http.Response, error)
	token  func(*http.Request) (*http.Response, error)

	mu       sync.Mutex
	requests []*http.Request
}

// RoundTrip implements http.RoundTripper.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	err := r.Context().Err()
	if err != nil {
		return nil, err
	}
	switch {
	case r.URL.Path != "/oauth/token":
		return f.answer(r)
	case f.token != nil:
		return f.token(r)
	default:
		return reply(http.StatusOK, tokenBody), nil
	}
}

// seen returns "METHOD path" of the requests so far.
func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, r := range f.requests {
		out = append(out, r.Method+" "+r.URL.Path)
	}
	return out
}

func (f *fake) count(path string) int {
	n := 0
	for _, s := range f.seen() {
		if strings.HasSuffix(s, " "+path) {
			n++
		}
	}
	return n
}

// reply makes an answer; header holds names and values in turn.
func reply(status int, body string, header ...string) *http.Response {
	res := &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: -1,
		Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		res.Header.Set(header[i], header[i+1])
	}
	return res
}

// always gives every call the same answer.
func always(status int, body string, header ...string) *fake {
	return &fake{answer: func(*http.Request) (*http.Response, error) { return reply(status, body, header...), nil }}
}

// byPath answers by path, with 404 in Zuora's words for any other.
func byPath(bodies map[string]string) *fake {
	return &fake{answer: func(r *http.Request) (*http.Response, error) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			return reply(http.StatusNotFound,
				`{"success":false,"reasons":[{"code":50000040,"message":"Cannot find entity"}]}`), nil
		}
		return reply(http.StatusOK, body), nil
	}}
}

func credentials(context.Context, bool) (clientID, clientSecret string, err error) {
	return "00000000-0000-0000-0000-000000000000", "s3cr3t-of-the-client", nil
}

// newClient makes a client of transport; edit, if given, changes its Config.
func newClient(t testing.TB, transport http.RoundTripper, edit ...func(*zuora.Config)) *zuora.Client {
	t.Helper()
	cfg := zuora.Config{BaseURL: "http://127.0.0.1:1", Credentials: credentials, Transport: transport}
	for _, e := range edit {
		e(&cfg)
	}
	c, err := zuora.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantCode fails the test unless err has the code ("" for no error).
func wantCode(t testing.TB, call string, err error, want hotsync.Code) {
	t.Helper()
	var got hotsync.Code
	if err != nil {
		got = hotsync.AsError(err).Code
	}
	if got != want {
		t.Errorf("%s error = %v, want code %q", call, err, want)
	}
}

func accountBody(id, number string) string {
	return `{"success":true,"basicInfo":{"id":"` + id + `","accountNumber":"` + number +
		`","name":"Ada Reader","status":"Active"}}`
}

func TestNew(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		base string
		want string // "" for refused
	}{
		{base: "eu-production", want: "https://rest.eu.zuora.com"},
		{base: "us1-production", want: "https://rest.na.zuora.com"},
		{base: "https://rest.test.eu.zuora.com", want: "https://rest.test.eu.zuora.com"},
		{base: "https://rest.test.eu.zuora.com/", want: "https://rest.test.eu.zuora.com"},
		{base: "http://127.0.0.1:8091", want: "http://127.0.0.1:8091"},
		{base: "http://localhost:8091", want: "http://localhost:8091"},
		{base: "http://[::1]:8091", want: "http://[::1]:8091"},
		{base: ""},
		{base: "http://rest.eu.zuora.com"},
		{base: "https://rest.eu.zuora.com.example.com"},
		{base: "https://rest.eu.zuora.com@example.com"},
		{base: "http://user@127.0.0.1:8091"},
		{base: "http://127.0.0.1:8091/v1"},
		{base: "http://127.0.0.1.example.com"},
		{base: "http://10.0.0.1"},
	} {
		got, err := zuora.BaseURL(tc.base)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("BaseURL(%q) = %q, %v, want %q", tc.base, got, err, tc.want)
		}
		_, err = zuora.New(zuora.Config{BaseURL: tc.base, Credentials: credentials})
		if (err == nil) != (tc.want != "") {
			t.Errorf("New with base %q: error %v", tc.base, err)
		}
	}
	_, err := zuora.New(zuora.Config{BaseURL: "eu-production"})
	if err == nil {
		t.Error("New without credentials: no error")
	}
	if n := len(zuora.Environments()); n != 10 {
		t.Errorf("Environments() has %d names, want 10", n)
	}
}

// errBroken is a connection that broke.
var errBroken = errors.New("connection reset by peer")

// breaksOff is a body that ends with errBroken.
func breaksOff(body string) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(body), errReader{errBroken}))
}

type errReader struct{ err error }

// Read implements io.Reader.
func (r errReader) Read([]byte) (int, error) { return 0, r.err }
