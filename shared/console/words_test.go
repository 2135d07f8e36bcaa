package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hotsync/shared/hotsync"
)

// Words of an outage are true only while somebody waits: nothing tries again
// what has ended.
func TestNoPromiseAboutWhatHasEnded(t *testing.T) {
	t.Parallel()

	for _, code := range hotsync.Codes() {
		id := hotsync.EventIDFor(start, string(code))
		b := setup(t, hotsync.Event{ID: id, Status: hotsync.StatusFailed, Reason: string(code), RequestedAt: start,
			FinishedAt: start.Add(time.Second),
			Error:      &hotsync.Problem{Code: code, Message: "It failed.", Hint: code.Hint()}})
		a := b.signIn("viewer").get("/events/" + id)
		a.wantStatus(t, http.StatusOK)
		for _, promise := range []string{"is tried again by itself", "go on by themselves"} {
			if strings.Contains(a.body, promise) {
				t.Errorf("%s: the page of a sync that ended says %q", code, promise)
			}
		}
	}
}

// Another login's success, or one after which the login sees nothing, settles
// nothing.
func TestNothingIsLeftToDoOnlyForTheSameLogin(t *testing.T) {
	t.Parallel()

	_, by := samples()
	failed := by["failed, Limio refused"]
	later := by["succeeded, unchanged"]
	later.RequestedAt = failed.RequestedAt.Add(time.Minute)
	later.ID, later.Findings, later.Account = hotsync.EventIDFor(later.RequestedAt, "later"), nil, failed.Account
	later.Subject, later.Request.Identity = failed.Subject, failed.Request.Identity
	other := later
	other.Subject = "somebody else"
	unseen := later
	unseen.Findings = []hotsync.Finding{
		hotsync.Attention(hotsync.FindingNotLinked, "", "Check who owns it.", "This login does not see the account.")}
	for name, tc := range map[string]struct {
		later hotsync.Event
		want  bool
	}{"same login": {later, true}, "another login": {other, false}, "not seen": {unseen, false}} {
		a := setup(t, failed, tc.later).signIn("viewer").get("/events/" + failed.ID)
		if got := strings.Contains(a.Text(".outcome"), "nothing is left to do"); got != tc.want {
			t.Errorf("%s: nothing is left to do = %t, want %t", name, got, tc.want)
		}
	}
	a := setup(t, unseen).signIn("viewer").get("/events/" + unseen.ID)
	if got := a.Text(".outcome"); !strings.Contains(got, "does not see the account") ||
		!strings.Contains(got, "Check who owns it.") {
		t.Errorf("a success that the login does not see says %q", got)
	}
	if got := a.Text(".findings li"); !strings.HasPrefix(got, "attention") {
		t.Errorf("the finding is shown as %q", got)
	}
}

// Every code has words of its own: what it is called, and what to do once a sync
// has ended with it.
func TestEveryCodeHasWords(t *testing.T) {
	t.Parallel()

	for _, code := range hotsync.Codes() {
		b := setup(t, hotsync.Event{ID: hotsync.EventIDFor(start, string(code)), Status: hotsync.StatusFailed,
			Reason:      string(code),
			RequestedAt: start, FinishedAt: start.Add(time.Second), Error: &hotsync.Problem{Code: code, Message: "It failed."}})
		a := b.signIn("viewer").get("/open")
		if got := a.Text(".cause h2"); got == "" || strings.Contains(got, "_") ||
			strings.EqualFold(got, strings.ReplaceAll(string(code), "_", " ")) &&
				code != hotsync.CodeInternal && code != hotsync.CodeBadRequest && code != hotsync.CodeNotFound {
			t.Errorf("%s is called %q: give it words of its own in vocabulary.go", code, got)
		}
		if len(a.Texts(".cause-text p")) < 2 {
			t.Errorf("%s does not say what to do: add ended to its row in vocabulary.go", code)
		}
	}
}
