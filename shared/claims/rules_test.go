package claims_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/claims"
	"hotsync/shared/hotsync"
)

// The rules below survived as mutants once (make mutants): each row is held by nothing else.
func TestParseRules(t *testing.T) {
	t.Parallel()

	const longest = 16 << 10
	for _, tc := range []struct {
		name   string
		in     any
		want   []string
		detail []string // of what is refused
	}{
		{name: "an encoded blank around a value", in: "%20A1%20", want: []string{"A1"}},
		{name: "an encoded blank around a value of a list", in: "[%20A1, A2]", want: []string{"A1", "A2"}},
		{name: "encoded blanks around a JSON string", in: url.QueryEscape(` "A1" `), want: []string{"A1"}},
		{name: "blanks do not count as length", in: "A1" + strings.Repeat(" ", longest), want: []string{"A1"}},
		{name: "text of the greatest length", in: strings.Repeat("A1,", longest/3) + "A", want: []string{"A1", "A"}},
		{name: "a value of the greatest length", in: []any{"A1" + strings.Repeat(" ", longest-2)}, want: []string{"A1"}},
		{name: "a longer value", in: []any{"A1" + strings.Repeat(" ", longest-1)}, detail: []string{"Value 1 is too long."}},
		{name: "the largest exact number", in: float64(1<<53 - 1), want: []string{"9007199254740991"}},
		{name: "the first number that may stand for two", in: float64(1 << 53),
			detail: []string{"Value 1 is a number that names no account."}},
		{name: "two JSON texts", in: `["A1"] ["A2"]`, detail: []string{
			"Value 1 holds characters that no account id or number has.",
			"Value 2 holds characters that no account id or number has.",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got, refused := claims.Parse(tc.in)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("values mismatch (-want +got):\n%s", diff)
			}
			var detail []string
			for _, r := range refused {
				detail = append(detail, r.Detail)
			}
			if diff := cmp.Diff(tc.detail, detail); diff != "" {
				t.Errorf("refused mismatch (-want +got):\n%s", diff)
			}
		})
	}

	t.Run("one refusal too many", func(t *testing.T) {
		t.Parallel()

		_, refused := claims.Parse(strings.TrimSuffix(strings.Repeat("?,", 11), ","))
		want := claims.Refused{Reason: claims.ReasonMalformed, Detail: "1 further values cannot name an account."}
		if len(refused) != 11 || refused[10] != want {
			t.Errorf("refused %v, want ten and the number of the others", refused)
		}
	})

	t.Run("one value too many", func(t *testing.T) {
		t.Parallel()

		var many []string
		for i := range 26 {
			many = append(many, strings.Repeat("A", i+1))
		}
		got, refused := claims.Parse(many)
		want := []claims.Refused{{Reason: claims.ReasonTooMany, Detail: "1 values beyond the first 25 are not used."}}
		if diff := cmp.Diff(want, refused); diff != "" || len(got) != 25 {
			t.Errorf("%d values, refused (-want +got):\n%s", len(got), diff)
		}
	})
}

func TestReadRules(t *testing.T) {
	t.Parallel()

	const field = "LimioExternalId__c"
	found := func(value string) []claims.Wanted {
		return []claims.Wanted{{Claim: "x", Target: hotsync.Target{Lookup: &hotsync.Lookup{Field: field, Value: value}}}}
	}
	for _, tc := range []struct {
		name   string
		config hotsync.IdentityClaim
		claims map[string]any
		want   []claims.Wanted
		reason []string
	}{
		{name: "a value taken and a value refused are not an empty claim", config: account("x"),
			claims: map[string]any{"x": "A1,a?b"},
			want:   []claims.Wanted{{Claim: "x", Target: hotsync.Target{Account: "A1"}}},
			reason: []string{claims.ReasonMalformed}},
		{name: "a list of one, encoded by value: its comma is its own", config: lookup("x", field),
			claims: map[string]any{"x": "[a%2Cb]"}, want: found("a,b")},
		{name: "a list of one, encoded whole: decoded once", config: lookup("x", field),
			claims: map[string]any{"x": url.QueryEscape("[a%2Db]")}, want: found("a%2Db")},
		{name: "with a comma, blanks belong to the value", config: lookup("x", field),
			claims: map[string]any{"x": "[ a b ,]"}, want: found("a b")},
		{name: "a value of the greatest length", config: lookup("x", field),
			claims: map[string]any{"x": strings.Repeat("a", 255)}, want: found(strings.Repeat("a", 255))},
		{name: "a longer one", config: lookup("x", field), claims: map[string]any{"x": strings.Repeat("a", 256)},
			reason: []string{claims.ReasonLookupValue}},
		{name: "a claim that is verified", config: lookup("x", field), claims: map[string]any{"x": "a", "x_verified": true},
			want: found("a")},
		{name: "a claim that is not", config: lookup("x", field), claims: map[string]any{"x": "a", "x_verified": false},
			reason: []string{claims.ReasonUnverified}},
		{name: "a claim that says nothing clear", config: lookup("x", field),
			claims: map[string]any{"x": "a", "x_verified": 0}, want: found("a")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got := claims.Read(hotsync.Login{Identity: hotsync.Identity{Issuer: issuer, Subject: "s"}, Claims: tc.claims},
				hotsync.Settings{Providers: []hotsync.Provider{
					{Name: "p", Issuer: issuer, Claims: []hotsync.IdentityClaim{tc.config}}}})
			if diff := cmp.Diff(tc.want, got.Wanted); diff != "" {
				t.Errorf("wanted mismatch (-want +got):\n%s", diff)
			}
			var reasons []string
			for _, i := range got.Ignored {
				reasons = append(reasons, i.Reason)
			}
			if diff := cmp.Diff(tc.reason, reasons); diff != "" {
				t.Errorf("reasons mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnknownSays: what has to be configured is named, the user pool where there is one.
func TestUnknownSays(t *testing.T) {
	t.Parallel()

	for pool, want := range map[string]string{
		"":                    "No identity provider is configured for the login's issuer.",
		"eu-west-1_AbCdEfGhI": "No identity provider is configured for the user pool eu-west-1_AbCdEfGhI.",
	} {
		got := claims.Read(hotsync.Login{UserPool: pool}, hotsync.Settings{}).Ignored
		if len(got) != 1 || got[0].Detail != want {
			t.Errorf("Read of a login of pool %q ignored %+v, want the detail %q", pool, got, want)
		}
	}
}
