package meter

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"hotsync/local/stack/template"
)

// attributes is an item, or a key, in DynamoDB's JSON.
type attributes = map[string]json.RawMessage

// write is what a call does to one item.
type write struct {
	table         template.Table
	key           attributes
	before, after attributes // nil: there is none
}

// writes returns the items that a call writes, without what they hold.
func (m *Meter) writes(c Call, in request) []write {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []write
	add := func(table string, from attributes) {
		t, ok := m.table(table)
		if !ok {
			return
		}
		key := attributes{}
		for _, name := range names(t.Key) {
			key[name] = from[name]
		}
		out = append(out, write{table: t, key: key})
	}
	switch c.Operation {
	case "PutItem":
		add(in.TableName, in.Item)
	case "UpdateItem", "DeleteItem":
		add(in.TableName, in.Key)
	case "BatchWriteItem":
		for _, table := range slices.Sorted(maps.Keys(in.RequestItems)) {
			var all []struct {
				PutRequest    *struct{ Item attributes }
				DeleteRequest *struct{ Key attributes }
			}
			if json.Unmarshal(in.RequestItems[table], &all) != nil {
				continue
			}
			for _, one := range all {
				switch {
				case one.PutRequest != nil:
					add(table, one.PutRequest.Item)
				case one.DeleteRequest != nil:
					add(table, one.DeleteRequest.Key)
				}
			}
		}
	}
	return out
}

func names(k template.Key) []string {
	if k.Range == "" {
		return []string{k.Hash}
	}
	return []string{k.Hash, k.Range}
}

// item reads the item of a write past the meter, with the credentials of the call that is metered: local engines take
// any.
func item(r *http.Request, engine string, w write) attributes {
	body, err := json.Marshal(map[string]any{"TableName": w.table.Name, "Key": w.key, "ConsistentRead": true})
	if err != nil {
		return nil
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, engine, bytes.NewReader(body))
	if err != nil {
		return nil
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Content-Length")
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	var out struct{ Item attributes }
	if json.NewDecoder(res.Body).Decode(&out) != nil {
		return nil
	}
	return out.Item
}

const kilobyte = 1024

func rounded(size int) int { return (size + kilobyte - 1) / kilobyte }

// units returns what DynamoDB bills for a standard write: of the table, a unit for each kilobyte of the larger of the
// item before and after, one at least; of each index, the same for an entry that changes, for the old and the new
// entry when it moves to another key, and nothing for an entry that stays as it is.
func (w write) units() int {
	sum := max(1, rounded(size(w.before)), rounded(size(w.after)))
	for _, x := range w.table.Indexes {
		sum += indexUnits(entry(w.table, x, w.before), entry(w.table, x, w.after), names(x.Key))
	}
	return sum
}

func indexUnits(before, after attributes, key []string) int {
	switch {
	case before == nil || after == nil:
		return rounded(max(size(before), size(after)))
	case slices.ContainsFunc(key, func(name string) bool { return !bytes.Equal(before[name], after[name]) }):
		return rounded(size(before)) + rounded(size(after))
	case maps.EqualFunc(before, after, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }):
		return 0
	}
	return rounded(max(size(before), size(after)))
}

// entry returns what an index holds of an item, nil where the item has not the index's key.
func entry(t template.Table, x template.Index, of attributes) attributes {
	for _, name := range names(x.Key) {
		if of[name] == nil {
			return nil
		}
	}
	if x.Projection == "ALL" {
		return of
	}
	out := attributes{}
	for _, name := range slices.Concat(names(t.Key), names(x.Key), x.NonKey) {
		if value, ok := of[name]; ok {
			out[name] = value
		}
	}
	return out
}

// size returns the bytes of an item:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func size(a attributes) int {
	sum := 0
	for name, value := range a {
		sum += len(name) + valueSize(value)
	}
	return sum
}

func valueSize(raw json.RawMessage) int {
	var v struct {
		S, N, B *string
		SS, NS  []string
		L       []json.RawMessage
		M       attributes
	}
	if json.Unmarshal(raw, &v) != nil {
		return len(raw)
	}
	switch {
	case v.S != nil:
		return len(*v.S)
	case v.N != nil:
		return (len(*v.N)+1)/2 + 1
	case v.B != nil:
		return base64.StdEncoding.DecodedLen(len(*v.B))
	case v.SS != nil || v.NS != nil:
		sum := 0
		for _, s := range slices.Concat(v.SS, v.NS) {
			sum += len(s)
		}
		return sum
	case v.L != nil:
		sum := 3
		for _, e := range v.L {
			sum += 1 + valueSize(e)
		}
		return sum
	case v.M != nil:
		return 3 + len(v.M) + size(v.M)
	}
	return 1 // BOOL, NULL
}
