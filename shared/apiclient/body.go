package apiclient

import (
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
	if len(p) == 0 {
		return 0, nil
	}
	// One byte more than allowed is asked for, to see whether there is one.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
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

// bodyOf is the body of a request, nil for none.
func bodyOf(body []byte) io.Reader {
	if len(body) == 0 {
		return nil
	}
	return bytes.NewReader(body)
}
