// Command bench measures the product on this computer against its targets for
// speed and memory, each as a ratio to something measured in the same run, and
// prints one table. It ends with 1 when a target is missed.
//
// It starts systems of its own on free ports, with the compiled functions.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"hotsync/local/checkout"
	"hotsync/local/stack"
	"hotsync/local/stack/engines"
	"hotsync/local/stack/lambdahost"
)

func main() { os.Exit(run()) }

func run() int {
	only := flag.String("only", "", "run the measurements whose name has this in it")
	checked := flag.Bool(
		"check",
		false,
		"measure only what does not depend on the computer, and hold it to "+budgetsFile,
	)
	events := flag.Int("events", 100_000, "events of the larger store that reads are measured in")
	update := flag.Bool("update", false, "with -check: write that file anew")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root, err := checkout.Root()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	rows, err := measure(ctx, &bench{root: root, events: *events}, *only, *checked, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	if !*checked {
		return table(os.Stdout, rows)
	}
	code, err := check(root, rows, *update, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	return code
}

// row is a line of the table: value is held to at most target, unless target is 0.
type row struct {
	name   string
	value  float64
	target float64
	unit   string // of value and target; "x" for a ratio
	detail string
	fixed  bool // does not depend on the computer: held to budgets.txt by -check
	held   bool // to target, whatever it is
}

// bench is what the measurements share.
type bench struct {
	root     string
	dir      string // for binaries and logs
	engines  *engines.Engines
	binaries map[string]string
	stacks   int
	events   int // of the larger store that reads are measured in
}

// measurements are what can be asked for with -only; fixed ones have rows that do not depend on the computer.
var measurements = []struct {
	name  string
	fixed bool
	run   func(context.Context, *bench) ([]row, error)
}{
	{"login", false, loginRows},
	{"init", false, initRows},
	{"sync", false, syncRows},
	{"batch", false, batchRows},
	{"cpu", false, cpuRows},
	{"queueing", false, queueRows},
	{"memory", false, memoryRows},
	{"catalogue", false, catalogueRows},
	{"calls", true, callRows},
	{"plan V", true, planVRows},
	{"size", true, sizeRows},
	{"allocations", true, allocationRows},
	{"reads", true, flatCheckRows},
	{"flat", false, flatRows},
	{"cost", false, costRows},
	{"naive", false, naiveRows},
}

func measure(ctx context.Context, b *bench, only string, fixed bool, progress io.Writer) (rows []row, err error) {
	b.dir, err = os.MkdirTemp("", "hotsync-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(b.dir)
	b.binaries, err = lambdahost.Build(ctx, b.root, filepath.Join(b.dir, "functions"))
	if err != nil {
		return nil, err
	}
	b.engines, err = engines.Start(ctx, engines.Options{Root: b.root})
	if err != nil {
		return nil, err
	}
	defer b.engines.Stop()
	for _, m := range measurements {
		if !strings.Contains(m.name, only) || fixed && !m.fixed {
			continue
		}
		fmt.Fprintln(progress, "measuring", m.name)
		more, err := m.run(ctx, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// stack starts a system over the shared engines.
func (b *bench) stack(ctx context.Context, opt stack.Options) (*system, error) {
	b.stacks++
	if opt.Engines == nil {
		opt.Engines = b.engines
	}
	opt.Binaries, opt.Name = b.binaries, fmt.Sprintf("bench%d", b.stacks)
	opt.Dir = filepath.Join(b.dir, opt.Name)
	s, err := stack.Start(ctx, b.root, opt)
	if err != nil {
		return nil, err
	}
	return &system{s}, nil
}

func table(w io.Writer, rows []row) int {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measured\tvalue\ttarget\t\tdetail")
	code := 0
	for _, r := range rows {
		target, verdict := "", ""
		if r.target > 0 || r.held {
			target, verdict = fmt.Sprintf("<= %.4g %s", r.target, r.unit), "ok"
			if r.value > r.target {
				verdict, code = "MISSED", 1
			}
		}
		fmt.Fprintf(t, "%s\t%.3g %s\t%s\t%s\t%s\n", r.name, r.value, r.unit, target, verdict, r.detail)
	}
	err := t.Flush()
	if err != nil {
		return 1
	}
	return code
}

// percentile returns the p-th of the durations, which it sorts.
func percentile(all []time.Duration, p float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(float64(len(all))*p/100))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
