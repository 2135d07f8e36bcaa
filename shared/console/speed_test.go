package console_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hotsync/shared/console/internal/sample"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/syncer"
)

// packed is how many bytes of an address go over the wire.
func (c client) packed(path string) int {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.server.URL+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip") // by hand, so that it stays packed
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s answers %d, %v", path, resp.StatusCode, err)
	}
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(strings.NewReader(string(raw)))
		if err != nil {
			c.t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, z)
		if err != nil {
			c.t.Fatalf("%s: %v", path, err)
		}
	}
	return len(raw)
}

// sixty is the first sync of somebody with sixty subscriptions: with the plan and
// the payment of each, some two hundred objects of a dozen fields.
func sixty() hotsync.Event {
	_, by := samples()
	e := by["succeeded with changes"]
	e.Changes, e.Subscriptions = nil, nil
	for i := range 60 {
		number := fmt.Sprintf("A-S%08d", 7919*i)
		e.Subscriptions = append(e.Subscriptions,
			hotsync.Subscription{Number: number, Plan: "Digital Monthly", Status: "active",
				Amount: fmt.Sprintf("%d.99", i), Currency: "GBP", Every: "monthly", NextDay: "2026-12-01",
				NextAmount: fmt.Sprintf("%d.99", i)})
		for _, kind := range []string{"subscription", "subscription_offer", "schedule"} {
			ch := hotsync.Change{Object: kind, Name: number, ID: hotsync.EventIDFor(start, kind+number),
				Action: hotsync.ActionCreate}
			for f := range 12 {
				ch.Fields = append(ch.Fields,
					hotsync.FieldChange{Field: fmt.Sprint("data.member", f), After: fmt.Sprintf("value %x of %s", 31*f*i, number)})
			}
			e.Changes = append(e.Changes, ch)
		}
	}
	return e
}

// A page is small, also that of an account with sixty subscriptions, and the first
// visit with all that a browser then keeps.
func TestPagesAreSmall(t *testing.T) {
	t.Parallel()

	events, by := samples()
	many := sixty()
	b := setup(t, append(events, many)...)
	for i := range 50 {
		e := by["failed, Limio refused"]
		e.RequestedAt = start.Add(-time.Duration(i) * time.Minute)
		e.ID, e.Account.Number, e.Subject = hotsync.EventIDFor(e.RequestedAt, fmt.Sprint("many", i)), fmt.Sprintf("A%08d",
			104729*i), fmt.Sprint("auth0|", 7919*i)
		e.Account.ID = fmt.Sprintf("%032x", 104729*i+1)
		b.events.events[e.ID] = e
	}
	b.events.accounts[many.Account.ID] = eventstore.AccountState{AccountID: many.Account.ID, LastSucceededEvent: many.ID}
	for i := range 50 {
		r := sample.Logins(start)[i%8]
		r.At = start.Add(-time.Duration(i) * time.Minute)
		r.ID, r.Subject = hotsync.EventIDFor(r.At, fmt.Sprint("nothing", i)), fmt.Sprint("auth0|", 7919*i)
		b.nothings.records = append(b.nothings.records, r)
	}
	for i := range 51 { // a page of jobs, and one more
		j, err := jobs.New(jobs.Request{Kind: jobs.Retry, Source: jobs.Source{Known: true},
			Title: fmt.Sprintf("reason:limio_request_refused from:%x", 104729*i),
			Note:  fmt.Sprint("ticket ", 7919*i), Actor: "Ada"}, start.Add(-time.Duration(i)*time.Hour), rand.Read)
		if err == nil {
			j.Listed, j.Total, j.Final = true, 50+i, jobs.Counts{jobs.Changed: i}
			_, err = b.jobs.SaveJob(t.Context(), j)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cfg := b.config()
	cfg.Catalogue = somePlans()
	b.serve(cfg)
	c := b.signIn("admin")
	refused := c.beginListOf(60)
	first := 0
	for _, path := range []string{"/", "/open", "/logins", "/logins?reason=claim_missing", "/jobs", refused, "/jobs/new",
		"/events?is=open", "/events?is=open&reason=limio_request_refused",
		"/retry?status=failed", "/retry/reason?status=failed", "/catalogue", "/tryout", "/erase", "/settings",
		"/settings/history", "/audit", "/me",
		"/events/" + many.ID + "/compare?with=" + by["succeeded, unchanged"].ID, "/events", "/events/" + many.ID, "/events/" +
			by["failed, Limio refused"].ID, "/events/" + many.ID + "/changes",
		"/events/" + many.ID + "/changes?n=3", "/accounts/" + many.Account.ID} {
		n := c.packed(path)
		t.Logf("%6d bytes %s", n, path)
		if n > 10<<10 {
			t.Errorf("%s has %d bytes packed, want 10 KB at most", path, n)
		}
		if path == "/events" {
			first = n
		}
	}
	a := c.get("/events")
	for _, asset := range append(a.Attrs("link[rel=stylesheet], link[rel=icon]", "href"), a.Attrs("script", "src")...) {
		n := c.packed(asset)
		t.Logf("%6d bytes %s", n, asset)
		first += n
	}
	t.Logf("%6d bytes for a first visit", first)
	if first > 40<<10 {
		t.Errorf("a first visit takes %d bytes, want 40 KB at most", first)
	}
	if got := a.Count("#events tr.row"); got != 50 {
		t.Errorf("the list has %d rows", got)
	}
}

// beginListOf begins a backfill of so many rows that name no account, and returns the
// address of its page.
func (c client) beginListOf(n int) string {
	c.t.Helper()
	list := ""
	for i := range n {
		list += fmt.Sprintf("no account %d\n", i)
	}
	a := c.post("/jobs", url.Values{"accounts": {list}, "rate": {"300"}, "note": {"before the launch"}})
	a.wantStatus(c.t, http.StatusOK)
	return a.url.Path
}

// Both sides of an account with sixty subscriptions are a small page, too.
func TestSixtySideBySideAreSmall(t *testing.T) {
	t.Parallel()

	many := sixty()
	b := setup(t, many)
	b.events.accounts[many.Account.ID] = eventstore.AccountState{AccountID: many.Account.ID, LastSucceededEvent: many.ID}
	b.sides.would.Account = many.Account
	for i, s := range many.Subscriptions {
		side := &syncer.Side{Status: "active", Plan: s.Plan, Amount: s.Amount, Currency: "GBP", Next: "2026-12-01",
			Until: "2027-11-01"}
		b.sides.would.Sides.Subscriptions = append(b.sides.would.Sides.Subscriptions,
			syncer.Compared{Number: s.Number, Status: "Active",
				Plans: []string{fmt.Sprintf("Plan %x", 7919*i)}, Offers: []string{fmt.Sprintf("/offers/Digital %x", 104729*i)},
				Zuora: side, Limio: side})
		b.sides.would.Changes = append(b.sides.would.Changes, many.Changes[i])
	}
	a := b.signIn("operator").post("/accounts/"+many.Account.ID+"/dryrun", nil)
	a.wantStatus(t, http.StatusOK)
	if n := a.Count(".sides tbody tr"); n != 60 {
		t.Errorf("%d subscriptions are side by side, want 60", n)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(a.body))
	if err != nil {
		t.Fatal(err)
	}
	err = z.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%6d bytes, %d packed", len(a.body), packed.Len())
	if packed.Len() > 10<<10 {
		t.Errorf("the page has %d bytes packed, want 10 KB at most", packed.Len())
	}
}

// A list on screen asks the store once each time nothing has changed.
func TestLiveListAsksOnce(t *testing.T) {
	t.Parallel()

	events, by := samples()
	b := setup(t, events...)
	c := b.signIn("viewer")
	page := c.get("/events?status=failed")
	newest := page.Attrs("#list", "data-newest")[0]
	b.events.mu.Lock()
	b.events.searches = nil
	b.events.mu.Unlock()
	a := c.get("/events/news?status=failed&since="+newest, "X-Live", "1")
	a.wantStatus(t, http.StatusOK)
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	if n := len(b.events.searches); n != 1 {
		t.Errorf("a list that did not change asks the store %d times, want once", n)
	}
	if strings.Contains(a.body, by["failed, died without a word"].ID) {
		t.Error("news has what is not new")
	}
}
