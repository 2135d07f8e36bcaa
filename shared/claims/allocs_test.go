package claims_test

import (
	"testing"

	"hotsync/shared/claims"
)

// TestAllocations holds the parser to a budget: it is on the way of every login.
// Not parallel, since it counts the allocations of the whole process.
func TestAllocations(t *testing.T) {
	for _, tc := range []struct {
		name   string
		claim  any
		budget float64
	}{
		{"one account", "A00000101", 4},
		{"as Cognito writes a list", "[A00000101, A00000201, A00000202]", 16},
		{"as an authorizer writes a list", "[A00000101 A00000201 A00000202]", 16},
		{"list", []any{"A00000101", "A00000201", "A00000202"}, 6},
		{"refused", "../../v1/accounts", 8},
	} {
		got := testing.AllocsPerRun(200, func() { claims.Parse(tc.claim) })
		if got > tc.budget {
			t.Errorf("%s: %.0f allocations, the budget is %.0f", tc.name, got, tc.budget)
		}
	}
}
