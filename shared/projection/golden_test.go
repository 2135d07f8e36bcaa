package projection_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

var update = flag.Bool("update", false, "write what Project gives into testdata")

// TestGolden holds Project against whole accounts, written as YAML with the
// field names of package billing. The result is kept beside them; after a change
// of a rule, -update rewrites it, and its diff is what the change does.
func TestGolden(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("fixtures: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()

			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var account billing.Account
			decode(t, archive.Files[0], &account)
			var with struct {
				Options projection.Options
				Login   hotsync.Identity
			}
			decode(t, archive.Files[1], &with)

			got := projection.Project(account, with.Login, with.Options)
			if *update {
				write(t, file, archive, got)
				return
			}
			if len(archive.Files) != 3 {
				t.Fatalf("%s has %d files, want account, options and result", file, len(archive.Files))
			}
			if diff := cmp.Diff(string(archive.Files[2].Data), string(show(t, got))); diff != "" {
				t.Errorf("Project mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func write(t *testing.T, file string, archive *txtar.Archive, got projection.Result) {
	t.Helper()
	archive.Files = append(archive.Files[:2], txtar.File{Name: "result.json", Data: show(t, got)})
	err := os.WriteFile(file, txtar.Format(archive), 0o644)
	if err != nil {
		t.Fatal(err)
	}
}

// decode reads YAML as the JSON it means, so that decimals are read as Zuora's
// are, and refuses members that do not exist.
func decode(t *testing.T, file txtar.File, into any) {
	t.Helper()
	var value any
	err := yaml.Unmarshal(file.Data, &value)
	if err != nil {
		t.Fatalf("%s: %v", file.Name, err)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("%s: %v", file.Name, err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	if err != nil {
		t.Fatalf("%s: %v", file.Name, err)
	}
}

func show(t *testing.T, r projection.Result) []byte {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
