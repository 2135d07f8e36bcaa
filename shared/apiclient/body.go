package apiclient

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

var errTooLarge = errors.New("too large")

// bounded reads at most left bytes and fails where more follow. It keeps the
// error that ended the body, so that a broken connection can be told from broken
// JSON.
type bounded struct {
	from io.Reader
	left int64
	err  error
}

// bound bounds an answer that says how long it is, -1 when it does not.
func bound(from io.Reader, length, limit int64) *bounded {
	if length > limit {
		return &bounded{from: from, err: errTooLarge}
	}
	return &bounded{from: from, left: limit}
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), errTooLarge
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// IsPage reports whether an answer is a web page. Neither API writes any: something
// before it did, such as a gateway without an upstream or a notice of maintenance.
func IsPage(answer []byte) bool {
	head := bytes.TrimLeft(answer, "\ufeff \t\r\n")
	head = bytes.ToLower(head[:min(len(head), len(doctype))])
	return bytes.HasPrefix(head, []byte(doctype)) || bytes.HasPrefix(head, []byte("<html"))
}

const doctype = "<!doctype html"

// pageHead is how much of an answer is looked at to tell a page.
const pageHead = 64

// withHead returns a reader of the whole body, and how it begins.
func withHead(body io.Reader) (_ io.Reader, head []byte) {
	r := bufio.NewReaderSize(body, pageHead)
	// An error is met again by whoever reads on.
	head, _ = r.Peek(pageHead)
	return r, head
}
