package release_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/deployment"
	"hotsync/local/release"
)

const root = "../.."

// loginBudget bounds the login function's zip: Lambda reads it at every cold
// start, and a login may wait for one.
const loginBudget = 8 << 20

// TestMake makes a release and looks at every file of it. Then it makes two more, of one
// function, from checkouts at other places: all functions are built by one command, and
// linking them is what a release costs.
func TestMake(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	files, err := release.Make(t.Context(), root, dir, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	first, second := makeElsewhere(t, "login"), makeElsewhere(t, "login")
	names := slices.Sorted(maps.Keys(first))
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(second))); diff != "" {
		t.Errorf("files of two builds (-first +second):\n%s", diff)
	}
	for _, name := range names {
		if first[name] != second[name] {
			t.Errorf("%s differs between two builds", name)
		}
	}
	for _, name := range []string{"login.zip", release.Template, release.GradualTemplate} {
		if first[name] != read(t, dir, name) {
			t.Errorf("%s differs between this checkout and another", name)
		}
	}
	sums := map[string]string{}
	for line := range strings.Lines(read(t, dir, release.Checksums)) {
		words := strings.Fields(line)
		sums[words[1]] = words[0]
	}
	for _, name := range files {
		a := read(t, dir, name)
		if sum := sha256.Sum256([]byte(a)); name != release.Checksums && sums[name] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %s has the checksum %q", release.Checksums, name, sums[name])
		}
		if strings.HasSuffix(name, ".zip") {
			checkZip(t, name, a)
		}
	}
	if size := len(read(t, dir, "login.zip")); size > loginBudget {
		t.Errorf("login.zip has %d bytes, the budget is %d", size, loginBudget)
	} else {
		t.Logf("login.zip has %d bytes", size)
	}
	checkBill(t, read(t, dir, release.SBOM))
	checkTemplate(t, dir, release.Template, files)
	checkTemplate(t, dir, release.GradualTemplate, files)
}

// makeElsewhere copies the checkout with that function alone, makes a release of it, and
// returns its files by name.
func makeElsewhere(t *testing.T, function string) map[string]string {
	t.Helper()
	other, dir := t.TempDir(), t.TempDir()
	for _, part := range []string{filepath.Join("functions", function), "shared"} {
		err := os.CopyFS(filepath.Join(other, part), os.DirFS(filepath.Join(root, part)))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum", "template.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(filepath.Join(other, file), text, 0o644)
		if err != nil {
			t.Fatal(err)
		}
	}
	names, err := release.Make(t.Context(), other, dir, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		files[name] = read(t, dir, name)
	}
	return files
}

// checkTemplate wants every function to take a zip of the release, and the
// version where an output shows it.
func checkTemplate(t *testing.T, dir, name string, files []string) {
	t.Helper()
	tmpl, err := deployment.Load(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	functions := tmpl.Of("AWS::Serverless::Function")
	if len(functions) == 0 {
		t.Fatal("the template has no function")
	}
	for _, f := range functions {
		if code := deployment.Text(f.Properties["CodeUri"]); !strings.HasSuffix(code, ".zip") ||
			!slices.Contains(files, code) {
			t.Errorf("%s takes the code %q, which is not in the release", f.ID, code)
		}
		if f.Attributes["Metadata"] != nil {
			t.Errorf("%s would be built: %v", f.ID, f.Attributes["Metadata"])
		}
	}
	// A parameter would keep the version that was deployed first: sam deploy gives those again as they were.
	if got := deployment.Text(deployment.Object(tmpl.Outputs["Version"])["Value"]); got != "1.2.3" {
		t.Errorf("%s: the output Version is %q", name, got)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkZip wants the one executable file that Lambda's provided runtimes start.
func checkZip(t *testing.T, name, text string) {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode().Perm() != 0o755 {
		t.Fatalf("%s holds %v, want an executable bootstrap alone", name, z.File)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if binary.Machine != elf.EM_AARCH64 {
		t.Errorf("%s is for %s, want arm64", name, binary.Machine)
	}
}

func checkBill(t *testing.T, text string) {
	t.Helper()
	var bill struct {
		BomFormat, SpecVersion, SerialNumber string
		Metadata                             struct {
			Component struct{ Name, Version string }
		}
		Components []struct {
			Name, Version, PURL string
			Licenses            []struct{ License struct{ ID string } }
		}
	}
	err := json.Unmarshal([]byte(text), &bill)
	if err != nil {
		t.Fatal(err)
	}
	if bill.BomFormat != "CycloneDX" || bill.SpecVersion != "1.5" || bill.Metadata.Component.Version != "1.2.3" ||
		!strings.HasPrefix(bill.SerialNumber, "urn:uuid:") {
		t.Errorf("the bill begins with %+v", bill)
	}
	var names []string
	for _, c := range bill.Components {
		names = append(names, c.Name)
		if c.PURL != "pkg:golang/"+c.Name+"@"+c.Version || len(c.Licenses) != 1 {
			t.Errorf("component %+v", c)
			continue
		}
		if id := c.Licenses[0].License.ID; !slices.Contains(release.Allowed, id) {
			t.Errorf("%s is under %s, which is not allowed", c.Name, id)
		}
	}
	for _, want := range []string{"github.com/aws/aws-lambda-go", "github.com/aws/aws-sdk-go-v2/service/sqs",
		"github.com/lestrrat-go/jwx/v2"} {
		if !slices.Contains(names, want) {
			t.Errorf("the bill lacks %s; it has %v", want, names)
		}
	}
	if slices.Contains(names, "github.com/google/go-cmp") {
		t.Error("the bill has a module that only tests use")
	}
}

// TestLicenses checks every module that is compiled, tests and tools included.
func TestLicenses(t *testing.T) {
	t.Parallel()

	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}{{end}}{{end}}", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	modules = slices.Compact(modules)
	if len(modules) < 10 {
		t.Fatalf("found only the modules %v", modules)
	}
	for _, m := range modules {
		path, version, _ := strings.Cut(m, "@")
		id, err := release.LicenseOf(path, version)
		switch {
		case err != nil:
			t.Error(err)
		case !slices.Contains(release.Allowed, id):
			t.Errorf("%s is under %s, which is not allowed", m, id)
		}
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"Apache License\n   Version 2.0, January 2004\n":                                "Apache-2.0",
		"Permission is hereby granted,\nfree of charge, to any person obtaining a copy": "MIT",
		"GNU GENERAL PUBLIC LICENSE Version 3":                                          "GPL-3.0-only",
		"GNU AFFERO GENERAL PUBLIC LICENSE":                                             "AGPL-3.0-only",
		"All rights reserved.":                                                          "",
	} {
		if got := release.Identify(text); got != want {
			t.Errorf("Identify(%.20q) = %q, want %q", text, got, want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()

	got, err := release.Version(filepath.Join(root, "CHANGELOG.md"))
	if err != nil || strings.Count(got, ".") != 2 {
		t.Errorf("Version of the changelog = %q, %v", got, err)
	}
}
