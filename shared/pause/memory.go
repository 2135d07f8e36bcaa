package pause

import (
	"context"
	"sync"
)

// Memory is a store in memory. Its zero value is empty.
type Memory struct {
	mu    sync.Mutex
	state State
}

// Load implements Store.
func (m *Memory) Load(context.Context) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state, nil
}

// Replace implements Store.
func (m *Memory) Replace(_ context.Context, old, next State) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.state.Until.Equal(old.Until) || !m.state.ProbeUntil.Equal(old.ProbeUntil) {
		return false, nil
	}
	m.state = next
	return true, nil
}
