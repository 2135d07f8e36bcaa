// Package pages reads the shell commands of the documentation, so that tests run them
// as they are written there.
//
// A comment before a block says what runs its commands:
//
//	<!-- run by TestOperateOnMoto -->
//	<!-- not run: needs a Docker engine -->
//
// and a command can say for itself, to readers too, that nothing runs it:
//
//	sam deploy --config-env dev    # not run: needs an AWS account
package pages

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hotsync/local/checkout"
)

// Command is a command of a page.
type Command struct {
	Page   string // below the checkout, with slashes
	Line   int
	Text   string // on one line, without its comment
	Test   string // that runs it
	NotRun string // why none does
}

func (c Command) String() string { return fmt.Sprintf("%s:%d: %s", c.Page, c.Line, c.Text) }

// folders have the pages.
var folders = []string{".", "docs", "docs/runbooks", "docs/decisions", "events"}

// Read returns the text of every page, by its path below the checkout.
func Read() (map[string]string, error) {
	root, err := checkout.Root()
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.md"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			all[filepath.ToSlash(filepath.Join(folder, filepath.Base(file)))] = string(text)
		}
	}
	return all, nil
}

// Commands returns every command in a block of a shell, in the order of the pages.
func Commands() (all []Command, err error) {
	texts, err := Read()
	if err != nil {
		return nil, err
	}
	for name, text := range texts {
		all = append(all, commands(name, text)...)
	}
	slices.SortFunc(all, func(a, b Command) int {
		if a.Page != b.Page {
			return strings.Compare(a.Page, b.Page)
		}
		return a.Line - b.Line
	})
	return all, nil
}

// Of returns the commands that the test runs, or fails it where there are none.
func Of(t testing.TB) (mine []Command) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	all, err := Commands()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Test == name && c.NotRun == "" {
			mine = append(mine, c)
		}
	}
	if len(mine) == 0 {
		t.Fatalf("no page has a command that is run by %s", name)
	}
	return mine
}

var (
	runBy  = regexp.MustCompile(`^<!-- run by (\w+) -->$`)
	notRun = regexp.MustCompile(`^<!-- not run: (.+) -->$`)
	fence  = regexp.MustCompile("^\\s*```(\\w*)$")
	remark = regexp.MustCompile(`(^|\s+)# (.*)$`)
)

// commands are those of a page. In a block of a console they stand behind a prompt, amid
// what they print.
func commands(page, text string) (all []Command) {
	var said Command // of the comment before the block
	kind, in := "", false
	lines := strings.Split(text, "\n")
	for n := 0; n < len(lines); n++ {
		line := strings.TrimSpace(lines[n])
		if m := fence.FindStringSubmatch(lines[n]); m != nil {
			in = !in
			if in {
				kind = m[1]
			} else {
				said = Command{}
			}
			continue
		}
		if !in {
			if m := runBy.FindStringSubmatch(line); m != nil {
				said = Command{Test: m[1]}
			} else if m := notRun.FindStringSubmatch(line); m != nil {
				said = Command{NotRun: m[1]}
			}
			continue
		}
		c := said
		c.Page, c.Line = page, n+1
		for strings.HasSuffix(line, `\`) && n+1 < len(lines) {
			n++
			line = strings.TrimSuffix(line, `\`) + " " + strings.TrimSpace(lines[n])
		}
		switch kind {
		case "sh":
		case "console":
			var ok bool
			line, ok = strings.CutPrefix(line, "$ ")
			if !ok {
				continue
			}
		default:
			continue
		}
		if m := remark.FindStringSubmatchIndex(line); m != nil {
			if why, ok := strings.CutPrefix(line[m[4]:], "not run: "); ok {
				c.NotRun = why
			}
			line = line[:m[0]]
		}
		c.Text = strings.TrimSpace(line)
		if c.Text != "" {
			all = append(all, c)
		}
	}
	return all
}

var inline = regexp.MustCompile("`([^`\n]+)`")

// Inline returns what stands as code in the running text of the pages and begins with
// the word, with where.
func Inline(word string) (all []Command, err error) {
	texts, err := Read()
	if err != nil {
		return nil, err
	}
	for page, text := range texts {
		in := false
		for n, line := range strings.Split(text, "\n") {
			if fence.MatchString(line) {
				in = !in
			}
			if in {
				continue
			}
			for _, m := range inline.FindAllStringSubmatch(line, -1) {
				if m[1] == word || strings.HasPrefix(m[1], word+" ") {
					all = append(all, Command{Page: page, Line: n + 1, Text: m[1]})
				}
			}
		}
	}
	return all, nil
}
