package limio_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// The customer that hotsync makes is read by its id: none, where Limio says so by 404,
// or by the 502 that it documents for everything. An outage is not taken for that.
func TestCustomerByItsID(t *testing.T) {
	t.Parallel()

	const unknown = "cus-8a12b3c4d5e6f70018a1b2c3d4e5f699"
	const is502 = `{"unknownIs404":false}`
	for name, tc := range map[string]struct {
		assume    string
		customers bool   // whether Limio has some
		faults    string // of the sandbox
		asked     string
		want      string // some, none or an error
	}{
		"there":                           {customers: true, asked: cus, want: "some"},
		"not there":                       {customers: true, asked: unknown, want: "none"},
		"not there, by 502":               {assume: is502, customers: true, asked: unknown, want: "none"},
		"not there, nor anything, by 502": {assume: is502, asked: unknown, want: "none"},
		"the list does not answer": {assume: is502, asked: unknown,
			faults: `{"match":"GET /api/objects/limio/customers","status":502}`, want: "error"},
		"what cannot be there gets a 404": {assume: is502, asked: unknown,
			faults: `{"match":"GET /api/objects/limio/customers/cus-0000*","status":404}`, want: "error"},
		"it is down": {asked: unknown, faults: `{"match":"GET /api/objects/**","status":503}`,
			want: "error"},
		"it is down with 502": {customers: true, asked: cus,
			faults: `{"match":"GET /api/objects/**","status":502}`, want: "error"},
		"there, and hidden for a moment": {assume: is502, customers: true, asked: cus,
			faults: `{"match":"GET /api/objects/limio/customers/cus-*","times":1,"status":502}`, want: "some"},
		"what hangs on it is not read": {customers: true, asked: cus,
			faults: `{"match":"GET /api/objects/limio/customer/*/related","status":503}`, want: "error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			if tc.assume != "" {
				b.control("PUT", "assumptions", tc.assume, nil)
			}
			if tc.customers {
				b.create(objects())
			}
			if tc.faults != "" {
				b.control("PUT", "behaviour", `{"faults":[`+tc.faults+`]}`, nil)
			}
			have, err := b.client.Customer(t.Context(), tc.asked)
			got := "some"
			switch {
			case err != nil:
				got = "error"
			case have == nil:
				got = "none"
			}
			if got != tc.want {
				t.Errorf("Customer = %d objects, %v; want %s", len(have), err, tc.want)
			}
			if err != nil && hotsync.AsError(err).Code == hotsync.CodeLimioNotFound {
				t.Errorf("Customer = %v, which tells of no customer", err)
			}
			if tc.want == "some" && err == nil {
				if diff := cmp.Diff(objects(), have, cmp.Transformer("ids", func(list []projection.Object) (ids []string) {
					for _, o := range list {
						ids = append(ids, o.ID)
					}
					return ids
				})); diff != "" {
					t.Errorf("Customer mismatch (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// An identity is read as it is; one that is not there is an error that says so.
func TestIdentityByItsID(t *testing.T) {
	t.Parallel()

	b := setup(t)
	want := objects()[0]
	want.Data = map[string]any{"hotsync": map[string]any{"accounts": map[string]any{account: "A00000001"}}}
	b.create([]projection.Object{want})
	got, err := b.client.Identity(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != owner || got.Type != projection.TypeOwner || got.Kind != projection.Identity ||
		!cmp.Equal(got.Data["hotsync"], want.Data["hotsync"]) {
		t.Errorf("Identity = %+v, want %+v", got, want)
	}
	_, err = b.client.Identity(t.Context(), "id-00000000000000000000000000000000")
	wantCode(t, err, hotsync.CodeLimioNotFound)
	b.control("PUT", "behaviour", `{"faults":[{"match":"GET /api/objects/limio/identities/*","status":503}]}`, nil)
	_, err = b.client.Identity(t.Context(), owner)
	wantCode(t, err, hotsync.CodeLimioUnavailable)
}

// What is there already is not made again and not changed. Only that is told by false:
// what else Limio does not take is an error.
func TestCreateNew(t *testing.T) {
	t.Parallel()

	other := objects()[0]
	other.Name, other.Data = "Somebody Else", map[string]any{"hotsync": map[string]any{}}
	for name, tc := range map[string]struct {
		faults string
		there  bool
		made   bool
		code   hotsync.Code // "" for no error
	}{
		"new":                {made: true},
		"there":              {there: true},
		"said by a conflict": {faults: `{"match":"POST /api/objects/**","status":409}`},
		"refused": {faults: `{"match":"POST /api/objects/**","status":400,"body":{"message":"no"}}`,
			code: hotsync.CodeLimioRefused},
		"no such way": {faults: `{"match":"POST /api/objects/**","status":404}`, code: hotsync.CodeLimioCreation},
		"not by POST": {faults: `{"match":"POST /api/objects/**","status":405}`, code: hotsync.CodeLimioCreation},
		"down": {faults: `{"match":"POST /api/objects/**","status":503}`,
			code: hotsync.CodeLimioUnavailable},
		"down, when it is there": {there: true, faults: `{"match":"POST /api/objects/**","status":503}`,
			code: hotsync.CodeLimioUnavailable},
		"not in a minute": {faults: `{"match":"POST /api/objects/**","status":429,"headers":{"Retry-After":"60"}}`,
			code: hotsync.CodeLimioRateLimited},
		"an answer that got lost": {faults: `{"match":"POST /api/objects/**","drop":true,"after":true}`,
			code: hotsync.CodeLimioUnavailable},
		"not allowed": {faults: `{"match":"POST /api/objects/**","status":403}`, code: hotsync.CodeLimioForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			if tc.there {
				b.create([]projection.Object{other})
			}
			if tc.faults != "" {
				b.control("PUT", "behaviour", `{"faults":[`+tc.faults+`]}`, nil)
			}
			made, err := b.client.CreateNew(t.Context(), objects()[0])
			var e *hotsync.Error
			code := hotsync.Code("")
			if errors.As(err, &e) {
				code = e.Code
			}
			if made != tc.made || code != tc.code || (err != nil) != (tc.code != "") {
				t.Errorf("CreateNew = %t, %v; want %t, code %q", made, err, tc.made, tc.code)
			}
			if tc.there {
				b.control("PUT", "behaviour", `{"faults":[]}`, nil)
				has, err := b.client.Identity(t.Context(), owner)
				if err != nil || has.Name != other.Name || has.Data["hotsync"] == nil {
					t.Errorf("Identity = %+v, %v; want it as it was", has, err)
				}
			}
		})
	}
}
