package hotsync_test

import (
	"slices"
	"strings"
	"testing"

	"hotsync/shared/hotsync"
)

// TestPoolProvider: an event of a trigger names region and pool; which issuer
// the pool has is configured.
func TestPoolProvider(t *testing.T) {
	t.Parallel()

	const pool = "eu-west-1_AbCdEfGhI"
	classic, newer := hotsync.UserPoolIssuer("eu-west-1", pool), "https://issuer-cognito-idp.eu-west-1.amazonaws.com/"+pool
	for _, tc := range []struct {
		name         string
		provider     hotsync.Provider
		region, pool string
		issuer       string // "" when the pool is unknown
	}{
		{"the classic issuer of settings as they were", hotsync.Provider{Issuer: classic}, "eu-west-1", pool, classic},
		{"the newer issuer", hotsync.Provider{Issuer: newer}, "eu-west-1", pool, newer},
		{"the newer issuer beside the classic one", hotsync.Provider{Issuer: newer, Issuers: []string{classic}}, "eu-west-1",
			pool, newer},
		{"an issuer of one's own", hotsync.Provider{Issuer: "https://login.example.com", UserPool: pool}, "eu-west-1", pool,
			"https://login.example.com"},
		{"another pool", hotsync.Provider{Issuer: classic}, "eu-west-1", "eu-west-1_Other", ""},
		{"another region", hotsync.Provider{Issuer: classic}, "us-east-1", pool, ""},
		{"the pool of another provider", hotsync.Provider{Issuer: classic, UserPool: "eu-west-1_Other"}, "eu-west-1", pool,
			""},
		{"China", hotsync.Provider{Issuer: "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_A"}, "cn-north-1",
			"cn-north-1_A",
			hotsync.UserPoolIssuer("cn-north-1", "cn-north-1_A")},
		{"no pool", hotsync.Provider{Issuer: "https://login.example.com"}, "eu-west-1", "", ""},
	} {
		got, ok := hotsync.Settings{Providers: []hotsync.Provider{tc.provider}}.PoolProvider(tc.region, tc.pool)
		if got.Issuer != tc.issuer || ok != (tc.issuer != "") {
			t.Errorf("%s: issuer %q, %t; want %q", tc.name, got.Issuer, ok, tc.issuer)
		}
	}
}

func TestProviderFindings(t *testing.T) {
	t.Parallel()

	claims := []hotsync.IdentityClaim{{Claim: "accounts", Service: "zuora", Issuer: "zuora", Type: "account"}}
	for _, tc := range []struct {
		name     string
		change   func(*hotsync.Provider)
		path     string // "" for nothing to say
		contains string
		warning  bool
	}{
		{"in order", func(*hotsync.Provider) {}, "", "", false},
		{"discovery address as issuer", func(p *hotsync.Provider) { p.Issuer += "/.well-known/openid-configuration" },
			"issuer", "discovery document", false},
		{"further issuer by http", func(p *hotsync.Provider) { p.Issuers = []string{"http://x.example.com"} }, "issuers[0]",
			"https", false},
		{"further issuer as the first", func(p *hotsync.Provider) { p.Issuers = []string{p.Issuer} }, "issuers[0]", "twice",
			false},
		{"symmetric algorithm", func(p *hotsync.Provider) { p.Algorithms = []string{"HS256"} }, "algorithms[0]", "HS256",
			false},
		{"good algorithms", func(p *hotsync.Provider) { p.Algorithms = []string{"RS256", "EdDSA"} }, "", "", false},
		{"discovery by http", func(p *hotsync.Provider) {
			p.Discovery = "http://x.example.com/.well-known/openid-configuration"
		}, "discovery", "https", false},
		{"discovery elsewhere", func(p *hotsync.Provider) { p.Discovery = "https://x.example.com/meta" }, "discovery",
			"well-known", true},
		{"Auth0 without its slash", func(p *hotsync.Provider) { p.Issuer = "https://acme.eu.auth0.com" }, "issuer", "slash",
			true},
		{"Auth0", func(p *hotsync.Provider) { p.Issuer = "https://acme.eu.auth0.com/" }, "", "", false},
		{"Okta with a slash", func(p *hotsync.Provider) { p.Issuer = "https://acme.okta.com/oauth2/default/" }, "issuer",
			"slash", true},
		{"Okta's administration", func(p *hotsync.Provider) { p.Issuer = "https://acme-admin.okta.com" }, "issuer", "-admin",
			true},
		{"Entra for everybody", func(p *hotsync.Provider) { p.Issuer = "https://login.microsoftonline.com/common/v2.0" },
			"issuer", "tenant", true},
		{"Entra of version 1", func(p *hotsync.Provider) { p.Issuer = "https://login.microsoftonline.com/0f0f" }, "issuer",
			"/v2.0", true},
		{"B2C without a discovery address", func(p *hotsync.Provider) { p.Issuer = "https://acme.b2clogin.com/0f0f/v2.0/" },
			"issuer", "user flow", true},
		{"B2C", func(p *hotsync.Provider) {
			p.Issuer = "https://acme.b2clogin.com/0f0f/v2.0/"
			p.Discovery = "https://acme.b2clogin.com/acme.onmicrosoft.com/v2.0/.well-known/openid-configuration?p=B2C_1_signin"
		}, "", "", false},
		{"no audience", func(p *hotsync.Provider) { p.Audiences = nil }, "audiences", "client id", false},
		{"no audience of a pool's triggers", func(p *hotsync.Provider) { p.Audiences, p.UserPool = nil, "eu-west-1_A" },
			"claims[0].claim", "write this attribute", true},
		{"a claim of a pool that nobody can write", func(p *hotsync.Provider) {
			p.UserPool = "eu-west-1_A"
			p.Claims = []hotsync.IdentityClaim{{Claim: "sub", Service: "zuora", Issuer: "zuora", Type: "account"},
				{Claim: "cognito:username", Service: "zuora", Issuer: "zuora", Type: "account"}}
		}, "", "", false},
		{"no audience of the newer issuer", func(p *hotsync.Provider) {
			p.Audiences, p.Issuer = nil, "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A"
		}, "claims[0].claim", "write this attribute", true},
		{"the issuer of another pool", func(p *hotsync.Provider) {
			p.UserPool, p.Issuer = "eu-west-1_B", "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A"
		}, "userPool", "another", true},
		{"pool as an ARN", func(p *hotsync.Provider) { p.UserPool = "arn:aws:cognito-idp:eu-west-1:1:userpool/eu-west-1_A" },
			"userPool", "eu-west-1_", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			s := hotsync.DefaultSettings()
			s.Providers = []hotsync.Provider{
				{Name: "p", Issuer: "https://login.example.com", Audiences: []string{"a"}, Claims: claims}}
			tc.change(&s.Providers[0])
			got := s.Validate()
			if tc.path == "" {
				if len(got) != 0 {
					t.Errorf("findings %+v, want none", got)
				}
				return
			}
			i := slices.IndexFunc(got, func(f hotsync.SettingsFinding) bool { return f.Path == "providers[0]."+tc.path })
			if i < 0 || got[i].Warning != tc.warning || !strings.Contains(got[i].Message, tc.contains) {
				t.Errorf("findings %+v, want one at %s with %q, a warning: %t", got, tc.path, tc.contains, tc.warning)
			}
		})
	}
}

// Whoever gets somebody else's value at one of two providers would be that somebody.
func TestTwoProvidersLookUpInOneField(t *testing.T) {
	t.Parallel()

	lookup := func(claim, field string) hotsync.IdentityClaim {
		return hotsync.IdentityClaim{Claim: claim, Service: "zuora", Issuer: "zuora", Type: "account", AccountLookup: true,
			AccountLookupField: field}
	}
	of := func(name string, claims ...hotsync.IdentityClaim) hotsync.Provider {
		return hotsync.Provider{Name: name, Issuer: "https://" + name + ".example.com", Audiences: []string{"a"},
			Claims: claims}
	}
	unused := lookup("sub", "A__c")
	unused.Type = "contact"
	for _, tc := range []struct {
		name   string
		second hotsync.Provider
		want   []string
	}{
		{"one field", of("two", lookup("sub", "A__c")),
			[]string{"providers[0].claims[0].accountLookupField", "providers[1].claims[0].accountLookupField"}},
		{"one field by another claim", of("two", lookup("email", "A__c")),
			[]string{"providers[0].claims[0].accountLookupField", "providers[1].claims[0].accountLookupField"}},
		{"a field each", of("two", lookup("sub", "B__c")), nil},
		{"a claim that is not used", of("two", unused, lookup("sub", "B__c")), []string{"providers[1].claims[0].type"}},
	} {
		s := hotsync.DefaultSettings()
		s.Providers = []hotsync.Provider{of("one", lookup("sub", "A__c")), tc.second}
		var got []string
		for _, f := range s.Validate() {
			if !f.Warning {
				t.Errorf("%s: %s is no warning", tc.name, f.Path)
			}
			got = append(got, f.Path)
		}
		slices.Sort(got)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: findings at %q, want %q", tc.name, got, tc.want)
		}
	}
}
