package main

import (
	"bytes"
	"go/format"
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
	t.log.WarnContext(ctx, "noted", "n", 1)
	t.log.Log(ctx, level, "noted")
	if a == 1 && b == 1 {
		t.log.WarnContext(ctx, "one", "n", 1)
	}
	t.log = t.log.With("n", 1)
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

// One build has what can be switched on: the rest is built by itself.
func TestTogether(t *testing.T) {
	t.Parallel()

	src := []byte(`package rule

func may(a, b int) (bool, string) {
	for i := 0; i < 2; i++ {
		if a < b && !closed(1) {
			continue
		}
		note("x" + "y")
	}
	c := later(3)
	return c.at(4) || lists[5], "no"
}
`)
	file := filepath.Join(t.TempDir(), "rule.go")
	err := os.WriteFile(file, src, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	all, err := mutants(file)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]bool, len(all))
	var alone []string
	for i, m := range all {
		in[i] = m.way != (way{})
		if !in[i] {
			alone = append(alone, m.description)
		}
	}
	wantAlone := []string{"`0` becomes `1`", "`+` becomes `-`", "`3` becomes `4`", "`5` becomes `6`"}
	if diff := cmp.Diff(wantAlone, alone); diff != "" {
		t.Errorf("built by themselves mismatch (-want +got):\n%s", diff)
	}
	got, err := format.Source(together(file, src, all, in))
	if err != nil {
		t.Fatal(err)
	}
	want := `package rule

func may(a, b int) (bool, string) {
	for i := 0; hotsyncMutant(2) && (i <= 2) || !hotsyncMutant(2) && (hotsyncMutant(3) && (i < 3) || !hotsyncMutant(3) && (i < 2)); i++ {
		if !hotsyncMutant(4) && (hotsyncMutant(5) || (hotsyncMutant(7) && (a < b || !closed(1)) || !hotsyncMutant(7) && (hotsyncMutant(9) && (a < b && !closed(2)) || !hotsyncMutant(9) && ((hotsyncMutant(6) && (a <= b) || !hotsyncMutant(6) && (a < b)) && (hotsyncMutant(8) && (closed(1)) || !hotsyncMutant(8) && (!closed(1))))))) {
			if !hotsyncMutant(10) {
				continue
			}
		}
		if !hotsyncMutant(11) {
			note("x" + "y")
		}
	}
	c := later(3)
	return (hotsyncMutant(14) && (c.at(5) || lists[5]) || !hotsyncMutant(14) && (hotsyncMutant(15) && (c.at(4) && lists[5]) || !hotsyncMutant(15) && (c.at(4) || lists[5]))), "no"
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("source mismatch (-want +got):\n%s", diff)
	}
}

// The runner tells a rule that its own tests hold from one that they do not.
func TestCommand(t *testing.T) {
	t.Parallel()

	var out, log bytes.Buffer
	code := command(t.Context(),
		[]string{"-only", "functionName: .f.Recv == nil|isNil: .==", "-run", "TestMutants", "./local/mutants"}, &out, &log)
	if code != 1 {
		t.Errorf("exit status %d, want 1 since something survives\n%s%s", code, &out, &log)
	}
	survives := "functionName: `f.Recv == nil || len(f.Recv.List) == 0` becomes `false && (f.Recv == nil || " +
		"len(f.Recv.List) == 0)`"
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
		{name: "one", text: "# why\n\nshared/claims  parse: `<` becomes `<=`  # both end there\n",
			want: map[string]bool{"shared/claims  parse: `<` becomes `<=`": true}},
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
