package jobs

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"hotsync/shared/hotsync"
)

// Memory is a Store that lasts as long as its process, for tests and for what ends
// with a command. The zero value is an empty one.
type Memory struct {
	mu    sync.Mutex
	items map[string]kept
}

type kept struct {
	raw      []byte
	revision int
}

func (m *Memory) save(key string, v any, revision int) (int, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.items[key].revision != revision {
		return 0, ErrConflict
	}
	if m.items == nil {
		m.items = map[string]kept{}
	}
	m.items[key] = kept{raw, revision + 1}
	return revision + 1, nil
}

func (m *Memory) load(key string, v any) (int, error) {
	m.mu.Lock()
	k := m.items[key]
	m.mu.Unlock()
	if k.revision == 0 {
		return 0, nil
	}
	return k.revision, json.Unmarshal(k.raw, v)
}

// Job implements Store.
func (m *Memory) Job(_ context.Context, id string) (j Job, err error) {
	j.Revision, err = m.load("job "+id, &j)
	if err == nil && j.Revision == 0 {
		return Job{}, ErrNotFound
	}
	return j, err
}

// SaveJob implements Store.
func (m *Memory) SaveJob(_ context.Context, j Job) (_ Job, err error) {
	j.Revision, err = m.save("job "+j.ID, j, j.Revision)
	return j, err
}

// Jobs implements Store.
func (m *Memory) Jobs(ctx context.Context, limit int, cursor string) (jobs []Job, next string, err error) {
	m.mu.Lock()
	keys := slices.Sorted(maps.Keys(m.items))
	m.mu.Unlock()
	for _, key := range slices.Backward(keys) {
		id, ok := strings.CutPrefix(key, "job ")
		if !ok || cursor != "" && id >= cursor {
			continue
		}
		if len(jobs) == limit {
			return jobs, jobs[len(jobs)-1].ID, nil
		}
		j, err := m.Job(ctx, id)
		if err != nil {
			return nil, "", err
		}
		jobs = append(jobs, j)
	}
	return jobs, "", nil
}

// Chunks implements Store.
func (m *Memory) Chunks(_ context.Context, job string, n, limit int) (chunks []Chunk, err error) {
	for ; len(chunks) < limit; n++ {
		c := Chunk{Job: job, N: n}
		c.Revision, err = m.load(chunkKey(c), &c)
		if err != nil || c.Revision == 0 {
			return chunks, err
		}
		chunks = append(chunks, c)
	}
	return chunks, nil
}

func chunkKey(c Chunk) string { return "chunk " + c.Job + " " + chunkName(c.N) }

// SaveChunk implements Store.
func (m *Memory) SaveChunk(_ context.Context, c Chunk) (_ Chunk, err error) {
	c.Revision, err = m.save(chunkKey(c), c, c.Revision)
	return c, err
}

// Sketch implements Store.
func (m *Memory) Sketch(_ context.Context, job string) (s Sketch, err error) {
	s.Revision, err = m.load("sketch "+job, &s)
	return s, err
}

// SaveSketch implements Store.
func (m *Memory) SaveSketch(_ context.Context, job string, s Sketch) (_ Sketch, err error) {
	s.Revision, err = m.save("sketch "+job, s, s.Revision)
	return s, err
}

// conflict reports whether somebody else was faster.
func conflict(err error) bool {
	return err != nil && hotsync.AsError(err).Code == hotsync.CodeConflict
}
