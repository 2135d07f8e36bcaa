package convergence_test

import (
	"fmt"

	"hotsync/shared/billing"
	"hotsync/shared/convergence"
)

// What Limio has already is not written again; what differs is one change of the members that differ.
func ExampleDiff() {
	before := single()
	have := found(before, ada)
	fmt.Println("nothing changed:", len(convergence.Diff(project(before, ada), have).Changes))

	after := single(func(a *billing.Account) { a.BillTo.PostalCode = "LS2 7EW" })
	for _, c := range convergence.Diff(project(after, ada), have).Changes {
		fmt.Println(c.Action, c.Object.Kind, len(c.Fields) > 0)
	}
	// Output:
	// nothing changed: 0
	// update address true
}
