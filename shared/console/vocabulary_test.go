package console

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hotsync/shared/console/internal/sample"
	"hotsync/shared/hotsync"
)

// constant is one that events and login records show: an error's code, a reason or a
// trigger.
var constant = regexp.MustCompile(`(?m)^\t((?:Code|Reason|Trigger)\w+)(?:\s+Code|\s+Trigger)?\s+= "(\w+)"`)

// TestTheVocabularyIsWhole: what events and login records can say is called by words
// of its own, and a skipped sync says why.
func TestTheVocabularyIsWhole(t *testing.T) {
	t.Parallel()

	seen := 0
	for _, pattern := range []string{"../hotsync/*.go", "../claims/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
				seen++
				if vocabulary[m[2]].label == "" {
					t.Errorf("%s (%s) has no words: add a row for %q to the vocabulary in vocabulary.go", m[1], file, m[2])
				}
			}
			for _, m := range skipReason.FindAllStringSubmatch(string(source), -1) {
				if vocabulary[m[1]].why == "" {
					t.Errorf("a sync skipped as %q does not say why: add why to its row in vocabulary.go", m[1])
				}
			}
		}
	}
	if want := len(hotsync.Codes()) + 10; seen < want {
		t.Errorf("found %d constants in the source, want %d at the least", seen, want)
	}
}

var skipReason = regexp.MustCompile(`(?m)^\tReason\w+\s+= "(\w+)"\s+// skipped: `)

// TestEveryStatusAndReasonIsInTheGallery, in words and a colour of its own, and in the
// description of the API.
func TestEveryStatusAndReasonIsInTheGallery(t *testing.T) {
	t.Parallel()

	css, err := os.ReadFile("static/console.css")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	cases := sample.Events(now)
	has := func(is func(hotsync.Event) bool) bool {
		return slices.ContainsFunc(cases, func(c sample.Case) bool { return is(c.Event) })
	}
	for _, s := range hotsync.Statuses {
		names = append(names, string(s))
		if !has(func(e hotsync.Event) bool { return e.Status == s }) {
			t.Errorf("no event of the gallery is %s: add one to internal/sample/sample.go", s)
		}
		e, failed := hotsync.Event{Status: s}, hotsync.Event{Status: hotsync.StatusFailed}
		if s != hotsync.StatusFailed && (headline(e) == headline(failed) || explain(e) == explain(failed)) {
			t.Errorf("a sync that is %s is told as a failure: give it a case in explain, headline and todo (words.go)", s)
		}
		if !strings.Contains(string(css), "\n.s-"+string(s)+" {") {
			t.Errorf("static/console.css has no tone for .s-%s", s)
		}
	}
	want := "\n    Status: {type: string, enum: [" + strings.Join(names, ", ") + "]}\n"
	if !strings.Contains(string(spec), want) {
		t.Errorf("docs/openapi.yaml names other statuses, want%s", want)
	}
	source, err := os.ReadFile("../hotsync/event.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
		if !has(func(e hotsync.Event) bool { return e.Reason == m[2] }) {
			t.Errorf("no event of the gallery has the reason %s: add one to internal/sample/sample.go", m[1])
		}
	}
}
