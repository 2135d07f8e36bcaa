package pages

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/checkout"
)

func TestCommands(t *testing.T) {
	t.Parallel()

	const page = "Text.\n\n<!-- run by TestX -->\n```sh\none a \\\n    b   # why\n# only a remark\ntwo '#x'\n" +
		"three   # not run: needs an account\n```\n\nMore.\n\n  ```sh\n  four\n  ```\n\n<!-- not run: long " +
		"-->\n\n```console\n" +
		"$ five\nits answer\n```\n\n```json\n{}\n```\n"
	want := []Command{
		{Page: "p.md", Line: 5, Text: "one a  b", Test: "TestX"},
		{Page: "p.md", Line: 8, Text: "two '#x'", Test: "TestX"},
		{Page: "p.md", Line: 9, Text: "three", Test: "TestX", NotRun: "needs an account"},
		{Page: "p.md", Line: 15, Text: "four"},
		{Page: "p.md", Line: 21, Text: "five", NotRun: "long"},
	}
	if diff := cmp.Diff(want, commands("p.md", page)); diff != "" {
		t.Errorf("commands mismatch (-want +got):\n%s", diff)
	}
}

// tests are the names of the project's tests that read the pages, by their package, and
// of all tests.
func tests(t *testing.T) (reading map[string]bool, all map[string]string) {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	reading, all = map[string]bool{}, map[string]string{}
	named := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)\w+)\(`)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, m := range named.FindAllSubmatch(text, -1) {
			all["./"+filepath.ToSlash(folder)+" "+string(m[1])] = path
			if bytes.Contains(text, []byte("pages.Of(t)")) {
				reading[string(m[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return reading, all
}

// TestEveryCommand: each command of a page names the test that runs it, or why none
// does.
func TestEveryCommand(t *testing.T) {
	t.Parallel()

	all, err := Commands()
	if err != nil {
		t.Fatal(err)
	}
	reading, _ := tests(t)
	run := 0
	for _, c := range all {
		switch {
		case c.NotRun != "":
		case c.Test == "":
			t.Errorf("%s: nothing says which test runs it, or why none does; see the package comment of local/pages", c)
		case !reading[c.Test]:
			t.Errorf("%s: there is no %s that runs commands of pages (pages.Of)", c, c.Test)
		default:
			run++
		}
	}
	t.Logf("%d commands, of which %d are run", len(all), run)
	texts, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	// A command that stands indented would escape.
	escaped := regexp.MustCompile(`(?m)^(?:    |\t)\s*((?:aws|sam|curl|make|hotsync|go (?:run|test)) .*)$`)
	fenced := regexp.MustCompile("(?s)```.*?```")
	for page, text := range texts {
		for _, m := range escaped.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			t.Errorf("%s: %q stands in no block of a shell", page, m[1])
		}
	}
}

// TestNames: a target of make, a test and a program that a page names is there.
func TestNames(t *testing.T) {
	t.Parallel()

	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, all := tests(t)
	commands, err := Commands()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"make", "go test", "go run"} {
		more, err := Inline(word)
		if err != nil {
			t.Fatal(err)
		}
		commands = append(commands, more...)
	}
	testOf := regexp.MustCompile(`^go test .*?(\./[\w/.]+).*?(?:-run|-bench) '?\^?(\w+)`)
	program := regexp.MustCompile(`go run (\./[\w/]+)`)
	for _, c := range commands {
		if words := strings.Fields(c.Text); words[0] == "make" && len(words) > 1 {
			if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(words[1]) + `:`).Match(makefile) {
				t.Errorf("%s: the Makefile has no such target", c)
			}
		}
		if m := testOf.FindStringSubmatch(c.Text); m != nil {
			found := false
			for name := range all {
				found = found || strings.HasPrefix(name, m[1]+" "+m[2])
			}
			if !found {
				t.Errorf("%s: %s has no test %s…", c, m[1], m[2])
			}
		}
		if m := program.FindStringSubmatch(c.Text); m != nil {
			_, err = os.Stat(filepath.Join(root, m[1], "main.go"))
			if err != nil {
				t.Errorf("%s: %v", c, err)
			}
		}
	}
}
