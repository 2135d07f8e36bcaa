package frontdoor

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"hotsync/shared/hotsync"
	"hotsync/shared/idtoken"
)

// request is an event of API Gateway: of an HTTP API (payload format 2.0) or of
// a REST API (1.0), which differ in where they put things.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
type request struct {
	HTTPMethod     string              `json:"httpMethod"` // 1.0
	Path           string              `json:"path"`       // 1.0
	RawPath        string              `json:"rawPath"`    // 2.0
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
				Claims map[string]any `json:"claims"`
			} `json:"jwt"` // 2.0
			Claims map[string]any `json:"claims"` // 1.0
		} `json:"authorizer"`
	} `json:"requestContext"`
}

func (r *request) method() string {
	if r.RequestContext.HTTP.Method != "" {
		return r.RequestContext.HTTP.Method
	}
	return r.HTTPMethod
}

// path is without the stage, which HTTP APIs leave in.
func (r *request) path() string {
	if r.RawPath == "" {
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
	if r.RequestContext.Authorizer.JWT.Claims != nil {
		return r.RequestContext.Authorizer.JWT.Claims
	}
	return r.RequestContext.Authorizer.Claims
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
	failure := h.within(ctx, loginDeadline, func(ctx context.Context) { result <- h.login(ctx, raw) })
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
	switch {
	case err != nil:
		return refusal(hotsync.Errorf(hotsync.CodeBadRequest, "The request could not be read."))
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
	login.ID = loginID("request", r.RequestContext.RequestID)
	if r.RequestContext.RequestID == "" {
		login.ID = loginID("event", hotsync.NewEventID(login.At, h.Random))
	}
	return h.admit(ctx, login, settings, func(string) string { return hotsync.NewEventID(login.At, h.Random) })
}

// refused logs a login that was not let in. The causes carry nothing of the
// token.
func (h *Handler) refused(ctx context.Context, err error) {
	h.Log.WarnContext(ctx, "login refused", "trigger", hotsync.TriggerLogin, "code", hotsync.AsError(err).Code, "error", err)
}

// authenticate says who signed in: by the bearer token or, where an authorizer
// of API Gateway consumed it, by the claims it left.
func (h *Handler) authenticate(ctx context.Context, r *request, settings hotsync.Settings) (idtoken.Token, error) {
	accept := func(issuer string) ([]string, bool) {
		p, ok := settings.Provider(issuer)
		return p.Audiences, ok
	}
	values := r.authorization()
	if len(values) == 0 {
		verified := r.authorizerClaims()
		if verified == nil {
			return idtoken.Token{}, hotsync.Errorf(hotsync.CodeUnauthenticated, "The request has no bearer token.")
		}
		return checkVerified(verified, accept)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return idtoken.Token{}, hotsync.Errorf(hotsync.CodeUnauthenticated, "The Authorization header is not one bearer token.")
	}
	return h.Tokens.Verify(ctx, token, accept)
}

// checkVerified checks what an authorizer does not: that the token is an ID
// token, and that its issuer and audience are those of a configured provider.
// Authorizers write every claim as text.
func checkVerified(c map[string]any, accept idtoken.Accept) (idtoken.Token, error) {
	text := func(name string) string {
		s, _ := c[name].(string)
		return s
	}
	t := idtoken.Token{Issuer: text("iss"), Subject: text("sub"), Email: text("email"), Claims: c}
	// A list of audiences arrives as [a b] or a,b.
	t.Audience = strings.FieldsFunc(strings.Trim(text("aud"), "[]"), func(r rune) bool { return r == ' ' || r == ',' })
	audiences, ok := accept(t.Issuer)
	_, hasUse := c["token_use"]
	_, hasParty := c["azp"]
	kind := text("typ") // Keycloak's: ID, Bearer, Refresh, …
	switch {
	case !ok:
		return idtoken.Token{}, hotsync.Errorf(hotsync.CodeTokenIssuer, "The token's issuer is not a configured identity provider.")
	case hasUse && text("token_use") != "id", kind != "" && !strings.EqualFold(kind, "ID") && !strings.EqualFold(kind, "JWT"):
		return idtoken.Token{}, hotsync.Errorf(hotsync.CodeTokenKind, "The token is not an ID token.")
	case t.Subject == "":
		return idtoken.Token{}, hotsync.Errorf(hotsync.CodeTokenMalformed, "The token has no sub.")
	case !slices.ContainsFunc(t.Audience, func(a string) bool { return slices.Contains(audiences, a) }):
		return idtoken.Token{}, hotsync.Errorf(hotsync.CodeTokenAudience, "The token was issued for another application (aud).")
	case hasParty && !slices.Contains(audiences, text("azp")):
		return idtoken.Token{}, hotsync.Errorf(hotsync.CodeTokenAudience, "The token was issued to another application (azp).")
	}
	return t, nil
}
