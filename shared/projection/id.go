package projection

import (
	"strconv"

	"hotsync/shared/hotsync"
)

// prefixes are those of Limio's own ids.
var prefixes = map[Kind]string{
	Identity:          "identity",
	Customer:          "cus",
	Subscription:      "sub",
	SubscriptionOffer: "subscription_offer",
	SubscriptionAddOn: "subscription_add_on",
	Schedule:          "schedule",
	PaymentMethod:     "pm",
	Address:           "address",
}

// ID is the id under which hotsync creates the object of an account that has
// that key: Limio's prefix and 32 hex digits of a hash. It is the same at every
// sync, so that creating an object twice cannot make two; and an object whose id
// is the one of its key was made by hotsync.
func ID(tenant string, kind Kind, accountID, key string) string {
	prefix := prefixes[kind]
	if kind == Identity && key == keyOwner {
		prefix = "id"
	}
	return prefix + "-" + hotsync.Digest(tenant, string(kind), accountID, key)
}

// ownerID is the id of the owner identity. It depends on the login, so that a
// person with several Zuora accounts has one owner. Without a login (a callout,
// a backfill) the account has an owner of its own; a login that comes later is
// linked to it.
func OwnerID(tenant, accountID string, login hotsync.Identity) string {
	if !signedIn(login) {
		return SpareOwnerID(tenant, accountID, 0)
	}
	return "id-" + hotsync.Digest(tenant, "owner", login.Issuer, login.Subject)
}

// SpareOwnerID is the id of an owner identity for the account alone, without a login
// (see OwnerID). There is more than one, by n, for when Limio has the first already
// and nobody knows who sees it.
func SpareOwnerID(tenant, accountID string, n int) string {
	if n == 0 {
		return ID(tenant, Identity, accountID, keyOwner)
	}
	return "id-" + hotsync.Digest(tenant, "owner", accountID, strconv.Itoa(n))
}

// relationshipID is the id of the tie between an address of the account and a
// subscription.
func relationshipID(tenant, accountID, relationshipType, number string) string {
	return "rel-" + hotsync.Digest(tenant, "relationship", accountID, relationshipType, number)
}
