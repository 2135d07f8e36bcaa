package spectest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Own holds the project's handlers to its own description, docs/openapi.yaml.
type Own struct {
	t      testing.TB
	router routers.Router

	mu   sync.Mutex
	seen map[string]bool // method, path and status
}

// OpenOwn reads docs/openapi.yaml. At the end of the test, which is to send
// everything that the paths with one of those prefixes can meet, each status that
// the file names for them has to have been answered.
func OpenOwn(t testing.TB, prefixes ...string) *Own {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil // any host
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	o := &Own{t: t, router: router, seen: map[string]bool{}}
	t.Cleanup(func() {
		for path, item := range doc.Paths.Map() {
			if !slices.ContainsFunc(
				prefixes,
				func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") },
			) {
				continue
			}
			for method, operation := range item.Operations() {
				for status := range operation.Responses.Map() {
					if !o.seen[method+" "+path+" "+status] {
						t.Errorf("docs/openapi.yaml: the test never met %s %s with status %s", method, path, status)
					}
				}
			}
		}
	})
	return o
}

// Check fails the test where the file does not know the request's path, the
// answer's status, or the answer's form. The request itself is checked where the
// answer is no refusal.
func (o *Own) Check(req *http.Request, sent []byte, res *http.Response, answer []byte) {
	o.t.Helper()
	route, params, err := o.router.FindRoute(req)
	if err != nil && res.StatusCode == http.StatusMethodNotAllowed {
		other := req.Clone(req.Context())
		other.Method = res.Header.Get("Allow")
		route, params, err = o.router.FindRoute(other)
	}
	if err != nil {
		o.t.Errorf("docs/openapi.yaml has no %s %s: %v", req.Method, req.URL.Path, err)
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request:    req,
		PathParams: params,
		Route:      route,
		Options: &openapi3filter.Options{
			MultiError:            true,
			IncludeResponseStatus: true,
			SkipSettingDefaults:   true,
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		},
	}
	if res.StatusCode < 400 {
		req.Body = io.NopCloser(bytes.NewReader(sent))
		err = openapi3filter.ValidateRequest(req.Context(), in)
		if err != nil {
			o.t.Errorf("request %s %s: %v", req.Method, req.URL, err)
		}
	}
	err = openapi3filter.ValidateResponse(
		req.Context(),
		&openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode,
			Header: res.Header, Body: io.NopCloser(bytes.NewReader(answer)), Options: in.Options},
	)
	if err != nil {
		o.t.Errorf("answer %d to %s %s: %v", res.StatusCode, req.Method, req.URL, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[fmt.Sprintf("%s %s %d", route.Method, route.Path, res.StatusCode)] = true
}
