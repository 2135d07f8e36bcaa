package claims_test

import (
	"fmt"

	"hotsync/shared/claims"
	"hotsync/shared/hotsync"
)

// The same two accounts, as a token, a Cognito attribute and two kinds of API Gateway write them.
func ExampleParse() {
	for _, claim := range []any{
		[]any{"A00000001", "A00000002"},
		"[A00000001, A00000002]",
		"[A00000001 A00000002]",
		"A00000001,A00000002",
	} {
		accounts, refused := claims.Parse(claim)
		fmt.Println(accounts, len(refused))
	}
	accounts, refused := claims.Parse("[A00000001, ../A00000002]")
	fmt.Println(accounts, refused[0].Detail)
	// Output:
	// [A00000001 A00000002] 0
	// [A00000001 A00000002] 0
	// [A00000001 A00000002] 0
	// [A00000001 A00000002] 0
	// [A00000001] Value 2 would lead elsewhere in an address.
}

// A provider names the account by an external id that a custom field of Zuora's account holds; an address that nobody
// verified finds nothing.
func ExampleRead() {
	settings := hotsync.Settings{Providers: []hotsync.Provider{{
		Name: "okta", Issuer: "https://acme.okta.example", Claims: []hotsync.IdentityClaim{
			{Claim: "sub", Service: "zuora", Issuer: "zuora", Type: "account", AccountLookup: true,
				AccountLookupField: "LimioExternalId__c"},
			{Claim: "email", Service: "zuora", Issuer: "zuora", Type: "account", AccountLookup: true,
				AccountLookupField: "Email__c"},
		},
	}}}
	result := claims.Read(hotsync.Login{
		Identity: hotsync.Identity{Issuer: "https://acme.okta.example", Subject: "00u1"},
		Claims:   map[string]any{"sub": "00u1", "email": "ada@example.com"},
	}, settings)
	for _, w := range result.Wanted {
		fmt.Println("wanted:", w.Lookup.Field, "=", w.Lookup.Value)
	}
	for _, i := range result.Ignored {
		fmt.Println("ignored:", i.Claim, i.Reason)
	}
	// Output:
	// wanted: LimioExternalId__c = 00u1
	// ignored: email claim_unverified
}
