package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMutants(t *testing.T) {
	t.Parallel()

	file := filepath.Join(t.TempDir(), "rule.go")
	err := os.WriteFile(file, []byte(`package rule

type T struct{ n int }

func (t *T) May(a, b int) (bool, error) {
	err := t.check()
	if err != nil {
		return false, err
	}
	if a < b && t.n == 2 {
		return true, nil
	}
	t.note()
	t.n = a
	return !(a > b), nil
}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	found, err := mutants(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range found {
		got = append(got, m.name())
	}
	want := []string{
		"T.May: `false` becomes `true`",
		"T.May: `a < b && t.n == 2` becomes `false && (a < b && t.n == 2)`",
		"T.May: `a < b && t.n == 2` becomes `true || (a < b && t.n == 2)`",
		"T.May: `<` becomes `<=`",
		"T.May: `&&` becomes `||`",
		"T.May: `==` becomes `!=`",
		"T.May: `2` becomes `3`",
		"T.May: `true` becomes `false`",
		"T.May: `t.note()` becomes `nothing`",
		"T.May: `t.n = a` becomes `nothing`",
		"T.May: `!` becomes `nothing`",
		"T.May: `>` becomes `>=`",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mutants mismatch (-want +got):\n%s", diff)
	}
}

// The runner tells a rule that its own tests hold from one that they do not.
func TestCommand(t *testing.T) {
	t.Parallel()

	var out, log bytes.Buffer
	code := command(t.Context(), []string{"-only", "functionName: .f.Recv == nil|isNil: .==", "-run", "TestMutants", "./local/mutants"}, &out, &log)
	if code != 1 {
		t.Errorf("exit status %d, want 1 since something survives\n%s%s", code, &out, &log)
	}
	survives := "functionName: `f.Recv == nil || len(f.Recv.List) == 0` becomes `false && (f.Recv == nil || len(f.Recv.List) == 0)`"
	if !strings.Contains(out.String(), survives) {
		t.Errorf("the survivors do not name %s:\n%s", survives, &out)
	}
	if strings.Contains(out.String(), "isNil: ") {
		t.Errorf("what the tests notice is called a survivor:\n%s", &out)
	}
}

func TestExplained(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, text string
		want       map[string]bool
		wantErr    string
	}{
		{name: "one", text: "# why\n\nshared/claims  parse: `<` becomes `<=`  # both end there\n", want: map[string]bool{"shared/claims  parse: `<` becomes `<=`": true}},
		{name: "no reason", text: "shared/claims  parse: `<` becomes `<=`\n", wantErr: ":1: want PACKAGE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			file := filepath.Join(t.TempDir(), "explained.txt")
			err := os.WriteFile(file, []byte(tc.text), 0o600)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readExplained(file)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("explained mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
