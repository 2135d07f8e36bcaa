package zuorasandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var zoqlEscape = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`)

// FuzzParseZOQL: what is parsed means the same when it is written and parsed
// again, and no text within quotes can end its string.
func FuzzParseZOQL(f *testing.F) {
	for _, seed := range []string{
		"select Id, AccountNumber from Account where LimioExternalId__c = 'auth0|x'",
		`select Id from Account where A = 'x\' or Id != '`,
		`select Id from Account where A = '\\\'\"' or B >= -1.5 and C != null`, "select Id from Account where A = true",
		"select", "'", `\`, "select Id from Account where A = 99999999999999999999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseZOQL("select Id from Account where A = '" + zoqlEscape.Replace(strings.Map(printable, text)) + "'")
		if err != nil || len(q.where) != 1 || len(q.where[0]) != 1 || q.where[0][0].value != strings.Map(printable, text) {
			t.Fatalf("escaped %q = %v, %v", text, q.where, err)
		}
		q, err = parseZOQL(text)
		if err != nil {
			return // malformed input is an answer, a panic is not
		}
		again, err := parseZOQL(q.String())
		if err != nil {
			t.Fatalf("parse(%q) of %q: %v", q.String(), text, err)
		}
		if diff := cmp.Diff(q, again, cmp.AllowUnexported(zoql{}, condition{})); diff != "" {
			t.Fatalf("%q became %q (-want +got):\n%s", text, q.String(), diff)
		}
		q.selects(object{"id": "x"})
	})
}

// printable drops control characters, which no escape makes acceptable.
func printable(c rune) rune {
	if c < ' ' || c == 0xfffd {
		return -1
	}
	return c
}

// FuzzParseFilter: what is parsed means the same when it is written and parsed
// again; only the value null selects what has no value.
func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{"LimioExternalId__c.EQ:auth0|x", "a.EQ:null", "a.EQ:\x02\x03", "a.IN:[a,b]", "a.IN:[]",
		"a.b.EQ:c", "balance.GT:1e999999999", "a.SW:[", "x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseFilter(text)
		if err != nil {
			return
		}
		again, err := parseFilter(got.String())
		if err != nil {
			t.Fatalf("parse(%q) of %q: %v", got.String(), text, err)
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(filter{})); diff != "" {
			t.Fatalf("%q became %q (-want +got):\n%s", text, got.String(), diff)
		}
		value := text[strings.Index(text, ":")+1:]
		if got.matches(nil) && !(got.op == "EQ" && strings.EqualFold(value, "null")) {
			t.Fatalf("%q selects what has no value", text)
		}
		for _, v := range []any{"x", true, json.Number("1.50")} {
			got.matches(v)
		}
	})
}

// String writes the query as it is asked.
func (q zoql) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "select %s from %s", strings.Join(q.fields, ", "), q.object)
	for i, group := range q.where {
		word := " where "
		if i > 0 {
			word = " or "
		}
		for _, c := range group {
			out.WriteString(word)
			value := fmt.Sprint(c.value)
			switch v := c.value.(type) {
			case nil:
				value = "null"
			case string:
				value = "'" + zoqlEscape.Replace(v) + "'"
			}
			out.WriteString(c.field + " " + c.op + " " + value)
			word = " and "
		}
	}
	return out.String()
}

// String writes the filter as it is asked for.
func (f filter) String() string {
	value := strings.Join(f.values, ",")
	switch {
	case f.op == "IN":
		value = "[" + value + "]"
	case f.null:
		value = "null"
	case f.empty:
		value = emptyText
	}
	return f.field + "." + f.op + ":" + value
}
