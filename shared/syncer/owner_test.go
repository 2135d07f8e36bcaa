package syncer_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
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

// sees returns the Zuora accounts that a login sees in Limio: those whose customer
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
		{"accounts named one after the other", []login{{"ada", both[:1]}, {"ada", both}}, map[string][]string{"ada": both},
			false},
		{"an adviser's client", []login{{"adviser", both}, {"client", both[:1]}},
			map[string][]string{"adviser": both, "client": nil}, true},
		{"a couple with one account", []login{{"ada", both[:1]}, {"bob", both[:1]}},
			map[string][]string{"ada": both[:1], "bob": both[:1]}, false},
		{"a couple with the same two", []login{{"ada", both}, {"bob", both}}, map[string][]string{"ada": both, "bob": both},
			false},
		{"one of a couple gets a second account", []login{{"ada", both[:1]}, {"bob", both[:1]}, {"ada", both}},
			map[string][]string{"ada": both[:1], "bob": both[:1]}, true},
		{"callouts came first", []login{{"", both[:1]}, {"", both[1:]}, {"ada", both}}, map[string][]string{"ada": both},
			false},
		{"a callout between two logins", []login{{"ada", both[:1]}, {"", both[1:]}, {"ada", both}},
			map[string][]string{"ada": both}, false},
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
	for _, want := range []string{"belongs to another owner in Limio than its customer does",
		"so the login was not linked"} {
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

// counted is an ownership store that counts what it is asked for.
type counted struct {
	ownership.Store
	calls []string
}

func (c *counted) SaveOwner(ctx context.Context, o ownership.Owner) (ownership.Owner, error) {
	c.calls = append(c.calls, "save owner")
	return c.Store.SaveOwner(ctx, o)
}

func (c *counted) Read(
	ctx context.Context,
	hash string,
	owners ...string,
) (ownership.Login, map[string]ownership.Owner, error) {
	c.calls = append(c.calls, "read")
	return c.Store.Read(ctx, hash, owners...)
}

func (c *counted) SaveLogin(ctx context.Context, hash string, l ownership.Login) error {
	c.calls = append(c.calls, "save login")
	return c.Store.SaveLogin(ctx, hash, l)
}

// The usual login asks the table for nothing.
func TestOwnershipCalls(t *testing.T) {
	t.Parallel()

	const a, b = accountID, otherID
	callout := func(b *testBundle, t *testing.T, id string) {
		r := b.request()
		r.Account, r.Identity, r.Trigger = id, hotsync.Identity{}, hotsync.TriggerCallout
		b.handle(t, r, 1)
	}
	first := []string{"read", "save login", "save owner"}
	for _, tc := range []struct {
		name   string
		before func(*testBundle, *testing.T)
		names  []string // the first of which is synced
		want   []string
	}{
		{"a first login", func(*testBundle, *testing.T) {}, []string{a}, first},
		{"the next, that names the same", func(b *testBundle, t *testing.T) { b.signIn(t, "ada", a) }, []string{a}, nil},
		{"of a couple", func(b *testBundle, t *testing.T) { b.signIn(t, "bob", a) }, []string{a}, first},
		{"after a callout", func(b *testBundle, t *testing.T) { callout(b, t, a) }, []string{a}, first},
		{"a second account", func(x *testBundle, t *testing.T) { x.signIn(t, "ada", b) }, []string{a, b},
			[]string{"read", "read", "save login", "save owner"}},
		{"take-over of a second account that Limio has", func(x *testBundle, t *testing.T) {
			x.signIn(t, "ada", b)
			callout(x, t, a)
		}, []string{a, b}, []string{"read", "read", "save login", "save owner", "save owner"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			bundle := setup(t)
			tc.before(bundle, t)
			counts := &counted{Store: bundle.owners}
			bundle.syncer.Ownership = counts
			r := bundle.request()
			r.Account, r.Named, r.Identity.Subject = tc.names[0], tc.names, "ada"
			_, e := bundle.handle(t, r, 1)
			if e.Status != hotsync.StatusSucceeded || !slices.Contains(bundle.sees("ada"), a) {
				t.Fatalf("the sync ended as %s %s: %+v", e.Status, e.Reason, e.Findings)
			}
			if diff := cmp.Diff(tc.want, counts.calls); diff != "" {
				t.Errorf("calls mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// Only a sign-in links, or a look-up that is made again now. What does not says so.
func TestOnlyASignInLinks(t *testing.T) {
	t.Parallel()

	lookup := &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada"}
	for _, tc := range []struct {
		name   string
		change func(*hotsync.SyncRequest, *testBundle)
		links  bool
	}{
		{"a sign-in", func(*hotsync.SyncRequest, *testBundle) {}, true},
		{"by a trigger of Cognito's",
			func(r *hotsync.SyncRequest, _ *testBundle) { r.Trigger = hotsync.TriggerPostAuthentication }, true},
		{"by that of a first sign-in",
			func(r *hotsync.SyncRequest, _ *testBundle) { r.Trigger = hotsync.TriggerPostConfirmation }, true},
		{"a retry of one", func(r *hotsync.SyncRequest, _ *testBundle) { r.RetryOf = "event-1" }, false},
		{"sync now", func(r *hotsync.SyncRequest, _ *testBundle) { r.Trigger = hotsync.TriggerConsole }, false},
		{"the API", func(r *hotsync.SyncRequest, _ *testBundle) { r.Trigger = hotsync.TriggerAPI }, false},
		{"a callout", func(r *hotsync.SyncRequest, _ *testBundle) { r.Trigger = hotsync.TriggerCallout }, false},
		{"backfill", func(r *hotsync.SyncRequest, _ *testBundle) { r.Trigger = hotsync.TriggerBackfill }, false},
		{"a retry of a look-up, which is made again", func(r *hotsync.SyncRequest, b *testBundle) {
			r.RetryOf, r.Lookup, b.settings.GuardStaleLookups = "event-1", lookup, true
		}, true},
		{"one that is not", func(r *hotsync.SyncRequest, b *testBundle) {
			r.RetryOf, r.Lookup, b.settings.GuardStaleLookups = "event-1", lookup, false
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			r := b.request()
			r.Named, r.AccountID = []string{accountID}, accountID
			tc.change(&r, b)
			_, e := b.handle(t, r, 1)
			if e.Status != hotsync.StatusSucceeded {
				t.Fatalf("the sync ended as %s %s: %+v", e.Status, e.Reason, e.Error)
			}
			said := slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
			if sees := slices.Contains(b.sees("auth0|ada"), accountID); sees != tc.links || said == tc.links {
				t.Errorf("sees the account: %t, the event says that it does not: %t; want linked: %t", sees, said, tc.links)
			}
		})
	}
}
