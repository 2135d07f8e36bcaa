package deployment_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	section  = regexp.MustCompile(`(?m)^\[(\w+)\.deploy\.parameters\]$`)
	override = regexp.MustCompile(`(?m)^\s+"(\w+)=`)
)

// TestSamconfig wants every parameter without a default to be given for dev and
// for prod, and none that the template does not have.
func TestSamconfig(t *testing.T) {
	t.Parallel()

	root, tmpl := load(t)
	raw, err := os.ReadFile(filepath.Join(root, "samconfig.toml"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	stages := section.FindAllStringSubmatchIndex(text, -1)
	if len(stages) != 2 {
		t.Fatalf("%d sections to deploy, want dev and prod", len(stages))
	}
	for _, at := range stages {
		stage := text[at[2]:at[3]]
		body, _, _ := strings.Cut(text[at[1]:], "\n]") // the end of parameter_overrides
		given := map[string]bool{}
		for _, m := range override.FindAllStringSubmatch(body, -1) {
			given[m[1]] = true
		}
		for _, p := range tmpl.Parameters {
			if !p.HasDefault && !given[p.Name] {
				t.Errorf("samconfig.toml: %s lacks %s, which has no default", stage, p.Name)
			}
			delete(given, p.Name)
		}
		for name := range given {
			t.Errorf("samconfig.toml: %s gives %s, which the template does not have", stage, name)
		}
		if !strings.Contains(body, `capabilities = "CAPABILITY_IAM"`) {
			t.Errorf("samconfig.toml: %s may not make roles", stage)
		}
	}
}
