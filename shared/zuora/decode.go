package zuora

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// decoder walks JSON from a stream, so that of a large answer only one element
// is in memory at a time, and members nobody asked for never are. Member names
// are compared exactly.
type decoder struct{ json *json.Decoder }

func newDecoder(r io.Reader) decoder {
	d := decoder{json.NewDecoder(r)}
	d.json.UseNumber() // a number that is skipped may be out of any range
	return d
}

// errKind says that a value has the wrong type. It does not say which value.
var errKind = errors.New("wrong type")

// errNoList says that a list is absent or null. Zuora writes an empty list where
// there is nothing, and an absence must never read as one.
var errNoList = errors.New("the list is missing")

// memberError says in which member of an object reading failed.
type memberError struct {
	name string
	err  error
}

// Error implements error.
func (e *memberError) Error() string { return e.name + ": " + e.err.Error() }

// Unwrap returns what failed.
func (e *memberError) Unwrap() error { return e.err }

// object reads an object; member must read the value of each name it is given.
// An absent object (null) has no members.
func (d decoder) object(member func(d decoder, name string) error) error {
	token, err := d.json.Token()
	if err != nil {
		return err
	}
	switch token {
	case nil:
		return nil
	case json.Delim('{'):
		return d.members(member)
	default:
		return errKind
	}
}

func (d decoder) members(member func(d decoder, name string) error) error {
	for d.json.More() {
		token, err := d.json.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return errKind
		}
		err = member(d, name)
		if err != nil {
			return &memberError{name, err}
		}
	}
	_, err := d.json.Token() // the closing brace
	return err
}

func (d decoder) elements(element func(d decoder) error) error {
	for d.json.More() {
		err := element(d)
		if err != nil {
			return err
		}
	}
	_, err := d.json.Token() // the closing bracket
	return err
}

// list reads an array; element must read each of its values. null is errNoList.
func (d decoder) list(element func(d decoder) error) error {
	token, err := d.json.Token()
	if err != nil {
		return err
	}
	switch token {
	case nil:
		return errNoList
	case json.Delim('['):
		return d.elements(element)
	default:
		return errKind
	}
}

// arrayIfAny reads an array as list does, and skips any other value.
func (d decoder) arrayIfAny(element func(d decoder) error) error {
	token, err := d.json.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('['):
		return d.elements(element)
	case json.Delim('{'):
		return d.members(func(d decoder, _ string) error { return d.skip() })
	default:
		return nil
	}
}

func (d decoder) value(v any) error { return d.json.Decode(v) }

// skip reads a value and forgets it.
func (d decoder) skip() error { return d.json.Decode(&nothing{}) }

type nothing struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*nothing) UnmarshalJSON([]byte) error { return nil }

// end makes sure that nothing follows.
func (d decoder) end() error {
	_, err := d.json.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errors.New("more than one JSON value")
	default:
		return err
	}
}

// answer reads the one object that an answer with status 200 is made of. It
// returns a *failure when the object reports one in spite of the status, and
// for a v1 answer also makes sure that it reports success.
func answer(r io.Reader, v1 bool, member func(d decoder, name string) error) error {
	var s shape
	d := newDecoder(r)
	err := d.object(func(d decoder, name string) error {
		known, err := s.member(d, name)
		if known {
			return err
		}
		return member(d, name)
	})
	if err != nil {
		return err
	}
	err = d.end()
	if err != nil {
		return err
	}
	if s.failed {
		return &failure{status: http.StatusOK, codes: s.codes, said: true}
	}
	if v1 && !s.succeeded {
		return errors.New("success is not there")
	}
	return nil
}

// unreadable describes a decoding error by the member it is about, without
// repeating the answer, which the errors of encoding/json may.
func unreadable(err error) error {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
		path   []string
		member *memberError
	)
	for rest := err; errors.As(rest, &member); rest = member.err {
		path = append(path, codeOf([]byte(member.name)))
	}
	switch {
	case errors.As(err, &syntax):
		err = fmt.Errorf("JSON syntax at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		if kind.Field != "" {
			path = append(path, strings.ReplaceAll(kind.Field, "segment.", "")) // of an embedded struct
		}
		err = fmt.Errorf("%w: not %s", errKind, cmp.Or(kind.Type.Name(), kind.Type.Kind().String()))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	case member != nil:
		err = member.err
	}
	if len(path) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(path, "."), err)
}

// notA is the error of a value that is not of v's type. encoding/json adds the
// member that it belongs to.
func notA(v any) error { return &json.UnmarshalTypeError{Type: reflect.TypeOf(v)} }

// integer is a whole number, however Zuora writes it: 3, 3.0, "3" or null.
type integer int

// UnmarshalJSON implements json.Unmarshaler.
func (i *integer) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		*i = 0
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != float64(int32(f)) {
		return notA(integer(0))
	}
	*i = integer(f)
	return nil
}

// maxDigits bounds the digits of an amount and the zeros its exponent stands
// for: a number like 1e999999999 is short to write and endless to print.
const maxDigits = 40

// amount is a decimal number, however Zuora writes it: 17.5, "17.5", "" or null.
type amount struct{ decimal.NullDecimal }

// UnmarshalJSON implements json.Unmarshaler.
func (a *amount) UnmarshalJSON(b []byte) error {
	a.NullDecimal = decimal.NullDecimal{}
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	if len(text) > maxDigits {
		return notA(amount{})
	}
	n, err := decimal.NewFromString(text)
	if err != nil || n.Exponent() > maxDigits || n.Exponent() < -maxDigits {
		return notA(amount{})
	}
	a.NullDecimal = decimal.NewNullDecimal(n)
	return nil
}

// date is YYYY-MM-DD, or "" for "" and null.
type date string

// UnmarshalJSON implements json.Unmarshaler.
func (d *date) UnmarshalJSON(b []byte) error {
	text := string(b)
	switch {
	case text == "null" || text == `""`:
		*d = ""
		return nil
	case len(text) != len(`"2006-01-02"`):
		return notA(date(""))
	}
	text = text[1 : len(text)-1]
	for i := range len(text) {
		c := text[i]
		if i == 4 || i == 7 {
			if c != '-' {
				return notA(date(""))
			}
		} else if c < '0' || c > '9' {
			return notA(date(""))
		}
	}
	*d = date(text)
	return nil
}

// scalar is a custom field as text; "" for null.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		return json.Unmarshal(b, (*string)(s))
	case '{', '[':
		return notA(scalar(""))
	case 'n':
		*s = ""
	default:
		*s = scalar(b)
	}
	return nil
}
