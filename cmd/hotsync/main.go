// Command hotsync runs the whole system on this computer and does what
// operators need.
//
// Run hotsync --help for the commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command is a subcommand. run returns errUsage for wrong words, and errQuiet
// when all that is to be said was said.
type command struct {
	name, args, summary string
	run                 func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// status is an error that says with its number what there is to say.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

var (
	errUsage = errors.New("usage")
	errQuiet = errors.New("quiet")
)

func commands() []command {
	return []command{
		{"up", "", "run the whole system on this computer (the same as make run)", up},
		{"login", "PERSONA", "sign a persona in, wait for the sync, print its events as JSON", login},
		{"token", "PERSONA", "print an ID token of a persona", token},
		{"backfill", "[FILE]", "sync the accounts of a list, behind the logins, and say what became of each", backfill},
		{"drift", "", "say where Limio differs from Zuora, and write nothing", compareDrift},
		{"erase", "", "take a person out of events and state, and say what was removed", erase},
		{"check", "", "read a Zuora and a Limio tenant and say which assumptions hold there", check},
		{
			"cognito",
			"attach|detach",
			"set or remove the triggers of a user pool, and nothing else about it",
			cognitoTriggers,
		},
		{"personas", "", "list the personas of the local identity provider", personas},
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return 2
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(stdout)
		return 0
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, args[1:], stdout, stderr)
		var code status
		switch {
		case errors.As(err, &code):
			return int(code)
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			fmt.Fprintln(stderr, c.usage())
			return 2
		case errors.Is(err, errQuiet):
			return 1
		default:
			fmt.Fprintf(stderr, "hotsync %s: %v\n", c.name, err)
			return 1
		}
	}
	fmt.Fprintf(stderr, "hotsync: there is no command %q; hotsync --help lists them\n", args[0])
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(
		w,
		"Hotsync brings the Zuora accounts of whoever signs in to Limio.\n\nusage: hotsync COMMAND [flags] [arguments]\n\n",
	)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-18s %s\n", c.name+" "+c.args, c.summary)
	}
	fmt.Fprint(w, "\nhotsync COMMAND --help lists a command's flags.\n")
}

func (c command) usage() string {
	return strings.TrimSpace("usage: hotsync " + c.name + " [flags] " + c.args)
}

// flags makes a command's flag set, which says what the command does when asked.
func flags(name string, stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		for _, c := range commands() {
			if c.name == name {
				fmt.Fprintf(stderr, "%s\n\n%s\n", c.usage(), c.summary)
			}
		}
		f.PrintDefaults()
	}
	return f
}

// parse reads the flags and wants exactly n arguments.
func parse(f *flag.FlagSet, args []string, n int) error {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errQuiet // the flag set has said it
	case f.NArg() != n:
		return errUsage
	}
	return nil
}
