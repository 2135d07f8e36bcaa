package awstools_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotsync/local/awstools"
	"hotsync/local/checkout"
	"hotsync/local/deployment"
	"hotsync/local/pages"
)

func root(t testing.TB) string {
	t.Helper()
	dir, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSAM has SAM CLI validate the template and build every function twice. The
// second build links nothing: what is up to date is copied.
func TestSAM(t *testing.T) {
	t.Parallel()

	tools, dir := awstools.Require(t), root(t)
	env := tools.Environment()
	got := tools.Run(t, dir, env, "sam", "validate", "--lint")
	if !strings.Contains(got, "valid SAM Template") {
		t.Errorf("sam validate --lint: %s", got)
	}

	first := build(t, tools, dir, env)
	second := build(t, tools, dir, env)
	for program, before := range first {
		if !os.SameFile(before, second[program]) {
			t.Errorf("the second sam build linked %s again", program)
		}
	}
	checkBuilt(t, dir)

	// And as docs/operate.md has it, with an alias: other code there is not.
	for _, c := range pages.Of(t) {
		if c.Page != guide {
			cmd := exec.CommandContext(t.Context(), "bash", "-c", c.Text)
			cmd.Dir, cmd.Env = dir, env
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", c, err, out)
			}
		}
	}
	built := checkBuilt(t, dir)
	if f := built.Of("AWS::Serverless::Function")[0]; built.Property(f, "AutoPublishAlias") != "live" {
		t.Errorf("the template that was built last has no alias")
	}
}

// checkBuilt wants a program for every function of the template that sam built.
func checkBuilt(t *testing.T, dir string) *deployment.Template {
	t.Helper()
	tmpl, err := deployment.Load(filepath.Join(dir, ".aws-sam", "build", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	functions := tmpl.Of("AWS::Serverless::Function")
	if len(functions) < 5 {
		t.Errorf("%d functions were built", len(functions))
	}
	for _, f := range functions {
		info, err := os.Stat(filepath.Join(dir, ".aws-sam", "build", f.ID, "bootstrap"))
		if err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s: no program to start: %v", f.ID, err)
		}
		if got := deployment.Text(f.Properties["CodeUri"]); got != f.ID {
			t.Errorf("%s: the built template has CodeUri %q", f.ID, got)
		}
	}
	return tmpl
}

const guide = "docs/deploy.md"

// build runs sam build and gives the files that go linked. It makes a new file
// when it links again, and leaves the one that is up to date.
func build(t *testing.T, tools awstools.Tools, dir string, env []string) map[string]os.FileInfo {
	t.Helper()
	start := time.Now()
	for _, c := range pages.Of(t) { // sam build, as the guide has it
		if c.Page != guide {
			continue
		}
		words := strings.Fields(c.Text)
		tools.Run(t, dir, env, words[0], words[1:]...)
	}
	t.Logf("sam build took %s", time.Since(start).Round(time.Millisecond))
	files, err := filepath.Glob(filepath.Join(dir, ".hotsync", "sam-build", "*", "bootstrap"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs in .hotsync/sam-build: %v", err)
	}
	linked := map[string]os.FileInfo{}
	for _, f := range files {
		linked[f], err = os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
	}
	return linked
}
