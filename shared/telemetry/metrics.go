package telemetry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

// Metric names a number that CloudWatch keeps.
type Metric string

// The metrics. docs/configuration.md says what each means; alarms and dashboard
// in template.yaml name them.
const (
	Logins               Metric = "Logins"               // sign-ins that a front door acted on
	Queued               Metric = "Queued"               // requests that SQS took from them
	NotQueued            Metric = "NotQueued"            // requests that it did not take, and logins given up
	LoginsWithoutSync    Metric = "LoginsWithoutSync"    // logins that led to nothing; also by provider and reason
	LoginMilliseconds    Metric = "LoginMilliseconds"    // what a login spent here
	Synced               Metric = "Synced"               // syncs that succeeded
	Failed               Metric = "Failed"               // syncs that failed for good; also Failed_<code>
	Retried              Metric = "Retried"              // tries that failed and are repeated
	Coalesced            Metric = "Coalesced"            // requests that a later sync already covers
	Skipped              Metric = "Skipped"              // requests that ended without a sync for another reason
	LoginToSyncedSeconds Metric = "LoginToSyncedSeconds" // from the login to its recorded success
	ZuoraCalls           Metric = "ZuoraCalls"           // HTTP requests to Zuora
	ZuoraRateLimited     Metric = "ZuoraRateLimited"     // of them answered with 429
	ZuoraPaused          Metric = "ZuoraPaused"          // tries put off since Zuora is down or asked to wait
	LimioPaused          Metric = "LimioPaused"          // the same of Limio
	RequestAgeSeconds    Metric = "RequestAgeSeconds"    // how old a request was when its message was looked at
	LimioFailures        Metric = "LimioFailures"        // tries that ended with an error of Limio
	StoreThrottled       Metric = "StoreThrottled"       // tries of calls that DynamoDB refused for want of capacity
	DeadLetters          Metric = "DeadLetters"          // messages that the queue gave up on
)

// failedFor is the metric that counts failures of one code. A dimension would
// do the same, but nearly every metric has the dimension Function alone.
func failedFor(code hotsync.Code) Metric { return Failed + "_" + Metric(code) }

// units of the metrics that are no counts. Their values are kept one by one,
// for percentiles; counts are added up.
var units = map[Metric]string{
	LoginMilliseconds:    "Milliseconds",
	LoginToSyncedSeconds: "Seconds",
	RequestAgeSeconds:    "Seconds",
}

// Namespace and Dimension are where CloudWatch finds the metrics.
const (
	Namespace = "Hotsync"
	Dimension = "Function"
)

// ProviderDimension and ReasonDimension tell apart, beside Dimension, the logins
// that led to nothing.
const (
	ProviderDimension = "Provider"
	ReasonDimension   = "Reason"
)

// StackDimension is the name of the stack. What any function can meet is added up by it,
// beside Dimension, so that one alarm watches all of them: metric math over functions that
// never met it gives nothing.
const StackDimension = "Stack"

// noProvider stands for a login that no configured provider vouches for: a
// dimension must not be empty.
const noProvider = "none"

// maxValues is how many values of a metric one line may hold, by the format.
const maxValues = 100

// Metrics collects numbers until Flush writes them. It is safe for concurrent
// use. A nil Metrics collects nothing, so that callers need not ask.
type Metrics struct {
	w        io.Writer
	function string
	stack    string
	now      func() time.Time

	mu      sync.Mutex
	values  map[Metric][]float64
	without map[withoutSync]float64
}

// withoutSync tells logins that led to nothing apart.
type withoutSync struct{ provider, reason string }

// NewMetrics makes a collector for a function of a stack, named as in AWS. Lines are
// written to w, which in Lambda is the standard output.
func NewMetrics(w io.Writer, function, stack string, now func() time.Time) *Metrics {
	return &Metrics{
		w:        w,
		function: function,
		stack:    stack,
		now:      now,
		values:   map[Metric][]float64{},
		without:  map[withoutSync]float64{},
	}
}

// WithoutSync counts a login that led to nothing. The provider is the configured
// one's name, "" for none; neither is of a visitor's making, who could otherwise
// make any number of metrics.
func (m *Metrics) WithoutSync(provider, reason string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.without[withoutSync{cmp.Or(provider, noProvider), reason}]++
}

// Add adds to a count, or another value to what is not a count.
func (m *Metrics) Add(metric Metric, value float64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	have := m.values[metric]
	if _, each := units[metric]; !each && len(have) > 0 {
		have[0] += value
		return
	}
	m.values[metric] = append(have, value)
	if len(m.values[metric]) == maxValues {
		m.write()
	}
}

// Sync counts what became of a message: it is for syncer.Config.Observe.
func (m *Metrics) Sync(e hotsync.Event) {
	switch {
	case e.Status == hotsync.StatusSucceeded:
		m.Add(Synced, 1)
		switch e.Trigger {
		case hotsync.TriggerLogin, hotsync.TriggerPostAuthentication, hotsync.TriggerPostConfirmation:
			m.Add(LoginToSyncedSeconds, e.FinishedAt.Sub(e.RequestedAt).Seconds())
		}
	case e.Status == hotsync.StatusFailed:
		m.Add(Failed, 1)
		m.Add(failedFor(hotsync.Code(e.Reason)), 1)
	case e.Status == hotsync.StatusSkipped && e.Reason == hotsync.ReasonCoalesced:
		m.Add(Coalesced, 1)
	case e.Status == hotsync.StatusSkipped:
		m.Add(Skipped, 1)
		if e.Reason == hotsync.ReasonNoMatch {
			m.WithoutSync(e.Provider, e.Reason)
		}
	case e.Status == hotsync.StatusRetrying && e.Reason == hotsync.ReasonPaused && of(e, "zuora_"):
		m.Add(ZuoraPaused, 1)
	case e.Status == hotsync.StatusRetrying && e.Reason == hotsync.ReasonPaused && of(e, "limio_"):
		m.Add(LimioPaused, 1)
	case e.Status == hotsync.StatusRetrying:
		m.Add(Retried, 1)
	}
	if of(e, "limio_") {
		m.Add(LimioFailures, 1)
	}
}

// of reports whether an event's error has a code of that system.
func of(e hotsync.Event, prefix string) bool {
	return e.Error != nil && strings.HasPrefix(string(e.Error.Code), prefix)
}

// Received notes how old a request is of which a message has come. The queue's own
// age begins anew with every copy that takes a message's place; this one does not.
func (m *Metrics) Received(r hotsync.SyncRequest) {
	if m != nil && !r.RequestedAt.IsZero() {
		m.Add(RequestAgeSeconds, m.now().Sub(r.RequestedAt).Seconds())
	}
}

// Flush writes what was collected as one line, nothing when there is nothing.
// It belongs at the end of an invocation: Lambda may freeze the process then.
func (m *Metrics) Flush() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.write()
}

func (m *Metrics) write() {
	var throttled []byte
	if n := m.values[StoreThrottled]; len(n) > 0 && m.stack != "" {
		throttled = encodeThrottled(m.now(), m.function, m.stack, n[0])
		delete(m.values, StoreThrottled)
	}
	line := append(Encode(m.now(), m.function, m.values), throttled...)
	clear(m.values)
	keys := slices.SortedFunc(maps.Keys(m.without), func(a, b withoutSync) int {
		return cmp.Or(strings.Compare(a.provider, b.provider), strings.Compare(a.reason, b.reason))
	})
	for _, k := range keys {
		line = append(line, encodeWithoutSync(m.now(), m.function, k, m.without[k])...)
	}
	clear(m.without)
	if line == nil {
		return
	}
	_, err := m.w.Write(line)
	if err != nil {
		slog.Warn("metrics not written", "error", err)
	}
}

// The parts of a line in CloudWatch's embedded metric format.
type (
	definition struct {
		Name Metric
		Unit string
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	metadata struct {
		Timestamp         int64
		CloudWatchMetrics []directive
	}
)

// Encode returns a line in CloudWatch's embedded metric format, with its line
// end; nil when there are no values.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func Encode(at time.Time, function string, values map[Metric][]float64) []byte {
	d := directive{Namespace: Namespace, Dimensions: [][]string{{Dimension}}}
	line := map[string]any{Dimension: function}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		unit, each := units[name]
		switch {
		case len(v) == 0:
			continue
		case each:
			line[string(name)] = v
		default:
			unit, line[string(name)] = "Count", v[0]
		}
		d.Metrics = append(d.Metrics, definition{name, unit})
	}
	if len(d.Metrics) == 0 {
		return nil
	}
	line["_aws"] = metadata{at.UnixMilli(), []directive{d}}
	return encodeLine(line)
}

// encodeWithoutSync returns the line that counts logins that led to nothing, for
// the function as a whole and by provider and reason.
func encodeWithoutSync(at time.Time, function string, of withoutSync, n float64) []byte {
	d := directive{
		Namespace:  Namespace,
		Dimensions: [][]string{{Dimension}, {Dimension, ProviderDimension, ReasonDimension}},
		Metrics:    []definition{{LoginsWithoutSync, "Count"}},
	}
	return encodeLine(map[string]any{Dimension: function, ProviderDimension: of.provider, ReasonDimension: of.reason,
		string(LoginsWithoutSync): n, "_aws": metadata{at.UnixMilli(), []directive{d}}})
}

// encodeThrottled returns the line that counts tries which DynamoDB refused, by function
// and for the stack as a whole.
func encodeThrottled(at time.Time, function, stack string, n float64) []byte {
	d := directive{
		Namespace:  Namespace,
		Dimensions: [][]string{{Dimension}, {StackDimension}},
		Metrics:    []definition{{StoreThrottled, "Count"}},
	}
	return encodeLine(map[string]any{Dimension: function, StackDimension: stack, string(StoreThrottled): n,
		"_aws": metadata{at.UnixMilli(), []directive{d}}})
}

func encodeLine(line map[string]any) []byte {
	var b bytes.Buffer
	err := json.NewEncoder(&b).Encode(line)
	if err != nil {
		return nil // a value is NaN or infinite: no number to tell
	}
	return b.Bytes()
}
