package limio

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/shared/projection"
)

// FuzzRelated: an answer is either refused, or every object of a known kind in
// it is there, once, in order and under its own id: a lost one would be created
// again.
func FuzzRelated(f *testing.F) {
	for _, seed := range []string{
		`{"items":[]}`,
		`{"items":null}`,
		`{"items":[{"record_type":"customer","id":"cus-1","data":{"n":1e400,"x":[null]}},{"record_type":"event","id":7}]}`,
		`{"items":[{"record_type":"address","id":"a","relationship_id":"rel-1","data":null},{"record_type":"address","id":"a"}]}`,
		`{"items":[{"record_type":"identity","id":"id-1","type":"@limio/external-id","data":{"iss":"i","sub":"s"}}]}`,
		`{"items":[{"record_type":"subscription","data":{}}]}`,
		`{"items":[{"record_type":"payment_method","id":"pm-1","data":{"zuora":"x"}},null]}`,
		`{"items":[{"record_type":"address","id":"a","data":{"relationships":[7]}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var answer related
		err := decode(bytes.NewReader(body), &answer)
		if err != nil {
			return
		}
		got, err := answer.objects()
		if err != nil {
			return
		}
		var plain struct {
			Items []struct {
				ID         any `json:"id"`
				RecordType any `json:"record_type"`
			} `json:"items"`
		}
		err = json.Unmarshal(body, &plain)
		if err != nil {
			t.Fatalf("%q was read although it is not JSON: %v", body, err)
		}
		want, ids, seen := []string{}, []string{}, map[string]bool{}
		for _, item := range plain.Items {
			id, _ := item.ID.(string)
			kind, _ := item.RecordType.(string)
			if known(projection.Kind(kind)) && !seen[id] {
				seen[id] = true
				want = append(want, kind+" "+id)
			}
		}
		for _, o := range got {
			ids = append(ids, string(o.Kind)+" "+o.ID)
		}
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Fatalf("objects of %q mismatch (-want +got):\n%s", body, diff)
		}
	})
}

// TestDecode: an answer is one JSON value, whole and with nothing behind it; numbers of
// data stay as they are written, and a text is the same with and without escapes.
func TestDecode(t *testing.T) {
	t.Parallel()

	customer := []projection.Object{{Kind: projection.Customer, ID: "cus-1", Name: "Zoë", Data: map[string]any{
		"price": json.Number("17.50")}}}
	for name, tc := range map[string]struct {
		body string
		want []projection.Object // nil for an answer that cannot be read
	}{
		"plain": {`{"items":[{"record_type":"customer","id":"cus-1","name":"Zoë","data":{"price":17.50}}]}`, customer},
		"escaped": {`{"items":[{"record_type":"cu\u0073tomer","id":"cus\u002d1","name":"Zo\u00eb","data":{"price":17.50}}]} `,
			customer},
		"no UTF-8": {"{\"items\":[{\"record_type\":\"customer\",\"id\":\"cus-1\",\"name\":\"Zo\xeb\"}]}",
			[]projection.Object{{Kind: projection.Customer, ID: "cus-1", Name: "Zo\ufffd"}}},
		"another value behind it": {`{"items":[]} {"items":[]}`, nil},
		"something behind it":     {`{"items":[]}]`, nil},
		"cut":                     {`{"items":[{"record_type":"customer","id":"cus-1"}`, nil},
		"nothing":                 {``, nil},
		"a page":                  {`<html></html>`, nil},
		"data that is no object":  {`{"items":[{"record_type":"customer","id":"cus-1","data":"x"}]}`, nil},
		"no list":                 {`{}`, nil},
	} {
		var answer related
		err := decode(strings.NewReader(tc.body), &answer)
		var got []projection.Object
		if err == nil {
			got, err = answer.objects()
		}
		if (err != nil) != (tc.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(projection.Object{}, "Key")); diff != "" {
			t.Errorf("%s: objects mismatch (-want +got):\n%s", name, diff)
		}
	}
}
