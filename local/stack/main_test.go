package stack_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run at once than there are processors: they wait most
// of the time, for backoffs and for processes.
func TestMain(m *testing.M) {
	flag.Parse()
	err := flag.Set("test.parallel", "6")
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
