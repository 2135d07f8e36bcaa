package template

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// noValue is the pseudo parameter that removes the property it is given to.
const noValue = "AWS::NoValue"

// eval replaces intrinsic functions at n itself, not below it, until a plain
// node is left. The result is nil for nil, and for AWS::NoValue.
func (r *reader) eval(n *yaml.Node, path string) *yaml.Node {
	for n != nil {
		if n.Kind == yaml.AliasNode || n.Anchor != "" {
			// CloudFormation supports no aliases either:
			// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
			r.fail(n, path, "YAML anchors and aliases are not supported")
			return nil
		}
		name, arg := intrinsic(n)
		if name == "" {
			return n
		}
		switch name {
		case "If":
			n = r.branch(arg, path)
			continue
		case "Split":
			return r.split(arg, path)
		}
		value, ok := r.call(name, arg, path)
		if !ok {
			return nil
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: n.Line, Column: n.Column}
	}
	return nil
}

// intrinsic tells a function call, in its short form (!Ref x) or its long one
// ({Ref: x}, {"Fn::Sub": x}), from a plain node, for which name is empty.
func intrinsic(n *yaml.Node) (name string, arg *yaml.Node) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		plain := *n
		plain.Tag = ""
		return n.Tag[1:], &plain
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return "", nil
	}
	key := n.Content[0].Value
	if key == "Ref" {
		return key, n.Content[1]
	}
	if name, ok := strings.CutPrefix(key, "Fn::"); ok {
		return name, n.Content[1]
	}
	return "", nil
}

// split evaluates the function that makes a list of a text.
func (r *reader) split(arg *yaml.Node, path string) *yaml.Node {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		r.fail(arg, path, "Split wants a delimiter and a text")
		return nil
	}
	delimiter, ok := r.text(arg.Content[0], path)
	source := r.eval(arg.Content[1], path)
	if !ok || delimiter == "" || source == nil {
		r.fail(arg, path, "Split wants a delimiter and a text")
		return nil
	}
	text, ok := r.text(source, path)
	if !ok {
		return nil
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: arg.Line, Column: arg.Column}
	for part := range strings.SplitSeq(text, delimiter) {
		list.Content = append(
			list.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: part, Line: arg.Line, Column: arg.Column},
		)
	}
	return list
}

// call evaluates a function that gives one value. It is false when there is none.
func (r *reader) call(name string, arg *yaml.Node, path string) (string, bool) {
	switch name {
	case "Ref":
		of, ok := r.text(arg, path)
		if !ok || of == noValue {
			return "", false
		}
		return r.ref(arg, path, of)
	case "GetAtt":
		of, ok := r.attributeName(arg, path)
		if !ok {
			return "", false
		}
		id, attribute, _ := strings.Cut(of, ".")
		return r.attribute(arg, path, id, attribute)
	case "Sub":
		return r.sub(arg, path)
	case "Join":
		return r.join(arg, path)
	}
	r.fail(
		arg,
		path,
		"the function %s is not understood by the local system; it knows Ref, GetAtt, Sub, Join, Split and If",
		name,
	)
	return "", false
}

// ref returns the value of a parameter, pseudo parameter or resource.
func (r *reader) ref(at *yaml.Node, path, name string) (string, bool) {
	if v, ok := r.parameters[name]; ok {
		return v, true
	}
	switch name {
	case "AWS::AccountId":
		return AccountID, true
	case "AWS::Partition":
		return "aws", true
	case "AWS::Region":
		return Region, true
	case "AWS::StackId":
		return fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/local", Region, AccountID, r.opt.StackName), true
	case "AWS::StackName":
		return r.opt.StackName, true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	}
	res, ok := r.resources[name]
	if !ok {
		r.fail(at, path, "no parameter or resource is called %q", name)
		return "", false
	}
	return r.refTo(res, at, path)
}

// attributeName reads the argument of GetAtt: "A.B", or the list [A, B].
func (r *reader) attributeName(arg *yaml.Node, path string) (string, bool) {
	if arg.Kind != yaml.SequenceNode {
		return r.text(arg, path)
	}
	if len(arg.Content) != 2 {
		r.fail(arg, path, "GetAtt wants a resource and an attribute")
		return "", false
	}
	id, ok1 := r.text(arg.Content[0], path)
	attribute, ok2 := r.text(arg.Content[1], path)
	return id + "." + attribute, ok1 && ok2
}

// attribute returns an attribute of a resource.
func (r *reader) attribute(at *yaml.Node, path, id, attribute string) (string, bool) {
	res, ok := r.resources[id]
	if !ok {
		r.fail(at, path, "no resource is called %q", id)
		return "", false
	}
	return r.attributeOf(res, attribute, at, path)
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

// sub fills placeholders. Its argument is a text, or a list of it and of more names.
func (r *reader) sub(arg *yaml.Node, path string) (string, bool) {
	var own *object
	if arg.Kind == yaml.SequenceNode {
		if len(arg.Content) != 2 {
			r.fail(arg, path, "Sub wants a text, or a list of a text and a mapping")
			return "", false
		}
		own = r.object(arg.Content[1], path)
		arg = arg.Content[0]
	}
	text, ok := r.text(arg, path)
	if !ok {
		return "", false
	}
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		name := strings.TrimSpace(m[2 : len(m)-1])
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		if own != nil && own.has(name) {
			v, here := own.text(name)
			ok = ok && here
			return v
		}
		v, here := "", false
		if id, attribute, dotted := strings.Cut(name, "."); dotted {
			v, here = r.attribute(arg, path, id, attribute)
		} else {
			v, here = r.ref(arg, path, name)
		}
		ok = ok && here
		return v
	})
	return out, ok
}

// join puts a separator between values: [separator, [value, …]].
func (r *reader) join(arg *yaml.Node, path string) (string, bool) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 || arg.Content[1].Kind != yaml.SequenceNode {
		r.fail(arg, path, "Join wants a separator and a list")
		return "", false
	}
	separator, ok := r.text(arg.Content[0], path)
	var parts []string
	for _, n := range arg.Content[1].Content {
		if n = r.eval(n, path); n == nil {
			continue
		}
		part, here := r.text(n, path)
		ok = ok && here
		parts = append(parts, part)
	}
	return strings.Join(parts, separator), ok
}

// branch chooses the branch of an If: [condition, then, otherwise].
func (r *reader) branch(arg *yaml.Node, path string) *yaml.Node {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
		r.fail(arg, path, "If wants a condition and two values")
		return nil
	}
	name, ok := r.text(arg.Content[0], path)
	if !ok {
		return nil
	}
	if r.holds(name, arg, path) {
		return arg.Content[1]
	}
	return arg.Content[2]
}

// condition is an entry of Conditions, evaluated when it is first needed.
type condition struct {
	at    *yaml.Node
	state conditionState
}

type conditionState int

const (
	unknown conditionState = iota
	evaluating
	holds
	holdsNot
)

// holds evaluates a named condition.
func (r *reader) holds(name string, at *yaml.Node, path string) bool {
	c, ok := r.conditions[name]
	if !ok {
		r.fail(at, path, "no condition is called %q", name)
		return false
	}
	switch c.state {
	case evaluating:
		r.fail(c.at, "Conditions."+name, "refers to itself")
		return false
	case unknown:
		c.state = evaluating
		if r.truth(c.at, "Conditions."+name) {
			c.state = holds
		} else {
			c.state = holdsNot
		}
	}
	return c.state == holds
}

// truth evaluates a condition function.
func (r *reader) truth(n *yaml.Node, path string) bool {
	name, arg := intrinsic(n)
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "Condition" {
		name, arg = "Condition", n.Content[1]
	}
	if name == "Condition" {
		of, ok := r.text(arg, path)
		return ok && r.holds(of, arg, path)
	}
	if name == "" || arg.Kind != yaml.SequenceNode {
		r.fail(n, path, "want one of Equals, Not, And, Or and Condition")
		return false
	}
	args := arg.Content
	switch {
	case name == "Equals" && len(args) == 2:
		var values [2]string
		for i, a := range args {
			if a = r.eval(a, path); a == nil {
				return false
			}
			var ok bool
			if values[i], ok = r.text(a, path); !ok {
				return false
			}
		}
		return values[0] == values[1]
	case name == "Not" && len(args) == 1:
		return !r.truth(args[0], path)
	case (name == "And" || name == "Or") && len(args) >= 2 && len(args) <= 10:
		result := name == "And"
		for _, a := range args {
			if r.truth(a, path) != result {
				return !result
			}
		}
		return result
	}
	r.fail(n, path, "%s with %d arguments is not a condition", name, len(args))
	return false
}
