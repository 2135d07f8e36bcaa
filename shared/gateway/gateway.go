// Package gateway is the one codec of API Gateway's events: of HTTP APIs (payload
// format 2.0) and of REST APIs (1.0), which differ in where they put things. The
// functions read what came and answer in the same format, as ordinary net/http or
// by hand; the local system writes such events.
//
// The formats:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// DefaultRoute is the route of an HTTP API that takes what no other does.
const DefaultRoute = "$default"

// Version2 is the payload format of HTTP APIs.
const Version2 = "2.0"

// Event is a request as API Gateway hands it to a function.
type Event struct {
	Version string `json:"version,omitempty"`
	// 2.0: method and path as the API's routes have them, or $default
	RouteKey       string            `json:"routeKey,omitempty"`
	RawPath        string            `json:"rawPath,omitempty"` // 2.0
	RawQueryString string            `json:"rawQueryString"`    // 2.0
	Cookies        []string          `json:"cookies,omitempty"` // 2.0
	Headers        map[string]string `json:"headers,omitempty"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	PathParameters map[string]string `json:"pathParameters,omitempty"`
	RequestContext Context           `json:"requestContext"`
	Body           string            `json:"body,omitempty"`
	IsBase64       bool              `json:"isBase64Encoded"`

	HTTPMethod string `json:"httpMethod,omitempty"` // 1.0
	// 1.0: the path as the API's routes have it
	Resource     string              `json:"resource,omitempty"`
	Path         string              `json:"path,omitempty"`                            // 1.0
	MultiHeaders map[string][]string `json:"multiValueHeaders,omitempty"`               // 1.0
	MultiQuery   map[string][]string `json:"multiValueQueryStringParameters,omitempty"` // 1.0
}

// Context is what API Gateway says of a request.
type Context struct {
	RouteKey     string          `json:"routeKey,omitempty"`
	AccountID    string          `json:"accountId,omitempty"`
	Stage        string          `json:"stage,omitempty"`
	RequestID    string          `json:"requestId,omitempty"`
	APIID        string          `json:"apiId,omitempty"`
	DomainName   string          `json:"domainName,omitempty"`
	DomainPrefix string          `json:"domainPrefix,omitempty"`
	Time         string          `json:"time,omitempty"`
	TimeEpoch    int64           `json:"timeEpoch,omitempty"`
	HTTP         HTTP            `json:"http,omitzero"`     // 2.0
	Identity     Identity        `json:"identity,omitzero"` // 1.0
	Authorizer   json.RawMessage `json:"authorizer,omitempty"`
}

// HTTP is the request line, in format 2.0.
type HTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// Identity is who calls, in format 1.0.
type Identity struct {
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// Decode reads an event of either format.
func Decode(raw []byte) (*Event, error) {
	var e Event
	err := json.Unmarshal(raw, &e)
	if err != nil {
		return nil, errors.New("no event of API Gateway") // json's text may quote it
	}
	return &e, nil
}

// Method is the request's method.
func (e *Event) Method() string {
	if e.RequestContext.HTTP.Method != "" {
		return e.RequestContext.HTTP.Method
	}
	return e.HTTPMethod
}

// route is the path as the API's routes have it, "" where the event names none.
func (e *Event) route() string {
	if e.RouteKey == DefaultRoute {
		return ""
	}
	if _, path, ok := strings.Cut(e.RouteKey, " "); ok {
		return path
	}
	return e.Resource
}

// EventPath is the path within the API. A custom domain puts a mapping key before
// the path of a request, and the stage may be there too; the API's route has
// neither, so the path is made of the route and its parameters. Only the default
// route says nothing, and a mapping key stays there.
func (e *Event) EventPath() string {
	if path, ok := fill(e.route(), e.PathParameters); ok {
		return path
	}
	path := e.RawPath
	if path == "" {
		path = e.Path
	}
	if within, ok := strings.CutPrefix(path, "/"+e.RequestContext.Stage+"/"); ok && e.RequestContext.Stage != "" {
		return "/" + within
	}
	return path
}

// fill puts the values of parameters into a route such as /syncs/{event}.
func fill(route string, values map[string]string) (string, bool) {
	if route == "" {
		return "", false
	}
	parts := strings.Split(route, "/")
	for i, part := range parts {
		name, isParameter := strings.CutPrefix(part, "{")
		if !isParameter {
			continue
		}
		value, ok := values[strings.TrimSuffix(strings.TrimSuffix(name, "}"), "+")]
		if !ok {
			return "", false
		}
		parts[i] = value
	}
	return strings.Join(parts, "/"), true
}

// Header returns the values of a header, whatever its case.
func (e *Event) Header(name string) []string {
	for n, values := range e.MultiHeaders {
		if strings.EqualFold(n, name) {
			return values
		}
	}
	for n, value := range e.Headers {
		if strings.EqualFold(n, name) {
			return []string{value}
		}
	}
	return nil
}

// Parameter returns a parameter of the query, the last where there are several.
func (e *Event) Parameter(name string) string { return e.Query[name] }

// Content is the body.
func (e *Event) Content() ([]byte, error) {
	if !e.IsBase64 {
		return []byte(e.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil, fmt.Errorf("decode body: %w", err)
	}
	return body, nil
}

// query is the query as it came: a REST API hands it on in parts.
func (e *Event) query() string {
	switch {
	case e.Version == Version2 || e.RawQueryString != "":
		return e.RawQueryString
	case len(e.MultiQuery) > 0:
		return url.Values(e.MultiQuery).Encode()
	}
	v := url.Values{}
	for name, value := range e.Query {
		v.Set(name, value)
	}
	return v.Encode()
}

// isRest reports whether the event has format 1.0.
func (e *Event) isRest() bool { return e.Version != Version2 && e.RequestContext.HTTP.Method == "" }

// Claims are the claims of a token that an authorizer of the API has verified; nil
// where there is none. Each kind of authorizer has its own place for them, and a
// Lambda authorizer hands on what it was written to: a member claims, which may be
// text since contexts are flat, or the claims themselves. Numbers are json.Number.
func (e *Event) Claims() map[string]any {
	if len(e.RequestContext.Authorizer) == 0 {
		return nil
	}
	var a struct {
		JWT struct {
			Claims json.RawMessage `json:"claims"`
		} `json:"jwt"` // 2.0
		Lambda json.RawMessage `json:"lambda"` // 2.0, of a Lambda authorizer
		Claims json.RawMessage `json:"claims"` // 1.0, of a user pool or of a Lambda authorizer
	}
	if json.Unmarshal(e.RequestContext.Authorizer, &a) != nil {
		return nil
	}
	var inLambda struct {
		Claims json.RawMessage `json:"claims"`
	}
	if len(a.Lambda) > 0 {
		_ = json.Unmarshal(a.Lambda, &inLambda) // what has another form has no claims
	}
	for _, raw := range []json.RawMessage{a.JWT.Claims, inLambda.Claims, a.Claims} {
		if claims := claimSet(raw); claims != nil {
			return claims
		}
	}
	for _, raw := range []json.RawMessage{a.Lambda, e.RequestContext.Authorizer} {
		claims := claimSet(raw)
		if _, ok := claims["iss"]; ok {
			return claims
		}
	}
	return nil
}

// claimSet reads an object of claims, or the text of one; nil for anything else.
func claimSet(raw json.RawMessage) map[string]any {
	if len(raw) == 0 {
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = []byte(text)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var claims map[string]any
	if dec.Decode(&claims) != nil {
		return nil
	}
	return claims
}

// Answer is a function's answer, in the shape that both formats take.
type Answer struct {
	StatusCode   int                 `json:"statusCode"`
	Headers      map[string]string   `json:"headers"`
	MultiHeaders map[string][]string `json:"multiValueHeaders,omitempty"` // 1.0
	Cookies      []string            `json:"cookies,omitempty"`           // 2.0
	Body         string              `json:"body"`
	IsBase64     bool                `json:"isBase64Encoded"`
}

// JSON is an answer with a JSON body, which no cache keeps.
func JSON(status int, body any) Answer {
	raw, err := json.Marshal(body)
	if err != nil {
		return Answer{StatusCode: http.StatusInternalServerError, Headers: map[string]string{}}
	}
	return Answer{StatusCode: status, Body: string(raw), Headers: map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}}
}
