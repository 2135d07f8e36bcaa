package frontdoor

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/hotsync"
)

// request is an event of API Gateway: of an HTTP API (payload format 2.0) or of
// a REST API (1.0), which differ in where they put things.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type request struct {
	HTTPMethod     string              `json:"httpMethod"` // 1.0
	Resource       string              `json:"resource"`   // 1.0: the path as the API's routes have it
	Path           string              `json:"path"`       // 1.0
	RouteKey       string              `json:"routeKey"`   // 2.0: method and path likewise, or $default
	RawPath        string              `json:"rawPath"`    // 2.0
	Query          map[string]string   `json:"queryStringParameters"`
	Headers        map[string]string   `json:"headers"`
	MultiValue     map[string][]string `json:"multiValueHeaders"` // 1.0
	RequestContext struct {
		RequestID string `json:"requestId"`
		Stage     string `json:"stage"`
		HTTP      struct {
			Method string `json:"method"`
			Path   string `json:"path"`
		} `json:"http"` // 2.0
		Authorizer struct {
			JWT struct {
				Claims claimSet `json:"claims"`
			} `json:"jwt"` // 2.0
			Claims claimSet `json:"claims"` // 1.0
			Lambda struct {
				Claims claimSet `json:"claims"`
			} `json:"lambda"` // 2.0, of a custom authorizer
		} `json:"authorizer"`
	} `json:"requestContext"`
}

func (r *request) method() string {
	if r.RequestContext.HTTP.Method != "" {
		return r.RequestContext.HTTP.Method
	}
	return r.HTTPMethod
}

// path is the path of the API's route. A custom domain puts a mapping key before
// the path of the request, and the stage may be there too; the route has neither.
func (r *request) path() string {
	_, route, isRoute := strings.Cut(r.RouteKey, " ")
	switch {
	case isRoute && !strings.Contains(route, "{"):
		return route
	case r.RouteKey == "" && r.Resource != "" && !strings.Contains(r.Resource, "{"):
		return r.Resource
	case r.RawPath == "":
		return r.Path
	}
	path, ok := strings.CutPrefix(r.RawPath, "/"+r.RequestContext.Stage+"/")
	if ok {
		return "/" + path
	}
	return r.RawPath
}

// authorization gives the values of the Authorization header.
func (r *request) authorization() []string {
	for name, values := range r.MultiValue {
		if strings.EqualFold(name, "Authorization") {
			return values
		}
	}
	for name, value := range r.Headers {
		if strings.EqualFold(name, "Authorization") {
			return []string{value}
		}
	}
	return nil
}

// authorizerClaims are the claims of a token that API Gateway has verified.
func (r *request) authorizerClaims() map[string]any {
	a := r.RequestContext.Authorizer
	for _, claims := range []claimSet{a.JWT.Claims, a.Claims, a.Lambda.Claims} {
		if claims != nil {
			return claims
		}
	}
	return nil
}

// claimSet is an object of claims, or the text of one: what a custom authorizer
// hands on may only be text.
type claimSet map[string]any

// UnmarshalJSON reads either; what is neither is as if it were not there.
func (c *claimSet) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = []byte(text)
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var claims map[string]any
	if dec.Decode(&claims) == nil {
		*c = claims
	}
	return nil
}

// answer has the shape that both kinds of API take.
type answer struct {
	StatusCode      int               `json:"statusCode"`
	Headers         map[string]string `json:"headers"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

// serve answers an event of API Gateway.
func (h *Handler) serve(ctx context.Context, raw []byte) []byte {
	result := make(chan answer, 1)
	limit := loginDeadline
	if strings.Contains(string(raw), syncsPath) {
		limit = syncsTime
	}
	failure := h.within(ctx, limit, func(ctx context.Context) { result <- h.login(ctx, raw) })
	if failure != nil {
		return encode(refusal(failure))
	}
	return encode(<-result)
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers only: cannot fail
	}
	return raw
}

func respond(status int, body any) answer {
	return answer{StatusCode: status, Body: string(encode(body)), Headers: map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}}
}

func refusal(e *hotsync.Error) answer {
	status := e.Code.HTTPStatus()
	a := respond(status, map[string]*hotsync.Problem{"error": e.Problem()})
	switch {
	case e.Code == hotsync.CodeUnauthenticated:
		a.Headers["WWW-Authenticate"] = `Bearer realm="hotsync"`
	case status == http.StatusUnauthorized: // RFC 6750, 3
		a.Headers["WWW-Authenticate"] = `Bearer realm="hotsync", error="invalid_token"`
	case status == http.StatusServiceUnavailable:
		a.Headers["Retry-After"] = strconv.Itoa(max(1, int(e.RetryAfter.Seconds())))
	}
	return a
}

// login serves POST /login.
func (h *Handler) login(ctx context.Context, raw []byte) answer {
	var r request
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	err := dec.Decode(&r)
	id, isSync := r.syncID()
	switch {
	case err != nil:
		return refusal(hotsync.Errorf(hotsync.CodeBadRequest, "The request could not be read."))
	case isSync:
		return h.serveSyncs(ctx, &r, id)
	case r.path() != "/login":
		return refusal(hotsync.Errorf(hotsync.CodeNotFound, "There is only POST /login here."))
	case r.method() != http.MethodPost:
		a := respond(http.StatusMethodNotAllowed, map[string]*hotsync.Problem{
			"error": {Code: hotsync.CodeBadRequest, Message: "Use POST.", Hint: hotsync.CodeBadRequest.Hint()}})
		a.Headers["Allow"] = http.MethodPost
		return a
	}
	out, err := h.admitRequest(ctx, &r)
	if err != nil {
		return refusal(hotsync.AsError(err))
	}
	return respond(http.StatusAccepted, out)
}

func (h *Handler) admitRequest(ctx context.Context, r *request) (admission, error) {
	now := h.Now()
	settings, err := h.settings(ctx, loginDeadline-recordReserve)
	if err != nil {
		h.refused(ctx, err)
		return admission{}, err
	}
	token, err := h.authenticate(ctx, r, settings)
	if err != nil {
		h.refused(ctx, err)
		return admission{}, err
	}
	login := hotsync.Login{Trigger: hotsync.TriggerLogin, Identity: hotsync.Identity{Issuer: token.Issuer, Subject: token.Subject},
		Audience: token.Audience, Email: token.Email, Claims: token.Claims, At: now}
	// One token is one login, however often it is sent within ten seconds: its
	// claims, jti and iat among them, tell it from the token of the next sign-in.
	bucket := now.Truncate(sameLogin)
	login.ID = loginID("token", token.Issuer, token.Subject, string(encode(token.Claims)), bucket.UTC().Format(time.RFC3339))
	return h.admit(ctx, login, settings, func(target string) string { return hotsync.EventIDFor(bucket, login.ID, target) })
}

// refused logs a login that was not let in. The causes carry nothing of the
// token.
func (h *Handler) refused(ctx context.Context, err error) {
	h.Log.WarnContext(ctx, "login refused", "trigger", hotsync.TriggerLogin, "code", hotsync.AsError(err).Code, "error", err)
}
