package projection

import (
	"cmp"

	"hotsync/shared/hotsync"
)

// CustomerOf returns the account's customer among objects: the one that the
// account's identity names, else the one that hotsync makes, else the first. ok is
// false where there is none, and the object then has only the id that it will get.
func CustomerOf(tenant, accountID string, objects []Object) (_ Object, ok bool) {
	made, named := ID(tenant, Customer, accountID, keyCustomer), ""
	identity := serviceIdentityKey(hotsync.ServiceZuora, hotsync.TypeAccount, accountID)
	for _, o := range objects {
		if o.Kind == Identity && cmp.Or(o.Key, KeyOf(o)) == identity {
			named = o.Customer
			break
		}
	}
	out := Object{ID: made}
	for _, o := range objects {
		switch {
		case o.Kind != Customer:
		case o.ID == named:
			return o, true
		case !ok, o.ID == made:
			out, ok = o, true
		}
	}
	return out, ok
}
