package lambdahost

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"hotsync/local/stack/template"
	awsgateway "hotsync/shared/gateway"
)

// Limits of HTTP APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
const (
	maxHTTPBody        = 10 << 20
	maxHTTPHeaders     = 10240 // request line and header values together
	integrationTimeout = 30 * time.Second
)

// gateway stands in for an API Gateway HTTP API with payload format 2.0:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
// What that page leaves open follows what others measured: paths reach the
// function decoded, a function's error is a 500, no answer within 30 s a 503.
type gateway struct {
	now    func() time.Time
	cors   *template.CORS
	routes []route // the most specific first
}

type route struct {
	template.Route
	fn       *function
	segments []segment
}

// segment is one part of a route's path.
type segment struct {
	text string // the text, or the parameter's name
	kind segmentKind
}

type segmentKind int

const (
	literal segmentKind = iota // more specific before less
	parameter
	greedy
)

// HTTPAPI serves the routes of the template as API Gateway would.
func (h *Host) HTTPAPI() http.Handler { return h.gateway }

func newGateway(h *Host) *gateway {
	g := &gateway{now: h.cfg.Now, cors: h.cfg.Template.CORS}
	for _, f := range h.functions {
		for _, r := range f.spec.Routes {
			g.routes = append(g.routes, route{Route: r, fn: f, segments: parsePath(r.Path)})
		}
	}
	slices.SortStableFunc(g.routes, func(a, b route) int {
		return cmp.Or(
			slices.CompareFunc(a.segments, b.segments, func(a, b segment) int { return cmp.Compare(a.kind, b.kind) }),
			boolean(a.Method == "ANY")-boolean(b.Method == "ANY"),
			boolean(a.Path == template.DefaultRoute)-boolean(b.Path == template.DefaultRoute),
		)
	})
	return g
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// parsePath reads a route's path, which the template's reader has checked.
// $default is a greedy parameter without a name.
func parsePath(path string) []segment {
	if path == template.DefaultRoute {
		return []segment{{kind: greedy}}
	}
	var all []segment
	for s := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		name, isParameter := strings.CutPrefix(s, "{")
		name = strings.TrimSuffix(name, "}")
		name, isGreedy := strings.CutSuffix(name, "+")
		switch {
		case isParameter && isGreedy:
			all = append(all, segment{name, greedy})
		case isParameter:
			all = append(all, segment{name, parameter})
		default:
			all = append(all, segment{s, literal})
		}
	}
	return all
}

// match finds the route for a request, and the values of its path parameters.
func (g *gateway) match(method, path string) (*route, map[string]string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range g.routes {
		r := &g.routes[i]
		if r.Method != "ANY" && r.Method != method {
			continue
		}
		if r.Path == template.DefaultRoute {
			return r, nil
		}
		if values, ok := r.match(parts); ok {
			return r, values
		}
	}
	return nil, nil
}

func (r *route) match(parts []string) (map[string]string, bool) {
	values := map[string]string{}
	for i, s := range r.segments {
		switch {
		case i >= len(parts):
			return nil, false
		case s.kind == greedy:
			rest := strings.Join(parts[i:], "/")
			values[s.text] = rest
			return values, rest != ""
		case s.kind == parameter && parts[i] != "":
			values[s.text] = parts[i]
		case s.kind == literal && parts[i] == s.text:
		default:
			return nil, false
		}
	}
	return values, len(parts) == len(r.segments)
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestID()
	w.Header().Set("Apigw-Requestid", id)
	if g.preflight(w, r) {
		return
	}
	if headerSize(r) > maxHTTPHeaders {
		problem(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large")
		return
	}
	route, values := g.match(r.Method, r.URL.Path)
	if route == nil {
		problem(w, http.StatusNotFound, "Not Found")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHTTPBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		problem(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	case err != nil:
		return // the caller is gone
	}
	payload, err := json.Marshal(g.event(r, route, values, body, id))
	if err != nil || len(payload) > maxPayload {
		problem(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), integrationTimeout)
	defer cancel()
	result, err := route.fn.call(ctx, payload)
	if err != nil {
		problem(w, http.StatusServiceUnavailable, "Service Unavailable")
		return
	}
	answer, err := decodeAnswer(result.Payload)
	if err != nil || result.FunctionError != "" {
		problem(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	if g.cors != nil {
		answer.withoutCORS()
	}
	answer.write(w)
}

// headerSize is what API Gateway counts against its limit: request line and headers.
func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// event makes the function's event of a request.
func (g *gateway) event(
	r *http.Request,
	route *route,
	values map[string]string,
	body []byte,
	id string,
) awsgateway.Event {
	now := g.now()
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
	}
	prefix, _, _ := strings.Cut(host, ".")
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	headers, cookies := eventHeaders(r, source, port)
	if headers["x-amzn-trace-id"] == "" {
		headers["x-amzn-trace-id"], _, _ = strings.Cut(newTrace(now), ";")
	}
	e := awsgateway.Event{
		Version:        awsgateway.Version2,
		RouteKey:       route.Key(),
		RawPath:        r.URL.Path,
		RawQueryString: r.URL.RawQuery,
		Cookies:        cookies,
		Headers:        headers,
		Query:          joinQuery(r.URL.RawQuery),
		PathParameters: values,
		RequestContext: awsgateway.Context{
			RouteKey:     route.Key(),
			AccountID:    template.AccountID,
			Stage:        "$default",
			RequestID:    id,
			APIID:        "local",
			DomainName:   host,
			DomainPrefix: prefix,
			Time:         now.UTC().Format("02/Jan/2006:15:04:05 -0700"),
			TimeEpoch:    now.UnixMilli(),
			HTTP: awsgateway.HTTP{
				Method:    r.Method,
				Path:      r.URL.Path,
				Protocol:  r.Proto,
				SourceIP:  source,
				UserAgent: r.UserAgent(),
			},
		},
	}
	e.IsBase64 = len(body) > 0 && !isText(r.Header, body)
	e.Body = string(body)
	if e.IsBase64 {
		e.Body = base64.StdEncoding.EncodeToString(body)
	}
	return e
}

// eventHeaders returns headers in lower case, repeated ones joined by commas, with
// those that API Gateway adds; and the cookies, which are apart.
func eventHeaders(r *http.Request, source, port string) (headers map[string]string, cookies []string) {
	headers = map[string]string{
		"host":              r.Host,
		"x-forwarded-port":  port,
		"x-forwarded-proto": "http",
		"x-forwarded-for":   source,
	}
	for name, values := range r.Header {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Upgrade":
			// between two neighbours only
		case "Cookie":
			for _, v := range values {
				for c := range strings.SplitSeq(v, ";") {
					if c = strings.TrimSpace(c); c != "" {
						cookies = append(cookies, c)
					}
				}
			}
		case "X-Forwarded-For":
			headers["x-forwarded-for"] = strings.Join(append(slices.Clone(values), source), ", ")
		default:
			headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	return headers, cookies
}

// joinQuery returns the query's parameters, repeated ones joined by commas.
func joinQuery(raw string) map[string]string {
	// What is malformed stays out; the raw query has it.
	values, _ := url.ParseQuery(raw)
	if len(values) == 0 {
		return nil
	}
	joined := make(map[string]string, len(values))
	for name, v := range values {
		joined[name] = strings.Join(v, ",")
	}
	return joined
}

// isText reports whether API Gateway passes a body on as it is. It does so by
// content type, for these few only: measured in
// https://github.com/ministackorg/ministack/pull/766
func isText(h http.Header, body []byte) bool {
	if h.Get("Content-Encoding") != "" || !utf8.Valid(body) {
		return false
	}
	typ, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return false
	}
	return strings.HasPrefix(typ, "text/") || typ == "application/json" || typ == "application/xml" ||
		typ == "application/javascript"
}

// answer is what an HTTP API makes of a function's answer.
type answer struct {
	status  int
	headers map[string]string
	cookies []string
	body    []byte
}

// decodeAnswer reads a function's answer. JSON without a status code is itself
// the body.
func decodeAnswer(payload []byte) (answer, error) {
	var shape struct {
		StatusCode      json.RawMessage   `json:"statusCode"`
		Headers         map[string]scalar `json:"headers"`
		Cookies         []string          `json:"cookies"`
		Body            string            `json:"body"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil || members["statusCode"] == nil {
		if !json.Valid(payload) {
			return answer{}, errors.New("the answer is not JSON")
		}
		return answer{
			status:  http.StatusOK,
			headers: map[string]string{"content-type": "application/json"},
			body:    payload,
		}, nil
	}
	if err := json.Unmarshal(payload, &shape); err != nil {
		return answer{}, err
	}
	a := answer{headers: map[string]string{}, cookies: shape.Cookies, body: []byte(shape.Body)}
	if err := json.Unmarshal(shape.StatusCode, &a.status); err != nil {
		return answer{}, err
	}
	if a.status < 200 || a.status > 599 {
		return answer{}, fmt.Errorf("the status code is %d", a.status)
	}
	for name, v := range shape.Headers {
		a.headers[strings.ToLower(name)] = string(v)
	}
	if a.headers["content-type"] == "" {
		a.headers["content-type"] = "text/plain;charset=UTF-8"
	}
	if shape.IsBase64Encoded {
		var err error
		if a.body, err = base64.StdEncoding.DecodeString(shape.Body); err != nil {
			return answer{}, err
		}
	}
	return a, nil
}

// scalar is a header's value: a text, number or truth value.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		*s = scalar(v)
	case float64, bool:
		*s = scalar(b)
	default:
		return fmt.Errorf("a header is %s", b)
	}
	return nil
}

func (a answer) write(w http.ResponseWriter) {
	for name, value := range a.headers {
		switch name {
		case "connection", "content-length", "transfer-encoding": // the server's own
		default:
			w.Header().Set(name, value)
		}
	}
	for _, c := range a.cookies {
		w.Header().Add("Set-Cookie", c)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // an error says that the caller is gone, or that this status has no body
}

// problem answers as API Gateway itself does.
func problem(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]string{"message": message})
}

// requestID looks like an HTTP API's, such as JKJaXmPLvHcESHA=.
func requestID() string {
	var b [11]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // documented never to fail
	}
	return base64.StdEncoding.EncodeToString(b[:])
}
