package main

import (
	"bytes"
	"crypto/md5" //nolint:gosec // ids of a test
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/cmd/hotsync/internal/drift"
	"hotsync/local/sandbox/persona"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
)

var (
	zuoraID = regexp.MustCompile(`\b8a[0-9a-f]{30}\b`)
	number  = regexp.MustCompile(`A-S\d+|A\d{8}`)
)

// another makes the nth account of the same content as a persona's, with ids and
// numbers of its own.
func another(t *testing.T, of persona.Account, n int) (id, key string, body string) {
	t.Helper()
	raw, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	fresh := func(s string) string { return fmt.Sprintf("8a%x", md5.Sum(fmt.Appendf(nil, "%s %d", s, n)))[:32] }
	text := zuoraID.ReplaceAllStringFunc(string(raw), fresh)
	key = fmt.Sprintf("A5%06d", n)
	text = number.ReplaceAllStringFunc(text, func(s string) string {
		if s == of.Number {
			return key
		}
		return fmt.Sprintf("%s%06d", s, n)
	})
	return fresh(of.ID), key, text
}

// planted is a difference between Zuora and Limio of one kind.
type planted struct {
	name  string
	zuora func(a object)                          // changes the account in Zuora
	limio func(objects []map[string]any) []object // the objects of the account in Limio that are changed, as they are then
	gone  bool                                    // never synced: a reconcile run does not know it
}

type object = map[string]any

// at returns the member of an object by its path; a number counts in a list.
func at(t *testing.T, o any, path ...any) object {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			o = o.(object)[p]
		case int:
			o = o.([]any)[p]
		}
	}
	m, ok := o.(object)
	if !ok {
		t.Fatalf("nothing is at %v", path)
	}
	return m
}

// clone copies an object and what is in it.
func clone(t *testing.T, o object) object {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var c object
	err = json.Unmarshal(raw, &c)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// differences are those that people make: in Zuora by changing an account after its
// sync, in Limio by hand or by another program.
func differences(t *testing.T) []planted {
	charge := []any{"subscriptions", 0, "ratePlans", 0, "ratePlanCharges", 0}
	ofKind := func(kind string, change func(o object)) func([]map[string]any) []object {
		return func(objects []map[string]any) (changed []object) {
			for _, o := range objects {
				if o["record_type"] == kind {
					o = clone(t, o)
					change(o)
					return []object{o}
				}
			}
			t.Fatalf("the account has no %s in Limio", kind)
			return nil
		}
	}
	return []planted{
		{name: "never synced", gone: true},
		{name: "renamed", zuora: func(a object) {
			at(t, a, "account", "basicInfo")["name"] = "Ada Other"
			at(t, a, "account", "billToContact")["lastName"] = "Other"
		}},
		{name: "another e-mail address", zuora: func(a object) {
			at(t, a, "account", "billToContact")["workEmail"] = "ada@other.example.com"
			at(t, a, "account", "soldToContact")["workEmail"] = "ada@other.example.com"
		}},
		{name: "moved", zuora: func(a object) {
			at(t, a, "account", "billToContact")["address1"] = "1 Other Street"
		}},
		{name: "delivered elsewhere", zuora: func(a object) {
			at(t, a, "account", "soldToContact")["id"] = strings.Repeat("8b", 16)
			at(t, a, "account", "soldToContact")["city"] = "York"
		}},
		{name: "a CRM ID", zuora: func(a object) { at(t, a, "account", "basicInfo")["crmId"] = "0011t00000abcdeAAA" }},
		{name: "suspended", zuora: func(a object) { at(t, a, "subscriptions", 0)["status"] = "Suspended" }},
		{name: "cancelled", zuora: func(a object) {
			sub := at(t, a, "subscriptions", 0)
			sub["status"], sub["cancelReason"] = "Cancelled", "moved away"
			end := time.Now().AddDate(0, 0, -2).Format(time.DateOnly)
			sub["subscriptionEndDate"], sub["termEndDate"] = end, end
			at(t, a, charge...)["effectiveEndDate"] = end
		}},
		{name: "another price", zuora: func(a object) { at(t, a, charge...)["price"] = 19.5 }},
		{name: "one plan more", zuora: func(a object) {
			sub := at(t, a, "subscriptions", 0)
			plan := clone(t, at(t, sub, "ratePlans", 0))
			plan["id"], plan["subscriptionRatePlanNumber"] = strings.Repeat("8c", 16), "SRP-MORE"
			c := at(t, plan, "ratePlanCharges", 0)
			c["id"], c["number"], c["originalChargeId"] = strings.Repeat("8d", 16), "C-MORE", strings.Repeat("8d", 16)
			sub["ratePlans"] = append(sub["ratePlans"].([]any), plan)
		}},
		{name: "a card that expires otherwise", zuora: func(a object) {
			at(t, a, "paymentMethods", "creditcard", 0)["expirationYear"] = 2033
		}},
		{name: "a closed card", zuora: func(a object) {
			at(t, a, "paymentMethods", "creditcard", 0)["status"] = "Closed"
		}},
		{name: "customer edited in Limio", limio: ofKind("customer", func(o object) {
			at(t, o, "data")["email"] = "edited@example.com"
		})},
		{name: "address edited in Limio", limio: ofKind("address", func(o object) {
			for k, v := range at(t, o, "data") {
				if v == "Leeds" {
					at(t, o, "data")[k] = "Bradford"
				}
			}
		})},
		{name: "subscription ended in Limio", limio: ofKind("subscription", func(o object) { o["status"] = "cancelled" })},
		{name: "offer ended in Limio", limio: ofKind("subscription_offer", func(o object) { o["status"] = "cancelled" })},
		{name: "payment method off in Limio", limio: ofKind("payment_method", func(o object) { o["status"] = "inactive" })},
	}
}

// driftAccounts is how many accounts TestDriftAndReconcile has, of which 8 in 100 differ.
var driftAccounts = flag.Int("accounts", 60, "accounts that drift compares in its test")

// TestDriftAndReconcile plants differences of every kind, in Zuora and in Limio: drift
// finds exactly those, and after a reconcile run none but what was never synced.
func TestDriftAndReconcile(t *testing.T) {
	kinds := differences(t)
	accounts, differ := *driftAccounts, max(len(kinds), *driftAccounts*8/100)
	s := stacktest.Start(t, stack.Options{Parameters: map[string]string{"ReconcileRate": "3000"}})
	err := s.Describe()
	if err != nil {
		t.Fatal(err)
	}
	single := persona.All(time.Now())[0].Accounts[0]
	var list, known strings.Builder
	list.WriteString("account\n")
	known.WriteString("account\n")
	bodies := make([]string, accounts)
	ids, keys := make([]string, accounts), make([]string, accounts)
	kind := func(n int) (planted, bool) { return kinds[n%len(kinds)], n < differ }
	for n := range accounts {
		ids[n], keys[n], bodies[n] = another(t, single, n)
		s.PutAccount(ids[n], json.RawMessage(bodies[n]))
		fmt.Fprintln(&list, keys[n])
		if k, differs := kind(n); !differs || !k.gone {
			fmt.Fprintln(&known, keys[n])
		}
	}
	dir := t.TempDir()
	all, some := filepath.Join(dir, "all.csv"), filepath.Join(dir, "some.csv")
	for path, text := range map[string]string{all: list.String(), some: known.String()} {
		err = os.WriteFile(path, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	hotsync := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		all := append(args[:1:1], append([]string{"-system", stack.SystemFile(s.Dir)}, args[1:]...)...)
		code := run(t.Context(), all, &out, &errs)
		if code != want {
			t.Fatalf("hotsync %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), code, want, &out, &errs)
		}
		return out.String()
	}
	hotsync(0, "backfill", "-rate", "3000", some)
	hotsync(0, "drift", "-rate", "3000", "-accounts", some)

	var want []string
	names := map[string]string{}
	absent := 0
	limio := ownedBy(s.Limio())
	for n := range differ {
		k, _ := kind(n)
		want, names[keys[n]] = append(want, keys[n]), k.name
		switch {
		case k.gone:
			absent++
		case k.zuora != nil:
			var a object
			err := json.Unmarshal([]byte(bodies[n]), &a)
			if err != nil {
				t.Fatal(err)
			}
			k.zuora(a)
			s.PutAccount(ids[n], a)
		default:
			changed := object{"objects": k.limio(limio[ids[n]])}
			answer := s.Do(http.MethodPut, s.LimioURL+"/_sandbox/objects", "", changed)
			if answer.Status >= 300 {
				t.Fatalf("%s: PUT /_sandbox/objects: %d %s", k.name, answer.Status, answer.Body)
			}
		}
	}
	told := func(code int) (r drift.Report) {
		t.Helper()
		err := json.Unmarshal([]byte(hotsync(code, "drift", "-rate", "3000", "-accounts", all, "-json", "-")), &r)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := told(1)
	var got []string
	for _, a := range r.Accounts {
		got = append(got, a.Account)
		for _, c := range a.Changes {
			t.Logf("%s: %s %s %v", names[a.Account], c.Action, c.Object, c.Fields)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	right := r.Absent == absent && r.Different == differ-absent && r.Equal == accounts-differ
	if diff := cmp.Diff(want, got); diff != "" || !right {
		for _, key := range want {
			if !slices.Contains(got, key) {
				t.Errorf("drift does not find %s: %s", key, names[key])
			}
		}
		t.Errorf("drift: %d equal, %d different, %d absent; accounts (-planted +found):\n%s",
			r.Equal, r.Different, r.Absent, diff)
	}

	if a := s.Invoke("ReconcileFunction", map[string]bool{"reconcile": true}); a.Status >= 300 {
		t.Fatalf("reconcile: %d %s", a.Status, a.Body)
	}
	s.Idle()
	if r = told(1); r.Different != 0 || r.Absent != absent {
		t.Errorf("after the reconcile run %d accounts differ and %d are absent, want 0 and the %d that were never synced",
			r.Different, r.Absent, absent)
		for _, a := range r.Accounts {
			t.Logf("%s: %s %+v", names[a.Account], a.Result, a.Changes)
		}
	}
}

// ownedBy returns the objects of Limio's by the Zuora account that their owner has.
func ownedBy(state map[string][]map[string]any) map[string][]map[string]any {
	owners := map[string]string{}
	for _, o := range state["identity"] {
		data, _ := o["data"].(object)
		if account, ok := data["value"].(string); ok && data["type"] == "account" && data["issuer"] == "zuora" {
			owners[fmt.Sprint(o["owner"])] = account
		}
	}
	out := map[string][]map[string]any{}
	for _, objects := range state {
		for _, o := range objects {
			if account, ok := owners[fmt.Sprint(o["owner"])]; ok {
				out[account] = append(out[account], o)
			}
		}
	}
	return out
}
