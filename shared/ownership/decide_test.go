package ownership_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// known is an owner with these accounts, by number, and these logins with what they
// named, all recorded long ago.
func known(accounts map[string]string, logins map[string][]string) ownership.Owner {
	o := ownership.Owner{Accounts: map[string]ownership.Account{}, Logins: map[string]ownership.Member{}, Revision: 1}
	for id, number := range accounts {
		o.Accounts[id] = ownership.Account{Number: number, ClaimedAt: noon.Add(-time.Hour)}
	}
	for login, named := range logins {
		o.Logins[login] = ownership.Member{Named: named, ClaimedAt: noon.Add(-time.Hour)}
	}
	return o
}

// decision is what the table looks at: what is decided, or what is asked for.
type decision struct {
	Reason      ownership.Reason
	Link        bool
	Owner, From string
	Look        []string
	Next        bool
	Wait        time.Duration
}

// Each row is a rule: it fails when the rule is taken out.
func TestDecide(t *testing.T) {
	t.Parallel()

	a, b := accounts[0], accounts[1]
	shows := func(owner string, logins ...string) ownership.Seen {
		return ownership.Seen{Owner: owner, Shows: true, Logins: logins, At: noon}
	}
	noting := func(s ownership.Seen, ids ...string) ownership.Seen {
		s.Noted = map[string]string{}
		for _, id := range ids {
			s.Noted[id] = ""
		}
		return s
	}
	taken := ownership.Owner{Partial: true, Revision: 1}
	bound := ownership.Login{Owner: "mine", BoundAt: noon.Add(-time.Hour), Revision: 1}
	for _, tc := range []struct {
		name   string
		change func(*ownership.Facts)
		want   decision
	}{
		{"an account that nobody has", func(*ownership.Facts) {},
			decision{Reason: ownership.ReasonLink, Link: true, Owner: "alone"}},
		{"by a callout", func(f *ownership.Facts) { f.Login = "" },
			decision{Reason: ownership.ReasonNobody, Owner: "alone"}},
		{"Limio has an owner that nothing is known of", func(f *ownership.Facts) { f.Owners["alone"] = taken },
			decision{Next: true}},
		{"the same, by a callout", func(f *ownership.Facts) { f.Login, f.Owners["alone"] = "", taken },
			decision{Next: true}},
		{"its owner is seen by somebody who did not name it", func(f *ownership.Facts) {
			f.Login, f.Owners["alone"] = "", known(nil, map[string][]string{"y": {b}})
		}, decision{Next: true}},
		{"its owner has another account", func(f *ownership.Facts) {
			f.Owners["alone"] = known(map[string]string{b: ""}, nil)
			f.Others = map[string]ownership.Seen{b: shows("alone")}
		}, decision{Next: true}},
		{"its owner moves", func(f *ownership.Facts) {
			o := known(nil, nil)
			o.MovingTo, o.MovingAt = "z", noon
			f.Login, f.Owners["alone"] = "", o
		}, decision{Wait: 3 * time.Second}},

		{"Limio shows the link", func(f *ownership.Facts) { f.Seen = shows("theirs", "x") },
			decision{Reason: ownership.ReasonLinked, Link: true, Owner: "theirs"}},
		{"a retry does not link", func(f *ownership.Facts) { f.Fresh, f.Seen = false, shows("theirs") },
			decision{Reason: ownership.ReasonNotFresh, Owner: "theirs"}},
		{"a newer sign-in names something else", func(f *ownership.Facts) {
			f.Seen, f.Known = shows("theirs"), ownership.Login{Named: []string{b}, At: noon.Add(time.Second), Revision: 1}
		}, decision{Reason: ownership.ReasonNewer, Owner: "theirs"}},
		{"a newer sign-in names it by its number", func(f *ownership.Facts) {
			f.Account.Number, f.Known = "A1", ownership.Login{Named: []string{"A1"}, At: noon.Add(time.Second), Revision: 1}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "alone"}},
		{"an older sign-in named something else", func(f *ownership.Facts) {
			f.Known = ownership.Login{Named: []string{b}, At: noon.Add(-time.Second), Revision: 1}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "alone"}},
		{"a retry of what the newest sign-in does not name says so, linked or not", func(f *ownership.Facts) {
			f.Fresh, f.Seen, f.Known = false, shows("theirs", "x"), ownership.Login{Named: []string{b},
				At: noon.Add(-time.Second), Revision: 1}
		}, decision{Reason: ownership.ReasonNewer, Owner: "theirs"}},
		{"a look-up that was made again names it now", func(f *ownership.Facts) {
			f.Found, f.Known = true, ownership.Login{Named: []string{b}, At: noon.Add(time.Second), Revision: 1}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "alone"}},

		{"the owner has an account that the login names by its number", func(f *ownership.Facts) {
			f.Seen, f.Named, f.Owners["theirs"] = shows("theirs"), []string{a, "B1"}, known(map[string]string{a: "A1", b: "B1"},
				nil)
			f.Others = map[string]ownership.Seen{}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs"}},
		{"an account that the login does not name is looked up", func(f *ownership.Facts) {
			f.Seen, f.Owners["theirs"] = shows("theirs"), known(map[string]string{b: "B1"}, nil)
		}, decision{Look: []string{b}}},
		{"and keeps it out", func(f *ownership.Facts) {
			f.Seen, f.Owners["theirs"] = shows("theirs"), known(map[string]string{b: "B1"}, nil)
			f.Others = map[string]ownership.Seen{b: shows("theirs")}
		}, decision{Reason: ownership.ReasonUnnamed, Owner: "theirs"}},
		{"unless it is elsewhere", func(f *ownership.Facts) {
			f.Seen, f.Owners["theirs"] = shows("theirs"), known(map[string]string{b: "B1"}, nil)
			f.Others = map[string]ownership.Seen{b: shows("other")}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs"}},
		{"but may be about to come", func(f *ownership.Facts) {
			o := known(map[string]string{b: "B1"}, nil)
			o.Accounts[b] = ownership.Account{ClaimedAt: noon.Add(-20 * time.Second)}
			f.Seen, f.Owners["theirs"] = shows("theirs"), o
			f.Others = map[string]ownership.Seen{b: shows("")}
		}, decision{Wait: 20 * time.Second}},
		{"Limio's note has an account that the table does not know", func(f *ownership.Facts) {
			f.Seen, f.Owners["theirs"] = noting(shows("theirs"), a, b), known(map[string]string{a: ""}, nil)
			f.Others = map[string]ownership.Seen{b: shows("theirs")}
		}, decision{Reason: ownership.ReasonUnnamed, Owner: "theirs"}},
		{"nothing is known of the owner, and others see it", func(f *ownership.Facts) { f.Seen = shows("theirs", "y") },
			decision{Reason: ownership.ReasonUnknown, Owner: "theirs"}},
		{"nothing is known of the owner, and nobody sees it", func(f *ownership.Facts) { f.Seen = shows("theirs") },
			decision{Reason: ownership.ReasonUnknown, Owner: "theirs"}},
		{"but it was made for this account", func(f *ownership.Facts) { f.Seen, f.Sole = shows("theirs"), true },
			decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs"}},
		{"and somebody sees it", func(f *ownership.Facts) { f.Seen, f.Sole = shows("theirs", "y"), true },
			decision{Reason: ownership.ReasonUnknown, Owner: "theirs"}},
		{"Limio does not show who sees it",
			func(f *ownership.Facts) { f.Seen, f.Sole = ownership.Seen{Owner: "theirs", At: noon}, true },
			decision{Reason: ownership.ReasonUnknown, Owner: "theirs"}},
		{"Limio's note tells what it has, and that the table was lost: who knew more may be at work",
			func(f *ownership.Facts) { f.Seen = noting(shows("theirs", "y"), a) },
			decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs", Wait: ownership.Recovery}},
		{"so long ago that nobody is", func(f *ownership.Facts) {
			o := known(map[string]string{a: ""}, nil)
			o.RecoveredAt = noon.Add(-ownership.Recovery)
			f.Seen, f.Owners["theirs"] = noting(shows("theirs", "y"), a), o
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs"}},
		{"a table that was restored", func(f *ownership.Facts) {
			o := known(map[string]string{a: ""}, nil)
			o.Elsewhere = true
			f.Seen, f.Owners["theirs"] = noting(shows("theirs", "y"), a), o
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs", Wait: ownership.Recovery}},
		{"for who is linked nobody waits", func(f *ownership.Facts) {
			o := known(map[string]string{a: ""}, nil)
			o.Elsewhere = true
			f.Seen, f.Owners["theirs"] = noting(shows("theirs", "x"), a), o
		}, decision{Reason: ownership.ReasonLinked, Link: true, Owner: "theirs"}},
		{"one that was restored where Limio does not show who was linked since", func(f *ownership.Facts) {
			o := known(map[string]string{a: ""}, nil)
			o.Elsewhere = true
			f.Seen, f.Owners["theirs"] = ownership.Seen{Owner: "theirs", At: noon}, o
		}, decision{Reason: ownership.ReasonUnknown, Owner: "theirs"}},
		{"what was known in part is known when there is a note", func(f *ownership.Facts) {
			f.Seen, f.Owners["theirs"] = noting(shows("theirs", "y"), a), taken
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs", Wait: ownership.Recovery}},
		{"known only in part", func(f *ownership.Facts) {
			o := known(map[string]string{a: ""}, nil)
			o.Partial = true
			f.Seen, f.Owners["theirs"] = shows("theirs"), o
		}, decision{Reason: ownership.ReasonUnknown, Owner: "theirs"}},
		{"the account's owner moves", func(f *ownership.Facts) {
			o := known(map[string]string{a: ""}, nil)
			o.MovingTo, o.MovingAt = "other", noon
			f.Seen, f.Owners["theirs"] = shows("theirs"), o
		}, decision{Wait: 3 * time.Second}},
		{"or was to move long ago", func(f *ownership.Facts) {
			o := known(map[string]string{a: ""}, nil)
			o.MovingTo, o.MovingAt = "other", noon.Add(-time.Minute)
			f.Seen, f.Owners["theirs"] = shows("theirs"), o
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs"}},

		{"the login's owner takes a new account", func(f *ownership.Facts) {
			f.Known, f.Named, f.Owners["mine"] = bound, []string{a, b}, known(map[string]string{b: ""},
				map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x")}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "mine"}},
		{"also when the login names less, where it sees the rest", func(f *ownership.Facts) {
			f.Known, f.Owners["mine"] = bound, known(map[string]string{b: ""}, map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x")}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "mine"}},
		{"but others see it", func(f *ownership.Facts) {
			f.Known, f.Named, f.Owners["mine"] = bound, []string{a, b}, known(map[string]string{b: ""},
				map[string][]string{"x": {b}, "y": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x", "y")}
		}, decision{Reason: ownership.ReasonOthers, Owner: "alone"}},
		{"who named it by its number", func(f *ownership.Facts) {
			f.Account.Number = "A1"
			f.Known, f.Named, f.Owners["mine"] = bound, []string{a, b}, known(map[string]string{b: ""},
				map[string][]string{"x": {b}, "y": {b, "A1"}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x", "y")}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "mine"}},
		{"and the table does not know them", func(f *ownership.Facts) {
			f.Known, f.Named, f.Owners["mine"] = bound, []string{a, b}, known(map[string]string{b: ""},
				map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x", "y")}
		}, decision{Reason: ownership.ReasonOthers, Owner: "alone"}},
		{"for which it looks, lest the table be an old one", func(f *ownership.Facts) {
			f.Known, f.Named, f.Owners["mine"] = bound, []string{a, b}, known(map[string]string{b: ""},
				map[string][]string{"x": {b}})
		}, decision{Look: []string{b}}},
		{"who are not linked any more", func(f *ownership.Facts) {
			f.Known, f.Named, f.Owners["mine"] = bound, []string{a, b}, known(map[string]string{b: ""},
				map[string][]string{"x": {b}, "y": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x")}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "mine"}},
		{"a login that is bound to nothing", func(f *ownership.Facts) {
			f.Known, f.Owners["mine"] = bound, known(map[string]string{b: ""}, map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("")}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "mine"}},
		{"a login that was bound a moment ago", func(f *ownership.Facts) {
			f.Known = ownership.Login{Owner: "mine", BoundAt: noon, Revision: 1}
		}, decision{Wait: 3 * time.Second}},
		{"nothing is known of the login, and Limio shows it elsewhere", func(f *ownership.Facts) {
			f.Named = []string{a, b}
			f.Others = map[string]ownership.Seen{b: noting(shows("mine", "x"), b)}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "mine", Wait: ownership.Recovery}},
		{"found by look-ups of two sign-ins", func(f *ownership.Facts) {
			f.Named, f.Found, f.Known, f.Seen = nil, true, ownership.Login{Named: []string{b}, At: noon.Add(time.Second),
				Revision: 1}, shows("theirs")
			f.Owners["theirs"] = known(map[string]string{a: "", b: ""}, nil)
			f.Others = map[string]ownership.Seen{b: shows("theirs")}
		}, decision{Reason: ownership.ReasonUnnamed, Owner: "theirs"}},
		{"found by look-ups of one", func(f *ownership.Facts) {
			f.Named, f.Found, f.Known, f.Seen = nil, true, ownership.Login{Named: []string{b}, At: noon,
				Revision: 1}, shows("theirs")
			f.Owners["theirs"], f.Others = known(map[string]string{a: "", b: ""},
				nil), map[string]ownership.Seen{b: shows("mine")}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs"}},
		{"for which it looks", func(f *ownership.Facts) { f.Named = []string{a, b} },
			decision{Look: []string{b}}},

		{"an account moves to the login's owner", func(f *ownership.Facts) {
			f.Known, f.Named, f.Seen = bound, []string{a, b}, shows("theirs")
			f.Owners["theirs"], f.Owners["mine"] = known(map[string]string{a: ""}, nil), known(map[string]string{b: ""},
				map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x")}
		}, decision{Reason: ownership.ReasonMove, Link: true, Owner: "mine", From: "theirs"}},
		{"not when Limio refused that", func(f *ownership.Facts) {
			f.Known, f.Named, f.Seen, f.NoMove = bound, []string{a, b}, shows("theirs"), true
			f.Owners["theirs"], f.Owners["mine"] = known(map[string]string{a: ""}, nil), known(map[string]string{b: ""},
				map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x")}
		}, decision{Reason: ownership.ReasonTwo, Owner: "theirs"}},
		{"not when somebody sees it", func(f *ownership.Facts) {
			f.Known, f.Named, f.Seen = bound, []string{a, b}, shows("theirs", "y")
			f.Owners["theirs"], f.Owners["mine"] = known(map[string]string{a: ""}, nil), known(map[string]string{b: ""},
				map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x")}
		}, decision{Reason: ownership.ReasonTwo, Owner: "theirs"}},
		{"not with an account that the login does not name", func(f *ownership.Facts) {
			f.Known, f.Named, f.Seen = bound, []string{a, b}, shows("theirs")
			f.Owners["theirs"], f.Owners["mine"] = known(map[string]string{a: "", accounts[2]: ""},
				nil), known(map[string]string{b: ""}, map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x"), accounts[2]: shows("theirs")}
		}, decision{Reason: ownership.ReasonTwo, Owner: "theirs"}},
		{"not to an owner that others see", func(f *ownership.Facts) {
			f.Known, f.Named, f.Seen = bound, []string{a, b}, shows("theirs")
			f.Owners["theirs"], f.Owners["mine"] = known(map[string]string{a: ""}, nil), known(map[string]string{b: ""},
				map[string][]string{"x": {b}, "y": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x", "y")}
		}, decision{Reason: ownership.ReasonTwo, Owner: "theirs"}},
		{"not what is known only in part", func(f *ownership.Facts) {
			f.Known, f.Named, f.Seen = bound, []string{a, b}, shows("theirs")
			f.Owners["mine"] = known(map[string]string{b: ""}, map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "x")}
		}, decision{Reason: ownership.ReasonTwo, Owner: "theirs"}},
		{"a login leaves an owner that it is not linked to", func(f *ownership.Facts) {
			f.Known, f.Seen = bound, shows("theirs")
			f.Owners["theirs"], f.Owners["mine"] = known(map[string]string{a: ""},
				map[string][]string{"y": {a}}), known(map[string]string{b: ""}, map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine", "y")}
		}, decision{Reason: ownership.ReasonLink, Link: true, Owner: "theirs"}},
		{"but not where Limio does not show that", func(f *ownership.Facts) {
			f.Known, f.Seen = bound, shows("theirs", "y")
			f.Owners["theirs"], f.Owners["mine"] = known(map[string]string{a: ""},
				map[string][]string{"y": {a}}), known(map[string]string{b: ""}, map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: {Owner: "mine", At: noon}}
		}, decision{Reason: ownership.ReasonTwo, Owner: "theirs"}},
		{"nor while it may be about to be", func(f *ownership.Facts) {
			f.Known, f.Seen = bound, shows("theirs", "y")
			f.Known.BoundAt = noon.Add(-30 * time.Second)
			f.Owners["theirs"], f.Owners["mine"] = known(map[string]string{a: ""},
				map[string][]string{"y": {a}}), known(map[string]string{b: ""}, map[string][]string{"x": {b}})
			f.Others = map[string]ownership.Seen{b: shows("mine")}
		}, decision{Wait: 30 * time.Second}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			f := ownership.Facts{Account: hotsync.AccountRef{ID: a}, Login: "x", Fresh: true, Named: []string{a}, At: noon,
				Now: noon, Alone: "alone",
				Seen:   ownership.Seen{At: noon},
				Owners: map[string]ownership.Owner{"alone": {}, "theirs": {}, "mine": {}, "other": {}}}
			tc.change(&f)
			d := ownership.Decide(f)
			got := decision{d.Reason, d.Link, d.Owner, d.From, d.Look, d.Next, d.Wait}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Decide mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
