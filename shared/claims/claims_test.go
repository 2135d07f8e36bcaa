package claims_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/claims"
	"hotsync/shared/hotsync"
)

const issuer = "https://login.example.com"

func account(claim string) hotsync.IdentityClaim {
	return hotsync.IdentityClaim{Claim: claim, Service: "zuora", Issuer: "zuora", Type: "account"}
}

func lookup(claim, field string) hotsync.IdentityClaim {
	c := account(claim)
	c.AccountLookup, c.AccountLookupField = true, field
	return c
}

func TestRead(t *testing.T) {
	t.Parallel()

	const field = "LimioExternalId__c"
	ignored := func(claim, reason string) claims.Ignored { return claims.Ignored{Claim: claim, Reason: reason} }
	for _, tc := range []struct {
		name    string
		config  []hotsync.IdentityClaim
		claims  map[string]any
		wanted  []claims.Wanted
		ignored []claims.Ignored
	}{
		{
			name:   "accounts in the claim's order",
			config: []hotsync.IdentityClaim{account("accounts")},
			claims: map[string]any{"accounts": []any{"A2", "A1"}},
			wanted: []claims.Wanted{{Claim: "accounts", Target: hotsync.Target{Account: "A2"}},
				{Claim: "accounts", Target: hotsync.Target{Account: "A1"}}},
		},
		{
			name:   "a configured claim found with Cognito's prefix",
			config: []hotsync.IdentityClaim{account("accounts")},
			claims: map[string]any{"custom:accounts": "[A1, A2]"},
			wanted: []claims.Wanted{{Claim: "accounts", Target: hotsync.Target{Account: "A1"}},
				{Claim: "accounts", Target: hotsync.Target{Account: "A2"}}},
		},
		{
			name:   "a prefixed claim found without",
			config: []hotsync.IdentityClaim{account("custom:accounts")},
			claims: map[string]any{"accounts": "A1"},
			wanted: []claims.Wanted{{Claim: "custom:accounts", Target: hotsync.Target{Account: "A1"}}},
		},
		{
			name:   "the exact name goes first",
			config: []hotsync.IdentityClaim{account("accounts")},
			claims: map[string]any{"custom:accounts": "A1", "accounts": "A2"},
			wanted: []claims.Wanted{{Claim: "accounts", Target: hotsync.Target{Account: "A2"}}},
		},
		{
			name:   "the same account in two claims",
			config: []hotsync.IdentityClaim{account("one"), account("two")},
			claims: map[string]any{"one": "A1", "two": "A2,A1"},
			wanted: []claims.Wanted{{Claim: "one", Target: hotsync.Target{Account: "A1"}},
				{Claim: "two", Target: hotsync.Target{Account: "A2"}}},
		},
		{
			name:   "lookup",
			config: []hotsync.IdentityClaim{lookup("sub", field)},
			claims: map[string]any{"sub": "auth0|Abc "},
			wanted: []claims.Wanted{{Claim: "sub",
				Target: hotsync.Target{Lookup: &hotsync.Lookup{Field: field, Value: "auth0|Abc "}}}},
		},
		{
			name:   "lookup of a number and of a list of one",
			config: []hotsync.IdentityClaim{lookup("n", field), lookup("one", field)},
			claims: map[string]any{"n": json.Number("007"), "one": []any{"x"}},
			wanted: []claims.Wanted{
				{Claim: "n", Target: hotsync.Target{Lookup: &hotsync.Lookup{Field: field, Value: "007"}}},
				{Claim: "one", Target: hotsync.Target{Lookup: &hotsync.Lookup{Field: field, Value: "x"}}},
			},
		},
		{
			name:   "one value in two fields is two lookups, twice in one field is one",
			config: []hotsync.IdentityClaim{lookup("sub", field), lookup("sub", "Other__c"), lookup("again", field)},
			claims: map[string]any{"sub": "x", "again": "x"},
			wanted: []claims.Wanted{
				{Claim: "sub", Target: hotsync.Target{Lookup: &hotsync.Lookup{Field: field, Value: "x"}}},
				{Claim: "sub", Target: hotsync.Target{Lookup: &hotsync.Lookup{Field: "Other__c", Value: "x"}}},
			},
		},
		{
			name: "only the exact triple counts",
			config: []hotsync.IdentityClaim{
				{Claim: "a", Service: "Zuora", Issuer: "zuora", Type: "account"},
				{Claim: "b", Service: "zuora", Issuer: "zuora ", Type: "account"},
				{Claim: "c", Service: "zuora", Issuer: "zuora", Type: "contact"},
				{Claim: "d"},
			},
			claims: map[string]any{"a": "A1", "b": "A1", "c": "A1", "d": "A1"},
			ignored: []claims.Ignored{ignored("a", claims.ReasonNotUsed), ignored("b", claims.ReasonNotUsed),
				ignored("c", claims.ReasonNotUsed), ignored("d", claims.ReasonNotUsed)},
		},
		{
			name:   "missing, empty, malformed and good",
			config: []hotsync.IdentityClaim{account("missing"), account("empty"), account("bad")},
			claims: map[string]any{"empty": "[]", "bad": "[A1, null, a/../b]"},
			wanted: []claims.Wanted{{Claim: "bad", Target: hotsync.Target{Account: "A1"}}},
			ignored: []claims.Ignored{ignored("missing", claims.ReasonMissing), ignored("empty", claims.ReasonEmpty),
				ignored("bad", claims.ReasonMalformed), ignored("bad", claims.ReasonMalformed)},
		},
		{
			name:    "an e-mail that the provider did not verify",
			config:  []hotsync.IdentityClaim{lookup("email", field)},
			claims:  map[string]any{"email": "ada@example.com", "email_verified": false},
			ignored: []claims.Ignored{ignored("email", claims.ReasonUnverified)},
		},
		{
			name:    "the same as a Cognito attribute",
			config:  []hotsync.IdentityClaim{lookup("email", field)},
			claims:  map[string]any{"email": "ada@example.com", "email_verified": "False"},
			ignored: []claims.Ignored{ignored("email", claims.ReasonUnverified)},
		},
		{
			name:   "a verified e-mail",
			config: []hotsync.IdentityClaim{lookup("email", field)},
			claims: map[string]any{"email": "ada@example.com", "email_verified": "true"},
			wanted: []claims.Wanted{{Claim: "email",
				Target: hotsync.Target{Lookup: &hotsync.Lookup{Field: field, Value: "ada@example.com"}}}},
		},
		{
			name:    "a lookup field that is none",
			config:  []hotsync.IdentityClaim{lookup("sub", "Id != ''")},
			claims:  map[string]any{"sub": "x"},
			ignored: []claims.Ignored{ignored("sub", claims.ReasonLookupField)},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			settings := hotsync.Settings{Providers: []hotsync.Provider{{Name: "other", Issuer: "https://other.example.com"},
				{Name: "example", Issuer: issuer, Claims: tc.config}}}
			login := hotsync.Login{Identity: hotsync.Identity{Issuer: issuer, Subject: "s"}, Claims: tc.claims}
			got := claims.Read(login, settings)
			for i, x := range got.Ignored {
				if x.Detail == "" {
					t.Errorf("%+v has no detail", x)
				}
				got.Ignored[i].Detail = ""
			}
			want := claims.Result{Provider: "example", Wanted: tc.wanted, Ignored: tc.ignored}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Read mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadUnknownIssuer(t *testing.T) {
	t.Parallel()

	for _, other := range []string{"", issuer + "/", "https://LOGIN.example.com"} {
		settings := hotsync.Settings{
			Providers: []hotsync.Provider{{Name: "example", Issuer: issuer, Claims: []hotsync.IdentityClaim{account("a")}}}}
		got := claims.Read(hotsync.Login{Identity: hotsync.Identity{Issuer: other}, Claims: map[string]any{"a": "A1"}},
			settings)
		if got.Provider != "" || len(got.Wanted) != 0 || len(got.Ignored) != 1 ||
			got.Ignored[0].Reason != claims.ReasonIssuer {
			t.Errorf("Read with issuer %q = %+v, want only that the issuer is unknown", other, got)
		}
	}
}

func TestReadLookupRefusals(t *testing.T) {
	t.Parallel()

	for name, value := range map[string]any{
		"null":                 "null",
		"NULL with blanks":     " NuLl\u00a0",
		"nil":                  nil,
		"empty":                "",
		"blank":                " \u3000",
		"bool":                 true,
		"object":               map[string]any{},
		"no value":             []any{},
		"two values":           []any{"a", "b"},
		"a list in a list":     []any{[]any{"a"}},
		"null in a list":       []any{nil},
		"control characters":   "a\x02\x03b",
		"newline":              "a\n",
		"C1 control character": "a\u0085b",
		"invalid UTF-8":        "a\xff",
		"256 bytes":            strings.Repeat("x", 256),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			settings := hotsync.Settings{Providers: []hotsync.Provider{{Name: "example", Issuer: issuer,
				Claims: []hotsync.IdentityClaim{lookup("sub", "LimioExternalId__c")}}}}
			got := claims.Read(hotsync.Login{Identity: hotsync.Identity{Issuer: issuer}, Claims: map[string]any{"sub": value}},
				settings)
			if len(got.Wanted) != 0 || len(got.Ignored) != 1 || got.Ignored[0].Reason != claims.ReasonLookupValue {
				t.Errorf("Read with %q = %+v, want it refused", value, got)
			}
		})
	}
}

// TestReadAddresses: what anybody can type in at a sign-up finds an account only
// when the provider says that it is true.
func TestReadAddresses(t *testing.T) {
	t.Parallel()

	const mail, others = "ada@example.com", "eve@example.com"
	for _, tc := range []struct {
		name   string
		claim  string
		claims map[string]any
		found  bool
	}{
		{"true", "email", map[string]any{"email": mail, "email_verified": true}, true},
		{"text", "email", map[string]any{"email": mail, "email_verified": " TRUE "}, true},
		{"absent", "email", map[string]any{"email": mail}, false},
		{"false", "email", map[string]any{"email": mail, "email_verified": false}, false},
		{"0", "email", map[string]any{"email": mail, "email_verified": json.Number("0")}, false},
		{"1", "email", map[string]any{"email": mail, "email_verified": json.Number("1")}, false},
		{"text 0", "email", map[string]any{"email": mail, "email_verified": "0"}, false},
		{"00", "email", map[string]any{"email": mail, "email_verified": "00"}, false},
		{"no", "email", map[string]any{"email": mail, "email_verified": "no"}, false},
		{"yes", "email", map[string]any{"email": mail, "email_verified": "yes"}, false},
		{"empty", "email", map[string]any{"email": mail, "email_verified": ""}, false},
		{"blank", "email", map[string]any{"email": mail, "email_verified": " "}, false},
		{"unknown", "email", map[string]any{"email": mail, "email_verified": "unknown"}, false},
		{"null", "email", map[string]any{"email": mail, "email_verified": nil}, false},
		{"empty list", "email", map[string]any{"email": mail, "email_verified": []any{}}, false},
		{"list of true", "email", map[string]any{"email": mail, "email_verified": []any{true}}, false},
		{"another claim's word", "email", map[string]any{"email": mail, "custom:email_verified": "true"}, false},
		{"phone verified", "phone_number", map[string]any{"phone_number": "+331", "phone_number_verified": "true"}, true},
		{"phone with the e-mail's word", "phone_number", map[string]any{"phone_number": "+331", "email_verified": "true"},
			false},
		{"prefix, own word", "email", map[string]any{"custom:email": mail, "custom:email_verified": "true"}, true},
		{"prefix, the only address", "custom:email", map[string]any{"custom:email": mail, "email_verified": "true"}, true},
		{"prefix, the same address", "custom:email",
			map[string]any{"custom:email": "[" + mail + "]", "email": mail, "email_verified": "true"}, true},
		{"prefix, beside another address", "custom:email",
			map[string]any{"custom:email": mail, "email": others, "email_verified": "true"}, false},
		{"prefix, nothing said", "custom:email", map[string]any{"custom:email": mail}, false},
		{"prefix taken off", "custom:email", map[string]any{"email": mail}, false},
		{"namespace, nothing said", "https://a.example/email", map[string]any{"https://a.example/email": mail}, false},
		{"namespace, own word", "https://a.example/email",
			map[string]any{"https://a.example/email": mail, "https://a.example/email_verified": true}, true},
		{"namespace, own word against", "https://a.example/email",
			map[string]any{"https://a.example/email": mail, "https://a.example/email_verified": false, "email_verified": true},
			false},
		{"Azure's list", "emails", map[string]any{"emails": []any{mail}}, false},
		{"SAML's name", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
			map[string]any{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": mail}, false},
		{"any other claim", "member", map[string]any{"member": mail}, true},
		{"any other claim, said to be false", "member", map[string]any{"member": mail, "member_verified": "false"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			for _, allow := range []bool{false, true} {
				c := lookup(tc.claim, "LimioExternalId__c")
				c.AllowUnverified = allow
				settings := hotsync.Settings{
					Providers: []hotsync.Provider{{Name: "p", Issuer: issuer, Claims: []hotsync.IdentityClaim{c}}}}
				got := claims.Read(hotsync.Login{Identity: hotsync.Identity{Issuer: issuer}, Claims: tc.claims}, settings)
				if found := len(got.Wanted) == 1; found != (tc.found || allow) {
					t.Errorf("allowUnverified %t: Read = %+v, want it found: %t", allow, got, tc.found || allow)
				}
				if len(got.Wanted) == 0 && got.Ignored[0].Reason != claims.ReasonUnverified {
					t.Errorf("ignored as %s, want %s", got.Ignored[0].Reason, claims.ReasonUnverified)
				}
			}
		})
	}
}

// TestReadListOfOne: a list of one is one value, whichever way it came.
func TestReadListOfOne(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		value any
		want  string // "" when it is not looked up
	}{
		{"a+b@example.com", "a+b@example.com"},
		{[]any{"a+b@example.com"}, "a+b@example.com"},
		{"[a+b@example.com]", "a+b@example.com"},
		{" [ a+b@example.com ] ", "a+b@example.com"},
		{`["a+b@example.com"]`, "a+b@example.com"},
		{"%5Ba%2Bb%40example.com%5D", "a+b@example.com"},
		{"[a%2Bb%40example.com]", "a+b@example.com"},
		{`["a b"]`, "a b"},
		{"[007]", "007"},
		{"a%2Bb", "a%2Bb"},
		{"[a", "[a"},
		{"[a, b]", ""},
		{"[a b]", ""},
		{`["a","b"]`, ""},
		{"[]", ""},
		{"[null]", ""},
		{"[ ]", ""},
	} {
		settings := hotsync.Settings{Providers: []hotsync.Provider{{Name: "p", Issuer: issuer,
			Claims: []hotsync.IdentityClaim{lookup("member", "LimioExternalId__c")}}}}
		got := claims.Read(hotsync.Login{Identity: hotsync.Identity{Issuer: issuer},
			Claims: map[string]any{"member": tc.value}}, settings)
		value := ""
		if len(got.Wanted) == 1 {
			value = got.Wanted[0].Lookup.Value
		}
		if value != tc.want {
			t.Errorf("Read(%v) looks up %q, want %q", tc.value, value, tc.want)
		}
	}
}
