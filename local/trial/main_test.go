package main

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more runs go on at once than there are processors: they wait most of the
// time, for answers that are slow on purpose and for backoffs.
func TestMain(m *testing.M) {
	flag.Parse()
	err := flag.Set("test.parallel", "3")
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
