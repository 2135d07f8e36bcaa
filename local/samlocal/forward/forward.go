// Package forward leads TCP connections from one address to another.
package forward

import (
	"errors"
	"io"
	"net"
	"sync"
)

// The variables by which the program bootstrap knows what to forward.
const (
	Host  = "HOTSYNC_DOORS_HOST"  // where the doors are, seen from a container
	Ports = "HOTSYNC_DOORS_PORTS" // with commas between them
)

// Way leads from a listening address to another one.
type Way struct {
	to       string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

// Listen begins to forward connections to the address to.
func Listen(address, to string) (*Way, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	w := &Way{to: to, listener: l, conns: map[net.Conn]struct{}{}}
	w.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			w.running.Go(func() { w.pipe(c) })
		}
	})
	return w, nil
}

// Addr is the address that it listens on.
func (w *Way) Addr() string { return w.listener.Addr().String() }

// pipe copies both ways until one of them ends.
func (w *Way) pipe(c net.Conn) {
	there, err := net.Dial("tcp", w.to)
	if err != nil {
		_ = c.Close() // the caller sees a closed connection, as of a server that is gone
		return
	}
	defer w.drop(c, there)
	if !w.keep(c, there) {
		return
	}
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, there}, {there, c}} {
		w.running.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // an end and a failure are the same to a forwarder
			done <- struct{}{}
		})
	}
	<-done
}

// keep notes connections for Close, and reports whether there is still time.
func (w *Way) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = struct{}{}
	}
	return !w.closed
}

func (w *Way) drop(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // perhaps for the second time
		delete(w.conns, c)
	}
}

// Close ends the way and its connections.
func (w *Way) Close() error {
	err := w.listener.Close()
	w.mu.Lock()
	w.closed = true
	for c := range w.conns {
		err = errors.Join(err, c.Close())
	}
	w.mu.Unlock()
	w.running.Wait()
	return err
}
