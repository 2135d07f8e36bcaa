package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console/internal/sample"
)

var eventIDs = regexp.MustCompile(`event-[0-9a-f]{32}`)

// exportedIDs are the events of an export: the first id of each line.
func exportedIDs(export string) []string {
	var ids []string
	for line := range strings.Lines(export) {
		if id := eventIDs.FindString(line); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// The links that a page shows, and not addresses that a test typed, lead to the
// set that the page shows: a query escaped twice is no filter, and what follows
// is about everybody.
func TestLinksKeepTheSet(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, events...)
	c := b.signIn("operator")
	for _, query := range []url.Values{
		{"status": {"failed"}},
		{"status": {"failed", "retrying"}},
		{"trigger": {"console"}},
		{"account": {"A00000042"}, "status": {"failed"}},
		{"from": {"2026-11-01"}, "to": {"2099-01-01T00:00:00+02:00"}},
		{"status": {"failed"}, "reason": {"limio_request_refused"}},
		{"subject": {"auth0|64c1d0aa91e24b5f7d1e22b9"}, "provider": {"direct"}, "status": {"failed"}},
		{"provider": {sample.Hostile}},
		{"subject": {sample.Hostile}, "status": {"failed"}, "from": {"24h"}},
		{"q": {"auth0|64c1d0aa91e24b5f7d1e22b9"}, "trigger": {"login"}},
	} {
		page := c.get("/events?" + query.Encode())
		page.wantStatus(t, http.StatusOK)
		shown := page.Attrs("#events tr.row", "id")
		hrefs := append(page.Attrs("a[download]", "href"), page.Attrs(`a[href^="/retry"]`, "href")...)
		if len(hrefs) < 2 {
			t.Errorf("%v: the page has the links %q", query, hrefs)
		}
		for _, href := range hrefs {
			kept := mustURL(t, href).Query()
			if kept.Get("q") != query.Get("q") || kept.Get("account") != query.Get("account") ||
				kept.Get("provider") != query.Get("provider") ||
				kept.Get("trigger") != query.Get("trigger") || kept.Get("subject") != query.Get("subject") ||
				kept.Get("reason") != query.Get("reason") {
				t.Errorf("%v: the link %s has another filter", query, href)
			}
		}
		for _, href := range page.Attrs("a[download]", "href") {
			exported := exportedIDs(c.get(href).body)
			if diff := cmp.Diff(shown, exported); diff != "" {
				t.Errorf("%v: %s has another set (-page +export):\n%s", query, href, diff)
			}
		}
	}
}

// Every step of a bulk retry is about the same set, by its own links.
func TestBulkRetryKeepsTheSet(t *testing.T) {
	t.Parallel()

	events, _ := samples()
	b := setup(t, events...)
	c := b.signIn("operator")
	// Skipped syncs have no status in the filter by which the list of open causes, or
	// a reason, leads to them.
	for _, list := range []string{"/events?is=open&reason=ambiguous", "/events?reason=stale_claim"} {
		page := c.get(list)
		want := page.Count("#events input[name=id]")
		for _, href := range page.Attrs(`a[href^="/retry"]`, "href") {
			if got := firstNumber(c.get(href).Texts("main .sheet h2")[0]); got != want {
				t.Errorf("%s has %d rows that can be ticked, its bulk retry says %d", list, want, got)
			}
		}
		if want == 0 || page.Count(`a[href^="/retry"]`) != 1 {
			t.Errorf("%s has %d rows to retry and no bulk retry", list, want)
		}
	}
	if page := c.get("/events?reason=coalesced"); page.Count("#events tr.row") == 0 ||
		page.Count(`a[href^="/retry"]`) != 0 {
		t.Error("what another sync covers is offered to be retried")
	}
	page := c.get("/events?status=failed&reason=limio_request_refused")
	first := c.get(page.Attrs(`a[href^="/retry"]`, "href")[0])
	first.wantStatus(t, http.StatusOK)
	second := c.get(first.Attrs("a.button.primary", "href")[0])
	second.wantStatus(t, http.StatusOK)
	back := c.get(second.Attrs("form a.button", "href")[0])
	for step, a := range map[string]answer{"count": first, "reason": second, "back": back} {
		if got := a.url.Query().Get("reason"); got != "limio_request_refused" {
			t.Errorf("%s: the address %s has lost the filter", step, a.url)
		}
	}
}
