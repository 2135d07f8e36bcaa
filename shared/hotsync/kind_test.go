package hotsync_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
)

var update = flag.Bool("update", false, "write the table of docs/errors.md anew")

// docs/errors.md lists every code that a sync can meet, with what becomes of it.
func TestErrorsAreDocumented(t *testing.T) {
	t.Parallel()

	const begin, end, file = "<!-- errors -->\n", "<!-- end of errors -->", "../../docs/errors.md"
	var table strings.Builder
	for _, k := range []hotsync.Kind{hotsync.KindOutage, hotsync.KindAccount, hotsync.KindProcess} {
		fmt.Fprintf(&table, "\n### %s\n\n%s\n\n| code | what to do |\n|---|---|\n",
			strings.ToUpper(string(k[:1]))+string(k[1:]), k.Fate())
		codes := hotsync.Codes()
		slices.Sort(codes)
		for _, c := range codes {
			if c.Kind() == k {
				fmt.Fprintf(&table, "| `%s` | %s |\n", c, c.Hint())
			}
		}
	}
	table.WriteString("\n")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	was, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %s", file, begin)
	}
	if *update {
		err = os.WriteFile(file, []byte(before+begin+table.String()+end+after), 0o644)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(was, table.String()); diff != "" {
		t.Errorf("%s is not what the code says; run go test ./shared/hotsync -update (-file +code):\n%s", file, diff)
	}
}

// An outage is what trying again can help against, and so is a process's trouble, but
// for what has been tried already.
func TestKinds(t *testing.T) {
	t.Parallel()

	for _, c := range hotsync.Codes() {
		k := c.Kind()
		if k == hotsync.KindOutage && !c.Transient() || k == hotsync.KindAccount && c.Transient() {
			t.Errorf("%s is %s and transient %t", c, k, c.Transient())
		}
		if k.Fate() == "" {
			t.Errorf("%s: nothing says what becomes of it", c)
		}
	}
}
