package limiosandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hotsync/local/sandbox/limiosandbox"
)

// BenchmarkSync is what one sync of a changed account asks, with ten thousand
// accounts there: its time must not grow with their number.
func BenchmarkSync(b *testing.B) {
	s := limiosandbox.New(limiosandbox.Config{})
	do := func(method, path, contentType, body, token string) []byte {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("%s %s = %d %s", method, path, w.Code, w.Body)
		}
		return bytes.Clone(w.Body.Bytes())
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	err := json.Unmarshal(do("POST", "/oauth2/token", "application/x-www-form-urlencoded",
		"grant_type=client_credentials&client_id="+limiosandbox.DefaultClientID+"&client_secret="+
			limiosandbox.DefaultClientSecret, ""), &answer)
	if err != nil {
		b.Fatal(err)
	}
	api := func(method, path, body string) {
		do(method, "/api/objects/"+path, "application/json", body, answer.Token)
	}
	for i := range 10_000 {
		n := fmt.Sprintf("%032x", i)
		of := fmt.Sprintf(`"owner":"id-%s","customer":"cus-%s","name":"","data":`, n, n)
		api("POST", "limio/identities", `{"id":"id-`+n+`","name":"","type":"@limio/id","data":{}}`)
		api("POST", "limio/customers", `{"id":"cus-`+n+`","owner":"id-`+n+`","name":"","data":{}}`)
		api("POST", "zuora/identities", `{"id":"identity-`+n+`","type":"account",`+of+`{"value":"`+n+`"}}`)
		api("POST", "limio/subscriptions", `{"id":"sub-`+n+`",`+of+`{}}`)
		api("POST", "limio/subscription_offers", `{"id":"subscription_offer-`+n+`","related":"sub-`+n+`",`+of+`{}}`)
	}
	i := 0
	for b.Loop() {
		n := fmt.Sprintf("%032x", i%10_000)
		api("GET", "zuora/customers/"+n, "")
		api("GET", "limio/customer/cus-"+n+"/related", "")
		api("PUT", "limio/subscriptions/sub-"+n, fmt.Sprintf(`{"data":{"quantity":%d}}`, i))
		i++
	}
}
