package convergence_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPureImports keeps the packages that decide things free of those that do
// things.
func TestPureImports(t *testing.T) {
	t.Parallel()

	for _, pkg := range []string{"hotsync", "billing", "claims", "projection", "convergence"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../"+pkg).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", pkg, err)
		}
		for _, dep := range strings.Fields(string(out)) {
			if dep == "net/http" || dep == "database/sql" || strings.HasPrefix(dep, "github.com/aws/") {
				t.Errorf("%s is pure, but depends on %s", pkg, dep)
			}
		}
	}
}
