package frontdoor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hotsync/shared/frontdoor"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
	"hotsync/shared/telemetry"
)

const (
	poolIssuer  = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE"
	localIssuer = "http://127.0.0.1:8093/direct"
	subject     = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	email       = "ada.whitfield@example.com"
	accountID   = "2c92c0f85d42ccf3015d5a3cbb4f1c0e"
)

var at = time.Date(2026, 3, 1, 12, 0, 4, 0, time.UTC)

func account(claim string) hotsync.IdentityClaim {
	return hotsync.IdentityClaim{Claim: claim, Service: "zuora", Issuer: "zuora", Type: "account"}
}

func settings() hotsync.Settings {
	s := hotsync.DefaultSettings()
	s.HotSync = true
	lookup := account("sub")
	lookup.AccountLookup, lookup.AccountLookupField = true, "LimioExternalId__c"
	s.Providers = []hotsync.Provider{
		{Name: "Cognito", Issuer: poolIssuer, Claims: []hotsync.IdentityClaim{account("zuora_accounts")}},
		{Name: "Direct", Issuer: localIssuer, Audiences: []string{"hotsync-local"},
			Claims: []hotsync.IdentityClaim{account("zuora_account_ids")}},
		{Name: "Lookup", Issuer: "https://lookup.example.com", Audiences: []string{"hotsync-local"},
			Claims: []hotsync.IdentityClaim{lookup}},
	}
	return s
}

// testBundle is a handler with everything around it faked. A test replaces the
// functions it is about.
type testBundle struct {
	load      func(context.Context) (hotsync.Settings, error)
	verify    func(context.Context, string, oidc.Accept) (oidc.Token, error)
	send      func(context.Context, []hotsync.SyncRequest) []error
	putQueued func(context.Context, hotsync.Event) error
	put       func(context.Context, hotsync.Event) (hotsync.Event, error)
	searchKey func(context.Context) []byte
	now       func() time.Time

	mu     sync.Mutex
	sent   []hotsync.SyncRequest
	events map[string]hotsync.Event
	tally  int
	logins []hotsync.LoginRecord
	log    bytes.Buffer
	counts bytes.Buffer
}

// written waits in virtual time until the records of a login are in the store, where
// that is not slow.
func written() {
	time.Sleep(30 * time.Millisecond)
	synctest.Wait()
}

func newBundle() *testBundle {
	b := &testBundle{events: map[string]hotsync.Event{}}
	b.load = func(context.Context) (hotsync.Settings, error) { return settings(), nil }
	b.verify = func(_ context.Context, raw string, accept oidc.Accept) (oidc.Token, error) {
		var c map[string]any
		if json.Unmarshal([]byte(raw), &c) != nil {
			return oidc.Token{}, hotsync.Errorf(hotsync.CodeTokenMalformed, "The token is not a JWT of three parts.")
		}
		iss, _ := c["iss"].(string)
		_, ok := accept(iss)
		if !ok {
			return oidc.Token{}, hotsync.Errorf(hotsync.CodeTokenIssuer, "The issuer is not known.")
		}
		sub, _ := c["sub"].(string)
		return oidc.Token{Issuer: iss, Subject: sub, Email: email, Claims: c, Audience: []string{"hotsync-local"}}, nil
	}
	b.send = func(_ context.Context, requests []hotsync.SyncRequest) []error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sent = append(b.sent, requests...)
		return make([]error, len(requests))
	}
	b.putQueued = func(_ context.Context, e hotsync.Event) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if _, ok := b.events[e.ID]; !ok {
			b.events[e.ID] = e // of revision 0, which Put writes over
		}
		return nil
	}
	b.put = func(_ context.Context, e hotsync.Event) (hotsync.Event, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.events[e.ID].Revision != e.Revision {
			return hotsync.Event{}, hotsync.Errorf(hotsync.CodeConflict, "It was changed meanwhile.")
		}
		e.Revision++
		b.events[e.ID] = e
		return e, nil
	}
	b.searchKey = func(context.Context) []byte { return []byte("key") }
	b.now = func() time.Time { return at }
	return b
}

func (b *testBundle) Load(ctx context.Context) (hotsync.Settings, error) { return b.load(ctx) }
func (b *testBundle) Verify(ctx context.Context, raw string, accept oidc.Accept) (oidc.Token, error) {
	return b.verify(ctx, raw, accept)
}
func (b *testBundle) SendAll(ctx context.Context, r []hotsync.SyncRequest) []error {
	return b.send(ctx, r)
}
func (b *testBundle) PutQueued(ctx context.Context, e hotsync.Event) error {
	return b.putQueued(ctx, e)
}
func (b *testBundle) Put(ctx context.Context, e hotsync.Event) (hotsync.Event, error) {
	return b.put(ctx, e)
}
func (b *testBundle) Tally(context.Context, hotsync.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tally++
	return nil
}

func (b *testBundle) RecordLogin(_ context.Context, r hotsync.LoginRecord) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logins = append(b.logins, r.Bounded())
	return true, nil
}

// Write is the log's writer.
func (b *testBundle) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *testBundle) logged() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

func (b *testBundle) statuses() []hotsync.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []hotsync.Status
	for _, e := range b.events {
		out = append(out, e.Status)
	}
	slices.Sort(out)
	return out
}

func (b *testBundle) handler() *frontdoor.Handler {
	n := byte(0)
	return frontdoor.New(frontdoor.Config{Tokens: b, Settings: b, Queue: b, Events: b, Records: b,
		Event: func(_ context.Context, id string) (hotsync.Event, error) {
			e, ok := b.events[id]
			if !ok {
				return e, hotsync.Errorf(hotsync.CodeNotFound, "There is no such event.")
			}
			return e, nil
		},
		SearchKey: func(ctx context.Context) []byte { return b.searchKey(ctx) },
		Random:    func(p []byte) (int, error) { n++; p[0] = n; return len(p), nil },
		Now:       func() time.Time { return b.now() },
		Log:       slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics:   telemetry.NewMetrics(&b.counts, "login", "", func() time.Time { return at })})
}

func (b *testBundle) invoke(t *testing.T, raw string) string {
	t.Helper()
	got, err := b.handler().Invoke(t.Context(), []byte(raw))
	if err != nil {
		t.Fatalf("Invoke error = %v; it must never fail a login", err)
	}
	return string(got)
}

func trigger(source, claim string) string {
	raw, err := json.Marshal(map[string]any{"version": "1", "triggerSource": source, "region": "eu-west-1",
		"userPoolId": "eu-west-1_EXAMPLE",
		"request": map[string]any{"userAttributes": map[string]any{"sub": subject, "email": email,
			"custom:zuora_accounts": claim}},
		"response": map[string]any{}})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// httpEvent is a POST /login; the fake verifier takes the claims as the token.
func httpEvent(token map[string]any, change func(event, context map[string]any)) string {
	headers := map[string]any{}
	if token != nil {
		raw, err := json.Marshal(token)
		if err != nil {
			panic(err)
		}
		headers["authorization"] = "Bearer " + string(raw)
	}
	rc := map[string]any{"requestId": "r1", "stage": "$default",
		"http": map[string]any{"method": "POST", "path": "/login"}}
	event := map[string]any{"version": "2.0", "rawPath": "/login", "headers": headers, "requestContext": rc}
	if change != nil {
		change(event, rc)
	}
	raw, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func claims(accounts any) map[string]any {
	return map[string]any{"iss": localIssuer, "sub": "direct|ada", "zuora_account_ids": accounts}
}

type answer struct {
	StatusCode      int
	Headers         map[string]string
	Body            string
	IsBase64Encoded bool
}

type body struct {
	Login   string
	Queued  []map[string]any
	Ignored []map[string]any
	Reason  string
	Error   struct {
		Code, Message, Hint string
	}
}

func (b *testBundle) post(t *testing.T, event string) (answer, body) {
	t.Helper()
	return readAnswer(t, []byte(b.invoke(t, event)))
}

func readAnswer(t *testing.T, raw []byte) (answer, body) {
	t.Helper()
	var a answer
	var content body
	err := json.Unmarshal(raw, &a)
	if err != nil {
		t.Fatal(err)
	}
	err = json.Unmarshal([]byte(a.Body), &content)
	if err != nil {
		t.Fatalf("body %q: %v", a.Body, err)
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"} {
		if a.Headers[name] != want {
			t.Errorf("header %s = %q, want %q", name, a.Headers[name], want)
		}
	}
	return a, content
}

var errDown = errors.New("connection refused")

// secretsIn finds what must never be logged.
func secretsIn(log string) string {
	for _, s := range []string{subject, email, "direct|ada", "A00000101", "canary", "Bearer"} {
		if strings.Contains(log, s) {
			return s
		}
	}
	return ""
}
