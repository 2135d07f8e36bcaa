package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"

	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

// planText writes a plan down.
func planText(seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(r, 30)
	p := newPlan(r, w, 200)
	text := fmt.Sprintf("%+v", w.people)
	for _, o := range append(p.ops, p.closing...) {
		account, err := json.Marshal(o.account)
		if err != nil {
			panic(err)
		}
		text += fmt.Sprintf("\n%d %d %d %s", o.kind, o.person, o.pick, account)
	}
	return text
}

// What v1Body makes reads back as the same account, through the Zuora sandbox
// and the real client, with either plan: so a run's own picture of Zuora is
// that of the product.
func TestV1BodyReadsBack(t *testing.T) {
	t.Parallel()

	sandbox := zuorasandbox.New(zuorasandbox.Config{})
	server := httptest.NewServer(sandbox)
	t.Cleanup(server.Close)
	client, err := zuora.New(zuora.Config{BaseURL: server.URL, Credentials: zuorasandbox.Credentials})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 0))
	w := newWorld(r, 40)
	for i := range w.accounts {
		if i%2 == 1 {
			w.change(r, i)
		}
		a := w.accounts[i]
		body, err := v1Body(a)
		if err != nil {
			t.Fatal(err)
		}
		err = sandbox.Put(a.ID, body)
		if err != nil {
			t.Fatal(err)
		}
		for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
			got, err := client.Read(t.Context(), a.ID, zuora.ReadOptions{Plan: plan})
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(plainly(a), plainly(got), same); diff != "" {
				t.Fatalf("account %s by plan %s mismatch (-put +read):\n%s", a.Number, plan, diff)
			}
		}
	}
}

// same compares what order and spelling do not tell apart.
var same = gocmp.Options{
	gocmp.Comparer(func(a, b decimal.NullDecimal) bool { return a.Valid == b.Valid && a.Decimal.Equal(b.Decimal) }),
	gocmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) }),
	cmpopts.EquateEmpty(),
	cmpopts.SortSlices(func(a, b billing.PaymentMethod) bool { return a.ID < b.ID }),
	cmpopts.SortSlices(func(a, b billing.Subscription) bool { return a.Number < b.Number }),
	cmpopts.SortSlices(func(a, b billing.RatePlan) bool { return a.ID < b.ID }),
	cmpopts.SortSlices(func(a, b billing.Charge) bool { return a.Number < b.Number }),
	cmpopts.SortSlices(func(a, b billing.Segment) bool { return a.From < b.From }),
}

// plainly is an account as the client reads it: of payment methods only cards
// have a number, and a charge without a currency has its subscription's.
func plainly(a billing.Account) billing.Account {
	a.CustomFields, a.Preview = nil, billing.Preview{} // the preview was not asked for
	methods := []billing.PaymentMethod{}
	for _, m := range a.PaymentMethods {
		if m.Type != "CreditCard" {
			m.Mask = ""
		}
		methods = append(methods, m)
	}
	a.PaymentMethods = methods
	for _, s := range a.Subscriptions {
		for _, p := range s.RatePlans {
			for i, c := range p.Charges {
				p.Charges[i].Currency = cmp.Or(c.Currency, s.Currency)
			}
		}
	}
	return a
}
