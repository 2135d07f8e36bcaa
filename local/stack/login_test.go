package stack_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// TestClaims signs in with claims of every kind: what can name an account is
// queued in the claim's order, what cannot is refused with a reason, and neither
// ever fails the login.
func TestClaims(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	many := make([]string, 30)
	for i := range many {
		many[i] = fmt.Sprintf("A1%07d", i)
	}
	for _, tc := range []struct {
		name    string
		issuer  string
		claims  doc
		queued  []string // accounts, or lookup fields
		ignored []string // reasons
	}{
		{"one id", "direct", doc{"zuora_account_ids": find(t, "single").Accounts[0].ID},
			[]string{find(t, "single").Accounts[0].ID}, nil},
		{"list of ids and numbers", "direct", doc{"zuora_account_ids": []any{"A00000203", "A00000201", "A00000203"}},
			[]string{"A00000203", "A00000201"}, nil},
		{"brackets and commas", "direct", doc{"zuora_account_ids": "[A00000201, A00000202]"},
			[]string{"A00000201", "A00000202"}, nil},
		{"brackets and blanks", "direct", doc{"zuora_account_ids": "[A00000201 A00000202]"},
			[]string{"A00000201", "A00000202"}, nil},
		{"commas", "direct", doc{"zuora_account_ids": "A00000201,A00000202"}, []string{"A00000201", "A00000202"}, nil},
		{"JSON text, URL-encoded", "direct", doc{"zuora_account_ids": "%5B%22A00000201%22%2C%22A00000202%22%5D"},
			[]string{"A00000201", "A00000202"}, nil},
		{"over 25", "direct", doc{"zuora_account_ids": many}, many[:25], []string{"claim_too_many"}},
		{"missing", "direct", doc{}, nil, []string{"claim_missing"}},
		{"empty list", "direct", doc{"zuora_account_ids": []any{}}, nil, []string{"claim_empty"}},
		{"null", "direct", doc{"zuora_account_ids": nil}, nil, []string{"claim_malformed"}},
		{"the word null", "direct", doc{"zuora_account_ids": "null"}, nil, []string{"claim_malformed"}},
		{"blank", "direct", doc{"zuora_account_ids": "  "}, nil, []string{"claim_empty"}},
		{"control characters", "direct", doc{"zuora_account_ids": "A0000\u00000101"}, nil, []string{"claim_malformed"}},
		{"path", "direct", doc{"zuora_account_ids": []any{"../../v1/accounts", "A00000101/subscriptions", "A00000101?x=1"}},
			[]string{"A00000101/subscriptions"}, []string{"claim_malformed", "claim_malformed"}},
		{"over-long", "direct", doc{"zuora_account_ids": strings.Repeat("A", 300)}, nil, []string{"claim_malformed"}},
		{"object", "direct", doc{"zuora_account_ids": doc{"id": "A00000101"}}, nil, []string{"claim_malformed"}},
		{"good and bad", "direct", doc{"zuora_account_ids": []any{"A00000201", "a b", nil}},
			[]string{"A00000201", "a b"}, []string{"claim_malformed"}},
		{"lookup", "lookup", doc{"sub": "auth0|65aa01c7d3f9b20011c0ffee"}, []string{"LimioExternalId__c"}, nil},
		{"lookup of the word null", "lookup", doc{"sub": "null"}, nil, []string{"lookup_value_refused"}},
		{"lookup of a word that is none", "lookup", doc{"sub": " null "}, nil, []string{"lookup_value_refused"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := s.For(t)
			claims := doc{"sub": "direct|" + tc.name}
			for name, value := range tc.claims {
				claims[name] = value
			}
			a := s.Login(s.Token(tc.issuer, claims))
			var queued, ignored []string
			for _, q := range a.Queued {
				what := q.Account
				if q.Lookup != nil {
					what = q.Lookup.Field
				}
				queued = append(queued, what)
				if !hotsync.IsEventID(q.Event) || q.Provider != tc.issuer {
					t.Errorf("queued %+v, want an event id and provider %s", q, tc.issuer)
				}
			}
			for _, i := range a.Ignored {
				ignored = append(ignored, i.Reason)
				if i.Detail == "" {
					t.Errorf("ignored %+v without saying why", i)
				}
			}
			if diff := cmp.Diff(tc.queued, queued); diff != "" {
				t.Errorf("queued mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.ignored, ignored); diff != "" {
				t.Errorf("ignored mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnknownAccount shows what a claim that names nothing in Zuora leads to.
func TestUnknownAccount(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{})
	for _, account := range []string{strings.Repeat("8a", 16), "A09999999"} {
		e := s.Sync(s.Token("direct", doc{"sub": "direct|x", "zuora_account_ids": account}))[0]
		wantEnd(t, e, hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound))
		if e.Error == nil || e.Error.Hint == "" || len(e.Attempts) != 1 {
			t.Errorf("error %+v after %d attempts, want one with a hint after 1", e.Error, len(e.Attempts))
		}
	}
}

// TestRefusedTokens sends what is no ID token of a configured provider.
func TestRefusedTokens(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	claims := func(more doc) doc {
		out := doc{"sub": "direct|ada", "zuora_account_ids": "A00000101"}
		for name, value := range more {
			out[name] = value
		}
		return out
	}
	good := s.Token("direct", claims(nil))
	parts := strings.Split(good, ".")
	for _, tc := range []struct {
		name, token string
		code        hotsync.Code
	}{
		{"none", "", hotsync.CodeUnauthenticated},
		{"no token", "abc", hotsync.CodeTokenMalformed},
		{"signature of another", parts[0] + "." + strings.Split(s.Token("direct", claims(doc{"sub": "direct|eve"})),
			".")[1] + "." + parts[2], hotsync.CodeTokenSignature},
		{"unsigned", "eyJhbGciOiJub25lIn0." + parts[1] + ".", hotsync.CodeTokenAlgorithm},
		{"issuer of the staff", s.PersonaToken("admin"), hotsync.CodeTokenIssuer},
		{"other application", s.Token("direct", claims(doc{"aud": "somebody-else"})), hotsync.CodeTokenAudience},
		{"expired", s.Token("direct", claims(doc{"exp": time.Now().Add(-time.Hour).Unix()})), hotsync.CodeTokenExpired},
		{"not yet valid", s.Token("direct", claims(doc{"nbf": time.Now().Add(time.Hour).Unix()})), hotsync.CodeTokenNotYet},
		{"access token", s.Token("direct", claims(doc{"token_use": "access"})), hotsync.CodeTokenKind},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := s.For(t).Do(http.MethodPost, s.URL+"/login", tc.token, nil)
			if a.Status != http.StatusUnauthorized || a.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("answer %d with WWW-Authenticate %q, want 401 with one", a.Status, a.Header.Get("WWW-Authenticate"))
			}
			if code := a.Code(t); code != tc.code {
				t.Errorf("code %s, want %s", code, tc.code)
			}
		})
	}
	if n := len(s.Limio()["customer"]); n != 0 {
		t.Errorf("%d customers in Limio, want none", n)
	}
	// The keys change, and the next login is taken.
	s.Do(http.MethodPost, s.IDPURL+"/_sandbox/rotate", "", nil)
	if a := s.Login(s.PersonaToken("single")); len(a.Queued) != 1 {
		t.Errorf("queued %+v with the new key, want 1", a.Queued)
	}
}

// TestHotSyncOff queues nothing, and skips what was queued before.
func TestHotSyncOff(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true, Settings: func(set *hotsync.Settings) { set.HotSync = false }})
	a := s.Login(s.PersonaToken("single"))
	if len(a.Queued) != 0 || a.Reason != hotsync.ReasonDisabled {
		t.Errorf("answer %+v, want nothing queued and the reason disabled", a)
	}
	for _, function := range []string{"PostAuthentication_Authentication", "PostConfirmation_ConfirmSignUp"} {
		trigger(t, s, function, "A00000101")
	}
	id := hotsync.NewEventID(time.Now(), fill)
	s.Send(hotsync.SyncRequest{EventID: id, LoginID: "login-before", Trigger: hotsync.TriggerLogin,
		Account: find(t, "single").Accounts[0].ID, RequestedAt: time.Now().UTC()})
	wantEnd(t, s.Await(id), hotsync.StatusSkipped, hotsync.ReasonDisabled)
	if n := len(s.Limio()["customer"]) + len(s.Requests(s.ZuoraURL, 0)); n != 0 {
		t.Errorf("%d customers and calls to Zuora, want none", n)
	}
}

func fill(b []byte) (int, error) {
	now := time.Now().UnixNano()
	for i := range b {
		b[i] = byte(now >> (8 * (i % 8)))
	}
	return len(b), nil
}

// TestLookupsOfAccounts follows lookups that find nobody, then several, then one
// account.
func TestLookupsOfAccounts(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t,
		stack.Options{Personas: true, Settings: func(set *hotsync.Settings) { set.RecordUnmatched = true }})
	events := s.Sync(s.PersonaToken("nobody"))
	wantEnd(t, events[0], hotsync.StatusSkipped, hotsync.ReasonNoMatch)

	// A field that differs in case only is somebody else's.
	sub := find(t, "lookup").Claims["sub"].(string)
	e := s.Sync(s.Token("lookup", doc{"sub": strings.ToUpper(sub)}))[0]
	wantEnd(t, e, hotsync.StatusSkipped, hotsync.ReasonNoMatch)

	// Once the ambiguity is solved in Zuora, a retry syncs.
	e = s.Sync(s.PersonaToken("ambiguous"))[0]
	wantEnd(t, e, hotsync.StatusSkipped, hotsync.ReasonAmbiguous)
	old := readV1(t, find(t, "ambiguous").Accounts[0])
	delete(old.basic(), "LimioExternalId__c")
	s.PutAccount(old.id(), old.body())
	retried := s.Retry(e.ID)
	wantEnd(t, s.Await(retried.ID), hotsync.StatusSucceeded, hotsync.ReasonChanged)
	now := find(t, "ambiguous").Accounts[1]
	subject := find(t, "ambiguous").Claims["sub"].(string)
	wantMirror(t, expect(readV1(t, now), s.IDPURL+"/lookup", subject, today()), readLimio(t, s).mirror(now.ID))
}

// TestConcurrentLogins signs somebody in many times at once: one sync at a time,
// and no two of anything in Limio.
func TestConcurrentLogins(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	token := s.PersonaToken("several")
	var ids []string
	for range 6 {
		for _, q := range s.Login(token).Queued {
			ids = append(ids, q.Event)
		}
	}
	changed := 0
	for _, id := range ids {
		e := s.Await(id)
		if e.Reason == hotsync.ReasonChanged {
			changed++
		} else if !slices.Contains([]string{hotsync.ReasonUnchanged, hotsync.ReasonCoalesced}, e.Reason) {
			t.Errorf("event ended as %s %s: %+v", e.Status, e.Reason, e.Error)
		}
		if e.Reason == hotsync.ReasonCoalesced && e.CoveredBy == "" {
			t.Error("a coalesced event does not say what covers it")
		}
	}
	p := find(t, "several")
	if changed != len(p.Accounts) {
		t.Errorf("%d events changed something, want the first of each of %d accounts", changed, len(p.Accounts))
	}
	r := readLimio(t, s)
	for _, a := range p.Accounts {
		wantMirror(t, expect(readV1(t, a), s.IDPURL+"/direct", "direct|claire", today()), r.mirror(a.ID))
	}
	if n := len(r.customers()); n != len(p.Accounts) {
		t.Errorf("%d customers, want %d", n, len(p.Accounts))
	}
}
