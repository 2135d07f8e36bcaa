package engines

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"sync"
)

// tailSize is how much of an engine's output is kept for error messages.
const tailSize = 2 << 10

var listening = regexp.MustCompile(`(?m)^listening (\d+)$`)

// output takes what an engine prints: to its log file, if any, and the end of
// it to memory. It delivers the port that the engine says it listens on.
type output struct {
	log  *os.File // nil: no log file
	port chan string

	mu       sync.Mutex
	kept     []byte
	reported bool
}

func newOutput() *output { return &output{port: make(chan string, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, p...)
	if len(o.kept) > tailSize {
		o.kept = bytes.Clone(o.kept[len(o.kept)-tailSize:])
	}
	if !o.reported {
		if m := listening.FindSubmatch(o.kept); m != nil && bytes.HasSuffix(o.kept, []byte("\n")) {
			o.reported = true
			o.port <- string(m[1])
		}
	}
	if o.log == nil {
		return len(p), nil
	}
	return o.log.Write(p)
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.kept))
}

func (o *output) close() error {
	if o.log == nil {
		return nil
	}
	return o.log.Close()
}
