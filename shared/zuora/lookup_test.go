package zuora_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
)

const lookupField = "LimioExternalId__c"

func TestResolve(t *testing.T) {
	t.Parallel()

	c := newClient(t, byPath(map[string]string{
		"/v1/accounts/A1": accountBody(accountID, "A1"),
		"/v1/accounts/a1": accountBody(accountID, "A1"),
		"/v1/accounts/A2": accountBody(accountID, "A3"),
		"/v1/accounts/A4": accountBody("not-an-id", "A4"),
	}))
	for key, want := range map[string]hotsync.Code{
		"A1": "", "a1": "", "A2": hotsync.CodeZuoraAnswer, "A4": hotsync.CodeZuoraAnswer, "A5": hotsync.CodeZuoraNotFound,
	} {
		got, err := c.Resolve(t.Context(), key)
		wantCode(t, "Resolve "+key, err, want)
		if err == nil && got != (hotsync.AccountRef{ID: accountID, Number: "A1"}) {
			t.Errorf("Resolve(%q) = %+v", key, got)
		}
	}
}

func TestSubscriptionAccount(t *testing.T) {
	t.Parallel()

	c := newClient(t, byPath(map[string]string{
		"/v1/subscriptions/A-S1": `{"success":true,"id":"s","accountId":"` + accountID +
			`","accountNumber":"A1","ratePlans":[{"accountId":"x"}]}`,
		"/v1/subscriptions/A-S2": `{"success":true,"id":"s"}`,
	}))
	for key, want := range map[string]hotsync.Code{
		"A-S1": "", "A-S2": hotsync.CodeZuoraAnswer, "A-S3": hotsync.CodeZuoraNotFound, "../x": hotsync.CodeBadRequest,
	} {
		got, err := c.SubscriptionAccount(t.Context(), key)
		wantCode(t, "SubscriptionAccount "+key, err, want)
		if err == nil && got != (hotsync.AccountRef{ID: accountID, Number: "A1"}) {
			t.Errorf("SubscriptionAccount(%q) = %+v", key, got)
		}
	}
}

// match is an account that a search finds.
func match(plan hotsync.ZuoraPlan, n int, value string) string {
	id := fmt.Sprintf("%032x", n)
	quoted, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string can always be marshalled
	}
	if plan == hotsync.PlanV {
		return fmt.Sprintf(`{"Id":"%s","AccountNumber":"A%d","LimioExternalId__c":%s,"Notes":"x"}`, id, n, quoted)
	}
	return fmt.Sprintf(`{"id":"%s","accountNumber":"A%d","limioExternalId__c":%s,"billTo":{"id":"x"}}`, id, n, quoted)
}

// found is the answer of a search.
func found(plan hotsync.ZuoraPlan, more bool, matches ...string) string {
	list := strings.Join(matches, ",")
	switch {
	case plan == hotsync.PlanV && len(matches) == 0:
		return `{"size":0,"done":true}`
	case plan == hotsync.PlanV:
		return fmt.Sprintf(`{"size":%d,"records":[%s],"done":%t}`, len(matches), list, !more)
	case more:
		return `{"data":[` + list + `],"nextPage":"W3sib3"}`
	default:
		return `{"data":[` + list + `]}`
	}
}

func TestFind(t *testing.T) {
	t.Parallel()

	const value = "auth0|Abc"
	type result struct {
		numbers []string
		code    hotsync.Code
	}
	for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
		match := func(n int, value string) string { return match(plan, n, value) }
		var crowd []string
		for i := range 20 {
			crowd = append(crowd, match(i, value))
		}
		for _, tc := range []struct {
			name   string
			status int
			body   string
			want   result
		}{
			{name: "none", body: found(plan, false)},
			{name: "one", body: found(plan, false, match(1, value)), want: result{numbers: []string{"A1"}}},
			{name: "two, sorted", body: found(plan, false, match(2, value), match(1, value)),
				want: result{numbers: []string{"A1", "A2"}}},
			{name: "another case", body: found(plan, false, match(1, "AUTH0|ABC"))},
			{name: "the right case among others",
				body: found(plan, false, match(1, "AUTH0|ABC"), match(2, value), match(3, "auth0|abc")),
				want: result{numbers: []string{"A2"}}},
			{name: "a trailing blank", body: found(plan, false, match(1, value+" "))},
			{name: "without the field",
				body: found(plan, false,
					strings.NewReplacer("limioExternalId__c", "x__c", "LimioExternalId__c", "x__c").Replace(match(1, value)))},
			{name: "null in the field", body: found(plan, false, strings.Replace(match(1, value), `"auth0|Abc"`, "null", 1))},
			{name: "more pages", body: found(plan, true, match(1, value), match(2, "AUTH0|ABC")),
				want: result{code: hotsync.CodeLookupAmbiguous}},
			{name: "more pages after several", body: found(plan, true, match(1, value), match(2, value)),
				want: result{code: hotsync.CodeLookupAmbiguous}},
			{name: "more pages after one", body: found(plan, true, match(1, value)),
				want: result{code: hotsync.CodeLookupAmbiguous}},
			{name: "a crowd", body: found(plan, false, crowd...),
				want: result{numbers: []string{"A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9"}}},
			{name: "more pages after a crowd", body: found(plan, true, crowd...),
				want: result{numbers: []string{"A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9"}}},
			{name: "the list is null", body: `{"data":null,"records":null,"size":1,"done":true}`,
				want: result{code: hotsync.CodeZuoraAnswer}},
			{name: "not indexed", status: 400, body: `{"reasons":[{"code":50000027,"message":"Invalid filter parameter"}]}`,
				want: result{code: hotsync.CodeLookupField}},
			{name: "no such field", status: 400, body: `{"FaultCode":"INVALID_FIELD","FaultMessage":"m"}`,
				want: result{code: hotsync.CodeLookupField}},
			{name: "no such field as 200", body: `{"FaultCode":"INVALID_FIELD","FaultMessage":"m"}`,
				want: result{code: hotsync.CodeLookupField}},
			{name: "malformed", status: 400, body: `{"FaultCode":"MALFORMED_QUERY","FaultMessage":"m"}`,
				want: result{code: hotsync.CodeZuoraRefused}},
			{name: "down", status: 503, body: `oops`, want: result{code: hotsync.CodeZuoraUnavailable}},
			{name: "empty object", body: `{}`, want: result{code: hotsync.CodeZuoraAnswer}},
			{name: "no id", body: found(plan, false, `{"accountNumber":"A1"}`), want: result{code: hotsync.CodeZuoraAnswer}},
			{name: "an id that is none", body: found(plan, false, strings.Replace(match(1, value), "000", "../", 1)),
				want: result{code: hotsync.CodeZuoraAnswer}},
			{name: "wrong type", body: `{"data":{},"records":{},"size":0,"done":true}`,
				want: result{code: hotsync.CodeZuoraAnswer}},
			{name: "value of the wrong type", body: found(plan, false, strings.Replace(match(1, value), `"auth0|Abc"`, "[]", 1)),
				want: result{code: hotsync.CodeZuoraAnswer}},
		} {
			t.Run(fmt.Sprintf("%s/%s", plan, tc.name), func(t *testing.T) {
				t.Parallel()

				f := always(max(tc.status, 200), tc.body)
				refs, err := newClient(t, f).Find(t.Context(), lookupField, value, plan)
				wantCode(t, "Find", err, tc.want.code)
				var numbers []string
				for _, r := range refs {
					numbers = append(numbers, r.Number)
				}
				if diff := cmp.Diff(tc.want.numbers, numbers); diff != "" {
					t.Errorf("Find (-want +got):\n%s", diff)
				}
				if err != nil && strings.Contains(err.Error(), value) {
					t.Errorf("the error tells the value: %v", err)
				}
				if len(f.requests) != 2 {
					t.Errorf("%d requests, want a token and one search", len(f.requests))
				}
			})
		}
	}
}

func TestFindWithoutRecordsThatCount(t *testing.T) {
	t.Parallel()

	_, err := newClient(t, always(200, `{"size":1,"done":true}`)).Find(t.Context(), lookupField, "x", hotsync.PlanV)
	wantCode(t, "Find", err, hotsync.CodeZuoraAnswer)
}

func TestFindRequests(t *testing.T) {
	t.Parallel()

	const value = `a b+c&d=e:f,[g]%h\'i"é`
	f := always(200, `{"data":[],"size":0,"done":true}`)
	c := newClient(t, f)
	for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
		_, err := c.Find(t.Context(), lookupField, value, plan)
		if err != nil {
			t.Fatal(err)
		}
	}
	h, v := f.requests[1], f.requests[2]
	want := "pageSize=99&filter%5B%5D=LimioExternalId__c.EQ%3Aa%20b%2Bc%26d%3De%3Af%2C%5Bg%5D%25h%5C%27i%22%C3%A9"
	if h.Method != http.MethodGet || h.URL.Path != "/object-query/accounts" || h.URL.RawQuery != want {
		t.Errorf("plan H: %s %s?%s\nwant query %s", h.Method, h.URL.Path, h.URL.RawQuery, want)
	}
	body, err := io.ReadAll(v.Body)
	if err != nil {
		t.Fatal(err)
	}
	var query map[string]string
	err = json.Unmarshal(body, &query)
	if err != nil {
		t.Fatal(err)
	}
	wantQuery := map[string]string{
		"queryString": `select Id, AccountNumber, LimioExternalId__c from Account where LimioExternalId__c = 'a b+c&d=e:f,[g]%h\\\'i\"é'`}
	if diff := cmp.Diff(wantQuery, query); diff != "" || v.Method != http.MethodPost || v.URL.Path != "/v1/action/query" {
		t.Errorf("plan V: %s %s, query (-want +got):\n%s", v.Method, v.URL.Path, diff)
	}
	if got := v.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("plan V: Content-Type %q", got)
	}
}

func TestFindRefusesValues(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		field, value string
		want         hotsync.Code
	}{
		{field: lookupField, value: "x"},
		{field: lookupField, value: "nullable"},
		{field: lookupField, value: strings.Repeat("a", 255)},
		{field: lookupField, value: "' or Id != '"},
		{field: lookupField, value: "", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "  ", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "null", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "NULL", want: hotsync.CodeLookupValue},
		{field: lookupField, value: " Null ", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "''", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "\x02\x03", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "a\nb", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "a\x00", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "a\u2028b", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "a\u0085b", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "a\xff", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "a\ufffd", want: hotsync.CodeLookupValue},
		{field: lookupField, value: "a😀", want: hotsync.CodeLookupValue},
		{field: lookupField, value: strings.Repeat("a", 256), want: hotsync.CodeLookupValue},
		{field: "Name", value: "x", want: hotsync.CodeLookupField},
		{field: "A__c or Id", value: "x", want: hotsync.CodeLookupField},
		{field: "", value: "x", want: hotsync.CodeLookupField},
	} {
		for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
			f := always(200, `{"data":[],"size":0,"done":true}`)
			_, err := newClient(t, f).Find(t.Context(), tc.field, tc.value, plan)
			wantCode(t, fmt.Sprintf("Find(%q, %q)", tc.field, tc.value), err, tc.want)
			if tc.want != "" && len(f.requests) > 0 {
				t.Errorf("Find(%q, %q) made requests", tc.field, tc.value)
			}
		}
	}
}

const describe = `<?xml version="1.0" encoding="UTF-8"?>
<object href="https://rest.zuora.com/v1/describe/Account"><name>Account</name><label>Account</label><fields>
<field><name>AccountNumber</name><label>LimioExternalId__c</label></field>
<field><name>LimioExternalId__c</name><label>Limio id</label><custom>true</custom></field></fields>
<related-objects><object><name>Contact</name><fields><field><name>Other__c</name></field></fields></object></related-objects></object>`

func TestLookupFieldStatus(t *testing.T) {
	t.Parallel()

	notIndexed := `{"reasons":[{"code":50000027,"message":"m"}]}`
	for _, tc := range []struct {
		name, field     string
		describe        string
		status          int
		body            string
		exists, indexed bool
		want            hotsync.Code
	}{
		{name: "indexed", field: lookupField, describe: describe, status: 200, body: `{"data":[]}`, exists: true,
			indexed: true},
		{name: "not indexed", field: lookupField, describe: describe, status: 400, body: notIndexed, exists: true},
		{name: "missing", field: "Missing__c", describe: describe},
		{name: "another case", field: "limioExternalId__c", describe: describe},
		{name: "of another object", field: "Other__c", describe: describe},
		{name: "down", field: lookupField, describe: describe, status: 503, exists: true, want: hotsync.CodeZuoraUnavailable},
		{name: "no field name", field: "Name", want: hotsync.CodeLookupField},
		{name: "JSON", field: lookupField, describe: `{"success":true}`, want: hotsync.CodeZuoraAnswer},
		{name: "cut off", field: lookupField, describe: describe[:300], want: hotsync.CodeZuoraAnswer},
		{name: "another document", field: lookupField, describe: `<other><object/></other>`, want: hotsync.CodeZuoraAnswer},
		{name: "empty", field: lookupField, want: hotsync.CodeZuoraAnswer},
		{name: "deep", field: lookupField, describe: `<object>` + strings.Repeat("<a>", 10_000),
			want: hotsync.CodeZuoraAnswer},
		{name: "another encoding", field: lookupField, describe: `<?xml version="1.0" encoding="UTF-16"?><object/>`,
			want: hotsync.CodeZuoraAnswer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			c := newClient(t, &fake{answer: func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/v1/describe/Account" {
					return reply(200, tc.describe), nil
				}
				return reply(tc.status, tc.body), nil
			}})
			exists, indexed, err := c.LookupFieldStatus(t.Context(), tc.field)
			wantCode(t, "LookupFieldStatus", err, tc.want)
			if exists != tc.exists || indexed != tc.indexed {
				t.Errorf("LookupFieldStatus = %t, %t, want %t, %t", exists, indexed, tc.exists, tc.indexed)
			}
		})
	}
}
