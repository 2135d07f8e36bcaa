// Package deployment reads template.yaml as plain values, for the tests that
// hold the template to its rules and for the tables of docs/ that are made from
// it. Unlike package template it leaves nothing out and decides no condition.
//
// A choice by a condition of chosen is made: the template is read as one that
// makes its own tables and uses AWS's keys, unless LoadWhere says otherwise.
// Intrinsic functions that name something are kept readable: !Ref X is the text
// ${X}, !GetAtt X.Arn is ${X.Arn}, !Sub is its text. The others are mappings
// with one member, such as {"Fn::If": [condition, then, otherwise]}.
package deployment

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template is the whole template. Lists keep the order of the file.
type Template struct {
	Parameters []Parameter
	Resources  []Resource
	Outputs    map[string]any
	globals    map[string]any // of functions
}

// Parameter is an entry of Parameters.
type Parameter struct {
	Name, Type, Default, Description string
	HasDefault                       bool
	Properties                       map[string]any
}

// Resource is an entry of Resources.
type Resource struct {
	ID, Type   string
	Attributes map[string]any // beside Properties: Condition, DeletionPolicy, Metadata, …
	Properties map[string]any
}

// Load reads a template file.
func Load(path string) (*Template, error) { return LoadWhere(path, nil) }

// LoadWhere reads a template file where these conditions are as is said.
func LoadWhere(path string, conditions map[string]bool) (*Template, error) {
	r := reading{maps.Clone(chosen)}
	maps.Copy(r.conditions, conditions)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	err = yaml.Unmarshal(text, &doc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := &Template{}
	for name, section := range members(doc.Content[0]) {
		switch name {
		case "Parameters":
			for id, n := range members(section) {
				p := Object(r.plain(n))
				_, has := p["Default"]
				t.Parameters = append(
					t.Parameters,
					Parameter{Name: id, Type: Text(p["Type"]), Default: Text(p["Default"]),
						HasDefault: has, Description: Text(p["Description"]), Properties: p},
				)
			}
		case "Resources":
			for id, n := range members(section) {
				of := Object(r.plain(n))
				t.Resources = append(
					t.Resources,
					Resource{ID: id, Type: Text(of["Type"]), Attributes: of, Properties: Object(of["Properties"])},
				)
			}
		case "Globals":
			t.globals = Object(Object(r.plain(section))["Function"])
		case "Outputs":
			t.Outputs = Object(r.plain(section))
		}
	}
	return t, nil
}

// members goes through a mapping in the order of the file.
func members(n *yaml.Node) func(yield func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}

// reading decides conditions while a template is read.
type reading struct{ conditions map[string]bool }

// plain makes a value of a node: map[string]any, []any or text.
func (r reading) plain(n *yaml.Node) any {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		name, arg := n.Tag[1:], *n
		arg.Tag = ""
		return r.call(name, r.plain(&arg))
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for name, v := range members(n) {
			if fn, ok := strings.CutPrefix(name, "Fn::"); ok && len(n.Content) == 2 {
				return r.call(fn, r.plain(v))
			}
			out[name] = r.plain(v)
		}
		if ref, ok := out["Ref"]; ok && len(out) == 1 {
			return r.call("Ref", ref)
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, e := range n.Content {
			out = append(out, r.plain(e))
		}
		return out
	default:
		return n.Value
	}
}

// chosen are conditions that are decided while reading, as the parameters'
// defaults decide them.
var chosen = map[string]bool{
	"MakesEventsTable":    true,
	"MakesSettingsTable":  true,
	"MakesOwnershipTable": true,
	"MakesSearchKey":      true,
	"HasKey":              false,
	"HasConsoleUrl":       false,
	"ProtectsTables":      true,
	"CapsLoginApi":        false,
	"ReservesLogin":       false,
}

func (r reading) call(name string, arg any) any {
	switch name {
	case "If":
		list, _ := arg.([]any)
		if len(list) == 3 {
			holds, ok := r.conditions[Text(list[0])]
			switch {
			case ok && holds:
				return list[1]
			case ok:
				return list[2]
			}
		}
		return map[string]any{"Fn::If": arg}
	case "Ref":
		return "${" + Text(arg) + "}"
	case "GetAtt":
		parts := Texts(arg)
		return "${" + strings.Join(parts, ".") + "}"
	case "Sub":
		if list, ok := arg.([]any); ok && len(list) > 0 {
			return list[0]
		}
		return arg
	default:
		return map[string]any{"Fn::" + name: arg}
	}
}

// Object returns v as a mapping; an empty one when it is none.
func Object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// Text returns v as a text; "" when it is none.
func Text(v any) string {
	s, _ := v.(string)
	return s
}

// Texts returns v as a list of texts; a single text is a list of one.
func Texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, Text(e))
		}
		return out
	default:
		return nil
	}
}

// Of returns the resources of a type.
func (t *Template) Of(typ string) []Resource {
	var out []Resource
	for _, r := range t.Resources {
		if r.Type == typ {
			out = append(out, r)
		}
	}
	return out
}

// Resource finds a resource by its logical id.
func (t *Template) Resource(id string) (Resource, bool) {
	for _, r := range t.Resources {
		if r.ID == id {
			return r, true
		}
	}
	return Resource{}, false
}

// Number returns a number, which may be that of a parameter's default.
func (t *Template) Number(v any) (float64, error) {
	text := Text(v)
	for _, p := range t.Parameters {
		if text == "${"+p.Name+"}" {
			text = p.Default
		}
	}
	return strconv.ParseFloat(text, 64)
}

// Property returns a function's property, or the one of all functions.
func (t *Template) Property(function Resource, name string) any {
	v, ok := function.Properties[name]
	if ok {
		return v
	}
	return t.globals[name]
}

// Environment returns a function's variables with those of all functions.
func (t *Template) Environment(function Resource) map[string]string {
	env := map[string]string{}
	for _, from := range []map[string]any{t.globals, function.Properties} {
		for name, v := range Object(Object(from["Environment"])["Variables"]) {
			env[name] = Text(v)
		}
	}
	return env
}

// Statement is one thing that a role may do.
type Statement struct {
	Sid       string
	Actions   []string
	Resources []string
}

// Statements returns what a function's role allows, in the order of the file.
func (t *Template) Statements(function Resource) ([]Statement, error) {
	id := strings.TrimSuffix(strings.TrimPrefix(Text(function.Properties["Role"]), "${"), ".Arn}")
	role, ok := t.Resource(id)
	if !ok {
		return nil, fmt.Errorf("%s has no role of the template", function.ID)
	}
	var out []Statement
	policies, _ := role.Properties["Policies"].([]any)
	for _, p := range policies {
		statements, _ := Object(Object(p)["PolicyDocument"])["Statement"].([]any)
		for _, s := range statements {
			s := Object(s)
			if Text(s["Effect"]) != "Allow" || len(s) != 4 {
				return nil, fmt.Errorf("%s: want statements of Sid, Effect: Allow, Action and Resource", id)
			}
			out = append(out, Statement{Text(s["Sid"]), Texts(s["Action"]), Texts(s["Resource"])})
		}
	}
	return out, nil
}

// Measure is a metric that an alarm watches.
type Measure struct{ Namespace, Name, Dimension, Value, Stat string }

// Alarm is an AWS::CloudWatch::Alarm. With several measures their sum counts.
type Alarm struct {
	ID, Name, Description string
	Measures              []Measure
	Threshold             float64
	Resource              Resource
}

// Page is the runbook that an alarm names, such as failing-syncs.
func (a Alarm) Page() string { return strings.TrimPrefix(a.Name, "${AWS::StackName}-") }

// Alarms returns the alarms.
func (t *Template) Alarms() ([]Alarm, error) {
	var out []Alarm
	for _, r := range t.Of("AWS::CloudWatch::Alarm") {
		p := r.Properties
		a := Alarm{ID: r.ID, Name: Text(p["AlarmName"]), Description: Text(p["AlarmDescription"]), Resource: r}
		var err error
		a.Threshold, err = t.Number(p["Threshold"])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.ID, err)
		}
		metrics, several := p["Metrics"].([]any)
		if !several {
			a.Measures = append(a.Measures, measure(p, Text(p["Statistic"])+Text(p["ExtendedStatistic"])))
		}
		for _, m := range metrics {
			stat := Object(Object(m)["MetricStat"])
			if stat != nil {
				a.Measures = append(a.Measures, measure(Object(stat["Metric"]), Text(stat["Stat"])))
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func measure(p map[string]any, stat string) Measure {
	m := Measure{Namespace: Text(p["Namespace"]), Name: Text(p["MetricName"]), Stat: stat}
	dimensions, _ := p["Dimensions"].([]any)
	for _, d := range dimensions {
		m.Dimension, m.Value = Text(Object(d)["Name"]), Text(Object(d)["Value"])
	}
	return m
}
