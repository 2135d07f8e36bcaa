package eventstore

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"hotsync/shared/hotsync"
)

// A write costs by the kilobyte, and the detail is most of an event. It repeats what
// the summary says (ids, times, the subject), and words that every detail has. So it is
// compressed with both as what came before: what is left of an unchanged login is a
// sixth, and the whole item is below a kilobyte.
//
// A packed detail begins with a byte that tells how it is packed: '{' is JSON, the
// first of gzip's is what the version before wrote, packedV1 is DEFLATE with words and
// summary.
const packedV1 = 0x01

// words is a detail with the members and values that most have, those that are in
// nearly all of them last. What is stored cannot be read without it: a change needs
// another first byte.
const words = `"candidates":["A000"],"lookup":{"field":"LimioExternalId__c","value":"retryOf":"event-","actor":"note":"job":"job-` +
	`"requeued":1,"sentOn":1,"error":{"code":"zuora_unavailable","message":"limio_unavailable","paused"` +
	`"findings":[{"code":"sales_tax_unknown","severity":"attention","message":"note","hint":"object":` +
	`"changes":[{"action":"create","kind":"customer","subscription_offer","payment_method","address","schedule","identity",` +
	`"link","update","id":"fields":[{"field":"data.","before":null,"after":"attributes.` +
	`"subscriptions":[{"number":"A-S0000","status":"active","offers":[{"name":"start":"end":"zuora_account_numbers","zuora",` +
	`{"name":"make owner","make customer","note accounts of owner","read limio again","resolve","lookup",` +
	`"PostAuthentication_Authentication","post_authentication","post_confirmation","backfill","callout","console","api",` +
	`{"attempts":[{"n":1,"startedAt":"2026-01-01T00:00:00.000Z","finishedAt":"2027-01-01T00:00:00.000Z"}],` +
	`"steps":[{"name":"read catalogue","startedAt":"","ms":0,"calls":0,"detail":"90 items"},` +
	`{"name":"read zuora","startedAt":"","ms":3,"calls":3,"detail":"1 subscriptions, 1 payment methods"},` +
	`{"name":"read limio","startedAt":"","ms":2,"calls":2,"detail":"12 objects"},` +
	`{"name":"project","startedAt":"","ms":1,"calls":0,"detail":"12 objects"},` +
	`{"name":"diff","startedAt":"","ms":0,"calls":0,"detail":"0 changes"},` +
	`{"name":"apply","startedAt":"","ms":0,"calls":0,"detail":"0 of 0 changes"}],` +
	`"request":{"event":"event-","login":"login-","trigger":"login","provider":"","identity":{"iss":"https://","sub":"auth0|` +
	`"},"emailHash":"","emailMask":"a***@example.com","claim":"zuora_account_ids","account":"","accountId":"","named":[""],` +
	`"requestedAt":"2026-01-01T00:00:00.000Z"}}`

// packers are kept, since one takes a megabyte.
var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestCompression)
	if err != nil {
		panic(err) // the level is none
	}
	return w
}}

// pack returns the detail of an event whose summary is that.
func pack(e hotsync.Event, summary []byte) ([]byte, error) {
	_, detail := parts(e, 0)
	raw, err := json.Marshal(detail)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	z := packers.Get().(*flate.Writer)
	defer packers.Put(z)
	var b bytes.Buffer
	z.Reset(&b)
	// What comes before is written like the rest and then left out: a writer that is made
	// with a dictionary could not be used again with another one.
	for _, part := range [][]byte{[]byte(words), summary} {
		_, err = z.Write(part)
		if err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
	}
	err = z.Flush()
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	b.Reset()
	b.WriteByte(packedV1)
	_, err = z.Write(raw)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	err = z.Close()
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return b.Bytes(), nil
}

// unpack reads the detail of an event whose summary is that.
func unpack(packed, summary []byte, into *detail) (err error) {
	var r io.Reader = bytes.NewReader(packed)
	switch {
	case len(packed) == 0 || packed[0] == '{':
	case packed[0] == packedV1:
		r = flate.NewReaderDict(bytes.NewReader(packed[1:]), append([]byte(words), summary...))
	default:
		r, err = gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("decompress: %w", err)
		}
	}
	dec := json.NewDecoder(io.LimitReader(r, maxUnpacked))
	dec.UseNumber() // values of changes come back as they were written
	err = dec.Decode(into)
	if err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}
