// Package ownership decides who sees what in Limio, where a login is linked to an
// owner identity and sees every account of it. Decide is pure; a Store keeps what
// hotsync knows, one item an owner, changed only at the revision it was read at.
//
// What is known is claimed before it is made so in Limio: of two syncs that would
// show each other's account, the slower one finds the claim, or loses the write and
// decides again. A claim that nothing came of is dropped when Limio does not show
// it long after whoever made it must have ended.
package ownership

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"time"

	"hotsync/shared/hotsync"
)

// Lease is how long a claim stands without its effect being seen: longer than any
// function lives.
const Lease = 2 * time.Minute

// Account is an account that an owner has or is about to have.
type Account struct {
	Number    string    `json:"number,omitempty"`
	ClaimedAt time.Time `json:"claimedAt"`
}

// Member is a login that is linked to an owner or is about to be.
type Member struct {
	// Named are the accounts, as ids and numbers, that the login named in the sign-in
	// that linked it; none when only Limio shows it.
	Named     []string  `json:"named,omitempty"`
	At        time.Time `json:"at,omitzero"` // of that sign-in
	ClaimedAt time.Time `json:"claimedAt"`
	Linked    bool      `json:"linked,omitempty"` // Limio has shown it, or has taken the link
}

// Owner is what hotsync knows of an owner.
type Owner struct {
	ID       string             `json:"id"`
	Accounts map[string]Account `json:"accounts,omitempty"` // by id
	Logins   map[string]Member  `json:"logins,omitempty"`   // by Hash; an erased person's stays
	// Partial says that the owner may have accounts that hotsync does not know.
	Partial bool `json:"partial,omitempty"`
	// MovingTo is the owner that takes this one's accounts over.
	MovingTo string    `json:"movingTo,omitempty"`
	MovingAt time.Time `json:"movingAt,omitzero"`

	Revision int `json:"-"` // counts the writes so far; 0 for one that is not known
}

// Login is the owner that a login belongs to and what its newest sign-in named.
type Login struct {
	Owner string    `json:"owner,omitempty"`
	Named []string  `json:"named,omitempty"`
	At    time.Time `json:"at,omitzero"`

	Revision int `json:"-"`
}

// ErrConflict says that an owner or a login was changed since it was read.
var ErrConflict = errors.New("what is known of the owner was changed meanwhile")

// Store keeps owners and logins.
type Store interface {
	// Owner gives the owner as it is now; one that is not known has only its id.
	Owner(ctx context.Context, id string) (Owner, error)
	// SaveOwner writes the owner over its revision, or returns ErrConflict.
	SaveOwner(ctx context.Context, o Owner) (Owner, error)
	// Login gives what is known of a login, by Hash.
	Login(ctx context.Context, hash string) (Login, error)
	// SaveLogin writes it over its revision, or returns ErrConflict.
	SaveLogin(ctx context.Context, hash string, l Login) error
}

// Hash stands for a login. Without the key nobody can tell whose it is.
func Hash(key []byte, who hotsync.Identity) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("login\x00" + who.Issuer + "\x00" + who.Subject))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// clone gives an owner that can be changed without changing this one.
func (o Owner) clone() Owner {
	o.Accounts, o.Logins = maps.Clone(o.Accounts), maps.Clone(o.Logins)
	if o.Accounts == nil {
		o.Accounts = map[string]Account{}
	}
	if o.Logins == nil {
		o.Logins = map[string]Member{}
	}
	return o
}

// has reports whether the names contain the account, by id or number.
func has(named []string, id, number string) bool {
	return slices.Contains(named, id) || number != "" && slices.Contains(named, number)
}

// namesAll reports whether the names contain every account of the owner.
func (o Owner) namesAll(named []string) bool {
	for id, a := range o.Accounts {
		if !has(named, id, a.Number) {
			return false
		}
	}
	return true
}

// others reports whether the owner has a login besides this one.
func (o Owner) others(login string) bool {
	for hash := range o.Logins {
		if hash != login {
			return true
		}
	}
	return false
}

// othersName reports whether every login of the owner but this one named the
// account.
func (o Owner) othersName(login, id, number string) bool {
	for hash, m := range o.Logins {
		if hash != login && !has(m.Named, id, number) {
			return false
		}
	}
	return true
}
