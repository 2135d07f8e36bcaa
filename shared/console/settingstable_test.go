package console

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"hotsync/shared/hotsync"
)

var update = flag.Bool("update", false, "write a row into docs/configuration.md for each setting that has none")

// TestSettingsAreDocumented holds docs/configuration.md to the settings: a row for every
// member, with its default. A row that is not there is made of the form's; what it says
// of the effect may then be said at more length.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()

	const file = "../../docs/configuration.md"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	check := func(prefix string, members any, hints, defaults map[string]string) {
		before := ""
		for f := range reflect.TypeOf(members).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if strings.HasPrefix(name, "updated") {
				continue // nobody sets it
			}
			begin, effect := "\n| `"+prefix+name+"` |", " "+defaults[name]
			_, rest, ok := strings.Cut(page, begin)
			line, _, _ := strings.Cut(rest, "\n")
			switch {
			case ok && !strings.HasPrefix(line, effect):
				t.Errorf("%s: the default of %s%s is not%s", file, prefix, name, effect)
			case !ok && *update && before != "":
				head, rest, _ := strings.Cut(page, before)
				line, tail, _ := strings.Cut(rest, "\n")
				if effect == " " {
					effect = " |"
				}
				page = head + before + line + begin + effect + " " + hints[name] + " |\n" + tail
			case !ok:
				t.Errorf("%s has no row for %s%s: go test ./shared/console -run TestSettingsAreDocumented -update makes one "+
					"of its row in settingstable.go", file, prefix, name)
			}
			before = begin
		}
	}
	var rows []row[hotsync.Settings]
	for _, g := range settingRows {
		rows = append(rows, g.rows...)
	}
	check("", hotsync.Settings{}, hintsOf(rows), defaultsOf(t, hotsync.DefaultSettings()))
	check("providers[].", hotsync.Provider{}, hintsOf(providerRows), nil)
	check("providers[].claims[].", hotsync.IdentityClaim{}, hintsOf(claimRows), nil)
	if !*update {
		return
	}
	err = os.WriteFile(file, []byte(page), 0o644)
	if err != nil {
		t.Fatal(err)
	}
}

func hintsOf[T any](rows []row[T]) map[string]string {
	out := map[string]string{}
	for _, r := range rows {
		out[r.name] = r.hint
		if r.hint == "" {
			out[r.name] = r.label + "."
		}
	}
	return out
}

// defaultsOf are the members that hold something before anybody saved anything, as the
// page shows them.
func defaultsOf(t *testing.T, s hotsync.Settings) map[string]string {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	err = json.Unmarshal(raw, &members)
	if err != nil {
		t.Fatal(err)
	}
	delete(members, "version")
	out := map[string]string{}
	for name, value := range members {
		if string(value) != `""` {
			out[name] = "`" + strings.Trim(string(value), `"`) + "` |"
		}
	}
	return out
}
