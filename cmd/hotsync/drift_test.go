package main

import (
	"bytes"
	"crypto/md5" //nolint:gosec // ids of a test
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/persona"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/drift"
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

// TestDriftAndReconcile plants differences of several kinds in Zuora: drift finds
// exactly those, and after a reconcile run none.
func TestDriftAndReconcile(t *testing.T) {
	const accounts, planted = 40, 10
	s := stacktest.Start(t, stack.Options{Parameters: map[string]string{"ReconcileRate": "3000"}})
	err := s.Describe()
	if err != nil {
		t.Fatal(err)
	}
	single := persona.All(time.Now())[0].Accounts[0]
	var list, known strings.Builder
	list.WriteString("account\n")
	known.WriteString("account\n")
	bodies := map[string]string{}
	ids := map[string]string{}
	var keys []string
	for n := range accounts {
		id, key, body := another(t, single, n)
		s.PutAccount(id, json.RawMessage(body))
		bodies[key], ids[key] = body, id
		keys = append(keys, key)
		fmt.Fprintln(&list, key)
		if n >= 2 { // the first two are absent
			fmt.Fprintln(&known, key)
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
		code := run(t.Context(), append(args[:1:1], append([]string{"-system", stack.SystemFile(s.Dir)}, args[1:]...)...), &out, &errs)
		if code != want {
			t.Fatalf("hotsync %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), errs.String())
		}
		return out.String()
	}
	hotsync(0, "backfill", "-rate", "3000", some)
	hotsync(0, "drift", "-rate", "3000", "-accounts", some)

	want := []string{keys[0], keys[1]}
	for n := 2; n < planted; n++ {
		body := bodies[keys[n]]
		was, is := `"name":"Ada Whitfield"`, `"name":"Ada Other"`
		if n%2 == 1 {
			was, is = `"status":"Active"`, `"status":"Suspended"` // of its subscription
			i := strings.LastIndex(body, `"subscriptions"`)
			body = body[:i] + strings.Replace(body[i:], was, is, 1)
		} else {
			body = strings.Replace(body, was, is, 1)
		}
		if body == bodies[keys[n]] {
			t.Fatalf("nothing was planted in account %d", n)
		}
		s.PutAccount(ids[keys[n]], json.RawMessage(body))
		want = append(want, keys[n])
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
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || r.Absent != 2 || r.Different != planted-2 || r.Equal != accounts-planted {
		t.Errorf("drift: %d equal, %d different, %d absent; accounts (-planted +found):\n%s", r.Equal, r.Different, r.Absent, diff)
	}

	if a := s.Invoke("ReconcileFunction", map[string]bool{"reconcile": true}); a.Status >= 300 {
		t.Fatalf("reconcile: %d %s", a.Status, a.Body)
	}
	s.Idle()
	if r = told(1); r.Different != 0 || r.Absent != 2 {
		t.Errorf("after the reconcile run %d accounts differ and %d are absent, want 0 and the 2 that were never synced", r.Different, r.Absent)
	}
}
