package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hotsync/local/checkout"
	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/stacktest"
)

// stacks makes the names of stacks differ: they share their engines.
var stacks atomic.Int64

// short makes the options of a run for a test.
func short(t *testing.T, accounts, logins int, duration time.Duration) options {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	binaries, err := stacktest.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	return options{engines: enginetest.Start(t), name: fmt.Sprintf("soak%d", stacks.Add(1)), accounts: accounts,
		logins: logins, duration: duration, seed: 1, faults: 1, workers: 8, root: root, binaries: binaries,
		progress: testLog{t}}
}

// testLog writes a run's progress to the log of a test.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// show prints a table, and fails for every promise that was not kept.
func show(t *testing.T, out result) {
	t.Helper()
	var table strings.Builder
	err := out.print(&table)
	if err != nil {
		t.Error(err)
	}
	t.Log("\n" + table.String())
	for i, v := range out.violations() {
		if i == shown {
			t.Fatalf("and %d more", len(out.violations())-shown)
		}
		t.Error(v)
	}
}

// The short form of make soak.
func TestSoak(t *testing.T) {
	t.Parallel()

	out, err := soak(t.Context(), short(t, 100, 500, 8*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	show(t, out)
	if out.did.kills == 0 || out.did.redelivered == 0 || len(out.did.faults) < 8 {
		t.Errorf("the run was too quiet: %+v", out.did)
	}
}

// The short form of the outages of make soak.
func TestOutages(t *testing.T) {
	t.Parallel()

	out, err := outages(t.Context(), short(t, 60, 300, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	show(t, out)
	if len(out.did.outages) != 2 || out.episodes[0].asked == 0 || out.episodes[1].asked == 0 {
		t.Errorf("the run was too quiet: %+v", out.did)
	}
}

// The short form of make storm.
func TestStorm(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name             string
		accounts, logins int
		most             int // syncs of them; of many people it depends on how fast this computer is
	}{
		{"of many people", 50, 200, 200},
		{"of one person", 1, 150, 30}, // 66 if no sync covered another: the queue takes no more of one person
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			out, err := storm(t.Context(), short(t, tc.accounts, tc.logins, 2*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			show(t, out)
			if out.saw.reads > tc.most {
				t.Errorf("%d of %d logins read Zuora, want at most %d", out.saw.reads, out.logins, tc.most)
			}
		})
	}
}

// All logins are in the queue before the first is synced: few of them cost a sync, and the
// functions hold no more than for a tenth of them.
func TestStormOfOneMoment(t *testing.T) {
	t.Parallel()

	opt := short(t, 20, 300, 0)
	opt.before = 30
	out, err := storm(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	show(t, out)
	if out.saw.reads > 60 {
		t.Errorf("%d of %d logins read Zuora, want about one for each of 20 people", out.saw.reads, out.logins)
	}
	for _, function := range stormFunctions {
		if out.memory[1][function] == 0 && runtime.GOOS == "linux" {
			t.Errorf("the memory of %s was not seen", function)
		}
	}
}

func TestSamePlan(t *testing.T) {
	t.Parallel()

	if a, b := planText(7), planText(7); a != b {
		t.Error("the same seed made two plans")
	}
	if planText(7) == planText(8) {
		t.Error("two seeds made the same plan")
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()

	for _, args := range [][]string{{"-scenario", "picnic"}, {"-seed", "x"}, {"more"}} {
		var out, errs strings.Builder
		if code := command(context.Background(), args, &out, &errs); code != 2 {
			t.Errorf("soak %q ended with %d, want 2", args, code)
		}
	}
}
