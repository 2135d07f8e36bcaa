package frontdoor

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/gateway"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// serve answers an event of API Gateway.
func (h *Handler) serve(ctx context.Context, raw []byte) []byte {
	result := make(chan gateway.Answer, 1)
	limit := loginDeadline
	if strings.Contains(string(raw), syncPath) { // /syncs/ too
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

func refusal(e *hotsync.Error) gateway.Answer {
	status := e.Code.HTTPStatus()
	a := gateway.JSON(status, map[string]*hotsync.Problem{"error": e.Problem()})
	switch {
	case e.Code == hotsync.CodeUnauthenticated:
		a.Headers["WWW-Authenticate"] = `Bearer realm="hotsync"`
	case e.Code == hotsync.CodeForbidden: // RFC 6750, 3.1
		a.Headers["WWW-Authenticate"] = `Bearer realm="hotsync", error="insufficient_scope"`
	case status == http.StatusUnauthorized: // RFC 6750, 3
		a.Headers["WWW-Authenticate"] = `Bearer realm="hotsync", error="invalid_token"`
	case status == http.StatusServiceUnavailable:
		a.Headers["Retry-After"] = strconv.Itoa(max(1, int(e.RetryAfter.Seconds())))
	}
	return a
}

// login serves POST /login.
func (h *Handler) login(ctx context.Context, raw []byte) gateway.Answer {
	r, err := gateway.Decode(raw)
	if err != nil {
		return refusal(hotsync.Errorf(hotsync.CodeBadRequest, "The request could not be read."))
	}
	id, isSync := syncID(r)
	switch {
	case isSync:
		return h.serveSyncs(ctx, r, id)
	case r.EventPath() == syncPath:
		return h.serveSync(ctx, r)
	case r.EventPath() != "/login":
		return refusal(
			hotsync.Errorf(hotsync.CodeNotFound, "There are POST /login, GET /syncs/{event} and POST /sync here."),
		)
	case r.Method() != http.MethodPost:
		return wrongMethod(http.MethodPost)
	}
	out, err := h.admitRequest(ctx, r)
	if err != nil {
		return refusal(hotsync.AsError(err))
	}
	return gateway.JSON(http.StatusAccepted, out)
}

func (h *Handler) admitRequest(ctx context.Context, r *gateway.Event) (admission, error) {
	now := h.Now()
	settings, err := h.settings(ctx, loginDeadline-recordReserve)
	if err == nil {
		var token oidc.Token
		token, err = h.authenticate(ctx, r, settings)
		if err == nil {
			return h.admitToken(ctx, token, settings, now)
		}
	}
	h.refused(ctx, r, settings, err)
	return admission{}, err
}

// admitToken admits the login of a token that is proven.
func (h *Handler) admitToken(
	ctx context.Context,
	token oidc.Token,
	settings hotsync.Settings,
	now time.Time,
) (admission, error) {
	login := hotsync.Login{
		Trigger:  hotsync.TriggerLogin,
		Identity: hotsync.Identity{Issuer: token.Issuer, Subject: token.Subject},
		Audience: token.Audience,
		Email:    token.Email,
		Claims:   token.Claims,
		At:       now,
	}
	// One token is one login, however often it is sent within ten seconds: its
	// claims, jti and iat among them, tell it from the token of the next sign-in.
	bucket := now.Truncate(sameLogin)
	login.ID = loginID(
		"token",
		token.Issuer,
		token.Subject,
		string(encode(token.Claims)),
		bucket.UTC().Format(time.RFC3339),
	)
	return h.admit(
		ctx,
		login,
		settings,
		func(target string) string { return hotsync.EventIDFor(bucket, login.ID, target) },
	)
}
