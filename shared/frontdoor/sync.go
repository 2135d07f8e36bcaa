package frontdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"hotsync/shared/gateway"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// syncPath is where systems sync accounts.
const syncPath = "/sync"

// Bounds of one POST /sync.
const (
	maxSyncAccounts = 1000
	maxSyncBody     = 256 << 10
	syncRecordWait  = 3 * time.Second // for the events of what was queued: a backlog should be seen
)

// What became of an account of POST /sync.
const (
	syncQueued  = "queued"
	syncValid   = "valid" // of a dry run: it would be queued
	syncRefused = "refused"
	syncFailed  = "failed" // the queue did not take it: send it again
)

// syncBody is what a system asks for.
type syncBody struct {
	Accounts []string `json:"accounts"` // ids or numbers
	DryRun   bool     `json:"dryRun"`   // says what would be queued, and queues nothing
}

// syncAnswer says what became of an account, in the order in which they were sent.
type syncAnswer struct {
	Account string `json:"account"`
	Status  string `json:"status"`
	Event   string `json:"event,omitempty"`
	Reason  string `json:"reason,omitempty"` // why it is refused, or failed
}

type syncAnswers struct {
	DryRun  bool         `json:"dryRun"`
	Queued  int          `json:"queued"`
	Answers []syncAnswer `json:"answers"`
}

// serveSync answers POST /sync: a system has accounts synced. Nobody signed in, so
// nothing is ever linked by it.
func (h *Handler) serveSync(ctx context.Context, r *gateway.Event) gateway.Answer {
	if r.Method() != http.MethodPost {
		return wrongMethod(http.MethodPost)
	}
	out, err := h.syncAccounts(ctx, r)
	if err != nil {
		h.Log.WarnContext(
			ctx,
			"sync refused",
			"trigger",
			hotsync.TriggerAPI,
			"code",
			hotsync.AsError(err).Code,
			"error",
			err,
		)
		return refusal(hotsync.AsError(err))
	}
	h.Log.InfoContext(
		ctx,
		"sync",
		"trigger",
		hotsync.TriggerAPI,
		"accounts",
		len(out.Answers),
		"queued",
		out.Queued,
		"dry_run",
		out.DryRun,
	)
	if out.Queued == 0 {
		return gateway.JSON(http.StatusOK, out)
	}
	return gateway.JSON(http.StatusAccepted, out)
}

func (h *Handler) syncAccounts(ctx context.Context, r *gateway.Event) (syncAnswers, error) {
	now := h.Now().UTC()
	settings, err := h.settings(ctx, loginDeadline)
	if err != nil {
		return syncAnswers{}, err
	}
	token, bearer := bearerToken(r.Header("Authorization"))
	if !bearer {
		return syncAnswers{}, hotsync.Errorf(hotsync.CodeUnauthenticated, "The request has no bearer token.")
	}
	who, err := h.Tokens.Verify(ctx, token, oidc.AcceptingSystems(settings))
	if err != nil {
		return syncAnswers{}, err
	}
	body, err := readSyncBody(r)
	if err != nil {
		return syncAnswers{}, err
	}
	if !settings.HotSync {
		return syncAnswers{}, hotsync.Errorf(hotsync.CodeDisabled, "Hot sync is switched off.")
	}
	provider, _ := settings.Provider(who.Issuer)
	out := syncAnswers{DryRun: body.DryRun}
	seen := map[string]bool{}
	var requests []hotsync.SyncRequest
	var at []int // the answer of each request
	for _, account := range body.Accounts {
		account = strings.TrimSpace(account)
		a := syncAnswer{Account: account, Status: syncValid}
		switch problem := hotsync.AccountKeyProblem(account); {
		case problem != "":
			a.Account, a.Status, a.Reason = shown(account), syncRefused, "It "+problem+"."
		case seen[account]:
			a.Status, a.Reason = syncRefused, "It is named twice."
		case !body.DryRun:
			at = append(at, len(out.Answers))
			requests = append(requests, h.syncRequest(account, provider.Name, client(who), now))
		}
		seen[account] = true
		out.Answers = append(out.Answers, a)
	}
	if len(requests) == 0 {
		return out, nil
	}
	return out, h.enqueueSync(ctx, requests, at, &out)
}

// enqueueSync sends the requests and says in out what became of each. The error says
// that the queue took none.
func (h *Handler) enqueueSync(ctx context.Context, requests []hotsync.SyncRequest, at []int, out *syncAnswers) error {
	errs := h.send(ctx, requests)
	var taken []hotsync.SyncRequest
	var first error
	for i, r := range requests {
		a := &out.Answers[at[i]]
		if errs[i] != nil {
			if first == nil {
				first = errs[i]
			}
			a.Status, a.Reason = syncFailed, "The queue did not take it: send it again."
			continue
		}
		a.Status, a.Event = syncQueued, r.EventID
		taken = append(taken, r)
	}
	out.Queued = len(taken)
	if len(taken) == 0 {
		return hotsync.Errorf(hotsync.CodeQueueUnavailable, "Nothing could be queued.").Because(first)
	}
	written := h.recordQueued(ctx, taken)
	written.wait(syncRecordWait)
	return nil
}

// syncRequest asks for a sync of an account for nobody: who reads it in Limio is
// not touched.
func (h *Handler) syncRequest(account, provider, client string, now time.Time) hotsync.SyncRequest {
	r := hotsync.SyncRequest{
		EventID:     hotsync.NewEventID(now, h.Random),
		Trigger:     hotsync.TriggerAPI,
		Provider:    provider,
		Account:     account,
		Actor:       client,
		RequestedAt: now,
	}
	if hotsync.IsAccountID(account) {
		r.AccountID = account
	}
	return r
}

// client names the system of an access token.
func client(t oidc.Token) string {
	for _, name := range []string{"client_id", "azp", "cid", "appid"} { // RFC 9068, Auth0, Okta, Entra v1
		if id, _ := t.Claims[name].(string); id != "" && oidc.SubjectProblem(id) == "" {
			return id
		}
	}
	return t.Subject
}

// shown is an account key that is refused, cut to what helps to find it.
func shown(key string) string {
	const most = 80
	runes := []rune(strings.ToValidUTF8(key, "?"))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}

func readSyncBody(r *gateway.Event) (syncBody, error) {
	var body syncBody
	raw, err := r.Content()
	if err == nil && len(raw) > maxSyncBody {
		return body, hotsync.Errorf(hotsync.CodeBadRequest, "The body is over %d KB.", maxSyncBody>>10)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err == nil {
		err = dec.Decode(&body)
	}
	if err == nil {
		_, err = dec.Token() // nothing is to follow
	}
	switch {
	case !errors.Is(err, io.EOF):
		return body, hotsync.Errorf(
			hotsync.CodeBadRequest,
			`The body must be one JSON object such as {"accounts": ["A00000001"], "dryRun": false}.`,
		)
	case len(body.Accounts) == 0:
		return body, hotsync.Errorf(hotsync.CodeBadRequest, "Name at least one account, by id or number.")
	case len(body.Accounts) > maxSyncAccounts:
		return body, hotsync.Errorf(hotsync.CodeBadRequest, "Name at most %d accounts at once.", maxSyncAccounts)
	}
	return body, nil
}

// wrongMethod answers a request by a method that its path does not have.
func wrongMethod(allow string) gateway.Answer {
	a := gateway.JSON(http.StatusMethodNotAllowed, map[string]*hotsync.Problem{
		"error": {Code: hotsync.CodeBadRequest, Message: "Use " + allow + ".", Hint: hotsync.CodeBadRequest.Hint()}})
	a.Headers["Allow"] = allow
	return a
}
