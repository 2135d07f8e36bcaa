package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hotsync/shared/hotsync"
)

// difference is one way in which a sync was unlike the last good one.
type difference struct {
	What         string
	Before, Now  string
	Longer, Lost bool // it took much longer; it does not happen any more
}

// differences tells how a sync differs from an earlier good one of the same
// account: what asked for it, what its steps saw, how long they took, and what
// it warned of. Times that differ little are left out.
func differences(good, e hotsync.Event) []difference {
	var out []difference
	add := func(what, before, now string) {
		if before != now {
			out = append(out, difference{What: what, Before: orNone(before), Now: orNone(now)})
		}
	}
	add("Outcome", headline(good), headline(e))
	add("Trigger", label(string(good.Trigger)), label(string(e.Trigger)))
	add("Provider", good.Provider, e.Provider)
	add("Claim", good.Request.Claim, e.Request.Claim)
	add("Account number", good.Account.Number, e.Account.Number)
	add("Login", mask(good.Subject), mask(e.Subject))
	if good.Subject != e.Subject && mask(good.Subject) == mask(e.Subject) {
		out = append(out, difference{What: "Login", Before: mask(good.Subject), Now: "another person"})
	}
	add("Attempts", fmt.Sprint(good.Tries()), fmt.Sprint(e.Tries()))
	out = append(out, stepDifferences(good, e)...)
	for _, w := range e.Findings {
		if !slices.Contains(good.Findings, w) {
			out = append(out, difference{What: "Finding", Before: "—", Now: w.Message})
		}
	}
	for _, w := range good.Findings {
		if !slices.Contains(e.Findings, w) && len(e.Steps) > 0 {
			out = append(out, difference{What: "Finding", Before: w.Message, Now: "—", Lost: true})
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "—"
	}
	return s
}

func stepDifferences(good, now hotsync.Event) []difference {
	var out []difference
	byName := map[string]hotsync.Step{}
	for _, s := range good.Steps {
		byName[s.Name] = s
	}
	seen := map[string]bool{}
	for _, s := range now.Steps {
		seen[s.Name] = true
		before, ok := byName[s.Name]
		if !ok {
			out = append(out, difference{What: "Step " + s.Name, Before: "did not happen", Now: stepText(now, s)})
			continue
		}
		longer := s.MS > 2*before.MS && time.Duration(s.MS-before.MS)*time.Millisecond > 500*time.Millisecond
		if before.Detail != s.Detail || before.Calls != s.Calls || longer {
			out = append(
				out,
				difference{What: "Step " + s.Name, Before: stepText(good, before), Now: stepText(now, s), Longer: longer},
			)
		}
	}
	for _, s := range good.Steps {
		if !seen[s.Name] && len(now.Steps) > 0 {
			out = append(out, difference{What: "Step " + s.Name, Before: stepText(good, s), Now: "not reached", Lost: true})
		}
	}
	return out
}

func stepText(e hotsync.Event, s hotsync.Step) string {
	parts := []string{millis(s.MS), plural(s.Calls, "call", "calls")}
	if detail := stepDetail(e, s); detail != "" {
		parts = append(parts, detail)
	}
	return strings.Join(parts, ", ")
}
