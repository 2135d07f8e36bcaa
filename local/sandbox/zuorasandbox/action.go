package zuorasandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxBatch is the most records of one answer to a ZOQL query.
const maxBatch = 2000

// cursorLife is how long queryMore can go on.
const cursorLife = 15 * time.Minute

// cursors keep the rest of a query's records.
type cursors struct {
	now func() time.Time

	mu   sync.Mutex
	open map[string]cursor // by locator
}

type cursor struct {
	rest  []object
	total int
	batch int
	until time.Time
}

func newCursors(now func() time.Time) *cursors {
	return &cursors{now: now, open: map[string]cursor{}}
}

func (c *cursors) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.open)
}

// answer takes a batch of records and keeps the rest for queryMore.
func (c *cursors) answer(records []object, total, batch int) object {
	answer := object{"size": total, "done": true}
	if len(records) == 0 {
		return answer // records is absent when there are none
	}
	answer["records"] = records[:min(len(records), batch)]
	if len(records) <= batch {
		return answer
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	maps.DeleteFunc(c.open, func(_ string, old cursor) bool { return !now.Before(old.until) })
	locator := randomHex() + "-" + strconv.Itoa(total-len(records)+batch)
	c.open[locator] = cursor{rest: records[batch:], total: total, batch: batch, until: now.Add(cursorLife)}
	answer["done"], answer["queryLocator"] = false, locator
	return answer
}

func (c *cursors) take(locator string) (cursor, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.open[locator]
	return found, ok && c.now().Before(found.until)
}

// query serves POST /v1/action/query for accounts.
func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	var body struct {
		QueryString string `json:"queryString"`
		Conf        struct {
			BatchSize int `json:"batchSize"`
		} `json:"conf"`
	}
	if !readAction(w, r, &body) {
		return
	}
	q, err := parseZOQL(body.QueryString)
	if err == nil {
		err = s.check(q)
	}
	var f *fault
	if errors.As(err, &f) {
		sendJSON(w, r, http.StatusBadRequest, object{"FaultCode": f.code, "FaultMessage": f.message})
		return
	}
	records := []object{}
	for _, e := range s.zoqlCandidates(q) {
		if !q.selects(e.view) {
			continue
		}
		record := object{}
		for _, name := range q.fields {
			value := e.view[lowerFirst(name)]
			if value != nil && value != "" { // nulls are left out
				record[name] = value
			}
		}
		records = append(records, record)
	}
	batch := maxBatch
	if body.Conf.BatchSize > 0 {
		batch = min(batch, body.Conf.BatchSize)
	}
	sendJSON(w, r, http.StatusOK, s.cursors.answer(records, len(records), batch))
}

// zoqlCandidates narrows the accounts by a condition for one value of a custom
// field.
func (s *Server) zoqlCandidates(q zoql) []*entry {
	if len(q.where) == 1 {
		for _, c := range q.where[0] {
			if c.op == "=" && c.value != nil && isCustom(c.field) {
				return s.store.withValue(c.field, fmt.Sprint(c.value))
			}
		}
	}
	return s.store.all()
}

// check refuses objects and fields that there are not, and gives the others
// their exact names.
func (s *Server) check(q zoql) error {
	if q.object != "Account" {
		return &fault{"INVALID_TYPE", "invalid type for query: " + q.object}
	}
	for i, field := range q.fields {
		name, ok := s.accountField(field)
		if !ok {
			return &fault{"INVALID_FIELD", "invalid field for query: account." + field}
		}
		q.fields[i] = name
	}
	for _, group := range q.where {
		for i, c := range group {
			name, ok := s.accountField(c.field)
			if !ok {
				return &fault{"INVALID_FIELD", "invalid field for query: account." + c.field}
			}
			group[i].field = name
		}
	}
	return nil
}

func (s *Server) queryMore(w http.ResponseWriter, r *http.Request) {
	var body struct {
		QueryLocator string `json:"queryLocator"`
	}
	if !readAction(w, r, &body) {
		return
	}
	c, ok := s.cursors.take(body.QueryLocator)
	if !ok {
		sendJSON(
			w,
			r,
			http.StatusBadRequest,
			object{"FaultCode": "INVALID_QUERY_LOCATOR", "FaultMessage": "invalid query locator"},
		)
		return
	}
	sendJSON(w, r, http.StatusOK, s.cursors.answer(c.rest, c.total, c.batch))
}

// readAction decodes the body of an action. It has answered when it is false.
func readAction(w http.ResponseWriter, r *http.Request, v any) bool {
	_, ok := parameters(w, r, "rejectUnknownFields")
	if !ok {
		return false
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		err = dec.Decode(v)
	}
	if err != nil {
		refuse(w, r, http.StatusBadRequest, invalid, "The request body cannot be read.")
	}
	return err == nil
}
