package zuorasandbox_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/sandbox/zuorasandbox"
)

// ids returns the last two characters of the ids in data.
func (a answer) ids() string {
	a.t.Helper()
	var out []string
	for _, row := range a.list("data") {
		id := fmt.Sprint(at(row, "id"))
		out = append(out, id[len(id)-2:])
	}
	return strings.Join(out, " ")
}

func putMany(b *testBundle, bodies map[string]string) {
	b.t.Helper()
	for suffix, basic := range bodies {
		id := account[:30] + suffix
		b.control("PUT", "accounts/"+id,
			`{"account":{"basicInfo":{"accountNumber":"A`+suffix+`",`+basic+`},"billingAndPayment":{"billCycleDay":`+
				fmt.Sprint(len(suffix)*len(basic))+`}}}`)
	}
}

func TestAccountFilters(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	putMany(b, map[string]string{
		"01": `"name":"Ada","status":"Active","LimioExternalId__c":"auth0|Abc"`,
		"02": `"name":"Ben","status":"Active","LimioExternalId__c":"auth0|aBC"`,
		"03": `"name":"Cleo","status":"Draft","LimioExternalId__c":""`,
		"04": `"name":"Dan","status":"Active","LimioExternalId__c":null,"Region__c":"North"`,
		"05": `"name":"Eve: a, [b]","status":"Active"`,
	})
	for _, tc := range []struct {
		filters    []string
		want       string
		wantStatus int
	}{
		{filters: nil, want: "01 02 03 04 05"},
		{filters: []string{"LimioExternalId__c.EQ:auth0|Abc"}, want: "01 02"}, // the case does not matter
		{filters: []string{"limioexternalid__c.EQ:AUTH0|ABC"}, want: "01 02"},
		{filters: []string{"LimioExternalId__c.EQ:null"}, want: "04 05"},
		{filters: []string{"LimioExternalId__c.EQ:NULL"}, want: "04 05"},
		{filters: []string{"LimioExternalId__c.NE:null"}, want: "01 02 03"},
		{filters: []string{"LimioExternalId__c.EQ:\x02\x03"}, want: "03"},
		{filters: []string{"LimioExternalId__c.EQ:nobody"}, want: ""},
		{filters: []string{"LimioExternalId__c.SW:AUTH0"}, want: "01 02"},
		{filters: []string{"LimioExternalId__c.IN:[auth0|abc,x]"}, want: "01 02"},
		{filters: []string{"LimioExternalId__c.NE:auth0|abc"}, want: "03"},
		{filters: []string{"name.EQ:eve: a, [b]"}, want: "05"},
		{filters: []string{"status.EQ:Active", "name.GT:ben"}, want: "04 05"},
		{filters: []string{"accountnumber.EQ:a02"}, want: "02"},
		{filters: []string{"id.EQ:" + account[:30] + "03"}, want: "03"},
		{filters: []string{"billcycleday.GE:9", "name.LE:ada"}, want: "01"},
		{filters: []string{"updateddate.GT:2026-03-15T08:59:59Z"}, want: "01 02 03 04 05"},
		{filters: []string{"updateddate.LT:2026-03-15T09:59:59+02:00"}, want: ""},
		{filters: []string{"Region__c.EQ:North"}, wantStatus: 400}, // not indexed
		{filters: []string{"Nope__c.EQ:North"}, wantStatus: 400},
		{filters: []string{"notes.EQ:x"}, wantStatus: 400},
		{filters: []string{"name"}, wantStatus: 400},
		{filters: []string{"name.IS:x"}, wantStatus: 400},
		{filters: []string{"name.EQ:''"}, wantStatus: 400},
		{filters: []string{"name.EQ:"}, wantStatus: 400},
		{filters: []string{"name.IN:a,b"}, wantStatus: 400},
		{filters: []string{"name.GT:null"}, wantStatus: 400},
	} {
		got := b.get("/object-query/accounts?" + url.Values{"filter[]": tc.filters}.Encode())
		if tc.wantStatus != 0 {
			if got.status != tc.wantStatus || got.at("reasons.0.code") != 50000027.0 {
				t.Errorf("%q = %d %s, want %d", tc.filters, got.status, got.body, tc.wantStatus)
			}
			continue
		}
		if got.status != 200 || got.ids() != tc.want {
			t.Errorf("%q = %d %s, want %s", tc.filters, got.status, got.body, tc.want)
		}
	}
	b.control("PUT", "fields", `{"Region__c":{"indexed":true}}`)
	got := b.get("/object-query/accounts?filter%5B%5D=Region__c.EQ%3ANorth")
	if got.status != 200 || got.ids() != "04" || got.at("data.0.region__c") != "North" {
		t.Errorf("by a field that is indexed now = %d %s", got.status, got.body)
	}
	b.control("PUT", "fields", `{"Legacy__c":{"indexed":true}}`)
	putMany(b, map[string]string{"06": `"name":"Flo","Legacy__c":1.50`})
	for _, value := range []string{"1.5", "1.50"} {
		if got := b.get("/object-query/accounts?filter%5B%5D=Legacy__c.EQ:" + value); got.ids() != "06" {
			t.Errorf("by the number %s = %s", value, got.body)
		}
	}
	if got := b.get("/object-query/accounts?filter%5B%5D=LimioExternalId__c.EQ%3Ax"); got.status != 400 {
		t.Errorf("by a field that is not indexed any more = %d", got.status)
	}
}

func TestObjectQueryShape(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	b.put(
		`{"account":{"basicInfo":{"accountNumber":"A7","crmId":"","parentId":null,"LimioExternalId__c":"x","CASSubscriberID__c":"y"},
		"billToContact":{"id":"b","zipCode":"LS1","workEmail":""},"soldToContact":null}}`)
	got := b.get("/object-query/accounts/A7?expand%5B%5D=billto&expand%5B%5D=soldto&expand%5B%5D=invoices")
	for path, want := range map[string]any{"limioExternalId__c": "x", "cASSubscriberID__c": "y", "LimioExternalId__c": nil,
		"billToId":          "b",
		"billTo.postalCode": "LS1", "billTo.zipCode": nil, "billTo.accountId": account} {
		if got.at(path) != want {
			t.Errorf("%s = %v, want %v", path, got.at(path), want)
		}
	}
	object := got.object()
	for _, absent := range []string{"crmId", "parentId", "soldTo", "soldToId", "shipTo"} {
		if _, ok := object[absent]; ok {
			t.Errorf("%s is there, though it has no value or was not asked for", absent)
		}
	}
	nulls := b.get("/object-query/accounts/A7?includeNullFields=true").object()
	for _, name := range []string{"crmId", "parentId", "soldToId"} {
		if v, ok := nulls[name]; !ok || v != nil {
			t.Errorf("includeNullFields: %s = %v, %t", name, v, ok)
		}
	}
	for query, want := range map[string]map[string]any{
		"fields%5B%5D=id,accountnumber": {"id": account,
			"accountNumber": "A7"},
		"fields%5B%5D=accountNumber&fields%5B%5D=LimioExternalId__c": {"accountNumber": "A7",
			"limioExternalId__c": "x"},
		"account.fields%5B%5D=accountNumber&expand%5B%5D=billto&billto.fields%5B%5D=postalcode": {"accountNumber": "A7",
			"billTo": map[string]any{"postalCode": "LS1"}},
	} {
		if diff := cmp.Diff(want, b.get("/object-query/accounts/A7?"+query).object()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{"fields%5B%5D=nope", "fields%5B%5D=Nope__c", "billto.fields%5B%5D=zipcode",
		"expand%5B%5D=bogus", "expand%5B%5D=billto,soldto",
		"sort%5B%5D=name", "sort%5B%5D=name.ASC&sort%5B%5D=id.ASC", "cursor=x", "includeNullFields=1", "pageSize=",
		"pageSize=-1", "page=1"} {
		if got := b.get("/object-query/accounts/A7?" + query); got.status != 400 || got.at("reasons.0.code") != 50000027.0 {
			t.Errorf("%s = %d %s, want 400", query, got.status, got.body)
		}
	}
}

func TestExpandShowsEveryVersionAndCuts(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	var all []string
	for i := range 12 {
		all = append(all, fmt.Sprintf(`{"id":"pm%02d","type":"CreditCard"}`, i))
	}
	b.put(
		`{"account":{"basicInfo":{"accountNumber":"A7"}},"paymentMethods":{"defaultPaymentMethodId":"pm11","creditcard":[` +
			strings.Join(all, ",") + `]},
		"subscriptions":[{"subscriptionNumber":"A-S1","version":3,"status":"Active","id":"v3"},{"subscriptionNumber":"A-S1","version":2,"id":"v2","isLatestVersion":false}]}`)
	got := b.get(
		"/object-query/accounts/A7?expand%5B%5D=paymentmethods&expand%5B%5D=subscriptions&expand%5B%5D=defaultpaymentmethod")
	if n := len(got.list("paymentMethods")); n != 10 {
		t.Errorf("%d of 12 payment methods at page size 10", n)
	}
	if got.at("defaultPaymentMethod.id") != "pm11" {
		t.Errorf("defaultPaymentMethod = %v", got.at("defaultPaymentMethod"))
	}
	versions := map[any]any{}
	for _, s := range got.list("subscriptions") {
		versions[at(s, "version")] = fmt.Sprint(at(s, "status"), " ", at(s, "isLatestVersion"))
		if at(s, "version") == 3.0 && at(s, "previousSubscriptionId") != "v2" {
			t.Errorf("version 3 comes after %v", at(s, "previousSubscriptionId"))
		}
	}
	if diff := cmp.Diff(map[any]any{1.0: "Expired false", 2.0: "Expired false", 3.0: "Active true"},
		versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	probe := b.get("/object-query/subscriptions?filter%5B%5D=accountid.EQ:" + account +
		"&filter%5B%5D=islatestversion.EQ:true&fields%5B%5D=id,version")
	if diff := cmp.Diff([]any{map[string]any{"id": "v3", "version": 3.0}}, probe.list("data")); diff != "" {
		t.Errorf("probe (-want +got):\n%s", diff)
	}
}

func TestObjectQueryPages(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	bodies := map[string]string{}
	for i := range 25 {
		bodies[fmt.Sprintf("%02d", i)] = `"name":"n"`
	}
	putMany(b, bodies)
	var seen []string
	query := "/object-query/accounts?sort%5B%5D=accountnumber.DESC"
	for link, pages := query, 0; link != "" && pages < 4; pages++ {
		got := b.get(link)
		seen = append(seen, got.ids())
		link = ""
		if next := got.at("nextPage"); next != nil {
			link = query + "&cursor=" + url.QueryEscape(fmt.Sprint(next))
		}
	}
	want := []string{"24 23 22 21 20 19 18 17 16 15", "14 13 12 11 10 09 08 07 06 05", "04 03 02 01 00"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	cursor := url.QueryEscape(fmt.Sprint(b.get(query).at("nextPage")))
	if got := b.get("/object-query/accounts?cursor=" + cursor); got.status != 400 {
		t.Errorf("a cursor of another query = %d", got.status)
	}
	last := b.get("/object-query/accounts?pageSize=99&includeNullFields=true").object()
	if next, ok := last["nextPage"]; !ok || next != nil {
		t.Errorf("nextPage with includeNullFields = %v, %t", next, ok)
	}
}

func TestZOQL(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	putMany(b, map[string]string{
		"01": `"name":"Ada","LimioExternalId__c":"o'neill\\\"x"`,
		"02": `"name":"Ben","LimioExternalId__c":"auth0|Abc"`,
		"03": `"name":"Cleo"`,
	})
	for _, tc := range []struct {
		query string
		want  []string // AccountNumbers
		fault string
	}{
		{query: `select AccountNumber from Account`, want: []string{"A01", "A02", "A03"}},
		{query: `select AccountNumber from Account where LimioExternalId__c = 'o\'neill\\\"x'`, want: []string{"A01"}},
		{query: `select AccountNumber from Account where LimioExternalId__c = 'AUTH0|abc'`, want: []string{"A02"}},
		{query: `select AccountNumber from Account where LimioExternalId__c = null`, want: []string{"A03"}},
		{query: `select AccountNumber from Account where LimioExternalId__c != null and Name != 'Ada'`,
			want: []string{"A02"}},
		{query: `select AccountNumber from Account where Name = 'Ada' or Name = 'Ben' and AccountNumber = 'A03'`,
			want: []string{"A01"}},
		{query: `select AccountNumber from Account where BillCycleDay >= 0 and Name > 'ada'`, want: []string{"A02", "A03"}},
		{query: `select AccountNumber from Account where Name = 'nobody'`},
		{query: `select AccountNumber from Account where LimioExternalId__c = 'x\' or Id != ''`, fault: "MALFORMED_QUERY"},
		{query: `select AccountNumber from Account where LimioExternalId__c = 'a"b'`, fault: "MALFORMED_QUERY"},
		{query: `select AccountNumber from Account where LimioExternalId__c = 'a\nb'`, fault: "MALFORMED_QUERY"},
		{query: `SELECT AccountNumber FROM Account`, fault: "MALFORMED_QUERY"},
		{query: `select * from Account`, fault: "MALFORMED_QUERY"},
		{query: `select AccountNumber from Account where (Name = 'a')`, fault: "MALFORMED_QUERY"},
		{query: `select AccountNumber from Account where Name in ('a')`, fault: "MALFORMED_QUERY"},
		{query: `select AccountNumber from Account order by Name`, fault: "MALFORMED_QUERY"},
		{query: `select AccountNumber from Account where Name = `, fault: "MALFORMED_QUERY"},
		{query: ``, fault: "MALFORMED_QUERY"},
		{query: `select Nope from Account`, fault: "INVALID_FIELD"},
		{query: `select Id from Account where Nope__c = 'x'`, fault: "INVALID_FIELD"},
		{query: `select Id from Invoice`, fault: "INVALID_TYPE"},
		{query: `select Id from Account where Name = 'a'` + strings.Repeat(` or Name = 'a'`, 200), fault: "MALFORMED_QUERY"},
	} {
		got := b.zoql(tc.query)
		if tc.fault != "" {
			if got.status != 400 || got.at("FaultCode") != tc.fault {
				t.Errorf("%s = %d %s, want %s", tc.query, got.status, got.body, tc.fault)
			}
			continue
		}
		var numbers []string
		if records := got.at("records"); records != nil {
			for _, r := range got.list("records") {
				numbers = append(numbers, fmt.Sprint(at(r, "AccountNumber")))
			}
		}
		if diff := cmp.Diff(tc.want, numbers); diff != "" || got.at("size") != float64(len(tc.want)) ||
			got.at("done") != true {
			t.Errorf("%s = %s (-want +got):\n%s", tc.query, got.body, diff)
		}
	}
	got := b.zoql("select Id, LimioExternalId__c, CrmId from Account where AccountNumber = 'A03'")
	if diff := cmp.Diff([]any{map[string]any{"Id": account[:30] + "03"}}, got.list("records")); diff != "" {
		t.Errorf("nulls are left out (-want +got):\n%s", diff)
	}
	got = b.send("POST", "/v1/action/query", `{"query":"x"}`, b.authorised())
	if got.status != 400 || got.at("code") != "ClientError" {
		t.Errorf("unknown member = %d %s", got.status, got.body)
	}
}

func TestZOQLBatches(t *testing.T) {
	t.Parallel()

	b := setup(t, zuorasandbox.Config{})
	putMany(b, map[string]string{"01": `"name":"n"`, "02": `"name":"n"`, "03": `"name":"n"`})
	got := b.send("POST", "/v1/action/query", `{"queryString":"select Id from Account","conf":{"batchSize":2}}`,
		b.authorised())
	if got.at("done") != false || got.at("size") != 3.0 || len(got.list("records")) != 2 {
		t.Fatalf("first batch = %s", got.body)
	}
	locator := fmt.Sprint(got.at("queryLocator"))
	if !strings.HasSuffix(locator, "-2") {
		t.Errorf("queryLocator = %s", locator)
	}
	more := `{"queryLocator":"` + locator + `"}`
	got = b.send("POST", "/v1/action/queryMore", more, b.authorised())
	if got.at("done") != true || len(got.list("records")) != 1 {
		t.Errorf("second batch = %s", got.body)
	}
	b.pass(15 * time.Minute)
	got = b.send("POST", "/v1/action/queryMore", more, b.authorised())
	if got.status != 400 || got.at("FaultCode") != "INVALID_QUERY_LOCATOR" {
		t.Errorf("after 15 minutes = %d %s", got.status, got.body)
	}
}
