package frontdoor

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/gateway"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// authenticate says who signed in: by the claims of an authorizer of API Gateway,
// which has verified the token whatever the header looks like that it came in, or
// by the bearer token.
func (h *Handler) authenticate(ctx context.Context, r *gateway.Event, settings hotsync.Settings) (oidc.Token, error) {
	accept := oidc.Accepting(settings)
	values := r.Header("Authorization")
	token, bearer := bearerToken(values)
	if bearer {
		return h.Tokens.Verify(ctx, token, accept)
	}
	verified := r.Claims()
	switch {
	case verified != nil && len(values) <= 1:
		return checkVerified(verified, accept, h.Now())
	case len(values) == 0:
		return oidc.Token{}, hotsync.Errorf(hotsync.CodeUnauthenticated, "The request has no bearer token.")
	case len(values) == 1 && isBare(values[0]):
		return h.Tokens.Verify(ctx, values[0], accept) // bare, as an identity source of API Gateway may be
	default:
		return oidc.Token{}, hotsync.Errorf(
			hotsync.CodeUnauthenticated,
			"The Authorization header is not one bearer token.",
		)
	}
}

func bearerToken(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// isBare reports whether a header's value is a token without its scheme.
func isBare(value string) bool {
	return strings.Count(value, ".") == 2 && !strings.Contains(value, " ")
}

// checkVerified checks what an authorizer does not: that the token is an ID
// token, and that its issuer and audience are those of a configured provider.
// Authorizers write every claim as text.
func checkVerified(c map[string]any, accept oidc.Accept, now time.Time) (oidc.Token, error) {
	text := func(name string) string {
		s, _ := c[name].(string)
		return s
	}
	t := oidc.Token{
		Issuer:   text("iss"),
		Subject:  text("sub"),
		Email:    text("email"),
		Audience: audiences(c["aud"]),
		Claims:   c,
	}
	rules, ok := accept(t.Issuer)
	foreign := func(audience string) bool { return !slices.Contains(rules.Audiences, audience) }
	_, hasUse := c["token_use"]
	_, hasParty := c["azp"]
	kind := text("typ") // Keycloak's: ID, Bearer, Refresh, …
	switch {
	case !ok:
		return oidc.Token{}, hotsync.Errorf(
			hotsync.CodeTokenIssuer,
			"The token's issuer is not a configured identity provider.",
		)
	case hasUse && text("token_use") != "id",
		kind != "" && !strings.EqualFold(kind, "ID") && !strings.EqualFold(kind, "JWT"):
		return oidc.Token{}, hotsync.Errorf(hotsync.CodeTokenKind, "The token is not an ID token.")
	case t.Subject == "":
		return oidc.Token{}, hotsync.Errorf(hotsync.CodeTokenMalformed, "The token has no sub.")
	case oidc.SubjectProblem(t.Subject) != "":
		return oidc.Token{}, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"The token's sub %s.",
			oidc.SubjectProblem(t.Subject),
		)
	case !slices.ContainsFunc(t.Audience, func(a string) bool { return !foreign(a) }):
		return oidc.Token{}, hotsync.Errorf(
			hotsync.CodeTokenAudience,
			"The token was issued for another application (aud).",
		)
	case hasParty && foreign(text("azp")):
		return oidc.Token{}, hotsync.Errorf(
			hotsync.CodeTokenAudience,
			"The token was issued to another application (azp).",
		)
	case !hasParty && slices.ContainsFunc(t.Audience, foreign):
		return oidc.Token{}, hotsync.Errorf(
			hotsync.CodeTokenAudience,
			"The token is for several applications and does not say which one it was issued to (azp).",
		)
	}
	t.ExpiresAt = seconds(c["exp"]) // the authorizer has held it against the clock, so that its age says nothing new
	return t, t.CheckAge(now)
}

// audiences reads the audiences that an authorizer handed on: a list where it hands
// claims on as they are, JSON text where it may hand on texts only, and otherwise
// [a b] or a,b.
func audiences(value any) (all []string) {
	text, isText := value.(string)
	var list []any
	if isText && json.Unmarshal([]byte(text), &list) == nil {
		value, isText = list, false
	}
	if isText {
		return strings.FieldsFunc(strings.Trim(text, "[]"), func(r rune) bool { return r == ' ' || r == ',' })
	}
	list, _ = value.([]any)
	for _, v := range list {
		audience, ok := v.(string)
		if !ok {
			return nil // as in a token: a list of texts, or none
		}
		all = append(all, audience)
	}
	return all
}

// seconds reads a time that an authorizer wrote, as seconds since 1970. REST APIs
// write a date instead, which is the zero time here: the authorizer has held it
// against the clock.
func seconds(value any) time.Time {
	text, ok := value.(string)
	if n, isNumber := value.(json.Number); isNumber {
		text, ok = n.String(), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || f < 0 || f > 253402300799 {
		return time.Time{}
	}
	return time.Unix(int64(f), 0).UTC()
}
