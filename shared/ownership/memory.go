package ownership

import (
	"context"
	"maps"
	"sync"
)

// Memory is a store in memory. Its zero value is empty.
type Memory struct {
	mu     sync.Mutex
	owners map[string]Owner // those of a copy are elsewhere
	logins map[string]Login
}

// Owner is as Store says.
func (m *Memory) Owner(_ context.Context, id string) (Owner, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.owners[id]
	o.ID = id
	return o.clone(), nil
}

// SaveOwner is as Store says.
func (m *Memory) SaveOwner(_ context.Context, o Owner) (Owner, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owners[o.ID].Revision != o.Revision {
		return Owner{}, ErrConflict
	}
	if m.owners == nil {
		m.owners = map[string]Owner{}
	}
	o = o.clone()
	o.Elsewhere = false
	o.Revision++
	m.owners[o.ID] = o
	return o.clone(), nil
}

// Login is as Store says.
func (m *Memory) Login(_ context.Context, hash string) (Login, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.logins[hash], nil
}

// Read is as Store says.
func (m *Memory) Read(_ context.Context, hash string, owners ...string) (Login, map[string]Owner, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]Owner{}
	for _, id := range owners {
		o := m.owners[id]
		o.ID = id
		found[id] = o.clone()
	}
	if hash == "" {
		return Login{}, found, nil
	}
	return m.logins[hash], found, nil
}

// SaveLogin is as Store says.
func (m *Memory) SaveLogin(_ context.Context, hash string, l Login) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.logins[hash].Revision != l.Revision {
		return ErrConflict
	}
	if m.logins == nil {
		m.logins = map[string]Login{}
	}
	l.Revision++
	m.logins[hash] = l
	return nil
}

// Forget empties the store, as a table that was lost.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owners, m.logins = nil, nil
}

// Copy returns another store that has what this one has now, as a table that is
// restored under another name.
func (m *Memory) Copy() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Memory{owners: map[string]Owner{}, logins: maps.Clone(m.logins)}
	for id, o := range m.owners {
		o.Elsewhere = true
		c.owners[id] = o
	}
	return c
}
