package projection_test

import (
	"fmt"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// One account with one subscription becomes the objects that Limio's account pages read; ids follow from Zuora's keys,
// so that a second sync means the same objects.
func ExampleProject() {
	account := billing.Account{ID: "8a12", Number: "A1", Name: "Ada Reader", Currency: "GBP",
		BillTo: &billing.Contact{FirstName: "Ada", LastName: "Reader", PostalCode: "LS1 1AA", Country: "GB"},
		Subscriptions: []billing.Subscription{{Number: "A-S1", Status: "Active", Start: "2026-01-01",
			RatePlans: []billing.RatePlan{{Number: "P1", Name: "Monthly"}}}}}
	login := hotsync.Identity{Issuer: "https://login.example.com", Subject: "ada"}

	want := projection.Project(account, login, projection.Options{Today: "2026-11-22", Tenant: "acme"})
	again := projection.Project(account, login, projection.Options{Today: "2026-11-22", Tenant: "acme"})
	for i, o := range want.Objects {
		fmt.Println(o.Kind, o.Key, o.ID == again.Objects[i].ID)
	}
	// Output:
	// identity owner true
	// customer customer true
	// identity zuora/account/8a12 true
	// subscription A-S1 true
	// subscription_offer P1 true
	// address billing true
	// identity external/c51778330975bcfabad37cf51e5e60d7 true
}
