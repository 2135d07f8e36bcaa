package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxProblems bounds the length of an error message.
const maxProblems = 20

// reader collects what it does not understand instead of stopping at the first,
// so that reading code needs no error handling: what cannot be read is the zero value.
type reader struct {
	opt        Options
	parameters map[string]string
	conditions map[string]*condition
	resources  map[string]*resource
	order      []string // logical ids as in the file
	problems   []problem
	notes      []string
	cors       *CORS
}

type problem struct {
	line int
	text string
}

func newReader(opt Options) *reader {
	return &reader{
		opt:        opt,
		parameters: map[string]string{},
		conditions: map[string]*condition{},
		resources:  map[string]*resource{},
	}
}

func (r *reader) fail(at *yaml.Node, path, format string, args ...any) {
	p := problem{text: path + ": " + fmt.Sprintf(format, args...)}
	if at != nil {
		p.line = at.Line
	}
	if !slices.Contains(r.problems, p) {
		r.problems = append(r.problems, p)
	}
}

func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b problem) int { return a.line - b.line })
	var errs []error
	for i, p := range r.problems {
		if i == maxProblems {
			errs = append(errs, fmt.Errorf("and %d more", len(r.problems)-i))
			break
		}
		errs = append(errs, fmt.Errorf("line %d: %s", p.line, p.text))
	}
	return errors.Join(errs...)
}

// object is a mapping whose members are taken one by one. What nobody took in
// the end is a problem.
type object struct {
	r      *reader
	path   string
	at     *yaml.Node
	keys   []string
	fields map[string]field
	taken  map[string]bool
}

type field struct{ key, value *yaml.Node }

// object reads n, which may be nil (an absent section), as a mapping.
func (r *reader) object(n *yaml.Node, path string) *object {
	o := &object{r: r, path: path, at: n, fields: map[string]field{}, taken: map[string]bool{}}
	n = r.eval(n, path)
	if n == nil {
		return o
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "want a mapping")
		return o
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			r.fail(k, path, "want plain keys")
			continue
		}
		if _, twice := o.fields[k.Value]; twice {
			r.fail(k, path+"."+k.Value, "is there twice")
			continue
		}
		o.keys = append(o.keys, k.Value)
		o.fields[k.Value] = field{k, v}
	}
	return o
}

// node takes a member: its value after intrinsic functions, nil when it is absent.
func (o *object) node(key string) *yaml.Node {
	o.taken[key] = true
	f, ok := o.fields[key]
	if !ok {
		return nil
	}
	return o.r.eval(f.value, o.to(key))
}

// to is the path of a member.
func (o *object) to(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

func (o *object) has(key string) bool { _, ok := o.fields[key]; return ok }

func (o *object) object(key string) *object { return o.r.object(o.node(key), o.to(key)) }

// text takes a scalar as the template writes it.
func (o *object) text(key string) (string, bool) {
	n := o.node(key)
	if n == nil {
		return "", false
	}
	return o.r.text(n, o.to(key))
}

// textOr takes a scalar, or the given value when it is absent.
func (o *object) textOr(key, otherwise string) string {
	if s, ok := o.text(key); ok {
		return s
	}
	return otherwise
}

// mustText takes a scalar that has to be there.
func (o *object) mustText(key string) string {
	s, ok := o.text(key)
	if !ok || s == "" {
		o.r.fail(o.at, o.to(key), "is missing")
	}
	return s
}

// number takes an integer between low and high, or the given value when it is absent.
func (o *object) number(key string, otherwise, low, high int) int {
	s, ok := o.text(key)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		o.r.fail(o.fields[key].key, o.to(key), "is %q, want a whole number from %d to %d", s, low, high)
		return otherwise
	}
	return n
}

// boolean takes a truth value, or the given one when it is absent.
func (o *object) boolean(key string, otherwise bool) bool {
	s, ok := o.text(key)
	if !ok {
		return otherwise
	}
	switch strings.ToLower(s) {
	case "true":
		return true
	case "false":
		return false
	}
	o.r.fail(o.fields[key].key, o.to(key), "is %q, want true or false", s)
	return otherwise
}

// list takes the elements of a sequence, each with its path.
func (o *object) list(key string) []element {
	path := o.to(key)
	n := o.node(key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		o.r.fail(n, path, "want a list")
		return nil
	}
	var all []element
	for i, e := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if e = o.r.eval(e, at); e != nil {
			all = append(all, element{e, at})
		}
	}
	return all
}

type element struct {
	node *yaml.Node
	path string
}

// texts takes a list of scalars.
func (o *object) texts(key string) []string {
	var all []string
	for _, e := range o.list(key) {
		if s, ok := o.r.text(e.node, e.path); ok {
			all = append(all, s)
		}
	}
	return all
}

// ignore leaves members out that mean nothing on one computer.
func (o *object) ignore(keys ...string) {
	for _, k := range keys {
		o.taken[k] = true
	}
}

// ignoreAll leaves all members out.
func (o *object) ignoreAll() { o.ignore(o.keys...) }

// done reports the members that nobody took.
func (o *object) done() {
	for _, k := range o.keys {
		if !o.taken[k] {
			o.r.fail(
				o.fields[k].key,
				o.to(k),
				"not understood by the local system; it knows %s here",
				strings.Join(slices.Sorted(maps.Keys(o.taken)), ", "),
			)
		}
	}
}

// text reads a node without intrinsic functions as a scalar.
func (r *reader) text(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, path, "want one value, not a list or mapping")
		return "", false
	}
	if n.Tag == "!!null" {
		r.fail(n, path, "has no value")
		return "", false
	}
	return n.Value, true
}
