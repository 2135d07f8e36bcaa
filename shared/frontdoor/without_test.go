package frontdoor_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// token is a JWT in form, of which nothing is signed.
func token(claims map[string]any) string {
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(raw) + ".c2ln"
}

func bearer(raw string) string {
	return httpEvent(nil, func(event, _ map[string]any) {
		event["headers"] = map[string]any{"authorization": "Bearer " + raw}
	})
}

// counted are the counts of logins that led to nothing, by provider and reason.
func (b *testBundle) counted(t *testing.T) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	for line := range strings.Lines(b.counts.String()) {
		var v struct {
			Provider, Reason  string
			LoginsWithoutSync float64
		}
		err := json.Unmarshal([]byte(line), &v)
		if err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if v.LoginsWithoutSync > 0 {
			got[v.Provider+" "+v.Reason] += v.LoginsWithoutSync
		}
	}
	return got
}

// TestLoginWithoutSync: each login that leads to nothing is counted and says in a
// record why, and one that leads to something does neither.
func TestLoginWithoutSync(t *testing.T) {
	t.Parallel()

	hash := hotsync.SearchHash([]byte("key"), email)
	issue := func(c hotsync.Code) func(b *testBundle) {
		return func(b *testBundle) {
			b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) {
				return oidc.Token{}, hotsync.Errorf(c, "x")
			}
		}
	}
	said := map[string]any{"iss": localIssuer, "sub": "direct|ada", "email": email, "zuora_account_ids": "A1"}
	for name, tc := range map[string]struct {
		breaks func(b *testBundle)
		event  string
		count  string
		want   *hotsync.LoginRecord
	}{
		"queued": {event: httpEvent(claims("A1"), nil)},
		"claim misspelt": {event: httpEvent(map[string]any{"iss": localIssuer, "sub": "direct|ada", "zuora_account_id": "A1"},
			nil), count: "Direct claim_missing",
			want: &hotsync.LoginRecord{Trigger: "login", Provider: "Direct", Reason: "claim_missing", Issuer: localIssuer,
				Subject: "direct|ada", Verified: true, EmailHash: hash,
				Claims: []hotsync.LoginClaim{{Claim: "zuora_account_ids", Reason: "claim_missing",
					Detail: "The login has no such claim."}},
				Had: []string{"iss", "sub", "zuora_account_id"}}},
		"claim malformed": {event: httpEvent(claims("{}"), nil), count: "Direct claim_malformed",
			want: &hotsync.LoginRecord{Trigger: "login", Provider: "Direct", Reason: "claim_malformed", Issuer: localIssuer,
				Subject: "direct|ada", Verified: true, EmailHash: hash,
				Claims: []hotsync.LoginClaim{{Claim: "zuora_account_ids", Reason: "claim_malformed",
					Detail: "The claim is an object."}},
				Had: []string{"iss", "sub", "zuora_account_ids"}}},
		"trigger of an unknown pool": {event: strings.ReplaceAll(trigger("PostAuthentication_Authentication", "A1"),
			"EXAMPLE", "OTHER"), count: "none token_issuer_unknown",
			want: &hotsync.LoginRecord{Trigger: "PostAuthentication", Reason: "token_issuer_unknown", Subject: subject,
				Verified: true, EmailHash: hash,
				Claims: []hotsync.LoginClaim{{Reason: "token_issuer_unknown",
					Detail: "No identity provider is configured for the user pool eu-west-1_OTHER."}},
				Had: []string{"custom:zuora_accounts", "email", "sub"}}},
		"trigger that is not understood": {event: strings.ReplaceAll(trigger("PostAuthentication_Authentication", "A1"),
			`"eu-west-1"`, "1"), count: "none bad_request"},
		"trigger of nobody": {event: strings.ReplaceAll(trigger("PostAuthentication_Authentication", "A1"), `"sub"`, `"sab"`),
			count: "none bad_request"},
		"trigger without settings": {breaks: func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) { return hotsync.Settings{}, errDown }
		}, event: trigger("PostAuthentication_Authentication", "A1"), count: "none store_unavailable"},
		"trigger without the claim": {event: trigger("PostConfirmation_ConfirmSignUp", ""), count: "Cognito claim_empty",
			want: &hotsync.LoginRecord{Trigger: "PostConfirmation", Provider: "Cognito", Reason: "claim_empty",
				Issuer: poolIssuer, Subject: subject, Verified: true, EmailHash: hash,
				Claims: []hotsync.LoginClaim{{Claim: "zuora_accounts", Reason: "claim_empty", Detail: "The claim holds no value."}},
				Had:    []string{"custom:zuora_accounts", "email", "sub"}}},
		"switched off": {breaks: func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) {
				s := settings()
				s.HotSync = false
				return s, nil
			}
		}, event: httpEvent(claims("A1"), nil), count: "Direct disabled",
			want: &hotsync.LoginRecord{Trigger: "login", Provider: "Direct", Reason: "disabled", Issuer: localIssuer,
				Subject: "direct|ada", Verified: true, EmailHash: hash,
				Had: []string{"iss", "sub", "zuora_account_ids"}}},
		"token refused": {breaks: issue(hotsync.CodeTokenAudience), event: bearer(token(said)),
			count: "Direct token_audience",
			want: &hotsync.LoginRecord{Trigger: "login", Provider: "Direct", Reason: "token_audience", Issuer: localIssuer,
				Subject: "direct|ada", EmailHash: hash}},
		"bare token refused": {breaks: issue(hotsync.CodeTokenExpired), count: "Direct token_expired",
			event: httpEvent(nil, func(event, _ map[string]any) {
				event["headers"] = map[string]any{"authorization": token(said)}
			}),
			want: &hotsync.LoginRecord{Trigger: "login", Provider: "Direct", Reason: "token_expired", Issuer: localIssuer,
				Subject: "direct|ada", EmailHash: hash}},
		"keys not read": {breaks: issue(hotsync.CodeJWKSUnavailable), event: bearer(token(said)),
			count: "Direct jwks_unavailable",
			want: &hotsync.LoginRecord{Trigger: "login", Provider: "Direct", Reason: "jwks_unavailable", Issuer: localIssuer,
				Subject: "direct|ada", EmailHash: hash}},
		"unknown issuer": {breaks: issue(hotsync.CodeTokenIssuer),
			event: bearer(token(map[string]any{"iss": "https://acme.auth0.com", "sub": "auth0|1"})),
			count: "none token_issuer_unknown",
			want: &hotsync.LoginRecord{Trigger: "login", Reason: "token_issuer_unknown", Issuer: "https://acme.auth0.com",
				Subject: "auth0|1"}},
		"no token": {event: httpEvent(nil, nil), count: "none unauthenticated",
			want: &hotsync.LoginRecord{Trigger: "login", Reason: "unauthenticated"}},
		"garbage": {breaks: issue(hotsync.CodeTokenMalformed), event: bearer("x"), count: "none token_malformed",
			want: &hotsync.LoginRecord{Trigger: "login", Reason: "token_malformed"}},
		"what a refused token says is bounded": {breaks: issue(hotsync.CodeTokenSignature), count: "none token_signature",
			event: bearer(token(map[string]any{"iss": "a\x00b", "sub": strings.Repeat("x", 300), "email": 7})),
			want:  &hotsync.LoginRecord{Trigger: "login", Reason: "token_signature"}},
		"records are off": {breaks: func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) {
				s := settings()
				s.LoginRecords = hotsync.LoginRecordsOff
				return s, nil
			}
		}, event: httpEvent(claims(""), nil), count: "Direct claim_empty"},
		"no settings": {breaks: func(b *testBundle) {
			b.load = func(context.Context) (hotsync.Settings, error) { return hotsync.Settings{}, errors.New("down") }
		}, event: httpEvent(claims("A1"), nil), count: "none store_unavailable",
			want: &hotsync.LoginRecord{Trigger: "login", Reason: "store_unavailable"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := newBundle()
			if tc.breaks != nil {
				tc.breaks(b)
			}
			b.invoke(t, tc.event)
			count := map[string]float64{}
			if tc.count != "" {
				count[tc.count] = 1
			}
			if diff := cmp.Diff(count, b.counted(t)); diff != "" {
				t.Errorf("counts mismatch (-want +got):\n%s", diff)
			}
			var want []hotsync.LoginRecord
			if tc.want != nil {
				tc.want.At = at
				want = append(want, *tc.want)
			}
			if diff := cmp.Diff(want, b.logins, cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(hotsync.LoginRecord{}, "LoginID")); diff != "" {
				t.Errorf("records mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRecordThatHangs: a login that led to nothing goes on though its record does
// not get written.
func TestRecordThatHangs(t *testing.T) {
	t.Parallel()

	b := newBundle()
	h := b.handler()
	h.Records = hanging{}
	begun := time.Now()
	raw := trigger("PostAuthentication_Authentication", "")
	got, err := h.Invoke(t.Context(), []byte(raw))
	if err != nil || string(got) != raw {
		t.Errorf("Invoke = %q, %v", got, err)
	}
	if took := time.Since(begun); took > 600*time.Millisecond {
		t.Errorf("the login waited %v for its record", took)
	}
}

type hanging struct{}

func (hanging) RecordLogin(ctx context.Context, _ hotsync.LoginRecord) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// TestSubjectWithControlCharacters: 400 and no alarm for a token, and a trigger
// that gets its event back; nothing is queued.
func TestSubjectWithControlCharacters(t *testing.T) {
	t.Parallel()

	b := newBundle()
	b.verify = func(context.Context, string, oidc.Accept) (oidc.Token, error) {
		return oidc.Token{}, hotsync.Errorf(hotsync.CodeBadRequest, "The token's sub holds control characters.")
	}
	a, _ := b.post(t, bearer(token(map[string]any{"iss": localIssuer, "sub": "a\nb"})))
	if a.StatusCode != 400 {
		t.Errorf("status %d, want 400", a.StatusCode)
	}
	b.invoke(t, strings.ReplaceAll(trigger("PostAuthentication_Authentication", "A1"), subject, `a\u0007b`))
	if len(b.sent) > 0 || strings.Contains(b.counts.String(), "NotQueued") || strings.Contains(b.logged(), `"ERROR"`) {
		t.Errorf("sent %v, counts %s, log %s", b.sent, b.counts.String(), b.logged())
	}
	if diff := cmp.Diff(map[string]float64{"Direct bad_request": 1, "none bad_request": 1}, b.counted(t)); diff != "" {
		t.Errorf("counts mismatch (-want +got):\n%s", diff)
	}
}
