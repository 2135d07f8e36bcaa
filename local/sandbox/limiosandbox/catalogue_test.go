package limiosandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/persona"
	"hotsync/local/spectest"
)

// publish makes the catalogue what the cast's merchant has published.
func (b *testBundle) publish() {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"items": persona.Catalogue()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.must("PUT", "/_sandbox/catalogue", string(body))
}

// paths returns the paths of a list of catalogue items.
func paths(list any) []string {
	out := []string{}
	for _, item := range list.([]any) {
		out = append(out, item.(map[string]any)["path"].(string))
	}
	return out
}

func TestCatalogue(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.publish()
	b.http = &http.Client{Transport: spectest.Transport(t, "limio.openapi.json", "/api", nil)}
	first := b.must("GET", "/published_catalog_items?record_type=offers2&opt.all=true", "")
	more := first["queryMore"].(map[string]any)
	rest := b.must("GET",
		fmt.Sprintf("/published_catalog_items?record_type=offers2&opt.all=true&opt.queryMoreFrom=%s&opt.queryMoreAlias=%s",
			more["from"], more["alias"]), "")
	all := append(paths(first["items"]), paths(rest["items"])...)
	hits := first["hits"].(map[string]any)["value"].(float64)
	if len(paths(first["items"])) != 50 || len(all) != int(hits) || rest["queryMore"] != nil ||
		all[0] != "/offers2/Archive" {
		t.Errorf("pages of %d and %d of %v items, then %v, first %s", len(paths(first["items"])), len(paths(rest["items"])),
			hits, rest["queryMore"], all[0])
	}
	older := b.must("GET", "/offers?opt.pageSize=100&opt.all=true", "")
	if diff := cmp.Diff(all, paths(older["items"])); diff != "" || older["hits"] != hits {
		t.Errorf("older operation: hits %v (-want +got):\n%s", older["hits"], diff)
	}
	if got := paths(b.must("GET", "/add_ons", "")["items"]); !cmp.Equal(got, []string{"/add_ons/Crossword"}) {
		t.Errorf("add-ons = %v", got)
	}
	if got := b.must("GET", "/offers?path=/offers2/Nothing", ""); got["hits"] != 0.0 {
		t.Errorf("unknown path = %v", got)
	}
	if got := b.must("GET", "/offers", ""); got["queryMore"] != nil {
		t.Errorf("pages without opt.all: %v", got["queryMore"])
	}
}

func TestCatalogueRefuses(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.publish()
	for _, path := range []string{"/published_catalog_items", "/published_catalog_items?record_type=offer",
		"/offers?page=2",
		"/offers?opt.pageSize=0", "/offers?opt.queryMoreFrom=50",
		"/offers?opt.all=true&opt.queryMoreFrom=50&opt.queryMoreAlias=x"} {
		status, _ := b.do("GET", path, "")
		if status != http.StatusBadRequest {
			t.Errorf("%s = %d, want 400", path, status)
		}
	}
	b.must("PUT", "/_sandbox/assumptions", `{"publishedCatalogue":false}`)
	status, _ := b.do("GET", "/published_catalog_items?record_type=offers2", "")
	if status != http.StatusNotFound {
		t.Errorf("without the operation: %d, want 404", status)
	}
	status, _ = b.do("PUT", "/_sandbox/catalogue",
		`{"items":[{"path":"no slash","id":"1","version":"1","data":{"record_type":"offer"}}]}`)
	if status != http.StatusBadRequest {
		t.Errorf("an item that is none: %d, want 400", status)
	}
	b.must("POST", "/_sandbox/reset", "")
	if got := b.must("GET", "/offers", ""); got["hits"] != 0.0 {
		t.Errorf("after a reset there are %v items, want none as at first", got["hits"])
	}
}

func TestUnknownIs502(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.must("PUT", "/_sandbox/assumptions", `{"unknownIs404":false}`)
	for _, path := range []string{"/objects/zuora/customers/account-1", "/objects/limio/customers/" + id("cus", "9"),
		"/objects/limio/customer/" + id("cus", "9") + "/related"} {
		status, _ := b.do("GET", path, "")
		if status != http.StatusBadGateway {
			t.Errorf("%s = %d, want 502", path, status)
		}
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()

	b := setup(t)
	objects := `{"objects":[{"record_type":"identity","id":"` + id("id", "1") + `","type":"@limio/id"},` +
		`{"record_type":"customer","id":"` + id("cus", "1") + `","owner":"` + id("id", "1") + `","data":{"name":"Ada"}},` +
		`{"record_type":"identity","id":"identity-own","type":"@limio/external-id","owner":"` + id("id",
		"1") + `","data":{"iss":"i","sub":"ada"}},` +
		`{"record_type":"identity","id":"` + id("identity", "1") + `","type":"account","service":"zuora","owner":"` + id("id",
		"1") + `","customer":"` + id("cus", "1") + `","data":{"value":"account-1"}},` +
		`{"record_type":"subscription","id":"sub-own","name":"A-S1","owner":"` + id("id", "1") + `","customer":"` + id("cus",
		"1") + `","created":"2026-01-01T09:00:00.210Z"}]}`
	b.must("PUT", "/_sandbox/objects", objects)
	b.must("PUT", "/_sandbox/objects", objects) // again: replaced, not doubled
	if got := b.must("GET", "/objects/zuora/customers/account-1", "")["id"]; got != id("cus", "1") {
		t.Errorf("customer of the account = %v", got)
	}
	if got := ids(b.must("GET", "/objects/limio/subscriptions", "")["items"]); !cmp.Equal(got, []string{"sub-own"}) {
		t.Errorf("subscriptions = %v", got)
	}
	b.token = idToken("i", "ada")
	if got := ids(b.must("GET", "/mma/subscriptions", "")["items"]); !cmp.Equal(got, []string{"sub-own"}) {
		t.Errorf("subscriptions of the login = %v", got)
	}
	status, answer := b.do("PUT", "/_sandbox/objects",
		`{"objects":[{"record_type":"subscription","id":"sub-2","owner":"`+id("id", "9")+`"}]}`)
	if status != http.StatusBadRequest || !strings.Contains(answer["error"].(string), "owner") {
		t.Errorf("an object of nobody = %d %v", status, answer)
	}
}

// A reset brings back what the sandbox began with, and nothing that it was told
// while it ran.
func TestResetBringsBackTheFirstObjects(t *testing.T) {
	t.Parallel()

	b := setup(t)
	owner := `{"record_type":"identity","id":"` + id("id", "1") + `","type":"@limio/id"}`
	err := b.sandbox.Seed([]json.RawMessage{json.RawMessage(owner)})
	if err != nil {
		t.Fatal(err)
	}
	b.must("PUT", "/_sandbox/objects",
		`{"objects":[{"record_type":"identity","id":"`+id("id", "2")+`","type":"@limio/id"}]}`)
	for _, want := range [][]string{{id("id", "1"), id("id", "2")}, {id("id", "1")}, {id("id", "1")}} {
		if got := ids(b.must("GET", "/_sandbox/state", "")["identity"]); !cmp.Equal(got, want) {
			t.Errorf("identities = %v, want %v", got, want)
		}
		b.must("POST", "/_sandbox/reset", "")
	}
}

func TestKindsAreHeldToWhatThePagesRead(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.addAccount("", "1")
	schedule := `"type":"payment","date":"2026-04-01T00:00:00.000","schedule_date":"2026-04-01T00:00:00.000","currency":"GBP",`
	for _, tc := range []struct {
		name, path, kind, data string
		status                 int
	}{
		{"amount as text", "schedules", "schedule", schedule + `"amount":"0.00","amountWithoutTax":"0.00"`, 200},
		{"amount as a number", "schedules", "schedule", schedule + `"amount":17.5,"amountWithoutTax":"17.50"`, 400},
		{"no amount without tax", "schedules", "schedule", schedule + `"amount":"17.50"`, 400},
		{"CRUD word", "payment_methods", "pm", `"zuora":{"result":{"Type":"BankTransfer"}}`, 200},
		{"v1 word", "payment_methods", "pm", `"zuora":{"result":{"Type":"Bacs"}}`, 400},
		{"stand-in offer", "subscription_offers", "subscription_offer", `"offer":{"data":{"record_type":"offer"}}`, 200},
		{"offer of no record type", "subscription_offers", "subscription_offer", `"offer":{"data":{}}`, 400},
		{"add-on of no record type", "subscription_add_ons", "subscription_add_on", `"add_on":{"id":"add_on-1"}`, 400},
	} {
		status, answer := b.do("POST", "/objects/limio/"+tc.path,
			`{"id":"`+id(tc.kind, "7")+`","name":"","data":{`+tc.data+`}}`)
		if status != tc.status {
			t.Errorf("%s = %d %v, want %d", tc.name, status, answer, tc.status)
		}
	}
	status, _ := b.do("PUT", "/objects/limio/schedules/"+id("schedule", "7"), `{"data":{"amount":0}}`)
	if status != http.StatusBadRequest {
		t.Errorf("a number by PUT = %d, want 400", status)
	}
}
