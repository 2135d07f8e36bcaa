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
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/catalogue"
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
	attrTTL   = "expiresAt"
)

// Client is what the store needs of *dynamodb.Client.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

// Store is the copy in DynamoDB. It is safe for concurrent use.
type Store struct {
	client        Client
	table, tenant string
}

// New makes a Store over an existing table with the string keys pk and sk.
func New(client Client, table, tenant string) *Store {
	return &Store{client: client, table: table, tenant: tenant}
}

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
	name, _ := first[attrName].(*types.AttributeValueMemberS)
	parts, at := number(first, attrParts), number(first, attrAt)
	if name == nil || parts < 0 || parts > maxParts {
		return Copy{}, false, damaged(errors.New("no name, or too many parts"))
	}
	zipped := data(first)
	for n := range parts {
		part, err := s.get(ctx, partKey(name.Value, int(n)))
		if err != nil {
			return Copy{}, false, err
		}
		zipped = append(zipped, data(part)...)
	}
	c, err := decode(zipped)
	if err != nil {
		return Copy{}, false, damaged(err)
	}
	c.ReadAt = time.UnixMilli(at)
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
	return s.put(ctx, "copy", zipped[:min(maxPart, len(zipped))], c.ReadAt, item{
		attrName: &types.AttributeValueMemberS{Value: name}, attrParts: numeric(int64(parts)), attrAt: numeric(c.ReadAt.UnixMilli())})
}

type item = map[string]types.AttributeValue

func partKey(name string, n int) string { return fmt.Sprintf("part#%s#%03d", name, n) }

func (s *Store) key(sk string) item {
	return item{"pk": &types.AttributeValueMemberS{Value: "catalogue#" + s.tenant}, "sk": &types.AttributeValueMemberS{Value: sk}}
}

func (s *Store) get(ctx context.Context, sk string) (item, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: s.key(sk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, hotsync.Errorf(hotsync.CodeStoreUnavailable, "The copy of the catalogue could not be read.").Because(err)
	}
	return out.Item, nil
}

func (s *Store) put(ctx context.Context, sk string, data []byte, at time.Time, more item) error {
	it := s.key(sk)
	it[attrData] = &types.AttributeValueMemberB{Value: data}
	it[attrTTL] = numeric(at.Add(keepFor).Unix())
	for name, value := range more {
		it[name] = value
	}
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: it})
	if err != nil {
		return hotsync.Errorf(hotsync.CodeStoreUnavailable, "The copy of the catalogue could not be written.").Because(err)
	}
	return nil
}

func damaged(err error) error {
	return hotsync.Errorf(hotsync.CodeStoreUnavailable, "The stored copy of the catalogue is damaged.").Because(err)
}

func numeric(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// number is a member that is a number, or -1.
func number(it item, name string) int64 {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return -1
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func data(it item) []byte {
	v, ok := it[attrData].(*types.AttributeValueMemberB)
	if !ok {
		return nil
	}
	return v.Value
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
