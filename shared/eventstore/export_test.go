package eventstore

import (
	"encoding/json"

	"hotsync/shared/dynamo"
)

// SetBounds makes searches read less at once and stop earlier, as they do in a
// large table.
func (s *Store) SetBounds(page int, count int64, batch int) {
	s.pageBudget, s.countBudget, s.maxBatch = page, count, batch
}

// Detail returns the detail of an event's item as JSON, "" of an item without one.
func Detail(it item) (string, error) {
	packed := dynamo.GetBytes(it, attrDetail)
	if packed == nil {
		return "", nil
	}
	var d detail
	err := unpack(packed, []byte(dynamo.GetText(it, attrSummary)), &d)
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(d)
	return string(raw), err
}

// Unpack is how a detail is read.
func Unpack(packed, summary []byte) error { return unpack(packed, summary, &detail{}) }
