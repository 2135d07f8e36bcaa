package zuorasandbox

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// fault is an error of /v1/action, in the words of Zuora's SOAP API.
type fault struct{ code, message string }

func (f *fault) Error() string { return f.code + ": " + f.message }

func malformed(format string, args ...any) *fault {
	return &fault{"MALFORMED_QUERY", "You have an error in your ZOQL syntax: " + fmt.Sprintf(format, args...)}
}

// zoql is a parsed query: select … from … where … ZOQL knows no in, joins,
// parentheses or order by: https://docs.zuora.com "Zuora Object Query Language".
type zoql struct {
	fields []string
	object string
	where  [][]condition // any of: all of
}

// condition compares a field with a value: text, json.Number, bool or nil.
type condition struct {
	field, op string
	value     any
}

// maxConditions is Zuora's limit for one query.
const maxConditions = 200

var (
	zoqlToken = regexp.MustCompile(`^(?:([A-Za-z][A-Za-z0-9_]*)|(-?[0-9]{1,18}(?:\.[0-9]{1,18})?)|(!=|<=|>=|[=<>,]))`)
	keywords  = []string{"select", "from", "where", "and", "or", "null", "true", "false"}
)

// zoqlScanner returns the tokens of a query, each with its kind.
type zoqlScanner struct {
	rest string
	kind tokenKind
	text string // of a string: without quotes and escapes
	err  *fault
}

type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	numberToken
	signToken
	stringToken
)

func (s *zoqlScanner) next() {
	s.rest = strings.TrimLeft(s.rest, " \t\r\n")
	switch {
	case s.err != nil || s.rest == "":
		s.kind, s.text = endToken, ""
		return
	case s.rest[0] == '\'':
		s.scanString()
		return
	}
	m := zoqlToken.FindStringSubmatch(s.rest)
	if m == nil {
		s.fail(malformed("unexpected character at %q", cut(s.rest)))
		return
	}
	s.rest = s.rest[len(m[0]):]
	s.text = m[0]
	switch {
	case m[1] != "":
		s.kind = wordToken
	case m[2] != "":
		s.kind = numberToken
	default:
		s.kind = signToken
	}
}

// scanString reads '…' with \\, \' and \" as escapes. Assumed: a double quote
// has to be escaped, as the list of reserved characters says.
func (s *zoqlScanner) scanString() {
	var out strings.Builder
	body := s.rest[1:]
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '\'':
			s.kind, s.text, s.rest = stringToken, out.String(), body[i+1:]
			return
		case c == '\\' && i+1 < len(body) && strings.IndexByte(`\'"`, body[i+1]) >= 0:
			i++
			out.WriteByte(body[i])
		case c == '\\' || c == '"' || c < ' ':
			s.fail(malformed("character %q has to be escaped", c))
			return
		default:
			out.WriteByte(c)
		}
	}
	s.fail(malformed("a string does not end"))
}

func (s *zoqlScanner) fail(f *fault) { s.err, s.kind, s.text, s.rest = f, endToken, "", "" }

// take goes past the current token if it is that word or sign.
func (s *zoqlScanner) take(text string) bool {
	if (s.kind != wordToken && s.kind != signToken) || s.text != text {
		return false
	}
	s.next()
	return true
}

// name takes a word that is no keyword.
func (s *zoqlScanner) name() string {
	text := s.text
	if s.kind != wordToken || slices.Contains(keywords, strings.ToLower(text)) {
		if s.err == nil {
			s.fail(malformed("a name is missing before %q", cut(s.text+s.rest)))
		}
		return ""
	}
	s.next()
	return text
}

func (s *zoqlScanner) want(text string) {
	if !s.take(text) && s.err == nil {
		s.fail(malformed("%s is missing before %q", text, cut(s.text+s.rest)))
	}
}

// cut shortens what an error message quotes.
func cut(text string) string { return text[:min(20, len(text))] }

// parseZOQL reads a query. Its keywords are written in small letters.
func parseZOQL(text string) (zoql, error) {
	s := &zoqlScanner{rest: text}
	var q zoql
	s.next()
	s.want("select")
	q.fields = append(q.fields, s.name())
	for s.take(",") {
		q.fields = append(q.fields, s.name())
	}
	s.want("from")
	q.object = s.name()
	if s.take("where") {
		q.where = s.conditions()
	}
	if s.err == nil && s.kind != endToken {
		s.fail(malformed("unexpected %q", cut(s.text+s.rest)))
	}
	if s.err != nil {
		return zoql{}, s.err
	}
	return q, nil
}

func (s *zoqlScanner) conditions() [][]condition {
	groups := [][]condition{{s.condition()}}
	for n := 1; s.err == nil; n++ {
		switch {
		case n > maxConditions:
			s.fail(malformed("more than %d conditions", maxConditions))
		case s.take("and"):
			last := len(groups) - 1
			groups[last] = append(groups[last], s.condition())
		case s.take("or"):
			groups = append(groups, []condition{s.condition()})
		default:
			return groups
		}
	}
	return nil
}

func (s *zoqlScanner) condition() condition {
	c := condition{field: s.name(), op: s.text}
	if s.kind != signToken || s.text == "," {
		if s.err == nil {
			s.fail(malformed("an operator is missing before %q", cut(s.text+s.rest)))
		}
		return condition{}
	}
	s.next()
	switch {
	case s.kind == stringToken:
		c.value = s.text
	case s.kind == numberToken:
		c.value = json.Number(s.text)
	case s.kind == wordToken && (s.text == "true" || s.text == "false"):
		c.value = s.text == "true"
	case s.kind == wordToken && s.text == "null":
	default:
		if s.err == nil {
			s.fail(malformed("a value is missing before %q", cut(s.text+s.rest)))
		}
		return condition{}
	}
	s.next()
	return c
}

// selects tells whether any group of conditions holds wholly.
func (q zoql) selects(view object) bool {
	return len(q.where) == 0 || slices.ContainsFunc(q.where, func(group []condition) bool {
		return !slices.ContainsFunc(group, func(c condition) bool { return !c.holds(view[lowerFirst(c.field)]) })
	})
}

// holds compares. Assumed: the case of text does not matter, as in Object Query.
func (c condition) holds(value any) bool {
	if c.value == nil {
		isNull := value == nil || value == ""
		return c.op == "=" && isNull || c.op == "!=" && !isNull
	}
	if value == nil {
		return false
	}
	order := compareValues(value, fmt.Sprint(c.value))
	switch c.op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case ">":
		return order > 0
	case "<=":
		return order <= 0
	default: // >=
		return order >= 0
	}
}
