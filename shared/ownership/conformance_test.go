package ownership_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/ownership"
)

// conform holds a store to what Store says.
func conform(t *testing.T, s ownership.Store) {
	t.Helper()
	ctx := t.Context()
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)

	o, err := s.Owner(ctx, "id-1")
	if err != nil || o.ID != "id-1" || o.Revision != 0 || len(o.Accounts)+len(o.Logins) > 0 {
		t.Fatalf("Owner of nothing = %+v, %v", o, err)
	}
	o.Accounts["a"] = ownership.Account{Number: "A1", ClaimedAt: at}
	o.Logins["x"] = ownership.Member{Named: []string{"a"}, ClaimedAt: at}
	o.MovingTo, o.MovingAt, o.Partial = "id-2", at, true
	saved, err := s.SaveOwner(ctx, o)
	if err != nil || saved.Revision != 1 {
		t.Fatalf("SaveOwner = revision %d, %v", saved.Revision, err)
	}
	got, err := s.Owner(ctx, "id-1")
	if diff := cmp.Diff(saved, got); err != nil || diff != "" {
		t.Errorf("Owner: %v, mismatch (-saved +read):\n%s", err, diff)
	}
	_, err = s.SaveOwner(ctx, o)
	if !errors.Is(err, ownership.ErrConflict) {
		t.Errorf("SaveOwner over an old revision = %v, want ErrConflict", err)
	}

	l := ownership.Login{Owner: "id-1", BoundAt: at, Named: []string{"a"}, At: at}
	err = s.SaveLogin(ctx, "x", l)
	if err != nil {
		t.Fatal(err)
	}
	err = s.SaveLogin(ctx, "x", l)
	if !errors.Is(err, ownership.ErrConflict) {
		t.Errorf("SaveLogin over an old revision = %v, want ErrConflict", err)
	}
	read, err := s.Login(ctx, "x")
	l.Revision = 1
	if diff := cmp.Diff(l, read); err != nil || diff != "" {
		t.Errorf("Login: %v, mismatch (-want +got):\n%s", err, diff)
	}
	both, owners, err := s.Read(ctx, "x", "id-1", "id-none")
	none, err2 := s.Owner(ctx, "id-none")
	if err != nil || err2 != nil {
		t.Fatalf("Read: %v, Owner of nothing: %v", err, err2)
	}
	if diff := cmp.Diff(l, both); diff != "" {
		t.Errorf("Read, the login (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]ownership.Owner{"id-1": saved, "id-none": none}, owners); diff != "" {
		t.Errorf("Read, the owners (-want +got):\n%s", diff)
	}
	nobody, owners, err := s.Read(ctx, "")
	if diff := cmp.Diff(ownership.Login{}, nobody); err != nil || diff != "" || owners == nil || len(owners) > 0 {
		t.Errorf("Read of nothing: %v, %v, login (-want +got):\n%s", err, owners, diff)
	}
	read.Owner = "id-2"
	err = s.SaveLogin(ctx, "x", read)
	if err != nil {
		t.Errorf("SaveLogin over the revision read: %v", err)
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()

	conform(t, &ownership.Memory{})
}
