package main

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more runs go on at once than there are processors: most of their time they
// wait, for retries, for an outage to end, and for the ten seconds in which a login is the same.
// Tests that hold a login to its time come before them, one after the other.
func TestMain(m *testing.M) {
	flag.Parse()
	err := flag.Set("test.parallel", "4")
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
