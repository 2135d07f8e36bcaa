// Command soak tries to break hotsync: a random run of the whole local system,
// with the compiled functions, while Zuora's data changes and every hop
// misbehaves. At the end it lets everything come to rest and checks that nothing
// was lost, made twice or left different from Zuora.
//
// A run is made of its seed: the same seed has the same accounts, people,
// logins, changes and disturbances in the same order, and every place decides
// about faults by the same sequence of random numbers. What the scheduler of the
// computer makes of it differs from run to run.
//
// It exits with 1 when a promise was not kept; docs/reliability.md has them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"hotsync/local/checkout"
)

func main() {
	// What goes wrong on purpose is not worth a line of the local Lambda's.
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	f.SetOutput(stderr)
	opt := options{name: "soak", workers: 24, progress: stderr, parameters: map[string]string{}}
	scenario := f.String(
		"scenario",
		"soak",
		"soak: everything at once; outage: Zuora and Limio away for minutes; storm: many logins in a short time; budget: a "+
			"backlog against Zuora's limits, with an outage; beside: a backfill of the accounts beside logins, after "+
			"-duration of logins alone",
	)
	f.IntVar(&opt.accounts, "accounts", 1_000, "accounts in Zuora")
	f.IntVar(&opt.logins, "logins", 10_000, "logins, besides those that must follow the last change of an account")
	f.IntVar(&opt.before, "before", 0, "of a storm: logins of a smaller one, whose memory it is compared with")
	f.Uint64Var(&opt.seed, "seed", 0, "what the run is made of; 0 picks one")
	f.DurationVar(&opt.duration, "duration", 4*time.Minute,
		"over which the logins are spread; 0 of a storm: all are queued before any is synced")
	f.Float64Var(&opt.faults, "faults", 1, "how often things go wrong, times the usual")
	f.StringVar(&opt.dir, "dir", "", "where to keep the functions and their logs; a temporary folder when empty")
	f.Func(
		"set",
		"`Name=value` of a parameter of template.yaml, over its default; can be repeated",
		func(pair string) error {
			name, value, ok := strings.Cut(pair, "=")
			if !ok {
				return errors.New("want Name=value")
			}
			opt.parameters[name] = value
			return nil
		},
	)
	err := f.Parse(args)
	if err != nil || f.NArg() > 0 || scenarios[*scenario] == nil {
		return 2
	}
	for opt.seed == 0 {
		opt.seed = rand.Uint64N(1 << 32)
	}
	opt.root, err = checkout.Root()
	var out result
	if err == nil {
		out, err = scenarios[*scenario](ctx, opt)
	}
	if err != nil {
		fmt.Fprintf(stderr, "soak: seed %d: %v\n", opt.seed, err)
		return 1
	}
	fmt.Fprintf(
		stdout,
		"seed %d (replay: go run ./local/trial -scenario %s -accounts %d -logins %d -duration %s -faults %g -seed %d)\n\n",
		opt.seed,
		*scenario,
		opt.accounts,
		opt.logins,
		opt.duration,
		opt.faults,
		opt.seed,
	)
	return conclude(out, stdout, stderr)
}

// result is what a scenario showed.
type result interface {
	print(io.Writer) error
	violations() []string // promises that were not kept
}

var scenarios = map[string]func(context.Context, options) (result, error){
	"soak":   func(ctx context.Context, o options) (result, error) { return soak(ctx, o) },
	"outage": func(ctx context.Context, o options) (result, error) { return outages(ctx, o) },
	"storm":  func(ctx context.Context, o options) (result, error) { return storm(ctx, o) },
	"beside": func(ctx context.Context, o options) (result, error) { return beside(ctx, o) },
	"budget": func(ctx context.Context, o options) (result, error) { return budget(ctx, o) },
}

// shown bounds how many broken promises are told one by one.
const shown = 20

func conclude(out result, stdout, stderr io.Writer) int {
	err := out.print(stdout)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 1
	}
	broken := out.violations()
	for i, v := range broken {
		if i == shown {
			fmt.Fprintf(stderr, "soak: and %d more\n", len(broken)-shown)
			break
		}
		fmt.Fprintln(stderr, "soak:", v)
	}
	if len(broken) > 0 {
		return 1
	}
	return 0
}
