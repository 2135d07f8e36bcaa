package console_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
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
		e.Subscriptions = append(e.Subscriptions, hotsync.Subscription{Number: number, Plan: "Digital Monthly", Status: "active",
			Amount: fmt.Sprintf("%d.99", i), Currency: "GBP", Every: "monthly", NextDay: "2026-12-01", NextAmount: fmt.Sprintf("%d.99", i)})
		for _, kind := range []string{"subscription", "subscription_offer", "schedule"} {
			ch := hotsync.Change{Object: kind, Name: number, ID: hotsync.EventIDFor(start, kind+number), Action: hotsync.ActionCreate}
			for f := range 12 {
				ch.Fields = append(ch.Fields, hotsync.FieldChange{Field: fmt.Sprint("data.member", f), After: fmt.Sprintf("value %x of %s", 31*f*i, number)})
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
		e.ID, e.Account.Number, e.Subject = hotsync.EventIDFor(e.RequestedAt, fmt.Sprint("many", i)), fmt.Sprintf("A%08d", 104729*i), fmt.Sprint("auth0|", 7919*i)
		e.Account.ID = fmt.Sprintf("%032x", 104729*i+1)
		b.events.events[e.ID] = e
	}
	b.events.accounts[many.Account.ID] = eventstore.AccountState{AccountID: many.Account.ID, LastSucceededEvent: many.ID}
	c := b.signIn("admin")
	first := 0
	for _, path := range []string{"/", "/open", "/events", "/events/" + many.ID, "/events/" + by["failed, Limio refused"].ID, "/events/" + many.ID + "/changes",
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
