// Package spectest holds clients and sandboxes to the OpenAPI files that lie
// beside the checkout. The files are not part of the project: a test that asks
// for one that is absent is skipped, and says so.
package spectest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Transport returns a RoundTripper that fails the test for each request and each
// answer that the file refuses, and otherwise leaves them to next (nil: the
// default transport). file is "zuora.openapi.yaml" or "limio.openapi.json";
// prefix is the path the API lives under: "" for Zuora, "/api" for Limio.
//
// The test is skipped when the file is absent. A test that needs deliberate
// nonsense (broken JSON, a text 502) uses a plain transport.
func Transport(t testing.TB, file, prefix string, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	path, err := find(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf(
			"SKIPPED, NOTHING CHECKED: the OpenAPI file %s is not beside the checkout (looked for ../shared/specs)",
			file,
		)
	}
	if err != nil {
		t.Fatalf("find %s: %v", file, err)
	}
	router, err := load(path, prefix)
	if err != nil {
		t.Fatalf("load %s: %v", file, err)
	}
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{t: t, router: router, next: next}
}

// find looks for the file in ../shared/specs beside the repository that holds
// the working directory (for a test, its package).
func find(file string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err = os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("go.mod above the working directory: %w", err)
		}
		dir = parent
	}
	path := filepath.Join(dir, "..", "shared", "specs", file)
	_, err = os.Stat(path)
	return path, err
}

// loaded keeps the routers of a test binary: reading a file takes 0.1 s and more.
var loaded sync.Map // path and prefix to func() (routers.Router, error)

// The validator has no decoder for XML. Of Zuora's describe, which is XML, only
// the form is checked.
func init() {
	openapi3filter.RegisterBodyDecoder("text/xml", wellFormed)
}

func wellFormed(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
	dec := xml.NewDecoder(body)
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return map[string]any{}, nil
		}
		if err != nil {
			return nil, &openapi3filter.ParseError{Kind: openapi3filter.KindInvalidFormat, Cause: err}
		}
	}
}

func load(path, prefix string) (routers.Router, error) {
	once, _ := loaded.LoadOrStore([2]string{path, prefix}, sync.OnceValues(func() (routers.Router, error) {
		doc, err := openapi3.NewLoader().LoadFromFile(path)
		if err != nil {
			return nil, err
		}
		doc.Servers = nil // any host
		if prefix != "" {
			doc.Servers = openapi3.Servers{{URL: prefix}}
		}
		return gorillamux.NewRouter(doc)
	}))
	return once.(func() (routers.Router, error))()
}

type transport struct {
	t      testing.TB
	router routers.Router
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (s *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	route, params, err := s.router.FindRoute(req)
	if err != nil {
		s.t.Errorf("%s %s is not in the file: %v", req.Method, req.URL.Path, err)
		return s.next.RoundTrip(req)
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			MultiError:            true,
			IncludeResponseStatus: true,
			SkipSettingDefaults:   true, // else the validator writes default values into the request
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		}}
	err = openapi3filter.ValidateRequest(req.Context(), in)
	if err != nil {
		s.t.Errorf("request %s %s: %v", req.Method, req.URL.Path, err)
	}
	res, err := s.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	err = errors.Join(err, res.Body.Close())
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	err = openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: res.StatusCode, Header: res.Header,
		Body: io.NopCloser(bytes.NewReader(body)), Options: in.Options})
	if err != nil {
		s.t.Errorf("answer to %s %s: %v", req.Method, req.URL.Path, err)
	}
	return res, nil
}
