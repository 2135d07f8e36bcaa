package syncer_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

// TestUnmatchedLookups: a login whose look-up finds nobody leaves a short record and is
// observed, and makes an event only where the settings say so.
func TestUnmatchedLookups(t *testing.T) {
	t.Parallel()

	ada := hotsync.Identity{Issuer: "https://idp.example.com", Subject: "auth0|ada"}
	for _, tc := range []struct {
		name     string
		settings func(*hotsync.Settings)
		who      hotsync.Identity
		mute     bool // nobody keeps records, and nobody observes
		records  int
		events   int
	}{
		{"recorded", func(*hotsync.Settings) {}, ada, false, 1, 0},
		{"records are off", func(s *hotsync.Settings) { s.LoginRecords = hotsync.LoginRecordsOff }, ada, false, 0, 0},
		{"of nobody", func(*hotsync.Settings) {}, hotsync.Identity{}, false, 0, 0},
		{"nobody keeps records", func(*hotsync.Settings) {}, ada, true, 0, 0},
		{"an event is wanted", func(s *hotsync.Settings) { s.RecordUnmatched = true }, ada, false, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				tc.settings((*hotsync.Settings)(b.settings))
				var observed []hotsync.Event
				b.syncer.Observe = func(e hotsync.Event) { observed = append(observed, e) }
				if tc.mute {
					b.syncer.Observe, b.syncer.Records = nil, nil
				}
				r := b.request()
				r.Account, r.Identity, r.EmailHash = "", tc.who, "hash"
				r.Lookup = &hotsync.Lookup{Field: "LimioExternalId__c", Value: "canary"}
				out, e := b.handle(t, r, 1)
				wantOutcome(t, out, syncqueue.Done())
				if len(b.logins) != tc.records || len(b.events.events) != tc.events {
					t.Fatalf("%d records and %d events, want %d and %d", len(b.logins), len(b.events.events), tc.records, tc.events)
				}
				if tc.events > 0 {
					wantStatus(t, e, hotsync.StatusSkipped, hotsync.ReasonNoMatch)
					if e.Error == nil || e.Error.Code != hotsync.CodeLookupNoMatch {
						t.Errorf("the event says %+v, want what was not found", e.Error)
					}
				}
				if !tc.mute && (len(observed) != 1 || observed[0].Status != hotsync.StatusSkipped ||
					observed[0].Reason != hotsync.ReasonNoMatch) {
					t.Errorf("observed %+v, want one that is skipped for want of a match", observed)
				}
				for _, got := range b.logins {
					want := hotsync.LoginRecord{LoginID: "l", At: r.RequestedAt, Trigger: hotsync.TriggerLogin,
						Reason: hotsync.ReasonNoMatch,
						Issuer: ada.Issuer, Subject: ada.Subject, Verified: true, EmailHash: "hash",
						Claims: []hotsync.LoginClaim{{Claim: "zuora", Reason: hotsync.ReasonNoMatch,
							Detail: "No Zuora account has this value in LimioExternalId__c."}}}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("record mismatch (-want +got):\n%s", diff)
					}
				}
			})
		})
	}
}

// TestSentOnSaysWhich: the event of what is sent on names the account and how it was found.
func TestSentOnSaysWhich(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name    string
		change  func(*hotsync.SyncRequest)
		receive int
		step    string
	}{
		{"a look-up", func(r *hotsync.SyncRequest) {
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada"}
		}, 1, "lookup"},
		{"a look-up, delivered again", func(r *hotsync.SyncRequest) {
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada"}
		}, 2, "lookup"},
		{"a number, delivered again", func(r *hotsync.SyncRequest) { r.Account = "A00000001" }, 2, "resolve"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			r := b.request()
			tc.change(&r)
			_, e := b.handle(t, r, tc.receive)
			wantStatus(t, e, hotsync.StatusQueued, "")
			if want := (hotsync.AccountRef{ID: accountID, Number: "A00000001"}); e.Account != want ||
				e.Request.AccountID != accountID {
				t.Errorf("%s: the event is of %+v, its request of %q; want %+v", tc.name, e.Account, e.Request.AccountID, want)
			}
			if len(e.Steps) != 1 || e.Steps[0].Name != tc.step {
				t.Errorf("%s: steps %+v, want %s", tc.name, e.Steps, tc.step)
			}
			if len(b.queue.sent) != 1 || b.queue.sent[0].AccountID != accountID {
				t.Errorf("%s: sent on %+v", tc.name, b.queue.sent)
			}
		})
	}
}

// TestAnUnmatchedNumber fails, and nothing is sent on.
func TestAnUnmatchedNumber(t *testing.T) {
	t.Parallel()

	b := setup(t)
	r := b.request()
	r.Account = "A99999999"
	_, e := b.handle(t, r, 1)
	wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeZuoraNotFound))
	if len(b.queue.sent) != 0 {
		t.Errorf("sent on %+v", b.queue.sent)
	}
	if len(e.Steps) != 1 || e.Steps[0].Name != "resolve" {
		t.Errorf("steps %+v, want what was tried", e.Steps)
	}
}

// TestLookupsThatFail: what Zuora says of a look-up is told by its event.
func TestLookupsThatFail(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		code   hotsync.Code
		status hotsync.Status
		reason string
	}{
		{hotsync.CodeLookupAmbiguous, hotsync.StatusSkipped, hotsync.ReasonAmbiguous},
		{hotsync.CodeLookupField, hotsync.StatusFailed, string(hotsync.CodeLookupField)},
		{hotsync.CodeZuoraAnswer, hotsync.StatusRetrying, string(hotsync.CodeZuoraAnswer)},
		{hotsync.CodeZuoraUnavailable, hotsync.StatusRetrying, hotsync.ReasonPaused},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			b.zuora.fail = []error{hotsync.Errorf(tc.code, "no")}
			r := b.request()
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada"}
			_, e := b.handle(t, r, 1)
			wantStatus(t, e, tc.status, tc.reason)
			if len(b.queue.sent) > 0 || b.zuora.reads != 1 || e.Error == nil || e.Error.Code != tc.code {
				t.Errorf("%s: the event says %+v after %d reads; sent on %+v", tc.code, e.Error, b.zuora.reads, b.queue.sent)
			}
		})
	}
}

// TestANumberIsNotPassedOnUnseen: nobody is asked and nothing sent on where hot sync is off or the settings are not to
// be had, and nothing is sent on whose event cannot be written.
func TestANumberIsNotPassedOnUnseen(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name    string
		play    func(b *testBundle, r *hotsync.SyncRequest)
		receive int
		status  hotsync.Status
		reads   int
		sent    int
	}{
		{"hot sync is off", func(b *testBundle, _ *hotsync.SyncRequest) { b.settings.HotSync = false }, 1,
			hotsync.StatusSkipped, 0, 0},
		{"hot sync is off, and a person asks", func(b *testBundle, r *hotsync.SyncRequest) {
			b.settings.HotSync, r.Trigger = false, hotsync.TriggerConsole
		}, 1, "", 1, 1},
		{"no settings", func(b *testBundle, _ *hotsync.SyncRequest) { b.syncer.Settings = noSettings{} }, 1,
			hotsync.StatusRetrying, 0, 0},
		{"its event cannot be written", func(b *testBundle, _ *hotsync.SyncRequest) {
			b.events.fail = []error{hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")}
		}, 2, hotsync.StatusRetrying, 1, 0},
		{"its event came late", func(b *testBundle, r *hotsync.SyncRequest) {
			b.zuora.during = func() {
				e := hotsync.NewEvent(*r)
				e.Revision = 1
				b.events.events[r.EventID] = e
			}
		}, 2, hotsync.StatusQueued, 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				r := b.request()
				r.Account = numberA
				tc.play(b, &r)
				out, e := b.handle(t, r, tc.receive)
				if _, again := out.Delay(); again != (tc.sent == 0 && !tc.status.Final()) {
					t.Errorf("comes again: %t", again)
				}
				if e.Status != tc.status || b.zuora.reads != tc.reads || len(b.queue.sent) != tc.sent {
					t.Errorf("event %q after %d reads and %d sent on, want %q after %d and %d", e.Status, b.zuora.reads,
						len(b.queue.sent), tc.status, tc.reads, tc.sent)
				}
				if tc.status == hotsync.StatusQueued && (e.Account.ID != accountID || e.Request.AccountID != accountID) {
					t.Errorf("the event is of %+v, its request of %q", e.Account, e.Request.AccountID)
				}
			})
		})
	}
}
