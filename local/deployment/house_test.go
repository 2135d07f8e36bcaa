package deployment_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"go/scanner"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"hotsync/local/checkout"
)

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Doc string
	Imports         []string
}

func goPackages(t *testing.T, patterns ...string) []goPackage {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Doc,Imports"}, patterns...)...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// What runs in AWS knows nothing of the local system, and each outside library has one place.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()

	only := map[string][]string{ // who may import, besides packages below it
		"github.com/lestrrat-go/jwx/": {"hotsync/shared/oidc"},
	}
	for _, p := range goPackages(t, "./shared/...", "./functions/...") {
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "hotsync/local/") && !strings.HasSuffix(p.ImportPath, "test") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
			if strings.HasPrefix(p.ImportPath, "hotsync/shared/") && strings.HasPrefix(imported, "hotsync/functions/") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
			for library, may := range only {
				if strings.HasPrefix(imported, library) && !slices.Contains(may, p.ImportPath) {
					t.Errorf("%s imports %s, which is for %s alone", p.ImportPath, imported, may)
				}
			}
		}
	}
}

// A package says its job in its comment, and none is named after nothing.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()

	nothing := []string{"common", "util", "utils", "helper", "helpers", "types", "models", "misc"}
	for _, p := range goPackages(t, "./...") {
		if p.Doc == "" && !strings.Contains(p.ImportPath, "/testdata/") {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		if slices.Contains(nothing, p.ImportPath[strings.LastIndex(p.ImportPath, "/")+1:]) {
			t.Errorf("%s says nothing of what is in it", p.ImportPath)
		}
	}
}

// The README names every package of shared/, so that a newcomer finds each by what it does.
func TestReadmeNamesEveryPackage(t *testing.T) {
	t.Parallel()

	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range goPackages(t, "./shared/...", "./functions/...") {
		folder := strings.TrimPrefix(p.ImportPath, "hotsync/")
		if strings.Contains(folder, "/internal/") || strings.HasSuffix(folder, "test") {
			continue
		}
		if !strings.Contains(string(readme), "`"+folder+"`") {
			t.Errorf("README.md does not name `%s`", folder)
		}
	}
}

// Lines have 120 columns at most, a tab counted as one: what does not fit beside its
// neighbour's on a screen is not compared. Text that cannot be parted may be longer, as
// in a raw string or an address.
func TestLinesFitTheScreen(t *testing.T) {
	t.Parallel()

	const columns = 120
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, top := range []string{"cmd", "functions", "local", "shared"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")) {
				return cmp.Or(err, fs.SkipDir)
			}
			if d.IsDir() || filepath.Ext(path) != ".go" {
				return nil
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for n, line := range wideLines(src, columns) {
				t.Errorf("%s:%d has %d columns", strings.TrimPrefix(path, root+"/"), n, line)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wideLines returns the columns of lines of Go source that are wider, by their numbers,
// where it is no single text that is too wide.
func wideLines(src []byte, columns int) map[int]int {
	wide := map[int]int{}
	for i, line := range bytes.Split(src, []byte("\n")) {
		if n := utf8.RuneCount(line); n > columns {
			wide[i+1] = n
		}
	}
	if len(wide) == 0 {
		return nil
	}
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, scanner.ScanComments)
	for {
		pos, kind, text := s.Scan()
		if kind == token.EOF {
			return wide
		}
		raw := kind == token.STRING && text[0] == '`'
		single := kind == token.STRING || kind == token.COMMENT && !strings.Contains(strings.TrimPrefix(text, "// "), " ")
		if !raw && !single {
			continue
		}
		from := files.Position(pos)
		for n := range strings.Count(text, "\n") + 1 {
			if raw || utf8.RuneCountInString(text) > columns/2 {
				delete(wide, from.Line+n)
			}
		}
	}
}
