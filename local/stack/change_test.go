package stack_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// summary writes changes as lines, sorted: action, object and, of what was there
// before, the fields.
func summary(changes []hotsync.Change) []string {
	var out []string
	for _, c := range changes {
		if c.Object == "schedule" {
			continue // payments follow from all else, and move with the day
		}
		if c.Action == hotsync.ActionCreate {
			out = append(out, "create "+c.Object)
			continue
		}
		var fields []string
		for _, f := range c.Fields {
			fields = append(fields, f.Field)
		}
		slices.Sort(fields)
		out = append(out, fmt.Sprintf("%s %s %s", c.Action, c.Object, strings.Join(fields, ",")))
	}
	slices.Sort(out)
	return out
}

func inMonths(n int) string { return time.Now().UTC().AddDate(0, n, 0).Format(time.DateOnly) }

// change is something that happens in Zuora between two logins.
type change struct {
	name    string
	persona string
	edit    func(t *testing.T, v *v1)
	want    []string
	// ended are the objects that are gone in Zuora and stay in Limio, inactive.
	ended func(before mirror) mirror
}

// keep returns one of the offers or methods of before as ended.
func keep(offers, methods []string) func(mirror) mirror {
	return func(before mirror) mirror {
		out := mirror{Offers: map[string]doc{}, Methods: map[string]doc{}}
		for _, key := range offers {
			before.Offers[key]["status"] = "inactive"
			before.Offers[key]["data"].(doc)["end"] = today()
			out.Offers[key] = before.Offers[key]
		}
		for _, key := range methods {
			before.Methods[key]["status"] = "inactive"
			out.Methods[key] = before.Methods[key]
		}
		return out
	}
}

const (
	adaSubscription = "A-S00101001"
	sofiaSeats      = "A-S00701010"
	sofiaDiscounted = "A-S00701007"
)

func changes(t *testing.T) []change {
	adaCard := str(readV1(t, find(t, "single").Accounts[0]).methods()[0], "id")
	return []change{
		{name: "renamed", persona: "single",
			edit: func(_ *testing.T, v *v1) { v.basic()["name"] = "Ada Lovelace-Whitfield" },
			want: []string{"update customer name"}},
		{name: "contact changed", persona: "single",
			edit: func(_ *testing.T, v *v1) {
				c := v.Account["billToContact"].(doc)
				c["lastName"], c["workEmail"] = "Lovelace", "ada@lovelace.example.com"
			},
			want: []string{"update address lastName", "update customer email,lastName"}},
		{name: "moved", persona: "single",
			edit: func(_ *testing.T, v *v1) {
				for _, role := range []string{"billToContact", "soldToContact"} {
					c := v.Account[role].(doc)
					c["address1"], c["city"], c["zipCode"], c["country"] = "8 rue des Lilas", "Lyon", "69003", "France"
				}
			},
			want: []string{"update address address1,city,country,postalCode", "update address address1,city,country,postalCode",
				"update subscription purchaseCountry"}},
		{name: "default payment method closed", persona: "single",
			edit:  func(_ *testing.T, v *v1) { v.methods()[0]["status"] = "Closed" },
			want:  []string{"end payment_method relationships,status", "update customer defaultPaymentMethodId"},
			ended: keep(nil, []string{adaCard})},
		{name: "new default", persona: "single",
			edit: func(_ *testing.T, v *v1) {
				old := v.methods()[0]
				fresh := doc{}
				for name, value := range old {
					fresh[name] = value
				}
				fresh["id"], fresh["cardNumber"] = strings.Repeat("8a", 16), "************0019"
				old["isDefault"] = false
				v.PaymentMethods["creditcard"] = []any{old, fresh}
				v.billing()["defaultPaymentMethodId"], v.PaymentMethods["defaultPaymentMethodId"] = fresh["id"], fresh["id"]
			},
			want: []string{"create payment_method", "update customer defaultPaymentMethodId"}},
		{name: "price raised", persona: "single",
			edit: func(t *testing.T, v *v1) {
				for _, plan := range docs(v.subscription(t, adaSubscription), "ratePlans") {
					docs(plan, "ratePlanCharges")[0]["price"] = json.Number("18.25")
				}
			},
			want: []string{"update subscription price.amount", "update subscription_offer price.amount"}},
		{name: "cancelled", persona: "single",
			edit: func(t *testing.T, v *v1) {
				s := v.subscription(t, adaSubscription)
				end := inMonths(-1)
				s["status"], s["autoRenew"], s["termEndDate"], s["subscriptionEndDate"] = "Cancelled", false, end, end
				for _, plan := range docs(s, "ratePlans") {
					docs(plan, "ratePlanCharges")[0]["effectiveEndDate"] = end
				}
			},
			want: []string{"update subscription attributes.autoRenew,status,termEndDate",
				"update subscription_offer end,status"}},
		{name: "plan removed", persona: "mixed",
			edit: func(t *testing.T, v *v1) {
				plans := docs(v.subscription(t, sofiaDiscounted), "ratePlans")
				plans[1]["lastChangeType"] = "Remove"
				docs(plans[1], "ratePlanCharges")[0]["effectiveEndDate"] = today()
			},
			want:  []string{"end subscription_offer end,status"},
			ended: keep([]string{"SRP-0070100702"}, nil)},
		{name: "new subscription", persona: "mixed",
			edit: func(t *testing.T, v *v1) {
				raw, err := json.Marshal(v.subscription(t, sofiaSeats))
				if err != nil {
					t.Fatal(err)
				}
				fresh := parse(t,
					[]byte(strings.NewReplacer("A-S00701010", "A-S00701099", "00701010", "00701099").Replace(string(raw))))
				fresh["id"] = strings.Repeat("8b", 16)
				v.Subscriptions = append(v.Subscriptions, fresh)
			},
			want: []string{"create subscription", "create subscription_offer",
				"update address relationships", "update address relationships", "update payment_method relationships"}},
		{name: "draft activated", persona: "mixed",
			edit: func(t *testing.T, v *v1) { v.subscription(t, "A-S00701004")["status"] = "Active" },
			want: []string{"create subscription", "create subscription_offer",
				"update address relationships", "update address relationships", "update payment_method relationships"}},
	}
}

// TestZuoraChanges changes an account between two logins: exactly what differs
// is written.
func TestZuoraChanges(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{})
	for _, tc := range changes(t) {
		t.Run(tc.name, func(t *testing.T) {
			s := s.For(t)
			p := find(t, tc.persona)
			account := readV1(t, p.Accounts[0])
			subject := "direct|" + tc.name // a login of its own, so that none is owner of several
			token := s.Token("direct", doc{"sub": subject, "zuora_account_ids": []string{account.id()}})
			s.Do("POST", s.LimioURL+"/_sandbox/reset", "", nil)
			s.PutAccount(account.id(), account.body())
			wantEnd(t, s.Sync(token)[0], hotsync.StatusSucceeded, hotsync.ReasonChanged)
			before := readLimio(t, s).mirror(account.id())

			tc.edit(t, &account)
			s.PutAccount(account.id(), account.body())
			e := s.Sync(token)[0]
			wantEnd(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
			if diff := cmp.Diff(tc.want, summary(e.Changes)); diff != "" {
				t.Errorf("changes mismatch (-want +got):\n%s", diff)
			}
			want := expect(account, s.IDPURL+"/direct", subject, today())
			if tc.ended != nil {
				ended := tc.ended(before)
				for key, o := range ended.Offers {
					want.Offers[key] = o
				}
				for key, o := range ended.Methods {
					want.Methods[key] = o
				}
			}
			want.Customer["name"] = before.Customer["name"] // set once, when it was made
			r := readLimio(t, s)
			wantMirror(t, want, r.mirror(account.id()))
			wantEnd(t, s.Sync(token)[0], hotsync.StatusSucceeded, hotsync.ReasonUnchanged)
		})
	}
}
