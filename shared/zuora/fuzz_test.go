package zuora

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hotsync/shared/hotsync"
)

// FuzzFailure: whatever an error body holds, it ends in a code of the table, is
// transient only if every code in it is, and shows nothing of the body but codes.
func FuzzFailure(f *testing.F) {
	for _, body := range []string{
		`{"success":false,"processId":"0","reasons":[{"code":50000040,"message":"Cannot find entity by key: 'x'."}]}`,
		`{"success":false,"reasons":[{"code":"90000011","message":"m"}]}`,
		`{"reasons":[{"code":"SystemError","message":"m"}]}`,
		`{"reasons":[{"code":70,"message":"m"}]}`,
		`{"FaultCode":"INVALID_FIELD","FaultMessage":"m"}`,
		`{"code":"ClientError","message":"m"}`,
		`{"Success":false,"Errors":[{"Code":"LOCK_COMPETITION","Message":"m"}]}`,
		`{"reasons":[{"code":{"a":1}},{"code":-1},{"code":1e400},{"code":null}]}`,
		`{"reasons":null,"success":null}`, `[`, ``, `null`, `{"a":{"reasons":[]}}`, `<html>`,
	} {
		for _, status := range []int{200, 400, 404, 429, 500} {
			f.Add(status, body, "120")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body, wait string) {
		got := decodeFailure(status, []byte(body))
		e := classify(got, http.Header{"Retry-After": {wait}, "Ratelimit-Reset": {wait}}, time.Unix(1_800_000_000, 0))
		if !slices.Contains(hotsync.Codes(), e.Code) || messages[e.Code] == "" {
			t.Fatalf("code %q is not in the tables", e.Code)
		}
		if e.RetryAfter < 0 || e.RetryAfter > time.Hour {
			t.Fatalf("RetryAfter = %s", e.RetryAfter)
		}
		for _, c := range got.codes {
			if len(c) > 64 || strings.Trim(c, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_:.") != "" &&
				c != "?" {
				t.Fatalf("code %q is shown", c)
			}
			known, ok := meaning(c)
			if status == http.StatusBadRequest && e.Code.Transient() && (!ok || !known.Transient()) {
				t.Fatalf("%q was taken for transient in spite of %q", body, c)
			}
		}
	})
}

// FuzzAnswers: no answer makes a reader panic, take forever, or give something
// that cannot be keyed or printed.
func FuzzAnswers(f *testing.F) {
	const id = "8a8081f97a1e4f2b017a1e50c0de0101"
	f.Add(
		`{"success":true,"nextPage":"/x","subscriptions":[{"id":"s","subscriptionNumber":"A-S1","version":3,"accountId":"` +
			id + `","ratePlans":[
		{"id":"r","ratePlanCharges":[{"number":"C-1","price":17.5,"tiers":[{"startingUnit":1,"price":"2"}],"chargeSegments":[{"effectiveStartDate":"2026-01-01","quantity":1e2}]}]}]}]}`)
	f.Add(`{"success":true,"basicInfo":{"id":"` + id +
		`","X__c":"x","X__c":1},"billToContact":{"zipCode":"1"},"billingAndPayment":{"currency":"GBP"}}`)
	f.Add(`{"id":"` + id +
		`","x__c":true,"billTo":{"postalCode":"1"},"paymentMethods":[{"id":"pm","creditCardMaskNumber":"***4242","creditCardExpirationMonth":"12"}]}`)
	f.Add(`{"success":true,"creditcard":[{"id":"pm","cardNumber":"4242424242424242"}],"x":{"y":[]}}`)
	f.Add(`{"data":[{"id":"` + id + `","accountNumber":"A1","x__c":"v"}],"nextPage":null}`)
	f.Add(`{"size":1,"records":[{"Id":"` + id + `"}],"done":true}`)
	f.Add(
		`{"success":true,"invoiceItems":[{"subscriptionNumber":"A","serviceStartDate":"2026-12-01","chargeAmount":"8.33","taxAmount":0E-9,"quantity":null}]}`)
	f.Add(`{"id":"` + id + `"}`)
	f.Add(`{"access_token":"abc","expires_in":"3599"}`)
	f.Add(`<object><name>Account</name><fields><field><name>X__c</name></field></fields></object>`)
	f.Add(
		`{"success":true,"subscriptions":[{"subscriptionNumber":"A","ratePlans":[{"ratePlanCharges":[{"price":1e999999999}]}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		page, err := readSubscriptions(strings.NewReader(body), id)
		if err == nil {
			if slices.Contains(page.numbers, "") || len(page.subscriptions) > len(page.numbers) {
				t.Fatalf("%d of %d subscriptions, numbers %q", len(page.subscriptions), len(page.numbers), page.numbers)
			}
			text, err := json.Marshal(page.subscriptions)
			if err != nil || len(text) > 1000+100*len(body) {
				t.Fatalf("%d bytes became %d, error %v", len(body), len(text), err)
			}
		}
		a, err := readAccount(strings.NewReader(body), []string{"X__c"})
		if err == nil && a.ID == "" {
			t.Fatal("an account without an id")
		}
		_, methods, listed, err := readObjectAccount(strings.NewReader(body), []string{"X__c"})
		if err == nil && len(methods) > max(listed, 0) { // -1: no list
			t.Fatalf("%d payment methods of %d", len(methods), listed)
		}
		methods, err = readPaymentMethods(strings.NewReader(body))
		for _, m := range methods {
			if err == nil && (m.ID == "" || len(m.Mask) > 16 || len(m.Mask) == 16 &&
				!strings.HasPrefix(m.Mask, "************")) {
				t.Fatalf("payment method %+v", m)
			}
		}
		items, err := readPreview(strings.NewReader(body))
		for _, i := range items {
			if err != nil || len(i.Amount.String()) > 200 || len(i.Tax.String()) > 200 {
				t.Fatalf("item %+v, error %v", i, err)
			}
		}
		var found candidates
		err = answer(strings.NewReader(body), false, func(d decoder, name string) error {
			if name == "data" {
				return found.read(d, "X__c", "id", "accountNumber")
			}
			return d.skip()
		})
		for _, c := range found.list {
			if err == nil && !hotsync.IsAccountID(c.ref.ID) {
				t.Fatalf("account id %q", c.ref.ID)
			}
		}
		_, err = readToken(strings.NewReader(body))
		_ = unreadable(err)
		_, err = readDescribe(strings.NewReader(body), "X__c")
		_ = unreadable(err)
	})
}

// FuzzFilterQuery: the query holds exactly one filter, whose value is the one
// that was asked for.
func FuzzFilterQuery(f *testing.F) {
	for _, value := range []string{"auth0|abc", "a b+c&d=e", "x&filter[]=id.NE:y", "%26filter%5B%5D=", "null", "\x02\x03",
		"é,[a]:b", "'; --", "\xff", "#;?"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		encoded := filterQuery("LimioExternalId__c", value)
		for _, c := range []byte(encoded) {
			if c <= ' ' || c > '~' || strings.IndexByte(`"'<>#+;\[]`, c) >= 0 {
				t.Fatalf("query %q has %q", encoded, c)
			}
		}
		got, err := url.ParseQuery("pageSize=99&" + encoded)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || len(got["filter[]"]) != 1 || got.Get("filter[]") != "LimioExternalId__c.EQ:"+value ||
			got.Get("pageSize") != "99" {
			t.Fatalf("query %q parses as %q", encoded, got)
		}
		u, err := url.Parse("http://127.0.0.1/object-query/accounts?" + encoded)
		if err != nil || u.RawQuery != encoded || u.Fragment != "" {
			t.Fatalf("as part of an address, query %q became %q, error %v", encoded, u, err)
		}
	})
}

// FuzzZOQL: a reader of ZOQL that knows the escapes and nothing of how they were
// made finds one condition whose literal is the value.
func FuzzZOQL(f *testing.F) {
	for _, value := range []string{"auth0|abc", `x' or Id != '`, `x\' or Id != '`, `\`, `\\'`, `"`, `\"\'`, "", "é",
		"\xff", "a\nb"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		query := zoqlQuery("LimioExternalId__c", value)
		const head = "select Id, AccountNumber, LimioExternalId__c from Account where LimioExternalId__c = '"
		rest, ok := strings.CutPrefix(query, head)
		if !ok {
			t.Fatalf("query %q", query)
		}
		literal, rest, ok := readLiteral(rest)
		if !ok || rest != "" || literal != value {
			t.Fatalf("query %q reads as %q followed by %q", query, literal, rest)
		}
		if checkLookup("LimioExternalId__c", value) == nil && strings.ContainsAny(query, "\x00\r\n\x02\x03") {
			t.Fatalf("query %q has control characters", query)
		}
	})
}

// readLiteral reads the rest of a literal after its opening quote, byte by byte:
// a backslash stands for the byte after it, a quote of either kind ends it.
func readLiteral(text string) (literal, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '\\', c == '"':
			return b.String(), text[i:], false
		case c == '\'':
			return b.String(), text[i+1:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", false
}
