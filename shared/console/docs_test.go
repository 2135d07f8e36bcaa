package console_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/console.md names every operation of the JSON API, and no other.
func TestDocsNameEveryOperation(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("../../docs/console.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	operation := regexp.MustCompile(`"((?:GET|PUT|POST|DELETE) /api/[^"]+)"`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range operation.FindAllStringSubmatch(string(source), -1) {
			served[m[1]] = true
			if !strings.Contains(string(page), "| `"+m[1]+"` |") {
				t.Errorf("docs/console.md does not name %s", m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /api/[^`]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		if !served[m[1]] {
			t.Errorf("docs/console.md names %s, which is not served", m[1])
		}
	}
}
