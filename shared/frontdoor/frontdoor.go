// Package frontdoor is what a login meets: it turns a Cognito trigger, or a
// POST /login with an ID token, into sync requests on the queue.
//
// Nothing in here may hurt a login. A trigger gets its event back, byte for
// byte, within a deadline of its own, whatever fails or panics meanwhile: an
// error, or an answer after five seconds, would fail the sign-in
// (https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html).
// POST /login says the truth: 202 names only what the queue has taken.
package frontdoor

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
	"hotsync/shared/telemetry"
)

// The time a login may take here. Lambda freezes the process once it has
// answered, so what is not done by then is given up.
const (
	triggerDeadline = 1500 * time.Millisecond
	loginDeadline   = 4 * time.Second // POST /login: an identity provider's keys may have to be read
	// of a trigger: a slow table must leave time to send by the settings known before
	settingsWait   = 700 * time.Millisecond
	recordReserve  = 350 * time.Millisecond // of a deadline, kept for recording what became of the send
	recordWait     = 300 * time.Millisecond // for events still being written when the queue has refused something
	recordDelay    = 3 * time.Millisecond   // after which a send is on its way, and its record may begin
	searchKeyWait  = 250 * time.Millisecond // without the key an event cannot be found by e-mail, which is all
	searchKeyPause = time.Minute
)

// Tokens verifies ID tokens, as package oidc does.
type Tokens interface {
	Verify(ctx context.Context, raw string, accept oidc.Accept) (oidc.Token, error)
}

// Settings returns the settings in force.
type Settings interface {
	Load(ctx context.Context) (hotsync.Settings, error)
}

// Queue takes sync requests.
type Queue interface {
	// SendAll sends requests and gives an error for each: nil says that the queue
	// has taken it.
	SendAll(ctx context.Context, requests []hotsync.SyncRequest) []error
}

// Events records what was queued.
type Events interface {
	// PutQueued writes the event of a request that is being queued, unless there
	// is one already.
	PutQueued(ctx context.Context, e hotsync.Event) error
	// Put writes an event over its revision; 0 says that there is none yet.
	Put(ctx context.Context, e hotsync.Event) (hotsync.Event, error)
	// Tally counts an event that is final.
	Tally(ctx context.Context, e hotsync.Event) error
}

// Config is what a Handler is made of. Every member but Event and Metrics is
// needed.
type Config struct {
	Tokens   Tokens
	Settings Settings
	Queue    Queue
	Events   Events
	// of logins that led to nothing; nil to keep none
	Records Records
	Event   func(ctx context.Context, id string) (hotsync.Event, error) // for GET /syncs; nil to know none
	// of hotsync.SearchHash; nil when it cannot be had
	SearchKey func(context.Context) []byte
	Random    func([]byte) (n int, err error) // crypto/rand.Read
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   *telemetry.Metrics // nil to count nothing
}

// Handler handles logins. It is safe for concurrent use and has the method set
// of lambda.Handler, so that what it answers reaches Lambda unchanged.
type Handler struct {
	Config
	places     places
	noKeyUntil atomic.Int64 // Unix nanoseconds until which SearchKey is not asked again
}

// New makes a Handler.
func New(c Config) *Handler { return &Handler{Config: c} }

// Invoke answers a Cognito trigger with the event as it came and an event of
// API Gateway with an HTTP answer. It never returns an error, which would fail
// a login; what is neither kind of event is given back too.
func (h *Handler) Invoke(ctx context.Context, raw []byte) ([]byte, error) {
	defer h.Metrics.Flush()
	var kind struct {
		TriggerSource  json.RawMessage `json:"triggerSource"`
		RequestContext json.RawMessage `json:"requestContext"`
	}
	err := json.Unmarshal(raw, &kind)
	switch {
	case err == nil && kind.TriggerSource != nil:
		h.within(ctx, triggerDeadline, func(ctx context.Context) { h.trigger(ctx, raw) })
		return raw, nil
	case err == nil && kind.RequestContext != nil:
		return h.serve(ctx, raw), nil
	default:
		h.Log.WarnContext(ctx, "event of an unknown kind", "code", hotsync.CodeBadRequest, "bytes", len(raw))
		return raw, nil
	}
}

// Warm reads settings and search key, so that the first login need not wait for
// a connection. It is for the init of a Lambda; what fails is tried again at the
// first login.
func (h *Handler) Warm(ctx context.Context) {
	defer h.caught(ctx)
	_, err := h.Settings.Load(ctx)
	if err != nil {
		h.Log.WarnContext(ctx, "settings not read at init", "code", hotsync.AsError(err).Code, "error", err)
	}
	h.SearchKey(ctx)
}

// within runs f until it ends or the time is up; it does not wait for an f that
// goes on. The error is nil when f ended without a panic.
func (h *Handler) within(ctx context.Context, limit time.Duration, f func(context.Context)) *hotsync.Error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan *hotsync.Error, 1)
	go func() {
		failure := hotsync.Errorf(hotsync.CodeInternal, "Internal error.")
		defer func() { done <- failure }()
		defer h.caught(ctx)
		f(ctx)
		failure = nil
	}()
	select {
	case failure := <-done:
		if failure != nil {
			h.Metrics.Add(telemetry.NotQueued, 1)
		}
		return failure
	case <-ctx.Done():
		h.Metrics.Add(telemetry.NotQueued, 1)
		h.Log.ErrorContext(ctx, "login given up", "code", hotsync.CodeTimeout, "limit_ms", limit.Milliseconds())
		return hotsync.Errorf(hotsync.CodeQueueUnavailable, "The login took too long to queue.")
	}
}

// caught, deferred, keeps a panic from ending the process and logs it. The
// panic's text is not logged, since it may quote what was being read.
func (h *Handler) caught(ctx context.Context) {
	if p := recover(); p != nil {
		h.Log.ErrorContext(
			ctx,
			"panic",
			"code",
			hotsync.CodeInternal,
			"panic_type",
			fmt.Sprintf("%T", p),
			"stack",
			string(debug.Stack()),
		)
	}
}
