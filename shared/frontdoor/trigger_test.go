package frontdoor_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/shared/hotsync"
)

func TestTriggerQueues(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		raw := trigger("PostAuthentication_Authentication", "[A1, "+accountID+"]")
		if got := b.invoke(t, raw); got != raw {
			t.Errorf("answer %s, want the event unchanged", got)
		}
		written() // nobody waits for the records
		identity := hotsync.Identity{Issuer: poolIssuer, Subject: subject}
		hash := hotsync.SearchHash([]byte("key"), email)
		want := []hotsync.SyncRequest{
			{Trigger: hotsync.TriggerPostAuthentication, Provider: "Cognito", Identity: identity, EmailHash: hash,
				EmailMask: "a•••@e•••.com", Claim: "zuora_accounts", Account: "A1",
				Named: []string{"A1", accountID}, RequestedAt: at},
			{Trigger: hotsync.TriggerPostAuthentication, Provider: "Cognito", Identity: identity, EmailHash: hash,
				EmailMask: "a•••@e•••.com", Claim: "zuora_accounts", Account: accountID,
				AccountID: accountID, Named: []string{"A1", accountID}, RequestedAt: at},
		}
		if diff := cmp.Diff(want, b.sent, cmpopts.IgnoreFields(hotsync.SyncRequest{}, "EventID", "LoginID")); diff != "" {
			t.Errorf("sent mismatch (-want +got):\n%s", diff)
		}
		for _, r := range b.sent {
			if !hotsync.IsEventID(r.EventID) || !strings.HasPrefix(r.LoginID, "login-") || r.LoginID != b.sent[0].LoginID {
				t.Errorf("event id %q, login id %q", r.EventID, r.LoginID)
			}
			if e := b.events[r.EventID]; e.Status != hotsync.StatusQueued {
				t.Errorf("event of %s: %+v, want it queued", r.Account, e)
			}
		}
		if strings.Contains(b.logged(), email) || strings.Contains(b.logged(), subject) {
			t.Errorf("the log tells who signed in: %s", b.logged())
		}
		if n := strings.Count(b.logged(), "\n"); n != 1 {
			t.Errorf("%d log lines, want one for the login:\n%s", n, b.logged())
		}
	})
}

// TestTriggerRepeated: Cognito calls a trigger again when it got no answer in
// time, and may call two triggers for one sign-up.
func TestTriggerRepeated(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ids := func(b *testBundle, source string, now time.Time) (login, event string) {
			b.now = func() time.Time { return now }
			b.sent = nil
			b.invoke(t, trigger(source, "A1"))
			if len(b.sent) != 1 {
				t.Fatalf("sent %d requests, want 1", len(b.sent))
			}
			return b.sent[0].LoginID, b.sent[0].EventID
		}
		b := newBundle()
		login, event := ids(b, "PostAuthentication_Authentication", at)
		for name, tc := range map[string]struct {
			source string
			now    time.Time
			same   bool
		}{
			"again at once":           {"PostAuthentication_Authentication", at, true},
			"again after 5 s":         {"PostAuthentication_Authentication", at.Add(5 * time.Second), true},
			"the other trigger":       {"PostConfirmation_ConfirmSignUp", at.Add(time.Second), true},
			"another login":           {"PostAuthentication_Authentication", at.Add(time.Minute), false},
			"straddling the boundary": {"PostAuthentication_Authentication", at.Add(6 * time.Second), false},
		} {
			l, e := ids(b, tc.source, tc.now)
			if (l == login) != tc.same || (e == event) != tc.same {
				t.Errorf("%s: login %s, event %s; first %s, %s; want the same: %t", name, l, e, login, event, tc.same)
			}
		}
		written()
		if len(b.events) != 3 {
			t.Errorf("%d events for three logins", len(b.events))
		}
	})
}

func TestTriggersNotActedOn(t *testing.T) {
	t.Parallel()

	for _, source := range []string{"TokenGeneration_HostedAuth", "TokenGeneration_RefreshTokens",
		"PostConfirmation_ConfirmForgotPassword",
		"PreSignUp_ExternalProvider", "InboundFederation_ExternalProvider", "postauthentication_authentication", ""} {
		b := newBundle()
		raw := trigger(source, "A1")
		if got := b.invoke(t, raw); got != raw || len(b.sent) != 0 {
			t.Errorf("%s: sent %d, answer %s", source, len(b.sent), got)
		}
	}
}

func TestTriggerWithHotSyncOff(t *testing.T) {
	t.Parallel()

	b := newBundle()
	b.load = func(context.Context) (hotsync.Settings, error) { return hotsync.DefaultSettings(), nil }
	raw := trigger("PostAuthentication_Authentication", "A1")
	if got := b.invoke(t, raw); got != raw || len(b.sent) != 0 || !strings.Contains(b.logged(), hotsync.ReasonDisabled) {
		t.Errorf("answer %s, sent %d, log %s", got, len(b.sent), b.logged())
	}
}

// TestEcho: whatever comes that is no event of API Gateway goes back as it came.
func TestEcho(t *testing.T) {
	t.Parallel()

	for _, raw := range []string{
		"", "null", "{}", "[]", "garbage", `{"triggerSource":`, "\xff\x00", `{"triggerSource":null}`, `{"triggerSource":7}`,
		`{"triggerSource":{"a":[1]}}`,
		` { "triggerSource" : "PostAuthentication_Authentication" } `,
		`{"triggerSource":"PostAuthentication_Authentication","region":1,"userPoolId":[],"request":"x"}`,
		`{"triggerSource":"PostAuthentication_Authentication","region":"r","userPoolId":"p","request":{"userAttributes":null}}`,
		`{"triggerSource":"PostAuthentication_Authentication","region":"r","userPoolId":"p","request":{"userAttributes":{"sub":7}}}`,
		`{"triggerSource":"PostAuthentication_Authentication","region":"r","userPoolId":"p","request":{"userAttributes":[]}}`,
		`{"triggerSource":"PostAuthentication_Authentication","requestContext":{"http":{"method":"POST","path":"/login"}}}`,
		`{"Records":[{"eventSource":"aws:sqs"}]}`,
		strings.Repeat("[", 100_000),
	} {
		b := newBundle()
		if got := b.invoke(t, raw); got != raw {
			t.Errorf("Invoke(%.80q) = %.80q, want it unchanged", raw, got)
		}
		if len(b.sent) != 0 || len(b.events) != 0 {
			t.Errorf("Invoke(%.80q) sent %v", raw, b.sent)
		}
	}
}

// TestLoginSafety is the matrix of everything that can go wrong around a
// trigger: each time the event comes back unchanged and in time, and what can
// still be recorded is.
func TestLoginSafety(t *testing.T) {
	t.Parallel()

	const slow = 5 * time.Second
	denied := hotsync.Errorf(hotsync.CodeQueueUnavailable, "AccessDenied")
	fail := func(err error) func(context.Context, []hotsync.SyncRequest) []error {
		return func(_ context.Context, r []hotsync.SyncRequest) []error {
			errs := make([]error, len(r))
			for i := range errs {
				errs[i] = err
			}
			return errs
		}
	}
	// patient waits as long as its context lets it, as the SDK does; stubborn
	// does not look at its context.
	patient := func(ctx context.Context) error {
		select {
		case <-time.After(slow):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for name, tc := range map[string]struct {
		breaks func(b *testBundle)
		within time.Duration
		events []hotsync.Status // of the two accounts
		log    string
	}{
		"nothing": {func(*testBundle) {}, 0, []hotsync.Status{"queued", "queued"}, `"queued":2`},
		"queue down": {func(b *testBundle) { b.send = fail(errDown) }, 0, []hotsync.Status{"failed", "failed"},
			"queue_unavailable"},
		"queue denied": {func(b *testBundle) { b.send = fail(denied) }, 0, []hotsync.Status{"failed", "failed"},
			"queue_unavailable"},
		"queue slow": {func(b *testBundle) {
			b.send = func(ctx context.Context, r []hotsync.SyncRequest) []error { return fail(patient(ctx))(ctx, r) }
		}, 1200 * time.Millisecond, []hotsync.Status{"failed", "failed"}, "queue_unavailable"},
		"queue stuck": {func(b *testBundle) {
			b.send = func(context.Context, []hotsync.SyncRequest) []error { time.Sleep(slow); return nil }
		}, 1500 * time.Millisecond, []hotsync.Status{"queued", "queued"}, `"code":"timeout"`},
		"queue takes one": {func(b *testBundle) {
			b.send = func(context.Context, []hotsync.SyncRequest) []error { return []error{nil, errDown} }
		}, 0, []hotsync.Status{"failed", "queued"}, "queue_unavailable"},
		"queue says too little": {func(b *testBundle) {
			b.send = func(context.Context, []hotsync.SyncRequest) []error { return nil }
		}, 0, []hotsync.Status{"failed", "failed"}, "queue_unavailable"},
		"queue panics": {func(b *testBundle) {
			b.send = func(context.Context, []hotsync.SyncRequest) []error { panic("canary") }
		}, 0, []hotsync.Status{"failed", "failed"}, `"panic"`},
		"store down": {func(b *testBundle) {
			b.putQueued = func(context.Context, hotsync.Event) error { return errDown }
		}, 0, nil, `"queued":2`},
		"store slow": {func(b *testBundle) {
			b.putQueued = func(ctx context.Context, _ hotsync.Event) error { return patient(ctx) }
		}, 300 * time.Millisecond, nil, `"queued":2`},
		"store stuck": {func(b *testBundle) {
			b.putQueued = func(context.Context, hotsync.Event) error { time.Sleep(slow); return nil }
		}, 300 * time.Millisecond, nil, `"queued":2`},
		"store panics": {func(b *testBundle) {
			b.putQueued = func(context.Context, hotsync.Event) error { panic("canary") }
		}, 0, nil, `"queued":2`},
		"queue down, store too late": {func(b *testBundle) { // what it says is lost, what it does is not
			put := b.putQueued
			b.send = fail(errDown)
			b.putQueued = func(ctx context.Context, e hotsync.Event) error { return errors.Join(put(ctx, e), patient(ctx)) }
		}, 300 * time.Millisecond, []hotsync.Status{"failed", "failed"}, "queue_unavailable"},
		"queue and store down": {func(b *testBundle) {
			b.send = fail(errDown)
			b.putQueued = func(context.Context, hotsync.Event) error { return errDown }
			b.put = func(context.Context, hotsync.Event) (hotsync.Event, error) { return hotsync.Event{}, errDown }
		}, 0, nil, "queue_unavailable"},
		"queue down, store slow": {func(b *testBundle) {
			b.send = fail(errDown)
			b.putQueued = func(ctx context.Context, _ hotsync.Event) error { return patient(ctx) }
			b.put = func(ctx context.Context, e hotsync.Event) (hotsync.Event, error) { return e, patient(ctx) }
		}, 600 * time.Millisecond, nil, "queue_unavailable"},
		"settings missing": {func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) {
				return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeSettingsMissing, "There are no settings.")
			}
		}, 0, nil, "settings_missing"},
		"settings slow": {func(b *testBundle) {
			b.load = func(ctx context.Context) (hotsync.Settings, error) { return settings(), patient(ctx) }
		}, 700 * time.Millisecond, nil, "store_unavailable"},
		"settings slow, the last ones known": {func(b *testBundle) {
			b.load = func(ctx context.Context) (hotsync.Settings, error) { _ = patient(ctx); return settings(), nil }
		}, 700 * time.Millisecond, []hotsync.Status{"queued", "queued"}, `"queued":2`},
		"settings stuck": {func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) { time.Sleep(slow); return hotsync.Settings{}, errDown }
		}, 1500 * time.Millisecond, nil, `"code":"timeout"`},
		"settings panic": {func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) { panic(errors.New("canary")) }
		}, 0, nil, `"code":"internal"`},
		"search key slow": {func(b *testBundle) {
			b.searchKey = func(ctx context.Context) []byte { _ = patient(ctx); return nil }
		}, 250 * time.Millisecond, []hotsync.Status{"queued", "queued"}, `"queued":2`},
		"search key stuck": {func(b *testBundle) {
			b.searchKey = func(context.Context) []byte { time.Sleep(slow); return nil }
		}, 250 * time.Millisecond, []hotsync.Status{"queued", "queued"}, `"queued":2`},
		"search key panics": {func(b *testBundle) { b.searchKey = func(context.Context) []byte { panic("canary") } },
			0, []hotsync.Status{"queued", "queued"}, `"queued":2`},
		"clock far behind": {func(b *testBundle) { b.now = func() time.Time { return time.Unix(0, 0) } }, 0,
			[]hotsync.Status{"queued", "queued"}, `"queued":2`},
		"clock far ahead": {func(b *testBundle) { b.now = func() time.Time { return at.AddDate(100, 0, 0) } }, 0,
			[]hotsync.Status{"queued", "queued"}, `"queued":2`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := newBundle()
				tc.breaks(b)
				raw := trigger("PostAuthentication_Authentication", "[A1, A2]")
				start := time.Now()
				if got := b.invoke(t, raw); got != raw {
					t.Errorf("answer %s, want the event unchanged", got)
				}
				if took := time.Since(start); took > tc.within {
					t.Errorf("took %v, want at most %v", took, tc.within)
				}
				written() // nobody waits for the records
				statuses, log := b.statuses(), b.logged()
				if diff := cmp.Diff(tc.events, statuses); diff != "" {
					t.Errorf("events mismatch (-want +got):\n%s", diff)
				}
				if !strings.Contains(log, tc.log) {
					t.Errorf("log lacks %s:\n%s", tc.log, log)
				}
				if s := secretsIn(log); s != "" {
					t.Errorf("log holds %q:\n%s", s, log)
				}
				time.Sleep(2 * slow) // lets what was given up end
			})
		})
	}
}

// TestQueueFailureIsRecorded: what SQS did not take is a failed event that can
// be retried, of lookups too.
func TestQueueFailureIsRecorded(t *testing.T) {
	t.Parallel()

	b := newBundle()
	b.send = func(_ context.Context, r []hotsync.SyncRequest) []error { return []error{errDown} }
	b.invoke(t, httpEvent(map[string]any{"iss": "https://lookup.example.com", "sub": "x"}, nil))
	if len(b.events) != 1 || b.tally != 1 {
		t.Fatalf("%d events, %d counted, want 1", len(b.events), b.tally)
	}
	for _, e := range b.events {
		if e.Status != hotsync.StatusFailed || e.Reason != string(hotsync.CodeQueueUnavailable) || e.Error == nil ||
			e.Error.Hint == "" ||
			e.Request.Lookup == nil || e.Request.Lookup.Value != "x" || e.FinishedAt.IsZero() {
			t.Errorf("event %+v", e)
		}
	}
}

// TestSearchKeyPause: a key that cannot be had delays one login a minute.
func TestSearchKeyPause(t *testing.T) {
	t.Parallel()

	b := newBundle()
	asked := 0
	b.searchKey = func(context.Context) []byte { asked++; return nil }
	now := at
	b.now = func() time.Time { return now }
	h := b.handler()
	for range 10 {
		_, err := h.Invoke(t.Context(), []byte(trigger("PostAuthentication_Authentication", "A1")))
		if err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Minute)
	_, err := h.Invoke(t.Context(), []byte(trigger("PostAuthentication_Authentication", "A1")))
	if err != nil || asked != 2 {
		t.Errorf("the key was asked for %d times (%v), want twice", asked, err)
	}
}

// TestMetrics: what is counted of a login, on one line at its end beside those that
// say why logins led to nothing.
func TestMetrics(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		breaks func(b *testBundle)
		want   map[string]float64
	}{
		"queued": {func(*testBundle) {}, map[string]float64{"Logins": 1, "Queued": 2}},
		"partly": {func(b *testBundle) {
			b.send = func(context.Context, []hotsync.SyncRequest) []error { return []error{nil, errDown} }
		}, map[string]float64{"Logins": 1, "Queued": 1, "NotQueued": 1}},
		"no settings": {func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) { return hotsync.Settings{}, errDown }
		}, map[string]float64{"NotQueued": 1}},
		"panic": {func(b *testBundle) { b.load = func(context.Context) (hotsync.Settings, error) { panic("canary") } },
			map[string]float64{"NotQueued": 1}},
		"switched off": {func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) { return hotsync.DefaultSettings(), nil }
		}, map[string]float64{}},
	} {
		b := newBundle()
		tc.breaks(b)
		b.invoke(t, trigger("PostAuthentication_Authentication", "[A1, A2]"))
		got := map[string]float64{}
		for raw := range strings.Lines(b.counts.String()) {
			var line map[string]any
			err := json.Unmarshal([]byte(raw), &line)
			if err != nil {
				t.Fatalf("%s: %v in %s", name, err, b.counts.String())
			}
			for _, m := range []string{"Logins", "Queued", "NotQueued"} {
				if v, ok := line[m].(float64); ok && v != 0 {
					got[m] = v
				}
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: counts mismatch (-want +got):\n%s", name, diff)
		}
	}
}

func TestWarm(t *testing.T) {
	t.Parallel()

	b := newBundle()
	var did []string
	b.load = func(context.Context) (hotsync.Settings, error) {
		did = append(did, "settings")
		return hotsync.Settings{}, errDown
	}
	b.searchKey = func(context.Context) []byte { did = append(did, "key"); panic("canary") }
	b.handler().Warm(t.Context())
	if diff := cmp.Diff([]string{"settings", "key"}, did); diff != "" || secretsIn(b.logged()) != "" {
		t.Errorf("Warm (-want +got):\n%s\nlog %s", diff, b.logged())
	}
}

// TestParentDeadline: a Lambda deadline shorter than ours is kept.
func TestParentDeadline(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := newBundle()
		b.send = func(context.Context, []hotsync.SyncRequest) []error { time.Sleep(5 * time.Second); return nil }
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		start := time.Now()
		raw := trigger("PostAuthentication_Authentication", "A1")
		got, err := b.handler().Invoke(ctx, []byte(raw))
		if err != nil || string(got) != raw || time.Since(start) > 700*time.Millisecond {
			t.Errorf("Invoke = %s, %v after %v", got, err, time.Since(start))
		}
		time.Sleep(10 * time.Second)
	})
}

func FuzzInvoke(f *testing.F) {
	f.Add(trigger("PostAuthentication_Authentication", "[A1 A2]"))
	f.Add(httpEvent(claims("A1"), nil))
	f.Add(`{"requestContext":{"http":{"method":"POST"},"authorizer":{"claims":{"iss":7}}},"rawPath":"/login"}`)
	f.Add(`{"triggerSource":1}`)
	f.Fuzz(func(t *testing.T, raw string) {
		b := newBundle()
		got := b.invoke(t, raw)
		if got == raw {
			return
		}
		var a answer
		if strings.Contains(b.logged(), `"panic"`) {
			t.Fatalf("Invoke(%q) panicked: %s", raw, b.logged())
		}
		if err := json.Unmarshal([]byte(got), &a); err != nil || a.StatusCode < 200 || a.StatusCode > 599 {
			t.Fatalf("Invoke(%q) = %q, neither the event nor an HTTP answer", raw, got)
		}
	})
}

// TestTriggerUserName: what a pool's tokens have as cognito:username is the
// userName of its triggers.
func TestTriggerUserName(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		userName, attribute, want string
	}{
		"from the event":          {"okta_00u1abc", "", "okta_00u1abc"},
		"an attribute goes first": {"okta_00u1abc", "ada", "ada"},
	} {
		b := newBundle()
		b.load = func(context.Context) (hotsync.Settings, error) {
			s := settings()
			lookup := account("cognito:username")
			lookup.AccountLookup, lookup.AccountLookupField = true, "LimioExternalId__c"
			s.Providers[0].Claims = []hotsync.IdentityClaim{lookup}
			return s, nil
		}
		attributes := map[string]any{"sub": subject}
		if tc.attribute != "" {
			attributes["cognito:username"] = tc.attribute
		}
		raw, err := json.Marshal(map[string]any{"triggerSource": "PostAuthentication_Authentication", "region": "eu-west-1",
			"userPoolId": "eu-west-1_EXAMPLE", "userName": tc.userName, "request": map[string]any{"userAttributes": attributes}})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.invoke(t, string(raw)); got != string(raw) {
			t.Errorf("%s: answer %s, want the event unchanged", name, got)
		}
		if len(b.sent) != 1 || b.sent[0].Lookup == nil || b.sent[0].Lookup.Value != tc.want {
			t.Errorf("%s: sent %+v, want a lookup of %q", name, b.sent, tc.want)
		}
	}
}
