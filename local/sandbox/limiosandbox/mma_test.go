package limiosandbox_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/spectest"
)

// idToken is a token as an identity provider of this computer signs it.
func idToken(issuer, subject string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"iss":"`+issuer+`","sub":"`+subject+`"}`)) + ".x"
}

func TestAccountView(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.addAccount("", "1")
	b.addAccount("", "2") // another person's
	of := `"owner":"` + id("id", "1") + `","customer":"` + id("cus", "1") + `",`
	on := of + `"related":"` + id("sub", "1") + `",`
	b.must("POST", "/objects/limio/schedules",
		`{"id":"`+id("schedule", "1")+`","name":"",`+on+`"status":"pending-external","data":`+
			`{"type":"payment","date":"2026-04-01T00:00:00.000","schedule_date":"2026-04-01T00:00:00.000","amount":"17.50","amountWithoutTax":"17.50","currency":"GBP"}}`)
	b.must("POST", "/objects/limio/subscription_add_ons",
		`{"id":"`+id("subscription_add_on", "1")+`","name":"",`+on+`"data":{"quantity":1}}`)
	b.must("POST", "/objects/limio/payment_methods",
		`{"id":"`+id("pm", "3")+`","name":"","type":"zuora",`+of+`"data":{"relationships":[`+
			`{"relationship_id":"`+id("rel", "4")+`","subscription":"`+id("sub",
			"1")+`","start":"2026-01-02","status":"active"}]}}`)
	b.must("POST", "/objects/externalidentity/"+id("id", "1"), `{"id_token":{"iss":"i","sub":"ada"}}`)

	for name, token := range map[string]string{"client's token": b.token, "no token": "", "nobody's": idToken("", "ada")} {
		b.token = token
		status, _ := b.do("GET", "/mma/subscriptions", "")
		if status != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", name, status)
		}
	}
	b.token = idToken("i", "eve")
	if got := b.must("GET", "/mma/subscriptions", "")["items"]; len(got.([]any)) != 0 {
		t.Errorf("a login that nothing is linked to sees %v", got)
	}

	b.token = idToken("i", "ada")
	b.http = &http.Client{Transport: spectest.Transport(t, "limio.openapi.json", "/api", nil)}
	answer := b.must("GET", "/mma/subscriptions", "")
	items := answer["items"].([]any)
	if diff := cmp.Diff([]string{id("sub", "1")}, ids(items)); diff != "" {
		t.Fatalf("subscriptions (-want +got):\n%s", diff)
	}
	sub := items[0].(map[string]any)
	got := map[string][]string{"customers": ids(answer["customers"])}
	for _, list := range []string{"offers", "schedule", "addOns", "addresses", "paymentMethods"} {
		got[list] = ids(sub[list])
	}
	want := map[string][]string{"customers": {id("cus", "1")}, "offers": {id("subscription_offer", "1")},
		"schedule": {id("schedule", "1")},
		"addOns":   {id("subscription_add_on", "1")}, "addresses": {id("address", "1")}, "paymentMethods": {id("pm", "3")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("joined (-want +got):\n%s", diff)
	}
	for kind, want := range map[string]string{"subscription_add_on": id("subscription_add_on", "1"),
		"payment_method": id("pm", "3"),
		"address":        id("address", "1"), "schedule": id("schedule", "1"),
		"subscription_offer": id("subscription_offer", "1")} {
		got := ids(b.must("GET", "/mma/subscriptions/"+id("sub", "1")+"/related/"+kind, "")["items"])
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Errorf("related %s (-want +got):\n%s", kind, diff)
		}
	}
	status, _ := b.do("GET", "/mma/subscriptions/"+id("sub", "2")+"/related/schedule", "")
	if status != http.StatusNotFound {
		t.Errorf("another person's subscription: status %d, want 404", status)
	}
}

func TestAccountViewFromAPage(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for origin, want := range map[string]string{"http://127.0.0.1:8094": "http://127.0.0.1:8094",
		"http://localhost:5":       "http://localhost:5",
		"https://shop.example.com": "", "http://127.0.0.1.example.com": ""} {
		for _, method := range []string{http.MethodOptions, http.MethodGet} {
			req, err := http.NewRequestWithContext(t.Context(), method, b.url+"/api/mma/subscriptions", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", origin)
			res, err := b.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %s allows %q, want %q", method, origin, got, want)
			}
		}
	}
}
