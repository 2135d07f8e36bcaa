package console

import "hotsync/shared/hotsync"

// providerPreset is what the providers of a kind have in common. What differs from one
// customer to the next is in braces, which no issuer may have: it has to be
// filled in before the settings can be saved.
type providerPreset struct {
	ID, Name string
	Provider hotsync.Provider
}

var providerPresets = []providerPreset{
	{"cognito", "Amazon Cognito", hotsync.Provider{
		Name:     "cognito",
		Issuer:   "https://cognito-idp.{region}.amazonaws.com/{pool id}",
		UserPool: "{pool id}",
		Claims:   accountClaim("custom:zuora_account_ids"),
	}},
	{"auth0", "Auth0", hotsync.Provider{
		Name:   "auth0",
		Issuer: "https://{tenant}.auth0.com/",
		Claims: accountClaim("https://{namespace}/zuora_account_ids"),
	}},
	{"okta", "Okta", hotsync.Provider{
		Name:   "okta",
		Issuer: "https://{company}.okta.com/oauth2/default",
		Claims: accountClaim("zuora_account_ids"),
	}},
	{"entra", "Microsoft Entra External ID", hotsync.Provider{
		Name:   "entra",
		Issuer: "https://{tenant id}.ciamlogin.com/{tenant id}/v2.0",
		Claims: accountClaim("extension_zuoraAccountIds"),
	}},
	{
		"b2c",
		"Azure AD B2C",
		hotsync.Provider{
			Name:      "b2c",
			Issuer:    "https://{tenant}.b2clogin.com/{tenant id}/v2.0/",
			Discovery: "https://{tenant}.b2clogin.com/{tenant}.onmicrosoft.com/{policy}/v2.0/.well-known/openid-configuration",
			Claims:    accountClaim("extension_zuoraAccountIds"),
		},
	},
	{"keycloak", "Keycloak", hotsync.Provider{
		Name:   "keycloak",
		Issuer: "https://{host}/realms/{realm}",
		Claims: accountClaim("zuora_account_ids"),
	}},
	{"email", "Any, by e-mail address", hotsync.Provider{
		Claims: []hotsync.IdentityClaim{{
			Claim:              "email",
			Service:            hotsync.ServiceZuora,
			Issuer:             hotsync.IssuerZuora,
			Type:               hotsync.TypeAccount,
			AccountLookup:      true,
			AccountLookupField: "LimioExternalId__c",
		}},
	}},
}

func accountClaim(name string) []hotsync.IdentityClaim {
	c := newClaim()
	c.Claim = name
	return []hotsync.IdentityClaim{c}
}

// presetOf returns the provider to begin with; without a preset of that id it
// has one empty claim.
func presetOf(id string) hotsync.Provider {
	for _, p := range providerPresets {
		if p.ID == id {
			out := p.Provider
			out.Claims = append([]hotsync.IdentityClaim(nil), out.Claims...)
			return out
		}
	}
	return hotsync.Provider{Claims: []hotsync.IdentityClaim{newClaim()}}
}
