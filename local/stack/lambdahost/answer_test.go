package lambdahost

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

func batchOf(ids ...string) []types.Message {
	var batch []types.Message
	for _, id := range ids {
		batch = append(batch, types.Message{MessageId: &id})
	}
	return batch
}

func idsOf(batch []types.Message) []string {
	var ids []string
	for _, m := range batch {
		ids = append(ids, *m.MessageId)
	}
	return ids
}

func TestSucceeded(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		answer  string
		want    []string
		wantErr bool
	}{
		{answer: ``, want: []string{"a", "b"}},
		{answer: `null`, want: []string{"a", "b"}},
		{answer: `{}`, want: []string{"a", "b"}},
		{answer: `{"batchItemFailures":null}`, want: []string{"a", "b"}},
		{answer: `{"batchItemFailures":[]}`, want: []string{"a", "b"}},
		{answer: `{"batchItemFailures":[{"itemIdentifier":"a"}]}`, want: []string{"b"}},
		{answer: `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"},{"itemIdentifier":"a"}]}`},
		{answer: `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}`, wantErr: true},
		{answer: `{"batchItemFailures":[{"itemIdentifier":""}]}`, wantErr: true},
		{answer: `{"batchItemFailures":[{"itemIdentifier":null}]}`, wantErr: true},
		{answer: `{"batchItemFailures":[{"id":"a"}]}`, wantErr: true},
		{answer: `{"batchItemFailures":{}}`, wantErr: true},
		{answer: `"ok"`, wantErr: true},
		{answer: `{`, wantErr: true},
	} {
		got, err := succeeded(batchOf("a", "b"), []byte(tc.answer))
		if diff := cmp.Diff(tc.want, idsOf(got)); diff != "" || (err != nil) != tc.wantErr {
			t.Errorf("succeeded(%s) error = %v, mismatch (-want +got):\n%s", tc.answer, err, diff)
		}
	}
}

// FuzzSucceeded: whatever a function answers, what is deleted is a part of the
// batch in its order, and nothing when the answer is not understood.
func FuzzSucceeded(f *testing.F) {
	f.Add(`{"batchItemFailures":[{"itemIdentifier":"a"}]}`)
	f.Add(`null`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, answer string) {
		batch := batchOf("a", "b", "c")
		got, err := succeeded(batch, []byte(answer))
		ids := idsOf(got)
		if err != nil && len(ids) > 0 {
			t.Fatalf("succeeded(%q) = %q with error %v", answer, ids, err)
		}
		if !slices.IsSorted(ids) || len(ids) > 3 {
			t.Fatalf("succeeded(%q) = %q", answer, ids)
		}
	})
}

// FuzzDecodeAnswer: whatever a function answers, the client gets a status that
// HTTP knows; and JSON without a status code is the body as it is.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add(`{"statusCode":200,"headers":{"a":"b"},"cookies":["a=b"],"body":"AA==","isBase64Encoded":true}`)
	f.Add(`{"statusCode":1e2}`)
	f.Add(`{"statusCode":200,"headers":{"a b":"\n"}}`)
	f.Add(`"text"`)
	f.Fuzz(func(t *testing.T, payload string) {
		a, err := decodeAnswer([]byte(payload))
		if err != nil {
			return
		}
		rec := httptest.NewRecorder()
		a.write(rec)
		if rec.Code < http.StatusOK || rec.Code > 599 {
			t.Fatalf("decodeAnswer(%q) gave status %d", payload, rec.Code)
		}
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(payload), &object) != nil && rec.Body.String() != payload {
			t.Fatalf("decodeAnswer(%q) gave the body %q", payload, rec.Body)
		}
	})
}

func TestLineWriterHoldsBackHalfLines(t *testing.T) {
	t.Parallel()

	var out strings.Builder
	w := &lineWriter{log: &functionLog{name: "f", tee: &out}}
	for _, s := range []string{"a", "b\nc\nd", "e"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", s, n, err)
		}
	}
	if got, want := out.String(), "f | ab\nf | c\n"; got != want {
		t.Errorf("log = %q, want %q", got, want)
	}
	w.flush()
	if got, want := out.String(), "f | ab\nf | c\nf | de\n"; got != want {
		t.Errorf("log after flush = %q, want %q", got, want)
	}
}
