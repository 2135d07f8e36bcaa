// Package htmlcheck lets tests assert HTML by CSS selector, after the model of
// golang.org/x/pkgsite's package of that name.
package htmlcheck

import (
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
)

// Page is a parsed document.
type Page struct {
	t    testing.TB
	root *html.Node
}

// Parse reads a document; a fragment becomes the body of one.
func Parse(t testing.TB, r io.Reader) Page {
	t.Helper()
	root, err := html.Parse(r)
	if err != nil {
		t.Fatalf("parse HTML: %v", err)
	}
	return Page{t, root}
}

func (p Page) all(selector string) []*html.Node {
	p.t.Helper()
	s, err := cascadia.ParseGroup(selector)
	if err != nil {
		p.t.Fatalf("selector %q: %v", selector, err)
	}
	return cascadia.QueryAll(p.root, s)
}

// Count is how many elements match.
func (p Page) Count(selector string) int {
	p.t.Helper()
	return len(p.all(selector))
}

// Texts are the texts of the matching elements, with blanks run together.
func (p Page) Texts(selector string) []string {
	p.t.Helper()
	var out []string
	for _, n := range p.all(selector) {
		out = append(out, text(n))
	}
	return out
}

// Text is the text of the one matching element.
func (p Page) Text(selector string) string {
	p.t.Helper()
	found := p.Texts(selector)
	if len(found) != 1 {
		p.t.Fatalf("%q matches %d elements, want 1", selector, len(found))
	}
	return found[0]
}

// Attrs are the values of an attribute of the matching elements that have it.
func (p Page) Attrs(selector, name string) []string {
	p.t.Helper()
	var out []string
	for _, n := range p.all(selector) {
		for _, a := range n.Attr {
			if a.Key == name {
				out = append(out, a.Val)
			}
		}
	}
	return out
}

func text(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}

// Sound reports what every page must keep: one h1, a name on every link, button
// and field, ids used once, no script or style inline, and references that lead
// somewhere.
func (p Page) Sound() {
	p.t.Helper()
	if n := p.Count("h1"); n != 1 {
		p.t.Errorf("the page has %d h1, want 1", n)
	}
	for _, s := range []string{"[style]", "style", "script:not([src])", "[onclick]", "[onload]", "[hx-on]",
		"a[href^='javascript']"} {
		if p.Count(s) > 0 {
			p.t.Errorf("the page has %s, which its own policy refuses", s)
		}
	}
	ids := map[string]bool{}
	for _, id := range p.Attrs("[id]", "id") {
		if ids[id] {
			p.t.Errorf("the id %q is used twice", id)
		}
		ids[id] = true
	}
	for _, n := range p.all("a, button") {
		if text(n) == "" && attr(n, "aria-label") == "" {
			p.t.Errorf("<%s href=%q> has no name", n.Data, attr(n, "href"))
		}
	}
	labelled := map[string]bool{}
	for _, id := range p.Attrs("label[for]", "for") {
		labelled[id] = true
		if !ids[id] {
			p.t.Errorf("a label is for %q, which is not there", id)
		}
	}
	for _, n := range p.all("input:not([type=hidden]), select, textarea") {
		if !labelled[attr(n, "id")] && attr(n, "aria-label") == "" && !within(n, "label") {
			p.t.Errorf("the field %q has no label", attr(n, "name"))
		}
	}
	for _, name := range []string{"aria-labelledby", "aria-describedby"} {
		for _, v := range p.Attrs("["+name+"]", name) {
			for id := range strings.FieldsSeq(v) {
				if !ids[id] {
					p.t.Errorf("%s refers to %q, which is not there", name, id)
				}
			}
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func within(n *html.Node, tag string) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == tag {
			return true
		}
	}
	return false
}
