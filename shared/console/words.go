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
			return capital(waitsFor(hotsync.Code(codeOf(e)))) + ". It waits with all the others; waiting costs no attempt."
		}
		return message(e, "The last attempt failed.") + " Tried " + plural(e.AttemptCount, "time.", "times.")
	case hotsync.StatusSucceeded:
		text := "Limio already had everything."
		if e.Reason == hotsync.ReasonChanged {
			text = plural(e.ChangeCount, "change", "changes") + " written to Limio."
		}
		return text + explainFindings(e)
	case hotsync.StatusSkipped:
		return message(e, cmp.Or(wordsFor(e.Reason).why, "Skipped: "+sentence(label(e.Reason))))
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

// waitsFor is what keeps a sync waiting, by its error's code, in a few words.
func waitsFor(code hotsync.Code) string {
	switch code {
	case hotsync.CodeZuoraUnavailable, hotsync.CodeZuoraPaused:
		return "Zuora is down"
	case hotsync.CodeLimioUnavailable, hotsync.CodeLimioPaused:
		return "Limio is down"
	case hotsync.CodeZuoraRateLimited, hotsync.CodeLimioRateLimited, hotsync.CodeZuoraBusy:
		return upstream(code) + " asked everybody to wait"
	default:
		return upstream(code) + " takes no calls"
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// upstream is the system that an error is about.
func upstream(code hotsync.Code) string {
	if strings.HasPrefix(string(code), "limio_") {
		return "Limio"
	}
	return "Zuora"
}

func message(e hotsync.Event, otherwise string) string {
	if e.Error == nil || e.Error.Message == "" {
		return otherwise
	}
	return sentence(e.Error.Message)
}

// sentence ends a text as a sentence does.
func sentence(s string) string {
	if strings.ContainsAny(s[max(0, len(s)-1):], ".!?") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}

// todo says what a person can do about an event; "" when nothing is to be done.
// What has ended is not tried again, whatever its error says of waiting.
func todo(e hotsync.Event) string {
	switch e.Status {
	case hotsync.StatusRetrying:
		w := wordsFor(codeOf(e))
		if w.waits == "" {
			return goesOn
		}
		return w.waits
	case hotsync.StatusFailed:
		if codeOf(e) == "" {
			return "Retry; if it fails again, search the logs for the event id."
		}
		return wordsFor(codeOf(e)).ended
	case hotsync.StatusSkipped:
		return wordsFor(e.Reason).ended
	case hotsync.StatusSucceeded:
		for _, f := range attentionFirst(e.Findings) {
			if f.Severity == hotsync.SeverityAttention {
				return f.Hint
			}
		}
	}
	return ""
}

// codeOf is the code that an event's trouble has.
func codeOf(e hotsync.Event) string {
	if e.Error != nil && e.Error.Code != "" {
		return string(e.Error.Code)
	}
	return e.Reason
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
		if e.Reason == hotsync.ReasonPaused {
			return "Waiting: " + waitsFor(hotsync.Code(codeOf(e)))
		}
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
func label(code string) string { return wordsFor(code).label }

// took is how long an event has taken: from the request to its end, or until now.
func took(e hotsync.Event, now time.Time) time.Duration {
	if e.FinishedAt.IsZero() {
		return now.Sub(e.RequestedAt)
	}
	return e.FinishedAt.Sub(e.RequestedAt)
}

// who is who signed in, as far as everybody may see: the masked e-mail, else the
// masked subject.
func who(e hotsync.Event) string {
	if e.Request.EmailMask != "" {
		return e.Request.EmailMask
	}
	return mask(e.Subject)
}

// via says what asked for a sync, where it was not an ordinary login.
func via(e hotsync.Event) string {
	if e.Trigger == hotsync.TriggerLogin || e.Trigger == "" {
		return ""
	}
	return label(string(e.Trigger))
}

// lastAttempt is what the attempt is called whose steps an event has.
func lastAttempt(earlier []earlierTry) string {
	if len(earlier) == 0 {
		return "attempt"
	}
	return "last attempt"
}
