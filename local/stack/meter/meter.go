// Package meter stands before DynamoDB and SQS, passes every call on and counts what AWS would bill for it, by the
// function that made it: a function is told by AWS_SDK_UA_APP_ID, which Functions sets.
//
// The local engines know no capacity of indexes, so the units of a write are worked out here, from the item before and
// after it, by the rules that DynamoDB documents:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html and, for indexes,
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes.
package meter

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"hotsync/local/sandbox"
	"hotsync/local/stack/template"
)

// Call is one call of a function to DynamoDB or SQS.
type Call struct {
	Function   string // its logical id; "?" when the caller does not say
	Service    string // "dynamodb" or "sqs"
	Operation  string // in the words of the API
	Resource   string // logical id of the table or queue
	Index      string
	Key        string // partition key of the item, where the call is about one
	WriteUnits int
	Began      time.Time
	Took       time.Duration
}

// Meter counts. It is safe for concurrent use.
type Meter struct {
	// Pace is what every call takes at least. The engines answer in less than it takes to
	// make the next call, so that calls which do not wait for each other seem to be made
	// one after the other; as far away as AWS is, they are seen side by side.
	Pace time.Duration

	mu       sync.Mutex
	template *template.Template
	calls    []Call
}

// Functions makes every function of the template say its name in its calls, and tells the meter the tables and queues.
// It is for stack.Options.Adjust.
func (m *Meter) Functions(t *template.Template) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.template = t
	for _, f := range t.Functions {
		f.Environment["AWS_SDK_UA_APP_ID"] = f.LogicalID
	}
}

// Taken returns the calls so far in the order of their ends, and forgets them.
func (m *Meter) Taken() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := m.calls
	m.calls = nil
	return calls
}

// Units returns the write units of calls.
func Units(calls []Call) int {
	sum := 0
	for _, c := range calls {
		sum += c.WriteUnits
	}
	return sum
}

// InSequence returns those of the calls that were made after each other: the most of
// them of which no two were under way at once. They are what the calls add to the time of
// whoever waits for them.
func InSequence(calls []Call) []Call {
	byEnd := slices.SortedFunc(
		slices.Values(calls),
		func(a, b Call) int { return a.Began.Add(a.Took).Compare(b.Began.Add(b.Took)) },
	)
	var chain []Call
	var last time.Time
	for _, c := range byEnd {
		if len(chain) == 0 || !c.Began.Before(last) {
			chain, last = append(chain, c), c.Began.Add(c.Took)
		}
	}
	return chain
}

// ByTime reports whether it is a read that a process makes again when its knowledge is old,
// whoever signs in: of a pause after a second, of the settings after half a minute.
func (c Call) ByTime() bool {
	return c.Operation == "GetItem" && (c.Key == "pause" || c.Key == "settings")
}

// Before starts a server that stands before an engine. The caller closes it.
func (m *Meter) Before(engine string) (*httptest.Server, error) {
	target, err := url.Parse(engine)
	if err != nil {
		return nil, fmt.Errorf("address of the engine: %w", err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller went away
		}
		c, in := m.read(r, body)
		c.Began = time.Now()
		time.Sleep(m.Pace)
		writes := m.writes(c, in)
		for i := range writes {
			writes[i].before = item(r, engine, writes[i])
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &sandbox.StatusWriter{ResponseWriter: w}
		proxy.ServeHTTP(answer, r)
		c.Took = time.Since(c.Began)
		for i := range writes {
			// A refused write costs what the item that was there costs: the condition was read.
			writes[i].after = writes[i].before
			if cmp.Or(answer.Status, http.StatusOK) == http.StatusOK {
				writes[i].after = item(r, engine, writes[i])
			}
			c.WriteUnits += writes[i].units()
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.calls = append(m.calls, c)
	})), nil
}

var appID = regexp.MustCompile(`app/(\w+)`)

// request is what the meter needs of a call.
type request struct {
	TableName    string
	IndexName    string
	QueueURL     string `json:"QueueUrl"`
	Key          map[string]json.RawMessage
	Item         map[string]json.RawMessage
	RequestItems map[string]json.RawMessage
}

// partition is the partition key of the item that a call is about, "" where there is none
// or it is not called pk.
func (r request) partition() string {
	of := r.Key
	if of == nil {
		of = r.Item
	}
	var pk struct{ S string }
	if json.Unmarshal(of["pk"], &pk) != nil {
		return ""
	}
	return pk.S
}

func (m *Meter) read(r *http.Request, body []byte) (Call, request) {
	c := Call{Function: "?"}
	if found := appID.FindStringSubmatch(r.UserAgent()); found != nil {
		c.Function = found[1]
	}
	var in request
	if json.Unmarshal(body, &in) != nil {
		in = request{}
	}
	service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c.Service, c.Operation, c.Index, c.Key = "dynamodb", operation, in.IndexName, in.partition()
	m.mu.Lock()
	defer m.mu.Unlock()
	if service == "AmazonSQS" {
		c.Service, c.Resource = "sqs", m.queue(in.QueueURL)
		return c, in
	}
	tables := slices.Sorted(maps.Keys(in.RequestItems))
	if in.TableName != "" {
		tables = append(tables, in.TableName)
	}
	for i, name := range tables {
		if t, ok := m.table(name); ok {
			tables[i] = t.LogicalID
		}
	}
	c.Resource = strings.Join(tables, " ")
	return c, in
}

func (m *Meter) table(name string) (template.Table, bool) {
	if m.template == nil {
		return template.Table{}, false
	}
	for _, t := range m.template.Tables {
		if t.Name == name {
			return t, true
		}
	}
	return template.Table{}, false
}

func (m *Meter) queue(address string) string {
	if m.template != nil {
		for _, q := range m.template.Queues {
			if q.Name == path.Base(address) {
				return q.LogicalID
			}
		}
	}
	return address
}
