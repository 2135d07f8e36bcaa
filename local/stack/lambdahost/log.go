package lambdahost

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxLine is how much of a line without an end is held back.
const maxLine = 64 << 10

// functionLog is the log of one function: a file and the shared tee, either of
// which may be missing. Lines of its environments do not mix.
type functionLog struct {
	name string
	tee  io.Writer

	mu   sync.Mutex
	file *os.File
	err  error // the first one
}

// printf writes one line.
func (l *functionLog) printf(format string, args ...any) {
	l.write(fmt.Appendf(nil, format+"\n", args...))
}

// write takes whole lines. A log that cannot be written must not stop the
// function, so errors wait for close.
func (l *functionLog) write(lines []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		if _, err := l.file.Write(lines); err != nil && l.err == nil {
			l.err = err
		}
	}
	if l.tee == nil {
		return
	}
	for line := range bytes.Lines(lines) {
		if _, err := l.tee.Write(fmt.Appendf(nil, "%s | %s", l.name, line)); err != nil && l.err == nil {
			l.err = err
		}
	}
}

func (l *functionLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		if err := l.file.Close(); err != nil && l.err == nil {
			l.err = err
		}
		l.file = nil
	}
	return l.err
}

// lineWriter takes what a process prints and gives its function's log whole lines.
type lineWriter struct {
	log  *functionLog
	held []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.held = append(w.held, p...)
	end := bytes.LastIndexByte(w.held, '\n') + 1
	if end == 0 && len(w.held) > maxLine {
		w.flush()
		return len(p), nil
	}
	if end > 0 {
		w.log.write(w.held[:end])
		w.held = bytes.Clone(w.held[end:])
	}
	return len(p), nil
}

// flush ends the last line.
func (w *lineWriter) flush() {
	if len(w.held) > 0 {
		w.log.write(append(w.held, '\n'))
		w.held = nil
	}
}

// syncWriter lets several logs write to w.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
