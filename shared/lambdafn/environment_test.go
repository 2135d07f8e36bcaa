package lambdafn_test

import (
	"errors"
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

func TestNumber(t *testing.T) {
	t.Parallel()

	for value, want := range map[string]int{"": 7, "1": 1, " 9 ": 9, "0": 7, "10": 7, "x": 7} {
		r := lambdafn.NewEnvironment(func(string) string { return value })
		got := r.Number("N", 7, 1, 9)
		if wrong := want == 7 && value != ""; got != want || (r.Err() != nil) != wrong {
			t.Errorf("Number(%q) = %d, %v; want %d, wrong %t", value, got, r.Err(), want, wrong)
		}
	}
}

func TestURL(t *testing.T) {
	t.Parallel()

	for value, want := range map[string]string{
		"http://127.0.0.1:8091":    "http://127.0.0.1:8091",
		"http://[::1]:8091":        "http://[::1]:8091",
		"http://localhost":         "http://localhost",
		"https://a.example":        "https://a.example",
		"https://a.example/":       "https://a.example",
		"http://a.example":         "",
		"ftp://127.0.0.1":          "",
		"https://":                 "",
		"https://me@a.example":     "",
		"https://a.example/x":      "",
		"https://a.example?x=1":    "",
		"https://a.example#x":      "",
		"https://a.example:port":   "",
		"http://localhost.example": "",
	} {
		r := lambdafn.NewEnvironment(func(string) string { return value })
		got := r.URL("U", "an address")
		if got != want || (r.Err() == nil) != (want != "") {
			t.Errorf("URL(%q) = %q, %v; want %q", value, got, r.Err(), want)
		}
	}
}

// What is wrong is said once, however many parts ask for it; nothing is wrong where nobody
// says so.
func TestProblemsAreSaidOnce(t *testing.T) {
	t.Parallel()

	r := lambdafn.NewEnvironment(func(string) string { return "" })
	r.Note(nil)
	if err := r.Err(); err != nil {
		t.Errorf("Err = %v, want none", err)
	}
	r.URL("U", "an address")
	r.Text("U", "an address")
	r.Note(errors.New("no region"))
	if err, want := r.Err(), "set U to an address; no region"; err == nil || err.Error() != want {
		t.Errorf("Err = %v, want %s", err, want)
	}
}
