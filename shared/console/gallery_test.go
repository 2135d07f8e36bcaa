package console_test

import (
	"crypto/rand"
	"testing"
	"time"

	"hotsync/shared/console/internal/sample"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// picturePages are the pages that TestAccessible looks at, and make screenshots takes
// pictures of.
func picturePages(b *bundle, by map[string]hotsync.Event) map[string]string {
	pages := map[string]string{
		"jobs":            "/jobs",
		"job-new":         "/jobs/new",
		"signin":          "/signin",
		"overview":        "/",
		"open":            "/open",
		"events":          "/events",
		"events-failed":   "/events?status=failed",
		"events-nothing":  "/events?q=nobody%40example.com",
		"events-bad":      "/events?from=sometime",
		"event-failed":    "/events/" + by["failed, Limio refused"].ID,
		"event-succeeded": "/events/" + by["succeeded with changes"].ID,
		"event-ambiguous": "/events/" + by["skipped, several accounts match"].ID,
		"event-retrying":  "/events/" + by["retrying"].ID,
		"event-hostile":   "/events/" + by["hostile text"].ID,
		"account":         "/accounts/" + sample.Account.Number,
		"bulk-count":      "/retry",
		"bulk-reason":     "/retry/reason?status=failed",
		"audit":           "/audit",
		"gallery":         "/gallery",
		"overview-week":   "/?span=week",
		"event-many":      "/events/" + by["very many changes"].ID,
		"changes":         "/events/" + by["succeeded with changes"].ID + "/changes",
		"compare":         "/events/" + by["succeeded with changes"].ID + "/compare?with=" + by["succeeded, unchanged"].ID,
		"logins":          "/logins",
		"logins-of":       "/logins?reason=claim_missing",
		"events-lost":     "/events?q=jane%40example.com",
		"events-open":     "/events?is=open",
		"not-found":       "/nothing",
	}
	all, _, err := b.jobs.Jobs(b.t.Context(), 10, "")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, j := range all {
		pages["job-"+string(j.Kind)] = "/jobs/" + j.ID
	}
	return pages
}

// someJobs are a bulk retry that is under way, a backfill that waits for the logins, and
// a reconcile run that found something.
func someJobs(t *testing.T, b *bundle) {
	t.Helper()
	for _, tc := range []struct {
		request jobs.Request
		age     time.Duration
		change  func(*jobs.Job)
	}{
		{jobs.Request{Kind: jobs.Retry, Title: "Zuora does not answer", Reason: string(hotsync.CodeZuoraUnavailable),
			Note: "Zuora was down", Actor: "Ada", Source: jobs.Source{Events: &eventstore.Query{}}}, 3 * time.Minute,
			func(j *jobs.Job) {
				j.Final, j.Window = jobs.Counts{jobs.Changed: 110, jobs.Failed: 4}, jobs.Counts{jobs.Sent: 30}
			}},
		{jobs.Request{Kind: jobs.Backfill, Note: "before the launch", Actor: "Grace", Source: jobs.Source{Known: true}},
			2 * time.Hour,
			func(j *jobs.Job) { j.Final, j.Waits = jobs.Counts{jobs.Unchanged: 90}, jobs.WaitLogins }},
		{jobs.Request{Kind: jobs.Reconcile, Source: jobs.Source{Known: true}}, 9 * time.Hour,
			func(j *jobs.Job) {
				j.Status, j.EndedAt, j.Final = jobs.Done, j.CreatedAt.Add(20*time.Minute), jobs.Counts{jobs.Unchanged: 240,
					jobs.Changed: 40}
			}},
	} {
		j, err := jobs.New(tc.request, b.now.Add(-tc.age), rand.Read)
		if err != nil {
			t.Fatal(err)
		}
		j.Listed, j.Total, j.Chunks = true, 280, 3
		tc.change(&j)
		_, err = b.jobs.SaveJob(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// gallery is a console with an event of every state and a day of counts, in
// real time, since pages show how long ago things were.
func gallery(t *testing.T) (*bundle, map[string]hotsync.Event) {
	t.Helper()
	now := time.Now().UTC()
	events, by := samplesAt(now)
	older := by["succeeded, unchanged"]
	older.ID, older.RequestedAt = hotsync.EventIDFor(now.Add(-26*time.Hour), "older"), now.Add(-26*time.Hour)
	b := setup(t, append(events, older)...)
	b.now = now
	b.nothings.records = sample.Logins(now)
	b.nothings.emails["jane@example.com"] = b.nothings.records[4].Subject
	b.events.accounts[older.Account.ID] = eventstore.AccountState{AccountID: older.Account.ID,
		Number:     older.Account.Number,
		CustomerID: "cus-5f0c8e1f3a5b4c7d9e2a1b3c4d5e6f70", LastSucceededAt: now.Add(-5 * time.Minute),
		LastSucceededEvent: by["succeeded, unchanged"].ID}
	for i := range 144 {
		at := now.Truncate(10 * time.Minute).Add(-time.Duration(i) * 10 * time.Minute)
		n := 18 + (i*i*7)%23 + 20*max(0, 12-(i/6-8)*(i/6-8)/4)
		counts := eventstore.Counts{
			Outcomes: map[eventstore.Outcome]int{{Status: hotsync.StatusSucceeded, Reason: hotsync.ReasonChanged}: n / 3,
				{Status: hotsync.StatusSucceeded, Reason: hotsync.ReasonUnchanged}: n,
				{Status: hotsync.StatusSkipped, Reason: hotsync.ReasonCoalesced}:   n / 7},
			Latency: eventstore.Latency{500 * time.Millisecond: n / 2, time.Second: n / 2, 2 * time.Second: n / 4,
				5 * time.Second: n / 20}}
		if i%5 == 0 {
			counts.Outcomes[eventstore.Outcome{Status: hotsync.StatusSkipped, Reason: hotsync.ReasonAmbiguous}] = 1 + i%3
		}
		if i > 30 && i < 38 {
			counts.Outcomes[eventstore.Outcome{Status: hotsync.StatusFailed,
				Reason: string(hotsync.CodeZuoraUnavailable)}] = 40 - 3*(i-30)
		}
		if i%11 == 0 {
			counts.Outcomes[eventstore.Outcome{Status: hotsync.StatusFailed, Reason: string(hotsync.CodeLimioRefused)}] = 2
		}
		b.events.slots = append(b.events.slots, eventstore.Slot{At: at, Counts: counts})
	}
	return b, by
}
