package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"hotsync/shared/hotsync"
)

// explain says in words why an event stands as it does.
func explain(e hotsync.Event) string {
	switch e.Status {
	case hotsync.StatusQueued:
		if e.RetryOf != "" {
			return "A retry that waits for its turn."
		}
		return "Waits for its turn."
	case hotsync.StatusRunning:
		return fmt.Sprintf("Attempt %d is under way.", max(1, e.AttemptCount))
	case hotsync.StatusRetrying:
		if e.Reason == hotsync.ReasonPaused {
			return "Waits with all the others until " + upstream(e) + " takes calls again. " + message(e, "")
		}
		return message(e, "The last attempt failed.") + " Tried " + plural(e.AttemptCount, "time.", "times.")
	case hotsync.StatusSucceeded:
		text := "Limio already had everything."
		if e.Reason == hotsync.ReasonChanged {
			text = plural(e.ChangeCount, "change", "changes") + " written to Limio."
		}
		return text + explainFindings(e)
	case hotsync.StatusSkipped:
		return explainSkipped(e)
	default:
		return message(e, "It failed without saying why.")
	}
}

// explainFindings says what somebody has to look at: in full where the findings
// were read, by their number in a list.
func explainFindings(e hotsync.Event) string {
	for _, f := range attentionFirst(e.Findings) {
		if f.Severity == hotsync.SeverityAttention {
			return " But: " + f.Message
		}
	}
	text := ""
	if e.AttentionCount > 0 {
		text = " But " + plural(e.AttentionCount, "thing needs attention.", "things need attention.")
	}
	if notes := e.FindingCount - e.AttentionCount; notes > 0 {
		text += " " + plural(notes, "note.", "notes.")
	}
	return text
}

// attentionFirst returns the findings with those that somebody has to act on
// before the others.
func attentionFirst(findings []hotsync.Finding) []hotsync.Finding {
	out := slices.Clone(findings)
	slices.SortStableFunc(out, func(a, b hotsync.Finding) int {
		return cmp.Compare(hotsync.AttentionCount([]hotsync.Finding{b}), hotsync.AttentionCount([]hotsync.Finding{a}))
	})
	return out
}

// upstream is the system that an event's error is about.
func upstream(e hotsync.Event) string {
	if e.Error != nil && strings.HasPrefix(string(e.Error.Code), "limio_") {
		return "Limio"
	}
	return "Zuora"
}

func explainSkipped(e hotsync.Event) string {
	switch e.Reason {
	case hotsync.ReasonCoalesced:
		return "Nothing to do: a sync that began later covers it."
	case hotsync.ReasonAmbiguous:
		return message(e, "Several Zuora accounts match, so none was synced.")
	case hotsync.ReasonNoMatch:
		return message(e, "No Zuora account matches the login.")
	case hotsync.ReasonDisabled:
		return "Hot sync was switched off when it came up."
	case hotsync.ReasonStaleClaim:
		return message(e, "The account no longer names this login.")
	default:
		return message(e, "Skipped: "+e.Reason+".")
	}
}

func message(e hotsync.Event, otherwise string) string {
	if e.Error == nil || e.Error.Message == "" {
		return otherwise
	}
	return e.Error.Message
}

// todo says what a person can do about an event; "" when nothing is to be done.
func todo(e hotsync.Event) string {
	switch {
	case e.Status == hotsync.StatusSkipped && e.Reason == hotsync.ReasonDisabled:
		return hotsync.CodeDisabled.Hint()
	case e.Error != nil && e.Status == hotsync.StatusFailed && e.Error.Code.Transient():
		return endedHint(e)
	case e.Error != nil && e.Status != hotsync.StatusSucceeded:
		return e.Error.Hint
	case e.Status == hotsync.StatusFailed:
		return "Retry it; if it fails again, search the logs for its id."
	case e.Status == hotsync.StatusSucceeded && e.AttentionCount > 0:
		for _, f := range attentionFirst(e.Findings) {
			if f.Severity == hotsync.SeverityAttention {
				return f.Hint
			}
		}
		return ""
	default:
		return ""
	}
}

// endedHint is what to do about a sync that ended for good on an error that is
// otherwise waited for: nothing tries it again.
func endedHint(e hotsync.Event) string {
	switch e.Error.Code {
	case hotsync.CodeTimeout:
		return "It is not tried again by itself. Look for slow calls in the steps, then retry."
	case hotsync.CodeZuoraAnswer, hotsync.CodeLimioAnswer, hotsync.CodeLimioNotFound:
		return "It is not tried again by itself. Retry it; if it fails again, search the logs for its id."
	case hotsync.CodeSettingsMissing, hotsync.CodeSecretMissing:
		return e.Error.Hint + " Then retry."
	case hotsync.CodeStoreUnavailable, hotsync.CodeQueueUnavailable:
		return "It is not tried again by itself. Retry it when AWS answers again."
	default:
		return "It is not tried again by itself. Retry it when " + upstream(e) + " answers again."
	}
}

// settled is an event whose error says what is to be done now that it has ended.
func settled(e hotsync.Event) hotsync.Event {
	if e.Status == hotsync.StatusFailed && e.Error != nil {
		problem := *e.Error
		problem.Hint = todo(e)
		e.Error = &problem
	}
	return e
}

// resolves reports whether a later sync leaves nothing to do about an event: it
// succeeded, for the same login, which sees the account.
func resolves(later, e hotsync.Event) bool {
	return later.Status == hotsync.StatusSucceeded && later.Subject == e.Subject &&
		later.Request.Identity.Issuer == e.Request.Identity.Issuer &&
		!slices.ContainsFunc(later.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
}

// headline is the outcome in a few words.
func headline(e hotsync.Event) string {
	switch e.Status {
	case hotsync.StatusQueued:
		return "Waiting for its turn"
	case hotsync.StatusRunning:
		return "Syncing now"
	case hotsync.StatusRetrying:
		return "Will be tried again"
	case hotsync.StatusSucceeded:
		if e.AttentionCount > 0 {
			return "Synced, but somebody has to look at it"
		}
		if e.Reason == hotsync.ReasonChanged {
			return "Synced, " + plural(e.ChangeCount, "change", "changes")
		}
		return "Synced, nothing to change"
	case hotsync.StatusSkipped:
		return "Not synced: " + label(e.Reason)
	default:
		return "Failed: " + label(e.Reason)
	}
}

// label is a status, a reason or a code as a person reads it.
func label(code string) string {
	if s, ok := labels[code]; ok {
		return s
	}
	out := []rune(code)
	for i, r := range out {
		if r == '_' {
			out[i] = ' '
		}
	}
	return string(out)
}

// labels are the words for what is more than its code with blanks in it.
var labels = map[string]string{
	hotsync.ReasonChanged:    "changed",
	hotsync.ReasonUnchanged:  "unchanged",
	hotsync.ReasonCoalesced:  "covered by a later sync",
	hotsync.ReasonAmbiguous:  "several accounts match",
	hotsync.ReasonNoMatch:    "no account matches",
	hotsync.ReasonDisabled:   "hot sync is off",
	hotsync.ReasonStaleClaim: "the claim is out of date",
	hotsync.ReasonPaused:     "Zuora or Limio does not answer",

	string(hotsync.CodeGaveUp):            "the sync died without an answer",
	string(hotsync.CodeInternal):          "internal error",
	string(hotsync.CodeTimeout):           "out of time",
	string(hotsync.CodeZuoraNotFound):     "no such Zuora account",
	string(hotsync.CodeZuoraUnauthorized): "Zuora refused the client",
	string(hotsync.CodeZuoraForbidden):    "Zuora denies a permission",
	string(hotsync.CodeZuoraRefused):      "Zuora refused the request",
	string(hotsync.CodeZuoraRateLimited):  "Zuora's rate limit",
	string(hotsync.CodeZuoraBusy):         "Zuora is busy",
	string(hotsync.CodeZuoraUnavailable):  "Zuora did not answer",
	string(hotsync.CodeZuoraAnswer):       "Zuora's answer made no sense",
	string(hotsync.CodeZuoraHost):         "Zuora pointed elsewhere",
	string(hotsync.CodeZuoraPaused):       "calls to Zuora are paused",
	string(hotsync.CodeLimioPaused):       "calls to Limio are paused",
	string(hotsync.CodeLimioUnauthorized): "Limio refused the client",
	string(hotsync.CodeLimioForbidden):    "Limio denies a permission",
	string(hotsync.CodeLimioRefused):      "Limio refused an object",
	string(hotsync.CodeLimioNotFound):     "Limio does not know an object",
	string(hotsync.CodeLimioRateLimited):  "Limio's rate limit",
	string(hotsync.CodeLimioUnavailable):  "Limio did not answer",
	string(hotsync.CodeLimioAnswer):       "Limio's answer made no sense",
	string(hotsync.CodeLimioHost):         "Limio pointed elsewhere",
	string(hotsync.CodeLimioCreation):     "Limio refused to create",

	string(hotsync.TriggerPostAuthentication): "Cognito sign-in",
	string(hotsync.TriggerPostConfirmation):   "Cognito sign-up",
	string(hotsync.TriggerLogin):              "login",
	string(hotsync.TriggerCallout):            "Zuora callout",
	string(hotsync.TriggerAPI):                "API",
	string(hotsync.TriggerConsole):            "console",
	string(hotsync.TriggerBackfill):           "backfill",
	string(hotsync.TriggerReconcile):          "reconcile",
}

// took is how long an event has taken: from the request to its end, or until now.
func took(e hotsync.Event, now time.Time) time.Duration {
	if e.FinishedAt.IsZero() {
		return now.Sub(e.RequestedAt)
	}
	return e.FinishedAt.Sub(e.RequestedAt)
}
