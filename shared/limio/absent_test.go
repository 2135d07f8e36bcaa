package limio_test

import (
	"testing"

	"hotsync/shared/hotsync"
)

// Limio documents 502 and no 404: a first sync has to work there, an outage must
// not look like an account that is not there.
func TestUnknownAccountIs502(t *testing.T) {
	t.Parallel()

	const unknown = "8a12b3c4d5e6f70018a1b2c3d4e5f699"
	for name, tc := range map[string]struct {
		customers bool   // whether Limio has others
		faults    string // of the sandbox
		absent    bool
	}{
		"the first account of all": {absent: true},
		"another account is there": {customers: true, absent: true},
		"the list does not answer": {faults: `{"match":"GET /api/objects/limio/customers","status":502}`},
		"the list has no items":    {faults: `{"match":"GET /api/objects/limio/customers","status":200,"body":{}}`},
		"no object is read by id": {customers: true,
			faults: `{"match":"GET /api/objects/limio/customers/*","status":502}`},
		"what cannot be there gets a 404": {faults: `{"match":"GET /api/objects/zuora/customers/0000*","status":404}`},
		"what cannot be there is hung up": {faults: `{"match":"GET /api/objects/zuora/customers/0000*","drop":true}`},
		"the account is too slow at last": {
			faults: `{"match":"GET /api/objects/zuora/customers/8a*","times":1,"status":502},{"match":"GET /api/objects/zuora/customers/8a*","status":429}`},
		"a page says that it is not found": {
			faults: `{"match":"GET /api/**","status":404,"body":"<html><title>404</title></html>"}`},
		"the account is there all of time": {customers: true,
			faults: `{"match":"GET /api/objects/zuora/customers/8a*","times":1,"status":502}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.control("PUT", "assumptions", `{"unknownIs404":false}`, nil)
			if tc.customers {
				b.create(objects())
			}
			asked := unknown
			if name == "the account is there all of time" {
				asked = account
			}
			if tc.faults != "" {
				b.control("PUT", "behaviour", `{"faults":[`+tc.faults+`]}`, nil)
			}
			have, err := b.client.Account(t.Context(), asked)
			switch {
			case asked == account:
				if err != nil || len(have) == 0 {
					t.Errorf("Account = %d objects, %v; want what is there", len(have), err)
				}
			case tc.absent:
				if err != nil || have != nil {
					t.Errorf("Account = %d objects, %v; want none", len(have), err)
				}
			case err == nil:
				t.Errorf("Account = %d objects; want an error", len(have))
			case hotsync.AsError(err).Code == hotsync.CodeLimioNotFound:
				t.Errorf("Account = %v", err)
			}
		})
	}
}
