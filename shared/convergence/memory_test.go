package convergence_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

var errDown = errors.New("limio is down")

// memory is a Limio as strict as it gets: it takes no reference to what is not
// there, and shows an account only once its identity is there.
type memory struct {
	mu      sync.Mutex
	objects map[string]projection.Object
	writes  int // so far
	limit   int // writes taken; after that all fail. Negative: no limit.
	faults  []string
}

func newMemory(objects ...projection.Object) *memory {
	m := &memory{objects: map[string]projection.Object{}, limit: -1}
	for _, o := range objects {
		m.objects[o.ID] = o
	}
	return m
}

func (m *memory) clone() *memory {
	return &memory{objects: maps.Clone(m.objects), limit: -1}
}

func (m *memory) begin() error {
	if m.limit >= 0 && m.writes >= m.limit {
		return errDown
	}
	m.writes++
	return nil
}

func (m *memory) Create(_ context.Context, o projection.Object) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.begin()
	if err != nil {
		return err
	}
	m.check(o.ID, o.Owner, o.Customer, o.Related)
	m.check(o.ID, references(o.Data)...)
	if existing, ok := m.objects[o.ID]; ok {
		existing.Status, existing.Data = o.Status, merge(existing.Data, o.Data)
		o = existing
	}
	o.Data = merge(nil, o.Data)
	m.objects[o.ID] = o
	return nil
}

func (m *memory) Update(_ context.Context, kind projection.Kind, service, id, status string,
	data map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.begin()
	if err != nil {
		return err
	}
	o, ok := m.objects[id]
	if !ok || o.Kind != kind || o.Service != service {
		m.faults = append(m.faults, fmt.Sprintf("update of %s %s %s, which is not there", service, kind, id))
	}
	if status == "" && len(data) == 0 {
		m.faults = append(m.faults, "empty update of "+id)
	}
	m.check(id, references(data)...)
	if status != "" {
		o.Status = status
	}
	o.Data = merge(o.Data, data)
	m.objects[id] = o
	return nil
}

func (m *memory) LinkExternalIdentity(_ context.Context, owner string, id hotsync.Identity) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.begin()
	if err != nil {
		return err
	}
	m.check("link", owner)
	o := projection.Object{Kind: projection.Identity, Service: "limio", Type: projection.TypeExternal, Status: "active",
		Owner: owner,
		Data:  map[string]any{"iss": id.Issuer, "sub": id.Subject}}
	o.Key = projection.KeyOf(o)
	o.ID = "identity-" + o.Key
	m.objects[o.ID] = o
	return nil
}

func (m *memory) check(id string, refs ...string) {
	for _, ref := range refs {
		if _, ok := m.objects[ref]; ref != "" && !ok {
			m.faults = append(m.faults, id+" refers to "+ref+", which is not there")
		}
	}
}

// references are the ids of objects that data mentions.
func references(value any) []string {
	var out []string
	switch v := value.(type) {
	case string:
		prefix, rest, _ := strings.Cut(v, "-")
		if len(rest) == 32 && slices.Contains([]string{"id", "cus", "sub", "pm", "address"}, prefix) {
			out = append(out, v)
		}
	case map[string]any:
		for _, member := range v {
			out = append(out, references(member)...)
		}
	case []any:
		for _, element := range v {
			out = append(out, references(element)...)
		}
	}
	return out
}

// merge is Limio's deep merge: lists and values are replaced, nil removes.
func merge(into, data map[string]any) map[string]any {
	out := maps.Clone(into)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range data {
		nested, isMap := v.(map[string]any)
		existing, _ := out[k].(map[string]any)
		switch {
		case isMap:
			out[k] = merge(existing, nested)
		case v == nil:
			delete(out, k)
		default:
			out[k] = v
		}
	}
	return out
}

// read is what Limio shows of an account: nothing until its identity is there.
func (m *memory) read(accountID string) []projection.Object {
	customer := ""
	for _, o := range m.objects {
		if o.Kind == projection.Identity && o.Service == "zuora" && o.Data["value"] == accountID {
			customer = o.Customer
		}
	}
	if customer == "" {
		return nil
	}
	var out []projection.Object
	owner := m.objects[customer].Owner
	for _, o := range m.objects {
		if o.ID == customer || o.Customer == customer || o.Kind == projection.Identity && o.Customer == "" &&
			(o.ID == owner || o.Owner == owner) {
			out = append(out, o)
		}
	}
	return out
}

// sync is one sync of an account: read, diff, apply.
func (m *memory) sync(want projection.Result) (convergence.Plan, error) {
	plan := convergence.Diff(want, m.read(want.AccountID))
	_, err := convergence.Apply(context.Background(), m, plan.Changes, convergence.Options{})
	return plan, err
}

func (m *memory) noFaults(t *testing.T) {
	t.Helper()
	for _, f := range m.faults {
		t.Error(f)
	}
}
