package syncer_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/syncer"
)

// numberA and numberB are those of the bundle's accounts.
const numberA, numberB = "A00000001", "A00000002"

// sign syncs one account of a sign-in, and waits for as long as it is told to.
func (b *testBundle) sign(t *testing.T, change func(*hotsync.SyncRequest)) hotsync.Event {
	t.Helper()
	r := b.request()
	r.Named = []string{accountID}
	change(&r)
	for n := range 50 {
		out, e := b.handle(t, r, min(n+1, 2))
		after, again := out.Delay()
		if !again {
			return e
		}
		time.Sleep(after)
	}
	t.Fatal("the sync does not end")
	return hotsync.Event{}
}

// as is somebody's sign-in that names these accounts, the first of which is synced.
func as(subject string, named ...string) func(*hotsync.SyncRequest) {
	return func(r *hotsync.SyncRequest) {
		r.Identity.Subject, r.Named, r.Account = subject, named, map[string]string{numberA: accountID,
			numberB: otherID}[named[0]]
		if r.Account == "" {
			r.Account = named[0]
		}
		r.AccountID = r.Account
	}
}

func callout(r *hotsync.SyncRequest) {
	r.Identity, r.Trigger, r.Named = hotsync.Identity{}, hotsync.TriggerCallout, nil
}

func saysNotLinked(e hotsync.Event) bool {
	return slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
}

// A request is covered by a sync that began to read later than it was made, by more
// than clocks differ, if that has done for its login what this one would.
func TestCovered(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		before time.Duration // of the read
		change func(*hotsync.SyncRequest)
		want   bool
	}{
		{"a second before", time.Second, as("ada", accountID), true},
		{"by just more than clocks differ", 201 * time.Millisecond, as("ada", accountID), true},
		{"by as much as clocks differ", 200 * time.Millisecond, as("ada", accountID), false},
		{"at the same time", 0, as("ada", accountID), false},
		{"after it", -time.Second, as("ada", accountID), false},
		{"it names another account, too", time.Second, as("ada", accountID, otherID), false},
		{"it names the account otherwise", time.Second, as("ada", numberA), false},
		{"of somebody else", time.Second, as("bob", accountID), false},
		{"of nobody", time.Second, callout, true},
		{"of nobody, at the same time", 0, callout, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				time.Sleep(time.Minute)
				first := b.sign(t, as("ada", accountID))
				read := time.Now()
				e := b.sign(t, func(r *hotsync.SyncRequest) {
					tc.change(r)
					r.RequestedAt = read.Add(-tc.before)
				})
				got := e.Reason == hotsync.ReasonCoalesced
				if got != tc.want || got && e.CoveredBy != first.ID {
					t.Errorf("ended as %s %s, covered by %q; want covered: %t", e.Status, e.Reason, e.CoveredBy, tc.want)
				}
			})
		})
	}
}

// What is remembered of an account is who is linked to its owner, as long as it is the
// same owner, and what they named when they signed in.
func TestRemembered(t *testing.T) {
	t.Parallel()

	retry := func(of func(*hotsync.SyncRequest)) func(*hotsync.SyncRequest) {
		return func(r *hotsync.SyncRequest) {
			of(r)
			r.RetryOf = "event-1"
		}
	}
	for _, tc := range []struct {
		name string
		play func(t *testing.T, b *testBundle)
		want bool // ada's sign-in, older than the last read, is covered
	}{
		{"she is linked", func(t *testing.T, b *testBundle) { b.sign(t, as("ada", accountID)) }, true},
		{"and somebody else after her", func(t *testing.T, b *testBundle) {
			b.sign(t, as("ada", accountID))
			b.sign(t, as("bob", accountID))
		}, true},
		{"and a callout came", func(t *testing.T, b *testBundle) {
			b.sign(t, as("ada", accountID))
			b.sign(t, callout)
		}, true},
		{"and an older sign-in of hers was tried again, which named more", func(t *testing.T, b *testBundle) {
			b.sign(t, as("ada", accountID))
			b.sign(t, retry(as("ada", accountID, otherID)))
		}, true},
		{"the account has another owner since", func(t *testing.T, b *testBundle) {
			b.sign(t, as("ada", accountID))
			b.limio.objects = append(b.limio.objects,
				projection.Object{Kind: projection.Identity, Type: projection.TypeOwner, ID: "id-staff", Status: "active"})
			owner := b.events.states[accountID].OwnerID
			err := b.limio.TransferOwner(t.Context(), owner, "id-staff")
			if err != nil || owner == "" {
				t.Fatalf("TransferOwner(%q) = %v", owner, err)
			}
			b.sign(t, callout)
		}, false},
		{"she was not linked, by a retry", func(t *testing.T, b *testBundle) { b.sign(t, retry(as("ada", accountID))) },
			false},
		{"she was not linked, for what the owner has", func(t *testing.T, b *testBundle) {
			for _, account := range []string{accountID, otherID} {
				b.sign(t, func(r *hotsync.SyncRequest) {
					as("adviser", accountID, otherID)(r)
					r.Account, r.AccountID = account, account
				})
			}
			b.sign(t, as("ada", accountID))
		}, false},
		{"only a callout came", func(t *testing.T, b *testBundle) { b.sign(t, callout) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				asked := time.Now()
				time.Sleep(time.Minute)
				tc.play(t, b)
				e := b.sign(t, func(r *hotsync.SyncRequest) {
					as("ada", accountID)(r)
					r.RequestedAt = asked
				})
				if got := e.Reason == hotsync.ReasonCoalesced; got != tc.want {
					t.Errorf("ended as %s %s; want covered: %t", e.Status, e.Reason, tc.want)
				}
			})
		})
	}
}

// people compares what everybody sees, as letters.
func (b *testBundle) wantSees(t *testing.T, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for subject := range want {
		for _, account := range b.sees(subject) {
			got[subject] += map[string]string{accountID: "a", otherID: "b"}[account]
		}
		got[subject] += ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who sees what mismatch (-want +got):\n%s", diff)
	}
}

// both signs somebody in who names two accounts, by whatever names.
func (b *testBundle) both(t *testing.T, subject string, first, second string) (said bool) {
	t.Helper()
	for _, named := range [][]string{{first, second}, {second, first}} {
		said = saysNotLinked(b.sign(t, as(subject, named...))) || said
	}
	return said
}

// An account's number names it as well as its id does.
func TestNumbersNameAccounts(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name string
		play func(t *testing.T, b *testBundle)
		want map[string]string
	}{
		{"a couple, one by ids and one by numbers", func(t *testing.T, b *testBundle) {
			b.both(t, "ada", accountID, otherID)
			b.both(t, "bob", numberA, numberB)
		}, map[string]string{"ada": "ab", "bob": "ab"}},
		{"one by numbers and one by ids", func(t *testing.T, b *testBundle) {
			b.both(t, "ada", numberA, numberB)
			b.both(t, "bob", accountID, otherID)
		}, map[string]string{"ada": "ab", "bob": "ab"}},
		{"a second account comes to two who named it by its number", func(t *testing.T, b *testBundle) {
			b.sign(t, as("ada", numberA, numberB))
			b.sign(t, as("bob", numberA, numberB))
			b.sign(t, as("bob", otherID, accountID))
		}, map[string]string{"ada": "ab", "bob": "ab"}},
		{"somebody else's number", func(t *testing.T, b *testBundle) {
			b.both(t, "ada", numberA, numberB)
			b.sign(t, as("bob", accountID, "A00000009"))
		}, map[string]string{"ada": "ab", "bob": ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				tc.play(t, b)
				b.wantSees(t, tc.want)
			})
		})
	}
}

// What Limio shows counts as much as what the table knows.
func TestWhatLimioShows(t *testing.T) {
	t.Parallel()

	login := func(subject string) func(projection.Object) bool {
		return func(o projection.Object) bool { return o.Type == projection.TypeExternal && o.Data["sub"] == subject }
	}
	for _, tc := range []struct {
		name string
		play func(t *testing.T, b *testBundle) (last hotsync.Event)
		want map[string]string
		said bool // the last event says that the login was not linked
	}{
		{"the table is lost: who is linked counts", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", accountID))
			b.owners.Forget()
			b.sign(t, as("bob", accountID, otherID))
			return b.sign(t, as("bob", otherID, accountID))
		}, map[string]string{"ada": "a", "bob": "a"}, true},
		{"the table is lost: the note of the owner counts", func(t *testing.T, b *testBundle) hotsync.Event {
			b.both(t, "ada", accountID, otherID)
			b.owners.Forget()
			return b.sign(t, as("bob", accountID))
		}, map[string]string{"ada": "ab", "bob": ""}, true},
		{"the table is lost, and Limio shows nobody", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", accountID))
			b.owners.Forget()
			b.limio.hides = true
			return b.sign(t, as("bob", accountID))
		}, map[string]string{"ada": "a", "bob": ""}, true},
		{"staff took a login away", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", accountID))
			i := slices.IndexFunc(b.limio.objects, login("ada"))
			b.limio.objects[i].Status = projection.StatusInactive
			time.Sleep(2 * time.Minute)
			b.sign(t, as("bob", accountID, otherID))
			return b.sign(t, as("bob", otherID, accountID))
		}, map[string]string{"bob": "ab"}, false},
		{"and who signs in again is linked again", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", accountID))
			b.limio.objects = slices.DeleteFunc(b.limio.objects, login("ada"))
			time.Sleep(2 * time.Minute)
			return b.sign(t, as("ada", accountID))
		}, map[string]string{"ada": "a"}, false},
		{"unless the owner has more by then", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", accountID))
			b.sign(t, as("bob", accountID))
			b.limio.objects = slices.DeleteFunc(b.limio.objects, login("ada"))
			time.Sleep(2 * time.Minute)
			b.both(t, "bob", accountID, otherID)
			return b.sign(t, as("ada", accountID))
		}, map[string]string{"ada": "", "bob": "ab"}, true},
		{"where it is not shown, who was linked before is taken to be", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", accountID))
			b.limio.hides = true
			return b.sign(t, as("ada", accountID))
		}, map[string]string{"ada": "a"}, false},
		{"where it is not shown, nobody is taken to be linked to another owner than before",
			func(t *testing.T, b *testBundle) hotsync.Event {
				b.sign(t, as("ada", accountID))
				b.limio.objects = append(b.limio.objects,
					projection.Object{Kind: projection.Identity, Type: projection.TypeOwner, ID: "id-staff", Status: "active"})
				err := b.limio.TransferOwner(t.Context(), b.events.states[accountID].OwnerID, "id-staff")
				if err != nil {
					t.Fatal(err)
				}
				b.limio.hides = true
				return b.sign(t, as("ada", accountID))
			}, map[string]string{"ada": ""}, true},
		{"a retry of what the newest sign-in does not name says so, who sees it or not",
			func(t *testing.T, b *testBundle) hotsync.Event {
				b.sign(t, as("ada", accountID))
				time.Sleep(time.Second)
				b.sign(t, as("ada", otherID))
				e := b.sign(t, func(r *hotsync.SyncRequest) {
					as("ada", accountID)(r)
					r.RetryOf = "event-1"
				})
				said := strings.Join(hotsync.Messages(e.Findings), " ")
				if want := "The person sees the account, although their newest sign-in does not name it."; said != want {
					t.Errorf("the event says %q, want %q", said, want)
				}
				return e
			}, map[string]string{"ada": "ab"}, true},
		{"and of somebody who does not see it, too", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("bob", accountID))
			b.sign(t, as("ada", otherID))
			e := b.sign(t, func(r *hotsync.SyncRequest) {
				as("ada", accountID)(r)
				r.RetryOf = "event-1"
			})
			said := strings.Join(hotsync.Messages(e.Findings), " ")
			if want := "The login was not linked: the person's newest sign-in does not name the account."; said != want {
				t.Errorf("the event says %q, want %q", said, want)
			}
			return e
		}, map[string]string{"ada": "b", "bob": "a"}, true},
		{"who is linked tells who is not any more, where the owner itself is not shown",
			func(t *testing.T, b *testBundle) hotsync.Event {
				b.sign(t, as("ada", accountID))
				b.sign(t, as("bob", accountID))
				b.limio.objects = slices.DeleteFunc(b.limio.objects, func(o projection.Object) bool {
					return o.Type == projection.TypeOwner || login("ada")(o)
				})
				time.Sleep(2 * time.Minute)
				b.sign(t, as("bob", accountID, otherID))
				return b.sign(t, as("bob", otherID, accountID))
			}, map[string]string{"ada": "", "bob": "ab"}, false},
		{"the table is lost: an owner that was made for the account alone, and of which nothing is noted",
			func(t *testing.T, b *testBundle) hotsync.Event {
				b.sign(t, callout)
				b.owners.Forget()
				for i, o := range b.limio.objects {
					if o.Type == projection.TypeOwner {
						b.limio.objects[i].Data = map[string]any{}
					}
				}
				return b.sign(t, as("ada", accountID))
			}, map[string]string{"ada": "a"}, false},
		{"Limio refuses to move an account", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", otherID))
			b.sign(t, callout)
			b.limio.refuses = hotsync.Errorf(hotsync.CodeLimioRefused, "400")
			return b.sign(t, as("ada", accountID, otherID))
		}, map[string]string{"ada": "b"}, true},
		{"Limio cannot move an account at the moment", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", otherID))
			b.sign(t, callout)
			b.limio.refuses = hotsync.Errorf(hotsync.CodeLimioAnswer, "no JSON")
			r := b.request()
			as("ada", accountID, otherID)(&r)
			_, e := b.handle(t, r, 1)
			wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeLimioAnswer))
			b.limio.refuses = nil
			time.Sleep(time.Minute)
			_, e = b.handle(t, r, 2)
			if len(b.limio.transfers) != 2 {
				t.Errorf("transfers %q, want the one that failed once more", b.limio.transfers)
			}
			return e
		}, map[string]string{"ada": "ab"}, false},
		{"the login's owner is gone", func(t *testing.T, b *testBundle) hotsync.Event {
			b.sign(t, as("ada", accountID))
			b.limio.objects = slices.DeleteFunc(b.limio.objects, func(o projection.Object) bool {
				return o.Type == projection.TypeOwner
			})
			e := b.sign(t, as("ada", otherID, accountID))
			for _, o := range b.limio.objects {
				if o.Type == projection.TypeOwner {
					want := map[string]any{"hotsync": map[string]any{"accounts": map[string]any{accountID: numberA, otherID: numberB}}}
					if diff := cmp.Diff(want, o.Data); diff != "" {
						t.Errorf("the owner is noted (-want +got):\n%s", diff)
					}
				}
			}
			return e
		}, map[string]string{"ada": "ab"}, false},
		{"Limio's own customer has an owner for it alone", func(t *testing.T, b *testBundle) hotsync.Event {
			b.limio.objects = append(b.limio.objects,
				projection.Object{Kind: projection.Identity, Type: projection.TypeOwner, ID: "id-limio", Status: "active",
					Data: map[string]any{}},
				projection.Object{Kind: projection.Customer, ID: "cus-limio", Owner: "id-limio", Status: "active",
					Data: map[string]any{}},
				projection.Object{Kind: projection.Identity, ID: "identity-limio", Key: "zuora/account/" + accountID,
					Owner: "id-limio", Customer: "cus-limio", Service: "zuora", Type: "account", Status: "active",
					Data: map[string]any{"service": "zuora", "issuer": "zuora", "type": "account", "value": accountID}})
			return b.sign(t, as("ada", accountID))
		}, map[string]string{"ada": "a"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				e := tc.play(t, b)
				if e.Status != hotsync.StatusSucceeded || saysNotLinked(e) != tc.said {
					t.Errorf("ended as %s %s with %+v; want one that says not linked: %t", e.Status, e.Reason, e.Findings, tc.said)
				}
				b.wantSees(t, tc.want)
			})
		})
	}
}

// Another sync makes the customer while this one is about to, for one owner or
// another: what it is decided on is looked at again. An owner that is there already is
// taken only if it was made for this account, and nothing came of it.
func TestChangedOwner(t *testing.T) {
	t.Parallel()

	spare := projection.SpareOwnerID("acme", accountID, 0)
	owner := func(id, noted string) projection.Object {
		o := projection.Object{Kind: projection.Identity, Type: projection.TypeOwner, ID: id, Status: "active",
			Data: map[string]any{}}
		if noted != "" {
			o.Data["hotsync"] = map[string]any{
				"accounts": map[string]any{noted: map[string]string{accountID: numberA, otherID: numberB}[noted]}}
		}
		return o
	}
	for _, tc := range []struct {
		name   string
		before func(b *testBundle)
		sees   string
		owner  string // of the account in the end
		status hotsync.Status
		said   bool
	}{
		{"nobody does", func(*testBundle) {}, "a", spare, hotsync.StatusSucceeded, false},
		{"with an owner of which nobody knows what it has", func(b *testBundle) {
			b.limio.creating = func(o projection.Object) bool {
				o.Owner = "id-other"
				b.limio.objects = append(b.limio.objects, owner("id-other", ""), o)
				return false
			}
		}, "", "id-other", hotsync.StatusSucceeded, true},
		{"with an owner that has more", func(b *testBundle) {
			b.limio.creating = func(o projection.Object) bool {
				o.Owner = "id-other"
				b.limio.objects = append(b.limio.objects, owner("id-other", otherID), o)
				b.limio.objects = append(b.limio.objects,
					projection.Object{Kind: projection.Customer, ID: "cus-b", Owner: "id-other", Status: "active"},
					projection.Object{Kind: projection.Identity, ID: "identity-b", Key: "zuora/account/" + otherID, Owner: "id-other",
						Customer: "cus-b", Service: "zuora", Type: "account", Status: "active",
						Data: map[string]any{"service": "zuora", "issuer": "zuora", "type": "account", "value": otherID}})
				return false
			}
		}, "", "id-other", hotsync.StatusSucceeded, true},
		{"with the same owner", func(b *testBundle) {
			b.limio.creating = func(o projection.Object) bool {
				b.limio.objects = append(b.limio.objects, o)
				return false
			}
		}, "a", spare, hotsync.StatusSucceeded, false},
		{"and Limio does not show it", func(b *testBundle) {
			b.limio.creating = func(projection.Object) bool { return false }
			b.syncer.MaxAttempts = 1
		}, "", "", hotsync.StatusFailed, false},
		{"its owner was made before, and nothing came of it", func(b *testBundle) {
			b.limio.objects = append(b.limio.objects, owner(spare, accountID))
		}, "a", spare, hotsync.StatusSucceeded, false},
		{"its owner was made before, for something else", func(b *testBundle) {
			b.limio.objects = append(b.limio.objects, owner(spare, otherID))
		}, "a", projection.SpareOwnerID("acme", accountID, 1), hotsync.StatusSucceeded, false},
		{"its owner was made before, for nobody knows what", func(b *testBundle) {
			b.limio.objects = append(b.limio.objects, owner(spare, ""))
		}, "a", projection.SpareOwnerID("acme", accountID, 1), hotsync.StatusSucceeded, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				tc.before(b)
				e := b.sign(t, as("ada", accountID))
				if e.Status != tc.status || saysNotLinked(e) != tc.said {
					t.Errorf("ended as %s %s with %+v; want %s, and one that says not linked: %t", e.Status, e.Reason, e.Findings,
						tc.status, tc.said)
				}
				b.wantSees(t, map[string]string{"ada": tc.sees})
				var owners []string
				for _, o := range b.limio.all() {
					if o.Kind == projection.Customer && o.ID != "cus-b" {
						owners = append(owners, o.Owner)
					}
				}
				if got := strings.Join(owners, " "); got != tc.owner {
					t.Errorf("the account's owners are %q, want %q", got, tc.owner)
				}
			})
		})
	}
}

// The dry run says of the link what the sync then does.
func TestDryRunSaysWhoSees(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		before func(t *testing.T, b *testBundle)
		named  []string // the first of which is looked at
		state  syncer.LinkState
		moves  []string
	}{
		{"a first login", func(*testing.T, *testBundle) {}, []string{accountID}, syncer.LinkWillBe, nil},
		{"of a couple", func(t *testing.T, b *testBundle) { b.sign(t, as("bob", accountID)) }, []string{accountID},
			syncer.LinkWillBe, nil},
		{"linked", func(t *testing.T, b *testBundle) { b.sign(t, as("ada", accountID)) }, []string{accountID}, syncer.LinkIs,
			nil},
		{"not all is named", func(t *testing.T, b *testBundle) { b.both(t, "bob", accountID, otherID) }, []string{accountID},
			syncer.LinkWillNot, nil},
		{"an account that nobody sees moves", func(t *testing.T, b *testBundle) {
			b.sign(t, as("ada", otherID))
			b.sign(t, callout)
		}, []string{accountID, otherID}, syncer.LinkWillBe, []string{numberA}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				tc.before(t, b)
				time.Sleep(time.Second)
				r := b.request()
				as("ada", tc.named...)(&r)
				would, err := b.syncer.DryRun(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				if would.Link.State != tc.state || !slices.Equal(would.Link.Moves, tc.moves) || would.Link.Message == "" {
					t.Errorf("link = %+v, want %s and moves of %q", would.Link, tc.state, tc.moves)
				}
				e := b.sign(t, as("ada", tc.named...))
				owners := map[string]bool{}
				for _, o := range b.limio.all() {
					if o.IsLogin() && o.Data["sub"] == "ada" {
						owners[o.Owner] = true
					}
				}
				if len(owners) > 1 {
					t.Errorf("ada is linked to %d owners", len(owners))
				}
				if sees := slices.Contains(b.sees("ada"), accountID); sees != (tc.state != syncer.LinkWillNot) ||
					saysNotLinked(e) == sees {
					t.Errorf("after the sync ada sees the account: %t; the dry run said %s", sees, tc.state)
				}
			})
		})
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		r := b.request()
		callout(&r)
		would, err := b.syncer.DryRun(t.Context(), r)
		if err != nil || would.Link.State != syncer.LinkNobody {
			t.Errorf("DryRun = %+v, %v", would.Link, err)
		}
	})
}
