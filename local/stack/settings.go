package stack

import (
	"hotsync/local/sandbox/idp"
	"hotsync/shared/hotsync"
)

// cognitoIssuer is the user pool of the sample events in events/.
var cognitoIssuer = hotsync.UserPoolIssuer("eu-west-1", "eu-west-1_EXAMPLE")

// LocalSettings are the settings of a new local system: hot sync on, with the
// two issuers of the identity provider at idpURL, one for each way to name an
// account, and the user pool of the sample events.
func LocalSettings(idpURL string) hotsync.Settings {
	account := func(name string) hotsync.IdentityClaim {
		return hotsync.IdentityClaim{
			Claim:   name,
			Service: hotsync.ServiceZuora,
			Issuer:  hotsync.IssuerZuora,
			Type:    hotsync.TypeAccount,
		}
	}
	lookup := account("sub")
	lookup.AccountLookup, lookup.AccountLookupField = true, "LimioExternalId__c"
	s := hotsync.DefaultSettings()
	s.HotSync = true
	s.Providers = []hotsync.Provider{
		{
			Name:      "direct",
			Issuer:    idpURL + "/" + idp.Direct,
			Audiences: []string{idp.ClientID},
			Claims:    []hotsync.IdentityClaim{account("zuora_account_ids")},
		},
		{
			Name:      "lookup",
			Issuer:    idpURL + "/" + idp.Lookup,
			Audiences: []string{idp.ClientID},
			Claims:    []hotsync.IdentityClaim{lookup},
		},
		{
			Name:      "cognito",
			Issuer:    cognitoIssuer,
			Audiences: []string{},
			Claims:    []hotsync.IdentityClaim{account("zuora_accounts"), account("zuora_account_ids")},
		},
	}
	return s
}
