package lambdafn_test

import (
	"testing"

	"hotsync/shared/lambdafn"
)

func TestReaderNamesEveryProblem(t *testing.T) {
	t.Parallel()

	vars := map[string]string{"N": "0", "U": "http://example.com", "GOOD": "https://rest.eu.zuora.com/",
		"PATH_IN_URL": "https://a.example/x"}
	r := lambdafn.NewEnvironment(func(name string) string { return vars[name] })
	r.Text("QUEUE_URL", "the address of the queue")
	if got := r.Number("N", 7, 1, 9); got != 7 {
		t.Errorf("Number of a bad value = %d, want the fallback", got)
	}
	if got := r.Number("ABSENT", 3, 1, 9); got != 3 {
		t.Errorf("Number of an absent variable = %d, want the fallback", got)
	}
	r.URL("U", "an https address")
	r.URL("PATH_IN_URL", "an https address")
	if got := r.URL("GOOD", "an https address"); got != "https://rest.eu.zuora.com" {
		t.Errorf("URL = %q, want it without the slash", got)
	}
	want := `set QUEUE_URL to the address of the queue; set N to a number from 1 to 9 (it is "0"); ` +
		`set U to an https address (it is "http://example.com"); set PATH_IN_URL to an https address (it is "https://a.example/x")`
	if err := r.Err(); err == nil || err.Error() != want {
		t.Errorf("Err = %v\nwant  %s", err, want)
	}
}

func TestReaderAcceptsLoopback(t *testing.T) {
	t.Parallel()

	r := lambdafn.NewEnvironment(func(string) string { return "http://127.0.0.1:8091" })
	if got := r.URL("ZUORA_BASE_URL", "x"); got != "http://127.0.0.1:8091" || r.Err() != nil {
		t.Errorf("URL = %q, %v; want the loopback address", got, r.Err())
	}
}
