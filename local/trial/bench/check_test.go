package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	t.Parallel()

	measured := []row{
		{name: "write units", value: 9, fixed: true},
		{name: "writes", value: 0, fixed: true},
		{name: "size", value: 3.9, unit: "MB", fixed: true},
		{name: "time", value: 1.3, unit: "x"},
	}
	for _, tc := range []struct {
		name, budgets string
		update        bool
		want          string // what the file holds afterwards; "" as before
		wantCode      int
		wantErr       string
	}{
		{name: "within", budgets: "write units = 9\nwrites = 0\nsize = 4\n"},
		{name: "one unit more", budgets: "write units = 8\nwrites = 0\nsize = 4\n", wantCode: 1},
		{name: "none is allowed, and one was measured", budgets: "write units = 0\nwrites = 0\nsize = 4\n", wantCode: 1},
		{name: "not in the file", budgets: "write units = 9\nsize = 4\n", wantCode: 1, wantErr: `"writes" has no line`},
		{name: "not measured any more", budgets: "write units = 9\nwrites = 0\nsize = 4\nreads = 1\n", wantCode: 1,
			wantErr: `has "reads", which`},
		{name: "no number", budgets: "write units: 9\n", wantCode: 1, wantErr: ":1: want NAME = NUMBER"},
		{name: "anew", budgets: "reads = 1\n", update: true, want: budgetsHead + "write units = 9\nwrites = 0\nsize = 4.1\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			root := t.TempDir()
			file := filepath.Join(root, budgetsFile)
			err := os.MkdirAll(filepath.Dir(file), 0o755)
			if err != nil {
				t.Fatal(err)
			}
			err = os.WriteFile(file, []byte(tc.budgets), 0o600)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			code, err := check(root, measured, tc.update, &out)
			if code != tc.wantCode {
				t.Errorf("exit status %d, want %d\n%s", code, tc.wantCode, &out)
			}
			if tc.wantErr == "" && err != nil || tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)) {
				t.Errorf("error %v, want one with %q", err, tc.wantErr)
			}
			if strings.Contains(out.String(), "time") {
				t.Errorf("what depends on the computer is held to a budget:\n%s", &out)
			}
			if tc.want == "" {
				tc.want = tc.budgets
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(raw)); diff != "" {
				t.Errorf("budgets mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
