package deployment_test

import (
	"encoding/json"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hotsync/local/deployment"
	"hotsync/shared/telemetry"
)

// metrics are the names that shared/telemetry defines.
func metrics(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	for _, f := range source(t, filepath.Join(root, "shared", "telemetry")) {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			typ, ok := spec.Type.(*ast.Ident)
			lit, isText := spec.Values[0].(*ast.BasicLit)
			if ok && typ.Name == "Metric" && isText {
				name, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, name)
			}
			return true
		})
	}
	if len(names) < 10 {
		t.Fatalf("found only the metrics %v", names)
	}
	return names
}

// Each alarm says who is hurt and where it is written what to do.
func TestAlarmsNameTheirRunbooks(t *testing.T) {
	t.Parallel()

	root, tmpl := load(t)
	alarms, err := tmpl.Alarms()
	if err != nil {
		t.Fatal(err)
	}
	known := metrics(t, root)
	pages := map[string]bool{}
	impact := regexp.MustCompile(`^Impact: [^.]+(\.\d[^.]*)*\. Runbook: \$\{RunbookUrl\}/([a-z-]+)\.md$`)
	for _, a := range alarms {
		m := impact.FindStringSubmatch(a.Description)
		if m == nil || m[2] != a.Page() && !strings.HasPrefix(a.Page(), m[2]+"-") {
			t.Fatalf("%s: the description %q is no sentence of impact with the page %s", a.ID, a.Description, a.Page())
		}
		page := m[2] // that alarms of one thing share
		pages[page+".md"] = true
		text, err := os.ReadFile(filepath.Join(root, "docs", "runbooks", page+".md"))
		if err != nil {
			t.Error(err)
		}
		for _, part := range []string{"# " + page + "\n", "**What the customer notices.**", "**How to look**", "**What to do",
			"**How to know it is over.**"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s.md lacks %q", a.Page(), part)
			}
		}
		p := a.Resource.Properties
		if deployment.Text(p["TreatMissingData"]) != "notBreaching" {
			t.Errorf("%s: rings when nothing happens", a.ID)
		}
		for _, actions := range []string{"AlarmActions", "OKActions"} {
			if !strings.Contains(toJSON(t, p[actions]), "${AlarmTopicArn}") {
				t.Errorf("%s: %s do not go to the topic", a.ID, actions)
			}
		}
		// Metric math over a metric that was never written gives nothing, whatever FILL
		// says, so that an alarm of several may never ring.
		if len(a.Measures) != 1 || p["Metrics"] != nil {
			t.Errorf("%s: watches %d metrics, want one by itself", a.ID, len(a.Measures))
		}
		for _, m := range a.Measures {
			if m.Namespace != telemetry.Namespace {
				continue
			}
			if m.Name == string(telemetry.StoreThrottled) && m.Dimension == telemetry.StackDimension &&
				m.Value == "${AWS::StackName}" {
				continue // of all functions
			}
			if !slices.Contains(known, m.Name) || m.Dimension != telemetry.Dimension {
				t.Errorf("%s: nothing writes %s by %s", a.ID, m.Name, m.Dimension)
			}
			id := strings.Trim(m.Value, "${}")
			if f, ok := tmpl.Resource(id); !ok || f.Type != typeFunction {
				t.Errorf("%s: %s is no function", a.ID, m.Value)
			}
		}
	}
	files, err := os.ReadDir(filepath.Join(root, "docs", "runbooks"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !pages[f.Name()] {
			t.Errorf("docs/runbooks/%s belongs to no alarm", f.Name())
		}
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The dashboard shows every metric and every alarm, and no metric that nothing writes.
func TestDashboard(t *testing.T) {
	t.Parallel()

	root, tmpl := load(t)
	d, ok := tmpl.Resource("Dashboard")
	if !ok {
		t.Fatal("no Dashboard")
	}
	body := deployment.Text(d.Properties["DashboardBody"])
	var doc struct {
		Widgets []struct {
			Type       string
			Properties struct {
				Metrics [][]any
				Alarms  []string
			}
		}
	}
	err := json.Unmarshal([]byte(body), &doc)
	if err != nil {
		t.Fatalf("the dashboard is no JSON: %v", err)
	}
	shown := map[string]bool{}
	var alarms []string
	for _, w := range doc.Widgets {
		alarms = append(alarms, w.Properties.Alarms...)
		for _, m := range w.Properties.Metrics {
			if m[0] == telemetry.Namespace {
				shown[m[1].(string)] = true
			}
		}
	}
	known := metrics(t, root)
	for _, name := range known {
		if !shown[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
	for name := range shown {
		if !slices.Contains(known, name) {
			t.Errorf("the dashboard shows %s, which nothing writes", name)
		}
	}
	for _, a := range tmpl.Of("AWS::CloudWatch::Alarm") {
		if !slices.Contains(alarms, "${"+a.ID+".Arn}") {
			t.Errorf("the dashboard does not show %s", a.ID)
		}
	}
}
