package frontdoor

import (
	"context"
	"maps"
	"slices"
	"time"

	"hotsync/shared/claims"
	"hotsync/shared/gateway"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// withoutWait bounds what a login that led to nothing waits for its record: nobody
// waits for anything else then, and Lambda may freeze the process afterwards.
const withoutWait = 150 * time.Millisecond

// Records keeps short records of logins that led to nothing.
type Records interface {
	// RecordLogin says whether there was a place for the record; a flood of logins
	// that lead to nothing leaves few.
	RecordLogin(ctx context.Context, r hotsync.LoginRecord) (kept bool, err error)
}

// without counts a login that leads to nothing and, if the settings say so, leaves
// a record of it.
func (h *Handler) without(ctx context.Context, settings hotsync.Settings, email string, r hotsync.LoginRecord) {
	h.Metrics.WithoutSync(r.Provider, r.Reason)
	if h.Records == nil || !settings.RecordsLogins() {
		return
	}
	if email != "" {
		r.EmailHash = hotsync.SearchHash(h.searchKey(ctx), email)
	}
	written := h.write(ctx, []int{0}, func(ctx context.Context, _ int) error {
		_, err := h.Records.RecordLogin(ctx, r)
		return err
	})
	written.wait(withoutWait)
}

// ledToNothing is without for a login whose person is known.
func (h *Handler) ledToNothing(
	ctx context.Context,
	settings hotsync.Settings,
	login hotsync.Login,
	provider string,
	out admission,
) {
	r := hotsync.LoginRecord{
		LoginID:  login.ID,
		At:       login.At,
		Trigger:  login.Trigger,
		Provider: provider,
		Reason:   out.Reason,
		Issuer:   login.Identity.Issuer,
		Subject:  login.Identity.Subject,
		Verified: true,
		Had:      slices.Collect(maps.Keys(login.Claims)),
	}
	for _, x := range out.Ignored {
		r.Claims = append(r.Claims, hotsync.LoginClaim{Claim: x.Claim, Reason: x.Reason, Detail: x.Detail})
	}
	if r.Reason == "" {
		r.Reason = hotsync.MainReason(r.Claims)
	}
	if r.Reason == "" {
		r.Reason = claims.ReasonNotUsed // the provider has no claim configured
	}
	h.without(ctx, settings, login.Email, r)
}

// refused logs, counts and records a login that was not let in. The causes carry
// nothing of the token, and the record only what helps to find it.
func (h *Handler) refused(ctx context.Context, r *gateway.Event, settings hotsync.Settings, err error) {
	code := hotsync.AsError(err).Code
	h.Log.WarnContext(ctx, "login refused", "trigger", hotsync.TriggerLogin, "code", code, "error", err)
	said := claimed(r)
	provider, _ := settings.Provider(said.Issuer)
	h.without(
		ctx,
		settings,
		said.Email,
		hotsync.LoginRecord{
			At:       h.Now(),
			Trigger:  hotsync.TriggerLogin,
			Provider: provider.Name,
			Reason:   string(code),
			LoginID:  loginID("refused", string(code), said.Issuer, said.Subject),
			Issuer:   said.Issuer,
			Subject:  said.Subject,
			Verified: r.Claims() != nil && anyToken(r) == "",
		},
	)
}

// claimed is what a request says of its person, proven or not.
func claimed(r *gateway.Event) oidc.Token {
	if raw := anyToken(r); raw != "" {
		return oidc.Claimed(raw)
	}
	c := r.Claims()
	text := func(name string) string {
		s, _ := c[name].(string)
		return s
	}
	return oidc.Token{Issuer: text("iss"), Subject: text("sub"), Email: text("email")}
}

// anyToken is the token of the Authorization header, with or without its scheme.
func anyToken(r *gateway.Event) string {
	values := r.Header("Authorization")
	if token, ok := bearerToken(values); ok {
		return token
	}
	if len(values) == 1 && isBare(values[0]) {
		return values[0]
	}
	return ""
}
