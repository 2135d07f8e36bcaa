// Package ownership decides who sees what in Limio, where a login is linked to an
// owner identity and sees every account of it. Two things hold at any interleaving:
//
//   - a login is linked only to an owner of which it names every account;
//   - no account comes to an owner that a login sees who has not named it.
//
// Decide is pure. A Keeper gathers what it asks for and records what it decides
// before that is made so in Limio, by compare-and-set on everything it was decided
// on: of two syncs that meet at one owner, the slower one decides again. What was
// recorded and never came about is looked up in Limio before it stands in anybody's
// way.
//
// The accounts of an owner are noted in Limio, too, at the owner identity itself:
// a table that was lost or restored to an earlier moment heals at the first read.
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

// Lease is how long after it was recorded an effect may still come: longer than a
// sync lives.
const Lease = time.Minute

// Recovery is how long a sync may be at work that began with a table which is lost
// now: longer than the functions' timeout.
const Recovery = 35 * time.Second

// Account is an account that an owner has or is about to have.
type Account struct {
	Number    string    `json:"number,omitempty"`
	ClaimedAt time.Time `json:"claimedAt,omitzero"` // zero where only Limio's note says it
}

// Member is a login that is linked to an owner or is about to be.
type Member struct {
	// Named are the accounts, as ids and numbers, that the login's newest sign-in
	// here named; none when only Limio shows it.
	Named     []string  `json:"named,omitempty"`
	ClaimedAt time.Time `json:"claimedAt"`
}

// Owner is what hotsync knows of an owner.
type Owner struct {
	ID       string             `json:"id"`
	Accounts map[string]Account `json:"accounts,omitempty"` // by id
	Logins   map[string]Member  `json:"logins,omitempty"`   // by Hash; an erased person's stays
	// Partial says that the owner may have accounts, or logins, that hotsync does not
	// know.
	Partial bool `json:"partial,omitempty"`
	// RecoveredAt is when what Limio shows took the place of what the table had lost, or
	// was restored without: for the time of Recovery nobody new is linked then, and no
	// account comes.
	RecoveredAt time.Time `json:"recoveredAt,omitzero"`
	// MovingTo is the owner that takes this one's accounts over.
	MovingTo string    `json:"movingTo,omitempty"`
	MovingAt time.Time `json:"movingAt,omitzero"`

	Revision  int  `json:"-"` // counts the writes so far; 0 for one that is not known
	Elsewhere bool `json:"-"` // it was written to another table, which this one was restored from
}

// Login is the owner that a login belongs to and what its newest sign-in named.
type Login struct {
	Owner   string    `json:"owner,omitempty"`
	BoundAt time.Time `json:"boundAt,omitzero"`
	Named   []string  `json:"named,omitempty"`
	At      time.Time `json:"at,omitzero"` // of that sign-in

	Revision int `json:"-"`
}

// ErrConflict says that an owner or a login was changed since it was read.
var ErrConflict = errors.New("what is known of the owner was changed meanwhile")

// Store keeps owners and logins. Implementations are safe for concurrent use.
type Store interface {
	// Owner returns the owner as it is now; one that is not known has only its id.
	Owner(ctx context.Context, id string) (Owner, error)
	// SaveOwner writes the owner over its revision, or returns ErrConflict.
	SaveOwner(ctx context.Context, o Owner) (Owner, error)
	// Login returns what is known of a login, by Hash.
	Login(ctx context.Context, hash string) (Login, error)
	// Read returns a login as Login does, nothing of "", and owners as Owner does, each
	// as it is at a moment of the call and in no order.
	Read(ctx context.Context, hash string, owners ...string) (Login, map[string]Owner, error)
	// SaveLogin writes it over its revision, or returns ErrConflict.
	SaveLogin(ctx context.Context, hash string, l Login) error
}

// Hash stands for a login. Without the key nobody can tell whose it is.
func Hash(key []byte, who hotsync.Identity) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("login\x00" + who.Issuer + "\x00" + who.Subject))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// clone returns an owner that can be changed without changing this one.
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
