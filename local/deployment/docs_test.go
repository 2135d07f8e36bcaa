package deployment_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated parts of docs/ anew")

// why says what a statement of a role is for, by its Sid.
var why = map[string]string{
	"WriteLog":   "log lines and metrics, to its own log group",
	"QueueSyncs": "put what a login or callout names on the queue",
	"RecordEvents": "write events, counts and what is known of accounts; where Zuora is called, the pause of " +
		"those calls",
	"ReadSettings":       "the settings in force",
	"KeepOwnership":      "who sees what in Limio, before a login is linked",
	"ReadOwnership":      "the dry run takes the decision that a sync would take",
	"ReadSearchKey":      "key of the hashes that events are found by",
	"TakeRequests":       "what Lambda's poller does in the function's name",
	"QueueAgain":         "send a resolved request on under its account; wait before another try",
	"ReadCredentials":    "OAuth clients of Zuora and Limio",
	"TakeDeadLetters":    "what Lambda's poller does in the function's name; wait before another try",
	"SendOnWhatNeverRan": "give a request that only waited behind a failing one back to the queue",
	"GiveWay":            "whether logins wait, before a job is served",
	"QueueJobs":          "put what a job is to sync on the second lane",
	"AdvanceJobs":        "jobs and their accounts, how their syncs ended, and the summary of a reconcile run",
	"ListForJobs":        "the accounts and failed syncs that a job is about",
	"BeginJobs":          "have a job begun at once, not with the next minute",
	"RetrySyncs":         "retry, and sync now",
	"CountWaiting":       "how many wait",
	"SearchEvents":       "search and count events",
	"ReadEvents":         "show events",
	"EditSettings":       "settings with their history",
	"ReadSessionKey":     "seal session cookies",
	"ReadCalloutSecret":  "what callouts prove themselves with",
}

// generated replaces, or with -update rewrites, the part of a page between its
// markers, and holds the page to it.
func generated(t *testing.T, page, part, want string) {
	t.Helper()
	root, _ := load(t)
	path := filepath.Join(root, "docs", page)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := fmt.Sprintf("<!-- %s: made by go test ./local/deployment -update -->\n",
		part), fmt.Sprintf("<!-- end of %s -->", part)
	head, rest, ok1 := strings.Cut(string(raw), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("docs/%s has no part %q and %q", page, begin, end)
	}
	if *update {
		err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/%s is not what the template says; run go test ./local/deployment -update (-want +got):\n%s", page,
			diff)
	}
}

// resource makes the name of a resource readable.
func resource(r string) string {
	r = strings.NewReplacer("${", "", "}", "", ".Arn", "").Replace(r)
	return "`" + r + "`"
}

// TestPermissionsTable holds docs/security.md to the roles: function × action ×
// resource × why.
func TestPermissionsTable(t *testing.T) {
	_, tmpl := load(t)
	var b strings.Builder
	b.WriteString("| function | action | resource | why |\n|---|---|---|---|\n")
	used := map[string]bool{}
	for _, f := range tmpl.Of(typeFunction) {
		statements, err := tmpl.Statements(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			if why[s.Sid] == "" {
				t.Errorf("%s: say in this test why there is %s", f.ID, s.Sid)
			}
			used[s.Sid] = true
			var resources []string
			for _, r := range s.Resources {
				resources = append(resources, resource(r))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strings.TrimSuffix(f.ID, "Function"), strings.Join(s.Actions, ", "),
				strings.Join(resources, ", "), why[s.Sid])
		}
	}
	for sid := range why {
		if !used[sid] {
			t.Errorf("no role has a statement %s any more", sid)
		}
	}
	generated(t, "security.md", "permissions", b.String())
}

// TestParametersTable holds docs/configuration.md to the template's parameters
// and to the variables that they become.
func TestParametersTable(t *testing.T) {
	_, tmpl := load(t)
	variables := map[string][]string{} // by parameter
	functions := map[string][]string{} // by variable
	for _, f := range tmpl.Of(typeFunction) {
		for name, value := range tmpl.Environment(f) {
			from := strings.Trim(value, "${}")
			if !slices.Contains(variables[from], "`"+name+"`") {
				variables[from] = append(variables[from], "`"+name+"`")
			}
			functions[name] = append(functions[name], strings.ToLower(strings.TrimSuffix(f.ID, "Function")))
		}
	}
	var b strings.Builder
	b.WriteString("| parameter | default | variable | effect |\n|---|---|---|---|\n")
	for _, p := range tmpl.Parameters {
		fallback := "none: must be given"
		if p.HasDefault {
			fallback = "`" + p.Default + "`"
			if p.Default == "" {
				fallback = "empty"
			}
		}
		slices.Sort(variables[p.Name])
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, fallback, strings.Join(variables[p.Name], ", "),
			strings.ReplaceAll(p.Description, "|", `\|`))
	}
	generated(t, "configuration.md", "parameters", b.String())

	b.Reset()
	b.WriteString("| variable | functions | from |\n|---|---|---|\n")
	sources := map[string]string{}
	for _, f := range tmpl.Of(typeFunction) {
		for name, value := range tmpl.Environment(f) {
			sources[name] = resource(value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		slices.Sort(functions[name])
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, strings.Join(functions[name], ", "), sources[name])
	}
	generated(t, "configuration.md", "variables", b.String())
}

// TestMetricsTable holds docs/configuration.md to the metrics, each with a row.
func TestMetricsTable(t *testing.T) {
	t.Parallel()

	root, _ := load(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metrics(t, root) {
		if !strings.Contains(string(page), "\n| `"+name+"` |") {
			t.Errorf("docs/configuration.md has no row for the metric %s", name)
		}
	}
}

// TestDependenciesAreExplained wants a line for every module that go.mod requires
// directly, and for every package of npm.
func TestDependenciesAreExplained(t *testing.T) {
	t.Parallel()

	root, _ := load(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "require (\n")
	direct, _, _ := strings.Cut(rest, "\n)")
	for line := range strings.Lines(direct) {
		path := strings.Fields(line)[0]
		if aws, ok := strings.CutPrefix(path, "github.com/aws/aws-sdk-go-v2/"); ok {
			path = aws[strings.LastIndexByte(aws, '/')+1:] // one line explains the SDK and its parts
		}
		if !strings.Contains(line, "// indirect") && !strings.Contains(string(page), path) {
			t.Errorf("docs/dependencies.md does not say why there is %s", path)
		}
	}
	for _, pattern := range []string{"local/*/package.json", "shared/*/*/package.json"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			var p struct{ Dependencies, DevDependencies map[string]string }
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			err = json.Unmarshal(text, &p)
			if err != nil {
				t.Fatal(err)
			}
			for _, packages := range []map[string]string{p.Dependencies, p.DevDependencies} {
				for name := range packages {
					if !strings.Contains(string(page), name) {
						t.Errorf("docs/dependencies.md does not say why there is %s", name)
					}
				}
			}
		}
	}
}

var localLink = regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)

// TestLinksResolve follows every link between the pages.
func TestLinksResolve(t *testing.T) {
	t.Parallel()

	root, _ := load(t)
	for _, pattern := range []string{"docs/*.md", "docs/runbooks/*.md", "events/*.md", "*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range localLink.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
					t.Errorf("%s: %v", filepath.Base(page), err)
				}
			}
		}
	}
}
