package catalogue

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// packers are kept, since one is larger than what it packs.
var packers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(io.Discard, flate.BestSpeed) // fails for other levels only
	return w
}}

// pack compresses the JSON of an item. A sync asks for few of a large catalogue.
func pack(raw []byte) []byte {
	var out bytes.Buffer
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	w.Reset(&out)
	_, _ = w.Write(raw) // a buffer takes everything
	_ = w.Close()
	return bytes.Clone(out.Bytes()) // no larger than it is
}

// unpack returns what was packed.
func unpack(packed []byte) []byte {
	out, _ := io.ReadAll(flate.NewReader(bytes.NewReader(packed))) // pack made it
	return out
}
