package stack_test

import (
	"flag"
	"os"
	"testing"

	"hotsync/local/stack/engines/enginetest"
)

// TestMain lets more tests run at once than there are processors: they wait most
// of the time, for backoffs and for processes. On another engine, such as moto,
// which answers everybody with one processor, they come one after the other:
// several systems at once would keep a login from its time limit.
func TestMain(m *testing.M) {
	flag.Parse()
	atOnce := "6"
	if os.Getenv(enginetest.DynamoDBVariable) != "" {
		atOnce = "1"
	}
	err := flag.Set("test.parallel", atOnce)
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
