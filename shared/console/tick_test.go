package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console/internal/htmlcheck"
)

// tick returns the address that the list's form leads to with these rows ticked, as a
// browser without scripts sends it.
func tick(page answer, n int) string {
	v := url.Values{}
	for _, f := range page.Forms() {
		if f.Action == "/retry" {
			v = f.Values
		}
	}
	v["id"] = page.Attrs(`#events input[name=id][form=ticked]`, "value")[:n]
	return "/retry?" + v.Encode()
}

// Rows that are ticked are retried, by the page's own form and links, and no others.
func TestTickedRowsAreRetried(t *testing.T) {
	t.Parallel()

	b := setup(t, backlog(12)...)
	if n := b.signIn("viewer").get("/events?status=failed").Count("#events input"); n != 0 {
		t.Errorf("a viewer can tick %d rows", n)
	}
	c := b.signIn("operator")
	list := c.get("/events?is=open&reason=zuora_unavailable")
	ids := list.Attrs(`#events input[name=id]`, "value")
	if diff := cmp.Diff(list.Attrs("#events tr.row", "id"), ids); diff != "" {
		t.Errorf("rows that can be ticked (-rows +boxes):\n%s", diff)
	}
	first := c.get(tick(list, 3))
	first.wantStatus(t, http.StatusOK)
	first.Sound()
	if got := first.Texts("main .sheet h2"); len(got) != 1 || got[0] != "3 syncs ticked" {
		t.Errorf("the first step says %q", got)
	}
	if diff := cmp.Diff(ids[:3], first.Attrs("tr.row", "id")); diff != "" {
		t.Errorf("the first step shows (-ticked +shown):\n%s", diff)
	}
	second := c.get(first.Attrs("a.button.primary", "href")[0])
	second.wantStatus(t, http.StatusOK)
	second.Sound()
	for _, why := range []string{"", "Zuora was down"} { // without a reason it is asked for
		form := second.Forms()
		i := slices.IndexFunc(form, func(f htmlcheck.Form) bool {
			return f.Method == http.MethodPost && f.Action == "/retry"
		})
		v := form[i].Values
		v.Set("why", why)
		second = c.post("/retry", v)
	}
	second.wantStatus(t, http.StatusOK)
	if got := second.Text("#job .sheet h2"); got != "0 of 3 accounts" {
		t.Errorf("the job says %q", got)
	}
	b.advance(t, 3)
	for i, r := range b.lane.sent {
		if !slices.Contains(ids[:3], r.RetryOf) || r.Note != "Zuora was down" {
			t.Errorf("sync %d retries %s for %q", i, r.RetryOf, r.Note)
		}
	}
	if got := c.get(second.url.Path).Text("#job .sheet h2"); got != "3 of 3 accounts" {
		t.Errorf("the job says %q at its end", got)
	}
	if got := b.acts.list[len(b.acts.list)-1]; got.Action != "bulk_retry" ||
		!strings.Contains(got.Result, "3 ticked syncs") {
		t.Errorf("the act is %+v", got)
	}
}

// What is not there, has been settled or cannot be retried is left out, and nothing
// ticked never means everything.
func TestNothingTickedIsNothing(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	c := b.signIn("operator")
	good, bad := by["succeeded, unchanged"].ID, by["failed, Limio refused"].ID
	for _, query := range []string{"chosen=yes", "chosen=yes&id=", "chosen=yes&id=nonsense", "chosen=yes&id=" + good} {
		for _, step := range []string{"/retry?", "/retry/reason?"} {
			a := c.get(step + query)
			a.wantStatus(t, http.StatusBadRequest)
			a.Sound()
			if a.Count("[role=alert]") != 1 || a.Count("form.sheet, a.button.primary") != 0 {
				t.Errorf("%s%s goes on", step, query)
			}
		}
		v, _ := url.ParseQuery(query + "&why=because")
		c.post("/retry", v).wantStatus(t, http.StatusBadRequest)
	}
	all, _, err := b.jobs.Jobs(t.Context(), 10, "")
	if err != nil || len(all) != 0 {
		t.Errorf("%d jobs were begun, %v", len(all), err)
	}
	if got := c.get("/retry?chosen=yes&id=" + good + "&id=" + bad + "&id=" + bad).Texts(
		"main .sheet h2"); got[0] != "1 sync ticked" {
		t.Errorf("of two of which one can be retried: %q", got)
	}
	v := url.Values{"chosen": {"yes"}}
	for _, e := range backlog(201) {
		v.Add("id", e.ID)
	}
	c.get("/retry?"+v.Encode()).wantStatus(t, http.StatusBadRequest)
}
