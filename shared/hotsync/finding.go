package hotsync

import (
	"fmt"
	"slices"
)

// Severity says whether somebody has to act on a finding.
type Severity string

// The severities.
const (
	SeverityAttention Severity = "attention" // synced, but somebody has to do something
	SeverityNote      Severity = "note"      // worth knowing; nothing to do
)

// FindingCode names a kind of finding. It is stable: people search by it.
type FindingCode string

// The codes.
const (
	FindingOther     FindingCode = "note"       // has no code of its own
	FindingNotLinked FindingCode = "not_linked" // the login does not see the account, and why
)

// Finding is something to say about a sync that did not fail because of it.
type Finding struct {
	Code     FindingCode `json:"code"`
	Severity Severity    `json:"severity"`
	Message  string      `json:"message"`          // a sentence with account data such as numbers, never anything personal
	Hint     string      `json:"hint,omitempty"`   // what to do
	Object   string      `json:"object,omitempty"` // what it is about: a subscription number, a Limio id, an account
}

// Note returns a finding that asks for nothing.
func Note(code FindingCode, object, format string, args ...any) Finding {
	return Finding{Code: code, Severity: SeverityNote, Object: object, Message: fmt.Sprintf(format, args...)}
}

// Attention returns a finding that somebody has to act on; hint says how.
func Attention(code FindingCode, object, hint, format string, args ...any) Finding {
	return Finding{Code: code, Severity: SeverityAttention, Object: object, Hint: hint, Message: fmt.Sprintf(format, args...)}
}

// AttentionCount returns how many of the findings somebody has to act on.
func AttentionCount(findings []Finding) int {
	n := 0
	for _, f := range findings {
		if f.Severity == SeverityAttention {
			n++
		}
	}
	return n
}

// AddFinding returns the findings with f, once.
func AddFinding(findings []Finding, f Finding) []Finding {
	if slices.Contains(findings, f) {
		return findings
	}
	return append(findings, f)
}

// Messages returns the findings' messages.
func Messages(findings []Finding) []string {
	out := make([]string, len(findings))
	for i, f := range findings {
		out[i] = f.Message
	}
	return out
}
