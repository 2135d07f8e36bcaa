package htmlcheck

import (
	"maps"
	"net/url"
	"slices"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// Form is a form as a browser without scripts would send it.
type Form struct {
	Method, Action string     // upper case; "" where the page is its own target
	Values         url.Values // as the page has filled it in, with the button
	Button         string     // the text of the button that sends it
	Empty          []string   // fields that must be filled in and are not
}

// Forms returns the forms of the page in its order, once for each button that sends
// them to something else. Those of a dialog are left out: they go nowhere.
func (p Page) Forms() []Form {
	p.t.Helper()
	var out []Form
	for _, n := range p.all("form:not([method=dialog])") {
		f := Form{Method: "GET", Action: attr(n, "action"), Values: url.Values{}}
		if attr(n, "method") == "post" {
			f.Method = "POST"
		}
		for _, field := range cascadia.QueryAll(n, cascadia.MustCompile("input, select, textarea")) {
			f.fill(field)
		}
		out = append(out, f.byButton(n)...)
	}
	return out
}

// byButton returns the form as each of its buttons sends it.
func (f Form) byButton(n *html.Node) []Form {
	var out []Form
	for _, b := range cascadia.QueryAll(n, cascadia.MustCompile("button:not([type=button])")) {
		sent := f
		sent.Button, sent.Values = text(b), maps.Clone(f.Values)
		if to := attr(b, "formaction"); to != "" {
			sent.Action = to
		}
		if name := attr(b, "name"); name != "" {
			sent.Values.Set(name, attr(b, "value"))
		}
		out = append(out, sent)
	}
	if len(out) == 0 {
		return []Form{f} // a key sends it
	}
	return out
}

func (f *Form) fill(n *html.Node) {
	name := attr(n, "name")
	if name == "" {
		return
	}
	value := attr(n, "value")
	switch {
	case n.Data == "textarea":
		value = text(n)
	case n.Data == "select":
		value = selected(n)
	case slices.Contains([]string{"checkbox", "radio"}, attr(n, "type")):
		if !has(n, "checked") && !has(n, "required") {
			return
		}
	}
	if has(n, "required") && value == "" {
		f.Empty = append(f.Empty, name)
	}
	f.Values.Add(name, value)
}

func selected(n *html.Node) string {
	options := cascadia.QueryAll(n, cascadia.MustCompile("option"))
	at := slices.IndexFunc(options, func(o *html.Node) bool { return has(o, "selected") })
	if at < 0 && len(options) == 0 {
		return ""
	}
	o := options[max(at, 0)]
	if has(o, "value") {
		return attr(o, "value")
	}
	return text(o)
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}
