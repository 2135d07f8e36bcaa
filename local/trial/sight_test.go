package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/projection"
)

// A login that is moved to a stranger's owner is found at the end of a run: its person
// sees what they never named, and no more what they may.
func TestSoakFindsALeak(t *testing.T) {
	t.Parallel()

	opt := short(t, 12, 40, time.Second)
	opt.faults = 0
	opt.plant = func(ctx context.Context, r *run) error {
		var state map[string][]map[string]any
		err := call(ctx, http.MethodGet, r.stack.LimioURL+"/_sandbox/state", "", nil, &state)
		if err != nil {
			return err
		}
		var logins []map[string]any
		for _, o := range state["identity"] {
			if o["type"] == projection.TypeExternal {
				logins = append(logins, o)
			}
		}
		// Of people who have no account in common: an adviser may see their customer's.
		accounts := map[any][]int{}
		for _, p := range r.world.people {
			accounts[p.identity(r.stack.IDPURL).Subject] = p.accounts
		}
		of := func(login map[string]any) []int {
			data, _ := login["data"].(map[string]any)
			return accounts[data["sub"]]
		}
		var first map[string]any
		for _, a := range logins {
			for _, b := range logins {
				common := slices.ContainsFunc(of(a), func(i int) bool { return slices.Contains(of(b), i) })
				if first == nil && a["owner"] != b["owner"] && len(of(a)) > 0 && len(of(b)) > 0 && !common {
					first = a
					first["owner"] = b["owner"]
				}
			}
		}
		if first == nil {
			return errors.New("no two logins have nothing in common")
		}
		return call(ctx, http.MethodPut, r.stack.LimioURL+"/_sandbox/objects", "",
			map[string]any{"objects": []any{first}}, nil)
	}
	out, err := soak(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.strangers) == 0 || len(out.lockedOut) == 0 || len(out.violations()) == 0 {
		t.Errorf("a login at a stranger's owner: see what they never named %q, locked out %q", out.strangers, out.lockedOut)
	}
	if others := len(out.lost) + len(out.duplicates) + len(out.overlaps) + len(out.leaks) + len(out.broken); others > 0 {
		t.Errorf("the run itself was not clean: %q", out.violations())
	}
}

// What keeps a person from an account: the first sees the first owner, the second the
// second, and so on.
func TestForbidden(t *testing.T) {
	t.Parallel()

	owned := func(owners ...string) map[int]string {
		out := map[int]string{}
		for account, o := range owners {
			out[account] = o
		}
		return out
	}
	sees := func(owners ...string) map[int]map[string]bool {
		out := map[int]map[string]bool{}
		for person, o := range owners {
			out[person] = map[string]bool{}
			if o != "" {
				out[person][o] = true
			}
		}
		return out
	}
	for _, tc := range []struct {
		name   string
		owners map[int]string
		links  map[int]map[string]bool
		last   map[int][]int
		want   bool // the person 0 and the account 0
	}{
		{"nobody sees it", owned("a"), sees(""), map[int][]int{0: {0}}, false},
		{"a partner sees it", owned("a"), sees("", "a"), map[int][]int{0: {0}, 1: {0}}, false},
		{"its owner has more", owned("a", "a"), sees(""), map[int][]int{0: {0}}, true},
		{"all of which they name", owned("a", "a"), sees(""), map[int][]int{0: {0, 1}}, false},
		{"they see another owner, and nobody this one", owned("a", "b"), sees("b"), map[int][]int{0: {0, 1}}, false},
		{"and somebody sees this one", owned("a", "b"), sees("b", "a"), map[int][]int{0: {0, 1}, 1: {0}}, true},
		{"and somebody sees theirs, who does not name it", owned("a", "b"), sees("b", "b"), map[int][]int{0: {0, 1}, 1: {1}},
			true},
		{"who names it", owned("a", "b"), sees("b", "b"), map[int][]int{0: {0, 1}, 1: {0, 1}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			s := sight{owners: tc.owners, links: tc.links}
			if got := s.forbidden(claims{last: tc.last}, 0, 0); got != tc.want {
				t.Errorf("forbidden = %t, want %t", got, tc.want)
			}
		})
	}
}

// What counts is the newest sign-in that was taken; of two at a time nobody knows.
func TestClaims(t *testing.T) {
	t.Parallel()

	at := func(person int, from, to time.Duration, named ...int) signIn {
		zero := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
		return signIn{person: person, named: named, began: zero.Add(from), ended: zero.Add(to)}
	}
	turnedAway := at(0, 3, 4, 2)
	signed := []signIn{at(0, 0, 1, 0, 1), at(0, 1, 2, 1), at(1, 0, 5, 3), at(1, 1, 2, 4)}
	got := claimsOf(append(signed, turnedAway), signed)
	want := claims{
		ever: map[int]map[int]bool{0: {0: true, 1: true, 2: true}, 1: {3: true, 4: true}},
		last: map[int][]int{0: {1}, 1: {4}},
		torn: map[int]bool{0: true, 1: true},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(claims{})); diff != "" {
		t.Errorf("claimsOf mismatch (-want +got):\n%s", diff)
	}
}
