package syncer_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
)

var (
	zuoraDown = hotsync.Errorf(hotsync.CodeZuoraAnswer, "no JSON")
	limioDown = hotsync.Errorf(hotsync.CodeLimioAnswer, "no JSON")
)

func wantStatus(t *testing.T, e hotsync.Event, status hotsync.Status, reason string) {
	t.Helper()
	if e.Status != status || e.Reason != reason {
		t.Errorf("event is %s (%s), want %s (%s); error %+v", e.Status, e.Reason, status, reason, e.Error)
	}
}

func wantOutcome(t *testing.T, got, want syncqueue.Outcome) {
	t.Helper()
	if got != want {
		t.Errorf("outcome = %+v, want %+v", got, want)
	}
}

func TestFirstSyncWritesAndTheNextFindsNothingToDo(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		out, e := b.handle(t, b.request(), 1)
		wantOutcome(t, out, syncqueue.Done())
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		if len(e.Changes) == 0 || len(e.Attempts) != 1 || e.Account.Number != "A00000001" {
			t.Errorf("event has %d changes, %d attempts, account %+v", len(e.Changes), len(e.Attempts), e.Account)
		}
		for _, c := range e.Changes {
			for _, f := range c.Fields {
				if f.After == "ada@example.com" || f.After == "Ada Reader" {
					t.Errorf("%s.%s is recorded in the clear", c.Object, f.Field)
				}
			}
		}
		time.Sleep(time.Second)
		writes := b.limio.writes
		_, e = b.handle(t, b.request(), 1)
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonUnchanged)
		if b.limio.writes != writes {
			t.Errorf("a repeated login wrote %d times: %+v", b.limio.writes-writes, e.Changes)
		}
		want := []string{"", hotsync.SearchHash([]byte("k"), "ada@example.com"), ""}
		if diff := cmp.Diff(want, b.events.terms[accountID]); diff != "" {
			t.Errorf("search terms mismatch (-want +got):\n%s", diff)
		}
	})
}

func TestRequestsOlderThanTheLastReadAreCoalesced(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		old, stranger := b.request(), b.request()
		stranger.Identity.Subject = "auth0|spouse"
		time.Sleep(time.Second)
		first := b.request()
		_, _ = b.handle(t, first, 1)
		reads := b.zuora.reads

		_, e := b.handle(t, old, 1)
		wantStatus(t, e, hotsync.StatusSkipped, hotsync.ReasonCoalesced)
		if e.CoveredBy != first.EventID || b.zuora.reads != reads {
			t.Errorf("covered by %q after %d further reads, want %q and none", e.CoveredBy, b.zuora.reads-reads, first.EventID)
		}
		_, e = b.handle(t, stranger, 1)
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged) // somebody else's login is to be linked
		_, e = b.handle(t, first, 2)                                     // delivered again
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		if b.zuora.reads != reads+1 {
			t.Errorf("%d further reads, want only the stranger's", b.zuora.reads-reads)
		}
	})
}

func TestTransientFailuresAreTriedAgainAndThenFail(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.zuora.fail = []error{zuoraDown, zuoraDown, zuoraDown}
		r := b.request()
		for n, want := range []time.Duration{2 * time.Second, 4 * time.Second} { // half of 2s·2^n, by the fixed jitter
			out, e := b.handle(t, r, n+1)
			wantOutcome(t, out, syncqueue.Again(want))
			wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeZuoraAnswer))
			if got := time.Until(e.NextAttemptAt); got != want {
				t.Errorf("next attempt in %s, want %s", got, want)
			}
			time.Sleep(want)
		}
		out, e := b.handle(t, r, 3)
		wantOutcome(t, out, syncqueue.Done())
		wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeZuoraAnswer))
		if len(e.Attempts) != 3 || e.Error == nil || e.Error.Hint == "" {
			t.Errorf("%d attempts, error %+v; want 3 and one with a hint", len(e.Attempts), e.Error)
		}
	})
}

// Limio may not show at once what it has just made.
func TestLimioNotFoundIsTriedAgain(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.limio.fail = []error{nil, hotsync.Errorf(hotsync.CodeLimioNotFound, "404")}
		r := b.request()
		_, e := b.handle(t, r, 1)
		wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeLimioNotFound))
		time.Sleep(time.Minute)
		_, e = b.handle(t, r, 2)
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
	})
}

func TestAttemptsAddUpTheirChanges(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b, undisturbed := setup(t), setup(t)
		b.limio.unfiltered = true
		_, whole := undisturbed.handle(t, undisturbed.request(), 1)
		b.limio.fail = []error{nil, nil, limioDown}
		r := b.request()
		_, e := b.handle(t, r, 1)
		wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeLimioAnswer))
		time.Sleep(time.Minute)
		_, e = b.handle(t, r, 2)
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		if len(e.Changes) != len(whole.Changes) || len(b.limio.objects) != len(undisturbed.limio.objects) {
			t.Errorf("%d changes and %d objects, want the %d and %d of an undisturbed sync", len(e.Changes),
				len(b.limio.objects), len(whole.Changes), len(undisturbed.limio.objects))
		}
	})
}

// A store that cuts the lists of a very large event says by how much: what comes after
// counts on from there.
func TestCutListsAreCountedOn(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.limio.unfiltered = true
		b.limio.fail = []error{nil, nil, limioDown}
		r := b.request()
		_, e := b.handle(t, r, 1)
		b.limio.fail = []error{limioDown} // only now: writes that were under way with the one that failed would take it
		wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeLimioAnswer))
		e.Changes, e.ChangesCut = e.Changes[:1], 2244
		e.Attempts, e.AttemptsCut = nil, 2
		b.events.events[e.ID] = e
		time.Sleep(time.Minute)
		_, e = b.handle(t, r, 2)
		wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeLimioAnswer))
		if e.Tries() != 3 || len(e.Attempts) != 1 || e.Attempts[0].N != 3 {
			t.Errorf("%d tries, attempts %+v; want the third, which was the last", e.Tries(), e.Attempts)
		}
		if got, want := e.Counted().ChangeCount, 2244+len(e.Changes); got != want {
			t.Errorf("%d changes are counted, want %d", got, want)
		}
	})
}

func TestPermanentFailuresAreNotTriedAgain(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name string
		err  error
		code hotsync.Code
	}{
		{"refused credentials", hotsync.Errorf(hotsync.CodeZuoraUnauthorized, "no"), hotsync.CodeZuoraUnauthorized},
		{"unknown error", errors.New("boom"), hotsync.CodeInternal},
		{"account gone", hotsync.Errorf(hotsync.CodeZuoraNotFound, "gone"), hotsync.CodeZuoraNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.zuora.fail = []error{tc.err}
			out, e := b.handle(t, b.request(), 1)
			wantOutcome(t, out, syncqueue.Done())
			wantStatus(t, e, hotsync.StatusFailed, string(tc.code))
			if len(b.events.tallied) != 1 {
				t.Errorf("counted %d times, want once", len(b.events.tallied))
			}
		})
	}
}

func TestWaitingCostsNoAttempt(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		paused := hotsync.Errorf(hotsync.CodeZuoraPaused, "paused").After(time.Minute)
		r := b.request()
		r.Requeued, r.SentOn = 2, 2 // the queue gave up on it before
		for receive := range 10 {
			b.zuora.fail = []error{paused}
			out, e := b.handle(t, r, receive%3+1)
			wantStatus(t, e, hotsync.StatusRetrying, hotsync.ReasonPaused)
			if len(e.Attempts) != 0 {
				t.Fatalf("%d attempts were used up by waiting", len(e.Attempts))
			}
			if receive%3+1 < 3 {
				if out == syncqueue.Done() {
					t.Fatal("the message is gone although it has receives left")
				}
				time.Sleep(5 * time.Minute)
				continue
			}
			// The last receive: a fresh copy takes its place and waits out the rest.
			wantOutcome(t, out, syncqueue.Done())
			r = b.queue.sent[len(b.queue.sent)-1]
			if r.SentOn != 0 {
				t.Errorf("the copy counts %d letters from before it came to an end", r.SentOn)
			}
			out, _ = b.handle(t, r, 1)
			if out == syncqueue.Done() {
				t.Fatal("the copy did not wait")
			}
			time.Sleep(5 * time.Minute)
		}
		b.zuora.fail = nil
		_, e := b.handle(t, r, 1)
		wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
	})
}

// An outage may last: whoever waits for its end is synced then, and does not fail
// for having waited long. But nobody waits for ever.
func TestALongOutageFailsNobody(t *testing.T) {
	t.Parallel()

	zuoraPaused := hotsync.Errorf(hotsync.CodeZuoraPaused, "paused").After(8 * time.Second)
	for _, tc := range []struct {
		outage time.Duration
		answer *hotsync.Error
		want   hotsync.Status
	}{
		{24 * time.Hour, zuoraPaused, hotsync.StatusSucceeded},
		{30 * time.Hour, zuoraPaused, hotsync.StatusFailed},
		{time.Minute, hotsync.Errorf(hotsync.CodeZuoraUnavailable, "503"), hotsync.StatusSucceeded},
		{time.Minute, hotsync.Errorf(hotsync.CodeLimioUnavailable, "502"), hotsync.StatusSucceeded},
		{time.Hour, hotsync.Errorf(hotsync.CodeLimioPaused, "paused").After(8 * time.Second), hotsync.StatusSucceeded},
		{time.Hour, hotsync.Errorf(hotsync.CodeLimioRateLimited, "429").After(5 * time.Second), hotsync.StatusSucceeded},
		{time.Minute, hotsync.Errorf(hotsync.CodeLimioRefused, "400"), hotsync.StatusFailed}, // wrong with this account
	} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			r, receive, over := b.request(), 1, time.Now().Add(tc.outage)
			for {
				b.zuora.fail = nil
				if time.Now().Before(over) {
					b.zuora.fail = []error{tc.answer}
				}
				sent := len(b.queue.sent)
				_, e := b.handle(t, r, receive)
				if e.Status.Final() {
					if e.Status != tc.want {
						t.Errorf("after %s of %s the event is %s (%s), want %s", tc.outage, tc.answer.Code, e.Status, e.Reason, tc.want)
					}
					return
				}
				time.Sleep(time.Until(e.NextAttemptAt))
				receive++
				if len(b.queue.sent) > sent {
					r, receive = b.queue.sent[sent], 1
					_, err := syncqueue.Encode(r)
					if err != nil {
						t.Fatalf("a copy is refused by the queue: %v", err)
					}
				}
			}
		})
	}
}

func TestAccountNumbersAndLookupsAreSentOn(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name       string
		change     func(*testBundle, *hotsync.SyncRequest)
		wantSent   []string // account ids
		wantStatus hotsync.Status
		wantReason string
	}{
		{"number", func(_ *testBundle, r *hotsync.SyncRequest) { r.Account = "A00000002" }, []string{otherID},
			hotsync.StatusQueued, ""},
		{"unknown number", func(_ *testBundle, r *hotsync.SyncRequest) { r.Account = "A9" }, nil, hotsync.StatusFailed,
			string(hotsync.CodeZuoraNotFound)},
		{"lookup, one", func(_ *testBundle, r *hotsync.SyncRequest) {
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada"}
		}, []string{accountID}, hotsync.StatusQueued, ""},
		{"lookup, none", func(_ *testBundle, r *hotsync.SyncRequest) {
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|nobody"}
		}, nil, "", ""},
		{"lookup, none, recorded", func(b *testBundle, r *hotsync.SyncRequest) {
			b.settings.RecordUnmatched = true
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|nobody"}
		}, nil, hotsync.StatusSkipped, hotsync.ReasonNoMatch},
		{"lookup, several", func(b *testBundle, r *hotsync.SyncRequest) {
			a := b.zuora.accounts[otherID]
			a.CustomFields = map[string]string{"LimioExternalId__c": "auth0|ada"}
			b.zuora.accounts[otherID] = a
			r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada"}
		}, nil, hotsync.StatusSkipped, hotsync.ReasonAmbiguous},
		{"switched off", func(b *testBundle, _ *hotsync.SyncRequest) { b.settings.HotSync = false }, nil,
			hotsync.StatusSkipped, hotsync.ReasonDisabled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			r := b.request()
			tc.change(b, &r)
			if r.Lookup == nil { // as the front door does
				b.events.events[r.EventID] = hotsync.NewEvent(r)
			}
			out, e := b.handle(t, r, 1)
			wantOutcome(t, out, syncqueue.Done())
			wantStatus(t, e, tc.wantStatus, tc.wantReason)
			var sent []string
			for _, s := range b.queue.sent {
				sent = append(sent, s.AccountID)
			}
			if diff := cmp.Diff(tc.wantSent, sent); diff != "" {
				t.Errorf("sent on mismatch (-want +got):\n%s", diff)
			}
			if b.limio.writes != 0 {
				t.Errorf("%d writes before the account's turn", b.limio.writes)
			}
			if unmatched := strings.HasSuffix(tc.name, "none"); unmatched != (len(b.logins) == 1) ||
				unmatched && (b.logins[0].Reason != hotsync.ReasonNoMatch || b.logins[0].Subject != r.Identity.Subject) {
				t.Errorf("records of logins = %+v", b.logins)
			}
			if tc.wantReason == hotsync.ReasonAmbiguous && len(e.Candidates) != 2 {
				t.Errorf("candidates = %q, want both accounts", e.Candidates)
			}
		})
	}
}

// SQS delivers a message more than once now and then. What another delivery has
// brought about meanwhile is not undone.
func TestAnotherDeliveryWasFaster(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name      string
		meanwhile func(*hotsync.Event)
		fail      error
		want      hotsync.Status
		receive   int // 1 when zero
		sent      int // on: for the other delivery may die before it does
	}{
		{name: "and has ended", want: hotsync.StatusSucceeded,
			meanwhile: func(e *hotsync.Event) { e.Status, e.Reason = hotsync.StatusSucceeded, hotsync.ReasonChanged }, sent: 1},
		{name: "and has ended, while this one fails", want: hotsync.StatusSucceeded,
			meanwhile: func(e *hotsync.Event) { e.Status, e.Reason = hotsync.StatusSucceeded, hotsync.ReasonChanged },
			fail:      hotsync.Errorf(hotsync.CodeZuoraNotFound, "no account")},
		{name: "and is under way", want: hotsync.StatusRunning,
			meanwhile: func(e *hotsync.Event) { e.Status = hotsync.StatusRunning }, sent: 1},
		{name: "and has ended, and this one is a second", want: hotsync.StatusSucceeded, receive: 2,
			meanwhile: func(e *hotsync.Event) { e.Status, e.Reason = hotsync.StatusSucceeded, hotsync.ReasonChanged }},
		{name: "and is under way, and this one is a second", want: hotsync.StatusRunning, receive: 2, sent: 1,
			meanwhile: func(e *hotsync.Event) { e.Status = hotsync.StatusRunning }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			r := b.request()
			r.Account = "A00000002"
			_, err := b.events.Put(t.Context(), hotsync.NewEvent(r))
			if err != nil {
				t.Fatal(err)
			}
			b.zuora.fail = []error{tc.fail}
			b.zuora.during = func() {
				e := b.events.events[r.EventID]
				e.Request.AccountID = otherID
				tc.meanwhile(&e)
				_, err := b.events.Put(t.Context(), e)
				if err != nil {
					t.Error(err)
				}
			}
			out, e := b.handle(t, r, max(tc.receive, 1))
			wantOutcome(t, out, syncqueue.Done())
			if e.Status != tc.want {
				t.Errorf("status = %s, want %s: what the other delivery wrote", e.Status, tc.want)
			}
			if len(b.queue.sent) != tc.sent {
				t.Errorf("sent on %d times, want %d", len(b.queue.sent), tc.sent)
			}
		})
	}
}

func TestSentOnBeforeLeavesTheEventAlone(t *testing.T) {
	t.Parallel()

	for _, receive := range []int{1, 2} {
		for _, lookup := range []*hotsync.Lookup{nil, {Field: "LimioExternalId__c", Value: "auth0|bob"}} {
			b := setup(t)
			r := b.request()
			r.Account, r.Lookup = "A00000002", lookup
			if lookup != nil {
				r.Account = ""
			}
			running := hotsync.NewEvent(r)
			running.Status, running.Request.AccountID = hotsync.StatusRunning, otherID
			_, err := b.events.Put(t.Context(), running)
			if err != nil {
				t.Fatal(err)
			}
			out, e := b.handle(t, r, receive)
			wantOutcome(t, out, syncqueue.Done())
			if e.Status != hotsync.StatusRunning || e.Revision != 1 {
				t.Errorf("receive %d, lookup %v: event = %s in revision %d, want it as it was", receive, lookup, e.Status,
					e.Revision)
			}
			if len(b.queue.sent) != 1 || b.queue.sent[0].AccountID != otherID {
				t.Errorf("sent on: %+v, want the request under its account, for SQS to drop", b.queue.sent)
			}
		}
	}
}

// A number's first message has nothing to ask or tell of its event, so that it is passed
// on also while the events cannot be read. What has ended is found out under the
// account's turn.
func TestANumberIsPassedOnWithoutItsEvent(t *testing.T) {
	t.Parallel()

	b := setup(t)
	r := b.request()
	r.Account = "A00000002"
	b.events.down = true
	out, _ := b.handle(t, r, 1)
	wantOutcome(t, out, syncqueue.Done())
	if len(b.queue.sent) != 1 {
		t.Fatalf("%d messages sent on, want one", len(b.queue.sent))
	}
	b.events.down = false
	ended := hotsync.NewEvent(r)
	ended.Status = hotsync.StatusSkipped
	b.events.events[r.EventID] = ended
	out, e := b.handle(t, b.queue.sent[0], 1)
	wantOutcome(t, out, syncqueue.Done())
	if e.Status != hotsync.StatusSkipped || b.limio.writes != 0 {
		t.Errorf("event is %s after %d writes, want it left as it ended", e.Status, b.limio.writes)
	}
}

// What was told of a look-up before stays: that it failed once, and waits.
func TestALookupThatIsKnownKeepsItsTries(t *testing.T) {
	t.Parallel()

	b := setup(t)
	r := b.request()
	r.Account, r.Lookup = "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|bob"}
	known := hotsync.NewEvent(r)
	known.Status, known.Attempts = hotsync.StatusRetrying, []hotsync.Attempt{{N: 1, StartedAt: time.Now()}}
	_, err := b.events.Put(t.Context(), known)
	if err != nil {
		t.Fatal(err)
	}
	_, e := b.handle(t, r, 1)
	if e.Status != hotsync.StatusQueued || len(e.Attempts) != 1 || len(b.queue.sent) != 1 {
		t.Errorf("event is %s with %d tries, %d sent on; want it queued with one, and one", e.Status, len(e.Attempts),
			len(b.queue.sent))
	}
	if b.zuora.reads != 1 {
		t.Errorf("Zuora was asked %d times, want once", b.zuora.reads)
	}
}

func TestStaleLookupIsNotWritten(t *testing.T) {
	t.Parallel()

	for _, guard := range []bool{true, false} {
		b := setup(t)
		b.settings.GuardStaleLookups = guard
		r := b.request()
		r.AccountID, r.Account, r.Lookup = accountID, "", &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|moved"}
		_, e := b.handle(t, r, 1)
		if guard {
			wantStatus(t, e, hotsync.StatusSkipped, hotsync.ReasonStaleClaim)
		} else {
			wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		}
		if guard != (b.limio.writes == 0) {
			t.Errorf("guard %t: %d writes", guard, b.limio.writes)
		}
	}
}

func TestUnreachableStoreGivesTheMessageBack(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.events.down = true
	out, _ := b.handle(t, b.request(), 1)
	if out == syncqueue.Done() {
		t.Error("a message was acknowledged although nothing could be recorded")
	}
	if b.limio.writes != 0 {
		t.Errorf("%d writes that nobody could record", b.limio.writes)
	}
}

func TestTakenAfterAllIsSynced(t *testing.T) {
	t.Parallel()

	b := setup(t)
	r := b.request()
	e := hotsync.NewEvent(r)
	e.Status, e.Error = hotsync.StatusFailed, hotsync.Errorf(hotsync.CodeQueueUnavailable, "no answer").Problem()
	_, err := b.events.Put(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	_, got := b.handle(t, r, 1)
	wantStatus(t, got, hotsync.StatusSucceeded, hotsync.ReasonChanged)
}

func TestForeignAnswerIsNotWritten(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.zuora.accounts[accountID] = billing.Account{ID: otherID, Name: "Bob"}
	_, e := b.handle(t, b.request(), 1)
	if e.Error == nil || e.Error.Code != hotsync.CodeZuoraAnswer || b.limio.writes != 0 {
		t.Errorf("error %+v after %d writes, want zuora_answer_invalid and none", e.Error, b.limio.writes)
	}
}

func TestForeignCustomerIsNotWritten(t *testing.T) {
	t.Parallel()

	identity := func(account, customer, status string) projection.Object {
		return projection.Object{Kind: projection.Identity, Key: "zuora/account/" + account, ID: "identity-" + account,
			Service: "zuora", Type: "account",
			Customer: customer, Owner: "id-bob", Status: status,
			Data: map[string]any{"service": "zuora", "issuer": "zuora", "type": "account", "value": account}}
	}
	for name, tc := range map[string]struct {
		identities []projection.Object
		foreign    bool
	}{
		"another account's": {[]projection.Object{identity(otherID, "cus-bob", "active")}, true},
		"nobody's":          {nil, false},
		"of both accounts": {
			[]projection.Object{identity(otherID, "cus-bob", "active"), identity(accountID, "cus-bob", "active")}, false},
		"another account's once":       {[]projection.Object{identity(otherID, "cus-bob", "inactive")}, false},
		"the owner's other customer's": {[]projection.Object{identity(otherID, "cus-other", "active")}, false},
		"by number":                    {[]projection.Object{identity("A00000001", "cus-bob", "active")}, false},
	} {
		b := setup(t)
		b.limio.unfiltered = true
		b.limio.objects = append(b.limio.objects,
			projection.Object{Kind: projection.Customer, Key: "customer", ID: "cus-bob", Owner: "id-bob", Status: "active",
				Data: map[string]any{"name": "Bob"}})
		b.limio.objects = append(b.limio.objects, tc.identities...)
		_, e := b.handle(t, b.request(), 1)
		if refused := e.Error != nil && e.Error.Code == hotsync.CodeLimioAnswer; refused != tc.foreign ||
			refused != (b.limio.writes == 0) {
			t.Errorf("%s: error %+v after %d writes, want refused %t", name, e.Error, b.limio.writes, tc.foreign)
		}
	}
}

func TestWhatThePluginMadeIsNotMadeTwice(t *testing.T) {
	t.Parallel()

	for _, shown := range []bool{true, false} {
		b := setup(t)
		b.limio.unfiltered = true
		b.settings.CreationStrategy = hotsync.CreatePlugin
		a := b.zuora.accounts[accountID]
		a.Subscriptions = []billing.Subscription{
			{Number: "A-S1", Status: "Active", TermType: "EVERGREEN", Start: "2026-01-01"}}
		b.zuora.accounts[accountID] = a
		b.limio.plugin = func(number string) []projection.Object {
			if !shown { // made, and not found by the account
				return nil
			}
			return []projection.Object{{Kind: projection.Customer, Key: "customer", ID: "cus-limio", Owner: "id-limio",
				Status: "active", Data: map[string]any{}},
				{Kind: projection.Subscription, Key: number, Name: number, ID: "sub-limio", Owner: "id-limio",
					Customer: "cus-limio", Status: "active", Data: map[string]any{}}}
		}
		_, e := b.handle(t, b.request(), 1)
		if shown {
			wantStatus(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		} else {
			wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeLimioAnswer))
		}
		for _, c := range e.Changes {
			if c.Action == hotsync.ActionCreate && (c.Object == "subscription" || c.Object == "customer") {
				t.Errorf("shown %t: hotsync made a %s beside Limio's", shown, c.Object)
			}
		}
	}
}

func TestMalformedMessageBecomesOneFailedEvent(t *testing.T) {
	t.Parallel()

	b := setup(t)
	m := syncqueue.Message{ID: "m1", SentAt: time.UnixMilli(1_790_000_000_000),
		DecodeErr: hotsync.Errorf(hotsync.CodeMessageMalformed, "no JSON")}
	for range 2 {
		wantOutcome(t, b.syncer.Handle(t.Context(), m), syncqueue.Done())
	}
	if len(b.events.events) != 1 || len(b.events.tallied) != 1 {
		t.Fatalf("%d events, counted %d times; want 1 and once", len(b.events.events), len(b.events.tallied))
	}
	for _, e := range b.events.events {
		wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeMessageMalformed))
	}
	b.events.down = true
	wantOutcome(t, b.syncer.Handle(t.Context(), m), syncqueue.Again(time.Minute)) // nobody would know of it
	b.events.down, b.events.fail = false, []error{hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")}
	m.ID = "m2"
	wantOutcome(t, b.syncer.Handle(t.Context(), m), syncqueue.Again(time.Minute))
}

// died are tries that ended with their process.
func died(n int, at time.Time) (tries []hotsync.Attempt) {
	for i := range n {
		tries = append(tries, hotsync.Attempt{N: i + 1, StartedAt: at})
	}
	return tries
}

func TestDeadLetterBecomesFailedAndKeepsItsRequest(t *testing.T) {
	t.Parallel()

	b := setup(t)
	letters := &syncer.DeadLetters{MaxAttempts: 5, Events: b.events, Queue: b.queue, Now: time.Now, Log: b.syncer.Log}
	r := b.request()
	e := hotsync.NewEvent(r) // all its tries began and died
	e.Status, e.Attempts = hotsync.StatusRunning, died(5, r.RequestedAt)
	_, err := b.events.Put(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantOutcome(t, letters.Handle(t.Context(), syncqueue.Message{Request: r, ID: "m", SentAt: r.RequestedAt}),
			syncqueue.Done())
	}
	e = b.events.events[r.EventID]
	wantStatus(t, e, hotsync.StatusFailed, string(hotsync.CodeGaveUp))
	if diff := cmp.Diff(r, e.Request); diff != "" {
		t.Errorf("request mismatch (-want +got):\n%s", diff)
	}
	if len(b.events.tallied) != 1 || len(b.queue.sent) != 0 {
		t.Errorf("counted %d times, sent on %d times; want once and never", len(b.events.tallied), len(b.queue.sent))
	}
}

// TestDeadLetterWithTriesLeftIsSentOn has the queue give up on syncs that have not had
// their tries: waiting, for an outage or behind others, uses up receives as dying does.
func TestDeadLetterWithTriesLeftIsSentOn(t *testing.T) {
	t.Parallel()

	ago := time.Now().Add(-time.Minute)
	failedOnce := hotsync.Attempt{N: 1, StartedAt: ago, FinishedAt: ago.Add(time.Second)}
	for _, tc := range []struct {
		name     string
		status   hotsync.Status
		attempts []hotsync.Attempt
	}{
		{"never ran", hotsync.StatusQueued, nil},
		{"waits for an outage", hotsync.StatusRetrying, nil},
		{"failed once and waits", hotsync.StatusRetrying, []hotsync.Attempt{failedOnce}},
		{"died once", hotsync.StatusRunning, died(1, ago)},
		{"died four times", hotsync.StatusRunning, died(4, ago)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			letters := &syncer.DeadLetters{MaxAttempts: 5, Events: b.events, Queue: b.queue, Now: time.Now, Log: b.syncer.Log}
			r := b.request()
			r.Requeued = 40 // it has waited for Zuora, which is not dying
			e := hotsync.NewEvent(r)
			e.Status, e.Attempts = tc.status, tc.attempts
			_, err := b.events.Put(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= 3; n++ {
				wantOutcome(t, letters.Handle(t.Context(), syncqueue.Message{Request: r, ID: "m", SentAt: r.RequestedAt}),
					syncqueue.Done())
				if len(b.queue.sent) != n {
					t.Fatalf("sent on %d times by letter %d", len(b.queue.sent), n)
				}
				wantStatus(t, b.events.events[r.EventID], tc.status, "")
				r = b.queue.sent[n-1]
			}
			letters.Handle(t.Context(), syncqueue.Message{Request: r, ID: "m", SentAt: r.RequestedAt})
			if len(b.queue.sent) != 3 {
				t.Errorf("sent on %d times, want 3", len(b.queue.sent))
			}
			wantStatus(t, b.events.events[r.EventID], hotsync.StatusFailed, string(hotsync.CodeGaveUp))
		})
	}
}

// TestSyncThatKillsItsProcessEnds delivers a sync again whose tries all died: one more
// would cost the others of its batch another process.
func TestSyncThatKillsItsProcessEnds(t *testing.T) {
	t.Parallel()

	for tries, want := range map[int]hotsync.Status{2: hotsync.StatusSucceeded, 3: hotsync.StatusFailed} {
		b := setup(t)
		r := b.request()
		e := hotsync.NewEvent(r)
		e.Status, e.Attempts = hotsync.StatusRunning, died(tries, r.RequestedAt)
		_, err := b.events.Put(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		wantOutcome(t, b.syncer.Handle(t.Context(), syncqueue.Message{Request: r, ReceiveCount: 2}), syncqueue.Done())
		got := b.events.events[r.EventID]
		if got.Status != want {
			t.Errorf("after %d tries that died: %s, want %s", tries, got.Status, want)
		}
		if wrote := b.limio.writes > 0; wrote != (want == hotsync.StatusSucceeded) {
			t.Errorf("after %d tries that died: Limio written %v", tries, wrote)
		}
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()

	b := setup(t)
	d, err := b.syncer.DryRun(t.Context(), hotsync.SyncRequest{Account: "A00000001"})
	if err != nil {
		t.Fatal(err)
	}
	if s := d.Sides; s.Subscriptions == nil || s.Customer != "" || s.LoginCount != 0 {
		t.Errorf("sides = %+v, want an account that Limio does not have", s)
	}
	if len(d.Changes) == 0 || b.limio.writes != 0 || len(b.events.events) != 0 {
		t.Errorf("%d changes shown, %d writes, %d events; want some, none, none", len(d.Changes), b.limio.writes,
			len(b.events.events))
	}
}

// TestATryThatIsNotThisOnes: a later try is written before it begins. Where that cannot be, or another delivery came to
// its end meanwhile, nothing is synced.
func TestATryThatIsNotThisOnes(t *testing.T) {
	t.Parallel()

	for _, ended := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := setup(t)
			r := b.request()
			b.syncer.Settings = meanwhile{b.settings, func() {
				if !ended {
					b.events.fail = []error{hotsync.Errorf(hotsync.CodeStoreUnavailable, "throttled")}
					return
				}
				e := hotsync.NewEvent(r)
				e.Status, e.Revision = hotsync.StatusSucceeded, 1
				b.events.events[e.ID] = e
			}}
			out, e := b.handle(t, r, 2)
			if _, again := out.Delay(); again == ended || b.limio.writes > 0 || b.zuora.reads > 0 {
				t.Errorf("ended %t: comes again: %t, after %d reads and %d writes", ended, again, b.zuora.reads, b.limio.writes)
			}
			if ended {
				wantStatus(t, e, hotsync.StatusSucceeded, "")
			} else {
				wantStatus(t, e, hotsync.StatusRetrying, string(hotsync.CodeStoreUnavailable))
			}
		})
	}
}
