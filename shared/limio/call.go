package limio

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"hotsync/shared/apiclient"
	"hotsync/shared/hotsync"
)

// maxDone is how much of the answer to a write is looked at.
const maxDone = 64 << 10

// operation is an operation of the API: its method, and its path below /api
// with {name} where an id goes.
type operation struct{ method, template string }

// path puts the ids into the template, in order, each as one path segment or,
// after the question mark, as the value of a parameter.
func (o operation) path(ids []string) (string, error) {
	var b strings.Builder
	rest := o.template
	for _, id := range ids {
		if id == "" || id == "." || id == ".." {
			return "", hotsync.Errorf(hotsync.CodeInternal, "An id is missing in a call to Limio.")
		}
		before, after, ok := strings.Cut(rest, "{")
		if !ok {
			return "", hotsync.Errorf(hotsync.CodeInternal, "Too many ids for %s.", o.template)
		}
		b.WriteString(before)
		if strings.Contains(b.String(), "?") {
			b.WriteString(url.QueryEscape(id))
		} else {
			b.WriteString(url.PathEscape(id))
		}
		_, rest, _ = strings.Cut(after, "}")
	}
	if strings.Contains(rest, "{") {
		return "", hotsync.Errorf(hotsync.CodeInternal, "Too few ids for %s.", o.template)
	}
	b.WriteString(rest)
	return b.String(), nil
}

// call carries out an operation. body, unless nil, is sent as JSON; the answer is
// decoded into out, unless that is nil.
func (c *Client) call(ctx context.Context, o operation, ids []string, body, out any) (err error) {
	defer hotsync.In(&err, "%s %s", o.method, o.template)
	path, err := o.path(ids)
	if err != nil {
		return err
	}
	r := apiclient.Request{Method: o.method, Template: o.template, Path: "/api" + path}
	if o == customerByAccount || o == customerByMadeID {
		r.Silent = saysNothing
	}
	if body != nil {
		r.ContentType = "application/json"
		r.Body, err = json.Marshal(body)
		if err != nil {
			return hotsync.Errorf(hotsync.CodeInternal, "The object for Limio has no JSON form.").Because(err)
		}
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return hotsync.Errorf(hotsync.CodeTimeout, "The sync ran out of time before a call to Limio.").
			Because(ctx.Err())
	}
	return c.api.Do(ctx, r, func(answer io.Reader) error {
		if out == nil {
			return done(answer)
		}
		return decode(answer, out)
	})
}

// decode reads an answer that is one JSON value and nothing else. Numbers in what has
// no type of its own stay as they are written: a price is no float.
func decode(answer io.Reader, out any) error {
	dec := json.NewDecoder(answer)
	dec.UseNumber()
	err := dec.Decode(out)
	if err != nil {
		return err
	}
	_, err = dec.Token()
	if !errors.Is(err, io.EOF) {
		return cmp.Or(err, errors.New("something follows the JSON"))
	}
	return nil
}

// saysNothing: a 502 for an account or a customer may only say that Limio does not have it (see
// absent.go).
func saysNothing(status int, _ error) bool { return status == http.StatusBadGateway }

// done reads the answer to a write. The status says that it was done; what Limio
// sends along, and whether all of it arrives, does not matter. But a page that
// something between us and Limio put there is no answer of Limio's: writing again
// does no harm, believing it would.
func done(body io.Reader) error {
	// What is read serves the connection, too, so that it can be used again.
	text, _ := io.ReadAll(io.LimitReader(body, maxDone))
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] != '{' && text[0] != '[' {
		return hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer to a write is no JSON.")
	}
	return nil
}

// answerInvalid reports an answer that cannot be understood. The errors of
// encoding/json can repeat a number of the answer, so only their kind and place
// are kept.
func answerInvalid(_ *http.Response, err error) error {
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		err = fmt.Errorf("JSON syntax at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		err = fmt.Errorf("JSON member %q at byte %d has the wrong type", kind.Field, kind.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the JSON ends too early")
	default:
		err = errors.New("not the expected JSON")
	}
	return hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer could not be read.").Because(err)
}
