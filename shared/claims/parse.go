package claims

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"hotsync/shared/hotsync"
)

// Bounds of one claim. Cognito's attributes hold at most 2,048 characters; an
// ID token with more than a few accounts per claim is unusual.
const (
	maxValues  = 25
	maxText    = 16 << 10 // bytes
	maxRefused = 10       // reports; what lies beyond is summed up in one more
)

// Refused is a value, or a number of values, that Parse did not use.
type Refused struct {
	Reason string // ReasonMalformed or ReasonTooMany
	Detail string // a sentence; never holds the value
}

// Parse reads the accounts a claim names, in whichever shape it arrives: a JSON
// array or a single value of a token, `[a, b]` as a Cognito attribute, `[a b]`
// from the JWT authorizer of an HTTP API, `a,b` from the one of a REST API, the
// text of a JSON array, one value; each possibly URL-form-encoded once.
//
// Values are trimmed, empty ones dropped, repeated ones dropped keeping the
// order, and at most 25 are used. A value is an account id or number by the rule
// of hotsync.IsAccountKey. Anything else is refused, never guessed at: a wrong
// guess would sync a stranger's account. In `[a b]`, which has no commas, blanks
// part the values, so a number with a blank in it has to come in another shape.
func Parse(value any) (values []string, refused []Refused) {
	var p parser
	p.value(value)
	p.sumUp()
	return p.values, p.refused
}

type parser struct {
	values   []string
	refused  []Refused
	position int // of the value within the claim, from 1
	excess   int // good values beyond maxValues
	unsaid   int // refusals beyond maxRefused
}

func (p *parser) refuse(format string, args ...any) {
	if len(p.refused) == maxRefused {
		p.unsaid++
		return
	}
	p.refused = append(p.refused, Refused{Reason: ReasonMalformed, Detail: fmt.Sprintf(format, args...)})
}

func (p *parser) sumUp() {
	if p.unsaid > 0 {
		p.refused = append(
			p.refused,
			Refused{
				Reason: ReasonMalformed,
				Detail: fmt.Sprintf("%d further values cannot name an account.", p.unsaid),
			},
		)
	}
	if p.excess > 0 {
		p.refused = append(p.refused, Refused{Reason: ReasonTooMany,
			Detail: fmt.Sprintf("%d values beyond the first %d are not used.", p.excess, maxValues)})
	}
}

func (p *parser) value(value any) {
	switch v := value.(type) {
	case nil:
		p.refuse("The claim is null.")
	case string:
		p.text(v)
	case json.Number, float64:
		p.element(v)
	case []any:
		p.list(v)
	case []string:
		for _, s := range v {
			p.element(s)
		}
	default:
		p.refuse("The claim is neither a list nor text.")
	}
}

func (p *parser) list(list []any) {
	for _, v := range list {
		p.element(v)
	}
}

// element takes a member of a list, or a single value.
func (p *parser) element(value any) {
	p.position++
	switch v := value.(type) {
	case string:
		if len(v) > maxText {
			p.refuse("Value %d is too long.", p.position)
			return
		}
		p.account(decodeOnce(strings.TrimSpace(v)))
	case json.Number:
		p.number(v.String())
	case float64:
		if v != math.Trunc(v) || math.Abs(v) >= 1<<53 {
			p.refuse("Value %d is a number that names no account.", p.position)
			return
		}
		p.number(strconv.FormatFloat(v, 'f', -1, 64))
	case nil:
		p.refuse("Value %d is null.", p.position)
	default:
		p.refuse("Value %d is neither text nor a number.", p.position)
	}
}

// number takes a JSON number: only one written in plain digits can be an
// account number that lost its quotes.
func (p *parser) number(text string) {
	if strings.Trim(text, "0123456789") != "" {
		p.refuse("Value %d is a number that names no account.", p.position)
		return
	}
	p.account(text)
}

func (p *parser) account(text string) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return
	case hotsync.AccountKeyProblem(text) != "":
		p.refuse("Value %d %s.", p.position, hotsync.AccountKeyProblem(text))
	case slices.Contains(p.values, text):
		return
	case len(p.values) == maxValues:
		p.excess++
	default:
		p.values = append(p.values, text)
	}
}

// text takes apart a claim that came as text.
func (p *parser) text(s string) {
	s = strings.TrimSpace(s)
	switch {
	case len(s) > maxText:
		p.refuse("The claim is too long.")
		return
	case !utf8.ValidString(s):
		p.refuse("The claim is not valid UTF-8.")
		return
	case !strings.ContainsAny(s, `[,"`):
		// Nothing shows where one value ends, so if it is encoded it is so as a
		// whole. Within a visible list each value is decoded on its own: a comma
		// that then appears belongs to the value.
		decoded := decodeOnce(s)
		if decoded != s {
			p.plain(unquote(decoded), p.account)
			return
		}
	}
	p.plain(unquote(s), func(v string) { p.account(decodeOnce(v)) })
}

// plain takes apart text that may be a list; each is given the values in it.
func (p *parser) plain(s string, each func(string)) {
	var list []any
	opened, closed := strings.HasPrefix(s, "["), strings.HasSuffix(s, "]")
	switch {
	case strings.HasPrefix(s, "{"):
		p.refuse("The claim is an object.")
	case !opened && !closed:
		p.split(strings.Split(s, ","), each)
	case !opened || !closed:
		// Cut off: its last value may be the beginning of a longer one.
		p.refuse("The list is not complete.")
	case unmarshal(s, &list) == nil:
		p.jsonList(list, each)
	default:
		s = s[1 : len(s)-1]
		if strings.Contains(s, ",") {
			p.split(strings.Split(s, ","), each)
		} else {
			p.split(strings.Fields(s), each)
		}
	}
}

func (p *parser) split(parts []string, each func(string)) {
	for _, part := range parts {
		p.position++
		each(strings.TrimSpace(part))
	}
}

// jsonList takes a list that was written as JSON text. `[1, 2]` may as well be
// the list of two texts as Cognito writes it, so a number stands for its text.
func (p *parser) jsonList(list []any, each func(string)) {
	for _, v := range list {
		switch v := v.(type) {
		case string:
			p.split([]string{v}, each)
		case json.Number:
			p.split([]string{v.String()}, each)
		default:
			p.element(v)
		}
	}
}

// unquote returns the text that s is the JSON string of, or s itself.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	var text string
	if strings.HasPrefix(s, `"`) && json.Unmarshal([]byte(s), &text) == nil {
		return strings.TrimSpace(text)
	}
	return s
}

func unmarshal(s string, v any) error {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	err := dec.Decode(v)
	if err != nil {
		return err
	}
	if dec.InputOffset() != int64(len(s)) {
		return fmt.Errorf("more than one JSON value")
	}
	return nil
}

// decodeOnce undoes URL form encoding, which Cognito applies to values with
// other than alphanumeric characters:
// https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-specifying-attribute-mapping.html
// What is not so encoded is given back as it is.
func decodeOnce(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	decoded, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return decoded
}
