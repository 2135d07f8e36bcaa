package stack_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// household is a system with people and accounts of its own: those of a case differ
// from those of every other.
type household struct {
	*stacktest.System
	t    *testing.T
	name string
}

func (h *household) person(name string) string { return "user|" + h.name + "|" + name }

// account gives Zuora an account with one subscription, and returns its id.
func (h *household) account(letter string) string {
	h.t.Helper()
	sum := fnv.New64a()
	fmt.Fprint(sum, h.name, letter)
	id := fmt.Sprintf("8a%030x", sum.Sum64())
	contact := doc{"id": "c" + id[1:], "firstName": "Léa", "lastName": "Martin", "address1": "3 rue Haute", "city": "Lyon",
		"country": "France",
		"zipCode": "69001", "workEmail": letter + "@example.com"}
	term := doc{"id": "5b" + id[2:], "subscriptionNumber": h.subscription(letter), "version": 1, "isLatestVersion": true,
		"status":   "Active",
		"termType": "TERMED", "contractEffectiveDate": inMonths(-2), "subscriptionStartDate": inMonths(
			-2), "subscriptionEndDate": inMonths(10),
		"termStartDate": inMonths(-2), "termEndDate": inMonths(10), "autoRenew": true, "currency": "EUR",
		"ratePlans": []any{}}
	h.PutAccount(id, doc{
		"account": doc{"success": true,
			"basicInfo":         doc{"id": id, "accountNumber": h.number(letter), "name": "Léa Martin", "status": "Active"},
			"billingAndPayment": doc{"currency": "EUR", "billCycleDay": 1, "autoPay": true}, "billToContact": contact,
			"soldToContact": contact},
		"paymentMethods": doc{"success": true}, "subscriptions": []any{term}})
	return id
}

func (h *household) number(letter string) string       { return "A-" + h.name + "-" + letter }
func (h *household) subscription(letter string) string { return "S-" + h.name + "-" + letter }

// signsIn signs somebody in who names these accounts, and waits for all their syncs.
func (h *household) signsIn(who string, accounts ...string) []hotsync.Event {
	h.t.Helper()
	return h.Sync(h.Token("direct", doc{"sub": h.person(who), "zuora_account_ids": accounts}))
}

// syncs has an operator sync an account.
func (h *household) syncs(account string) hotsync.Event {
	h.t.Helper()
	a := h.Do(http.MethodPost, h.URL+"/api/sync", h.PersonaToken("operator"), doc{"account": account, "note": "a test"})
	var e hotsync.Event
	a.Decode(h.t, &e)
	return h.Await(e.ID)
}

func (h *household) erase(who string) {
	h.t.Helper()
	store := eventstore.New(dynamo.Table{Client: h.Engines.DynamoDB(),
		Name: h.System.Stack.System().Environment["EVENTS_TABLE"]}, eventstore.Config{})
	done, err := store.Erase(context.Background(), hotsync.Identity{Subject: h.person(who)})
	if err != nil || done.Events == 0 || done.Pending > 0 {
		h.t.Fatalf("Erase(%s) = %+v, %v", who, done, err)
	}
}

// wantSees compares what somebody sees in Limio, by the letters of the accounts, with
// one of several alternatives.
func (h *household) wantSees(who, letters string) {
	h.t.Helper()
	state := h.Limio()
	owners := map[any]bool{}
	for _, o := range state["identity"] {
		if data, _ := o["data"].(doc); data["sub"] == h.person(who) {
			owners[o["owner"]] = true
		}
	}
	var sees []string
	for _, o := range state["subscription"] {
		letter, ours := strings.CutPrefix(str(o, "name"), "S-"+h.name+"-")
		if ours && owners[o["owner"]] {
			sees = append(sees, letter)
		}
	}
	slices.Sort(sees)
	if got := strings.Join(sees, ""); !slices.Contains(strings.Split(letters, "|"), got) {
		h.t.Errorf("%s sees the accounts %q, want %q", who, got, letters)
	}
}

func notLinked(events []hotsync.Event) bool {
	return slices.ContainsFunc(events, func(e hotsync.Event) bool {
		return slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
	})
}

// TestWhoSeesWhat lets people share accounts, be erased and come again, in one order
// and another. Nobody sees what they never named.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{})
	for _, tc := range []struct {
		name string
		play func(h *household, a, b, c string)
		want map[string]string // what each sees in the end
	}{
		{"two of three are erased", func(h *household, a, b, c string) {
			for _, who := range []string{"x", "y", "z"} {
				h.signsIn(who, a)
			}
			h.erase("y")
			h.erase("z")
			h.signsIn("x", b)
			h.signsIn("x", a, b, c)
		}, map[string]string{"x": "a", "y": "a", "z": "a"}},
		{"the first is erased, and comes again with more", func(h *household, a, b, _ string) {
			h.signsIn("x", a)
			h.signsIn("y", a)
			h.erase("x")
			h.signsIn("x", a, b)
		}, map[string]string{"x": "a", "y": "a"}},
		{"the erased comes again, and then the other with more", func(h *household, a, b, _ string) {
			h.signsIn("x", a)
			h.signsIn("y", a)
			h.erase("y")
			h.signsIn("y", a)
			h.signsIn("x", b, a)
		}, map[string]string{"x": "a", "y": "a"}},
		{"everybody is erased", func(h *household, a, b, c string) {
			h.signsIn("x", a, b)
			h.signsIn("y", a, b)
			h.erase("x")
			h.erase("y")
			// A login sees one owner, and x and y never named c: z sees what is synced first,
			// and is told of the rest.
			if !notLinked(h.signsIn("z", a, b, c)) {
				h.t.Error("no event of z says what z does not see")
			}
			h.signsIn("x", a, b, c)
		}, map[string]string{"x": "ab", "y": "ab", "z": "ab|c"}},
		{"by number, then by id", func(h *household, a, b, _ string) {
			h.signsIn("x", h.number("a"))
			h.signsIn("y", a)
			h.erase("y")
			h.signsIn("x", h.number("a"), b)
			h.signsIn("x", a, h.number("b"))
		}, map[string]string{"x": "a", "y": "a"}},
		{"who is alone gets more", func(h *household, a, b, c string) {
			h.signsIn("x", a)
			h.erase("x")
			h.signsIn("x", a, b)
			h.signsIn("x", h.number("a"), h.number("b"), c)
		}, map[string]string{"x": "abc"}},
		{"an operator syncs what nobody has", func(h *household, a, b, _ string) {
			h.signsIn("x", a)
			h.signsIn("y", a)
			h.erase("y")
			h.syncs(b)
			h.signsIn("x", a, b)
		}, map[string]string{"x": "a", "y": "a"}},
		{"a retry of a claim that is gone", func(h *household, a, b, _ string) {
			h.Behave(h.ZuoraURL, doc{"faults": []doc{{"match": "GET /object-query/accounts/" + a, "times": 1, "status": 403}}})
			old := h.signsIn("x", a)[0]
			h.Behave(h.ZuoraURL, doc{})
			h.signsIn("x", b)
			if e := h.Await(h.Retry(old.ID).ID); old.Status == hotsync.StatusFailed && !notLinked([]hotsync.Event{e}) {
				h.t.Errorf("the retry says nothing of the link: %+v", e.Findings)
			}
		}, map[string]string{"x": "b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &household{System: s.For(t), t: t, name: strings.NewReplacer(" ", "-", ",", "").Replace(tc.name)}
			tc.play(h, h.account("a"), h.account("b"), h.account("c"))
			for who, letters := range tc.want {
				h.wantSees(who, letters)
			}
		})
	}
}

// TestNobodyStaysLockedOut lets Limio refuse one creation of a first sync. Whoever
// syncs the account meanwhile, the person's next sign-in succeeds and shows it to them.
func TestNobodyStaysLockedOut(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{})
	meanwhile := map[string]func(h *household, a, b string){
		"nobody":         func(*household, string, string) {},
		"an operator":    func(h *household, a, _ string) { h.syncs(a) },
		"another person": func(h *household, a, _ string) { h.signsIn("y", a) },
		"an operator, and another account of theirs": func(h *household, a, b string) {
			h.syncs(b)
			h.syncs(a)
		},
	}
	for i, refused := range []string{"POST /api/objects/limio/identities", "POST /api/objects/limio/customers",
		"POST /api/objects/limio/subscriptions",
		"POST /api/objects/externalidentity/**"} {
		for name, other := range meanwhile {
			t.Run(fmt.Sprintf("%s, and %s", refused, name), func(t *testing.T) {
				h := &household{System: s.For(t), t: t,
					name: fmt.Sprintf("%d-%s", i, strings.NewReplacer(" ", "-", ",", "").Replace(name))}
				a, b := h.account("a"), h.account("b")
				h.Behave(h.LimioURL, doc{"faults": []doc{{"match": refused, "status": 400, "body": doc{"message": "not now"}}}})
				first := h.signsIn("x", a)[0]
				h.Behave(h.LimioURL, doc{})
				if first.Status == hotsync.StatusSucceeded {
					t.Fatalf("the first sync ended as %s", first.Status)
				}
				other(h, a, b)
				named, sees := []string{a}, "a"
				if strings.HasSuffix(name, "of theirs") {
					named, sees = []string{a, b}, "ab"
				}
				for _, e := range h.signsIn("x", named...) {
					if e.Status != hotsync.StatusSucceeded || notLinked([]hotsync.Event{e}) {
						t.Errorf("the next sync ended as %s %s: %+v", e.Status, e.Reason, e.Findings)
					}
				}
				h.wantSees("x", sees)
			})
		}
	}
}
