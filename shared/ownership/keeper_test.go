package ownership_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"hotsync/shared/ownership"
)

// moving is a Limio that shows an owner of nothing and moves accounts as it is told.
type moving struct {
	moved bool
	err   error
}

func (moving) Seen(context.Context, string) (ownership.Seen, error) { return showing("mine", "x"), nil }

func (moving) MakeOwner(context.Context, string, map[string]string) (bool, error) { return true, nil }

func (moving) NoteAccounts(context.Context, string, map[string]string) error { return nil }

func (m moving) TransferOwner(context.Context, string, string) (bool, error) { return m.moved, m.err }

// A move that failed is none, whatever is said beside the error: a login that were linked
// to its owner now would not see the account, and nothing would try again.
func TestSettleOfAMoveThatFailed(t *testing.T) {
	t.Parallel()

	a, b := accounts[0], accounts[1]
	down := errors.New("down")
	for _, tc := range []struct {
		name   string
		limio  moving
		reason ownership.Reason
		err    error
	}{
		{"moved", moving{true, nil}, ownership.ReasonMove, nil},
		{"failed", moving{false, down}, "", down},
		{"failed, and said to be moved", moving{true, down}, "", down},
	} {
		store := &ownership.Memory{}
		f := facts()
		f.Named = []string{a, b}
		f.Seen = showing("theirs")
		err := store.SaveLogin(t.Context(), f.Login,
			ownership.Login{Owner: "mine", BoundAt: noon.Add(-time.Hour), Named: []string{b}, At: noon.Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for id, o := range map[string]ownership.Owner{
			"theirs": known(map[string]string{a: ""}, nil),
			"mine":   known(map[string]string{b: ""}, map[string][]string{"x": {b}}),
		} {
			o.ID, o.Revision = id, 0
			_, err = store.SaveOwner(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
		}
		f.Owners = nil // read
		k := ownership.Keeper{Store: store, Limio: tc.limio, Now: func() time.Time { return noon },
			Alone: func(string, int) string { return "alone" }}
		d, err := k.Settle(t.Context(), f)
		if d.Reason != tc.reason || !errors.Is(err, tc.err) || err == nil && tc.err != nil {
			t.Errorf("%s: Settle = %q, %v, want %q, %v", tc.name, d.Reason, err, tc.reason, tc.err)
		}
	}
}
