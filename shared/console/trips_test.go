package console_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"hotsync/local/browser"
	"hotsync/shared/console/internal/sample"
	"hotsync/shared/hotsync"
)

// trip counts what somebody does in a browser, and how long it takes.
type trip struct {
	t      *testing.T
	ctx    context.Context
	name   string
	clicks int
	begun  time.Time
}

func beginTrip(t *testing.T, ctx context.Context, name string) *trip {
	return &trip{t: t, ctx: ctx, name: name, begun: time.Now()}
}

func (j *trip) open(address string) {
	j.t.Helper()
	do(j.t, j.ctx, chromedp.Navigate(address), there("main h1"))
}

func (j *trip) click(selector, then string) {
	j.t.Helper()
	j.clicks++
	do(j.t, j.ctx, chromedp.Click(selector), there(then))
}

func (j *trip) search(text string) {
	j.t.Helper()
	j.clicks++
	do(j.t, j.ctx, chromedp.SendKeys("#jump", text+"\n"), there("#list"))
}

func (j *trip) says(selector, want string) {
	j.t.Helper()
	if got := find(j.t, j.ctx, selector); !strings.Contains(got, want) {
		j.t.Errorf("trip %q: %s says %q, want %q", j.name, selector, got, want)
	}
}

func (j *trip) end() {
	j.t.Helper()
	j.t.Logf("trip %q: %d clicks, %d ms", j.name, j.clicks, time.Since(j.begun).Milliseconds())
}

// customers are a console with a customer whose sync succeeded, one whose failed,
// and the sync of one eight days ago.
func tripCustomers(t *testing.T) (*bundle, map[string]hotsync.Event) {
	t.Helper()
	now := time.Now().UTC()
	_, by := samplesAt(now)
	failed, good := by["failed, no such account"], by["succeeded, unchanged"]
	old := good
	old.RequestedAt = now.Add(-8 * 24 * time.Hour)
	old.ID, old.FinishedAt, old.Account.Number = hotsync.EventIDFor(old.RequestedAt,
		"old"), old.RequestedAt.Add(time.Second), "A00000007"
	b := setup(t, failed, good, old)
	b.now = now
	b.events.terms[good.ID] = []string{"jane@example.com", "A-S00000101"}
	return b, map[string]hotsync.Event{"failed": failed, "good": good, "old": old}
}

// TestTripsOfAnAgent: somebody on the phone, of whom the agent has an e-mail
// address, a number, or only a time.
func TestTripsOfAnAgent(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b, by := tripCustomers(t)
	screens[0].show(t, ctx, "light", true)
	b.as(ctx, "viewer")
	for _, tc := range []struct{ name, text string }{
		{"agent with an e-mail", "jane@example.com"},
		{"agent with a pasted address", "Jane Doe <jane@example.com>"},
		{"agent with a subscription number", " A-S00000101 "},
	} {
		j := beginTrip(t, ctx, tc.name)
		j.open(b.server.URL + "/")
		j.search(tc.text)
		j.click("#events a.open", ".outcome")
		j.says(".outcome-head", "Synced, nothing to change")
		j.says("#h-holds + .table-wrap", "Digital Monthly")
		j.says(".sight", "Yes.")
		j.end()
	}
	j := beginTrip(t, ctx, "agent with only a time")
	j.open(b.server.URL + "/")
	j.search(by["failed"].RequestedAt.In(zoneOrFail(t, "Europe/London")).Format("15:04"))
	j.says("#events .row[data-status=failed]", "failed")
	j.end()
}

func zoneOrFail(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestTripAfterAnOutage: 300 failures of three causes, and those of the outage
// are retried, knowingly, and no others.
func TestTripAfterAnOutage(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b, _ := tripCustomers(t)
	b.events.events = map[string]hotsync.Event{}
	causes := []hotsync.Code{hotsync.CodeZuoraUnavailable, hotsync.CodeLimioRefused, hotsync.CodeZuoraNotFound}
	for i := range 300 {
		code := causes[max(0, i%30-27)] // 280, 10 and 10
		at := b.now.Add(-time.Duration(20+i%40) * time.Minute)
		id := hotsync.EventIDFor(at, fmt.Sprint("outage ", i))
		b.events.events[id] = hotsync.Event{ID: id, Status: hotsync.StatusFailed, Reason: string(code),
			Trigger: hotsync.TriggerLogin, Provider: "direct",
			Subject: fmt.Sprint("auth0|person-", i), RequestedAt: at, FinishedAt: at.Add(time.Second),
			Account: hotsync.AccountRef{ID: fmt.Sprintf("%032x", i+1), Number: fmt.Sprintf("A%08d", i)},
			Error:   hotsync.Errorf(code, "It failed.").Problem(),
			Request: hotsync.SyncRequest{EventID: id, Trigger: hotsync.TriggerLogin, Account: fmt.Sprintf("A%08d", i),
				AccountID: fmt.Sprintf("%032x", i+1),
				Identity:  hotsync.Identity{Issuer: "https://login.example.com/", Subject: fmt.Sprint("auth0|person-", i)}}}
	}
	screens[0].show(t, ctx, "light", true)
	b.as(ctx, "operator")
	j := beginTrip(t, ctx, "operator after an outage")
	j.open(b.server.URL + "/")
	j.says(".verdict-head", "300 syncs need somebody")
	j.click(".verdict a.button", "#open .cause")
	if n := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll("#open .cause").length`)); n != len(causes) {
		t.Errorf("%d causes, want %d", n, len(causes))
	}
	j.says(".cause-n b", "280")
	j.says(".cause-act a", "Retry all 280")
	j.click(".cause-act a", ".steps")
	j.says("main .sheet h2", "280 syncs")
	j.click(".sheet a.primary", "#why")
	do(t, ctx, chromedp.SendKeys("#why", "Zuora was down for 40 minutes"))
	j.click("form.sheet button.primary", "#job")
	b.advance(t, 280)
	waitText(t, ctx, "#job .sheet h2", "280 of 280 accounts")
	waitText(t, ctx, "#job", "Written to Limio")
	j.end()
	for _, r := range b.lane.sent {
		if old := b.events.events[r.RetryOf]; old.Reason != string(causes[0]) {
			t.Fatalf("a sync that failed for %s was retried, too", old.Reason)
		}
	}

	j = beginTrip(t, ctx, "operator retries three of ten")
	j.open(b.server.URL + "/")
	j.says(".verdict-head", "20 syncs need somebody")
	j.click(".verdict a.button", "#open .cause")
	j.click(`#open .cause h2 a[href*="limio"]`, "#events")
	for i := range 3 {
		j.clicks++
		do(t, ctx, chromedp.Click(fmt.Sprintf("#events tr:nth-child(%d) [name=id]", 2*i+1)))
	}
	j.says("[data-ticked]", "Retry the 3 ticked")
	j.click("[data-ticked]", ".steps")
	j.says("main .sheet h2", "3 syncs ticked")
	j.click(".sheet a.primary", "#why")
	do(t, ctx, chromedp.SendKeys("#why", "their addresses were corrected"))
	j.click("form.sheet button.primary", "#job")
	b.advance(t, 283)
	waitText(t, ctx, "#job .sheet h2", "3 of 3 accounts")
	j.end()

	j.open(b.server.URL + "/")
	j.says(".verdict-head", "17 syncs need somebody")
	b.events.mu.Lock()
	for id := range b.events.events {
		e := b.events.events[id]
		e.Status, e.Reason, e.Error = hotsync.StatusSucceeded, hotsync.ReasonUnchanged, nil
		b.events.events[id] = e
	}
	b.events.mu.Unlock()
	j.open(b.server.URL + "/")
	j.says(".verdict-head", "All well")
}

// TestTripsInOtherWays: by keyboard only, on a phone, without scripts, over
// rows of eight days ago, in another time zone.
func TestTripsInOtherWays(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b, by := tripCustomers(t)
	b.as(ctx, "operator")

	screens[0].show(t, ctx, "light", true)
	j := beginTrip(t, ctx, "keyboard only")
	j.open(b.server.URL + "/events?status=failed")
	do(t, ctx, chromedp.KeyEvent("j"), chromedp.KeyEvent("\r"), there(".outcome"))
	j.says(".outcome-head", "Failed: no such Zuora account")
	do(t, ctx, chromedp.KeyEvent("r"))
	waitText(t, ctx, "#toast", "Retrying")
	do(t, ctx, there(`#event[data-status="queued"]`))
	j.end()

	j = beginTrip(t, ctx, "single keys switched off")
	j.open(b.server.URL + "/events?status=failed")
	do(t, ctx, chromedp.KeyEvent("?"), chromedp.Click("[data-keys]"), chromedp.Click("#help form button"),
		chromedp.KeyEvent("j"))
	if n := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll("tr.picked").length`)); n != 0 {
		t.Error("a single key acts though they are switched off")
	}
	do(t, ctx, chromedp.KeyEvent("?"))
	if ask(t, ctx, chromedp.Evaluate[bool](`!!document.querySelector("dialog[open]")`)) {
		t.Error("the help opens by a single key though they are switched off")
	}
	do(t, ctx, chromedp.Click("[data-help]"), chromedp.Click("[data-keys]"), chromedp.Click("#help form button"))
	j.end()

	screens[1].show(t, ctx, "light", true)
	j = beginTrip(t, ctx, "phone")
	j.open(b.server.URL + "/events")
	if y := ask(t, ctx,
		chromedp.Evaluate[float64](`document.querySelector("tr.row").getBoundingClientRect().top / innerHeight`)); y > 0.5 {
		t.Errorf("on a phone the first row begins at %.0f %% of the screen", 100*y)
	}
	j.click("#events a.open", ".outcome")
	j.end()

	screens[0].show(t, ctx, "light", false)
	j = beginTrip(t, ctx, "without scripts")
	j.open(b.server.URL + "/open")
	j.click(".cause h2 a", "#events")
	j.says("#events .c-why .why", "Zuora has no account")
	j.click("#events [name=id]", "#events")
	j.click("#ticked button", ".steps")
	j.says("main .sheet h2", "1 sync ticked")
	j.click(".sheet a.primary", "#why")
	do(t, ctx, chromedp.SendKeys("#why", "without scripts"))
	j.click("form.sheet button.primary", "#job")
	j.says("#job .sheet h2", "0 of 1 account")
	j.end()
	j.open(b.server.URL + "/events?account=A00000007")
	over := `(() => { const r = document.querySelector("tr.row"); const a = r.querySelector(".c-when time"), b = r.querySelector(".c-account");
		return a.getBoundingClientRect().right - b.getBoundingClientRect().left })()`
	screens[0].show(t, ctx, "light", true)
	for _, scripts := range []bool{true, false} {
		screens[0].show(t, ctx, "light", scripts)
		j.open(b.server.URL + "/events?account=A00000007")
		screens[0].show(t, ctx, "light", true)
		if d := ask(t, ctx, chromedp.Evaluate[float64](over)); d > 0 {
			t.Errorf("scripts %t: the time of a row of eight days ago lies %.0f pixels over its account", scripts, d)
		}
	}

	tell(t, ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Tokyo"})
	j = beginTrip(t, ctx, "another time zone")
	j.open(b.server.URL + "/") // tells the server
	j.open(b.server.URL + "/")
	j.search(by["good"].RequestedAt.In(zoneOrFail(t, "Asia/Tokyo")).Format("15:04"))
	j.says("#events", sample.Account.Number)
	j.says("footer", "Asia/Tokyo")
	j.end()
}
