package syncer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// signIn syncs the accounts that a login names, one after the other, and gives
// the warnings.
func (b *testBundle) signIn(t *testing.T, subject string, accounts ...string) []string {
	t.Helper()
	var warnings []string
	for _, id := range accounts {
		r := b.request()
		r.Account, r.Named = id, accounts
		r.Identity.Subject = subject
		_, e := b.handle(t, r, 1)
		if e.Status != hotsync.StatusSucceeded {
			t.Fatalf("sync of %s for %s: %s %s %+v", id, subject, e.Status, e.Reason, e.Error)
		}
		warnings = append(warnings, hotsync.Messages(e.Findings)...)
	}
	return warnings
}

// sees gives the Zuora accounts that a login sees in Limio: those whose customer
// has an owner that the login is linked to.
func (b *testBundle) sees(subject string) []string {
	objects := b.limio.all()
	owners := map[string]bool{}
	for _, o := range objects {
		if o.Type == projection.TypeExternal && o.Data["sub"] == subject {
			owners[o.Owner] = true
		}
	}
	owned := map[string]bool{}
	for _, o := range objects {
		if o.Kind == projection.Customer && owners[o.Owner] {
			owned[o.ID] = true
		}
	}
	var out []string
	for _, o := range objects {
		id, ok := strings.CutPrefix(o.Key, "zuora/account/")
		if ok && owned[o.Customer] {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func TestNobodySeesWhatTheyDoNotName(t *testing.T) {
	t.Parallel()

	const a, b = accountID, otherID
	both := []string{a, b}
	type login struct {
		subject string // "" for a callout
		names   []string
	}
	for _, tc := range []struct {
		name   string
		logins []login
		want   map[string][]string // what each login sees in the end
		warned bool
	}{
		{"one login, two accounts", []login{{"ada", both}}, map[string][]string{"ada": both}, false},
		{"accounts named one after the other", []login{{"ada", both[:1]}, {"ada", both}}, map[string][]string{"ada": both}, false},
		{"an adviser's client", []login{{"adviser", both}, {"client", both[:1]}}, map[string][]string{"adviser": both, "client": nil}, true},
		{"a couple with one account", []login{{"ada", both[:1]}, {"bob", both[:1]}}, map[string][]string{"ada": both[:1], "bob": both[:1]}, false},
		{"a couple with the same two", []login{{"ada", both}, {"bob", both}}, map[string][]string{"ada": both, "bob": both}, false},
		{"one of a couple gets a second account", []login{{"ada", both[:1]}, {"bob", both[:1]}, {"ada", both}},
			map[string][]string{"ada": both[:1], "bob": both[:1]}, true},
		{"callouts came first", []login{{"", both[:1]}, {"", both[1:]}, {"ada", both}}, map[string][]string{"ada": both}, false},
		{"a callout between two logins", []login{{"ada", both[:1]}, {"", both[1:]}, {"ada", both}}, map[string][]string{"ada": both}, false},
		{"two people's accounts, both named by a third", []login{{"ada", both[:1]}, {"bob", both[1:]}, {"adviser", both}},
			map[string][]string{"ada": both[:1], "bob": both[1:], "adviser": both[:1]}, true},
		{"nobody may reach the other by naming it", []login{{"ada", both[:1]}, {"bob", both[1:]}, {"ada", both}},
			map[string][]string{"ada": both[:1], "bob": both[1:]}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			bundle := setup(t)
			var warnings []string
			for range 2 { // the second time round nothing may change
				for _, l := range tc.logins {
					if l.subject == "" {
						for _, id := range l.names {
							r := bundle.request()
							r.Account, r.Identity, r.Trigger = id, hotsync.Identity{}, hotsync.TriggerCallout
							bundle.handle(t, r, 1)
						}
						continue
					}
					warnings = append(warnings, bundle.signIn(t, l.subject, l.names...)...)
				}
			}
			got := map[string][]string{}
			for subject := range tc.want {
				got[subject] = bundle.sees(subject)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("who sees what mismatch (-want +got):\n%s", diff)
			}
			linkWarning := slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, "not linked") })
			if linkWarning != tc.warned {
				t.Errorf("warnings = %q, want one of a missing link: %t", warnings, tc.warned)
			}
		})
	}
}

// What there is to say of the account's objects is said beside what there is to say of
// the link.
func TestNotLinkedSaysTheRestToo(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.signIn(t, "ada", accountID, otherID)
	for i, o := range b.limio.objects {
		if o.Key == "zuora/account/"+accountID { // staff gave one object of the account to somebody else
			b.limio.objects[i].Owner = "id-of-another"
		}
	}
	warnings := b.signIn(t, "client", accountID)
	for _, want := range []string{"belongs to another owner in Limio than its customer does", "so the login was not linked"} {
		if !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("findings = %q, want one that says %q", warnings, want)
		}
	}
	r := b.request()
	r.Named, r.Identity.Subject = []string{accountID}, "client"
	d, err := b.syncer.DryRun(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(warnings, hotsync.Messages(d.Findings)); diff != "" {
		t.Errorf("findings mismatch (-sync +dry run):\n%s", diff)
	}
}
