package ownership_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
)

// facts are a fresh sign-in of login x that names account a, which Limio does not have.
func facts() ownership.Facts {
	a := accounts[0]
	return ownership.Facts{Account: hotsync.AccountRef{ID: a}, Login: "x", Fresh: true, Named: []string{a}, At: noon,
		Now: noon, Alone: "alone",
		Seen: ownership.Seen{At: noon}, Owners: map[string]ownership.Owner{"alone": {}, "theirs": {}, "mine": {}}}
}

func showing(owner string, logins ...string) ownership.Seen {
	return ownership.Seen{Owner: owner, Shows: true, Logins: logins, At: noon}
}

// What a decision has the keeper remember of the login: that is what the next sync of the person decides on.
func TestDecideRemembers(t *testing.T) {
	t.Parallel()

	a, b := accounts[0], accounts[1]
	long := noon.Add(-time.Hour)
	// found: a look-up found a, whose owner has b as well, and so may not be shown.
	found := func(f *ownership.Facts) {
		f.Named, f.Found, f.Seen = nil, true, showing("theirs")
		f.Owners["theirs"], f.Others = known(map[string]string{a: "", b: ""},
			nil), map[string]ownership.Seen{b: showing("theirs")}
	}
	// bound: the login has an owner of which Limio shows b to those logins.
	bound := func(at time.Time, owner string, logins ...string) func(*ownership.Facts) {
		return func(f *ownership.Facts) {
			f.Known = ownership.Login{Owner: "mine", BoundAt: at, Named: []string{b}, At: long}
			f.Owners["mine"] = known(map[string]string{b: ""}, map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: showing(owner, logins...)}
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*ownership.Facts)
		reason ownership.Reason
		want   *ownership.Login
	}{
		{"what a look-up found, though the login is not linked", found, ownership.ReasonUnnamed,
			&ownership.Login{Named: []string{a}, At: noon}},
		{"not what a claim names", func(f *ownership.Facts) { found(f); f.Found, f.Named = false, []string{a} },
			ownership.ReasonUnnamed, nil},
		{"nor what a retry found", func(f *ownership.Facts) { found(f); f.Fresh = false }, ownership.ReasonNotFresh, nil},
		{"nor for nobody", func(f *ownership.Facts) { found(f); f.Login = "" }, ownership.ReasonNobody, nil},
		{"nor once more", func(f *ownership.Facts) { found(f); f.Known = ownership.Login{Named: []string{a}, At: noon} },
			ownership.ReasonUnnamed, nil},
		{"the same of a newer sign-in",
			func(f *ownership.Facts) { found(f); f.Known = ownership.Login{Named: []string{a}, At: long} },
			ownership.ReasonUnnamed, &ownership.Login{Named: []string{a}, At: noon}},
		{"beside what the same sign-in found before", func(f *ownership.Facts) {
			found(f)
			f.Known, f.Others[accounts[2]] = ownership.Login{Named: []string{accounts[2]}, At: noon}, showing("")
		}, ownership.ReasonUnnamed, &ownership.Login{Named: []string{a, accounts[2]}, At: noon}},
		{"in place of what an older one found",
			func(f *ownership.Facts) { found(f); f.Known = ownership.Login{Named: []string{accounts[2]}, At: long} },
			ownership.ReasonUnnamed, &ownership.Login{Named: []string{a}, At: noon}},

		{"a binding that nothing shows is made anew", bound(long, ""), ownership.ReasonLink,
			&ownership.Login{Owner: "mine", BoundAt: noon, Named: []string{a}, At: noon}},
		{"unless it is new", bound(noon.Add(5*time.Second-ownership.Lease/2), ""), ownership.ReasonLink,
			&ownership.Login{Owner: "mine", BoundAt: noon.Add(5*time.Second - ownership.Lease/2), Named: []string{a}, At: noon}},
		{"or Limio shows the link", bound(long, "mine", "x"), ownership.ReasonLink,
			&ownership.Login{Owner: "mine", BoundAt: long, Named: []string{a}, At: noon}},
		{"a link that is there, with what is named now", func(f *ownership.Facts) {
			f.Known, f.Seen = ownership.Login{Owner: "theirs", BoundAt: long, Named: []string{a, b}, At: long}, showing("theirs",
				"x")
		}, ownership.ReasonLinked, &ownership.Login{Owner: "theirs", BoundAt: long, Named: []string{a}, At: noon}},
		{"a link that is there, and named the same", func(f *ownership.Facts) {
			f.Known, f.Seen = ownership.Login{Owner: "theirs", BoundAt: long, Named: []string{a}, At: long}, showing("theirs",
				"x")
		}, ownership.ReasonLinked, nil},
		{"a link to another owner than was known", func(f *ownership.Facts) {
			f.Known, f.Seen = ownership.Login{Owner: "mine", BoundAt: long, Named: []string{a}, At: long}, showing("theirs", "x")
		}, ownership.ReasonLinked, &ownership.Login{Owner: "theirs", BoundAt: noon, Named: []string{a}, At: noon}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			f := facts()
			tc.change(&f)
			d := ownership.Decide(f)
			if diff := cmp.Diff(tc.want, d.Binding); diff != "" || d.Reason != tc.reason {
				t.Errorf("Decide = %s, want %s; binding (-want +got):\n%s", d.Reason, tc.reason, diff)
			}
		})
	}
}

// What is recorded of the login at the owner: when it was claimed, and what it named.
func TestDecideRecordsTheMember(t *testing.T) {
	t.Parallel()

	a, b := accounts[0], accounts[1]
	long := noon.Add(-time.Hour)
	for _, tc := range []struct {
		name   string
		change func(*ownership.Facts)
		want   ownership.Member
	}{
		{"a link that comes", func(f *ownership.Facts) { f.Seen, f.Sole = showing("theirs"), true },
			ownership.Member{Named: []string{a}, ClaimedAt: noon}},
		{"a link that is there", func(f *ownership.Facts) { f.Seen = showing("theirs", "x") },
			ownership.Member{Named: []string{a}, ClaimedAt: long}},
		{"seen by a retry, which names nothing", func(f *ownership.Facts) {
			f.Seen, f.Fresh, f.Known.Named = showing("theirs", "x"), false, []string{a}
		}, ownership.Member{Named: []string{a, b}, ClaimedAt: long}},
	} {
		f := facts()
		f.Owners["theirs"] = known(map[string]string{a: ""}, map[string][]string{"x": {a, b}})
		f.Known = ownership.Login{Owner: "theirs", BoundAt: long, Named: []string{a, b}, At: long}
		tc.change(&f)
		d := ownership.Decide(f)
		if diff := cmp.Diff(tc.want, d.To.Logins["x"]); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", tc.name, diff)
		}
	}
}

// Who sees an owner is looked up in Limio where the table may be an old one, or says that somebody is in the way; and
// no more than a bounded number of accounts.
func TestDecideLooks(t *testing.T) {
	t.Parallel()

	a, b := accounts[0], accounts[1]
	// owner has b, recorded then, and is seen by y, who named those accounts.
	owner := func(then time.Time, named ...string) ownership.Owner {
		o := known(nil, map[string][]string{"y": named})
		o.Accounts[b] = ownership.Account{ClaimedAt: then}
		return o
	}
	recent := noon.Add(time.Second - ownership.Lease/2)
	many := map[string]string{}
	var first []string
	for n := range 12 {
		id := fmt.Sprintf("%032x", n+1)
		many[id] = ""
		if n < 10 {
			first = append(first, id)
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*ownership.Facts)
		want   []string
		next   bool
	}{
		{"what was recorded a moment ago is believed", func(f *ownership.Facts) { f.Owners["alone"] = owner(recent, a) }, nil,
			false},
		{"what was recorded long ago is looked up",
			func(f *ownership.Facts) { f.Owners["alone"] = owner(noon.Add(-ownership.Lease), a) }, []string{b}, false},
		{"and what another table said", func(f *ownership.Facts) {
			o := owner(recent, a)
			o.Elsewhere = true
			f.Owners["alone"] = o
		}, []string{b}, false},
		{"and who is in the way", func(f *ownership.Facts) { f.Owners["alone"] = owner(recent, b) }, []string{b}, false},
		{"once", func(f *ownership.Facts) {
			f.Owners["alone"], f.Others = owner(recent, b), map[string]ownership.Seen{b: showing("alone", "y")}
		}, nil, true},
		{"the account itself was read", func(f *ownership.Facts) {
			o := owner(noon.Add(-ownership.Lease), a)
			o.Accounts[a] = ownership.Account{ClaimedAt: noon.Add(-ownership.Lease / 2)}
			f.Owners["alone"] = o
		}, []string{b}, false},
		{"not more than ten", func(f *ownership.Facts) {
			f.Login, f.Seen, f.Owners["theirs"] = "x", showing("theirs"), known(many, nil)
		}, first, false},
	} {
		f := facts()
		f.Login = ""
		tc.change(&f)
		d := ownership.Decide(f)
		if diff := cmp.Diff(tc.want, d.Look); diff != "" || d.Next != tc.next {
			t.Errorf("%s: next %t, want %t; looks at (-want +got):\n%s", tc.name, d.Next, tc.next, diff)
		}
	}
}

// Limio must not have an owner of which nothing is known and nothing is shown: then it is made.
func TestDecideMakesTheOwner(t *testing.T) {
	t.Parallel()

	a := accounts[0]
	for _, tc := range []struct {
		name   string
		change func(*ownership.Facts)
		owner  string
		want   bool
	}{
		{"of an account that nobody has", func(*ownership.Facts) {}, "alone", true},
		{"that was recorded and does not show yet",
			func(f *ownership.Facts) { f.Owners["alone"] = known(map[string]string{a: ""}, nil) }, "alone", false},
		{"that only Limio knows", func(f *ownership.Facts) { f.Seen, f.Sole = showing("theirs"), true }, "theirs", false},
		{"that both know", func(f *ownership.Facts) {
			f.Seen, f.Owners["theirs"] = showing("theirs"), known(map[string]string{a: ""}, nil)
		}, "theirs", false},
	} {
		f := facts()
		tc.change(&f)
		d := ownership.Decide(f)
		if d.Owner != tc.owner || !d.Link || d.New != tc.want {
			t.Errorf("an owner %s: %q, linked %t, new %t; want %q, linked, new %t", tc.name, d.Owner, d.Link, d.New, tc.owner,
				tc.want)
		}
	}
}

// An owner of so many accounts that not all are looked up is not left: the login may be linked to it.
func TestDecideDoesNotLeaveWhatItCannotSee(t *testing.T) {
	t.Parallel()

	for n, want := range map[int]ownership.Reason{10: ownership.ReasonLink, 11: ownership.ReasonTwo} {
		f := facts()
		f.Seen, f.Known = showing("theirs"), ownership.Login{Owner: "mine", BoundAt: noon.Add(-time.Hour), Revision: 1}
		f.Owners["theirs"] = known(map[string]string{accounts[0]: ""}, map[string][]string{"y": {accounts[0]}})
		mine := map[string]string{}
		f.Others = map[string]ownership.Seen{}
		for i := range n {
			id := fmt.Sprintf("%032x", i+1)
			mine[id] = ""
			if i < 10 {
				f.Others[id] = showing("mine", "y")
			}
		}
		f.Owners["mine"] = known(mine, map[string][]string{"x": nil})
		if d := ownership.Decide(f); d.Reason != want {
			t.Errorf("an owner of %d accounts: %s, looks at %d; want %s", n, d.Reason, len(d.Look), want)
		}
	}
}
