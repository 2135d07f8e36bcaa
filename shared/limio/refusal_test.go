package limio

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sentObject has personal values beside the names that an answer may be told by.
const sentObject = `{"id":"sub-1","name":"Léa Martin","status":"active","data":{"address1":"3 rue Haute","city":"Lyon","email":"lea@example.com"}}`

// Nothing of what Limio says is kept but the names of members that were sent.
func TestNamedMembers(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, answer, sent string
		want               []string
	}{
		{"nothing", "", sentObject, nil},
		{"prose", `{"message":"unknown member: status"}`, sentObject, []string{"status"}},
		{"path", `{"errors":[{"instancePath":"/data/city","message":"must be string"}]}`, sentObject,
			[]string{"city", "data"}},
		{"names and streets", `{"message":"Léa Martin of 3 rue Haute in Lyon is too long for address1"}`, sentObject,
			[]string{"address1"}},
		{"code and address", `{"code":"lea_martin","error":"lea@example.com"}`, sentObject, nil},
		{"text", "upstream connect error for Martin", sentObject, nil},
		{"as often as it likes", "status status status", sentObject, []string{"status"}},
		{"another case is another word", "Status and STATUS", sentObject, nil},
		{"the object as it was sent", sentObject, sentObject, nil},
		{"the only member", `data is missing`, `{"data":{}}`, []string{"data"}},
		{"nothing sent", `{"message":"status"}`, "", nil},
		{"a form", "client_secret is wrong", "client_id=a&client_secret=b", nil},
		{"a member named like a value", "3 rue Haute", `{"3 rue Haute":1,"x":2}`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(tc.want, named([]byte(tc.answer), []byte(tc.sent))); diff != "" {
				t.Errorf("named differs (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzNamed: whatever a server answers, only names of sent members are kept.
func FuzzNamed(f *testing.F) {
	for _, seed := range []string{"", "null", `{"message":"status \"y\" lea@example.com"}`, "\xff\"",
		strings.Repeat("日本", 200), sentObject} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, got := range named(answer, []byte(sentObject)) {
			if !slices.Contains([]string{"id", "name", "status", "data", "address1", "city", "email"}, got) {
				t.Fatalf("named(%q) has %q", answer, got)
			}
		}
	})
}
