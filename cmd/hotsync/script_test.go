package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hotsync": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}})
}

// TestScripts runs the scripts of testdata/script, all against one system:
// $API and $IDP are its addresses, $SYSTEM its description, $NOTHING is one where nothing answers.
func TestScripts(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	err := s.Describe()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("API", s.URL)
			e.Setenv("IDP", s.IDPURL)
			e.Setenv("SYSTEM", stack.SystemFile(s.Dir))
			e.Setenv("NOTHING", "http://127.0.0.1:9")
			return nil
		}})
}
