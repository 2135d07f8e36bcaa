package limio_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hotsync/local/sandbox/persona"
	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
)

// publish makes the catalogue what the cast's merchant has published.
func (b *testBundle) publish() {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"items": persona.Catalogue()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.control("PUT", "catalogue", string(body), nil)
}

func TestCatalogue(t *testing.T) {
	t.Parallel()

	for name, assumptions := range map[string]string{"published": `{}`,
		"older operations": `{"publishedCatalogue":false}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, func(c *limio.Config) {
				if name == "published" { // that the other has no such operation is not in the file
					c.HTTP = specTransport(t)
				}
			})
			b.publish()
			b.control("PUT", "assumptions", assumptions, nil)
			index, notes, err := b.client.Catalogue(t.Context())
			if err != nil || len(notes) != 0 || index.Len() != len(persona.Catalogue()) {
				t.Fatalf("Catalogue = %v, notes %v, want %d items", err, notes, len(persona.Catalogue()))
			}
			item, ok := index.Item("/offers2/Next Season")
			if !ok || len(item.ID) != 40 || item.Data["id"] == item.ID {
				t.Errorf("the item is named by what its data says of the item it was duplicated from: %+v", item)
			}
		})
	}
}

// catalogueOf answers every list with pages, and the others with an empty one.
func catalogueOf(t *testing.T, list string, pages ...string) *limio.Client {
	t.Helper()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body := `{"items":[],"hits":0}`
		switch {
		case r.URL.Path == "/oauth2/token":
			body = `{"access_token":"t","expires_in":3600}`
		case r.URL.Query().Get("record_type") == list:
			body = pages[min(n, len(pages)-1)]
			n++
		}
		_, err := io.WriteString(w, body)
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return newClient(t, limio.Config{BaseURL: s.URL, Credentials: (&testBundle{}).credentials})
}

func TestCatalogueOfOddAnswers(t *testing.T) {
	t.Parallel()

	item := func(n int) string {
		return fmt.Sprintf(`{"path":"/offers2/%d","id":"i","version":"v","data":{"record_type":"offer"}}`, n)
	}
	more := `,"queryMore":{"from":7,"alias":"a&b"}}`
	for name, tc := range map[string]struct {
		list  string
		pages []string
		items int
		notes int
		code  hotsync.Code
	}{
		"hits last, as a number": {"offers2", []string{`{"items":[` + item(1) + `],"hits":1}`}, 1, 0, ""},
		"hits an object": {"offers2", []string{`{"items":[` + item(1) + `],"hits":{"value":1,"relation":"eq"}}`},
			1, 0, ""},
		"no hits": {"offers2", []string{`{"items":[` + item(1) + `]}`}, 1, 0, ""},
		"two pages": {"offers2",
			[]string{`{"items":[` + item(1) + `],"hits":2` + more, `{"items":[` + item(2) + `],"hits":2}`}, 2, 0, ""},
		"queryMore null": {"offers2", []string{`{"items":[` + item(1) + `],"queryMore":null}`}, 1, 0, ""},
		"no list":        {"offers2", []string{`{"hits":0}`}, 0, 0, hotsync.CodeLimioAnswer},
		"list null":      {"add_on", []string{`{"items":null}`}, 0, 0, hotsync.CodeLimioAnswer},
		"fewer than hits": {"offers2", []string{`{"items":[` + item(1) + `],"hits":2}`}, 0, 0,
			hotsync.CodeLimioAnswer},
		"no end": {"offers2", []string{`{"items":[` + item(1) + `]` + more}, 0, 0,
			hotsync.CodeLimioAnswer},
		"an empty page with more": {"offers2", []string{`{"items":[]` + more}, 0, 0, hotsync.CodeLimioAnswer},
		"too many": {"offers2", []string{`{"items":[` + strings.Repeat(item(1)+",", 5000) + item(2) + `]}`},
			0, 0, hotsync.CodeLimioAnswer},
		"an item that is a number": {"offers2", []string{`{"items":[7,` + item(1) + `,null]}`}, 1, 1, ""},
		"an item whose data is text": {"offers2",
			[]string{`{"items":[{"path":"/offers2/odd","id":"i","data":"x"},` + item(1) + `]}`}, 1, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			index, notes, err := catalogueOf(t, tc.list, tc.pages...).Catalogue(t.Context())
			if tc.code != "" {
				wantCode(t, err, tc.code)
				return
			}
			if err != nil || index.Len() != tc.items || len(notes) != tc.notes {
				t.Errorf("Catalogue = %v with notes %v, want %d items and %d notes", err, notes, tc.items, tc.notes)
			}
		})
	}
}
