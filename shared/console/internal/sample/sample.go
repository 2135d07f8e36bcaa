// Package sample makes up events in every state a sync can be in, for the
// console's gallery and its tests. Names and ids are invented.
package sample

import (
	"fmt"
	"strings"
	"time"

	"hotsync/shared/hotsync"
)

// Case is an event with the name of the state it shows.
type Case struct {
	Name  string
	Event hotsync.Event
}

// Account is the account that most of the samples are about.
var Account = hotsync.AccountRef{ID: "2c92c0f9501d4a5b01501e8f3a5c0d11", Number: "A00000042"}

// Hostile is text as an attacker would write it into a name or an error.
const Hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>=HYPERLINK("http://evil.example","x")`

type maker struct {
	now time.Time
	out []Case
}

func (m *maker) add(name string, age time.Duration, status hotsync.Status, reason string, change func(*hotsync.Event)) {
	at := m.now.Add(-age)
	id := hotsync.EventIDFor(at, name)
	e := hotsync.Event{
		ID:          id,
		Status:      status,
		Reason:      reason,
		Trigger:     hotsync.TriggerLogin,
		Provider:    "direct",
		Account:     Account,
		Subject:     "auth0|64c1d0aa91e24b5f7d1e22b9",
		LoginID:     "login-" + strings.ReplaceAll(name, " ", "-"),
		RequestedAt: at,
	}
	e.Request = hotsync.SyncRequest{
		EventID:  id,
		LoginID:  e.LoginID,
		Trigger:  e.Trigger,
		Provider: e.Provider,
		Identity: hotsync.Identity{
			Issuer:  "https://login.example.com/",
			Subject: e.Subject,
		},
		EmailHash:   "8f14e45fceea167a5a36dedd4bea2543",
		EmailMask:   "j•••@e•••.com",
		Claim:       "zuora_account_ids",
		Account:     Account.ID,
		AccountID:   Account.ID,
		RequestedAt: at,
	}
	if status != hotsync.StatusQueued {
		e.StartedAt = at.Add(180 * time.Millisecond)
		e.Attempts = []hotsync.Attempt{{N: 1, StartedAt: e.StartedAt}}
	}
	if status.Final() {
		e.FinishedAt = at.Add(1340 * time.Millisecond)
		if len(e.Attempts) > 0 {
			e.Attempts[0].FinishedAt = e.FinishedAt
		}
	}
	if change != nil {
		change(&e)
	}
	m.out = append(m.out, Case{name, e.Counted()})
}

func problem(code hotsync.Code, message string) *hotsync.Problem {
	return &hotsync.Problem{Code: code, Message: message, Hint: code.Hint()}
}

func steps(at time.Time, upTo int) []hotsync.Step {
	all := []hotsync.Step{
		{Name: "read zuora", StartedAt: at, MS: 612, Calls: 2, Detail: "3 subscriptions, 2 payment methods"},
		{Name: "read limio", StartedAt: at.Add(2 * time.Millisecond), MS: 301, Calls: 2, Detail: "14 objects"},
		{Name: "project", StartedAt: at.Add(613 * time.Millisecond), MS: 1, Detail: "15 objects"},
		{Name: "diff", StartedAt: at.Add(614 * time.Millisecond), MS: 0, Detail: "4 changes"},
		{Name: "apply", StartedAt: at.Add(615 * time.Millisecond), MS: 540, Calls: 4, Detail: "4 of 4 changes"},
	}
	return all[:upTo]
}

// Events makes the samples as of a time, the newest first.
func Events(now time.Time) []Case {
	m := &maker{now: now.UTC()}
	m.add("queued", 3*time.Second, hotsync.StatusQueued, "", nil)
	m.add(
		"running",
		6*time.Second,
		hotsync.StatusRunning,
		"",
		func(e *hotsync.Event) { e.Steps = steps(e.StartedAt, 2) },
	)
	m.add(
		"retrying",
		50*time.Second,
		hotsync.StatusRetrying,
		string(hotsync.CodeZuoraUnavailable),
		func(e *hotsync.Event) {
			p := problem(hotsync.CodeZuoraUnavailable, "Zuora answered 503 twice.")
			e.Error, e.NextAttemptAt = p, now.Add(20*time.Second)
			e.Attempts = []hotsync.Attempt{
				{N: 1, StartedAt: e.StartedAt, FinishedAt: e.StartedAt.Add(900 * time.Millisecond), Error: p},
				{
					N:          2,
					StartedAt:  e.StartedAt.Add(9 * time.Second),
					FinishedAt: e.StartedAt.Add(11 * time.Second),
					Error:      p,
				},
			}
			e.Steps = []hotsync.Step{
				{
					Name:      "read zuora",
					StartedAt: e.StartedAt.Add(9 * time.Second),
					MS:        2010,
					Calls:     1,
					Detail:    "zuora_unavailable",
				},
			}
		},
	)
	m.add(
		"retrying, paused by Zuora",
		90*time.Second,
		hotsync.StatusRetrying,
		hotsync.ReasonPaused,
		func(e *hotsync.Event) {
			e.Error = problem(hotsync.CodeZuoraRateLimited, "Zuora asked to wait 60 s.")
			e.NextAttemptAt, e.Attempts = now.Add(30*time.Second), nil
		},
	)
	m.add(
		"succeeded with changes",
		2*time.Minute,
		hotsync.StatusSucceeded,
		hotsync.ReasonChanged,
		func(e *hotsync.Event) {
			e.Steps = steps(e.StartedAt, 5)
			e.Changes, e.Subscriptions = changes(), subscriptions()
			e.Findings = notes(
				"Subscription A-S00000107 is a draft and was left out.",
				"No ship-to contact: the sold-to contact stands in for it.",
			)
		},
	)
	m.add(
		"succeeded, unchanged",
		5*time.Minute,
		hotsync.StatusSucceeded,
		hotsync.ReasonUnchanged,
		func(e *hotsync.Event) {
			e.Steps, e.Subscriptions = steps(e.StartedAt, 4), subscriptions()
		},
	)
	m.add(
		"failed, Limio refused",
		9*time.Minute,
		hotsync.StatusFailed,
		string(hotsync.CodeLimioRefused),
		func(e *hotsync.Event) {
			e.Error = problem(
				hotsync.CodeLimioRefused,
				"Limio refused the address: country \"Grossbritannien\" is not known.",
			)
			e.Steps = steps(e.StartedAt, 5)
			e.Steps[4].Detail, e.Steps[4].MS, e.Steps[0].MS = "limio_request_refused", 1800, 2900
			e.Attempts[0].Error = e.Error
			e.Findings = notes("The country of the bill-to contact could not be recognised.")
		},
	)
	m.add(
		"failed, no such account",
		14*time.Minute,
		hotsync.StatusFailed,
		string(hotsync.CodeZuoraNotFound),
		func(e *hotsync.Event) {
			e.Account = hotsync.AccountRef{Number: "A00009999"}
			e.Request.Account, e.Request.AccountID = "A00009999", ""
			e.Error = problem(hotsync.CodeZuoraNotFound, "Zuora has no account A00009999.")
			e.Attempts[0].Error, e.Trigger, e.Provider = e.Error, hotsync.TriggerPostAuthentication, "cognito"
		},
	)
	m.add(
		"failed, died without a word",
		22*time.Minute,
		hotsync.StatusFailed,
		string(hotsync.CodeGaveUp),
		func(e *hotsync.Event) {
			e.Error = problem(hotsync.CodeGaveUp, "The queue gave up on it after 5 deliveries.")
		},
	)
	m.add(
		"failed, malformed message",
		25*time.Minute,
		hotsync.StatusFailed,
		string(hotsync.CodeMessageMalformed),
		func(e *hotsync.Event) {
			e.Account, e.Subject, e.Provider, e.LoginID, e.Request = hotsync.AccountRef{}, "", "", "", hotsync.SyncRequest{}
			e.Error, e.Trigger, e.Attempts = problem(hotsync.CodeMessageMalformed, "The message is not JSON."), "", nil
		},
	)
	m.add(
		"skipped, covered by a later sync",
		31*time.Minute,
		hotsync.StatusSkipped,
		hotsync.ReasonCoalesced,
		func(e *hotsync.Event) {
			e.CoveredBy, e.Attempts = hotsync.EventIDFor(m.now.Add(-5*time.Minute), "succeeded, unchanged"), nil
		},
	)
	m.lookups()
	m.add(
		"skipped, hot sync off",
		time.Hour,
		hotsync.StatusSkipped,
		hotsync.ReasonDisabled,
		func(e *hotsync.Event) { e.Attempts = nil },
	)
	m.add(
		"a retry from the console",
		64*time.Minute,
		hotsync.StatusSucceeded,
		hotsync.ReasonChanged,
		func(e *hotsync.Event) {
			e.Trigger, e.RetriedBy = hotsync.TriggerConsole, "Olga Operator"
			e.Steps, e.Changes = steps(e.StartedAt, 5), changes()[:1]
			e.RetryOf = hotsync.EventIDFor(m.now.Add(-9*time.Minute), "failed, Limio refused")
			e.Request.Actor, e.Request.Note = "Olga Operator", "Limio's country list was corrected."
		},
	)
	m.add("hostile text", 70*time.Minute, hotsync.StatusFailed, "internal", func(e *hotsync.Event) {
		e.Account, e.Subject, e.Provider = hotsync.AccountRef{
			ID:     "2c92c0f9501d4a5b01501e8f3a5c0d99",
			Number: Hostile,
		}, Hostile, Hostile
		e.Error = &hotsync.Problem{Code: hotsync.CodeInternal, Message: Hostile, Hint: Hostile}
		e.Findings, e.RetriedBy = notes(Hostile), Hostile
		e.Changes = []hotsync.Change{
			{
				Object: Hostile,
				ID:     Hostile,
				Action: hotsync.ActionUpdate,
				Fields: []hotsync.FieldChange{
					{Field: Hostile, Before: Hostile, After: map[string]any{Hostile: Hostile}},
				},
			},
		}
		e.Steps = []hotsync.Step{{Name: Hostile, StartedAt: e.StartedAt, MS: 5, Calls: 1, Detail: Hostile}}
		e.Candidates, e.Request.Note, e.Request.Claim = []string{Hostile}, Hostile, Hostile
	})
	m.add("very many changes", 80*time.Minute, hotsync.StatusSucceeded, hotsync.ReasonChanged, func(e *hotsync.Event) {
		e.Steps = steps(e.StartedAt, 5)
		for i := range 60 {
			e.Changes = append(
				e.Changes,
				hotsync.Change{
					Object: "subscription",
					ID:     fmt.Sprintf("sub-%032x", i),
					Action: hotsync.ActionCreate,
					Fields: []hotsync.FieldChange{
						{Field: "status", After: "active"},
						{Field: "data.startDate", After: "2026-01-01"},
					},
				},
			)
		}
	})
	return m.out
}

func (m *maker) lookups() {
	lookup := func(e *hotsync.Event) {
		e.Account, e.Provider, e.Trigger = hotsync.AccountRef{}, "lookup", hotsync.TriggerPostAuthentication
		e.Request.Account, e.Request.AccountID, e.Request.Claim = "", "", "sub"
		e.Request.Lookup = &hotsync.Lookup{Field: "LimioExternalId__c", Value: e.Subject}
		e.Attempts = nil
		e.Steps = []hotsync.Step{
			{
				Name:      "lookup",
				StartedAt: e.StartedAt,
				MS:        288,
				Calls:     1,
				Detail:    "2 accounts with this LimioExternalId__c",
			},
		}
	}
	m.add(
		"skipped, several accounts match",
		37*time.Minute,
		hotsync.StatusSkipped,
		hotsync.ReasonAmbiguous,
		func(e *hotsync.Event) {
			lookup(e)
			e.Error = problem(
				hotsync.CodeLookupAmbiguous,
				"2 Zuora accounts share this value of LimioExternalId__c, so none was synced.",
			)
			e.Candidates = []string{"A00000051", "A00000052"}
		},
	)
	m.add(
		"skipped, no account matches",
		41*time.Minute,
		hotsync.StatusSkipped,
		hotsync.ReasonNoMatch,
		func(e *hotsync.Event) {
			lookup(e)
			e.Error = problem(hotsync.CodeLookupNoMatch, "No Zuora account has this value in LimioExternalId__c.")
			e.Steps[0].Detail = "0 accounts with this LimioExternalId__c"
		},
	)
	m.add(
		"skipped, claim out of date",
		52*time.Minute,
		hotsync.StatusSkipped,
		hotsync.ReasonStaleClaim,
		func(e *hotsync.Event) {
			lookup(e)
			e.Account = Account
			e.Error = problem(
				hotsync.CodeStaleClaim,
				"The account's LimioExternalId__c no longer has the value that this login was found by.",
			)
		},
	)
}

func subscriptions() []hotsync.Subscription {
	return []hotsync.Subscription{
		{
			Number:     "A-S00000101",
			Plan:       "Digital Monthly",
			Status:     "active",
			Amount:     "9.99",
			Currency:   "GBP",
			Every:      "monthly",
			NextDay:    "2026-12-01",
			NextAmount: "9.99",
		},
		{
			Number:   "A-S00000107",
			Plan:     "Weekend Print",
			Status:   "cancelled",
			Amount:   "240.00",
			Currency: "GBP",
			Every:    "yearly",
		},
	}
}

func changes() []hotsync.Change {
	return []hotsync.Change{
		{
			Object: "customer",
			ID:     "cus-5f0c8e1f3a5b4c7d9e2a1b3c4d5e6f70",
			Action: hotsync.ActionUpdate,
			Fields: []hotsync.FieldChange{
				{
					Field:  "data.email",
					Before: "j•••@example.com",
					After:  "j•••@example.org",
				},
				{Field: "data.defaultPaymentMethodId", Before: nil, After: "pay-77aa10c2"},
			},
		},
		{
			Object: "subscription",
			Name:   "A-S00000107",
			ID:     "sub-0a1b2c3d4e5f60718293a4b5c6d7e8f9",
			Action: hotsync.ActionUpdate,
			Fields: []hotsync.FieldChange{
				{
					Field:  "status",
					Before: "active",
					After:  "cancelled",
				},
				{Field: "data.termEndDate", Before: "2027-03-01", After: "2026-12-01"},
			},
		},
		{
			Object: "payment_method",
			ID:     "pay-77aa10c2d3e4f5061728394a5b6c7d8e",
			Action: hotsync.ActionCreate,
			Fields: []hotsync.FieldChange{
				{Field: "data.type", Before: nil, After: "card"}, {Field: "data.last4", Before: nil, After: "4242"}},
		},
		{Object: "identity", ID: "id-19c0aa55bb66cc77dd88ee99ff001122", Action: hotsync.ActionLink},
	}
}

func notes(messages ...string) []hotsync.Finding {
	var out []hotsync.Finding
	for _, m := range messages {
		out = append(out, hotsync.Note(hotsync.FindingOther, "", "%s", m))
	}
	return out
}
