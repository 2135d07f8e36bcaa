package staff

import (
	"context"
	"slices"
	"sync"
	"time"

	"hotsync/shared/eventstore"
)

// endsLife is how long a session that was ended elsewhere may still read pages.
// What changes something asks anew.
const endsLife = 10 * time.Second

// maxKnown bounds the members whose ends are remembered at once.
const maxKnown = 1000

// ends knows which sessions ended before their time. It is safe for concurrent
// use.
type ends struct {
	Sessions
	now func() time.Time

	mu    sync.Mutex
	known map[string]knownEnds // by member
	ended int                  // how many were ended here
}

type knownEnds struct {
	read time.Time
	list []eventstore.SessionEnd
}

// over reports whether the session was ended, by what was read within endsLife,
// or now if it must be fresh.
func (e *ends) over(ctx context.Context, s session, fresh bool) (bool, error) {
	e.mu.Lock()
	known, ok := e.known[s.Subject]
	ended := e.ended
	e.mu.Unlock()
	if fresh || !ok || e.now().Sub(known.read) >= endsLife {
		known.read = e.now()
		var err error
		known.list, err = e.SessionEnds(ctx, s.Subject)
		if err != nil {
			return false, err
		}
		e.remember(s.Subject, known, ended)
	}
	return slices.ContainsFunc(known.list, func(end eventstore.SessionEnd) bool {
		return end.Session == s.ID || end.Session == "" && !s.Began.After(end.At)
	}), nil
}

// remember keeps what was read, unless something was ended meanwhile.
func (e *ends) remember(member string, known knownEnds, ended int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ended != e.ended {
		return
	}
	if len(e.known) >= maxKnown {
		clear(e.known)
	}
	e.known[member] = known
}

// end ends sessions of a member, here at once and elsewhere within endsLife.
func (e *ends) end(ctx context.Context, member string, end eventstore.SessionEnd) error {
	err := e.EndSession(ctx, member, end)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.known, member)
	e.ended++
	return nil
}
