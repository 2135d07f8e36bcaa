package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"hotsync/local/checkout"
	"hotsync/local/samlocal"
	"hotsync/local/sandbox/persona"
	"hotsync/local/stack"
)

// up runs the local system until it is interrupted.
func up(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("up", stderr)
	verbose := f.Bool("v", false, "show the functions' log lines")
	forSAM := f.Bool("for-sam", false, "let containers of sam local invoke reach it, and write a template for them")
	err := parse(f, args, 0)
	if err != nil {
		return err
	}
	root, err := checkout.Root()
	if err != nil {
		return err
	}
	opt := stack.Options{
		Ports:    stack.FixedPorts,
		Dir:      filepath.Join(root, ".hotsync"),
		Personas: true,
		Bought:   true,
		Env:      []string{"CONSOLE_GALLERY=true"},
		Progress: func(format string, a ...any) { fmt.Fprintf(stderr, "hotsync: "+format+"\n", a...) },
	}
	if *verbose {
		opt.Logs = stderr
	}
	s, err := stack.Start(ctx, root, opt)
	if err != nil {
		return err
	}
	err = s.Describe()
	if err != nil {
		return errors.Join(err, s.Close())
	}
	banner(stdout, s)
	if *forSAM {
		doors, err := samlocal.Open(ctx, s, root, samlocal.Bridge(), filepath.Join(s.Dir, "sam"))
		if err != nil {
			return errors.Join(err, s.Close())
		}
		defer doors.Close()
		fmt.Fprintf(
			stdout,
			"\nsam local invoke runs the functions of %s; the lines are in events/README.md.\n",
			doors.Template,
		)
	}
	<-ctx.Done()
	fmt.Fprintln(stderr, "hotsync: stopping")
	return s.Close()
}

func banner(w io.Writer, s *stack.Stack) {
	fmt.Fprintf(w, `
  the shop            %s   sign in and see what arrives
  HTTP API, console   %s
  Lambda invoke API   %s
  Zuora sandbox       %s
  Limio sandbox       %s/_sandbox/state
  identity provider   %s
  logs                %s

Sign somebody in from another terminal:

`, s.ShopURL, s.URL, s.InvokeURL, s.ZuoraURL, s.LimioURL, s.IDPURL, filepath.Join(s.Dir, "logs"))
	for _, p := range persona.All(time.Now()) {
		if p.Issuer != persona.Staff {
			fmt.Fprintf(w, "  go run ./cmd/hotsync login %-11s %s\n", p.Name, p.Story)
		}
	}
	fmt.Fprint(w, "\nStaff of the console: viewer, operator, admin. Ctrl-C ends it all.\n")
}
