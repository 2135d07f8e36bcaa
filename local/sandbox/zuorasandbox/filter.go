package zuorasandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// filter is one condition of an Object Query: <field>.<OP>:<value>.
// https://developer.zuora.com/docs/guides/query-guide
type filter struct {
	field  string // as it was written
	op     string // EQ NE LT GT LE GE SW IN
	values []string
	null   bool // the value null, in any case: the field has none
	empty  bool // the value %02%03: the field is empty text
}

var operators = []string{"EQ", "NE", "LT", "GT", "LE", "GE", "SW", "IN"}

// emptyText is how the empty text is asked for.
const emptyText = "\x02\x03"

// parseFilter reads a condition. There is no documented way to escape a comma
// or a bracket in the values of IN.
func parseFilter(text string) (filter, error) {
	name, rest, ok := strings.Cut(text, ".")
	if !ok || name == "" {
		return filter{}, errors.New("it is not <field>.<OP>:<value>")
	}
	op, value, ok := strings.Cut(rest, ":")
	if !ok || !slices.Contains(operators, op) {
		return filter{}, errors.New("its operator is none of " + strings.Join(operators, ", "))
	}
	f := filter{field: name, op: op}
	switch {
	case value == "" || value == "''":
		return filter{}, errors.New("it has no value")
	case op == "IN":
		inner, ok := strings.CutPrefix(value, "[")
		inner, ok2 := strings.CutSuffix(inner, "]")
		if !ok || !ok2 || inner == "" {
			return filter{}, errors.New("the value of IN is not [a,b]")
		}
		f.values = strings.Split(inner, ",")
	case strings.EqualFold(value, "null"):
		f.null = true
	case value == emptyText:
		f.empty = true
	default:
		f.values = []string{value}
	}
	if (f.null || f.empty) && op != "EQ" && op != "NE" {
		return filter{}, errors.New(op + " needs a value")
	}
	return f, nil
}

// matches compares a field. Text is compared without regard to case; a null
// matches nothing but a question for null.
func (f filter) matches(value any) bool {
	switch {
	case f.null:
		return (value == nil) == (f.op == "EQ")
	case value == nil:
		return false
	case f.empty:
		return (value == "") == (f.op == "EQ")
	}
	switch f.op {
	case "EQ", "IN":
		return slices.ContainsFunc(f.values, func(v string) bool { return compareValues(value, v) == 0 })
	case "NE":
		return compareValues(value, f.values[0]) != 0
	case "LT":
		return compareValues(value, f.values[0]) < 0
	case "GT":
		return compareValues(value, f.values[0]) > 0
	case "LE":
		return compareValues(value, f.values[0]) <= 0
	case "GE":
		return compareValues(value, f.values[0]) >= 0
	default: // SW
		return strings.HasPrefix(strings.ToLower(fmt.Sprint(value)), strings.ToLower(f.values[0]))
	}
}

// compareValues compares a stored value with text: as numbers or times when
// both are, else as text in small letters.
func compareValues(value any, text string) int {
	if n, ok := value.(json.Number); ok {
		a, ok1 := new(big.Rat).SetString(n.String())
		b, ok2 := plainNumber(text)
		if ok1 && ok2 {
			return a.Cmp(b)
		}
	}
	stored := fmt.Sprint(value)
	a, err1 := time.Parse(time.RFC3339, stored)
	b, err2 := time.Parse(time.RFC3339, text)
	if err1 == nil && err2 == nil {
		return a.Compare(b)
	}
	return strings.Compare(strings.ToLower(stored), strings.ToLower(text))
}

// plainNumber reads a decimal of reasonable length, without an exponent whose
// size could be anything.
func plainNumber(text string) (*big.Rat, bool) {
	if len(text) > 40 || strings.ContainsAny(text, "eEpPxX/_") {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}
