package htmlcheck

import (
	"net/url"
	"slices"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// Form is a form as a browser without scripts would send it.
type Form struct {
	Method, Action string     // upper case; "" where the page is its own target
	Values         url.Values // as the page has filled it in, with the first button that has a name
	Empty          []string   // fields that must be filled in and are not
}

// Forms returns the forms of the page in its order, those of a dialog left out:
// they go nowhere.
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
		for _, b := range cascadia.QueryAll(n, cascadia.MustCompile("button[name]")) {
			f.Values.Set(attr(b, "name"), attr(b, "value"))
			break
		}
		out = append(out, f)
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
