package ownership

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// Table is a store in DynamoDB. Its items never expire. An owner's says in which table
// it was written: DynamoDB restores a table under another name.
type Table struct{ Table dynamo.Table }

type ownerItem struct {
	Owner
	Table string `json:"table,omitempty"`
}

func ownerKey(id string) dynamo.Item { return dynamo.Key("ownership#"+id, "owner") }

func loginKey(hash string) dynamo.Item { return dynamo.Key("ownership-login#"+hash, "login") }

// Owner is as Store says.
func (t Table) Owner(ctx context.Context, id string) (_ Owner, err error) {
	defer hotsync.In(&err, "ownership.Owner(%q)", id)
	var it ownerItem
	revision, err := t.Table.Load(ctx, ownerKey(id), &it)
	if err != nil {
		return Owner{}, err
	}
	o := it.Owner
	o.ID, o.Revision, o.Elsewhere = id, revision, it.Table != "" && it.Table != t.Table.Name
	return o.clone(), nil
}

// SaveOwner is as Store says.
func (t Table) SaveOwner(ctx context.Context, o Owner) (_ Owner, err error) {
	defer hotsync.In(&err, "ownership.SaveOwner(%q)", o.ID)
	o.Revision, err = t.save(ctx, ownerKey(o.ID), ownerItem{o, t.Table.Name}, o.Revision)
	if err != nil {
		return Owner{}, err
	}
	o.Elsewhere = false
	return o, nil
}

// Login is as Store says.
func (t Table) Login(ctx context.Context, hash string) (_ Login, err error) {
	defer hotsync.In(&err, "ownership.Login")
	var l Login
	l.Revision, err = t.Table.Load(ctx, loginKey(hash), &l)
	return l, err
}

// Read is as Store says. The items are read side by side.
func (t Table) Read(ctx context.Context, hash string, owners ...string) (l Login, _ map[string]Owner, err error) {
	found := make([]Owner, len(owners))
	g, ctx := errgroup.WithContext(ctx)
	if hash != "" {
		g.Go(func() (err error) {
			l, err = t.Login(ctx, hash)
			return err
		})
	}
	for i, id := range owners {
		g.Go(func() (err error) {
			found[i], err = t.Owner(ctx, id)
			return err
		})
	}
	err = g.Wait()
	if err != nil {
		return Login{}, nil, err
	}
	byID := make(map[string]Owner, len(owners))
	for i, id := range owners {
		byID[id] = found[i]
	}
	return l, byID, nil
}

// SaveLogin is as Store says.
func (t Table) SaveLogin(ctx context.Context, hash string, l Login) (err error) {
	defer hotsync.In(&err, "ownership.SaveLogin")
	_, err = t.save(ctx, loginKey(hash), l, l.Revision)
	return err
}

func (t Table) save(ctx context.Context, key dynamo.Item, state any, over int) (int, error) {
	it, err := dynamo.WithState(key, state)
	if err != nil {
		return 0, err
	}
	revision, err := t.Table.Save(ctx, it, over)
	if errors.Is(err, dynamo.ErrRefused) {
		return 0, ErrConflict
	}
	return revision, err
}
