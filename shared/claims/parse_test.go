package claims_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/claims"
	"hotsync/shared/hotsync"
)

const id = "2c92c0f85d42ccf3015d5a3cbb4f1c0e"

func TestParse(t *testing.T) {
	t.Parallel()

	two := []string{"A00000001", "A00000002"}
	for _, tc := range []struct {
		name    string
		in      any
		want    []string
		refused int
	}{
		{name: "json array", in: []any{"A00000001", "A00000002"}, want: two},
		{name: "string slice", in: two, want: two},
		{name: "cognito attribute", in: "[A00000001, A00000002]", want: two},
		{name: "http api authorizer", in: "[A00000001 A00000002]", want: two},
		{name: "rest authorizer", in: "A00000001,A00000002", want: two},
		{name: "json text", in: `["A00000001", "A00000002"]`, want: two},
		{name: "json string", in: `"A00000001"`, want: two[:1]},
		{name: "json string of a list", in: `"[A00000001, A00000002]"`, want: two},
		{name: "single", in: "A00000001", want: two[:1]},
		{name: "single in brackets", in: "[A00000001]", want: two[:1]},
		{name: "id", in: id, want: []string{id}},
		{name: "encoded attribute", in: url.QueryEscape("[A00000001, A00000002]"), want: two},
		{name: "encoded authorizer list", in: url.QueryEscape("[A00000001 A00000002]"), want: two},
		{name: "encoded commas", in: url.QueryEscape("A00000001, A00000002"), want: two},
		{name: "encoded json", in: url.QueryEscape(`["A00000001","A00000002"]`), want: two},
		{name: "encoded json string", in: url.QueryEscape(`"A00000001"`), want: two[:1]},
		{name: "encoded values", in: "[A%2D1, A%231]", want: []string{"A-1", "A#1"}},
		{name: "encoded value in an array", in: []any{"A%2D1"}, want: []string{"A-1"}},
		{name: "an encoded comma belongs to its value", in: "[A1%2CA2, A3]", want: []string{"A3"}, refused: 1},
		{name: "encoded twice", in: url.QueryEscape(url.QueryEscape("A#1")), refused: 1},
		{name: "blanks and empties", in: " [ A00000001 ,, ,A00000002 ] ", want: two},
		{name: "repeated", in: "A00000002,A00000001,A00000002", want: []string{"A00000002", "A00000001"}},
		{name: "punctuation", in: "ACC-1,acc_2,acc.3,#4", want: []string{"ACC-1", "acc_2", "acc.3", "#4"}},
		{name: "upper-case hex is a number", in: strings.ToUpper(id), want: []string{strings.ToUpper(id)}},
		{name: "digits as text", in: "[007, 1e5]", want: []string{"007", "1e5"}},
		{name: "number", in: json.Number("42"), want: []string{"42"}},
		{name: "numbers", in: []any{json.Number("42"), 43.0}, want: []string{"42", "43"}},
		{name: "number text in json", in: "[42, 1.50]", want: []string{"42", "1.50"}},
		{name: "70 characters", in: strings.Repeat("9", 70), want: []string{strings.Repeat("9", 70)}},

		{name: "empty", in: ""},
		{name: "blank", in: " \t\n "},
		{name: "empty list", in: "[]"},
		{name: "empty array", in: []any{}},
		{name: "only commas", in: ",,"},

		{name: "nil", in: nil, refused: 1},
		{name: "null", in: "null", refused: 1},
		{name: "Null in a list", in: "[A1, NULL, nUlL]", want: []string{"A1"}, refused: 2},
		{name: "encoded null", in: "n%75ll", refused: 1},
		{name: "null in an array", in: []any{nil, "A1"}, want: []string{"A1"}, refused: 1},
		{name: "bool", in: true, refused: 1},
		{name: "bool as an authorizer writes it", in: "true", refused: 1},
		{name: "bool in json text", in: "[true]", refused: 1},
		{name: "object", in: map[string]any{"id": "A1"}, refused: 1},
		{name: "object text", in: `{"id":"A1","n":"A2"}`, refused: 1},
		{name: "object in json text", in: `[{"id":"A1"}]`, refused: 1},
		{name: "nested array", in: []any{[]any{"A1"}, "A2"}, want: []string{"A2"}, refused: 1},
		{name: "nested list text", in: `[["A1"]]`, refused: 1},
		{name: "list in an array", in: []any{"[A1, A2]"}, refused: 1},
		{name: "commas in an array", in: []any{"A1,A2"}, refused: 1},
		{name: "fraction", in: json.Number("1.5"), refused: 1},
		{name: "negative", in: json.Number("-1"), refused: 1},
		{name: "exponent", in: json.Number("1e9"), refused: 1},
		{name: "float beyond exactness", in: 1e300, refused: 1},
		{name: "float fraction", in: 0.5, refused: 1},
		{name: "unsupported type", in: struct{}{}, refused: 1},
		{name: "path up", in: "..", refused: 1},
		{name: "dot", in: ".", refused: 1},
		{name: "dashes", in: "--", refused: 1},
		{name: "slash", in: "A1/../A2", refused: 1},
		{name: "blanks, slash, hash and colon", in: []any{"ACC 1", "A/2", "A#3", "A:4"},
			want: []string{"ACC 1", "A/2", "A#3", "A:4"}},
		{name: "the same between commas", in: "[ACC 1, A/2, A#3, A:4]", want: []string{"ACC 1", "A/2", "A#3", "A:4"}},
		{name: "encoded slash", in: "A1%2F..%2FA2", refused: 1},
		{name: "backslash", in: `A1\A2`, refused: 1},
		{name: "query", in: "A1?x=1", refused: 1},
		{name: "percent", in: "100%", refused: 1},
		{name: "inner blank", in: "A1 A2", want: []string{"A1 A2"}},
		{name: "inner blank between commas", in: "[A1, A2 A3]", want: []string{"A1", "A2 A3"}},
		{name: "newline", in: "A1\nA2", refused: 1},
		{name: "nul", in: "A1\x00", refused: 1},
		{name: "quote", in: "A1' or Id != '", refused: 1},
		{name: "other letters", in: "Ａ１", refused: 1},
		{name: "zero-width blank", in: "A1\u200b", refused: 1},
		{name: "invalid UTF-8", in: "A1\xff", refused: 1},
		{name: "invalid UTF-8 in an array", in: []any{"A1\xff"}, refused: 1},
		{name: "cut off", in: "[A1, A2, A", refused: 1},
		{name: "no beginning", in: "A1, A2]", refused: 1},
		{name: "71 characters", in: strings.Repeat("9", 71), refused: 1},
		{name: "over-long text", in: strings.Repeat("A", 16<<10+1), refused: 1},
		{name: "over-long value", in: []any{strings.Repeat("A", 16<<10+1)}, refused: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got, refused := claims.Parse(tc.in)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Parse(%q) mismatch (-want +got):\n%s", tc.in, diff)
			}
			if len(refused) != tc.refused {
				t.Errorf("Parse(%q) refused %v, want %d", tc.in, refused, tc.refused)
			}
			for _, r := range refused {
				if r.Reason != claims.ReasonMalformed || r.Detail == "" {
					t.Errorf("Parse(%q) refused %+v, want reason %s and a sentence", tc.in, r, claims.ReasonMalformed)
				}
			}
		})
	}
}

func TestParseBounds(t *testing.T) {
	t.Parallel()

	var many []any
	for i := range 30 {
		many = append(many, fmt.Sprintf("A%d", i), "bad?value")
	}
	got, refused := claims.Parse(many)
	if len(got) != 25 || got[0] != "A0" || got[24] != "A24" {
		t.Errorf("Parse gave %q, want the first 25", got)
	}
	want := []claims.Refused{
		{Reason: claims.ReasonMalformed, Detail: "20 further values cannot name an account."},
		{Reason: claims.ReasonTooMany, Detail: "5 values beyond the first 25 are not used."},
	}
	if diff := cmp.Diff(want, refused[len(refused)-2:]); diff != "" || len(refused) != 12 {
		t.Errorf("Parse refused %d, the last of them (-want +got):\n%s", len(refused), diff)
	}
}

// FuzzParse holds Parse to its promises: bounded output, no forbidden value,
// and every shape of the same accounts gives the same accounts.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"A1", "[A1, A2]", "[A1 A2]", "A1,A2", `["A1","A2"]`, `"A1"`, "%5BA1%2C+A2%5D", "[A%2D1, A%231]", "null", "[1, 2.0]",
		"[A1, A", "{}", "..", "%", "[[A1]]", "[007]", "", " ", "\x00", "[true]", "a%252Cb", id,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, value := range []any{in, []any{in}, json.Number(in)} {
			got, refused := claims.Parse(value)
			if len(got) > 25 || len(refused) > 12 {
				t.Fatalf("Parse(%q) gave %d values and %d refusals", value, len(got), len(refused))
			}
			for _, v := range got {
				if !hotsync.IsAccountKey(v) || strings.Contains("/"+v+"/", "/../") || strings.ContainsAny(v, "?%;&\\\n") {
					t.Fatalf("Parse(%q) let %q through", value, v)
				}
			}
			if len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
				t.Fatalf("Parse(%q) gave %q, want no value twice", value, got)
			}
			list, err := json.Marshal(append([]string{}, got...)) // of none: [], not null
			if err != nil {
				t.Fatal(err)
			}
			shapes := []string{string(list), "[" + strings.Join(got, ", ") + ",]", strings.Join(got, ","),
				url.QueryEscape(string(list))}
			if !strings.Contains(strings.Join(got, ""), " ") { // where blanks part values none is in them
				shapes = append(shapes, "["+strings.Join(got, " ")+"]", url.QueryEscape("["+strings.Join(got, " ")+"]"))
			}
			for _, shape := range shapes {
				again, refused := claims.Parse(shape)
				if !slices.Equal(got, again) || len(refused) != 0 {
					t.Fatalf("Parse(%q) = %q, refused %v, want %q", shape, again, refused, got)
				}
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		claims.Parse("[A00000001, A00000002, A00000003]")
	}
}
