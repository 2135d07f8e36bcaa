package frontdoor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"hotsync/shared/claims"
	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
)

// queued is a request that the queue has taken, as POST /login names it.
type queued struct {
	Event    string       `json:"event"`
	Provider string       `json:"provider,omitempty"`
	Claim    string       `json:"claim"`
	Account  string       `json:"account,omitempty"`
	Lookup   *queuedField `json:"lookup,omitempty"`
}

// queuedField is a lookup without its value.
type queuedField struct {
	Field string `json:"field"`
}

// admission is what became of a login.
type admission struct {
	Login   string           `json:"login"`
	Queued  []queued         `json:"queued"`
	Ignored []claims.Ignored `json:"ignored"`
	Reason  string           `json:"reason,omitempty"` // why nothing was looked at
}

// settings reads the settings; its errors have a code.
func (h *Handler) settings(ctx context.Context, wait time.Duration) (hotsync.Settings, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	settings, err := h.Settings.Load(ctx)
	var coded *hotsync.Error
	if err != nil && !errors.As(err, &coded) {
		err = hotsync.Errorf(hotsync.CodeStoreUnavailable, "The settings could not be read.").Because(err)
	}
	if err != nil {
		h.Metrics.Add(telemetry.NotQueued, 1)
	}
	return settings, err
}

// admit queues what a login asks to sync. eventID makes the event id of a
// target by its key. The error has a code; it says that
// something was to be queued and nothing was.
func (h *Handler) admit(
	ctx context.Context,
	login hotsync.Login,
	settings hotsync.Settings,
	eventID func(target string) string,
) (_ admission, err error) {
	defer hotsync.In(&err, "frontdoor.admit(%q)", login.ID)

	out := admission{Login: login.ID, Queued: []queued{}, Ignored: []claims.Ignored{}}
	if !settings.HotSync {
		out.Reason = hotsync.ReasonDisabled
		h.summary(ctx, login, "", out, nil)
		provider, _ := settings.Provider(login.Identity.Issuer)
		h.ledToNothing(ctx, settings, login, provider.Name, out)
		return out, nil
	}
	result := claims.Read(login, settings)
	out.Ignored = append(out.Ignored, result.Ignored...)
	requests := h.requests(ctx, login, result, eventID)
	requests = h.share(ctx, requests, &out)
	if len(requests) > 0 {
		err = h.enqueue(ctx, requests, &out)
		h.places.take(login.Identity, requests)
	}
	h.summary(ctx, login, result.Provider, out, err)
	h.Metrics.Add(telemetry.Logins, 1)
	h.Metrics.Add(telemetry.Queued, float64(len(out.Queued)))
	h.Metrics.Add(telemetry.LoginMilliseconds, float64(h.Now().Sub(login.At).Milliseconds()))
	if len(out.Queued) == 0 && err == nil {
		h.ledToNothing(ctx, settings, login, result.Provider, out)
	}
	return out, err
}

func (h *Handler) requests(
	ctx context.Context,
	login hotsync.Login,
	result claims.Result,
	eventID func(string) string,
) []hotsync.SyncRequest {
	if len(result.Wanted) == 0 {
		return nil
	}
	emailHash := ""
	if login.Email != "" {
		emailHash = hotsync.SearchHash(h.searchKey(ctx), login.Email)
	}
	var named []string
	for _, w := range result.Wanted {
		if w.Account != "" {
			named = append(named, w.Account)
		}
	}
	requests := make([]hotsync.SyncRequest, 0, len(result.Wanted))
	for _, w := range result.Wanted {
		r := hotsync.SyncRequest{
			LoginID:     login.ID,
			Trigger:     login.Trigger,
			Provider:    result.Provider,
			Identity:    login.Identity,
			EmailHash:   emailHash,
			EmailMask:   hotsync.MaskEmail(login.Email),
			Claim:       w.Claim,
			Account:     w.Account,
			Lookup:      w.Lookup,
			Named:       named,
			RequestedAt: login.At,
		}
		r.EventID = eventID(w.Key())
		if hotsync.IsAccountID(w.Account) {
			r.AccountID = w.Account
		}
		requests = append(requests, r)
	}
	return requests
}

// searchKey waits for the key a short time only, and does not ask again for a
// while when it cannot be had: a login is worth more than its being found by
// e-mail.
func (h *Handler) searchKey(ctx context.Context) []byte {
	if h.Now().UnixNano() < h.noKeyUntil.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, searchKeyWait)
	defer cancel()
	got := make(chan []byte, 1)
	go func() {
		var key []byte
		defer func() { got <- key }()
		defer h.caught(ctx)
		key = h.SearchKey(ctx)
	}()
	var key []byte
	select {
	case key = <-got:
	case <-ctx.Done():
	}
	if len(key) == 0 {
		h.noKeyUntil.Store(h.Now().Add(searchKeyPause).UnixNano())
		h.Log.WarnContext(ctx, "search key not available", "code", hotsync.CodeSecretMissing)
	}
	return key
}

// enqueue sends the requests and says in out what the queue has taken. The
// events of named accounts are written too, but the send goes first and the record
// begins recordDelay after it: a small Lambda has but a part of a processor, and the
// record has time while SQS is being waited for. The answer never waits for it: in
// AWS it is on its way by then, the sync writes its event anyway, and neither a slow
// DynamoDB nor the processor time of a record is to make a login slow.
func (h *Handler) enqueue(ctx context.Context, requests []hotsync.SyncRequest, out *admission) error {
	record := sync.OnceValue(func() writes { return h.recordQueued(ctx, requests) })
	time.AfterFunc(recordDelay, func() { record() })
	errs := h.send(ctx, requests)
	refused := slices.ContainsFunc(errs, func(err error) bool { return err != nil })
	if refused {
		written := record()
		written.wait(recordWait)
		written.stop()
	}

	var failed []int
	var first error
	for i, r := range requests {
		if errs[i] == nil {
			out.Queued = append(out.Queued, queuedFrom(r))
			continue
		}
		if first == nil {
			first = errs[i]
		}
		failed = append(failed, i)
		out.Ignored = append(
			out.Ignored,
			claims.Ignored{Claim: r.Claim, Reason: string(hotsync.CodeQueueUnavailable), Detail: notTaken(r)},
		)
		h.Log.ErrorContext(
			ctx,
			"request not queued",
			"code",
			hotsync.CodeQueueUnavailable,
			"event_id",
			r.EventID,
			"account",
			r.Account,
			"error",
			errs[i],
		)
	}
	if first == nil {
		return nil
	}
	h.Metrics.Add(telemetry.NotQueued, float64(len(failed)))
	h.recordFailed(ctx, requests, failed)
	if len(out.Queued) > 0 {
		return nil
	}
	return hotsync.Errorf(hotsync.CodeQueueUnavailable, "Nothing could be queued.").Because(first)
}

func queuedFrom(r hotsync.SyncRequest) queued {
	q := queued{Event: r.EventID, Provider: r.Provider, Claim: r.Claim, Account: r.Account}
	if r.Lookup != nil {
		q.Lookup = &queuedField{Field: r.Lookup.Field}
	}
	return q
}

func notTaken(r hotsync.SyncRequest) string {
	if r.Lookup != nil {
		return "The queue did not take the lookup in " + r.Lookup.Field + "."
	}
	return "The queue did not take the account " + r.Account + "."
}

// send returns an error for each request, nil for those that the queue has taken.
// It leaves enough of the deadline to record the others.
func (h *Handler) send(ctx context.Context, requests []hotsync.SyncRequest) (errs []error) {
	defer func() {
		for len(errs) < len(requests) { // after a panic, or from a queue that says too little
			errs = append(
				errs,
				hotsync.Errorf(hotsync.CodeInternal, "The queue did not say whether it took the request."),
			)
		}
	}()
	defer h.caught(ctx)
	deadline, ok := ctx.Deadline()
	if ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-recordReserve))
		defer cancel()
	}
	return h.Queue.SendAll(ctx, requests)
}

// summary logs one line for a login. Reasons name claims and why they were not
// used, never what they hold.
func (h *Handler) summary(ctx context.Context, login hotsync.Login, provider string, a admission, err error) {
	reasons := make([]string, 0, len(a.Ignored)+1)
	for _, x := range a.Ignored {
		reasons = append(reasons, strings.TrimPrefix(x.Claim+" "+x.Reason, " "))
	}
	if a.Reason != "" {
		reasons = append(reasons, a.Reason)
	}
	attrs := []any{
		"login_id",
		login.ID,
		"trigger",
		login.Trigger,
		"provider",
		provider,
		"queued",
		len(a.Queued),
		"ignored",
		len(a.Ignored),
		"reasons",
		reasons,
		"ms",
		h.Now().Sub(login.At).Milliseconds(),
	}
	if err != nil {
		e := hotsync.AsError(err)
		h.Log.ErrorContext(ctx, "login", append(attrs, "code", e.Code, "error", err)...)
		return
	}
	h.Log.InfoContext(ctx, "login", attrs...)
}
