package frontdoor

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// triggers are the trigger sources that mean a login. A first federated sign-in
// fires PostConfirmation and not PostAuthentication, so both count. The others
// do not: PreTokenGeneration also fires on every refresh, and
// PostConfirmation_ConfirmForgotPassword is no login.
var triggers = map[string]hotsync.Trigger{
	"PostAuthentication_Authentication": hotsync.TriggerPostAuthentication,
	"PostConfirmation_ConfirmSignUp":    hotsync.TriggerPostConfirmation,
}

// userNameClaim is what a user pool's tokens call what its triggers have as
// userName, beside the attributes:
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
const userNameClaim = "cognito:username"

// poolEvent is what Cognito sends a trigger.
type poolEvent struct {
	TriggerSource string `json:"triggerSource"`
	Region        string `json:"region"`
	UserPoolID    string `json:"userPoolId"`
	UserName      string `json:"userName"`
	Request       struct {
		UserAttributes map[string]any `json:"userAttributes"`
	} `json:"request"`
}

// trigger acts on a Cognito event. It has no answer, so all it can do about a
// failure is to log it.
func (h *Handler) trigger(ctx context.Context, raw []byte) {
	event, kind, ok := h.understand(ctx, raw)
	if !ok {
		return
	}
	attributes := event.Request.UserAttributes
	subject, _ := attributes["sub"].(string)
	now := h.Now()
	settings, err := h.settings(ctx, settingsWait)
	if err != nil {
		h.Log.ErrorContext(
			ctx,
			"login without settings",
			"code",
			hotsync.AsError(err).Code,
			"trigger",
			kind,
			"error",
			err,
		)
		h.Metrics.WithoutSync("", string(hotsync.AsError(err).Code))
		return
	}
	// Nothing in the event names the issuer, and a guess would give Limio an iss
	// that the customer's tokens do not have.
	provider, _ := settings.PoolProvider(event.Region, event.UserPoolID)
	login := hotsync.Login{Trigger: kind, Identity: hotsync.Identity{Issuer: provider.Issuer, Subject: subject},
		UserPool: event.UserPoolID, Claims: attributes, At: now}
	login.Email, _ = attributes["email"].(string)
	// Cognito calls a trigger up to three times when it gets no answer, and a sign-up
	// may fire both triggers. Two calls on either side of a boundary make two events,
	// of which the second finds nothing to do.
	bucket := now.Truncate(sameLogin)
	login.ID = loginID("trigger", event.Region, event.UserPoolID, subject, bucket.UTC().Format(time.RFC3339))
	_, _ = h.admit(ctx, login, settings, func(target string) string { // logged there
		return hotsync.EventIDFor(bucket, login.ID, target)
	})
}

// understand reads an event that means a login. It reports false, and has logged why,
// for any other.
func (h *Handler) understand(ctx context.Context, raw []byte) (event poolEvent, kind hotsync.Trigger, ok bool) {
	refuse := func(level slog.Level, why string, args ...any) (poolEvent, hotsync.Trigger, bool) {
		h.Log.Log(ctx, level, why, append([]any{"code", hotsync.CodeBadRequest}, args...)...)
		h.Metrics.WithoutSync("", string(hotsync.CodeBadRequest))
		return poolEvent{}, "", false
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	err := dec.Decode(&event)
	if err != nil {
		return refuse(slog.LevelError, "trigger not understood")
	}
	kind, ok = triggers[event.TriggerSource]
	if !ok {
		h.Log.DebugContext(ctx, "trigger not acted on", "source", event.TriggerSource)
		return event, kind, false
	}
	attributes := event.Request.UserAttributes
	subject, _ := attributes["sub"].(string)
	if event.Region == "" || event.UserPoolID == "" || subject == "" {
		return refuse(slog.LevelError, "trigger without region, user pool or sub", "trigger", kind)
	}
	if _, present := attributes[userNameClaim]; !present && event.UserName != "" {
		attributes[userNameClaim] = event.UserName
	}
	if problem := oidc.SubjectProblem(subject); problem != "" {
		return refuse(slog.LevelWarn, "trigger with a sub that "+problem, "trigger", kind)
	}
	return event, kind, true
}

func loginID(names ...string) string {
	return "login-" + hotsync.Digest(names...)
}
