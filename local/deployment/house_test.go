package deployment_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
