package eventstore_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

var (
	ada      = hotsync.Identity{Issuer: "https://idp.example.com", Subject: "ada"}
	bob      = hotsync.Identity{Issuer: "https://idp.example.com", Subject: "bob"}
	accountA = hotsync.AccountRef{ID: "8a12800000000000000000000000aaaa", Number: "A-1"}
	accountB = hotsync.AccountRef{ID: "8a12800000000000000000000000bbbb", Number: "A-2"}
)

func TestOwnerKeepsWhatJoined(t *testing.T) {
	t.Parallel()

	s := open(t)
	join := func(a hotsync.AccountRef, who hotsync.Identity) eventstore.Owner {
		t.Helper()
		o, err := s.JoinOwner(t.Context(), "id-1", a, who)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(o.Accounts, func(a, b hotsync.AccountRef) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
		return o
	}
	join(accountA, ada)
	join(accountA, ada) // a repeat changes nothing
	got := join(accountB, hotsync.Identity{})
	want := eventstore.Owner{ID: "id-1", Accounts: []hotsync.AccountRef{accountA, accountB}, Logins: []string{eventstore.IdentityHash(ada)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owner mismatch (-want +got):\n%s", diff)
	}

	for _, leave := range []struct {
		account hotsync.AccountRef
		who     hotsync.Identity
	}{{accountB, hotsync.Identity{}}, {hotsync.AccountRef{}, ada}, {hotsync.AccountRef{}, hotsync.Identity{}}, {accountB, ada}} {
		err := s.LeaveOwner(t.Context(), "id-1", leave.account, leave.who)
		if err != nil {
			t.Fatal(err)
		}
	}
	got = join(accountA, bob)
	want = eventstore.Owner{ID: "id-1", Accounts: []hotsync.AccountRef{accountA}, Logins: []string{eventstore.IdentityHash(bob)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owner after leaving mismatch (-want +got):\n%s", diff)
	}
}

func TestOfTwoWhoJoinOneSeesTheOther(t *testing.T) {
	t.Parallel()

	s := open(t)
	for round := range 20 {
		owner := string(rune('a' + round))
		var saw [2]bool
		var wg sync.WaitGroup
		for i, who := range []hotsync.Identity{ada, bob} {
			wg.Go(func() {
				o, err := s.JoinOwner(t.Context(), owner, accountA, who)
				if err != nil {
					t.Error(err)
				}
				saw[i] = len(o.Logins) == 2
			})
		}
		wg.Wait()
		if !saw[0] && !saw[1] {
			t.Fatalf("round %d: neither of two logins saw the other", round)
		}
	}
}

func TestLoginHasOneOwner(t *testing.T) {
	t.Parallel()

	s := open(t)
	got, err := s.LoginOwner(t.Context(), ada)
	if err != nil || got != "" {
		t.Fatalf("LoginOwner of a stranger = %q, %v; want none", got, err)
	}
	for _, owner := range []string{"id-1", "id-2"} {
		got, err = s.BindLogin(t.Context(), ada, owner)
		if err != nil || got != "id-1" {
			t.Errorf("BindLogin(%s) = %q, %v; want the first, id-1", owner, got, err)
		}
	}
	got, err = s.LoginOwner(t.Context(), ada)
	if err != nil || got != "id-1" {
		t.Errorf("LoginOwner = %q, %v; want id-1", got, err)
	}
}

func TestEraseForgetsTheOwnerOfALogin(t *testing.T) {
	t.Parallel()

	s := open(t)
	e := hotsync.NewEvent(hotsync.SyncRequest{EventID: hotsync.EventIDFor(start, "x"), Identity: ada, AccountID: accountA.ID, RequestedAt: start})
	e.Status = hotsync.StatusSucceeded
	_, err := s.Put(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.BindLogin(t.Context(), ada, "id-1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.JoinOwner(t.Context(), "id-1", accountA, ada)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Erase(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := s.LoginOwner(t.Context(), ada)
	if err != nil || owner != "" {
		t.Errorf("LoginOwner after erasing = %q, %v; want none", owner, err)
	}
	o, err := s.JoinOwner(t.Context(), "id-1", accountA, hotsync.Identity{})
	if err != nil || len(o.Logins) != 0 {
		t.Errorf("owner after erasing has logins %q, %v; want none", o.Logins, err)
	}
}
