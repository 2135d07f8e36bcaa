package catalogue_test

import (
	"fmt"

	"hotsync/shared/catalogue"
)

// A rate plan stands for the offer that has its name in a bundle with the same product. The same name with another
// product says what is missing.
func ExampleIndex_Match() {
	index := catalogue.NewIndex([]catalogue.Item{
		offer("/offers/Digital-Monthly", "Monthly", "DIGITAL"),
		offer("/offers/Print-Monthly", "Monthly", "PRINT"),
	})
	m := index.Match(facts("Monthly", "PRINT"))
	fmt.Println(m.Standing, m.Item.Path)

	m = index.Match(facts("Monthly", "WEEKEND"))
	fmt.Println(m.Standing, m.Candidates)
	// Output:
	// matched /offers/Print-Monthly
	// unmatched [/offers/Digital-Monthly /offers/Print-Monthly]
}
