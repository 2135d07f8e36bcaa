package telemetry_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
)

var at = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func TestEncode(t *testing.T) {
	t.Parallel()

	got := telemetry.Encode(at, "hotsync-login", map[telemetry.Metric][]float64{
		telemetry.Logins: {2}, telemetry.LoginMilliseconds: {12, 8.5}, telemetry.Queued: nil,
	})
	want := `{"Function":"hotsync-login","LoginMilliseconds":[12,8.5],"Logins":2,"_aws":{"Timestamp":1795339800000,"CloudWatchMetrics":[` +
		`{"Namespace":"Hotsync","Dimensions":[["Function"]],"Metrics":[{"Name":"LoginMilliseconds","Unit":"Milliseconds"},{"Name":"Logins","Unit":"Count"}]}]}}` + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("Encode mismatch (-want +got):\n%s", diff)
	}
}

func TestEncodeOfNothing(t *testing.T) {
	t.Parallel()

	for name, values := range map[string]map[telemetry.Metric][]float64{
		"nil": nil, "no values": {telemetry.Logins: {}}, "no number": {telemetry.LoginMilliseconds: {math.NaN()}},
	} {
		if got := telemetry.Encode(at, "f", values); got != nil {
			t.Errorf("Encode of %s = %s, want nil", name, got)
		}
	}
}

// values reads the lines that a collector wrote back, the values of a metric together.
func values(t *testing.T, lines string) map[string][]float64 {
	t.Helper()
	got := map[string][]float64{}
	for line := range strings.Lines(lines) {
		var doc map[string]any
		err := json.Unmarshal([]byte(line), &doc)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		for name, v := range doc {
			switch v := v.(type) {
			case float64:
				got[name] = append(got[name], v)
			case []any:
				for _, x := range v {
					got[name] = append(got[name], x.(float64))
				}
			}
		}
	}
	return got
}

func TestSyncCounts(t *testing.T) {
	t.Parallel()

	problem := func(c hotsync.Code) *hotsync.Problem { return &hotsync.Problem{Code: c} }
	for _, tc := range []struct {
		name string
		give hotsync.Event
		want map[string][]float64
	}{
		{"login synced", hotsync.Event{Status: hotsync.StatusSucceeded, Trigger: hotsync.TriggerLogin, RequestedAt: at,
			FinishedAt: at.Add(1500 * time.Millisecond)},
			map[string][]float64{"Synced": {1}, "LoginToSyncedSeconds": {1.5}}},
		{"callout synced", hotsync.Event{Status: hotsync.StatusSucceeded, Trigger: hotsync.TriggerCallout, RequestedAt: at,
			FinishedAt: at}, map[string][]float64{"Synced": {1}}},
		{"failed at zuora", hotsync.Event{Status: hotsync.StatusFailed, Reason: "zuora_forbidden",
			Error: problem(hotsync.CodeZuoraForbidden)},
			map[string][]float64{"Failed": {1}, "Failed_zuora_forbidden": {1}}},
		{"failed at limio", hotsync.Event{Status: hotsync.StatusFailed, Reason: "limio_unauthorized",
			Error: problem(hotsync.CodeLimioUnauthorized)},
			map[string][]float64{"Failed": {1}, "Failed_limio_unauthorized": {1}, "LimioFailures": {1}}},
		{"retried at limio", hotsync.Event{Status: hotsync.StatusRetrying, Reason: "limio_unavailable",
			Error: problem(hotsync.CodeLimioUnavailable)},
			map[string][]float64{"Retried": {1}, "LimioFailures": {1}}},
		{"paused", hotsync.Event{Status: hotsync.StatusRetrying, Reason: hotsync.ReasonPaused,
			Error: problem(hotsync.CodeZuoraPaused)}, map[string][]float64{"ZuoraPaused": {1}}},
		{"zuora down", hotsync.Event{Status: hotsync.StatusRetrying, Reason: hotsync.ReasonPaused,
			Error: problem(hotsync.CodeZuoraUnavailable)}, map[string][]float64{"ZuoraPaused": {1}}},
		{"limio paused", hotsync.Event{Status: hotsync.StatusRetrying, Reason: hotsync.ReasonPaused,
			Error: problem(hotsync.CodeLimioPaused)},
			map[string][]float64{"LimioPaused": {1}, "LimioFailures": {1}}},
		{"owner busy", hotsync.Event{Status: hotsync.StatusRetrying, Reason: hotsync.ReasonPaused,
			Error: problem(hotsync.CodeOwnerBusy)}, map[string][]float64{"Retried": {1}}},
		{"coalesced", hotsync.Event{Status: hotsync.StatusSkipped, Reason: hotsync.ReasonCoalesced},
			map[string][]float64{"Coalesced": {1}}},
		{"ambiguous", hotsync.Event{Status: hotsync.StatusSkipped, Reason: hotsync.ReasonAmbiguous},
			map[string][]float64{"Skipped": {1}}},
		{"queued", hotsync.Event{Status: hotsync.StatusQueued}, map[string][]float64{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			var out bytes.Buffer
			m := telemetry.NewMetrics(&out, "f", "", func() time.Time { return at })
			m.Sync(tc.give)
			m.Flush()
			if diff := cmp.Diff(tc.want, values(t, out.String())); diff != "" {
				t.Errorf("metrics mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFlushWritesALineAndForgets(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer
	m := telemetry.NewMetrics(&out, "f", "", func() time.Time { return at })
	for range 3 {
		m.Add(telemetry.Logins, 1)
	}
	m.Flush()
	m.Flush()
	if got := strings.Count(out.String(), "\n"); got != 1 {
		t.Errorf("Flush wrote %d lines, want 1:\n%s", got, &out)
	}
	if diff := cmp.Diff(map[string][]float64{"Logins": {3}}, values(t, out.String())); diff != "" {
		t.Errorf("metrics mismatch (-want +got):\n%s", diff)
	}
}

// A line may hold a hundred values of a metric; the rest goes into another.
func TestManyValuesMakeSeveralLines(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer
	m := telemetry.NewMetrics(&out, "f", "", func() time.Time { return at })
	for i := range 250 {
		m.Add(telemetry.LoginMilliseconds, float64(i))
	}
	m.Flush()
	if got := strings.Count(out.String(), "\n"); got != 3 {
		t.Errorf("250 values made %d lines, want 3", got)
	}
	if got := len(values(t, out.String())["LoginMilliseconds"]); got != 250 {
		t.Errorf("the lines hold %d values, want 250", got)
	}
}

func TestNilMetricsCollectNothing(t *testing.T) {
	t.Parallel()

	var m *telemetry.Metrics
	m.Add(telemetry.Logins, 1)
	m.Sync(hotsync.Event{Status: hotsync.StatusFailed})
	m.Flush()
}

// What any function can meet is added up for the stack, in the function's own line beside it.
func TestThrottlesCountForTheStack(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer
	at := time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC)
	m := telemetry.NewMetrics(&out, "hotsync-console", "hotsync", func() time.Time { return at })
	m.Add(telemetry.StoreThrottled, 1)
	m.Add(telemetry.StoreThrottled, 1)
	m.Add(telemetry.ZuoraCalls, 1)
	m.Flush()
	want := `{"Function":"hotsync-console","ZuoraCalls":1,"_aws":{"Timestamp":1795685400000,"CloudWatchMetrics":[` +
		`{"Namespace":"Hotsync","Dimensions":[["Function"]],"Metrics":[{"Name":"ZuoraCalls","Unit":"Count"}]}]}}` + "\n" +
		`{"Function":"hotsync-console","Stack":"hotsync","StoreThrottled":2,"_aws":{"Timestamp":1795685400000,` +
		`"CloudWatchMetrics":[{"Namespace":"Hotsync","Dimensions":[["Function"],["Stack"]],` +
		`"Metrics":[{"Name":"StoreThrottled","Unit":"Count"}]}]}}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	out.Reset()
	m.Flush()
	if out.Len() > 0 {
		t.Errorf("counted twice: %s", out.String())
	}
}
