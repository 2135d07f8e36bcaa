package ownership_test

import (
	"fmt"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
)

// An adviser sees two accounts of one owner. A client of theirs signs in and names one
// of the two: linked to that owner, the client would see the other one.
func ExampleDecide() {
	const home, secret = "8a000000000000000000000000000001", "8a000000000000000000000000000002"
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	owner := ownership.Owner{
		ID:       "id-1",
		Accounts: map[string]ownership.Account{home: {Number: "A1"}, secret: {Number: "A2"}},
		Logins:   map[string]ownership.Member{"adviser": {Named: []string{home, secret}}},
		Revision: 3,
	}
	facts := ownership.Facts{
		Account: hotsync.AccountRef{ID: home, Number: "A1"},
		Login:   "client",
		Fresh:   true,
		Named:   []string{home},
		At:      now,
		Seen:    ownership.Seen{Owner: "id-1", Shows: true, Logins: []string{"adviser"}, At: now},
		Now:     now,
		Owners:  map[string]ownership.Owner{"id-1": owner},
	}

	d := ownership.Decide(facts)
	fmt.Println("look at", d.Look) // it may be elsewhere by now

	facts.Others = map[string]ownership.Seen{secret: {Owner: "id-1", Shows: true, Logins: []string{"adviser"}, At: now}}
	d = ownership.Decide(facts)
	fmt.Println(d.Reason, d.Link)

	facts.Named = []string{"A1", "A2"}
	d = ownership.Decide(facts)
	fmt.Println(d.Reason, d.Link)

	// Output:
	// look at [8a000000000000000000000000000002]
	// unnamed false
	// link true
}
