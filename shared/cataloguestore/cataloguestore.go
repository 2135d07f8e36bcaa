// Package cataloguestore keeps Limio's catalogue for all processes, so that
// hardly a sync reads it from Limio: a compact copy in the events table, and in
// each process the index made of it (see Cached).
//
// The copy is the item of pk "catalogue#" and the tenant and sk "copy", which
// expires. It holds gzip of JSON, a head and then the items one by one. What
// exceeds an item's size is in further items of sk "part#", the copy's name and a
// number; they are written first, so that a copy that is there is whole.
//
// Beside it the item of sk "plans" lists the rate plans that syncs have seen and
// what the catalogue has for them (see Plans and SeenPlans).
package cataloguestore

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"hotsync/shared/catalogue"
	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

const (
	maxPart   = 350 << 10 // of an item's 400 KB
	maxParts  = 40        // 14 MB of gzip
	maxUnzip  = 256 << 20
	keepFor   = 2 * maxAge // the copy expires; TTL may take a day more
	attrData  = "data"
	attrAt    = "readAt" // when Limio was read, in milliseconds since 1970
	attrName  = "name"
	attrParts = "parts" // how many further items there are
)

// Store is the copy in DynamoDB. It is safe for concurrent use.
type Store struct {
	table  dynamo.Table
	tenant string
}

// New makes a Store over an existing table.
func New(table dynamo.Table, tenant string) *Store { return &Store{table: table, tenant: tenant} }

// Copy is a catalogue as it was at a time.
type Copy struct {
	Index  *catalogue.Index
	Notes  []hotsync.Finding // of items that could not be read
	ReadAt time.Time
}

// head is the first value of a copy.
type head struct {
	Notes []hotsync.Finding `json:"notes,omitempty"`
}

// Load returns the stored copy; ok is false when there is none.
func (s *Store) Load(ctx context.Context) (_ Copy, ok bool, err error) {
	defer hotsync.In(&err, "cataloguestore.Load")
	first, err := s.get(ctx, "copy")
	if err != nil || first == nil {
		return Copy{}, false, err
	}
	name, parts := dynamo.GetText(first, attrName), dynamo.GetNumber(first, attrParts)
	if name == "" || parts < 0 || parts > maxParts {
		return Copy{}, false, damaged(errors.New("no name, or too many parts"))
	}
	zipped := dynamo.GetBytes(first, attrData)
	for n := range parts {
		part, err := s.get(ctx, partKey(name, int(n)))
		if err != nil {
			return Copy{}, false, err
		}
		zipped = append(zipped, dynamo.GetBytes(part, attrData)...)
	}
	c, err := decode(zipped)
	if err != nil {
		return Copy{}, false, damaged(err)
	}
	c.ReadAt = dynamo.GetTime(first, attrAt)
	return c, true, nil
}

// Save stores a copy in place of the one there is.
func (s *Store) Save(ctx context.Context, c Copy) (err error) {
	defer hotsync.In(&err, "cataloguestore.Save")
	zipped, err := encode(c)
	if err != nil {
		return hotsync.Errorf(hotsync.CodeInternal, "The catalogue has no JSON form.").Because(err)
	}
	parts := (len(zipped) - 1) / maxPart // besides the first
	if parts > maxParts {
		return hotsync.Errorf(hotsync.CodeInternal, "The catalogue is too large to be stored.")
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	name := hex.EncodeToString(b[:])
	for n := range parts {
		end := min((n+2)*maxPart, len(zipped))
		err = s.put(ctx, partKey(name, n), zipped[(n+1)*maxPart:end], c.ReadAt, nil)
		if err != nil {
			return err
		}
	}
	return s.put(ctx, "copy", zipped[:min(maxPart, len(zipped))], c.ReadAt, dynamo.Item{
		attrName: dynamo.Text(name), attrParts: dynamo.Number(parts), attrAt: dynamo.Time(c.ReadAt)})
}

func partKey(name string, n int) string { return fmt.Sprintf("part#%s#%03d", name, n) }

func (s *Store) key(sk string) dynamo.Item { return dynamo.Key("catalogue#"+s.tenant, sk) }

func (s *Store) get(ctx context.Context, sk string) (dynamo.Item, error) {
	return s.table.Get(ctx, s.key(sk))
}

func (s *Store) put(ctx context.Context, sk string, data []byte, at time.Time, more dynamo.Item) error {
	it := s.key(sk)
	it[attrData] = dynamo.Bytes(data)
	it[dynamo.Expires] = dynamo.Number(at.Add(keepFor).Unix())
	maps.Copy(it, more)
	return s.table.Put(ctx, it)
}

func damaged(err error) error {
	return hotsync.Errorf(hotsync.CodeStoreUnavailable, "The stored copy of the catalogue is damaged.").Because(err)
}

// encode writes a copy; one item at a time is decoded.
func encode(c Copy) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	enc := json.NewEncoder(zip)
	err := enc.Encode(head{c.Notes})
	if err != nil {
		return nil, err
	}
	for _, items := range []func(func(catalogue.Item) bool){c.Index.Items(), c.Index.Products()} {
		for i := range items {
			err = enc.Encode(i)
			if err != nil {
				return nil, err
			}
		}
	}
	err = zip.Close()
	return out.Bytes(), err
}

// decode reads what encode wrote. gzip's own sum tells a copy that is not whole.
func decode(zipped []byte) (Copy, error) {
	zip, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return Copy{}, err
	}
	dec := json.NewDecoder(io.LimitReader(zip, maxUnzip))
	dec.UseNumber()
	var h head
	err = dec.Decode(&h)
	if err != nil {
		return Copy{}, err
	}
	var built catalogue.Builder
	for {
		var i catalogue.Item
		err = dec.Decode(&i)
		if errors.Is(err, io.EOF) {
			return Copy{Index: built.Index(), Notes: h.Notes}, nil
		}
		if err != nil {
			return Copy{}, err
		}
		built.Add(i)
	}
}
